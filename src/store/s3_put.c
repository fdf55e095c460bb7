/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing one object in one request.
 *
 * Decides: both digests are always known before the first byte leaves (MD5 so that the server and the returned etag
 * check the bytes, SHA-256 for the signature over http), and how a refused condition is classed. A server that the
 * probe found not to know conditions is asked by HEAD before; the engine's claims cover the moment between.
 */
#include <stdio.h>

#include "base/clock.h"
#include "store/s3_internal.h"

void s3_condition_headers(struct s3_call *call, enum ls_put_condition condition, const char *if_etag)
{
    if (condition == LS_PUT_IF_NEW)
        s3_call_header(call, "If-None-Match", "*");
    else if (condition == LS_PUT_IF_ETAG)
        s3_call_header(call, "If-Match", "\"%s\"", if_etag);
}

static enum ls_rc not_new(const char *key, struct ls_err *err)
{
    char shown[S3_SHOWN_KEY];
    return ls_err_set(err, LS_EXISTS, "store: PUT %s: there is an object with this key already",
                      s3_show_key(key, shown));
}

static enum ls_rc not_the_same(const char *key, struct ls_err *err)
{
    char shown[S3_SHOWN_KEY];
    return ls_err_set(err, LS_CONFLICT, "store: PUT %s: the object was changed or removed meanwhile",
                      s3_show_key(key, shown));
}

enum ls_rc s3_condition_class(enum ls_rc rc, const struct s3_call *call, enum ls_put_condition condition,
                              struct ls_err *err)
{
    int status = call->http.rc == LS_OK ? call->http.status : 0;
    if (rc == LS_CONFLICT && condition == LS_PUT_IF_NEW && (status == 412 || status == 409))
        rc = not_new(call->key, err);
    else if ((rc == LS_CONFLICT || rc == LS_NOT_FOUND) && condition == LS_PUT_IF_ETAG)
        rc = not_the_same(call->key, err);
    else
        return rc;
    if (err != NULL)
        err->http_status = status;
    return rc;
}

enum ls_rc s3_check_condition(struct ls_s3 *s3, const struct ls_store_put *put, struct ls_err *err)
{
    struct ls_store_head head = {.key = put->key};

    if (put->condition == LS_PUT_ALWAYS || !atomic_load(&s3->no_conditions))
        return LS_OK;
    enum ls_rc rc = s3_head(&s3->base, &head, 1, err);
    if (rc != LS_OK)
        return rc;
    if (put->condition == LS_PUT_IF_NEW)
        return head.rc == LS_OK ? not_new(put->key, err) : LS_OK;
    if (head.rc != LS_OK || strcmp(head.info.etag, put->if_etag) != 0)
        return not_the_same(put->key, err);
    return LS_OK;
}

void s3_put_info(const struct ls_http_request *http, const struct ls_store_put *put, struct ls_object_info *out_info)
{
    char date[64];

    if (out_info == NULL)
        return;
    memset(out_info, 0, sizeof *out_info);
    out_info->size_bytes = put->size_bytes;
    if (put->meta != NULL)
        out_info->meta = *put->meta;
    /* S3 does not tell Last-Modified here; the answer's date is at most a moment later. */
    if (!ls_http_header(http, "date", date, sizeof date) || ls_time_parse_http(date, &out_info->modified_ns) != LS_OK)
        out_info->modified_ns = ls_now_ns();
}

enum ls_rc s3_check_etag(struct ls_s3 *s3, const char *verb, const char *key, const char *got, const uint8_t *md5,
                         const char *suffix, struct ls_err *err)
{
    char want[LS_ETAG_MAX], hex[LS_MD5_HEX], shown[S3_SHOWN_KEY];

    if (!atomic_load(&s3->etag_is_md5))
        return LS_OK;
    ls_hex(md5, LS_MD5_LEN, hex);
    snprintf(want, sizeof want, "%s%s", hex, suffix);
    if (strcmp(got, want) == 0)
        return LS_OK;
    return ls_err_set(err, LS_CORRUPT, "store: %s %s: the store has MD5 %s and was sent %s", verb,
                      s3_show_key(key, shown), got, want);
}

void s3_md5_header(struct s3_call *call, const uint8_t md5[LS_MD5_LEN])
{
    char text[4 * ((LS_MD5_LEN + 2) / 3) + 1];
    ls_base64(md5, LS_MD5_LEN, text);
    s3_call_header(call, "Content-MD5", "%s", text);
}

static enum ls_rc put_whole(struct ls_s3 *s3, const struct ls_store_put *put, struct ls_object_info *out_info,
                            struct ls_err *err)
{
    LS_AUTO(s3_call) struct s3_call call;
    uint8_t md5_here[LS_MD5_LEN], sha_here[LS_SHA256_LEN];
    const uint8_t *md5 = put->md5, *sha256 = put->sha256;
    char etag[LS_ETAG_MAX];

    s3_call_init(&call);
    bool need_sha = sha256 == NULL && !s3->tls;
    if (md5 == NULL || need_sha) {
        enum ls_rc rc =
            ls_hash_fd(put->fd, 0, put->size_bytes, md5 == NULL ? md5_here : NULL, need_sha ? sha_here : NULL, err);
        if (rc != LS_OK)
            return rc;
        md5 = md5 == NULL ? md5_here : md5;
        sha256 = need_sha ? sha_here : sha256;
    }
    s3_call_begin(&call, s3, "PUT", "PUT", "s3:PutObject", put->key);
    s3_md5_header(&call, md5);
    s3_meta_headers(&call, put->meta);
    if (!atomic_load(&s3->no_conditions))
        s3_condition_headers(&call, put->condition, put->if_etag);
    s3_call_body_fd(&call, put->fd, 0, put->size_bytes, s3->tls ? NULL : sha256);
    enum ls_rc rc = s3_call_run(s3, &call, err);
    if (rc != LS_OK)
        return s3_condition_class(rc, &call, put->condition, err);
    s3_answer_etag(&call.http, etag);
    s3_put_info(&call.http, put, out_info);
    if (out_info != NULL)
        memcpy(out_info->etag, etag, sizeof etag);
    return s3_check_etag(s3, "PUT", put->key, etag, md5, "", err);
}

enum ls_rc s3_put(struct ls_store *store, const struct ls_store_put *put, struct ls_object_info *out_info,
                  struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;

    enum ls_rc rc = s3_check_key(put->key, err);
    if (rc == LS_OK)
        rc = s3_check_condition(s3, put, err);
    if (rc != LS_OK)
        return rc;
    return put->size_bytes > s3->part_bytes ? s3_put_parts(s3, put, out_info, err) : put_whole(s3, put, out_info, err);
}
