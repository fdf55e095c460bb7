/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One signed request to S3, alone or as one of many that run side by side.
 *
 * Decides: what every request carries (Host, date, payload hash, token, signature), how long it may take, and when it
 * is signed anew: for another region that the server names, or another address on the same host. Leaves to s3_error.c
 * what an answer means. Requests of a run are built and looked at in the caller's thread; only `finished`, of a
 * run of several, is called in the I/O thread, and it takes the run's lock.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/s3_internal.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define MAX_HOPS 2
#define QUEUED_AHEAD 8 /* built requests that wait while all connections are busy */
#define ERROR_BODY_MAX ((size_t)1024 * 1024)

void s3_call_init(struct s3_call *call)
{
    memset(call, 0, sizeof *call);
    ls_http_request_init(&call->http);
    call->http.out_body.max = ERROR_BODY_MAX;
    ls_buf_init(&call->path, LS_BUF_LINE);
    ls_buf_init(&call->query, LS_BUF_LINE);
    ls_buf_init(&call->url, 2 * LS_BUF_LINE);
    ls_buf_init(&call->values, LS_BUF_LINE);
    ls_buf_init(&call->lines, 2 * LS_BUF_LINE);
}

void s3_call_dispose(struct s3_call *call)
{
    ls_http_request_dispose(&call->http);
    ls_buf_dispose(&call->path);
    ls_buf_dispose(&call->query);
    ls_buf_dispose(&call->url);
    ls_buf_dispose(&call->values);
    ls_buf_dispose(&call->lines);
}

static void note(struct s3_call *call, enum ls_rc rc)
{
    if (call->build_rc == LS_OK)
        call->build_rc = rc;
}

enum ls_rc s3_check_key(const char *key, struct ls_err *err)
{
    char shown[S3_SHOWN_KEY];
    size_t len = strlen(key);
    if (len == 0)
        return ls_err_set(err, LS_INVALID, "store: an object's key cannot be empty");
    if (len > LS_KEY_MAX)
        return ls_err_set(err, LS_INVALID, "store: key '%s' has %zu bytes; S3 allows %d", s3_show_key(key, shown), len,
                          LS_KEY_MAX);
    if (!ls_utf8_valid(key, len)) /* MinIO would call the signature wrong */
        return ls_err_set(err, LS_INVALID, "store: key '%s' is not UTF-8, as S3 asks", s3_show_key(key, shown));
    return LS_OK;
}

void s3_call_begin(struct s3_call *call, struct ls_s3 *s3, const char *method, const char *verb, const char *action,
                   const char *key)
{
    call->verb = verb;
    call->action = action;
    call->key = key;
    call->error_in_200 = false;
    call->n_headers = 0;
    call->build_rc = LS_OK;
    call->hops = 0;
    ls_buf_reset(&call->path);
    ls_buf_reset(&call->query);
    ls_buf_reset(&call->values);
    call->http.method = method;
    call->http.body = NULL;
    call->http.body_fd = -1;
    call->http.body_offset = call->http.body_len = 0;
    call->http.timeout_ms = 0;
    call->http.sink = NULL;
    call->http.enough = NULL;
    call->http.out_body.max = ERROR_BODY_MAX;
    memcpy(call->payload_hash, EMPTY_SHA256, sizeof EMPTY_SHA256);
    note(call, ls_buf_addf(&call->path, "/%s", s3->bucket));
    if (key == NULL)
        return;
    note(call, ls_buf_addc(&call->path, '/'));
    note(call, ls_buf_add_urlenc(&call->path, key, strlen(key), true));
}

void s3_call_query(struct s3_call *call, const char *name, const char *value)
{
    note(call, ls_buf_addf(&call->query, "%s%s", call->query.len > 0 ? "&" : "", name));
    if (value == NULL)
        return;
    note(call, ls_buf_addc(&call->query, '='));
    note(call, ls_buf_add_urlenc(&call->query, value, strlen(value), false));
}

void s3_call_header(struct s3_call *call, const char *name, const char *fmt, ...)
{
    char value[2048 + 3 * LS_KEY_MAX];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof value || call->n_headers == S3_MAX_HEADERS || strpbrk(value, "\r\n") != NULL) {
        note(call, LS_INVALID);
        return;
    }
    call->headers[call->n_headers].name = name;
    call->headers[call->n_headers++].value_at = call->values.len;
    note(call, ls_buf_add(&call->values, value, (size_t)len + 1));
}

void s3_call_body(struct s3_call *call, const void *data, size_t len)
{
    uint8_t digest[LS_SHA256_LEN];
    call->http.body = data;
    call->http.body_len = len;
    ls_sha256(data, len, digest);
    ls_hex(digest, sizeof digest, call->payload_hash);
}

void s3_call_body_fd(struct s3_call *call, int fd, uint64_t offset, uint64_t len, const uint8_t *sha256)
{
    call->http.body_fd = fd;
    call->http.body_offset = offset;
    call->http.body_len = len;
    if (sha256 != NULL)
        ls_hex(sha256, LS_SHA256_LEN, call->payload_hash);
    else
        memcpy(call->payload_hash, LS_SIGV4_UNSIGNED, sizeof LS_SIGV4_UNSIGNED);
}

/* --- signing --- */

/* Today's signing key, derived anew after midnight or when the region has changed. */
static enum ls_rc get_scope(struct ls_s3 *s3, const char *amz_date, struct ls_sigv4_scope *out, struct ls_err *err)
{
    LS_LOCK(&s3->lock);
    if (strncmp(s3->scope.date, amz_date, 8) != 0 || strcmp(s3->scope.region, s3->region) != 0) {
        enum ls_rc rc =
            ls_sigv4_scope_init(&s3->scope, s3->access_key, s3->secret_key, s3->region, "s3", amz_date, err);
        if (rc != LS_OK)
            return rc;
    }
    *out = s3->scope;
    return LS_OK;
}

static enum ls_rc authorize(struct ls_s3 *s3, struct s3_call *call, const char *amz_date,
                            const struct ls_sigv4_header *headers, size_t n, struct ls_buf *out, struct ls_err *err)
{
    struct ls_sigv4_scope scope;
    struct ls_sigv4_request req = {.method = call->http.method,
                                   .path = call->path.data,
                                   .query = call->query.data,
                                   .headers = headers,
                                   .n_headers = n,
                                   .payload_hash = call->payload_hash};
    enum ls_rc rc = get_scope(s3, amz_date, &scope, err);
    if (rc == LS_OK)
        rc = ls_sigv4_authorize(&scope, amz_date, &req, out, err);
    ls_sigv4_scope_wipe(&scope);
    return rc;
}

/* Write the header lines as they are sent, and point line_list at them. */
static enum ls_rc write_lines(struct s3_call *call, const struct ls_sigv4_header *headers, size_t n,
                              const char *authorization)
{
    enum ls_rc rc = LS_OK;
    ls_buf_reset(&call->lines);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        rc = ls_buf_addf(&call->lines, "%s: %s", headers[i].name, headers[i].value);
        if (rc == LS_OK)
            rc = ls_buf_addc(&call->lines, '\0');
    }
    if (rc == LS_OK)
        rc = ls_buf_addf(&call->lines, "Authorization: %s", authorization);
    if (rc != LS_OK)
        return rc;
    const char *line = call->lines.data;
    for (size_t i = 0; i <= n; i++, line += strlen(line) + 1)
        call->line_list[i] = line;
    call->line_list[n + 1] = NULL;
    call->http.headers = call->line_list;
    return LS_OK;
}

static enum ls_rc sign(struct ls_s3 *s3, struct s3_call *call, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf authorization = LS_BUF_INIT(LS_BUF_LINE);
    struct ls_sigv4_header headers[S3_MAX_HEADERS + 4];
    char amz_date[LS_TIME_LEN];
    size_t n = 0;

    enum ls_rc rc = call->build_rc;
    if (rc == LS_OK) {
        ls_buf_reset(&call->url);
        rc = ls_buf_addf(&call->url, "%s%s%s%s", s3->origin, call->path.data, call->query.len > 0 ? "?" : "",
                         call->query.data);
    }
    if (rc == LS_NO_MEMORY)
        return ls_err_nomem(err);
    if (rc != LS_OK)
        return ls_err_set(err, LS_INVALID, "store: %s: the request is too long or has a line break in a header",
                          call->verb);
    ls_time_amz(ls_now_ns(), amz_date);
    headers[n++] = (struct ls_sigv4_header){"Host", s3->host};
    headers[n++] = (struct ls_sigv4_header){"x-amz-date", amz_date};
    headers[n++] = (struct ls_sigv4_header){"x-amz-content-sha256", call->payload_hash};
    if (s3->session_token != NULL)
        headers[n++] = (struct ls_sigv4_header){"x-amz-security-token", s3->session_token};
    for (size_t i = 0; i < call->n_headers; i++)
        headers[n++] = (struct ls_sigv4_header){call->headers[i].name, call->values.data + call->headers[i].value_at};
    rc = authorize(s3, call, amz_date, headers, n, &authorization, err);
    if (rc != LS_OK)
        return rc;
    call->http.url = call->url.data;
    if (call->http.timeout_ms == 0 && call->http.sink == NULL)
        call->http.timeout_ms = s3->deadline_ms + (int64_t)(call->http.body_len / S3_SLOWEST_BYTES_PER_MS);
    return write_lines(call, headers, n, authorization.data) == LS_OK ? LS_OK : ls_err_nomem(err);
}

enum ls_rc s3_presign(struct ls_s3 *s3, const char *key, unsigned expires_s, char **out_url, struct ls_err *err)
{
    LS_AUTO(s3_call) struct s3_call call;
    LS_AUTO(ls_buf) struct ls_buf query = LS_BUF_INIT(LS_BUF_LINE);
    struct ls_sigv4_scope scope;
    char amz_date[LS_TIME_LEN];

    s3_call_init(&call);
    s3_call_begin(&call, s3, "GET", "PRESIGN", "s3:GetObject", key);
    if (call.build_rc != LS_OK)
        return ls_err_nomem(err);
    const struct ls_sigv4_header host = {"Host", s3->host};
    const struct ls_sigv4_request req = {.method = "GET",
                                         .path = call.path.data,
                                         .query = "",
                                         .headers = &host,
                                         .n_headers = 1,
                                         .payload_hash = LS_SIGV4_UNSIGNED};
    ls_time_amz(ls_now_ns(), amz_date);
    enum ls_rc rc = get_scope(s3, amz_date, &scope, err);
    if (rc == LS_OK)
        rc = ls_sigv4_presign(&scope, amz_date, expires_s, s3->session_token, &req, &query, err);
    ls_sigv4_scope_wipe(&scope);
    if (rc != LS_OK)
        return rc;
    *out_url = ls_strf("%s%s?%s", s3->origin, call.path.data, query.data);
    return *out_url != NULL ? LS_OK : ls_err_nomem(err);
}

/* --- sending again --- */

static bool learn_region(struct ls_s3 *s3, const char *region)
{
    LS_LOCK(&s3->lock);
    if (region[0] == '\0' || strlen(region) >= sizeof s3->region || strcmp(region, s3->region) == 0)
        return false;
    memcpy(s3->region, region, strlen(region) + 1);
    return true;
}

/* Take over a Location on our own host; false for any other. */
static bool follow_same_host(struct ls_s3 *s3, struct s3_call *call)
{
    char location[8192];
    size_t len = strlen(s3->origin);

    if (!ls_http_header(&call->http, "location", location, sizeof location))
        return false;
    const char *path = location;
    if (strncasecmp(location, s3->origin, len) == 0)
        path = location + len;
    if (path[0] != '/' || path[1] == '/' || strlen(location) == sizeof location - 1)
        return false;
    const char *query = strchr(path, '?');
    size_t path_len = query != NULL ? (size_t)(query - path) : strlen(path);
    ls_buf_reset(&call->path);
    ls_buf_reset(&call->query);
    return ls_buf_add(&call->path, path, path_len) == LS_OK &&
           ls_buf_adds(&call->query, query != NULL ? query + 1 : "") == LS_OK;
}

/* Does the answer ask for the same request in another form? Prepares it then. */
static bool should_send_again(struct ls_s3 *s3, struct s3_call *call)
{
    int status = call->http.status;
    char region[64] = "";

    if (call->http.rc != LS_OK || call->hops >= MAX_HOPS || status < 300 || status == 304 || status > 403)
        return false;
    call->hops++;
    struct ls_s3_error error;
    if (ls_http_header(&call->http, "x-amz-bucket-region", region, sizeof region) && learn_region(s3, region))
        return true;
    if (ls_s3_xml_error(call->http.out_body.data, call->http.out_body.len, &error) == LS_OK &&
        strcmp(error.code, "AuthorizationHeaderMalformed") == 0 && learn_region(s3, error.region))
        return true;
    return (status == 301 || status == 302 || status == 307 || status == 308) && follow_same_host(s3, call);
}

static void log_call(const struct s3_call *call)
{
    LS_LOG_DEBUG("store", "request", {"verb", ls_v_str(call->verb)}, {"key", ls_v_str(call->key)},
                 {"status", ls_v_int(call->http.status)}, {"sent", ls_v_uint(call->http.body_len)},
                 {"received", ls_v_uint(call->http.body_received)});
}

enum ls_rc s3_call_run(struct ls_s3 *s3, struct s3_call *call, struct ls_err *err)
{
    struct ls_http_request *req = &call->http;
    do {
        enum ls_rc rc = sign(s3, call, err);
        if (rc != LS_OK)
            return rc;
        rc = ls_http_perform(s3->http, &req, 1, NULL);
        (void)rc; /* it is in the request */
        log_call(call);
    } while (should_send_again(s3, call));
    return s3_call_result(s3, call, err);
}

/* --- many --- */

struct run {
    pthread_mutex_t lock;
    pthread_cond_t some_done;
    struct s3_call *done; /* by lock */
};

static void finished(void *ctx, struct ls_http_request *req)
{
    struct s3_call *call = ctx;
    struct run *run = call->run;
    (void)req;
    LS_LOCK(&run->lock);
    call->next_done = run->done;
    run->done = call;
    pthread_cond_signal(&run->some_done);
}

static struct s3_call *wait_for_some(struct run *run)
{
    LS_LOCK(&run->lock);
    while (run->done == NULL)
        pthread_cond_wait(&run->some_done, &run->lock);
    return LS_STEAL(run->done);
}

/* Sign and queue; false (and reported) when that failed. */
static bool launch(struct ls_s3 *s3, const struct s3_many *many, struct s3_call *call)
{
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = sign(s3, call, &err);
    if (rc == LS_OK) {
        ls_http_submit(s3->http, &call->http, finished, call);
        return true;
    }
    many->end(many->ctx, call->index, call, rc, &err);
    return false;
}

static bool begin_one(struct ls_s3 *s3, const struct s3_many *many, size_t i, struct s3_call *call)
{
    struct ls_err err = LS_ERR_INIT;
    call->index = i;
    enum ls_rc rc = many->begin(many->ctx, i, call, &err);
    if (rc == LS_OK)
        return launch(s3, many, call);
    many->end(many->ctx, i, call, rc, &err);
    return false;
}

/* Look at a finished call; true when it is on its way again. */
static bool end_one(struct ls_s3 *s3, const struct s3_many *many, struct s3_call *call)
{
    struct ls_err err = LS_ERR_INIT;
    log_call(call);
    if (should_send_again(s3, call))
        return launch(s3, many, call);
    enum ls_rc rc = s3_call_result(s3, call, &err);
    many->end(many->ctx, call->index, call, rc, &err);
    return false;
}

/* One alone needs no other thread. */
static void run_one(struct ls_s3 *s3, const struct s3_many *many)
{
    struct ls_err err = LS_ERR_INIT;
    struct s3_call call;
    s3_call_init(&call);
    call.index = 0;
    enum ls_rc rc = many->begin(many->ctx, 0, &call, &err);
    if (rc == LS_OK)
        rc = s3_call_run(s3, &call, &err);
    many->end(many->ctx, 0, &call, rc, &err);
    s3_call_dispose(&call);
}

enum ls_rc s3_run_many(struct ls_s3 *s3, const struct s3_many *many, struct ls_err *err)
{
    if (many->n == 1) {
        run_one(s3, many);
        return LS_OK;
    }
    struct run run = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};
    size_t width = many->n < s3->max_connections + QUEUED_AHEAD ? many->n : s3->max_connections + QUEUED_AHEAD;
    size_t next = 0, in_flight = 0;

    struct s3_call *calls = width > 0 ? malloc(width * sizeof *calls) : NULL;
    struct s3_call *idle = NULL;
    if (calls == NULL)
        return many->n == 0 ? LS_OK : ls_err_nomem(err);
    for (size_t i = width; i-- > 0;) {
        s3_call_init(&calls[i]);
        calls[i].run = &run;
        calls[i].next_done = idle;
        idle = &calls[i];
    }
    while (next < many->n || in_flight > 0) {
        while (idle != NULL && next < many->n) {
            struct s3_call *call = idle, *rest = idle->next_done; /* next_done is the I/O thread's once it is sent */
            if (!begin_one(s3, many, next++, call))
                continue;
            idle = rest;
            in_flight++;
        }
        if (in_flight == 0)
            continue;
        for (struct s3_call *call = wait_for_some(&run), *after; call != NULL; call = after) {
            after = call->next_done;
            if (end_one(s3, many, call))
                continue;
            call->next_done = idle;
            idle = call;
            in_flight--;
        }
    }
    for (size_t i = 0; i < width; i++)
        s3_call_dispose(&calls[i]);
    free(calls);
    return LS_OK;
}
