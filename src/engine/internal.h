/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the engine's own files share: the engine, a run (one operation in flight, or one being recovered), and the
 * helpers that every operation uses.
 *
 * A run goes: ls_run_init, claims, ls_run_begin (journal), the operation's steps, its commit, what remains,
 * ls_run_close, ls_run_end. The same struct is loaded from the journal by the recovery, so that settling a half-done
 * operation is one piece of code, whether it failed a moment ago or its process died.
 */
#ifndef LOCKSTEP_ENGINE_INTERNAL_H
#define LOCKSTEP_ENGINE_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/failpoint.h"
#include "engine/pool.h"
#include "lockstep/engine.h"
#include "engine/stats.h"

/* Fail points, as a result: LS_IO with the point's name. OP_STEP: of an operation; SETTLE_STEP: of settling one, in the
 * recovery or right after a failure; STEP: of the part after the commit point that both run. */
#define POINT(point, err) (LS_FAILPOINT(point) ? ls_err_set(err, LS_IO, "fail point %s", point) : LS_OK)
#define OP_STEP(step, err) POINT("engine." step, err)
#define SETTLE_STEP(step, err) POINT("engine.recover." step, err)
#define STEP(run, step, err) ((run)->recovering ? SETTLE_STEP(step, err) : OP_STEP(step, err))

/* Paths that a run of this process owns. */
struct ls_held {
    struct ls_held *prev, *next;
    struct ls_claim *sorted; /* by path */
    size_t n;
};

/* An intent of this instance that could not be finished or undone when its operation ended. */
struct ls_leftover {
    struct ls_leftover *next;
    bool listed; /* it was there when the journal was last listed */
    char intent[LS_INTENT_ID_LEN];
};

struct ls_engine {
    struct ls_store *store;
    struct ls_catalog *catalog;
    const struct ls_layout *layout;
    char *actor;
    int64_t claim_wait_ms;
    const atomic_bool *cancel;
    struct ls_store_caps caps;
    struct ls_engine_stats stats;
    char instance[LS_INTENT_ID_LEN];

    pthread_mutex_t lock;
    pthread_cond_t changed;        /* held or running changed */
    struct ls_held *held;          /* lock */
    unsigned running;              /* lock: operations under way */
    struct ls_leftover *leftovers; /* lock */

    void (*wake)(void *ctx); /* lock: the mender's; or NULL */
    void *wake_ctx;

    pthread_mutex_t recover_lock; /* one recovery at a time in this process */
};

/* Did this failure use up the store's deadline? Then another call of the same operation would only wait as long. */
static inline bool ls_waited_in_vain(const struct ls_err *err) { return err && err->sys_errno == ETIMEDOUT; }

/* What the store said of a key. */
struct ls_seen {
    const char *key;
    enum ls_rc rc; /* LS_OK or LS_NOT_FOUND */
    uint64_t size_bytes;
    int64_t modified_ns;
    char etag[LS_ETAG_MAX];
};

/* Beside each item, in memory only. */
struct ls_item_extra {
    const struct ls_object_meta *meta; /* of a COPY that must be recognised by its metadata; NULL = keep the source's */
    char etag[LS_ETAG_MAX];            /* what the copy got; "" = not copied (yet) */
};

struct ls_run {
    struct ls_engine *engine;
    struct ls_intent intent;
    bool recovering;                   /* loaded from the journal by the recovery */
    bool journaled;                    /* the intent's row exists, as far as we know */
    bool lost;                         /* another process has taken the intent over */
    uint64_t term;                     /* the instance's in which the intent was last seen to be ours; 0 = not yet */
    char supersedes[LS_INTENT_ID_LEN]; /* an intent that the next journal transaction closes; "" = none */

    struct ls_pool pool; /* of all that follows */
    struct ls_claim *claims;
    size_t n_claims, cap_claims, n_local; /* the first n_local are also held in this process */
    struct ls_intent_item *items;
    struct ls_item_extra *extra; /* parallel to items */
    size_t n_items, cap_items;

    const char **wants; /* keys that prepare must know the object of before it can go on */
    size_t n_wants, cap_wants;
    struct ls_seen *seen; /* sorted by key */
    size_t n_seen;

    struct ls_held held;
    void *op; /* the operation's own state; NULL in the recovery */
};

/* ---- engine.c ---- */
/* Count an operation in and out, so that close can wait. */
void ls_engine_enter(struct ls_engine *engine);
void ls_engine_leave(struct ls_engine *engine);
/* Count what an operation came to. */
void ls_stats_count(struct ls_engine *engine, enum ls_op op, enum ls_rc rc, int64_t begun_ns);
/* LS_CANCELLED when the caller's flag is set. */
enum ls_rc ls_engine_cancelled(struct ls_engine *engine, struct ls_err *err) LS_MUST_CHECK;
/* Remember an intent for the next recovery; forget it. */
/* Wake the mender; false when there is none. */
bool ls_leftover_wake(struct ls_engine *engine);
void ls_leftover_add(struct ls_engine *engine, const char *intent);
bool ls_leftover_has(struct ls_engine *engine, const char *intent);
void ls_leftover_drop(struct ls_engine *engine, const char *intent);

/* ---- claims.c ---- */
/* Own n paths in this process, waiting until deadline_ms (monotonic) for overlapping runs: LS_BUSY. claims is sorted in
 * place and must live until the release. */
enum ls_rc ls_claims_take(struct ls_engine *engine, struct ls_held *held, struct ls_claim *claims, size_t n,
                          int64_t deadline_ms, struct ls_err *err) LS_MUST_CHECK;
void ls_claims_release(struct ls_engine *engine, struct ls_held *held);
/* Wait until a run of this process ends, at most ms. */
void ls_claims_wait(struct ls_engine *engine, int64_t ms);

/* ---- intent.c ---- */
void ls_run_init(struct ls_run *run, struct ls_engine *engine, enum ls_op op, void *op_state);
/* path is copied. */
enum ls_rc ls_run_claim(struct ls_run *run, const char *path, bool subtree, struct ls_err *err) LS_MUST_CHECK;
/* Append an item (strings must live in the pool); seq is given. NULL when out of memory. */
struct ls_intent_item *ls_run_item(struct ls_run *run, const struct ls_intent_item *item);
/* args from a jansson object, which is taken; texts that do not fit leave args empty. */
struct json_t;
void ls_run_args(struct ls_run *run, struct json_t *args);
/* A switch in the args; out_there (may be NULL) tells an absent one from false. */
bool ls_run_arg(const struct ls_run *run, const char *name, bool *out_there);

/* What the store has at key, as far as it was asked: NULL = not asked yet; then it is put on the list of wants, and
 * prepare will run again with the answer. */
const struct ls_seen *ls_run_seen(struct ls_run *run, const char *key);
/* etag and size of a row's object: as recorded, or for a row without a record as the store has it. *out_etag is NULL
 * when there is no object; undefined while wants are open. */
enum ls_rc ls_run_row_object(struct ls_run *run, const struct ls_image *row, const char **out_etag, uint64_t *out_size,
                             struct ls_err *err) LS_MUST_CHECK;

/* Runs inside the journal's transaction, perhaps repeatedly (items and claims past n_local start empty each time). */
typedef enum ls_rc (*ls_run_step)(struct ls_run *run, struct ls_tx *tx, struct ls_err *err);
/* Take the claims and write the intent in one transaction: prepare (reads rows, makes items), intent, then apply (may
 * be NULL: what changes in the same transaction). Waits for overlapping intents. */
enum ls_rc ls_run_begin(struct ls_run *run, ls_run_step prepare, ls_run_step apply, struct ls_err *err) LS_MUST_CHECK;
/* Write a new intent in place of the run's present one, which has done nothing yet, in one transaction. */
enum ls_rc ls_run_rejournal(struct ls_run *run, ls_run_step prepare, struct ls_err *err) LS_MUST_CHECK;

/* May this process still touch what the intent covers? To be asked before each change of the store: who was cut off
 * from the catalog for a while may have been taken for dead. LS_CONFLICT: another process has taken the intent over. */
enum ls_rc ls_run_own(struct ls_run *run, struct ls_err *err) LS_MUST_CHECK;

/* How the intent's row must look after a transaction. */
enum ls_after { LS_AFTER_OPEN, LS_AFTER_COMMITTED, LS_AFTER_CLOSED };
/* End a transaction of the run. An answer that was lost is resolved from the intent's row: LS_OK, or LS_IO (it did not
 * happen), or LS_OUTCOME_UNKNOWN when the catalog cannot be asked. */
enum ls_rc ls_run_commit(struct ls_run *run, struct ls_tx *tx, enum ls_after after, struct ls_err *err) LS_MUST_CHECK;
/* Commit point: the intent is committed in the transaction that is open, which is taken over; and where nothing remains
 * to be done after it (all_done), closed as well. */
enum ls_rc ls_run_commit_point(struct ls_run *run, struct ls_tx *tx, bool all_done, struct ls_err *err) LS_MUST_CHECK;
/* Close the intent with its audit lines in the transaction that is open, which is taken over. */
enum ls_rc ls_run_close_in(struct ls_run *run, struct ls_tx *tx, const char *outcome, const char *detail,
                           struct ls_err *err) LS_MUST_CHECK;
/* Close the intent with its audit lines, in a transaction of its own. After the commit point it does not wait for the
 * disk: should a crash of the machine take it back, the recovery goes forward once more and finds nothing to do. */
enum ls_rc ls_run_close(struct ls_run *run, const char *outcome, const char *detail, struct ls_err *err) LS_MUST_CHECK;
/* The outcome word for the audit trail. */
const char *ls_run_outcome(const struct ls_run *run, bool forward);
/* What could not be finished now is left to the next recovery; log why. */
void ls_run_leave_open(struct ls_run *run, const struct ls_err *why);
/* End an operation whose steps up to the commit point returned rc: settle it if it failed, give the claims back, free.
 */
enum ls_rc ls_run_end(struct ls_run *run, enum ls_rc rc, struct ls_err *err) LS_MUST_CHECK;
void ls_run_dispose(struct ls_run *run);

/* ---- audit.c ---- */
/* The audit lines of a run: one an object, or one for a whole folder operation. */
enum ls_rc ls_run_audit(struct ls_run *run, struct ls_tx *tx, const char *outcome, const char *detail,
                        struct ls_err *err) LS_MUST_CHECK;
/* How an intent ended, which is not in the journal any more; or whether a line of this id is there: LS_NOT_FOUND. `key`
 * is the first that it is about. */
enum ls_rc ls_audit_find(struct ls_engine *engine, const char *id, const char *key, bool *out_forward) LS_MUST_CHECK;
/* Add the line of a change of rows alone and commit; takes tx over. An answer that was lost is resolved by that line.
 */
enum ls_rc ls_audit_commit(struct ls_engine *engine, struct ls_tx *tx, const char *op, const char *key,
                           struct ls_err *err) LS_MUST_CHECK;
/* LS_IO: the COMMIT whose answer was lost did not happen. */
enum ls_rc ls_not_committed(struct ls_err *err);
/* One line that belongs to no run. */
enum ls_rc ls_audit_line(struct ls_engine *engine, struct ls_tx *tx, const char *op, const char *key, const char *dest,
                         const char *detail, struct ls_err *err) LS_MUST_CHECK;

/* ---- look.c ---- */
/* Ask the store for etag and size of n keys (few: HEAD; many: listing). Fails if one could not be asked. */
enum ls_rc ls_look(struct ls_engine *engine, const char *const *keys, size_t n, struct ls_seen *out, struct ls_err *err)
    LS_MUST_CHECK;

enum ls_removal { LS_REMOVAL_DONE, LS_REMOVAL_FOREIGN, LS_REMOVAL_ROW, LS_REMOVAL_DENIED, LS_REMOVAL_FAILED };
struct ls_remove_object {
    const char *key;
    const char *etag; /* it must still have it; NULL = whatever is there */
    enum ls_removal result;
};
/* Remove objects that still are what they should be and (with check_rows) that no row points at. Every item gets a
 * result; err tells of the first that was not removed though it should have been. */
void ls_remove_objects(struct ls_run *run, struct ls_remove_object *items, size_t n, bool check_rows,
                       struct ls_err *err);
/* True for refusals that repeating does not change. */
bool ls_rc_is_final(enum ls_rc rc);

/* ---- image_json.c ---- */
/* A row (all but its key) as JSON in the pool; and back, key given. */
enum ls_rc ls_image_to_json(const struct ls_image *image, struct ls_pool *pool, const char **out_json,
                            struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_image_from_json(const char *json, const char *key, struct ls_pool *pool, struct ls_image *out,
                              struct ls_err *err) LS_MUST_CHECK;

/* ---- row.c ---- */
/* A key's columns. */
struct ls_place {
    const char *key, *product, *weight, *type, *url;
};
/* LS_INVALID when the key does not fit the layout. Strings in the pool. */
enum ls_rc ls_place_of(struct ls_engine *engine, struct ls_pool *pool, const char *key, struct ls_place *out,
                       struct ls_err *err) LS_MUST_CHECK;
/* The variant's row; with make, product and variant are added where missing. Otherwise LS_NOT_FOUND. */
enum ls_rc ls_variant_ensure(struct ls_engine *engine, struct ls_tx *tx, const char *product, const char *weight,
                             bool make, struct ls_variant *out, struct ls_err *err) LS_MUST_CHECK;
/* Set the columns that follow from the key. variant must live as long as the image. */
void ls_place_apply(const struct ls_place *place, const struct ls_variant *variant, struct ls_image *image);
/* Fill a record from what the store says; metadata that is not there is kept from `before` (may be NULL). */
void ls_record_from_object(struct ls_record *record, const struct ls_object_info *info, const struct ls_record *before);
/* The object metadata that a row's record stands for. */
void ls_meta_from_record(const struct ls_record *record, const char *intent, struct ls_object_meta *out);
const char *ls_content_type_of(const char *key);
/* The row of a key in a page, or NULL. */
const struct ls_image *ls_image_at(const struct ls_image_page *page, const char *key);
/* Insert a row that was removed, unless somebody has put one at its key since; parents are made where missing. */
enum ls_rc ls_row_bring_back(struct ls_engine *engine, struct ls_tx *tx, struct ls_image *image, struct ls_err *err)
    LS_MUST_CHECK;
/* `.lockstep/trash/<id>/<key>`; a key for which that is too long, or that has odd segments, is named by its SHA-256. In
 * the pool. */
const char *ls_trash_key(struct ls_pool *pool, const char *id, const char *key);

/* ---- copies.c: the copying half of renames and restores ---- */
/* Add a COPY item; meta for copies that the etag will not identify comes from the record. */
enum ls_rc ls_copies_add(struct ls_run *run, const char *from, const char *to, const char *etag, uint64_t size_bytes,
                         const struct ls_record *record, const char *dest_etag, const char *row, struct ls_err *err)
    LS_MUST_CHECK;
/* Add a TRASH item for an orphan that lies where a copy or upload will go. */
enum ls_rc ls_orphan_add(struct ls_run *run, const struct ls_seen *orphan, struct ls_err *err) LS_MUST_CHECK;
/* Copy the run's orphans to trash; and in the commit transaction, record them there. */
enum ls_rc ls_orphans_copy(struct ls_run *run, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_orphans_record(struct ls_run *run, struct ls_tx *tx, const char *reason, struct ls_err *err)
    LS_MUST_CHECK;
/* Put orphans back whose place our object took, then remove their copies from trash. */
enum ls_rc ls_orphans_undo(struct ls_run *run, struct ls_err *err) LS_MUST_CHECK;
/* Copy all COPY items, in chunks; each chunk ends with a fail point. */
enum ls_rc ls_copies_run(struct ls_run *run, enum ls_rc (*step)(struct ls_err *err), struct ls_err *err) LS_MUST_CHECK;
/* After the commit: remove the sources, but those of items whose done is set. *out_detail (pool) says what was left, or
 * NULL. Not LS_OK: left to recovery. */
enum ls_rc ls_copies_remove_sources(struct ls_run *run, const char **out_detail, struct ls_err *err) LS_MUST_CHECK;
/* Before the commit: remove the copies that are ours, put orphans back, and close; undone is the fail point between. */
enum ls_rc ls_copies_undo(struct ls_run *run, enum ls_rc (*undone)(struct ls_err *err), struct ls_err *err)
    LS_MUST_CHECK;
/* Remove leftovers of an upload in parts, if it was that large; failing at it is only logged. */
void ls_abort_parts(struct ls_run *run, const char *key, uint64_t size_bytes);
/* Does the object at dest come from this COPY item? */
bool ls_copy_is_ours(const struct ls_run *run, const struct ls_intent_item *item, const struct ls_object_info *dest);
/* The TRASH item for an orphan at key, or NULL. */
const struct ls_intent_item *ls_orphan_at(const struct ls_run *run, const char *key);

/* ---- settling: from whatever state the journal shows to done or undone, and closed ---- */
enum ls_rc ls_settle(struct ls_run *run, bool *out_forward, struct ls_err *err) LS_MUST_CHECK; /* recover.c */
/* Those with out_forward set it to true when they go forward before the commit point. */
enum ls_rc ls_put_settle(struct ls_run *run, bool *out_forward, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_remove_settle(struct ls_run *run, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_rename_settle(struct ls_run *run, bool *out_forward, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_discard_settle(struct ls_run *run, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_restore_settle(struct ls_run *run, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_purge_settle(struct ls_run *run, bool *out_forward, struct ls_err *err) LS_MUST_CHECK;
/* Settle our own leftovers and dead instances' intents if nobody is at it; for a run that waits for a claim. */
void ls_recover_if_idle(struct ls_engine *engine);

/* ---- between operations ---- */
/* A variant with all its images (remove.c). */
enum ls_rc ls_remove_variant(struct ls_engine *engine, const char *product, const char *weight, struct ls_err *err)
    LS_MUST_CHECK;
/* rename_folder.c */
enum ls_rc ls_rename_folder(struct ls_engine *engine, const char *from, const char *to, unsigned flags,
                            struct ls_err *err) LS_MUST_CHECK;
/* discard.c: move orphans to trash, one result an item. */
enum ls_rc ls_discard_many(struct ls_engine *engine, struct ls_mend_item **items, size_t n, struct ls_err *err)
    LS_MUST_CHECK;

/* ---- folder.c ---- */
/* A folder path's parts as strings in the pool; NULL for the levels below it. LS_INVALID for files and the root. */
struct ls_folder_parts {
    enum ls_level level;
    const char *path, *product, *weight, *type;
    const char *below;  /* path + "/" */
    const char *beyond; /* the first string after everything below it */
};
enum ls_rc ls_folder_parse(struct ls_engine *engine, struct ls_pool *pool, const char *path,
                           struct ls_folder_parts *out, struct ls_err *err) LS_MUST_CHECK;
/* Is there an image below? */
enum ls_rc ls_folder_has_image(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder,
                               bool *out, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_folder_exists(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder, bool *out,
                            struct ls_err *err) LS_MUST_CHECK;
/* Does it hold anything: images, variants, type folders? */
enum ls_rc ls_folder_empty(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder, bool *out,
                           struct ls_err *err) LS_MUST_CHECK;
/* LS_NOT_FOUND unless what a folder lies in exists. */
enum ls_rc ls_folder_parent_check(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder,
                                  struct ls_err *err) LS_MUST_CHECK;
/* Remove the rows of an empty folder (product, variant, folder rows). */
enum ls_rc ls_folder_drop(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder,
                          struct ls_err *err) LS_MUST_CHECK;

static inline void ls_tx_auto(struct ls_tx *const *tx)
{
    if (*tx)
        (*tx)->cat->ops->rollback(*tx);
}
static inline void ls_image_page_auto(struct ls_image_page *page) { ls_image_page_dispose(page); }
static inline void ls_variant_page_auto(struct ls_variant_page *page) { ls_variant_page_dispose(page); }
static inline void ls_folder_page_auto(struct ls_folder_page *page) { ls_folder_page_dispose(page); }
static inline void ls_intent_page_auto(struct ls_intent_page *page) { ls_intent_page_dispose(page); }
static inline void ls_intent_item_page_auto(struct ls_intent_item_page *page) { ls_intent_item_page_dispose(page); }
static inline void ls_audit_page_auto(struct ls_audit_page *page) { ls_audit_page_dispose(page); }
static inline void ls_trash_page_auto(struct ls_trash_page *page) { ls_trash_page_dispose(page); }

static inline bool ls_same(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }

#endif
