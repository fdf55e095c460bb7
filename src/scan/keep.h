/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Findings on their way between a scan's spool and the catalog, where other processes and the history read them.
 *
 * They are written a few hundred a transaction, so that nobody waits long for the catalog's one writer. One thread at a
 * time.
 */
#ifndef LOCKSTEP_SCAN_KEEP_H
#define LOCKSTEP_SCAN_KEEP_H

#include "scan/scan_impl.h"

#define LS_KEEPER_BATCH 500
#define LS_FINDINGS_KEPT_MAX 100000 /* of a scan that was not shared */

struct ls_keeper {
    struct ls_catalog *cat;
    int64_t id; /* of the scan */
    /* Called first in each transaction, so that it can refuse it; may be NULL. */
    enum ls_rc (*fence)(void *ctx, struct ls_tx *tx, struct ls_err *err);
    void *ctx;
    struct ls_buf text; /* the strings of what waits */
    size_t n;
    struct {
        struct ls_scan_finding finding; /* but for its strings: */
        size_t at[5];                   /* where they are in the text, and 1; 0 = NULL */
    } items[LS_KEEPER_BATCH];
};

void ls_keeper_init(struct ls_keeper *keeper, struct ls_catalog *cat, int64_t id);
void ls_keeper_dispose(struct ls_keeper *keeper);
/* Take a finding; when the batch is full it is written first. */
enum ls_rc ls_keeper_add(struct ls_keeper *keeper, const struct ls_spool_finding *finding, struct ls_err *err)
    LS_MUST_CHECK;
/* Write what waits in a transaction of the caller's; it goes on waiting, for another try. */
enum ls_rc ls_keeper_put(struct ls_keeper *keeper, struct ls_tx *tx, struct ls_err *err) LS_MUST_CHECK;
/* Write what waits. */
enum ls_rc ls_keeper_flush(struct ls_keeper *keeper, struct ls_err *err) LS_MUST_CHECK;

/* Which findings are kept: all but synced ones that nobody asked for. */
const char *ls_kept_where(bool keep_synced);
/* Write at most `most` findings of the spool to the catalog. */
enum ls_rc ls_kept_write(struct ls_scan *scan, int64_t id, uint64_t most, struct ls_err *err) LS_MUST_CHECK;
/* Let go of what is not kept any more; that it fails is only said. */
void ls_kept_tidy(struct ls_catalog *cat);
/* Read the findings of a scan from the catalog into the spool, with their products. fresh: as their ranges found them,
 * so that they can be concluded (again). */
enum ls_rc ls_kept_read(struct ls_scan *scan, int64_t id, bool fresh, struct ls_err *err) LS_MUST_CHECK;

#define LS_TX_AGAIN_MS 60000 /* how long a busy or unreachable catalog is tried */
/* May the transaction be tried again? */
static inline bool ls_tx_again(enum ls_rc rc)
{
    return rc == LS_BUSY || rc == LS_TRANSIENT || rc == LS_OUTCOME_UNKNOWN;
}

#endif
