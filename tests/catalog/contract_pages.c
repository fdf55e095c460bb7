/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Contract: reading image rows page by page, counting, splitting, and the change feed. */
#include "catalog/contract.h"

#include <pthread.h>
#include <unistd.h>

static void keys_order_by_bytes_of_the_whole_key(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    const char **keys = calloc(n_hostile_keys, sizeof *keys), **reversed = calloc(n_hostile_keys, sizeof *reversed);
    size_t n = fit_keys(((struct fixture *)*state)->backend, keys);
    for (size_t i = 1; i < n; i++)
        assert_true(strcmp(keys[i - 1], keys[i]) < 0);
    for (size_t i = 0; i < n; i++)
        reversed[i] = keys[n - 1 - i];
    add_images(cat, reversed, n);
    assert_ok(cat->ops->image_page(cat, NULL, "", NULL, 1000, &page, &err), &err);
    assert_int_equal(page.n, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(page.items[i].key, keys[i]);
    ls_image_page_dispose(&page);
    free(reversed);
    free(keys);
}

static void pages_of_any_size_give_every_row_once(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    const char **keys = calloc(n_hostile_keys, sizeof *keys);
    size_t n = fit_keys(((struct fixture *)*state)->backend, keys);
    add_images(cat, keys, n);
    for (unsigned limit = 1; limit <= 7; limit++) {
        char after[256] = "";
        size_t seen = 0;
        for (;;) {
            struct ls_image_page page;
            assert_ok(cat->ops->image_page(cat, NULL, after, NULL, limit, &page, &err), &err);
            for (size_t i = 0; i < page.n; i++)
                assert_string_equal(page.items[i].key, keys[seen + i]);
            seen += page.n;
            bool last = page.n < limit;
            if (!last)
                snprintf(after, sizeof after, "%s", page.items[page.n - 1].key);
            ls_image_page_dispose(&page);
            if (last)
                break;
        }
        assert_int_equal(seen, n);
    }
    free(keys);
}

/* A scan's bounds are keys of objects, which need not be UTF-8 also where keys of rows are. */
static void a_bound_that_is_no_utf8_cuts_by_bytes(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    const char *keys[] = {"a", "a\xc3\xa4", "a\xf0\x9f\x98\x80", "b"}, *odd[] = {"a\xff", "b"};
    add_images(cat, keys, 4);
    assert_ok(cat->ops->image_page(cat, NULL, "a\xc3\xff", NULL, 10, &page, &err), &err);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.items[0].key, keys[2]);
    ls_image_page_dispose(&page);
    assert_ok(cat->ops->image_page(cat, NULL, "", "a\xe0", 1, &page, &err), &err);
    assert_int_equal(page.n, 1);
    ls_image_page_dispose(&page);
    assert_ok(cat->ops->image_page(cat, NULL, "a", "a\xe0", 10, &page, &err), &err);
    assert_int_equal(page.n, 1);
    assert_string_equal(page.items[0].key, keys[1]);
    ls_image_page_dispose(&page);
    assert_ok(cat->ops->images_get(cat, NULL, odd, 2, &page, &err), &err);
    assert_int_equal(page.n, 1);
    ls_image_page_dispose(&page);
}

static void both_bounds_of_a_range_are_left_out(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    uint64_t rows, bytes;
    const char *keys[] = {"a", "b", "c", "d", "e"};
    add_images(cat, keys, 5);
    assert_ok(cat->ops->image_page(cat, NULL, "b", "e", 100, &page, &err), &err);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.items[0].key, "c");
    assert_string_equal(page.items[1].key, "d");
    ls_image_page_dispose(&page);
    assert_ok(cat->ops->image_count(cat, "b", "e", &rows, &bytes, &err), &err);
    assert_int_equal(rows, 2);
    assert_int_equal(bytes, 2000);
    assert_ok(cat->ops->image_count(cat, "", NULL, &rows, &bytes, &err), &err);
    assert_int_equal(rows, 5);
    assert_int_equal(bytes, 5000);
    assert_ok(cat->ops->image_count(cat, "e", NULL, &rows, NULL, &err), &err);
    assert_int_equal(rows, 0);
    assert_ok(cat->ops->image_page(cat, NULL, "e", NULL, 100, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_image_page_dispose(&page);
}

static void rows_are_got_by_key_in_key_order_whatever_is_asked(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    const char *keys[] = {"a", "b", "c"}, *asked[] = {"c", "nothing", "a", "c", "B"};
    add_images(cat, keys, 3);
    assert_ok(cat->ops->images_get(cat, NULL, asked, 5, &page, &err), &err);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.items[0].key, "a");
    assert_string_equal(page.items[1].key, "c");
    ls_image_page_dispose(&page);
    assert_ok(cat->ops->images_get(cat, NULL, NULL, 0, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_image_page_dispose(&page);
    assert_fails(ls_catalog_image_get(cat, NULL, "nothing", &page, &err), LS_NOT_FOUND, &err, "nothing");
}

static void a_variants_rows_are_found_whatever_their_keys_say(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    char one[LS_CATALOG_ID_MAX], two[LS_CATALOG_ID_MAX];
    add_variant(cat, "p1", "w1", one);
    add_variant(cat, "p1", "w2", two);
    struct ls_image_write writes[] = {an_image("z", one), an_image("elsewhere/x", one), an_image("b", two)};
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, writes, 3, &err), &err);
    commit(tx);
    assert_ok(cat->ops->variant_images(cat, NULL, one, "", 10, &page, &err), &err);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.items[0].key, "elsewhere/x");
    assert_string_equal(page.items[1].key, "z");
    ls_image_page_dispose(&page);
    assert_ok(cat->ops->variant_images(cat, NULL, one, "elsewhere/x", 10, &page, &err), &err);
    assert_int_equal(page.n, 1);
    ls_image_page_dispose(&page);
    assert_ok(cat->ops->variant_images(cat, NULL, "no such id", "", 10, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_image_page_dispose(&page);
}

static void splits_cut_the_rows_into_equal_ranges(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_name_page splits;
    enum { ROWS = 1000, RANGES = 8 };
    char(*names)[32] = calloc(ROWS, sizeof *names);
    const char **keys = calloc(ROWS, sizeof *keys);
    assert_ok(cat->ops->image_splits(cat, RANGES, &splits, &err), &err);
    assert_int_equal(splits.n, 0);
    ls_name_page_dispose(&splits);
    for (int i = 0; i < ROWS; i++) {
        snprintf(names[i], sizeof names[i], "k%06d", (i * 7919) % ROWS);
        keys[i] = names[i];
    }
    add_images(cat, keys, ROWS);
    assert_ok(cat->ops->image_splits(cat, RANGES, &splits, &err), &err);
    assert_int_equal(splits.n, RANGES - 1);
    uint64_t total = 0;
    for (size_t i = 0; i <= splits.n; i++) {
        uint64_t rows;
        const char *after = i ? splits.names[i - 1] : "", *before = i < splits.n ? splits.names[i] : NULL;
        if (i)
            assert_true(i < 2 || strcmp(splits.names[i - 2], splits.names[i - 1]) < 0);
        assert_ok(cat->ops->image_count(cat, after, before, &rows, NULL, &err), &err);
        assert_in_range(rows, ROWS / RANGES / 2, ROWS / RANGES * 2);
        total += rows;
    }
    assert_int_equal(total + splits.n, ROWS); /* the cuts themselves are real keys */
    ls_name_page_dispose(&splits);
    assert_ok(cat->ops->image_splits(cat, 1, &splits, &err), &err);
    assert_int_equal(splits.n, 0);
    ls_name_page_dispose(&splits);
    assert_ok(cat->ops->image_splits(cat, 5000, &splits, &err), &err);
    assert_in_range(splits.n, 1, ROWS);
    ls_name_page_dispose(&splits);
    free(names);
    free(keys);
}

/* ---- the change feed ---- */

static void expect_change(const struct ls_change *change, const char *kind, const char *action, const char *key,
                          const char *new_key)
{
    assert_string_equal(change->kind, kind);
    assert_string_equal(change->action, action);
    assert_string_equal(change->key, key);
    if (new_key)
        assert_string_equal(change->new_key, new_key);
    else
        assert_null(change->new_key);
}

static void every_change_is_numbered_and_names_its_writer(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_change_page page;
    char instance[LS_INTENT_ID_LEN];
    int64_t start;
    assert_ok(cat->ops->instance_start(cat, "test", instance, &err), &err);
    assert_ok(cat->ops->change_last(cat, &start, &err), &err);
    struct ls_variant variant;
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->product_add(tx, "p1", &err), &err);
    assert_ok(cat->ops->variant_add(tx, "p1", "w1", &variant, &err), &err);
    struct ls_image_write write = an_image("a", variant.id);
    assert_ok(cat->ops->images_write(tx, &write, 1, &err), &err);
    write.old_key = "a";
    write.image.key = "b";
    assert_ok(cat->ops->images_write(tx, &write, 1, &err), &err);
    struct ls_attr attr = {.set_mode = true, .mode = 0600};
    assert_ok(cat->ops->image_attr(tx, "b", &attr, &err), &err);
    struct ls_image_ref ref = {"b", NULL};
    assert_ok(cat->ops->images_delete(tx, &ref, 1, &err), &err);
    strcpy(variant.weight, "w2");
    assert_ok(cat->ops->variant_set(tx, &variant, &err), &err);
    assert_ok(cat->ops->variant_remove(tx, variant.id, &err), &err);
    assert_ok(cat->ops->product_remove(tx, "p1", &err), &err);
    struct ls_folder folder = {.path = "products/p1"};
    assert_ok(cat->ops->folder_put(tx, &folder, &err), &err);
    commit(tx);
    assert_ok(cat->ops->change_page(cat, start, 100, &page, &err), &err);
    assert_int_equal(page.n, 10);
    expect_change(&page.items[0], "product", "insert", "p1", "p1");
    expect_change(&page.items[1], "variant", "insert", "p1/w1", "p1/w1");
    expect_change(&page.items[2], "image", "insert", "a", "a");
    expect_change(&page.items[3], "image", "update", "a", "b");
    expect_change(&page.items[4], "image", "update", "b", "b");
    expect_change(&page.items[5], "image", "delete", "b", NULL);
    expect_change(&page.items[6], "variant", "update", "p1/w1", "p1/w2");
    expect_change(&page.items[7], "variant", "delete", "p1/w2", NULL);
    expect_change(&page.items[8], "product", "delete", "p1", NULL);
    expect_change(&page.items[9], "folder", "insert", "products/p1", "products/p1");
    /* What was recorded of a row that left its key. */
    for (size_t i = 0; i < page.n; i++)
        if (i == 3 || i == 5)
            assert_string_equal(page.items[i].etag, write.image.record.etag);
        else
            assert_null(page.items[i].etag);
    int64_t last;
    assert_ok(cat->ops->change_last(cat, &last, &err), &err);
    assert_int_equal(page.items[9].seq, last);
    for (size_t i = 0; i < page.n; i++) {
        assert_string_equal(page.items[i].writer, instance);
        assert_true(page.items[i].seq > (i ? page.items[i - 1].seq : start));
    }
    ls_change_page_dispose(&page);
    assert_ok(cat->ops->change_page(cat, last - 4, 2, &page, &err), &err);
    assert_int_equal(page.n, 2);
    assert_int_equal(page.items[0].seq, last - 3);
    ls_change_page_dispose(&page);
    assert_ok(cat->ops->change_page(cat, last, 100, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_change_page_dispose(&page);
}

/* ---- waiting for changes ---- */

#define LONG_MS (120 * 1000) /* is never waited for unless a test fails */

static void a_wait_is_over_at_once_when_the_feed_has_moved_already(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    int64_t start, last;
    assert_ok(cat->ops->change_last(cat, &start, &err), &err);
    add_variant(cat, "p1", "w1", NULL);
    assert_ok(cat->ops->change_wait(cat, start, LONG_MS, -1, &last, &err), &err);
    assert_true(last > start);
    /* Also when it has moved backwards. */
    assert_ok(cat->ops->change_wait(cat, last + 5, LONG_MS, -1, &start, &err), &err);
    assert_int_equal(start, last);
}

static void a_wait_without_changes_ends_with_its_time_or_when_it_is_cancelled(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    int64_t start, last;
    int fds[2];
    assert_ok(cat->ops->change_last(cat, &start, &err), &err);
    assert_ok(cat->ops->change_wait(cat, start, 5, -1, &last, &err), &err);
    assert_int_equal(last, start);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(cat->ops->change_wait(cat, start, LONG_MS, fds[0], &last, &err), LS_CANCELLED);
    close(fds[0]);
    close(fds[1]);
}

struct waiter {
    struct ls_catalog *cat;
    int64_t after, last;
    enum ls_rc rc;
    struct ls_err err;
};

static void *wait_for_change(void *arg)
{
    struct waiter *waiter = arg;
    waiter->rc = waiter->cat->ops->change_wait(waiter->cat, waiter->after, LONG_MS, -1, &waiter->last, &waiter->err);
    return NULL;
}

static void a_commit_through_another_connection_ends_a_wait(void **state)
{
    struct fixture *f = *state;
    struct ls_catalog *other = f->backend->open(f->dir);
    struct waiter waiter = {.cat = f->cat};
    for (int i = 0; i < 3; i++) {
        char product[8];
        pthread_t thread;
        snprintf(product, sizeof product, "p%d", i);
        assert_ok(f->cat->ops->change_last(f->cat, &waiter.after, &waiter.err), &waiter.err);
        assert_int_equal(pthread_create(&thread, NULL, wait_for_change, &waiter), 0);
        add_variant(i == 1 ? f->cat : other, product, "w1", NULL);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_ok(waiter.rc, &waiter.err);
        assert_true(waiter.last > waiter.after);
    }
    ls_catalog_close(other);
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(keys_order_by_bytes_of_the_whole_key),
    CONTRACT_TEST(pages_of_any_size_give_every_row_once),
    CONTRACT_TEST(a_bound_that_is_no_utf8_cuts_by_bytes),
    CONTRACT_TEST(both_bounds_of_a_range_are_left_out),
    CONTRACT_TEST(rows_are_got_by_key_in_key_order_whatever_is_asked),
    CONTRACT_TEST(a_variants_rows_are_found_whatever_their_keys_say),
    CONTRACT_TEST(splits_cut_the_rows_into_equal_ranges),
    CONTRACT_TEST(every_change_is_numbered_and_names_its_writer),
    CONTRACT_TEST(a_wait_is_over_at_once_when_the_feed_has_moved_already),
    CONTRACT_TEST(a_wait_without_changes_ends_with_its_time_or_when_it_is_cancelled),
    CONTRACT_TEST(a_commit_through_another_connection_ends_a_wait),
};
const struct contract contract_pages = {"pages and the change feed", tests, sizeof tests / sizeof tests[0]};
