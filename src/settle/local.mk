noinst_LTLIBRARIES += libls_settle.la
libls_settle_la_SOURCES = \
	src/settle/act.c src/settle/act.h \
	src/settle/act_move.c \
	src/settle/cursor.c src/settle/cursor.h \
	src/settle/fold.c src/settle/fold.h \
	src/settle/settle.c \
	src/settle/settler.c \
	src/settle/state.c
