/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The settler's batches.
 *
 * A batch is what the feed holds after the cursor, up to BATCH_CHANGES. It is acted on as a whole, because one
 * transaction often changes a row more than once; the cursor moves to its end when nothing of it is left to do. A row
 * that is not where a change has put it was changed once more meanwhile, so the batch goes on until the feed has told
 * so. Whatever interrupts a batch, it begins again at the cursor: the engine's intents are settled by the recovery, and
 * what was done before is found done.
 * Changes of lockstep's own processes need no action. The cursor lags behind them, so that a busy mount does not write
 * it all the time.
 */
#include "lockstep/settle.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "settle/act.h"
#include "settle/cursor.h"

#define PAGE_CHANGES 1000
#define BATCH_CHANGES 5000
#define LAG_MOST 10000 /* own changes after the cursor */

struct ls_settle {
    struct ls_settle_opts opts;
    int64_t epoch;  /* 0 = not the settler */
    int64_t cursor; /* as it is in the catalog */
    int64_t at;     /* the last change that was settled; from the cursor to here only own ones */
};

static struct ls_catalog *catalog_of(const struct ls_settle *settle) { return ls_engine_catalog(settle->opts.engine); }

static enum ls_rc point(bool fail, const char *name, struct ls_err *err)
{
    return fail ? ls_err_set(err, LS_IO, "fail point %s", name) : LS_OK;
}
#define POINT(name, err) point(LS_FAILPOINT(name), name, err)

/* ---- the cursor ---- */

static enum ls_rc move_cursor(struct ls_settle *settle, int64_t seq, struct ls_err *err)
{
    enum ls_rc rc = ls_cursor_set(catalog_of(settle), settle->epoch, seq, err);
    if (rc == LS_OK)
        settle->cursor = settle->at = seq;
    return rc;
}

/* Lines are gone: nobody can say what they told. */
static enum ls_rc changes_lost(struct ls_settle *settle, struct ls_err *err)
{
    int64_t newest;
    struct ls_catalog *cat = catalog_of(settle);
    enum ls_rc rc = cat->ops->change_last(cat, &newest, err);
    if (rc != LS_OK)
        return rc;
    LS_LOG_WARN("settle", "changes-lost", {"after", ls_v_int(settle->cursor)}, {"newest", ls_v_int(newest)},
                {"action", ls_v_str("settling goes on from the newest; run `lockstep scan`")});
    return move_cursor(settle, newest, err);
}

/* ---- the role ---- */

static void lose_role(struct ls_settle *settle)
{
    if (settle->epoch)
        LS_LOG_WARN("settle", "role-lost", {"epoch", ls_v_int(settle->epoch)});
    settle->epoch = 0;
}

/* A new settler begins where the last one was, once what that one may have left half-done is out of the way; the first
 * of a catalog at the newest change. */
static enum ls_rc begin(struct ls_settle *settle, struct ls_err *err)
{
    struct ls_catalog *cat = catalog_of(settle);
    struct ls_recover_stats recovered;
    struct ls_err why = LS_ERR_INIT;
    int64_t newest;
    if (ls_engine_recover(settle->opts.engine, &recovered, &why) != LS_OK)
        LS_LOG_DEBUG("settle", "recovery-incomplete", {"why", ls_v_str(why.text)}); /* it is tried again by others */
    enum ls_rc rc = ls_cursor_get(cat, &settle->cursor, err);
    settle->at = settle->cursor;
    if (rc != LS_NOT_FOUND)
        return rc;
    rc = cat->ops->change_last(cat, &newest, err);
    return rc == LS_OK ? move_cursor(settle, newest, err) : rc;
}

static enum ls_rc take_role(struct ls_settle *settle, bool *out_leader, struct ls_err *err)
{
    struct ls_catalog *cat = catalog_of(settle);
    int64_t epoch;
    *out_leader = false;
    enum ls_rc rc = cat->ops->leader_take(cat, LS_LEAD_SETTLER, &epoch, err);
    if (rc == LS_BUSY) {
        lose_role(settle);
        return LS_OK;
    }
    if (rc != LS_OK)
        return rc;
    *out_leader = true;
    if (epoch == settle->epoch)
        return LS_OK;
    lose_role(settle);
    settle->epoch = epoch;
    rc = begin(settle, err);
    if (rc != LS_OK) {
        settle->epoch = 0;
        return rc;
    }
    LS_LOG_INFO("settle", "role-taken", {"epoch", ls_v_int(epoch)}, {"cursor", ls_v_int(settle->cursor)});
    return LS_OK;
}

/* ---- a batch ---- */

struct batch {
    struct ls_settle *settle;
    struct ls_fold fold;
    struct ls_settle_stats *stats;
    int64_t at;   /* the last change that was read */
    size_t n;     /* changes read */
    bool foreign; /* one of them was another program's */
    bool ended;   /* the feed held no more */
};

static enum ls_rc read_page(struct batch *b, struct ls_err *err)
{
    struct ls_catalog *cat = catalog_of(b->settle);
    struct ls_change_page page = {0};
    enum ls_rc rc = cat->ops->change_page(cat, b->at, PAGE_CHANGES, &page, err);
    for (size_t i = 0; rc == LS_OK && i < page.n; i++) {
        bool foreign;
        rc = ls_fold_add(&b->fold, &page.items[i], &foreign, err);
        b->foreign |= foreign;
    }
    if (rc == LS_OK) {
        b->n += page.n;
        b->stats->changes += page.n;
        b->ended = page.n < PAGE_CHANGES;
        if (page.n > 0)
            b->at = page.items[page.n - 1].seq;
    }
    ls_change_page_dispose(&page);
    return rc;
}

/* Act, and read on as long as something waits for what comes after it. */
static enum ls_rc act_on(struct batch *b, struct ls_err *err)
{
    struct ls_act act = {.opts = &b->settle->opts, .fold = &b->fold, .stats = b->stats};
    for (;;) {
        enum ls_rc rc = ls_act(&act, err);
        if (rc != LS_OK || ls_fold_empty(&b->fold))
            return rc;
        size_t before = b->n;
        rc = read_page(b, err);
        if (rc != LS_OK)
            return rc;
        if (b->n == before) {
            ls_act_leave(&act);
            return LS_OK;
        }
    }
}

static enum ls_rc settle_batch(struct batch *b, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    while (rc == LS_OK && !b->ended && b->n < BATCH_CHANGES)
        rc = read_page(b, err);
    if (rc == LS_NOT_FOUND) {
        b->ended = true;
        return changes_lost(b->settle, err);
    }
    if (rc == LS_OK && b->foreign)
        rc = POINT("settle.read", err);
    if (rc == LS_OK && !ls_fold_empty(&b->fold))
        rc = act_on(b, err);
    if (rc != LS_OK)
        return rc;
    b->settle->at = b->at;
    if (!b->foreign && b->at - b->settle->cursor < LAG_MOST)
        return LS_OK;
    rc = POINT("settle.acted", err);
    if (rc == LS_OK)
        rc = move_cursor(b->settle, b->at, err);
    return rc == LS_OK ? POINT("settle.moved", err) : rc;
}

static enum ls_rc settle_all(struct ls_settle *settle, struct ls_settle_stats *stats, struct ls_err *err)
{
    struct ls_catalog *cat = catalog_of(settle);
    int64_t newest;
    enum ls_rc rc = cat->ops->change_last(cat, &newest, err);
    if (rc == LS_OK && newest < settle->at)
        rc = changes_lost(settle, err);
    for (bool ended = false; rc == LS_OK && !ended;) {
        struct batch b = {.settle = settle, .stats = stats, .at = settle->at};
        rc = settle_batch(&b, err);
        ended = b.ended;
        ls_fold_dispose(&b.fold);
    }
    return rc;
}

/* ---- the calls ---- */

enum ls_rc ls_settle_open(const struct ls_settle_opts *opts, struct ls_settle **out_settle, struct ls_err *err)
{
    *out_settle = calloc(1, sizeof **out_settle);
    if (!*out_settle)
        return ls_err_nomem(err);
    (*out_settle)->opts = *opts;
    return LS_OK;
}

void ls_settle_close(struct ls_settle *settle)
{
    if (!settle)
        return;
    struct ls_catalog *cat = catalog_of(settle);
    /* Own changes need not be read again; should it fail, they are. */
    if (settle->epoch && settle->at > settle->cursor && move_cursor(settle, settle->at, NULL) != LS_OK)
        LS_LOG_DEBUG("settle", "cursor-stays", {"cursor", ls_v_int(settle->cursor)});
    if (settle->epoch)
        cat->ops->leader_leave(cat, LS_LEAD_SETTLER);
    free(settle);
}

enum ls_rc ls_settle_run(struct ls_settle *settle, struct ls_settle_stats *out_stats, struct ls_err *err)
{
    struct ls_catalog *cat = catalog_of(settle);
    *out_stats = (struct ls_settle_stats){0};
    enum ls_rc rc = take_role(settle, &out_stats->leader, err);
    if (rc != LS_OK || !out_stats->leader)
        return rc;
    struct ls_err why = LS_ERR_INIT;
    rc = settle_all(settle, out_stats, &why);
    struct ls_leader now;
    if (rc == LS_CONFLICT && ls_leader_get(cat, NULL, LS_LEAD_SETTLER, &now, NULL) == LS_OK &&
        now.epoch != settle->epoch) { /* overtaken while we were away */
        cat->ops->leader_leave(cat, LS_LEAD_SETTLER);
        lose_role(settle);
        out_stats->leader = false;
        return LS_OK;
    }
    if (rc != LS_OK && err)
        *err = why;
    return rc;
}
