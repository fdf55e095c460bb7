/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The contract suite on an application's own tables: SHOP is one of tests/lib/shops, its mapping the proposed one. The
 * contract has rows without a product, variant or type; where the shop forbids that, it is allowed for the test.
 */
#include "catalog/attach.h"
#include "catalog/backends.h"
#include "catalog/contract.h"
#include "catalog/pg_fixture.h"

/* Rows that are deleted softly would keep their product for ever, because of its foreign keys. */
static const char *const relaxed =
    SHOP_IS_PRISMA ? "ALTER TABLE \"ProductImage\" ALTER \"productId\" DROP NOT NULL, ALTER \"imageType\" DROP NOT NULL"
                   : "ALTER TABLE product_images ALTER image_type DROP NOT NULL, DROP CONSTRAINT "
                     "product_images_product_id_fkey; "
                     "ALTER TABLE product_variants DROP CONSTRAINT product_variants_product_id_fkey";

/* What a person would answer to the proposal. */
static const struct {
    enum ls_map_table_id table;
    const char *key, *value;
} answers[] = {{LS_MAP_PRODUCT, "constant.title", "x"},
               {LS_MAP_VARIANT, "constant.priceFactor", "1"},
               {LS_MAP_IMAGE, "constant.altText", ""}};

static bool made;
static struct ls_mapping mapping;

static void make(void)
{
    struct ls_err err = LS_ERR_INIT;
    char command[2000];
    struct ls_pg_opts opts = {.url = pg_url()};
    snprintf(command, sizeof command, "psql -q -X -v ON_ERROR_STOP=1 -1 -f %s/%s.sql -c '%s' '%s' >/dev/null", SHOPS,
             SHOP_IS_PRISMA ? "prisma" : "snake", relaxed, pg_url());
    assert_int_equal(system(command), 0);
    assert_ok(ls_pg_propose(&opts, &mapping, &err), &err);
    for (size_t i = 0; SHOP_IS_PRISMA && i < sizeof answers / sizeof answers[0]; i++)
        assert_ok(ls_mapping_set(&mapping, answers[i].table, answers[i].key, answers[i].value, 0, &err), &err);
    made = true;
}

static struct ls_catalog *open_shop(const char *dir)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    (void)dir;
    if (!made)
        make();
    struct ls_pg_opts opts = {.url = pg_url(), .create = true, .busy_timeout_ms = 60000, .mapping = &mapping};
    if (ls_catalog_pg_open(&opts, &cat, &err) != LS_OK) {
        print_error("%s\n", err.text);
        return NULL;
    }
    return cat;
}

static void empty_shop(const char *dir)
{
    (void)dir;
    pg_empty();
}

static const struct backend shop = {.name = SHOP_IS_PRISMA ? "prisma" : "snake",
                                    .open = open_shop,
                                    .drop = empty_shop,
                                    .utf8_keys = true,
                                    .text_ids = SHOP_IS_PRISMA};

static const struct contract *const contracts[] = {&contract_images, &contract_pages, &contract_products,
                                                   &contract_table};

int main(void)
{
    int failed = 0;
    if (!pg_server()) {
        print_message("LOCKSTEP_TEST_PG_URL is not set\n");
        return 77;
    }
    for (size_t c = 0; c < sizeof contracts / sizeof contracts[0]; c++) {
        char name[64];
        struct CMUnitTest *tests = calloc(contracts[c]->n, sizeof *tests);
        if (!tests)
            return 99;
        memcpy(tests, contracts[c]->tests, contracts[c]->n * sizeof *tests);
        for (size_t i = 0; i < contracts[c]->n; i++)
            tests[i].initial_state = (void *)(uintptr_t)&shop;
        snprintf(name, sizeof name, "%s: %s", shop.name, contracts[c]->name);
        failed += _cmocka_run_group_tests(name, tests, contracts[c]->n, NULL, NULL);
        free(tests);
    }
    ls_mapping_dispose(&mapping);
    return failed != 0;
}
