/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Full disks, foreign locks, and I/O errors at the worst moment. */
#include "catalog/sqlite_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/file.h"
#include "catalog/fault_vfs.h"

static int setup(void **state)
{
    fault_vfs_clear();
    return contract_setup(state);
}
static int teardown(void **state)
{
    fault_vfs_clear();
    return contract_teardown(state);
}
#define FAULT_TEST(fn)                                                                                                 \
    {                                                                                                                  \
#fn, fn, setup, teardown, (void *)&sqlite_backend                                                              \
    }

/* Write a row in a transaction that has begun, and commit; the result of that. */
static enum ls_rc put_row_in(struct ls_tx *tx, const char *key, struct ls_err *err)
{
    struct ls_image_write write = {.image = {.key = key}};
    struct ls_err step = LS_ERR_INIT;
    assert_ok(tx->cat->ops->images_write(tx, &write, 1, &step), &step);
    return tx->cat->ops->commit(tx, err);
}

static enum ls_rc put_row(struct ls_catalog *cat, const char *key, struct ls_err *err)
{
    return put_row_in(begin(cat), key, err);
}

static enum ls_rc put_row_relaxed(struct ls_catalog *cat, const char *key, struct ls_err *err)
{
    struct ls_tx *tx = NULL;
    assert_ok(cat->ops->begin_relaxed(cat, &tx, err), err);
    return put_row_in(tx, key, err);
}

/* What a machine that crashed now would find: database and log, without the shared memory. */
static bool row_after_crash(const struct fixture *f, const char *key)
{
    static const char *const suffixes[] = {"", "-wal"};
    char from[400], to[400];
    for (size_t i = 0; i < 2; i++) {
        struct ls_err err = LS_ERR_INIT;
        snprintf(from, sizeof from, "%s/catalog.db%s", f->dir, suffixes[i]);
        snprintf(to, sizeof to, "%s/crashed.db%s", f->dir, suffixes[i]);
        unlink(to);
        LS_AUTO(ls_buf) struct ls_buf bytes = LS_BUF_INIT(LS_BUF_BODY);
        assert_ok(ls_read_file(from, &bytes, &err), &err);
        assert_ok(ls_write_file(to, bytes.data, bytes.len, 0600, false, &err), &err);
    }
    snprintf(to, sizeof to, "%s/crashed.db", f->dir);
    sqlite3 *db = shell_open(to);
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM product_image WHERE file_name = '%s'", key);
    bool there = strcmp(shell_get(db, sql), "1") == 0;
    sqlite3_close(db);
    return there;
}

static void an_io_error_at_commit_leaves_the_outcome_unknown_until_it_is_settled(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    assert_ok(put_row(f->cat, "before", &err), &err);
    fault_vfs.fail_log_sync = true;
    assert_fails(put_row(f->cat, "k", &err), LS_OUTCOME_UNKNOWN, &err, "commit");
    assert_string_equal(err.code, "SQLITE_IOERR_FSYNC");
    assert_int_equal(fault_vfs.fired, 1);
    assert_true(row_after_crash(f, "k")); /* unknown indeed: a crash would bring the row */

    /* While nothing can be written, no read pretends to know. */
    assert_fails(ls_catalog_image_get(f->cat, NULL, "k", &page, &err), LS_OUTCOME_UNKNOWN, &err, "settle");
    struct ls_tx *tx;
    assert_int_equal(f->cat->ops->begin(f->cat, &tx, &err), LS_OUTCOME_UNKNOWN);

    fault_vfs_clear();
    assert_false(has_image(f->cat, "k"));
    assert_false(row_after_crash(f, "k")); /* and now it never comes back */
    assert_true(has_image(f->cat, "before"));
    assert_ok(put_row(f->cat, "k", &err), &err);
    assert_true(row_after_crash(f, "k"));
}

static void a_relaxed_commit_reaches_the_disk_with_the_next_ordinary_one(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_tx *tx = NULL;
    assert_ok(put_row(f->cat, "before", &err), &err);
    fault_vfs_clear();
    assert_ok(put_row_relaxed(f->cat, "relaxed", &err), &err);
    assert_ok(put_row_relaxed(f->cat, "relaxed too", &err), &err);
    assert_true(has_image(f->cat, "relaxed"));
    assert_int_equal(fault_vfs.log_syncs, 0);
    assert_ok(put_row(f->cat, "ordinary", &err), &err);
    assert_int_equal(fault_vfs.log_syncs, 1);
    assert_ok(f->cat->ops->begin_relaxed(f->cat, &tx, &err), &err);
    f->cat->ops->rollback(tx);
    assert_ok(put_row(f->cat, "after", &err), &err);
    assert_int_equal(fault_vfs.log_syncs, 2);
    assert_true(row_after_crash(f, "relaxed"));
}

static void a_relaxed_commit_with_an_io_error_is_settled_with_a_sync(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    assert_ok(put_row(f->cat, "before", &err), &err);
    fault_vfs_clear();
    fault_vfs.fail_log_write = true;
    assert_int_equal(put_row_relaxed(f->cat, "k", &err), LS_OUTCOME_UNKNOWN);
    fault_vfs_clear();
    assert_false(has_image(f->cat, "k"));
    assert_true(fault_vfs.log_syncs > 0);
    assert_false(row_after_crash(f, "k"));
    assert_true(row_after_crash(f, "before"));
}

static void a_write_error_at_commit_is_treated_alike(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    fault_vfs.fail_log_write = true;
    assert_fails(put_row(f->cat, "k", &err), LS_OUTCOME_UNKNOWN, &err, "SQLITE_IOERR_WRITE");
    assert_true(fault_vfs.fired > 0);
    fault_vfs_clear();
    assert_false(has_image(f->cat, "k"));
    assert_ok(put_row(f->cat, "k", &err), &err);
    assert_true(has_image(f->cat, "k"));
}

static void a_full_disk_at_commit_means_that_nothing_happened(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    fault_vfs.full_log_write = true;
    assert_fails(put_row(f->cat, "k", &err), LS_NO_SPACE, &err, "free space");
    assert_string_equal(err.code, "SQLITE_FULL");
    assert_int_equal(fault_vfs.fired, 1);
    assert_false(has_image(f->cat, "k")); /* reads go on while the disk is full */
    assert_false(row_after_crash(f, "k"));
    fault_vfs_clear();
    assert_ok(put_row(f->cat, "k", &err), &err);
}

static void a_full_catalog_fails_the_step_and_the_transaction(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    sqlite3 *db = ls_sqlite_of(f->cat)->writer->db;
    enum { N = 2000 };
    struct ls_image_write *writes = calloc(N, sizeof *writes);
    char(*keys)[64] = calloc(N, sizeof *keys);
    for (int i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "a/long/folder/for/keys/that/take/room/%06d", i);
        writes[i].image.key = keys[i];
    }
    char pragma[64];
    snprintf(pragma, sizeof pragma, "PRAGMA max_page_count = %d", atoi(shell_get(db, "PRAGMA page_count")) + 3);
    shell(db, pragma);
    struct ls_tx *tx = begin(f->cat);
    assert_fails(f->cat->ops->images_write(tx, writes, N, &err), LS_NO_SPACE, &err, "SQLITE_FULL");
    assert_fails(f->cat->ops->product_add(tx, "p1", &err), LS_NO_SPACE, &err, "earlier step");
    assert_fails(f->cat->ops->commit(tx, &err), LS_NO_SPACE, &err, "earlier step");
    shell(db, "PRAGMA max_page_count = 1000000");
    assert_false(has_image(f->cat, keys[0]));
    tx = begin(f->cat);
    assert_ok(f->cat->ops->images_write(tx, writes, N, &err), &err);
    commit(tx);
    free(writes);
    free(keys);
}

static void a_foreign_lock_is_waited_for_and_then_named(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    struct ls_tx *tx;
    assert_ok(open_with(db_path(f), false, 50, &cat, &err), &err);
    sqlite3 *db = shell_open(db_path(f));
    shell(db, "BEGIN IMMEDIATE");
    int64_t start_ms = ls_monotonic_ms();
    assert_fails(cat->ops->begin(cat, &tx, &err), LS_BUSY, &err, "sqlite3 shell");
    assert_true(ls_monotonic_ms() - start_ms >= 50);
    assert_string_equal(err.code, "SQLITE_BUSY");
    assert_false(has_image(cat, "k")); /* reads do not wait */
    shell(db, "COMMIT");
    assert_ok(put_row(cat, "k", &err), &err);
    sqlite3_close(db);
    ls_catalog_close(cat);
}

static void *begin_in_thread(void *arg)
{
    static struct ls_err err;
    struct ls_catalog *cat = arg;
    struct ls_tx *tx;
    err.rc = cat->ops->begin(cat, &tx, &err);
    if (err.rc == LS_OK)
        cat->ops->rollback(tx);
    return &err;
}

static void a_transaction_of_another_thread_is_waited_for_and_then_named(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT, *result;
    struct ls_catalog *cat;
    pthread_t thread;
    assert_ok(open_with(db_path(f), false, 50, &cat, &err), &err);
    struct ls_tx *tx = begin(cat);
    assert_int_equal(pthread_create(&thread, NULL, begin_in_thread, cat), 0);
    pthread_join(thread, (void **)&result);
    assert_int_equal(result->rc, LS_BUSY);
    assert_non_null(strstr(result->text, "another thread"));
    commit(tx);
    assert_int_equal(pthread_create(&thread, NULL, begin_in_thread, cat), 0);
    pthread_join(thread, (void **)&result);
    assert_int_equal(result->rc, LS_OK);
    ls_catalog_close(cat);
}

static void a_file_that_cannot_be_written_is_refused_at_open(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    fault_vfs.read_only = true;
    assert_fails(open_with(db_path(f), false, 0, &cat, &err), LS_DENIED, &err, "writable");
    assert_string_equal(err.code, "SQLITE_READONLY");
    assert_true(fault_vfs.fired > 0);
}

static void a_damaged_database_is_named_as_such(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    const char *keys[] = {"a", "b"};
    add_images(f->cat, keys, 2);
    ls_catalog_close(f->cat);
    f->cat = NULL;
    int fd = open(db_path(f), O_WRONLY);
    char noise[4096];
    memset(noise, 0x5a, sizeof noise);
    for (off_t at = 4096; at < 40 * 4096; at += 4096)
        assert_int_equal(pwrite(fd, noise, sizeof noise, at), sizeof noise);
    close(fd);
    enum ls_rc rc = open_with(db_path(f), false, 0, &f->cat, &err);
    if (rc == LS_OK) {
        struct ls_image_page page;
        rc = f->cat->ops->image_page(f->cat, NULL, "", NULL, 10, &page, &err);
    }
    assert_int_equal(rc, LS_CORRUPT);
    assert_non_null(strstr(err.text, "backup"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(an_io_error_at_commit_leaves_the_outcome_unknown_until_it_is_settled),
        FAULT_TEST(a_relaxed_commit_reaches_the_disk_with_the_next_ordinary_one),
        FAULT_TEST(a_relaxed_commit_with_an_io_error_is_settled_with_a_sync),
        FAULT_TEST(a_write_error_at_commit_is_treated_alike),
        FAULT_TEST(a_full_disk_at_commit_means_that_nothing_happened),
        FAULT_TEST(a_full_catalog_fails_the_step_and_the_transaction),
        FAULT_TEST(a_foreign_lock_is_waited_for_and_then_named),
        FAULT_TEST(a_transaction_of_another_thread_is_waited_for_and_then_named),
        FAULT_TEST(a_file_that_cannot_be_written_is_refused_at_open),
        FAULT_TEST(a_damaged_database_is_named_as_such),
    };
    fault_vfs_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
