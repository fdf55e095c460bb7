/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading what earlier scans found. */
#include <inttypes.h>
#include <string.h>

#include "base/auto.h"
#include "scan/result.h"

#define PAGE 500

static enum ls_rc find_row(struct ls_catalog *cat, int64_t scan, struct ls_err *err)
{
    struct ls_scan_row row;
    enum ls_rc rc = scan > 0 && scan < INT64_MAX ? cat->ops->scan_get(cat, scan + 1, &row, err) : LS_NOT_FOUND;
    if (rc && rc != LS_NOT_FOUND)
        return rc;
    if (rc || row.id != scan)
        return ls_err_set(err, LS_NOT_FOUND, "history: there is no scan %" PRId64, scan);
    if (row.findings == LS_SCAN_FINDINGS_KEPT)
        return LS_OK;
    return ls_err_set(err, LS_NOT_FOUND, "history: what scan %" PRId64 " found is not kept%s: only its counts are",
                      scan, row.ended_ns && row.complete ? " any more" : ", because it did not end or was incomplete");
}

static enum ls_rc each_of(const struct ls_layout *layout, const struct ls_scan_finding_page *page,
                          enum ls_rc (*each)(void *ctx, const struct ls_finding *finding), void *ctx,
                          struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; i < page->n && !rc; i++) {
        const struct ls_scan_finding *f = &page->items[i];
        struct ls_spool_finding stored = {.key = f->key,
                                          .flags = f->flags,
                                          .twin = f->twin,
                                          .partner = f->partner,
                                          .row_etag = f->row_etag,
                                          .row_size = f->row_size,
                                          .object_etag = f->object_etag,
                                          .object_size = f->object_size,
                                          .detail = f->detail};
        struct ls_finding_text text = {.product = ""};
        struct ls_finding finding;
        if (!ls_finding_kind_parse(f->kind, &stored.kind))
            return ls_err_set(err, LS_CORRUPT, "history: a finding of an unknown kind \"%s\"", f->kind);
        ls_finding_from(layout, &stored, &text, &finding);
        rc = each(ctx, &finding);
    }
    return rc;
}

enum ls_rc ls_history_each(struct ls_catalog *cat, const struct ls_layout *layout, int64_t scan, const char *after,
                           enum ls_rc (*each)(void *ctx, const struct ls_finding *finding), void *ctx,
                           struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf from = LS_BUF_INIT(LS_BUF_LINE);
    enum ls_rc rc = find_row(cat, scan, err);
    if (!rc && ls_buf_adds(&from, after))
        rc = ls_err_nomem(err);
    while (!rc) {
        struct ls_scan_finding_page page;
        rc = cat->ops->finding_page(cat, scan, from.data, PAGE, &page, err);
        if (!rc)
            rc = each_of(layout, &page, each, ctx, err);
        size_t n = page.n;
        ls_buf_reset(&from);
        if (!rc && n && ls_buf_adds(&from, page.items[n - 1].key))
            rc = ls_err_nomem(err);
        ls_scan_finding_page_dispose(&page);
        if (!n)
            break;
    }
    return rc;
}

enum ls_rc ls_history_get(struct ls_catalog *cat, const struct ls_layout *layout, int64_t scan, const char *const *keys,
                          size_t n, enum ls_rc (*each)(void *ctx, const struct ls_finding *finding), void *ctx,
                          struct ls_err *err)
{
    struct ls_scan_finding_page page = {0};
    enum ls_rc rc = find_row(cat, scan, err);
    if (!rc)
        rc = cat->ops->findings_get(cat, scan, keys, n, &page, err);
    if (!rc)
        rc = each_of(layout, &page, each, ctx, err);
    ls_scan_finding_page_dispose(&page);
    return rc;
}
