# if HAVE_CMOCKA
# check_PROGRAMS += tests/mount/test_NAME
# tests_mount_test_NAME_SOURCES = tests/mount/test_NAME.c
# tests_mount_test_NAME_CPPFLAGS = $(TEST_CPPFLAGS)
# tests_mount_test_NAME_LDADD = $(TEST_LIBS)
# endif
