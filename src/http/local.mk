noinst_LTLIBRARIES += libls_http.la
libls_http_la_SOURCES = \
	src/http/direct.c \
	src/http/http.h \
	src/http/internal.h \
	src/http/io.c \
	src/http/transfer.c
