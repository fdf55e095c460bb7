# if HAVE_CMOCKA
# check_PROGRAMS += tests/http/test_NAME
# tests_http_test_NAME_SOURCES = tests/http/test_NAME.c
# tests_http_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_http_test_NAME_LDADD = $(TEST_LIBS)
# endif
if HAVE_CMOCKA
check_PROGRAMS += tests/http/test_http
tests_http_test_http_SOURCES = tests/http/test_http.c tests/http/stub.c tests/http/stub.h
tests_http_test_http_CPPFLAGS = $(TEST_CPPFLAGS)
tests_http_test_http_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/http/test_tls
tests_http_test_tls_SOURCES = tests/http/test_tls.c
tests_http_test_tls_CPPFLAGS = $(TEST_CPPFLAGS)
tests_http_test_tls_LDADD = $(TEST_LIBS)
endif
