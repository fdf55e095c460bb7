noinst_LTLIBRARIES += libls_store.la
libls_store_la_SOURCES =
