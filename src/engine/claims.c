/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Claims inside this process: which running operation owns which paths, and waiting for them.
 *
 * Two claims overlap when they are equal, or when one is a subtree and the other lies below it. The journal holds the
 * same claims for other processes; holding them here as well lets threads sleep on a condition instead of asking the
 * catalog again and again. A run takes all its claims at once, so there is no order in which two could deadlock.
 */
#include "engine/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define CANCEL_POLL_MS 200

static int claim_cmp(const void *a, const void *b)
{
    return strcmp(((const struct ls_claim *)a)->path, ((const struct ls_claim *)b)->path);
}

/* Index of the first held path that is not less than data[0..len). */
static size_t lower_bound(const struct ls_held *held, const char *data, size_t len)
{
    size_t lo = 0, hi = held->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const char *path = held->sorted[mid].path;
        /* A path that merely starts with data is not less than it. */
        if (strncmp(path, data, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool overlaps(const struct ls_held *held, const struct ls_claim *claim)
{
    size_t len = strlen(claim->path);
    size_t at = lower_bound(held, claim->path, len);
    if (at < held->n && strncmp(held->sorted[at].path, claim->path, len) == 0 &&
        (claim->subtree || held->sorted[at].path[len] == '\0'))
        return true;
    for (size_t i = 0; i < len; i++) { /* each folder above it */
        if (claim->path[i] != '/')
            continue;
        at = lower_bound(held, claim->path, i + 1);
        if (at < held->n && held->sorted[at].subtree && strlen(held->sorted[at].path) == i + 1 &&
            strncmp(held->sorted[at].path, claim->path, i + 1) == 0)
            return true;
    }
    return false;
}

/* The path that is in the way, or NULL. The caller holds the lock. */
static const char *find_overlap(const struct ls_engine *engine, const struct ls_claim *claims, size_t n)
{
    for (const struct ls_held *held = engine->held; held; held = held->next)
        for (size_t i = 0; i < n; i++)
            if (overlaps(held, &claims[i]))
                return claims[i].path;
    return NULL;
}

static void wait_until(struct ls_engine *engine, int64_t deadline_ms)
{
    struct timespec at = {.tv_sec = deadline_ms / 1000, .tv_nsec = (deadline_ms % 1000) * LS_NS_PER_MS};
    pthread_cond_timedwait(&engine->changed, &engine->lock, &at);
}

enum ls_rc ls_claims_take(struct ls_engine *engine, struct ls_held *held, struct ls_claim *claims, size_t n,
                          int64_t deadline_ms, struct ls_err *err)
{
    qsort(claims, n, sizeof(*claims), claim_cmp);
    LS_LOCK(&engine->lock);
    const char *taken;
    while ((taken = find_overlap(engine, claims, n))) {
        if (ls_monotonic_ms() >= deadline_ms)
            return ls_err_set(err, LS_BUSY, "engine: %s: another operation is working on it", taken);
        enum ls_rc rc = ls_engine_cancelled(engine, err);
        if (rc != LS_OK)
            return rc;
        int64_t slice_ms = ls_monotonic_ms() + CANCEL_POLL_MS; /* nobody wakes us to say that we are cancelled */
        wait_until(engine, slice_ms < deadline_ms ? slice_ms : deadline_ms);
    }
    held->sorted = claims;
    held->n = n;
    held->prev = NULL;
    held->next = engine->held;
    if (engine->held)
        engine->held->prev = held;
    engine->held = held;
    return LS_OK;
}

void ls_claims_release(struct ls_engine *engine, struct ls_held *held)
{
    if (!held->sorted)
        return;
    LS_LOCK(&engine->lock);
    if (held->prev)
        held->prev->next = held->next;
    else
        engine->held = held->next;
    if (held->next)
        held->next->prev = held->prev;
    held->sorted = NULL;
    pthread_cond_broadcast(&engine->changed);
}

void ls_claims_wait(struct ls_engine *engine, int64_t ms)
{
    LS_LOCK(&engine->lock);
    wait_until(engine, ls_monotonic_ms() + ms);
}
