/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A shared scan of one process: the same result as alone, fail closed, given back when it is stopped. Several processes
 * are in tests/e2e/test_shared_scan.py. */
#include "scan/world.h"

#include <stdio.h>
#include <string.h>

#define A "products/p1/500ml/hero-card/a.jpg"
#define B "products/p1/500ml/hero-card/b.jpg"
#define C "products/p2/1kg/info-card/c.jpg"
#define D "products/p2/1kg/info-card/d.jpg"

/* One of each kind. */
static void drift(struct world *w)
{
    world_image(w, A, "a");
    world_image(w, B, "b");
    world_image(w, C, "c");
    world_image(w, D, "d");
    world_move(w, A, "products/p9/1kg/hero-card/a.jpg");
    world_put(w, B, "other");
    world_delete(w, C);
    world_sql(w, "UPDATE product_image SET image_type='hero-card' WHERE file_name='" D "'");
    world_put(w, "products/p2/1kg/info-card/C.jpg", "twin of a row");
    world_put(w, "products/p1/too-high.jpg", "misplaced");
    world_put(w, "other/x.jpg", "of no product");
}

static void a_shared_scan_finds_what_one_alone_finds(void **state)
{
    struct world *w = *state;
    char alone[4096];
    drift(w);
    w->opts.keep_synced = true;
    struct ls_scan_totals expected = *world_scan(w);
    snprintf(alone, sizeof alone, "%s", world_keys(w, NULL));
    w->opts.share = true;
    struct ls_scan_totals got = *world_scan(w);
    assert_string_equal(world_keys(w, NULL), alone);
    expected.started_ns = got.started_ns;
    expected.ended_ns = got.ended_ns;
    assert_memory_equal(&got, &expected, sizeof got);
    assert_int_equal(got.moved, 1);
    assert_string_equal(world_find(w, A)->partner, "products/p9/1kg/hero-card/a.jpg");
    assert_int_equal(world_find(w, B)->kind, LS_FINDING_STALE);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_scan WHERE shared=1 AND findings='kept'"), 1);
    /* the next one is a new one, and the oldest findings go */
    world_scan(w);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_scan WHERE shared=1"), 2);
    world_scan(w);
    assert_int_equal(world_sql_int(w, "SELECT count(DISTINCT scan) FROM lockstep_finding"), 2);
    assert_int_equal(world_sql_int(w, "SELECT count(DISTINCT scan) FROM lockstep_scan_range"), 2);
}

static enum ls_rc fail_list(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    (void)key;
    if (op != LS_STORE_OP_LIST || after)
        return LS_OK;
    return atomic_fetch_add(&w->fired, 1) >= 1 ? LS_IO : LS_OK;
}

static enum ls_rc keep_text(void *ctx, const char *text)
{
    snprintf(ctx, 1024, "%s", text);
    return LS_OK;
}

static void an_incomplete_range_makes_the_whole_incomplete(void **state)
{
    struct world *w = *state;
    char text[1024] = "";
    drift(w);
    w->opts.share = true;
    w->hook = fail_list;
    const struct ls_scan_totals *t = world_scan(w);
    w->hook = NULL;
    assert_true(atomic_load(&w->fired) > 1);
    assert_false(t->complete);
    assert_int_equal(t->errors, 1);
    assert_int_equal(t->by_kind[LS_FINDING_MISSING], 0);
    assert_int_equal(ls_scan_each_error(w->scan, keep_text, text, NULL), LS_OK);
    assert_non_null(strstr(text, "listing"));
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_scan_range WHERE store_incomplete=1"), 1);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_finding WHERE kind='missing'"), 0);
}

static void a_catalog_that_cannot_be_read_yields_no_orphaned(void **state)
{
    struct world *w = *state;
    const char *products[] = {"p1", "p2", "p9", NULL}; /* so that no row is read before the ranges are */
    drift(w);
    w->opts.share = true;
    w->opts.products = products;
    world_sql(w, "ALTER TABLE product_image RENAME TO gone");
    const struct ls_scan_totals *t = world_scan(w);
    assert_false(t->complete);
    assert_int_equal(t->errors, 3);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 0);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_finding WHERE kind='orphaned'"), 0);
}

static atomic_bool stop;

static enum ls_rc stop_it(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    (void)key;
    if (op == LS_STORE_OP_HEAD && !after) {
        atomic_fetch_add(&w->fired, 1);
        atomic_store(&stop, true);
    }
    return LS_OK;
}

static void who_is_told_to_stop_gives_its_ranges_back(void **state)
{
    struct world *w = *state;
    struct ls_scan *scan = NULL;
    struct ls_err err = LS_ERR_INIT;
    drift(w);
    w->opts.share = true;
    w->opts.cancel = &stop;
    w->hook = stop_it;
    assert_int_equal(ls_scan_run(w->engine, &w->opts, &scan, &err), LS_CANCELLED);
    assert_null(scan);
    w->hook = NULL;
    assert_true(atomic_load(&w->fired) > 0);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_scan_range WHERE state='taken'"), 0);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_scan WHERE ended_ns=0"), 1);
    atomic_store(&stop, false);
    assert_true(world_scan(w)->complete); /* goes on with the same one */
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_scan WHERE shared=1"), 1);
    assert_true(world_sql_int(w, "SELECT max(turn) FROM lockstep_scan_range") > 1);
}

static void what_a_scan_alone_found_is_kept(void **state)
{
    struct world *w = *state;
    drift(w);
    world_scan(w);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_finding"), 8);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_finding WHERE partner IS NOT NULL"), 2);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_finding WHERE kind='synced'"), 0);
    for (int i = 0; i < 3; i++)
        world_scan(w);
    assert_int_equal(world_sql_int(w, "SELECT count(DISTINCT scan) FROM lockstep_finding"), 2);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_scan WHERE orphaned>0"), 4); /* the counts stay */
}

static void an_incomplete_scan_alone_keeps_nothing(void **state)
{
    struct world *w = *state;
    drift(w);
    world_scan(w);
    w->hook = fail_list;
    assert_false(world_scan(w)->complete);
    w->hook = NULL;
    assert_int_equal(world_sql_int(w, "SELECT count(DISTINCT scan) FROM lockstep_finding"), 1);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_scan WHERE findings='kept' AND complete=0"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_shared_scan_finds_what_one_alone_finds),
        TEST(an_incomplete_range_makes_the_whole_incomplete),
        TEST(a_catalog_that_cannot_be_read_yields_no_orphaned),
        TEST(who_is_told_to_stop_gives_its_ranges_back),
        TEST(what_a_scan_alone_found_is_kept),
        TEST(an_incomplete_scan_alone_keeps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
