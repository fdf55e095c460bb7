/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Contract: audit trail, trash, inbox of events, settings, words. */
#include "catalog/contract.h"

static void the_audit_trail_reads_newest_first(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_audit_page page;
    struct ls_audit items[] = {
        {.at_ns = 11, .intent = "i1", .op = "put", .actor = "cli put", .key = "a/1", .outcome = "done"},
        {.at_ns = 12,
         .op = "rename",
         .actor = "mount",
         .key = "a/2",
         .dest = "b/2",
         .outcome = "failed",
         .detail = "no space"},
        {.op = "put", .actor = "mount", .key = "b/1", .outcome = "done"},
    };
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->audit_add(tx, items, 3, &err), &err);
    commit(tx);
    assert_ok(cat->ops->audit_page(cat, 0, "", 100, &page, &err), &err);
    assert_int_equal(page.n, 3);
    assert_string_equal(page.items[0].key, "b/1");
    assert_true(page.items[0].at_ns > 12); /* 0 means now */
    assert_string_equal(page.items[1].op, "rename");
    assert_string_equal(page.items[1].actor, "mount");
    assert_string_equal(page.items[1].dest, "b/2");
    assert_string_equal(page.items[1].outcome, "failed");
    assert_string_equal(page.items[1].detail, "no space");
    assert_null(page.items[1].intent);
    assert_string_equal(page.items[2].intent, "i1");
    assert_int_equal(page.items[2].at_ns, 11);
    int64_t newest = page.items[0].seq;
    ls_audit_page_dispose(&page);
    assert_ok(cat->ops->audit_page(cat, newest, "", 1, &page, &err), &err);
    assert_int_equal(page.n, 1);
    assert_string_equal(page.items[0].key, "a/2");
    ls_audit_page_dispose(&page);
    assert_ok(cat->ops->audit_page(cat, 0, "a/", 100, &page, &err), &err);
    assert_int_equal(page.n, 2);
    ls_audit_page_dispose(&page);
    assert_ok(cat->ops->audit_page(cat, 0, "a%", 100, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_audit_page_dispose(&page);
}

static void trash_is_listed_by_id_and_prefix(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_trash_page page;
    struct ls_trash items[] = {
        {.id = "01B", .key = "p/1", .trash_key = "t/1", .etag = "e", .size_bytes = 9, .reason = "orphaned", .at_ns = 5},
        {.id = "01A", .key = "p/\xc3\xa4", .trash_key = "t/2", .etag = "e", .reason = "overwritten", .row = "{}"},
        {.id = "01C", .key = "q/1", .trash_key = "t/3", .etag = "e", .reason = "misplaced"},
    };
    struct ls_tx *tx = begin(cat);
    for (size_t i = 0; i < 3; i++)
        assert_ok(cat->ops->trash_add(tx, &items[i], &err), &err);
    assert_int_equal(cat->ops->trash_add(tx, &items[0], &err), LS_EXISTS);
    commit(tx);
    assert_ok(cat->ops->trash_page(cat, NULL, "", "", 100, &page, &err), &err);
    assert_int_equal(page.n, 3);
    assert_string_equal(page.items[0].id, "01A");
    assert_string_equal(page.items[0].row, "{}");
    assert_true(page.items[0].at_ns > 5);
    assert_string_equal(page.items[1].key, "p/1");
    assert_string_equal(page.items[1].trash_key, "t/1");
    assert_string_equal(page.items[1].etag, "e");
    assert_string_equal(page.items[1].reason, "orphaned");
    assert_int_equal(page.items[1].size_bytes, 9);
    assert_int_equal(page.items[1].at_ns, 5);
    assert_null(page.items[1].row);
    ls_trash_page_dispose(&page);
    assert_ok(cat->ops->trash_page(cat, NULL, "01A", "", 1, &page, &err), &err);
    assert_int_equal(page.n, 1);
    assert_string_equal(page.items[0].id, "01B");
    ls_trash_page_dispose(&page);
    assert_ok(cat->ops->trash_page(cat, NULL, "", "p/", 100, &page, &err), &err);
    assert_int_equal(page.n, 2);
    ls_trash_page_dispose(&page);
    assert_ok(cat->ops->trash_page(cat, NULL, "", "p/\xc3\xa4", 100, &page, &err), &err);
    assert_int_equal(page.n, 1);
    ls_trash_page_dispose(&page);
    tx = begin(cat);
    assert_ok(cat->ops->trash_remove(tx, "01B", &err), &err);
    assert_fails(cat->ops->trash_remove(tx, "01B", &err), LS_NOT_FOUND, &err, "01B");
    commit(tx);
}

static void events_are_kept_in_order_until_they_are_removed(void **state)
{
    struct fixture *f = *state;
    struct ls_catalog *cat = f->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_event_page page;
    uint64_t count;
    const struct ls_event items[] = {
        {.at_ns = 7, .kind = "s3:ObjectCreated:Put", .key = "b/1", .etag = "e", .sequencer = "17A"},
        {.kind = "s3:ObjectRemoved:Delete", .key = "a/\xff\xc3"},
        {.kind = "s3:ObjectCreated:Put", .key = "b/1", .etag = "e", .sequencer = "17A"},
    };
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->event_add(tx, items, 3, &err), &err);
    cat->ops->rollback(tx);
    assert_ok(cat->ops->event_page(cat, 0, 10, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_event_page_dispose(&page);

    tx = begin(cat);
    assert_ok(cat->ops->event_add(tx, items, 3, &err), &err);
    commit(tx);
    assert_ok(cat->ops->event_page(cat, 0, 10, &page, &err), &err);
    assert_int_equal(page.n, 3);
    assert_ok(cat->ops->event_count(cat, &count, &err), &err);
    assert_int_equal(count, 3);
    assert_int_equal(page.items[0].at_ns, 7);
    assert_string_equal(page.items[0].kind, "s3:ObjectCreated:Put");
    assert_string_equal(page.items[0].key, "b/1");
    assert_string_equal(page.items[0].etag, "e");
    assert_string_equal(page.items[0].sequencer, "17A");
    assert_true(page.items[1].at_ns > 7); /* 0 means now */
    assert_string_equal(page.items[1].key, "a/\xff\xc3");
    assert_null(page.items[1].etag);
    assert_null(page.items[1].sequencer);
    assert_true(page.items[0].seq < page.items[1].seq && page.items[1].seq < page.items[2].seq);
    const int64_t seqs[] = {page.items[0].seq, page.items[1].seq}, last = page.items[2].seq;
    ls_event_page_dispose(&page);
    assert_ok(cat->ops->event_page(cat, seqs[0], 1, &page, &err), &err);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.items[0].seq, seqs[1]);
    ls_event_page_dispose(&page);

    for (int again = 0; again < 2; again++) {
        tx = begin(cat);
        assert_ok(cat->ops->event_remove(tx, seqs, 2, &err), &err);
        commit(tx);
        assert_ok(cat->ops->event_page(cat, 0, 10, &page, &err), &err);
        assert_int_equal(page.n, 1);
        assert_int_equal(page.items[0].seq, last);
        ls_event_page_dispose(&page);
    }
    /* A number is not given again, so that nobody removes another's event. */
    tx = begin(cat);
    assert_ok(cat->ops->event_remove(tx, &last, 1, &err), &err);
    assert_ok(cat->ops->event_add(tx, items, 1, &err), &err);
    commit(tx);
    assert_ok(cat->ops->event_page(cat, 0, 10, &page, &err), &err);
    assert_int_equal(page.n, 1);
    assert_true(page.items[0].seq > last);
    ls_event_page_dispose(&page);
}

static void settings_are_kept(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    char *value;
    assert_fails(cat->ops->meta_get(cat, NULL, "bucket", &value, &err), LS_NOT_FOUND, &err, "bucket");
    assert_null(value);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->meta_set(tx, "bucket", "one", &err), &err);
    assert_ok(cat->ops->meta_set(tx, "bucket", "two", &err), &err);
    assert_int_equal(cat->ops->meta_set(tx, "writer", "me", &err), LS_INVALID);
    assert_int_equal(cat->ops->meta_set(tx, "schema_version", "9", &err), LS_INVALID);
    commit(tx);
    assert_ok(cat->ops->meta_get(cat, NULL, "bucket", &value, &err), &err);
    assert_string_equal(value, "two");
    free(value);
    tx = begin(cat);
    assert_ok(cat->ops->meta_set(tx, "bucket", NULL, &err), &err);
    assert_int_equal(cat->ops->meta_get(cat, tx, "bucket", &value, &err), LS_NOT_FOUND);
    commit(tx);
}

static void creating_again_changes_nothing(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    const char *keys[] = {"k"};
    add_images(cat, keys, 1);
    assert_ok(cat->ops->create(cat, &err), &err);
    assert_true(has_image(cat, "k"));
}

static void every_operation_has_its_word(void **state)
{
    (void)state;
    const char *words[] = {"put", "remove", "rename", "adopt", "discard", "restore", "purge", "catalog"};
    for (int op = LS_OP_PUT; op <= LS_OP_CATALOG; op++)
        assert_string_equal(ls_op_name((enum ls_op)op), words[op - 1]);
    assert_string_equal(ls_op_name((enum ls_op)99), "?");
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(the_audit_trail_reads_newest_first),
    CONTRACT_TEST(trash_is_listed_by_id_and_prefix),
    CONTRACT_TEST(events_are_kept_in_order_until_they_are_removed),
    CONTRACT_TEST(settings_are_kept),
    CONTRACT_TEST(creating_again_changes_nothing),
    CONTRACT_TEST(every_operation_has_its_word),
};
const struct contract contract_side = {"audit, trash, events, settings", tests, sizeof tests / sizeof tests[0]};
