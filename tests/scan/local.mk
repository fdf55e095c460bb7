if HAVE_CMOCKA
SCAN_WORLD = tests/scan/world.c tests/scan/world.h

check_PROGRAMS += tests/scan/test_findings
tests_scan_test_findings_SOURCES = tests/scan/test_findings.c $(SCAN_WORLD)
tests_scan_test_findings_CPPFLAGS = $(TEST_CPPFLAGS)
tests_scan_test_findings_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/scan/test_races
tests_scan_test_races_SOURCES = tests/scan/test_races.c $(SCAN_WORLD)
tests_scan_test_races_CPPFLAGS = $(TEST_CPPFLAGS)
tests_scan_test_races_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/scan/test_incomplete
tests_scan_test_incomplete_SOURCES = tests/scan/test_incomplete.c $(SCAN_WORLD)
tests_scan_test_incomplete_CPPFLAGS = $(TEST_CPPFLAGS)
tests_scan_test_incomplete_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/scan/test_memory
tests_scan_test_memory_SOURCES = tests/scan/test_memory.c $(SCAN_WORLD)
tests_scan_test_memory_CPPFLAGS = $(TEST_CPPFLAGS)
tests_scan_test_memory_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/scan/test_share
tests_scan_test_share_SOURCES = tests/scan/test_share.c $(SCAN_WORLD)
tests_scan_test_share_CPPFLAGS = $(TEST_CPPFLAGS)
tests_scan_test_share_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/scan/test_sync
tests_scan_test_sync_SOURCES = tests/scan/test_sync.c $(SCAN_WORLD)
tests_scan_test_sync_CPPFLAGS = $(TEST_CPPFLAGS)
tests_scan_test_sync_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/scan/test_twins
tests_scan_test_twins_SOURCES = tests/scan/test_twins.c
tests_scan_test_twins_CPPFLAGS = $(TEST_CPPFLAGS)
tests_scan_test_twins_LDADD = $(TEST_LIBS)
endif
