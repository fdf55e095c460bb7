/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "scan/world.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "catalog/backends.h"

_Thread_local struct ls_err world_err;
static _Thread_local bool in_hook;

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        ls_err_clear(&world_err);                                                                                      \
        enum ls_rc rc_ = (call);                                                                                       \
        if (rc_)                                                                                                       \
            fail_msg("%s: %s: %s", #call, ls_rc_name(rc_), world_err.text);                                            \
    } while (0)

static enum ls_rc decide(void *ctx, enum ls_store_op op, const char *key, bool after, struct ls_err *err)
{
    struct world *w = ctx;
    (void)err;
    if (!w->hook || in_hook)
        return LS_OK;
    in_hook = true;
    enum ls_rc rc = w->hook(w, op, key, after);
    in_hook = false;
    return rc;
}

int world_setup(void **state)
{
    static const char *const types[] = {"hero-card", "info-card", "other-images", NULL};
    struct world *w = calloc(1, sizeof *w);
    char bucket[192];
    snprintf(w->dir, sizeof w->dir, "/tmp/lockstep-test-scan-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(bucket, sizeof bucket, "%s/bucket", w->dir);
    snprintf(w->db, sizeof w->db, "%s/catalog.db", w->dir);
    MUST(ls_store_file_open(bucket, "https://img.example.com/images", &w->raw, &world_err));
    MUST(ls_store_create(w->raw, &world_err));
    MUST(ls_store_file_open(bucket, "https://img.example.com/images", &w->store, &world_err));
    struct ls_store_fault fault = {decide, w};
    MUST(ls_store_fault_open(w->store, &fault, &w->store, &world_err));
    struct ls_sqlite_opts sqlite = {.path = w->db, .create = true};
    MUST(ls_catalog_sqlite_open(&sqlite, &w->cat, &world_err));
    MUST(ls_layout_compile("products/{product}/{weight}/{type}/{file}", types, &w->layout, &world_err));
    struct ls_engine_opts engine = {.store = w->store,
                                    .catalog = w->cat,
                                    .layout = w->layout,
                                    .kind = "cli",
                                    .actor = "test",
                                    .claim_wait_ms = 200};
    MUST(ls_engine_open(&engine, &w->engine, &world_err));
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    char command[192];
    w->hook = NULL;
    ls_scan_free(w->scan);
    ls_engine_close(w->engine);
    ls_layout_free(w->layout);
    ls_catalog_close(w->cat);
    ls_store_close(w->store);
    ls_store_close(w->raw);
    snprintf(command, sizeof command, "rm -rf '%s'", w->dir);
    free(w);
    return system(command);
}

static int bytes_fd(const char *bytes)
{
    int fd = memfd_create("bytes", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
    return fd;
}

enum ls_rc world_try_image(struct world *w, const char *key, const char *bytes)
{
    int fd = memfd_create("bytes", MFD_CLOEXEC);
    struct ls_engine_put put = {.key = key, .fd = fd, .size_bytes = strlen(bytes), .make_parents = true};
    bool written = fd >= 0 && write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes);
    enum ls_rc rc = written ? ls_engine_put(w->engine, &put, NULL, &world_err) : LS_IO;
    if (fd >= 0)
        close(fd);
    return rc;
}

void world_image(struct world *w, const char *key, const char *bytes) { MUST(world_try_image(w, key, bytes)); }

void world_put(struct world *w, const char *key, const char *bytes)
{
    int fd = bytes_fd(bytes);
    struct ls_object_meta meta = {0};
    struct ls_object_info info;
    struct ls_store_put put = {.key = key, .fd = fd, .size_bytes = strlen(bytes), .meta = &meta};
    MUST(ls_store_put(w->raw, &put, &info, &world_err));
    close(fd);
}

void world_delete(struct world *w, const char *key)
{
    struct ls_store_delete item = {.key = key};
    MUST(ls_store_delete_many(w->raw, &item, 1, &world_err));
}

void world_move(struct world *w, const char *from, const char *to)
{
    struct ls_store_copy item = {.from = from, .to = to};
    struct ls_object_info info;
    MUST(ls_store_head_one(w->raw, from, &info, &world_err));
    item.size_bytes = info.size_bytes;
    MUST(ls_store_copy_many(w->raw, &item, 1, &world_err));
    world_delete(w, from);
}

void world_sql(struct world *w, const char *format, ...)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    va_list args;
    va_start(args, format);
    char *sql = sqlite3_vmprintf(format, args);
    va_end(args);
    assert_int_equal(sqlite3_open(w->db, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_free(sql);
    sqlite3_close(db);
}

int world_sql_int(struct world *w, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(w->db, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

bool world_has_object(struct world *w, const char *key)
{
    struct ls_object_info info;
    enum ls_rc rc = ls_store_head_one(w->raw, key, &info, &world_err);
    assert_true(rc == LS_OK || rc == LS_NOT_FOUND);
    return rc == LS_OK;
}

bool world_has_row(struct world *w, const char *key)
{
    struct ls_image_page page = {0};
    enum ls_rc rc = ls_catalog_image_get(w->cat, NULL, key, &page, &world_err);
    assert_true(rc == LS_OK || rc == LS_NOT_FOUND);
    ls_image_page_dispose(&page);
    return rc == LS_OK;
}

const struct ls_scan_totals *world_scan(struct world *w)
{
    ls_scan_free(w->scan);
    w->scan = NULL;
    MUST(ls_scan_run(w->engine, &w->opts, &w->scan, &world_err));
    return ls_scan_totals(w->scan);
}

static enum ls_rc print_finding(void *ctx, const struct ls_finding *f)
{
    (void)ctx;
    print_message("%s %s: %s\n", ls_finding_name(f), f->key, f->detail ? f->detail : "");
    return LS_OK;
}

static enum ls_rc print_text(void *ctx, const char *text)
{
    (void)ctx;
    print_message("error: %s\n", text);
    return LS_OK;
}

void world_in_step(struct world *w, uint64_t synced)
{
    const struct ls_scan_totals *t = ls_scan_totals(w->scan);
    if (!t->complete || t->images != synced || t->by_kind[LS_FINDING_SYNCED] != synced) {
        MUST(ls_scan_each(w->scan, NULL, print_finding, NULL, &world_err));
        MUST(ls_scan_each_error(w->scan, print_text, NULL, &world_err));
    }
    assert_true(t->complete);
    assert_int_equal(t->by_kind[LS_FINDING_SYNCED], synced);
    assert_int_equal(t->images, synced);
    assert_int_equal(t->errors, 0);
}

/* ---- findings ---- */

struct search {
    const char *key;
    bool found;
};
static struct {
    struct ls_finding finding;
    char text[7][2048];
} copied;

static const char *copy(int i, const char *text)
{
    if (!text)
        return NULL;
    snprintf(copied.text[i], sizeof copied.text[i], "%s", text);
    return copied.text[i];
}

static enum ls_rc search_one(void *ctx, const struct ls_finding *f)
{
    struct search *s = ctx;
    if (strcmp(f->key, s->key) != 0)
        return LS_OK;
    assert_false(s->found);
    s->found = true;
    copied.finding = *f;
    copied.finding.key = copy(0, f->key);
    copied.finding.product = copy(1, f->product);
    copied.finding.partner = copy(2, f->partner);
    copied.finding.row_etag = copy(3, f->row_etag);
    copied.finding.object_etag = copy(4, f->object_etag);
    copied.finding.detail = copy(5, f->detail);
    return LS_OK;
}

bool world_found(struct world *w, const char *key)
{
    struct search s = {key, false};
    MUST(ls_scan_each(w->scan, NULL, search_one, &s, &world_err));
    return s.found;
}

const struct ls_finding *world_find(struct world *w, const char *key)
{
    if (!world_found(w, key))
        fail_msg("no finding of %s", key);
    return &copied.finding;
}

static enum ls_rc add_key(void *ctx, const struct ls_finding *f) { return ls_buf_addf(ctx, "%s\n", f->key); }

const char *world_keys(struct world *w, const char *product)
{
    static struct ls_buf keys = LS_BUF_INIT(1 << 20);
    ls_buf_reset(&keys);
    MUST(ls_scan_each(w->scan, product, add_key, &keys, &world_err));
    return keys.data;
}

/* ---- sync ---- */

struct ls_sync_opts world_sync_opts(void) { return (struct ls_sync_opts){.max_change_count = 1000000}; }

struct ls_sync_totals world_sync(struct world *w, const struct ls_sync_opts *opts, enum ls_rc expected)
{
    struct ls_sync_totals totals;
    ls_err_clear(&world_err);
    enum ls_rc rc = ls_sync_run(w->engine, w->scan, opts, NULL, NULL, &totals, &world_err);
    if (rc != expected)
        fail_msg("sync gave %s instead of %s: %s", ls_rc_name(rc), ls_rc_name(expected), world_err.text);
    return totals;
}
