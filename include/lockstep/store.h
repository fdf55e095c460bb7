/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The object store: keys and their bytes.
 *
 * One interface, several back ends (s3, file) and decorators (retry, stats, fault), all of them struct ls_store_ops
 * over a struct ls_store. Operations that a caller has many of (head, copy, delete) take arrays, so that a back end can
 * run them side by side or in one request; each item then has its own result. A store knows nothing of catalogs.
 * Threads: every operation may be called from any thread at any time. All block; none holds a lock while it waits for
 * the network. Keys are bytes without NUL, at most LS_KEY_MAX; they order by bytes.
 */
#ifndef LOCKSTEP_STORE_H
#define LOCKSTEP_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "lockstep/err.h"

#define LS_KEY_MAX 1024
#define LS_ETAG_MAX 96 /* bytes with the NUL; stored without quotes */
#define LS_CONTENT_TYPE_MAX 128
#define LS_TARGET_MAX 256
#define LS_STORE_BATCH 1000 /* most items of one delete request and entries of one list page */

/* What the store keeps with an object beside its bytes. On S3: Content-Type and x-amz-meta-{mtime,mode,uid,gid,intent};
 * mtime is decimal seconds with a fraction, as rclone writes it. */
struct ls_object_meta {
    bool has_mtime, has_mode, has_owner;
    int64_t mtime_ns; /* the file's own time, not the store's */
    uint32_t mode;    /* permission bits */
    uint32_t uid, gid;
    char content_type[LS_CONTENT_TYPE_MAX]; /* "" = the store's default */
    char intent[32];                        /* id of the intent that wrote it, or "" */
};

struct ls_object_info {
    uint64_t size_bytes;
    char etag[LS_ETAG_MAX];
    int64_t modified_ns; /* the store's own Last-Modified */
    struct ls_object_meta meta;
};

struct ls_store_head {
    const char *key;            /* in */
    enum ls_rc rc;              /* out: LS_NOT_FOUND when there is none */
    struct ls_object_info info; /* out */
    struct ls_err err;          /* out */
};

/* Pass the bytes on; non-OK stops the transfer with it. Called in order, from one thread. */
typedef enum ls_rc (*ls_store_sink)(void *ctx, const void *data, size_t len);

struct ls_store_get {
    const char *key;
    uint64_t offset;
    uint64_t len;         /* UINT64_MAX = to the end */
    const char *if_match; /* etag that the object must still have (LS_CONFLICT otherwise), or NULL */
};

enum ls_put_condition { LS_PUT_ALWAYS, LS_PUT_IF_NEW, LS_PUT_IF_ETAG };

struct ls_store_put {
    const char *key;
    int fd; /* bytes come from here, with pread from offset 0 */
    uint64_t size_bytes;
    const uint8_t *md5;              /* of the whole (16 bytes) if the caller knows it; may be NULL */
    const uint8_t *sha256;           /* likewise (32 bytes) */
    enum ls_put_condition condition; /* LS_EXISTS / LS_CONFLICT when it does not hold */
    const char *if_etag;             /* for LS_PUT_IF_ETAG */
    const struct ls_object_meta *meta;
};

struct ls_store_copy {
    const char *from, *to;
    const char *if_etag;               /* the source must have it: LS_CONFLICT otherwise; may be NULL */
    uint64_t size_bytes;               /* of the source; above the store's limit for one copy it is done in parts */
    const struct ls_object_meta *meta; /* replaces the metadata; NULL keeps the source's */
    enum ls_rc rc;                     /* out: LS_NOT_FOUND when the source is gone */
    char etag[LS_ETAG_MAX];            /* out: the copy's */
    struct ls_err err;                 /* out */
};

struct ls_store_delete {
    const char *key;
    enum ls_rc rc; /* out: LS_OK also when there was nothing */
    struct ls_err err;
};

struct ls_list_entry {
    const char *key; /* into the page's memory */
    uint64_t size_bytes;
    int64_t modified_ns;
    char etag[LS_ETAG_MAX];
};

struct ls_list_request {
    const char *prefix;      /* "" = everything */
    const char *start_after; /* first entry is the next greater key; "" = from the start. Ignored with a token */
    const char *token;       /* from the page before, or NULL */
    unsigned limit;          /* most entries; 0 = LS_STORE_BATCH */
};

/* One page, ordered by key bytes. Owned by the caller: ls_list_page_dispose. */
struct ls_list_page {
    struct ls_list_entry *entries;
    size_t n;
    char *token; /* for the next page; NULL after the last */
    void *memory;
};

struct ls_store_caps {
    bool conditional_put; /* false: the engine's claims and a HEAD stand in for If-Match / If-None-Match */
    bool etag_is_md5;     /* of single-part objects */
    uint64_t part_bytes;  /* objects larger than this go in parts of this size; UINT64_MAX = never */
};

/* Whom a bucket tells of its changes. */
struct ls_store_rules {
    const char *target;         /* in: what a rule names ("arn:minio:sqs::lockstep:webhook"); NULL = what ours names */
    const char *default_target; /* in: if there is none of ours */
    const char *prefix;         /* in: of the keys that are wanted */
    bool apply;                 /* in: make it so, not only look */
    char named[LS_TARGET_MAX];  /* out: the target */
    bool told;                  /* out: all changes below prefix are told to it (before anything was applied) */
    unsigned others;            /* out: rules of other targets, which stay */
    char *settings;             /* out: all rules as they are to be, in the store's own words; heap, the caller's */
};

struct ls_store_follow {
    const char *prefix; /* of the keys */
    /* Lines of JSON in any pieces; blanks now and then while nothing happens. */
    ls_store_sink sink;
    /* Asked about ten times a second. Then the stream is ended; what the store has held back comes first. */
    bool (*enough)(void *ctx);
    void *ctx;
};

struct ls_store;

#define LS_STORE_PRESIGN_MOST_S 604800 /* a week: what S3 allows */

struct ls_store_ops {
    const char *name; /* "s3", "file", "retry" */

    /* Check at start that the container is there and learn what it can do: LS_NOT_FOUND when there is no bucket,
     * LS_DENIED. */
    enum ls_rc (*probe)(struct ls_store *store, struct ls_store_caps *out_caps, struct ls_err *err);
    /* Make the container; LS_OK when it is there already and ours. */
    enum ls_rc (*create)(struct ls_store *store, struct ls_err *err);

    /* Look at n objects. Returns LS_OK when every item has a result of its own that is LS_OK or LS_NOT_FOUND, else the
     * first other rc. The same rule holds for copy and delete. Repeatable. */
    enum ls_rc (*head)(struct ls_store *store, struct ls_store_head *items, size_t n, struct ls_err *err);

    /* Read a range. out_info (may be NULL) is filled before the first sink call. LS_CORRUPT when fewer bytes came than
     * were announced. Not repeatable once the sink was called. */
    enum ls_rc (*get)(struct ls_store *store, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                      struct ls_object_info *out_info, struct ls_err *err);

    /* Write a whole object; durable when it returns. Nothing is visible of it before. Large ones go in parts; parts of
     * a failed one are removed. LS_OUTCOME_UNKNOWN: HEAD decides. */
    enum ls_rc (*put)(struct ls_store *store, const struct ls_store_put *put, struct ls_object_info *out_info,
                      struct ls_err *err);

    enum ls_rc (*copy)(struct ls_store *store, struct ls_store_copy *items, size_t n, struct ls_err *err);
    enum ls_rc (*remove)(struct ls_store *store, struct ls_store_delete *items, size_t n, struct ls_err *err);

    enum ls_rc (*list)(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *out_page,
                       struct ls_err *err);

    /* Remove leftovers of uploads in parts to exactly this key that were begun before `before_ns`. */
    enum ls_rc (*abort_uploads)(struct ls_store *store, const char *key, int64_t before_ns, struct ls_err *err);

    /* The address of an object, heap, the caller frees it: the public one that goes into image_url (expires_s 0), or
     * one that lets its holder GET the object for so many seconds (at most LS_STORE_PRESIGN_MOST_S; LS_UNSUPPORTED
     * where the store has no such thing). Nothing is asked of the store. */
    enum ls_rc (*url)(struct ls_store *store, const char *key, unsigned expires_s, char **out_url, struct ls_err *err);

    /* Optional, NULL for a store that tells nobody: see or make its rules. */
    enum ls_rc (*rules)(struct ls_store *store, struct ls_store_rules *rules, struct ls_err *err);
    /* Optional: hear of changes as they happen, until somebody has had enough or the stream ends (LS_TRANSIENT), or
     * with what sink returns. Never repeated by itself: what happens in between is not told. */
    enum ls_rc (*follow)(struct ls_store *store, const struct ls_store_follow *follow, struct ls_err *err);

    void (*close)(struct ls_store *store);
};

/* The first member of every implementation. */
struct ls_store {
    const struct ls_store_ops *ops;
};

/* Thin calls of the operations above, for readability. */
enum ls_rc ls_store_probe(struct ls_store *s, struct ls_store_caps *out_caps, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_store_create(struct ls_store *s, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_store_head_many(struct ls_store *s, struct ls_store_head *items, size_t n, struct ls_err *err)
    LS_MUST_CHECK;
enum ls_rc ls_store_get(struct ls_store *s, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                        struct ls_object_info *out_info, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_store_put(struct ls_store *s, const struct ls_store_put *put, struct ls_object_info *out_info,
                        struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_store_copy_many(struct ls_store *s, struct ls_store_copy *items, size_t n, struct ls_err *err)
    LS_MUST_CHECK;
enum ls_rc ls_store_delete_many(struct ls_store *s, struct ls_store_delete *items, size_t n, struct ls_err *err)
    LS_MUST_CHECK;
enum ls_rc ls_store_list(struct ls_store *s, const struct ls_list_request *req, struct ls_list_page *out_page,
                         struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_store_abort_uploads(struct ls_store *s, const char *key, int64_t before_ns, struct ls_err *err)
    LS_MUST_CHECK;
enum ls_rc ls_store_url(struct ls_store *s, const char *key, char **out_url, struct ls_err *err) LS_MUST_CHECK;
/* LS_INVALID: expires_s is 0 or more than S3 allows. */
enum ls_rc ls_store_presign(struct ls_store *s, const char *key, unsigned expires_s, char **out_url, struct ls_err *err)
    LS_MUST_CHECK;
/* LS_UNSUPPORTED for a store that tells nobody of its changes. */
enum ls_rc ls_store_rules(struct ls_store *s, struct ls_store_rules *rules, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_store_follow(struct ls_store *s, const struct ls_store_follow *follow, struct ls_err *err) LS_MUST_CHECK;
/* Takes NULL. A decorator closes what it wraps. */
void ls_store_close(struct ls_store *s);

/* Conveniences built on the operations. */
/* One object: LS_NOT_FOUND when there is none. */
enum ls_rc ls_store_head_one(struct ls_store *s, const char *key, struct ls_object_info *out_info, struct ls_err *err)
    LS_MUST_CHECK;
/* Read a range into fd at the same offset (pwrite). */
enum ls_rc ls_store_get_fd(struct ls_store *s, const struct ls_store_get *get, int fd, struct ls_object_info *out_info,
                           struct ls_err *err) LS_MUST_CHECK;
/* The etag that an unconditional upload of these bytes will get on an MD5-etag store: MD5, or MD5 of the parts' MD5s
 * with "-<parts>" above caps->part_bytes. Also gives the whole MD5 and SHA-256 (each may be NULL). */
enum ls_rc ls_store_expected_etag(const struct ls_store_caps *caps, int fd, uint64_t size_bytes,
                                  char out_etag[LS_ETAG_MAX], uint8_t *out_md5, uint8_t *out_sha256, struct ls_err *err)
    LS_MUST_CHECK;
void ls_list_page_dispose(struct ls_list_page *page);

#endif
