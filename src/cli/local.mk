lockstep_CPPFLAGS = $(AM_CPPFLAGS)
lockstep_SOURCES = src/version.c src/cli/main.c
lockstep_LDADD = libls_mount.la $(LS_LAYERS) $(LS_LIBS) $(INIH_LIBS) $(FUSE_LIBS)
