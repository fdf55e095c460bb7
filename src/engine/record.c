/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Filling in what is recorded of the objects of rows that an application wrote.
 *
 * The rows are read page by page in key order; the objects of those that nothing is recorded of are asked for side by
 * side. Not from a listing: that does not tell an object's type, which a later copy has to keep. The rows themselves do
 * not change. A crash in the middle leaves the rest for the next time.
 */
#include "engine/internal.h"

#include <stdlib.h>

#define PAGE 1000

struct recording {
    struct ls_engine *engine;
    const struct ls_record_opts *opts;
    struct ls_record_totals *totals;
    uint64_t seen, rows;
};

static void count(struct recording *r, const struct ls_mend_item *item)
{
    if (item->rc == LS_OK)
        r->totals->recorded++;
    else if (item->rc == LS_NOT_FOUND)
        r->totals->missing++;
    else if (item->rc == LS_CONFLICT || item->rc == LS_BUSY)
        r->totals->skipped++;
    else
        r->totals->failed++;
    if (item->rc != LS_OK && r->opts->each)
        r->opts->each(r->opts->ctx, item);
}

static enum ls_rc record_page(struct recording *r, const struct ls_image_page *page, struct ls_err *err)
{
    size_t n = 0;
    LS_AUTO(ls_free) struct ls_mend_item *items = calloc(page->n ? page->n : 1, sizeof(*items));
    if (!items)
        return ls_err_nomem(err);
    for (size_t i = 0; i < page->n; i++)
        if (!page->items[i].record.known)
            items[n++] = (struct ls_mend_item){.key = page->items[i].key, .row_etag = ""};
    enum ls_rc rc = n ? ls_engine_mend(r->engine, LS_MEND_REFRESH, items, n, err) : LS_OK;
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        count(r, &items[i]);
    r->seen += page->n;
    if (rc == LS_OK && r->opts->progress)
        r->opts->progress(r->opts->ctx, r->seen, r->rows > r->seen ? r->rows : r->seen);
    return rc;
}

enum ls_rc ls_engine_record(struct ls_engine *engine, const struct ls_record_opts *opts,
                            struct ls_record_totals *out_totals, struct ls_err *err)
{
    struct ls_catalog *cat = engine->catalog;
    LS_AUTO(ls_free) char *after = NULL;
    struct recording r = {.engine = engine, .opts = opts, .totals = out_totals};
    *out_totals = (struct ls_record_totals){0};
    enum ls_rc rc = cat->ops->image_count(cat, "", NULL, &r.rows, NULL, err);
    for (bool more = true; rc == LS_OK && more;) {
        LS_AUTO(ls_image_page) struct ls_image_page page = {0};
        rc = cat->ops->image_page(cat, NULL, after ? after : "", NULL, PAGE, &page, err);
        more = rc == LS_OK && page.n == PAGE;
        if (rc == LS_OK)
            rc = record_page(&r, &page, err);
        if (rc == LS_OK && more) {
            free(after);
            after = strdup(page.items[page.n - 1].key);
            rc = after ? LS_OK : ls_err_nomem(err);
        }
    }
    return rc;
}
