/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pool and the parallel loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/workers.h"

static atomic_int count;
static pthread_barrier_t barrier;

static void add_one(void *job)
{
    (void)job;
    atomic_fetch_add(&count, 1);
}

static void meet(void *job)
{
    (void)job;
    pthread_barrier_wait(&barrier);
}

static void drain_waits_for_every_job(void **state)
{
    (void)state;
    struct ls_workers *pool;
    assert_int_equal(ls_workers_new("test", 3, &pool, NULL), LS_OK);
    ls_workers_drain(pool); /* nothing to wait for */
    atomic_store(&count, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ls_workers_add(pool, add_one, NULL), LS_OK);
    ls_workers_drain(pool);
    assert_int_equal(atomic_load(&count), 1000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ls_workers_add(pool, add_one, NULL), LS_OK);
    ls_workers_free(pool); /* drains as well */
    assert_int_equal(atomic_load(&count), 1010);
    ls_workers_free(NULL);
}

static void as_many_jobs_run_at_once_as_there_are_threads(void **state)
{
    (void)state;
    struct ls_workers *pool;
    assert_int_equal(ls_workers_new("test", 4, &pool, NULL), LS_OK);
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 12; i++)
        assert_int_equal(ls_workers_add(pool, meet, NULL), LS_OK);
    ls_workers_free(pool); /* would hang if fewer than four ran at once; the alarm ends that */
    pthread_barrier_destroy(&barrier);
}

static int order[3], order_len; /* one thread writes, read after it has ended */

static void append(void *job) { order[order_len++] = *(int *)job; }

static void jobs_run_in_order(void **state)
{
    (void)state;
    int ids[3] = {1, 2, 3};
    struct ls_workers *pool;
    assert_int_equal(ls_workers_new("test", 1, &pool, NULL), LS_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ls_workers_add(pool, append, &ids[i]), LS_OK);
    ls_workers_free(pool);
    assert_int_equal(order_len, 3);
    assert_memory_equal(order, ids, sizeof ids);
}

static void check_signals(void *job)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    *(int *)job = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT);
}

static void threads_take_no_signals(void **state)
{
    (void)state;
    int blocked = 0;
    struct ls_workers *pool;
    assert_int_equal(ls_workers_new("test", 1, &pool, NULL), LS_OK);
    assert_int_equal(ls_workers_add(pool, check_signals, &blocked), LS_OK);
    ls_workers_free(pool);
    assert_true(blocked);
}

static enum ls_rc mark(void *ctx, size_t i, struct ls_err *err)
{
    (void)err;
    atomic_fetch_add(&((atomic_int *)ctx)[i], 1);
    return LS_OK;
}

static enum ls_rc fail_at_10(void *ctx, size_t i, struct ls_err *err)
{
    atomic_fetch_add((atomic_int *)ctx, 1);
    if (i > 10)
        usleep(100); /* or the others are through with all before the thread that fails gets a processor again */
    return i == 10 ? ls_err_set(err, LS_BUSY, "at %zu", i) : LS_OK;
}

static void the_loop_calls_every_index_once(void **state)
{
    (void)state;
    static atomic_int marks[500];
    assert_int_equal(ls_parallel(8, 500, mark, marks, NULL), LS_OK);
    assert_int_equal(ls_parallel(1, 500, mark, marks, NULL), LS_OK);
    for (int i = 0; i < 500; i++)
        assert_int_equal(atomic_load(&marks[i]), 2);
    assert_int_equal(ls_parallel(8, 0, mark, marks, NULL), LS_OK);
}

static void the_first_failure_ends_the_loop(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    atomic_int calls = 0;
    assert_int_equal(ls_parallel(1, 1000, fail_at_10, &calls, &err), LS_BUSY);
    assert_int_equal(atomic_load(&calls), 11);
    assert_string_equal(err.text, "at 10");
    atomic_store(&calls, 0);
    assert_int_equal(ls_parallel(4, 100000, fail_at_10, &calls, &err), LS_BUSY);
    assert_true(atomic_load(&calls) < 100000);
}

int main(void)
{
    alarm(250); /* no test may hang */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drain_waits_for_every_job),
        cmocka_unit_test(as_many_jobs_run_at_once_as_there_are_threads),
        cmocka_unit_test(jobs_run_in_order),
        cmocka_unit_test(threads_take_no_signals),
        cmocka_unit_test(the_loop_calls_every_index_once),
        cmocka_unit_test(the_first_failure_ends_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
