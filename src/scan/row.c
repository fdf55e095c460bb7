/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scan's own row in the catalog. */
#include "scan/row.h"

#include <stdio.h>

#include "base/clock.h"

void ls_scan_begin_row(const struct ls_scan *scan, const char *const *products, struct ls_scan_row *out)
{
    *out = (struct ls_scan_row){.started_ns = scan->totals.started_ns, .unannounced = LS_UNANNOUNCED_UNKNOWN};
    snprintf(out->instance, sizeof out->instance, "%s", ls_engine_instance(scan->engine));
    size_t at = 0;
    for (size_t i = 0; products && products[i] && at < sizeof out->scope - 1; i++) {
        int n = snprintf(out->scope + at, sizeof out->scope - at, "%s%s", i ? " " : "", products[i]);
        at += n < 0 ? 0 : (size_t)n;
    }
}

void ls_scan_end_row(const struct ls_scan *scan, struct ls_scan_row *row)
{
    const struct ls_scan_totals *t = &scan->totals;
    row->ended_ns = ls_now_ns();
    row->complete = t->complete;
    row->images = t->images;
    row->synced = t->by_kind[LS_FINDING_SYNCED];
    row->orphaned = t->by_kind[LS_FINDING_ORPHANED];
    row->missing = t->by_kind[LS_FINDING_MISSING];
    row->stale = t->by_kind[LS_FINDING_STALE];
    row->misfiled = t->by_kind[LS_FINDING_MISFILED];
    row->pending = t->by_kind[LS_FINDING_PENDING];
    row->moved = t->moved;
    row->misplaced = t->misplaced;
    row->errors = t->errors;
    row->products = t->products;
    row->twins = t->twins;
    row->objects_seen = t->objects_seen;
    row->rows_seen = t->rows_seen;
    row->unannounced = t->unannounced;
}

void ls_scan_row_totals(const struct ls_scan_row *row, struct ls_scan_totals *out)
{
    *out = (struct ls_scan_totals){.products = row->products,
                                   .images = row->images,
                                   .by_kind = {[LS_FINDING_SYNCED] = row->synced,
                                               [LS_FINDING_ORPHANED] = row->orphaned,
                                               [LS_FINDING_MISSING] = row->missing,
                                               [LS_FINDING_STALE] = row->stale,
                                               [LS_FINDING_MISFILED] = row->misfiled,
                                               [LS_FINDING_PENDING] = row->pending},
                                   .moved = row->moved,
                                   .misplaced = row->misplaced,
                                   .twins = row->twins,
                                   .errors = row->errors,
                                   .unannounced = row->unannounced,
                                   .complete = row->complete,
                                   .objects_seen = row->objects_seen,
                                   .rows_seen = row->rows_seen,
                                   .started_ns = row->started_ns,
                                   .ended_ns = row->ended_ns};
}
