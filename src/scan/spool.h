/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The scan's memory on disk: suspects while both sides are merged, findings afterwards, products and errors.
 *
 * A private SQLite database in memory and, when that is full, in an unlinked file, never synced, with a small page
 * cache, so that a scan's memory does not grow with what it finds. It knows nothing of the layout. Threads: adding (the
 * batch functions, ls_spool_error) may be called from any thread; everything else belongs to the scan's caller.
 */
#ifndef LOCKSTEP_SCAN_SPOOL_H
#define LOCKSTEP_SCAN_SPOOL_H

#include <stdint.h>

#include "base/buf.h"
#include "scan/classify.h"

struct ls_spool;

/* dir NULL = $TMPDIR, /var/tmp or /tmp, once it needs one. */
enum ls_rc ls_spool_open(const char *dir, struct ls_spool **out_spool, struct ls_err *err) LS_MUST_CHECK;
void ls_spool_close(struct ls_spool *spool); /* takes NULL */

/* ---- while merging ---- */

#define LS_SPOOL_BATCH 256

/* What one thread has found and not handed over yet. */
struct ls_spool_batch {
    struct ls_spool *spool;
    struct ls_buf text; /* the strings, each with its NUL */
    size_t n;
    struct {
        enum { LS_SPOOL_SUSPECT, LS_SPOOL_SYNCED, LS_SPOOL_PRODUCT } what;
        size_t key_at, etag_at;
        uint64_t size_bytes;
        unsigned flags;
        int64_t twin;
        bool counted;
    } items[LS_SPOOL_BATCH];
};

void ls_spool_batch_init(struct ls_spool_batch *batch, struct ls_spool *spool);
void ls_spool_batch_dispose(struct ls_spool_batch *batch); /* forgets what was not flushed */
enum ls_rc ls_spool_flush(struct ls_spool_batch *batch, struct ls_err *err) LS_MUST_CHECK;

/* A key to be read again. twin: its group of names that differ only in case, or 0. counted: it was counted as synced.
 */
enum ls_rc ls_spool_suspect(struct ls_spool_batch *batch, const char *key, int64_t twin, bool counted,
                            struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_spool_synced(struct ls_spool_batch *batch, const char *key, const char *etag, uint64_t size_bytes,
                           unsigned flags, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_spool_product(struct ls_spool_batch *batch, const char *name, size_t len, struct ls_err *err)
    LS_MUST_CHECK;

/* Keep a text of what could not be read; those past a bound are only counted. */
void ls_spool_error(struct ls_spool *spool, const char *text);
/* Has nothing come in but products, errors and synced keys without a flag? Not while batches are out. */
bool ls_spool_plain(const struct ls_spool *spool);
uint64_t ls_spool_error_count(const struct ls_spool *spool);

/* ---- afterwards ---- */

struct ls_spool_key {
    char *key;
    int64_t twin;
    bool counted;
};
struct ls_spool_keys {
    size_t n;
    struct ls_spool_key *items;
    char *memory;
};
/* Suspects after a key, in order; at most limit. */
enum ls_rc ls_spool_suspects(struct ls_spool *spool, const char *after, unsigned limit, struct ls_spool_keys *out,
                             struct ls_err *err) LS_MUST_CHECK;
void ls_spool_keys_dispose(struct ls_spool_keys *keys);

/* A finding as it is stored. Strings are borrowed. */
struct ls_spool_finding {
    const char *key;
    enum ls_finding_kind kind;
    unsigned flags;
    int64_t twin;
    const char *partner;
    const char *row_etag, *object_etag; /* NULL = none there */
    uint64_t row_size, object_size;
    const char *detail;
    unsigned mended; /* enum ls_spool_mended */
};

/* What a sync has done to a finding. */
enum ls_spool_mended { LS_SPOOL_MENDED = 1, LS_SPOOL_REFILED = 2, LS_SPOOL_RECORDED = 4 };

/* Insert or replace. */
enum ls_rc ls_spool_put(struct ls_spool *spool, const struct ls_spool_finding *finding, struct ls_err *err)
    LS_MUST_CHECK;
/* Add a mark; key NULL: clear all marks (mark 0). */
enum ls_rc ls_spool_mark(struct ls_spool *spool, const char *key, unsigned mark, struct ls_err *err) LS_MUST_CHECK;
/* Forget the findings of a kind. */
enum ls_rc ls_spool_drop_kind(struct ls_spool *spool, enum ls_finding_kind kind, struct ls_err *err) LS_MUST_CHECK;
/* From now on the table `changed` has the keys of findings that become different. */
enum ls_rc ls_spool_watch(struct ls_spool *spool, struct ls_err *err) LS_MUST_CHECK;
/* Clear the twin mark of those whose twins are gone; count the others. */
enum ls_rc ls_spool_settle_twins(struct ls_spool *spool, uint64_t *out_twins, struct ls_err *err) LS_MUST_CHECK;

/* Which findings to walk. */
struct ls_spool_filter {
    const char *from;   /* first key, inclusive; NULL = the first of all */
    const char *before; /* first key not to walk, or NULL */
    const char *where;  /* more SQL over the columns of `finding`, or NULL; a constant of the program */
};
/* Walk in key order. each returning non-OK stops with it. No writing meanwhile. */
enum ls_rc ls_spool_each(struct ls_spool *spool, const struct ls_spool_filter *filter,
                         enum ls_rc (*each)(void *ctx, const struct ls_spool_finding *finding), void *ctx,
                         struct ls_err *err) LS_MUST_CHECK;
/* Count; where is a constant of the program. */
enum ls_rc ls_spool_count(struct ls_spool *spool, const char *where, uint64_t *out_count, struct ls_err *err)
    LS_MUST_CHECK;

enum ls_rc ls_spool_each_product(struct ls_spool *spool, enum ls_rc (*each)(void *ctx, const char *text), void *ctx,
                                 struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_spool_each_error(struct ls_spool *spool, enum ls_rc (*each)(void *ctx, const char *text), void *ctx,
                               struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_spool_product_count(struct ls_spool *spool, uint64_t *out_count, struct ls_err *err) LS_MUST_CHECK;

/* ---- moved pairs ---- */

/* Pair orphans with missing rows of the same etag and size; see spool_pairs.c for the rules. */
enum ls_rc ls_spool_pair_moved(struct ls_spool *spool, uint64_t *out_pairs, struct ls_err *err) LS_MUST_CHECK;

#endif
