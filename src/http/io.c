/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The queue of requests and the one thread that drives them with curl_multi.
 *
 * Decides: how many requests are in flight (those that run in their caller's thread among them), when one has waited or
 * stalled for too long, cancellation. Leaves to transfer.c: what a request looks like and how its end is classed.
 * Threads: `lock` guards the queue and `closing`; the pool of easy handles and the list of running transfers belong to
 * the I/O thread alone.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/thread.h"
#include "http/internal.h"

#define DEFAULT_CONNECTIONS 32u
#define IDLE_POLL_MS 60000
#define QUEUE_CHECK_MS 100

struct transfer_list {
    struct transfer *first, *last;
};

struct ls_http {
    CURLM *multi;
    pthread_t thread;
    unsigned max_running;
    struct transfer_config config;
    char *ca_file, *user_agent; /* owned; config points at them */

    struct ls_http_lanes lanes;
    atomic_uint slots_taken; /* of max_running, by running transfers here and in the lanes */
    atomic_bool starved;     /* something here waits for a slot that a lane holds */

    pthread_mutex_t lock;
    struct transfer_list queue; /* by lock */
    bool closing;               /* by lock */

    /* I/O thread only */
    struct transfer_list waiting; /* taken from the queue, no free slot yet */
    struct transfer_list running;
    CURL **idle; /* easy handles to use again; room for max_running */
    unsigned n_idle;
    int64_t checked_at_ms;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void init_curl(void) { curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT); }

/* --- lists --- */

static void list_append(struct transfer_list *list, struct transfer *t)
{
    t->next = NULL;
    t->prev = list->last;
    if (list->last != NULL)
        list->last->next = t;
    else
        list->first = t;
    list->last = t;
}

static void list_remove(struct transfer_list *list, struct transfer *t)
{
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        list->first = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    else
        list->last = t->prev;
    t->next = t->prev = NULL;
}

static void list_append_all(struct transfer_list *to, struct transfer_list *from)
{
    if (from->first == NULL)
        return;
    from->first->prev = to->last;
    if (to->last != NULL)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    *from = (struct transfer_list){0};
}

/* --- slots --- */

static bool slot_take(struct ls_http *http)
{
    unsigned taken = atomic_load(&http->slots_taken);
    while (taken < http->max_running)
        if (atomic_compare_exchange_weak(&http->slots_taken, &taken, taken + 1))
            return true;
    return false;
}

/* For the I/O thread, which is woken when a lane leaves a slot. */
static bool slot_take_or_starve(struct ls_http *http)
{
    if (slot_take(http))
        return true;
    atomic_store(&http->starved, true);
    return slot_take(http);
}

static void slot_leave(struct ls_http *http) { atomic_fetch_sub(&http->slots_taken, 1); }

/* --- the I/O thread --- */

static void report(struct transfer *t)
{
    bool owned = t->owned; /* the caller's memory may be gone once done has been called */
    ls_http_transfer_dispose(t);
    t->done(t->ctx, t->req);
    if (owned)
        free(t);
}

/* Keep the easy handle for another request; not after a failure, libcurl may have left its buffers in it. */
static void give_back(struct ls_http *http, struct transfer *t)
{
    if (t->req->rc == LS_OK)
        http->idle[http->n_idle++] = t->easy;
    else
        curl_easy_cleanup(t->easy);
    t->easy = NULL;
}

/* Take a running transfer off libcurl and report it; its result is set already. */
static void retire(struct ls_http *http, struct transfer *t)
{
    curl_multi_remove_handle(http->multi, t->easy);
    give_back(http, t);
    list_remove(&http->running, t);
    slot_leave(http);
    report(t);
}

/* A slot was taken for it. */
static void start(struct ls_http *http, struct transfer *t, int64_t now_ms)
{
    t->easy = http->n_idle > 0 ? http->idle[--http->n_idle] : curl_easy_init();
    if (t->easy == NULL) {
        t->req->rc = ls_err_nomem(&t->req->err);
        slot_leave(http);
        report(t);
        return;
    }
    enum ls_rc rc = ls_http_transfer_start(t, &http->config, now_ms);
    if (rc == LS_OK && curl_multi_add_handle(http->multi, t->easy) != CURLM_OK)
        rc = t->req->rc = ls_err_nomem(&t->req->err);
    if (rc != LS_OK) {
        give_back(http, t);
        slot_leave(http);
        report(t);
        return;
    }
    list_append(&http->running, t);
}

static void start_waiting(struct ls_http *http)
{
    if (http->waiting.first == NULL)
        return;
    int64_t now_ms = ls_monotonic_ms();
    while (http->waiting.first != NULL && slot_take_or_starve(http)) {
        struct transfer *t = http->waiting.first;
        list_remove(&http->waiting, t);
        if (t->deadline_ms > now_ms) {
            start(http, t, now_ms);
            continue;
        }
        slot_leave(http);
        ls_http_transfer_fail(t, LS_TRANSIENT, "waited too long for a free connection");
        report(t);
    }
}

/* End what has waited or stalled for too long; done at intervals, because it looks at everything. */
static void check_times(struct ls_http *http)
{
    int64_t now_ms = ls_monotonic_ms();
    if (now_ms - http->checked_at_ms < QUEUE_CHECK_MS)
        return;
    http->checked_at_ms = now_ms;
    for (struct transfer *t = http->waiting.first, *next; t != NULL; t = next) {
        next = t->next;
        if (t->deadline_ms > now_ms)
            continue;
        list_remove(&http->waiting, t);
        ls_http_transfer_fail(t, LS_TRANSIENT, "waited too long for a free connection");
        report(t);
    }
    for (struct transfer *t = http->running.first, *next; t != NULL; t = next) {
        next = t->next;
        ls_http_transfer_ask(t);
        if (!ls_http_transfer_stalled(t, &http->config, now_ms))
            continue;
        ls_http_transfer_fail(t, LS_TRANSIENT, "the server sends nothing");
        retire(http, t);
    }
}

static void reap(struct ls_http *http)
{
    int left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(http->multi, &left)) != NULL;) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        struct transfer *t = NULL;
        CURLcode code = msg->data.result; /* msg is gone once the handle is removed */
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        ls_http_transfer_result(t, code);
        retire(http, t);
    }
}

static void cancel_all(struct ls_http *http)
{
    while (http->waiting.first != NULL) {
        struct transfer *t = http->waiting.first;
        list_remove(&http->waiting, t);
        ls_http_transfer_fail(t, LS_CANCELLED, "cancelled before it was sent");
        report(t);
    }
    while (http->running.first != NULL) {
        ls_http_transfer_fail(http->running.first, LS_CANCELLED, "cancelled while it ran");
        retire(http, http->running.first);
    }
}

static bool take_queue(struct ls_http *http)
{
    LS_LOCK(&http->lock);
    list_append_all(&http->waiting, &http->queue);
    return !http->closing;
}

static void *io_main(void *ctx)
{
    struct ls_http *http = ctx;
    int unused;

    while (take_queue(http)) {
        start_waiting(http);
        curl_multi_perform(http->multi, &unused);
        reap(http);
        check_times(http);
        if (http->waiting.first != NULL && atomic_load(&http->slots_taken) < http->max_running)
            continue; /* slots became free */
        bool busy = http->running.first != NULL || http->waiting.first != NULL;
        curl_multi_poll(http->multi, NULL, 0, busy ? QUEUE_CHECK_MS : IDLE_POLL_MS, NULL);
    }
    cancel_all(http);
    return NULL;
}

/* --- callers --- */

static enum ls_rc start_thread(struct ls_http *http, struct ls_err *err)
{
    int failed = ls_thread_start(&http->thread, "ls-http", io_main, http);
    return failed ? ls_err_errno(err, failed, "http: cannot start the I/O thread") : LS_OK;
}

static void destroy(struct ls_http *http)
{
    for (unsigned i = 0; http->idle != NULL && i < http->n_idle; i++)
        curl_easy_cleanup(http->idle[i]);
    free(http->idle);
    if (http->multi != NULL)
        curl_multi_cleanup(http->multi);
    ls_http_lanes_dispose(&http->lanes);
    pthread_mutex_destroy(&http->lock);
    free(http->ca_file);
    free(http->user_agent);
    free(http);
}

static bool build(struct ls_http *http, const struct ls_http_opts *opts)
{
    http->max_running = opts->max_connections != 0 ? opts->max_connections : DEFAULT_CONNECTIONS;
    http->config.connect_timeout_ms = opts->connect_timeout_ms > 0 ? opts->connect_timeout_ms : 5000;
    http->config.stall_timeout_ms = opts->stall_timeout_ms > 0 ? opts->stall_timeout_ms : 15000;
    http->idle = calloc(http->max_running, sizeof *http->idle);
    http->multi = curl_multi_init();
    if (opts->ca_file != NULL && (http->ca_file = strdup(opts->ca_file)) == NULL)
        return false;
    if (opts->user_agent != NULL && (http->user_agent = strdup(opts->user_agent)) == NULL)
        return false;
    http->config.ca_file = http->ca_file;
    http->config.user_agent = http->user_agent;
    if (http->idle == NULL || http->multi == NULL)
        return false;
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->max_running);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return true;
}

enum ls_rc ls_http_open(const struct ls_http_opts *opts, struct ls_http **out_http, struct ls_err *err)
{
    pthread_once(&curl_once, init_curl);
    if (curl_ready != CURLE_OK)
        return ls_err_set(err, LS_IO, "http: libcurl does not start: %s", curl_easy_strerror(curl_ready));

    struct ls_http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return ls_err_nomem(err);
    pthread_mutex_init(&http->lock, NULL);
    ls_http_lanes_init(&http->lanes);
    enum ls_rc rc = build(http, opts) ? start_thread(http, err) : ls_err_nomem(err);
    if (rc != LS_OK) {
        destroy(http);
        return rc;
    }
    *out_http = http;
    return LS_OK;
}

void ls_http_close(struct ls_http *http)
{
    if (http == NULL)
        return;
    {
        LS_LOCK(&http->lock);
        http->closing = true;
    }
    curl_multi_wakeup(http->multi);
    ls_http_lanes_close(&http->lanes);
    pthread_join(http->thread, NULL);
    destroy(http);
}

static void prepare(struct transfer *t, struct ls_http_request *req, void (*done)(void *, struct ls_http_request *),
                    void *ctx)
{
    *t = (struct transfer){.req = req, .done = done, .ctx = ctx};
    ls_buf_reset(&req->head);
    ls_buf_reset(&req->out_body);
    ls_err_clear(&req->err);
    req->status = 0;
    req->rc = LS_OK;
    t->deadline_ms = req->timeout_ms > 0 ? ls_monotonic_ms() + req->timeout_ms : INT64_MAX;
}

void ls_http_submit(struct ls_http *http, struct ls_http_request *req,
                    void (*done)(void *ctx, struct ls_http_request *req), void *ctx)
{
    struct transfer *t = malloc(sizeof *t);
    if (t == NULL) { /* the one case in which done runs in the caller's thread */
        req->rc = ls_err_nomem(&req->err);
        done(ctx, req);
        return;
    }
    prepare(t, req, done, ctx);
    t->owned = true;
    {
        LS_LOCK(&http->lock);
        list_append(&http->queue, t);
    }
    curl_multi_wakeup(http->multi);
}

/* Run it here; false when all slots are taken or there is no lane for it. */
static bool perform_here(struct ls_http *http, struct ls_http_request *req)
{
    struct transfer t;
    bool done = false;
    if (!ls_http_lanes_enter(&http->lanes))
        return false;
    if (slot_take(http)) {
        prepare(&t, req, NULL, NULL);
        done = ls_http_lanes_run(&http->lanes, &http->config, &t);
        slot_leave(http);
        if (atomic_exchange(&http->starved, false))
            curl_multi_wakeup(http->multi);
    }
    ls_http_lanes_leave(&http->lanes);
    return done;
}

struct group {
    pthread_mutex_t lock;
    pthread_cond_t all_done;
    size_t left; /* by lock */
};

static void group_done(void *ctx, struct ls_http_request *req)
{
    struct group *group = ctx;
    (void)req;
    LS_LOCK(&group->lock);
    if (--group->left == 0)
        pthread_cond_signal(&group->all_done);
}

/* Have the I/O thread run them, and wait. */
static enum ls_rc perform_queued(struct ls_http *http, struct ls_http_request *const *reqs, size_t n,
                                 struct ls_err *err)
{
    struct group group = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, n};
    LS_AUTO(ls_free) struct transfer *transfers = calloc(n, sizeof *transfers);
    if (transfers == NULL)
        return ls_err_nomem(err);
    struct transfer_list mine = {0};
    for (size_t i = 0; i < n; i++) {
        prepare(&transfers[i], reqs[i], group_done, &group);
        list_append(&mine, &transfers[i]);
    }
    {
        LS_LOCK(&http->lock);
        list_append_all(&http->queue, &mine);
    }
    curl_multi_wakeup(http->multi);
    LS_LOCK(&group.lock);
    while (group.left > 0)
        pthread_cond_wait(&group.all_done, &group.lock);
    return LS_OK;
}

enum ls_rc ls_http_perform(struct ls_http *http, struct ls_http_request *const *reqs, size_t n, struct ls_err *err)
{
    if (n == 0)
        return LS_OK;
    if (n > 1 || !perform_here(http, reqs[0])) {
        enum ls_rc rc = perform_queued(http, reqs, n, err);
        if (rc != LS_OK)
            return rc;
    }
    for (size_t i = 0; i < n; i++) {
        if (reqs[i]->rc == LS_OK)
            continue;
        if (err != NULL)
            *err = reqs[i]->err;
        return reqs[i]->rc;
    }
    return LS_OK;
}
