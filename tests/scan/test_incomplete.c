/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A scan that could not read everything says so, accuses nobody, and mends nothing. */
#include "scan/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/backends.h"

#define A "products/p1/500ml/hero-card/a.jpg"

static enum ls_rc fail_list(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    (void)key;
    if (op != LS_STORE_OP_LIST || after)
        return LS_OK;
    return atomic_fetch_add(&w->fired, 1) >= w->arg ? LS_IO : LS_OK;
}

static enum ls_rc keep_text(void *ctx, const char *text)
{
    snprintf(ctx, 1024, "%s", text);
    return LS_OK;
}

/* 2,500 rows and no object but one, so that the listing has one page and everything else would be missing. */
static void rows_without_objects(struct world *w)
{
    world_sql(w,
              "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<2499)"
              " INSERT INTO product_image(file_name) SELECT printf('products/p1/1kg/hero-card/%%04d.jpg', i) FROM n");
}

static void a_listing_that_fails_yields_no_missing(void **state)
{
    struct world *w = *state;
    char text[1024] = "";
    rows_without_objects(w);
    world_put(w, A, "a");
    for (w->arg = 0; w->arg < 2; w->arg++) {
        atomic_store(&w->fired, 0);
        w->hook = fail_list;
        const struct ls_scan_totals *t = world_scan(w);
        w->hook = NULL;
        assert_true(atomic_load(&w->fired) > w->arg);
        assert_false(t->complete);
        assert_true(t->errors > 0);
        assert_int_equal(t->by_kind[LS_FINDING_MISSING], 0);
        assert_int_equal(ls_scan_each_error(w->scan, keep_text, text, NULL), LS_OK);
        assert_non_null(strstr(text, "listing"));
    }
}

static enum ls_rc fail_second_page(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    static _Thread_local int pages; /* of a range: each is listed by a thread of its own */
    (void)key;
    if (op != LS_STORE_OP_LIST || !after || ++pages < 2)
        return LS_OK;
    atomic_fetch_add(&w->fired, 1);
    return LS_CORRUPT;
}

static void a_second_page_that_fails_ends_that_range_only(void **state)
{
    struct world *w = *state;
    char key[128];
    for (int i = 0; i < 1500; i++) {
        snprintf(key, sizeof key, "products/p1/1kg/hero-card/%04d.jpg", i);
        world_put(w, key, "x");
    }
    world_sql(w, "INSERT INTO product_image(file_name) VALUES('products/p1/1kg/hero-card/0000a.jpg'),"
                 "('products/p1/1kg/hero-card/1400a.jpg')");
    w->hook = fail_second_page;
    const struct ls_scan_totals *t = world_scan(w);
    w->hook = NULL;
    assert_true(atomic_load(&w->fired) > 0);
    assert_false(t->complete);
    assert_int_equal(t->by_kind[LS_FINDING_MISSING], 0);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 1000);
    struct ls_sync_opts opts = world_sync_opts();
    opts.orphans = LS_ORPHANS_REMOVE;
    world_sync(w, &opts, LS_INVALID);
    assert_true(world_has_object(w, "products/p1/1kg/hero-card/0000.jpg"));
}

static enum ls_rc fail_heads(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    (void)key;
    if (op != LS_STORE_OP_HEAD || after)
        return LS_OK;
    atomic_fetch_add(&w->fired, 1);
    return LS_IO;
}

static void suspects_that_cannot_be_read_again_are_not_reported(void **state)
{
    struct world *w = *state;
    rows_without_objects(w);
    w->hook = fail_heads;
    const struct ls_scan_totals *t = world_scan(w);
    w->hook = NULL;
    assert_false(t->complete);
    assert_int_equal(t->images, 0);
    assert_true(t->errors > 0);
    /* it does not go on asking a store that is down */
    assert_true(atomic_load(&w->fired) <= 500);
}

static void a_catalog_that_cannot_be_read_yields_no_orphaned(void **state)
{
    struct world *w = *state;
    const char *products[] = {"p1", NULL}; /* so that no row is read before the range is */
    world_put(w, A, "a");
    w->opts.products = products;
    world_sql(w, "ALTER TABLE product_image RENAME TO gone");
    const struct ls_scan_totals *t = world_scan(w);
    assert_false(t->complete);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 0);
    assert_true(t->errors > 0);
}

/* ---- a store that lies ---- */

static struct ls_store *honest;
static int lie;

static enum ls_rc lying_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *page,
                             struct ls_err *err)
{
    (void)store;
    enum ls_rc rc = ls_store_list(honest, req, page, err);
    if (rc)
        return rc;
    if (lie == 1 && page->n > 1) { /* out of order */
        struct ls_list_entry first = page->entries[0];
        page->entries[0] = page->entries[1];
        page->entries[1] = first;
    } else if (lie == 2) { /* endless and empty */
        page->n = 0;
        free(page->token);
        page->token = strdup("again");
    } else if (lie == 3 && page->n) { /* the same page for ever */
        free(page->token);
        page->token = NULL;
        page->token = strdup(page->entries[0].key);
    }
    return LS_OK;
}

static enum ls_rc honest_head(struct ls_store *s, struct ls_store_head *items, size_t n, struct ls_err *err)
{
    (void)s;
    return ls_store_head_many(honest, items, n, err);
}
static enum ls_rc honest_probe(struct ls_store *s, struct ls_store_caps *caps, struct ls_err *err)
{
    (void)s;
    return ls_store_probe(honest, caps, err);
}
static enum ls_rc honest_url(struct ls_store *s, const char *key, unsigned expires_s, char **url, struct ls_err *err)
{
    (void)s;
    return honest->ops->url(honest, key, expires_s, url, err);
}

static void a_listing_that_lies_is_found_out(void **state)
{
    struct world *w = *state;
    static const struct ls_store_ops ops = {
        .name = "liar", .probe = honest_probe, .head = honest_head, .list = lying_list, .url = honest_url};
    struct ls_store liar = {&ops};
    struct ls_engine *engine = NULL;
    struct ls_catalog *cat = NULL; /* a catalog handle serves one engine */
    struct ls_sqlite_opts sqlite = {.path = w->db};
    assert_int_equal(ls_catalog_sqlite_open(&sqlite, &cat, &world_err), LS_OK);
    struct ls_engine_opts opts = {.store = &liar, .catalog = cat, .layout = w->layout, .kind = "cli"};
    honest = w->raw;
    world_image(w, A, "a");
    world_image(w, "products/p1/500ml/hero-card/b.jpg", "b");
    rows_without_objects(w);
    assert_int_equal(ls_engine_open(&opts, &engine, &world_err), LS_OK);
    for (lie = 1; lie <= 3; lie++) {
        struct ls_scan *scan = NULL;
        assert_int_equal(ls_scan_run(engine, &w->opts, &scan, &world_err), LS_OK);
        assert_false(ls_scan_totals(scan)->complete);
        assert_int_equal(ls_scan_totals(scan)->by_kind[LS_FINDING_MISSING], 0);
        ls_scan_free(scan);
    }
    ls_engine_close(engine);
    ls_catalog_close(cat);
}

/* ---- cancel ---- */

static atomic_bool cancel;

static enum ls_rc cancel_now(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    (void)key;
    (void)after;
    if ((int)op == w->arg) {
        atomic_store(&cancel, true);
        atomic_fetch_add(&w->fired, 1);
    }
    return LS_OK;
}

static void a_cancelled_scan_says_so(void **state)
{
    struct world *w = *state;
    static const enum ls_store_op at[] = {LS_STORE_OP_LIST, LS_STORE_OP_HEAD};
    rows_without_objects(w);
    w->opts.cancel = &cancel;
    for (int i = 0; i < 2; i++) {
        struct ls_scan *scan = NULL;
        atomic_store(&cancel, false);
        atomic_store(&w->fired, 0);
        w->arg = (int)at[i];
        w->hook = cancel_now;
        assert_int_equal(ls_scan_run(w->engine, &w->opts, &scan, &world_err), LS_CANCELLED);
        w->hook = NULL;
        assert_null(scan);
        assert_true(atomic_load(&w->fired) > 0);
    }
}

static uint64_t told_done, told_total;
static void tell(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    told_done = done;
    told_total = total;
}

static void progress_is_told_from_the_caller_s_thread(void **state)
{
    struct world *w = *state;
    rows_without_objects(w);
    w->opts.progress = tell;
    world_scan(w);
    assert_true(told_total >= told_done);
    assert_int_equal(told_total, 2500);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(a_listing_that_fails_yields_no_missing),
        T(a_second_page_that_fails_ends_that_range_only),
        T(suspects_that_cannot_be_read_again_are_not_reported),
        T(a_catalog_that_cannot_be_read_yields_no_orphaned),
        T(a_listing_that_lies_is_found_out),
        T(a_cancelled_scan_says_so),
        T(progress_is_told_from_the_caller_s_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
