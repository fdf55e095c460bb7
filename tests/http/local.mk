# if HAVE_CMOCKA
# check_PROGRAMS += tests/http/test_NAME
# tests_http_test_NAME_SOURCES = tests/http/test_NAME.c
# tests_http_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_http_test_NAME_LDADD = $(TEST_LIBS)
# endif
