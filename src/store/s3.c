/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The s3 store: opening, closing, addresses.
 *
 * Decides: path-style addressing (endpoint/bucket/key) and the defaults of the options. Leaves to s3_*.c: the
 * operations. Threads: see struct ls_s3 for what the lock guards; everything else is constant after open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "store/s3_internal.h"

#define DEFAULT_DEADLINE_MS 30000
#define DEFAULT_CONNECTIONS 32u
#define MIB ((uint64_t)1024 * 1024)
#define DEFAULT_PART_BYTES (16 * MIB)
#define MIN_PART_BYTES (5 * MIB) /* S3's limit for all parts but the last */

static enum ls_rc s3_url(struct ls_store *store, const char *key, unsigned expires_s, char **out_url,
                         struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;
    LS_AUTO(ls_buf) struct ls_buf url = LS_BUF_INIT(LS_BUF_LINE);

    enum ls_rc rc = s3_check_key(key, err);
    if (rc != LS_OK)
        return rc;
    if (expires_s > 0)
        return s3_presign(s3, key, expires_s, out_url, err);
    rc = ls_buf_addf(&url, "%s/", s3->public_url);
    if (rc == LS_OK)
        rc = ls_buf_add_urlenc(&url, key, strlen(key), true);
    if (rc == LS_OK)
        *out_url = ls_buf_steal(&url);
    return rc != LS_OK || *out_url == NULL ? ls_err_nomem(err) : LS_OK;
}

static void free_secret(char *secret)
{
    if (secret == NULL)
        return;
    explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void s3_close(struct ls_store *store)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;

    ls_http_close(s3->http);
    ls_sigv4_scope_wipe(&s3->scope);
    free_secret(s3->secret_key);
    free_secret(s3->session_token);
    free(s3->access_key);
    free(s3->origin);
    free(s3->host);
    free(s3->bucket);
    free(s3->public_url);
    pthread_mutex_destroy(&s3->lock);
    free(s3);
}

static const struct ls_store_ops s3_ops = {
    .name = "s3",
    .probe = s3_probe,
    .create = s3_create,
    .head = s3_head,
    .get = s3_get,
    .put = s3_put,
    .copy = s3_copy,
    .remove = s3_remove,
    .list = s3_list,
    .abort_uploads = s3_abort_uploads,
    .url = s3_url,
    .rules = s3_rules,
    .follow = s3_follow,
    .close = s3_close,
};

/* --- opening --- */

static char *without_slashes_at_end(const char *text)
{
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '/')
        len--;
    return strndup(text, len);
}

static enum ls_rc set_endpoint(struct ls_s3 *s3, const char *endpoint, struct ls_err *err)
{
    const char *host = NULL;

    if (endpoint != NULL && strncasecmp(endpoint, "http://", 7) == 0)
        host = endpoint + 7;
    else if (endpoint != NULL && strncasecmp(endpoint, "https://", 8) == 0) {
        host = endpoint + 8;
        s3->tls = true;
    }
    size_t len = host != NULL ? strcspn(host, "/") : 0;
    if (len == 0 || host[len + strspn(host + len, "/")] != '\0' || strcspn(host, "?#@ \t\r\n\\") < len)
        return ls_err_set(err, LS_INVALID,
                          "store: endpoint '%s' is not of the form http://HOST[:PORT] or https://HOST[:PORT]",
                          endpoint != NULL ? endpoint : "");
    s3->host = strndup(host, len);
    s3->origin = ls_strf("%s://%.*s", s3->tls ? "https" : "http", (int)len, host);
    return s3->host != NULL && s3->origin != NULL ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc check_opts(const struct ls_s3_opts *opts, struct ls_err *err)
{
    if (opts->bucket == NULL || opts->bucket[0] == '\0' ||
        opts->bucket[strspn(opts->bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] != '\0')
        return ls_err_set(err, LS_INVALID, "store: '%s' is no name for a bucket",
                          opts->bucket != NULL ? opts->bucket : "");
    if (opts->access_key == NULL || opts->access_key[0] == '\0' || opts->secret_key == NULL ||
        opts->secret_key[0] == '\0')
        return ls_err_set(err, LS_DENIED, "store: bucket %s: no credentials were given", opts->bucket);
    if (opts->part_bytes != 0 && (opts->part_bytes < MIN_PART_BYTES || opts->part_bytes % MIB != 0))
        return ls_err_set(err, LS_INVALID, "store: the part size must be at least 5 MiB, in whole MiB");
    if (opts->region != NULL && strlen(opts->region) >= sizeof((struct ls_s3 *)0)->region)
        return ls_err_set(err, LS_INVALID, "store: region '%s' is too long", opts->region);
    return LS_OK;
}

static enum ls_rc copy_opts(struct ls_s3 *s3, const struct ls_s3_opts *opts, struct ls_err *err)
{
    enum ls_rc rc = set_endpoint(s3, opts->endpoint, err);
    if (rc != LS_OK)
        return rc;
    snprintf(s3->region, sizeof s3->region, "%s",
             opts->region != NULL && opts->region[0] != '\0' ? opts->region : "us-east-1");
    s3->deadline_ms = opts->deadline_ms > 0 ? opts->deadline_ms : DEFAULT_DEADLINE_MS;
    s3->max_connections = opts->max_connections != 0 ? opts->max_connections : DEFAULT_CONNECTIONS;
    s3->part_bytes = opts->part_bytes != 0 ? opts->part_bytes : DEFAULT_PART_BYTES;
    s3->bucket = strdup(opts->bucket);
    s3->access_key = strdup(opts->access_key);
    s3->secret_key = strdup(opts->secret_key);
    if (opts->session_token != NULL && (s3->session_token = strdup(opts->session_token)) == NULL)
        return ls_err_nomem(err);
    s3->public_url = opts->public_url != NULL && opts->public_url[0] != '\0'
                         ? without_slashes_at_end(opts->public_url)
                         : ls_strf("%s/%s", s3->origin, opts->bucket);
    if (s3->bucket == NULL || s3->access_key == NULL || s3->secret_key == NULL || s3->public_url == NULL)
        return ls_err_nomem(err);
    return LS_OK;
}

enum ls_rc ls_store_s3_open(const struct ls_s3_opts *opts, struct ls_store **out_store, struct ls_err *err)
{
    enum ls_rc rc = check_opts(opts, err);
    if (rc != LS_OK)
        return rc;
    struct ls_s3 *s3 = calloc(1, sizeof *s3);
    if (s3 == NULL)
        return ls_err_nomem(err);
    s3->base.ops = &s3_ops;
    pthread_mutex_init(&s3->lock, NULL);
    rc = copy_opts(s3, opts, err);
    if (rc == LS_OK) {
        struct ls_http_opts http = {.max_connections = s3->max_connections,
                                    .connect_timeout_ms = s3->deadline_ms < 5000 ? s3->deadline_ms : 5000,
                                    .stall_timeout_ms = s3->deadline_ms,
                                    .ca_file = opts->ca_file,
                                    .user_agent = "lockstep"};
        rc = ls_http_open(&http, &s3->http, err);
    }
    if (rc != LS_OK) {
        s3_close(&s3->base);
        return rc;
    }
    *out_store = &s3->base;
    return LS_OK;
}
