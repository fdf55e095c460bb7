/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening, creating and migrating SQLite catalogs. */
#include "catalog/sqlite_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool exists(const struct fixture *f, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    return access(path, F_OK) == 0;
}

static const char *other_path(const struct fixture *f)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/other.db", f->dir);
    return path;
}

static void a_missing_catalog_is_made_only_when_asked(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    assert_fails(open_with(other_path(f), false, 0, &cat, &err), LS_NOT_FOUND, &err, "lockstep init");
    assert_false(exists(f, "other.db"));
    assert_false(exists(f, "other.db-lockstep"));
    mode_t mask = umask(022);
    assert_ok(open_with(other_path(f), true, 0, &cat, &err), &err);
    umask(mask);
    ls_catalog_close(cat);
    struct stat st;
    assert_int_equal(stat(other_path(f), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_ok(open_with(other_path(f), false, 0, &cat, &err), &err);
    ls_catalog_close(cat);
    assert_fails(open_with("/nonexistent/folder/c.db", true, 0, &cat, &err), LS_NOT_FOUND, &err, "/nonexistent");
    assert_fails(open_with(f->dir, true, 0, &cat, &err), LS_INVALID, &err, "regular file");
}

static void somebody_elses_file_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    int fd = open(other_path(f), O_WRONLY | O_CREAT, 0600);
    const char text[] =
        "This is a text file, which is longer than the header of a database: 0123456789012345678901234567"
        "8901234567890123456789";
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    close(fd);
    assert_fails(open_with(other_path(f), true, 0, &cat, &err), LS_CORRUPT, &err, "no SQLite database");
    assert_string_equal(err.code, "SQLITE_NOTADB");
    struct stat st;
    assert_int_equal(stat(other_path(f), &st), 0);
    assert_int_equal(st.st_size, sizeof text);
    unlink(other_path(f));

    sqlite3 *db = shell_open(other_path(f));
    shell(db, "CREATE TABLE product (sku TEXT)");
    assert_fails(open_with(other_path(f), false, 0, &cat, &err), LS_NOT_FOUND, &err, "lockstep init");
    assert_fails(open_with(other_path(f), true, 0, &cat, &err), LS_EXISTS, &err, "product");
    assert_string_equal(shell_get(db, "PRAGMA journal_mode"), "delete");
    assert_false(exists(f, "other.db-lockstep"));
    sqlite3_close(db);

    unlink(other_path(f));
    db = shell_open(other_path(f));
    shell(db, "PRAGMA encoding = 'UTF-16'; CREATE TABLE t (x)");
    assert_fails(open_with(other_path(f), true, 0, &cat, &err), LS_UNSUPPORTED, &err, "UTF-8");
    sqlite3_close(db);
}

static void two_links_to_a_catalog_meet_at_one_lock_file(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    char id[LS_INTENT_ID_LEN];
    bool alive;
    assert_int_equal(symlink("catalog.db", other_path(f)), 0);
    assert_ok(open_with(other_path(f), false, 0, &cat, &err), &err);
    assert_ok(f->cat->ops->instance_start(f->cat, "one", id, &err), &err);
    assert_ok(cat->ops->instance_alive(cat, id, &alive, &err), &err);
    assert_true(alive);
    ls_catalog_close(cat);
    assert_false(exists(f, "other.db-lockstep"));
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    shell_once(f, "UPDATE lockstep_meta SET value = '999' WHERE name = 'schema_version'");
    assert_fails(open_with(db_path(f), false, 0, &cat, &err), LS_UNSUPPORTED, &err, "999");
    assert_fails(open_with(db_path(f), true, 0, &cat, &err), LS_UNSUPPORTED, &err, "999");
    assert_int_equal(f->cat->ops->create(f->cat, &err), LS_UNSUPPORTED);
    shell_once(f, "UPDATE lockstep_meta SET value = 'nonsense' WHERE name = 'schema_version'");
    assert_int_equal(open_with(db_path(f), false, 0, &cat, &err), LS_CORRUPT);
}

/* Later versions, as the tests imagine them, behind the real ones. Returns how many there are then. */
static unsigned make_steps(const char *steps[16], const char *second, const char *third)
{
    unsigned n = ls_sqlite_schema_version;
    assert_in_range(n, 1, 14);
    memcpy(steps, ls_sqlite_migrations, n * sizeof *steps);
    steps[n] = second;
    steps[n + 1] = third;
    return n + 2;
}

static void an_older_schema_is_brought_forward_with_its_rows(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_sqlite *cat = ls_sqlite_of(f->cat);
    const char *steps[16], *keys[] = {"k"};
    unsigned version;
    add_images(f->cat, keys, 1);
    unsigned n = make_steps(steps, "ALTER TABLE lockstep_scan ADD COLUMN more INTEGER NOT NULL DEFAULT 0",
                            "CREATE TABLE lockstep_more (x TEXT) STRICT;"
                            "INSERT INTO lockstep_more SELECT key FROM lockstep_object");
    assert_ok(ls_sqlite_migrate(cat->writer, steps, n, &err), &err);
    assert_ok(ls_sqlite_version(cat->writer, &version, &err), &err);
    assert_int_equal(version, n);
    sqlite3 *db = shell_open(db_path(f));
    assert_string_equal(shell_get(db, "SELECT x FROM lockstep_more"), "k");
    assert_string_equal(shell_get(db, "SELECT count(*) FROM product_image"), "1");
    sqlite3_close(db);
    assert_true(has_image(f->cat, "k")); /* statements go on working */
}

static void a_migration_that_fails_leaves_the_old_version(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_sqlite *cat = ls_sqlite_of(f->cat);
    const char *steps[16];
    unsigned version;
    unsigned n = make_steps(steps, "CREATE TABLE lockstep_second (x TEXT) STRICT", "CREATE TABLE nonsense (");
    assert_int_equal(ls_sqlite_migrate(cat->writer, steps, n, &err), LS_IO);
    assert_ok(ls_sqlite_version(cat->writer, &version, &err), &err);
    assert_int_equal(version, ls_sqlite_schema_version);
    sqlite3 *db = shell_open(db_path(f));
    assert_string_equal(shell_get(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'lockstep_second'"), "0");
    sqlite3_close(db);
    add_variant(f->cat, "p1", "w1", NULL);
}

static void a_catalog_of_the_first_version_gets_the_etags_of_the_feed(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    struct ls_change_page page;
    sqlite3 *db = shell_open(other_path(f));
    shell(db, ls_sqlite_migrations[0]);
    shell(db, "UPDATE lockstep_meta SET value = '1' WHERE name = 'schema_version';"
              "INSERT INTO product_image (file_name) VALUES ('a');"
              "INSERT INTO lockstep_object VALUES ('a', 1, 'e', 0, 0, 0, 0, '')");
    sqlite3_close(db);
    assert_ok(open_with(other_path(f), false, 0, &cat, &err), &err);
    db = shell_open(other_path(f));
    shell(db, "UPDATE product_image SET file_name = 'b'; DELETE FROM product_image");
    sqlite3_close(db);
    assert_ok(cat->ops->change_page(cat, 0, 10, &page, &err), &err);
    assert_int_equal(page.n, 3);
    assert_null(page.items[0].etag);
    assert_string_equal(page.items[1].etag, "e");
    assert_string_equal(page.items[2].etag, "e");
    ls_change_page_dispose(&page);
    ls_catalog_close(cat);
}

static void the_tables_are_those_of_the_design(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *table, *columns;
    } tables[] = {
        {"product", "id,created_at"},
        {"product_variant", "id,product_id,weight,is_active,created_at,updated_at"},
        {"product_image", "id,product_id,variant_id,variant_weight,image_type,file_name,image_url,created_at,"
                          "updated_at"},
        {"lockstep_object", "key,size,etag,mtime_ns,mode,uid,gid,content_type"},
    };
    sqlite3 *db = shell_open(db_path(f));
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "SELECT group_concat(name, ',') FROM pragma_table_info('%s')", tables[i].table);
        assert_string_equal(shell_get(db, sql), tables[i].columns);
    }
    assert_string_equal(shell_get(db, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' "
                                      "AND name NOT LIKE 'sqlite%' AND strict = 0"),
                        "0");
    assert_string_equal(shell_get(db, "PRAGMA journal_mode"), "wal");
    assert_string_equal(shell_get(db, "PRAGMA integrity_check"), "ok");
    sqlite3_close(db);
    db = ls_sqlite_of(f->cat)->writer->db;
    assert_string_equal(shell_get(db, "PRAGMA foreign_keys"), "1");
    assert_string_equal(shell_get(db, "PRAGMA synchronous"), "2");
    assert_string_equal(shell_get(db, "PRAGMA wal_autocheckpoint"), "0");
    assert_string_equal(shell_get(db, "PRAGMA temp_store"), "2"); /* a file a statement otherwise */
}

static void times_are_text_that_people_read(void **state)
{
    struct fixture *f = *state;
    const char *keys[] = {"k"};
    add_images(f->cat, keys, 1);
    sqlite3 *db = shell_open(db_path(f));
    const char *columns[] = {"SELECT created_at FROM product", "SELECT updated_at FROM product_variant",
                             "SELECT created_at FROM product_image", "SELECT updated_at FROM product_image"};
    for (size_t i = 0; i < 4; i++) {
        const char *text = shell_get(db, columns[i]);
        assert_int_equal(strlen(text), 24);
        assert_true(text[10] == 'T' && text[23] == 'Z');
    }
    sqlite3_close(db);
}

static void a_backup_is_a_whole_catalog_of_one_moment(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *copy;
    const char *keys[] = {"a", "b"};
    add_images(f->cat, keys, 1);
    struct ls_tx *tx = begin(f->cat); /* an open transaction neither blocks it nor is in it */
    struct ls_image_write write = {.image = {.key = "uncommitted"}};
    assert_ok(f->cat->ops->images_write(tx, &write, 1, &err), &err);
    assert_ok(f->cat->ops->backup(f->cat, other_path(f), &err), &err);
    commit(tx);
    assert_fails(f->cat->ops->backup(f->cat, other_path(f), &err), LS_EXISTS, &err, "other.db");
    struct stat st;
    assert_int_equal(stat(other_path(f), &st), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_ok(open_with(other_path(f), false, 0, &copy, &err), &err);
    assert_true(has_image(copy, "a"));
    assert_false(has_image(copy, "uncommitted"));
    add_images(copy, keys + 1, 1);
    ls_catalog_close(copy);
    assert_false(has_image(f->cat, "b"));
    assert_int_equal(f->cat->ops->backup(f->cat, "/nonexistent/copy.db", &err), LS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_TEST(a_missing_catalog_is_made_only_when_asked),
        SQLITE_TEST(somebody_elses_file_is_refused_and_left_alone),
        SQLITE_TEST(two_links_to_a_catalog_meet_at_one_lock_file),
        SQLITE_TEST(a_newer_schema_is_refused_and_left_alone),
        SQLITE_TEST(an_older_schema_is_brought_forward_with_its_rows),
        SQLITE_TEST(a_migration_that_fails_leaves_the_old_version),
        SQLITE_TEST(a_catalog_of_the_first_version_gets_the_etags_of_the_feed),
        SQLITE_TEST(the_tables_are_those_of_the_design),
        SQLITE_TEST(times_are_text_that_people_read),
        SQLITE_TEST(a_backup_is_a_whole_catalog_of_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
