/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scan whose ranges several processes share: what its own modules know of each other.
 *
 * share.c joins a run, keeps it going and reads its result; share_range.c does the work on one range. A thread that
 * works has a scan of its own (a part) with a spool of its own, so that it can be recorded or forgotten as a whole.
 */
#ifndef LOCKSTEP_SCAN_SHARE_H
#define LOCKSTEP_SCAN_SHARE_H

#include <pthread.h>

#include "scan/scan_impl.h"

#define LS_SHARE_WIDTH_MAX 64

struct ls_share {
    struct ls_scan *scan; /* the result; while the ranges are scanned only its constant fields are used */
    const struct ls_scan_opts *opts;
    const char *instance; /* this process */
    struct ls_scan_row run;
    struct ls_scan_range_page ranges; /* as they were when this process joined: their keys never change */
    bool keep_synced;                 /* the run keeps them */
    atomic_bool stop;                 /* no further range */
    atomic_uint_fast64_t seen;        /* objects of the ranges that this process has ended */

    pthread_mutex_t mutex; /* the fields below */
    pthread_cond_t change;
    unsigned working;
    int64_t trouble_ms;                        /* since when the catalog has been busy or away; 0 = it is not */
    struct ls_scan *parts[LS_SHARE_WIDTH_MAX]; /* those at work, NULL = free */
    enum ls_rc rc;                             /* the first failure */
    struct ls_err err;
};

/* A range that this process has taken. */
struct ls_claimed {
    int64_t number; /* -1 = none */
    int64_t turn;
};

/* Take a free range; number -1 when there is none. */
enum ls_rc ls_share_take(struct ls_share *share, struct ls_claimed *out, struct ls_err *err) LS_MUST_CHECK;
/* Take one from a process that is dead or shows no sign of life; number -1 when somebody else was faster. */
enum ls_rc ls_share_take_over(struct ls_share *share, const struct ls_scan_range *from, struct ls_claimed *out,
                              struct ls_err *err) LS_MUST_CHECK;
/* Do the work on a range and record it; *claimed is the next one then, or none. Also LS_OK when it was lost meanwhile.
 * When it fails the range is given back. */
enum ls_rc ls_share_work(struct ls_share *share, struct ls_claimed *claimed, struct ls_err *err) LS_MUST_CHECK;

/* Add up what the ranges counted and found wrong; their messages go to the part's spool. */
enum ls_rc ls_share_sum_ranges(struct ls_scan *part, const struct ls_scan_range_page *ranges, uint64_t *out_errors,
                               struct ls_err *err) LS_MUST_CHECK;

/* The whole run, started or joined, until it has ended, and its result in scan. */
enum ls_rc ls_share_run(struct ls_scan *scan, const struct ls_scan_opts *opts, struct ls_err *err) LS_MUST_CHECK;

#endif
