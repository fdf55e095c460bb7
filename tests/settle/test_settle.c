/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Settling: what another program did with SQL is done in the bucket, once, and nothing else is. */
#include "engine/world.h"

#include "base/failpoint.h"
#include "lockstep/settle.h"

#define A IMG("500ml", "a.jpg")
#define B IMG("500ml", "b.jpg")
#define C IMG("500ml", "c.jpg")
#define OTHER "products/p2/1kg/info-card/o.jpg"
#define SET_WEIGHT(from, to) "UPDATE product_variant SET weight = '" to "' WHERE weight = '" from "'"
#define INSERT_ROW                                                                                                     \
    "INSERT INTO product_image (product_id, variant_id, variant_weight, image_type, file_name, image_url) "            \
    "SELECT product_id, id, weight, 'hero-card', '%s', 'http://images/%s' FROM product_variant WHERE weight = '500ml'"
#define REKEY "UPDATE product_image SET file_name = '%s' WHERE file_name = '%s'"
#define DELETE_ROW "DELETE FROM product_image WHERE file_name = '%s'"

static struct ls_settle *settle_of(struct world *w, enum ls_settle_policy policy)
{
    const struct ls_settle_opts opts = {
        .engine = w->engine, .weight = policy, .deletion = policy, .insertion = policy, .key = policy};
    struct ls_settle *settle;
    must(w, ls_settle_open(&opts, &settle, &w->err));
    return settle;
}

static struct ls_settle_stats run(struct world *w, struct ls_settle *settle)
{
    struct ls_settle_stats stats;
    must(w, ls_settle_run(settle, &stats, &w->err));
    assert_true(stats.leader);
    return stats;
}

static int64_t cursor(const struct world *w)
{
    return sql_int(w, "SELECT CAST(value AS bigint) FROM lockstep_meta WHERE name = 'settle.cursor'");
}

/* Two images of p1, one that nobody has business with; and a settler that begins here. */
static struct ls_settle *start(struct world *w)
{
    must(w, put_text(w, A, "one"));
    must(w, put_text(w, B, "two"));
    must(w, put_text(w, OTHER, "other"));
    struct ls_settle *settle = settle_of(w, LS_SETTLE_ACT);
    struct ls_settle_stats stats = run(w, settle);
    assert_int_equal(stats.changes, 0); /* the first settler begins at the newest change */
    return settle;
}

/* All is settled, in step, and done only once. */
static void end(struct world *w, struct ls_settle *settle, int orphans)
{
    struct ls_settle_stats again = run(w, settle);
    if (again.moved + again.trashed + again.recorded + again.left > 0)
        fail_msg("something was settled twice");
    assert_in_step(w, orphans);
    assert_string_equal(object_text(w, OTHER), "other");
    ls_settle_close(settle);
}

#define assert_object(w, key, text) assert_string_equal(object_text(w, key), text)

/* ---- each kind of change ---- */

static void a_changed_weight_takes_its_objects_along(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    must(w, ls_engine_mkdir(w->engine, "products/p1/500ml/info-card", NULL, &w->err));
    sql(w, SET_WEIGHT("500ml", "750ml"));
    assert_int_equal(run(w, settle).moved, 2);
    assert_object(w, IMG("750ml", "a.jpg"), "one");
    assert_object(w, IMG("750ml", "b.jpg"), "two");
    assert_null(object_text(w, A));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image WHERE variant_weight = '750ml'"), 2);
    assert_int_equal(
        sql_int(w, "SELECT count(*) FROM lockstep_folder WHERE path = '%s'", "products/p1/750ml/info-card"), 1);
    end(w, settle, 0);
}

static void a_variant_that_moves_to_another_product_and_a_renamed_product_take_theirs(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    sql(w, "UPDATE product_variant SET product_id = 'p2' WHERE weight = '500ml'");
    assert_int_equal(run(w, settle).moved, 2);
    assert_object(w, "products/p2/500ml/hero-card/a.jpg", "one");
    sql(w, "UPDATE product SET id = 'p3' WHERE id = 'p2'");
    assert_int_equal(run(w, settle).moved, 3);
    assert_object(w, "products/p3/500ml/hero-card/a.jpg", "one");
    assert_object(w, "products/p3/1kg/info-card/o.jpg", "other");
    sql(w, "UPDATE product SET id = 'p2' WHERE id = 'p3'");
    assert_int_equal(run(w, settle).moved, 3);
    end(w, settle, 0);
}

static void the_object_of_a_deleted_row_goes_to_trash(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    sql(w, DELETE_ROW, A);
    struct ls_settle_stats stats = run(w, settle);
    assert_int_equal(stats.trashed, 1);
    assert_null(object_text(w, A));
    assert_object(w, B, "two");
    assert_string_equal(sql_text(w, "SELECT reason FROM lockstep_trash"), "deleted");
    sql(w, "DELETE FROM product_image WHERE product_id = 'p1'");
    sql(w, "DELETE FROM product_variant WHERE product_id = 'p1'");
    sql(w, "DELETE FROM product WHERE id = 'p1'");
    assert_int_equal(run(w, settle).trashed, 1);
    assert_null(object_text(w, B));
    end(w, settle, 0);
}

static void an_object_that_changed_since_stays_for_a_scan(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    object_write(w, A, "newer");
    sql(w, DELETE_ROW, A);
    struct ls_settle_stats stats = run(w, settle);
    assert_int_equal(stats.left, 1);
    assert_object(w, A, "newer");
    object_write(w, B, "newer too");
    sql(w, REKEY, C, B);
    assert_int_equal(run(w, settle).left, 1);
    assert_object(w, B, "newer too");
    assert_null(object_text(w, C));
    ls_settle_close(settle);
}

static void an_inserted_row_gets_its_record_and_nothing_else(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    object_write(w, C, "three");
    sql(w, INSERT_ROW, C, C);
    sql(w, INSERT_ROW, IMG("500ml", "later.jpg"), IMG("500ml", "later.jpg"));
    sql(w, "UPDATE product_image SET image_type = 'hero-card' WHERE file_name = '%s'", C);
    struct ls_settle_stats stats = run(w, settle);
    assert_int_equal(stats.recorded, 1);
    assert_int_equal(stats.left, 0);
    assert_string_equal(sql_text(w, "SELECT etag FROM lockstep_object WHERE key = '%s'", C), md5_of("three"));
    assert_string_equal(sql_text(w, "SELECT image_url FROM product_image WHERE file_name = '%s'", C),
                        "http://images/" C);
    object_write(w, IMG("500ml", "later.jpg"), "four");
    sql(w, DELETE_ROW, IMG("500ml", "later.jpg")); /* nothing was recorded of it */
    assert_int_equal(run(w, settle).left, 1);
    end(w, settle, 1);
}

static void an_object_follows_its_rows_new_key(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    sql(w, REKEY, IMG("750ml", "n.jpg"), A);
    assert_int_equal(run(w, settle).moved, 1);
    assert_object(w, IMG("750ml", "n.jpg"), "one");
    assert_null(object_text(w, A));
    /* The application moved the object itself. */
    object_write(w, C, "two");
    object_remove(w, B);
    sql(w, REKEY, C, B);
    assert_int_equal(run(w, settle).moved, 1);
    assert_object(w, C, "two");
    end(w, settle, 0);
}

static void keys_that_make_room_for_each_other_are_done_in_order(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    sql(w, "BEGIN; " REKEY "; " REKEY "; COMMIT", C, B, B, A); /* b to c, then a to b */
    assert_int_equal(run(w, settle).moved, 2);
    assert_object(w, C, "two");
    assert_object(w, B, "one");
    /* What lies in the way belonged to a row that was deleted in the same transaction. */
    sql(w, "BEGIN; " DELETE_ROW "; " REKEY "; COMMIT", C, C, B);
    assert_int_equal(run(w, settle).moved, 1);
    assert_object(w, C, "one");
    assert_true(sql_int(w, "SELECT count(*) FROM lockstep_trash WHERE key = '%s'", C) == 1);
    end(w, settle, 0);
}

static void rows_that_changed_places_stay_for_a_scan(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    sql(w, "BEGIN; " REKEY "; " REKEY "; " REKEY "; COMMIT", C, A, A, B, B, C);
    struct ls_settle_stats stats = run(w, settle);
    assert_int_equal(stats.left, 2);
    assert_object(w, A, "one");
    assert_object(w, B, "two");
    ls_settle_close(settle);
}

static void a_weight_that_another_variant_leaves_is_free(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    must(w, put_text(w, IMG("750ml", "a.jpg"), "three"));
    sql(w, "BEGIN; " SET_WEIGHT("750ml", "1l") "; " SET_WEIGHT("500ml", "750ml") "; COMMIT");
    assert_int_equal(run(w, settle).moved, 3);
    assert_object(w, IMG("1l", "a.jpg"), "three");
    assert_object(w, IMG("750ml", "a.jpg"), "one");
    end(w, settle, 0);
}

/* ---- folding ---- */

static void rolled_back_changes_and_those_that_cancel_each_other_do_nothing(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    char *before = world_dump(w);
    sql(w, "BEGIN; " DELETE_ROW "; " SET_WEIGHT("500ml", "750ml") "; ROLLBACK", A);
    assert_int_equal(run(w, settle).changes, 0);
    sql(w, "BEGIN; " SET_WEIGHT("500ml", "x") "; " SET_WEIGHT("x", "500ml") "; " REKEY "; " REKEY "; COMMIT", C, A, A,
        C);
    sql(w, "BEGIN; " INSERT_ROW "; " DELETE_ROW "; COMMIT", C, C, C);
    struct ls_settle_stats stats = run(w, settle);
    assert_true(stats.changes > 0);
    assert_int_equal(stats.moved + stats.trashed + stats.recorded + stats.left, 0);
    char *after = world_dump(w);
    assert_string_equal(after, before);
    free(before);
    free(after);
    end(w, settle, 0);
}

static void a_transaction_with_everything_in_it_is_settled_as_a_whole(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    object_write(w, C, "three");
    sql(w,
        "BEGIN; " SET_WEIGHT("500ml", "x") "; " DELETE_ROW "; UPDATE product_variant SET weight = '500ml'"
                                           " WHERE weight = 'x'; " INSERT_ROW
                                           "; " SET_WEIGHT("500ml", "750ml") "; COMMIT",
        A, C, C);
    sql(w, "UPDATE product_image SET variant_weight = '750ml' WHERE product_id = 'p1'");
    struct ls_settle_stats stats = run(w, settle);
    assert_int_equal(stats.trashed, 1);
    assert_int_equal(stats.recorded, 1);
    assert_int_equal(stats.moved, 2);
    assert_object(w, IMG("750ml", "b.jpg"), "two");
    assert_object(w, IMG("750ml", "c.jpg"), "three");
    end(w, settle, 0);
}

static void our_own_operations_go_on_from_what_the_application_did(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    sql(w, SET_WEIGHT("500ml", "750ml"));
    must(w, ls_engine_variant_rename(w->engine, "p1", "750ml", "1l", &w->err)); /* its images are still at 500ml */
    must(w, put_text(w, IMG("1l", "d.jpg"), "four"));
    assert_int_equal(run(w, settle).moved, 2);
    assert_object(w, IMG("1l", "a.jpg"), "one");
    end(w, settle, 0);
}

static void rekey_again(struct world *w, const char *key)
{
    (void)key;
    world_no_faults(w);
    sql(w, REKEY, IMG("500ml", "z.jpg"), C);
    sql(w, DELETE_ROW, IMG("500ml", "d.jpg"));
}

static void rows_that_change_while_their_objects_are_copied_are_followed_further(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    sql(w, REKEY, C, A);
    sql(w, REKEY, IMG("500ml", "d.jpg"), B);
    struct fault *fault =
        world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .at_hit = 1, .then = rekey_again});
    struct ls_settle_stats stats = run(w, settle);
    assert_int_equal(fault->fired, 1);
    assert_int_equal(stats.moved, 1);
    assert_int_equal(stats.trashed, 1);
    assert_int_equal(stats.left, 0);
    assert_object(w, IMG("500ml", "z.jpg"), "one");
    end(w, settle, 0);
}

/* ---- policies, failures, leaders ---- */

static void by_policy_it_only_reports_or_does_nothing(void **state)
{
    struct world *w = *state;
    ls_settle_close(start(w));
    for (int p = LS_SETTLE_REPORT; p <= LS_SETTLE_IGNORE; p++) {
        struct ls_settle *settle = settle_of(w, (enum ls_settle_policy)p);
        object_write(w, C, "three");
        sql(w, INSERT_ROW, C, C);
        sql(w, SET_WEIGHT("500ml", "750ml"));
        sql(w, SET_WEIGHT("750ml", "500ml"));
        (void)run(w, settle);
        sql(w, SET_WEIGHT("500ml", "750ml"));
        sql(w, REKEY, IMG("500ml", "z.jpg"), A);
        sql(w, DELETE_ROW, C);
        struct ls_settle_stats stats = run(w, settle);
        assert_int_equal(stats.moved + stats.trashed + stats.recorded + stats.left, 0);
        assert_int_equal(stats.reported, p == LS_SETTLE_REPORT ? 3 : 0);
        sql(w, SET_WEIGHT("750ml", "500ml"));
        sql(w, REKEY, A, IMG("500ml", "z.jpg"));
        (void)run(w, settle);
        object_remove(w, C);
        assert_in_step(w, 0);
        ls_settle_close(settle);
    }
}

static void while_the_store_is_away_the_cursor_stays(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    struct ls_settle_stats stats;
    struct ls_settle_state state_now;
    int64_t before = cursor(w);
    sql(w, DELETE_ROW, A);
    struct fault *fault = world_fault(w, (struct fault){.op = LS_STORE_OP_HEAD, .key = "", .rc = LS_TRANSIENT});
    assert_rc(w, LS_TRANSIENT, ls_settle_run(settle, &stats, &w->err));
    assert_true(fault->fired > 0);
    assert_int_equal(cursor(w), before);
    must(w, ls_settle_state_read(w->catalog, &state_now, &w->err));
    assert_true(state_now.started && state_now.alive);
    assert_int_equal(state_now.behind, 1);
    world_no_faults(w);
    assert_int_equal(run(w, settle).trashed, 1);
    assert_true(cursor(w) > before);
    must(w, ls_settle_state_read(w->catalog, &state_now, &w->err));
    assert_int_equal(state_now.behind, 0);
    end(w, settle, 0);
}

static void lost_changes_are_said_and_settling_goes_on(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    sql(w, DELETE_ROW, A);
    sql(w, world_is_pg ? "TRUNCATE product_image" : "DELETE FROM lockstep_change");
    if (world_is_pg)
        sql(w, "INSERT INTO product (id) VALUES ('p9')");
    struct ls_settle_stats stats = run(w, settle);
    assert_int_equal(stats.trashed, 0);
    object_write(w, C, "three");
    sql(w, INSERT_ROW, C, C);
    assert_int_equal(run(w, settle).recorded, 1);
    ls_settle_close(settle);
}

static void one_settles_and_the_other_takes_over(void **state)
{
    struct world *w = *state, twin;
    struct ls_settle *first = start(w);
    struct ls_settle_stats stats;
    world_twin(w, &twin);
    struct ls_settle *second = settle_of(&twin, LS_SETTLE_ACT);
    must(w, ls_settle_run(second, &stats, &w->err));
    assert_false(stats.leader);
    sql(w, DELETE_ROW, A);
    must(w, ls_settle_run(second, &stats, &w->err));
    assert_false(stats.leader);
    assert_object(w, A, "one");
    ls_settle_close(first);
    assert_int_equal(run(w, second).trashed, 1);
    ls_settle_close(second);
    world_close(&twin);
    end(w, settle_of(w, LS_SETTLE_ACT), 0);
}

static void who_was_overtaken_moves_no_cursor(void **state)
{
    struct world *w = *state;
    struct ls_settle *settle = start(w);
    struct ls_settle_stats stats;
    int64_t before = cursor(w);
    sql(w, DELETE_ROW, A);
    /* As if another process had taken the role while this one was stopped. */
    sql(w, "UPDATE lockstep_meta SET value = '77 01J00000000000000000000000' WHERE name = 'leader.settler'");
    must(w, ls_settle_run(settle, &stats, &w->err));
    assert_false(stats.leader);
    assert_int_equal(cursor(w), before);
    (void)run(w, settle); /* the role is free, so it is taken anew */
    assert_int_equal(sql_int(w, "SELECT CAST(substr(value, 1, 2) AS integer) FROM lockstep_meta "
                                "WHERE name = 'leader.settler'"),
                     78);
    assert_true(cursor(w) > before);
    end(w, settle, 0);
}

/* ---- interrupted anywhere ---- */

static struct {
    char names[256][64];
    size_t n;
} points;

static void add_point(void *ctx, const char *name)
{
    static const char *const begins[] = {"settle.", "engine.follow.", "engine.discard.", "engine.mend.", "engine.look"};
    (void)ctx;
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0 && points.n < 256)
            snprintf(points.names[points.n++], sizeof points.names[0], "%s", name);
}

static bool interrupted_at(struct world *w, const char *point)
{
    struct ls_settle *settle = start(w);
    struct ls_settle_stats stats;
    struct ls_recover_stats recovered;
    char spec[96];
    object_write(w, IMG("500ml", "new.jpg"), "new");
    sql(w,
        "BEGIN; " INSERT_ROW "; " DELETE_ROW
        "; " SET_WEIGHT("500ml", "750ml") "; " REKEY "; DELETE FROM product WHERE id = 'p9'; COMMIT",
        IMG("500ml", "new.jpg"), IMG("500ml", "new.jpg"), A, "products/p2/1kg/info-card/o2.jpg", OTHER);
    snprintf(spec, sizeof spec, "%s=error", point);
    must(w, ls_failpoint_arm(spec, &w->err));
    bool failed = ls_settle_run(settle, &stats, &w->err) != LS_OK;
    snprintf(spec, sizeof spec, "%s=error@1000000000", point); /* as good as disarmed */
    must(w, ls_failpoint_arm(spec, &w->err));
    /* A new process goes on. */
    must(w, ls_engine_recover(w->engine, &recovered, &w->err));
    ls_settle_close(settle);
    settle = settle_of(w, LS_SETTLE_ACT);
    (void)run(w, settle);
    struct ls_settle_stats again = run(w, settle);
    if (again.moved + again.trashed + again.recorded + again.left > 0)
        fail_msg("%s: something was settled twice", point);
    const char *wrong = world_wrong(w, 0);
    if (wrong)
        fail_msg("%s: %s", point, wrong);
    assert_object(w, IMG("750ml", "b.jpg"), "two");
    assert_object(w, IMG("750ml", "new.jpg"), "new");
    assert_object(w, "products/p2/1kg/info-card/o2.jpg", "other");
    if (sql_int(w, "SELECT count(*) FROM lockstep_trash") != 1)
        fail_msg("%s: not exactly one object is in trash", point);
    ls_settle_close(settle);
    return failed;
}

static void an_interruption_anywhere_is_made_good_exactly_once(void **state)
{
    (void)state;
    size_t fired = 0;
    ls_failpoint_list(add_point, NULL);
    if (points.n == 0)
        skip();
    for (size_t i = 0; i < points.n; i++) {
        void *made;
        world_setup(&made);
        fired += interrupted_at(made, points.names[i]);
        world_teardown(&made);
    }
    assert_true(fired >= 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_changed_weight_takes_its_objects_along),
        TEST(a_variant_that_moves_to_another_product_and_a_renamed_product_take_theirs),
        TEST(the_object_of_a_deleted_row_goes_to_trash),
        TEST(an_object_that_changed_since_stays_for_a_scan),
        TEST(an_inserted_row_gets_its_record_and_nothing_else),
        TEST(an_object_follows_its_rows_new_key),
        TEST(keys_that_make_room_for_each_other_are_done_in_order),
        TEST(rows_that_changed_places_stay_for_a_scan),
        TEST(a_weight_that_another_variant_leaves_is_free),
        TEST(rolled_back_changes_and_those_that_cancel_each_other_do_nothing),
        TEST(a_transaction_with_everything_in_it_is_settled_as_a_whole),
        TEST(our_own_operations_go_on_from_what_the_application_did),
        TEST(rows_that_change_while_their_objects_are_copied_are_followed_further),
        TEST(by_policy_it_only_reports_or_does_nothing),
        TEST(while_the_store_is_away_the_cursor_stays),
        TEST(lost_changes_are_said_and_settling_goes_on),
        TEST(one_settles_and_the_other_takes_over),
        TEST(who_was_overtaken_moves_no_cursor),
        cmocka_unit_test(an_interruption_anywhere_is_made_good_exactly_once),
    };
    world_catalog_make();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
