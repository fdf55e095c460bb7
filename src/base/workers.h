/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A pool of threads with one bounded-by-the-caller queue.
 *
 * Jobs run in the order they were added, as many at once as there are threads. Threads block all signals. A job must
 * not wait for another job of the same pool.
 */
#ifndef LOCKSTEP_BASE_WORKERS_H
#define LOCKSTEP_BASE_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/err.h"

struct ls_workers;

/* Start up to max_threads threads on demand, named `name` (≤ 15 bytes) in ps and gdb. */
enum ls_rc ls_workers_new(const char *name, unsigned max_threads, struct ls_workers **out_pool, struct ls_err *err)
    LS_MUST_CHECK;
/* Wait for all jobs, end the threads, free. Takes NULL. */
void ls_workers_free(struct ls_workers *pool);

/* Queue a job; LS_NO_MEMORY leaves it unqueued. */
enum ls_rc ls_workers_add(struct ls_workers *pool, void (*run)(void *job), void *job) LS_MUST_CHECK;
/* Wait until no job is queued or running. */
void ls_workers_drain(struct ls_workers *pool);

/* As above for at most ms; false when there is more to do. */
bool ls_workers_drain_for(struct ls_workers *pool, int64_t ms);

/* Call run(ctx, i) for i in [0, n) on up to `width` threads of their own and wait for all; the first failure's rc and
 * text are returned, and no further i is started after it. */
enum ls_rc ls_parallel(unsigned width, size_t n, enum ls_rc (*run)(void *ctx, size_t i, struct ls_err *err), void *ctx,
                       struct ls_err *err) LS_MUST_CHECK;

#endif
