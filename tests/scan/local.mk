# if HAVE_CMOCKA
# check_PROGRAMS += tests/scan/test_NAME
# tests_scan_test_NAME_SOURCES = tests/scan/test_NAME.c
# tests_scan_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_scan_test_NAME_LDADD = $(TEST_LIBS)
# endif
