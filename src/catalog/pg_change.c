/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The change feed: reading what the triggers of the schema wrote, and waiting for it. The triggers notify once a
 * transaction; a look a second stands in for notifications that a lost connection swallowed.
 */
#include "catalog/pg_impl.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"

enum ls_rc ls_pg_change_last(struct ls_catalog *cat, int64_t *out_seq, struct ls_err *err)
{
    return ls_pg_number(cat, NULL, LS_PG_CHANGE_LAST, out_seq, err);
}

static enum ls_rc read_change(const PGresult *res, int row, struct ls_change *out, struct ls_arena *arena,
                              struct ls_err *err)
{
    out->seq = ls_pg_get_int(res, row, 1);
    enum ls_rc rc = ls_pg_get_fixed(res, row, 2, out->kind, sizeof out->kind, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, row, 3, out->action, sizeof out->action, err);
    if (rc == LS_OK)
        rc = ls_pg_get_text(res, row, 4, arena, &out->key, err);
    if (rc == LS_OK)
        rc = ls_pg_get_shared(res, row, 5, arena, out->key, &out->new_key, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, row, 6, out->writer, sizeof out->writer, err);
    if (rc == LS_OK)
        rc = ls_pg_get_text(res, row, 7, arena, &out->etag, err);
    return rc;
}

enum ls_rc ls_pg_change_page(struct ls_catalog *cat, int64_t after, unsigned limit, struct ls_change_page *out,
                             struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_CHANGE_PAGE);
    *out = (struct ls_change_page){0};
    ls_pg_int(&q, after);
    ls_pg_int(&q, limit);
    enum ls_rc rc = ls_pg_read(cat, NULL, &q, &res, err);
    if (rc != LS_OK)
        return rc;
    int n = PQntuples(res);
    int64_t floor = n ? ls_pg_get_int(res, 0, 0) : 0;
    if (after < floor)
        return ls_err_set(err, LS_NOT_FOUND,
                          "catalog %s: the changes from %" PRId64 " to %" PRId64 " are not kept any more",
                          ls_pg_of(cat)->label, after + 1, floor);
    out->memory = ls_arena_new();
    out->items = calloc(n ? (size_t)n : 1, sizeof *out->items);
    if (!out->memory || !out->items) {
        ls_change_page_dispose(out);
        return ls_err_nomem(err);
    }
    for (int i = 0; rc == LS_OK && i < n && !PQgetisnull(res, i, 1); i++)
        rc = read_change(res, i, &out->items[out->n++], out->memory, err);
    if (rc != LS_OK)
        ls_change_page_dispose(out);
    return rc;
}

/* ---- waiting ---- */

#define LOOK_MS 1000

/* The connection that listens; made anew when it was lost. Only the thread that waits uses it. */
static enum ls_rc listen(struct ls_pg *cat, struct ls_err *err)
{
    if (cat->listener && !ls_pg_conn_lost(cat->listener))
        return LS_OK;
    ls_pg_conn_close(LS_STEAL(cat->listener));
    enum ls_rc rc = ls_pg_conn_open(cat, ls_monotonic_ms() + cat->busy_timeout_ms, &cat->listener, err);
    if (rc == LS_OK)
        rc = ls_pg_script(cat->listener, "LISTEN lockstep_change", "listen to changes", NULL, err);
    if (rc != LS_OK)
        ls_pg_conn_close(LS_STEAL(cat->listener));
    return rc;
}

/* Sleep until a transaction with changes has committed, a second is over, or somebody cancels. */
static enum ls_rc sleep_until_told(struct ls_pg_conn *conn, int64_t left_ms, int cancel_fd, struct ls_err *err)
{
    struct pollfd fds[] = {{.fd = PQsocket(conn->pg), .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
    (void)poll(fds, 2, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
    if (cancel_fd >= 0 && fds[1].revents)
        return ls_err_set(err, LS_CANCELLED, "catalog: waiting for changes was cancelled");
    if (!PQconsumeInput(conn->pg))
        conn->dead = true;
    for (PGnotify *told; (told = PQnotifies(conn->pg));)
        PQfreemem(told);
    return LS_OK;
}

enum ls_rc ls_pg_change_wait(struct ls_catalog *base, int64_t after, int64_t timeout_ms, int cancel_fd,
                             int64_t *out_last, struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(base);
    int64_t deadline_ms = ls_monotonic_ms() + timeout_ms;
    for (;;) {
        /* First listen, then look: what commits in between is told. */
        enum ls_rc rc = listen(cat, err);
        if (rc == LS_OK) /* a process that waits lives: after a restart of the server nobody else says so */
            rc = ls_pg_instance_hold(cat, ls_monotonic_ms() + cat->busy_timeout_ms, err);
        if (rc == LS_OK)
            rc = ls_pg_change_last(base, out_last, err);
        int64_t left_ms = deadline_ms - ls_monotonic_ms();
        if (rc != LS_OK || *out_last != after || left_ms <= 0)
            return rc;
        rc = sleep_until_told(cat->listener, left_ms, cancel_fd, err);
        if (rc != LS_OK)
            return rc;
    }
}
