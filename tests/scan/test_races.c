/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scan beside writers: what changes in the middle of it is never reported as a difference, also without any grace.
 */
#include "scan/world.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

#define A "products/p1/500ml/hero-card/a.jpg"
#define B "products/p1/500ml/hero-card/b.jpg"

/* Run `once` at the arg-th call that matches. */
static bool due(struct world *w) { return atomic_fetch_add(&w->fired, 1) == w->arg; }

static void rename_now(struct world *w)
{
    struct ls_err err = LS_ERR_INIT;
    if (ls_engine_rename(w->engine, "products/p1/500ml", "products/p1/750ml", 0, &err))
        fail_msg("rename: %s", err.text);
}

static enum ls_rc rename_at_list(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    (void)key;
    (void)after;
    if (op == LS_STORE_OP_LIST && due(w))
        rename_now(w);
    return LS_OK;
}

static void a_folder_rename_between_any_two_list_calls_leaves_no_difference(void **state)
{
    struct world *w = *state;
    char key[128];
    for (int i = 0; i < 30; i++) {
        snprintf(key, sizeof key, "products/p1/500ml/hero-card/%02d.jpg", i);
        world_image(w, key, key);
    }
    int fired = 0;
    for (w->arg = 0; w->arg < 6; w->arg++) {
        atomic_store(&w->fired, 0);
        w->hook = rename_at_list;
        const struct ls_scan_totals *t = world_scan(w);
        w->hook = NULL;
        fired += atomic_load(&w->fired) > w->arg;
        assert_string_equal(world_keys(w, NULL), "");
        assert_int_equal(t->images, t->by_kind[LS_FINDING_SYNCED]);
        assert_int_equal(t->errors, 0);
        world_scan(w);
        world_in_step(w, 30);
        if (world_has_row(w, "products/p1/750ml/hero-card/00.jpg"))
            assert_int_equal(ls_engine_rename(w->engine, "products/p1/750ml", "products/p1/500ml", 0, NULL), LS_OK);
    }
    assert_true(fired >= 2);
}

static enum ls_rc upload_at_head(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    if (op == LS_STORE_OP_HEAD && strcmp(key, B) == 0 && !after && due(w))
        world_image(w, B, "b");
    return LS_OK;
}

/* B's object comes first as a foreign one, so that it is a suspect; while it is read again, our own upload ends. */
static void an_upload_that_ends_during_the_second_look_is_no_orphan(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_put(w, B, "foreign");
    w->hook = upload_at_head;
    world_scan(w);
    w->hook = NULL;
    assert_true(atomic_load(&w->fired) > 0);
    world_in_step(w, 2);
}

static enum ls_rc remove_at_list_end(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    (void)key;
    if (op == LS_STORE_OP_LIST && after && due(w)) {
        struct ls_image_ref ref = {.key = A};
        assert_int_equal(ls_engine_remove(w->engine, &ref, 1, false, NULL), LS_OK);
    }
    return LS_OK;
}

static void a_removal_after_the_listing_was_read_is_no_difference(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_image(w, B, "b");
    w->arg = 1; /* the first range is the one before lockstep's own keys */
    w->hook = remove_at_list_end;
    const struct ls_scan_totals *t = world_scan(w);
    assert_true(atomic_load(&w->fired) > 1);
    assert_string_equal(world_keys(w, NULL), "");
    assert_int_equal(t->by_kind[LS_FINDING_SYNCED], t->images);
}

/* An object and a row that lie and go again between the two looks must not be taken for what was there all along. */
static enum ls_rc there_and_back(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    struct ls_image_ref ref = {.key = B};
    if (op != LS_STORE_OP_HEAD || strcmp(key, B) != 0)
        return LS_OK;
    if (!after && due(w))
        world_image(w, B, "b");
    else if (after && atomic_load(&w->fired) == 1)
        assert_int_equal(ls_engine_remove(w->engine, &ref, 1, false, NULL), LS_OK);
    return LS_OK;
}

static void an_image_that_comes_and_goes_within_one_look_is_no_orphan(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_put(w, B, "foreign");
    w->hook = there_and_back;
    world_scan(w);
    assert_true(atomic_load(&w->fired) >= 1);
    assert_false(world_found(w, B));
    world_in_step(w, 1);
}

/* Write an open intent of an instance over a path. */
static void claim_by(struct world *w, const char *instance, const char *path, bool subtree)
{
    struct ls_tx *tx = NULL;
    struct ls_intent intent = {.op = LS_OP_PUT, .state = LS_INTENT_OPEN, .created_ns = 1};
    struct ls_claim claims = {path, subtree};
    ls_id_new(intent.id);
    snprintf(intent.instance, sizeof intent.instance, "%s", instance);
    assert_int_equal(w->cat->ops->begin(w->cat, &tx, NULL), LS_OK);
    assert_int_equal(w->cat->ops->intent_add(tx, &intent, &claims, 1, NULL, 0, NULL), LS_OK);
    assert_int_equal(w->cat->ops->commit(tx, NULL), LS_OK);
}

/* The same of a living one. */
static void claim(struct world *w, const char *path, bool subtree)
{
    claim_by(w, ls_engine_instance(w->engine), path, subtree);
}

static void an_unrecorded_scan_recovers_dead_intents_when_it_has_something_to_judge(void **state)
{
    struct world *w = *state;
    char dead[LS_INTENT_ID_LEN];
    world_image(w, A, "a");
    ls_id_new(dead);
    claim_by(w, dead, "products/p1/", true);
    w->opts.products = (const char *const[]){"p1", NULL};
    w->opts.unrecorded = true;
    world_scan(w);
    world_in_step(w, 1);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_intent"), 1);
    world_put(w, B, "b");
    assert_int_equal(world_scan(w)->by_kind[LS_FINDING_ORPHANED], 1); /* and not pending, as under a living one */
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_intent"), 0);
}

static void differences_under_an_open_intent_are_pending(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_delete(w, A);
    world_put(w, B, "b");
    world_put(w, "products/p2/1kg/hero-card/b.jpg", "b");
    claim(w, "products/p1/", true);
    const struct ls_scan_totals *t = world_scan(w);
    assert_int_equal(t->by_kind[LS_FINDING_PENDING], 2);
    assert_int_equal(t->by_kind[LS_FINDING_ORPHANED], 1);
    assert_int_equal(world_find(w, A)->kind, LS_FINDING_PENDING);
}

static enum ls_rc change_row_at_head(struct world *w, enum ls_store_op op, const char *key, bool after)
{
    if (op != LS_STORE_OP_HEAD || strcmp(key, A) != 0 || !after)
        return LS_OK;
    atomic_fetch_add(&w->fired, 1);
    world_sql(w, "UPDATE lockstep_object SET size=size+1");
    return LS_OK;
}

static void what_never_stops_changing_is_pending(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_put(w, A, "foreign");
    w->hook = change_row_at_head;
    const struct ls_scan_totals *t = world_scan(w);
    w->hook = NULL;
    assert_true(atomic_load(&w->fired) > 1);
    assert_int_equal(t->by_kind[LS_FINDING_PENDING], 1);
    assert_int_equal(t->images, 1);
}

/* ---- a busy engine beside scan after scan ---- */

struct busy {
    struct world *w;
    atomic_bool stop;
    atomic_int rounds;
    atomic_int rc; /* of the call that failed */
};

static void busy_round(struct busy *b, bool even)
{
    char key[128];
    const char *const folders[] = {"products/p1/500ml", "products/p1/1kg"};
    enum ls_rc rc = LS_OK;
    for (int i = 0; i < 5 && !rc; i++) {
        snprintf(key, sizeof key, "products/p2/1kg/other-images/new%d.jpg", i);
        rc = world_try_image(b->w, key, even ? "even" : "odd");
    }
    if (!rc)
        rc = ls_engine_rename(b->w->engine, folders[!even], folders[even], 0, &world_err);
    for (int i = 0; i < 5 && !rc; i++) {
        snprintf(key, sizeof key, "products/p2/1kg/other-images/new%d.jpg", i);
        struct ls_image_ref ref = {.key = key};
        rc = ls_engine_remove(b->w->engine, &ref, 1, false, &world_err);
    }
    if (rc) {
        print_message("beside the scan: %s\n", world_err.text);
        atomic_store(&b->rc, (int)rc);
    }
}

static void *be_busy(void *arg)
{
    struct busy *b = arg;
    while (!atomic_load(&b->stop) && !atomic_load(&b->rc)) {
        busy_round(b, atomic_load(&b->rounds) % 2 == 0);
        atomic_fetch_add(&b->rounds, 1);
    }
    return NULL;
}

static void scans_beside_uploads_renames_and_removals_report_nothing(void **state)
{
    struct world *w = *state;
    struct busy busy = {.w = w};
    pthread_t thread;
    char key[128];
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "products/p1/500ml/hero-card/%02d.jpg", i);
        world_image(w, key, key);
    }
    assert_int_equal(pthread_create(&thread, NULL, be_busy, &busy), 0);
    for (int i = 0; i < 60 || (atomic_load(&busy.rounds) < 4 && i < 2000); i++) {
        const struct ls_scan_totals *t = world_scan(w);
        uint64_t quiet = t->by_kind[LS_FINDING_SYNCED] + t->by_kind[LS_FINDING_PENDING];
        if (t->images != quiet || t->errors)
            print_message("%s\n", world_keys(w, NULL));
        assert_true(t->complete);
        assert_int_equal(t->images, quiet);
        assert_int_equal(t->errors, 0);
    }
    atomic_store(&busy.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&busy.rc), 0);
    assert_true(atomic_load(&busy.rounds) >= 4);
    world_scan(w);
    world_in_step(w, 40);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(a_folder_rename_between_any_two_list_calls_leaves_no_difference),
        T(an_upload_that_ends_during_the_second_look_is_no_orphan),
        T(a_removal_after_the_listing_was_read_is_no_difference),
        T(an_image_that_comes_and_goes_within_one_look_is_no_orphan),
        T(differences_under_an_open_intent_are_pending),
        T(an_unrecorded_scan_recovers_dead_intents_when_it_has_something_to_judge),
        T(what_never_stops_changing_is_pending),
        T(scans_beside_uploads_renames_and_removals_report_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
