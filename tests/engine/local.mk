if HAVE_CMOCKA
check_PROGRAMS += \
	tests/engine/test_crash_bytes \
	tests/engine/test_crash_mend \
	tests/engine/test_crash_rename \
	tests/engine/test_folder \
	tests/engine/test_mend \
	tests/engine/test_put \
	tests/engine/test_race \
	tests/engine/test_remove \
	tests/engine/test_rename \
	tests/engine/test_weak

ENGINE_WORLD = tests/engine/world.c tests/engine/world.h tests/engine/world_sql.c

tests_engine_test_crash_bytes_SOURCES = tests/engine/test_crash.c $(ENGINE_WORLD)
tests_engine_test_crash_bytes_CPPFLAGS = $(TEST_CPPFLAGS) -DCRASH_PART=1
tests_engine_test_crash_bytes_LDADD = $(TEST_LIBS)
tests_engine_test_crash_rename_SOURCES = tests/engine/test_crash.c $(ENGINE_WORLD)
tests_engine_test_crash_rename_CPPFLAGS = $(TEST_CPPFLAGS) -DCRASH_PART=2
tests_engine_test_crash_rename_LDADD = $(TEST_LIBS)
tests_engine_test_crash_mend_SOURCES = tests/engine/test_crash.c $(ENGINE_WORLD)
tests_engine_test_crash_mend_CPPFLAGS = $(TEST_CPPFLAGS) -DCRASH_PART=3
tests_engine_test_crash_mend_LDADD = $(TEST_LIBS)
tests_engine_test_folder_SOURCES = tests/engine/test_folder.c $(ENGINE_WORLD)
tests_engine_test_folder_CPPFLAGS = $(TEST_CPPFLAGS)
tests_engine_test_folder_LDADD = $(TEST_LIBS)
tests_engine_test_mend_SOURCES = tests/engine/test_mend.c $(ENGINE_WORLD)
tests_engine_test_mend_CPPFLAGS = $(TEST_CPPFLAGS)
tests_engine_test_mend_LDADD = $(TEST_LIBS)
tests_engine_test_put_SOURCES = tests/engine/test_put.c $(ENGINE_WORLD)
tests_engine_test_put_CPPFLAGS = $(TEST_CPPFLAGS)
tests_engine_test_put_LDADD = $(TEST_LIBS)
tests_engine_test_race_SOURCES = tests/engine/test_race.c $(ENGINE_WORLD)
tests_engine_test_race_CPPFLAGS = $(TEST_CPPFLAGS)
tests_engine_test_race_LDADD = $(TEST_LIBS)
tests_engine_test_remove_SOURCES = tests/engine/test_remove.c $(ENGINE_WORLD)
tests_engine_test_remove_CPPFLAGS = $(TEST_CPPFLAGS)
tests_engine_test_remove_LDADD = $(TEST_LIBS)
tests_engine_test_rename_SOURCES = tests/engine/test_rename.c $(ENGINE_WORLD)
tests_engine_test_rename_CPPFLAGS = $(TEST_CPPFLAGS)
tests_engine_test_rename_LDADD = $(TEST_LIBS)
tests_engine_test_weak_SOURCES = tests/engine/test_weak.c $(ENGINE_WORLD)
tests_engine_test_weak_CPPFLAGS = $(TEST_CPPFLAGS)
tests_engine_test_weak_LDADD = $(TEST_LIBS)
# The same tests on PostgreSQL.
check_PROGRAMS += \
	tests/engine/test_pg_crash_bytes \
	tests/engine/test_pg_crash_mend \
	tests/engine/test_pg_crash_rename \
	tests/engine/test_pg_folder \
	tests/engine/test_pg_mend \
	tests/engine/test_pg_put \
	tests/engine/test_pg_race \
	tests/engine/test_pg_remove \
	tests/engine/test_pg_rename \
	tests/engine/test_pg_weak
ENGINE_PG = $(ENGINE_WORLD) tests/catalog/pg_fixture.c tests/catalog/pg_fixture.h
tests_engine_test_pg_crash_bytes_SOURCES = tests/engine/test_crash.c $(ENGINE_PG)
tests_engine_test_pg_crash_bytes_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG -DCRASH_PART=1
tests_engine_test_pg_crash_bytes_LDADD = $(TEST_LIBS)
tests_engine_test_pg_crash_mend_SOURCES = tests/engine/test_crash.c $(ENGINE_PG)
tests_engine_test_pg_crash_mend_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG -DCRASH_PART=3
tests_engine_test_pg_crash_mend_LDADD = $(TEST_LIBS)
tests_engine_test_pg_crash_rename_SOURCES = tests/engine/test_crash.c $(ENGINE_PG)
tests_engine_test_pg_crash_rename_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG -DCRASH_PART=2
tests_engine_test_pg_crash_rename_LDADD = $(TEST_LIBS)
tests_engine_test_pg_folder_SOURCES = tests/engine/test_folder.c $(ENGINE_PG)
tests_engine_test_pg_folder_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG
tests_engine_test_pg_folder_LDADD = $(TEST_LIBS)
tests_engine_test_pg_mend_SOURCES = tests/engine/test_mend.c $(ENGINE_PG)
tests_engine_test_pg_mend_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG
tests_engine_test_pg_mend_LDADD = $(TEST_LIBS)
tests_engine_test_pg_put_SOURCES = tests/engine/test_put.c $(ENGINE_PG)
tests_engine_test_pg_put_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG
tests_engine_test_pg_put_LDADD = $(TEST_LIBS)
tests_engine_test_pg_race_SOURCES = tests/engine/test_race.c $(ENGINE_PG)
tests_engine_test_pg_race_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG
tests_engine_test_pg_race_LDADD = $(TEST_LIBS)
tests_engine_test_pg_remove_SOURCES = tests/engine/test_remove.c $(ENGINE_PG)
tests_engine_test_pg_remove_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG
tests_engine_test_pg_remove_LDADD = $(TEST_LIBS)
tests_engine_test_pg_rename_SOURCES = tests/engine/test_rename.c $(ENGINE_PG)
tests_engine_test_pg_rename_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG
tests_engine_test_pg_rename_LDADD = $(TEST_LIBS)
tests_engine_test_pg_weak_SOURCES = tests/engine/test_weak.c $(ENGINE_PG)
tests_engine_test_pg_weak_CPPFLAGS = $(TEST_CPPFLAGS) -DWORLD_PG
tests_engine_test_pg_weak_LDADD = $(TEST_LIBS)
endif
