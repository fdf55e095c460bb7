/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Contract: writing image rows, and transactions. */
#include "catalog/contract.h"

#include <pthread.h>

static void an_inserted_image_reads_back_as_it_was_written(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    char variant_id[LS_CATALOG_ID_MAX];
    struct ls_image_page page;
    int64_t before = ls_now_ns() - LS_NS_PER_MS;
    add_variant(cat, "p1", "w1", variant_id);
    struct ls_image_write write = an_image("products/p1/w1/other-images/a.jpg", variant_id);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &write, 1, &err), &err);
    commit(tx);
    assert_ok(ls_catalog_image_get(cat, NULL, write.image.key, &page, &err), &err);
    const struct ls_image *image = &page.items[0];
    assert_int_equal(page.n, 1);
    assert_string_equal(image->key, "products/p1/w1/other-images/a.jpg");
    assert_string_equal(image->product, "p1");
    assert_string_equal(image->weight, "w1");
    assert_string_equal(image->type, "other-images");
    if (cat->lacks_url)
        assert_null(image->url);
    else
        assert_string_equal(image->url, "http://store/images");
    assert_string_equal(image->variant_id, variant_id);
    assert_string_equal(image->variant_product, "p1");
    assert_string_equal(image->variant_weight_now, "w1");
    assert_true(image->record.known);
    assert_int_equal(image->record.size_bytes, 1000);
    assert_string_equal(image->record.etag, "0123456789abcdef0123456789abcdef");
    assert_int_equal(image->record.mtime_ns, INT64_C(1700000000123456789));
    assert_int_equal(image->record.mode, 0644);
    assert_int_equal(image->record.uid, 1000);
    assert_int_equal(image->record.gid, 100);
    assert_string_equal(image->record.content_type, "image/jpeg");
    assert_true(image->created_ns >= before && image->created_ns <= ls_now_ns());
    assert_int_equal(image->created_ns, image->updated_ns);
    ls_image_page_dispose(&page);
    ls_image_page_dispose(&page); /* it is empty now */
}

static void columns_may_be_null_and_nothing_recorded(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    struct ls_image_write write = {.image = {.key = "k"}};
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &write, 1, &err), &err);
    commit(tx);
    assert_ok(ls_catalog_image_get(cat, NULL, "k", &page, &err), &err);
    const struct ls_image *image = &page.items[0];
    assert_null(image->product);
    assert_null(image->weight);
    assert_null(image->type);
    assert_null(image->url);
    assert_null(image->variant_id);
    assert_null(image->variant_product);
    assert_null(image->variant_weight_now);
    assert_false(image->record.known);
    assert_string_equal(image->record.etag, "");
    ls_image_page_dispose(&page);
}

static void extremes_of_a_record_survive(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    struct ls_image_write write = {.image = {.key = "k", .record = {.known = true}}};
    write.image.record.size_bytes = UINT64_C(5) << 40;
    write.image.record.mtime_ns = -1;
    write.image.record.uid = write.image.record.gid = UINT32_MAX;
    memset(write.image.record.etag, 'e', sizeof write.image.record.etag - 1);
    memset(write.image.record.content_type, 'c', sizeof write.image.record.content_type - 1);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &write, 1, &err), &err);
    commit(tx);
    assert_ok(ls_catalog_image_get(cat, NULL, "k", &page, &err), &err);
    const struct ls_record *record = &page.items[0].record;
    assert_true(record->size_bytes == UINT64_C(5) << 40);
    assert_int_equal(record->mtime_ns, -1);
    assert_true(record->uid == UINT32_MAX && record->gid == UINT32_MAX);
    assert_int_equal(strlen(record->etag), sizeof record->etag - 1);
    assert_int_equal(strlen(record->content_type), sizeof record->content_type - 1);
    ls_image_page_dispose(&page);
}

static void a_taken_key_is_refused_and_named(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    const char *keys[] = {"a", "b"};
    add_images(cat, keys, 2);
    struct ls_image_write insert = an_image("a", NULL), rekey = an_image("b", NULL);
    rekey.old_key = "a";
    struct ls_tx *tx = begin(cat);
    assert_fails(cat->ops->images_write(tx, &insert, 1, &err), LS_EXISTS, &err, "for a ");
    cat->ops->rollback(tx);
    tx = begin(cat);
    assert_fails(cat->ops->images_write(tx, &rekey, 1, &err), LS_EXISTS, &err, "for b ");
    cat->ops->rollback(tx);
}

static void a_missing_product_variant_or_row_is_named(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    char id[LS_CATALOG_ID_MAX];
    add_variant(cat, "p1", "w1", id);
    struct ls_image_write no_variant = an_image("k1", "999999"), no_product = an_image("k2", id),
                          no_row = an_image("k3", id), bad_id = an_image("k4", "1; DROP TABLE product"),
                          no_key = an_image("", id);
    no_product.image.product = "nobody";
    no_row.old_key = "gone";
    struct ls_tx *tx = begin(cat);
    assert_fails(cat->ops->images_write(tx, &no_variant, 1, &err), LS_NOT_FOUND, &err, "999999");
    cat->ops->rollback(tx);
    tx = begin(cat);
    assert_fails(cat->ops->images_write(tx, &no_product, 1, &err), LS_NOT_FOUND, &err, "nobody");
    cat->ops->rollback(tx);
    tx = begin(cat);
    assert_fails(cat->ops->images_write(tx, &no_row, 1, &err), LS_NOT_FOUND, &err, "gone");
    cat->ops->rollback(tx);
    tx = begin(cat);
    bool text_ids = ((struct fixture *)*state)->backend->text_ids;
    assert_fails(cat->ops->images_write(tx, &bad_id, 1, &err), text_ids ? LS_NOT_FOUND : LS_INVALID, &err, "k4");
    cat->ops->rollback(tx);
    tx = begin(cat);
    assert_fails(cat->ops->images_write(tx, &no_key, 1, &err), LS_INVALID, &err, "key");
    cat->ops->rollback(tx);
}

static void an_update_keeps_created_and_replaces_the_rest(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    char variant_id[LS_CATALOG_ID_MAX];
    add_variant(cat, "p1", "w1", variant_id);
    struct ls_image_write write = an_image("old", variant_id);
    write.image.created_ns = write.image.updated_ns = INT64_C(1600000000123) * LS_NS_PER_MS;
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &write, 1, &err), &err);
    commit(tx);
    struct ls_image_write change = {.old_key = "old",
                                    .expect_etag = write.image.record.etag,
                                    .image = {.key = "new", .product = "p1", .type = "hero-card"}};
    change.image.record = (struct ls_record){.known = true, .size_bytes = 7, .etag = "e2"};
    tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &change, 1, &err), &err);
    commit(tx);
    assert_false(has_image(cat, "old"));
    assert_ok(ls_catalog_image_get(cat, NULL, "new", &page, &err), &err);
    const struct ls_image *image = &page.items[0];
    assert_string_equal(image->type, "hero-card");
    assert_null(image->variant_id);
    assert_null(image->url);
    assert_int_equal(image->record.size_bytes, 7);
    assert_string_equal(image->record.etag, "e2");
    assert_int_equal(image->created_ns, write.image.created_ns);
    assert_true(image->updated_ns > write.image.updated_ns);
    ls_image_page_dispose(&page);
}

static void an_update_to_unknown_forgets_the_record(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    uint64_t bytes;
    const char *keys[] = {"k"};
    add_images(cat, keys, 1);
    struct ls_image_write change = an_image("k2", NULL);
    change.old_key = "k";
    change.image.record.known = false;
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &change, 1, &err), &err);
    commit(tx);
    assert_ok(ls_catalog_image_get(cat, NULL, "k2", &page, &err), &err);
    assert_false(page.items[0].record.known);
    ls_image_page_dispose(&page);
    assert_ok(cat->ops->image_count(cat, "", NULL, NULL, &bytes, &err), &err);
    assert_int_equal(bytes, 0);
}

static void the_expected_etag_guards_changes_and_deletes(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    const char *keys[] = {"k"};
    add_images(cat, keys, 1);
    struct ls_image_write change = an_image("k", NULL);
    change.old_key = "k";
    change.expect_etag = "other";
    struct ls_image_ref ref = {"k", "other"}, unrecorded = {"k", ""}, right = {"k", "0123456789abcdef0123456789abcdef"},
                        none = {"none", NULL};
    struct ls_tx *tx = begin(cat);
    assert_fails(cat->ops->images_write(tx, &change, 1, &err), LS_CONFLICT, &err, "for k ");
    cat->ops->rollback(tx);
    tx = begin(cat);
    assert_fails(cat->ops->images_delete(tx, &ref, 1, &err), LS_CONFLICT, &err, "for k ");
    cat->ops->rollback(tx);
    tx = begin(cat);
    assert_fails(cat->ops->images_delete(tx, &unrecorded, 1, &err), LS_CONFLICT, &err, "for k ");
    cat->ops->rollback(tx);
    tx = begin(cat);
    assert_fails(cat->ops->images_delete(tx, &none, 1, &err), LS_NOT_FOUND, &err, "none");
    cat->ops->rollback(tx);
    assert_true(has_image(cat, "k"));
    tx = begin(cat);
    assert_ok(cat->ops->images_delete(tx, &right, 1, &err), &err);
    commit(tx);
    assert_false(has_image(cat, "k"));
}

static void an_empty_etag_stands_for_a_row_without_a_record(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_write insert = {.image = {.key = "k"}}, change = an_image("k", NULL);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &insert, 1, &err), &err);
    commit(tx);
    add_variant(cat, "p1", "w1", NULL);
    change.old_key = "k";
    change.expect_etag = "";
    tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &change, 1, &err), &err);
    commit(tx);
}

static void half_of_a_batch_is_never_committed(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    const char *keys[] = {"taken"};
    add_images(cat, keys, 1);
    struct ls_image_write writes[] = {an_image("first", NULL), an_image("taken", NULL)};
    struct ls_tx *tx = begin(cat);
    assert_int_equal(cat->ops->images_write(tx, writes, 2, &err), LS_EXISTS);
    assert_int_not_equal(cat->ops->commit(tx, &err), LS_OK);
    assert_false(has_image(cat, "first"));
    struct ls_image_ref refs[] = {{"taken", NULL}, {"none", NULL}};
    tx = begin(cat);
    assert_int_equal(cat->ops->images_delete(tx, refs, 2, &err), LS_NOT_FOUND);
    assert_int_not_equal(cat->ops->commit(tx, &err), LS_OK);
    assert_true(has_image(cat, "taken"));
}

static void keys_can_change_places_with_those_freed_before_them(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    const char *keys[] = {"a", "b", "c"};
    add_images(cat, keys, 3);
    struct ls_image_write writes[] = {an_image("d", NULL), an_image("c", NULL), an_image("b", NULL)};
    const char *old[] = {"c", "b", "a"};
    for (size_t i = 0; i < 3; i++) {
        writes[i].old_key = old[i];
        snprintf(writes[i].image.record.etag, sizeof writes[i].image.record.etag, "was %s", old[i]);
    }
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, writes, 3, &err), &err);
    commit(tx);
    assert_ok(cat->ops->image_page(cat, NULL, "", NULL, 10, &page, &err), &err);
    assert_int_equal(page.n, 3);
    const char *now[] = {"b", "c", "d"}, *was[] = {"was a", "was b", "was c"};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(page.items[i].key, now[i]);
        assert_string_equal(page.items[i].record.etag, was[i]);
    }
    ls_image_page_dispose(&page);
}

static void attributes_change_one_by_one(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    const char *keys[] = {"k"};
    add_images(cat, keys, 1);
    assert_ok(ls_catalog_image_get(cat, NULL, "k", &page, &err), &err);
    int64_t before_ns = page.items[0].updated_ns;
    ls_image_page_dispose(&page);
    ls_sleep_ms(2); /* stamps of rows may have no finer steps than milliseconds */
    struct ls_attr mode = {.set_mode = true, .mode = 0600}, owner = {.set_owner = true, .uid = 5, .gid = 6},
                   mtime = {.set_mtime = true, .mtime_ns = 77};
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->image_attr(tx, "k", &mode, &err), &err);
    assert_ok(ls_catalog_image_get(cat, tx, "k", &page, &err), &err);
    assert_int_equal(page.items[0].record.mode, 0600);
    assert_int_equal(page.items[0].record.uid, 1000);
    assert_int_equal(page.items[0].record.mtime_ns, INT64_C(1700000000123456789));
    ls_image_page_dispose(&page);
    assert_ok(cat->ops->image_attr(tx, "k", &owner, &err), &err);
    assert_ok(cat->ops->image_attr(tx, "k", &mtime, &err), &err);
    commit(tx);
    assert_ok(ls_catalog_image_get(cat, NULL, "k", &page, &err), &err);
    assert_int_equal(page.items[0].record.mode, 0600);
    assert_int_equal(page.items[0].record.uid, 5);
    assert_int_equal(page.items[0].record.gid, 6);
    assert_int_equal(page.items[0].record.mtime_ns, 77);
    assert_string_equal(page.items[0].record.etag, "0123456789abcdef0123456789abcdef");
    assert_true(page.items[0].updated_ns > before_ns);
    ls_image_page_dispose(&page);
}

static void attributes_need_a_row_and_a_record(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_attr mode = {.set_mode = true, .mode = 0600};
    struct ls_image_write insert = {.image = {.key = "unrecorded"}};
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &insert, 1, &err), &err);
    assert_fails(cat->ops->image_attr(tx, "none", &mode, &err), LS_NOT_FOUND, &err, "none");
    assert_fails(cat->ops->image_attr(tx, "unrecorded", &mode, &err), LS_CONFLICT, &err, "unrecorded");
    commit(tx); /* a refusal spoils nothing */
    assert_true(has_image(cat, "unrecorded"));
}

static void a_rollback_leaves_everything_as_it_was(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    int64_t before, after;
    const char *keys[] = {"k"};
    add_images(cat, keys, 1);
    assert_ok(cat->ops->change_last(cat, &before, &err), &err);
    struct ls_tx *tx = begin(cat);
    struct ls_image_ref ref = {"k", NULL};
    assert_ok(cat->ops->images_delete(tx, &ref, 1, &err), &err);
    assert_ok(cat->ops->product_add(tx, "p2", &err), &err);
    cat->ops->rollback(tx);
    cat->ops->rollback(NULL);
    assert_true(has_image(cat, "k"));
    assert_ok(cat->ops->change_last(cat, &after, &err), &err);
    assert_int_equal(before, after);
}

static void only_the_transaction_sees_its_writes_before_the_commit(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    struct ls_image_write insert = {.image = {.key = "k"}};
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, &insert, 1, &err), &err);
    assert_ok(ls_catalog_image_get(cat, tx, "k", &page, &err), &err);
    ls_image_page_dispose(&page);
    assert_false(has_image(cat, "k"));
    commit(tx);
    assert_true(has_image(cat, "k"));
}

static void a_second_transaction_of_the_same_thread_is_refused(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_tx *tx = begin(cat), *second;
    assert_fails(cat->ops->begin(cat, &second, &err), LS_INVALID, &err, "open already");
    assert_null(second);
    commit(tx);
}

static void committed_rows_are_there_after_a_reopen(void **state)
{
    struct fixture *f = *state;
    const char *keys[] = {"a", "b"};
    add_images(f->cat, keys, 2);
    ls_catalog_close(f->cat);
    f->cat = f->backend->open(f->dir);
    assert_non_null(f->cat);
    assert_true(has_image(f->cat, "a"));
    assert_true(has_image(f->cat, "b"));
}

/* ---- threads ---- */

#define WRITERS 4
#define READERS 4
#define WRITES 50

struct shared {
    struct ls_catalog *cat;
    int number;
    int failures;
};

/* Two rows a transaction: a reader must never see one of them alone. */
static void *write_pairs(void *arg)
{
    struct shared *mine = arg;
    struct ls_catalog *cat = mine->cat;
    struct ls_err err = LS_ERR_INIT;
    for (int i = 0; i < WRITES; i++) {
        char keys[2][32];
        snprintf(keys[0], sizeof keys[0], "w%d/%04d/a", mine->number, i);
        snprintf(keys[1], sizeof keys[1], "w%d/%04d/b", mine->number, i);
        struct ls_image_write writes[] = {{.image = {.key = keys[0]}}, {.image = {.key = keys[1]}}};
        struct ls_tx *tx;
        if (cat->ops->begin(cat, &tx, &err) != LS_OK)
            mine->failures++;
        else if (cat->ops->images_write(tx, writes, 2, &err) != LS_OK) {
            mine->failures++;
            cat->ops->rollback(tx);
        } else if (cat->ops->commit(tx, &err) != LS_OK)
            mine->failures++;
    }
    return NULL;
}

static void *read_pairs(void *arg)
{
    struct shared *mine = arg;
    struct ls_err err = LS_ERR_INIT;
    for (int i = 0; i < WRITES; i++) {
        struct ls_image_page page;
        if (mine->cat->ops->image_page(mine->cat, NULL, "", NULL, 1000000, &page, &err) != LS_OK) {
            mine->failures++;
            continue;
        }
        mine->failures += page.n % 2 != 0;
        ls_image_page_dispose(&page);
    }
    return NULL;
}

static void threads_read_whole_transactions_while_others_write(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    pthread_t threads[WRITERS + READERS];
    struct shared shared[WRITERS + READERS];
    uint64_t rows;
    for (int i = 0; i < WRITERS + READERS; i++) {
        shared[i] = (struct shared){.cat = cat, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? write_pairs : read_pairs, &shared[i]), 0);
    }
    for (int i = 0; i < WRITERS + READERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(shared[i].failures, 0);
    }
    assert_ok(cat->ops->image_count(cat, "", NULL, &rows, NULL, &err), &err);
    assert_int_equal(rows, WRITERS * WRITES * 2);
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(an_inserted_image_reads_back_as_it_was_written),
    CONTRACT_TEST(columns_may_be_null_and_nothing_recorded),
    CONTRACT_TEST(extremes_of_a_record_survive),
    CONTRACT_TEST(a_taken_key_is_refused_and_named),
    CONTRACT_TEST(a_missing_product_variant_or_row_is_named),
    CONTRACT_TEST(an_update_keeps_created_and_replaces_the_rest),
    CONTRACT_TEST(an_update_to_unknown_forgets_the_record),
    CONTRACT_TEST(the_expected_etag_guards_changes_and_deletes),
    CONTRACT_TEST(an_empty_etag_stands_for_a_row_without_a_record),
    CONTRACT_TEST(half_of_a_batch_is_never_committed),
    CONTRACT_TEST(keys_can_change_places_with_those_freed_before_them),
    CONTRACT_TEST(attributes_change_one_by_one),
    CONTRACT_TEST(attributes_need_a_row_and_a_record),
    CONTRACT_TEST(a_rollback_leaves_everything_as_it_was),
    CONTRACT_TEST(only_the_transaction_sees_its_writes_before_the_commit),
    CONTRACT_TEST(a_second_transaction_of_the_same_thread_is_refused),
    CONTRACT_TEST(committed_rows_are_there_after_a_reopen),
    CONTRACT_TEST(threads_read_whole_transactions_while_others_write),
};
const struct contract contract_images = {"image rows and transactions", tests, sizeof tests / sizeof tests[0]};
