/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Recovery: settle the intents of dead instances, and our own that were left over.
 *
 * An intent is first taken over (one transaction; whoever comes second gets LS_CONFLICT), then settled from what both
 * sides show. Every step may be repeated, so dying in the middle of a recovery is nothing special: the intent then
 * belongs to another dead instance. Intents of living instances are never touched.
 */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define ITEMS_AT_ONCE 1000
#define SLOW_MS 2000   /* a failure that takes longer is one of waiting */
#define SLOW_AT_MOST 2 /* then give up for this time */

enum ls_rc ls_settle(struct ls_run *run, bool *out_forward, struct ls_err *err)
{
    *out_forward = run->intent.state == LS_INTENT_COMMITTED;
    switch (run->intent.op) {
    case LS_OP_PUT:
        if (run->n_items > 0)
            return ls_put_settle(run, out_forward, err);
        break;
    case LS_OP_REMOVE:
        return ls_remove_settle(run, err);
    case LS_OP_RENAME:
        return ls_rename_settle(run, out_forward, err);
    case LS_OP_DISCARD:
        return ls_discard_settle(run, err);
    case LS_OP_RESTORE:
        if (run->n_items > 0)
            return ls_restore_settle(run, err);
        break;
    case LS_OP_PURGE:
        return ls_purge_settle(run, out_forward, err);
    case LS_OP_ADOPT:
    case LS_OP_CATALOG:
        break;
    }
    /* Rows only: never left half-done. */
    return ls_run_close(run, ls_run_outcome(run, *out_forward), NULL, err);
}

static enum ls_rc copy_item(struct ls_run *run, const struct ls_intent_item *from, struct ls_err *err)
{
    struct ls_pool *pool = &run->pool;
    struct ls_intent_item item = *from;
    item.key = ls_pool_str(pool, from->key);
    item.dest = ls_pool_str(pool, from->dest);
    item.old_etag = ls_pool_str(pool, from->old_etag);
    item.new_etag = ls_pool_str(pool, from->new_etag);
    item.dest_etag = ls_pool_str(pool, from->dest_etag);
    item.row = ls_pool_str(pool, from->row);
    bool ok = item.key && !item.dest == !from->dest && !item.old_etag == !from->old_etag &&
              !item.new_etag == !from->new_etag && !item.dest_etag == !from->dest_etag && !item.row == !from->row;
    struct ls_intent_item *added = ok ? ls_run_item(run, &item) : NULL;
    if (!added)
        return ls_err_nomem(err);
    added->seq = from->seq;
    return LS_OK;
}

static enum ls_rc load_items(struct ls_run *run, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    int64_t after = -1;
    for (;;) {
        LS_AUTO(ls_intent_item_page) struct ls_intent_item_page page = {0};
        enum ls_rc rc = cat->ops->intent_items(cat, NULL, run->intent.id, after, ITEMS_AT_ONCE, &page, err);
        for (size_t i = 0; rc == LS_OK && i < page.n; i++)
            rc = copy_item(run, &page.items[i], err);
        if (rc != LS_OK || page.n < ITEMS_AT_ONCE)
            return rc;
        after = page.items[page.n - 1].seq;
    }
}

/* Asked again as the writer: a process that comes back looks at its intents as the writer, too (ls_run_own). */
static enum ls_rc refuse_alive(struct ls_catalog *cat, const char *instance, struct ls_err *err)
{
    bool alive = false;
    enum ls_rc rc = cat->ops->instance_alive(cat, instance, &alive, err);
    return rc == LS_OK && alive ? ls_err_set(err, LS_CONFLICT, "engine: instance %s is back", instance) : rc;
}

/* Make the intent ours. LS_CONFLICT: somebody else was quicker. */
static enum ls_rc take(struct ls_engine *engine, const struct ls_intent *intent, struct ls_err *err)
{
    struct ls_catalog *cat = engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = refuse_alive(cat, intent->instance, err);
    if (rc == LS_OK)
        rc = cat->ops->intent_take(tx, intent->id, intent->instance, engine->instance, err);
    return rc == LS_OK ? cat->ops->commit(LS_STEAL(tx), err) : rc;
}

static enum ls_rc settle_one(struct ls_engine *engine, const struct ls_intent *intent, bool *out_forward,
                             struct ls_err *err)
{
    struct ls_run run;
    ls_run_init(&run, engine, intent->op, NULL);
    run.intent = *intent;
    memcpy(run.intent.instance, engine->instance, sizeof(run.intent.instance));
    run.recovering = true;
    run.journaled = true;
    enum ls_rc rc = load_items(&run, err);
    if (rc == LS_OK)
        rc = ls_settle(&run, out_forward, err);
    if (rc == LS_OK)
        rc = SETTLE_STEP("settled", err);
    ls_run_dispose(&run);
    return rc;
}

/* One intent of the journal. LS_OK also when it is none of our business. */
static enum ls_rc consider(struct ls_engine *engine, const struct ls_intent *intent, struct ls_recover_stats *stats,
                           struct ls_err *err)
{
    bool own = strcmp(intent->instance, engine->instance) == 0, alive = true, forward = false;
    enum ls_rc rc = LS_OK;
    if (!own)
        rc = engine->catalog->ops->instance_alive(engine->catalog, intent->instance, &alive, err);
    if (rc == LS_OK && (own ? !ls_leftover_has(engine, intent->id) : alive)) {
        stats->alive++;
        return LS_OK;
    }
    stats->found++;
    if (rc == LS_OK && !own) {
        rc = take(engine, intent, err);
        if (rc == LS_CONFLICT || rc == LS_NOT_FOUND) { /* another process recovers it */
            stats->found--;
            return LS_OK;
        }
        if (rc == LS_OK)
            ls_leftover_add(engine, intent->id);
        if (rc == LS_OK)
            rc = OP_STEP("recover.taken", err);
    }
    if (rc == LS_OK)
        rc = settle_one(engine, intent, &forward, err);
    if (rc != LS_OK) {
        stats->failed++;
        (void)ls_err_prefix(err, "recovery of %s %s: ", ls_op_name(intent->op), intent->id);
        return rc;
    }
    ls_leftover_drop(engine, intent->id);
    forward ? stats->forward++ : stats->back++;
    LS_LOG_INFO("engine", "recovered", {"intent", ls_v_str(intent->id)}, {"op", ls_v_str(ls_op_name(intent->op))},
                {"outcome", ls_v_str(forward ? "forward" : "back")});
    return LS_OK;
}

/* Leftovers that were there before the journal was listed and are not in it need no further thought. */
static void forget_closed(struct ls_engine *engine, const struct ls_intent_page *open)
{
    LS_LOCK(&engine->lock);
    for (struct ls_leftover **at = &engine->leftovers; *at;) {
        bool keep = !(*at)->listed;
        for (size_t i = 0; i < open->n && !keep; i++)
            keep = strcmp(open->items[i].id, (*at)->intent) == 0;
        if (keep) {
            at = &(*at)->next;
            continue;
        }
        struct ls_leftover *left = *at;
        *at = left->next;
        free(left);
    }
}

static void mark_listed(struct ls_engine *engine)
{
    LS_LOCK(&engine->lock);
    for (struct ls_leftover *left = engine->leftovers; left; left = left->next)
        left->listed = true;
}

/* With a mender, which tries again and again, it is the mender who says it, once. */
static void log_failed(struct ls_engine *engine, const char *intent, const struct ls_err *why)
{
    pthread_mutex_lock(&engine->lock);
    bool mended = engine->wake != NULL;
    pthread_mutex_unlock(&engine->lock);
    if (mended)
        LS_LOG_DEBUG("engine", "recovery-failed", {"intent", ls_v_str(intent)}, {"why", ls_v_str(why->text)});
    else
        LS_LOG_WARN("engine", "recovery-failed", {"intent", ls_v_str(intent)}, {"why", ls_v_str(why->text)});
}

static enum ls_rc recover_all(struct ls_engine *engine, struct ls_recover_stats *stats, struct ls_err *err)
{
    LS_AUTO(ls_intent_page) struct ls_intent_page page = {0};
    struct ls_err first = LS_ERR_INIT;
    unsigned slow = 0;
    memset(stats, 0, sizeof(*stats));
    mark_listed(engine);
    enum ls_rc rc = engine->catalog->ops->intent_list(engine->catalog, NULL, &page, err);
    if (rc != LS_OK)
        return rc;
    forget_closed(engine, &page);
    for (size_t i = 0; i < page.n; i++) {
        struct ls_err why = LS_ERR_INIT;
        if (ls_engine_cancelled(engine, err) != LS_OK)
            return LS_CANCELLED;
        int64_t began_ms = ls_monotonic_ms();
        if (consider(engine, &page.items[i], stats, &why) == LS_OK)
            continue;
        log_failed(engine, page.items[i].id, &why);
        if (first.rc == LS_OK)
            first = why;
        slow += ls_monotonic_ms() - began_ms > SLOW_MS;
        if (slow == SLOW_AT_MOST) { /* the other side is down: the rest would only take as long */
            stats->failed += page.n - i - 1;
            break;
        }
    }
    if (first.rc != LS_OK && err)
        *err = first;
    return first.rc;
}

enum ls_rc ls_engine_recover(struct ls_engine *engine, struct ls_recover_stats *out_stats, struct ls_err *err)
{
    LS_LOCK(&engine->recover_lock);
    return recover_all(engine, out_stats, err);
}

void ls_recover_if_idle(struct ls_engine *engine)
{
    struct ls_recover_stats stats;
    if (ls_leftover_wake(engine))
        return;
    if (pthread_mutex_trylock(&engine->recover_lock) != 0)
        return;
    (void)recover_all(engine, &stats, NULL); /* each failure was logged */
    pthread_mutex_unlock(&engine->recover_lock);
}
