/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A batch of the inbox: fold it to one hint a key, ask both sides, mend what differs, forget what is done.
 *
 * The engine looks at both sides again before it changes a row. What has changed in between stays in the inbox and is
 * looked at anew; so does a key that an operation under way covers. A verdict that was right when it was made may be
 * forgotten: whoever changes the object later makes another event.
 */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/auto.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "serve/inbox.h"
#include "serve/internal.h"

/* All that a batch's events tell of one key. */
struct hint {
    const char *key;
    const struct ls_event *newest;
    const struct ls_image *row; /* or NULL */
    bool waits;                 /* its events stay */
    enum ls_event_result fate;  /* otherwise */
    UT_hash_handle hh;
};

struct batch {
    struct ls_serve *serve;
    const struct ls_event_page *page;
    struct hint hints[LS_INBOX_AT_ONCE];
    const char *keys[LS_INBOX_AT_ONCE];
    struct ls_store_head heads[LS_INBOX_AT_ONCE];
    bool covered[LS_INBOX_AT_ONCE];
    size_t n;
    struct hint *by_key;
    struct hint *hint_of[LS_INBOX_AT_ONCE];        /* of each event */
    enum ls_event_result become[LS_INBOX_AT_ONCE]; /* of each event that is not its key's first */
    struct ls_image_page rows;
    size_t failed;     /* keys that a side did not answer for */
    struct ls_err why; /* of the first of them */
};

static enum ls_rc point(bool fail, const char *name, struct ls_err *err)
{
    return fail ? ls_err_set(err, LS_IO, "fail point %s", name) : LS_OK;
}
#define POINT(name, err) point(LS_FAILPOINT(name), name, err)

static void batch_free(struct batch *b)
{
    if (!b)
        return;
    HASH_CLEAR(hh, b->by_key);
    ls_image_page_dispose(&b->rows);
    free(b);
}
LS_AUTO_DEFINE(batch, struct batch *, batch_free)

/* ---- folding ---- */

/* Sequencers of one key are hexadecimal numbers. */
static int compare_sequencers(const char *a, const char *b)
{
    size_t a_len = a ? strlen(a) : 0, b_len = b ? strlen(b) : 0;
    if (a_len == 0 || b_len == 0)
        return 0; /* nothing can be told */
    return a_len != b_len ? (a_len < b_len ? -1 : 1) : strcmp(a, b);
}

static bool same_text(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

/* What an event is beside the earlier ones of its key. */
static enum ls_event_result relation(const struct batch *b, size_t i)
{
    const struct ls_event *event = &b->page->items[i];
    for (size_t j = 0; j < i; j++) {
        const struct ls_event *earlier = &b->page->items[j];
        if (b->hint_of[j] == b->hint_of[i] && event->sequencer && same_text(earlier->kind, event->kind) &&
            same_text(earlier->sequencer, event->sequencer))
            return LS_EVENT_DUPLICATE;
    }
    return compare_sequencers(event->sequencer, b->hint_of[i]->newest->sequencer) < 0 ? LS_EVENT_REORDERED
                                                                                      : LS_EVENT_MERGED;
}

static void fold(struct batch *b)
{
    for (size_t i = 0; i < b->page->n; i++) {
        const struct ls_event *event = &b->page->items[i];
        struct hint *hint;
        HASH_FIND_STR(b->by_key, event->key, hint);
        if (!hint) {
            hint = &b->hints[b->n];
            hint->key = b->keys[b->n] = b->heads[b->n].key = event->key;
            hint->newest = event;
            b->n++;
            b->hint_of[i] = hint;
            b->become[i] = LS_EVENT_RESULTS; /* what its key becomes */
            HASH_ADD_KEYPTR(hh, b->by_key, hint->key, strlen(hint->key), hint);
            continue;
        }
        b->hint_of[i] = hint;
        b->become[i] = relation(b, i);
        if (compare_sequencers(event->sequencer, hint->newest->sequencer) > 0)
            hint->newest = event;
    }
}

/* ---- looking ---- */

static enum ls_rc look(struct batch *b, struct ls_err *err)
{
    struct ls_engine *engine = b->serve->opts->engine;
    struct ls_catalog *cat = ls_engine_catalog(engine);
    enum ls_rc rc = cat->ops->intents_cover(cat, NULL, b->keys, b->n, b->covered, err);
    if (rc == LS_OK)
        rc = ls_store_head_many(ls_engine_store(engine), b->heads, b->n, err);
    if (rc == LS_OK)
        rc = cat->ops->images_get(cat, NULL, b->keys, b->n, &b->rows, err);
    for (size_t i = 0; rc == LS_OK && i < b->rows.n; i++) {
        struct hint *hint;
        HASH_FIND_STR(b->by_key, b->rows.items[i].key, hint);
        if (hint)
            hint->row = &b->rows.items[i];
    }
    return rc;
}

static bool fits(const struct batch *b, const char *key)
{
    struct ls_key_parts parts;
    return ls_layout_parse(ls_engine_layout(b->serve->opts->engine), key, strlen(key), &parts) == LS_KEY_FITS;
}

static void judge(struct batch *b, struct hint *hint, const struct ls_store_head *head)
{
    const struct ls_image *row = hint->row;
    bool gone = head->rc == LS_NOT_FOUND;
    if (head->rc != LS_OK && !gone) {
        hint->waits = true;
        b->failed++;
        if (b->why.rc == LS_OK)
            b->why = head->err;
    } else if (gone && !row) {
        hint->fate = LS_EVENT_UNCHANGED;
    } else if (gone) { /* a row of which nothing was ever recorded may be waiting for its object */
        hint->fate = row->record.known ? LS_EVENT_DROPPED : LS_EVENT_LEFT;
    } else if (!row) {
        hint->fate = fits(b, hint->key) ? LS_EVENT_CREATED : LS_EVENT_LEFT;
    } else if (row->record.known && strcmp(row->record.etag, head->info.etag) == 0 &&
               row->record.size_bytes == head->info.size_bytes) {
        hint->fate = LS_EVENT_UNCHANGED;
    } else {
        hint->fate = LS_EVENT_REFRESHED;
    }
}

/* Nothing tells a missing object from a missing bucket when one asks for the object. */
static enum ls_rc check_bucket(const struct batch *b, struct ls_err *err)
{
    const struct ls_list_request one = {.prefix = "", .start_after = "", .limit = 1};
    struct ls_list_page page = {0};
    bool drops = false;
    for (size_t i = 0; i < b->n; i++)
        drops |= !b->hints[i].waits && b->hints[i].fate == LS_EVENT_DROPPED;
    enum ls_rc rc = drops ? ls_store_list(ls_engine_store(b->serve->opts->engine), &one, &page, err) : LS_OK;
    ls_list_page_dispose(&page);
    return rc;
}

static enum ls_rc judge_all(struct batch *b, struct ls_err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        struct hint *hint = &b->hints[i];
        hint->waits = b->covered[i];
        if (!hint->waits)
            judge(b, hint, &b->heads[i]);
    }
    return check_bucket(b, err);
}

/* ---- acting ---- */

static void leave(const struct hint *hint, const char *why)
{
    LS_LOG_WARN("inbox", "left", {"key", ls_v_str(hint->key)}, {"why", ls_v_str(why)},
                {"action", ls_v_str("a scan tells more")});
}

static void settle_item(struct batch *b, struct hint *hint, const struct ls_mend_item *item)
{
    switch (item->rc) {
    case LS_OK:
        return;
    case LS_INVALID:
    case LS_DENIED:
    case LS_EXISTS:
    case LS_UNSUPPORTED:
        hint->fate = LS_EVENT_LEFT;
        leave(hint, item->err.text);
        return;
    case LS_BUSY: /* by an operation under way, or since we looked */
    case LS_CONFLICT:
    case LS_NOT_FOUND:
        hint->waits = true;
        return;
    default:
        hint->waits = true;
        b->failed++;
        if (b->why.rc == LS_OK)
            b->why = item->err;
    }
}

/* All keys of one fate. */
static enum ls_rc mend(struct batch *b, enum ls_event_result fate, enum ls_mend how, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_mend_item *items = calloc(b->n + 1, sizeof *items);
    struct hint *hints[LS_INBOX_AT_ONCE];
    size_t n = 0;
    if (!items)
        return ls_err_nomem(err);
    for (size_t i = 0; i < b->n; i++) {
        struct hint *hint = &b->hints[i];
        if (hint->waits || hint->fate != fate)
            continue;
        hints[n] = hint;
        items[n++] = (struct ls_mend_item){.key = hint->key,
                                           .row_etag = !hint->row                ? NULL
                                                       : hint->row->record.known ? hint->row->record.etag
                                                                                 : "",
                                           .object_etag = b->heads[i].rc == LS_OK ? b->heads[i].info.etag : NULL};
    }
    enum ls_rc rc = n > 0 ? ls_engine_mend(b->serve->opts->engine, how, items, n, err) : LS_OK;
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        settle_item(b, hints[i], &items[i]);
    return rc;
}

static void report(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct hint *hint = &b->hints[i];
        if (hint->waits || hint->fate == LS_EVENT_UNCHANGED || hint->fate == LS_EVENT_LEFT)
            continue;
        LS_LOG_INFO("inbox", "would",
                    {"do", ls_v_str(hint->fate == LS_EVENT_CREATED     ? "create its row"
                                    : hint->fate == LS_EVENT_REFRESHED ? "record its object"
                                                                       : "drop its row")},
                    {"key", ls_v_str(hint->key)});
        hint->fate = LS_EVENT_REPORTED;
    }
}

static enum ls_rc act(struct batch *b, struct ls_err *err)
{
    for (size_t i = 0; i < b->n; i++)
        if (!b->hints[i].waits && b->hints[i].fate == LS_EVENT_LEFT)
            leave(&b->hints[i], b->hints[i].row ? "its object is gone, and nothing had been recorded of it"
                                                : "the key does not fit the layout");
    if (b->serve->opts->events == LS_EVENTS_REPORT) {
        report(b);
        return LS_OK;
    }
    enum ls_rc rc = mend(b, LS_EVENT_CREATED, LS_MEND_ADOPT, err);
    if (rc == LS_OK)
        rc = mend(b, LS_EVENT_REFRESHED, LS_MEND_REFRESH, err);
    return rc == LS_OK ? mend(b, LS_EVENT_DROPPED, LS_MEND_DROP, err) : rc;
}

/* ---- forgetting ---- */

static enum ls_rc forget(struct batch *b, int64_t epoch, size_t *out_waiting, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(b->serve->opts->engine);
    uint64_t counts[LS_EVENT_RESULTS] = {0};
    int64_t seqs[LS_INBOX_AT_ONCE];
    size_t n = 0;
    for (size_t i = 0; i < b->page->n; i++) {
        const struct hint *hint = b->hint_of[i];
        if (hint->waits)
            continue;
        seqs[n++] = b->page->items[i].seq;
        counts[b->become[i] == LS_EVENT_RESULTS ? hint->fate : b->become[i]]++;
    }
    *out_waiting = b->page->n - n;
    if (n == 0)
        return LS_OK;
    struct ls_tx *tx;
    enum ls_rc rc = cat->ops->begin_relaxed(cat, &tx, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_leader_check(tx, LS_LEAD_INBOX, epoch, err);
    if (rc == LS_OK)
        rc = cat->ops->event_remove(tx, seqs, n, err);
    rc = ls_catalog_end(tx, rc, err);
    for (int i = 0; rc == LS_OK && i < LS_EVENT_RESULTS; i++)
        ls_metrics_events(&b->serve->metrics, (enum ls_event_result)i, counts[i]);
    for (size_t i = 0; rc == LS_OK && i < b->page->n; i++)
        if (!b->hint_of[i]->waits)
            ls_recent_add(&b->serve->recent, &b->page->items[i],
                          b->become[i] == LS_EVENT_RESULTS ? b->hint_of[i]->fate : b->become[i]);
    return rc;
}

enum ls_rc ls_inbox_act(struct ls_serve *serve, int64_t epoch, const struct ls_event_page *page, size_t *out_waiting,
                        struct ls_err *err)
{
    LS_AUTO(batch) struct batch *b = calloc(1, sizeof *b);
    *out_waiting = page->n;
    if (!b)
        return ls_err_nomem(err);
    b->serve = serve;
    b->page = page;
    fold(b);
    enum ls_rc rc = look(b, err);
    if (rc == LS_OK)
        rc = judge_all(b, err);
    if (rc == LS_OK)
        rc = POINT("inbox.judged", err);
    if (rc == LS_OK)
        rc = act(b, err);
    if (rc == LS_OK)
        rc = POINT("inbox.acted", err);
    if (rc == LS_OK)
        rc = forget(b, epoch, out_waiting, err);
    if (rc == LS_OK)
        rc = POINT("inbox.forgotten", err);
    if (rc == LS_OK && b->failed == b->n) {
        if (err)
            *err = b->why;
        return b->why.rc;
    }
    /* A key that alone fails, for ever perhaps, must not keep the others waiting. */
    if (rc == LS_OK && b->failed > 0)
        LS_LOG_DEBUG("inbox", "waits", {"keys", ls_v_uint(b->failed)}, {"why", ls_v_str(b->why.text)});
    if (rc == LS_OK)
        ls_metrics_events(&serve->metrics, LS_EVENT_FAILED, b->failed);
    return rc;
}
