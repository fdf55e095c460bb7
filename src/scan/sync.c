/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mends what a scan found, by handing batches of findings to the engine.
 *
 * One pass a kind, in an order in which no pass takes what an earlier one needs: moved pairs are relinked before
 * orphans are adopted or trashed, stale rows refreshed before they are refiled. The two halves of a moved pair are
 * nobody's but relink's: with --moved=keep both stay, because trashing one half and dropping the other would lose the
 * image. The engine reads both sides of every item again; what has changed since the scan is skipped. A dry run reads
 * again as well, with the scan's own second look, and changes nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "scan/backup.h"
#include "scan/bucket.h"
#include "scan/recheck.h"
#include "scan/result.h"

#define BATCH 250

struct pass {
    const char *what;   /* as `each` and the audit trail call it */
    const char *where;  /* its findings */
    const char *reason; /* for trash */
    uint64_t *done;
    enum ls_mend mend;
    bool wanted;
};

struct sync {
    struct ls_engine *engine;
    struct ls_scan *scan;
    const struct ls_sync_opts *opts;
    void (*each)(void *ctx, const char *what, const struct ls_finding *finding, enum ls_rc rc, const char *text);
    void *ctx;
    struct ls_sync_totals *totals;
    uint64_t tried, planned;
};

/* Findings in memory, copied out of the spool. */
struct batch {
    size_t n;
    struct ls_spool_finding items[BATCH];
    char *memory[BATCH];
};

static void batch_dispose(struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++)
        free(batch->memory[i]);
    batch->n = 0;
}

/* Copy a string to *at, which moves on; NULL stays NULL. */
static const char *keep(char **at, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *to = *at;
    memcpy(to, text, size);
    *at += size;
    return to;
}

static size_t room(const char *text) { return text ? strlen(text) + 1 : 0; }

static enum ls_rc batch_add(void *ctx, const struct ls_spool_finding *f)
{
    struct batch *batch = ctx;
    if (batch->n == BATCH)
        return LS_BUSY; /* full: not the walk's end */
    char *at = malloc(1 + room(f->key) + room(f->partner) + room(f->row_etag) + room(f->object_etag) + room(f->detail));
    if (!at)
        return LS_NO_MEMORY;
    batch->memory[batch->n] = at;
    struct ls_spool_finding *to = &batch->items[batch->n++];
    *to = *f;
    to->key = keep(&at, f->key);
    to->partner = keep(&at, f->partner);
    to->row_etag = keep(&at, f->row_etag);
    to->object_etag = keep(&at, f->object_etag);
    to->detail = keep(&at, f->detail);
    return LS_OK;
}

/* The row's etag as it must be now. */
static const char *row_etag_now(const struct ls_spool_finding *f)
{
    bool refreshed = f->mended & (LS_SPOOL_RECORDED | LS_SPOOL_MENDED) && f->row_etag;
    return refreshed ? f->object_etag : f->row_etag;
}

static void fill_item(const struct pass *pass, const struct ls_spool_finding *f, struct ls_mend_item *out)
{
    *out = (struct ls_mend_item){
        .key = f->key, .row_etag = row_etag_now(f), .object_etag = f->object_etag, .reason = pass->reason};
    if (pass->mend != LS_MEND_RELINK)
        return;
    out->dest = f->partner;
    out->object_etag = f->row_etag; /* that is what made them a pair */
}

/* Count and mark what became of a finding, and tell of it. */
static enum ls_rc settle(struct sync *s, const struct pass *pass, const struct ls_spool_finding *f, enum ls_rc rc,
                         const char *text, struct ls_err *err)
{
    struct ls_finding_text texts = {.product = ""};
    struct ls_finding shown;
    unsigned mark = pass->mend == LS_MEND_REFILE && f->kind == LS_FINDING_STALE    ? LS_SPOOL_REFILED
                    : pass->mend == LS_MEND_REFRESH && f->kind != LS_FINDING_STALE ? LS_SPOOL_RECORDED
                                                                                   : LS_SPOOL_MENDED;
    enum ls_rc stored = LS_OK;
    s->tried++;
    if (rc == LS_OK) {
        ++*pass->done;
        stored = ls_spool_mark(s->scan->spool, f->key, mark, err);
        if (!stored && pass->mend == LS_MEND_RELINK)
            stored = ls_spool_mark(s->scan->spool, f->partner, mark, err);
    } else if (rc == LS_CONFLICT || rc == LS_BUSY || rc == LS_NOT_FOUND || rc == LS_EXISTS) {
        s->totals->skipped++;
    } else {
        s->totals->failed++;
    }
    if (s->each) {
        ls_finding_from(s->scan->layout, f, &texts, &shown);
        s->each(s->ctx, pass->what, &shown, rc, rc ? text : NULL);
    }
    return stored;
}

/* ---- for real ---- */

static enum ls_rc mend_batch(struct sync *s, const struct pass *pass, const struct batch *batch, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_mend_item *items = calloc(batch->n, sizeof *items);
    if (!items)
        return ls_err_nomem(err);
    for (size_t i = 0; i < batch->n; i++)
        fill_item(pass, &batch->items[i], &items[i]);
    enum ls_rc rc = ls_engine_mend(s->engine, pass->mend, items, batch->n, err);
    for (size_t i = 0; i < batch->n && !rc; i++)
        rc = settle(s, pass, &batch->items[i], items[i].rc, items[i].err.text, err);
    return rc;
}

/* ---- dry run ---- */

/* Is the key still as the scan found it? */
static bool still_so(const struct ls_spool_finding *f, const struct ls_recheck *now)
{
    const char *row = now->has_row ? now->row_etag : NULL;
    const char *object = now->object.there ? now->object.etag : NULL;
    return !now->verdict.gone && now->verdict.kind == f->kind && !row == !f->row_etag &&
           (!row || !strcmp(row, f->row_etag)) && !object == !f->object_etag &&
           (!object || !strcmp(object, f->object_etag));
}

/* Relink needs its other half as well: an object of this etag and no row. */
static bool partner_so(const struct ls_spool_finding *f, const struct ls_recheck *now)
{
    return !now->unknown && !now->has_row && now->object.there && f->row_etag &&
           strcmp(now->object.etag, f->row_etag) == 0;
}

struct dry {
    struct ls_recheck items[BATCH];
    const struct ls_spool_finding *of[BATCH]; /* in the order of items, for partners */
};

static int by_partner(const void *a, const void *b)
{
    const struct ls_spool_finding *const *x = a, *const *y = b;
    return strcmp((*x)->partner, (*y)->partner);
}

/* Look at the other halves; sets ok[i] by the finding's place in the batch. */
static enum ls_rc look_at_partners(struct sync *s, const struct batch *batch, struct dry *dry, bool *ok,
                                   struct ls_err *err)
{
    for (size_t i = 0; i < batch->n; i++)
        dry->of[i] = &batch->items[i];
    qsort(dry->of, batch->n, sizeof(void *), by_partner);
    for (size_t i = 0; i < batch->n; i++)
        dry->items[i] = (struct ls_recheck){.key = dry->of[i]->partner};
    enum ls_rc rc = ls_recheck_keys(s->scan, dry->items, batch->n, err);
    for (size_t i = 0; i < batch->n && !rc; i++)
        ok[dry->of[i] - batch->items] = partner_so(dry->of[i], &dry->items[i]);
    return rc;
}

static enum ls_rc try_batch(struct sync *s, const struct pass *pass, const struct batch *batch, struct ls_err *err)
{
    LS_AUTO(ls_free) struct dry *dry = calloc(1, sizeof *dry);
    bool ok[BATCH];
    enum ls_rc rc = LS_OK;
    if (!dry)
        return ls_err_nomem(err);
    memset(ok, true, sizeof ok);
    if (pass->mend == LS_MEND_RELINK)
        rc = look_at_partners(s, batch, dry, ok, err);
    for (size_t i = 0; i < batch->n; i++)
        dry->items[i] = (struct ls_recheck){.key = batch->items[i].key};
    if (!rc)
        rc = ls_recheck_keys(s->scan, dry->items, batch->n, err);
    for (size_t i = 0; i < batch->n && !rc; i++) {
        const struct ls_recheck *now = &dry->items[i];
        if (now->unknown)
            rc = settle(s, pass, &batch->items[i], LS_IO, "it could not be read again", err);
        else if (ok[i] && still_so(&batch->items[i], now))
            rc = settle(s, pass, &batch->items[i], LS_OK, NULL, err);
        else
            rc = settle(s, pass, &batch->items[i], LS_CONFLICT, "changed since the scan", err);
    }
    return rc;
}

/* ---- passes ---- */

static enum ls_rc run_pass(struct sync *s, const struct pass *pass, struct ls_err *err)
{
    LS_AUTO(ls_free) struct batch *batch = calloc(1, sizeof *batch);
    LS_AUTO(ls_buf) struct ls_buf from = LS_BUF_INIT(LS_BUF_LINE);
    if (!batch)
        return ls_err_nomem(err);
    for (bool more = true; more;) {
        if (s->opts->cancel && atomic_load(s->opts->cancel))
            return ls_err_set(err, LS_CANCELLED, "sync: stopped on request");
        struct ls_spool_filter filter = {.from = from.data, .where = pass->where};
        enum ls_rc rc = ls_spool_each(s->scan->spool, &filter, batch_add, batch, err);
        more = rc == LS_BUSY;
        if (rc == LS_NO_MEMORY)
            rc = ls_err_nomem(err);
        if (!rc || more)
            rc = batch->n == 0      ? LS_OK
                 : s->opts->dry_run ? try_batch(s, pass, batch, err)
                                    : mend_batch(s, pass, batch, err);
        ls_buf_reset(&from);
        /* the next key after the last one is at least this */
        if (!rc && batch->n && ls_buf_addf(&from, "%s\x01", batch->items[batch->n - 1].key))
            rc = ls_err_nomem(err);
        batch_dispose(batch);
        if (rc)
            return rc;
        if (s->opts->progress)
            s->opts->progress(s->opts->progress_ctx, s->tried, s->planned > s->tried ? s->planned : s->tried);
    }
    return LS_OK;
}

static enum ls_rc run_passes(struct sync *s, struct ls_err *err)
{
    const struct ls_sync_opts *o = s->opts;
    struct ls_sync_plan *done = &s->totals->done;
    const struct pass passes[] = {
        {"relink", "kind=2 AND partner IS NOT NULL", NULL, &done->relink, LS_MEND_RELINK, o->relink_moved},
        {"adopt", "kind=1 AND partner IS NULL AND flags&1=0", NULL, &done->adopt, LS_MEND_ADOPT,
         o->orphans == LS_ORPHANS_ADOPT},
        {"remove", "kind=1 AND partner IS NULL AND flags&1=0", "orphaned", &done->remove_orphaned, LS_MEND_TRASH,
         o->orphans == LS_ORPHANS_REMOVE},
        {"remove", "kind=1 AND flags&1<>0", "misplaced", &done->remove_misplaced, LS_MEND_TRASH, o->remove_misplaced},
        {"drop", "kind=2 AND partner IS NULL", NULL, &done->drop, LS_MEND_DROP, o->drop_missing},
        {"refresh", "kind=3 OR (kind IN (0,4) AND flags&4<>0)", NULL, &done->refresh, LS_MEND_REFRESH,
         o->refresh_stale},
        {"refile", "flags&2<>0 AND flags&1=0 AND (kind=4 OR (kind=3 AND mended&1<>0))", NULL, &done->refile,
         LS_MEND_REFILE, o->refile_misfiled},
    };
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; i < sizeof passes / sizeof passes[0] && !rc; i++) {
        if (passes[i].wanted)
            rc = run_pass(s, &passes[i], err);
    }
    return rc;
}

/* The user overrode the guard: from now on this bucket is the right one. */
static enum ls_rc accept_bucket(struct ls_engine *engine, const struct ls_sync_opts *opts, struct ls_err *err)
{
    struct ls_bucket_ids ids;
    if (!opts->override_empty || opts->dry_run)
        return LS_OK;
    enum ls_rc rc = ls_bucket_ids_read(engine, &ids, err);
    if (rc || !*ids.catalog || strcmp(ids.catalog, ids.bucket) == 0)
        return rc;
    return ls_bucket_accept(engine, &ids, err);
}

enum ls_rc ls_sync_run(struct ls_engine *engine, struct ls_scan *scan, const struct ls_sync_opts *opts,
                       void (*each)(void *ctx, const char *what, const struct ls_finding *finding, enum ls_rc rc,
                                    const char *text),
                       void *ctx, struct ls_sync_totals *out_totals, struct ls_err *err)
{
    static const char differences[] = "kind IN (1,2,3,4)";
    static const char unmended[] = "kind IN (1,2,3,4) AND (mended&1=0 OR (kind=3 AND flags&2<>0 AND mended&2=0))";
    struct ls_sync_plan plan;
    struct sync s = {engine, scan, opts, each, ctx, out_totals, 0, 0};
    *out_totals = (struct ls_sync_totals){0};
    if (!scan->totals.complete)
        return ls_err_set(err, LS_INVALID, "sync: nothing was changed: the scan is incomplete");
    ls_sync_plan(scan, opts, &plan);
    s.planned = plan.adopt + plan.remove_orphaned + plan.remove_misplaced + plan.drop + plan.refresh + plan.relink +
                plan.refile;
    enum ls_rc rc = ls_sync_guard(engine, scan, opts, err);
    if (!rc && !opts->dry_run && opts->backup_path && s.planned &&
        !(opts->backup_age_ms && ls_backup_younger(opts->backup_path, opts->backup_age_ms)))
        rc = ls_backup_make(scan->cat, opts->backup_path, err);
    if (!rc)
        rc = ls_spool_mark(scan->spool, NULL, 0, err);
    if (!rc)
        rc = accept_bucket(engine, opts, err);
    if (!rc)
        rc = run_passes(&s, err);
    struct ls_err ignored;
    enum ls_rc counted = ls_spool_count(scan->spool, opts->dry_run ? differences : unmended, &out_totals->remaining,
                                        rc ? &ignored : err);
    return rc ? rc : counted;
}
