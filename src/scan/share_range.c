/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The work on one range of a shared scan.
 *
 * free → taken by an instance in a turn → done; taken → taken by another in the next turn, when the first is dead or
 * shows no sign of life; taken → free, given back. Invariants:
 *  1. Every transaction of the work on a range begins by setting the range for this instance and turn, which fails once
 *     another has it. So whoever was stopped or cut off records nothing any more.
 *  2. What a range found counts only when the range is done; whoever takes it again first removes what an earlier turn
 *     has left.
 *  3. The transaction that ends a range takes the next one: a process that works always has a range, so others see
 *     that the run lives.
 *  4. Range 0, "what is left", is free when all others are done. Its work may be begun again by another: pairs are made
 *     anew from what was found, and come out the same.
 * No transaction is open while the network works.
 */
#include "scan/share.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "scan/conclude.h"
#include "scan/keep.h"
#include "scan/merge.h"
#include "scan/recheck.h"
#include "scan/row.h"
#include "scan/tally.h"
#include "scan/unannounced.h"

#define PAUSE_MS 200
#define MESSAGES_MAX 65536 /* bytes of error texts that are kept of a range */

/* ---- parts ---- */

static void part_free(struct ls_scan *part)
{
    if (!part)
        return;
    ls_spool_close(part->spool);
    free(part);
}
LS_AUTO_DEFINE(part, struct ls_scan *, part_free)

/* A scan of its own for one range; what it shares with the whole is borrowed. */
static enum ls_rc part_new(const struct ls_share *share, struct ls_scan **out_part, struct ls_err *err)
{
    const struct ls_scan *whole = share->scan;
    LS_AUTO(part) struct ls_scan *part = calloc(1, sizeof *part);
    if (!part)
        return ls_err_nomem(err);
    part->engine = whole->engine;
    part->store = whole->store;
    part->cat = whole->cat;
    part->layout = whole->layout;
    part->keep_synced = share->keep_synced;
    part->scoped = whole->scoped;
    part->cancel = whole->cancel;
    part->classifier = whole->classifier;
    enum ls_rc rc = ls_spool_open(share->opts->spool_dir, &part->spool, err);
    if (!rc)
        *out_part = LS_STEAL(part);
    return rc;
}

/* Let the main thread see the part, or not any more. */
static void show_part(struct ls_share *share, struct ls_scan *part)
{
    LS_LOCK(&share->mutex);
    for (size_t i = 0; i < LS_SHARE_WIDTH_MAX; i++)
        if (!share->parts[i]) {
            share->parts[i] = part;
            return;
        }
}
static void hide_part(struct ls_share *share, const struct ls_scan *part)
{
    LS_LOCK(&share->mutex);
    for (size_t i = 0; i < LS_SHARE_WIDTH_MAX; i++)
        if (share->parts[i] == part)
            share->parts[i] = NULL;
    atomic_fetch_add(&share->seen, atomic_load(&part->objects_seen));
}

/* ---- one range at work ---- */

struct work {
    struct ls_share *share;
    struct ls_scan *part;
    struct ls_scan_range range; /* as it is to be recorded */
    struct ls_keeper *keeper;
    struct ls_buf messages;
    struct ls_claimed next;
    struct ls_err *err; /* of the walk that runs */
};

static enum ls_rc bounds_of(const struct ls_scan_range *range, struct ls_range *out, struct ls_err *err)
{
    return ls_range_fill(range->prefix, range->after_key, range->last_key, out, err);
}

/* Remove what an earlier turn has left of a range that was taken in tx. */
static enum ls_rc clear_leftovers(struct ls_share *share, struct ls_tx *tx, const struct ls_claimed *claimed,
                                  struct ls_err *err)
{
    struct ls_range bounds;
    if (claimed->turn <= 1 || claimed->number <= 0 || (size_t)claimed->number >= share->ranges.n)
        return LS_OK;
    enum ls_rc rc = bounds_of(&share->ranges.items[claimed->number], &bounds, err);
    if (!rc)
        rc = tx->cat->ops->findings_remove(tx, share->run.id, NULL, bounds.row_after, bounds.row_before, err);
    ls_range_dispose(&bounds);
    return rc;
}

static enum ls_rc take_in(struct ls_share *share, struct ls_tx *tx, struct ls_claimed *out, struct ls_err *err)
{
    enum ls_rc rc = tx->cat->ops->scan_range_take(tx, share->run.id, share->instance, &out->number, &out->turn, err);
    if (rc == LS_NOT_FOUND) {
        out->number = -1;
        return LS_OK;
    }
    return rc ? rc : clear_leftovers(share, tx, out, err);
}

enum ls_rc ls_share_take(struct ls_share *share, struct ls_claimed *out, struct ls_err *err)
{
    struct ls_catalog *cat = share->scan->cat;
    struct ls_tx *tx;
    out->number = -1;
    enum ls_rc rc = cat->ops->begin_relaxed(cat, &tx, err);
    if (rc)
        return rc;
    rc = ls_catalog_end(tx, take_in(share, tx, out, err), err);
    if (rc)
        out->number = -1;
    if (!rc && out->number >= 0 && LS_FAILPOINT("scan.share.taken"))
        rc = ls_err_set(err, LS_IO, "scan: fail point");
    return rc;
}

enum ls_rc ls_share_take_over(struct ls_share *share, const struct ls_scan_range *from, struct ls_claimed *out,
                              struct ls_err *err)
{
    struct ls_catalog *cat = share->scan->cat;
    struct ls_tx *tx;
    *out = (struct ls_claimed){.number = from->number};
    enum ls_rc rc = cat->ops->begin_relaxed(cat, &tx, err);
    if (rc)
        return rc;
    rc = cat->ops->scan_range_take_over(tx, from, share->instance, &out->turn, err);
    if (!rc)
        rc = clear_leftovers(share, tx, out, err);
    rc = ls_catalog_end(tx, rc, err);
    if (rc)
        out->number = -1;
    if (rc == LS_CONFLICT)
        return LS_OK;
    if (!rc)
        LS_LOG_INFO("scan", "range-taken-over", {"scan", ls_v_int(share->run.id)}, {"range", ls_v_int(from->number)},
                    {"from", ls_v_str(from->instance)});
    return rc;
}

/* Is the range still ours? First in each transaction. */
static enum ls_rc still_ours(void *ctx, struct ls_tx *tx, struct ls_err *err)
{
    struct work *w = ctx;
    return tx->cat->ops->scan_range_set(tx, &w->range, err);
}

static enum ls_rc add_message(void *ctx, const char *text)
{
    struct work *w = ctx;
    size_t len = strlen(text);
    if (w->messages.len + len + 1 > MESSAGES_MAX)
        return LS_OK;
    if ((w->messages.len && ls_buf_addc(&w->messages, '\n')) || ls_buf_add(&w->messages, text, len))
        return LS_NO_MEMORY;
    for (char *c = w->messages.data + w->messages.len - len; *c; c++)
        if (*c == '\n')
            *c = ' ';
    return LS_OK;
}

/* What is to be recorded of the range. */
static enum ls_rc sum_up(struct work *w, uint64_t errors, struct ls_err *err)
{
    const struct ls_scan *part = w->part;
    enum ls_rc rc = ls_spool_each_error(part->spool, add_message, w, err);
    if (rc)
        return rc == LS_NO_MEMORY ? ls_err_nomem(err) : rc;
    w->range.store_incomplete = atomic_load(&part->store_incomplete);
    w->range.catalog_incomplete = atomic_load(&part->catalog_incomplete);
    w->range.synced = atomic_load(&part->synced);
    w->range.objects_seen = atomic_load(&part->objects_seen);
    w->range.rows_seen = atomic_load(&part->rows_seen);
    w->range.errors = errors;
    w->range.messages = w->messages.data;
    return LS_OK;
}

static enum ls_rc keep_finding(void *ctx, const struct ls_spool_finding *finding)
{
    struct work *w = ctx;
    return ls_keeper_add(w->keeper, finding, w->err);
}

/* ---- recording ---- */

/* Was the transaction that ended the range committed after all? */
static bool is_recorded(struct work *w)
{
    struct ls_scan_range_page page = {0};
    struct ls_catalog *cat = w->part->cat;
    bool recorded = false;
    if (cat->ops->scan_ranges(cat, NULL, w->range.scan, &page, NULL) == LS_OK)
        for (size_t i = 0; i < page.n; i++)
            recorded |= page.items[i].number == w->range.number && page.items[i].turn == w->range.turn &&
                        page.items[i].state == LS_RANGE_DONE;
    ls_scan_range_page_dispose(&page);
    return recorded;
}

/* The range, the rest of what it found and, for the last one, the whole run; then the next range. */
static enum ls_rc record_in(struct work *w, struct ls_tx *tx, const struct ls_scan_row *run, struct ls_err *err)
{
    struct ls_share *share = w->share;
    w->range.state = LS_RANGE_DONE;
    enum ls_rc rc = tx->cat->ops->scan_range_set(tx, &w->range, err);
    if (!rc)
        rc = ls_keeper_put(w->keeper, tx, err);
    if (!rc && run) {
        struct ls_scan_row ended = *run;
        rc = tx->cat->ops->scan_write(tx, &ended, err);
    }
    w->next.number = -1;
    if (!rc && !run && !atomic_load(&share->stop) && !ls_scan_cancelled(w->part))
        rc = take_in(share, tx, &w->next, err);
    return rc;
}

static enum ls_rc record(struct work *w, const struct ls_scan_row *run, struct ls_err *err)
{
    struct ls_catalog *cat = w->part->cat;
    int64_t until_ms = ls_monotonic_ms() + LS_TX_AGAIN_MS;
    for (bool unknown = false;;) {
        struct ls_tx *tx;
        enum ls_rc rc = cat->ops->begin(cat, &tx, err);
        if (!rc)
            rc = ls_catalog_end(tx, record_in(w, tx, run, err), err);
        if (!rc)
            return LS_OK;
        w->next.number = -1;
        if (rc == LS_CONFLICT && unknown && is_recorded(w))
            return LS_OK; /* a next one that it took is found again by share.c */
        unknown |= rc == LS_OUTCOME_UNKNOWN;
        if (!ls_tx_again(rc) || ls_monotonic_ms() >= until_ms)
            return rc;
        ls_sleep_ms(PAUSE_MS);
    }
}

/* ---- range 0: what is left ---- */

static enum ls_rc spool_messages(struct ls_scan *part, const char *messages, struct ls_err *err)
{
    LS_AUTO(ls_free) char *copy = strdup(messages ? messages : "");
    if (!copy)
        return ls_err_nomem(err);
    char *rest = copy;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line)
            ls_spool_error(part->spool, line);
    return LS_OK;
}

enum ls_rc ls_share_sum_ranges(struct ls_scan *part, const struct ls_scan_range_page *ranges, uint64_t *out_errors,
                               struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    *out_errors = 0;
    for (size_t i = 0; i < ranges->n && !rc; i++) {
        const struct ls_scan_range *r = &ranges->items[i];
        if (r->store_incomplete)
            atomic_store(&part->store_incomplete, true);
        if (r->catalog_incomplete)
            atomic_store(&part->catalog_incomplete, true);
        if (r->number > 0) {
            atomic_fetch_add(&part->synced, r->synced);
            atomic_fetch_add(&part->objects_seen, r->objects_seen);
            atomic_fetch_add(&part->rows_seen, r->rows_seen);
        }
        *out_errors += r->errors;
        rc = spool_messages(part, r->messages, err);
    }
    return rc;
}

/* Write what concluding has changed: kinds that were dropped, and findings that look different now. */
static enum ls_rc write_changes(struct work *w, struct ls_err *err)
{
    struct ls_catalog *cat = w->part->cat;
    const bool drop[LS_FINDING_KINDS] = {[LS_FINDING_MISSING] = atomic_load(&w->part->store_incomplete),
                                         [LS_FINDING_ORPHANED] = atomic_load(&w->part->catalog_incomplete)};
    for (int kind = 0; kind < LS_FINDING_KINDS; kind++) {
        struct ls_tx *tx;
        if (!drop[kind])
            continue;
        enum ls_rc rc = cat->ops->begin_relaxed(cat, &tx, err);
        if (rc)
            return rc;
        rc = still_ours(w, tx, err);
        if (!rc)
            rc = cat->ops->findings_remove(tx, w->range.scan, ls_finding_kind_name((enum ls_finding_kind)kind), "",
                                           NULL, err);
        rc = ls_catalog_end(tx, rc, err);
        if (rc)
            return rc;
    }
    struct ls_spool_filter filter = {.where = "key IN (SELECT key FROM changed)"};
    w->err = err;
    return ls_spool_each(w->part->spool, &filter, keep_finding, w, err);
}

static enum ls_rc finish(struct work *w, struct ls_err *err)
{
    struct ls_share *share = w->share;
    struct ls_scan *part = w->part;
    struct ls_scan_range_page ranges = {0};
    uint64_t errors = 0, own = 0;
    enum ls_rc rc = part->cat->ops->scan_ranges(part->cat, NULL, share->run.id, &ranges, err);
    if (!rc)
        rc = ls_kept_read(part, share->run.id, true, err);
    if (!rc)
        rc = ls_scan_add_products(part, share->opts->products, err);
    if (!rc) {
        own = ls_spool_error_count(part->spool);
        rc = sum_up(w, own, err);
    }
    if (!rc)
        rc = ls_share_sum_ranges(part, &ranges, &errors, err);
    ls_scan_range_page_dispose(&ranges);
    if (!rc)
        rc = ls_spool_watch(part->spool, err);
    if (!rc)
        rc = ls_scan_conclude(part, err);
    if (rc)
        return rc;
    part->totals.errors = errors + own;
    rc = write_changes(w, err);
    if (!rc)
        rc = ls_tally_write(part, share->run.id, err);
    if (rc)
        return rc;
    struct ls_scan_row run = share->run;
    ls_scan_count_unannounced(part, run.id);
    ls_scan_end_row(part, &run);
    run.findings = LS_SCAN_FINDINGS_KEPT;
    if (LS_FAILPOINT("scan.share.concluded"))
        return ls_err_set(err, LS_IO, "scan: fail point");
    rc = record(w, &run, err);
    if (!rc)
        ls_kept_tidy(part->cat);
    return rc;
}

/* ---- one range ---- */

static enum ls_rc scan_range(struct work *w, struct ls_err *err)
{
    struct ls_scan *part = w->part;
    struct ls_range bounds;
    enum ls_rc rc = bounds_of(&w->range, &bounds, err);
    if (!rc)
        rc = ls_merge_range(part, &bounds, err);
    ls_range_dispose(&bounds);
    if (!rc)
        rc = ls_recheck_suspects(part, err);
    if (!rc && ls_scan_cancelled(part))
        rc = ls_err_set(err, LS_CANCELLED, "scan: stopped on request");
    if (!rc)
        rc = sum_up(w, ls_spool_error_count(part->spool), err);
    if (!rc && LS_FAILPOINT("scan.share.scanned"))
        rc = ls_err_set(err, LS_IO, "scan: fail point");
    if (rc)
        return rc;
    struct ls_spool_filter filter = {.where = ls_kept_where(part->keep_synced)};
    w->err = err;
    rc = ls_spool_each(part->spool, &filter, keep_finding, w, err);
    return rc ? rc : record(w, NULL, err);
}

/* Leave a range that could not be worked on to others; if that fails as well, they find out by themselves. */
static void give_back(struct work *w)
{
    struct ls_catalog *cat = w->share->scan->cat;
    struct ls_tx *tx;
    if (cat->ops->begin_relaxed(cat, &tx, NULL))
        return;
    w->range.state = LS_RANGE_FREE;
    if (cat->ops->scan_range_set(tx, &w->range, NULL))
        cat->ops->rollback(tx);
    else if (cat->ops->commit(tx, NULL))
        LS_LOG_DEBUG("scan", "range-kept", {"range", ls_v_int(w->range.number)});
}

static enum ls_rc work_on(struct work *w, struct ls_err *err)
{
    enum ls_rc rc = w->range.number ? scan_range(w, err) : finish(w, err);
    if (rc == LS_CONFLICT) {
        LS_LOG_INFO("scan", "range-lost", {"scan", ls_v_int(w->range.scan)}, {"range", ls_v_int(w->range.number)});
        return LS_OK;
    }
    if (rc)
        give_back(w);
    else if (LS_FAILPOINT("scan.share.recorded"))
        return ls_err_set(err, LS_IO, "scan: fail point");
    return rc;
}

enum ls_rc ls_share_work(struct ls_share *share, struct ls_claimed *claimed, struct ls_err *err)
{
    struct work w = {.share = share, .next = {.number = -1}};
    if (claimed->number < 0 || (size_t)claimed->number >= share->ranges.n)
        return ls_err_set(err, LS_CORRUPT, "scan: the shared scan %lld has no range %lld", (long long)share->run.id,
                          (long long)claimed->number);
    w.range = share->ranges.items[claimed->number];
    w.range.state = LS_RANGE_TAKEN;
    w.range.turn = claimed->turn;
    w.range.messages = "";
    memcpy(w.range.instance, share->instance, strnlen(share->instance, sizeof w.range.instance - 1) + 1);
    LS_AUTO(ls_free) struct ls_keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper) {
        give_back(&w);
        return ls_err_nomem(err);
    }
    enum ls_rc rc = part_new(share, &w.part, err);
    if (rc) {
        give_back(&w);
        return rc;
    }
    ls_buf_init(&w.messages, MESSAGES_MAX + 1);
    ls_keeper_init(keeper, share->scan->cat, share->run.id);
    keeper->fence = still_ours;
    keeper->ctx = &w;
    w.keeper = keeper;
    show_part(share, w.part);
    rc = work_on(&w, err);
    hide_part(share, w.part);
    ls_keeper_dispose(keeper);
    ls_buf_dispose(&w.messages);
    part_free(w.part);
    *claimed = w.next;
    return rc;
}
