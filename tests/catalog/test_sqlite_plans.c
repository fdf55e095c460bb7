/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every statement walks an index in the order it needs; how fast pages come. */
#include "catalog/sqlite_fixture.h"

#include <time.h>

/* Tables that are walked whole on purpose: they hold a row for each open intent or running process, or are counted. */
static bool may_scan(enum ls_sql sql)
{
    return sql == LS_SQL_INTENT_LIST || sql == LS_SQL_INSTANCE_LIST || sql == LS_SQL_CLAIM_ANY ||
           sql == LS_SQL_PRODUCT_COUNT || sql == LS_SQL_EVENT_COUNT;
}

/* What sorts and walks the rows of a page that it has made before. */
static bool is_table(enum ls_sql sql) { return sql >= LS_SQL_TABLE_UP && sql <= LS_SQL_TABLE_REST; }

/* Does it walk a table? "SCAN g" and "SCAN (subquery-4)" are no tables. */
static bool scans(const char *plan, enum ls_sql sql)
{
    for (const char *at = plan; (at = strstr(at, "SCAN ")); at += 5)
        if (!is_table(sql) || (strncmp(at, "SCAN g", 6) != 0 && strncmp(at, "SCAN (", 6) != 0))
            return true;
    return false;
}

/* The plan's lines, joined by "; ". */
static void get_plan(sqlite3 *db, const char *text, char *out, size_t size)
{
    sqlite3_stmt *stmt;
    char sql[2048];
    snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", text);
    out[0] = '\0';
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        size_t len = strlen(out);
        snprintf(out + len, size - len, "%s; ", (const char *)sqlite3_column_text(stmt, 3));
    }
    sqlite3_finalize(stmt);
}

static void no_statement_sorts_or_scans_a_table_that_grows(void **state)
{
    struct fixture *f = *state;
    char plan[1024];
    sqlite3 *db = shell_open(db_path(f));
    for (enum ls_sql sql = 0; sql < LS_SQL_COUNT; sql++) {
        if (!ls_sqlite_sql[sql].text || !ls_sqlite_sql[sql].what)
            fail_msg("statement %d has no text", (int)sql);
        get_plan(db, ls_sqlite_sql[sql].text, plan, sizeof plan);
        if ((strstr(plan, "TEMP B-TREE") && !is_table(sql)) || (scans(plan, sql) && !may_scan(sql)))
            fail_msg("%s: %s", ls_sqlite_sql[sql].text, plan);
    }
    sqlite3_close(db);
}

static void a_page_of_images_is_three_look_ups_a_row(void **state)
{
    struct fixture *f = *state;
    char plan[1024];
    sqlite3 *db = shell_open(db_path(f));
    for (enum ls_sql sql = LS_SQL_IMAGE_GET; sql <= LS_SQL_VARIANT_IMAGES; sql++) {
        get_plan(db, ls_sqlite_sql[sql].text, plan, sizeof plan);
        assert_non_null(strstr(plan, "SEARCH i USING INDEX"));
        assert_non_null(strstr(plan, "file_name"));
        assert_non_null(strstr(plan, "SEARCH o USING PRIMARY KEY (key=?)"));
        assert_non_null(strstr(plan, "SEARCH v USING INTEGER PRIMARY KEY (rowid=?)"));
    }
    get_plan(db, ls_sqlite_sql[LS_SQL_IMAGE_COUNT].text, plan, sizeof plan);
    assert_non_null(strstr(plan, "COVERING INDEX"));
    sqlite3_close(db);
}

#define ROWS 120000

static void fill(const struct fixture *f)
{
    sqlite3 *db = shell_open(db_path(f));
    shell(db, "PRAGMA synchronous = OFF; BEGIN;"
              "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
              "INSERT INTO product (id) SELECT printf('product-%05d', i) FROM n;"
              "INSERT INTO product_variant (product_id, weight) SELECT id, '500ml' FROM product;"
              "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 119999)"
              "INSERT INTO product_image (product_id, variant_id, variant_weight, image_type, file_name, image_url) "
              "SELECT p, v.id, '500ml', 'other-images', k, 'http://127.0.0.1:9000/images/' || k FROM "
              "(SELECT printf('product-%05d', i / 120) AS p, printf('products/product-%05d/500ml/"
              "other-images/%07d.jpg', i / 120, i) AS k FROM n) CROSS JOIN product_variant v ON v.product_id = p;"
              "INSERT INTO lockstep_object SELECT file_name, 12345, '0123456789abcdef0123456789abcdef', "
              "1700000000000000000, 420, 1000, 1000, 'image/jpeg' FROM product_image;"
              "COMMIT");
    sqlite3_close(db);
}

/* Of this thread, so that a busy machine does not count. */
static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void large_tables_are_read_counted_and_split_quickly(void **state)
{
    struct fixture *f = *state;
    struct ls_catalog *cat = f->cat;
    struct ls_err err = LS_ERR_INIT;
    char after[256] = "";
    size_t rows = 0;
    fill(f);
    double start = cpu_seconds();
    for (bool more = true; more;) {
        struct ls_image_page page;
        assert_ok(cat->ops->image_page(cat, NULL, after, NULL, 1000, &page, &err), &err);
        rows += page.n;
        more = page.n == 1000;
        if (more)
            snprintf(after, sizeof after, "%s", page.items[page.n - 1].key);
        ls_image_page_dispose(&page);
    }
    double seconds = cpu_seconds() - start;
    assert_int_equal(rows, ROWS);
    print_message("image_page: %.0f rows a CPU second\n", (double)rows / seconds);
    assert_true((double)rows / seconds > 20000); /* with sanitizers on a slow machine; without about 500,000 and more */

    struct ls_name_page splits;
    start = cpu_seconds();
    assert_ok(cat->ops->image_splits(cat, 16, &splits, &err), &err);
    print_message("image_splits: %.1f ms\n", (cpu_seconds() - start) * 1e3);
    assert_int_equal(splits.n, 15);
    for (size_t i = 0; i <= splits.n; i++) {
        uint64_t n;
        assert_ok(cat->ops->image_count(cat, i ? splits.names[i - 1] : "", i < splits.n ? splits.names[i] : NULL, &n,
                                        NULL, &err),
                  &err);
        assert_in_range(n, ROWS / 16 / 2, ROWS / 16 * 2); /* sampled, not exact */
    }
    ls_name_page_dispose(&splits);
    uint64_t n, bytes;
    assert_ok(cat->ops->image_count(cat, "", NULL, &n, &bytes, &err), &err);
    assert_int_equal(n, ROWS);
    assert_true(bytes == UINT64_C(12345) * ROWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_TEST(no_statement_sorts_or_scans_a_table_that_grows),
        SQLITE_TEST(a_page_of_images_is_three_look_ups_a_row),
        SQLITE_TEST(large_tables_are_read_counted_and_split_quickly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
