/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A pool of threads, and the parallel loop.
 *
 * Threads are started when a job comes and none is idle; they stay until the pool is freed. All fields of a pool are
 * under its mutex. The parallel loop has threads of its own, so that a job of a pool may use it.
 */
#include "base/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/thread.h"

struct job {
    struct job *next;
    void (*run)(void *job);
    void *arg;
};

struct ls_workers {
    pthread_mutex_t mutex;
    pthread_cond_t work; /* a job was queued, or the pool ends */
    pthread_cond_t idle; /* nothing queued and nothing running */
    struct job *first, **last;
    size_t queued;
    unsigned waiting; /* threads that wait for a job */
    unsigned running; /* threads that run one */
    unsigned started;
    unsigned max_threads;
    bool ending;
    char name[16];
    pthread_t threads[];
};

static void *worker_body(void *arg)
{
    struct ls_workers *pool = arg;
    LS_LOCK(&pool->mutex);
    for (;;) {
        pool->waiting++;
        while (!pool->first && !pool->ending)
            pthread_cond_wait(&pool->work, &pool->mutex);
        pool->waiting--;
        struct job *job = pool->first;
        if (!job)
            return NULL;
        pool->first = job->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->queued--;
        pool->running++;
        pthread_mutex_unlock(&pool->mutex);
        job->run(job->arg);
        free(job);
        pthread_mutex_lock(&pool->mutex);
        pool->running--;
        if (!pool->first && pool->running == 0)
            pthread_cond_broadcast(&pool->idle);
    }
}

enum ls_rc ls_workers_new(const char *name, unsigned max_threads, struct ls_workers **out_pool, struct ls_err *err)
{
    if (max_threads == 0)
        max_threads = 1;
    struct ls_workers *pool = calloc(1, sizeof *pool + max_threads * sizeof *pool->threads);
    if (!pool)
        return ls_err_nomem(err);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->idle, &attr);
    pthread_condattr_destroy(&attr);
    pool->last = &pool->first;
    pool->max_threads = max_threads;
    snprintf(pool->name, sizeof pool->name, "%s", name);
    *out_pool = pool;
    return LS_OK;
}

void ls_workers_free(struct ls_workers *pool)
{
    if (!pool)
        return;
    ls_workers_drain(pool);
    pthread_mutex_lock(&pool->mutex);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

enum ls_rc ls_workers_add(struct ls_workers *pool, void (*run)(void *job), void *arg)
{
    struct job *job = malloc(sizeof *job);
    if (!job)
        return LS_NO_MEMORY;
    *job = (struct job){.run = run, .arg = arg};
    LS_LOCK(&pool->mutex);
    if (pool->waiting <= pool->queued && pool->started < pool->max_threads) {
        pthread_t *thread = &pool->threads[pool->started];
        if (ls_thread_start(thread, pool->name, worker_body, pool) == 0) {
            pool->started++;
        } else if (pool->started == 0) {
            free(job);
            return LS_NO_MEMORY;
        }
    }
    *pool->last = job;
    pool->last = &job->next;
    pool->queued++;
    pthread_cond_signal(&pool->work);
    return LS_OK;
}

void ls_workers_drain(struct ls_workers *pool)
{
    LS_LOCK(&pool->mutex);
    while (pool->first || pool->running)
        pthread_cond_wait(&pool->idle, &pool->mutex);
}

bool ls_workers_drain_for(struct ls_workers *pool, int64_t ms)
{
    int64_t until_ms = ls_monotonic_ms() + ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = (until_ms % 1000) * LS_NS_PER_MS};
    LS_LOCK(&pool->mutex);
    while (pool->first || pool->running)
        if (pthread_cond_timedwait(&pool->idle, &pool->mutex, &until) == ETIMEDOUT)
            return !pool->first && !pool->running;
    return true;
}

struct loop {
    enum ls_rc (*run)(void *ctx, size_t i, struct ls_err *err);
    void *ctx;
    size_t n;
    pthread_mutex_t mutex;
    size_t next;        /* under mutex */
    enum ls_rc rc;      /* under mutex: the first failure */
    struct ls_err *err; /* under mutex: its text */
};

static void *loop_body(void *arg)
{
    struct loop *loop = arg;
    for (;;) {
        struct ls_err err = LS_ERR_INIT;
        pthread_mutex_lock(&loop->mutex);
        bool done = loop->rc || loop->next == loop->n;
        size_t i = done ? 0 : loop->next++;
        pthread_mutex_unlock(&loop->mutex);
        if (done)
            return NULL;
        enum ls_rc rc = loop->run(loop->ctx, i, &err);
        if (!rc)
            continue;
        LS_LOCK(&loop->mutex);
        if (!loop->rc) {
            loop->rc = rc;
            if (loop->err)
                *loop->err = err;
        }
    }
}

enum ls_rc ls_parallel(unsigned width, size_t n, enum ls_rc (*run)(void *ctx, size_t i, struct ls_err *err), void *ctx,
                       struct ls_err *err)
{
    struct loop loop = {.run = run, .ctx = ctx, .n = n, .err = err};
    pthread_mutex_init(&loop.mutex, NULL);
    if (width > n)
        width = (unsigned)n;
    LS_AUTO(ls_free) pthread_t *threads = width > 1 ? calloc(width, sizeof *threads) : NULL;
    unsigned started = 0;
    while (threads && started < width && ls_thread_start(&threads[started], NULL, loop_body, &loop) == 0)
        started++;
    if (started == 0)
        loop_body(&loop); /* one at a time, or no thread to be had: do it here */
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&loop.mutex);
    return loop.rc;
}
