/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Transactions: who may write, and what the end of a COMMIT means.
 *
 * Whoever writes holds one advisory lock for the length of the transaction: our own processes take it right after
 * BEGIN, other programs by a trigger when they touch the product tables. So there is one writer at a time in a
 * database, as on SQLite: claims are checked without a race, rows that were read stay until the commit, and the numbers
 * of the change feed rise in the order of the commits. Isolation is READ COMMITTED: each statement sees what was
 * committed before it, and nothing is committed meanwhile.
 *
 * A COMMIT whose answer never comes leaves an unknown outcome: the server may still be at it. The next call of any
 * kind first takes the writer's lock once ("settle"): it is free only when that transaction has ended, so the rows that
 * are read afterwards decide for good.
 */
#include "catalog/pg_impl.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

enum ls_rc ls_pg_writer_take(struct ls_pg *cat, struct ls_err *err)
{
    int64_t deadline_ms = ls_monotonic_ms() + cat->busy_timeout_ms;
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ms / 1000),
                                .tv_nsec = (long)(deadline_ms % 1000) * 1000000L};
    LS_LOCK(&cat->mutex);
    while (cat->writing) {
        if (pthread_equal(cat->writing_thread, pthread_self()))
            return ls_err_set(err, LS_INVALID, "catalog %s: this thread has a transaction open already", cat->label);
        if (pthread_cond_timedwait(&cat->writer_free, &cat->mutex, &deadline) != 0 && cat->writing)
            return ls_err_set(err, LS_BUSY, "catalog %s: begin: another thread of this process is writing", cat->label);
    }
    cat->writing = true;
    cat->writing_thread = pthread_self();
    return LS_OK;
}

void ls_pg_writer_leave(struct ls_pg *cat)
{
    LS_LOCK(&cat->mutex);
    cat->writing = false;
    pthread_cond_signal(&cat->writer_free);
}

enum ls_rc ls_pg_writer_conn(struct ls_pg *cat, int64_t deadline_ms, struct ls_err *err)
{
    if (cat->writer && !ls_pg_conn_lost(cat->writer))
        return LS_OK;
    ls_pg_conn_close(LS_STEAL(cat->writer));
    return ls_pg_conn_open(cat, deadline_ms, &cat->writer, err);
}

static void roll_back(struct ls_pg_conn *conn)
{
    conn->n_queued = conn->dead ? 0 : conn->n_queued;
    if (conn->dead || PQtransactionStatus(conn->pg) == PQTRANS_IDLE)
        return;
    if (ls_pg_send_plain(conn, LS_PG_ROLLBACK, NULL) != LS_OK || ls_pg_flush(conn, NULL, 0, NULL, NULL) != LS_OK)
        conn->dead = true; /* the server rolls back when it notices */
}

/* One round trip: begin, wait for other writers, tell the triggers who writes. */
static enum ls_rc begin_on(struct ls_pg_conn *conn, bool relaxed, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_WRITER_SET);
    ls_pg_text(&q, conn->cat->id);
    enum ls_rc rc = ls_pg_send_plain(conn, LS_PG_BEGIN, err);
    if (rc == LS_OK)
        rc = ls_pg_send_plain(conn, LS_PG_WRITER_LOCK, err);
    if (rc == LS_OK)
        rc = ls_pg_send(conn, &q, err);
    if (rc == LS_OK && relaxed)
        rc = ls_pg_send_plain(conn, LS_PG_RELAX, err);
    if (rc == LS_OK)
        rc = ls_pg_flush(conn, NULL, 0, NULL, err);
    if (rc != LS_OK)
        roll_back(conn);
    return rc;
}

/* The writer is held. */
static enum ls_rc begin_held(struct ls_pg *cat, bool relaxed, struct ls_err *err)
{
    int64_t deadline_ms = ls_monotonic_ms() + cat->busy_timeout_ms;
    enum ls_rc rc;
    do {
        rc = ls_pg_instance_hold(cat, deadline_ms, err);
        if (rc == LS_OK)
            rc = ls_pg_writer_conn(cat, deadline_ms, err);
        if (rc == LS_OK)
            rc = begin_on(cat->writer, relaxed, err);
    } while (rc == LS_TRANSIENT && ls_monotonic_ms() < deadline_ms);
    if (rc == LS_OK)
        atomic_store(&cat->unsettled, false);
    return rc;
}

enum ls_rc ls_pg_settle(struct ls_pg *cat, struct ls_err *err)
{
    if (!atomic_load(&cat->unsettled))
        return LS_OK;
    enum ls_rc rc = ls_pg_writer_take(cat, err);
    if (rc != LS_OK)
        return rc;
    rc = atomic_load(&cat->unsettled) ? begin_held(cat, false, err) : LS_OK;
    if (rc == LS_OK && cat->writer)
        roll_back(cat->writer);
    ls_pg_writer_leave(cat);
    if (rc != LS_OK && rc != LS_NO_MEMORY) {
        if (err)
            err->rc = LS_OUTCOME_UNKNOWN;
        rc = LS_OUTCOME_UNKNOWN;
    }
    return rc;
}

static enum ls_rc begin(struct ls_catalog *base, bool relaxed, struct ls_tx **out_tx, struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(base);
    *out_tx = NULL;
    enum ls_rc rc = ls_pg_writer_take(cat, err);
    if (rc != LS_OK)
        return rc;
    rc = begin_held(cat, relaxed, err);
    if (rc != LS_OK) {
        ls_pg_writer_leave(cat);
        return rc;
    }
    cat->tx = (struct ls_pg_tx){.base.cat = base};
    *out_tx = &cat->tx.base;
    return LS_OK;
}

enum ls_rc ls_pg_begin(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err)
{
    return begin(cat, false, out_tx, err);
}

/* The log is written in order, so what is lost is lost with all that came after it. */
enum ls_rc ls_pg_begin_relaxed(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err)
{
    return begin(cat, true, out_tx, err);
}

enum ls_rc ls_pg_tx_conn(struct ls_tx *tx, struct ls_pg_conn **out_conn, struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(tx->cat);
    struct ls_pg_tx *own = (struct ls_pg_tx *)tx;
    *out_conn = cat->writer;
    if (own->broken == LS_OK && cat->writer->dead)
        own->broken = LS_TRANSIENT;
    if (own->broken == LS_OK)
        return LS_OK;
    return ls_err_set(err, own->broken, "catalog %s: the transaction cannot go on, an earlier step of it failed (%s)",
                      cat->label, ls_rc_name(own->broken));
}

enum ls_rc ls_pg_tx_spoil(struct ls_tx *tx, enum ls_rc rc)
{
    struct ls_pg_tx *own = (struct ls_pg_tx *)tx;
    if (rc != LS_OK && own->broken == LS_OK)
        own->broken = rc;
    return rc;
}

static enum ls_rc commit_held(struct ls_pg *cat, struct ls_tx *tx, struct ls_err *err)
{
    struct ls_pg_conn *conn;
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    enum ls_rc rc = ls_pg_tx_conn(tx, &conn, err);
    if (rc != LS_OK)
        return rc;
    if (ls_pg_conn_lost(conn))
        return ls_pg_fail(conn, NULL, "commit", err); /* COMMIT was not sent, so it did not happen */
    rc = ls_pg_send_plain(conn, LS_PG_COMMIT, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_pg_flush(conn, &res, 1, NULL, err);
    if (conn->dead) {
        atomic_store(&cat->unsettled, true);
        LS_LOG_WARN("catalog", "commit-unknown", {"catalog", ls_v_str(cat->label)});
        if (err)
            err->rc = LS_OUTCOME_UNKNOWN;
        return LS_OUTCOME_UNKNOWN;
    }
    if (rc == LS_OK && strcmp(PQcmdStatus(res), "COMMIT") != 0)
        return ls_err_set(err, LS_IO, "catalog %s: commit: the server rolled back", cat->label);
    return rc;
}

enum ls_rc ls_pg_commit(struct ls_tx *tx, struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(tx->cat);
    enum ls_rc rc = commit_held(cat, tx, err);
    if (rc != LS_OK && cat->writer)
        roll_back(cat->writer);
    ls_pg_writer_leave(cat);
    return rc;
}

void ls_pg_rollback(struct ls_tx *tx)
{
    if (!tx)
        return;
    struct ls_pg *cat = ls_pg_of(tx->cat);
    roll_back(cat->writer);
    ls_pg_writer_leave(cat);
}
