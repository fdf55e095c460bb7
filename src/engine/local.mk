noinst_LTLIBRARIES += libls_engine.la
libls_engine_la_SOURCES = \
	src/engine/audit.c \
	src/engine/claims.c \
	src/engine/copies.c \
	src/engine/discard.c \
	src/engine/engine.c \
	src/engine/folder.c \
	src/engine/follow.c \
	src/engine/image_json.c \
	src/engine/intent.c \
	src/engine/internal.h \
	src/engine/look.c \
	src/engine/mend.c \
	src/engine/mender.c src/engine/mender.h \
	src/engine/pool.c src/engine/pool.h \
	src/engine/put.c \
	src/engine/record.c src/engine/recover.c \
	src/engine/remove.c \
	src/engine/rename.c src/engine/rename.h \
	src/engine/rename_folder.c \
	src/engine/row.c \
	src/engine/stats.c src/engine/stats.h \
	src/engine/trash.c \
	src/engine/variant.c
