/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each finding is found as what it is, counted once, and told in key order. */
#include "scan/world.h"

#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"

#define A "products/p1/500ml/hero-card/a.jpg"
#define B "products/p1/500ml/hero-card/b.jpg"
#define C "products/p2/1kg/info-card/c.jpg"

static void an_empty_world_is_in_step(void **state)
{
    struct world *w = *state;
    world_scan(w);
    world_in_step(w, 0);
    assert_int_equal(ls_scan_totals(w->scan)->products, 0);
}

static void images_of_our_own_are_synced_and_listed_only_when_kept(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_image(w, C, "c");
    world_scan(w);
    world_in_step(w, 2);
    assert_int_equal(ls_scan_totals(w->scan)->products, 2);
    assert_string_equal(world_keys(w, NULL), "");
    w->opts.keep_synced = true;
    world_scan(w);
    world_in_step(w, 2);
    assert_string_equal(world_keys(w, NULL), A "\n" C "\n");
    const struct ls_finding *f = world_find(w, A);
    assert_string_equal(f->product, "p1");
    assert_string_equal(f->row_etag, f->object_etag);
    assert_int_equal(f->object_size, 1);
    assert_null(f->detail);
}

static void an_object_without_a_row_is_orphaned(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_put(w, B, "b");
    const struct ls_scan_totals *t = world_scan(w);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 1);
    assert_int_equal(t->images, 2);
    const struct ls_finding *f = world_find(w, B);
    assert_int_equal(f->kind, LS_FINDING_ORPHANED);
    assert_null(f->row_etag);
    assert_false(f->misplaced || f->moved);
    assert_string_equal(ls_finding_name(f), "orphaned");
}

static void a_row_without_an_object_is_missing(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_delete(w, A);
    const struct ls_scan_totals *t = world_scan(w);
    assert_int_equal(t->by_kind[LS_FINDING_MISSING], 1);
    assert_int_equal(t->images, 1);
    const struct ls_finding *f = world_find(w, A);
    assert_int_equal(f->kind, LS_FINDING_MISSING);
    assert_null(f->object_etag);
}

static void an_overwritten_object_is_stale(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_put(w, A, "other");
    assert_int_equal(world_scan(w)->by_kind[LS_FINDING_STALE], 1);
    const struct ls_finding *f = world_find(w, A);
    assert_int_equal(f->row_size, 1);
    assert_int_equal(f->object_size, 5);
    assert_string_not_equal(f->row_etag, f->object_etag);
}

static void an_object_renamed_by_others_is_a_moved_pair(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_image(w, B, "b");
    world_move(w, A, C);
    const struct ls_scan_totals *t = world_scan(w);
    assert_int_equal(t->moved, 1);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 1);
    assert_int_equal(t->by_kind[LS_FINDING_MISSING], 1);
    assert_int_equal(t->images, 3);
    const struct ls_finding *f = world_find(w, A);
    assert_true(f->moved);
    assert_string_equal(f->partner, C);
    assert_string_equal(ls_finding_name(f), "moved");
    f = world_find(w, C);
    assert_true(f->moved);
    assert_string_equal(f->partner, A);
}

static void files_of_equal_bytes_pair_by_name_first(void **state)
{
    struct world *w = *state;
    world_image(w, "products/p1/500ml/hero-card/1.jpg", "same");
    world_image(w, "products/p1/500ml/hero-card/2.jpg", "same");
    world_image(w, "products/p1/500ml/info-card/2.jpg", "same");
    world_move(w, "products/p1/500ml/hero-card/1.jpg", "products/p9/1kg/hero-card/1.jpg");
    world_move(w, "products/p1/500ml/hero-card/2.jpg", "products/p0/1kg/hero-card/2.jpg");
    world_move(w, "products/p1/500ml/info-card/2.jpg", "products/p1/1kg/info-card/2.jpg");
    assert_int_equal(world_scan(w)->moved, 3);
    assert_string_equal(world_find(w, "products/p1/500ml/hero-card/1.jpg")->partner, "products/p9/1kg/hero-card/1.jpg");
    /* one 2.jpg stayed in its product: these two belong together, which leaves the others */
    assert_string_equal(world_find(w, "products/p1/500ml/hero-card/2.jpg")->partner, "products/p1/1kg/info-card/2.jpg");
    assert_string_equal(world_find(w, "products/p1/500ml/info-card/2.jpg")->partner, "products/p0/1kg/hero-card/2.jpg");
}

static void empty_files_pair_only_when_their_names_agree(void **state)
{
    struct world *w = *state;
    world_image(w, A, "");
    world_image(w, B, "");
    world_delete(w, A);
    world_move(w, B, "products/p3/1kg/hero-card/b.jpg");
    world_put(w, "products/p3/1kg/hero-card/z.jpg", "");
    assert_int_equal(world_scan(w)->moved, 1);
    assert_true(world_find(w, B)->moved);
    assert_false(world_find(w, A)->moved);
    assert_false(world_find(w, "products/p3/1kg/hero-card/z.jpg")->moved);
}

static void keys_that_do_not_fit_are_misplaced_and_never_half_of_a_pair(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {"top.jpg", "products/p1/x.jpg", "products/p1/500ml/hero-card/deep/x.jpg",
                                      "products/p1/500ml/unknown/x.jpg", "products/p1/500ml/hero-card/a\x01.jpg"};
    world_image(w, A, "a");
    world_delete(w, A);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        world_put(w, bad[i], "a");
    const struct ls_scan_totals *t = world_scan(w);
    assert_int_equal(t->misplaced, 5);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 5);
    assert_int_equal(t->moved, 0);
    assert_string_equal(ls_finding_name(world_find(w, "top.jpg")), "misplaced");
    assert_string_equal(world_find(w, "top.jpg")->product, "");
    assert_string_equal(world_find(w, "products/p1/x.jpg")->product, "p1");
    assert_string_equal(world_keys(w, ""), "top.jpg\n");
}

static void a_row_whose_columns_disagree_with_its_key_is_misfiled(void **state)
{
    struct world *w = *state;
    static const char *const breaks[] = {"variant_weight='999'",
                                         "image_type='info-card'",
                                         "product_id='p2'",
                                         "image_url='https://elsewhere.example.com/x'",
                                         "image_url=NULL",
                                         "variant_id=NULL",
                                         "variant_id=(SELECT id FROM product_variant WHERE product_id='p2')"};
    static const char *const words[] = {"999", "info-card", "p2", "elsewhere", "NULL", "variant", "p2"};
    world_image(w, C, "c");
    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
        world_image(w, A, "a");
        world_sql(w, "UPDATE product_image SET %s WHERE file_name='" A "'", breaks[i]);
        const struct ls_scan_totals *t = world_scan(w);
        assert_int_equal(t->by_kind[LS_FINDING_MISFILED], 1);
        assert_int_equal(t->by_kind[LS_FINDING_SYNCED], 1);
        const struct ls_finding *f = world_find(w, A);
        assert_int_equal(f->kind, LS_FINDING_MISFILED);
        assert_non_null(strstr(f->detail, words[i]));
        world_sql(w, "DELETE FROM product_image WHERE file_name='" A "'");
        world_delete(w, A);
    }
}

static void keys_that_need_encoding_in_a_url_are_not_misfiled(void **state)
{
    struct world *w = *state;
    world_image(w, "products/p 1/50%/hero-card/\xc3\xa4+~'(1).jpg", "a");
    world_image(w, "products/p 1/50%/hero-card/%2F&=?#.jpg", "b");
    world_scan(w);
    world_in_step(w, 2);
}

static void an_application_row_with_nothing_recorded_counts_as_synced(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_sql(w, "DELETE FROM lockstep_object");
    world_scan(w);
    world_in_step(w, 1);
    assert_false(world_found(w, A));
    world_sql(w, "INSERT INTO "
                 "product_image(product_id,variant_id,variant_weight,image_type,file_name,image_url,created_at,updated_"
                 "at) SELECT "
                 "product_id,variant_id,variant_weight,image_type,'" B "','https://img.example.com/images/" B
                 "','2020-01-01T00:00:00Z','2020-01-01T00:00:00Z' FROM product_image");
    w->opts.grace_ms = 60000;
    const struct ls_scan_totals *t = world_scan(w);
    assert_int_equal(t->by_kind[LS_FINDING_MISSING], 1);
    assert_string_equal(world_find(w, B)->row_etag, "");
}

static void what_is_younger_than_the_grace_is_pending(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_image(w, B, "b");
    world_put(w, A, "overwritten");
    world_put(w, C, "new");
    world_put(w, "stray", "new");
    world_move(w, B, "products/p1/1kg/hero-card/b.jpg");
    w->opts.grace_ms = 60000;
    const struct ls_scan_totals *t = world_scan(w);
    /* a missing row whose bytes have just appeared elsewhere is on the move */
    assert_int_equal(t->by_kind[LS_FINDING_PENDING], 5);
    assert_int_equal(t->images, 5);
    assert_int_equal(world_find(w, B)->kind, LS_FINDING_PENDING);
    w->opts.grace_ms = 0;
    t = world_scan(w);
    assert_int_equal(t->by_kind[LS_FINDING_PENDING], 0);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 3);
    assert_int_equal(t->by_kind[LS_FINDING_STALE], 1);
    assert_int_equal(t->by_kind[LS_FINDING_MISSING], 1);
}

static void a_young_row_of_the_application_may_still_get_its_object(void **state)
{
    struct world *w = *state;
    world_sql(w, "INSERT INTO product(id) VALUES('p1')");
    world_sql(w, "INSERT INTO product_image(product_id,file_name) VALUES('p1','" A "')");
    w->opts.grace_ms = 60000;
    assert_int_equal(world_scan(w)->by_kind[LS_FINDING_PENDING], 1);
    w->opts.grace_ms = 0;
    assert_int_equal(world_scan(w)->by_kind[LS_FINDING_MISSING], 1);
}

static void names_that_differ_only_in_case_are_twins(void **state)
{
    struct world *w = *state;
    static const char upper[] = "products/p1/500ml/hero-card/\xc3\x84.JPG",
                      lower[] = "products/p1/500ml/hero-card/\xc3\xa4.jpg";
    world_image(w, A, "a");
    world_image(w, "products/p1/500ml/info-card/A.jpg", "a");
    world_image(w, upper, "x");
    world_image(w, lower, "y");
    world_put(w, "products/p1/500ml/hero-card/A.JPG", "b");
    for (int keep = 0; keep < 2; keep++) {
        w->opts.keep_synced = keep;
        const struct ls_scan_totals *t = world_scan(w);
        assert_int_equal(t->twins, 4);
        assert_int_equal(t->by_kind[LS_FINDING_SYNCED], 4);
        assert_int_equal(t->images, 5);
        assert_true(world_find(w, A)->twin);
        assert_string_equal(ls_finding_name(world_find(w, A)), "twin");
        assert_true(world_find(w, upper)->twin && world_find(w, lower)->twin);
        assert_string_equal(ls_finding_name(world_find(w, "products/p1/500ml/hero-card/A.JPG")), "orphaned");
    }
    assert_false(world_find(w, "products/p1/500ml/info-card/A.jpg")->twin);
}

static void findings_come_in_the_order_of_whole_keys(void **state)
{
    struct world *w = *state;
    static const char expected[] = "products/1/100 g/hero-card/a.jpg\n"
                                   "products/1/100!/hero-card/a.jpg\n"
                                   "products/1/100-x/hero-card/a.jpg\n"
                                   "products/1/100.5/hero-card/a.jpg\n"
                                   "products/1/100/hero-card/a.jpg\n"
                                   "products/1/1000/hero-card/a.jpg\n"
                                   "products/1/100a/hero-card/a.jpg\n";
    static const char *const weights[] = {"100", "1000", "100a", "100.5", "100-x", "100!", "100 g"};
    char key[128];
    for (size_t i = 0; i < 7; i++) {
        snprintf(key, sizeof key, "products/1/%s/hero-card/a.jpg", weights[i]);
        if (i % 2)
            world_image(w, key, "x");
        else
            world_put(w, key, "x");
    }
    w->opts.keep_synced = true;
    const struct ls_scan_totals *t = world_scan(w);
    assert_int_equal(t->by_kind[LS_FINDING_SYNCED], 3);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 4);
    assert_string_equal(world_keys(w, NULL), expected);
    assert_string_equal(world_keys(w, "1"), expected);
}

static enum ls_rc add_product(void *ctx, const char *product) { return ls_buf_addf(ctx, "%s ", product); }

static void products_given_are_all_that_is_looked_at(void **state)
{
    struct world *w = *state;
    static const char *const p1[] = {"p1", NULL}, *const two[] = {"p2", "p1", "p1", NULL},
                             *const none[] = {"nobody", NULL};
    LS_AUTO(ls_buf) struct ls_buf products = LS_BUF_INIT(LS_BUF_LINE);
    world_image(w, A, "a");
    world_put(w, "products/p10/1kg/hero-card/x.jpg", "x");
    world_put(w, "products/p1.5/1kg/hero-card/x.jpg", "x");
    world_put(w, "products/p1.\xff/1kg/hero-card/x.jpg", "x");
    world_put(w, "products/p1.jpg", "x");
    world_put(w, "products/p1/loose.jpg", "x");
    world_put(w, C, "c");
    w->opts.products = p1;
    const struct ls_scan_totals *t = world_scan(w);
    assert_int_equal(t->products, 1);
    assert_int_equal(t->images, 2);
    assert_string_equal(world_keys(w, NULL), "products/p1/loose.jpg\n");
    w->opts.products = two;
    t = world_scan(w);
    assert_int_equal(t->products, 2);
    assert_int_equal(t->images, 3);
    assert_int_equal(ls_scan_each_product(w->scan, add_product, &products, NULL), LS_OK);
    assert_string_equal(products.data, "p1 p2 ");
    w->opts.products = none;
    assert_int_equal(world_scan(w)->products, 0);
    world_in_step(w, 0);
}

static void a_product_that_cannot_be_one_is_refused(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {"../p1", NULL};
    struct ls_scan *scan = NULL;
    w->opts.products = bad;
    assert_int_equal(ls_scan_run(w->engine, &w->opts, &scan, &world_err), LS_INVALID);
    assert_null(scan);
}

static void products_without_images_count(void **state)
{
    struct world *w = *state;
    world_sql(w, "INSERT INTO product(id) VALUES('empty')");
    world_put(w, C, "c");
    assert_int_equal(world_scan(w)->products, 2);
}

static void what_is_lockstep_s_own_is_never_looked_at(void **state)
{
    struct world *w = *state;
    world_put(w, ".lockstep/trash/x/1", "x");
    world_put(w, ".lockstep/\xff", "x");
    world_put(w, ".lockstep0", "x");
    world_put(w, ".a", "x");
    world_scan(w);
    assert_string_equal(world_keys(w, NULL), ".a\n.lockstep0\n");
}

static void many_ranges_find_each_key_once(void **state)
{
    struct world *w = *state;
    char key[128];
    world_sql(w,
              "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<9999)"
              " INSERT INTO product_image(file_name) SELECT printf('products/p%%04d/1kg/hero-card/f.jpg', i) FROM n");
    for (int i = 0; i < 10000; i += 1000) {
        snprintf(key, sizeof key, "products/p%04d/1kg/hero-card/f.jpg", i);
        world_put(w, key, "x");
    }
    for (unsigned ranges = 1; ranges <= 8; ranges += 7) {
        w->opts.ranges = ranges;
        const struct ls_scan_totals *t = world_scan(w);
        assert_true(t->complete);
        assert_int_equal(t->images, 10000);
        assert_int_equal(t->by_kind[LS_FINDING_MISSING], 9990);
        assert_int_equal(t->by_kind[LS_FINDING_MISFILED], 10);
        assert_int_equal(t->rows_seen, 10000);
        assert_int_equal(t->objects_seen, 10);
        assert_int_equal(t->products, 10000);
    }
}

static void the_scan_is_recorded_in_the_catalog(void **state)
{
    struct world *w = *state;
    struct ls_scan_row row;
    world_image(w, A, "a");
    world_put(w, B, "b");
    world_scan(w);
    assert_int_equal(w->cat->ops->scan_get(w->cat, 0, &row, NULL), LS_OK);
    assert_true(row.complete && row.ended_ns >= row.started_ns);
    assert_int_equal(row.images, 2);
    assert_int_equal(row.orphaned, 1);
    assert_string_equal(row.scope, "");
}

static enum ls_rc count_calls(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    (void)key;
    if (!after && op != LS_STORE_OP_URL) /* which asks nobody */
        atomic_fetch_add(&w->fired, 1);
    return LS_OK;
}

static void an_unrecorded_scan_of_a_synced_product_lists_it_once_and_writes_nothing(void **state)
{
    struct world *w = *state;
    struct ls_scan_row row;
    world_image(w, A, "a");
    world_image(w, C, "c");
    w->opts.products = (const char *const[]){"p1", NULL};
    w->opts.keep_synced = w->opts.unrecorded = true;
    w->hook = count_calls;
    int changes = world_sql_int(w, "SELECT max(seq) FROM sqlite_sequence");
    world_scan(w);
    assert_int_equal(atomic_load(&w->fired), 1);
    world_in_step(w, 1);
    assert_int_equal(ls_scan_totals(w->scan)->products, 1);
    assert_string_equal(world_keys(w, NULL), A "\n");
    assert_int_equal(w->cat->ops->scan_get(w->cat, 0, &row, NULL), LS_NOT_FOUND);
    assert_int_equal(world_sql_int(w, "SELECT max(seq) FROM sqlite_sequence"), changes);
}

static void an_unrecorded_scan_finds_what_a_recorded_one_does(void **state)
{
    struct world *w = *state;
    struct ls_scan_row row;
    world_image(w, A, "a");
    world_image(w, C, "c");
    world_put(w, B, "b");
    world_delete(w, A);
    w->opts.products = (const char *const[]){"p1", NULL};
    w->opts.keep_synced = w->opts.unrecorded = true;
    const struct ls_scan_totals *t = world_scan(w);
    assert_true(t->complete);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 1);
    assert_int_equal(t->by_kind[LS_FINDING_MISSING], 1);
    assert_string_equal(world_keys(w, NULL), A "\n" B "\n");
    assert_int_equal(w->cat->ops->scan_get(w->cat, 0, &row, NULL), LS_NOT_FOUND);
    w->opts.products = (const char *const[]){"p2", NULL}; /* nothing of the other product's is told of it */
    world_scan(w);
    world_in_step(w, 1);
    assert_string_equal(world_keys(w, NULL), C "\n");
    w->opts.products = (const char *const[]){"p3", NULL};
    assert_int_equal(world_scan(w)->products, 0);
    assert_string_equal(world_keys(w, NULL), "");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(an_empty_world_is_in_step),
        T(images_of_our_own_are_synced_and_listed_only_when_kept),
        T(an_object_without_a_row_is_orphaned),
        T(a_row_without_an_object_is_missing),
        T(an_overwritten_object_is_stale),
        T(an_object_renamed_by_others_is_a_moved_pair),
        T(files_of_equal_bytes_pair_by_name_first),
        T(empty_files_pair_only_when_their_names_agree),
        T(keys_that_do_not_fit_are_misplaced_and_never_half_of_a_pair),
        T(a_row_whose_columns_disagree_with_its_key_is_misfiled),
        T(keys_that_need_encoding_in_a_url_are_not_misfiled),
        T(an_application_row_with_nothing_recorded_counts_as_synced),
        T(what_is_younger_than_the_grace_is_pending),
        T(a_young_row_of_the_application_may_still_get_its_object),
        T(names_that_differ_only_in_case_are_twins),
        T(findings_come_in_the_order_of_whole_keys),
        T(products_given_are_all_that_is_looked_at),
        T(a_product_that_cannot_be_one_is_refused),
        T(products_without_images_count),
        T(what_is_lockstep_s_own_is_never_looked_at),
        T(many_ranges_find_each_key_once),
        T(the_scan_is_recorded_in_the_catalog),
        T(an_unrecorded_scan_of_a_synced_product_lists_it_once_and_writes_nothing),
        T(an_unrecorded_scan_finds_what_a_recorded_one_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
