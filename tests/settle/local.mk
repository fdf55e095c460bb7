if HAVE_CMOCKA
check_PROGRAMS += tests/settle/test_fold tests/settle/test_settle tests/settle/test_pg_settle
tests_settle_test_fold_SOURCES = tests/settle/test_fold.c
tests_settle_test_fold_CPPFLAGS = $(TEST_CPPFLAGS)
tests_settle_test_fold_LDADD = $(TEST_LIBS)
tests_settle_test_settle_SOURCES = tests/settle/test_settle.c $(ENGINE_WORLD)
tests_settle_test_settle_CPPFLAGS = $(TEST_CPPFLAGS)
tests_settle_test_settle_LDADD = $(TEST_LIBS)
tests_settle_test_pg_settle_SOURCES = tests/settle/test_settle.c $(ENGINE_PG)
tests_settle_test_pg_settle_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG
tests_settle_test_pg_settle_LDADD = $(TEST_LIBS)
endif
