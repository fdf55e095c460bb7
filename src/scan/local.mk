noinst_LTLIBRARIES += libls_scan.la
libls_scan_la_SOURCES =
