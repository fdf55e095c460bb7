# The manual pages against what the program says.
dist_check_SCRIPTS += tests/cli/man.sh

if HAVE_CMOCKA
check_PROGRAMS += tests/cli/test_ini
tests_cli_test_ini_SOURCES = tests/cli/test_ini.c
tests_cli_test_ini_CPPFLAGS = $(TEST_CPPFLAGS)
tests_cli_test_ini_LDADD = libls_cli.la $(TEST_LIBS)
check_PROGRAMS += tests/cli/test_config
tests_cli_test_config_SOURCES = tests/cli/test_config.c
tests_cli_test_config_CPPFLAGS = $(TEST_CPPFLAGS)
tests_cli_test_config_LDADD = libls_cli.la $(TEST_LIBS)
check_PROGRAMS += tests/cli/test_credentials
tests_cli_test_credentials_SOURCES = tests/cli/test_credentials.c
tests_cli_test_credentials_CPPFLAGS = $(TEST_CPPFLAGS)
tests_cli_test_credentials_LDADD = libls_cli.la $(TEST_LIBS)
# This one is the scanner itself, so it must not meet the real one.
check_PROGRAMS += tests/cli/test_report
tests_cli_test_report_SOURCES = tests/cli/test_report.c
tests_cli_test_report_CPPFLAGS = $(TEST_CPPFLAGS)
tests_cli_test_report_LDADD = libls_cli.la libls_scan.la libls_base.la $(JANSSON_LIBS) $(CRYPTO_LIBS) $(CMOCKA_LIBS)
endif
