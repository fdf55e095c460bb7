/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The glue to libmicrohttpd: connections, and requests on their way through.
 *
 *   FRESH     headers are in: refuse, or wait for the body
 *   BODY      the body comes (and is dropped once the request is refused)
 *   WORKING   a lane runs the handler; the connection is suspended
 *   ANSWERED  the reply is ready: it is queued, and libmicrohttpd sends it
 *
 * All of it runs in libmicrohttpd's one thread, except for the handler and the resumption that follows it. What bounds
 * a connection besides libmicrohttpd's idle timeout is a deadline of its own: who sends a byte now and then does not
 * stay.
 */
#include <inttypes.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/events.h"
#include "serve/form.h"
#include "serve/internal.h"
#include "serve/origin.h"
#include "serve/problem.h"
#include "serve/tls.h"

#define CONNECTIONS_MOST 1000
#define HEADERS_MOST ((size_t)32 * 1024) /* of a connection's memory: request line and headers must fit */
#define IDLE_S 30
#define REQUEST_MS 20000        /* for a whole request, or until the next one */
#define REQUEST_HURRIED_MS 3000 /* the same when most connections are taken, and at the end */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define UPLOAD_MS 600000                       /* for a request that is a file */
#define SEND_MS 600000                         /* for a whole answer */
#define DISCARD_MOST ((size_t)4 * 1024 * 1024) /* of a refused body, so that its sender reads the refusal */

struct connection {
    int fd;
    int64_t deadline_ms; /* lock */
    struct connection *prev, *next;
};

struct ls_http {
    struct ls_serve *serve;
    struct MHD_Daemon *daemon;
    MHD_socket quiesced;  /* the listening socket, once nothing is accepted any more */
    struct ls_tls *tls;   /* or NULL */
    pthread_mutex_t lock; /* the list below */
    struct connection *connections;
    size_t n_connections;
    atomic_uint running;
};

enum state { FRESH, BODY, WORKING, ANSWERED };

struct call {
    struct ls_http *http;
    struct MHD_Connection *mhd;
    char *target;
    enum state state;
    enum ls_lane lane; /* WORKING */
    struct ls_request req;
    struct ls_reply reply; /* status 0: not refused (yet) */
    struct ls_form *form;  /* while one is read */
    uint64_t received;
    size_t discarded;
    int64_t began_ms;
    bool counted; /* among the running ones: its headers have come */
};

/* ---- connections ---- */

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode code)
{
    struct ls_http *http = ctx;
    struct connection *c = *slot;
    LS_LOCK(&http->lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        c = info ? calloc(1, sizeof *c) : NULL;
        *slot = c;
        if (!c)
            return; /* its requests are refused */
        c->fd = info->connect_fd;
        if (http->tls && (info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)))
            ls_tls_attach(http->tls, info->tls_session);
        c->deadline_ms = ls_monotonic_ms() + REQUEST_MS;
        c->next = http->connections;
        if (c->next)
            c->next->prev = c;
        http->connections = c;
        http->n_connections++;
        return;
    }
    if (!c)
        return;
    if (c->prev)
        c->prev->next = c->next;
    else
        http->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    http->n_connections--;
    free(c);
    *slot = NULL;
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* Give the connection ms from now on; 0 = as long as it takes. */
static void set_deadline(struct ls_http *http, struct MHD_Connection *mhd, int64_t ms)
{
    struct connection *c = connection_of(mhd);
    LS_LOCK(&http->lock);
    if (c)
        c->deadline_ms = ms ? ls_monotonic_ms() + ms : INT64_MAX;
}

void ls_http_reap(struct ls_http *http)
{
    int64_t now_ms = ls_monotonic_ms();
    LS_LOCK(&http->lock);
    bool hurry = http->n_connections > CONNECTIONS_MOST * 3 / 4 || atomic_load(&http->serve->draining);
    for (struct connection *c = http->connections; c; c = c->next) {
        bool late = c->deadline_ms <= now_ms;
        bool waits = c->deadline_ms - now_ms <= REQUEST_MS;
        if (late || (hurry && waits && c->deadline_ms - (REQUEST_MS - REQUEST_HURRIED_MS) <= now_ms))
            shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd closes it */
    }
}

/* ---- a request comes ---- */

/* The undecoded target; what is returned is the request's context from then on. */
static void *on_target(void *ctx, const char *target, struct MHD_Connection *mhd)
{
    struct ls_http *http = ctx;
    struct call *call = calloc(1, sizeof *call);
    if (!call || !(call->target = strdup(target))) {
        free(call);
        return NULL;
    }
    call->http = http;
    call->mhd = mhd;
    call->began_ms = ls_monotonic_ms();
    ls_reply_init(&call->reply);
    call->req.body_fd = -1; /* the request may end before its headers */
    return call;
}

static bool take_headers(struct call *call)
{
    for (int i = 0; i < LS_HEADER_COUNT; i++) {
        const char *value = MHD_lookup_connection_value(call->mhd, MHD_HEADER_KIND, ls_header_name((enum ls_header)i));
        if (value && ls_request_set_header(&call->req, (enum ls_header)i, value))
            return false;
    }
    return true;
}

static const struct sockaddr *peer_of(const struct call *call)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(call->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

/* All that can be said before the body is there. False: the reply says why not. */
static bool admit(struct call *call, const char *method)
{
    struct ls_serve *serve = call->http->serve;
    struct ls_err err = LS_ERR_INIT;
    if (ls_request_init(&call->req, method, call->target, &err) || !take_headers(call)) {
        if (!err.rc)
            ls_err_nomem(&err);
        ls_problem_err(&call->reply, &err);
        return false;
    }
    if (atomic_load(&serve->draining)) {
        ls_problem(&call->reply, 503, "stopping", "this server is about to stop");
        ls_reply_header(&call->reply, "Connection", "close");
        return false;
    }
    if (!ls_origin_check(&call->req, serve->opts->hosts, &call->reply) ||
        !ls_route_find(ls_routes, ls_routes_count, &call->req, &call->reply))
        return false;
    if (ls_auth_check(serve->auth, &call->req, peer_of(call), &call->reply))
        return true;
    if (!call->req.role && call->req.headers[LS_HEADER_AUTHORIZATION])
        atomic_fetch_add(&serve->metrics.wrong_tokens, 1);
    return false;
}

/* How long a body may be. */
static uint64_t body_max(const struct call *call)
{
    const struct ls_serve_opts *opts = call->http->serve->opts;
    switch (call->req.route ? call->req.route->body : LS_BODY_NONE) {
    case LS_BODY_LIST:
        return LS_REQUEST_LIST_MAX;
    case LS_BODY_EVENTS:
        return opts->max_events_bytes;
    case LS_BODY_FILE:
        return opts->max_upload_bytes;
    case LS_BODY_FORM:
        return opts->max_upload_bytes + LS_REQUEST_BODY_MAX;
    default:
        return LS_REQUEST_BODY_MAX;
    }
}

static uint64_t announced(const struct call *call)
{
    const char *length = call->req.headers[LS_HEADER_CONTENT_LENGTH];
    return length ? strtoull(length, NULL, 10) : 0;
}

/* ---- the answer ---- */

static struct MHD_Response *make_response(struct call *call)
{
    struct ls_reply *reply = &call->reply;
    struct MHD_Response *response;
    if (*reply->events_of) {
        response = ls_events_response(call->http->serve, call->mhd, reply->events_of);
    } else if (reply->fd >= 0) {
        response = MHD_create_response_from_fd64(reply->fd_size_bytes, reply->fd);
        if (response)
            reply->fd = -1;
    } else if (reply->text) {
        response = MHD_create_response_from_buffer(reply->text_len, reply->text, MHD_RESPMEM_MUST_FREE);
        if (response)
            reply->text = NULL;
    } else {
        response = MHD_create_response_from_buffer(reply->text_len, (void *)(uintptr_t)reply->constant,
                                                   MHD_RESPMEM_PERSISTENT);
    }
    return response;
}

static bool has_header(const struct ls_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->n_headers; i++)
        if (strcasecmp(reply->headers[i].name, name) == 0)
            return true;
    return false;
}

static enum MHD_Result send_reply(struct call *call)
{
    /* Unless the reply has its own. */
    static const char *const always[][2] = {{"X-Content-Type-Options", "nosniff"},
                                            {"Cache-Control", "no-store"},
                                            {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"}};
    struct ls_reply *reply = &call->reply;
    struct MHD_Response *response = make_response(call);
    if (!response)
        return MHD_NO;
    bool ok = !reply->type || MHD_add_response_header(response, "Content-Type", reply->type) == MHD_YES;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        ok = (has_header(reply, always[i][0]) ||
              MHD_add_response_header(response, always[i][0], always[i][1]) == MHD_YES) &&
             ok;
    for (size_t i = 0; i < reply->n_headers; i++)
        ok = MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value) == MHD_YES && ok;
    call->state = ANSWERED;
    set_deadline(call->http, call->mhd, *reply->events_of ? 0 : SEND_MS);
    enum MHD_Result queued = ok ? MHD_queue_response(call->mhd, reply->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return queued;
}

/* Is the handler to run as a job? */
static bool wants_job(const struct call *call)
{
    const char *async = ls_request_query(&call->req, "async");
    return async && strcmp(async, "0") != 0;
}

/* Run the handler and make sure that there is an answer. */
static void run_handler(struct call *call)
{
    struct ls_err err = LS_ERR_INIT;
    if (wants_job(call))
        ls_api_job_start(call->http->serve, &call->req, &call->reply);
    else
        call->req.route->run(call->http->serve, &call->req, &call->reply);
    if (ls_reply_finish(&call->reply, &err))
        ls_problem_err(&call->reply, &err);
    else if (!call->reply.status)
        ls_problem(&call->reply, 500, "no-answer", "the request was not answered");
}

static void work(void *job)
{
    struct call *call = job;
    struct ls_serve *serve = call->http->serve;
    enum ls_lane lane = call->lane;
    run_handler(call);
    MHD_resume_connection(call->mhd); /* the call may be gone from here on */
    ls_lane_done(serve, lane);
}

/* Could the body be kept? False: the reply says why not. */
static bool check_file(struct call *call)
{
    struct ls_err err = LS_ERR_INIT;
    const char *wrong = ls_form_end(LS_STEAL(call->form));
    if (call->req.body_too_long)
        ls_problem(&call->reply, 413, "too-long", "the file is longer than %" PRIu64 " bytes",
                   call->http->serve->opts->max_upload_bytes);
    else if (wrong)
        ls_problem(&call->reply, 400, "form", "%s", wrong);
    else if (call->req.body_errno && ls_err_errno(&err, call->req.body_errno, "serve: cannot keep the body"))
        ls_problem_err(&call->reply, &err);
    return !call->reply.status;
}

/* The request is whole. */
static enum MHD_Result start_work(struct call *call)
{
    const struct ls_route *route = call->req.route;
    set_deadline(call->http, call->mhd, 0);
    enum ls_body body = route->body;
    bool is_json = body == LS_BODY_JSON || body == LS_BODY_LIST || body == LS_BODY_EVENTS;
    if (is_json && !ls_request_parse_json(&call->req, &call->reply))
        return send_reply(call);
    if ((body == LS_BODY_FILE || body == LS_BODY_FORM) && !check_file(call))
        return send_reply(call);
    call->lane = wants_job(call) ? LS_LANE_SHORT : route->lane;
    if (call->lane == LS_LANE_NOW) {
        run_handler(call);
        return send_reply(call);
    }
    call->state = WORKING;
    MHD_suspend_connection(call->mhd);
    if (ls_lane_add(call->http->serve, call->lane, work, call))
        return MHD_YES;
    ls_problem(&call->reply, 503, "busy", "too many requests of this kind are waiting already");
    ls_reply_header(&call->reply, "Retry-After", "5");
    MHD_resume_connection(call->mhd);
    return MHD_YES;
}

/* False: it is no form. */
static bool begin_form(struct call *call)
{
    const char *type = call->req.headers[LS_HEADER_CONTENT_TYPE];
    if (type && strncasecmp(type, "multipart/form-data", 19) == 0)
        call->form = ls_form_new(call->mhd, &call->req, call->http->serve->opts->max_upload_bytes);
    return call->form != NULL;
}

/* The headers are in. A refused body is read all the same when it is short, so that its sender reads the refusal. */
static enum MHD_Result on_headers(struct call *call, const char *method)
{
    struct ls_err err = LS_ERR_INIT;
    call->state = BODY;
    if (admit(call, method)) {
        enum ls_body body = call->req.route->body;
        if (announced(call) > body_max(call)) {
            ls_problem(&call->reply, 413, "too-long", "the body is longer than %" PRIu64 " bytes", body_max(call));
        } else if (body == LS_BODY_FILE || body == LS_BODY_FORM) {
            set_deadline(call->http, call->mhd, UPLOAD_MS);
            if (ls_request_want_file(&call->req, &err))
                ls_problem_err(&call->reply, &err);
            else if (body == LS_BODY_FORM && !begin_form(call))
                ls_problem(&call->reply, 415, "content-type", "the body must be a form: multipart/form-data");
        } else {
            call->req.body.max = (size_t)body_max(call);
        }
    }
    return call->reply.status && announced(call) > DISCARD_MOST ? send_reply(call) : MHD_YES;
}

static enum MHD_Result on_body(struct call *call, const char *data, size_t len)
{
    call->received += len;
    if (call->received > body_max(call))
        call->req.body_too_long = true;
    else if (!call->reply.status && call->form)
        ls_form_add(call->form, data, len);
    else if (!call->reply.status)
        ls_request_add_body(&call->req, data, len, body_max(call));
    if (call->reply.status || call->req.body_too_long)
        call->discarded += len;
    return call->discarded > DISCARD_MOST ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_access(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
                                 const char *version, const char *data, size_t *data_len, void **slot)
{
    struct call *call = *slot;
    size_t len;
    (void)ctx;
    (void)url;
    (void)version;
    if (!call || !connection_of(mhd))
        return MHD_NO;
    switch (call->state) {
    case FRESH:
        if (!call->counted)
            atomic_fetch_add(&call->http->running, 1);
        call->counted = true;
        return on_headers(call, method);
    case BODY:
        if (*data_len == 0)
            return call->reply.status ? send_reply(call) : start_work(call);
        len = *data_len;
        *data_len = 0;
        return on_body(call, data, len);
    case WORKING:
        return send_reply(call);
    case ANSWERED:
        break;
    }
    return MHD_NO;
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode code)
{
    struct ls_http *http = ctx;
    struct call *call = *slot;
    if (!call)
        return;
    *slot = NULL;
    set_deadline(http, mhd, REQUEST_MS);
    const struct ls_route *route = call->req.route;
    ls_metrics_request(&http->serve->metrics, route, call->reply.status, (ls_monotonic_ms() - call->began_ms) * 1000);
    bool changes = route && !ls_request_is_safe(&call->req) && call->state == ANSWERED;
    ls_log_write(changes ? LS_LOG_INFO_LEVEL : LS_LOG_DEBUG_LEVEL, "serve", "request",
                 (const struct ls_log_field[]){{"method", ls_v_str(call->req.method)},
                                               {"path", ls_v_str(route ? route->path : "-")},
                                               {"status", ls_v_uint(call->reply.status)},
                                               {"token", ls_v_str(*call->req.who ? call->req.who : NULL)},
                                               {"ms", ls_v_int(ls_monotonic_ms() - call->began_ms)},
                                               {"ended", ls_v_int((int64_t)code)},
                                               {0}});
    (void)ls_form_end(call->form); /* of a request that broke off */
    ls_request_dispose(&call->req);
    ls_reply_dispose(&call->reply);
    bool counted = call->counted;
    free(call->target);
    free(call);
    if (counted)
        atomic_fetch_sub(&http->running, 1);
}

/* ---- up and down ---- */

/* The router decodes for itself, each segment alone. */
static size_t keep_escapes(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx;
    (void)mhd;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct ls_http *http, int listener)
{
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)ls_tls_retrieve},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    if (http->tls)
        flags |= MHD_USE_TLS;
    return MHD_start_daemon(flags, 0, NULL, NULL, on_access, http, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listener,
                            MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
                            NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
                            on_connection, http, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MOST,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            HEADERS_MOST, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, http->tls ? tls : tls + 2,
                            MHD_OPTION_END);
}

enum ls_rc ls_http_start(struct ls_serve *serve, int listener, struct ls_http **out_http, struct ls_err *err)
{
    struct ls_http *http = calloc(1, sizeof *http);
    if (!http) {
        close(listener);
        return ls_err_nomem(err);
    }
    http->serve = serve;
    http->quiesced = MHD_INVALID_SOCKET;
    pthread_mutex_init(&http->lock, NULL);
    enum ls_rc rc = LS_OK;
    if (serve->opts->cert_path)
        rc = ls_tls_open(serve->opts->cert_path, serve->opts->key_path, &http->tls, err);
    if (!rc && !(http->daemon = start_daemon(http, listener))) {
        listener = -1; /* the library has closed it, and another thread may have got its number since */
        rc = ls_err_set(err, LS_IO, "serve: the HTTP library does not start: are there descriptors left?");
    }
    if (rc) {
        if (listener >= 0)
            close(listener);
        ls_http_stop(http);
        return rc;
    }
    *out_http = http;
    return LS_OK;
}

void ls_http_reload(struct ls_http *http) { ls_tls_reload(http->tls); }

void ls_http_quiesce(struct ls_http *http)
{
    /* The library's thread may look at it once more, so it is closed when that thread has ended. */
    http->quiesced = MHD_quiesce_daemon(http->daemon);
}

unsigned ls_http_running(struct ls_http *http) { return atomic_load(&http->running); }

void ls_http_stop(struct ls_http *http)
{
    if (!http)
        return;
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    if (http->quiesced != MHD_INVALID_SOCKET)
        close(http->quiesced);
    ls_tls_close(http->tls);
    pthread_mutex_destroy(&http->lock);
    free(http);
}
