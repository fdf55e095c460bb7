noinst_LTLIBRARIES += libls_catalog.la
libls_catalog_la_SOURCES = \
	src/catalog/arena.c src/catalog/arena.h \
	src/catalog/attach.h \
	src/catalog/backends.h \
	src/catalog/catalog.c \
	src/catalog/copy_file.c src/catalog/copy_file.h \
	src/catalog/leader.c src/catalog/leader.h \
	src/catalog/mapping.c src/catalog/mapping.h \
	src/catalog/mapping_expand.c \
	src/catalog/pg.c src/catalog/pg_impl.h \
	src/catalog/pg_attach.c \
	src/catalog/pg_backup.c \
	src/catalog/pg_change.c \
	src/catalog/pg_claim.c \
	src/catalog/pg_conn.c \
	src/catalog/pg_event.c \
	src/catalog/pg_folder.c \
	src/catalog/pg_image.c \
	src/catalog/pg_image_write.c \
	src/catalog/pg_instance.c \
	src/catalog/pg_journal.c \
	src/catalog/pg_product.c \
	src/catalog/pg_propose.c \
	src/catalog/pg_query.c \
	src/catalog/pg_remap.c \
	src/catalog/pg_resolve.c \
	src/catalog/pg_schema.c \
	src/catalog/pg_scan.c \
	src/catalog/pg_side.c \
	src/catalog/pg_sql.c src/catalog/pg_sql.h \
	src/catalog/pg_table.c \
	src/catalog/pg_tx.c \
	src/catalog/pg_wire.c \
	src/catalog/sqlite.c src/catalog/sqlite_impl.h \
	src/catalog/sqlite_backup.c \
	src/catalog/sqlite_change.c \
	src/catalog/sqlite_claim.c \
	src/catalog/sqlite_conn.c \
	src/catalog/sqlite_event.c \
	src/catalog/sqlite_folder.c \
	src/catalog/sqlite_image.c \
	src/catalog/sqlite_image_count.c \
	src/catalog/sqlite_image_write.c \
	src/catalog/sqlite_instance.c \
	src/catalog/sqlite_journal.c \
	src/catalog/sqlite_lock.c \
	src/catalog/sqlite_product.c \
	src/catalog/sqlite_query.c \
	src/catalog/sqlite_scan.c \
	src/catalog/sqlite_schema.c \
	src/catalog/sqlite_side.c \
	src/catalog/sqlite_sql.c src/catalog/sqlite_sql.h \
	src/catalog/sqlite_table.c \
	src/catalog/sqlite_tx.c \
	src/catalog/sqlite_watch.c \
	src/catalog/words.h
