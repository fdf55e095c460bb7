# Built by bench.py.
EXTRA_PROGRAMS = tests/bench/nothing_fs
tests_bench_nothing_fs_SOURCES = tests/bench/nothing_fs.c
tests_bench_nothing_fs_CPPFLAGS = $(AM_CPPFLAGS) $(FUSE_CFLAGS)
tests_bench_nothing_fs_LDADD = $(FUSE_LIBS)
CLEANFILES += $(EXTRA_PROGRAMS)
