/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scan that several processes share: joining it, keeping it going, reading its result.
 *
 * Whoever comes first makes the run and its ranges in the catalog; from then on all are alike. Each process works on
 * some ranges side by side; its main thread starts the work, shows signs of life, and looks for ranges that others
 * left: given back, of a dead instance, or of one whose range shows no sign of life for takeover_ms (it is stopped, or
 * cut off from the catalog). How long that is counts on this process's own clock, from when it first saw the range like
 * that. When the run has ended, everybody reads the result from the catalog.
 */
#include "scan/share.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/workers.h"
#include "scan/conclude.h"
#include "scan/keep.h"
#include "scan/row.h"

#define RANGES 12 /* when that makes no large ones */
#define RANGES_MAX 256
#define WIDTH 4
#define TICK_MS 100
#define POLL_MS 250
#define RESUME_MS INT64_C(3600000)
#define TAKEOVER_MS INT64_C(30000)
#define NEW_MS INT64_C(10000)     /* so long its maker needs at most to take the first range */
#define SYNCED_TOO " with synced" /* at the end of a run's options */

/* ---- what the findings of a run depend on ---- */

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* A digest of the products, whatever order they come in. */
static enum ls_rc products_digest(const char *const *products, char out[2 * LS_MD5_LEN + 1], struct ls_err *err)
{
    size_t n = 0;
    while (products[n])
        n++;
    LS_AUTO(ls_free) const char **sorted = calloc(n + 1, sizeof *sorted);
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(LS_BUF_LINE * 64);
    if (!sorted)
        return ls_err_nomem(err);
    memcpy(sorted, products, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_bytes);
    for (size_t i = 0; i < n; i++)
        if ((i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0) && ls_buf_add(&text, sorted[i], strlen(sorted[i]) + 1))
            return ls_err_nomem(err);
    uint8_t md5[LS_MD5_LEN];
    ls_md5(text.data, text.len, md5);
    ls_hex(md5, sizeof md5, out);
    return LS_OK;
}

/* In words that an error may show, without SYNCED_TOO. */
static enum ls_rc options_text(const struct ls_scan_opts *opts, char *out, size_t size, struct ls_err *err)
{
    char digest[2 * LS_MD5_LEN + 1] = "";
    enum ls_rc rc = opts->products ? products_digest(opts->products, digest, err) : LS_OK;
    snprintf(out, size, "grace %" PRId64 " ms of %s%s", opts->grace_ms, opts->products ? "products " : "everything",
             digest);
    return rc;
}

static bool keeps_synced(const struct ls_scan_row *run)
{
    size_t len = strlen(run->options), end = strlen(SYNCED_TOO);
    return len >= end && strcmp(run->options + len - end, SYNCED_TOO) == 0;
}

/* ---- joining ---- */

/* Does a live process work on it? */
static enum ls_rc is_worked_on(struct ls_catalog *cat, const struct ls_scan_row *run,
                               const struct ls_scan_range_page *ranges, bool *out_live, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    const char *asked = "";
    *out_live = false;
    if (ls_now_ns() - run->started_ns < NEW_MS * LS_NS_PER_MS)
        rc = cat->ops->instance_alive(cat, run->instance, out_live, err);
    for (size_t i = 0; i < ranges->n && !*out_live && !rc; i++) {
        const struct ls_scan_range *r = &ranges->items[i];
        if (r->state != LS_RANGE_TAKEN || strcmp(asked, r->instance) == 0)
            continue;
        rc = cat->ops->instance_alive(cat, r->instance, out_live, err);
        asked = r->instance;
    }
    return rc;
}

enum joining { JOIN, BEGIN, REPLACE };

/* What to do about a run that has not ended. */
static enum ls_rc judge_run(struct ls_share *share, const struct ls_scan_row *run, const char *options,
                            enum joining *out, struct ls_err *err)
{
    struct ls_catalog *cat = share->scan->cat;
    struct ls_scan_range_page ranges;
    bool live = false;
    int64_t resume_ms = share->opts->resume_ms ? share->opts->resume_ms : RESUME_MS;
    enum ls_rc rc = cat->ops->scan_ranges(cat, NULL, run->id, &ranges, err);
    if (rc)
        return rc;
    rc = is_worked_on(cat, run, &ranges, &live, err);
    size_t n = ranges.n;
    ls_scan_range_page_dispose(&ranges);
    if (rc)
        return rc;
    size_t len = strlen(options);
    bool same = strncmp(run->options, options, len) == 0 &&
                (run->options[len] == '\0' || strcmp(run->options + len, SYNCED_TOO) == 0) &&
                (keeps_synced(run) || !share->opts->keep_synced);
    bool old = ls_now_ns() - run->started_ns > resume_ms * LS_NS_PER_MS;
    *out = same && n && (live || !old) ? JOIN : REPLACE;
    if (same || !live)
        return LS_OK;
    return ls_err_set(err, LS_BUSY,
                      "scan: a shared scan with other options runs already (number %" PRId64 ": %s; asked for: %s%s). "
                      "Ask for the same, or wait until it has ended",
                      run->id, run->options, options, share->opts->keep_synced ? SYNCED_TOO : "");
}

/* The ranges as the catalog keeps them, borrowing their strings; number 0 is what is left when all are done. NULL
 * without memory. */
static struct ls_scan_range *list_ranges(const struct ls_ranges *ranges)
{
    struct ls_scan_range *items = calloc(ranges->n + 1, sizeof *items);
    if (!items)
        return NULL;
    items[0] = (struct ls_scan_range){.prefix = "", .after_key = "", .state = LS_RANGE_FREE};
    for (size_t i = 0; i < ranges->n; i++)
        items[i + 1] = (struct ls_scan_range){.number = (int64_t)i + 1,
                                              .prefix = ranges->items[i].prefix,
                                              .after_key = ranges->items[i].list_after,
                                              .last_key = ranges->items[i].list_last,
                                              .state = LS_RANGE_FREE};
    return items;
}

/* In one transaction: `seen` (NULL = none) is still the run that goes on, and it is ended; the new one is written. */
static enum ls_rc write_run(struct ls_share *share, const struct ls_scan_row *seen, struct ls_scan_row *run,
                            struct ls_scan_range *items, size_t n, bool *out_again, struct ls_err *err)
{
    struct ls_catalog *cat = share->scan->cat;
    struct ls_scan_row now = {0};
    struct ls_tx *tx;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc)
        return rc;
    rc = cat->ops->scan_running(cat, tx, &now, NULL);
    *out_again = rc == LS_OK ? !seen || now.id != seen->id : rc == LS_NOT_FOUND && seen;
    if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    else if (rc)
        ls_err_set(err, rc, "scan: the shared scans could not be read");
    if (!rc && !*out_again && seen) {
        now.ended_ns = ls_now_ns();
        now.findings = LS_SCAN_FINDINGS_GOING;
        rc = cat->ops->scan_write(tx, &now, err);
    }
    if (!rc && !*out_again)
        rc = cat->ops->scan_write(tx, run, err);
    for (size_t i = 0; i < n; i++)
        items[i].scan = run->id;
    if (!rc && !*out_again)
        rc = cat->ops->scan_ranges_add(tx, items, n, err);
    if (!rc && !*out_again)
        return cat->ops->commit(tx, err);
    cat->ops->rollback(tx);
    return rc;
}

static enum ls_rc begin_run(struct ls_share *share, const struct ls_scan_row *seen, const char *options,
                            bool *out_again, struct ls_err *err)
{
    const struct ls_scan_opts *opts = share->opts;
    struct ls_scan *scan = share->scan;
    struct ls_ranges ranges;
    enum ls_rc rc = opts->products ? ls_ranges_products(scan->layout, opts->products, &ranges, err)
                                   : ls_ranges_all(scan->cat, scan->layout, RANGES, RANGES_MAX, &ranges, err);
    if (rc)
        return rc;
    struct ls_scan_row run;
    ls_scan_begin_row(scan, opts->products, &run);
    run.shared = true;
    run.findings = LS_SCAN_FINDINGS_WRITING;
    snprintf(run.options, sizeof run.options, "%s%s", options, opts->keep_synced ? SYNCED_TOO : "");
    LS_AUTO(ls_free) struct ls_scan_range *items = list_ranges(&ranges);
    rc = items ? write_run(share, seen, &run, items, ranges.n + 1, out_again, err) : ls_err_nomem(err);
    ls_ranges_dispose(&ranges);
    if (!rc && !*out_again)
        share->run = run;
    return rc;
}

/* Find the run to work on, or make it. */
static enum ls_rc join(struct ls_share *share, struct ls_err *err)
{
    struct ls_catalog *cat = share->scan->cat;
    char options[sizeof share->run.options - sizeof SYNCED_TOO];
    enum ls_rc rc = options_text(share->opts, options, sizeof options, err);
    for (bool again = true; again && !rc;) {
        struct ls_scan_row seen;
        enum joining what = BEGIN;
        again = false;
        rc = cat->ops->scan_running(cat, NULL, &seen, err);
        if (!rc)
            rc = judge_run(share, &seen, options, &what, err);
        else if (rc == LS_NOT_FOUND)
            rc = LS_OK;
        if (!rc && what == JOIN)
            share->run = seen;
        else if (!rc)
            rc = begin_run(share, what == REPLACE ? &seen : NULL, options, &again, err);
        if (!rc && !again)
            LS_LOG_INFO("scan", what == JOIN ? "shared-joined" : "shared-begun", {"scan", ls_v_int(share->run.id)});
    }
    if (!rc)
        rc = cat->ops->scan_ranges(cat, NULL, share->run.id, &share->ranges, err);
    for (size_t i = 0; i < share->ranges.n && !rc; i++)
        if (share->ranges.items[i].number != (int64_t)i)
            rc = ls_err_set(err, LS_CORRUPT, "scan: the shared scan %" PRId64 " lacks range %zu", share->run.id, i);
    share->keep_synced = keeps_synced(&share->run);
    return rc;
}

/* ---- keeping it going ---- */

/* A catalog that is busy or away may be there at the next look; for how long that goes well is counted. */
static enum ls_rc patient(struct ls_share *share, enum ls_rc rc)
{
    int64_t now_ms = ls_monotonic_ms();
    LS_LOCK(&share->mutex);
    if (!ls_tx_again(rc)) {
        share->trouble_ms = rc ? share->trouble_ms : 0;
        return rc;
    }
    if (!share->trouble_ms)
        share->trouble_ms = now_ms;
    return now_ms - share->trouble_ms < LS_TX_AGAIN_MS ? LS_OK : rc;
}

struct job {
    struct ls_share *share;
    struct ls_claimed claimed; /* number -1: take one first */
};

static void run_job(void *arg)
{
    struct job *job = arg;
    struct ls_share *share = job->share;
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = LS_OK;
    if (job->claimed.number < 0)
        rc = patient(share, ls_share_take(share, &job->claimed, &err));
    while (!rc && job->claimed.number >= 0)
        rc = ls_share_work(share, &job->claimed, &err);
    free(job);
    LS_LOCK(&share->mutex);
    if (rc && !share->rc) {
        share->rc = rc;
        share->err = err;
        atomic_store(&share->stop, true);
    }
    share->working--;
    pthread_cond_signal(&share->change);
}

static enum ls_rc start_job(struct ls_share *share, struct ls_workers *pool, const struct ls_claimed *claimed,
                            struct ls_err *err)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return ls_err_nomem(err);
    *job = (struct job){share, *claimed};
    pthread_mutex_lock(&share->mutex);
    share->working++;
    pthread_mutex_unlock(&share->mutex);
    if (ls_workers_add(pool, run_job, job)) {
        free(job);
        LS_LOCK(&share->mutex);
        share->working--;
        return ls_err_nomem(err);
    }
    return LS_OK;
}

/* How long a range has looked as it looks now. */
struct watched {
    int64_t turn, beat, since_ms;
};

struct keeping {
    struct ls_share *share;
    struct ls_workers *pool;
    unsigned width;
    struct watched *watched;               /* by number */
    int64_t takeover_ms, beat_ms, poll_ms; /* the last two: when it was done last */
    uint64_t total, others;                /* objects: expected (0 = unknown), of ranges that others have ended */
    bool ended;
};

static unsigned working(struct ls_share *share)
{
    LS_LOCK(&share->mutex);
    return share->working;
}

/* Has its process shown no sign of life for too long, or is it dead? */
static enum ls_rc is_left(struct keeping *k, const struct ls_scan_range *r, bool *out_left, struct ls_err *err)
{
    struct watched *w = &k->watched[r->number];
    struct ls_catalog *cat = k->share->scan->cat;
    int64_t now_ms = ls_monotonic_ms();
    bool alive = true;
    if (w->turn != r->turn || w->beat != r->beat || !w->since_ms)
        *w = (struct watched){r->turn, r->beat, now_ms};
    *out_left = now_ms - w->since_ms >= k->takeover_ms;
    if (*out_left)
        return LS_OK;
    enum ls_rc rc = cat->ops->instance_alive(cat, r->instance, &alive, err);
    *out_left = !rc && !alive;
    return rc;
}

/* Start work on a range that nobody works on; others are left alone. */
static enum ls_rc look_at_range(struct keeping *k, const struct ls_scan_range *r, bool idle, bool all_done,
                                struct ls_err *err)
{
    struct ls_claimed claimed = {.number = -1};
    bool left = false;
    if (r->state == LS_RANGE_FREE && (r->number > 0 || all_done))
        return start_job(k->share, k->pool, &claimed, err);
    if (r->state != LS_RANGE_TAKEN)
        return LS_OK;
    if (strcmp(r->instance, k->share->instance) == 0) {
        /* Ours, and no thread of ours works: a commit that took it was taken for failed. */
        claimed = (struct ls_claimed){r->number, r->turn};
        return idle ? start_job(k->share, k->pool, &claimed, err) : LS_OK;
    }
    enum ls_rc rc = is_left(k, r, &left, err);
    if (!rc && left)
        rc = patient(k->share, ls_share_take_over(k->share, r, &claimed, err));
    return rc || claimed.number < 0 ? rc : start_job(k->share, k->pool, &claimed, err);
}

/* Look how the run stands, and at what is left to do. */
static enum ls_rc poll_run(struct keeping *k, struct ls_err *err)
{
    struct ls_share *share = k->share;
    struct ls_catalog *cat = share->scan->cat;
    struct ls_scan_range_page ranges = {0};
    struct ls_scan_row now;
    bool all_done = true;
    enum ls_rc rc = cat->ops->scan_get(cat, share->run.id + 1, &now, err);
    if (!rc && now.id != share->run.id)
        rc = ls_err_set(err, LS_CONFLICT, "scan: the shared scan %" PRId64 " is gone", share->run.id);
    if (rc)
        return rc;
    k->ended = now.ended_ns != 0;
    if (k->ended)
        return LS_OK;
    rc = cat->ops->scan_ranges(cat, NULL, share->run.id, &ranges, err);
    k->others = 0;
    for (size_t i = 0; i < ranges.n; i++) {
        all_done = all_done && (ranges.items[i].state == LS_RANGE_DONE || ranges.items[i].number == 0);
        if (ranges.items[i].state == LS_RANGE_DONE && strcmp(ranges.items[i].instance, share->instance) != 0)
            k->others += ranges.items[i].objects_seen;
    }
    bool idle = working(share) == 0;
    for (size_t i = 0; i < ranges.n && !rc && working(share) < k->width && !atomic_load(&share->stop); i++)
        if (ranges.items[i].number >= 0 && (size_t)ranges.items[i].number < share->ranges.n)
            rc = look_at_range(k, &ranges.items[i], idle, all_done, err);
    ls_scan_range_page_dispose(&ranges);
    return rc;
}

/* Wait a little; tell how far it is; pass a wish to stop on. */
static void tick(struct keeping *k)
{
    struct ls_share *share = k->share;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * LS_NS_PER_MS;
    until.tv_sec += until.tv_nsec / LS_NS_PER_S;
    until.tv_nsec %= LS_NS_PER_S;
    pthread_mutex_lock(&share->mutex);
    pthread_cond_timedwait(&share->change, &share->mutex, &until);
    uint64_t done = k->others + atomic_load(&share->seen);
    if (ls_scan_cancelled(share->scan))
        atomic_store(&share->stop, true);
    for (size_t i = 0; i < LS_SHARE_WIDTH_MAX; i++) {
        if (!share->parts[i])
            continue;
        done += atomic_load(&share->parts[i]->objects_seen);
        if (ls_scan_cancelled(share->scan))
            atomic_store(&share->parts[i]->stop, true);
    }
    pthread_mutex_unlock(&share->mutex);
    if (share->opts->progress)
        share->opts->progress(share->opts->progress_ctx, done, k->total && k->total < done ? done : k->total);
}

/* A catalog that does not answer just now ends nothing: the ranges are tried again, and others may take them. */
static void show_life(struct keeping *k)
{
    struct ls_share *share = k->share;
    struct ls_err why = LS_ERR_INIT;
    if (ls_monotonic_ms() - k->beat_ms < k->takeover_ms / 6 || !working(share))
        return;
    k->beat_ms = ls_monotonic_ms();
    if (share->scan->cat->ops->scan_beat(share->scan->cat, share->run.id, share->instance, &why))
        LS_LOG_WARN("scan", "no-sign-of-life", {"error", ls_v_str(why.text)});
}

static enum ls_rc keep_going(struct keeping *k, struct ls_err *err)
{
    struct ls_share *share = k->share;
    enum ls_rc rc = LS_OK;
    const struct ls_claimed none = {.number = -1};
    size_t jobs = share->ranges.n > k->width ? k->width : share->ranges.n > 1 ? share->ranges.n - 1 : 1;
    for (size_t i = 0; i < jobs && !rc; i++)
        rc = start_job(share, k->pool, &none, err);
    k->beat_ms = k->poll_ms = ls_monotonic_ms();
    while (!rc && !k->ended && !atomic_load(&share->stop)) {
        tick(k);
        show_life(k);
        if (ls_monotonic_ms() - k->poll_ms < POLL_MS && working(share))
            continue;
        k->poll_ms = ls_monotonic_ms();
        rc = patient(share, poll_run(k, err));
    }
    atomic_store(&share->stop, true);
    while (working(share))
        tick(k);
    if (ls_scan_cancelled(share->scan))
        return ls_err_set(err, LS_CANCELLED, "scan: stopped on request");
    if (!rc && share->rc && !k->ended) {
        rc = share->rc;
        if (err)
            *err = share->err;
    }
    return rc;
}

/* ---- the result ---- */

static enum ls_rc read_result(struct ls_share *share, struct ls_err *err)
{
    struct ls_scan *scan = share->scan;
    struct ls_catalog *cat = scan->cat;
    struct ls_scan_range_page ranges = {0};
    struct ls_scan_row now;
    uint64_t errors;
    enum ls_rc rc = cat->ops->scan_ranges(cat, NULL, share->run.id, &ranges, err);
    if (!rc)
        rc = ls_share_sum_ranges(scan, &ranges, &errors, err);
    ls_scan_range_page_dispose(&ranges);
    if (!rc)
        rc = ls_kept_read(scan, share->run.id, false, err);
    if (!rc)
        rc = ls_scan_add_products(scan, share->opts->products, err);
    if (!rc)
        rc = cat->ops->scan_get(cat, share->run.id + 1, &now, err);
    if (!rc)
        rc = ls_scan_count(scan, err);
    if (rc)
        return rc;
    if (now.id != share->run.id || now.findings != LS_SCAN_FINDINGS_KEPT)
        return ls_err_set(err, LS_CONFLICT, "scan: the shared scan %" PRId64 " was given up or forgotten meanwhile",
                          share->run.id);
    ls_scan_row_totals(&now, &scan->totals);
    return LS_OK;
}

/* ---- all of it ---- */

static enum ls_rc keep_and_read(struct ls_share *share, struct ls_err *err)
{
    const struct ls_scan_opts *opts = share->opts;
    struct keeping k = {.share = share,
                        .width = opts->ranges ? opts->ranges : WIDTH,
                        .takeover_ms = opts->takeover_ms ? opts->takeover_ms : TAKEOVER_MS};
    if (k.width > LS_SHARE_WIDTH_MAX)
        k.width = LS_SHARE_WIDTH_MAX;
    struct ls_catalog *cat = share->scan->cat;
    enum ls_rc rc = LS_OK;
    LS_AUTO(ls_free) struct watched *watched = calloc(share->ranges.n + 1, sizeof *watched);
    if (!watched)
        return ls_err_nomem(err);
    k.watched = watched;
    if (opts->progress && !opts->products)
        rc = cat->ops->image_count(cat, "", NULL, &k.total, NULL, err);
    if (!rc)
        rc = ls_workers_new("ls-scan", k.width, &k.pool, err);
    if (rc)
        return rc;
    rc = keep_going(&k, err);
    ls_workers_free(k.pool);
    return rc ? rc : read_result(share, err);
}

enum ls_rc ls_share_run(struct ls_scan *scan, const struct ls_scan_opts *opts, struct ls_err *err)
{
    struct ls_share share = {.scan = scan, .opts = opts, .instance = ls_engine_instance(scan->engine)};
    pthread_condattr_t attr;
    enum ls_rc rc = join(&share, err);
    if (rc) {
        ls_scan_range_page_dispose(&share.ranges);
        return rc;
    }
    scan->classifier.now_ns = share.run.started_ns; /* all judge by the same moment what is young */
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&share.mutex, NULL);
    pthread_cond_init(&share.change, &attr);
    rc = keep_and_read(&share, err);
    pthread_cond_destroy(&share.change);
    pthread_mutex_destroy(&share.mutex);
    pthread_condattr_destroy(&attr);
    ls_scan_range_page_dispose(&share.ranges);
    return rc;
}
