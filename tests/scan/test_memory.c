/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The memory of a scan does not grow with what it finds: 50,000 and 200,000 suspects, each in a process of its own,
 * over a store that makes its listing up.
 */
#include "scan/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog/backends.h"

#define MOST_GROWTH_KIB 8192L

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#define FEW 10000 /* memory is not measured there, and time is dear */
#define MANY 20000
#else
#define SANITIZED 0
#define FEW 50000 /* with less, not every thread has come to its buffers and arenas */
#define MANY 200000
#endif

static int objects; /* of the made-up store */

static void object_key(int i, char key[64])
{
    snprintf(key, 64, "products/p%05d/1kg/hero-card/%02d.jpg", i / 50, i % 50);
}

/* The first object after a key. */
static int first_after(const char *key)
{
    int lo = 0, hi = objects;
    char at[64];
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        object_key(mid, at);
        if (strcmp(at, key) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static enum ls_rc made_up_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *page,
                               struct ls_err *err)
{
    (void)store;
    (void)err;
    int from = first_after(req->token ? req->token : req->start_after);
    int limit = req->limit ? (int)req->limit : LS_STORE_BATCH;
    int n = objects - from < limit ? objects - from : limit;
    *page = (struct ls_list_page){.entries = calloc((size_t)n + 1, sizeof *page->entries),
                                  .memory = malloc(64 * (size_t)(n + 1))};
    page->n = (size_t)n;
    for (int i = 0; i < n; i++) {
        char *key = (char *)page->memory + (size_t)64 * (size_t)i;
        object_key(from + i, key);
        page->entries[i] = (struct ls_list_entry){.key = key, .size_bytes = 7, .modified_ns = 1};
        snprintf(page->entries[i].etag, LS_ETAG_MAX, "%032d", from + i);
    }
    if (from + n < objects)
        page->token = strdup(page->entries[n - 1].key);
    return LS_OK;
}

static enum ls_rc made_up_head(struct ls_store *store, struct ls_store_head *items, size_t n, struct ls_err *err)
{
    (void)store;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        char key[64];
        int at = first_after(items[i].key) - 1;
        if (at >= 0)
            object_key(at, key);
        items[i].rc = at >= 0 && strcmp(key, items[i].key) == 0 ? LS_OK : LS_NOT_FOUND;
        if (items[i].rc == LS_OK) {
            items[i].info = (struct ls_object_info){.size_bytes = 7, .modified_ns = 1};
            snprintf(items[i].info.etag, LS_ETAG_MAX, "%032d", at);
        }
    }
    return LS_OK;
}

static enum ls_rc made_up_probe(struct ls_store *store, struct ls_store_caps *caps, struct ls_err *err)
{
    (void)store;
    (void)err;
    *caps = (struct ls_store_caps){.part_bytes = UINT64_MAX};
    return LS_OK;
}

static enum ls_rc made_up_url(struct ls_store *store, const char *key, unsigned expires_s, char **out_url,
                              struct ls_err *err)
{
    (void)store;
    (void)expires_s;
    (void)err;
    *out_url = strdup(key);
    return LS_OK;
}

/* In a process of its own: scan n suspects. */
static void scan_and_exit(struct world *w, int n, const char *what)
{
    static const struct ls_store_ops ops = {
        .name = "made-up", .probe = made_up_probe, .head = made_up_head, .list = made_up_list, .url = made_up_url};
    struct ls_store store = {&ops};
    struct ls_catalog *cat = NULL;
    struct ls_engine *engine = NULL;
    struct ls_scan *scan = NULL;
    struct ls_sqlite_opts sqlite = {.path = w->db};
    struct ls_scan_opts opts = {.keep_synced = true};
    uint64_t expected = strcmp(what, "both") == 0 ? 2 * (uint64_t)n : (uint64_t)n;
    objects = n;
    if (ls_catalog_sqlite_open(&sqlite, &cat, NULL))
        _exit(2);
    struct ls_engine_opts engine_opts = {.store = &store, .catalog = cat, .layout = w->layout, .kind = "cli"};
    if (ls_engine_open(&engine_opts, &engine, NULL) || ls_scan_run(engine, &opts, &scan, NULL))
        _exit(3);
    const struct ls_scan_totals *t = ls_scan_totals(scan);
    enum ls_finding_kind kind = strcmp(what, "misfiled") == 0 ? LS_FINDING_MISFILED : LS_FINDING_ORPHANED;
    uint64_t of_kind = t->by_kind[kind];
    _exit(t->images == expected && of_kind == (uint64_t)n && t->moved == 0 ? 0 : 4);
}

/* Peak memory of a scan of n suspects. */
static long peak_kib(struct world *w, int n, const char *what)
{
    struct rusage usage;
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        scan_and_exit(w, n, what);
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return usage.ru_maxrss;
}

static void compare(long few, long many)
{
    print_message("%ld KiB with %d, %ld KiB with %d\n", few, FEW, many, MANY);
    if (SANITIZED)
        print_message("a sanitizer's own memory grows: only the counts were checked\n");
    else
        assert_true(many - few < MOST_GROWTH_KIB);
}

static void memory_does_not_grow_with_orphans(void **state)
{
    struct world *w = *state;
    compare(peak_kib(w, FEW, "orphaned"), peak_kib(w, MANY, "orphaned"));
}

/* Rows with something recorded, of the same keys as the objects but for a suffix. */
static void add_rows(struct world *w, int from, int to, const char *suffix)
{
    world_sql(w,
              "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i+1 FROM n WHERE i<%d) INSERT INTO "
              "product_image(file_name) SELECT printf('products/p%%05d/1kg/hero-card/%%02d.jpg%s', i/50, i%%50) FROM n",
              from, to - 1, suffix);
    world_sql(w, "INSERT OR IGNORE INTO lockstep_object(key,size,etag,mtime_ns,mode,uid,gid,content_type) "
                 "SELECT file_name,8,'e'||id,0,420,0,0,'' FROM product_image");
}

/* Both sides are full and every key is a suspect. */
static void memory_does_not_grow_with_misfiled_rows(void **state)
{
    struct world *w = *state;
    add_rows(w, 0, FEW, "");
    world_sql(w, "UPDATE lockstep_object SET size=7, etag=(SELECT printf('%%032d', id-1) FROM product_image WHERE "
                 "file_name=key)");
    long few = peak_kib(w, FEW, "misfiled");
    add_rows(w, FEW, MANY, "");
    world_sql(w, "UPDATE lockstep_object SET size=7, etag=(SELECT printf('%%032d', id-1) FROM product_image WHERE "
                 "file_name=key)");
    compare(few, peak_kib(w, MANY, "misfiled"));
}

/* What could be pairs is sorted. */
static void memory_does_not_grow_with_missing_rows_beside_orphans(void **state)
{
    struct world *w = *state;
    add_rows(w, 0, FEW, "~");
    long few = peak_kib(w, FEW, "both");
    add_rows(w, FEW, MANY, "~");
    compare(few, peak_kib(w, MANY, "both"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(memory_does_not_grow_with_orphans),
        T(memory_does_not_grow_with_misfiled_rows),
        T(memory_does_not_grow_with_missing_rows_beside_orphans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
