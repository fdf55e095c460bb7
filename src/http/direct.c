/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One request, driven by the thread that waits for it: no hand-over to the I/O thread and back, which costs as much as
 * a small answer takes.
 *
 * A lane is a libcurl handle with its connection; it serves one request at a time and keeps both for the next. Decides:
 * which lane, when a request has stalled, cancellation. Leaves to io.c: what finds no free slot or no lane. Threads:
 * `lanes.lock` guards the lists, `users` and `closing`; a lane out of the idle list belongs to the thread that took it.
 */
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "http/internal.h"

#define CHECK_MS 100

struct ls_http_lane {
    struct ls_http_lane *next, *prev; /* prev: in the list of busy ones only */
    CURLM *multi;
    CURL *easy; /* NULL after a failure: libcurl may have left its buffers in it */
};

void ls_http_lanes_init(struct ls_http_lanes *lanes)
{
    pthread_mutex_init(&lanes->lock, NULL);
    pthread_cond_init(&lanes->all_left, NULL);
}

static void lane_free(struct ls_http_lane *lane)
{
    if (lane == NULL)
        return;
    if (lane->easy != NULL)
        curl_easy_cleanup(lane->easy);
    if (lane->multi != NULL)
        curl_multi_cleanup(lane->multi);
    free(lane);
}

void ls_http_lanes_close(struct ls_http_lanes *lanes)
{
    LS_LOCK(&lanes->lock);
    lanes->closing = true;
    for (struct ls_http_lane *lane = lanes->busy; lane != NULL; lane = lane->next)
        curl_multi_wakeup(lane->multi);
    while (lanes->users > 0)
        pthread_cond_wait(&lanes->all_left, &lanes->lock);
}

bool ls_http_lanes_enter(struct ls_http_lanes *lanes)
{
    LS_LOCK(&lanes->lock);
    if (lanes->closing)
        return false;
    lanes->users++;
    return true;
}

void ls_http_lanes_leave(struct ls_http_lanes *lanes)
{
    LS_LOCK(&lanes->lock);
    if (--lanes->users == 0 && lanes->closing)
        pthread_cond_signal(&lanes->all_left);
}

void ls_http_lanes_dispose(struct ls_http_lanes *lanes)
{
    while (lanes->idle != NULL) {
        struct ls_http_lane *lane = lanes->idle;
        lanes->idle = lane->next;
        lane_free(lane);
    }
    pthread_cond_destroy(&lanes->all_left);
    pthread_mutex_destroy(&lanes->lock);
}

static struct ls_http_lane *lane_new(void)
{
    struct ls_http_lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->multi = curl_multi_init();
    if (lane->multi == NULL) {
        free(lane);
        return NULL;
    }
    curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, 1L);
    curl_multi_setopt(lane->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return lane;
}

/* A lane with a handle; NULL when memory ends. */
static struct ls_http_lane *take(struct ls_http_lanes *lanes)
{
    LS_LOCK(&lanes->lock);
    struct ls_http_lane *lane = lanes->idle;
    if (lane != NULL)
        lanes->idle = lane->next;
    else
        lane = lane_new();
    if (lane == NULL)
        return NULL;
    if (lane->easy == NULL && (lane->easy = curl_easy_init()) == NULL) {
        lane_free(lane);
        return NULL;
    }
    lane->prev = NULL;
    lane->next = lanes->busy;
    if (lane->next != NULL)
        lane->next->prev = lane;
    lanes->busy = lane;
    return lane;
}

static void give_back(struct ls_http_lanes *lanes, struct ls_http_lane *lane)
{
    LS_LOCK(&lanes->lock);
    if (lane->prev != NULL)
        lane->prev->next = lane->next;
    else
        lanes->busy = lane->next;
    if (lane->next != NULL)
        lane->next->prev = lane->prev;
    lane->next = lanes->idle; /* the one that was used last comes first: its connection is the most alive */
    lanes->idle = lane;
}

static bool is_closing(struct ls_http_lanes *lanes)
{
    LS_LOCK(&lanes->lock);
    return lanes->closing;
}

/* Has it ended by itself? Its result is set then. */
static bool reap(const struct ls_http_lane *lane, struct transfer *t)
{
    int left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(lane->multi, &left)) != NULL;)
        if (msg->msg == CURLMSG_DONE) {
            ls_http_transfer_result(t, msg->data.result);
            return true;
        }
    return false;
}

static void drive(struct ls_http_lanes *lanes, const struct transfer_config *config, const struct ls_http_lane *lane,
                  struct transfer *t)
{
    int64_t checked_at_ms = t->moved_at_ms;
    int unused;
    for (;;) {
        curl_multi_perform(lane->multi, &unused);
        if (reap(lane, t))
            return;
        int64_t now_ms = ls_monotonic_ms();
        if (is_closing(lanes)) {
            ls_http_transfer_fail(t, LS_CANCELLED, "cancelled while it ran");
            return;
        }
        if (now_ms - checked_at_ms >= CHECK_MS) {
            checked_at_ms = now_ms;
            ls_http_transfer_ask(t);
            if (ls_http_transfer_stalled(t, config, now_ms)) {
                ls_http_transfer_fail(t, LS_TRANSIENT, "the server sends nothing");
                return;
            }
        }
        curl_multi_poll(lane->multi, NULL, 0, CHECK_MS, NULL);
    }
}

bool ls_http_lanes_run(struct ls_http_lanes *lanes, const struct transfer_config *config, struct transfer *t)
{
    struct ls_http_lane *lane = take(lanes);
    if (lane == NULL)
        return false;
    t->easy = lane->easy;
    enum ls_rc rc = ls_http_transfer_start(t, config, ls_monotonic_ms());
    if (rc == LS_OK && curl_multi_add_handle(lane->multi, t->easy) != CURLM_OK)
        rc = t->req->rc = ls_err_nomem(&t->req->err);
    if (rc == LS_OK) {
        drive(lanes, config, lane, t);
        curl_multi_remove_handle(lane->multi, t->easy);
    }
    ls_http_transfer_dispose(t);
    t->easy = NULL;
    if (t->req->rc != LS_OK) {
        curl_easy_cleanup(lane->easy);
        lane->easy = NULL;
    }
    give_back(lanes, lane);
    return true;
}
