noinst_LTLIBRARIES += libls_base.la
libls_base_la_SOURCES = \
	src/base/auto.h \
	src/base/buf.c src/base/buf.h \
	src/base/clock.c src/base/clock.h \
	src/base/err.c include/lockstep/err.h \
	src/base/exposition.c src/base/exposition.h \
	src/base/failpoint.c src/base/failpoint.h \
	src/base/file.c src/base/file.h \
	src/base/hash.c src/base/hash.h \
	src/base/histogram.c src/base/histogram.h \
	src/base/json.c src/base/json.h \
	src/base/log.c src/base/log.h \
	src/base/thread.c src/base/thread.h \
	src/base/workers.c src/base/workers.h
pkginclude_HEADERS += include/lockstep/err.h include/lockstep/version.h
