# if HAVE_CMOCKA
# check_PROGRAMS += tests/layout/test_NAME
# tests_layout_test_NAME_SOURCES = tests/layout/test_NAME.c
# tests_layout_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_layout_test_NAME_LDADD = $(TEST_LIBS)
# endif
