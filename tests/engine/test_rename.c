/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rename of files and folders: rows and objects together, over existing ones, orphans, faults in the middle. */
#include "engine/world.h"

#define A IMG("500ml", "a.jpg")
#define B IMG("500ml", "b.jpg")
#define NEW "products/p1/500ml/info-card/n.jpg"
#define W1 "products/p1/500ml"
#define W2 "products/p1/750ml"

static int setup(void **state)
{
    world_setup(state);
    struct world *w = *state;
    must(w, put_text(w, A, "one"));
    must(w, put_text(w, B, "two"));
    must(w, put_text(w, "products/p1/500ml/info-card/c.jpg", "three"));
    must(w, put_text(w, IMG("1kg", "d.jpg"), "four"));
    return 0;
}

static enum ls_rc mv(struct world *w, const char *from, const char *to, unsigned flags)
{
    return ls_engine_rename(w->engine, from, to, flags, &w->err);
}

/* Run and expect that nothing but the error came of it. */
static void assert_unchanged(struct world *w, enum ls_rc expected, const char *from, const char *to)
{
    char *before = world_dump(w);
    assert_rc(w, expected, mv(w, from, to, 0));
    world_no_faults(w);
    char *after = world_dump(w);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* ---- files ---- */

static void a_file_moves_with_its_row(void **state)
{
    struct world *w = *state;
    int64_t id = sql_int(w, "SELECT id FROM product_image WHERE file_name = '%s'", A);
    assert_rc(w, LS_OK, mv(w, A, NEW, 0));
    assert_null(object_text(w, A));
    assert_string_equal(object_text(w, NEW), "one");
    assert_int_equal(sql_int(w, "SELECT id FROM product_image WHERE file_name = '%s'", NEW), id);
    assert_string_equal(sql_text(w, "SELECT image_url FROM product_image WHERE file_name = '%s'", NEW),
                        "http://images/" NEW);
    assert_string_equal(sql_text(w, "SELECT image_type FROM product_image WHERE file_name = '%s'", NEW), "info-card");
    assert_int_equal(
        sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE op = 'rename' AND key = '%s' AND dest = '%s'", A, NEW),
        1);
    assert_in_step(w, 0);
}

static void over_an_existing_file_replaces_it(void **state)
{
    struct world *w = *state;
    assert_rc(w, LS_EXISTS, mv(w, A, B, LS_RENAME_NOREPLACE));
    assert_rc(w, LS_OK, mv(w, A, B, 0));
    assert_null(object_text(w, A));
    assert_string_equal(object_text(w, B), "one");
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 3);
    assert_in_step(w, 0);
}

static void a_missing_source_and_bad_names_are_errors(void **state)
{
    struct world *w = *state;
    assert_unchanged(w, LS_NOT_FOUND, IMG("500ml", "none.jpg"), NEW);
    assert_unchanged(w, LS_INVALID, A, "products/p1/500ml/unknown/a.jpg");
    assert_unchanged(w, LS_INVALID, A, W2);
    assert_unchanged(w, LS_NOT_FOUND, A, IMG("2kg", "a.jpg"));
    assert_rc(w, LS_OK, mv(w, A, A, 0));
    assert_rc(w, LS_OK, mv(w, A, IMG("2kg", "a.jpg"), LS_RENAME_MAKE_PARENTS));
    assert_in_step(w, 0);
}

static void an_orphan_at_the_destination_goes_to_trash(void **state)
{
    struct world *w = *state;
    object_write(w, NEW, "orphan");
    assert_rc(w, LS_OK, mv(w, A, NEW, 0));
    assert_string_equal(object_text(w, NEW), "one");
    assert_string_equal(object_text(w, sql_text(w, "SELECT trash_key FROM lockstep_trash")), "orphan");
    assert_in_step(w, 0);
}

static void an_orphan_comes_back_when_the_rename_fails(void **state)
{
    struct world *w = *state;
    object_write(w, NEW, "orphan");
    sql_refuse(w, "UPDATE", "%");
    enum ls_rc rc = mv(w, A, NEW, 0);
    assert_int_not_equal(rc, LS_OK);
    assert_int_not_equal(rc, LS_OUTCOME_UNKNOWN);
    sql_allow(w);
    assert_string_equal(object_text(w, NEW), "orphan");
    assert_string_equal(object_text(w, A), "one");
    assert_in_step(w, 1);
}

static void a_copy_that_fails_changes_nothing(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .rc = LS_IO});
    assert_unchanged(w, LS_IO, A, NEW);
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .rc = LS_TRANSIENT});
    assert_unchanged(w, LS_TRANSIENT, A, B);
    assert_in_step(w, 0);
}

static void a_copy_whose_answer_is_lost_counts(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .after = true, .rc = LS_OUTCOME_UNKNOWN});
    assert_rc(w, LS_OK, mv(w, A, NEW, 0));
    assert_rc(w, LS_OK, mv(w, NEW, B, 0));
    assert_string_equal(object_text(w, B), "one");
    assert_in_step(w, 0);
}

static void rename_over_existing_keeps_old_bytes_when_copy_fails(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .rc = LS_OUTCOME_UNKNOWN});
    assert_unchanged(w, LS_TRANSIENT, A, B);
    assert_string_equal(object_text(w, B), "two");
    assert_in_step(w, 0);
}

static void rename_over_existing_goes_forward_once_the_bytes_are_replaced(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .after = true, .rc = LS_IO});
    assert_rc(w, LS_OK, mv(w, A, B, 0));
    assert_string_equal(object_text(w, B), "one");
    assert_in_step(w, 0);
}

static void overwrite_source(struct world *w, const char *key)
{
    (void)key;
    object_write(w, A, "foreign");
}

static void a_source_that_somebody_overwrote_is_a_conflict(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .then = overwrite_source});
    assert_rc(w, LS_CONFLICT, mv(w, A, NEW, 0));
    assert_string_equal(object_text(w, A), "foreign");
    assert_null(object_text(w, NEW));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_intent"), 0);
}

static void a_source_overwritten_after_the_copy_survives(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .after = true, .then = overwrite_source});
    assert_rc(w, LS_OK, mv(w, A, NEW, 0));
    assert_string_equal(object_text(w, A), "foreign");
    assert_string_equal(object_text(w, NEW), "one");
    assert_in_step(w, 1);
}

static void delete_row(struct world *w, const char *key)
{
    (void)key;
    sql(w, "DELETE FROM product_image WHERE file_name = '%s'", A);
}

static void a_row_that_the_application_deleted_is_a_conflict(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .after = true, .then = delete_row, .at_hit = 1});
    assert_rc(w, LS_CONFLICT, mv(w, A, NEW, 0));
    assert_null(object_text(w, NEW));
    assert_string_equal(object_text(w, A), "one");
    assert_in_step(w, 1);
    /* Over an existing one the bytes are gone already: its row tells the truth. */
    must(w, put_text(w, A, "one"));
    world_no_faults(w);
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .after = true, .then = delete_row, .at_hit = 1});
    assert_rc(w, LS_CONFLICT, mv(w, A, B, 0));
    assert_string_equal(object_text(w, B), "one");
    assert_in_step(w, 1);
}

static void remove_source(struct world *w, const char *key)
{
    (void)key;
    object_remove(w, A);
}

static void the_last_copy_is_never_removed_by_undoing(void **state)
{
    struct world *w = *state;
    world_fault(w,
                (struct fault){
                    .op = LS_STORE_OP_COPY, .key = "", .after = true, .then = remove_source, .rc = LS_IO, .at_hit = 1});
    assert_rc(w, LS_IO, mv(w, A, NEW, 0));
    assert_string_equal(object_text(w, A), "one");
    assert_in_step(w, 0);
}

static void a_foreign_object_at_an_existing_destination_is_a_conflict(void **state)
{
    struct world *w = *state;
    object_write(w, B, "foreign");
    assert_rc(w, LS_CONFLICT, mv(w, A, B, 0));
    assert_string_equal(object_text(w, B), "foreign");
}

static void a_source_that_cannot_be_deleted_is_said_and_left(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_REMOVE, .key = "", .rc = LS_DENIED});
    assert_rc(w, LS_OK, mv(w, A, NEW, 0));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE detail LIKE '%%refuses%%'"), 1);
    assert_in_step(w, 1);
}

/* ---- folders ---- */

static void a_weight_change_moves_everything_and_keeps_the_variant(void **state)
{
    struct world *w = *state;
    int64_t id = sql_int(w, "SELECT id FROM product_variant WHERE weight = '500ml'");
    must(w, ls_engine_variant_set_active(w->engine, "p1", "500ml", false, &w->err));
    must(w, ls_engine_mkdir(w->engine, W1 "/other-images", NULL, &w->err));
    assert_rc(w, LS_OK, ls_engine_variant_rename(w->engine, "p1", "500ml", "750ml", &w->err));
    assert_int_equal(sql_int(w, "SELECT id FROM product_variant WHERE weight = '750ml' AND NOT is_active"), id);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image WHERE variant_weight = '750ml'"), 3);
    assert_string_equal(object_text(w, IMG("750ml", "a.jpg")), "one");
    assert_null(object_text(w, A));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_folder WHERE path = '" W2 "/other-images'"), 1);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE op = 'rename'"), 1);
    assert_in_step(w, 0);
}

static void a_misfiled_row_of_the_variant_follows_in_its_columns_only(void **state)
{
    struct world *w = *state;
    sql(w, "UPDATE product_image SET variant_id = (SELECT id FROM product_variant WHERE weight = '500ml') "
           "WHERE file_name LIKE '%%d.jpg'");
    assert_rc(w, LS_OK, mv(w, W1, W2, 0));
    assert_string_equal(sql_text(w, "SELECT variant_weight FROM product_image WHERE file_name LIKE '%%/1kg/%%'"),
                        "750ml");
    assert_string_equal(object_text(w, IMG("1kg", "d.jpg")), "four");
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_intent"), 0);
}

static void a_weight_moves_to_another_product(void **state)
{
    struct world *w = *state;
    assert_rc(w, LS_NOT_FOUND, mv(w, W1, "products/p2/500ml", 0));
    must(w, ls_engine_mkdir(w->engine, "products/p2", NULL, &w->err));
    assert_rc(w, LS_OK, mv(w, W1, "products/p2/500ml", 0));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image WHERE product_id = 'p2'"), 3);
    assert_in_step(w, 0);
}

static void a_product_moves_with_its_variants(void **state)
{
    struct world *w = *state;
    assert_rc(w, LS_OK, mv(w, "products/p1", "products/p9", 0));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product WHERE id = 'p1'"), 0);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_variant WHERE product_id = 'p9'"), 2);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image WHERE product_id = 'p9'"), 4);
    assert_in_step(w, 0);
}

static void a_type_folder_retypes_its_images(void **state)
{
    struct world *w = *state;
    assert_rc(w, LS_NOT_EMPTY, mv(w, W1 "/hero-card", W1 "/info-card", 0));
    assert_rc(w, LS_OK, mv(w, W1 "/hero-card", "products/p1/1kg/other-images", 0));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image WHERE image_type = 'other-images' "
                                "AND variant_weight = '1kg'"),
                     2);
    assert_in_step(w, 0);
}

static void an_existing_empty_folder_is_replaced_a_full_one_not(void **state)
{
    struct world *w = *state;
    must(w, ls_engine_variant_create(w->engine, "p1", "750ml", &w->err));
    assert_rc(w, LS_EXISTS, mv(w, W1, W2, LS_RENAME_NOREPLACE));
    assert_unchanged(w, LS_NOT_EMPTY, W1, "products/p1/1kg");
    assert_rc(w, LS_OK, mv(w, W1, W2, 0));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_variant"), 2);
    assert_in_step(w, 0);
    assert_rc(w, LS_NOT_FOUND, mv(w, W1, "products/p1/x", 0));
}

static void an_empty_variant_is_renamed_too(void **state)
{
    struct world *w = *state;
    must(w, ls_engine_variant_create(w->engine, "p1", "2kg", &w->err));
    assert_rc(w, LS_OK, mv(w, "products/p1/2kg", "products/p1/3kg", 0));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_variant WHERE weight = '3kg'"), 1);
    assert_in_step(w, 0);
}

static void orphans_at_the_destination_go_to_trash_others_stay(void **state)
{
    struct world *w = *state;
    object_write(w, IMG("750ml", "a.jpg"), "in the way");
    object_write(w, IMG("750ml", "z.jpg"), "beside");
    object_write(w, IMG("500ml", "y.jpg"), "behind");
    assert_rc(w, LS_OK, mv(w, W1, W2, 0));
    assert_string_equal(object_text(w, sql_text(w, "SELECT trash_key FROM lockstep_trash")), "in the way");
    assert_string_equal(object_text(w, IMG("750ml", "z.jpg")), "beside");
    assert_string_equal(object_text(w, IMG("500ml", "y.jpg")), "behind");
    assert_in_step(w, 2);
}

static void one_failing_copy_undoes_the_whole_folder(void **state)
{
    struct world *w = *state;
    object_write(w, IMG("750ml", "a.jpg"), "in the way");
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = W1 "/info-card", .rc = LS_IO});
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = W2 "/info-card", .rc = LS_IO});
    assert_unchanged(w, LS_IO, W1, W2);
    assert_in_step(w, 1);
}

static void insert_row_below(struct world *w, const char *key)
{
    (void)key;
    sql(w,
        "INSERT INTO product_image (file_name, product_id, variant_weight, image_type, image_url, "
        "variant_id) "
        "SELECT 'products/p1/500ml/hero-card/late.jpg', product_id, variant_weight, image_type, "
        "'http://images/products/p1/500ml/hero-card/late.jpg', variant_id FROM product_image WHERE file_name = '%s' ON "
        "CONFLICT DO NOTHING",
        A);
    object_write(w, IMG("500ml", "late.jpg"), "late");
}

static void a_row_that_appears_meanwhile_is_a_conflict(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .then = insert_row_below, .at_hit = 1});
    assert_rc(w, LS_CONFLICT, mv(w, W1, W2, 0));
    assert_null(object_text(w, IMG("750ml", "a.jpg")));
    assert_string_equal(object_text(w, A), "one");
    assert_in_step(w, 0);
}

static void many_images_move_in_one_transaction(void **state)
{
    struct world *w = *state;
    char key[64];
    for (int i = 0; i < 130; i++) {
        snprintf(key, sizeof(key), IMG("500ml", "%03d.jpg"), i);
        must(w, put_text(w, key, key));
    }
    assert_rc(w, LS_OK, mv(w, W1, W2, 0));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image WHERE variant_weight = '750ml'"), 133);
    assert_in_step(w, 0);
}

static void rows_with_nothing_recorded_move_and_get_a_record(void **state)
{
    struct world *w = *state;
    sql_forget(w);
    assert_rc(w, LS_OK, mv(w, W1, W2, 0));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_object WHERE etag <> ''"), 3);
    assert_in_step(w, 0);
    object_remove(w, IMG("1kg", "d.jpg"));
    assert_rc(w, LS_CONFLICT, mv(w, IMG("1kg", "d.jpg"), IMG("1kg", "e.jpg"), 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_moves_with_its_row),
        TEST(over_an_existing_file_replaces_it),
        TEST(a_missing_source_and_bad_names_are_errors),
        TEST(an_orphan_at_the_destination_goes_to_trash),
        TEST(an_orphan_comes_back_when_the_rename_fails),
        TEST(a_copy_that_fails_changes_nothing),
        TEST(a_copy_whose_answer_is_lost_counts),
        TEST(rename_over_existing_keeps_old_bytes_when_copy_fails),
        TEST(rename_over_existing_goes_forward_once_the_bytes_are_replaced),
        TEST(a_source_that_somebody_overwrote_is_a_conflict),
        TEST(a_source_overwritten_after_the_copy_survives),
        TEST(a_row_that_the_application_deleted_is_a_conflict),
        TEST(the_last_copy_is_never_removed_by_undoing),
        TEST(a_foreign_object_at_an_existing_destination_is_a_conflict),
        TEST(a_source_that_cannot_be_deleted_is_said_and_left),
        TEST(a_weight_change_moves_everything_and_keeps_the_variant),
        TEST(a_misfiled_row_of_the_variant_follows_in_its_columns_only),
        TEST(a_weight_moves_to_another_product),
        TEST(a_product_moves_with_its_variants),
        TEST(a_type_folder_retypes_its_images),
        TEST(an_existing_empty_folder_is_replaced_a_full_one_not),
        TEST(an_empty_variant_is_renamed_too),
        TEST(orphans_at_the_destination_go_to_trash_others_stay),
        TEST(one_failing_copy_undoes_the_whole_folder),
        TEST(a_row_that_appears_meanwhile_is_a_conflict),
        TEST(many_images_move_in_one_transaction),
        TEST(rows_with_nothing_recorded_move_and_get_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
