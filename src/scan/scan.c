/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scan from start to end, and its result.
 *
 * recover → merge all ranges side by side → read suspects again → fail closed → pair moved ones → count → keep the
 * findings in the catalog. The caller's thread only waits, tells of the progress and watches for the cancel flag while
 * the ranges are merged; everything after that is its own work. Where there is but one range it merges it itself. A
 * shared scan goes another way, see share.c.
 *
 * An unrecorded scan of one product whose keys are all synced asks each side once, both at the same time, and writes
 * nothing: what is synced needs no recovery of dead intents and no second look.
 */
#include "lockstep/scan.h"

#include <stdlib.h>
#include <time.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/workers.h"
#include "scan/conclude.h"
#include "scan/keep.h"
#include "scan/merge.h"
#include "scan/recheck.h"
#include "scan/row.h"
#include "scan/share.h"
#include "scan/tally.h"
#include "scan/unannounced.h"

#define RANGES 4
#define TICK_MS 100

/* ---- merging side by side ---- */

struct crew {
    struct ls_scan *scan;
    pthread_mutex_t mutex; /* the fields below */
    pthread_cond_t change;
    size_t left;
    enum ls_rc rc; /* the first failure that ends the scan */
    struct ls_err err;
};

struct crew_job {
    struct crew *crew;
    const struct ls_range *range;
};

static void merge_job(void *arg)
{
    struct crew_job *job = arg;
    struct crew *crew = job->crew;
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = LS_OK;
    if (!atomic_load(&crew->scan->stop))
        rc = ls_merge_range(crew->scan, job->range, &err);
    LS_LOCK(&crew->mutex);
    if (rc && !crew->rc) {
        crew->rc = rc;
        crew->err = err;
        atomic_store(&crew->scan->stop, true);
    }
    crew->left--;
    pthread_cond_signal(&crew->change);
}

/* Wait until all ranges are done; meanwhile tell how far it is and watch for the cancel flag. */
static void crew_wait(struct crew *crew, const struct ls_scan_opts *opts, uint64_t total)
{
    LS_LOCK(&crew->mutex);
    while (crew->left) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_MS * LS_NS_PER_MS;
        until.tv_sec += until.tv_nsec / LS_NS_PER_S;
        until.tv_nsec %= LS_NS_PER_S;
        pthread_cond_timedwait(&crew->change, &crew->mutex, &until);
        if (ls_scan_cancelled(crew->scan))
            atomic_store(&crew->scan->stop, true);
        if (!opts->progress)
            continue;
        uint64_t done = atomic_load(&crew->scan->objects_seen);
        pthread_mutex_unlock(&crew->mutex);
        opts->progress(opts->progress_ctx, done, total && total < done ? done : total);
        pthread_mutex_lock(&crew->mutex);
    }
}

static enum ls_rc merge_side_by_side(struct ls_scan *scan, const struct ls_scan_opts *opts,
                                     const struct ls_ranges *ranges, unsigned width, struct ls_err *err)
{
    uint64_t total = 0;
    struct ls_workers *pool = NULL;
    enum ls_rc rc = LS_OK;
    if (opts->progress && !scan->scoped)
        rc = scan->cat->ops->image_count(scan->cat, "", NULL, &total, NULL, err);
    if (!rc)
        rc = ls_workers_new("ls-scan", width, &pool, err);
    if (rc)
        return rc;
    LS_AUTO(ls_free) struct crew_job *jobs = calloc(ranges->n + 1, sizeof *jobs);
    if (!jobs) {
        ls_workers_free(pool);
        return ls_err_nomem(err);
    }
    struct crew crew = {.scan = scan, .left = ranges->n};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&crew.mutex, NULL);
    pthread_cond_init(&crew.change, &attr);
    for (size_t i = 0; i < ranges->n; i++) {
        jobs[i] = (struct crew_job){&crew, &ranges->items[i]};
        if (ls_workers_add(pool, merge_job, &jobs[i]))
            merge_job(&jobs[i]); /* no memory for a queue entry: do it here */
    }
    crew_wait(&crew, opts, total);
    ls_workers_free(pool);
    pthread_cond_destroy(&crew.change);
    pthread_condattr_destroy(&attr);
    pthread_mutex_destroy(&crew.mutex);
    if (ls_scan_cancelled(scan))
        return ls_err_set(err, LS_CANCELLED, "scan: stopped on request");
    if (crew.rc && err)
        *err = crew.err;
    return crew.rc;
}

static enum ls_rc merge_ranges(struct ls_scan *scan, const struct ls_scan_opts *opts, const struct ls_ranges *ranges,
                               unsigned width, struct ls_err *err)
{
    if (ranges->n > 1 || opts->progress)
        return merge_side_by_side(scan, opts, ranges, width, err);
    enum ls_rc rc = ranges->n ? ls_merge_range(scan, &ranges->items[0], err) : LS_OK;
    if (ls_scan_cancelled(scan))
        return ls_err_set(err, LS_CANCELLED, "scan: stopped on request");
    return rc;
}

/* ---- public ---- */

static enum ls_rc scan_new(struct ls_engine *engine, const struct ls_scan_opts *opts, struct ls_scan **out_scan,
                           struct ls_err *err)
{
    struct ls_scan *scan = calloc(1, sizeof *scan);
    if (!scan)
        return ls_err_nomem(err);
    scan->engine = engine;
    scan->store = ls_engine_store(engine);
    scan->cat = ls_engine_catalog(engine);
    scan->layout = ls_engine_layout(engine);
    scan->keep_synced = opts->keep_synced;
    scan->scoped = opts->products != NULL;
    scan->cancel = opts->cancel;
    scan->totals.started_ns = ls_now_ns();
    scan->totals.unannounced = LS_UNANNOUNCED_UNKNOWN;
    enum ls_rc rc = ls_spool_open(opts->spool_dir, &scan->spool, err);
    if (!rc)
        rc = ls_classifier_init(&scan->classifier, scan->layout, scan->store, scan->totals.started_ns,
                                opts->grace_ms * LS_NS_PER_MS, err);
    scan->classifier.no_url = scan->cat->lacks_url;
    scan->classifier.no_type = scan->cat->lacks_type;
    if (rc) {
        ls_scan_free(scan);
        return rc;
    }
    *out_scan = scan;
    return LS_OK;
}

static enum ls_rc scan_both(struct ls_scan *scan, const struct ls_scan_opts *opts, struct ls_err *err)
{
    unsigned width = opts->ranges ? opts->ranges : RANGES;
    struct ls_recover_stats recovered;
    struct ls_ranges ranges;
    enum ls_rc rc = opts->products ? ls_ranges_products(scan->layout, opts->products, &ranges, err)
                                   : ls_ranges_all(scan->cat, scan->layout, width, width, &ranges, err);
    if (rc)
        return rc;
    rc = merge_ranges(scan, opts, &ranges, width, err);
    ls_ranges_dispose(&ranges);
    if (!rc && opts->unrecorded && !ls_spool_plain(scan->spool))
        rc = ls_engine_recover(scan->engine, &recovered, err);
    if (!rc)
        rc = ls_recheck_suspects(scan, err);
    if (!rc)
        rc = ls_scan_add_products(scan, opts->products, err);
    return rc ? rc : ls_scan_conclude(scan, err);
}

/* What a complete scan found stays in the catalog, up to a bound; the counts are in its row anyway. */
static enum ls_rc keep_findings(struct ls_scan *scan, struct ls_scan_row *row, struct ls_err *err)
{
    uint64_t found = 0;
    enum ls_rc rc = ls_spool_count(scan->spool, ls_kept_where(false), &found, err);
    if (rc || !scan->totals.complete)
        return rc;
    if (found) {
        row->findings = LS_SCAN_FINDINGS_WRITING;
        rc = scan->cat->ops->scan_put(scan->cat, row, err);
    }
    if (!rc && found)
        rc = ls_kept_write(scan, row->id, LS_FINDINGS_KEPT_MAX, err);
    if (!rc && found)
        rc = ls_tally_write(scan, row->id, err);
    row->findings = LS_SCAN_FINDINGS_KEPT;
    return rc;
}

/* The scan took place, so that some of this cannot be recorded is only said. */
static void record(struct ls_scan *scan, struct ls_scan_row *row, bool done)
{
    struct ls_err why = LS_ERR_INIT;
    if (done && keep_findings(scan, row, &why)) {
        LS_LOG_WARN("scan", "findings-not-kept", {"error", ls_v_str(why.text)});
        row->findings = LS_SCAN_FINDINGS_GOING;
    }
    ls_scan_end_row(scan, row);
    if (scan->cat->ops->scan_put(scan->cat, row, &why))
        LS_LOG_WARN("scan", "not-recorded", {"error", ls_v_str(why.text)});
    else if (done)
        ls_kept_tidy(scan->cat);
}

static enum ls_rc scan_alone(struct ls_scan *scan, const struct ls_scan_opts *opts, struct ls_err *err)
{
    struct ls_scan_row row;
    if (opts->unrecorded)
        return scan_both(scan, opts, err);
    ls_scan_begin_row(scan, opts->products, &row);
    enum ls_rc rc = scan->cat->ops->scan_put(scan->cat, &row, err);
    if (rc)
        return rc;
    rc = scan_both(scan, opts, err);
    if (!rc)
        ls_scan_count_unannounced(scan, row.id);
    record(scan, &row, rc == LS_OK);
    return rc;
}

enum ls_rc ls_scan_run(struct ls_engine *engine, const struct ls_scan_opts *opts, struct ls_scan **out_scan,
                       struct ls_err *err)
{
    struct ls_recover_stats recovered = {0};
    struct ls_scan *scan = NULL;
    enum ls_rc rc = opts->unrecorded ? LS_OK : ls_engine_recover(engine, &recovered, err);
    if (!rc)
        rc = scan_new(engine, opts, &scan, err);
    if (rc || !scan)
        return rc;
    rc = opts->share ? ls_share_run(scan, opts, err) : scan_alone(scan, opts, err);
    if (rc) {
        ls_scan_free(scan);
        return rc;
    }
    if (!opts->share)
        scan->totals.ended_ns = ls_now_ns();
    LS_LOG_DEBUG("scan", "done", {"objects", ls_v_uint(scan->totals.objects_seen)},
                 {"rows", ls_v_uint(scan->totals.rows_seen)}, {"synced", ls_v_uint(scan->totals.by_kind[0])});
    *out_scan = scan;
    return LS_OK;
}

void ls_scan_free(struct ls_scan *scan)
{
    if (!scan)
        return;
    ls_classifier_dispose(&scan->classifier);
    ls_spool_close(scan->spool);
    free(scan);
}

const struct ls_scan_totals *ls_scan_totals(const struct ls_scan *scan) { return &scan->totals; }
