/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening and closing the engine, and what it counts meanwhile: running operations and leftovers.
 *
 * A leftover is an intent of our own instance that could neither be finished nor undone when its operation ended. The
 * recovery leaves intents of living instances alone, so it has to be told which of ours nobody works on any more.
 */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define CLAIM_WAIT_DEFAULT_MS 10000

void ls_engine_enter(struct ls_engine *engine)
{
    LS_LOCK(&engine->lock);
    engine->running++;
}

void ls_engine_leave(struct ls_engine *engine)
{
    LS_LOCK(&engine->lock);
    engine->running--;
    pthread_cond_broadcast(&engine->changed);
}

enum ls_rc ls_engine_cancelled(struct ls_engine *engine, struct ls_err *err)
{
    if (engine->cancel && atomic_load(engine->cancel))
        return ls_err_set(err, LS_CANCELLED, "engine: stopped on request");
    return LS_OK;
}

void ls_leftover_add(struct ls_engine *engine, const char *intent)
{
    if (ls_leftover_has(engine, intent))
        return;
    struct ls_leftover *left = calloc(1, sizeof(*left));
    if (!left) {
        LS_LOG_ERROR("engine", "leftover-forgotten", {"intent", ls_v_str(intent)});
        return; /* the next process finds it in the journal */
    }
    memcpy(left->intent, intent, sizeof(left->intent));
    pthread_mutex_lock(&engine->lock);
    left->next = engine->leftovers;
    engine->leftovers = left;
    pthread_mutex_unlock(&engine->lock);
    (void)ls_leftover_wake(engine);
}

bool ls_leftover_wake(struct ls_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    void (*wake)(void *) = engine->wake;
    void *ctx = engine->wake_ctx;
    pthread_mutex_unlock(&engine->lock);
    if (wake)
        wake(ctx);
    return wake != NULL;
}

void ls_engine_set_mender(struct ls_engine *engine, void (*wake)(void *ctx), void *ctx)
{
    LS_LOCK(&engine->lock);
    engine->wake = wake;
    engine->wake_ctx = ctx;
}

size_t ls_engine_leftovers(struct ls_engine *engine)
{
    LS_LOCK(&engine->lock);
    size_t n = 0;
    for (const struct ls_leftover *left = engine->leftovers; left; left = left->next)
        n++;
    return n;
}

bool ls_leftover_has(struct ls_engine *engine, const char *intent)
{
    LS_LOCK(&engine->lock);
    for (struct ls_leftover *left = engine->leftovers; left; left = left->next)
        if (strcmp(left->intent, intent) == 0)
            return true;
    return false;
}

void ls_leftover_drop(struct ls_engine *engine, const char *intent)
{
    LS_LOCK(&engine->lock);
    for (struct ls_leftover **at = &engine->leftovers; *at; at = &(*at)->next) {
        if (strcmp((*at)->intent, intent) != 0)
            continue;
        struct ls_leftover *left = *at;
        *at = left->next;
        free(left);
        return;
    }
}

static void engine_free(struct ls_engine *engine)
{
    if (!engine)
        return;
    while (engine->leftovers) {
        struct ls_leftover *left = engine->leftovers;
        engine->leftovers = left->next;
        free(left);
    }
    pthread_cond_destroy(&engine->changed);
    pthread_mutex_destroy(&engine->lock);
    pthread_mutex_destroy(&engine->recover_lock);
    free(engine->actor);
    free(engine);
}

static struct ls_engine *engine_new(const struct ls_engine_opts *opts)
{
    struct ls_engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return NULL;
    engine->store = opts->store;
    engine->catalog = opts->catalog;
    engine->layout = opts->layout;
    engine->claim_wait_ms = opts->claim_wait_ms > 0 ? opts->claim_wait_ms : CLAIM_WAIT_DEFAULT_MS;
    engine->cancel = opts->cancel;
    pthread_mutex_init(&engine->lock, NULL);
    pthread_mutex_init(&engine->recover_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&engine->changed, &attr);
    pthread_condattr_destroy(&attr);
    engine->actor = strdup(opts->actor ? opts->actor : opts->kind);
    if (!engine->actor) {
        engine_free(engine);
        return NULL;
    }
    return engine;
}

enum ls_rc ls_engine_open(const struct ls_engine_opts *opts, struct ls_engine **out_engine, struct ls_err *err)
{
    struct ls_engine *engine = engine_new(opts);
    if (!engine)
        return ls_err_nomem(err);
    enum ls_rc rc = ls_store_probe(engine->store, &engine->caps, err);
    if (rc == LS_OK)
        rc = engine->catalog->ops->instance_start(engine->catalog, opts->kind, engine->instance, err);
    if (rc != LS_OK) {
        engine_free(engine);
        return rc;
    }
    struct ls_recover_stats stats;
    struct ls_err why = LS_ERR_INIT;
    /* What cannot be settled now keeps its claims and is tried again; it must not keep everything else from working. */
    if (ls_engine_recover(engine, &stats, &why) != LS_OK)
        LS_LOG_WARN("engine", "recovery-incomplete", {"failed", ls_v_uint(stats.failed)}, {"why", ls_v_str(why.text)});
    *out_engine = engine;
    return LS_OK;
}

void ls_engine_close(struct ls_engine *engine)
{
    if (!engine)
        return;
    pthread_mutex_lock(&engine->lock);
    while (engine->running > 0)
        pthread_cond_wait(&engine->changed, &engine->lock);
    bool left = engine->leftovers != NULL;
    pthread_mutex_unlock(&engine->lock);
    if (left) {
        struct ls_recover_stats stats;
        struct ls_err why = LS_ERR_INIT;
        if (ls_engine_recover(engine, &stats, &why) != LS_OK)
            LS_LOG_WARN("engine", "left-to-recovery", {"why", ls_v_str(why.text)});
    }
    engine_free(engine);
}

void ls_stats_count(struct ls_engine *engine, enum ls_op op, enum ls_rc rc, int64_t begun_ns)
{
    atomic_fetch_add_explicit(&engine->stats.op[op].by_rc[rc], 1, memory_order_relaxed);
    ls_histogram_add(&engine->stats.op[op].took, (ls_now_ns() - begun_ns) / 1000);
}

const struct ls_engine_stats *ls_engine_stats(struct ls_engine *engine) { return &engine->stats; }
struct ls_store *ls_engine_store(struct ls_engine *engine) { return engine->store; }
struct ls_catalog *ls_engine_catalog(struct ls_engine *engine) { return engine->catalog; }
const struct ls_layout *ls_engine_layout(struct ls_engine *engine) { return engine->layout; }
const struct ls_store_caps *ls_engine_caps(struct ls_engine *engine) { return &engine->caps; }
const char *ls_engine_instance(struct ls_engine *engine) { return engine->instance; }
