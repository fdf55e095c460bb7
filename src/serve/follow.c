/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Following the stream: lines of JSON into the inbox, whose thread works them off.
 *
 * A MinIO that sends each event at once sends blanks too, twice a second: then one stream is enough. Recent ones hold
 * their answer back until a buffer is full, or until the stream ends. Then two streams take turns: each lives for
 * LIFE_MS, and ends only when the other has been there for OVERLAP_MS; both are told what happens in between, which
 * does no harm. Nothing keeps events for somebody who is not connected, so each gap is said, with the advice to
 * scan; an event that cannot be kept, because the catalog does not answer for long, ends its stream and makes one.
 * Threads: one a stream; the caller's waits for signals.
 */
#include "serve/follow.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "serve/inbox.h"
#include "serve/internal.h"
#include "serve/systemd.h"

#define LIFE_MS 2000
#define OVERLAP_MS 1000
#define QUIET_MS 10000 /* without a blank where there were some: does the server live? */
#define TICK_MS 100
#define LINE_MAX_BYTES ((size_t)1024 * 1024)
#define PAUSE_FIRST_MS 250
#define PAUSE_MOST_MS 15000
#define KEEP_MS 10000 /* how long a catalog that does not answer is tried */
#define KEEP_AGAIN_MS 250

struct follower;

struct stream {
    struct follower *follower;
    const struct stream *other;
    pthread_t thread;
    bool second;
    atomic_int_fast64_t since_ms; /* it is there; 0 = it is not */
    /* Of whoever reads the stream: */
    struct ls_buf line;          /* what has come of it */
    bool skips;                  /* the line is too long: up to its end */
    atomic_bool asked;           /* it is to end */
    atomic_int_fast64_t last_ms; /* when something came */
};

struct follower {
    struct ls_serve *serve; /* engine, inbox, counters; no HTTP */
    struct stream streams[2];
    atomic_bool ended;
    atomic_bool at_once;  /* the server sends each event at once */
    pthread_mutex_t lock; /* all below */
    bool begun, lost;
    int64_t lost_ms; /* since when */
    enum ls_rc rc;   /* why it did not begin */
    struct ls_err err;
};

static bool is_ending(const struct follower *f) { return atomic_load(&f->ended); }

/* Sleep; false when the end has come. */
static bool rest(const struct follower *f, int64_t ms)
{
    for (; ms > 0 && !is_ending(f); ms -= TICK_MS)
        ls_sleep_ms(ms < TICK_MS ? ms : TICK_MS);
    return !is_ending(f);
}

/* ---- what is there, what is not ---- */

static void note_stream(struct follower *f)
{
    LS_LOCK(&f->lock);
    if (f->lost)
        LS_LOG_WARN("listen", "gap", {"seconds", ls_v_int((ls_monotonic_ms() - f->lost_ms) / 1000)},
                    {"action", ls_v_str("what changed meanwhile was told to nobody: run `lockstep scan`")});
    f->lost = false;
    if (f->begun)
        return;
    f->begun = true;
    f->serve->opts->ready(f->serve->opts->ctx, f->serve->opts->bucket);
    ls_systemd_notify("READY=1");
}

static void note_loss(struct follower *f, enum ls_rc rc, const struct ls_err *err)
{
    LS_LOCK(&f->lock);
    if (!f->begun && !f->rc) {
        f->rc = rc;
        f->err = *err;
        atomic_store(&f->ended, true);
    } else if (f->begun && !f->lost) {
        LS_LOG_WARN("listen", "stream-lost", {"error", ls_v_str(err->text)},
                    {"action", ls_v_str("it is tried again until it is there")});
        f->lost = true;
        f->lost_ms = ls_monotonic_ms();
    }
}

/* ---- lines ---- */

static enum ls_rc keep(struct follower *f, const json_t *body, struct ls_err *err)
{
    int64_t until_ms = ls_monotonic_ms() + KEEP_MS;
    for (;;) {
        enum ls_rc rc = ls_inbox_take(f->serve, body, LS_KEYS_PLAIN, err);
        bool passes = rc == LS_BUSY || rc == LS_TRANSIENT || rc == LS_OUTCOME_UNKNOWN;
        if (!passes || ls_monotonic_ms() > until_ms || !rest(f, KEEP_AGAIN_MS))
            return rc;
    }
}

static enum ls_rc take_line(struct stream *s)
{
    struct ls_err err = LS_ERR_INIT;
    json_error_t why;
    const char *text = s->line.len ? s->line.data + strspn(s->line.data, " \t\r") : "";
    if (!*text)
        return LS_OK;
    json_t *body = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    const json_t *records = json_object_get(body, "Records");
    enum ls_rc rc = LS_OK;
    if (!body)
        rc = ls_err_set(&err, LS_INVALID, "no JSON: %s", why.text);
    else if (json_array_size(records) > 0)
        rc = keep(s->follower, body, &err);
    json_decref(body);
    if (rc == LS_OK)
        return LS_OK;
    LS_LOG_WARN("listen", rc == LS_INVALID ? "malformed" : "not-kept", {"error", ls_v_str(err.text)},
                {"action", ls_v_str("a scan tells what it was about")});
    return rc == LS_INVALID ? LS_OK : rc;
}

/* Up to the line's end, if it is there. */
static enum ls_rc take_part(struct stream *s, const char *data, size_t len, bool ends)
{
    enum ls_rc rc = LS_OK;
    while (s->line.len == 0 && len > 0 && *data == ' ') { /* blanks would add up */
        data++;
        len--;
    }
    if (!s->skips && ls_buf_add(&s->line, data, len) != LS_OK)
        s->skips = true;
    if (!ends)
        return LS_OK;
    if (s->skips)
        LS_LOG_WARN("listen", "too-long", {"action", ls_v_str("a scan tells what it was about")});
    else
        rc = take_line(s);
    ls_buf_reset(&s->line);
    s->skips = false;
    return rc;
}

static bool is_blank(const char *data, size_t len)
{
    while (len > 0 && *data == ' ') {
        data++;
        len--;
    }
    return len == 0;
}

static enum ls_rc take_piece(void *ctx, const void *data, size_t len)
{
    struct stream *s = ctx;
    const char *at = data, *end = at + len;
    enum ls_rc rc = LS_OK;
    atomic_store(&s->last_ms, ls_monotonic_ms());
    if (is_blank(at, len) && !atomic_load(&s->asked)) {
        atomic_store(&s->follower->at_once, true);
        note_stream(s->follower);
    }
    while (rc == LS_OK && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
        rc = take_part(s, at, (size_t)(stop - at), newline != NULL);
        at = newline ? newline + 1 : end;
    }
    return rc;
}

/* ---- a stream ---- */

static bool should_end(const struct stream *s)
{
    struct follower *f = s->follower;
    int64_t now_ms = ls_monotonic_ms(), other_ms = atomic_load(&s->other->since_ms);
    if (is_ending(f))
        return true;
    if (atomic_load(&f->at_once)) {
        if (!s->second && now_ms - atomic_load(&s->last_ms) < QUIET_MS)
            return false;
        if (!s->second)
            atomic_store(&f->at_once, false); /* until blanks come again */
        return true;
    }
    return now_ms - atomic_load(&s->since_ms) >= LIFE_MS && other_ms && now_ms - other_ms >= OVERLAP_MS;
}

static bool has_enough(void *ctx)
{
    struct stream *s = ctx;
    if (!should_end(s))
        return false;
    atomic_store(&s->asked, true);
    return true;
}

static enum ls_rc follow_once(struct stream *s, struct ls_err *err)
{
    struct ls_engine *engine = s->follower->serve->opts->engine;
    const struct ls_store_follow follow = {
        .prefix = ls_layout_prefix(ls_engine_layout(engine)), .sink = take_piece, .enough = has_enough, .ctx = s};
    int64_t now_ms = ls_monotonic_ms();
    ls_buf_reset(&s->line);
    s->skips = false;
    atomic_store(&s->asked, false);
    atomic_store(&s->last_ms, now_ms);
    atomic_store(&s->since_ms, now_ms);
    enum ls_rc rc = ls_store_follow(ls_engine_store(engine), &follow, err);
    atomic_store(&s->since_ms, 0);
    if (rc != LS_OK && err->rc == LS_OK)
        (void)!ls_err_set(err, rc, "what came could not be kept");
    return rc;
}

static void *run_stream(void *arg)
{
    struct stream *s = arg;
    struct follower *f = s->follower;
    int64_t pause_ms = PAUSE_FIRST_MS;
    if (s->second && !rest(f, OVERLAP_MS))
        return NULL;
    while (!is_ending(f)) {
        struct ls_err why = LS_ERR_INIT;
        if (s->second && atomic_load(&f->at_once)) {
            rest(f, TICK_MS);
            continue;
        }
        enum ls_rc rc = follow_once(s, &why);
        if (rc == LS_OK) {
            if (!is_ending(f))
                note_stream(f);
            pause_ms = PAUSE_FIRST_MS;
            continue;
        }
        if (is_ending(f))
            break;
        note_loss(f, rc, &why);
        rest(f, pause_ms);
        pause_ms = pause_ms * 2 < PAUSE_MOST_MS ? pause_ms * 2 : PAUSE_MOST_MS;
    }
    return NULL;
}

/* ---- all of it ---- */

/* Has a signal come, within a tick, that ends us? */
static bool await_end(void)
{
    sigset_t set;
    const struct timespec wait = {.tv_nsec = TICK_MS * LS_NS_PER_MS};
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return sigtimedwait(&set, NULL, &wait) > 0;
}

static enum ls_rc run_streams(struct follower *f, struct ls_err *err)
{
    size_t running = 0;
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; i < 2; i++) {
        f->streams[i] = (struct stream){.follower = f, .other = &f->streams[1 - i], .second = i > 0};
        ls_buf_init(&f->streams[i].line, LINE_MAX_BYTES);
    }
    for (; running < 2 && rc == LS_OK; running += rc == LS_OK) {
        struct stream *s = &f->streams[running];
        int code = ls_thread_start(&s->thread, "ls-listen", run_stream, s);
        rc = code ? ls_err_errno(err, code, "listen: cannot start a thread") : LS_OK;
    }
    while (rc == LS_OK && !is_ending(f) && !await_end())
        ;
    atomic_store(&f->ended, true);
    LS_LOG_INFO("listen", "ending");
    ls_systemd_notify("STOPPING=1");
    for (size_t i = 0; i < running; i++)
        pthread_join(f->streams[i].thread, NULL);
    for (size_t i = 0; i < 2; i++)
        ls_buf_dispose(&f->streams[i].line);
    if (rc != LS_OK || f->rc == LS_OK)
        return rc;
    if (err)
        *err = f->err;
    return f->rc;
}

enum ls_rc ls_follow_run(const struct ls_serve_opts *opts, struct ls_err *err)
{
    struct follower *f = calloc(1, sizeof *f);
    struct ls_serve *serve = calloc(1, sizeof *serve);
    if (!f || !serve) {
        free(f);
        free(serve);
        return ls_err_nomem(err);
    }
    f->serve = serve;
    serve->opts = opts;
    pthread_mutex_init(&f->lock, NULL);
    ls_recent_init(&serve->recent);
    enum ls_rc rc = opts->events == LS_EVENTS_ACT ? LS_OK : ls_inbox_retire(serve, err);
    if (rc == LS_OK)
        rc = ls_inbox_start(serve, &serve->inbox, err);
    if (rc == LS_OK)
        rc = run_streams(f, err);
    ls_inbox_stop(serve->inbox);
    ls_recent_dispose(&serve->recent);
    pthread_mutex_destroy(&f->lock);
    free(serve);
    free(f);
    return rc;
}
