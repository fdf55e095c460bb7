if HAVE_CMOCKA
check_PROGRAMS += tests/catalog/test_catalog_contract
tests_catalog_test_catalog_contract_SOURCES = tests/catalog/test_catalog_contract.c tests/catalog/contract.h \
	tests/catalog/contract_util.c tests/catalog/contract_images.c tests/catalog/contract_journal.c \
	tests/catalog/contract_pages.c tests/catalog/contract_products.c tests/catalog/contract_roles.c \
	tests/catalog/contract_scan.c tests/catalog/contract_side.c \
	tests/catalog/contract_table.c tests/catalog/pg_fixture.c tests/catalog/pg_fixture.h
tests_catalog_test_catalog_contract_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_catalog_contract_LDADD = $(TEST_LIBS)

SQLITE_FIXTURE = tests/catalog/sqlite_fixture.c tests/catalog/sqlite_fixture.h tests/catalog/contract_util.c \
	tests/catalog/contract.h
check_PROGRAMS += tests/catalog/test_sqlite_foreign
tests_catalog_test_sqlite_foreign_SOURCES = tests/catalog/test_sqlite_foreign.c $(SQLITE_FIXTURE)
tests_catalog_test_sqlite_foreign_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_sqlite_foreign_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/catalog/test_sqlite_schema
tests_catalog_test_sqlite_schema_SOURCES = tests/catalog/test_sqlite_schema.c $(SQLITE_FIXTURE)
tests_catalog_test_sqlite_schema_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_sqlite_schema_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/catalog/test_sqlite_faults
tests_catalog_test_sqlite_faults_SOURCES = tests/catalog/test_sqlite_faults.c tests/catalog/fault_vfs.c tests/catalog/fault_vfs.h $(SQLITE_FIXTURE)
tests_catalog_test_sqlite_faults_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_sqlite_faults_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/catalog/test_sqlite_process
tests_catalog_test_sqlite_process_SOURCES = tests/catalog/test_sqlite_process.c $(SQLITE_FIXTURE)
tests_catalog_test_sqlite_process_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_sqlite_process_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/catalog/test_sqlite_plans
tests_catalog_test_sqlite_plans_SOURCES = tests/catalog/test_sqlite_plans.c $(SQLITE_FIXTURE)
tests_catalog_test_sqlite_plans_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_sqlite_plans_LDADD = $(TEST_LIBS)

PG_FIXTURE = tests/catalog/pg_fixture.c tests/catalog/pg_fixture.h tests/catalog/contract_util.c tests/catalog/contract.h
EXTRA_DIST += tests/lib/pg_server.sh
check_PROGRAMS += tests/catalog/test_mapping
tests_catalog_test_mapping_SOURCES = tests/catalog/test_mapping.c
tests_catalog_test_mapping_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_mapping_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/lib/shops
SHOP_CONTRACT = tests/catalog/test_shop_contract.c tests/catalog/contract_images.c tests/catalog/contract_pages.c \
	tests/catalog/contract_products.c tests/catalog/contract_table.c $(PG_FIXTURE)
SHOP_CPPFLAGS = $(TEST_CPPFLAGS) -DSHOPS='"$(abs_top_srcdir)/tests/lib/shops"'
check_PROGRAMS += tests/catalog/test_shop_contract_prisma tests/catalog/test_shop_contract_snake
tests_catalog_test_shop_contract_prisma_SOURCES = $(SHOP_CONTRACT)
tests_catalog_test_shop_contract_prisma_CPPFLAGS = $(SHOP_CPPFLAGS) -DSHOP_IS_PRISMA=1
tests_catalog_test_shop_contract_prisma_LDADD = $(TEST_LIBS)
tests_catalog_test_shop_contract_snake_SOURCES = $(SHOP_CONTRACT)
tests_catalog_test_shop_contract_snake_CPPFLAGS = $(SHOP_CPPFLAGS) -DSHOP_IS_PRISMA=0
tests_catalog_test_shop_contract_snake_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/catalog/test_pg
tests_catalog_test_pg_SOURCES = tests/catalog/test_pg.c $(PG_FIXTURE)
tests_catalog_test_pg_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_pg_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/catalog/test_pg_faults
tests_catalog_test_pg_faults_SOURCES = tests/catalog/test_pg_faults.c $(PG_FIXTURE)
tests_catalog_test_pg_faults_CPPFLAGS = $(TEST_CPPFLAGS) -DPG_SERVER_SH='"$(abs_top_srcdir)/tests/lib/pg_server.sh"'
tests_catalog_test_pg_faults_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/catalog/test_pg_plans
tests_catalog_test_pg_plans_SOURCES = tests/catalog/test_pg_plans.c $(PG_FIXTURE)
tests_catalog_test_pg_plans_CPPFLAGS = $(TEST_CPPFLAGS)
tests_catalog_test_pg_plans_LDADD = $(TEST_LIBS)
endif
