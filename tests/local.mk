# Unit tests: one cmocka program a file, named after the module it shows. Each layer adds its own in tests/<layer>/local.mk.
TEST_LIBS = $(LS_LAYERS) $(LS_LIBS) $(CMOCKA_LIBS)
TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)/tests

include tests/base/local.mk
include tests/bench/local.mk
include tests/http/local.mk
include tests/store/local.mk
include tests/catalog/local.mk
include tests/layout/local.mk
include tests/engine/local.mk
include tests/scan/local.mk
include tests/settle/local.mk
include tests/mount/local.mk
include tests/serve/local.mk
include tests/cli/local.mk
