# The mount is part of the program, not of the library.
noinst_LTLIBRARIES += libls_mount.la
libls_mount_la_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
libls_mount_la_SOURCES =
