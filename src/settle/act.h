/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Acting on what was folded, through the engine.
 */
#ifndef LOCKSTEP_SETTLE_ACT_H
#define LOCKSTEP_SETTLE_ACT_H

#include "lockstep/settle.h"
#include "settle/fold.h"

struct ls_act {
    const struct ls_settle_opts *opts;
    struct ls_fold *fold;
    struct ls_settle_stats *stats;
    bool progress;      /* something was done that others may have waited for */
    bool blocked;       /* something waits for others */
    struct ls_err busy; /* an operation of somebody else's is in the way; rc LS_OK = none */
};

/* Do what can be done; the fold keeps what a later change must explain: rows that are not there (any more). Not LS_OK:
 * some is left to be tried again. */
enum ls_rc ls_act(struct ls_act *act, struct ls_err *err) LS_MUST_CHECK;
/* Nothing more comes: leave what the fold still holds. */
void ls_act_leave(struct ls_act *act);

/* ---- between act*.c ---- */

#define LS_ACT_AT_ONCE 200

/* LS_CANCELLED when the caller's flag is set. */
enum ls_rc ls_act_cancelled(const struct ls_act *act, struct ls_err *err) LS_MUST_CHECK;
/* Log and count what stays for a scan. */
void ls_act_left(struct ls_act *act, const char *key, const char *why);
/* By policy: log and count what would be done. False: nothing is to be said. */
void ls_act_would(struct ls_act *act, const char *what, const char *key, const char *dest);
/* What became of one item: LS_OK was done. True when it is settled (done, or left), false when it waits. */
bool ls_act_result(struct ls_act *act, const char *key, enum ls_rc rc, const struct ls_err *why);
enum ls_rc ls_act_moves(struct ls_act *act, struct ls_err *err) LS_MUST_CHECK;   /* act_move.c */
enum ls_rc ls_act_folders(struct ls_act *act, struct ls_err *err) LS_MUST_CHECK; /* act_move.c */

#endif
