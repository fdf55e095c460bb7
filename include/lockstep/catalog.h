/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog: product, variant and image rows, and lockstep's own side tables beside them in the same database.
 *
 * One interface, several back ends (SQLite now). All rows of one operation change in one transaction. A catalog knows
 * nothing of stores: etag and size are what it was told. It does keep the journal, because the row of an intent and the
 * rows of the images must change in the same transaction.
 * Threads: every operation may be called from any thread; a transaction belongs to the thread that began it, and at
 * most one is open in a process at a time (begin waits), so nothing slow may happen inside one. Reads take a
 * transaction (to see its own writes) or NULL (a snapshot of their own). Results are pages that own their memory: free
 * them with ls_*_dispose. Keys order by bytes everywhere.
 */
#ifndef LOCKSTEP_CATALOG_H
#define LOCKSTEP_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "lockstep/err.h"

#define LS_CATALOG_ID_MAX 64 /* a row's id as text, with the NUL */
#define LS_CATALOG_ETAG_MAX 96
#define LS_INTENT_ID_LEN 27

/* ---- rows ---- */

/* What is recorded of an object beside its image row (the side table lockstep_object). */
struct ls_record {
    bool known; /* false: the row was written by the application and nothing is recorded yet */
    uint64_t size_bytes;
    char etag[LS_CATALOG_ETAG_MAX];
    int64_t mtime_ns;
    uint32_t mode; /* permission bits */
    uint32_t uid, gid;
    char content_type[128];
};

struct ls_image {
    const char *key; /* file_name; never NULL */
    const char *product, *weight, *type,
        *url;               /* the row's own columns, which may disagree with the key; NULL = SQL NULL */
    const char *variant_id; /* NULL = SQL NULL */
    const char *variant_product,
        *variant_weight_now; /* of the variant row it points at; NULL when there is none. Reads only */
    struct ls_record record;
    int64_t created_ns, updated_ns;
};

struct ls_image_page {
    struct ls_image *items;
    size_t n;
    void *memory;
};

struct ls_variant {
    char id[LS_CATALOG_ID_MAX];
    char product[256];
    char weight[256];
    bool is_active;
    int64_t created_ns, updated_ns;
};

struct ls_variant_page {
    struct ls_variant *items;
    size_t n;
};

struct ls_name_page {
    char **names;
    size_t n;
    void *memory;
};

/* Attributes of a folder path ("products/p1/500ml", no trailing slash) that mkdir, chmod, chown or touch set. A type
 * folder exists when it has a row here or an image below it. */
#define LS_FOLDER_ROOT "." /* the path of the root's own row */
struct ls_folder {
    char path[1024];
    uint32_t mode, uid, gid;
    int64_t mtime_ns;
};

struct ls_folder_page {
    struct ls_folder *items;
    size_t n;
};

/* ---- the journal ---- */

enum ls_op {
    LS_OP_PUT = 1, /* new name, same name, or replacing another name */
    LS_OP_REMOVE,
    LS_OP_RENAME, /* file or folder */
    LS_OP_ADOPT,
    LS_OP_DISCARD, /* an orphan to trash or away */
    LS_OP_RESTORE, /* from trash */
    LS_OP_PURGE,   /* trash away */
    LS_OP_CATALOG  /* rows only: mkdir, attributes, drop, refresh, refile, variant switches; audited, never left open */
};

enum ls_intent_state { LS_INTENT_OPEN = 1, LS_INTENT_COMMITTED = 2 };

/* What is to be done with one object. */
enum ls_action {
    LS_ACTION_PUT = 1, /* upload to key; new_etag is what it will have */
    LS_ACTION_COPY,    /* key → dest; source has old_etag */
    LS_ACTION_DELETE,  /* remove key if it still has old_etag */
    LS_ACTION_TRASH    /* copy key → dest (trash), then remove key, if it still has old_etag */
};

struct ls_intent_item {
    int64_t seq; /* from 0, in order */
    enum ls_action action;
    const char *key;
    const char *dest;      /* or NULL */
    const char *old_etag;  /* what key (for PUT: what lay there before) must have; NULL = nothing was there */
    const char *new_etag;  /* what key or dest will have; NULL = not known before */
    const char *dest_etag; /* what lay at dest before, NULL = nothing */
    uint64_t size_bytes;
    const char *row; /* the removed row as JSON, or NULL */
    int64_t done;    /* 0, or the engine's own step mark */
};

struct ls_intent_item_page {
    struct ls_intent_item *items;
    size_t n;
    void *memory;
};

/* A path that an intent owns while it is open: one key, or with subtree everything below (path then ends with '/'). */
struct ls_claim {
    const char *path;
    bool subtree;
};

struct ls_intent {
    char id[LS_INTENT_ID_LEN]; /* ls_id_new */
    char instance[LS_INTENT_ID_LEN];
    enum ls_op op;
    enum ls_intent_state state;
    int64_t created_ns;
    char args[1024]; /* the operation's own, JSON; "" = none */
};

struct ls_intent_page {
    struct ls_intent *items;
    size_t n;
};

/* A running (or dead) process. */
struct ls_instance {
    char id[LS_INTENT_ID_LEN];
    char kind[16]; /* "mount", "cli", … */
    char host[128];
    int64_t pid;
    int64_t started_ns;
    bool alive;
};

struct ls_instance_page {
    struct ls_instance *items;
    size_t n;
};

struct ls_audit {
    int64_t seq; /* given by the catalog */
    int64_t at_ns;
    const char *intent; /* or NULL */
    const char *op;     /* "put", "remove", "rename", "adopt", … */
    const char *actor;  /* "mount", "cli rm", "sync", … */
    const char *key;
    const char *dest;    /* or NULL */
    const char *outcome; /* "done", "undone", "recovered forward", "recovered back", "failed" */
    const char *detail;  /* or NULL */
};

struct ls_audit_page {
    struct ls_audit *items;
    size_t n;
    void *memory;
};

struct ls_trash {
    char id[LS_INTENT_ID_LEN];
    const char *key;       /* where it was */
    const char *trash_key; /* where it lies */
    const char *etag;
    uint64_t size_bytes;
    const char *reason; /* "orphaned", "overwritten", "misplaced", "deleted" */
    const char *row;    /* its image row as JSON, or NULL (orphans have none) */
    int64_t at_ns;
};

struct ls_trash_page {
    struct ls_trash *items;
    size_t n;
    void *memory;
};

/* What is there of the differences that a scan found (lockstep_finding). */
enum ls_scan_findings {
    LS_SCAN_FINDINGS_NONE = 1,
    LS_SCAN_FINDINGS_WRITING, /* they come */
    LS_SCAN_FINDINGS_KEPT,    /* they can be read */
    LS_SCAN_FINDINGS_GOING    /* scan_tidy removes them */
};

/* A finished or running scan, for `status` and the history. */
/* Nothing can be told of it: the bucket's events are not in use, say. */
#define LS_UNANNOUNCED_UNKNOWN UINT64_MAX

struct ls_scan_row {
    int64_t id;
    int64_t started_ns, ended_ns; /* ended 0 = running or died */
    bool complete;
    char scope[256]; /* "" = everything, else products */
    uint64_t images, synced, orphaned, missing, stale, moved, misfiled, misplaced, pending, errors;
    uint64_t products, twins, objects_seen, rows_seen;
    uint64_t unannounced;            /* differences that no event of the bucket announced */
    bool shared;                     /* several processes work on its ranges */
    enum ls_scan_findings findings;  /* 0 = NONE */
    char instance[LS_INTENT_ID_LEN]; /* who began it */
    char options[128];               /* of a shared one: what its findings depend on, in the scanner's words */
};

/* Which of the scans of everything. */
enum ls_whole_scan {
    LS_WHOLE_SCAN_ANY,
    LS_WHOLE_SCAN_COMPLETE, /* it has ended, and read both sides to their end */
    LS_WHOLE_SCAN_KEPT      /* complete, and its findings can be read */
};

enum ls_range_state { LS_RANGE_FREE = 1, LS_RANGE_TAKEN, LS_RANGE_DONE };

/* A part of a shared scan. */
struct ls_scan_range {
    int64_t scan;
    int64_t number;                   /* 0: no keys, but what is left to do when all others are done */
    const char *prefix;               /* what its keys begin with */
    const char *after_key, *last_key; /* after < key <= last; last NULL = no bound */
    enum ls_range_state state;
    char instance[LS_INTENT_ID_LEN]; /* who took it last, or "" */
    int64_t turn;                    /* how often it was taken: the fence of whoever lost it */
    int64_t beat;                    /* moves while the process that has it lives */
    bool store_incomplete, catalog_incomplete;
    uint64_t synced, objects_seen, rows_seen, errors;
    const char *messages; /* some of the errors, a line each */
};

struct ls_scan_range_page {
    struct ls_scan_range *items;
    size_t n;
    void *memory;
};

/* One difference that a scan found; the words are the scanner's. */
struct ls_scan_finding {
    const char *key;
    const char *kind; /* "orphaned", … */
    uint32_t flags;
    int64_t twin;        /* 0 = none */
    const char *partner; /* the next are NULL when there is none */
    const char *row_etag, *object_etag;
    uint64_t row_size, object_size;
    const char *detail;
};

struct ls_scan_finding_page {
    struct ls_scan_finding *items;
    size_t n;
    void *memory;
};

/* How many differences a scan found in a product. */
struct ls_tally {
    const char *product;
    uint64_t orphaned, missing, stale,
        misfiled; /* moved pairs (by their objects) and misplaced ones are among these: */
    uint64_t moved, misplaced;
    uint64_t pending;
};

/* Those of them that want to be mended. */
static inline uint64_t ls_tally_problems(const struct ls_tally *tally)
{
    return tally->orphaned + tally->missing + tally->stale + tally->misfiled;
}

enum ls_table_order {
    LS_TABLE_UP, /* by the product's bytes */
    LS_TABLE_DOWN,
    LS_TABLE_BY_PROBLEMS /* most first, then by the product's bytes */
};

/* A page of the table of products. */
struct ls_table_query {
    int64_t scan;       /* whose tally is shown; 0 = none */
    const char *prefix; /* images of a product have keys that begin with this, its name and a slash */
    const char *search; /* a part of the name, ASCII letters in any case; "" = all */
    enum ls_table_order order;
    const char *after;       /* the last product of the page before; NULL = from the first */
    uint64_t after_problems; /* and its problems; BY_PROBLEMS only */
    unsigned limit;
};

/* A product that catalog or scan know. */
struct ls_table_row {
    const char *product;
    uint64_t variants, images; /* rows of the catalog; images by their keys */
    struct ls_tally found;
};

struct ls_table_page {
    struct ls_table_row *items;
    size_t n;
    void *memory;
};

/* One changed row since a change number; written by triggers, whoever changes the row. */
struct ls_change {
    int64_t seq;
    char kind[16];       /* "image", "variant", "product", "folder" */
    char action[8];      /* "insert", "update", "delete" */
    const char *key;     /* image: file_name; variant: product/weight; product: id; folder: path. Before the change */
    const char *new_key; /* after it; NULL for a delete */
    char writer[LS_INTENT_ID_LEN]; /* our instance, or "" for a foreign writer */
    const char *etag; /* what was recorded of the object of an image row that was deleted or re-keyed; NULL = nothing */
};

struct ls_change_page {
    struct ls_change *items;
    size_t n;
    void *memory;
};

/* The setting that says since when (in ns) somebody acts on what the bucket tells; "" or none: nobody does. */
#define LS_META_EVENTS_SINCE "events_since"

/* What somebody told of a key of the bucket; kept until it is worked off. */
struct ls_event {
    int64_t seq;   /* given by the catalog */
    int64_t at_ns; /* when it came; 0 = now */
    const char *kind;
    const char *key;
    const char *etag;      /* or NULL */
    const char *sequencer; /* or NULL */
};

struct ls_event_page {
    struct ls_event *items;
    size_t n;
    void *memory;
};

/* What only one process at a time does. */
enum ls_lead { LS_LEAD_SETTLER = 1, LS_LEAD_INBOX, LS_LEADS };

/* Who has a role, or had it last. */
struct ls_leader {
    int64_t epoch;
    char instance[LS_INTENT_ID_LEN];
};

/* ---- writing ---- */

/* One row to insert, update or re-key, with its record (not known: nothing is recorded afterwards). An insert takes
 * created_ns and updated_ns as they are, 0 = now; an update keeps the one and sets the other to now. */
struct ls_image_write {
    const char *old_key;     /* the row to change; NULL = insert */
    const char *expect_etag; /* the recorded etag must be this (LS_CONFLICT otherwise); NULL = any. For old_key only */
    bool record_only;        /* of old_key only what is recorded changes; an application's row stays as it is */
    struct ls_image image;   /* the new state: key, product, weight, type, url, variant_id, record */
};

struct ls_image_ref {
    const char *key;
    const char *expect_etag; /* or NULL = any */
};

struct ls_attr {
    bool set_mode, set_owner, set_mtime;
    uint32_t mode, uid, gid;
    int64_t mtime_ns;
};

struct ls_catalog;
struct ls_tx;

struct ls_catalog_ops {
    const char *name; /* "sqlite" */
    void (*close)(struct ls_catalog *cat);

    /* Make or migrate the schema, in one transaction. Opening an unknown newer version fails with LS_UNSUPPORTED. */
    enum ls_rc (*create)(struct ls_catalog *cat, struct ls_err *err);

    /* -- instances: liveness is a lock that dies with the process -- */
    /* Once a catalog. A daemon opens its catalog and calls this after its last fork: connections must not cross a fork,
     * and the lock would live on in the child. */
    enum ls_rc (*instance_start)(struct ls_catalog *cat, const char *kind, char out_id[LS_INTENT_ID_LEN],
                                 struct ls_err *err);
    enum ls_rc (*instance_alive)(struct ls_catalog *cat, const char *id, bool *out_alive, struct ls_err *err);
    /* The number of this instance's term, which rises when others may have taken it for dead meanwhile; from 1 on. Asks
     * the other side only when that was not heard of for some seconds. A failure: others may take over. */
    enum ls_rc (*instance_term)(struct ls_catalog *cat, uint64_t *out_term, struct ls_err *err);
    enum ls_rc (*instance_list)(struct ls_catalog *cat, struct ls_instance_page *out, struct ls_err *err);

    /* -- roles: each has one leader, proved by a lock that dies with the process -- */
    /* Take the role, or find that this instance (it was started before) still has it. LS_BUSY: another process has it.
     * The epoch rises with each take, so that ls_leader_check tells whoever was cut off. Asks nobody to leave. */
    enum ls_rc (*leader_take)(struct ls_catalog *cat, enum ls_lead role, int64_t *out_epoch, struct ls_err *err);
    void (*leader_leave)(struct ls_catalog *cat, enum ls_lead role);

    /* -- transactions -- */
    /* Waits for other writers up to the busy timeout, then LS_BUSY. */
    enum ls_rc (*begin)(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err);
    /* As begin, for a step that may be repeated: its commit does not wait for the disk. The death of the process loses
     * nothing; that of the machine may lose it, but never without all that was committed after it. */
    enum ls_rc (*begin_relaxed)(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err);
    /* Durable when LS_OK (but see begin_relaxed). Ends and frees tx in every case. LS_OUTCOME_UNKNOWN: the intent's row
     * decides. */
    enum ls_rc (*commit)(struct ls_tx *tx, struct ls_err *err);
    void (*rollback)(struct ls_tx *tx); /* takes NULL; ends and frees it */

    /* -- reads; tx may be NULL -- */
    /* The rows among keys that exist, in key order. */
    enum ls_rc (*images_get)(struct ls_catalog *cat, struct ls_tx *tx, const char *const *keys, size_t n,
                             struct ls_image_page *out, struct ls_err *err);
    /* Rows with after < key < before in key order; before NULL = no bound. At most limit. */
    enum ls_rc (*image_page)(struct ls_catalog *cat, struct ls_tx *tx, const char *after, const char *before,
                             unsigned limit, struct ls_image_page *out, struct ls_err *err);
    /* Rows of a variant by id, whatever their keys say; ordered by key, after as above. */
    enum ls_rc (*variant_images)(struct ls_catalog *cat, struct ls_tx *tx, const char *variant_id, const char *after,
                                 unsigned limit, struct ls_image_page *out, struct ls_err *err);
    /* Number of rows and recorded bytes with after < key < before; each output may be NULL. */
    enum ls_rc (*image_count)(struct ls_catalog *cat, const char *after, const char *before, uint64_t *out_rows,
                              uint64_t *out_bytes, struct ls_err *err);
    /* Up to n-1 keys that cut all rows into n about equal ranges, in order. */
    enum ls_rc (*image_splits)(struct ls_catalog *cat, unsigned n, struct ls_name_page *out, struct ls_err *err);

    enum ls_rc (*product_page)(struct ls_catalog *cat, struct ls_tx *tx, const char *after, unsigned limit,
                               struct ls_name_page *out, struct ls_err *err);
    enum ls_rc (*product_count)(struct ls_catalog *cat, uint64_t *out_count, struct ls_err *err);
    enum ls_rc (*product_exists)(struct ls_catalog *cat, struct ls_tx *tx, const char *product, bool *out_exists,
                                 struct ls_err *err);
    /* The variants of a product, by weight's bytes. */
    enum ls_rc (*variant_list)(struct ls_catalog *cat, struct ls_tx *tx, const char *product,
                               struct ls_variant_page *out, struct ls_err *err);
    enum ls_rc (*variant_get)(struct ls_catalog *cat, struct ls_tx *tx, const char *product, const char *weight,
                              struct ls_variant *out, struct ls_err *err);
    enum ls_rc (*folder_get)(struct ls_catalog *cat, struct ls_tx *tx, const char *path, struct ls_folder *out,
                             struct ls_err *err);
    /* Folder rows directly below path (one level), by path; path "" = top level. */
    enum ls_rc (*folder_children)(struct ls_catalog *cat, struct ls_tx *tx, const char *path,
                                  struct ls_folder_page *out, struct ls_err *err);

    /* The number of the newest change; and changes after one. LS_NOT_FOUND: some of those are not kept any more (about
     * the newest million are), so take everything as changed and go on from change_last. */
    enum ls_rc (*change_last)(struct ls_catalog *cat, int64_t *out_seq, struct ls_err *err);
    enum ls_rc (*change_page)(struct ls_catalog *cat, int64_t after, unsigned limit, struct ls_change_page *out,
                              struct ls_err *err);
    /* Block until the newest change is not `after` any more (any connection of any process has committed; less than
     * after: the feed was lost) or the time is over; *out_last is the newest change then. Sees a commit within about a
     * second, mostly at once. LS_CANCELLED: cancel_fd (-1 = none) has become readable. One thread at a time. */
    enum ls_rc (*change_wait)(struct ls_catalog *cat, int64_t after, int64_t timeout_ms, int cancel_fd,
                              int64_t *out_last, struct ls_err *err);

    /* -- rows, inside a transaction -- */
    enum ls_rc (*product_add)(struct ls_tx *tx, const char *product, struct ls_err *err); /* LS_EXISTS */
    enum ls_rc (*product_remove)(struct ls_tx *tx, const char *product,
                                 struct ls_err *err); /* LS_NOT_EMPTY with variants */
    enum ls_rc (*product_rename)(struct ls_tx *tx, const char *from, const char *to, struct ls_err *err);
    enum ls_rc (*variant_add)(struct ls_tx *tx, const char *product, const char *weight, struct ls_variant *out,
                              struct ls_err *err); /* LS_EXISTS; LS_NOT_FOUND without the product */
    enum ls_rc (*variant_set)(struct ls_tx *tx, const struct ls_variant *variant, struct ls_err *err); /* by id */
    enum ls_rc (*variant_remove)(struct ls_tx *tx, const char *variant_id,
                                 struct ls_err *err); /* LS_NOT_EMPTY with images */
    /* Insert, update or re-key; all or the transaction must be rolled back. The error names the key. LS_NOT_FOUND: no
     * row old_key. LS_EXISTS: the new key is taken. LS_CONFLICT: expect_etag. */
    enum ls_rc (*images_write)(struct ls_tx *tx, const struct ls_image_write *items, size_t n, struct ls_err *err);
    enum ls_rc (*images_delete)(struct ls_tx *tx, const struct ls_image_ref *items, size_t n, struct ls_err *err);
    /* Counts as a change of the row: its updated_ns is now. LS_CONFLICT: it has no record yet (refresh it first). */
    enum ls_rc (*image_attr)(struct ls_tx *tx, const char *key, const struct ls_attr *attr, struct ls_err *err);
    enum ls_rc (*folder_put)(struct ls_tx *tx, const struct ls_folder *folder,
                             struct ls_err *err); /* insert or replace */
    /* Remove the row of path; with subtree all below it as well. LS_OK when there was none. */
    enum ls_rc (*folder_remove)(struct ls_tx *tx, const char *path, bool subtree, struct ls_err *err);
    /* Move the rows of path and below it. */
    enum ls_rc (*folder_rename)(struct ls_tx *tx, const char *from, const char *to, struct ls_err *err);

    /* -- the journal -- */
    /* LS_BUSY when a claim overlaps one of another open intent (the error names it). */
    enum ls_rc (*intent_add)(struct ls_tx *tx, const struct ls_intent *intent, const struct ls_claim *claims,
                             size_t n_claims, const struct ls_intent_item *items, size_t n_items, struct ls_err *err);
    /* Record new_etag, dest_etag and done of one item. */
    enum ls_rc (*intent_item_set)(struct ls_tx *tx, const char *intent, const struct ls_intent_item *item,
                                  struct ls_err *err);
    /* Open → committed. LS_CONFLICT when the intent is gone, committed, or owned by another instance than `instance`
     * (it was taken over): the fence of a process that was cut off. */
    enum ls_rc (*intent_commit)(struct ls_tx *tx, const char *intent, const char *instance, struct ls_err *err);
    /* Make `instance` the owner if `from` still is; LS_CONFLICT otherwise. */
    enum ls_rc (*intent_take)(struct ls_tx *tx, const char *intent, const char *from, const char *instance,
                              struct ls_err *err);
    /* Remove intent, items and claims. LS_CONFLICT when another instance owns it. */
    enum ls_rc (*intent_close)(struct ls_tx *tx, const char *intent, const char *instance, struct ls_err *err);
    enum ls_rc (*intent_get)(struct ls_catalog *cat, struct ls_tx *tx, const char *intent, struct ls_intent *out,
                             struct ls_err *err);
    enum ls_rc (*intent_list)(struct ls_catalog *cat, struct ls_tx *tx, struct ls_intent_page *out, struct ls_err *err);
    enum ls_rc (*intent_items)(struct ls_catalog *cat, struct ls_tx *tx, const char *intent, int64_t after_seq,
                               unsigned limit, struct ls_intent_item_page *out, struct ls_err *err);
    enum ls_rc (*intent_item_count)(struct ls_catalog *cat, const char *intent, uint64_t *out_count,
                                    struct ls_err *err);
    /* For each key: is it covered by a claim of an open intent? */
    enum ls_rc (*intents_cover)(struct ls_catalog *cat, struct ls_tx *tx, const char *const *keys, size_t n,
                                bool *out_covered, struct ls_err *err);

    /* -- audit trail, trash, scans, settings -- */
    enum ls_rc (*audit_add)(struct ls_tx *tx, const struct ls_audit *items, size_t n, struct ls_err *err);
    /* Newest first: entries with seq < before (0 = from the newest); key_prefix "" = all. */
    enum ls_rc (*audit_page)(struct ls_catalog *cat, int64_t before, const char *key_prefix, unsigned limit,
                             struct ls_audit_page *out, struct ls_err *err);
    enum ls_rc (*trash_add)(struct ls_tx *tx, const struct ls_trash *item, struct ls_err *err);
    enum ls_rc (*trash_remove)(struct ls_tx *tx, const char *id, struct ls_err *err);
    /* By id (so by age), after < id; key_prefix "" = all. */
    enum ls_rc (*trash_page)(struct ls_catalog *cat, struct ls_tx *tx, const char *after, const char *key_prefix,
                             unsigned limit, struct ls_trash_page *out, struct ls_err *err);
    /* The inbox of events, in the order in which they came; page: after a seq, 0 = from the first. */
    enum ls_rc (*event_add)(struct ls_tx *tx, const struct ls_event *items, size_t n, struct ls_err *err);
    enum ls_rc (*event_page)(struct ls_catalog *cat, int64_t after, unsigned limit, struct ls_event_page *out,
                             struct ls_err *err);
    enum ls_rc (*event_count)(struct ls_catalog *cat, uint64_t *out_count, struct ls_err *err);
    /* Those that are gone already count as removed. */
    enum ls_rc (*event_remove)(struct ls_tx *tx, const int64_t *seqs, size_t n, struct ls_err *err);
    /* Insert (id 0; the new id is written back) or update. In a transaction of its own. */
    enum ls_rc (*scan_put)(struct ls_catalog *cat, struct ls_scan_row *scan, struct ls_err *err);
    /* The same in tx. */
    enum ls_rc (*scan_write)(struct ls_tx *tx, struct ls_scan_row *scan, struct ls_err *err);
    /* The newest scan with before > id (0 = the newest of all): LS_NOT_FOUND when there is none. */
    enum ls_rc (*scan_get)(struct ls_catalog *cat, int64_t before, struct ls_scan_row *out, struct ls_err *err);
    /* The newest scan of everything of this sort, or LS_NOT_FOUND. */
    enum ls_rc (*scan_whole)(struct ls_catalog *cat, enum ls_whole_scan which, struct ls_scan_row *out,
                             struct ls_err *err);
    /* The newest shared scan that has not ended, or LS_NOT_FOUND. */
    enum ls_rc (*scan_running)(struct ls_catalog *cat, struct ls_tx *tx, struct ls_scan_row *out, struct ls_err *err);
    /* Keep the findings of the newest two scans of a kind (complete or not, of everything or of some products), forget
     * a part of the others' and of those that died; the rows of the newest 10,000 scans stay. Sets *out_more when there
     * is more to forget. */
    enum ls_rc (*scan_tidy)(struct ls_catalog *cat, bool *out_more, struct ls_err *err);

    /* -- ranges of a shared scan, by number; scan_range_take and _set are the only ways from state to state -- */
    enum ls_rc (*scan_ranges_add)(struct ls_tx *tx, const struct ls_scan_range *items, size_t n, struct ls_err *err);
    enum ls_rc (*scan_ranges)(struct ls_catalog *cat, struct ls_tx *tx, int64_t scan, struct ls_scan_range_page *out,
                              struct ls_err *err);
    /* Make `instance` the owner of a free range and set *out_number and *out_turn. Number 0 is free only when all
     * others are done. LS_NOT_FOUND when none is free. */
    enum ls_rc (*scan_range_take)(struct ls_tx *tx, int64_t scan, const char *instance, int64_t *out_number,
                                  int64_t *out_turn, struct ls_err *err);
    /* The same for one that somebody else has, if it is still that turn: LS_CONFLICT otherwise. */
    enum ls_rc (*scan_range_take_over)(struct ls_tx *tx, const struct ls_scan_range *range, const char *instance,
                                       int64_t *out_turn, struct ls_err *err);
    /* Record state, counts and messages of a range. LS_CONFLICT when it is not taken by this instance in this turn. */
    enum ls_rc (*scan_range_set)(struct ls_tx *tx, const struct ls_scan_range *range, struct ls_err *err);
    /* Show that this instance lives: move the beat of all ranges that it has. A relaxed transaction of its own. */
    enum ls_rc (*scan_beat)(struct ls_catalog *cat, int64_t scan, const char *instance, struct ls_err *err);

    /* -- findings of a scan; one for a key -- */
    /* Insert or replace. */
    enum ls_rc (*findings_put)(struct ls_tx *tx, int64_t scan, const struct ls_scan_finding *items, size_t n,
                               struct ls_err *err);
    /* Remove those with after < key <= last (NULL = no bound) and of a kind (NULL = any). */
    enum ls_rc (*findings_remove)(struct ls_tx *tx, int64_t scan, const char *kind, const char *after, const char *last,
                                  struct ls_err *err);
    /* Those of the keys that there are, in any order. */
    enum ls_rc (*findings_get)(struct ls_catalog *cat, int64_t scan, const char *const *keys, size_t n,
                               struct ls_scan_finding_page *out, struct ls_err *err);
    /* In key order, after a key; "" = from the first. */
    enum ls_rc (*finding_page)(struct ls_catalog *cat, int64_t scan, const char *after, unsigned limit,
                               struct ls_scan_finding_page *out, struct ls_err *err);

    /* -- the tally of a scan; it goes with the findings -- */
    /* Insert or replace. Names of products are UTF-8 here. */
    enum ls_rc (*tally_put)(struct ls_tx *tx, int64_t scan, const struct ls_tally *items, size_t n, struct ls_err *err);
    enum ls_rc (*product_table)(struct ls_catalog *cat, const struct ls_table_query *query, struct ls_table_page *out,
                                struct ls_err *err);

    /* lockstep_meta: small settings such as the bucket's own id. Heap value, LS_NOT_FOUND. */
    enum ls_rc (*meta_get)(struct ls_catalog *cat, struct ls_tx *tx, const char *name, char **out_value,
                           struct ls_err *err);
    enum ls_rc (*meta_set)(struct ls_tx *tx, const char *name, const char *value, struct ls_err *err);

    /* A copy of the whole database for the time before mending, durable when it returns. */
    enum ls_rc (*backup)(struct ls_catalog *cat, const char *to_path, struct ls_err *err);
};

/* The first member of every implementation. Callers write cat->ops->…(cat, …). A transaction begins with its catalog.
 */
struct ls_catalog {
    const struct ls_catalog_ops *ops;
    bool lacks_url, lacks_type; /* the application's rows have no such column: NULL says nothing there */
};
struct ls_tx {
    struct ls_catalog *cat;
};

/* Takes NULL. */
void ls_catalog_close(struct ls_catalog *cat);

/* End a transaction whose steps returned rc: commit it, or roll it back and return rc. */
enum ls_rc ls_catalog_end(struct ls_tx *tx, enum ls_rc rc, struct ls_err *err) LS_MUST_CHECK;

/* One row: LS_NOT_FOUND when there is none; out holds exactly one item otherwise. */
enum ls_rc ls_catalog_image_get(struct ls_catalog *cat, struct ls_tx *tx, const char *key, struct ls_image_page *out,
                                struct ls_err *err) LS_MUST_CHECK;

/* Inside a transaction: is `epoch` still the newest take of the role? LS_CONFLICT otherwise: another process has taken
 * it over, the transaction must be rolled back. */
enum ls_rc ls_leader_check(struct ls_tx *tx, enum ls_lead role, int64_t epoch, struct ls_err *err) LS_MUST_CHECK;
/* LS_NOT_FOUND: nobody has ever taken the role. */
enum ls_rc ls_leader_get(struct ls_catalog *cat, struct ls_tx *tx, enum ls_lead role, struct ls_leader *out,
                         struct ls_err *err) LS_MUST_CHECK;

void ls_image_page_dispose(struct ls_image_page *page);
void ls_variant_page_dispose(struct ls_variant_page *page);
void ls_name_page_dispose(struct ls_name_page *page);
void ls_folder_page_dispose(struct ls_folder_page *page);
void ls_intent_page_dispose(struct ls_intent_page *page);
void ls_intent_item_page_dispose(struct ls_intent_item_page *page);
void ls_instance_page_dispose(struct ls_instance_page *page);
void ls_audit_page_dispose(struct ls_audit_page *page);
void ls_trash_page_dispose(struct ls_trash_page *page);
void ls_change_page_dispose(struct ls_change_page *page);
void ls_event_page_dispose(struct ls_event_page *page);
void ls_scan_range_page_dispose(struct ls_scan_range_page *page);
void ls_table_page_dispose(struct ls_table_page *page);
void ls_scan_finding_page_dispose(struct ls_scan_finding_page *page);

/* The word for an operation as audit trail and logs show it, and back. */
const char *ls_op_name(enum ls_op op);

#endif
