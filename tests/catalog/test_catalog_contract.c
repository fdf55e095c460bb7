/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contract suite over every catalog. A new back end adds itself to `backends`. */
#include "catalog/contract.h"

#include "catalog/backends.h"

static struct ls_catalog *open_sqlite(const char *dir)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    char path[300];
    snprintf(path, sizeof path, "%s/catalog.db", dir);
    struct ls_sqlite_opts opts = {.path = path, .create = true};
    if (ls_catalog_sqlite_open(&opts, &cat, &err) != LS_OK) {
        print_error("%s\n", err.text);
        return NULL;
    }
    return cat;
}

static const struct backend backends[] = {{"sqlite", open_sqlite}};

static const struct contract *const contracts[] = {&contract_images, &contract_pages, &contract_products,
                                                   &contract_journal, &contract_side};

int main(void)
{
    int failed = 0;
    for (size_t b = 0; b < sizeof backends / sizeof backends[0]; b++)
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
