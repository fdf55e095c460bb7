# if HAVE_CMOCKA
# check_PROGRAMS += tests/store/test_NAME
# tests_store_test_NAME_SOURCES = tests/store/test_NAME.c
# tests_store_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_store_test_NAME_LDADD = $(TEST_LIBS)
# endif
