/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Merges the listing of one range with the catalog's rows of it, in key order.
 *
 * Synced is the hot path: a comparison of etag, size and columns, no allocation, nothing spooled. Everything else is a
 * suspect: its key alone is kept, because both sides are read again anyway. When one side cannot be read to its end the
 * range ends there: of the keys behind that point nothing is known.
 */
#include "scan/merge.h"

#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "scan/lister.h"
#include "scan/twins.h"

#define ROW_PAGE 1000

struct merge {
    struct ls_scan *scan;
    const struct ls_range *range;
    struct ls_lister lister;
    struct ls_list_page objects;
    size_t object_at;
    bool objects_ended;
    struct ls_image_page rows;
    size_t row_at;
    bool rows_last, rows_ended; /* no page comes after this one; no row either */
    struct ls_buf row_after;
    struct ls_buf product; /* the last key's, with what stands before it and the slash: "products/p1/" */
    struct ls_spool_batch batch;
    struct ls_twins twins;
    uint64_t synced;
    bool broken; /* one side could not be read on */
};

/* Keep the reason and end the range. */
static void incomplete(struct merge *m, atomic_bool *side, const char *what, const struct ls_err *why)
{
    char text[LS_ERR_TEXT_MAX + 300];
    const struct ls_range *r = m->range;
    atomic_store(side, true);
    m->broken = true;
    snprintf(text, sizeof text, "%s of %s%s%.100s%s%.100s is incomplete: %s", what, r->prefix,
             *r->list_after ? "after "
             : *r->prefix   ? ""
                            : "the keys",
             r->list_after, r->list_last ? " up to " : "", r->list_last ? r->list_last : "", why->text);
    ls_spool_error(m->scan->spool, text);
}

/* Make objects.entries[object_at] the next object, or set objects_ended. */
static enum ls_rc need_object(struct merge *m, struct ls_err *err)
{
    while (!m->objects_ended && !m->broken && m->object_at == m->objects.n) {
        ls_list_page_dispose(&m->objects);
        m->objects = (struct ls_list_page){0};
        m->object_at = 0;
        struct ls_err why = LS_ERR_INIT;
        enum ls_rc rc = ls_lister_next(&m->lister, &m->objects, &why);
        if (rc == LS_NOT_FOUND) {
            m->objects_ended = true;
        } else if (rc == LS_CANCELLED && atomic_load(&m->scan->stop)) {
            return ls_err_set(err, LS_CANCELLED, "scan: stopped");
        } else if (rc) {
            incomplete(m, &m->scan->store_incomplete, "the listing", &why);
        } else {
            atomic_fetch_add(&m->scan->objects_seen, m->objects.n);
        }
    }
    return LS_OK;
}

/* Check order and scope of a catalog page. */
static enum ls_rc check_rows(struct merge *m, struct ls_err *err)
{
    const char *previous = m->row_after.data;
    for (size_t i = 0; i < m->rows.n; i++) {
        if (strcmp(m->rows.items[i].key, previous) <= 0)
            return ls_err_set(err, LS_CORRUPT, "catalog: rows are out of order: '%s' after '%s'", m->rows.items[i].key,
                              previous);
        previous = m->rows.items[i].key;
    }
    return LS_OK;
}

/* Make rows.items[row_at] the next row, or set rows_ended. */
static enum ls_rc need_row(struct merge *m, struct ls_err *err)
{
    struct ls_catalog *cat = m->scan->cat;
    m->rows_ended = m->rows_ended || (m->rows_last && m->row_at == m->rows.n);
    if (m->rows_ended || m->broken || m->row_at < m->rows.n)
        return LS_OK;
    if (atomic_load(&m->scan->stop) || ls_scan_cancelled(m->scan))
        return ls_err_set(err, LS_CANCELLED, "scan: stopped");
    if (m->rows.n) {
        ls_buf_reset(&m->row_after);
        if (ls_buf_adds(&m->row_after, m->rows.items[m->rows.n - 1].key))
            return ls_err_nomem(err);
    }
    ls_image_page_dispose(&m->rows);
    m->rows = (struct ls_image_page){0};
    m->row_at = 0;
    struct ls_err why = LS_ERR_INIT;
    enum ls_rc rc = cat->ops->image_page(cat, NULL, m->row_after.data, m->range->row_before, ROW_PAGE, &m->rows, &why);
    if (!rc)
        rc = check_rows(m, &why);
    if (rc) {
        m->rows.n = m->rows.items ? m->rows.n : 0;
        incomplete(m, &m->scan->catalog_incomplete, "the catalog", &why);
        return LS_OK;
    }
    atomic_fetch_add(&m->scan->rows_seen, m->rows.n);
    m->rows_last = m->rows.n < ROW_PAGE;
    m->rows_ended = m->rows.n == 0;
    return LS_OK;
}

/* Spool the key's product unless it is that of the key before. */
static enum ls_rc note_product(struct merge *m, const char *key, struct ls_err *err)
{
    struct ls_slice product;
    if (m->product.len && strncmp(key, m->product.data, m->product.len) == 0)
        return LS_OK;
    ls_buf_reset(&m->product);
    if (!ls_layout_product_of(m->scan->layout, key, strlen(key), &product))
        return LS_OK;
    size_t end = (size_t)(product.data - key) + product.len;
    if (key[end] == '/' && ls_buf_add(&m->product, key, end + 1))
        return ls_err_nomem(err);
    return ls_spool_product(&m->batch, product.data, product.len, err);
}

/* Has the key a twin in its folder? Then both are suspects. Sets *out_twin. */
static enum ls_rc note_twin(struct merge *m, const char *key, bool synced, bool *out_twin, struct ls_err *err)
{
    struct ls_twin twin;
    *out_twin = false;
    if (ls_twins_next(&m->twins, key, synced, &twin))
        return ls_err_nomem(err);
    if (!twin.group)
        return LS_OK;
    *out_twin = true;
    enum ls_rc rc = ls_spool_suspect(&m->batch, key, twin.group, synced, err);
    if (rc || !twin.first)
        return rc;
    LS_AUTO(ls_buf) struct ls_buf first = LS_BUF_INIT(LS_BUF_LINE);
    if (ls_buf_add(&first, m->twins.folder.data, m->twins.folder.len) || ls_buf_adds(&first, twin.first))
        return ls_err_nomem(err);
    return ls_spool_suspect(&m->batch, first.data, twin.group, twin.first_synced, err);
}

/* Do row and object agree, so that nothing more need be known? */
static bool is_synced(const struct merge *m, const struct ls_image *row, const struct ls_list_entry *object,
                      enum ls_key_class key_class, const struct ls_key_parts *parts)
{
    if (!row || !object)
        return false;
    if (row->record.known &&
        (row->record.size_bytes != object->size_bytes || strcmp(row->record.etag, object->etag) != 0))
        return false;
    return ls_classifier_filed(&m->scan->classifier, row, key_class, parts);
}

/* One key with what each side has of it. */
static enum ls_rc one_key(struct merge *m, const char *key, const struct ls_image *row,
                          const struct ls_list_entry *object, struct ls_err *err)
{
    struct ls_key_parts parts;
    bool twin = false;
    if (ls_key_is_internal(key) || strncmp(key, m->range->prefix, strlen(m->range->prefix)) != 0)
        return LS_OK; /* the bounds of a range are a little wider than its prefix where keys are no UTF-8 */
    enum ls_key_class key_class = ls_layout_parse(m->scan->layout, key, strlen(key), &parts);
    bool synced = is_synced(m, row, object, key_class, &parts);
    enum ls_rc rc = note_product(m, key, err);
    if (!rc && key_class == LS_KEY_FITS)
        rc = note_twin(m, key, synced, &twin, err);
    if (rc)
        return rc;
    if (!synced || !row || !object)
        return twin ? LS_OK : ls_spool_suspect(&m->batch, key, 0, false, err);
    m->synced++;
    if (m->scan->keep_synced || !row->record.known)
        rc = ls_spool_synced(&m->batch, key, object->etag, object->size_bytes,
                             row->record.known ? 0 : LS_SCAN_UNRECORDED, err);
    return rc;
}

static enum ls_rc merge_all(struct merge *m, struct ls_err *err)
{
    for (;;) {
        enum ls_rc rc = need_row(m, err); /* while the first page of objects is on its way */
        if (!rc)
            rc = need_object(m, err);
        if (rc || m->broken)
            return rc;
        const struct ls_list_entry *object = m->objects_ended ? NULL : &m->objects.entries[m->object_at];
        const struct ls_image *row = m->rows_ended ? NULL : &m->rows.items[m->row_at];
        if (!object && !row)
            return LS_OK;
        int c = !object ? 1 : !row ? -1 : strcmp(object->key, row->key);
        rc = one_key(m, c <= 0 ? object->key : row->key, c >= 0 ? row : NULL, c <= 0 ? object : NULL, err);
        if (rc)
            return rc;
        m->object_at += c <= 0;
        m->row_at += c >= 0;
    }
}

enum ls_rc ls_merge_range(struct ls_scan *scan, const struct ls_range *range, struct ls_err *err)
{
    struct merge m = {.scan = scan, .range = range};
    ls_buf_init(&m.row_after, LS_BUF_LINE);
    ls_buf_init(&m.product, LS_BUF_LINE);
    ls_spool_batch_init(&m.batch, scan->spool);
    ls_twins_init(&m.twins);
    enum ls_rc rc = ls_lister_start(&m.lister, scan->store, range, &scan->stop, err);
    if (!rc && ls_buf_adds(&m.row_after, range->row_after))
        rc = ls_err_nomem(err);
    if (!rc)
        rc = merge_all(&m, err);
    if (!rc)
        rc = ls_spool_flush(&m.batch, err);
    atomic_fetch_add(&scan->synced, m.synced);
    ls_lister_end(&m.lister);
    ls_list_page_dispose(&m.objects);
    ls_image_page_dispose(&m.rows);
    ls_twins_dispose(&m.twins);
    ls_spool_batch_dispose(&m.batch);
    ls_buf_dispose(&m.product);
    ls_buf_dispose(&m.row_after);
    return rc;
}
