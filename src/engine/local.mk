noinst_LTLIBRARIES += libls_engine.la
libls_engine_la_SOURCES =
