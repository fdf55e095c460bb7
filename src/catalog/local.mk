noinst_LTLIBRARIES += libls_catalog.la
libls_catalog_la_SOURCES =
