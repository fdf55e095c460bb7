/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second look: reads keys again on both sides and says what each is now.
 */
#ifndef LOCKSTEP_SCAN_RECHECK_H
#define LOCKSTEP_SCAN_RECHECK_H

#include "scan/scan_impl.h"

#define LS_RECHECK_MAX 500 /* keys of one call */

struct ls_recheck {
    const char *key;           /* in; the keys of a call ascend */
    struct ls_verdict verdict; /* out */
    bool has_row, unknown;     /* out; unknown: a side could not be read, the verdict says nothing */
    char row_etag[LS_CATALOG_ETAG_MAX];
    uint64_t row_size;
    struct ls_seen_object object;
};

/* Read n keys again. LS_OK also when single keys are unknown (an error in the spool then). */
enum ls_rc ls_recheck_keys(struct ls_scan *scan, struct ls_recheck *items, size_t n, struct ls_err *err) LS_MUST_CHECK;

/* Read every suspect again and store what is left as findings. */
enum ls_rc ls_recheck_suspects(struct ls_scan *scan, struct ls_err *err) LS_MUST_CHECK;

#endif
