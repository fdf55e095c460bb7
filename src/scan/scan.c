/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scan from start to end, and its result.
 *
 * recover → merge all ranges side by side → read suspects again → fail closed → pair moved ones → count. The caller's
 * thread only waits, tells of the progress and watches for the cancel flag while the ranges are merged; everything
 * after that is its own work.
 */
#include "lockstep/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/workers.h"
#include "scan/merge.h"
#include "scan/recheck.h"

#define RANGES 4
#define TICK_MS 100
#define PRODUCT_PAGE 1000

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

static enum ls_rc merge_ranges(struct ls_scan *scan, const struct ls_scan_opts *opts, const struct ls_ranges *ranges,
                               unsigned width, struct ls_err *err)
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

/* ---- products ---- */

/* Add the products that the catalog has rows of; those of keys are there already. */
static enum ls_rc catalog_products(struct ls_scan *scan, const char *const *products, struct ls_spool_batch *batch,
                                   struct ls_err *err)
{
    struct ls_catalog *cat = scan->cat;
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; products && products[i] && !rc; i++) {
        bool exists = false;
        rc = cat->ops->product_exists(cat, NULL, products[i], &exists, err);
        if (!rc && exists)
            rc = ls_spool_product(batch, products[i], strlen(products[i]), err);
    }
    LS_AUTO(ls_buf) struct ls_buf after = LS_BUF_INIT(LS_BUF_LINE);
    for (bool more = !products; more && !rc;) {
        struct ls_name_page page = {0};
        rc = cat->ops->product_page(cat, NULL, after.data, PRODUCT_PAGE, &page, err);
        for (size_t i = 0; i < page.n && !rc; i++)
            rc = ls_spool_product(batch, page.names[i], strlen(page.names[i]), err);
        more = page.n > 0;
        ls_buf_reset(&after);
        if (!rc && more && ls_buf_adds(&after, page.names[page.n - 1]))
            rc = ls_err_nomem(err);
        ls_name_page_dispose(&page);
    }
    return rc;
}

static enum ls_rc add_products(struct ls_scan *scan, const char *const *products, struct ls_err *err)
{
    struct ls_err why = LS_ERR_INIT;
    LS_AUTO(ls_free) struct ls_spool_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return ls_err_nomem(err);
    ls_spool_batch_init(batch, scan->spool);
    enum ls_rc rc = catalog_products(scan, products, batch, &why);
    if (rc) {
        atomic_store(&scan->catalog_incomplete, true);
        ls_err_prefix(&why, "the products could not be read: ");
        ls_spool_error(scan->spool, why.text);
    }
    rc = ls_spool_flush(batch, err);
    ls_spool_batch_dispose(batch);
    return rc;
}

/* ---- the result ---- */

static enum ls_rc count_mendable(struct ls_scan *scan, struct ls_err *err)
{
    const struct {
        const char *where;
        uint64_t *out;
    } counts[] = {
        {"kind=1 AND partner IS NULL AND flags&1=0", &scan->mendable.orphaned},
        {"kind=1 AND flags&1<>0", &scan->mendable.misplaced},
        {"kind=2 AND partner IS NULL", &scan->mendable.missing},
        {"kind=3", &scan->mendable.stale},
        {"kind IN (0,4) AND flags&4<>0", &scan->mendable.unrecorded},
        {"kind IN (3,4) AND flags&2<>0 AND flags&1=0", &scan->mendable.misfiled},
        {"kind=1", &scan->totals.by_kind[LS_FINDING_ORPHANED]},
        {"kind=2", &scan->totals.by_kind[LS_FINDING_MISSING]},
        {"kind=3", &scan->totals.by_kind[LS_FINDING_STALE]},
        {"kind=4", &scan->totals.by_kind[LS_FINDING_MISFILED]},
        {"kind=5", &scan->totals.by_kind[LS_FINDING_PENDING]},
    };
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && !rc; i++)
        rc = ls_spool_count(scan->spool, counts[i].where, counts[i].out, err);
    return rc;
}

_Static_assert(LS_FINDING_ORPHANED == 1 && LS_FINDING_MISSING == 2 && LS_FINDING_STALE == 3 &&
                   LS_FINDING_MISFILED == 4 && LS_FINDING_PENDING == 5 && LS_SCAN_MISPLACED == 1 &&
                   LS_SCAN_MISFILED == 2 && LS_SCAN_UNRECORDED == 4,
               "the SQL above says so");

/* Fail closed, pair, count. */
static enum ls_rc conclude(struct ls_scan *scan, struct ls_err *err)
{
    struct ls_scan_totals *t = &scan->totals;
    bool store_incomplete = atomic_load(&scan->store_incomplete);
    bool catalog_incomplete = atomic_load(&scan->catalog_incomplete);
    enum ls_rc rc = LS_OK;
    if (store_incomplete)
        rc = ls_spool_drop_kind(scan->spool, LS_FINDING_MISSING, err);
    if (!rc && catalog_incomplete)
        rc = ls_spool_drop_kind(scan->spool, LS_FINDING_ORPHANED, err);
    if (!rc)
        rc = ls_spool_pair_moved(scan->spool, &t->moved, err);
    if (!rc)
        rc = ls_spool_settle_twins(scan->spool, &t->twins, err);
    if (!rc)
        rc = count_mendable(scan, err);
    if (!rc)
        rc = ls_spool_product_count(scan->spool, &t->products, err);
    if (rc)
        return rc;
    t->misplaced = scan->mendable.misplaced;
    t->by_kind[LS_FINDING_SYNCED] = atomic_load(&scan->synced);
    t->images = 0;
    for (int kind = 0; kind < LS_FINDING_KINDS; kind++)
        t->images += t->by_kind[kind];
    t->errors = ls_spool_error_count(scan->spool);
    t->complete = !store_incomplete && !catalog_incomplete;
    t->objects_seen = atomic_load(&scan->objects_seen);
    t->rows_seen = atomic_load(&scan->rows_seen);
    return LS_OK;
}

/* ---- the scan's own row in the catalog ---- */

static void begin_row(const struct ls_scan *scan, const char *const *products, struct ls_scan_row *out)
{
    *out = (struct ls_scan_row){.started_ns = scan->totals.started_ns};
    size_t at = 0;
    for (size_t i = 0; products && products[i] && at < sizeof out->scope - 1; i++) {
        int n = snprintf(out->scope + at, sizeof out->scope - at, "%s%s", i ? " " : "", products[i]);
        at += n < 0 ? 0 : (size_t)n;
    }
}

static void end_row(const struct ls_scan *scan, struct ls_scan_row *row)
{
    const struct ls_scan_totals *t = &scan->totals;
    row->ended_ns = ls_now_ns();
    row->complete = t->complete;
    row->images = t->images;
    row->synced = t->by_kind[LS_FINDING_SYNCED];
    row->orphaned = t->by_kind[LS_FINDING_ORPHANED];
    row->missing = t->by_kind[LS_FINDING_MISSING];
    row->stale = t->by_kind[LS_FINDING_STALE];
    row->misfiled = t->by_kind[LS_FINDING_MISFILED];
    row->pending = t->by_kind[LS_FINDING_PENDING];
    row->moved = t->moved;
    row->misplaced = t->misplaced;
    row->errors = t->errors;
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
    struct ls_ranges ranges;
    enum ls_rc rc = opts->products ? ls_ranges_products(scan->layout, opts->products, &ranges, err)
                                   : ls_ranges_all(scan->cat, scan->layout, width, &ranges, err);
    if (rc)
        return rc;
    rc = merge_ranges(scan, opts, &ranges, width, err);
    ls_ranges_dispose(&ranges);
    if (!rc)
        rc = ls_recheck_suspects(scan, err);
    if (!rc)
        rc = add_products(scan, opts->products, err);
    return rc ? rc : conclude(scan, err);
}

enum ls_rc ls_scan_run(struct ls_engine *engine, const struct ls_scan_opts *opts, struct ls_scan **out_scan,
                       struct ls_err *err)
{
    struct ls_recover_stats recovered = {0};
    struct ls_scan *scan = NULL;
    struct ls_scan_row row;
    enum ls_rc rc = ls_engine_recover(engine, &recovered, err);
    if (!rc)
        rc = scan_new(engine, opts, &scan, err);
    if (rc || !scan)
        return rc;
    begin_row(scan, opts->products, &row);
    rc = scan->cat->ops->scan_put(scan->cat, &row, err);
    if (!rc) {
        rc = scan_both(scan, opts, err);
        end_row(scan, &row);
        struct ls_err why = LS_ERR_INIT;
        if (scan->cat->ops->scan_put(scan->cat, &row, &why))
            LS_LOG_WARN("scan", "not-recorded", {"error", ls_v_str(why.text)});
    }
    scan->totals.ended_ns = ls_now_ns();
    if (rc) {
        ls_scan_free(scan);
        return rc;
    }
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
