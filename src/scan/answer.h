/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scan's result as one JSON object: what `scan --json` prints and the HTTP API answers.
 *
 * Streamed: the length of the lists does not matter for memory. The lists hold what the scan found; what a sync did
 * about it stands beside them.
 */
#ifndef LOCKSTEP_SCAN_ANSWER_H
#define LOCKSTEP_SCAN_ANSWER_H

#include "base/json.h"
#include "lockstep/scan.h"

struct ls_answer {
    struct ls_scan *scan;
    const struct ls_sync_totals *mended; /* what a sync did, or NULL */
    bool dry_run;
    const char *const *failures; /* texts of (some of) what could not be mended, NULL-terminated; or NULL */
};

/* The member unannouncedFiles: a number, or null when nothing can be told. */
void ls_answer_unannounced(struct ls_json *json, uint64_t n);
/* Members of the object that is open: the totals; what a sync did (nothing without `mended`). */
void ls_answer_totals(struct ls_json *json, const struct ls_answer *answer);
void ls_answer_mended(struct ls_json *json, const struct ls_answer *answer);

/* The object of a scan of one product. LS_CANCELLED when the stream takes no more. */
enum ls_rc ls_answer_product(struct ls_json *json, const struct ls_answer *answer, const char *product,
                             struct ls_err *err) LS_MUST_CHECK;
/* The object of a scan of several or all: totals, and the object of each product. */
enum ls_rc ls_answer_all(struct ls_json *json, const struct ls_answer *answer, struct ls_err *err) LS_MUST_CHECK;

/* One finding as an object of its own, as --ndjson shows it. name as in json.h. */
void ls_answer_finding(struct ls_json *json, const char *name, const struct ls_finding *finding);
/* Members of the object that is open: a recorded scan. `state` is one of the words of ls_answer_state. */
void ls_answer_row(struct ls_json *json, const struct ls_scan_row *row, const char *state);
/* "complete", "incomplete", "running" or "died". */
enum ls_rc ls_answer_state(struct ls_catalog *cat, const struct ls_scan_row *row, const char **out_state,
                           struct ls_err *err) LS_MUST_CHECK;

#endif
