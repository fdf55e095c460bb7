/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine: the only code that changes store and catalog, always through an intent.
 *
 * An operation is: intent, then what can be undone, then ONE catalog transaction that changes the rows and marks the
 * intent committed (the commit point), then what remains, then the intent is closed and the audit trail gets its line.
 * When a call returns LS_OK, its outcome is durable on both sides. When it returns an error, nothing has changed,
 * except for LS_OUTCOME_UNKNOWN: the next recovery settles it, and says so in the audit trail. Threads: every call may
 * be made from any thread; all block while the network works. Calls whose paths overlap wait for each other up to
 * claim_wait_ms, then LS_BUSY. Objects and rows that somebody else changed meanwhile: LS_CONFLICT.
 */
#ifndef LOCKSTEP_ENGINE_H
#define LOCKSTEP_ENGINE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/catalog.h"
#include "lockstep/err.h"
#include "lockstep/layout.h"
#include "lockstep/store.h"

struct ls_engine;

struct ls_engine_opts {
    struct ls_store *store; /* borrowed, as the next two: they outlive the engine */
    struct ls_catalog *catalog;
    const struct ls_layout *layout;
    const char *kind;      /* of this process, for lockstep_instance: "mount", "cli"; copied */
    const char *actor;     /* for the audit trail: "mount", "cli rm", "sync"; copied */
    int64_t claim_wait_ms; /* 0 = 10,000 */
    const atomic_bool
        *cancel; /* set by a signal handler: operations end with LS_CANCELLED at the next safe point; or NULL */
};

/* Probe the store, start an instance, recover what dead instances left. LS_NOT_FOUND: no bucket. */
enum ls_rc ls_engine_open(const struct ls_engine_opts *opts, struct ls_engine **out_engine, struct ls_err *err)
    LS_MUST_CHECK;
/* Waits for running operations. Takes NULL. */
void ls_engine_close(struct ls_engine *engine);

/* From now on somebody settles what is left over beside the running operations, by ls_engine_recover: wake(ctx) is
 * called when there is something, or when an operation waits for what may be a dead process's. Any thread calls it, it
 * must not block. Waiting operations then do not recover by themselves, and failing recoveries are logged by the
 * caller alone. NULL ends it; no operation may run then. */
void ls_engine_set_mender(struct ls_engine *engine, void (*wake)(void *ctx), void *ctx);
/* How many intents of this engine are left over: neither finished nor undone when their operation ended. */
size_t ls_engine_leftovers(struct ls_engine *engine);

struct ls_store *ls_engine_store(struct ls_engine *engine);
struct ls_catalog *ls_engine_catalog(struct ls_engine *engine);
const struct ls_layout *ls_engine_layout(struct ls_engine *engine);
const struct ls_store_caps *ls_engine_caps(struct ls_engine *engine);
const char *ls_engine_instance(struct ls_engine *engine);

/* ---- files ---- */

enum ls_put_expect {
    LS_PUT_EXPECT_ANY, /* create or replace whatever row is there now */
    LS_PUT_EXPECT_NEW, /* LS_EXISTS when a row is there */
    LS_PUT_EXPECT_ETAG /* LS_CONFLICT unless the row has expect_etag */
};

struct ls_engine_put {
    const char *key; /* must fit the layout: LS_INVALID otherwise */
    int fd;          /* the bytes, read with pread from 0; must not change meanwhile */
    uint64_t size_bytes;
    enum ls_put_expect expect;
    const char *expect_etag;
    struct ls_object_meta meta; /* has_* not set: mtime now; mode and owner as the row has them when it is written, else
                                   0644 and the process's; content_type "": by the name */
    bool make_parents;          /* create product and variant rows that are missing; otherwise LS_NOT_FOUND */
    /* Another image that this one replaces in the same operation: its row is re-keyed to `key`, its object removed
     * after the commit. NULL = none. */
    const char *replaces;
    const char *replaces_etag; /* LS_CONFLICT unless it has it; NULL = any */
};

/* Put an object and its row. An orphan that lies at the key goes to trash first and the audit trail says so. out_image
 * (may be NULL) gets the new row. */
enum ls_rc ls_engine_put(struct ls_engine *engine, const struct ls_engine_put *put, struct ls_image_page *out_image,
                         struct ls_err *err) LS_MUST_CHECK;

/* Remove images by key, all rows in one transaction: LS_NOT_FOUND (naming the key) when one has no row, LS_CONFLICT
 * when its etag differs; nothing is changed then. LS_DENIED: the store refuses for good to delete some of the objects;
 * their rows came back, the others are gone. An object that cannot be deleted just now is left to the recovery.
 * keep_folder: the type folder goes on existing when it gets empty. */
enum ls_rc ls_engine_remove(struct ls_engine *engine, const struct ls_image_ref *items, size_t n, bool keep_folder,
                            struct ls_err *err) LS_MUST_CHECK;

enum ls_rename_flags { LS_RENAME_NOREPLACE = 1, LS_RENAME_MAKE_PARENTS = 2 };

/* Rename a file or a folder of any level below the layout's prefix (paths without trailing slash; both of one level).
 * File: over an existing one unless NOREPLACE (LS_EXISTS). Folder: the destination must not exist or hold no image
 * (LS_NOT_EMPTY). A weight folder's rename is the variant's weight change, or its move to another product; a type
 * folder's re-types its images; a product's renames the product. Parents of the destination must exist. */
enum ls_rc ls_engine_rename(struct ls_engine *engine, const char *from, const char *to, unsigned flags,
                            struct ls_err *err) LS_MUST_CHECK;

/* Set mode, owner or mtime of a file's row or a folder ("" = the root). No object is touched. */
enum ls_rc ls_engine_set_attr(struct ls_engine *engine, const char *path, const struct ls_attr *attr,
                              struct ls_err *err) LS_MUST_CHECK;

/* Make a folder: product row, variant row, or (a known type) its folder row. LS_EXISTS, LS_NOT_FOUND (parent),
 * LS_INVALID (unknown type or bad name). */
enum ls_rc ls_engine_mkdir(struct ls_engine *engine, const char *path, const struct ls_attr *attr, struct ls_err *err)
    LS_MUST_CHECK;
/* Remove an empty folder with its row. LS_NOT_EMPTY, LS_NOT_FOUND. */
enum ls_rc ls_engine_rmdir(struct ls_engine *engine, const char *path, struct ls_err *err) LS_MUST_CHECK;

/* ---- variants ---- */

enum ls_rc ls_engine_variant_create(struct ls_engine *engine, const char *product, const char *weight,
                                    struct ls_err *err) LS_MUST_CHECK; /* makes the product if missing */
enum ls_rc ls_engine_variant_rename(struct ls_engine *engine, const char *product, const char *weight,
                                    const char *new_weight, struct ls_err *err) LS_MUST_CHECK;
/* With all its images, in both places. */
enum ls_rc ls_engine_variant_delete(struct ls_engine *engine, const char *product, const char *weight,
                                    struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_engine_variant_set_active(struct ls_engine *engine, const char *product, const char *weight, bool active,
                                        struct ls_err *err) LS_MUST_CHECK;

/* ---- mending what a scan found ---- */

enum ls_mend {
    LS_MEND_ADOPT,   /* object at key without row: insert the row */
    LS_MEND_TRASH,   /* object at key without row (orphaned or misplaced): to trash */
    LS_MEND_DROP,    /* row at key without object: delete the row */
    LS_MEND_REFRESH, /* both at key, object differs from the record: record what the object is */
    LS_MEND_RELINK,  /* row at key, its object now at dest (no row there): the row follows */
    LS_MEND_REFILE   /* row at key whose other columns disagree with it: the columns follow the key */
};

struct ls_mend_item {
    const char *key;
    const char *dest;        /* for RELINK */
    const char *row_etag;    /* what the scan saw recorded (NULL = no row, "" = a row with nothing recorded) */
    const char *object_etag; /* what it saw in the store (NULL = no object; for REFRESH = any) */
    const char *reason;      /* for TRASH: "orphaned", "misplaced", "deleted" */
    enum ls_rc rc;           /* out: LS_CONFLICT when either side has changed since, and then it was left alone */
    struct ls_err err;       /* out */
};

/* Mend n items of one kind, each on its own: both sides are read again first. Returns LS_OK when every item was tried.
 */
enum ls_rc ls_engine_mend(struct ls_engine *engine, enum ls_mend mend, struct ls_mend_item *items, size_t n,
                          struct ls_err *err) LS_MUST_CHECK;

struct ls_record_totals {
    uint64_t recorded;
    uint64_t missing; /* rows without an object */
    uint64_t skipped; /* changed meanwhile, or part of a running operation */
    uint64_t failed;
};

struct ls_record_opts {
    void (*each)(void *ctx, const struct ls_mend_item *item); /* of what was not recorded; may be NULL */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};

/* Ask the store for the objects of all rows that nothing is recorded of, and record them. May be repeated. */
enum ls_rc ls_engine_record(struct ls_engine *engine, const struct ls_record_opts *opts,
                            struct ls_record_totals *out_totals, struct ls_err *err) LS_MUST_CHECK;

/* ---- following what the application did to its rows ---- */

/* An object that is to be where its row is. */
struct ls_engine_move {
    const char *from;       /* where the object lies */
    const char *row;        /* the row's key now: `from`, or `to` when the application has changed it already */
    const char *to;         /* where both are to be */
    const char *spare_etag; /* an object at `to` with this etag belongs to no row any more and goes to trash; or NULL */
    enum ls_rc rc; /* out: LS_NOT_FOUND no such row; LS_EXISTS another row or object is at `to`; LS_CONFLICT the object
                      is not there, or either side has changed; LS_INVALID `to` is no place for an image; LS_BUSY
                      another operation is working on it. The item was left alone then */
    struct ls_err err; /* out */
};

/* Move objects after their rows, all in one operation: columns that agreed with the old key follow the new one, others
 * stay. With folders (paths of one variant or product that was renamed, from and to; else NULL) every object lies below
 * them, and what is kept of the folders follows too. Returns LS_OK when every item was tried. */
enum ls_rc ls_engine_follow(struct ls_engine *engine, struct ls_engine_move *items, size_t n, const char *folder_from,
                            const char *folder_to, struct ls_err *err) LS_MUST_CHECK;
/* Forget what is kept of a variant's or product's folder that is no more; one that exists is left alone. */
enum ls_rc ls_engine_forget_folder(struct ls_engine *engine, const char *path, struct ls_err *err) LS_MUST_CHECK;

/* ---- trash ---- */

/* Put a trashed object back at its key and, where it had one, its row. LS_EXISTS when the key is taken. */
enum ls_rc ls_engine_trash_restore(struct ls_engine *engine, const char *trash_id, struct ls_err *err) LS_MUST_CHECK;
/* Remove for good what was put to trash before before_ns and below key_prefix ("" = all). */
enum ls_rc ls_engine_trash_purge(struct ls_engine *engine, int64_t before_ns, const char *key_prefix,
                                 uint64_t *out_removed, struct ls_err *err) LS_MUST_CHECK;

/* ---- recovery ---- */

struct ls_recover_stats {
    uint64_t found;   /* intents of dead instances */
    uint64_t forward; /* finished */
    uint64_t back;    /* undone */
    uint64_t failed;  /* could not be settled now; they stay open */
    uint64_t alive;   /* open intents of running instances, left alone */
};

/* Settle the intents of dead instances. Idempotent; safe to run beside anything. */
enum ls_rc ls_engine_recover(struct ls_engine *engine, struct ls_recover_stats *out_stats, struct ls_err *err)
    LS_MUST_CHECK;

#endif
