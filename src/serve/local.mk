# The HTTP daemon is part of the program, not of the library.
noinst_LTLIBRARIES += libls_serve.la
libls_serve_la_CPPFLAGS = $(AM_CPPFLAGS) $(MICROHTTPD_CFLAGS) $(GNUTLS_CFLAGS) -DLS_ASSETS='"$(top_srcdir)/src/serve"'
libls_serve_la_SOURCES = \
	src/serve/api_findings.c \
	src/serve/api_health.c \
	src/serve/api_history.c \
	src/serve/api_images.c \
	src/serve/api_jobs.c \
	src/serve/api_journal.c \
	src/serve/api_mend.c \
	src/serve/api_objects.c \
	src/serve/api_overview.c \
	src/serve/api_recent.c \
	src/serve/api_sync.c \
	src/serve/api_table.c \
	src/serve/api_trash.c \
	src/serve/api_ui.c \
	src/serve/api_variants.c \
	src/serve/api_webhook.c \
	src/serve/assets.c src/serve/assets.h \
	src/serve/auth.c src/serve/auth.h \
	src/serve/conditions.c src/serve/conditions.h \
	src/serve/daemon.c src/serve/serve.h src/serve/internal.h \
	src/serve/events.c src/serve/events.h \
	src/serve/follow.c src/serve/follow.h \
	src/serve/form.c src/serve/form.h \
	src/serve/http.c \
	src/serve/inbox.c src/serve/inbox.h \
	src/serve/inbox_act.c \
	src/serve/inbox_take.c \
	src/serve/jobs.c src/serve/jobs.h \
	src/serve/listen.c \
	src/serve/metrics.c src/serve/metrics.h \
	src/serve/notice.c src/serve/notice.h \
	src/serve/origin.c src/serve/origin.h \
	src/serve/problem.c src/serve/problem.h \
	src/serve/recent.c src/serve/recent.h \
	src/serve/reply.c src/serve/reply.h \
	src/serve/request.c src/serve/request.h \
	src/serve/router.c src/serve/router.h \
	src/serve/routes.c \
	src/serve/send.c src/serve/send.h \
	src/serve/sniff.c src/serve/sniff.h \
	src/serve/systemd.c src/serve/systemd.h \
	src/serve/tls.c src/serve/tls.h \
	src/serve/tokens.c src/serve/tokens.h

# The compiler does not see what the assembler takes in.
ASSETS_OBJECT = src/serve/libls_serve_la-assets.lo
UI_FILES = \
	src/serve/ui/index.html \
	src/serve/ui/style.css \
	src/serve/ui/icon.svg \
	src/serve/ui/alerts.js \
	src/serve/ui/api.js \
	src/serve/ui/app.js \
	src/serve/ui/chart.js \
	src/serve/ui/check.js \
	src/serve/ui/dialog.js \
	src/serve/ui/dom.js \
	src/serve/ui/finding_list.js \
	src/serve/ui/format.js \
	src/serve/ui/jobs.js \
	src/serve/ui/list.js \
	src/serve/ui/mend.js \
	src/serve/ui/session.js \
	src/serve/ui/sync.js \
	src/serve/ui/text.js \
	src/serve/ui/thumb.js \
	src/serve/ui/undo.js \
	src/serve/ui/view_audit.js \
	src/serve/ui/view_events.js \
	src/serve/ui/view_findings.js \
	src/serve/ui/view_history.js \
	src/serve/ui/view_journal.js \
	src/serve/ui/view_overview.js \
	src/serve/ui/view_product.js \
	src/serve/ui/view_products.js \
	src/serve/ui/view_signin.js \
	src/serve/ui/view_trash.js \
	src/serve/ui/views.js
EXTRA_DIST += $(UI_FILES)
$(ASSETS_OBJECT): $(top_srcdir)/src/serve/openapi.yaml $(UI_FILES)
dist_pkgdata_DATA = src/serve/openapi.yaml
