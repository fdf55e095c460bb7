/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the HTTP client share: io.c (queue and I/O thread), direct.c (a request in its caller's thread) and
 * transfer.c (one request and libcurl).
 */
#ifndef LOCKSTEP_HTTP_INTERNAL_H
#define LOCKSTEP_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>

#include "http/http.h"

/* A request on its way. Belongs to the queue's lock until the I/O thread has taken it, then to that thread; or to the
 * thread that waits for it and drives it. */
struct transfer {
    struct ls_http_request *req;
    void (*done)(void *ctx, struct ls_http_request *req);
    void *ctx;
    bool owned; /* free it after done */
    struct transfer *next, *prev;

    int64_t deadline_ms; /* monotonic; INT64_MAX = none */
    CURL *easy;
    struct curl_slist *headers;
    uint64_t body_pos;     /* bytes of the body handed to libcurl */
    bool repeatable;       /* GET, HEAD: sending it twice changes nothing */
    bool issued;           /* a connection was there and libcurl began to send */
    bool head_done;        /* the blank line after the final headers was seen */
    bool length_seen;      /* a Content-Length came */
    enum ls_rc stopped_by; /* what a callback of ours ended it with; its text is in req->err */
    int fds[4];            /* connections that were tried, where enough can be asked */
    unsigned n_fds;
    int fd;         /* the one that is used, or -1 */
    uint64_t moved; /* bytes in both directions when last looked at */
    int64_t moved_at_ms;
    char curl_error[CURL_ERROR_SIZE];
};

/* Settings that every transfer takes over; constant after ls_http_open. */
struct transfer_config {
    int64_t connect_timeout_ms;
    int64_t stall_timeout_ms;
    const char *ca_file;
    const char *user_agent;
};

/* Prepare t->easy (already taken from the pool) for t->req; on failure req->rc and req->err are set. */
enum ls_rc ls_http_transfer_start(struct transfer *t, const struct transfer_config *config, int64_t now_ms)
    LS_MUST_CHECK;

/* Did bytes move within the stall timeout? */
bool ls_http_transfer_stalled(struct transfer *t, const struct transfer_config *config, int64_t now_ms);

/* Ask whether enough has been heard. At intervals. */
void ls_http_transfer_ask(struct transfer *t);

/* Write the result of an ended transfer into its request. */
void ls_http_transfer_result(struct transfer *t, CURLcode code);

/* Write a result that is not libcurl's: rc is refined to LS_OUTCOME_UNKNOWN when the request may have been processed.
 */
void ls_http_transfer_fail(struct transfer *t, enum ls_rc rc, const char *why);

/* Free what start allocated, except t->easy. */
void ls_http_transfer_dispose(struct transfer *t);

/* ---- direct.c ---- */

struct ls_http_lane;
struct ls_http_lanes {
    pthread_mutex_t lock;
    pthread_cond_t all_left;
    struct ls_http_lane *idle, *busy; /* lock */
    unsigned users;                   /* lock: threads between enter and leave */
    bool closing;                     /* lock */
};

void ls_http_lanes_init(struct ls_http_lanes *lanes);
/* Around everything that a caller's thread does with the client; false when it closes. After leave it may be gone. */
bool ls_http_lanes_enter(struct ls_http_lanes *lanes) LS_MUST_CHECK;
void ls_http_lanes_leave(struct ls_http_lanes *lanes);
/* Run a prepared transfer to its end in this thread; false when there is no lane for it, and nothing was done. */
bool ls_http_lanes_run(struct ls_http_lanes *lanes, const struct transfer_config *config, struct transfer *t)
    LS_MUST_CHECK;
/* Cancel what runs and wait until all have left. */
void ls_http_lanes_close(struct ls_http_lanes *lanes);
void ls_http_lanes_dispose(struct ls_http_lanes *lanes);

#endif
