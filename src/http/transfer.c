/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One request as a libcurl transfer: its options, its callbacks, its result class.
 *
 * Decides: what is sent beside the caller's headers, caps on what comes back, and whether a request that failed was
 * surely not processed. Leaves to io.c and direct.c: when transfers run. Everything here runs in the thread that drives
 * the transfer.
 *
 * libcurl repeats a request by itself when a reused connection turns out to be dead. That is fine for GET and HEAD; for
 * anything else the server may have acted on the first one, so the second attempt is refused (before_request) and the
 * caller gets LS_OUTCOME_UNKNOWN.
 */
#include "http/internal.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/file.h"

/* Larger bodies ask with Expect: 100-continue first, so that a refusal costs a round trip and not the upload. */
#define EXPECT_ABOVE_BYTES ((uint64_t)1024 * 1024)
/* Unsent bytes that the kernel may hold for us: little enough that the stall timeout sees a slow line move. */
#define NOTSENT_LOWAT_BYTES (256 * 1024)
#define BUFFER_BYTES 65536L

void ls_http_request_init(struct ls_http_request *req)
{
    *req = (struct ls_http_request){.method = "GET", .body_fd = -1, .content_length = UINT64_MAX};
    ls_buf_init(&req->head, LS_BUF_LINE);
    ls_buf_init(&req->out_body, LS_BUF_BODY);
    ls_err_clear(&req->err);
}

void ls_http_request_dispose(struct ls_http_request *req)
{
    ls_buf_dispose(&req->head);
    ls_buf_dispose(&req->out_body);
}

bool ls_http_header(const struct ls_http_request *req, const char *name, char *out, size_t out_size)
{
    size_t name_len = strlen(name);
    for (const char *line = req->head.data; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        if (end == NULL)
            break;
        if (strncmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *value = line + name_len + 2;
            size_t len = (size_t)(end - value);
            if (out_size == 0)
                return true;
            if (len >= out_size)
                len = out_size - 1;
            memcpy(out, value, len);
            out[len] = '\0';
            return true;
        }
        line = end + 1;
    }
    return false;
}

/* Remember why we end the transfer ourselves. */
static void stop(struct transfer *t, enum ls_rc rc, const char *why)
{
    t->stopped_by = ls_err_set(&t->req->err, rc, "http: %s", why);
}

/* --- what comes back --- */

static bool parse_content_length(struct transfer *t, const char *text, size_t len)
{
    uint64_t value = 0;
    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]) || value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value > INT64_MAX || (t->length_seen && value != t->req->content_length))
        return false;
    t->length_seen = true;
    t->req->content_length = value;
    return true;
}

static enum ls_rc add_header_line(struct ls_buf *head, const char *line, size_t name_len, const char *value,
                                  size_t value_len)
{
    for (size_t i = 0; i < name_len; i++) {
        enum ls_rc rc = ls_buf_addc(head, (char)tolower((unsigned char)line[i]));
        if (rc != LS_OK)
            return rc;
    }
    enum ls_rc rc = ls_buf_add(head, ": ", 2);
    if (rc == LS_OK)
        rc = ls_buf_add(head, value, value_len);
    return rc == LS_OK ? ls_buf_addc(head, '\n') : rc;
}

static void begin_head(struct transfer *t, const char *line, size_t len)
{
    ls_buf_reset(&t->req->head);
    t->head_done = false;
    t->length_seen = false;
    t->req->content_length = UINT64_MAX;
    t->req->status = 0;
    const char *space = memchr(line, ' ', len);
    if (space != NULL && (size_t)(line + len - space) > 3)
        for (int i = 1; i <= 3 && isdigit((unsigned char)space[i]); i++)
            t->req->status = t->req->status * 10 + (space[i] - '0');
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t full = size * count, len = full;

    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        begin_head(t, line, len);
        return full;
    }
    while (len > 0 && isspace((unsigned char)line[len - 1]))
        len--;
    if (len == 0)
        t->head_done = true;
    const char *colon = len > 0 ? memchr(line, ':', len) : NULL;
    if (colon == NULL || t->head_done || isspace((unsigned char)line[0])) /* end, trailer, or folded line */
        return full;
    const char *value = colon + 1;
    while (value < line + len && isspace((unsigned char)*value))
        value++;
    size_t value_len = (size_t)(line + len - value), name_len = (size_t)(colon - line);
    if (name_len == 14 && strncasecmp(line, "content-length", 14) == 0 && !parse_content_length(t, value, value_len)) {
        stop(t, LS_CORRUPT, "the answer has an impossible Content-Length");
        return 0;
    }
    enum ls_rc rc = add_header_line(&t->req->head, line, name_len, value, value_len);
    if (rc == LS_OK)
        return full;
    if (rc == LS_NO_MEMORY)
        t->stopped_by = ls_err_nomem(&t->req->err);
    else
        stop(t, LS_CORRUPT, "the answer's headers are over the limit of 64 KiB");
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    struct ls_http_request *req = t->req;
    size_t len = size * count;

    if (len == 0)
        return 0;
    req->body_received += len;
    if (req->sink != NULL && req->status >= 200 && req->status < 300) {
        enum ls_rc rc = req->sink(req->sink_ctx, data, len);
        if (rc == LS_OK)
            return len;
        stop(t, rc, "the receiver of the body stopped it");
        return 0;
    }
    enum ls_rc rc = ls_buf_add(&req->out_body, data, len);
    if (rc == LS_OK)
        return len;
    if (rc == LS_NO_MEMORY)
        t->stopped_by = ls_err_nomem(&req->err);
    else
        t->stopped_by = ls_err_set(&req->err, LS_CORRUPT, "http: the answer's body is over the limit of %zu bytes",
                                   req->out_body.max);
    return 0;
}

/* --- what is sent --- */

static size_t on_read(char *out, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    const struct ls_http_request *req = t->req;
    uint64_t left = req->body_len - t->body_pos;
    size_t want = size * count < left ? size * count : (size_t)left;

    if (want == 0)
        return 0;
    if (req->body != NULL) {
        memcpy(out, (const char *)req->body + t->body_pos, want);
    } else {
        ssize_t got = ls_pread_all(req->body_fd, out, want, req->body_offset + t->body_pos);
        if (got < 0) {
            t->stopped_by = ls_err_errno(&t->req->err, errno, "http: cannot read the file that is sent");
            return CURL_READFUNC_ABORT;
        }
        if ((size_t)got < want) {
            stop(t, LS_IO, "the file that is sent became shorter meanwhile");
            return CURL_READFUNC_ABORT;
        }
    }
    t->body_pos += want;
    return want;
}

/* The local port of a connection, or -1. */
static int port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    if (address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    return address.ss_family == AF_INET ? ntohs(((const struct sockaddr_in *)&address)->sin_port) : -1;
}

/* libcurl is about to send the request, for the first time or again. */
static int before_request(void *ctx, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct transfer *t = ctx;
    (void)remote_ip, (void)local_ip, (void)remote_port;

    for (unsigned i = 0; i < t->n_fds; i++)
        if (port_of(t->fds[i]) == local_port)
            t->fd = t->fds[i];
    bool again = t->issued;
    t->issued = true;
    /* 417 refuses the Expect header before the server looked at the request. */
    return again && !t->repeatable && t->req->status != 417 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static int on_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    struct transfer *t = ctx;
    (void)purpose;
    if (t->req->enough != NULL && t->n_fds < sizeof t->fds / sizeof t->fds[0])
        t->fds[t->n_fds++] = fd;
    int bytes = NOTSENT_LOWAT_BYTES;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes); /* a hint; harmless without */
    return CURL_SOCKOPT_OK;
}

/* --- setting up --- */

static bool add_header(struct transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    if (longer == NULL)
        return false;
    t->headers = longer;
    return true;
}

static bool build_headers(struct transfer *t)
{
    for (const char *const *line = t->req->headers; line != NULL && *line != NULL; line++)
        if (!add_header(t, *line))
            return false;
    /* libcurl asks for permission by itself above 1 MiB; below, waiting costs more than a refused body. */
    return t->req->body_len > EXPECT_ABOVE_BYTES || add_header(t, "Expect:");
}

#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (code == CURLE_OK)                                                                                          \
            code = curl_easy_setopt(t->easy, option, value);                                                           \
    } while (0)

static CURLcode set_method(struct transfer *t)
{
    const struct ls_http_request *req = t->req;
    CURLcode code = CURLE_OK;

    if (strcmp(req->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
        return code;
    }
    if (strcmp(req->method, "PUT") == 0 || strcmp(req->method, "POST") == 0 || req->body_len > 0) {
        SET(CURLOPT_UPLOAD, 1L); /* sends Content-Length also when it is 0 */
        SET(CURLOPT_READFUNCTION, on_read);
        SET(CURLOPT_READDATA, t);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->body_len);
        SET(CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
    }
    SET(CURLOPT_CUSTOMREQUEST, req->method);
    return code;
}

static CURLcode set_options(struct transfer *t, const struct transfer_config *config, int64_t now_ms)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->curl_error);
    SET(CURLOPT_URL, t->req->url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_MAXAGE_CONN, 25L); /* MinIO closes idle connections after 30 s */
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)INT64_MAX); /* or an overflowing Content-Length would be ignored */
    SET(CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    if (t->deadline_ms != INT64_MAX)
        SET(CURLOPT_TIMEOUT_MS, (long)(t->deadline_ms > now_ms ? t->deadline_ms - now_ms : 1));
    if (config->ca_file != NULL)
        SET(CURLOPT_CAINFO, config->ca_file);
    if (config->user_agent != NULL)
        SET(CURLOPT_USERAGENT, config->user_agent);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(CURLOPT_SOCKOPTDATA, t);
    if (t->req->enough != NULL) {
        SET(CURLOPT_FRESH_CONNECT, 1L); /* whose socket we are told of, */
        SET(CURLOPT_FORBID_REUSE, 1L);  /* and half of which is closed then */
    }
    SET(CURLOPT_HTTPHEADER, t->headers);
    return code == CURLE_OK ? set_method(t) : code;
}

enum ls_rc ls_http_transfer_start(struct transfer *t, const struct transfer_config *config, int64_t now_ms)
{
    struct ls_http_request *req = t->req;

    req->status = 0;
    req->body_received = 0;
    req->content_length = UINT64_MAX;
    t->repeatable = strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0;
    t->moved = 0;
    t->moved_at_ms = now_ms;
    t->n_fds = 0;
    t->fd = -1;
    req->hushed = false;
    curl_easy_reset(t->easy);
    if (!build_headers(t))
        return req->rc = ls_err_nomem(&req->err);
    CURLcode code = set_options(t, config, now_ms);
    if (code == CURLE_OUT_OF_MEMORY)
        return req->rc = ls_err_nomem(&req->err);
    if (code != CURLE_OK)
        return req->rc = ls_err_set(&req->err, LS_UNSUPPORTED, "http: this libcurl lacks an option that is needed: %s",
                                    curl_easy_strerror(code));
    return LS_OK;
}

void ls_http_transfer_dispose(struct transfer *t)
{
    curl_slist_free_all(t->headers);
    t->headers = NULL;
}

/* --- how it ended --- */

bool ls_http_transfer_stalled(struct transfer *t, const struct transfer_config *config, int64_t now_ms)
{
    curl_off_t up = 0, down = 0;
    long head = 0, request = 0;

    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(t->easy, CURLINFO_HEADER_SIZE, &head);
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &request);
    uint64_t moved = (uint64_t)up + (uint64_t)down + (uint64_t)head + (uint64_t)request + (t->issued ? 1 : 0);
    if (moved != t->moved) {
        t->moved = moved;
        t->moved_at_ms = now_ms;
    }
    if (t->req->enough != NULL && t->fd >= 0 && !t->req->hushed)
        t->moved_at_ms = now_ms;
    return now_ms - t->moved_at_ms >= config->stall_timeout_ms;
}

void ls_http_transfer_ask(struct transfer *t)
{
    struct ls_http_request *req = t->req;
    if (req->enough == NULL || t->fd < 0 || req->hushed || !req->enough(req->enough_ctx))
        return;
    req->hushed = true;
    (void)shutdown(t->fd, SHUT_WR); /* one that is broken already ends by itself */
}

void ls_http_transfer_fail(struct transfer *t, enum ls_rc rc, const char *why)
{
    if (rc == LS_TRANSIENT && t->issued && !t->repeatable)
        rc = LS_OUTCOME_UNKNOWN;
    t->req->rc = ls_err_set(&t->req->err, rc, "http: %s", why);
}

static bool is_tls_refusal(CURLcode code, CURL *easy)
{
    long os_errno = 0;
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CIPHER:
    case CURLE_USE_SSL_FAILED:
        return true;
    case CURLE_SSL_CONNECT_ERROR: /* also what a connection cut during the handshake gives */
        curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
        return os_errno == 0;
    default:
        return false;
    }
}

void ls_http_transfer_result(struct transfer *t, CURLcode code)
{
    struct ls_http_request *req = t->req;

    if (code == CURLE_OK && t->stopped_by == LS_OK && req->status != 0) {
        req->rc = LS_OK;
        return;
    }
    if (t->stopped_by != LS_OK) {
        req->rc = t->stopped_by; /* its text is there already */
        return;
    }
    const char *text = t->curl_error[0] != '\0' ? t->curl_error : curl_easy_strerror(code);
    enum ls_rc rc = LS_TRANSIENT;
    if (code == CURLE_OUT_OF_MEMORY)
        rc = LS_NO_MEMORY;
    else if (is_tls_refusal(code, t->easy))
        rc = LS_DENIED;
    else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        rc = LS_INVALID;
    else if (code == CURLE_FILESIZE_EXCEEDED || code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_BAD_CONTENT_ENCODING)
        rc = LS_CORRUPT;
    else if (code == CURLE_ABORTED_BY_CALLBACK)
        text = "the server closed the connection before it answered";
    ls_http_transfer_fail(t, rc, text);
}
