/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Other programs write the product tables with a plain SQLite connection: the triggers keep the side tables right. */
#include "catalog/sqlite_fixture.h"

static void get_one(struct ls_catalog *cat, const char *key, struct ls_image_page *page)
{
    struct ls_err err = LS_ERR_INIT;
    assert_ok(ls_catalog_image_get(cat, NULL, key, page, &err), &err);
}

static void a_foreign_insert_has_no_record_and_times_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct ls_image_page page;
    shell_once(f, "INSERT INTO product (id) VALUES ('p1');"
                  "INSERT INTO product_variant (product_id, weight) VALUES ('p1', 'w1');"
                  "INSERT INTO product_image (product_id, variant_id, variant_weight, image_type, file_name) "
                  "VALUES ('p1', 1, 'w1', 'hero-card', 'products/p1/w1/hero-card/a.jpg')");
    get_one(f->cat, "products/p1/w1/hero-card/a.jpg", &page);
    assert_false(page.items[0].record.known);
    assert_string_equal(page.items[0].variant_weight_now, "w1");
    assert_true(llabs(page.items[0].created_ns - ls_now_ns()) < 60 * LS_NS_PER_S);
    ls_image_page_dispose(&page);
    shell_once(f, "UPDATE product_image SET created_at = datetime('2026-01-02 03:04:05'), updated_at = 'yesterday'");
    get_one(f->cat, "products/p1/w1/hero-card/a.jpg", &page);
    assert_int_equal(page.items[0].created_ns, INT64_C(1767323045) * LS_NS_PER_S);
    assert_int_equal(page.items[0].updated_ns, 0); /* no time that we know */
    ls_image_page_dispose(&page);
}

static void a_foreign_rename_takes_the_record_along(void **state)
{
    struct fixture *f = *state;
    struct ls_image_page page;
    const char *keys[] = {"a", "b"};
    add_images(f->cat, keys, 2);
    shell_once(f, "UPDATE product_image SET file_name = 'c' WHERE file_name = 'a'");
    get_one(f->cat, "c", &page);
    assert_true(page.items[0].record.known);
    ls_image_page_dispose(&page);
    shell_once(f, "UPDATE lockstep_object SET etag = 'from c' WHERE key = 'c';"
                  "UPDATE OR REPLACE product_image SET file_name = 'b' WHERE file_name = 'c'");
    get_one(f->cat, "b", &page);
    assert_string_equal(page.items[0].record.etag, "from c");
    ls_image_page_dispose(&page);
    assert_false(has_image(f->cat, "c"));
}

static void a_foreign_delete_takes_the_record_away(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    uint64_t bytes;
    const char *keys[] = {"a", "b"};
    add_images(f->cat, keys, 2);
    shell_once(f, "DELETE FROM product_image WHERE file_name = 'a'");
    assert_ok(f->cat->ops->image_count(f->cat, "", NULL, NULL, &bytes, &err), &err);
    assert_int_equal(bytes, 1000);
}

static void insert_or_replace_starts_without_a_record(void **state)
{
    struct fixture *f = *state;
    struct ls_image_page page;
    const char *keys[] = {"a"};
    add_images(f->cat, keys, 1);
    shell_once(f, "INSERT OR REPLACE INTO product_image (file_name) VALUES ('a')");
    get_one(f->cat, "a", &page);
    assert_false(page.items[0].record.known);
    ls_image_page_dispose(&page);
}

static void a_record_does_not_pass_to_a_row_without_one(void **state)
{
    struct fixture *f = *state;
    struct ls_image_page page;
    const char *keys[] = {"recorded"};
    add_images(f->cat, keys, 1);
    shell_once(f, "INSERT INTO product_image (file_name) VALUES ('plain');"
                  "UPDATE OR REPLACE product_image SET file_name = 'recorded' WHERE file_name = 'plain'");
    get_one(f->cat, "recorded", &page);
    assert_false(page.items[0].record.known);
    ls_image_page_dispose(&page);
}

static void a_dangling_variant_reads_as_none(void **state)
{
    struct fixture *f = *state;
    struct ls_image_page page;
    shell_once(f, "INSERT INTO product_image (file_name, product_id, variant_id) VALUES ('a', 'ghost', 77)");
    get_one(f->cat, "a", &page);
    assert_string_equal(page.items[0].variant_id, "77");
    assert_string_equal(page.items[0].product, "ghost");
    assert_null(page.items[0].variant_product);
    ls_image_page_dispose(&page);
}

static void the_feed_tells_foreign_writers_from_ours(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_change_page page;
    char instance[LS_INTENT_ID_LEN];
    int64_t start;
    const char *keys[] = {"ours"};
    add_variant(f->cat, "p1", "w1", NULL);
    assert_ok(f->cat->ops->instance_start(f->cat, "test", instance, &err), &err);
    assert_ok(f->cat->ops->change_last(f->cat, &start, &err), &err);
    add_images(f->cat, keys, 1);
    shell_once(f, "INSERT INTO product_image (file_name) VALUES ('theirs');"
                  "UPDATE product_image SET image_url = 'x' WHERE file_name = 'ours'");
    struct ls_tx *tx = begin(f->cat);
    struct ls_image_ref ref = {"theirs", NULL};
    assert_ok(f->cat->ops->images_delete(tx, &ref, 1, &err), &err);
    commit(tx);
    assert_ok(f->cat->ops->change_page(f->cat, start, 100, &page, &err), &err);
    assert_int_equal(page.n, 4);
    const char *writers[] = {instance, "", "", instance};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(page.items[i].writer, writers[i]);
    ls_change_page_dispose(&page);
}

static void before_its_instance_starts_a_catalog_is_no_foreign_writer(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_change_page page;
    add_variant(f->cat, "p1", "w1", NULL);
    assert_ok(f->cat->ops->change_page(f->cat, 0, 1, &page, &err), &err);
    assert_string_not_equal(page.items[0].writer, "");
    ls_change_page_dispose(&page);
}

static void nobody_sees_our_name_as_writer_after_a_commit_or_rollback(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = shell_open(db_path(f));
    struct ls_tx *tx = begin(f->cat);
    assert_string_equal(shell_get(db, "SELECT value FROM lockstep_meta WHERE name = 'writer'"), "");
    f->cat->ops->rollback(tx);
    add_variant(f->cat, "p1", "w1", NULL);
    assert_string_equal(shell_get(db, "SELECT value FROM lockstep_meta WHERE name = 'writer'"), "");
    sqlite3_close(db);
}

static void the_feed_keeps_a_million_lines_and_says_when_some_are_gone(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_change_page page;
    int64_t last;
    shell_once(f, "INSERT INTO product (id) VALUES ('p1'), ('p2'), ('p3');"
                  "UPDATE lockstep_change SET seq = 1000001 WHERE seq = 3;"
                  "INSERT INTO product (id) VALUES ('p4')"); /* is 1000002, so 1 and 2 go */
    assert_ok(f->cat->ops->change_last(f->cat, &last, &err), &err);
    assert_int_equal(last, 1000002);
    assert_fails(f->cat->ops->change_page(f->cat, 0, 10, &page, &err), LS_NOT_FOUND, &err, "not kept");
    assert_ok(f->cat->ops->change_page(f->cat, 1000000, 10, &page, &err), &err);
    assert_int_equal(page.n, 2);
    ls_change_page_dispose(&page);
    assert_ok(f->cat->ops->change_page(f->cat, last, 10, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_change_page_dispose(&page);
}

static void names_that_the_interface_cannot_hold_are_refused(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = shell_open(db_path(f));
    const char *refused[] = {
        "INSERT INTO product_image (file_name) VALUES ('')",
        "INSERT INTO product_image (file_name) VALUES ('a' || char(0) || 'b')",
        "INSERT INTO product (id) VALUES (printf('%.*c', 256, 'x'))",
        "INSERT INTO product (id) VALUES (printf('%.*c', 128, char(228)))",
        "INSERT INTO product_variant (product_id, weight) VALUES ('p1', '')",
        "INSERT INTO product_image (file_name, variant_id) VALUES ('a', 'text')",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_int_equal(sqlite3_exec(db, refused[i], NULL, NULL, NULL), SQLITE_CONSTRAINT);
    shell(db, "INSERT INTO product (id) VALUES (printf('%.*c', 255, 'x'))");
    sqlite3_close(db);
}

static void a_nul_that_slipped_in_is_an_error_not_a_shorter_name(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    shell_once(f, "PRAGMA ignore_check_constraints = ON;"
                  "INSERT INTO product_image (file_name) VALUES ('a' || char(0) || 'b')");
    assert_fails(f->cat->ops->image_page(f->cat, NULL, "", NULL, 10, &page, &err), LS_CORRUPT, &err, "file_name");
    assert_null(page.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_TEST(a_foreign_insert_has_no_record_and_times_of_its_own),
        SQLITE_TEST(a_foreign_rename_takes_the_record_along),
        SQLITE_TEST(a_foreign_delete_takes_the_record_away),
        SQLITE_TEST(insert_or_replace_starts_without_a_record),
        SQLITE_TEST(a_record_does_not_pass_to_a_row_without_one),
        SQLITE_TEST(a_dangling_variant_reads_as_none),
        SQLITE_TEST(the_feed_tells_foreign_writers_from_ours),
        SQLITE_TEST(before_its_instance_starts_a_catalog_is_no_foreign_writer),
        SQLITE_TEST(nobody_sees_our_name_as_writer_after_a_commit_or_rollback),
        SQLITE_TEST(the_feed_keeps_a_million_lines_and_says_when_some_are_gone),
        SQLITE_TEST(names_that_the_interface_cannot_hold_are_refused),
        SQLITE_TEST(a_nul_that_slipped_in_is_an_error_not_a_shorter_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
