/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sleeps until the engine says that something is left over, then recovers until nothing is; once in LOOK_MS it looks
 * for what a process or host has left that died. While that fails it tries again after pauses that grow to
 * PAUSE_MOST_MS; new leftovers do not hurry it, because they come from the same side that does not answer. Says once
 * that it cannot, and once that it could.
 *
 * A leftover's operation has ended, so nobody works on it, and its claims keep others away until it is closed.
 */
#include "engine/mender.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define LOOK_MS 10000
#define PAUSE_FIRST_MS 250
#define PAUSE_MOST_MS 5000
/* A request that was given up may still lie in the server's queue: let it land before somebody looks. */
#define SETTLE_AFTER_MS 1000

struct ls_mender {
    struct ls_engine *engine;
    atomic_bool *cancel;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken, ending; /* lock */
    int64_t pause_ms;   /* the thread's: before the next attempt; 0 = the last one did not fail */
    bool said;          /* the thread's: that it fails */
};

static void wake(void *ctx)
{
    struct ls_mender *mender = ctx;
    LS_LOCK(&mender->lock);
    mender->woken = true;
    pthread_cond_signal(&mender->changed);
}

/* Until there is something to do; false: the end. */
static bool await(struct ls_mender *mender)
{
    int64_t until_ms = ls_monotonic_ms() + (mender->pause_ms ? mender->pause_ms : LOOK_MS);
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = (until_ms % 1000) * LS_NS_PER_MS};
    LS_LOCK(&mender->lock);
    while (!mender->ending && (mender->pause_ms || !mender->woken) && ls_monotonic_ms() < until_ms)
        pthread_cond_timedwait(&mender->changed, &mender->lock, &until);
    mender->woken = false;
    return !mender->ending;
}

/* Does the store answer? Then give it a moment to finish what it was sent before. */
static enum ls_rc store_answers(struct ls_mender *mender, struct ls_err *err)
{
    struct ls_object_info info;
    enum ls_rc rc = ls_store_head_one(ls_engine_store(mender->engine), ".lockstep/mender", &info, err);
    if (rc && rc != LS_NOT_FOUND)
        return rc;
    int64_t until_ms = ls_monotonic_ms() + SETTLE_AFTER_MS;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = (until_ms % 1000) * LS_NS_PER_MS};
    LS_LOCK(&mender->lock);
    while (!mender->ending && ls_monotonic_ms() < until_ms)
        pthread_cond_timedwait(&mender->changed, &mender->lock, &until);
    return LS_OK;
}

static void attempt(struct ls_mender *mender)
{
    struct ls_recover_stats stats;
    struct ls_err err = LS_ERR_INIT;
    size_t n = ls_engine_leftovers(mender->engine);
    enum ls_rc rc = n > 0 ? store_answers(mender, &err) : LS_OK;
    if (!rc)
        rc = ls_engine_recover(mender->engine, &stats, &err);
    if (!rc) {
        if (mender->said)
            LS_LOG_INFO("engine", "settled", {"text", ls_v_str("what had been left open is settled")});
        mender->pause_ms = 0;
        mender->said = false;
        return;
    }
    if (!mender->said)
        LS_LOG_WARN("engine", "unsettled", {"intents", ls_v_uint(n)}, {"error", ls_v_str(err.text)},
                    {"advice", ls_v_str("is the store up and reachable? it is tried again until it succeeds")});
    mender->said = true;
    int64_t longer_ms = mender->pause_ms ? mender->pause_ms * 2 : PAUSE_FIRST_MS;
    mender->pause_ms = longer_ms < PAUSE_MOST_MS ? longer_ms : PAUSE_MOST_MS;
}

static void *mend(void *arg)
{
    struct ls_mender *mender = arg;
    while (await(mender))
        attempt(mender);
    return NULL;
}

static void mender_free(struct ls_mender *mender)
{
    pthread_cond_destroy(&mender->changed);
    pthread_mutex_destroy(&mender->lock);
    free(mender);
}

enum ls_rc ls_mender_start(struct ls_engine *engine, atomic_bool *cancel, struct ls_mender **out_mender,
                           struct ls_err *err)
{
    struct ls_mender *mender = calloc(1, sizeof *mender);
    if (!mender)
        return ls_err_nomem(err);
    mender->engine = engine;
    mender->cancel = cancel;
    /* The start's own recovery may have left something. */
    mender->woken = ls_engine_leftovers(engine) > 0;
    pthread_mutex_init(&mender->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&mender->changed, &attr);
    pthread_condattr_destroy(&attr);
    int failed = ls_thread_start(&mender->thread, "ls-mender", mend, mender);
    if (failed) {
        mender_free(mender);
        return ls_err_errno(err, failed, "engine: cannot start a thread");
    }
    ls_engine_set_mender(engine, wake, mender);
    *out_mender = mender;
    return LS_OK;
}

void ls_mender_stop(struct ls_mender *mender)
{
    if (!mender)
        return;
    ls_engine_set_mender(mender->engine, NULL, NULL);
    pthread_mutex_lock(&mender->lock);
    mender->ending = true;
    pthread_cond_signal(&mender->changed);
    pthread_mutex_unlock(&mender->lock);
    pthread_join(mender->thread, NULL);
    if (mender->pause_ms && mender->cancel)
        atomic_store(mender->cancel, true);
    mender_free(mender);
}
