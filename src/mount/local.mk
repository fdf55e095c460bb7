# The mount is part of the program, not of the library.
noinst_LTLIBRARIES += libls_mount.la
libls_mount_la_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
libls_mount_la_SOURCES = \
	src/mount/ahead.c src/mount/ahead.h \
	src/mount/attr.c src/mount/attr.h \
	src/mount/cache.c src/mount/cache.h src/mount/cache_impl.h \
	src/mount/content.c src/mount/content.h \
	src/mount/daemon.c src/mount/mount.h \
	src/mount/dir.c src/mount/dir.h \
	src/mount/dir_load.c \
	src/mount/dir_place.c \
	src/mount/download.c \
	src/mount/entry_file.c src/mount/entry_file.h \
	src/mount/errno.c src/mount/errno.h \
	src/mount/etag.c src/mount/etag.h \
	src/mount/fetch.c src/mount/fetch.h \
	src/mount/file.c src/mount/file.h \
	src/mount/follow.c src/mount/follow.h \
	src/mount/gate.c src/mount/gate.h \
	src/mount/helpers.c src/mount/internal.h \
	src/mount/hold.c src/mount/hold.h \
	src/mount/index.c \
	src/mount/lookup.c src/mount/lookup.h \
	src/mount/metrics.c src/mount/metrics.h \
	src/mount/names.c src/mount/names.h \
	src/mount/nodes.c src/mount/nodes.h \
	src/mount/open.c \
	src/mount/options.c src/mount/options.h \
	src/mount/rename.c \
	src/mount/scratch.c src/mount/scratch.h \
	src/mount/session.c src/mount/session.h \
	src/mount/setattr.c \
	src/mount/stage.c src/mount/stage.h \
	src/mount/statfs.c \
	src/mount/task.c \
	src/mount/xattr.c
