/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scan and its result, for the scanner's own modules.
 *
 * Threads: the merging threads touch the atomics, the classifier (immutable) and the spool's batches; all else is the
 * caller's.
 */
#ifndef LOCKSTEP_SCAN_SCAN_IMPL_H
#define LOCKSTEP_SCAN_SCAN_IMPL_H

#include <stdatomic.h>

#include "scan/classify.h"
#include "scan/ranges.h"
#include "scan/spool.h"

struct ls_scan {
    struct ls_engine *engine;
    struct ls_store *store;
    struct ls_catalog *cat;
    const struct ls_layout *layout;
    bool keep_synced, scoped;
    const atomic_bool *cancel;
    struct ls_classifier classifier;
    struct ls_spool *spool;
    struct ls_scan_totals totals;

    atomic_bool stop; /* cancelled, or the spool failed: the merging threads end */
    atomic_bool store_incomplete, catalog_incomplete;
    atomic_uint_fast64_t objects_seen, rows_seen, synced;

    /* What the mending options act on, counted when the scan ended. */
    struct {
        uint64_t orphaned, misplaced, missing, stale, unrecorded, misfiled; /* moved ones not among them */
    } mendable;
};

/* Has the scan's owner asked to stop? */
static inline bool ls_scan_cancelled(const struct ls_scan *scan)
{
    return scan->cancel && atomic_load_explicit(scan->cancel, memory_order_relaxed);
}

#endif
