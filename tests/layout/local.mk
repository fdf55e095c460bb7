if HAVE_CMOCKA
check_PROGRAMS += tests/layout/test_layout
tests_layout_test_layout_SOURCES = tests/layout/test_layout.c
tests_layout_test_layout_CPPFLAGS = $(TEST_CPPFLAGS)
tests_layout_test_layout_LDADD = $(TEST_LIBS)
endif
