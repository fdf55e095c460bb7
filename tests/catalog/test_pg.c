/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What only PostgreSQL has: urls, schema versions, programs that write beside us, the script of a backup. */
#include "catalog/contract.h"

#include <unistd.h>

#include "catalog/backends.h"
#include "catalog/pg_fixture.h"

static struct ls_catalog *open_pg(const char *dir)
{
    (void)dir;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    struct ls_pg_opts opts = {.url = pg_url(), .create = true};
    assert_ok(ls_catalog_pg_open(&opts, &cat, &err), &err);
    return cat;
}

static void empty_pg(const char *dir)
{
    (void)dir;
    pg_empty();
}

static const struct backend pg_backend = {.name = "postgresql", .open = open_pg, .drop = empty_pg, .utf8_keys = true};
#define PG_TEST(fn)                                                                                                    \
    {                                                                                                                  \
#fn, fn, contract_setup, contract_teardown, (void *)(uintptr_t)&pg_backend                                     \
    }

static enum ls_rc try_open(const char *url, bool create, struct ls_err *err)
{
    struct ls_catalog *cat = NULL;
    struct ls_pg_opts opts = {.url = url, .create = create, .busy_timeout_ms = 500};
    enum ls_rc rc = ls_catalog_pg_open(&opts, &cat, err);
    ls_catalog_close(cat);
    return rc;
}

static void a_password_in_the_url_is_refused_and_never_shown(void **state)
{
    (void)state;
    static const char *const urls[] = {"postgresql://me:geheim@/db?host=/nowhere", "postgresql:///db?password=geheim",
                                       "postgresql://me:geheim@host:port/db", "postgresql:///db?geheim",
                                       "postgresql://[geheim/db"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct ls_err err = LS_ERR_INIT;
        enum ls_rc rc = try_open(urls[i], false, &err);
        if (rc == LS_OK || strstr(err.text, "geheim"))
            fail_msg("%s: %s: %s", urls[i], ls_rc_name(rc), err.text);
    }
}

static void what_cannot_be_reached_is_named(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    char url[1200];
    assert_fails(try_open("postgresql:///db?host=/nowhere", false, &err), LS_TRANSIENT, &err,
                 "connecting to host=/nowhere dbname=db: ");
    snprintf(url, sizeof url, "%s", pg_url());
    char *name = strstr(url, "test_");
    memcpy(name, "none_", 5);
    assert_fails(try_open(url, false, &err), LS_NOT_FOUND, &err, "does not exist");
    assert_string_equal(err.code, "3D000");
}

static void a_newer_schema_is_refused(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    PGconn *shell = pg_shell();
    char back[128];
    snprintf(back, sizeof back, "UPDATE lockstep_meta SET value = '%s' WHERE name = 'schema_version'",
             pg_get(shell, "SELECT value FROM lockstep_meta WHERE name = 'schema_version'"));
    pg_get(shell, "UPDATE lockstep_meta SET value = '99' WHERE name = 'schema_version'");
    assert_fails(try_open(pg_url(), true, &err), LS_UNSUPPORTED, &err, "99");
    pg_get(shell, "UPDATE lockstep_meta SET value = 'x' WHERE name = 'schema_version'");
    assert_fails(try_open(pg_url(), true, &err), LS_CORRUPT, &err, "schema_version");
    pg_get(shell, back);
    PQfinish(shell);
}

static void somebody_elses_tables_are_left_alone(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    PGconn *shell = pg_shell();
    pg_get(shell, "ALTER SCHEMA lockstep RENAME TO aside");
    assert_fails(try_open(pg_url(), false, &err), LS_NOT_FOUND, &err, "lockstep init");
    assert_fails(try_open(pg_url(), true, &err), LS_EXISTS, &err, "product");
    pg_get(shell, "ALTER SCHEMA aside RENAME TO lockstep");
    PQfinish(shell);
}

static void other_programs_writes_are_followed_and_rolled_back_ones_are_not(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_change_page page;
    int64_t start, last;
    const char *keys[] = {"a"};
    add_images(cat, keys, 1);
    assert_ok(cat->ops->change_last(cat, &start, &err), &err);
    PGconn *shell = pg_shell();
    pg_get(shell, "BEGIN; DELETE FROM product_image; INSERT INTO product (id) VALUES ('x'); ROLLBACK");
    assert_ok(cat->ops->change_wait(cat, start, 0, -1, &last, &err), &err);
    assert_int_equal(last, start);
    pg_get(shell, "BEGIN; UPDATE product_image SET file_name = 'b'; INSERT INTO product (id) VALUES ('x'); COMMIT");
    assert_string_equal(pg_get(shell, "SELECT key FROM lockstep_object"), "b"); /* the record went along */
    assert_ok(cat->ops->change_wait(cat, start, 60000, -1, &last, &err), &err);
    assert_ok(cat->ops->change_page(cat, start, 10, &page, &err), &err);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.items[0].key, "a");
    assert_string_equal(page.items[0].new_key, "b");
    assert_string_equal(page.items[0].writer, "");
    assert_string_equal(page.items[1].kind, "product");
    ls_change_page_dispose(&page);
    pg_get(shell, "DELETE FROM product_image");
    assert_string_equal(pg_get(shell, "SELECT count(*) FROM lockstep_object"), "0");
    pg_get(shell, "TRUNCATE product_image"); /* what it took is not listed, so everything counts as changed */
    assert_ok(cat->ops->change_last(cat, &last, &err), &err);
    assert_fails(cat->ops->change_page(cat, start, 10, &page, &err), LS_NOT_FOUND, &err, "not kept");
    assert_ok(cat->ops->change_page(cat, last, 10, &page, &err), &err);
    ls_change_page_dispose(&page);
    PQfinish(shell);
}

static void each_row_has_a_record_whatever_one_statement_does_with_keys(void **state)
{
    static const char lost[] =
        "SELECT count(*) FROM product_image i FULL JOIN lockstep_object o ON o.key = i.file_name "
        "WHERE i.file_name IS NULL OR o.key IS NULL";
    static const char *const statements[] = {
        "UPDATE product_image SET file_name = chr(ascii(file_name) + 1)",
        "WITH gone AS (DELETE FROM product_image WHERE file_name = 'c' RETURNING file_name) "
        "INSERT INTO product_image (file_name) SELECT file_name || 'x' FROM gone",
        "INSERT INTO product_image (file_name) SELECT 'n' || n FROM generate_series(1, 50) n",
        "BEGIN; DELETE FROM product_image WHERE file_name = 'n1'; INSERT INTO product_image (file_name) VALUES ('n1'); "
        "UPDATE product_image SET file_name = 'n2x' WHERE file_name = 'n2'; "
        "UPDATE product_image SET file_name = 'n2' WHERE file_name = 'n3'; COMMIT",
        "DELETE FROM product_image WHERE file_name LIKE 'n%'",
    };
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    uint64_t rows;
    const char *keys[] = {"d", "c", "b", "a"};
    add_images(cat, keys, 4);
    PGconn *shell = pg_shell();
    /* Deferred, so that one statement can push keys along. */
    pg_get(shell, "ALTER TABLE product_image DROP CONSTRAINT product_image_file_name_key, "
                  "ADD UNIQUE (file_name) DEFERRABLE INITIALLY DEFERRED");
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        pg_get(shell, statements[i]);
        if (strcmp(pg_get(shell, lost), "0") != 0)
            fail_msg("%s", statements[i]);
    }
    assert_ok(cat->ops->image_count(cat, "", NULL, &rows, NULL, &err), &err);
    assert_int_equal(rows, 4);
    pg_get(shell, "ALTER TABLE product_image DROP CONSTRAINT product_image_file_name_key, ADD UNIQUE (file_name)");
    PQfinish(shell);
}

static void a_writer_that_does_not_end_makes_ours_busy(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    struct ls_tx *tx;
    struct ls_pg_opts opts = {.url = pg_url(), .busy_timeout_ms = 200};
    assert_ok(ls_catalog_pg_open(&opts, &cat, &err), &err);
    PGconn *shell = pg_shell();
    pg_get(shell, "BEGIN; INSERT INTO product (id) VALUES ('x')");
    assert_fails(cat->ops->begin(cat, &tx, &err), LS_BUSY, &err, "wait for other writers");
    pg_get(shell, "COMMIT");
    assert_ok(cat->ops->begin(cat, &tx, &err), &err);
    cat->ops->rollback(tx);
    PQfinish(shell);
    ls_catalog_close(cat);
}

static void a_backup_is_a_script_that_brings_the_rows_back(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    char path[300], command[1800];
    const char *keys[] = {"a\\b", "tab\there", "\xc3\xa4"};
    snprintf(path, sizeof path, "%s/backup", f->dir);
    add_images(f->cat, keys, 3);
    PGconn *shell = pg_shell();
    pg_get(shell,
           "INSERT INTO product (id) SELECT 'many' || n FROM generate_series(1, 5000) n"); /* more than one read */
    assert_ok(f->cat->ops->backup(f->cat, path, &err), &err);
    assert_fails(f->cat->ops->backup(f->cat, path, &err), LS_EXISTS, &err, path);
    pg_get(shell, "DELETE FROM product_image; INSERT INTO product (id) VALUES ('x')");
    snprintf(command, sizeof command, "psql -q -X -v ON_ERROR_STOP=1 -1 -f %s '%s' >/dev/null", path, pg_url());
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < 3; i++)
        assert_true(has_image(f->cat, keys[i]));
    assert_string_equal(pg_get(shell, "SELECT count(*) FROM lockstep_object"), "3");
    assert_string_equal(pg_get(shell, "SELECT count(*) FROM product"), "5001");
    PQfinish(shell);
    const char *more[] = {"z"};
    add_images(f->cat, more, 1); /* no number is given twice */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PG_TEST(a_password_in_the_url_is_refused_and_never_shown),
        PG_TEST(what_cannot_be_reached_is_named),
        PG_TEST(a_newer_schema_is_refused),
        PG_TEST(somebody_elses_tables_are_left_alone),
        PG_TEST(other_programs_writes_are_followed_and_rolled_back_ones_are_not),
        PG_TEST(each_row_has_a_record_whatever_one_statement_does_with_keys),
        PG_TEST(a_writer_that_does_not_end_makes_ours_busy),
        PG_TEST(a_backup_is_a_script_that_brings_the_rows_back),
    };
    if (!pg_server()) {
        print_message("LOCKSTEP_TEST_PG_URL is not set\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
