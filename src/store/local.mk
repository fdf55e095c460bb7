noinst_LTLIBRARIES += libls_store.la
libls_store_la_SOURCES =
libls_store_la_SOURCES += src/store/backends.h include/lockstep/store.h src/store/store.c \
	src/store/items.c src/store/items.h \
	src/store/file.c src/store/file_attr.c src/store/file_list.c src/store/file_path.c src/store/file_store.h \
	src/store/file_write.c
libls_store_la_SOURCES += src/store/fault.c src/store/retry.c src/store/stats.c src/store/stats.h
libls_store_la_SOURCES += src/store/sigv4.c src/store/sigv4.h \
	src/store/s3.c src/store/s3_bucket.c src/store/s3_call.c src/store/s3_copy.c src/store/s3_delete.c \
	src/store/s3_error.c src/store/s3_internal.h src/store/s3_list.c src/store/s3_list_end.c \
	src/store/s3_meta.c src/store/s3_notify.c src/store/s3_parts.c \
	src/store/s3_put.c src/store/s3_read.c src/store/s3_xml.c src/store/s3_xml.h
