# if HAVE_CMOCKA
# check_PROGRAMS += tests/store/test_NAME
# tests_store_test_NAME_SOURCES = tests/store/test_NAME.c
# tests_store_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_store_test_NAME_LDADD = $(TEST_LIBS)
# endif

if HAVE_CMOCKA
CONTRACT_SOURCES = tests/store/test_store_contract.c tests/store/contract.h tests/store/contract_batches.c \
	tests/store/contract_listing.c tests/store/contract_objects.c tests/store/contract_tools.h tests/store/tools.h
check_PROGRAMS += tests/store/test_store_contract_file
tests_store_test_store_contract_file_SOURCES = $(CONTRACT_SOURCES) tests/store/contract_file.c
tests_store_test_store_contract_file_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_store_contract_file_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/store/test_file
tests_store_test_file_SOURCES = tests/store/test_file.c tests/store/file_tools.h tests/store/tools.h
tests_store_test_file_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_file_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/store/test_file_others
tests_store_test_file_others_SOURCES = tests/store/test_file_others.c tests/store/file_tools.h tests/store/tools.h
tests_store_test_file_others_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_file_others_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/store/test_decorators
tests_store_test_decorators_SOURCES = tests/store/test_decorators.c
tests_store_test_decorators_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_decorators_LDADD = $(TEST_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/store/test_sigv4
tests_store_test_sigv4_SOURCES = tests/store/test_sigv4.c
tests_store_test_sigv4_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_sigv4_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/store/test_s3_xml
tests_store_test_s3_xml_SOURCES = tests/store/test_s3_xml.c
tests_store_test_s3_xml_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_s3_xml_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/store/test_s3_answers
tests_store_test_s3_answers_SOURCES = tests/store/test_s3_answers.c tests/store/s3_tools.h tests/http/stub.c \
	tests/http/stub.h
tests_store_test_s3_answers_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_s3_answers_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/store/test_s3_writes
tests_store_test_s3_writes_SOURCES = tests/store/test_s3_writes.c tests/store/s3_tools.h tests/http/stub.c \
	tests/http/stub.h
tests_store_test_s3_writes_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_s3_writes_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/store/test_s3_server
tests_store_test_s3_server_SOURCES = tests/store/test_s3_server.c
tests_store_test_s3_server_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_s3_server_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/store/test_store_contract_s3
tests_store_test_store_contract_s3_SOURCES = $(CONTRACT_SOURCES) tests/store/contract_s3.c
tests_store_test_store_contract_s3_CPPFLAGS = $(TEST_CPPFLAGS)
tests_store_test_store_contract_s3_LDADD = $(TEST_LIBS)
endif
EXTRA_DIST += tests/store/vectors
