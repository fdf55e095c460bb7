/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Copies on the server, many side by side.
 *
 * Decides: which objects are copied in parts, and what a refused copy says about the source. CopyObject may answer 200
 * and an error; s3_call_result looks for it.
 */
#include "store/s3_internal.h"

/* S3 allows 5 GiB in one copy; a server that copies much less than this in silence would look stalled. */
#define ONE_COPY_BYTES ((uint64_t)1024 * 1024 * 1024)

struct copy_run {
    struct ls_s3 *s3;
    struct ls_store_copy *items;
};

void s3_copy_source(struct ls_s3 *s3, struct s3_call *call, const char *from, const char *if_etag)
{
    LS_AUTO(ls_buf) struct ls_buf source = LS_BUF_INIT(LS_BUF_LINE);
    enum ls_rc rc = ls_buf_addf(&source, "/%s/", s3->bucket);
    if (rc == LS_OK)
        rc = ls_buf_add_urlenc(&source, from, strlen(from), true);
    if (rc != LS_OK && call->build_rc == LS_OK)
        call->build_rc = rc;
    s3_call_header(call, "x-amz-copy-source", "%s", source.data);
    if (if_etag != NULL)
        s3_call_header(call, "x-amz-copy-source-if-match", "\"%s\"", if_etag);
}

enum ls_rc s3_copy_class(enum ls_rc rc, const struct ls_store_copy *item, struct ls_err *err)
{
    char from[S3_SHOWN_KEY], to[S3_SHOWN_KEY], code[sizeof err->code];
    int status = err->http_status;

    if (rc != LS_NOT_FOUND && rc != LS_CONFLICT)
        return rc;
    memcpy(code, err->code, sizeof code);
    ls_err_set(err, rc, "store: COPY %s to %s: the source %s", s3_show_key(item->from, from), s3_show_key(item->to, to),
               rc == LS_NOT_FOUND ? "is gone" : "was changed meanwhile");
    memcpy(err->code, code, sizeof code);
    err->http_status = status;
    return rc;
}

static enum ls_rc copy_begin(void *ctx, size_t i, struct s3_call *call, struct ls_err *err)
{
    struct copy_run *run = ctx;
    struct ls_store_copy *item = &run->items[i];

    item->etag[0] = '\0';
    enum ls_rc rc = s3_check_key(item->from, err);
    if (rc == LS_OK)
        rc = s3_check_key(item->to, err);
    if (rc != LS_OK)
        return rc;
    if (item->size_bytes > ONE_COPY_BYTES)
        return LS_UNSUPPORTED; /* done afterwards, in parts */
    s3_call_begin(call, run->s3, "PUT", "COPY", "s3:GetObject and s3:PutObject", item->to);
    call->error_in_200 = true;
    s3_copy_source(run->s3, call, item->from, item->if_etag);
    if (item->meta != NULL) {
        s3_call_header(call, "x-amz-metadata-directive", "REPLACE");
        s3_meta_headers(call, item->meta);
    }
    return LS_OK;
}

static void copy_end(void *ctx, size_t i, struct s3_call *call, enum ls_rc rc, struct ls_err *err)
{
    struct copy_run *run = ctx;
    struct ls_store_copy *item = &run->items[i];
    char text[LS_ETAG_MAX + 8];

    if (rc == LS_OK) {
        rc = ls_s3_xml_value(call->http.out_body.data, call->http.out_body.len, "CopyObjectResult", "ETag", text,
                             sizeof text, err);
        if (rc == LS_OK)
            rc = ls_s3_etag_copy(text, strlen(text), item->etag);
        if (rc == LS_CORRUPT) { /* it said 200: HEAD will tell */
            char shown[S3_SHOWN_KEY];
            rc = ls_err_set(err, LS_OUTCOME_UNKNOWN, "store: COPY to %s: the answer has no etag",
                            s3_show_key(item->to, shown));
        }
    }
    item->rc = s3_copy_class(rc, item, err);
    item->err = *err;
    item->err.rc = item->rc;
}

enum ls_rc s3_copy(struct ls_store *store, struct ls_store_copy *items, size_t n, struct ls_err *err)
{
    struct copy_run run = {.s3 = (struct ls_s3 *)store, .items = items};
    struct s3_many many = {.n = n, .begin = copy_begin, .end = copy_end, .ctx = &run};

    enum ls_rc rc = s3_run_many(run.s3, &many, err);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (items[i].rc == LS_UNSUPPORTED && items[i].size_bytes > ONE_COPY_BYTES)
            s3_copy_parts(run.s3, &items[i]);
    for (size_t i = 0; i < n; i++) {
        if (items[i].rc == LS_OK || items[i].rc == LS_NOT_FOUND)
            continue;
        if (err != NULL)
            *err = items[i].err;
        return items[i].rc;
    }
    return LS_OK;
}
