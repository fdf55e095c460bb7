/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Uploads in parts: large puts straight from the file, large copies on the server, leftovers of both.
 *
 * create upload → parts, several at once, failed ones again → complete (the only step that makes the object visible)
 * Decides: the size of parts, how often a part is tried, and that an upload which cannot be completed is aborted at
 * once. When the answer to "complete" is lost the upload is left alone, because HEAD shall decide; abort_uploads
 * removes what remains. All but the HTTP client's own work runs in the caller's thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/s3_internal.h"

#define MAX_PARTS 10000u
#define MIB ((uint64_t)1024 * 1024)
#define COPY_PART_BYTES (256 * MIB)
#define PART_ROUNDS 4
#define ROUND_PAUSE_MS 200

struct part {
    char etag[LS_ETAG_MAX];
    uint8_t md5[LS_MD5_LEN]; /* of a put's part */
    enum ls_rc rc;
};

struct upload {
    struct ls_s3 *s3;
    const char *key;
    char id[LS_S3_ID_MAX];
    uint64_t size_bytes, part_bytes;
    struct part *parts;
    size_t n_parts;
    size_t *todo; /* indexes of the parts of this round */
    bool stopped; /* a part failed for good: send no more */
    struct ls_err err;

    /* where the bytes come from: a file, or another object */
    int fd;
    const char *from, *if_etag;
};

static enum ls_rc upload_open(struct upload *u, uint64_t size_bytes, uint64_t part_bytes, struct ls_err *err)
{
    while ((size_bytes + part_bytes - 1) / part_bytes > MAX_PARTS)
        part_bytes += MIB;
    u->size_bytes = size_bytes;
    u->part_bytes = part_bytes;
    u->n_parts = (size_t)((size_bytes + part_bytes - 1) / part_bytes);
    u->parts = calloc(u->n_parts, sizeof *u->parts);
    u->todo = calloc(u->n_parts, sizeof *u->todo);
    return u->parts != NULL && u->todo != NULL ? LS_OK : ls_err_nomem(err);
}

static void upload_dispose(struct upload *u)
{
    free(u->parts);
    free(u->todo);
}

/* --- begin, abort --- */

static enum ls_rc create_upload(struct upload *u, const struct ls_object_meta *meta, struct ls_err *err)
{
    LS_AUTO(s3_call) struct s3_call call;

    s3_call_init(&call);
    s3_call_begin(&call, u->s3, "POST", "PUT", "s3:PutObject", u->key);
    s3_call_query(&call, "uploads", "");
    s3_meta_headers(&call, meta);
    enum ls_rc rc = s3_call_run(u->s3, &call, err);
    if (rc == LS_OK)
        rc = ls_s3_xml_value(call.http.out_body.data, call.http.out_body.len, "InitiateMultipartUploadResult",
                             "UploadId", u->id, sizeof u->id, err);
    if (rc == LS_OUTCOME_UNKNOWN) { /* nothing is visible of it, whatever happened */
        rc = LS_TRANSIENT;
        if (err != NULL)
            err->rc = rc;
    }
    return rc;
}

static enum ls_rc abort_upload(struct ls_s3 *s3, const char *key, const char *id, struct ls_err *err)
{
    LS_AUTO(s3_call) struct s3_call call;

    s3_call_init(&call);
    s3_call_begin(&call, s3, "DELETE", "ABORT", "s3:AbortMultipartUpload", key);
    s3_call_query(&call, "uploadId", id);
    enum ls_rc rc = s3_call_run(s3, &call, err);
    return rc == LS_NOT_FOUND ? LS_OK : rc; /* gone already */
}

/* --- parts --- */

static enum ls_rc begin_put_part(struct upload *u, size_t i, struct s3_call *call, struct ls_err *err)
{
    uint64_t offset = i * u->part_bytes;
    uint64_t len = u->size_bytes - offset < u->part_bytes ? u->size_bytes - offset : u->part_bytes;
    uint8_t sha256[LS_SHA256_LEN];
    bool sign_bytes = !u->s3->tls;

    enum ls_rc rc = ls_hash_fd(u->fd, offset, len, u->parts[i].md5, sign_bytes ? sha256 : NULL, err);
    if (rc != LS_OK)
        return rc;
    s3_md5_header(call, u->parts[i].md5);
    s3_call_body_fd(call, u->fd, offset, len, sign_bytes ? sha256 : NULL);
    return LS_OK;
}

static void begin_copy_part(struct upload *u, size_t i, struct s3_call *call)
{
    uint64_t offset = i * u->part_bytes;
    uint64_t len = u->size_bytes - offset < u->part_bytes ? u->size_bytes - offset : u->part_bytes;

    call->error_in_200 = true;
    s3_copy_source(u->s3, call, u->from, u->if_etag);
    s3_call_header(call, "x-amz-copy-source-range", "bytes=%" PRIu64 "-%" PRIu64, offset, offset + len - 1);
}

static enum ls_rc part_begin(void *ctx, size_t i, struct s3_call *call, struct ls_err *err)
{
    struct upload *u = ctx;
    char number[16];
    size_t part = u->todo[i];

    if (u->stopped)
        return LS_CANCELLED;
    snprintf(number, sizeof number, "%zu", part + 1);
    s3_call_begin(call, u->s3, "PUT", u->from != NULL ? "COPY" : "PUT",
                  u->from != NULL ? "s3:GetObject and s3:PutObject" : "s3:PutObject", u->key);
    s3_call_query(call, "partNumber", number);
    s3_call_query(call, "uploadId", u->id);
    if (u->from == NULL)
        return begin_put_part(u, part, call, err);
    begin_copy_part(u, part, call);
    return LS_OK;
}

static enum ls_rc part_result(struct upload *u, struct part *part, struct s3_call *call, struct ls_err *err)
{
    if (u->from == NULL) {
        s3_answer_etag(&call->http, part->etag);
        return s3_check_etag(u->s3, "PUT", u->key, part->etag, part->md5, "", err);
    }
    char text[LS_ETAG_MAX + 8];
    enum ls_rc rc = ls_s3_xml_value(call->http.out_body.data, call->http.out_body.len, "CopyPartResult", "ETag", text,
                                    sizeof text, err);
    return rc == LS_OK ? ls_s3_etag_copy(text, strlen(text), part->etag) : rc;
}

static void part_end(void *ctx, size_t i, struct s3_call *call, enum ls_rc rc, struct ls_err *err)
{
    struct upload *u = ctx;
    struct part *part = &u->parts[u->todo[i]];

    if (rc == LS_OK)
        rc = part_result(u, part, call, err);
    if (rc == LS_OUTCOME_UNKNOWN) /* sending a part again replaces it */
        rc = LS_TRANSIENT;
    part->rc = rc;
    if (rc == LS_OK || rc == LS_CANCELLED)
        return;
    if (!u->stopped) {
        u->err = *err;
        u->err.rc = rc;
    }
    u->stopped |= rc != LS_TRANSIENT;
}

/* Send all parts; those that failed for the moment again, a few times. */
static enum ls_rc send_parts(struct upload *u, struct ls_err *err)
{
    size_t n = u->n_parts;
    for (size_t i = 0; i < n; i++)
        u->todo[i] = i;
    for (int round = 0; round < PART_ROUNDS; round++) {
        struct s3_many many = {.n = n, .begin = part_begin, .end = part_end, .ctx = u};
        if (round > 0)
            ls_sleep_ms(ROUND_PAUSE_MS << round);
        enum ls_rc rc = s3_run_many(u->s3, &many, err);
        if (rc != LS_OK)
            return rc;
        n = 0;
        for (size_t i = 0; i < u->n_parts; i++)
            if (u->parts[i].rc != LS_OK)
                u->todo[n++] = i;
        if (n == 0)
            return LS_OK;
        if (u->stopped)
            break;
    }
    if (err != NULL)
        *err = u->err;
    return u->err.rc;
}

/* --- complete --- */

static enum ls_rc write_complete(const struct upload *u, struct ls_buf *body)
{
    enum ls_rc rc = ls_buf_adds(body, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; rc == LS_OK && i < u->n_parts; i++)
        rc = ls_buf_addf(body, "<Part><PartNumber>%zu</PartNumber><ETag>\"%s\"</ETag></Part>", i + 1, u->parts[i].etag);
    return rc == LS_OK ? ls_buf_adds(body, "</CompleteMultipartUpload>") : rc;
}

/* put is NULL for a copy. */
static enum ls_rc complete_upload(struct upload *u, const struct ls_store_put *put, struct ls_object_info *out_info,
                                  char out_etag[LS_ETAG_MAX], struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf body = LS_BUF_INIT(LS_BUF_BODY);
    LS_AUTO(s3_call) struct s3_call call;
    char text[LS_ETAG_MAX + 8];

    s3_call_init(&call);
    if (write_complete(u, &body) != LS_OK)
        return ls_err_nomem(err);
    s3_call_begin(&call, u->s3, "POST", put != NULL ? "PUT" : "COPY", "s3:PutObject", u->key);
    s3_call_query(&call, "uploadId", u->id);
    s3_call_header(&call, "Content-Type", "application/xml");
    if (put != NULL && !atomic_load(&u->s3->no_conditions))
        s3_condition_headers(&call, put->condition, put->if_etag);
    call.error_in_200 = true;
    s3_call_body(&call, body.data, body.len);
    enum ls_rc rc = s3_call_run(u->s3, &call, err);
    if (rc != LS_OK)
        return put != NULL ? s3_condition_class(rc, &call, put->condition, err) : rc;
    rc = ls_s3_xml_value(call.http.out_body.data, call.http.out_body.len, "CompleteMultipartUploadResult", "ETag", text,
                         sizeof text, err);
    if (rc != LS_OK || ls_s3_etag_copy(text, strlen(text), out_etag) != LS_OK)
        return LS_OUTCOME_UNKNOWN;
    if (put != NULL)
        s3_put_info(&call.http, put, out_info);
    return LS_OK;
}

/* Everything after the upload was opened. */
static enum ls_rc run_upload(struct upload *u, const struct ls_object_meta *meta, const struct ls_store_put *put,
                             struct ls_object_info *out_info, char out_etag[LS_ETAG_MAX], struct ls_err *err)
{
    enum ls_rc rc = create_upload(u, meta, err);
    if (rc != LS_OK)
        return rc;
    rc = send_parts(u, err);
    if (rc == LS_OK)
        rc = complete_upload(u, put, out_info, out_etag, err);
    if (rc != LS_OK && rc != LS_OUTCOME_UNKNOWN)
        (void)!abort_upload(u->s3, u->key, u->id, NULL);
    return rc;
}

/* --- put --- */

static enum ls_rc check_whole_etag(struct upload *u, const char *etag, struct ls_err *err)
{
    uint8_t digest[LS_MD5_LEN];
    char suffix[16];
    struct ls_hash *hash = ls_hash_new(LS_HASH_MD5);
    if (hash == NULL)
        return ls_err_nomem(err);
    for (size_t i = 0; i < u->n_parts; i++)
        ls_hash_update(hash, u->parts[i].md5, LS_MD5_LEN);
    ls_hash_final(hash, digest);
    ls_hash_free(hash);
    snprintf(suffix, sizeof suffix, "-%zu", u->n_parts);
    return s3_check_etag(u->s3, "PUT", u->key, etag, digest, suffix, err);
}

enum ls_rc s3_put_parts(struct ls_s3 *s3, const struct ls_store_put *put, struct ls_object_info *out_info,
                        struct ls_err *err)
{
    struct upload u = {.s3 = s3, .key = put->key, .fd = put->fd};
    char etag[LS_ETAG_MAX] = "";

    enum ls_rc rc = upload_open(&u, put->size_bytes, s3->part_bytes, err);
    if (rc == LS_OK)
        rc = run_upload(&u, put->meta, put, out_info, etag, err);
    if (rc == LS_OK)
        rc = check_whole_etag(&u, etag, err);
    if (rc == LS_OK && out_info != NULL)
        memcpy(out_info->etag, etag, sizeof etag);
    upload_dispose(&u);
    return rc;
}

/* --- copy --- */

void s3_copy_parts(struct ls_s3 *s3, struct ls_store_copy *item)
{
    struct upload u = {.s3 = s3, .key = item->to, .fd = -1, .from = item->from, .if_etag = item->if_etag};
    struct ls_store_head source = {.key = item->from};
    struct ls_err err = LS_ERR_INIT;

    enum ls_rc rc = s3_head(&s3->base, &source, 1, &err);
    if (rc == LS_OK && source.rc != LS_OK) {
        rc = source.rc;
        err = source.err;
    }
    if (rc == LS_OK && item->if_etag == NULL)
        u.if_etag = source.info.etag; /* parts of two versions must not meet */
    if (rc == LS_OK)
        rc = upload_open(&u, source.info.size_bytes, COPY_PART_BYTES, &err);
    if (rc == LS_OK)
        rc = run_upload(&u, item->meta != NULL ? item->meta : &source.info.meta, NULL, NULL, item->etag, &err);
    upload_dispose(&u);
    item->rc = s3_copy_class(rc, item, &err);
    item->err = err;
    item->err.rc = item->rc;
}

/* --- leftovers --- */

struct leftovers {
    const char *key;
    int64_t before_ns;
    struct ls_buf ids; /* NUL-terminated */
    enum ls_rc rc;
};

static bool is_key(const char *text, const char *key)
{
    LS_AUTO(ls_buf) struct ls_buf plain = LS_BUF_INIT(LS_BUF_LINE);
    if (strcmp(text, key) == 0)
        return true;
    return ls_buf_add_urldec(&plain, text, strlen(text), true) == LS_OK && strcmp(plain.data, key) == 0;
}

static void note_leftover(void *ctx, const char *key, const char *upload_id, int64_t initiated_ns)
{
    struct leftovers *left = ctx;
    if (left->rc == LS_OK && initiated_ns < left->before_ns && upload_id[0] != '\0' && is_key(key, left->key))
        left->rc = ls_buf_add(&left->ids, upload_id, strlen(upload_id) + 1);
}

/* Collect the ids page by page. MinIO lists uploads only for a prefix that is exactly the object's key. */
static enum ls_rc find_leftovers(struct ls_s3 *s3, struct leftovers *left, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_s3_uploads *page = calloc(2, sizeof *page); /* this one and the one before */
    if (page == NULL)
        return ls_err_nomem(err);
    do {
        LS_AUTO(s3_call) struct s3_call call;
        s3_call_init(&call);
        s3_call_begin(&call, s3, "GET", "LIST", "s3:ListBucketMultipartUploads", NULL);
        s3_call_query(&call, "uploads", "");
        s3_call_query(&call, "encoding-type", "url");
        s3_call_query(&call, "prefix", left->key);
        if (page[0].truncated) {
            s3_call_query(&call, "key-marker", left->key);
            s3_call_query(&call, "upload-id-marker", page[0].next_id);
        }
        call.http.out_body.max = LS_BUF_BODY;
        page[1] = page[0];
        enum ls_rc rc = s3_call_run(s3, &call, err);
        if (rc == LS_OK)
            rc = ls_s3_xml_uploads(call.http.out_body.data, call.http.out_body.len, note_leftover, left, &page[0], err);
        if (rc != LS_OK)
            return rc;
        if (left->rc != LS_OK)
            return ls_err_nomem(err);
        if (page[0].truncated && page[1].truncated && strcmp(page[0].next_id, page[1].next_id) == 0)
            return ls_err_set(err, LS_CORRUPT, "store: LIST: the server repeats a page of uploads");
        if (page[0].truncated && !is_key(page[0].next_key, left->key))
            return LS_OK; /* what follows is of other keys */
    } while (page[0].truncated);
    return LS_OK;
}

enum ls_rc s3_abort_uploads(struct ls_store *store, const char *key, int64_t before_ns, struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;
    struct leftovers left = {.key = key, .before_ns = before_ns};

    enum ls_rc rc = s3_check_key(key, err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&left.ids, LS_BUF_BODY);
    rc = find_leftovers(s3, &left, err);
    for (size_t at = 0; rc == LS_OK && at < left.ids.len; at += strlen(left.ids.data + at) + 1)
        rc = abort_upload(s3, key, left.ids.data + at, err);
    ls_buf_dispose(&left.ids);
    return rc;
}
