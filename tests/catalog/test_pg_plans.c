/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * No statement on PostgreSQL reads a table that grows from one end to the other, and pages come in an index's order.
 *
 * 100,000 rows, so that the planner has a reason to care. Each statement is planned once without its values (generic),
 * as the server does it for a prepared one in the end; those of pages also with values.
 */
#include "catalog/contract.h"

#include "catalog/backends.h"
#include "catalog/pg_fixture.h"
#include "catalog/pg_impl.h"

static const char fill[] =
    "SET client_min_messages = error; SET session_replication_role = replica;"
    "INSERT INTO product (id) SELECT to_char(i, 'FM\"p\"00000') FROM generate_series(0, 9999) i;"
    "INSERT INTO product_variant (product_id, weight) SELECT id, w FROM product, unnest(ARRAY['1kg', '500ml']) w;"
    "INSERT INTO product_image (product_id, variant_id, variant_weight, image_type, file_name, image_url) "
    "SELECT v.product_id, v.id, v.weight, 'hero-card', k, 'http://images.example/' || k FROM product_variant v, "
    "generate_series(1, 5) i, concat('products/', v.product_id, '/', v.weight, '/hero-card/', i, '.jpg') k;"
    "INSERT INTO lockstep_object SELECT file_name, 12345, md5(file_name), 0, 420, 0, 0, 'image/jpeg' "
    "FROM product_image;"
    "INSERT INTO lockstep_folder SELECT convert_to(concat('products/', v.product_id, '/', v.weight, '/', t), 'UTF8'), "
    "convert_to(concat('products/', v.product_id, '/', v.weight), 'UTF8'), 493, 0, 0, 0 "
    "FROM product_variant v, unnest(ARRAY['a', 'b', 'c', 'd', 'e']) t;"
    "INSERT INTO lockstep_change (kind, action, key, new_key, writer) "
    "SELECT 'image', 'update', convert_to(file_name, 'UTF8'), convert_to(file_name, 'UTF8'), '' FROM product_image;"
    "INSERT INTO lockstep_audit (at_ns, intent, op, actor, key, outcome) "
    "SELECT 0, 'x', 'put', 'test', convert_to(file_name, 'UTF8'), 'done' FROM product_image;"
    "INSERT INTO lockstep_event (at_ns, kind, key) SELECT 0, 's3:ObjectCreated:Put', convert_to(file_name, 'UTF8') "
    "FROM product_image;"
    "INSERT INTO lockstep_trash SELECT lpad(i::text, 26, '0'), 'k', 't', 'e', 1, 'orphaned', NULL, 0 "
    "FROM generate_series(1, 100000) i;"
    "INSERT INTO lockstep_intent VALUES ('i', 'n', 'rename', 'open', 0, '');"
    "INSERT INTO lockstep_intent_item SELECT 'i', i, 'copy', 'k', 'd', 'e', 'e', NULL, 1, NULL, 0 "
    "FROM generate_series(1, 100000) i;"
    "INSERT INTO lockstep_claim SELECT convert_to(file_name, 'UTF8'), false, 'i' FROM product_image;"
    "ANALYZE; SET session_replication_role = origin; SET plan_cache_mode = force_generic_plan";

static const char *const growing[] = {
    "product_image",   "lockstep_object",      "product_variant", "product",
    "lockstep_folder", "lockstep_audit",       "lockstep_trash",  "lockstep_change",
    "lockstep_claim",  "lockstep_intent_item", "lockstep_event",
};

/* Read whole on purpose: counting everything (of the one intent that is here, all items), and bounds that are no UTF-8,
 * which only a foreign bucket has. A wanted subtree is compared with the claims of the moment (see OVERLAPS), each of
 * which is an operation under way. */
static bool may_scan(enum ls_pg_sql sql)
{
    return sql == LS_PG_IMAGE_COUNT || sql == LS_PG_PRODUCT_COUNT || sql == LS_PG_EVENT_COUNT ||
           sql == LS_PG_ITEM_COUNT || sql == LS_PG_IMAGE_RANGE_BYTES || sql == LS_PG_CLAIM_OVERLAP ||
           sql == LS_PG_CLAIM_COVER;
}

static struct ls_catalog *cat; /* has the statements as they are sent */

static int fill_tables(void **state)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_pg_opts opts = {.url = pg_url(), .create = true};
    assert_ok(ls_catalog_pg_open(&opts, &cat, &err), &err);
    PGconn *shell = pg_shell();
    pg_get(shell, fill);
    *state = shell;
    return 0;
}

static int drop_tables(void **state)
{
    PQfinish(*state);
    ls_catalog_close(cat);
    pg_empty();
    return 0;
}

static const char *text_of(enum ls_pg_sql sql) { return ls_pg_of(cat)->sql[sql]; }

/* The plan's lines, joined by "; ". */
static void explain(PGconn *shell, const char *what, char *out, size_t size)
{
    char sql[4096];
    snprintf(sql, sizeof sql, "EXPLAIN (COSTS OFF) %s", what);
    PGresult *res = PQexec(shell, sql);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(shell));
    out[0] = '\0';
    for (int i = 0; i < PQntuples(res); i++) {
        size_t len = strlen(out);
        snprintf(out + len, size - len, "%s; ", PQgetvalue(res, i, 0));
    }
    PQclear(res);
}

/* The plan of a statement without its values; "" when it is none that is planned. */
static void explain_generic(PGconn *shell, enum ls_pg_sql sql, char *out, size_t size)
{
    char text[4096], call[256] = "EXECUTE p";
    const char *statement = text_of(sql);
    out[0] = '\0';
    if (!statement || ls_pg_statements[sql].plain)
        return;
    snprintf(text, sizeof text, "PREPARE p AS %s", statement);
    pg_get(shell, text);
    int n = atoi(pg_get(shell, "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'p'"));
    for (int i = 0; i < n; i++)
        strcat(call, i ? ", NULL" : "(NULL");
    strcat(call, n ? ")" : "");
    explain(shell, call, out, size);
    pg_get(shell, "DEALLOCATE p");
}

static void no_statement_reads_a_table_that_grows_from_end_to_end(void **state)
{
    PGconn *shell = *state;
    char plan[8192], scan[64];
    unsigned planned = 0;
    for (enum ls_pg_sql sql = LS_PG_NONE + 1; sql < LS_PG_COUNT; sql++) {
        explain_generic(shell, sql, plan, sizeof plan);
        planned += plan[0] != '\0';
        for (size_t t = 0; t < sizeof growing / sizeof growing[0]; t++) {
            snprintf(scan, sizeof scan, "Seq Scan on %s ", growing[t]);
            const char *at = strstr(plan, scan);
            if (!at) {
                snprintf(scan, sizeof scan, "Seq Scan on %s;", growing[t]);
                at = strstr(plan, scan);
            }
            if (at && !may_scan(sql))
                fail_msg("%s: %s", text_of(sql), plan);
        }
    }
    assert_true(planned > 50);
}

static void pages_come_in_the_order_of_an_index(void **state)
{
    PGconn *shell = *state;
    static const struct {
        enum ls_pg_sql sql;
        const char *index;
    } pages[] = {
        {LS_PG_IMAGE_PAGE, "Index Scan using product_image_file_name_key"},
        {LS_PG_IMAGE_RANGE, "Index Scan using product_image_file_name_key"},
        {LS_PG_VARIANT_IMAGES, "Index Scan using product_image_by_variant"},
        {LS_PG_PRODUCT_PAGE, "Index Only Scan using product_pkey"},
        {LS_PG_CHANGE_PAGE, "Index Scan using lockstep_change_pkey"},
        {LS_PG_ITEM_PAGE, "Index Scan using lockstep_intent_item_pkey"},
        {LS_PG_EVENT_PAGE, "Index Scan using lockstep_event_pkey"},
        {LS_PG_AUDIT_PAGE, "Index Scan Backward using lockstep_audit_pkey"},
        {LS_PG_TRASH_PAGE, "Index Scan using lockstep_trash_pkey"},
    };
    char plan[8192];
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        explain_generic(shell, pages[i].sql, plan, sizeof plan);
        /* The feed's page is sorted after its end, with the one row that it is joined to. */
        if (!strstr(plan, pages[i].index) || (pages[i].sql != LS_PG_CHANGE_PAGE && strstr(plan, "Sort")))
            fail_msg("%s: %s", text_of(pages[i].sql), plan);
    }
}

/* With values the planner knows how much a range holds: the whole table, one folder, one row. */
static void values_do_not_tempt_the_planner_away_from_the_index(void **state)
{
    PGconn *shell = *state;
    static const char *const calls[] = {
        "('', 'products0', 1000)",
        "('products/p05000/', 'products/p050000', 1000)",
        "('products/p05000/500ml/hero-card/1.jpg', 'products/p05000/500ml/hero-card/3.jpg', 1)",
    };
    char text[4096], call[256], plan[8192];
    pg_get(shell, "SET plan_cache_mode = force_custom_plan");
    snprintf(text, sizeof text, "PREPARE r AS %s", text_of(LS_PG_IMAGE_RANGE));
    pg_get(shell, text);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        snprintf(call, sizeof call, "EXECUTE r %s", calls[i]);
        explain(shell, call, plan, sizeof plan);
        if (strstr(plan, "Seq Scan on product_image") || strstr(plan, "Seq Scan on lockstep_object"))
            fail_msg("%s: %s", call, plan);
    }
    snprintf(text, sizeof text, "PREPARE g AS %s", text_of(LS_PG_IMAGES_GET));
    pg_get(shell, text);
    explain(shell, "EXECUTE g (ARRAY['products/p00001/1kg/hero-card/1.jpg', 'products/p09999/1kg/hero-card/5.jpg'])",
            plan, sizeof plan);
    if (!strstr(plan, "using product_image_file_name_key") && !strstr(plan, "on product_image_file_name_key"))
        fail_msg("%s", plan);
    pg_get(shell, "SET plan_cache_mode = force_generic_plan");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_statement_reads_a_table_that_grows_from_end_to_end),
        cmocka_unit_test(pages_come_in_the_order_of_an_index),
        cmocka_unit_test(values_do_not_tempt_the_planner_away_from_the_index),
    };
    if (!pg_server()) {
        print_message("LOCKSTEP_TEST_PG_URL is not set\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, fill_tables, drop_tables);
}
