/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Transactions: who may write, what COMMIT's result means, and when the log is checkpointed.
 *
 * A COMMIT that ends with an I/O error leaves an unknown outcome: the frames may lie in the log, whole and valid,
 * although this connection does not count them. Readers see the old rows then, but a crash now would let the log's
 * recovery bring the new ones. So the next call of any kind first writes a small transaction of its own ("settle"): it
 * overwrites those frames, and from then on the rows that are read decide for good.
 *
 * A relaxed transaction is written to the log without a sync; the next ordinary commit syncs the log with it, and a
 * checkpoint syncs the log before it copies. So a crash of the machine can only cut the end of the log, in order.
 */
#include "catalog/sqlite_impl.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define CHECKPOINT_PAGES 1000
#define TEND_MS 1000

static void checkpoint(struct ls_sqlite *cat)
{
    int code = sqlite3_wal_checkpoint_v2(cat->writer->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
        LS_LOG_WARN("catalog", "checkpoint", {"path", ls_v_str(cat->path)},
                    {"code", ls_v_str(ls_sqlite_code_name(code))});
}

/* SQLite calls it after each commit, when the write lock is free again. Its result would become the commit's. */
static int after_commit(void *ctx, sqlite3 *db, const char *schema, int pages)
{
    struct ls_sqlite *cat = ctx;
    (void)db, (void)schema;
    if (pages >= CHECKPOINT_PAGES && ls_sqlite_own(cat))
        checkpoint(cat);
    return SQLITE_OK;
}

void ls_sqlite_tx_watch(struct ls_sqlite *cat) { sqlite3_wal_hook(cat->writer->db, after_commit, cat); }

/* Take the writer connection as it is. */
static enum ls_rc take(struct ls_sqlite *cat, struct ls_err *err)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += (time_t)(cat->busy_timeout_ms / 1000);
    deadline.tv_nsec += (long)(cat->busy_timeout_ms % 1000) * 1000000L;
    if (deadline.tv_nsec >= 1000000000L) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000L;
    }
    LS_LOCK(&cat->mutex);
    while (cat->writing) {
        if (pthread_equal(cat->writing_thread, pthread_self()))
            return ls_err_set(err, LS_INVALID, "catalog %s: this thread has a transaction open already", cat->path);
        if (pthread_cond_timedwait(&cat->writer_free, &cat->mutex, &deadline) != 0 && cat->writing)
            return ls_err_set(err, LS_BUSY, "catalog %s: begin: another thread of this process is writing", cat->path);
    }
    cat->writing = true;
    cat->writing_thread = pthread_self();
    return LS_OK;
}

/* How commits of the writer, which is held, reach the disk. SQLite refuses the change within a transaction. */
static enum ls_rc set_relaxed(struct ls_sqlite *cat, bool relaxed, struct ls_err *err)
{
    if (cat->relaxed == relaxed)
        return LS_OK;
    enum ls_rc rc = ls_sqlite_exec(cat->writer, relaxed ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL",
                                   "begin a transaction", err);
    if (rc == LS_OK)
        cat->relaxed = relaxed;
    return rc;
}

enum ls_rc ls_sqlite_writer_take(struct ls_sqlite *cat, struct ls_err *err)
{
    enum ls_rc rc = take(cat, err);
    if (rc != LS_OK)
        return rc;
    rc = set_relaxed(cat, false, err);
    if (rc != LS_OK)
        ls_sqlite_writer_leave(cat);
    return rc;
}

static bool take_if_free(struct ls_sqlite *cat)
{
    LS_LOCK(&cat->mutex);
    if (cat->writing)
        return false;
    cat->writing = true;
    cat->writing_thread = pthread_self();
    return true;
}

void ls_sqlite_tend(struct ls_sqlite *cat)
{
    int64_t now_ms = ls_monotonic_ms(), before_ms = atomic_load(&cat->tended_ms);
    if (now_ms - before_ms < TEND_MS || !atomic_compare_exchange_strong(&cat->tended_ms, &before_ms, now_ms) ||
        !take_if_free(cat))
        return;
    if (ls_sqlite_own(cat))
        checkpoint(cat);
    ls_sqlite_writer_leave(cat);
}

void ls_sqlite_writer_leave(struct ls_sqlite *cat)
{
    LS_LOCK(&cat->mutex);
    cat->writing = false;
    pthread_cond_signal(&cat->writer_free);
}

/* Run a statement without values on the writer; its result code. */
static int run_plain(struct ls_sqlite_conn *conn, enum ls_sql sql)
{
    LS_AUTO(ls_query) struct ls_query q;
    if (ls_query_begin(conn, sql, &q, NULL) != LS_OK)
        return sqlite3_extended_errcode(conn->db);
    int code = sqlite3_step(q.stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static void roll_back(struct ls_sqlite_conn *conn)
{
    if (!sqlite3_get_autocommit(conn->db))
        (void)run_plain(conn, LS_SQL_ROLLBACK);
    /* Nothing is left to do when that fails: SQLite rolls back by itself on every failure that could prevent it. */
}

static enum ls_rc set_meta(struct ls_sqlite_conn *conn, enum ls_sql sql, const char *value, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, sql, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, value);
    return ls_query_run(&q, NULL, err);
}

/* The writer is held. */
static enum ls_rc settle_held(struct ls_sqlite *cat, struct ls_err *err)
{
    struct ls_sqlite_conn *conn = cat->writer;
    char mark[LS_ID_LEN];
    if (!atomic_load(&cat->unsettled))
        return LS_OK;
    ls_id_new(mark);
    int code = run_plain(conn, LS_SQL_BEGIN_WRITE);
    if (code == SQLITE_OK) {
        if (set_meta(conn, LS_SQL_SETTLE, mark, NULL) != LS_OK)
            code = sqlite3_extended_errcode(conn->db);
        else
            code = run_plain(conn, LS_SQL_COMMIT);
    }
    if (code != SQLITE_OK) {
        enum ls_rc rc = ls_sqlite_fail(conn, code, "settle a commit that ended with an I/O error", err);
        roll_back(conn);
        if (rc != LS_NO_MEMORY && err)
            err->rc = LS_OUTCOME_UNKNOWN;
        return rc == LS_NO_MEMORY ? rc : LS_OUTCOME_UNKNOWN;
    }
    atomic_store(&cat->unsettled, false);
    return LS_OK;
}

enum ls_rc ls_sqlite_settle(struct ls_sqlite *cat, struct ls_err *err)
{
    if (!atomic_load(&cat->unsettled))
        return LS_OK;
    enum ls_rc rc = ls_sqlite_writer_take(cat, err);
    if (rc != LS_OK)
        return rc;
    rc = settle_held(cat, err);
    ls_sqlite_writer_leave(cat);
    return rc;
}

static enum ls_rc begin_held(struct ls_sqlite *cat, bool relaxed, struct ls_err *err)
{
    enum ls_rc rc = settle_held(cat, err);
    if (rc == LS_OK)
        rc = set_relaxed(cat, relaxed, err);
    if (rc != LS_OK)
        return rc;
    int code = run_plain(cat->writer, LS_SQL_BEGIN_WRITE);
    if (code != SQLITE_OK)
        return ls_sqlite_fail(cat->writer, code, "begin a transaction", err);
    rc = set_meta(cat->writer, LS_SQL_WRITER_SET, cat->id, err);
    if (rc != LS_OK)
        roll_back(cat->writer);
    return rc;
}

static enum ls_rc begin(struct ls_catalog *base, bool relaxed, struct ls_tx **out_tx, struct ls_err *err)
{
    struct ls_sqlite *cat = ls_sqlite_of(base);
    *out_tx = NULL;
    enum ls_rc rc = ls_sqlite_writer_take(cat, err);
    if (rc != LS_OK)
        return rc;
    rc = begin_held(cat, relaxed, err);
    if (rc != LS_OK) {
        ls_sqlite_writer_leave(cat);
        return rc;
    }
    cat->tx = (struct ls_sqlite_tx){.base.cat = base};
    *out_tx = &cat->tx.base;
    return LS_OK;
}

enum ls_rc ls_sqlite_begin(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err)
{
    return begin(cat, false, out_tx, err);
}

enum ls_rc ls_sqlite_begin_relaxed(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err)
{
    return begin(cat, true, out_tx, err);
}

enum ls_rc ls_sqlite_tx_conn(struct ls_tx *tx, struct ls_sqlite_conn **out_conn, struct ls_err *err)
{
    struct ls_sqlite *cat = ls_sqlite_of(tx->cat);
    struct ls_sqlite_tx *own = (struct ls_sqlite_tx *)tx;
    *out_conn = cat->writer;
    /* SQLite rolls back by itself after some failures; what followed would be written outside of any transaction. */
    if (own->broken == LS_OK && sqlite3_get_autocommit(cat->writer->db))
        own->broken = LS_IO;
    if (own->broken == LS_OK)
        return LS_OK;
    return ls_err_set(err, own->broken, "catalog %s: the transaction cannot go on, an earlier step of it failed (%s)",
                      cat->path, ls_rc_name(own->broken));
}

enum ls_rc ls_sqlite_tx_spoil(struct ls_tx *tx, enum ls_rc rc)
{
    struct ls_sqlite_tx *own = (struct ls_sqlite_tx *)tx;
    if (rc != LS_OK && own->broken == LS_OK)
        own->broken = rc;
    return rc;
}

static enum ls_rc commit_held(struct ls_sqlite *cat, struct ls_tx *tx, struct ls_err *err)
{
    struct ls_sqlite_conn *conn;
    enum ls_rc rc = ls_sqlite_tx_conn(tx, &conn, err);
    if (rc == LS_OK)
        rc = set_meta(conn, LS_SQL_WRITER_SET, "", err);
    if (rc != LS_OK) {
        roll_back(cat->writer);
        return rc;
    }
    int code = run_plain(conn, LS_SQL_COMMIT);
    if (code == SQLITE_OK)
        return LS_OK;
    rc = ls_sqlite_fail(conn, code, "commit", err);
    roll_back(conn);
    /* Without the lock, or without room for the last frame, nothing can have happened. */
    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_FULL)
        return rc;
    atomic_store(&cat->unsettled, true);
    if (err)
        err->rc = LS_OUTCOME_UNKNOWN;
    return LS_OUTCOME_UNKNOWN;
}

enum ls_rc ls_sqlite_commit(struct ls_tx *tx, struct ls_err *err)
{
    struct ls_sqlite *cat = ls_sqlite_of(tx->cat);
    enum ls_rc rc = commit_held(cat, tx, err);
    ls_sqlite_writer_leave(cat);
    return rc;
}

void ls_sqlite_rollback(struct ls_tx *tx)
{
    if (!tx)
        return;
    struct ls_sqlite *cat = ls_sqlite_of(tx->cat);
    roll_back(cat->writer);
    ls_sqlite_writer_leave(cat);
}
