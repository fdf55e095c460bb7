/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bucket itself: is it there, what can the server do, make it.
 *
 * Whether PUT honours If-None-Match and If-Match is tried on a real object under a random name, because servers that do
 * not know them just overwrite. Credentials that may only read get a store without conditional writes, not an error.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/s3_internal.h"

#define CLAIMED_ETAG "00000000000000000000000000000000"

enum ls_rc s3_bucket_head(struct ls_s3 *s3, struct ls_err *err)
{
    LS_AUTO(s3_call) struct s3_call call;
    s3_call_init(&call);
    s3_call_begin(&call, s3, "HEAD", "HEAD", "s3:ListBucket", NULL);
    enum ls_rc rc = s3_call_run(s3, &call, err);
    if (call.http.rc == LS_OK && call.http.status == 404)
        return ls_err_set(err, LS_NOT_FOUND, "store: there is no bucket %s at %s", s3->bucket, s3->origin);
    return rc;
}

/* PUT a few bytes under a condition (header NULL = none); the status, or 0 and the failure. */
static int probe_put(struct ls_s3 *s3, const char *key, const char *body, const char *header, const char *value,
                     char out_etag[LS_ETAG_MAX], enum ls_rc *out_rc, struct ls_err *err)
{
    LS_AUTO(s3_call) struct s3_call call;
    s3_call_init(&call);
    s3_call_begin(&call, s3, "PUT", "PUT", "s3:PutObject", key);
    s3_call_header(&call, header, "%s", value);
    s3_call_body(&call, body, strlen(body));
    *out_rc = s3_call_run(s3, &call, err);
    s3_answer_etag(&call.http, out_etag);
    return call.http.rc == LS_OK ? call.http.status : 0;
}

static void probe_clean(struct ls_s3 *s3, const char *key)
{
    LS_AUTO(s3_call) struct s3_call call;
    s3_call_init(&call);
    s3_call_begin(&call, s3, "DELETE", "DELETE", "s3:DeleteObject", key);
    (void)!s3_call_run(s3, &call, NULL);
}

static bool refused(int status) { return status == 412 || status == 409; }

/* A failure that says nothing about what the server can do. */
static bool is_passing(enum ls_rc rc)
{
    return rc == LS_TRANSIENT || rc == LS_OUTCOME_UNKNOWN || rc == LS_NO_MEMORY || rc == LS_CANCELLED;
}

static enum ls_rc probe_conditions(struct ls_s3 *s3, struct ls_store_caps *caps, struct ls_err *err)
{
    char key[64], id[LS_ID_LEN], etag[LS_ETAG_MAX], unused[LS_ETAG_MAX], hex[LS_MD5_HEX];
    uint8_t md5[LS_MD5_LEN];
    enum ls_rc rc;

    ls_id_new(id);
    snprintf(key, sizeof key, ".lockstep/probe-%s", id);
    int first = probe_put(s3, key, id, "If-None-Match", "*", etag, &rc, err);
    if (first == 200) {
        ls_md5(id, strlen(id), md5);
        ls_hex(md5, sizeof md5, hex);
        caps->etag_is_md5 = strcmp(etag, hex) == 0;
        int second = probe_put(s3, key, "again", "If-None-Match", "*", unused, &rc, err);
        int third =
            is_passing(rc) ? 0 : probe_put(s3, key, "again", "If-Match", "\"" CLAIMED_ETAG "\"", unused, &rc, err);
        caps->conditional_put = refused(second) && refused(third);
    }
    if (first == 200 || rc == LS_OUTCOME_UNKNOWN)
        probe_clean(s3, key);
    if (is_passing(rc))
        return rc;
    ls_err_clear(err);
    return LS_OK;
}

enum ls_rc s3_probe(struct ls_store *store, struct ls_store_caps *out_caps, struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;

    *out_caps = (struct ls_store_caps){.part_bytes = s3->part_bytes};
    enum ls_rc rc = s3_bucket_head(s3, err);
    if (rc == LS_OK)
        rc = probe_conditions(s3, out_caps, err);
    if (rc == LS_OUTCOME_UNKNOWN)
        rc = LS_TRANSIENT; /* the probe's object is nobody's: asking again is safe */
    if (rc != LS_OK)
        return rc;
    atomic_store(&s3->etag_is_md5, out_caps->etag_is_md5);
    atomic_store(&s3->no_conditions, !out_caps->conditional_put);
    return LS_OK;
}

enum ls_rc s3_create(struct ls_store *store, struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;
    LS_AUTO(ls_buf) struct ls_buf body = LS_BUF_INIT(1024);
    LS_AUTO(s3_call) struct s3_call call;
    char region[64];
    {
        LS_LOCK(&s3->lock);
        memcpy(region, s3->region, sizeof region);
    }
    s3_call_init(&call);
    s3_call_begin(&call, s3, "PUT", "CREATE", "s3:CreateBucket", NULL);
    if (strcmp(region, "us-east-1") != 0) {
        if (ls_buf_addf(&body,
                        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                        "<LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>",
                        region) != LS_OK)
            return ls_err_nomem(err);
        s3_call_body(&call, body.data, body.len);
    }
    enum ls_rc rc = s3_call_run(s3, &call, err);
    if (rc == LS_OK)
        return LS_OK;
    /* There already, or made by an attempt whose answer was lost: ours when we may look at it. */
    if ((call.http.status == 409 || rc == LS_OUTCOME_UNKNOWN) && s3_bucket_head(s3, NULL) == LS_OK)
        return LS_OK;
    if (call.http.status == 409)
        return ls_err_set(err, LS_DENIED, "store: bucket %s is somebody else's: choose another name", s3->bucket);
    return rc;
}
