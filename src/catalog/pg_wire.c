/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sending statements and collecting their answers, always in pipeline mode.
 *
 * Statements are queued (and prepared on their first use, in the same round trip), then flushed: everything goes out
 * with one sync at its end, and all answers come back before anything else is done with the connection. After an error
 * the server skips the rest up to the sync. A connection that is lost, or whose answer does not come in time, is dead:
 * it is never used again.
 */
#include "catalog/pg_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static bool is_queued_prepare(const struct ls_pg_conn *conn, enum ls_pg_sql sql)
{
    for (unsigned i = 0; i < conn->n_queued; i++)
        if (conn->queue[i].prepare && conn->queue[i].sql == sql)
            return true;
    return false;
}

static void enqueue(struct ls_pg_conn *conn, enum ls_pg_sql sql, bool prepare)
{
    conn->queue[conn->n_queued].sql = sql;
    conn->queue[conn->n_queued++].prepare = prepare;
}

/* What could not be queued leaves the connection in a state that nobody knows. */
static enum ls_rc fail_send(struct ls_pg_conn *conn, enum ls_pg_sql sql, struct ls_err *err)
{
    conn->dead = true;
    return ls_pg_fail(conn, NULL, ls_pg_statements[sql].what, err);
}

/* Until the mapping is known a statement is sent as it stands: those that are needed before have no places to fill. */
static const char *text_of(const struct ls_pg_conn *conn, enum ls_pg_sql sql)
{
    return conn->cat->sql[sql] ? conn->cat->sql[sql] : ls_pg_statements[sql].text;
}

enum ls_rc ls_pg_send_plain(struct ls_pg_conn *conn, enum ls_pg_sql sql, struct ls_err *err)
{
    if (conn->dead || !PQsendQueryParams(conn->pg, text_of(conn, sql), 0, NULL, NULL, NULL, NULL, 1))
        return fail_send(conn, sql, err);
    enqueue(conn, sql, false);
    return LS_OK;
}

enum ls_rc ls_pg_send(struct ls_pg_conn *conn, const struct ls_pg_query *query, struct ls_err *err)
{
    static const int binary[LS_PG_VALUES_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                                 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    char name[16];
    enum ls_pg_sql sql = query->sql;
    if (query->not_utf8)
        return ls_err_set(err, LS_INVALID, "catalog %s: %s: a name is not UTF-8", conn->cat->label,
                          ls_pg_statements[sql].what);
    snprintf(name, sizeof name, "s%d", (int)sql);
    if (conn->dead)
        return fail_send(conn, sql, err);
    if (!conn->prepared[sql] && !is_queued_prepare(conn, sql)) {
        if (!PQsendPrepare(conn->pg, name, text_of(conn, sql), 0, NULL))
            return fail_send(conn, sql, err);
        enqueue(conn, sql, true);
    }
    if (!PQsendQueryPrepared(conn->pg, name, query->n, query->values, query->lengths, binary, 1))
        return fail_send(conn, sql, err);
    enqueue(conn, sql, false);
    return LS_OK;
}

/* The next answer and, but for a sync, the end behind it. NULL when the connection is lost. */
static PGresult *next_answer(struct ls_pg_conn *conn, int64_t deadline_ms)
{
    PGresult *res = ls_pg_conn_wait(conn, deadline_ms) ? PQgetResult(conn->pg) : NULL;
    if (!res || PQstatus(conn->pg) == CONNECTION_BAD)
        conn->dead = true;
    if (conn->dead || PQresultStatus(res) == PGRES_PIPELINE_SYNC)
        return res;
    PGresult *end = ls_pg_conn_wait(conn, deadline_ms) ? PQgetResult(conn->pg) : NULL;
    if (end) { /* a statement has one answer: this cannot be */
        PQclear(end);
        conn->dead = true;
    }
    return res;
}

static bool is_good(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

enum ls_rc ls_pg_flush(struct ls_pg_conn *conn, PGresult **results, size_t n, size_t *out_failed, struct ls_err *err)
{
    int64_t deadline_ms = ls_pg_conn_deadline(conn);
    size_t at = 0;
    unsigned n_queued = conn->n_queued;
    enum ls_rc rc = LS_OK;
    const char *what = n_queued ? ls_pg_statements[conn->queue[n_queued - 1].sql].what : "wait";
    for (size_t i = 0; i < n; i++)
        results[i] = NULL;
    conn->n_queued = 0;
    if (conn->dead || !PQpipelineSync(conn->pg)) {
        conn->dead = true;
        return ls_pg_fail(conn, NULL, what, err);
    }
    for (unsigned i = 0; i < n_queued; i++) {
        LS_AUTO(ls_pg_result) PGresult *res = next_answer(conn, deadline_ms);
        enum ls_pg_sql sql = conn->queue[i].sql;
        if (conn->dead)
            return ls_pg_fail(conn, res, ls_pg_statements[sql].what, err);
        if (is_good(res) && conn->queue[i].prepare)
            conn->prepared[sql] = true;
        else if (!is_good(res) && rc == LS_OK) {
            rc = ls_pg_fail(conn, res, ls_pg_statements[sql].what, err);
            if (out_failed)
                *out_failed = at;
        }
        if (conn->queue[i].prepare)
            continue;
        if (at < n)
            results[at] = LS_STEAL(res);
        at++;
    }
    LS_AUTO(ls_pg_result) PGresult *sync = next_answer(conn, deadline_ms);
    if (conn->dead)
        return ls_pg_fail(conn, sync, what, err);
    return rc;
}

enum ls_rc ls_pg_script(struct ls_pg_conn *conn, const char *sql, const char *what, PGresult **out_last,
                        struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *last = NULL;
    int64_t deadline_ms = ls_pg_conn_deadline(conn);
    enum ls_rc rc = LS_OK;
    if (conn->dead || !PQexitPipelineMode(conn->pg) || !PQsendQuery(conn->pg, sql)) {
        conn->dead = true;
        return ls_pg_fail(conn, NULL, what, err);
    }
    while (ls_pg_conn_wait(conn, deadline_ms)) {
        PGresult *res = PQgetResult(conn->pg);
        if (!res)
            break;
        if (!is_good(res) && rc == LS_OK)
            rc = ls_pg_fail(conn, res, what, err);
        PQclear(last);
        last = res;
    }
    if (rc == LS_OK && (conn->dead || PQstatus(conn->pg) == CONNECTION_BAD)) {
        conn->dead = true;
        rc = ls_pg_fail(conn, NULL, what, err);
    }
    if (!conn->dead && !PQenterPipelineMode(conn->pg))
        conn->dead = true;
    if (rc == LS_OK && out_last)
        *out_last = LS_STEAL(last);
    return rc;
}

/* ---- one or many statements ---- */

static enum ls_rc ask(struct ls_pg_conn *conn, const struct ls_pg_query *query, PGresult **out, struct ls_err *err)
{
    enum ls_rc rc = ls_pg_send(conn, query, err);
    if (rc == LS_OK)
        rc = ls_pg_flush(conn, out, 1, NULL, err);
    if (rc != LS_OK) {
        PQclear(*out);
        *out = NULL;
    }
    return rc;
}

enum ls_rc ls_pg_read(struct ls_catalog *base, struct ls_tx *tx, const struct ls_pg_query *query, PGresult **out,
                      struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(base);
    struct ls_pg_conn *conn;
    enum ls_rc rc;
    *out = NULL;
    if (query->not_utf8)
        return LS_OK; /* no row has such a name */
    if (tx) {
        rc = ls_pg_tx_conn(tx, &conn, err);
        return rc == LS_OK ? ls_pg_tx_spoil(tx, ask(conn, query, out, err)) : rc;
    }
    rc = ls_pg_settle(cat, err);
    int64_t deadline_ms = ls_monotonic_ms() + cat->busy_timeout_ms;
    for (bool again = rc == LS_OK; again;) {
        rc = ls_pg_reader_take(cat, deadline_ms, &conn, err);
        if (rc != LS_OK)
            return rc;
        rc = ask(conn, query, out, err);
        again = rc == LS_TRANSIENT && conn->dead && ls_monotonic_ms() < deadline_ms;
        ls_pg_reader_give(conn);
    }
    return rc;
}

enum ls_rc ls_pg_read_page(struct ls_catalog *cat, struct ls_tx *tx, const struct ls_pg_query *query,
                           ls_pg_reader *read, size_t size, void *items_ptr, size_t *out_n, void **out_memory,
                           struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    enum ls_rc rc = ls_pg_read(cat, tx, query, &res, err);
    if (rc != LS_OK)
        return rc;
    size_t n = (size_t)PQntuples(res);
    LS_AUTO(ls_free) char *items = calloc(n ? n : 1, size);
    LS_AUTO(ls_arena) struct ls_arena *arena = out_memory ? ls_arena_new() : NULL;
    if (!items || (out_memory && !arena))
        return ls_err_nomem(err);
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        rc = read(res, (int)i, items + i * size, arena, err);
    if (rc != LS_OK)
        return rc;
    memcpy(items_ptr, &items, sizeof items);
    items = NULL;
    *out_n = n;
    if (out_memory)
        *out_memory = LS_STEAL(arena);
    return LS_OK;
}

enum ls_rc ls_pg_number(struct ls_catalog *cat, struct ls_tx *tx, enum ls_pg_sql sql, int64_t *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, sql);
    enum ls_rc rc = ls_pg_read(cat, tx, &q, &res, err);
    *out = rc == LS_OK && PQntuples(res) ? ls_pg_get_int(res, 0, 0) : 0;
    return rc;
}

enum ls_rc ls_pg_count(struct ls_catalog *cat, enum ls_pg_sql sql, uint64_t *out_count, struct ls_err *err)
{
    int64_t count;
    enum ls_rc rc = ls_pg_number(cat, NULL, sql, &count, err);
    *out_count = (uint64_t)count;
    return rc;
}

enum ls_rc ls_pg_run(struct ls_tx *tx, const struct ls_pg_query *query, int *out_changes, PGresult **out_res,
                     struct ls_err *err)
{
    struct ls_pg_conn *conn;
    PGresult *results[3] = {NULL};
    enum ls_rc rc = ls_pg_tx_conn(tx, &conn, err);
    if (rc != LS_OK)
        return rc;
    if (query->not_utf8)
        return ls_pg_send(conn, query, err); /* says so */
    rc = ls_pg_send_plain(conn, LS_PG_SAVEPOINT, err);
    if (rc == LS_OK)
        rc = ls_pg_send(conn, query, err);
    if (rc == LS_OK)
        rc = ls_pg_send_plain(conn, LS_PG_SAVEPOINT_KEEP, err);
    if (rc == LS_OK)
        rc = ls_pg_flush(conn, results, 3, NULL, err);
    if (rc == LS_OK && out_changes)
        *out_changes = atoi(PQcmdTuples(results[1]));
    if (rc == LS_OK && out_res)
        *out_res = LS_STEAL(results[1]);
    for (size_t i = 0; i < 3; i++)
        PQclear(results[i]);
    if (rc == LS_OK)
        return LS_OK;
    if (conn->dead || ls_pg_send_plain(conn, LS_PG_SAVEPOINT_BACK, NULL) != LS_OK ||
        ls_pg_flush(conn, NULL, 0, NULL, NULL) != LS_OK)
        (void)ls_pg_tx_spoil(tx, rc);
    return rc;
}

/* Send statements from *at on until the batch is full; which of the n each one is goes to numbers. */
static enum ls_rc send_batch(struct ls_pg_conn *conn, size_t n, ls_pg_fill *fill, void *ctx, size_t *at,
                             size_t numbers[LS_PG_BATCH], bool must_change[LS_PG_BATCH], size_t *out_sent,
                             struct ls_err *err)
{
    size_t sent = 0;
    enum ls_rc rc = LS_OK;
    for (; rc == LS_OK && *at < n && sent < LS_PG_BATCH; (*at)++) {
        LS_AUTO(ls_pg_query) struct ls_pg_query q;
        ls_pg_query_init(&q, LS_PG_NONE);
        numbers[sent] = *at;
        rc = fill(ctx, *at, &q, err);
        if (rc != LS_OK || q.sql == LS_PG_NONE)
            continue;
        must_change[sent] = q.must_change;
        rc = ls_pg_send(conn, &q, err);
        if (rc == LS_OK)
            sent++;
    }
    *out_sent = sent;
    return rc;
}

enum ls_rc ls_pg_run_many(struct ls_tx *tx, size_t n, ls_pg_fill *fill, void *ctx, size_t *out_failed,
                          struct ls_err *err)
{
    struct ls_pg_conn *conn;
    PGresult *results[LS_PG_BATCH];
    size_t numbers[LS_PG_BATCH], at = 0, sent, failed = 0, unasked;
    bool must_change[LS_PG_BATCH];
    enum ls_rc rc = ls_pg_tx_conn(tx, &conn, err);
    if (!out_failed)
        out_failed = &unasked;
    *out_failed = 0;
    while (rc == LS_OK && at < n) {
        rc = send_batch(conn, n, fill, ctx, &at, numbers, must_change, &sent, err);
        enum ls_rc send_rc = rc;
        if (rc != LS_OK)
            *out_failed = at - 1;
        rc = ls_pg_flush(conn, results, sent, &failed, rc == LS_OK ? err : NULL);
        if (rc != LS_OK && send_rc == LS_OK)
            *out_failed = failed < sent ? numbers[failed] : 0;
        for (size_t i = 0; i < sent; i++) {
            if (rc == LS_OK && send_rc == LS_OK && must_change[i] && strcmp(PQcmdTuples(results[i]), "0") == 0) {
                *out_failed = numbers[i];
                rc = ls_err_set(err, LS_NOT_FOUND, "catalog %s: it changed no row", conn->cat->label);
            }
            PQclear(results[i]);
        }
        if (send_rc != LS_OK)
            rc = send_rc;
    }
    return ls_pg_tx_spoil(tx, rc);
}
