noinst_LTLIBRARIES += libls_scan.la
libls_scan_la_SOURCES = \
	src/scan/answer.c src/scan/answer.h \
	src/scan/backup.c src/scan/backup.h \
	src/scan/bucket.c src/scan/bucket.h \
	src/scan/classify.c src/scan/classify.h \
	src/scan/conclude.c src/scan/conclude.h \
	src/scan/guard.c \
	src/scan/history.c \
	src/scan/keep.c src/scan/keep.h \
	src/scan/kind.c \
	src/scan/lister.c src/scan/lister.h \
	src/scan/merge.c src/scan/merge.h \
	src/scan/pick.c src/scan/pick.h \
	src/scan/ranges.c src/scan/ranges.h \
	src/scan/recheck.c src/scan/recheck.h \
	src/scan/reread.c src/scan/reread.h \
	src/scan/result.c src/scan/result.h \
	src/scan/row.c src/scan/row.h \
	src/scan/scan.c src/scan/scan_impl.h \
	src/scan/share.c src/scan/share.h \
	src/scan/share_range.c \
	src/scan/spool.c src/scan/spool.h src/scan/spool_db.h \
	src/scan/spool_find.c \
	src/scan/spool_pairs.c \
	src/scan/sync.c \
	src/scan/tally.c src/scan/tally.h \
	src/scan/twins.c src/scan/twins.h \
	src/scan/unannounced.c src/scan/unannounced.h
