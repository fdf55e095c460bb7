noinst_LTLIBRARIES += libls_layout.la
libls_layout_la_SOURCES = src/layout/layout.c
