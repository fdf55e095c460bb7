/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Contract: the tally of a scan, and the table of products that shows it. */
#include "catalog/contract.h"

static int64_t add_scan(struct ls_catalog *cat, const struct ls_tally *tallies, size_t n)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_row scan = {.started_ns = 1, .ended_ns = 2, .complete = true, .findings = LS_SCAN_FINDINGS_KEPT};
    assert_ok(cat->ops->scan_put(cat, &scan, &err), &err);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->tally_put(tx, scan.id, tallies, n, &err), &err);
    commit(tx);
    return scan.id;
}

/* All pages of a query, `limit` rows each, as "name name …"; every row but the pages' bounds must be the same for any
 * limit. */
static void walk(struct ls_catalog *cat, struct ls_table_query query, char *out, size_t size)
{
    struct ls_err err = LS_ERR_INIT;
    char after[256];
    size_t at = 0;
    out[0] = '\0';
    for (;;) {
        struct ls_table_page page;
        assert_ok(cat->ops->product_table(cat, &query, &page, &err), &err);
        assert_true(page.n <= query.limit);
        for (size_t i = 0; i < page.n; i++)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " " : "", page.items[i].product);
        size_t n = page.n;
        if (n) {
            snprintf(after, sizeof after, "%s", page.items[n - 1].product);
            query.after = after;
            query.after_problems = ls_tally_problems(&page.items[n - 1].found);
        }
        ls_table_page_dispose(&page);
        if (n < query.limit)
            return;
    }
}

static void assert_walk(struct ls_catalog *cat, struct ls_table_query query, const char *want)
{
    char got[1024];
    for (query.limit = 1; query.limit < 12; query.limit += 3) {
        walk(cat, query, got, sizeof got);
        assert_string_equal(got, want);
    }
}

/* b and d have problems, c a pending one; x, y and z only the bucket knows. */
static const struct ls_tally tallies[] = {{.product = "b", .orphaned = 3, .moved = 1, .misplaced = 1},
                                          {.product = "c", .pending = 7},
                                          {.product = "d", .missing = 1, .stale = 1, .misfiled = 1},
                                          {.product = "x", .orphaned = 9},
                                          {.product = "y", .pending = 1},
                                          {.product = "z", .orphaned = 3}};

static void fill(struct ls_catalog *cat)
{
    for (const char *name = "dcbae"; *name; name++)
        add_variant(cat, (const char[]){*name, '\0'}, "w1", NULL);
}

static void the_table_has_the_products_of_both_sides_in_each_order(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_table_query query = {.prefix = "products/", .search = ""};
    fill(cat);
    assert_walk(cat, query, "a b c d e");
    query.order = LS_TABLE_DOWN;
    assert_walk(cat, query, "e d c b a");
    query.order = LS_TABLE_BY_PROBLEMS;
    assert_walk(cat, query, "a b c d e");

    (void)add_scan(cat, &(struct ls_tally){.product = "other", .stale = 99}, 1);
    query.scan = add_scan(cat, tallies, 3);
    query.scan = add_scan(cat, tallies, 6);
    assert_walk(cat, query, "x b d z a c e y");
    query.order = LS_TABLE_UP;
    assert_walk(cat, query, "a b c d e x y z");
    query.order = LS_TABLE_DOWN;
    assert_walk(cat, query, "z y x e d c b a");
}

static void a_row_of_the_table_has_the_counts_of_both_sides(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_table_page page;
    const char *const keys[] = {"products/b/w1/hero-card/1", "products/b/w1/hero-card/2", "products/b",
                                "products/b0/x/y/z",         "products/b.b/x/y/z",        "b/w1/hero-card/3"};
    fill(cat);
    add_variant(cat, "b", "w2", NULL);
    add_images(cat, keys, sizeof keys / sizeof *keys);
    const struct ls_table_query query = {.scan = add_scan(cat, tallies, 6),
                                         .prefix = "products/",
                                         .search = "",
                                         .order = LS_TABLE_BY_PROBLEMS,
                                         .limit = 2};
    assert_ok(cat->ops->product_table(cat, &query, &page, &err), &err);
    assert_int_equal(page.n, 2);
    const struct ls_table_row *x = &page.items[0], *b = &page.items[1];
    assert_int_equal(x->variants + x->images, 0);
    assert_int_equal(x->found.orphaned, 9);
    assert_int_equal(b->variants, 2);
    assert_int_equal(b->images, 2);
    const uint64_t counts[] = {b->found.orphaned, b->found.missing,   b->found.stale,  b->found.moved,
                               b->found.misfiled, b->found.misplaced, b->found.pending};
    const uint64_t want[] = {3, 0, 0, 1, 0, 1, 0};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_int_equal(counts[i], want[i]);
    ls_table_page_dispose(&page);
}

static void the_table_is_searched_for_a_part_of_the_name(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_table_query query = {.prefix = "products/", .search = "HOE"};
    const char *const names[] = {"Shoe-1", "hoe%", "hoe_", "shoe-2", "hose", "\xc3\xa4hoe"};
    const struct ls_tally found[] = {{.product = "shoe-2", .stale = 1}, {.product = "whoever", .orphaned = 2}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add_variant(cat, names[i], "w1", NULL);
    query.scan = add_scan(cat, found, 2);
    assert_walk(cat, query, "Shoe-1 hoe% hoe_ shoe-2 whoever \xc3\xa4hoe");
    query.order = LS_TABLE_BY_PROBLEMS;
    assert_walk(cat, query, "whoever shoe-2 Shoe-1 hoe% hoe_ \xc3\xa4hoe");
    query.search = "%";
    assert_walk(cat, query, "hoe%");
    query.search = "\xc3\xa4";
    assert_walk(cat, query, "\xc3\xa4hoe");
    query.search = "nothing";
    assert_walk(cat, query, "");
}

static void a_tally_goes_with_the_findings_of_its_scan(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_table_query query = {.prefix = "", .search = ""};
    bool more = true;
    query.scan = add_scan(cat, tallies, 6);
    assert_walk(cat, query, "b c d x y z");
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->tally_put(tx, query.scan, &(struct ls_tally){.product = "b"}, 1, &err), &err);
    commit(tx);
    query.order = LS_TABLE_BY_PROBLEMS;
    assert_walk(cat, query, "x d z b c y"); /* it was replaced */
    for (int i = 0; i < 2; i++)
        (void)add_scan(cat, tallies, 1);
    while (more)
        assert_ok(cat->ops->scan_tidy(cat, &more, &err), &err);
    assert_walk(cat, query, "");
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(the_table_has_the_products_of_both_sides_in_each_order),
    CONTRACT_TEST(a_row_of_the_table_has_the_counts_of_both_sides),
    CONTRACT_TEST(the_table_is_searched_for_a_part_of_the_name),
    CONTRACT_TEST(a_tally_goes_with_the_findings_of_its_scan),
};
const struct contract contract_table = {"table", tests, sizeof tests / sizeof tests[0]};
