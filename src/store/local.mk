noinst_LTLIBRARIES += libls_store.la
libls_store_la_SOURCES =
libls_store_la_SOURCES += src/store/backends.h include/lockstep/store.h src/store/store.c \
	src/store/items.c src/store/items.h \
	src/store/file.c src/store/file_attr.c src/store/file_list.c src/store/file_path.c src/store/file_store.h \
	src/store/file_write.c
libls_store_la_SOURCES += src/store/fault.c src/store/retry.c src/store/stats.c
