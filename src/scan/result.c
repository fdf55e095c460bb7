/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading a scan's result back from its spool.
 *
 * A product's findings are those whose keys begin with its prefix, so they are one range of the key order.
 */
#include "scan/result.h"

#include <stdio.h>
#include <string.h>

void ls_finding_from(const struct ls_layout *layout, const struct ls_spool_finding *stored,
                     struct ls_finding_text *text, struct ls_finding *out)
{
    struct ls_slice product = {"", 0};
    if (!(stored->flags & LS_SCAN_NO_PRODUCT) &&
        !ls_layout_product_of(layout, stored->key, strlen(stored->key), &product))
        product = (struct ls_slice){"", 0};
    snprintf(text->product, sizeof text->product, "%.*s", (int)product.len, product.data);
    *out = (struct ls_finding){.kind = stored->kind,
                               .key = stored->key,
                               .product = text->product,
                               .moved = stored->partner != NULL,
                               .partner = stored->partner,
                               .misplaced = stored->kind == LS_FINDING_ORPHANED && (stored->flags & LS_SCAN_MISPLACED),
                               .twin = stored->twin != 0,
                               .row_etag = stored->row_etag,
                               .row_size = stored->row_size,
                               .object_etag = stored->object_etag,
                               .object_size = stored->object_size,
                               .detail = stored->detail};
    if (stored->partner) {
        snprintf(text->detail, sizeof text->detail, "%s %s",
                 stored->kind == LS_FINDING_ORPHANED ? "moved from" : "moved to", stored->partner);
        out->detail = text->detail;
    }
}

struct walk {
    struct ls_scan *scan;
    bool only_productless;
    enum ls_rc (*each)(void *ctx, const struct ls_finding *finding);
    void *ctx;
};

static enum ls_rc walk_one(void *arg, const struct ls_spool_finding *stored)
{
    const struct walk *walk = arg;
    struct ls_finding_text text = {.product = ""};
    struct ls_finding finding;
    ls_finding_from(walk->scan->layout, stored, &text, &finding);
    if (walk->only_productless && *finding.product)
        return LS_OK;
    return walk->each(walk->ctx, &finding);
}

enum ls_rc ls_scan_each(struct ls_scan *scan, const char *product,
                        enum ls_rc (*each)(void *ctx, const struct ls_finding *finding), void *ctx, struct ls_err *err)
{
    struct walk walk = {scan, product && !*product, each, ctx};
    struct ls_spool_filter filter = {.where = scan->keep_synced ? "1" : "kind<>0 OR twin IS NOT NULL"};
    char from[LS_KEY_MAX + 8], before[LS_KEY_MAX + 8];
    if (product && *product) {
        enum ls_rc rc = ls_layout_format(scan->layout, product, NULL, NULL, NULL, from, sizeof from, err);
        if (rc)
            return rc;
        snprintf(before, sizeof before, "%s", from);
        before[strlen(before) - 1]++; /* the slash, to the byte after it */
        filter.from = from;
        filter.before = before;
    }
    return ls_spool_each(scan->spool, &filter, walk_one, &walk, err);
}

enum ls_rc ls_scan_each_product(struct ls_scan *scan, enum ls_rc (*each)(void *ctx, const char *product), void *ctx,
                                struct ls_err *err)
{
    return ls_spool_each_product(scan->spool, each, ctx, err);
}

enum ls_rc ls_scan_each_error(struct ls_scan *scan, enum ls_rc (*each)(void *ctx, const char *text), void *ctx,
                              struct ls_err *err)
{
    return ls_spool_each_error(scan->spool, each, ctx, err);
}

const char *ls_finding_name(const struct ls_finding *finding)
{
    if (finding->moved)
        return "moved";
    if (finding->misplaced)
        return "misplaced";
    return finding->kind == LS_FINDING_SYNCED && finding->twin ? "twin" : ls_finding_kind_name(finding->kind);
}
