/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several at once: threads of one engine, two engines on one catalog, instances that die. */
#include "engine/world.h"

#include <pthread.h>
#include <stdio.h>

#define A IMG("500ml", "a.jpg")
#define THREADS 8
#define ROUNDS 6

struct contender {
    struct world *w;
    int number;
    enum ls_rc rc;
};

static void *rename_it(void *arg)
{
    struct contender *c = arg;
    struct ls_err err = LS_ERR_INIT;
    char to[64];
    snprintf(to, sizeof(to), IMG("500ml", "to%d.jpg"), c->number);
    c->rc = ls_engine_rename(c->w->engine, A, to, 0, &err);
    return NULL;
}

static void contend(struct world *one, struct world *two)
{
    pthread_t threads[THREADS];
    struct contender contenders[THREADS];
    int won = 0;
    must(one, put_text(one, A, "bytes"));
    for (int i = 0; i < THREADS; i++) {
        contenders[i] = (struct contender){.w = i % 2 ? one : two, .number = i, .rc = LS_IO};
        assert_int_equal(pthread_create(&threads[i], NULL, rename_it, &contenders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        won += contenders[i].rc == LS_OK;
        if (contenders[i].rc != LS_OK)
            assert_true(contenders[i].rc == LS_NOT_FOUND || contenders[i].rc == LS_BUSY);
    }
    assert_int_equal(won, 1);
    assert_in_step(one, 0);
}

static void one_thread_wins_the_source(void **state)
{
    struct world *w = *state;
    contend(w, w);
}

static void one_of_two_engines_wins_the_source(void **state)
{
    struct world *w = *state, twin;
    world_twin(w, &twin);
    contend(w, &twin);
    world_close(&twin);
}

/* ---- many writers ---- */

static void *write_much(void *arg)
{
    struct contender *c = arg;
    for (int i = 0; i < ROUNDS && c->rc == LS_OK; i++) {
        struct world mine = {.engine = c->w->engine};
        char key[64], text[32];
        snprintf(key, sizeof(key), IMG("500ml", "%d.jpg"), (c->number + i) % 4);
        snprintf(text, sizeof(text), "%d of %d", i, c->number);
        c->rc = put_text(&mine, key, text);
    }
    return NULL;
}

static void writers_of_the_same_names_take_turns(void **state)
{
    struct world *w = *state, twin;
    pthread_t threads[THREADS];
    struct contender contenders[THREADS];
    world_close(w);
    w->claim_wait_ms = 60000; /* whoever comes last waits for all the others */
    world_open(w);
    world_twin(w, &twin);
    for (int i = 0; i < THREADS; i++) {
        contenders[i] = (struct contender){.w = i % 2 ? w : &twin, .number = i, .rc = LS_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, write_much, &contenders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(contenders[i].rc, LS_OK);
    world_close(&twin);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 4);
    assert_in_step(w, 0);
}

/* ---- claims ---- */

static struct world *other;
static enum ls_rc seen_rc;

static void put_below_meanwhile(struct world *w, const char *key)
{
    (void)w;
    (void)key;
    struct ls_err err = LS_ERR_INIT;
    other->err = err;
    seen_rc = put_text(other, IMG("500ml", "late.jpg"), "late");
}

static void an_operation_below_a_folder_on_the_move_is_busy(void **state)
{
    struct world *w = *state, twin;
    world_twin(w, &twin);
    must(w, put_text(w, A, "one"));
    other = &twin;
    world_fault(w, (struct fault){.op = LS_STORE_OP_COPY, .key = "", .then = put_below_meanwhile, .at_hit = 1});
    must(w, ls_engine_rename(w->engine, "products/p1/500ml", "products/p1/1kg", 0, &w->err));
    assert_int_equal(seen_rc, LS_BUSY);
    world_no_faults(w);
    must(&twin, put_text(&twin, IMG("500ml", "late.jpg"), "late"));
    world_close(&twin);
    assert_in_step(w, 0);
}

/* ---- instances ---- */

static void intents_of_the_living_are_left_alone_those_of_the_dead_not(void **state)
{
    struct world *w = *state, twin;
    struct ls_recover_stats stats;
    world_twin(w, &twin);
    world_fault(&twin, (struct fault){.op = LS_STORE_OP_PUT, .key = "", .after = true, .rc = LS_OUTCOME_UNKNOWN});
    world_fault(&twin, (struct fault){.op = LS_STORE_OP_HEAD, .key = "", .rc = LS_TRANSIENT});
    assert_int_equal(put_text(&twin, A, "one"), LS_OUTCOME_UNKNOWN);
    must(w, ls_engine_recover(w->engine, &stats, &w->err));
    assert_int_equal(stats.alive, 1);
    assert_int_equal(stats.found, 0);
    world_close(&twin); /* it cannot settle it either, and dies */
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_intent"), 1);
    must(w, ls_engine_recover(w->engine, &stats, &w->err));
    assert_int_equal(stats.found, 1);
    assert_int_equal(stats.back, 1);
    must(w, ls_engine_recover(w->engine, &stats, &w->err)); /* idempotent */
    assert_int_equal(stats.found, 0);
    assert_int_equal(sql_int(w, "SELECT count(*) FROM lockstep_audit WHERE outcome = 'recovered back'"), 1);
    assert_in_step(w, 0);
}

static void take_over(struct world *w, const char *key)
{
    (void)key;
    sql(w, "UPDATE lockstep_intent SET instance = 'somebody'");
}

static void a_process_that_was_cut_off_commits_nothing(void **state)
{
    struct world *w = *state;
    world_fault(w, (struct fault){.op = LS_STORE_OP_PUT, .key = "", .after = true, .then = take_over});
    assert_rc(w, LS_OUTCOME_UNKNOWN, put_text(w, A, "one"));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product_image"), 0);
    world_no_faults(w);
    world_close(w);
    world_open(w);
    assert_in_step(w, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_thread_wins_the_source),
        TEST(one_of_two_engines_wins_the_source),
        TEST(writers_of_the_same_names_take_turns),
        TEST(an_operation_below_a_folder_on_the_move_is_busy),
        TEST(intents_of_the_living_are_left_alone_those_of_the_dead_not),
        TEST(a_process_that_was_cut_off_commits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
