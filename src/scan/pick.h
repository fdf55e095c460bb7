/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mending what somebody picked: single findings, each by its key and what it is taken for.
 *
 * What was seen at a key is what the last scan of everything kept of it, so that whatever has changed since is left
 * alone; a key that no scan told of (so) is looked at now. As in a sync, halves of moved pairs are relink's alone, and
 * nothing is done to a bucket that is not the catalog's.
 */
#ifndef LOCKSTEP_SCAN_PICK_H
#define LOCKSTEP_SCAN_PICK_H

#include "lockstep/scan.h"

#define LS_PICKS_MAX 500

enum ls_pick_outcome { LS_PICK_SKIPPED, LS_PICK_MENDED, LS_PICK_FAILED, LS_PICK_OUTCOMES };

struct ls_pick {
    const char *kind;             /* "orphaned", "missing", "stale", "misfiled", "moved" or "misplaced" */
    const char *key;              /* of a moved one: of either half */
    enum ls_pick_outcome outcome; /* out */
    char detail[LS_ERR_TEXT_MAX]; /* out: why it was not mended; "" when it was */
};

/* "adopt", "remove", "drop", "refresh", "relink", "refile"; false when it is none of these. */
bool ls_pick_action_parse(const char *word, enum ls_mend *out_mend);
/* Is that what is done to findings of this kind? */
bool ls_pick_fits(enum ls_mend mend, const char *kind);
/* "skipped", "mended", "failed". */
const char *ls_pick_outcome_name(enum ls_pick_outcome outcome);

/* Mend n items (at most LS_PICKS_MAX, each of a kind that fits), each on its own. LS_OK when every one was tried.
 * LS_GUARD before anything was changed: the bucket is not the one that the catalog knows. */
enum ls_rc ls_pick_mend(struct ls_engine *engine, enum ls_mend mend, int64_t grace_ms, struct ls_pick *items, size_t n,
                        struct ls_err *err) LS_MUST_CHECK;

#endif
