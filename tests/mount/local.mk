if HAVE_CMOCKA
check_PROGRAMS += tests/mount/test_mount

MOUNT_TEST_LIBS = libls_mount.la $(TEST_LIBS) $(FUSE_LIBS)

tests_mount_test_mount_SOURCES = tests/mount/test_mount.c tests/mount/env.c tests/mount/env.h
tests_mount_test_mount_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_mount_LDADD = $(MOUNT_TEST_LIBS)
endif
