/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Moved pairs: an orphan and a missing row with the same etag and size.
 *
 * Several files may have the same bytes, so pairs are made in passes, each with what the one before left over, and
 * within a pass in key order on both sides: first those of one product and one file name, then of one file name, then
 * of one product, then any. Empty files are alike without being related: they pair only when the file name agrees. An
 * orphan whose key does not fit the layout is never paired, because no row could follow it. A missing row whose bytes
 * lie in a young (pending) object may be on the move right now: it becomes pending as well. Each pass is a merge of two
 * sorted queries, so memory stays flat; the sorter reads to its end before the first row comes, so rows may be updated
 * meanwhile.
 */
#include "scan/spool_db.h"

#include <stdlib.h>

#include "base/auto.h"

/* The last segment of a key. */
static void sql_name(sqlite3_context *ctx, int n, sqlite3_value **args)
{
    (void)n;
    const char *key = (const char *)sqlite3_value_text(args[0]);
    const char *slash = key ? strrchr(key, '/') : NULL;
    sqlite3_result_text(ctx, slash ? slash + 1 : key, -1, SQLITE_TRANSIENT);
}

/* The first two segments: products/p1 in the usual layout; in any other still a fair idea of what belongs together. */
static void sql_home(sqlite3_context *ctx, int n, sqlite3_value **args)
{
    (void)n;
    const char *key = (const char *)sqlite3_value_text(args[0]);
    const char *slash = key ? strchr(key, '/') : NULL;
    slash = slash ? strchr(slash + 1, '/') : NULL;
    sqlite3_result_text(ctx, key, slash ? (int)(slash - key) : -1, SQLITE_TRANSIENT);
}

#define OBJECTS                                                                                                        \
    "SELECT object_etag,object_size,%s,key FROM finding WHERE kind=%d AND row_etag IS NULL AND partner IS NULL"        \
    " AND flags&1=0%s ORDER BY 1,2,3,4"
#define ROWS                                                                                                           \
    "SELECT row_etag,row_size,%s,key FROM finding WHERE kind=%d AND row_etag<>'' AND partner IS NULL%s ORDER BY "      \
    "1,2,3,4"

struct pass {
    const char *same;   /* SQL that must be equal on both sides */
    bool empty_as_well; /* also files of no bytes */
};
static const struct pass passes[] = {
    {"ls_home(key)||'/'||ls_name(key)", true}, {"ls_name(key)", true}, {"ls_home(key)", false}, {"''", false}};

/* Compare the first three columns of two rows. */
static int compare(sqlite3_stmt *a, sqlite3_stmt *b)
{
    int c = strcmp((const char *)sqlite3_column_text(a, 0), (const char *)sqlite3_column_text(b, 0));
    if (c)
        return c;
    sqlite3_int64 size_a = sqlite3_column_int64(a, 1), size_b = sqlite3_column_int64(b, 1);
    if (size_a != size_b)
        return size_a < size_b ? -1 : 1;
    return strcmp((const char *)sqlite3_column_text(a, 2), (const char *)sqlite3_column_text(b, 2));
}

static enum ls_rc open_pass(struct ls_spool *spool, const struct pass *pass, enum ls_finding_kind objects,
                            sqlite3_stmt **out_objects, sqlite3_stmt **out_rows, struct ls_err *err)
{
    LS_AUTO(ls_free)
    char *a = ls_strf(OBJECTS, pass->same, (int)objects, pass->empty_as_well ? "" : " AND object_size>0");
    LS_AUTO(ls_free)
    char *b = ls_strf(ROWS, pass->same, (int)LS_FINDING_MISSING, pass->empty_as_well ? "" : " AND row_size>0");
    if (!a || !b)
        return ls_err_nomem(err);
    enum ls_rc rc = ls_spool_prepare(spool, a, out_objects, err);
    return rc ? rc : ls_spool_prepare(spool, b, out_rows, err);
}

/* Step; sets *out_more. */
static enum ls_rc advance(struct ls_spool *spool, sqlite3_stmt *stmt, bool *out_more, struct ls_err *err)
{
    int step = sqlite3_step(stmt);
    *out_more = step == SQLITE_ROW;
    return step == SQLITE_ROW || step == SQLITE_DONE ? LS_OK : ls_spool_fail(spool, "pairing", err);
}

static enum ls_rc set_partner(struct ls_spool *spool, sqlite3_stmt *update, sqlite3_stmt *of, sqlite3_stmt *partner,
                              struct ls_err *err)
{
    sqlite3_bind_value(update, 1, sqlite3_column_value(of, 3));
    sqlite3_bind_value(update, 2, sqlite3_column_value(partner, 3));
    return ls_spool_run(spool, update, err);
}

/* Pair what agrees; each object and row once. */
static enum ls_rc pair_pass(struct ls_spool *spool, const struct pass *pass, uint64_t *pairs, struct ls_err *err)
{
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *objects = NULL;
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *rows = NULL;
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *update = NULL;
    enum ls_rc rc = open_pass(spool, pass, LS_FINDING_ORPHANED, &objects, &rows, err);
    if (!rc)
        rc = ls_spool_prepare(spool, "UPDATE finding SET partner=?2 WHERE key=?1", &update, err);
    bool more_objects = false, more_rows = false;
    if (!rc)
        rc = advance(spool, objects, &more_objects, err);
    if (!rc)
        rc = advance(spool, rows, &more_rows, err);
    while (!rc && more_objects && more_rows) {
        int c = compare(objects, rows);
        if (c == 0) {
            rc = set_partner(spool, update, objects, rows, err);
            if (!rc)
                rc = set_partner(spool, update, rows, objects, err);
            ++*pairs;
        }
        if (!rc && c <= 0)
            rc = advance(spool, objects, &more_objects, err);
        if (!rc && c >= 0)
            rc = advance(spool, rows, &more_rows, err);
    }
    return rc;
}

/* Missing rows whose bytes lie in a pending object become pending: any number of rows to one object. */
static enum ls_rc pending_pass(struct ls_spool *spool, const struct pass *pass, struct ls_err *err)
{
    static const char sql[] =
        "UPDATE finding SET kind=5, detail='its object may have been moved a moment ago' WHERE key=?1";
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *objects = NULL;
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *rows = NULL;
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *update = NULL;
    enum ls_rc rc = open_pass(spool, pass, LS_FINDING_PENDING, &objects, &rows, err);
    if (!rc)
        rc = ls_spool_prepare(spool, sql, &update, err);
    bool more_objects = false, more_rows = false;
    if (!rc)
        rc = advance(spool, objects, &more_objects, err);
    if (!rc)
        rc = advance(spool, rows, &more_rows, err);
    while (!rc && more_objects && more_rows) {
        int c = compare(objects, rows);
        if (c == 0) {
            sqlite3_bind_value(update, 1, sqlite3_column_value(rows, 3));
            rc = ls_spool_run(spool, update, err);
        }
        if (!rc && c < 0)
            rc = advance(spool, objects, &more_objects, err);
        if (!rc && c >= 0)
            rc = advance(spool, rows, &more_rows, err);
    }
    return rc;
}

_Static_assert(LS_FINDING_PENDING == 5 && LS_SCAN_MISPLACED == 1, "the SQL above says so");

enum ls_rc ls_spool_pair_moved(struct ls_spool *spool, uint64_t *out_pairs, struct ls_err *err)
{
    static const struct pass pending_named = {"ls_name(key)", true}, pending_any = {"''", false};
    uint64_t rows = 0, objects = 0;
    *out_pairs = 0;
    enum ls_rc rc = ls_spool_count(spool, "kind=2 AND row_etag<>''", &rows, err);
    if (!rc && rows)
        rc = ls_spool_count(spool, "kind IN (1,5) AND row_etag IS NULL AND flags&1=0", &objects, err);
    if (rc || !objects)
        return rc;
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    if (sqlite3_create_function(spool->db, "ls_name", 1, flags, NULL, sql_name, NULL, NULL) != SQLITE_OK ||
        sqlite3_create_function(spool->db, "ls_home", 1, flags, NULL, sql_home, NULL, NULL) != SQLITE_OK)
        return ls_spool_fail(spool, "pairing", err);
    for (size_t i = 0; i < sizeof passes / sizeof passes[0] && !rc; i++)
        rc = pair_pass(spool, &passes[i], out_pairs, err);
    if (!rc)
        rc = pending_pass(spool, &pending_named, err);
    if (!rc)
        rc = pending_pass(spool, &pending_any, err);
    return rc;
}

_Static_assert(LS_FINDING_MISSING == 2, "the SQL above says so");
