/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From findings to a result: fail closed, pair moved ones, count.
 */
#include "scan/conclude.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

#define PRODUCT_PAGE 1000

/* ---- products ---- */

/* Add the products that the catalog has rows of; those of keys are there already. */
static enum ls_rc catalog_products(struct ls_scan *scan, const char *const *products, struct ls_spool_batch *batch,
                                   struct ls_err *err)
{
    struct ls_catalog *cat = scan->cat;
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; products && products[i] && !rc; i++) {
        bool exists = false;
        if (!products[1] && atomic_load(&scan->synced))
            break; /* the one product has keys */
        rc = cat->ops->product_exists(cat, NULL, products[i], &exists, err);
        if (!rc && exists)
            rc = ls_spool_product(batch, products[i], strlen(products[i]), err);
    }
    LS_AUTO(ls_buf) struct ls_buf after = LS_BUF_INIT(LS_BUF_LINE);
    for (bool more = !products; more && !rc;) {
        struct ls_name_page page = {0};
        rc = cat->ops->product_page(cat, NULL, after.data, PRODUCT_PAGE, &page, err);
        for (size_t i = 0; i < page.n && !rc; i++)
            rc = ls_spool_product(batch, page.names[i], strlen(page.names[i]), err);
        more = page.n > 0;
        ls_buf_reset(&after);
        if (!rc && more && ls_buf_adds(&after, page.names[page.n - 1]))
            rc = ls_err_nomem(err);
        ls_name_page_dispose(&page);
    }
    return rc;
}

enum ls_rc ls_scan_add_products(struct ls_scan *scan, const char *const *products, struct ls_err *err)
{
    struct ls_err why = LS_ERR_INIT;
    LS_AUTO(ls_free) struct ls_spool_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return ls_err_nomem(err);
    ls_spool_batch_init(batch, scan->spool);
    enum ls_rc rc = catalog_products(scan, products, batch, &why);
    if (rc) {
        atomic_store(&scan->catalog_incomplete, true);
        ls_err_prefix(&why, "the products could not be read: ");
        ls_spool_error(scan->spool, why.text);
    }
    rc = ls_spool_flush(batch, err);
    ls_spool_batch_dispose(batch);
    return rc;
}

/* ---- the result ---- */

enum ls_rc ls_scan_count(struct ls_scan *scan, struct ls_err *err)
{
    const struct {
        const char *where;
        uint64_t *out;
    } counts[] = {
        {"kind=1 AND partner IS NULL AND flags&1=0", &scan->mendable.orphaned},
        {"kind=1 AND flags&1<>0", &scan->mendable.misplaced},
        {"kind=2 AND partner IS NULL", &scan->mendable.missing},
        {"kind=3", &scan->mendable.stale},
        {"kind IN (0,4) AND flags&4<>0", &scan->mendable.unrecorded},
        {"kind IN (3,4) AND flags&2<>0 AND flags&1=0", &scan->mendable.misfiled},
        {"kind=1", &scan->totals.by_kind[LS_FINDING_ORPHANED]},
        {"kind=2", &scan->totals.by_kind[LS_FINDING_MISSING]},
        {"kind=3", &scan->totals.by_kind[LS_FINDING_STALE]},
        {"kind=4", &scan->totals.by_kind[LS_FINDING_MISFILED]},
        {"kind=5", &scan->totals.by_kind[LS_FINDING_PENDING]},
    };
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && !rc; i++)
        rc = ls_spool_count(scan->spool, counts[i].where, counts[i].out, err);
    return rc;
}

_Static_assert(LS_FINDING_ORPHANED == 1 && LS_FINDING_MISSING == 2 && LS_FINDING_STALE == 3 &&
                   LS_FINDING_MISFILED == 4 && LS_FINDING_PENDING == 5 && LS_SCAN_MISPLACED == 1 &&
                   LS_SCAN_MISFILED == 2 && LS_SCAN_UNRECORDED == 4,
               "the SQL above says so");

static enum ls_rc conclude_findings(struct ls_scan *scan, bool store_incomplete, bool catalog_incomplete,
                                    struct ls_err *err)
{
    struct ls_scan_totals *t = &scan->totals;
    enum ls_rc rc = LS_OK;
    if (store_incomplete)
        rc = ls_spool_drop_kind(scan->spool, LS_FINDING_MISSING, err);
    if (!rc && catalog_incomplete)
        rc = ls_spool_drop_kind(scan->spool, LS_FINDING_ORPHANED, err);
    if (!rc)
        rc = ls_spool_pair_moved(scan->spool, &t->moved, err);
    if (!rc)
        rc = ls_spool_settle_twins(scan->spool, &t->twins, err);
    return rc ? rc : ls_scan_count(scan, err);
}

enum ls_rc ls_scan_conclude(struct ls_scan *scan, struct ls_err *err)
{
    struct ls_scan_totals *t = &scan->totals;
    bool store_incomplete = atomic_load(&scan->store_incomplete);
    bool catalog_incomplete = atomic_load(&scan->catalog_incomplete);
    enum ls_rc rc = LS_OK;
    if (!ls_spool_plain(scan->spool))
        rc = conclude_findings(scan, store_incomplete, catalog_incomplete, err);
    if (!rc)
        rc = ls_spool_product_count(scan->spool, &t->products, err);
    if (rc)
        return rc;
    t->misplaced = scan->mendable.misplaced;
    t->by_kind[LS_FINDING_SYNCED] = atomic_load(&scan->synced);
    t->images = 0;
    for (int kind = 0; kind < LS_FINDING_KINDS; kind++)
        t->images += t->by_kind[kind];
    t->errors = ls_spool_error_count(scan->spool);
    t->complete = !store_incomplete && !catalog_incomplete;
    t->objects_seen = atomic_load(&scan->objects_seen);
    t->rows_seen = atomic_load(&scan->rows_seen);
    return LS_OK;
}
