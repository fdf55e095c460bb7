/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the s3 store share.
 *
 *   s3.c        open, close, url, the operations' table
 *   s3_call.c   one signed request: build, sign, send, send again where the server says so; many side by side
 *   s3_error.c  an answer's class and text
 *   s3_meta.c   metadata ↔ headers
 *   s3_bucket.c probe, create
 *   s3_read.c   head, get        s3_put.c    put
 *   s3_copy.c   copy             s3_parts.c  uploads in parts (put and copy), abort
 *   s3_delete.c delete           s3_list.c   list        s3_list_end.c  is a listing really over?
 *   s3_notify.c rules, follow
 */
#ifndef LOCKSTEP_STORE_S3_INTERNAL_H
#define LOCKSTEP_STORE_S3_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/auto.h"
#include "http/http.h"
#include "store/backends.h"
#include "store/s3_xml.h"
#include "store/sigv4.h"

struct ls_s3 {
    struct ls_store base;
    struct ls_http *http;

    /* constant after open */
    char *origin; /* "http://host:port" */
    char *host;   /* "host:port", as the Host header has it */
    char *bucket;
    char *access_key, *secret_key, *session_token; /* token may be NULL */
    char *public_url;                              /* prefix of object urls, no slash at the end */
    bool tls;
    int64_t deadline_ms;
    unsigned max_connections;
    uint64_t part_bytes;

    /* what probe found; both false until then */
    atomic_bool etag_is_md5;
    atomic_bool no_conditions; /* the server does not honour If-Match and If-None-Match of a PUT */

    pthread_mutex_t lock;
    char region[64];             /* by lock: a server may teach us another one */
    struct ls_sigv4_scope scope; /* by lock: today's signing key for region; empty date = none yet */
};

/* --- one request (s3_call.c) --- */

#define S3_MAX_HEADERS 32
#define S3_SLOWEST_BYTES_PER_MS 64 /* what a body's size adds to the deadline of a request */

struct s3_call {
    struct ls_http_request http;
    const char *verb;   /* for people: "PUT", "COPY", "LIST" */
    const char *action; /* the permission it needs: "s3:PutObject" */
    const char *key;    /* borrowed; NULL for the bucket */
    bool error_in_200;  /* a 2xx answer may hold an <Error> */

    struct ls_buf path, query, url; /* percent-encoded */
    struct {
        const char *name; /* a literal */
        size_t value_at;  /* in values */
    } headers[S3_MAX_HEADERS];
    size_t n_headers;
    struct ls_buf values; /* header values, NUL-terminated */
    struct ls_buf lines;  /* "Name: value", NUL-terminated, as sent */
    const char *line_list[S3_MAX_HEADERS + 8];
    char payload_hash[LS_SHA256_HEX];
    enum ls_rc build_rc; /* first failure while it was built */
    unsigned hops;       /* times it was signed anew */

    struct s3_call *next_done; /* in a run of many: finished, not yet looked at */
    void *run;
    size_t index;
};

void s3_call_init(struct s3_call *call);
void s3_call_dispose(struct s3_call *call);
static inline void s3_call_auto(struct s3_call *call) { s3_call_dispose(call); }

/* Begin a request (memory of the one before is used again). key NULL = the bucket. */
void s3_call_begin(struct s3_call *call, struct ls_s3 *s3, const char *method, const char *verb, const char *action,
                   const char *key);
/* Add a query parameter; value NULL = just the name. Names are literals, values get encoded. */
void s3_call_query(struct s3_call *call, const char *name, const char *value);
/* An address of an object that anybody can GET for expires_s seconds; heap. */
enum ls_rc s3_presign(struct ls_s3 *s3, const char *key, unsigned expires_s, char **out_url, struct ls_err *err)
    LS_MUST_CHECK;
/* Add a signed header. name is a literal. */
void s3_call_header(struct s3_call *call, const char *name, const char *fmt, ...) LS_PRINTF(3, 4);
/* Send these bytes (borrowed). */
void s3_call_body(struct s3_call *call, const void *data, size_t len);
/* Send a range of a file; sha256 may be NULL where S3 allows an unsigned payload (https). */
void s3_call_body_fd(struct s3_call *call, int fd, uint64_t offset, uint64_t len, const uint8_t *sha256);

/* Sign, send, wait, send again where the server asks for another region; then class the answer. */
enum ls_rc s3_call_run(struct ls_s3 *s3, struct s3_call *call, struct ls_err *err) LS_MUST_CHECK;

/* Run n requests, several at once. begin builds the i-th (non-OK: not sent, end is called with it); end gets its
 * result. Both are called in the caller's thread. Returns LS_NO_MEMORY when nothing could be run. */
struct s3_many {
    size_t n;
    enum ls_rc (*begin)(void *ctx, size_t i, struct s3_call *call, struct ls_err *err);
    void (*end)(void *ctx, size_t i, struct s3_call *call, enum ls_rc rc, struct ls_err *err);
    void *ctx;
};
enum ls_rc s3_run_many(struct ls_s3 *s3, const struct s3_many *many, struct ls_err *err) LS_MUST_CHECK;

/* LS_INVALID for a key that S3 cannot have. */
enum ls_rc s3_check_key(const char *key, struct ls_err *err) LS_MUST_CHECK;

/* --- classes and texts (s3_error.c) --- */

/* The class of a finished request; writes the text. */
enum ls_rc s3_call_result(struct ls_s3 *s3, struct s3_call *call, struct ls_err *err);
/* The class of an S3 error code with its status (0 = unknown, as in DeleteObjects). `repeatable`: a 500 did no harm. */
enum ls_rc s3_code_class(int status, const char *code, bool repeatable);
/* Write the text for an S3 error: "store: PUT key: 403 AccessDenied (…)". */
enum ls_rc s3_error_text(struct ls_s3 *s3, enum ls_rc rc, const char *verb, const char *action, const char *key,
                         int status, const struct ls_s3_error *error, struct ls_err *err);
/* A key for a message: long ones with their middle left out. */
#define S3_SHOWN_KEY 320
const char *s3_show_key(const char *key, char out[S3_SHOWN_KEY]);

/* --- metadata (s3_meta.c) --- */

void s3_meta_headers(struct s3_call *call, const struct ls_object_meta *meta);
/* Size, etag, Last-Modified and metadata from an answer's headers. */
enum ls_rc s3_meta_info(const struct ls_http_request *http, struct ls_object_info *out_info, struct ls_err *err)
    LS_MUST_CHECK;
/* True when it is 32 hexadecimal digits. */
bool s3_etag_looks_md5(const char *etag);
/* The answer's etag header, without quotes; "" when absent or too long. */
void s3_answer_etag(const struct ls_http_request *http, char out[LS_ETAG_MAX]);

/* --- operations --- */

enum ls_rc s3_probe(struct ls_store *store, struct ls_store_caps *out_caps, struct ls_err *err);
enum ls_rc s3_create(struct ls_store *store, struct ls_err *err);
/* LS_NOT_FOUND when the bucket is not there. */
enum ls_rc s3_bucket_head(struct ls_s3 *s3, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc s3_head(struct ls_store *store, struct ls_store_head *items, size_t n, struct ls_err *err);
enum ls_rc s3_get(struct ls_store *store, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                  struct ls_object_info *out_info, struct ls_err *err);
enum ls_rc s3_put(struct ls_store *store, const struct ls_store_put *put, struct ls_object_info *out_info,
                  struct ls_err *err);
enum ls_rc s3_copy(struct ls_store *store, struct ls_store_copy *items, size_t n, struct ls_err *err);
enum ls_rc s3_remove(struct ls_store *store, struct ls_store_delete *items, size_t n, struct ls_err *err);
enum ls_rc s3_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *out_page,
                   struct ls_err *err);
enum ls_rc s3_abort_uploads(struct ls_store *store, const char *key, int64_t before_ns, struct ls_err *err);
enum ls_rc s3_rules(struct ls_store *store, struct ls_store_rules *rules, struct ls_err *err);
enum ls_rc s3_follow(struct ls_store *store, const struct ls_store_follow *follow, struct ls_err *err);
/* Add text to a document. */
enum ls_rc s3_add_xml_text(struct ls_buf *out, const char *text) LS_MUST_CHECK;

/* --- pieces of the listing --- */

/* One ListObjectsV2. server_token NULL: from start_after ("" = the start). */
enum ls_rc s3_list_query(struct ls_s3 *s3, const char *prefix, const char *start_after, const char *server_token,
                         unsigned limit, struct ls_s3_list *out_list, struct ls_err *err) LS_MUST_CHECK;
/* The server says that the listing is over with this page, which began after `after` or (by_token) at a token. Make
 * sure: what was left out is appended up to `limit`, and out_goes_on says that there may be more. (s3_list_end.c) */
enum ls_rc s3_list_end(struct ls_s3 *s3, const char *prefix, const char *after, bool by_token, unsigned limit,
                       struct ls_list_page *page, bool *out_goes_on, struct ls_err *err) LS_MUST_CHECK;

/* --- pieces of put and copy that the uploads in parts use as well --- */

/* Add If-None-Match or If-Match as the put asks. */
void s3_condition_headers(struct s3_call *call, enum ls_put_condition condition, const char *if_etag);
/* The class of a refused condition: LS_EXISTS where the name had to be new. */
enum ls_rc s3_condition_class(enum ls_rc rc, const struct s3_call *call, enum ls_put_condition condition,
                              struct ls_err *err);
/* Where the server does not know conditions: look by HEAD. */
enum ls_rc s3_check_condition(struct ls_s3 *s3, const struct ls_store_put *put, struct ls_err *err) LS_MUST_CHECK;
/* What is known of an object after it was put, but its etag. */
void s3_put_info(const struct ls_http_request *http, const struct ls_store_put *put, struct ls_object_info *out_info);
/* Where etags are MD5s: the one that came must be the md5's with the suffix ("" or "-3"). */
enum ls_rc s3_check_etag(struct ls_s3 *s3, const char *verb, const char *key, const char *got, const uint8_t *md5,
                         const char *suffix, struct ls_err *err) LS_MUST_CHECK;
void s3_md5_header(struct s3_call *call, const uint8_t md5[LS_MD5_LEN]);
/* Add x-amz-copy-source and its precondition. */
void s3_copy_source(struct ls_s3 *s3, struct s3_call *call, const char *from, const char *if_etag);
/* Say what LS_NOT_FOUND and LS_CONFLICT mean for a copy: the source. */
enum ls_rc s3_copy_class(enum ls_rc rc, const struct ls_store_copy *item, struct ls_err *err);

/* --- uploads in parts (s3_parts.c) --- */

/* Put in parts: put->size_bytes > 0. */
enum ls_rc s3_put_parts(struct ls_s3 *s3, const struct ls_store_put *put, struct ls_object_info *out_info,
                        struct ls_err *err) LS_MUST_CHECK;
/* Copy in parts; item->rc, etag and err are set. */
void s3_copy_parts(struct ls_s3 *s3, struct ls_store_copy *item);

#endif
