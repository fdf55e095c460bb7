/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Streams of server-sent events that follow a job (WHATWG HTML, 9.2).
 *
 * The socket thread asks for bytes; when there is no news the connection is suspended, and the main thread's tick wakes
 * all of them. So a stream costs a connection and no thread, and news is at most a tick old. A comment now and then
 * keeps proxies from cutting it, and finds out when nobody reads it any more.
 */
#include "serve/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/json.h"
#include "serve/internal.h"
#include "serve/jobs.h"

#define BLOCK 1024
#define COMMENT_MS 15000

struct stream {
    struct ls_serve *serve;
    struct MHD_Connection *mhd;
    char job[LS_ID_LEN];
    char *text; /* an event that is not sent wholly yet; or NULL */
    size_t text_len, sent;
    uint64_t told_done;
    int told_state; /* -1 = nothing was told yet */
    int64_t told_ms;
    bool over;      /* the last event was made */
    bool suspended; /* events.lock */
    struct stream *next;
};

static void make_event(struct stream *stream, const char *name, const struct ls_job_view *view)
{
    struct ls_json json;
    FILE *out = open_memstream(&stream->text, &stream->text_len);
    stream->sent = 0;
    if (!out)
        return;
    if (view) {
        fprintf(out, "event: %s\ndata: ", name);
        ls_json_init(&json, out);
        ls_job_json(&json, view);
        fputs("\n\n", out);
    } else {
        fputs(": still here\n\n", out);
    }
    if (fclose(out) != 0) {
        free(stream->text);
        stream->text = NULL;
    }
    stream->told_ms = ls_monotonic_ms();
}

/* Make the next event, if there is news. */
static void look(struct stream *stream)
{
    struct ls_job_view view;
    if (atomic_load(&stream->serve->draining) || ls_jobs_get(stream->serve->jobs, stream->job, &view, NULL)) {
        stream->over = true;
        return;
    }
    bool ended = view.state == LS_JOB_DONE || view.state == LS_JOB_ABORTED;
    if ((int)view.state != stream->told_state || view.done != stream->told_done)
        make_event(stream, ended ? "end" : "progress", &view);
    else if (ls_monotonic_ms() - stream->told_ms > COMMENT_MS)
        make_event(stream, NULL, NULL);
    stream->told_state = (int)view.state;
    stream->told_done = view.done;
    stream->over = ended;
}

static ssize_t give_bytes(void *ctx, uint64_t pos, char *buffer, size_t max)
{
    struct stream *stream = ctx;
    (void)pos;
    if (!stream->text && !stream->over)
        look(stream);
    if (stream->text) {
        size_t n = stream->text_len - stream->sent < max ? stream->text_len - stream->sent : max;
        memcpy(buffer, stream->text + stream->sent, n);
        stream->sent += n;
        if (stream->sent == stream->text_len) {
            free(stream->text);
            stream->text = NULL;
        }
        return (ssize_t)n;
    }
    if (stream->over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    LS_LOCK(&stream->serve->events.lock);
    stream->suspended = true;
    MHD_suspend_connection(stream->mhd);
    return 0;
}

static void stream_free(void *ctx)
{
    struct stream *stream = ctx;
    struct ls_events *events = &stream->serve->events;
    LS_LOCK(&events->lock);
    for (struct stream **at = &events->streams; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            events->n--;
            break;
        }
    free(stream->text);
    free(stream);
}

struct MHD_Response *ls_events_response(struct ls_serve *serve, struct MHD_Connection *mhd, const char *job)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->serve = serve;
    stream->mhd = mhd;
    stream->told_state = -1;
    snprintf(stream->job, sizeof stream->job, "%s", job);
    pthread_mutex_lock(&serve->events.lock);
    bool room = serve->events.n < LS_STREAMS_MOST;
    if (room) {
        stream->next = serve->events.streams;
        serve->events.streams = stream;
        serve->events.n++;
    }
    pthread_mutex_unlock(&serve->events.lock);
    struct MHD_Response *response =
        room ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, give_bytes, stream, stream_free) : NULL;
    if (!room)
        free(stream);
    else if (!response)
        stream_free(stream);
    return response;
}

void ls_events_wake(struct ls_serve *serve)
{
    LS_LOCK(&serve->events.lock);
    for (struct stream *stream = serve->events.streams; stream; stream = stream->next)
        if (stream->suspended) {
            stream->suspended = false;
            MHD_resume_connection(stream->mhd);
        }
}
