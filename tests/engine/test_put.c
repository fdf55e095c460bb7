/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Put: new names, same names, replacing, orphans in the way, lost answers, foreign writers. */
#include "engine/world.h"

#include <stdio.h>

#define KEY IMG("500ml", "a.jpg")
#define KEY2 IMG("500ml", "b.jpg")

static void a_new_image_has_object_row_parents_and_audit_line(void **state)
{
    struct world *w = *state;
    assert_rc(w, LS_OK, put_text(w, KEY, "bytes"));
    assert_string_equal(object_text(w, KEY), "bytes");
    assert_string_equal(sql_text(w, "SELECT etag FROM lockstep_object WHERE key = '%s'", KEY), md5_of("bytes"));
    assert_string_equal(sql_text(w, "SELECT content_type FROM lockstep_object"), "image/jpeg");
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_variant WHERE product_id = 'p1' AND weight = '500ml'"),
                     1);
    assert_int_equal(sql_int(w,
                             "SELECT count(*) FROM lockstep_audit WHERE op = 'put' AND key = '%s' AND outcome = "
                             "'done' AND actor = 'test'",
                             KEY),
                     1);
    assert_in_step(w, 0);
}

static void a_put_without_make_parents_needs_the_variant(void **state)
{
    struct world *w = *state;
    assert_rc(w, LS_NOT_FOUND, put_with(w, (struct ls_engine_put){.key = KEY}, "bytes"));
    assert_null(object_text(w, KEY));
    must(w, ls_engine_variant_create(w->engine, "p1", "500ml", &w->err));
    assert_rc(w, LS_OK, put_with(w, (struct ls_engine_put){.key = KEY}, "bytes"));
    assert_in_step(w, 0);
}

static void a_key_that_does_not_fit_is_refused(void **state)
{
    struct world *w = *state;
    assert_rc(w, LS_INVALID, put_text(w, "products/p1/500ml/a.jpg", "bytes"));
    assert_rc(w, LS_INVALID, put_text(w, "products/p1/500ml/unknown/a.jpg", "bytes"));
    assert_in_step(w, 0);
}

static void expectations_of_the_row_are_checked(void **state)
{
    struct world *w = *state;
    struct ls_engine_put put = {.key = KEY, .make_parents = true, .expect = LS_PUT_EXPECT_ETAG};
    put.expect_etag = md5_of("one");
    assert_rc(w, LS_CONFLICT, put_with(w, put, "two"));
    must(w, put_text(w, KEY, "one"));
    assert_rc(w, LS_OK, put_with(w, put, "two"));
    assert_rc(w, LS_CONFLICT, put_with(w, put, "three"));
    put.expect = LS_PUT_EXPECT_NEW;
    assert_rc(w, LS_EXISTS, put_with(w, put, "three"));
    assert_string_equal(object_text(w, KEY), "two");
    assert_in_step(w, 0);
}

static void the_same_name_keeps_its_row_and_gets_the_new_bytes(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, KEY, "one"));
    int64_t id = sql_int(w, "SELECT id FROM product_image");
    assert_rc(w, LS_OK, put_text(w, KEY, "two"));
    assert_int_equal(sql_int(w, "SELECT id FROM product_image"), id);
    assert_string_equal(object_text(w, KEY), "two");
    assert_in_step(w, 0);
}

static void attributes_persist_in_row_and_answer(void **state)
{
    struct world *w = *state;
    struct ls_image_page page;
    struct ls_engine_put put = {.key = KEY, .make_parents = true, .fd = -1};
    put.meta = (struct ls_object_meta){
        .has_mtime = true, .has_mode = true, .has_owner = true, .mtime_ns = 12345, .mode = 0600, .uid = 7, .gid = 8};
    FILE *file = tmpfile();
    put.fd = fileno(file);
    must(w, ls_engine_put(w->engine, &put, &page, &w->err));
    fclose(file);
    assert_int_equal(page.n, 1);
    assert_string_equal(page.items[0].key, KEY);
    assert_int_equal(page.items[0].record.size_bytes, 0);
    assert_int_equal(page.items[0].record.mtime_ns, 12345);
    assert_int_equal(page.items[0].record.mode, 0600);
    assert_int_equal(page.items[0].record.uid, 7);
    ls_image_page_dispose(&page);
}

static void replacing_another_name_moves_its_row_and_removes_its_object(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, KEY, "one"));
    int64_t id = sql_int(w, "SELECT id FROM product_image");
    struct ls_engine_put put = {.key = KEY2, .make_parents = true, .replaces = KEY, .replaces_etag = md5_of("one")};
    assert_rc(w, LS_OK, put_with(w, put, "two"));
    assert_int_equal(sql_int(w, "SELECT id FROM product_image WHERE file_name = '%s'", KEY2), id);
    assert_null(object_text(w, KEY));
    assert_in_step(w, 0);
    assert_rc(w, LS_NOT_FOUND, put_with(w, put, "three"));
    assert_in_step(w, 0);
}

static void replacing_over_an_existing_name_leaves_one_row(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, KEY, "one"));
    must(w, put_text(w, KEY2, "two"));
    struct ls_engine_put put = {.key = KEY2, .make_parents = true, .replaces = KEY, .replaces_etag = "other"};
    assert_rc(w, LS_CONFLICT, put_with(w, put, "three"));
    put.replaces_etag = NULL;
    assert_rc(w, LS_OK, put_with(w, put, "three"));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 1);
    assert_string_equal(object_text(w, KEY2), "three");
    assert_in_step(w, 0);
}

static void an_orphan_in_the_way_goes_to_trash(void **state)
{
    struct world *w = *state;
    object_write(w, KEY, "orphan");
    assert_rc(w, LS_OK, put_text(w, KEY, "bytes"));
    assert_string_equal(object_text(w, KEY), "bytes");
    assert_string_equal(object_text(w, sql_text(w, "SELECT trash_key FROM lockstep_trash WHERE key = '%s'", KEY)),
                        "orphan");
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE detail LIKE '%%orphan%%'"), 1);
    assert_in_step(w, 0);
}

static void a_lost_answer_is_resolved_by_looking(void **state)
{
    struct world *w = *state;
    struct fault *f = world_fault(
        w, (struct fault){.op = LS_STORE_OP_PUT, .key = "", .after = true, .rc = LS_OUTCOME_UNKNOWN, .at_hit = 1});
    assert_rc(w, LS_OK, put_text(w, KEY, "one"));
    assert_int_equal(f->fired, 1);
    world_no_faults(w);
    f = world_fault(
        w, (struct fault){.op = LS_STORE_OP_PUT, .key = "", .after = true, .rc = LS_OUTCOME_UNKNOWN, .at_hit = 1});
    assert_rc(w, LS_OK, put_text(w, KEY, "two"));
    assert_int_equal(f->fired, 1);
    assert_in_step(w, 0);
}

static void an_upload_that_never_arrived_changes_nothing(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, KEY, "one"));
    struct fault *f = world_fault(w, (struct fault){.op = LS_STORE_OP_PUT, .key = "", .rc = LS_OUTCOME_UNKNOWN});
    assert_rc(w, LS_TRANSIENT, put_text(w, KEY, "two"));
    assert_rc(w, LS_TRANSIENT, put_text(w, KEY2, "two"));
    assert_int_equal(f->fired, 2);
    assert_string_equal(object_text(w, KEY), "one");
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE outcome = 'undone'"), 2);
    assert_in_step(w, 0);
}

static void a_store_that_cannot_be_asked_leaves_the_outcome_to_recovery(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, KEY, "one"));
    world_fault(w, (struct fault){.op = LS_STORE_OP_PUT, .key = "", .after = true, .rc = LS_OUTCOME_UNKNOWN});
    world_fault(w, (struct fault){.op = LS_STORE_OP_HEAD, .key = "", .rc = LS_TRANSIENT});
    assert_rc(w, LS_OUTCOME_UNKNOWN, put_text(w, KEY, "two"));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_intent"), 1);
    world_no_faults(w);
    struct ls_recover_stats stats;
    must(w, ls_engine_recover(w->engine, &stats, &w->err));
    assert_int_equal(stats.forward, 1);
    assert_string_equal(object_text(w, KEY), "two");
    assert_in_step(w, 0);
}

static void the_next_operation_settles_what_is_in_its_way(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_PUT, .key = "", .after = true, .rc = LS_OUTCOME_UNKNOWN});
    world_fault(w, (struct fault){.op = LS_STORE_OP_HEAD, .key = "", .rc = LS_TRANSIENT});
    assert_rc(w, LS_OUTCOME_UNKNOWN, put_text(w, KEY, "one"));
    world_no_faults(w);
    assert_rc(w, LS_OK, put_text(w, KEY, "two"));
    assert_string_equal(object_text(w, KEY), "two");
    assert_in_step(w, 0);
}

static void overwrite_behind_our_back(struct world *w, const char *key) { object_write(w, key, "foreign"); }

static void a_foreign_object_is_not_overwritten(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, KEY, "one"));
    world_fault(w, (struct fault){.op = LS_STORE_OP_PUT, .key = "", .at_hit = 1, .then = overwrite_behind_our_back});
    assert_rc(w, LS_CONFLICT, put_text(w, KEY, "two"));
    assert_string_equal(object_text(w, KEY), "foreign");
    assert_string_equal(sql_text(w, "SELECT etag FROM lockstep_object"), md5_of("one"));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_intent"), 0);
}

static void insert_foreign_row(struct world *w, const char *key)
{
    sql(w, "INSERT INTO product_image (file_name) VALUES ('%s')", key);
}

static void a_foreign_row_that_appears_meanwhile_is_left_alone(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_PUT, .key = "", .after = true, .then = insert_foreign_row});
    assert_rc(w, LS_CONFLICT, put_text(w, KEY, "one"));
    assert_null(object_text(w, KEY));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image WHERE product_id IS NULL"), 1);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_intent"), 0);
}

static void a_row_without_object_is_filled(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, KEY, "one"));
    object_remove(w, KEY);
    assert_rc(w, LS_OK, put_text(w, KEY, "two"));
    assert_in_step(w, 0);
}

static void a_row_with_nothing_recorded_is_taken_over(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, KEY2, "other"));
    object_write(w, KEY, "one");
    sql(w, "INSERT INTO product_image (file_name) VALUES ('%s')", KEY);
    assert_rc(w, LS_OK, put_text(w, KEY, "two"));
    assert_string_equal(object_text(w, KEY), "two");
    assert_in_step(w, 0);
}

static void a_cancelled_engine_changes_nothing(void **state)
{
    struct world *w = *state;
    struct ls_engine *engine;
    atomic_bool cancel = true;
    struct world twin;
    world_twin(w, &twin);
    ls_engine_close(twin.engine);
    const struct ls_engine_opts opts = {
        .store = twin.store, .catalog = w->catalog, .layout = twin.layout, .kind = "test", .cancel = &cancel};
    struct ls_engine *mine = w->engine;
    twin.engine = NULL;
    if (ls_engine_open(&opts, &engine, &w->err) == LS_OK) {
        w->engine = engine;
        assert_rc(w, LS_CANCELLED, put_text(w, KEY, "one"));
        ls_engine_close(engine);
    }
    w->engine = mine;
    world_close(&twin);
    assert_in_step(w, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_image_has_object_row_parents_and_audit_line),
        TEST(a_put_without_make_parents_needs_the_variant),
        TEST(a_key_that_does_not_fit_is_refused),
        TEST(expectations_of_the_row_are_checked),
        TEST(the_same_name_keeps_its_row_and_gets_the_new_bytes),
        TEST(attributes_persist_in_row_and_answer),
        TEST(replacing_another_name_moves_its_row_and_removes_its_object),
        TEST(replacing_over_an_existing_name_leaves_one_row),
        TEST(an_orphan_in_the_way_goes_to_trash),
        TEST(a_lost_answer_is_resolved_by_looking),
        TEST(an_upload_that_never_arrived_changes_nothing),
        TEST(a_store_that_cannot_be_asked_leaves_the_outcome_to_recovery),
        TEST(the_next_operation_settles_what_is_in_its_way),
        TEST(a_foreign_object_is_not_overwritten),
        TEST(a_foreign_row_that_appears_meanwhile_is_left_alone),
        TEST(a_row_without_object_is_filled),
        TEST(a_row_with_nothing_recorded_is_taken_over),
        TEST(a_cancelled_engine_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
