/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connections: making them, the session's settings, the pool of those that read, and what errors mean.
 *
 * Where the server is and who we are is libpq's business (URL, PG* variables, service file, pgpass, sslmode). Messages
 * never hold the url. A connection is made without blocking calls, so that a deadline holds also when a host is silent.
 */
#include "catalog/pg_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#define CONNECT_MOST_MS 10000
#define BRIEF_MS 5000
#define BACKOFF_FIRST_MS 20
#define BACKOFF_LARGEST_MS 500

static const struct {
    const char *prefix; /* of an SQLSTATE; the first that fits counts */
    enum ls_rc rc;
} classes[] = {
    {"23505", LS_EXISTS},      {"23503", LS_NOT_FOUND},   {"23P01", LS_EXISTS},  {"23", LS_INVALID},
    {"22", LS_INVALID},        {"55P03", LS_BUSY},        {"40P01", LS_BUSY},    {"40", LS_TRANSIENT},
    {"57014", LS_TRANSIENT},   {"57P", LS_TRANSIENT},     {"08", LS_TRANSIENT},  {"53300", LS_TRANSIENT},
    {"53100", LS_NO_SPACE},    {"53200", LS_NO_MEMORY},   {"42501", LS_DENIED},  {"28", LS_DENIED},
    {"3D000", LS_NOT_FOUND},   {"25006", LS_UNSUPPORTED}, {"XX001", LS_CORRUPT}, {"XX002", LS_CORRUPT},
    {"0A000", LS_UNSUPPORTED},
};

enum ls_rc ls_pg_state_class(const char *state)
{
    for (size_t i = 0; state && i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(state, classes[i].prefix, strlen(classes[i].prefix)) == 0)
            return classes[i].rc;
    return LS_IO;
}

/* A message in one line, without the place in the server's source. */
static void one_line(const char *message, char *out, size_t size)
{
    size_t n = 0;
    const char *place = message ? strstr(message, "\nLOCATION:") : NULL;
    for (const char *c = message ? message : ""; *c && c != place && n + 1 < size; c++)
        if (*c != '\n' && *c != '\t')
            out[n++] = *c;
        else if (n && out[n - 1] != ' ')
            out[n++] = ' ';
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

enum ls_rc ls_pg_fail(struct ls_pg_conn *conn, const PGresult *res, const char *what, struct ls_err *err)
{
    char text[512];
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *message = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (PQstatus(conn->pg) == CONNECTION_BAD)
        conn->dead = true;
    one_line(message ? message : PQerrorMessage(conn->pg), text, sizeof text);
    enum ls_rc rc = conn->dead ? LS_TRANSIENT : ls_pg_state_class(state);
    ls_err_set(err, rc, "catalog %s: %s: %s%s%s%s", conn->cat->label, what,
               conn->dead ? "the connection is lost: " : "",
               conn->late ? "no answer in time" : (text[0] ? text : "no answer"), state ? " " : "", state ? state : "");
    if (err && conn->late)
        err->sys_errno = ETIMEDOUT;
    if (err && state)
        snprintf(err->code, sizeof err->code, "%s", state);
    return rc;
}

static void log_notice(void *ctx, const char *message)
{
    (void)ctx;
    char text[256];
    one_line(message, text, sizeof text);
    LS_LOG_DEBUG("catalog", "notice", {"text", ls_v_str(text)});
}

/* ---- connecting ---- */

/* The SQLSTATE within a verbose message of a connection that failed: "FATAL:  28P01: …". */
static bool find_state(const char *message, char out[6])
{
    for (const char *at = message; (at = strstr(at, ":  ")); at++) {
        at += 3;
        if (strspn(at, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && at[5] == ':') {
            memcpy(out, at, 5);
            out[5] = '\0';
            return true;
        }
    }
    return false;
}

static enum ls_rc fail_connect(struct ls_pg *cat, PGconn *pg, bool late, struct ls_err *err)
{
    char text[512], state[6] = "";
    const char *host = PQhost(pg), *db = PQdb(pg);
    enum ls_rc rc = LS_TRANSIENT;
    one_line(late ? "no answer in time" : PQerrorMessage(pg), text, sizeof text);
    if (!late && find_state(text, state))
        rc = ls_pg_state_class(state);
    else if (!late && PQconnectionNeedsPassword(pg))
        rc = LS_DENIED;
    snprintf(cat->label, sizeof cat->label, "host=%s dbname=%s", host ? host : "", db ? db : "");
    ls_err_set(err, rc, "catalog: connecting to %s: %s", cat->label, text[0] ? text : "it failed");
    if (err)
        snprintf(err->code, sizeof err->code, "%s", state);
    return rc;
}

static bool wait_socket(PGconn *pg, short events, int64_t deadline_ms)
{
    struct pollfd p = {.fd = PQsocket(pg), .events = events};
    int64_t left = deadline_ms - ls_monotonic_ms();
    if (left <= 0)
        return false;
    return poll(&p, 1, left > 60000 ? 60000 : (int)left) >= 0;
}

static enum ls_rc finish_connect(struct ls_pg *cat, PGconn *pg, struct ls_err *err)
{
    int64_t limit_ms = cat->deadline_ms < CONNECT_MOST_MS ? cat->deadline_ms : CONNECT_MOST_MS;
    int64_t deadline_ms = ls_monotonic_ms() + limit_ms;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    if (PQstatus(pg) == CONNECTION_BAD)
        return fail_connect(cat, pg, false, err);
    while (status != PGRES_POLLING_OK) {
        if (status == PGRES_POLLING_FAILED)
            return fail_connect(cat, pg, false, err);
        if (!wait_socket(pg, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms))
            return fail_connect(cat, pg, true, err);
        status = PQconnectPoll(pg);
    }
    return LS_OK;
}

/* What a session needs to be one of ours. Acknowledged means durable, whatever the role's default is; a process that
 * hangs within a transaction must not keep others from writing; a host that is gone must be noticed. Compiling a plan
 * takes longer than any of ours runs. */
static enum ls_rc set_up(struct ls_pg_conn *conn, struct ls_err *err)
{
    const char *encoding = PQparameterStatus(conn->pg, "server_encoding");
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return ls_err_set(err, LS_UNSUPPORTED,
                          "catalog %s: its encoding is %s, only UTF8 will do: use another database", conn->cat->label,
                          encoding ? encoding : "unknown");
    if (PQserverVersion(conn->pg) < 130000)
        return ls_err_set(err, LS_UNSUPPORTED, "catalog %s: the server is PostgreSQL %d, 13 is the oldest that will do",
                          conn->cat->label, PQserverVersion(conn->pg) / 10000);
    char sql[640];
    snprintf(sql, sizeof sql,
             "SET lock_timeout = %lld; SET statement_timeout = %lld; SET idle_in_transaction_session_timeout = 30000; "
             "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; "
             "SET standard_conforming_strings = on; SET jit = off; "
             "SELECT pg_catalog.set_config('synchronous_commit', 'on', false) "
             "WHERE pg_catalog.current_setting('synchronous_commit') = 'off'",
             (long long)conn->cat->busy_timeout_ms, (long long)conn->cat->deadline_ms);
    return ls_pg_script(conn, sql, "set the session up", NULL, err);
}

static enum ls_rc open_once(struct ls_pg *cat, struct ls_pg_conn **out_conn, struct ls_err *err)
{
    static const char *const names[] = {
        "fallback_application_name", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout",          "dbname",          "client_encoding",     NULL};
    const char *values[] = {"lockstep", "15", "5", "3", "30000", cat->url, "UTF8", NULL};
    LS_AUTO(ls_pg_conn) struct ls_pg_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return ls_err_nomem(err);
    conn->cat = cat;
    conn->pg = PQconnectStartParams(names, values, 1);
    if (!conn->pg)
        return ls_err_nomem(err);
    PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE);
    PQsetNoticeProcessor(conn->pg, log_notice, NULL);
    enum ls_rc rc = finish_connect(cat, conn->pg, err);
    if (rc != LS_OK)
        return rc;
    if (PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg))
        return ls_err_nomem(err);
    rc = set_up(conn, err);
    if (rc == LS_OK)
        *out_conn = LS_STEAL(conn);
    return rc;
}

enum ls_rc ls_pg_conn_open(struct ls_pg *cat, int64_t deadline_ms, struct ls_pg_conn **out_conn, struct ls_err *err)
{
    int64_t pause_ms = BACKOFF_FIRST_MS, starting_ms = ls_monotonic_ms() + cat->busy_timeout_ms;
    struct ls_err own = LS_ERR_INIT;
    *out_conn = NULL;
    for (;;) {
        enum ls_rc rc = open_once(cat, out_conn, &own);
        /* 57P03: the server is starting or recovering; worth waiting for at any time. */
        int64_t until = strcmp(own.code, "57P03") == 0 && starting_ms > deadline_ms ? starting_ms : deadline_ms;
        if (rc != LS_TRANSIENT || ls_monotonic_ms() + pause_ms >= until) {
            if (rc != LS_OK && err)
                *err = own;
            return rc;
        }
        LS_LOG_DEBUG("catalog", "connect-again", {"error", ls_v_str(own.text)});
        ls_sleep_ms(pause_ms);
        pause_ms = pause_ms * 2 < BACKOFF_LARGEST_MS ? pause_ms * 2 : BACKOFF_LARGEST_MS;
    }
}

void ls_pg_conn_close(struct ls_pg_conn *conn)
{
    if (!conn)
        return;
    PQfinish(conn->pg);
    free(conn);
}

bool ls_pg_conn_lost(struct ls_pg_conn *conn)
{
    if (conn->dead || PQstatus(conn->pg) == CONNECTION_BAD)
        return true;
    /* The first look may read a farewell, the second sees the end. */
    for (int i = 0; i < 2 && !conn->dead; i++) {
        conn->dead = !PQconsumeInput(conn->pg);
        (void)PQisBusy(conn->pg);
    }
    conn->dead = conn->dead || PQstatus(conn->pg) == CONNECTION_BAD;
    return conn->dead;
}

int64_t ls_pg_conn_deadline(const struct ls_pg_conn *conn)
{
    int64_t limit_ms = conn->cat->deadline_ms + conn->cat->deadline_ms / 6;
    if (conn->patient)
        return INT64_MAX;
    if (conn->brief && limit_ms > BRIEF_MS)
        limit_ms = BRIEF_MS;
    return ls_monotonic_ms() + limit_ms;
}

bool ls_pg_conn_wait(struct ls_pg_conn *conn, int64_t deadline_ms)
{
    for (;;) {
        int left = PQflush(conn->pg);
        if (left < 0 || PQstatus(conn->pg) == CONNECTION_BAD)
            return true; /* the next call says what is wrong */
        if (!PQisBusy(conn->pg))
            return true;
        if (!wait_socket(conn->pg, left ? POLLIN | POLLOUT : POLLIN, deadline_ms)) {
            conn->late = conn->dead = true;
            return false;
        }
        if (!PQconsumeInput(conn->pg))
            return true;
    }
}

bool ls_pg_conn_read(struct ls_pg_conn *conn, int64_t deadline_ms)
{
    conn->late = !wait_socket(conn->pg, POLLIN, deadline_ms);
    if (conn->late || !PQconsumeInput(conn->pg))
        conn->dead = true;
    return !conn->dead;
}

/* ---- the pool ---- */

static struct ls_pg_conn *pop_idle(struct ls_pg *cat)
{
    struct ls_pg_conn *conn = cat->idle;
    if (conn)
        cat->idle = conn->next;
    return conn;
}

/* An idle connection, or the right to make one (*out NULL). */
static enum ls_rc take_slot(struct ls_pg *cat, int64_t deadline_ms, struct ls_pg_conn **out, struct ls_err *err)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ms / 1000),
                                .tv_nsec = (long)(deadline_ms % 1000) * 1000000L};
    LS_LOCK(&cat->mutex);
    while (!(*out = pop_idle(cat)) && cat->n_readers >= LS_PG_READERS_MAX)
        if (pthread_cond_timedwait(&cat->reader_free, &cat->mutex, &deadline) != 0 && !cat->idle &&
            cat->n_readers >= LS_PG_READERS_MAX)
            return ls_err_set(err, LS_BUSY, "catalog %s: all its connections are in use", cat->label);
    if (!*out)
        cat->n_readers++;
    return LS_OK;
}

static void drop_slot(struct ls_pg *cat)
{
    LS_LOCK(&cat->mutex);
    cat->n_readers--;
    pthread_cond_signal(&cat->reader_free);
}

enum ls_rc ls_pg_reader_take(struct ls_pg *cat, int64_t deadline_ms, struct ls_pg_conn **out_conn, struct ls_err *err)
{
    enum ls_rc rc;
    while ((rc = take_slot(cat, deadline_ms, out_conn, err)) == LS_OK && *out_conn && ls_pg_conn_lost(*out_conn)) {
        ls_pg_conn_close(*out_conn);
        drop_slot(cat);
    }
    if (rc != LS_OK || *out_conn)
        return rc;
    rc = ls_pg_conn_open(cat, deadline_ms, out_conn, err);
    if (rc != LS_OK)
        drop_slot(cat);
    return rc;
}

void ls_pg_reader_give(struct ls_pg_conn *conn)
{
    struct ls_pg *cat = conn->cat;
    if (conn->dead) {
        ls_pg_conn_close(conn);
        drop_slot(cat);
        return;
    }
    LS_LOCK(&cat->mutex);
    conn->next = cat->idle;
    cat->idle = conn;
    pthread_cond_signal(&cat->reader_free);
}
