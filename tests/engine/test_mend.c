/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mending, each kind: done when both sides are as the scan saw them, left alone when not. And trash. */
#include "engine/world.h"

#include <stdio.h>

#include "lockstep/store.h"

#define A IMG("500ml", "a.jpg")
#define B IMG("1kg", "b.jpg")

static int setup(void **state)
{
    world_setup(state);
    struct world *w = *state;
    must(w, put_text(w, A, "one"));
    return 0;
}

static const char *trash_id(struct world *w, const char *key)
{
    return sql_text(w, "SELECT id FROM lockstep_trash WHERE key = '%s'", key);
}

static void adopt_inserts_a_row_with_its_parents(void **state)
{
    struct world *w = *state;
    struct ls_mend_item item = {.key = B, .object_etag = md5_of("orphan")};
    object_write(w, B, "orphan");
    assert_rc(w, LS_OK, mend_one(w, LS_MEND_ADOPT, &item));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_variant WHERE weight = '1kg'"), 1);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE op = 'adopt' AND key = '%s'", B), 1);
    assert_in_step(w, 0);
    assert_rc(w, LS_CONFLICT, mend_one(w, LS_MEND_ADOPT, &item)); /* it has a row now */
}

static void adopt_leaves_what_changed_or_does_not_fit(void **state)
{
    struct world *w = *state;
    struct ls_mend_item changed = {.key = B, .object_etag = md5_of("orphan")};
    struct ls_mend_item gone = {.key = IMG("1kg", "c.jpg"), .object_etag = md5_of("orphan")};
    struct ls_mend_item misplaced = {.key = "products/p1/1kg/x.jpg", .object_etag = md5_of("orphan")};
    object_write(w, B, "newer");
    object_write(w, "products/p1/1kg/x.jpg", "orphan");
    assert_rc(w, LS_CONFLICT, mend_one(w, LS_MEND_ADOPT, &changed));
    assert_rc(w, LS_CONFLICT, mend_one(w, LS_MEND_ADOPT, &gone));
    assert_rc(w, LS_INVALID, mend_one(w, LS_MEND_ADOPT, &misplaced));
    assert_in_step(w, 2);
}

static void drop_deletes_a_row_whose_object_is_gone(void **state)
{
    struct world *w = *state;
    struct ls_mend_item item = {.key = A, .row_etag = md5_of("one")};
    assert_rc(w, LS_CONFLICT, mend_one(w, LS_MEND_DROP, &item)); /* it is there */
    object_remove(w, A);
    item.row_etag = md5_of("other");
    assert_rc(w, LS_CONFLICT, mend_one(w, LS_MEND_DROP, &item));
    item.row_etag = md5_of("one");
    assert_rc(w, LS_OK, mend_one(w, LS_MEND_DROP, &item));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 0);
    assert_in_step(w, 0);
}

static void refresh_records_what_the_object_is(void **state)
{
    struct world *w = *state;
    struct ls_mend_item item = {.key = A, .row_etag = md5_of("one"), .object_etag = md5_of("newer")};
    assert_rc(w, LS_CONFLICT, mend_one(w, LS_MEND_REFRESH, &item));
    object_write(w, A, "newer");
    assert_rc(w, LS_OK, mend_one(w, LS_MEND_REFRESH, &item));
    assert_in_step(w, 0);
    sql_forget(w);
    item.row_etag = "";
    assert_rc(w, LS_OK, mend_one(w, LS_MEND_REFRESH, &item));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_object"), 1);
    assert_in_step(w, 0);
}

static void relink_lets_the_row_follow_its_object(void **state)
{
    struct world *w = *state;
    int64_t id = sql_int(w, "SELECT id FROM product_image");
    struct ls_mend_item item = {.key = A, .dest = B, .row_etag = md5_of("one"), .object_etag = md5_of("one")};
    object_write(w, B, "one");
    assert_rc(w, LS_CONFLICT, mend_one(w, LS_MEND_RELINK, &item)); /* still at its key, too */
    object_remove(w, A);
    assert_rc(w, LS_OK, mend_one(w, LS_MEND_RELINK, &item));
    assert_int_equal(sql_int(w, "SELECT id FROM product_image WHERE file_name = '%s'", B), id);
    assert_in_step(w, 0);
}

static void refile_sets_the_columns_by_the_key(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, B, "two"));
    sql(w,
        "UPDATE product_image SET image_type = 'info-card', image_url = 'x', variant_weight = '9kg', "
        "variant_id = (SELECT id FROM product_variant WHERE weight = '500ml') WHERE file_name = '%s'",
        B);
    assert_non_null(world_wrong(w, 0));
    struct ls_mend_item item = {.key = B, .row_etag = md5_of("two"), .object_etag = md5_of("two")};
    assert_rc(w, LS_OK, mend_one(w, LS_MEND_REFILE, &item));
    assert_in_step(w, 0);
}

static void what_an_open_intent_covers_is_left_alone(void **state)
{
    struct world *w = *state;
    struct ls_mend_item drop = {.key = A, .row_etag = md5_of("one")};
    struct ls_mend_item trash = {.key = B, .object_etag = md5_of("orphan"), .reason = "orphaned"};
    object_remove(w, A);
    object_write(w, B, "orphan");
    sql(w, "INSERT INTO lockstep_intent VALUES ('i', '%s', 'put', 'open', 0, '')", ls_engine_instance(w->engine));
    sql(w, "INSERT INTO lockstep_claim VALUES ('products/', '1', 'i')");
    assert_rc(w, LS_BUSY, mend_one(w, LS_MEND_DROP, &drop));
    assert_rc(w, LS_BUSY, mend_one(w, LS_MEND_TRASH, &trash));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 1);
    assert_string_equal(object_text(w, B), "orphan");
}

static void many_items_have_each_a_result(void **state)
{
    struct world *w = *state;
    static char keys[450][64];
    struct ls_mend_item *items = calloc(450, sizeof(*items));
    for (int i = 0; i < 450; i++) {
        snprintf(keys[i], sizeof(keys[i]), IMG("1kg", "%03d.jpg"), i);
        object_write(w, keys[i], i % 10 ? "orphan" : "newer");
        items[i] = (struct ls_mend_item){.key = keys[i], .object_etag = md5_of("orphan")};
    }
    must(w, ls_engine_mend(w->engine, LS_MEND_ADOPT, items, 450, &w->err));
    for (int i = 0; i < 450; i++)
        assert_int_equal(items[i].rc, i % 10 ? LS_OK : LS_CONFLICT);
    free(items);
    assert_in_step(w, 45);
}

static void a_batch_that_fails_is_mended_one_by_one(void **state)
{
    struct world *w = *state;
    struct ls_mend_item items[2] = {{.key = B, .object_etag = md5_of("orphan")},
                                    {.key = IMG("1kg", "c.jpg"), .object_etag = md5_of("orphan")}};
    object_write(w, B, "orphan");
    object_write(w, IMG("1kg", "c.jpg"), "orphan");
    sql_refuse(w, "INSERT", "%c.jpg");
    must(w, ls_engine_mend(w->engine, LS_MEND_ADOPT, items, 2, &w->err));
    assert_int_equal(items[0].rc, LS_OK);
    assert_int_not_equal(items[1].rc, LS_OK);
    assert_in_step(w, 1);
}

/* ---- trash ---- */

static void an_orphan_goes_to_trash_and_comes_back(void **state)
{
    struct world *w = *state;
    char id[64];
    struct ls_mend_item item = {.key = B, .object_etag = md5_of("orphan"), .reason = "orphaned"};
    object_write(w, B, "orphan");
    assert_rc(w, LS_OK, mend_one(w, LS_MEND_TRASH, &item));
    assert_null(object_text(w, B));
    assert_in_step(w, 0);
    snprintf(id, sizeof(id), "%s", trash_id(w, B));
    object_write(w, B, "in the way");
    assert_rc(w, LS_EXISTS, ls_engine_trash_restore(w->engine, id, &w->err));
    object_remove(w, B);
    assert_rc(w, LS_OK, ls_engine_trash_restore(w->engine, id, &w->err));
    assert_string_equal(object_text(w, B), "orphan");
    assert_in_step(w, 1);
    assert_rc(w, LS_NOT_FOUND, ls_engine_trash_restore(w->engine, id, &w->err));
}

static void misplaced_keys_go_to_trash_too(void **state)
{
    struct world *w = *state;
    static char long_key[1004]; /* too long to lie below another name */
    struct ls_mend_item items[3] = {{.key = "products/p1/x'y.jpg", .object_etag = md5_of("a"), .reason = "misplaced"},
                                    {.key = "products/\xff\x01 \n", .object_etag = md5_of("b"), .reason = "misplaced"},
                                    {.key = long_key, .object_etag = md5_of("c"), .reason = "misplaced"}};
    memset(long_key, 'l', sizeof(long_key) - 1);
    long_key[200] = long_key[401] = long_key[602] = long_key[803] = '/';
    object_write(w, items[0].key, "a");
    object_write(w, items[1].key, "b");
    object_write(w, items[2].key, "c");
    must(w, ls_engine_mend(w->engine, LS_MEND_TRASH, items, 3, &w->err));
    for (int i = 0; i < 3; i++)
        if (items[i].rc != LS_OK)
            fail_msg("%s: %s", items[i].key, items[i].err.text);
    assert_in_step(w, 0);
    char id[64];
    snprintf(id, sizeof(id), "%s", trash_id(w, "products/p1/x''y.jpg"));
    assert_rc(w, LS_OK, ls_engine_trash_restore(w->engine, id, &w->err));
    assert_in_step(w, 1);
}

static void an_orphan_that_changed_or_got_a_row_stays(void **state)
{
    struct world *w = *state;
    struct ls_mend_item changed = {.key = B, .object_etag = md5_of("orphan"), .reason = "orphaned"};
    struct ls_mend_item with_row = {.key = A, .object_etag = md5_of("one"), .reason = "orphaned"};
    object_write(w, B, "newer");
    assert_rc(w, LS_CONFLICT, mend_one(w, LS_MEND_TRASH, &changed));
    assert_rc(w, LS_CONFLICT, mend_one(w, LS_MEND_TRASH, &with_row));
    assert_in_step(w, 1);
}

static void one_that_cannot_be_copied_does_not_stop_the_others(void **state)
{
    struct world *w = *state;
    struct ls_mend_item items[2] = {
        {.key = B, .object_etag = md5_of("orphan"), .reason = "orphaned"},
        {.key = IMG("1kg", "c.jpg"), .object_etag = md5_of("orphan"), .reason = "orphaned"}};
    object_write(w, B, "orphan");
    object_write(w, IMG("1kg", "c.jpg"), "orphan");
    struct fault *f =
        world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "c.jpg", .after = true, .rc = LS_OUTCOME_UNKNOWN});
    must(w, ls_engine_mend(w->engine, LS_MEND_TRASH, items, 2, &w->err));
    assert_int_equal(f->fired, 1);
    assert_int_equal(items[0].rc, LS_OK);
    assert_int_not_equal(items[1].rc, LS_OK);
    assert_in_step(w, 1);
}

static void purge_removes_what_is_old_enough(void **state)
{
    struct world *w = *state;
    struct ls_mend_item item = {.key = B, .object_etag = md5_of("orphan"), .reason = "orphaned"};
    uint64_t removed;
    object_write(w, B, "orphan");
    must(w, mend_one(w, LS_MEND_TRASH, &item));
    assert_rc(w, LS_OK, ls_engine_trash_purge(w->engine, 1, "", &removed, &w->err));
    assert_int_equal(removed, 0);
    assert_rc(w, LS_OK, ls_engine_trash_purge(w->engine, INT64_MAX, "products/p2/", &removed, &w->err));
    assert_int_equal(removed, 0);
    world_fault(w, (struct fault){.op = LS_STORE_OP_REMOVE, .key = "", .rc = LS_DENIED});
    assert_rc(w, LS_DENIED, ls_engine_trash_purge(w->engine, INT64_MAX, "products/p1/", &removed, &w->err));
    world_no_faults(w);
    assert_in_step(w, 0);
    assert_rc(w, LS_OK, ls_engine_trash_purge(w->engine, INT64_MAX, "products/p1/", &removed, &w->err));
    assert_int_equal(removed, 1);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_trash"), 0);
    assert_in_step(w, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(adopt_inserts_a_row_with_its_parents),
        TEST(adopt_leaves_what_changed_or_does_not_fit),
        TEST(drop_deletes_a_row_whose_object_is_gone),
        TEST(refresh_records_what_the_object_is),
        TEST(relink_lets_the_row_follow_its_object),
        TEST(refile_sets_the_columns_by_the_key),
        TEST(what_an_open_intent_covers_is_left_alone),
        TEST(many_items_have_each_a_result),
        TEST(a_batch_that_fails_is_mended_one_by_one),
        TEST(an_orphan_goes_to_trash_and_comes_back),
        TEST(misplaced_keys_go_to_trash_too),
        TEST(an_orphan_that_changed_or_got_a_row_stays),
        TEST(one_that_cannot_be_copied_does_not_stop_the_others),
        TEST(purge_removes_what_is_old_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
