/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stores that can do less (no conditional PUT, etags that are no MD5), a catalog whose COMMIT answers get lost, and
 * what an operation costs.
 */
#include "engine/internal.h"
#include "engine/world.h"

#define A IMG("500ml", "a.jpg")
#define B IMG("500ml", "b.jpg")

/* ---- less capable stores ---- */

static void without_conditional_put_a_look_stands_in(void **state)
{
    struct world *w = *state;
    w->engine->caps.conditional_put = false;
    object_write(w, B, "orphan");
    assert_rc(w, LS_OK, put_text(w, A, "one"));
    assert_rc(w, LS_OK, put_text(w, A, "two"));
    assert_rc(w, LS_OK, put_text(w, B, "three"));
    assert_string_equal(object_text(w, sql_text(w, "SELECT trash_key FROM lockstep_trash")), "orphan");
    assert_in_step(w, 0);
    object_write(w, A, "foreign");
    assert_rc(w, LS_CONFLICT, put_text(w, A, "four"));
    assert_string_equal(object_text(w, A), "foreign");
}

static void copies_are_known_by_their_intent_where_etags_say_nothing(void **state)
{
    struct world *w = *state;
    w->engine->caps.etag_is_md5 = false;
    must(w, put_text(w, A, "one"));
    must(w, put_text(w, B, "two"));
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .after = true, .rc = LS_IO, .at_hit = 1});
    assert_rc(w, LS_IO, ls_engine_rename(w->engine, A, IMG("500ml", "c.jpg"), 0, &w->err));
    assert_in_step(w, 0); /* the copy was ours and is gone */
    world_no_faults(w);
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .after = true, .rc = LS_IO, .at_hit = 1});
    assert_rc(w, LS_OK, ls_engine_rename(w->engine, A, B, 0, &w->err));
    assert_string_equal(object_text(w, B), "one");
    must(w, ls_engine_rename(w->engine, "products/p1/500ml", "products/p1/1kg", 0, &w->err));
    assert_in_step(w, 0);
}

/* ---- lost answers of the catalog ---- */

static struct ls_catalog_ops lossy;
static const struct ls_catalog_ops *real;
static int commits, lose_at;
static bool do_it;

static enum ls_rc lossy_commit(struct ls_tx *tx, struct ls_err *err)
{
    if (++commits != lose_at)
        return real->commit(tx, err);
    if (do_it) {
        enum ls_rc rc = real->commit(tx, err);
        if (rc != LS_OK)
            return rc;
    } else {
        real->rollback(tx);
    }
    return ls_err_set(err, LS_OUTCOME_UNKNOWN, "the answer was lost");
}

static void lose_commit(struct world *w, int at, bool happens)
{
    real = w->catalog->ops;
    lossy = *real;
    lossy.commit = lossy_commit;
    w->catalog->ops = &lossy;
    commits = 0;
    lose_at = at;
    do_it = happens;
}

static enum ls_rc op_put(struct world *w) { return put_text(w, IMG("500ml", "n.jpg"), "bytes"); }
static enum ls_rc op_put_same(struct world *w) { return put_text(w, A, "bytes"); }
static enum ls_rc op_remove(struct world *w) { return remove_keys(w, A, NULL); }
static enum ls_rc op_rename(struct world *w) { return ls_engine_rename(w->engine, A, B, 0, &w->err); }
static enum ls_rc op_folder(struct world *w)
{
    return ls_engine_rename(w->engine, "products/p1/500ml", "products/p1/1kg", 0, &w->err);
}

/* Lose the nth answer of an operation, whether or not the commit happened. */
static bool lose(enum ls_rc (*op)(struct world *w), int at, bool happens)
{
    void *state;
    world_setup(&state);
    struct world *w = state;
    must(w, put_text(w, A, "one"));
    must(w, put_text(w, B, "two"));
    char *before = world_dump(w);
    lose_commit(w, at, happens);
    enum ls_rc rc = op(w);
    bool reached = commits >= at;
    w->catalog->ops = real;
    struct ls_recover_stats stats;
    must(w, ls_engine_recover(w->engine, &stats, &w->err));
    char *after = world_dump(w);
    if (rc == LS_OK)
        assert_string_not_equal(before, after);
    else
        assert_string_equal(before, after);
    if (happens) /* it was found out, so the operation went on */
        assert_int_equal(rc, LS_OK);
    assert_in_step(w, 0);
    free(before);
    free(after);
    world_teardown(&state);
    return reached;
}

static void a_commit_whose_answer_is_lost_is_resolved_from_the_intent(void **state)
{
    (void)state;
    enum ls_rc (*const ops[])(struct world *) = {op_put, op_put_same, op_remove, op_rename, op_folder};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        for (int happens = 0; happens < 2; happens++) {
            int at = 1;
            while (lose(ops[i], at, happens))
                at++;
            assert_true(at >= 3); /* each has at least two transactions */
        }
}

/* ---- a machine that crashes before a relaxed transaction reached the disk ---- */

static struct ls_tx *relaxed;
static int n_relaxed;

static enum ls_rc note_relaxed(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err)
{
    enum ls_rc rc = real->begin_relaxed(cat, out_tx, err);
    relaxed = *out_tx;
    n_relaxed++;
    return rc;
}

static enum ls_rc forget_relaxed(struct ls_tx *tx, struct ls_err *err)
{
    if (tx != relaxed)
        return real->commit(tx, err);
    relaxed = NULL;
    real->rollback(tx);
    return LS_OK;
}

static enum ls_rc op_put_in_place(struct world *w)
{
    return put_with(w, (struct ls_engine_put){.key = IMG("1kg", "c.jpg"), .replaces = A, .make_parents = true},
                    "three");
}

static void a_close_that_a_crash_took_back_is_repeated_by_the_recovery(void **state)
{
    (void)state;
    enum ls_rc (*const ops[])(struct world *) = {op_remove, op_rename, op_folder, op_put_in_place};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        void *one;
        world_setup(&one);
        struct world *w = one;
        must(w, put_text(w, A, "one"));
        must(w, put_text(w, B, "two"));
        real = w->catalog->ops;
        lossy = *real;
        lossy.begin_relaxed = note_relaxed;
        lossy.commit = forget_relaxed;
        w->catalog->ops = &lossy;
        n_relaxed = 0;
        must(w, ops[i](w));
        w->catalog->ops = real;
        assert_int_equal(n_relaxed, 1);
        char *before = world_dump(w);
        assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_intent"), 1);
        world_close(w);
        world_open(w);
        char *after = world_dump(w);
        assert_string_equal(before, after);
        assert_in_step(w, 0);
        free(before);
        free(after);
        world_teardown(&one);
    }
}

/* ---- costs ---- */

static int count_of(struct world *w, enum ls_rc (*op)(struct world *w), enum ls_store_op what, int *out_commits)
{
    world_no_faults(w);
    struct fault *f = world_fault(w, (struct fault){.op = what, .key = ""});
    lose_commit(w, -1, true);
    enum ls_rc rc = op(w);
    w->catalog->ops = real;
    must(w, rc);
    *out_commits = commits;
    return f->fired;
}

static int next_name;
static enum ls_rc put_another(struct world *w)
{
    char key[64];
    snprintf(key, sizeof(key), IMG("500ml", "%d.jpg"), next_name++);
    return put_text(w, key, "bytes");
}

static void a_put_costs_two_transactions_and_one_request(void **state)
{
    struct world *w = *state;
    int n;
    assert_int_equal(count_of(w, put_another, LS_STORE_OP_PUT, &n), 1);
    assert_int_equal(n, 2);
    assert_int_equal(count_of(w, put_another, LS_STORE_OP_HEAD, &n), 0);
    assert_int_equal(count_of(w, put_another, LS_STORE_OP_LIST, &n), 0);
    must(w, put_text(w, A, "one"));
    assert_int_equal(count_of(w, op_put_same, LS_STORE_OP_HEAD, &n), 0);
    assert_int_equal(n, 2);
}

static void a_remove_costs_two_transactions_one_look_and_one_delete(void **state)
{
    struct world *w = *state;
    int n;
    must(w, put_text(w, A, "one"));
    assert_int_equal(count_of(w, op_remove, LS_STORE_OP_HEAD, &n), 1);
    assert_int_equal(n, 2);
    must(w, put_text(w, A, "one"));
    assert_int_equal(count_of(w, op_remove, LS_STORE_OP_REMOVE, &n), 1);
}

static void a_folder_rename_costs_three_transactions_and_a_copy_each(void **state)
{
    struct world *w = *state;
    int n;
    for (int i = 0; i < 100; i++)
        must(w, put_another(w));
    assert_int_equal(count_of(w, op_folder, LS_STORE_OP_COPY, &n), 100);
    assert_int_equal(n, 3);
    must(w, ls_engine_rename(w->engine, "products/p1/1kg", "products/p1/500ml", 0, &w->err));
    assert_int_equal(count_of(w, op_folder, LS_STORE_OP_HEAD, &n), 0); /* listing looks at many at once */
    assert_in_step(w, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_conditional_put_a_look_stands_in),
        TEST(copies_are_known_by_their_intent_where_etags_say_nothing),
        cmocka_unit_test(a_commit_whose_answer_is_lost_is_resolved_from_the_intent),
        cmocka_unit_test(a_close_that_a_crash_took_back_is_repeated_by_the_recovery),
        TEST(a_put_costs_two_transactions_and_one_request),
        TEST(a_remove_costs_two_transactions_one_look_and_one_delete),
        TEST(a_folder_rename_costs_three_transactions_and_a_copy_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
