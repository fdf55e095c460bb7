/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Findings between spool and catalog.
 *
 * Writing one twice does no harm, so a transaction whose outcome is unknown is simply made again.
 */
#include "scan/keep.h"

#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"

#define PAUSE_MS 200
#define PAGE 1000

void ls_keeper_init(struct ls_keeper *keeper, struct ls_catalog *cat, int64_t id)
{
    keeper->cat = cat;
    keeper->id = id;
    keeper->fence = NULL;
    keeper->ctx = NULL;
    keeper->n = 0;
    ls_buf_init(&keeper->text, LS_KEEPER_BATCH * (size_t)16 * 1024);
}

void ls_keeper_dispose(struct ls_keeper *keeper) { ls_buf_dispose(&keeper->text); }

/* Keep a string; *out_at is where it is, and 1. */
static enum ls_rc keep_text(struct ls_keeper *keeper, const char *text, size_t *out_at, struct ls_err *err)
{
    *out_at = text ? keeper->text.len + 1 : 0;
    if (text && ls_buf_add(&keeper->text, text, strlen(text) + 1))
        return ls_err_nomem(err);
    return LS_OK;
}

enum ls_rc ls_keeper_add(struct ls_keeper *keeper, const struct ls_spool_finding *f, struct ls_err *err)
{
    enum ls_rc rc = keeper->n == LS_KEEPER_BATCH ? ls_keeper_flush(keeper, err) : LS_OK;
    if (rc)
        return rc;
    const char *const texts[] = {f->key, f->partner, f->row_etag, f->object_etag, f->detail};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !rc; i++)
        rc = keep_text(keeper, texts[i], &keeper->items[keeper->n].at[i], err);
    if (rc)
        return rc;
    keeper->items[keeper->n++].finding = (struct ls_scan_finding){.kind = ls_finding_kind_name(f->kind),
                                                                  .flags = f->flags,
                                                                  .twin = f->twin,
                                                                  .row_size = f->row_size,
                                                                  .object_size = f->object_size};
    return LS_OK;
}

enum ls_rc ls_keeper_put(struct ls_keeper *keeper, struct ls_tx *tx, struct ls_err *err)
{
    struct ls_scan_finding findings[LS_KEEPER_BATCH];
    for (size_t i = 0; i < keeper->n; i++) {
        struct ls_scan_finding *f = &findings[i];
        *f = keeper->items[i].finding;
        const char **const texts[] = {&f->key, &f->partner, &f->row_etag, &f->object_etag, &f->detail};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            *texts[k] = keeper->items[i].at[k] ? keeper->text.data + keeper->items[i].at[k] - 1 : NULL;
    }
    return keeper->n ? keeper->cat->ops->findings_put(tx, keeper->id, findings, keeper->n, err) : LS_OK;
}

static enum ls_rc flush_once(struct ls_keeper *keeper, struct ls_err *err)
{
    struct ls_tx *tx;
    enum ls_rc rc = keeper->cat->ops->begin_relaxed(keeper->cat, &tx, err);
    if (rc)
        return rc;
    if (keeper->fence)
        rc = keeper->fence(keeper->ctx, tx, err);
    if (!rc)
        rc = ls_keeper_put(keeper, tx, err);
    return ls_catalog_end(tx, rc, err);
}

enum ls_rc ls_keeper_flush(struct ls_keeper *keeper, struct ls_err *err)
{
    int64_t until_ms = ls_monotonic_ms() + LS_TX_AGAIN_MS;
    enum ls_rc rc = LS_OK;
    while (keeper->n && (rc = flush_once(keeper, err)) && ls_tx_again(rc) && ls_monotonic_ms() < until_ms)
        ls_sleep_ms(PAUSE_MS);
    if (rc)
        return rc;
    keeper->n = 0;
    ls_buf_reset(&keeper->text);
    if (LS_FAILPOINT("scan.findings.kept"))
        return ls_err_set(err, LS_IO, "scan: fail point");
    return LS_OK;
}

const char *ls_kept_where(bool keep_synced) { return keep_synced ? "1" : "kind<>0 OR twin IS NOT NULL"; }

struct writing {
    struct ls_keeper *keeper;
    uint64_t left;
    struct ls_err *err;
};

static enum ls_rc write_one(void *ctx, const struct ls_spool_finding *finding)
{
    struct writing *w = ctx;
    return w->left-- == 0 ? LS_NOT_FOUND : ls_keeper_add(w->keeper, finding, w->err);
}

enum ls_rc ls_kept_write(struct ls_scan *scan, int64_t id, uint64_t most, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper)
        return ls_err_nomem(err);
    ls_keeper_init(keeper, scan->cat, id);
    struct writing w = {keeper, most, err};
    struct ls_spool_filter filter = {.where = ls_kept_where(false)};
    enum ls_rc rc = ls_spool_each(scan->spool, &filter, write_one, &w, err);
    if (!rc || rc == LS_NOT_FOUND)
        rc = ls_keeper_flush(keeper, err);
    ls_keeper_dispose(keeper);
    return rc;
}

void ls_kept_tidy(struct ls_catalog *cat)
{
    struct ls_err why = LS_ERR_INIT;
    enum ls_rc rc = LS_OK;
    for (bool more = true; more && !rc;)
        rc = cat->ops->scan_tidy(cat, &more, &why);
    if (rc)
        LS_LOG_WARN("scan", "old-findings-stay", {"error", ls_v_str(why.text)});
}

static enum ls_rc spool_product(struct ls_scan *scan, struct ls_spool_batch *batch, const char *key, struct ls_err *err)
{
    struct ls_slice product;
    if (!ls_layout_product_of(scan->layout, key, strlen(key), &product))
        return LS_OK;
    return ls_spool_product(batch, product.data, product.len, err);
}

static enum ls_rc spool_finding(struct ls_scan *scan, const struct ls_scan_finding *f, bool fresh, struct ls_err *err)
{
    struct ls_spool_finding finding = {.key = f->key,
                                       .flags = f->flags,
                                       .twin = f->twin,
                                       .partner = fresh ? NULL : f->partner,
                                       .row_etag = f->row_etag,
                                       .row_size = f->row_size,
                                       .object_etag = f->object_etag,
                                       .object_size = f->object_size,
                                       .detail = f->detail};
    if (!ls_finding_kind_parse(f->kind, &finding.kind))
        return ls_err_set(err, LS_CORRUPT, "scan: the catalog has a finding of an unknown kind \"%s\"", f->kind);
    return ls_spool_put(scan->spool, &finding, err);
}

static enum ls_rc read_all(struct ls_scan *scan, int64_t id, bool fresh, struct ls_spool_batch *products,
                           struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf after = LS_BUF_INIT(LS_BUF_LINE);
    for (;;) {
        struct ls_scan_finding_page page;
        enum ls_rc rc = scan->cat->ops->finding_page(scan->cat, id, after.data, PAGE, &page, err);
        if (!rc && ls_scan_cancelled(scan))
            rc = ls_err_set(err, LS_CANCELLED, "scan: stopped on request");
        for (size_t i = 0; i < page.n && !rc; i++) {
            rc = spool_finding(scan, &page.items[i], fresh, err);
            if (!rc)
                rc = spool_product(scan, products, page.items[i].key, err);
        }
        size_t n = page.n;
        ls_buf_reset(&after);
        if (!rc && n && ls_buf_adds(&after, page.items[n - 1].key))
            rc = ls_err_nomem(err);
        ls_scan_finding_page_dispose(&page);
        if (rc || !n)
            return rc;
    }
}

enum ls_rc ls_kept_read(struct ls_scan *scan, int64_t id, bool fresh, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_spool_batch *products = calloc(1, sizeof *products);
    if (!products)
        return ls_err_nomem(err);
    ls_spool_batch_init(products, scan->spool);
    enum ls_rc rc = read_all(scan, id, fresh, products, err);
    if (!rc)
        rc = ls_spool_flush(products, err);
    ls_spool_batch_dispose(products);
    return rc;
}
