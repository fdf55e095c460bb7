/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The scanner: one streaming merge of the object listing with the catalog in key order, and what mends the differences.
 *
 * A scan reads both sides range by range side by side, keeps suspects in a spool on disk (memory stays flat), reads
 * each suspect again on both sides before it counts, and never reports what is in flight (an open intent) or younger
 * than the grace period. Fails closed: an incomplete listing yields no missing, an incomplete catalog read no orphaned,
 * and nothing is mended. A scan's result is read back from its spool in key order, as often as needed. Threads: one
 * scan belongs to one caller; it uses threads of its own.
 */
#ifndef LOCKSTEP_SCAN_H
#define LOCKSTEP_SCAN_H

#include <stdatomic.h>
#include <stdint.h>

#include "lockstep/engine.h"

enum ls_finding_kind {
    LS_FINDING_SYNCED,
    LS_FINDING_ORPHANED, /* object without a row; misplaced and moved ones are flagged beside this */
    LS_FINDING_MISSING,  /* row without an object */
    LS_FINDING_STALE,
    LS_FINDING_MISFILED,
    LS_FINDING_PENDING, /* young foreign object, or in flight */
    LS_FINDING_KINDS
};

struct ls_finding {
    enum ls_finding_kind kind;
    const char *key;
    const char *product;  /* "" when the key has none */
    bool moved;           /* ORPHANED or MISSING: half of a moved pair, which only relink_moved ever touches */
    const char *partner;  /* the other half's key, or NULL */
    bool misplaced;       /* ORPHANED: the key does not fit the layout */
    bool twin;            /* another key differs only in case */
    const char *row_etag; /* NULL = no row; "" = nothing recorded */
    uint64_t row_size;
    const char *object_etag; /* NULL = no object */
    uint64_t object_size;
    const char *detail; /* for people: "etag 5d41… in the store, 9e10… recorded"; NULL for synced */
};

struct ls_scan_opts {
    const char *const *products; /* NULL-terminated; NULL = everything */
    int64_t grace_ms;            /* foreign objects younger than this are pending */
    unsigned ranges;             /* listed side by side; 0 = 4 */
    bool keep_synced;            /* spool synced keys too, so that they can be listed */
    bool unrecorded;             /* leave nothing in the catalog: neither the scan's row nor what it found */
    const char *spool_dir;       /* NULL = $TMPDIR, /var/tmp or /tmp; files are unlinked at once */
    /* Share the scan with every process that asks for the same one meanwhile: join one that runs or was left behind
     * (but not if it began more than resume_ms ago and nobody works on it), else begin one. All of them get the same
     * result. LS_BUSY: one with other products, grace or keep_synced runs. */
    bool share;
    int64_t resume_ms;         /* 0 = an hour */
    int64_t takeover_ms;       /* a process that shows no sign of life for so long loses its ranges; 0 = 30 s */
    const atomic_bool *cancel; /* or NULL */
    /* Called now and then from the caller's thread while the scan runs; total is 0 when unknown. May be NULL. */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
};

struct ls_scan_totals {
    uint64_t products; /* that either side knows */
    uint64_t images;   /* synced + orphaned + missing + stale + misfiled + pending: each key once */
    uint64_t by_kind[LS_FINDING_KINDS];
    uint64_t moved;     /* pairs */
    uint64_t misplaced; /* subset of orphaned */
    uint64_t twins;
    uint64_t errors;
    uint64_t unannounced; /* differences that no event of the bucket announced, or LS_UNANNOUNCED_UNKNOWN */
    bool complete;        /* both sides were read to the end */
    uint64_t objects_seen, rows_seen;
    int64_t started_ns, ended_ns;
};

struct ls_scan;

/* Recover dead intents, then scan (an unrecorded one recovers only when it has found something to judge). LS_OK with
 * totals.complete = false when one side could not be read to its end (the reasons are in the errors); other results
 * mean that no scan took place. */
enum ls_rc ls_scan_run(struct ls_engine *engine, const struct ls_scan_opts *opts, struct ls_scan **out_scan,
                       struct ls_err *err) LS_MUST_CHECK;
void ls_scan_free(struct ls_scan *scan);

const struct ls_scan_totals *ls_scan_totals(const struct ls_scan *scan);

/* Walk the findings in key order (synced ones only with keep_synced, or when they have a twin). product NULL = all, ""
 * = keys of no product. each returning non-OK stops the walk with it. Strings live until it returns. */
enum ls_rc ls_scan_each(struct ls_scan *scan, const char *product,
                        enum ls_rc (*each)(void *ctx, const struct ls_finding *finding), void *ctx, struct ls_err *err)
    LS_MUST_CHECK;
/* Walk the products that either side knows, in order. */
enum ls_rc ls_scan_each_product(struct ls_scan *scan, enum ls_rc (*each)(void *ctx, const char *product), void *ctx,
                                struct ls_err *err) LS_MUST_CHECK;
/* Walk the texts of what could not be read or mended. */
enum ls_rc ls_scan_each_error(struct ls_scan *scan, enum ls_rc (*each)(void *ctx, const char *text), void *ctx,
                              struct ls_err *err) LS_MUST_CHECK;

/* "synced", "orphaned", …; and back: false when it is none. */
const char *ls_finding_kind_name(enum ls_finding_kind kind);
bool ls_finding_kind_parse(const char *name, enum ls_finding_kind *out);
/* The finding's kind as users see it: "orphaned", or for a flagged one "moved", "misplaced"; "twin" for a synced key
 * with a twin. */
const char *ls_finding_name(const struct ls_finding *finding);

/* ---- history ---- */

/* The totals that a recorded scan tells. */
void ls_scan_row_totals(const struct ls_scan_row *row, struct ls_scan_totals *out);
/* Walk the findings that are kept of a recorded scan, in key order after a key ("" = from the first). LS_NOT_FOUND:
 * they are not kept, or not any more. Strings live until each returns; its result other than LS_OK stops the walk. */
enum ls_rc ls_history_each(struct ls_catalog *cat, const struct ls_layout *layout, int64_t scan, const char *after,
                           enum ls_rc (*each)(void *ctx, const struct ls_finding *finding), void *ctx,
                           struct ls_err *err) LS_MUST_CHECK;

/* The same for the findings of some keys, in any order. */
enum ls_rc ls_history_get(struct ls_catalog *cat, const struct ls_layout *layout, int64_t scan, const char *const *keys,
                          size_t n, enum ls_rc (*each)(void *ctx, const struct ls_finding *finding), void *ctx,
                          struct ls_err *err) LS_MUST_CHECK;

/* ---- the bucket's mark ---- */

/* Tie bucket and catalog together: an id that both keep (the object .lockstep/bucket-id, the setting bucket_id), made
 * if neither has one, so that a sync can tell its bucket from an emptied or a foreign one. For init; repeatable.
 * LS_GUARD when the catalog has images and belongs to another bucket. */
enum ls_rc ls_scan_bucket_mark(struct ls_engine *engine, struct ls_err *err) LS_MUST_CHECK;

/* ---- sync ---- */

enum ls_sync_orphans { LS_ORPHANS_KEEP, LS_ORPHANS_ADOPT, LS_ORPHANS_REMOVE };

struct ls_sync_opts {
    enum ls_sync_orphans orphans;
    bool drop_missing, refresh_stale, relink_moved, refile_misfiled, remove_misplaced;
    bool dry_run; /* do every check and re-read, change nothing */
    /* Guard: of each kind at most this many, or this percentage of all images but at least 10, may be removed, dropped
     * or refreshed; moved ones don't count. */
    unsigned max_change_percent; /* 0 = use max_change_count */
    uint64_t max_change_count;
    /* How the guards' texts name what lets it pass: the first is followed by a number. NULL: as on the command line. */
    const char *max_change_words, *allow_empty_words;
    /* Mend although the bucket is empty or not the one that the catalog knows; it is the one from then on. */
    bool override_empty;
    /* Before the first change the catalog is copied to <backup_path>-<time>; the newest 3 of these are kept. NULL = no
     * copy. */
    const char *backup_path;
    int64_t backup_age_ms; /* no copy while there is one that is younger than this; 0 = always one */
    const atomic_bool *cancel;
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
};

struct ls_sync_plan { /* what a sync of this scan would do, in items */
    uint64_t adopt, remove_orphaned, remove_misplaced, drop, refresh, relink, refile;
};

struct ls_sync_totals {
    struct ls_sync_plan done;
    uint64_t skipped; /* changed since the scan, left alone */
    uint64_t failed;
    uint64_t remaining; /* differences that stay: kept by the options, skipped or failed; in a dry run all */
};

void ls_sync_plan(const struct ls_scan *scan, const struct ls_sync_opts *opts, struct ls_sync_plan *out_plan);

/* The most that this sync would change of a kind that the guard limits: the max_change_count that lets it pass. */
uint64_t ls_sync_largest(const struct ls_scan *scan, const struct ls_sync_opts *opts);

/* Check the guards alone: LS_OK or LS_GUARD with what would have been done and how to override; its code is
 * "max-change" or "bucket". */
enum ls_rc ls_sync_guard(struct ls_engine *engine, struct ls_scan *scan, const struct ls_sync_opts *opts,
                         struct ls_err *err) LS_MUST_CHECK;

/* Mend what the scan found: moved pairs first, then the rest. LS_GUARD before anything was changed; LS_INVALID for an
 * incomplete scan. `each` (may be NULL) hears of every item: done, or why not. */
enum ls_rc ls_sync_run(struct ls_engine *engine, struct ls_scan *scan, const struct ls_sync_opts *opts,
                       void (*each)(void *ctx, const char *what, const struct ls_finding *finding, enum ls_rc rc,
                                    const char *text),
                       void *ctx, struct ls_sync_totals *out_totals, struct ls_err *err) LS_MUST_CHECK;

#endif
