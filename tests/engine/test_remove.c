/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Remove: one and many, refusals, lost answers, foreign writers; and a variant with all it has. */
#include "engine/world.h"

#define A IMG("500ml", "a.jpg")
#define B IMG("500ml", "b.jpg")
#define C "products/p1/500ml/info-card/c.jpg"

static int setup(void **state)
{
    world_setup(state);
    struct world *w = *state;
    must(w, put_text(w, A, "one"));
    must(w, put_text(w, B, "two"));
    must(w, put_text(w, C, "three"));
    return 0;
}

static void rows_and_objects_go(void **state)
{
    struct world *w = *state;
    assert_rc(w, LS_OK, remove_keys(w, B, A));
    assert_null(object_text(w, A));
    assert_null(object_text(w, B));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 1);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE op = 'remove' AND outcome = 'done'"), 2);
    assert_in_step(w, 0);
}

static void a_missing_or_changed_one_stops_all(void **state)
{
    struct world *w = *state;
    struct ls_image_ref refs[] = {{.key = A}, {.key = B, .expect_etag = "other"}};
    assert_rc(w, LS_NOT_FOUND, remove_keys(w, A, IMG("500ml", "none.jpg")));
    assert_non_null(strstr(w->err.text, "none.jpg"));
    assert_rc(w, LS_CONFLICT, ls_engine_remove(w->engine, refs, 2, false, &w->err));
    assert_string_equal(object_text(w, A), "one");
    assert_in_step(w, 0);
}

static void keep_folder_leaves_the_emptied_type_folder(void **state)
{
    struct world *w = *state;
    struct ls_image_ref ref = {.key = C};
    must(w, ls_engine_remove(w->engine, &ref, 1, true, &w->err));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_folder WHERE path = 'products/p1/500ml/info-card'"), 1);
    assert_in_step(w, 0);
}

static void a_refusal_for_good_brings_the_rows_back(void **state)
{
    struct world *w = *state;
    char *before = world_dump(w);
    struct fault *f = world_fault(w, (struct fault){.op = LS_STORE_OP_REMOVE, .key = "", .rc = LS_DENIED});
    assert_rc(w, LS_DENIED, remove_keys(w, A, B));
    assert_true(f->fired >= 1);
    char *after = world_dump(w);
    assert_string_equal(after, before);
    free(before);
    free(after);
    assert_in_step(w, 0);
}

static void a_partial_refusal_settles_each_key(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_REMOVE, .key = "b.jpg", .rc = LS_DENIED});
    assert_rc(w, LS_DENIED, remove_keys(w, A, B));
    assert_null(object_text(w, A));
    assert_string_equal(object_text(w, B), "two");
    assert_in_step(w, 0);
}

static void a_store_that_is_down_is_waited_for_by_recovery(void **state)
{
    struct world *w = *state;
    struct ls_recover_stats stats;
    world_fault(w, (struct fault){.op = LS_STORE_OP_REMOVE, .key = "", .rc = LS_TRANSIENT});
    assert_rc(w, LS_OK, remove_keys(w, A, B));
    assert_string_equal(object_text(w, A), "one");
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 1);
    world_no_faults(w);
    must(w, ls_engine_recover(w->engine, &stats, &w->err));
    assert_int_equal(stats.forward, 1);
    assert_null(object_text(w, A));
    assert_in_step(w, 0);
}

static void closing_the_engine_settles_leftovers(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_REMOVE, .key = "", .rc = LS_TRANSIENT});
    assert_rc(w, LS_OK, remove_keys(w, A, NULL));
    world_no_faults(w);
    world_close(w);
    assert_in_step(w, 0);
}

static void a_lost_answer_counts_as_done_when_the_object_is_gone(void **state)
{
    struct world *w = *state;
    struct fault *f =
        world_fault(w, (struct fault){.op = LS_STORE_OP_REMOVE, .key = "", .after = true, .rc = LS_OUTCOME_UNKNOWN});
    assert_rc(w, LS_OK, remove_keys(w, A, B));
    assert_int_equal(f->fired, 2);
    assert_in_step(w, 0);
}

static void overwrite(struct world *w, const char *key)
{
    if (strstr(key, "a.jpg"))
        object_write(w, A, "foreign");
}

static void a_newer_foreign_object_survives(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_HEAD, .key = "a.jpg", .then = overwrite, .at_hit = 1});
    assert_rc(w, LS_OK, remove_keys(w, A, B));
    assert_string_equal(object_text(w, A), "foreign");
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE detail LIKE '%%somebody else%%'"), 2);
    assert_in_step(w, 1);
}

static void insert_row(struct world *w, const char *key)
{
    (void)key;
    sql(w, "INSERT INTO product_image (file_name) VALUES ('%s')", A);
}

static void an_object_that_a_new_row_points_at_survives(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_HEAD, .key = "a.jpg", .then = insert_row, .at_hit = 1});
    assert_rc(w, LS_OK, remove_keys(w, A, NULL));
    assert_string_equal(object_text(w, A), "one");
}

static void a_row_with_nothing_recorded_goes_with_its_object(void **state)
{
    struct world *w = *state;
    object_write(w, "products/p1/500ml/strange", "bytes");
    sql(w, "INSERT INTO product_image (file_name) VALUES ('products/p1/500ml/strange')");
    sql(w, "INSERT INTO product_image (file_name) VALUES ('%s')", IMG("500ml", "gone.jpg"));
    assert_rc(w, LS_OK, remove_keys(w, "products/p1/500ml/strange", IMG("500ml", "gone.jpg")));
    assert_null(object_text(w, "products/p1/500ml/strange"));
    assert_in_step(w, 0);
}

static void many_go_in_one_operation(void **state)
{
    struct world *w = *state;
    static char keys[150][64];
    struct ls_image_ref refs[150];
    for (int i = 0; i < 150; i++) {
        snprintf(keys[i], sizeof(keys[i]), IMG("1kg", "%03d.jpg"), i);
        must(w, put_text(w, keys[i], keys[i]));
        refs[i] = (struct ls_image_ref){.key = keys[149 - i]};
    }
    assert_rc(w, LS_OK, ls_engine_remove(w->engine, refs, 150, false, &w->err));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 3);
    assert_in_step(w, 0);
}

/* ---- a whole variant ---- */

static void a_variant_goes_with_all_its_images(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, IMG("1kg", "d.jpg"), "other"));
    object_write(w, IMG("500ml", "orphan.jpg"), "orphan");
    assert_rc(w, LS_OK, ls_engine_variant_delete(w->engine, "p1", "500ml", &w->err));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_variant"), 1);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 1);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE op = 'remove'"), 1);
    assert_in_step(w, 1); /* what is not the variant's stays for a scan to report */
    assert_rc(w, LS_NOT_FOUND, ls_engine_variant_delete(w->engine, "p1", "500ml", &w->err));
}

static void a_misfiled_image_goes_with_its_variant(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, IMG("1kg", "d.jpg"), "misfiled"));
    sql(w, "UPDATE product_image SET variant_id = (SELECT id FROM product_variant WHERE weight = '500ml') "
           "WHERE file_name LIKE '%%d.jpg'");
    assert_rc(w, LS_OK, ls_engine_variant_delete(w->engine, "p1", "500ml", &w->err));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 0);
    assert_in_step(w, 0);
}

static void a_refused_variant_comes_back_as_it_was(void **state)
{
    struct world *w = *state;
    must(w, ls_engine_variant_set_active(w->engine, "p1", "500ml", false, &w->err));
    char *before = world_dump(w);
    world_fault(w, (struct fault){.op = LS_STORE_OP_REMOVE, .key = "", .rc = LS_DENIED});
    assert_rc(w, LS_DENIED, ls_engine_variant_delete(w->engine, "p1", "500ml", &w->err));
    char *after = world_dump(w);
    assert_string_equal(after, before);
    free(before);
    free(after);
    assert_in_step(w, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_and_objects_go),
        TEST(a_missing_or_changed_one_stops_all),
        TEST(keep_folder_leaves_the_emptied_type_folder),
        TEST(a_refusal_for_good_brings_the_rows_back),
        TEST(a_partial_refusal_settles_each_key),
        TEST(a_store_that_is_down_is_waited_for_by_recovery),
        TEST(closing_the_engine_settles_leftovers),
        TEST(a_lost_answer_counts_as_done_when_the_object_is_gone),
        TEST(a_newer_foreign_object_survives),
        TEST(an_object_that_a_new_row_points_at_survives),
        TEST(a_row_with_nothing_recorded_goes_with_its_object),
        TEST(many_go_in_one_operation),
        TEST(a_variant_goes_with_all_its_images),
        TEST(a_misfiled_image_goes_with_its_variant),
        TEST(a_refused_variant_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
