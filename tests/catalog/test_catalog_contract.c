/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contract suite over every catalog. A new back end adds itself to `backends`. */
#include "catalog/contract.h"

#include "catalog/backends.h"
#include "catalog/pg_fixture.h"

/* Threads that write beside others do not take turns: one may wait until all the others are done. */
#define PATIENT_MS 60000

static struct ls_catalog *open_sqlite(const char *dir)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    char path[300];
    snprintf(path, sizeof path, "%s/catalog.db", dir);
    struct ls_sqlite_opts opts = {.path = path, .create = true, .busy_timeout_ms = PATIENT_MS};
    if (ls_catalog_sqlite_open(&opts, &cat, &err) != LS_OK) {
        print_error("%s\n", err.text);
        return NULL;
    }
    return cat;
}

static struct ls_catalog *open_pg(const char *dir)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    (void)dir;
    struct ls_pg_opts opts = {.url = pg_url(), .create = true, .busy_timeout_ms = PATIENT_MS};
    if (ls_catalog_pg_open(&opts, &cat, &err) != LS_OK) {
        print_error("%s\n", err.text);
        return NULL;
    }
    return cat;
}

static void empty_pg(const char *dir)
{
    (void)dir;
    pg_empty();
}

static const struct backend backends[] = {{.name = "sqlite", .open = open_sqlite},
                                          {.name = "postgresql", .open = open_pg, .drop = empty_pg, .utf8_keys = true}};

static const struct contract *const contracts[] = {&contract_images,  &contract_pages, &contract_products,
                                                   &contract_journal, &contract_side,  &contract_roles,
                                                   &contract_scan,    &contract_table};

int main(void)
{
    int failed = 0;
    size_t n_backends = sizeof backends / sizeof backends[0];
    if (!pg_server()) {
        print_message("PostgreSQL is left out: LOCKSTEP_TEST_PG_URL is not set\n");
        n_backends = 1;
    }
    for (size_t b = 0; b < n_backends; b++)
        for (size_t c = 0; c < sizeof contracts / sizeof contracts[0]; c++) {
            char name[64];
            struct CMUnitTest *tests = calloc(contracts[c]->n, sizeof *tests);
            if (!tests)
                return 99;
            memcpy(tests, contracts[c]->tests, contracts[c]->n * sizeof *tests);
            for (size_t i = 0; i < contracts[c]->n; i++)
                tests[i].initial_state = (void *)&backends[b];
            snprintf(name, sizeof name, "%s: %s", backends[b].name, contracts[c]->name);
            failed += _cmocka_run_group_tests(name, tests, contracts[c]->n, NULL, NULL);
            free(tests);
        }
    return failed != 0;
}
