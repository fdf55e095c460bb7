/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a sync would do, and the guards that stop it before it changes anything.
 *
 * In this order: the bucket is the one that the catalog knows; it is not empty while there are rows; no kind of loss is
 * larger than allowed. Relinking, adopting and refiling lose nothing and don't count; filling in records that were
 * never made is no loss either.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "scan/bucket.h"
#include "scan/scan_impl.h"

#define AT_LEAST 10 /* a percentage never allows fewer */

void ls_sync_plan(const struct ls_scan *scan, const struct ls_sync_opts *opts, struct ls_sync_plan *out_plan)
{
    *out_plan = (struct ls_sync_plan){0};
    if (opts->relink_moved)
        out_plan->relink = scan->totals.moved;
    if (opts->orphans == LS_ORPHANS_ADOPT)
        out_plan->adopt = scan->mendable.orphaned;
    if (opts->orphans == LS_ORPHANS_REMOVE)
        out_plan->remove_orphaned = scan->mendable.orphaned;
    if (opts->remove_misplaced)
        out_plan->remove_misplaced = scan->mendable.misplaced;
    if (opts->drop_missing)
        out_plan->drop = scan->mendable.missing;
    if (opts->refresh_stale)
        out_plan->refresh = scan->mendable.stale + scan->mendable.unrecorded;
    if (opts->refile_misfiled)
        out_plan->refile = scan->mendable.misfiled;
}

/* "drop 300 rows without an object, move to trash 12 orphaned" */
static void plan_text(const struct ls_sync_plan *plan, char *out, size_t size)
{
    const struct {
        uint64_t n;
        const char *verb, *what;
    } parts[] = {{plan->relink, "relink", "moved"},
                 {plan->adopt, "adopt", "orphaned"},
                 {plan->remove_orphaned, "move to trash", "orphaned"},
                 {plan->remove_misplaced, "move to trash", "misplaced"},
                 {plan->drop, "drop", "rows without an object"},
                 {plan->refresh, "refresh", "rows"},
                 {plan->refile, "refile", "rows"}};
    size_t at = 0;
    *out = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!parts[i].n)
            continue;
        int n = snprintf(out + at, size - at, "%s%s %" PRIu64 " %s", at ? ", " : "", parts[i].verb, parts[i].n,
                         parts[i].what);
        if (n < 0 || (size_t)n >= size - at)
            return;
        at += (size_t)n;
    }
}

static bool plan_empty(const struct ls_sync_plan *p)
{
    return !(p->relink | p->adopt | p->remove_orphaned | p->remove_misplaced | p->drop | p->refresh | p->refile);
}

/* Is it the bucket that the rows are of, and is anything in it? */
static enum ls_rc guard_bucket(struct ls_engine *engine, const struct ls_scan *scan, const struct ls_sync_opts *opts,
                               const char *would, struct ls_err *err)
{
    struct ls_bucket_ids ids;
    const char *words = opts->allow_empty_words ? opts->allow_empty_words : "--allow-empty";
    enum ls_rc rc = ls_bucket_ids_read(engine, &ids, err);
    if (rc)
        return rc;
    if (*ids.catalog && !*ids.bucket)
        rc = ls_err_set(err, LS_GUARD,
                        "sync: nothing was changed: the bucket lacks its mark .lockstep/bucket-id, so it was emptied "
                        "or is not the one that this catalog describes. A sync would %s. Check the store's url and the "
                        "bucket; if it is the right one, repeat with %s",
                        would, words);
    else if (*ids.catalog && strcmp(ids.catalog, ids.bucket) != 0)
        rc = ls_err_set(err, LS_GUARD,
                        "sync: nothing was changed: this is another bucket (id %s) than the catalog describes (id "
                        "%s). A sync would %s. If it is the right one, repeat with %s",
                        ids.bucket, ids.catalog, would, words);
    else if (!scan->scoped && scan->totals.objects_seen == 0 && scan->totals.rows_seen > 0)
        rc = ls_err_set(err, LS_GUARD,
                        "sync: nothing was changed: the bucket is empty, but the catalog has %" PRIu64
                        " images. A sync would %s. If it is meant to be empty, repeat with %s",
                        scan->totals.rows_seen, would, words);
    if (rc && err)
        snprintf(err->code, sizeof err->code, "bucket");
    return rc;
}

uint64_t ls_sync_largest(const struct ls_scan *scan, const struct ls_sync_opts *opts)
{
    struct ls_sync_plan plan;
    ls_sync_plan(scan, opts, &plan);
    uint64_t refresh = opts->refresh_stale ? scan->mendable.stale : 0;
    uint64_t most = plan.remove_orphaned > plan.remove_misplaced ? plan.remove_orphaned : plan.remove_misplaced;
    most = plan.drop > most ? plan.drop : most;
    return refresh > most ? refresh : most;
}

/* Is any kind of loss larger than allowed? */
static enum ls_rc guard_size(const struct ls_scan *scan, const struct ls_sync_opts *opts, const char *would,
                             struct ls_err *err)
{
    char allowed[80];
    uint64_t limit = opts->max_change_count, most = ls_sync_largest(scan, opts);
    snprintf(allowed, sizeof allowed, "%" PRIu64, limit);
    if (opts->max_change_percent) {
        limit = (uint64_t)((double)scan->totals.images * opts->max_change_percent / 100);
        limit = limit < AT_LEAST ? AT_LEAST : limit;
        snprintf(allowed, sizeof allowed, "%" PRIu64 ", %u %% of %" PRIu64 " images but at least %d", limit,
                 opts->max_change_percent, scan->totals.images, AT_LEAST);
    }
    if (most <= limit)
        return LS_OK;
    enum ls_rc rc =
        ls_err_set(err, LS_GUARD,
                   "sync: nothing was changed: it would %s, which is more than may be removed, dropped or refreshed of "
                   "one kind at once (%s). Look at what scan reports; if that is right, repeat with %s%" PRIu64,
                   would, allowed, opts->max_change_words ? opts->max_change_words : "--max-change=", most);
    if (err)
        snprintf(err->code, sizeof err->code, "max-change");
    return rc;
}

enum ls_rc ls_sync_guard(struct ls_engine *engine, struct ls_scan *scan, const struct ls_sync_opts *opts,
                         struct ls_err *err)
{
    struct ls_sync_plan plan;
    char would[400];
    ls_sync_plan(scan, opts, &plan);
    if (plan_empty(&plan))
        return LS_OK;
    plan_text(&plan, would, sizeof would);
    enum ls_rc rc = opts->override_empty ? LS_OK : guard_bucket(engine, scan, opts, would, err);
    return rc ? rc : guard_size(scan, opts, would, err);
}
