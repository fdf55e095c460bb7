/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connections: how each is set up, and the pool of readers.
 *
 * No connection checkpoints by itself: SQLite before 3.51.3 can lose a commit when two connections checkpoint and reset
 * the log at once, so only the writer of the process that holds the owner lock does it (after_commit in sqlite_tx.c).
 */
#include "catalog/sqlite_impl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

/* Leave the log as it is when the connection is closed. */
static void keep_log_on_close(struct ls_sqlite_conn *conn)
{
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

/* The switch to WAL does not wait for other connections by itself. */
enum ls_rc ls_sqlite_conn_use_wal(struct ls_sqlite_conn *conn, struct ls_err *err)
{
    int64_t deadline = ls_monotonic_ms() + conn->cat->busy_timeout_ms;
    int code;
    for (int64_t pause_ms = 1;; pause_ms = pause_ms < 50 ? pause_ms * 2 : 50) {
        code = sqlite3_exec(conn->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if ((code & 0xff) != SQLITE_BUSY || ls_monotonic_ms() >= deadline)
            break;
        ls_sleep_ms(pause_ms);
    }
    if (code != SQLITE_OK)
        return ls_sqlite_fail(conn, sqlite3_extended_errcode(conn->db), "open", err);
    return LS_OK;
}

static enum ls_rc set_up(struct ls_sqlite_conn *conn, bool reader, struct ls_err *err)
{
    sqlite3_extended_result_codes(conn->db, 1);
    sqlite3_busy_timeout(conn->db, (int)conn->cat->busy_timeout_ms);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (reader)
        keep_log_on_close(conn);
    /* temp_store: a statement that fires triggers keeps a journal of its own, which would be a file. */
    return ls_sqlite_exec(conn,
                          reader
                              ? "PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON"
                              : "PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; "
                                "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000; "
                                "PRAGMA journal_size_limit = 67108864",
                          "open", err);
}

enum ls_rc ls_sqlite_conn_open(struct ls_sqlite *cat, bool reader, struct ls_sqlite_conn **out_conn, struct ls_err *err)
{
    struct ls_sqlite_conn *conn = calloc(1, sizeof *conn);
    *out_conn = NULL;
    if (!conn)
        return ls_err_nomem(err);
    conn->cat = cat;
    enum ls_rc rc = LS_OK;
    int code = sqlite3_open_v2(cat->path, &conn->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK)
        rc = ls_sqlite_fail(conn, code, "open", err);
    /* SQLite falls back to reading only, without a word. */
    if (rc == LS_OK && sqlite3_db_readonly(conn->db, "main") == 1)
        rc = ls_sqlite_fail(conn, SQLITE_READONLY, "open", err);
    if (rc == LS_OK)
        rc = set_up(conn, reader, err);
    if (rc != LS_OK) {
        ls_sqlite_conn_close(conn);
        return rc;
    }
    *out_conn = conn;
    return LS_OK;
}

void ls_sqlite_conn_close(struct ls_sqlite_conn *conn)
{
    if (!conn)
        return;
    for (size_t i = 0; i < LS_SQL_COUNT; i++)
        sqlite3_finalize(conn->stmts[i]);
    if (conn->db && !atomic_load(&conn->cat->is_owner))
        keep_log_on_close(conn);
    sqlite3_close(conn->db);
    free(conn);
}

/* ---- the pool ---- */

/* Take an idle reader, or the right to open one more (*out_conn NULL). */
static enum ls_rc pool_take(struct ls_sqlite *cat, struct ls_sqlite_conn **out_conn, struct ls_err *err)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += (time_t)(cat->busy_timeout_ms / 1000) + 1;
    LS_LOCK(&cat->mutex);
    while (!cat->idle_readers && cat->n_readers == LS_SQLITE_READERS_MAX)
        if (pthread_cond_timedwait(&cat->reader_free, &cat->mutex, &deadline) != 0)
            return ls_err_set(err, LS_BUSY, "catalog %s: all %d reading connections are in use", cat->path,
                              LS_SQLITE_READERS_MAX);
    *out_conn = cat->idle_readers;
    if (*out_conn)
        cat->idle_readers = (*out_conn)->next;
    else
        cat->n_readers++;
    return LS_OK;
}

static void pool_give(struct ls_sqlite *cat, struct ls_sqlite_conn *conn)
{
    LS_LOCK(&cat->mutex);
    if (conn) {
        conn->next = cat->idle_readers;
        cat->idle_readers = conn;
    } else
        cat->n_readers--;
    pthread_cond_signal(&cat->reader_free);
}

enum ls_rc ls_sqlite_reader_get(struct ls_catalog *base, struct ls_tx *tx, struct ls_sqlite_reader *out,
                                struct ls_err *err)
{
    struct ls_sqlite *cat = ls_sqlite_of(base);
    *out = (struct ls_sqlite_reader){0};
    if (tx)
        return ls_sqlite_tx_conn(tx, &out->conn, err);
    enum ls_rc rc = ls_sqlite_settle(cat, err);
    if (rc == LS_OK)
        rc = pool_take(cat, &out->conn, err);
    if (rc != LS_OK)
        return rc;
    if (!out->conn) {
        rc = ls_sqlite_conn_open(cat, true, &out->conn, err);
        if (rc != LS_OK) {
            pool_give(cat, NULL);
            return rc;
        }
    }
    out->pooled = true;
    return LS_OK;
}

void ls_sqlite_reader_auto(const struct ls_sqlite_reader *reader)
{
    if (reader->pooled)
        pool_give(reader->conn->cat, reader->conn);
}

static enum ls_rc run(struct ls_sqlite_conn *conn, enum ls_sql sql, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, sql, &q, err);
    return rc == LS_OK ? ls_query_run(&q, NULL, err) : rc;
}

enum ls_rc ls_sqlite_snapshot_begin(struct ls_sqlite_conn *conn, struct ls_err *err)
{
    return run(conn, LS_SQL_BEGIN_READ, err);
}

void ls_sqlite_snapshot_end(struct ls_sqlite_conn *conn)
{
    if (!sqlite3_get_autocommit(conn->db) && run(conn, LS_SQL_COMMIT, NULL) != LS_OK)
        (void)run(conn, LS_SQL_ROLLBACK, NULL);
}
