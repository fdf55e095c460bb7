/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading: HEAD of many objects, GET of a range of one.
 *
 * Decides: what a 404 without a code means (the bucket is asked once), that fewer bytes than announced are LS_CORRUPT,
 * and that a whole object's bytes must have the MD5 of its etag where the etag is one. The sink runs in the HTTP
 * client's I/O thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/s3_internal.h"

/* --- head --- */

struct head_run {
    struct ls_s3 *s3;
    struct ls_store_head *items;
    bool unsure; /* a 404 that may be the bucket's */
};

static bool is_unsure(const struct ls_store_head *item)
{
    return item->rc == LS_NOT_FOUND && strcmp(item->err.code, "NoSuchKey") != 0;
}

static enum ls_rc head_begin(void *ctx, size_t i, struct s3_call *call, struct ls_err *err)
{
    struct head_run *run = ctx;
    enum ls_rc rc = s3_check_key(run->items[i].key, err);
    if (rc == LS_OK)
        s3_call_begin(call, run->s3, "HEAD", "HEAD", "s3:GetObject", run->items[i].key);
    return rc;
}

static void head_end(void *ctx, size_t i, struct s3_call *call, enum ls_rc rc, struct ls_err *err)
{
    struct head_run *run = ctx;
    struct ls_store_head *item = &run->items[i];

    memset(&item->info, 0, sizeof item->info);
    if (rc == LS_OK)
        rc = s3_meta_info(&call->http, &item->info, err);
    item->rc = rc;
    item->err = *err;
    item->err.rc = rc;
    run->unsure |= is_unsure(item);
}

/* Some server said 404 and no more: was it the bucket? */
static void resolve_unsure(struct head_run *run, size_t n)
{
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = s3_bucket_head(run->s3, &err);
    if (rc == LS_OK || rc == LS_DENIED) /* there; or it may not be listed, but its objects may be read */
        return;
    for (size_t i = 0; i < n; i++) {
        if (!is_unsure(&run->items[i]))
            continue;
        run->items[i].rc = rc == LS_NOT_FOUND ? LS_IO : rc;
        run->items[i].err = err;
        run->items[i].err.rc = run->items[i].rc;
    }
}

enum ls_rc s3_head(struct ls_store *store, struct ls_store_head *items, size_t n, struct ls_err *err)
{
    struct head_run run = {.s3 = (struct ls_s3 *)store, .items = items};
    struct s3_many many = {.n = n, .begin = head_begin, .end = head_end, .ctx = &run};

    enum ls_rc rc = s3_run_many(run.s3, &many, err);
    if (rc != LS_OK)
        return rc;
    if (run.unsure)
        resolve_unsure(&run, n);
    for (size_t i = 0; i < n; i++) {
        if (items[i].rc == LS_OK || items[i].rc == LS_NOT_FOUND)
            continue;
        if (err != NULL)
            *err = items[i].err;
        return items[i].rc;
    }
    return LS_OK;
}

/* --- get --- */

struct get_run {
    struct ls_s3 *s3;
    const struct ls_store_get *get;
    struct ls_http_request *http;
    ls_store_sink sink;
    void *ctx;
    bool ranged; /* a Range header was sent */
    bool opened; /* info is filled */
    struct ls_object_info info;
    struct ls_object_info *out_info; /* may be NULL */
    uint64_t expected;               /* bytes */
    int64_t begun_ms, until_ms;      /* monotonic; until is known with the headers */
    struct ls_hash *md5;             /* of a whole object whose etag is one, else NULL */
    enum ls_rc rc;                   /* what the sink or the headers said */
    struct ls_err err;
};

/* "bytes 0-9/100" */
static enum ls_rc check_range(struct get_run *run)
{
    char text[96];
    uint64_t first, last, total;
    int end = 0;

    if (!ls_http_header(run->http, "content-range", text, sizeof text) ||
        sscanf(text, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64 "%n", &first, &last, &total, &end) != 3 ||
        text[end] != '\0' || first != run->get->offset || last < first || last >= total)
        return ls_err_set(&run->err, LS_CORRUPT, "the answer is not the range that was asked for");
    uint64_t want = total - first < run->get->len ? total - first : run->get->len;
    if (last - first + 1 != want || run->info.size_bytes != want)
        return ls_err_set(&run->err, LS_CORRUPT, "the answer is not as long as the range that was asked for");
    run->expected = want;
    run->info.size_bytes = total;
    return LS_OK;
}

/* Read the headers before the first byte is passed on. */
static enum ls_rc open_body(struct get_run *run)
{
    run->opened = true;
    enum ls_rc rc = s3_meta_info(run->http, &run->info, &run->err);
    if (rc != LS_OK)
        return rc;
    run->expected = run->info.size_bytes;
    if (run->http->status == 206)
        rc = check_range(run);
    else if (run->ranged && (run->get->offset > 0 || run->get->len < run->info.size_bytes))
        rc = ls_err_set(&run->err, LS_UNSUPPORTED, "the server does not know ranges");
    if (rc != LS_OK)
        return rc;
    run->until_ms = run->begun_ms + run->s3->deadline_ms + (int64_t)(run->expected / S3_SLOWEST_BYTES_PER_MS);
    if (run->out_info != NULL)
        *run->out_info = run->info;
    if (run->http->status == 200 && atomic_load(&run->s3->etag_is_md5) && s3_etag_looks_md5(run->info.etag))
        run->md5 = ls_hash_new(LS_HASH_MD5);
    return LS_OK;
}

static enum ls_rc take_body(void *ctx, const void *data, size_t len)
{
    struct get_run *run = ctx;
    if (!run->opened)
        run->rc = open_body(run);
    if (run->rc == LS_OK && ls_monotonic_ms() > run->until_ms)
        run->rc = ls_err_set(&run->err, LS_TRANSIENT, "the server sends too slowly");
    if (run->rc == LS_OK && run->md5 != NULL)
        ls_hash_update(run->md5, data, len);
    if (run->rc == LS_OK) {
        run->rc = run->sink(run->ctx, data, len);
        if (run->rc != LS_OK)
            ls_err_set(&run->err, run->rc, "the receiver stopped the transfer");
    }
    return run->rc;
}

static enum ls_rc check_md5(struct get_run *run)
{
    uint8_t digest[LS_MD5_LEN];
    char hex[LS_MD5_HEX];
    if (run->md5 == NULL)
        return LS_OK;
    ls_hash_final(run->md5, digest);
    ls_hex(digest, sizeof digest, hex);
    if (strcmp(hex, run->info.etag) == 0)
        return LS_OK;
    return ls_err_set(&run->err, LS_CORRUPT, "the bytes that came have MD5 %s and should have %s", hex, run->info.etag);
}

/* The class of a finished transfer whose answer was a 2xx. */
static enum ls_rc finish_body(struct get_run *run)
{
    if (run->rc == LS_OK && !run->opened)
        run->rc = open_body(run);
    if (run->rc == LS_OK && run->http->body_received != run->expected)
        run->rc = ls_err_set(&run->err, LS_CORRUPT, "only %" PRIu64 " of %" PRIu64 " bytes came",
                             run->http->body_received, run->expected);
    return run->rc == LS_OK ? check_md5(run) : run->rc;
}

/* No bytes: the range is empty, or the server says that it begins past the end. */
static enum ls_rc get_nothing(struct ls_s3 *s3, const struct ls_store_get *get, struct ls_object_info *out_info,
                              struct ls_err *err)
{
    struct ls_store_head head = {.key = get->key};
    enum ls_rc rc = s3_head(&s3->base, &head, 1, err);
    if (rc == LS_OK && head.rc != LS_OK) {
        rc = head.rc;
        if (err != NULL)
            *err = head.err;
    }
    if (rc != LS_OK)
        return rc;
    char shown[S3_SHOWN_KEY];
    if (get->if_match != NULL && strcmp(get->if_match, head.info.etag) != 0)
        return ls_err_set(err, LS_CONFLICT, "store: GET %s: it was changed meanwhile", s3_show_key(get->key, shown));
    if (get->offset > 0 && get->offset >= head.info.size_bytes)
        return ls_err_set(err, LS_INVALID, "store: GET %s: byte %" PRIu64 " is past its end, it has %" PRIu64,
                          s3_show_key(get->key, shown), get->offset, head.info.size_bytes);
    if (get->len > 0 && get->offset < head.info.size_bytes)
        return ls_err_set(err, LS_CORRUPT, "store: GET %s: the server refuses a range that is there",
                          s3_show_key(get->key, shown));
    if (out_info != NULL)
        *out_info = head.info;
    return LS_OK;
}

/* A 404: the object's, or the bucket's? */
static enum ls_rc resolve_get(struct ls_s3 *s3, struct ls_err *err)
{
    if (err == NULL || strcmp(err->code, "NoSuchKey") == 0)
        return LS_NOT_FOUND;
    struct ls_err of_bucket = LS_ERR_INIT;
    enum ls_rc rc = s3_bucket_head(s3, &of_bucket);
    if (rc == LS_OK || rc == LS_DENIED)
        return LS_NOT_FOUND;
    *err = of_bucket;
    return err->rc = rc == LS_NOT_FOUND ? LS_IO : rc;
}

static void build_get(struct ls_s3 *s3, struct s3_call *call, const struct ls_store_get *get)
{
    s3_call_begin(call, s3, "GET", "GET", "s3:GetObject", get->key);
    if (get->if_match != NULL)
        s3_call_header(call, "If-Match", "\"%s\"", get->if_match);
    if (get->len != UINT64_MAX && get->len <= UINT64_MAX - get->offset)
        s3_call_header(call, "Range", "bytes=%" PRIu64 "-%" PRIu64, get->offset, get->offset + get->len - 1);
    else if (get->offset > 0)
        s3_call_header(call, "Range", "bytes=%" PRIu64 "-", get->offset);
}

enum ls_rc s3_get(struct ls_store *store, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                  struct ls_object_info *out_info, struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;
    struct ls_err own = LS_ERR_INIT;
    LS_AUTO(s3_call) struct s3_call call;
    struct get_run run = {.s3 = s3, .get = get, .http = &call.http, .sink = sink, .ctx = ctx, .out_info = out_info};

    s3_call_init(&call);
    err = err != NULL ? err : &own; /* its code is looked at */
    enum ls_rc rc = s3_check_key(get->key, err);
    if (rc != LS_OK)
        return rc;
    if (get->len == 0)
        return get_nothing(s3, get, out_info, err);
    build_get(s3, &call, get);
    run.ranged = call.n_headers > (get->if_match != NULL ? 1u : 0u);
    call.http.sink = take_body;
    call.http.sink_ctx = &run;
    run.begun_ms = ls_monotonic_ms();
    rc = s3_call_run(s3, &call, err);
    int status = call.http.status;
    bool body_began = call.http.body_received > 0;
    if (call.http.rc == LS_OK && status == 416)
        return get_nothing(s3, get, out_info, err);
    if (status / 100 == 2 && (rc == LS_OK || (body_began && rc != LS_CANCELLED))) {
        char shown[S3_SHOWN_KEY];
        rc = finish_body(&run);
        if (rc != LS_OK)
            ls_err_set(err, rc, "store: GET %s: %s", s3_show_key(get->key, shown), run.err.text);
    }
    ls_hash_free(run.md5);
    return rc == LS_NOT_FOUND ? resolve_get(s3, err) : rc;
}
