/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ls_serve_run: bring the parts up, wait for signals, take them down in order.
 *
 * Between signals the main thread looks once a second at what nobody else would: the file of tokens, connections that
 * take too long, intents that our own operations had to leave open.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/events.h"
#include "serve/inbox.h"
#include "serve/internal.h"
#include "serve/jobs.h"
#include "serve/systemd.h"

#define FILES_WANTED 4096 /* descriptors: connections, answers, the store's connections */
#define DRAIN_TICK_MS 20

/* ---- lanes ---- */

static const struct {
    const char *name;
    unsigned threads, most_waiting;
} lanes[LS_LANE_COUNT] = {
    [LS_LANE_PROBE] = {"ls-probe", 1, 16},
    [LS_LANE_SHORT] = {"ls-short", 4, 256},
    [LS_LANE_LONG] = {"ls-long", 2, 16},
    [LS_LANE_MEND] = {"ls-mend", 1, 64},
};

bool ls_lane_add(struct ls_serve *serve, enum ls_lane lane, void (*run)(void *job), void *job)
{
    struct ls_lane_state *state = &serve->lanes[lane];
    if (atomic_fetch_add(&state->waiting, 1) < lanes[lane].most_waiting && !ls_workers_add(state->pool, run, job))
        return true;
    atomic_fetch_sub(&state->waiting, 1);
    return false;
}

void ls_lane_done(struct ls_serve *serve, enum ls_lane lane) { atomic_fetch_sub(&serve->lanes[lane].waiting, 1); }

/* ---- up and down ---- */

static void down(struct ls_serve *serve)
{
    /* Workers first: they resume the connections that libmicrohttpd must not stop with. */
    for (int i = 0; i < LS_LANE_COUNT; i++)
        ls_workers_free(serve->lanes[i].pool);
    ls_inbox_stop(serve->inbox);
    ls_http_stop(serve->http);
    ls_jobs_close(serve->jobs);
    pthread_mutex_destroy(&serve->events.lock);
    ls_recent_dispose(&serve->recent);
    ls_auth_close(serve->auth);
    pthread_mutex_destroy(&serve->ready.lock);
    free(serve);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_WANTED)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static enum ls_rc check_open(const struct ls_serve *serve, const struct ls_listener *listener, struct ls_err *err)
{
    if (ls_auth_count(serve->auth))
        return LS_OK;
    if (listener->loopback) {
        LS_LOG_WARN("serve", "no-tokens", {"file", ls_v_str(serve->opts->tokens_path)},
                    {"advice", ls_v_str("only health is answered until there is one: lockstep token add")});
        return LS_OK;
    }
    return ls_err_set(err, LS_INVALID,
                      "serve: others reach %s, but there are no tokens in %s: make one with `lockstep token add`, or "
                      "listen on 127.0.0.1",
                      listener->address, serve->opts->tokens_path);
}

static enum ls_rc up(struct ls_serve *serve, struct ls_listener *listener, struct ls_err *err)
{
    enum ls_rc rc = ls_auth_open(serve->opts->tokens_path, &serve->auth, err);
    if (!rc)
        rc = ls_jobs_open(serve, serve->opts->jobs_folder, &serve->jobs, err);
    LS_AUTO(ls_fd) int fd = -1;
    int passed = ls_systemd_socket();
    if (!rc)
        rc = passed >= 0 ? ls_listen_passed(passed, listener, err) : ls_listen(serve->opts->listen, listener, err);
    if (rc)
        return rc;
    fd = listener->fd;
    rc = check_open(serve, listener, err);
    for (int i = 0; i < LS_LANE_COUNT && !rc; i++)
        if (lanes[i].threads)
            rc = ls_workers_new(lanes[i].name, lanes[i].threads, &serve->lanes[i].pool, err);
    if (!rc && serve->opts->events != LS_EVENTS_ACT)
        rc = ls_inbox_retire(serve, err);
    if (!rc && serve->opts->events != LS_EVENTS_IGNORE)
        rc = ls_inbox_start(serve, &serve->inbox, err);
    return rc ? rc : ls_http_start(serve, ls_fd_steal(&fd), &serve->http, err);
}

/* ---- the main thread's loop ---- */

static void wanted_signals(sigset_t *out)
{
    sigemptyset(out);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGHUP);
}

void ls_serve_block_signals(void)
{
    sigset_t set;
    wanted_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* A signal of ours that has come within ms, or 0. */
static int await_signal(int64_t ms)
{
    sigset_t set;
    const struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * LS_NS_PER_MS};
    wanted_signals(&set);
    int got = sigtimedwait(&set, NULL, &wait);
    return got > 0 ? got : 0;
}

static void loop(struct ls_serve *serve)
{
    for (;;) {
        int got = await_signal(1000);
        if (got == SIGTERM || got == SIGINT)
            return;
        ls_systemd_notify("WATCHDOG=1");
        ls_auth_reload(serve->auth, got == SIGHUP);
        if (got == SIGHUP)
            ls_http_reload(serve->http);
        ls_http_reap(serve->http);
        ls_events_wake(serve);
    }
}

/* Finish what runs; past the time, or at a second signal, cancel it. */
static void drain(struct ls_serve *serve)
{
    int64_t until_ms = ls_monotonic_ms() + serve->opts->drain_ms;
    atomic_store(&serve->draining, true);
    ls_systemd_notify("STOPPING=1");
    ls_http_quiesce(serve->http);
    LS_LOG_INFO("serve", "draining", {"requests", ls_v_uint(ls_http_running(serve->http))});
    while (ls_http_running(serve->http) || atomic_load(&serve->jobs_running)) {
        int got = await_signal(DRAIN_TICK_MS);
        ls_http_reap(serve->http);
        ls_events_wake(serve);
        if (got != SIGTERM && got != SIGINT && ls_monotonic_ms() < until_ms)
            continue;
        LS_LOG_WARN("serve", "cancelled", {"requests", ls_v_uint(ls_http_running(serve->http))});
        atomic_store(serve->opts->cancel, true);
        break;
    }
    ls_events_wake(serve); /* one that was just about to wait */
}

enum ls_rc ls_serve_run(const struct ls_serve_opts *opts, struct ls_err *err)
{
    struct ls_listener listener;
    struct ls_serve *serve = calloc(1, sizeof *serve);
    if (!serve)
        return ls_err_nomem(err);
    serve->opts = opts;
    pthread_mutex_init(&serve->ready.lock, NULL);
    pthread_mutex_init(&serve->events.lock, NULL);
    ls_recent_init(&serve->recent);
    raise_file_limit();
    enum ls_rc rc = up(serve, &listener, err);
    if (!rc) {
        char url[sizeof listener.address + 16];
        snprintf(url, sizeof url, "http%s://%s", opts->cert_path ? "s" : "", listener.address);
        LS_LOG_INFO("serve", "listening", {"on", ls_v_str(url)});
        opts->ready(opts->ctx, url);
        ls_systemd_notify("READY=1");
        loop(serve);
        drain(serve);
    }
    down(serve);
    return rc;
}
