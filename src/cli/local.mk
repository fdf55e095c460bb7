# The commands, apart from main: the tests link them too.
noinst_LTLIBRARIES += libls_cli.la
libls_cli_la_SOURCES = \
	src/version.c \
	src/cli/cli.c src/cli/cli.h \
	src/cli/attach_report.c \
	src/cli/cmd_attach.c \
	src/cli/cmd_detach.c \
	src/cli/cmd_events.c \
	src/cli/cmd_get.c \
	src/cli/cmd_help.c \
	src/cli/cmd_history.c \
	src/cli/cmd_import.c \
	src/cli/cmd_init.c \
	src/cli/cmd_listen.c \
	src/cli/cmd_log.c \
	src/cli/cmd_ls.c \
	src/cli/cmd_mount.c \
	src/cli/cmd_mv.c \
	src/cli/cmd_put.c \
	src/cli/cmd_recover.c \
	src/cli/cmd_rm.c \
	src/cli/cmd_scan.c \
	src/cli/cmd_serve.c \
	src/cli/cmd_settle.c \
	src/cli/cmd_status.c \
	src/cli/cmd_sync.c \
	src/cli/cmd_token.c \
	src/cli/cmd_trash.c \
	src/cli/cmd_url.c \
	src/cli/cmd_variant.c \
	src/cli/compose.c src/cli/compose.h \
	src/cli/config.c src/cli/config.h \
	src/cli/config_map.c src/cli/config_map.h \
	src/cli/credentials.c src/cli/credentials.h \
	src/cli/ini.c src/cli/ini.h \
	src/cli/report.c src/cli/report.h \
	src/cli/term.c src/cli/term.h \
	src/cli/tokens_file.h

lockstep_SOURCES = src/cli/main.c
lockstep_LDADD = libls_cli.la libls_mount.la libls_serve.la $(LS_LAYERS) $(LS_LIBS) $(FUSE_LIBS) $(MICROHTTPD_LIBS) $(GNUTLS_LIBS)

# A page for the program and one for each command; tests/cli/man.sh checks that none and no option is forgotten.
dist_man_MANS += \
	doc/man/lockstep-attach.1 \
	doc/man/lockstep-detach.1 \
	doc/man/lockstep-events.1 \
	doc/man/lockstep-failpoints.1 \
	doc/man/lockstep-get.1 \
	doc/man/lockstep-help.1 \
	doc/man/lockstep-history.1 \
	doc/man/lockstep-import.1 \
	doc/man/lockstep-init.1 \
	doc/man/lockstep-listen.1 \
	doc/man/lockstep-log.1 \
	doc/man/lockstep-ls.1 \
	doc/man/lockstep-mount.1 \
	doc/man/lockstep-mv.1 \
	doc/man/lockstep-put.1 \
	doc/man/lockstep-recover.1 \
	doc/man/lockstep-rm.1 \
	doc/man/lockstep-scan.1 \
	doc/man/lockstep-serve.1 \
	doc/man/lockstep-settle.1 \
	doc/man/lockstep-status.1 \
	doc/man/lockstep-sync.1 \
	doc/man/lockstep-token.1 \
	doc/man/lockstep-trash.1 \
	doc/man/lockstep-url.1 \
	doc/man/lockstep-variant.1 \
	doc/man/lockstep-version.1 \
	doc/man/lockstep.1
