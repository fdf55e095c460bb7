# The layers, checked over the whole tree.
dist_check_SCRIPTS += tests/layers.sh

if HAVE_CMOCKA
check_PROGRAMS += tests/base/test_err
tests_base_test_err_SOURCES = tests/base/test_err.c
tests_base_test_err_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_err_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/base/test_buf
tests_base_test_buf_SOURCES = tests/base/test_buf.c
tests_base_test_buf_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_buf_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/base/test_clock
tests_base_test_clock_SOURCES = tests/base/test_clock.c
tests_base_test_clock_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_clock_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/base/test_hash
tests_base_test_hash_SOURCES = tests/base/test_hash.c
tests_base_test_hash_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_hash_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/base/test_log
tests_base_test_log_SOURCES = tests/base/test_log.c
tests_base_test_log_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_log_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/base/test_workers
tests_base_test_workers_SOURCES = tests/base/test_workers.c
tests_base_test_workers_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_workers_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/base/test_file
tests_base_test_file_SOURCES = tests/base/test_file.c
tests_base_test_file_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_file_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/base/test_failpoint
tests_base_test_failpoint_SOURCES = tests/base/test_failpoint.c
tests_base_test_failpoint_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_failpoint_LDADD = $(TEST_LIBS)
# The same tests with the way of a kernel that has no openat2.
check_PROGRAMS += tests/base/test_file_without_openat2
tests_base_test_file_without_openat2_SOURCES = tests/base/test_file.c src/base/file.c
tests_base_test_file_without_openat2_CPPFLAGS = $(TEST_CPPFLAGS) -DLS_TEST_WITHOUT_OPENAT2
tests_base_test_file_without_openat2_LDADD = libls_base.la $(CRYPTO_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/base/test_json
tests_base_test_json_SOURCES = tests/base/test_json.c
tests_base_test_json_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_json_LDADD = libls_base.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/base/test_histogram
tests_base_test_histogram_SOURCES = tests/base/test_histogram.c
tests_base_test_histogram_CPPFLAGS = $(TEST_CPPFLAGS)
tests_base_test_histogram_LDADD = libls_base.la $(CMOCKA_LIBS)
endif
