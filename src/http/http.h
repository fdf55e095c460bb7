/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An HTTP/1.1 client: a request that is performed alone runs in its caller's thread, many in one I/O thread that drives
 * curl_multi; each keeps its connections.
 *
 * Decides: connections, TLS verification (always on), timeouts, caps on headers and bodies, classes of transport
 * errors. Leaves to the caller: signing, meaning of statuses, retries, redirects (never followed). Threads: any thread
 * may call ls_http_perform; callbacks run in the I/O thread or in the one that performs, and must not block on the
 * network. Open it after the last fork: a child has no I/O thread.
 */
#ifndef LOCKSTEP_HTTP_HTTP_H
#define LOCKSTEP_HTTP_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "lockstep/err.h"

struct ls_http;

struct ls_http_opts {
    unsigned max_connections;   /* in flight at once; 0 = 32 */
    int64_t connect_timeout_ms; /* 0 = 5,000 */
    int64_t stall_timeout_ms;   /* no byte in either direction for so long ends the request; 0 = 15,000 */
    const char *ca_file;        /* PEM bundle instead of the system's, or NULL */
    const char *user_agent;     /* copied */
};

struct ls_http_request {
    /* in; all borrowed until the request has ended */
    const char *method;         /* "GET" */
    const char *url;            /* sent as it is: no path normalisation */
    const char *const *headers; /* "Name: value" strings, NULL-terminated; may be NULL */
    const void *body;           /* body_len bytes, or NULL */
    int body_fd;                /* else a file's range, read with pread; -1 = none */
    uint64_t body_offset;
    uint64_t body_len;
    int64_t timeout_ms; /* whole request, queueing included; 0 = none but the stall timeout */
    /* Called for each piece of a 2xx body when set (else the body goes to out_body). Non-OK ends the request with it.
     */
    enum ls_rc (*sink)(void *ctx, const void *data, size_t len);
    void *sink_ctx;
    /* Asked about ten times a second, when set: has enough been heard? Then our half of the connection is closed, so
     * that a server whose answer has no end makes one, and sends what it held back. Until then silence is no stall. */
    bool (*enough)(void *ctx);
    void *enough_ctx;

    /* out */
    bool hushed;             /* enough has said so */
    int status;              /* 0 when no answer came */
    struct ls_buf head;      /* response headers as lines "name: value\n", names lower-cased; max 64 KiB */
    struct ls_buf out_body;  /* capped by its max: set it before; bodies over it fail with LS_CORRUPT */
    uint64_t body_received;  /* bytes */
    uint64_t content_length; /* UINT64_MAX when the answer had none */
    enum ls_rc rc; /* transport result; LS_OK for any status. LS_TRANSIENT: surely not processed (no connection,
                      name not resolved). LS_OUTCOME_UNKNOWN: sent, but no whole answer. LS_DENIED: TLS refused */
    struct ls_err err;
};

enum ls_rc ls_http_open(const struct ls_http_opts *opts, struct ls_http **out_http, struct ls_err *err) LS_MUST_CHECK;
/* Cancel what is in flight (LS_CANCELLED), end the thread, free. Takes NULL. */
void ls_http_close(struct ls_http *http);

/* Set the defaults (no body, body_fd -1, buffers with their maxima). */
void ls_http_request_init(struct ls_http_request *req);
void ls_http_request_dispose(struct ls_http_request *req);

/* Run n requests side by side and wait for all of them. Results are in each request; returns the first failed rc. */
enum ls_rc ls_http_perform(struct ls_http *http, struct ls_http_request *const *reqs, size_t n, struct ls_err *err)
    LS_MUST_CHECK;

/* Queue one request and return; done is called once, in the I/O thread. */
void ls_http_submit(struct ls_http *http, struct ls_http_request *req,
                    void (*done)(void *ctx, struct ls_http_request *req), void *ctx);

/* The value of a response header (lower-case name) copied to out, cut at out_size; false when absent. */
bool ls_http_header(const struct ls_http_request *req, const char *name, char *out, size_t out_size);

#endif
