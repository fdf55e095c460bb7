/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drift that no event announced: events of the bucket that got lost.
 *
 * Where events are worked off, what others change in the bucket is mended within moments. So a difference that is new
 * since the last complete scan of everything has had no event, if it is of the bucket's making (an object written since
 * then; an object gone that had been recorded), if no event of its key waits in the inbox, and if a last look finds it
 * still there. No event need be kept for that. LS_UNANNOUNCED_UNKNOWN: no events came before that scan, nobody takes
 * them now (so MinIO keeps them), the inbox is far behind, or what that scan found is not kept whole.
 */
#include "scan/unannounced.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "scan/keep.h"
#include "scan/recheck.h"

#define PAGE 500
#define WAITING_MOST 100000 /* events that are looked through */
#define CLOCKS_DIFFER_NS (60 * LS_NS_PER_S)
#define DIFFERENCES "kind IN (1,2,3) AND flags&1=0" /* orphaned, missing, stale; not misplaced */

_Static_assert(LS_FINDING_ORPHANED == 1 && LS_FINDING_MISSING == 2 && LS_FINDING_STALE == 3 && LS_SCAN_MISPLACED == 1,
               "the SQL above says so");

/* A key of which events wait. */
struct waiting {
    UT_hash_handle hh;
    char key[];
};

struct count {
    struct ls_scan *scan;
    struct ls_scan_row before; /* the scan before this one */
    struct waiting *waiting;
    /* Where its findings have been read to; both are in key order. */
    struct ls_scan_finding_page page;
    size_t at;
    bool page_ended;
    /* Suspects that the last look is due for. */
    char *keys[LS_RECHECK_MAX];
    bool young[LS_RECHECK_MAX]; /* it was there already, and young */
    size_t n;
    char *from; /* the key that the walk goes on behind; NULL = it begins */
    uint64_t found;
    struct ls_err *err;
};

static void count_free(struct count *c)
{
    struct waiting *item, *next;
    if (!c)
        return;
    HASH_ITER(hh, c->waiting, item, next)
    {
        HASH_DEL(c->waiting, item);
        free(item);
    }
    ls_scan_finding_page_dispose(&c->page);
    for (size_t i = 0; i < c->n; i++)
        free(c->keys[i]);
    free(c->from);
    free(c);
}
LS_AUTO_DEFINE(count, struct count *, count_free)

/* ---- can it be told? ---- */

/* Since when events come; LS_NOT_FOUND: they do not. */
static enum ls_rc events_since(struct ls_catalog *cat, int64_t *out_ns, struct ls_err *err)
{
    LS_AUTO(ls_free) char *text = NULL;
    enum ls_rc rc = cat->ops->meta_get(cat, NULL, LS_META_EVENTS_SINCE, &text, err);
    *out_ns = rc || !text ? 0 : strtoll(text, NULL, 10);
    return rc || *out_ns > 0 ? rc : LS_NOT_FOUND;
}

/* Is somebody there who takes them? */
static enum ls_rc find_taker(struct ls_catalog *cat, struct ls_err *err)
{
    struct ls_instance_page page = {0};
    bool found = false;
    enum ls_rc rc = cat->ops->instance_list(cat, &page, err);
    for (size_t i = 0; i < page.n && !rc; i++)
        found |= page.items[i].alive &&
                 (strcmp(page.items[i].kind, "serve") == 0 || strcmp(page.items[i].kind, "listen") == 0);
    ls_instance_page_dispose(&page);
    return rc || found ? rc : LS_NOT_FOUND;
}

/* The last complete scan of everything before this one. */
static enum ls_rc find_before(struct count *c, int64_t id, int64_t since_ns, struct ls_err *err)
{
    struct ls_catalog *cat = c->scan->cat;
    struct ls_scan_row *row = &c->before;
    enum ls_rc rc;
    row->id = id;
    do
        rc = cat->ops->scan_get(cat, row->id, row, err);
    while (!rc && (!row->complete || *row->scope || !row->ended_ns));
    if (rc)
        return rc;
    bool whole = row->shared || row->images - row->synced + row->twins <= LS_FINDINGS_KEPT_MAX;
    return row->findings == LS_SCAN_FINDINGS_KEPT && whole && row->started_ns >= since_ns ? LS_OK : LS_NOT_FOUND;
}

static enum ls_rc read_waiting(struct count *c, struct ls_err *err)
{
    struct ls_catalog *cat = c->scan->cat;
    enum ls_rc rc = LS_OK;
    size_t n = 0;
    for (int64_t after = 0, more = 1; more && !rc;) {
        struct ls_event_page page = {0};
        rc = cat->ops->event_page(cat, after, PAGE, &page, err);
        for (size_t i = 0; i < page.n && !rc; i++) {
            struct waiting *item;
            const char *key = page.items[i].key;
            after = page.items[i].seq;
            HASH_FIND_STR(c->waiting, key, item);
            if (item)
                continue;
            item = malloc(sizeof *item + strlen(key) + 1);
            if (!item) {
                rc = ls_err_nomem(err);
                break;
            }
            memcpy(item->key, key, strlen(key) + 1);
            HASH_ADD_STR(c->waiting, key, item);
        }
        n += page.n;
        more = page.n == PAGE;
        ls_event_page_dispose(&page);
        if (!rc && n > WAITING_MOST)
            rc = LS_NOT_FOUND;
    }
    return rc;
}

/* ---- counting ---- */

/* What the scan before found of a key, or NULL. Keys ascend from call to call. */
static enum ls_rc found_before(struct count *c, const char *key, const struct ls_scan_finding **out, struct ls_err *err)
{
    *out = NULL;
    for (;;) {
        for (; c->at < c->page.n; c->at++) {
            int order = strcmp(c->page.items[c->at].key, key);
            if (order == 0)
                *out = &c->page.items[c->at];
            if (order >= 0)
                return LS_OK;
        }
        if (c->page_ended)
            return LS_OK;
        LS_AUTO(ls_free) char *after = strdup(c->page.n ? c->page.items[c->page.n - 1].key : "");
        if (!after)
            return ls_err_nomem(err);
        ls_scan_finding_page_dispose(&c->page);
        c->page = (struct ls_scan_finding_page){0};
        c->at = 0;
        enum ls_rc rc = c->scan->cat->ops->finding_page(c->scan->cat, c->before.id, after, PAGE, &c->page, err);
        if (rc)
            return rc;
        c->page_ended = c->page.n == 0;
    }
}

/* LS_EXISTS stops the walk when there are enough. */
static enum ls_rc note_suspect(void *ctx, const struct ls_spool_finding *f)
{
    struct count *c = ctx;
    const struct ls_scan_finding *before;
    struct waiting *waiting;
    enum ls_finding_kind kind = LS_FINDING_PENDING;
    if (c->from && strcmp(f->key, c->from) == 0)
        return LS_OK;
    /* Of a moved pair the new place counts. A row of which nothing was recorded may be earlier than its object. */
    if ((f->kind == LS_FINDING_MISSING && f->partner) || (f->row_etag && !*f->row_etag))
        return LS_OK;
    HASH_FIND_STR(c->waiting, f->key, waiting);
    if (waiting)
        return LS_OK;
    enum ls_rc rc = found_before(c, f->key, &before, c->err);
    if (rc)
        return rc;
    if (before && (!ls_finding_kind_parse(before->kind, &kind) || kind != LS_FINDING_PENDING))
        return LS_OK;
    c->young[c->n] = before != NULL;
    c->keys[c->n] = strdup(f->key);
    if (!c->keys[c->n])
        return ls_err_nomem(c->err);
    return ++c->n == LS_RECHECK_MAX ? LS_EXISTS : LS_OK;
}

/* Is it still so, and the bucket's doing? */
static bool counts(const struct count *c, const struct ls_recheck *item, bool young)
{
    if (item->unknown || item->verdict.gone)
        return false;
    if (item->verdict.kind == LS_FINDING_MISSING)
        return *item->row_etag != '\0';
    return (item->verdict.kind == LS_FINDING_ORPHANED || item->verdict.kind == LS_FINDING_STALE) &&
           (young || item->object.modified_ns >= c->before.started_ns - CLOCKS_DIFFER_NS);
}

static enum ls_rc look_again(struct count *c, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_recheck *items = calloc(c->n + 1, sizeof *items);
    if (!items)
        return ls_err_nomem(err);
    for (size_t i = 0; i < c->n; i++)
        items[i].key = c->keys[i];
    enum ls_rc rc = c->n ? ls_recheck_keys(c->scan, items, c->n, err) : LS_OK;
    for (size_t i = 0; i < c->n && !rc; i++)
        c->found += counts(c, &items[i], c->young[i]);
    free(c->from);
    c->from = c->n ? LS_STEAL(c->keys[c->n - 1]) : NULL;
    for (size_t i = 0; i < c->n; i++)
        free(c->keys[i]);
    c->n = 0;
    return rc;
}

static enum ls_rc count_all(struct count *c, struct ls_err *err)
{
    enum ls_rc rc;
    c->err = err;
    do {
        const struct ls_spool_filter filter = {.from = c->from, .where = DIFFERENCES};
        rc = ls_spool_each(c->scan->spool, &filter, note_suspect, c, err);
        bool more = rc == LS_EXISTS;
        if (!rc || more)
            rc = look_again(c, err);
        if (!rc && !more)
            return LS_OK;
    } while (!rc);
    return rc;
}

void ls_scan_count_unannounced(struct ls_scan *scan, int64_t id)
{
    struct ls_err why = LS_ERR_INIT;
    int64_t since_ns = 0;
    scan->totals.unannounced = LS_UNANNOUNCED_UNKNOWN;
    if (scan->scoped || !scan->totals.complete)
        return;
    enum ls_rc rc = events_since(scan->cat, &since_ns, &why);
    if (rc == LS_NOT_FOUND)
        return;
    LS_AUTO(count) struct count *c = calloc(1, sizeof *c);
    if (!c)
        return;
    c->scan = scan;
    if (!rc)
        rc = find_taker(scan->cat, &why);
    if (!rc)
        rc = find_before(c, id, since_ns, &why);
    if (!rc)
        rc = read_waiting(c, &why);
    if (!rc)
        rc = count_all(c, &why);
    if (!rc)
        scan->totals.unannounced = c->found;
    else if (rc != LS_NOT_FOUND)
        LS_LOG_WARN("scan", "unannounced-not-counted", {"error", ls_v_str(why.text)});
}
