/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tally of a scan.
 *
 * A product's findings have one prefix, so they follow each other in key order: one product is counted at a time, and
 * memory stays flat. Products whose name is no UTF-8 have none: no row and no page can name them.
 */
#include "scan/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "scan/keep.h"

#define BATCH 500
#define PAUSE_MS 200

struct counting {
    struct ls_scan *scan;
    int64_t id;
    struct ls_err *err;
    size_t n; /* of those below; the last one is still being counted */
    struct ls_tally tallies[BATCH];
    char names[BATCH][LS_NAME_MAX + 1];
};

static enum ls_rc put_once(struct counting *c)
{
    struct ls_catalog *cat = c->scan->cat;
    struct ls_tx *tx;
    enum ls_rc rc = cat->ops->begin_relaxed(cat, &tx, c->err);
    if (rc)
        return rc;
    return ls_catalog_end(tx, cat->ops->tally_put(tx, c->id, c->tallies, c->n, c->err), c->err);
}

static enum ls_rc flush(struct counting *c)
{
    int64_t until_ms = ls_monotonic_ms() + LS_TX_AGAIN_MS;
    enum ls_rc rc = LS_OK;
    while (c->n && (rc = put_once(c)) && ls_tx_again(rc) && ls_monotonic_ms() < until_ms)
        ls_sleep_ms(PAUSE_MS);
    if (!rc)
        c->n = 0;
    return rc;
}

/* The tally of a product; NULL: the error is set. */
static struct ls_tally *tally_of(struct counting *c, const struct ls_slice *product)
{
    const char *last = c->n ? c->names[c->n - 1] : "";
    if (c->n && strlen(last) == product->len && memcmp(last, product->data, product->len) == 0)
        return &c->tallies[c->n - 1];
    if (c->n == BATCH && flush(c))
        return NULL;
    char *name = c->names[c->n];
    memcpy(name, product->data, product->len);
    name[product->len] = '\0';
    c->tallies[c->n] = (struct ls_tally){.product = name};
    return &c->tallies[c->n++];
}

static enum ls_rc count(void *ctx, const struct ls_spool_finding *f)
{
    struct counting *c = ctx;
    struct ls_slice product;
    if (!ls_layout_product_of(c->scan->layout, f->key, strlen(f->key), &product) || product.len > LS_NAME_MAX ||
        !ls_utf8_valid(product.data, product.len))
        return LS_OK;
    struct ls_tally *tally = tally_of(c, &product);
    if (!tally)
        return c->err && c->err->rc ? c->err->rc : LS_IO;
    tally->orphaned += f->kind == LS_FINDING_ORPHANED;
    tally->missing += f->kind == LS_FINDING_MISSING;
    tally->stale += f->kind == LS_FINDING_STALE;
    tally->misfiled += f->kind == LS_FINDING_MISFILED;
    tally->pending += f->kind == LS_FINDING_PENDING;
    tally->moved += f->kind == LS_FINDING_ORPHANED && f->partner;
    tally->misplaced += f->kind == LS_FINDING_ORPHANED && (f->flags & LS_SCAN_MISPLACED);
    return LS_OK;
}

enum ls_rc ls_tally_write(struct ls_scan *scan, int64_t id, struct ls_err *err)
{
    LS_AUTO(ls_free) struct counting *c = calloc(1, sizeof *c);
    const struct ls_spool_filter filter = {.where = "kind<>0"};
    if (!c)
        return ls_err_nomem(err);
    c->scan = scan;
    c->id = id;
    c->err = err;
    enum ls_rc rc = ls_spool_each(scan->spool, &filter, count, c, err);
    return rc ? rc : flush(c);
}
