# if HAVE_CMOCKA
# check_PROGRAMS += tests/engine/test_NAME
# tests_engine_test_NAME_SOURCES = tests/engine/test_NAME.c
# tests_engine_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_engine_test_NAME_LDADD = $(TEST_LIBS)
# endif
