/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the modules of the daemon share: the daemon itself, lanes, and the handlers.
 */
#ifndef LOCKSTEP_SERVE_INTERNAL_H
#define LOCKSTEP_SERVE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/workers.h"
#include "serve/auth.h"
#include "serve/metrics.h"
#include "serve/recent.h"
#include "serve/router.h"
#include "serve/serve.h"

struct ls_lane_state {
    struct ls_workers *pool;
    atomic_uint waiting; /* queued or running */
};

struct ls_http;
struct ls_inbox;
struct ls_jobs;
struct ls_job_view;
struct ls_json;

/* Streams that follow jobs; see events.c. */
#define LS_STREAMS_MOST 100
struct ls_events {
    pthread_mutex_t lock; /* all below */
    struct stream *streams;
    unsigned n;
};

/* What the last look at both sides told. */
struct ls_readiness {
    pthread_mutex_t lock; /* all below; held while it is looked */
    int64_t at_ms;        /* 0 = never */
    struct ls_err store, catalog;
};

struct ls_serve {
    const struct ls_serve_opts *opts;
    struct ls_auth *auth;
    struct ls_http *http;
    struct ls_lane_state lanes[LS_LANE_COUNT]; /* none for LS_LANE_NOW */
    struct ls_readiness ready;
    struct ls_metrics metrics;
    struct ls_recent recent;
    struct ls_jobs *jobs;
    struct ls_inbox *inbox;   /* or NULL: events are ignored */
    atomic_bool events_noted; /* that they are acted on, or not, stands in the catalog */
    atomic_uint jobs_running; /* or queued */
    struct ls_events events;
    atomic_bool draining; /* no new requests */
};

/* Run a job in a lane; false when the lane has too much to do already. */
bool ls_lane_add(struct ls_serve *serve, enum ls_lane lane, void (*run)(void *job), void *job);
/* The job has ended. */
void ls_lane_done(struct ls_serve *serve, enum ls_lane lane);

/* ---- http.c: sockets and the HTTP library ---- */

/* Answer requests on a listening socket (taken over, also when it fails). */
enum ls_rc ls_http_start(struct ls_serve *serve, int listener, struct ls_http **out_http, struct ls_err *err)
    LS_MUST_CHECK;
/* Read certificate and key again, for connections to come. */
void ls_http_reload(struct ls_http *http);
/* Take no new connections. */
void ls_http_quiesce(struct ls_http *http);
/* Requests that are not answered yet. */
unsigned ls_http_running(struct ls_http *http);
/* Cut connections off that take too long to say what they want, or to read the answer. Once a second. */
void ls_http_reap(struct ls_http *http);
/* Close all connections. No request may be running. Takes NULL. */
void ls_http_stop(struct ls_http *http);

/* ---- listen.c ---- */

struct ls_listener {
    int fd;
    bool loopback;     /* only this machine reaches it */
    char address[128]; /* as a URL has it, with the real port */
};

/* LS_INVALID: no address; LS_BUSY: somebody listens there already. */
enum ls_rc ls_listen(const char *address, struct ls_listener *out_listener, struct ls_err *err) LS_MUST_CHECK;
/* Take a socket that listens already; it is closed when this fails. */
enum ls_rc ls_listen_passed(int fd, struct ls_listener *out_listener, struct ls_err *err) LS_MUST_CHECK;

/* ---- what handlers share ---- */

/* Items of a page of a list, without and with "limit" in the query. */
#define LS_LIST_DEFAULT 100
#define LS_LIST_MOST 1000

/* Does the catalog know this product? False: the reply says so, or why it cannot be told. */
bool ls_api_product(struct ls_serve *serve, const char *product, struct ls_reply *reply);

/* The scan that a text names: its number, or "last" (or NULL) for the newest complete one of everything whose findings
 * are kept. LS_NOT_FOUND: there is none; LS_INVALID. */
enum ls_rc ls_api_scan_id(struct ls_serve *serve, const char *text, int64_t *out_id, struct ls_err *err) LS_MUST_CHECK;

/* What is told of a job, as an object. */
void ls_job_json(struct ls_json *json, const struct ls_job_view *view);

/* ---- the handlers ---- */

/* Instead of a route's own handler, when the query has async: the handler runs as a job. */
void ls_api_job_start(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_jobs(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_job(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_job_result(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_job_events(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);

void ls_api_overview(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_findings(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_mend(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_object_get(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_table(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_journal(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_recent(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_health(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_ready(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_openapi(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_ui(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_ui_file(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_metrics(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_products(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_variants(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_variant_create(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_variant_change(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_variant_delete(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_images(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_image_get(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_image_put(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_image_post(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_image_delete(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_audit(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_scans(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_trash(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_trash_restore(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_trash_purge(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_webhook_minio(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_check_one(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_check_all(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_sync_one(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
void ls_api_sync_all(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
/* Of these four: are id, query and body well-formed? */
bool ls_api_sync_check(struct ls_serve *serve, const struct ls_request *req, struct ls_reply *reply);

#endif
