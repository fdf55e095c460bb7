/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one key is, from its row and its object as they were read: the scan's rules, without any reading of their own.
 *
 * Immutable after init, so safe from any thread.
 */
#ifndef LOCKSTEP_SCAN_CLASSIFY_H
#define LOCKSTEP_SCAN_CLASSIFY_H

#include "lockstep/scan.h"

/* Beside the kind; also stored in the spool. */
enum ls_scan_flags {
    LS_SCAN_MISPLACED = 1,  /* the key does not fit the layout */
    LS_SCAN_MISFILED = 2,   /* the row's columns disagree with the key (also beside STALE) */
    LS_SCAN_UNRECORDED = 4, /* both sides are there, nothing is recorded yet */
    LS_SCAN_NO_PRODUCT = 8  /* the key has no product segment */
};

struct ls_classifier {
    const struct ls_layout *layout;
    struct ls_store *store;
    bool no_url, no_type; /* the rows have no such column */
    char *url_prefix;     /* urls are this and the percent-encoded key; NULL: ask the store for each */
    size_t url_prefix_len;
    int64_t now_ns, grace_ns; /* grace 0 = nothing is too young */
};

enum ls_rc ls_classifier_init(struct ls_classifier *c, const struct ls_layout *layout, struct ls_store *store,
                              int64_t now_ns, int64_t grace_ns, struct ls_err *err) LS_MUST_CHECK;
void ls_classifier_dispose(struct ls_classifier *c);

/* The hot path: do the row's columns agree with its key? class and parts are of ls_layout_parse. Allocates nothing
 * unless the url looks wrong. */
bool ls_classifier_filed(const struct ls_classifier *c, const struct ls_image *row, enum ls_key_class key_class,
                         const struct ls_key_parts *parts);

/* What the store knows of a key. */
struct ls_seen_object {
    bool there;
    uint64_t size_bytes;
    int64_t modified_ns;
    char etag[LS_ETAG_MAX];
};

struct ls_verdict {
    bool gone; /* neither row nor object: no finding */
    enum ls_finding_kind kind;
    unsigned flags; /* enum ls_scan_flags */
    char detail[512];
};

/* The verdict on a key; row NULL = none. A difference that is younger than the grace is PENDING. */
void ls_classify(const struct ls_classifier *c, const char *key, const struct ls_image *row,
                 const struct ls_seen_object *object, struct ls_verdict *out);

/* A row's etag as findings show it: "" when nothing is recorded. */
static inline const char *ls_row_etag(const struct ls_image *row) { return row->record.known ? row->record.etag : ""; }

#endif
