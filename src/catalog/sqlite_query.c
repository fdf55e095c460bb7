/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Prepared statements and result codes: binding, stepping, reading columns, and the one place that turns SQLite's codes
 * into classes and text.
 *
 * Statements are prepared at first use and kept with their connection. What a read gives out is copied: nothing points
 * into SQLite's memory.
 */
#include "catalog/sqlite_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static const struct {
    int code;
    enum ls_rc rc;
    const char *name;
} codes[] = {
    /* extended codes before their primary ones */
    {SQLITE_CONSTRAINT_UNIQUE, LS_EXISTS, "SQLITE_CONSTRAINT_UNIQUE"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, LS_EXISTS, "SQLITE_CONSTRAINT_PRIMARYKEY"},
    {SQLITE_CONSTRAINT_ROWID, LS_EXISTS, "SQLITE_CONSTRAINT_ROWID"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, LS_NOT_FOUND, "SQLITE_CONSTRAINT_FOREIGNKEY"},
    {SQLITE_CONSTRAINT_CHECK, LS_INVALID, "SQLITE_CONSTRAINT_CHECK"},
    {SQLITE_CONSTRAINT_NOTNULL, LS_INVALID, "SQLITE_CONSTRAINT_NOTNULL"},
    {SQLITE_CONSTRAINT_TRIGGER, LS_DENIED, "SQLITE_CONSTRAINT_TRIGGER"},
    {SQLITE_CONSTRAINT, LS_INVALID, "SQLITE_CONSTRAINT"},
    {SQLITE_IOERR_NOMEM, LS_NO_MEMORY, "SQLITE_IOERR_NOMEM"},
    {SQLITE_IOERR_READ, LS_IO, "SQLITE_IOERR_READ"},
    {SQLITE_IOERR_SHORT_READ, LS_IO, "SQLITE_IOERR_SHORT_READ"},
    {SQLITE_IOERR_WRITE, LS_IO, "SQLITE_IOERR_WRITE"},
    {SQLITE_IOERR_FSYNC, LS_IO, "SQLITE_IOERR_FSYNC"},
    {SQLITE_IOERR_SHMSIZE, LS_IO, "SQLITE_IOERR_SHMSIZE"},
    {SQLITE_IOERR_SHMMAP, LS_IO, "SQLITE_IOERR_SHMMAP"},
    {SQLITE_IOERR_LOCK, LS_IO, "SQLITE_IOERR_LOCK"},
    {SQLITE_IOERR, LS_IO, "SQLITE_IOERR"},
    {SQLITE_BUSY_RECOVERY, LS_BUSY, "SQLITE_BUSY_RECOVERY"},
    {SQLITE_BUSY_SNAPSHOT, LS_BUSY, "SQLITE_BUSY_SNAPSHOT"},
    {SQLITE_BUSY, LS_BUSY, "SQLITE_BUSY"},
    {SQLITE_LOCKED, LS_BUSY, "SQLITE_LOCKED"},
    {SQLITE_PROTOCOL, LS_BUSY, "SQLITE_PROTOCOL"},
    {SQLITE_FULL, LS_NO_SPACE, "SQLITE_FULL"},
    {SQLITE_CORRUPT, LS_CORRUPT, "SQLITE_CORRUPT"},
    {SQLITE_NOTADB, LS_CORRUPT, "SQLITE_NOTADB"},
    {SQLITE_FORMAT, LS_CORRUPT, "SQLITE_FORMAT"},
    {SQLITE_READONLY, LS_DENIED, "SQLITE_READONLY"},
    {SQLITE_PERM, LS_DENIED, "SQLITE_PERM"},
    {SQLITE_AUTH, LS_DENIED, "SQLITE_AUTH"},
    {SQLITE_CANTOPEN, LS_IO, "SQLITE_CANTOPEN"},
    {SQLITE_NOMEM, LS_NO_MEMORY, "SQLITE_NOMEM"},
    {SQLITE_TOOBIG, LS_INVALID, "SQLITE_TOOBIG"},
    {SQLITE_MISMATCH, LS_INVALID, "SQLITE_MISMATCH"},
    {SQLITE_INTERRUPT, LS_CANCELLED, "SQLITE_INTERRUPT"},
    {SQLITE_SCHEMA, LS_IO, "SQLITE_SCHEMA"},
    {SQLITE_MISUSE, LS_IO, "SQLITE_MISUSE"},
    {SQLITE_RANGE, LS_IO, "SQLITE_RANGE"},
    {SQLITE_NOLFS, LS_IO, "SQLITE_NOLFS"},
    {SQLITE_ERROR, LS_IO, "SQLITE_ERROR"},
};

static size_t code_index(int code)
{
    size_t n = sizeof codes / sizeof codes[0], i;
    for (i = 0; i < n && codes[i].code != code; i++)
        ;
    if (i == n)
        for (i = 0; i < n - 1 && codes[i].code != (code & 0xff); i++)
            ;
    return i;
}

const char *ls_sqlite_code_name(int code) { return codes[code_index(code)].name; }
enum ls_rc ls_sqlite_code_class(int code) { return codes[code_index(code)].rc; }

/* What the reader of the message can do about it. */
static const char *advice(enum ls_rc rc)
{
    switch (rc) {
    case LS_BUSY:
        return ": another program holds its write lock (a sqlite3 shell with an open transaction, or another lockstep: "
               "see `lockstep status`)";
    case LS_NO_SPACE:
        return ": free space on its file system";
    case LS_DENIED:
        return ": make file and folder writable for this user";
    case LS_CORRUPT:
        return ": this is no SQLite database, or it is damaged; keep a copy and restore a backup";
    default:
        return "";
    }
}

enum ls_rc ls_sqlite_fail(struct ls_sqlite_conn *conn, int code, const char *what, struct ls_err *err)
{
    enum ls_rc rc = ls_sqlite_code_class(code);
    int sys = conn->db ? sqlite3_system_errno(conn->db) : 0;
    if ((code & 0xff) != SQLITE_IOERR && (code & 0xff) != SQLITE_CANTOPEN && (code & 0xff) != SQLITE_FULL)
        sys = 0; /* it is a leftover of an earlier failure */
    if (rc == LS_IO && (sys == ENOSPC || sys == EDQUOT))
        rc = LS_NO_SPACE;
    if ((code & 0xff) == SQLITE_CANTOPEN && sys)
        rc = ls_rc_from_errno(sys);
    /* The connection's message may belong to another call; the code's own always fits. */
    const char *message = conn->db && (sqlite3_errcode(conn->db) & 0xff) == (code & 0xff) ? sqlite3_errmsg(conn->db)
                                                                                          : sqlite3_errstr(code);
    ls_err_set(err, rc, "catalog %s: %s: %s (%s%s%s)%s", conn->cat->path, what, message, ls_sqlite_code_name(code),
               sys ? ", " : "", sys ? strerror(sys) : "", advice(rc));
    if (err) {
        err->sys_errno = sys;
        snprintf(err->code, sizeof err->code, "%s", ls_sqlite_code_name(code));
    }
    return rc;
}

enum ls_rc ls_sqlite_exec(struct ls_sqlite_conn *conn, const char *sql, const char *what, struct ls_err *err)
{
    int code = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? LS_OK : ls_sqlite_fail(conn, sqlite3_extended_errcode(conn->db), what, err);
}

/* ---- statements ---- */

enum ls_rc ls_query_begin(struct ls_sqlite_conn *conn, enum ls_sql sql, struct ls_query *out, struct ls_err *err)
{
    *out = (struct ls_query){.conn = conn, .sql = sql};
    if (!conn->stmts[sql]) {
        int code = sqlite3_prepare_v3(conn->db, ls_sqlite_sql[sql].text, -1, SQLITE_PREPARE_PERSISTENT,
                                      &conn->stmts[sql], NULL);
        if (code != SQLITE_OK)
            return ls_sqlite_fail(conn, sqlite3_extended_errcode(conn->db), ls_sqlite_sql[sql].what, err);
    }
    out->stmt = conn->stmts[sql];
    return LS_OK;
}

enum ls_rc ls_query_write(struct ls_tx *tx, enum ls_sql sql, struct ls_query *out, struct ls_err *err)
{
    struct ls_sqlite_conn *conn;
    *out = (struct ls_query){0};
    enum ls_rc rc = ls_sqlite_tx_conn(tx, &conn, err);
    return rc == LS_OK ? ls_query_begin(conn, sql, out, err) : rc;
}

enum ls_rc ls_query_read(struct ls_catalog *cat, struct ls_tx *tx, enum ls_sql sql, struct ls_query *out,
                         struct ls_err *err)
{
    struct ls_sqlite_reader reader;
    *out = (struct ls_query){0};
    enum ls_rc rc = ls_sqlite_reader_get(cat, tx, &reader, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_query_begin(reader.conn, sql, out, err);
    out->reader = reader;
    return rc;
}

static void bound(struct ls_query *query, int code)
{
    if (query->bind_rc == SQLITE_OK)
        query->bind_rc = code;
}

void ls_query_text(struct ls_query *query, const char *text)
{
    bound(query, sqlite3_bind_text(query->stmt, ++query->n_bound, text, -1, SQLITE_STATIC));
}

void ls_query_int(struct ls_query *query, int64_t value)
{
    bound(query, sqlite3_bind_int64(query->stmt, ++query->n_bound, value));
}

void ls_query_null(struct ls_query *query) { bound(query, sqlite3_bind_null(query->stmt, ++query->n_bound)); }

/* Every BLOB sorts after every text. */
void ls_query_after_all(struct ls_query *query)
{
    bound(query, sqlite3_bind_zeroblob(query->stmt, ++query->n_bound, 0));
}

enum ls_rc ls_query_row(struct ls_query *query, bool *out_row, struct ls_err *err)
{
    int code = query->bind_rc != SQLITE_OK ? query->bind_rc : sqlite3_step(query->stmt);
    *out_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return LS_OK;
    return ls_sqlite_fail(query->conn, code, ls_sqlite_sql[query->sql].what, err);
}

enum ls_rc ls_query_run(struct ls_query *query, int *out_changes, struct ls_err *err)
{
    bool row;
    enum ls_rc rc = ls_query_row(query, &row, err);
    if (rc == LS_OK && out_changes)
        *out_changes = sqlite3_changes(query->conn->db);
    ls_query_again(query);
    return rc;
}

void ls_query_again(struct ls_query *query)
{
    sqlite3_reset(query->stmt);
    query->n_bound = 0;
    query->bind_rc = SQLITE_OK;
}

void ls_query_auto(struct ls_query *query)
{
    if (query->stmt) {
        sqlite3_reset(query->stmt);
        sqlite3_clear_bindings(query->stmt); /* they point into the caller's memory */
    }
    ls_sqlite_reader_auto(&query->reader);
}

/* ---- columns ---- */

/* The text of a column in SQLite's memory; NULL for SQL NULL. */
static enum ls_rc column_text(struct ls_query *query, int column, const char **out, size_t *out_len, struct ls_err *err)
{
    const char *text = (const char *)sqlite3_column_text(query->stmt, column);
    *out = text;
    *out_len = 0;
    if (!text)
        return sqlite3_column_type(query->stmt, column) == SQLITE_NULL ? LS_OK : ls_err_nomem(err);
    *out_len = (size_t)sqlite3_column_bytes(query->stmt, column);
    if (strlen(text) != *out_len)
        return ls_err_set(err, LS_CORRUPT, "catalog %s: %s: column %s has a NUL byte after \"%s\"",
                          query->conn->cat->path, ls_sqlite_sql[query->sql].what,
                          sqlite3_column_name(query->stmt, column), text);
    return LS_OK;
}

enum ls_rc ls_query_get_shared(struct ls_query *query, int column, struct ls_arena *arena, const char *same,
                               const char **out, struct ls_err *err)
{
    const char *text = (const char *)sqlite3_column_text(query->stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(query->stmt, column);
    if (text && same && strcmp(same, text) == 0 && !memchr(text, '\0', len)) {
        *out = same;
        return LS_OK;
    }
    enum ls_rc rc = column_text(query, column, &text, &len, err);
    *out = NULL;
    if (rc != LS_OK || !text)
        return rc;
    *out = ls_arena_dup(arena, text, len);
    return *out ? LS_OK : ls_err_nomem(err);
}

enum ls_rc ls_query_get_text(struct ls_query *query, int column, struct ls_arena *arena, const char **out,
                             struct ls_err *err)
{
    return ls_query_get_shared(query, column, arena, NULL, out, err);
}

enum ls_rc ls_query_get_fixed(struct ls_query *query, int column, char *out, size_t size, struct ls_err *err)
{
    const char *text;
    size_t len;
    enum ls_rc rc = column_text(query, column, &text, &len, err);
    out[0] = '\0';
    if (rc != LS_OK || !text)
        return rc;
    if (len >= size)
        return ls_err_set(err, LS_CORRUPT, "catalog %s: %s: column %s is longer than %zu bytes: %.100s…",
                          query->conn->cat->path, ls_sqlite_sql[query->sql].what,
                          sqlite3_column_name(query->stmt, column), size - 1, text);
    memcpy(out, text, len + 1);
    return LS_OK;
}

int64_t ls_query_get_int(struct ls_query *query, int column) { return sqlite3_column_int64(query->stmt, column); }

int64_t ls_query_get_time(struct ls_query *query, int column)
{
    const char *text = (const char *)sqlite3_column_text(query->stmt, column);
    int64_t ns;
    return text && ls_time_parse_iso(text, &ns) == LS_OK ? ns : 0;
}

/* ---- small helpers ---- */

enum ls_rc ls_sqlite_number(struct ls_sqlite_conn *conn, enum ls_sql sql, int64_t *out, struct ls_err *err)
{
    bool row = false;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, sql, &q, err);
    if (rc == LS_OK)
        rc = ls_query_row(&q, &row, err);
    *out = rc == LS_OK && row ? ls_query_get_int(&q, 0) : 0;
    return rc;
}

enum ls_rc ls_sqlite_count(struct ls_catalog *cat, enum ls_sql sql, uint64_t *out_count, struct ls_err *err)
{
    int64_t count = 0;
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    enum ls_rc rc = ls_sqlite_reader_get(cat, NULL, &reader, err);
    if (rc == LS_OK)
        rc = ls_sqlite_number(reader.conn, sql, &count, err);
    *out_count = (uint64_t)count;
    return rc;
}

enum ls_rc ls_sqlite_grow(void *items_ptr, size_t n, size_t *cap, size_t size, struct ls_err *err)
{
    if (n < *cap)
        return LS_OK;
    size_t want = *cap ? *cap * 2 : 16;
    void *items;
    memcpy(&items, items_ptr, sizeof items);
    items = reallocarray(items, want, size);
    if (!items)
        return ls_err_nomem(err);
    memcpy(items_ptr, &items, sizeof items);
    *cap = want;
    return LS_OK;
}

bool ls_sqlite_id_parse(const char *text, int64_t *out_id)
{
    if (!text || text[0] < '1' || text[0] > '9' || strlen(text) > 19)
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end || errno)
        return false;
    *out_id = value;
    return true;
}

/* Forget the items of a page that could not be filled. */
static void drop_items(void *items_ptr, size_t *n, size_t *cap, void **memory)
{
    void *items;
    memcpy(&items, items_ptr, sizeof items);
    free(items);
    items = NULL;
    memcpy(items_ptr, &items, sizeof items);
    *n = *cap = 0;
    if (memory)
        ls_arena_free(LS_STEAL(*memory));
}

enum ls_rc ls_query_read_items(struct ls_query *query, ls_query_reader *read, size_t size, void *items_ptr, size_t *n,
                               size_t *cap, void **memory, struct ls_err *err)
{
    bool row;
    enum ls_rc rc = !memory || *memory || (*memory = ls_arena_new()) ? LS_OK : ls_err_nomem(err);
    while (rc == LS_OK && (rc = ls_query_row(query, &row, err)) == LS_OK && row) {
        char *items;
        rc = ls_sqlite_grow(items_ptr, *n, cap, size, err);
        if (rc != LS_OK)
            break;
        memcpy(&items, items_ptr, sizeof items);
        memset(items + *n * size, 0, size);
        rc = read(query, items + *n * size, memory ? *memory : NULL, err);
        if (rc == LS_OK)
            (*n)++;
    }
    if (rc != LS_OK)
        drop_items(items_ptr, n, cap, memory);
    return rc;
}
