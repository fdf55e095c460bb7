# if HAVE_CMOCKA
# check_PROGRAMS += tests/catalog/test_NAME
# tests_catalog_test_NAME_SOURCES = tests/catalog/test_NAME.c
# tests_catalog_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_catalog_test_NAME_LDADD = $(TEST_LIBS)
# endif
