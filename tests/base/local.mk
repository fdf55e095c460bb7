# if HAVE_CMOCKA
# check_PROGRAMS += tests/base/test_NAME
# tests_base_test_NAME_SOURCES = tests/base/test_NAME.c
# tests_base_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_base_test_NAME_LDADD = $(TEST_LIBS)
# endif
