noinst_LTLIBRARIES += libls_http.la
libls_http_la_SOURCES =
