/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The spool's database handle, for the spool's own modules. */
#ifndef LOCKSTEP_SCAN_SPOOL_DB_H
#define LOCKSTEP_SCAN_SPOOL_DB_H

#include <pthread.h>
#include <sqlite3.h>

#include "scan/spool.h"

struct ls_spool {
    pthread_mutex_t mutex; /* while merging: all fields below */
    sqlite3 *db;
    sqlite3_stmt *add_suspect, *add_synced, *add_product, *add_error, *put, *mend, *clear_findings, *clear_products;
    uint64_t errors, added;
    bool odd;              /* see ls_spool_plain */
    bool named;            /* its folder was the caller's choice */
    struct ls_spool *next; /* while it is idle; lock of the list */
};

/* The class and text of what SQLite just refused. */
enum ls_rc ls_spool_fail(struct ls_spool *spool, const char *what, struct ls_err *err);
enum ls_rc ls_spool_prepare(struct ls_spool *spool, const char *sql, sqlite3_stmt **out, struct ls_err *err)
    LS_MUST_CHECK;
/* Step to the end and reset. */
enum ls_rc ls_spool_run(struct ls_spool *spool, sqlite3_stmt *stmt, struct ls_err *err) LS_MUST_CHECK;

static inline void ls_spool_stmt_auto(sqlite3_stmt *const *stmt) { sqlite3_finalize(*stmt); }

/* Keys are stored as blobs: bytes, ordered by memcmp. Static binding: the caller keeps the text until the step. */
static inline void ls_spool_bind_key(sqlite3_stmt *stmt, int at, const char *key)
{
    if (key)
        sqlite3_bind_blob(stmt, at, key, (int)strlen(key), SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, at);
}
static inline void ls_spool_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, at);
}

#endif
