/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second look at suspects.
 *
 * Sides are read at different moments, so a rename or an upload in between looks like a difference. Each round reads,
 * in this order: what the journal's open intents cover, the rows, the objects, the rows again, the cover again. Our own
 * operations hold a claim from before their first change to after their last, so one that overlaps the round is either
 * seen by one of the two looks at the journal, or lies wholly inside the round. The latter moves the newest number of
 * the change feed or of the audit trail. Hence:
 *   agreement, or nothing on either side       settled, whatever moves
 *   covered                                    pending
 *   difference, rows alike, no number moved    settled
 *   difference, but something moved            another round; two rounds that saw the same settle it
 *   still unsettled after ROUNDS rounds        pending
 * Foreign writers have no claims; the grace period is for them.
 */
#include "scan/recheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "scan/reread.h"

#define ROUNDS 5

/* How far the catalog has moved. */
struct marks {
    int64_t change, audit;
};

static enum ls_rc read_marks(struct ls_catalog *cat, struct marks *out, struct ls_err *err)
{
    struct ls_audit_page page = {0};
    *out = (struct marks){0};
    enum ls_rc rc = cat->ops->change_last(cat, &out->change, err);
    if (!rc)
        rc = cat->ops->audit_page(cat, 0, "", 1, &page, err);
    if (rc)
        return rc;
    out->audit = page.n ? page.items[0].seq : 0;
    ls_audit_page_dispose(&page);
    return LS_OK;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

/* Is it the same row, in all that a finding depends on? NULL = none. */
static bool same_row(const struct ls_image *a, const struct ls_image *b)
{
    if (!a || !b)
        return a == b;
    return same_text(a->product, b->product) && same_text(a->weight, b->weight) && same_text(a->type, b->type) &&
           same_text(a->url, b->url) && same_text(a->variant_id, b->variant_id) &&
           same_text(a->variant_product, b->variant_product) &&
           same_text(a->variant_weight_now, b->variant_weight_now) && a->record.known == b->record.known &&
           a->record.size_bytes == b->record.size_bytes && strcmp(a->record.etag, b->record.etag) == 0;
}

/* The row of a key in a page that is in key order; *at moves on. Keys ascend from call to call. */
static const struct ls_image *take_row(const struct ls_image_page *page, size_t *at, const char *key)
{
    while (*at < page->n && strcmp(page->items[*at].key, key) < 0)
        ++*at;
    return *at < page->n && strcmp(page->items[*at].key, key) == 0 ? &page->items[*at] : NULL;
}

static bool settled_by_itself(const struct ls_recheck *item)
{
    return item->verdict.gone || item->verdict.kind == LS_FINDING_SYNCED;
}

/* Did two rounds see the same? */
static bool same_sight(const struct ls_recheck *a, const struct ls_recheck *b)
{
    return a->verdict.kind == b->verdict.kind && a->verdict.flags == b->verdict.flags && a->has_row == b->has_row &&
           a->row_size == b->row_size && strcmp(a->row_etag, b->row_etag) == 0 && a->object.there == b->object.there &&
           strcmp(a->object.etag, b->object.etag) == 0;
}

static void set_row(struct ls_recheck *item, const struct ls_image *row)
{
    item->has_row = row != NULL;
    item->row_size = row ? row->record.size_bytes : 0;
    snprintf(item->row_etag, sizeof item->row_etag, "%s", row ? ls_row_etag(row) : "");
}

static void make_pending(struct ls_recheck *item, const char *why)
{
    item->verdict.kind = LS_FINDING_PENDING;
    item->verdict.flags &= LS_SCAN_NO_PRODUCT;
    snprintf(item->verdict.detail, sizeof item->verdict.detail, "%s", why);
}

/* What one round knows of the keys it looks at. */
struct round {
    size_t n;
    const char **keys;
    struct ls_recheck **items, *before; /* before: what the round before this one saw */
    bool *covered_before, *covered_after;
    struct ls_image_page rows_before, rows_after;
    struct marks marks_before, marks_after;
};

static void round_dispose(struct round *r)
{
    free(r->keys);
    free(r->items);
    free(r->before);
    free(r->covered_before);
    free(r->covered_after);
    ls_image_page_dispose(&r->rows_before);
    ls_image_page_dispose(&r->rows_after);
}

static enum ls_rc round_init(struct round *r, struct ls_recheck *items, size_t n, struct ls_err *err)
{
    *r = (struct round){.n = n,
                        .keys = calloc(n, sizeof *r->keys),
                        .before = calloc(n, sizeof *r->before),
                        .covered_before = calloc(n, sizeof *r->covered_before),
                        .covered_after = calloc(n, sizeof *r->covered_after)};
    struct ls_recheck **pointers = calloc(n, sizeof(void *));
    r->items = pointers;
    if (!r->keys || !r->items || !r->before || !r->covered_before || !r->covered_after)
        return ls_err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        r->items[i] = &items[i];
        r->keys[i] = items[i].key;
        items[i].unknown = false;
    }
    return LS_OK;
}

/* Read both sides in the order that the module's comment gives. */
static enum ls_rc read_round(struct ls_scan *scan, struct round *r, struct ls_err *err)
{
    struct ls_catalog *cat = scan->cat;
    ls_image_page_dispose(&r->rows_before);
    ls_image_page_dispose(&r->rows_after);
    r->rows_before = r->rows_after = (struct ls_image_page){0};
    enum ls_rc rc = read_marks(cat, &r->marks_before, err);
    if (!rc)
        rc = cat->ops->intents_cover(cat, NULL, r->keys, r->n, r->covered_before, err);
    if (!rc)
        rc = cat->ops->images_get(cat, NULL, r->keys, r->n, &r->rows_before, err);
    if (!rc)
        rc = ls_reread_objects(scan, r->items, r->n, err);
    if (!rc)
        rc = cat->ops->images_get(cat, NULL, r->keys, r->n, &r->rows_after, err);
    if (!rc)
        rc = cat->ops->intents_cover(cat, NULL, r->keys, r->n, r->covered_after, err);
    if (!rc)
        rc = read_marks(cat, &r->marks_after, err);
    return rc;
}

/* Judge what was read; keep in the round only what needs another one. */
static void judge_round(struct ls_scan *scan, struct round *r, bool first)
{
    bool moved = r->marks_before.change != r->marks_after.change || r->marks_before.audit != r->marks_after.audit;
    size_t at_before = 0, at_after = 0, left = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct ls_recheck *item = r->items[i];
        const struct ls_image *before = take_row(&r->rows_before, &at_before, item->key);
        const struct ls_image *row = take_row(&r->rows_after, &at_after, item->key);
        if (item->unknown)
            continue;
        set_row(item, row);
        ls_classify(&scan->classifier, item->key, row, &item->object, &item->verdict);
        if (settled_by_itself(item))
            continue;
        if (r->covered_before[i] || r->covered_after[i]) {
            make_pending(item, "an operation on it is running");
            continue;
        }
        bool still = same_row(before, row);
        if (still && (!moved || (!first && same_sight(&r->before[i], item))))
            continue;
        r->before[left] = *item;
        r->items[left] = item;
        r->keys[left++] = item->key;
    }
    r->n = left;
}

enum ls_rc ls_recheck_keys(struct ls_scan *scan, struct ls_recheck *items, size_t n, struct ls_err *err)
{
    struct round r;
    enum ls_rc rc = n ? round_init(&r, items, n, err) : LS_OK;
    if (n == 0)
        return LS_OK;
    for (int i = 0; i < ROUNDS && r.n && !rc; i++) {
        if (ls_scan_cancelled(scan))
            rc = ls_err_set(err, LS_CANCELLED, "scan: stopped");
        if (!rc)
            rc = read_round(scan, &r, err);
        if (!rc)
            judge_round(scan, &r, i == 0);
    }
    for (size_t i = 0; i < r.n && !rc; i++)
        make_pending(r.items[i], "it keeps changing while it is read");
    round_dispose(&r);
    return rc;
}

/* Store what a key turned out to be. */
static enum ls_rc store_finding(struct ls_scan *scan, const struct ls_spool_key *suspect, const struct ls_recheck *item,
                                struct ls_err *err)
{
    if (suspect->counted)
        atomic_fetch_sub(&scan->synced, 1); /* it was counted by the merge and is counted anew */
    if (item->unknown) {
        atomic_store(&scan->store_incomplete, true);
        return LS_OK;
    }
    if (item->verdict.gone)
        return LS_OK;
    bool synced = item->verdict.kind == LS_FINDING_SYNCED;
    if (synced)
        atomic_fetch_add(&scan->synced, 1);
    if (synced && !scan->keep_synced && !suspect->twin && !(item->verdict.flags & LS_SCAN_UNRECORDED))
        return LS_OK;
    struct ls_spool_finding finding = {.key = item->key,
                                       .kind = item->verdict.kind,
                                       .flags = item->verdict.flags,
                                       .twin = suspect->twin,
                                       .row_etag = item->has_row ? item->row_etag : NULL,
                                       .row_size = item->row_size,
                                       .object_etag = item->object.there ? item->object.etag : NULL,
                                       .object_size = item->object.size_bytes,
                                       .detail = synced ? NULL : item->verdict.detail};
    return ls_spool_put(scan->spool, &finding, err);
}

/* Read a batch again. LS_NOT_FOUND: a side cannot be read any more, which is in the spool's errors. */
static enum ls_rc recheck_batch(struct ls_scan *scan, const struct ls_spool_keys *keys, struct ls_recheck *items,
                                struct ls_err *err)
{
    struct ls_err why = LS_ERR_INIT;
    size_t unknown = 0;
    for (size_t i = 0; i < keys->n; i++)
        items[i] = (struct ls_recheck){.key = keys->items[i].key};
    enum ls_rc rc = ls_recheck_keys(scan, items, keys->n, &why);
    if (rc == LS_CANCELLED || rc == LS_NO_MEMORY) {
        if (err)
            *err = why;
        return rc;
    }
    if (rc) {
        atomic_store(&scan->catalog_incomplete, true);
        ls_err_prefix(&why, "suspects could not be read again: ");
        ls_spool_error(scan->spool, why.text);
        return LS_NOT_FOUND;
    }
    for (size_t i = 0; i < keys->n && !rc; i++) {
        rc = store_finding(scan, &keys->items[i], &items[i], err);
        unknown += items[i].unknown;
    }
    /* a store that answers none of many is down: asking on would only wait for as many deadlines */
    return rc ? rc : unknown > 10 && unknown == keys->n ? LS_NOT_FOUND : LS_OK;
}

enum ls_rc ls_recheck_suspects(struct ls_scan *scan, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_recheck *items = calloc(LS_RECHECK_MAX, sizeof *items);
    LS_AUTO(ls_buf) struct ls_buf after = LS_BUF_INIT(LS_BUF_LINE);
    if (!items)
        return ls_err_nomem(err);
    while (!ls_spool_plain(scan->spool)) {
        struct ls_spool_keys keys;
        enum ls_rc rc = ls_spool_suspects(scan->spool, after.data, LS_RECHECK_MAX, &keys, err);
        if (rc || keys.n == 0)
            return rc;
        rc = recheck_batch(scan, &keys, items, err);
        ls_buf_reset(&after);
        if (!rc && ls_buf_adds(&after, keys.items[keys.n - 1].key))
            rc = ls_err_nomem(err);
        ls_spool_keys_dispose(&keys);
        if (rc)
            return rc == LS_NOT_FOUND ? LS_OK : rc;
    }
    return LS_OK;
}
