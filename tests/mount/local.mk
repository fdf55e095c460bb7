if HAVE_CMOCKA
check_PROGRAMS += tests/mount/test_cache tests/mount/test_content tests/mount/test_mount tests/mount/test_nodes \
	tests/mount/test_rules tests/mount/test_stage tests/mount/test_versions
check_PROGRAMS += tests/mount/test_errno tests/mount/test_options
check_PROGRAMS += tests/mount/test_ahead tests/mount/test_follow tests/mount/test_notices

MOUNT_TEST_LIBS = libls_mount.la $(TEST_LIBS) $(FUSE_LIBS)

tests_mount_test_ahead_SOURCES = tests/mount/test_ahead.c tests/mount/env.c tests/mount/env.h
tests_mount_test_ahead_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_ahead_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_cache_SOURCES = tests/mount/test_cache.c tests/mount/cache_env.c tests/mount/cache_env.h
tests_mount_test_cache_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_cache_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_content_SOURCES = tests/mount/test_content.c tests/mount/cache_env.c tests/mount/cache_env.h
tests_mount_test_content_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_content_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_errno_SOURCES = tests/mount/test_errno.c
tests_mount_test_errno_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_errno_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_options_SOURCES = tests/mount/test_options.c
tests_mount_test_options_CPPFLAGS = $(TEST_CPPFLAGS) $(FUSE_CFLAGS)
tests_mount_test_options_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_follow_SOURCES = tests/mount/test_follow.c
tests_mount_test_follow_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_follow_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_mount_SOURCES = tests/mount/test_mount.c tests/mount/calls.h tests/mount/env.c tests/mount/env.h
tests_mount_test_mount_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_mount_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_versions_SOURCES = tests/mount/test_versions.c tests/mount/calls.h tests/mount/env.c tests/mount/env.h
tests_mount_test_versions_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_versions_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_nodes_SOURCES = tests/mount/test_nodes.c
tests_mount_test_nodes_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_nodes_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_notices_SOURCES = tests/mount/test_notices.c tests/mount/env.c tests/mount/env.h
tests_mount_test_notices_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_notices_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_rules_SOURCES = tests/mount/test_rules.c
tests_mount_test_rules_CPPFLAGS = $(TEST_CPPFLAGS)
tests_mount_test_rules_LDADD = $(MOUNT_TEST_LIBS)
tests_mount_test_stage_SOURCES = tests/mount/test_stage.c tests/mount/env.c tests/mount/env.h
tests_mount_test_stage_CPPFLAGS = $(TEST_CPPFLAGS) $(FUSE_CFLAGS)
tests_mount_test_stage_LDADD = $(MOUNT_TEST_LIBS)
endif
