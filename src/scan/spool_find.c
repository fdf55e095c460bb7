/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The spool's findings: writing them after the second reading, walking and counting them.
 */
#include "scan/spool_db.h"

#include <stdio.h>
#include <string.h>

#include "base/auto.h"

enum ls_rc ls_spool_put(struct ls_spool *spool, const struct ls_spool_finding *f, struct ls_err *err)
{
    sqlite3_stmt *stmt = spool->put;
    spool->odd = true;
    ls_spool_bind_key(stmt, 1, f->key);
    sqlite3_bind_int(stmt, 2, (int)f->kind);
    sqlite3_bind_int64(stmt, 3, f->flags);
    if (f->twin)
        sqlite3_bind_int64(stmt, 4, f->twin);
    else
        sqlite3_bind_null(stmt, 4);
    ls_spool_bind_key(stmt, 5, f->partner);
    ls_spool_bind_text(stmt, 6, f->row_etag);
    sqlite3_bind_int64(stmt, 7, (sqlite3_int64)f->row_size);
    ls_spool_bind_text(stmt, 8, f->object_etag);
    sqlite3_bind_int64(stmt, 9, (sqlite3_int64)f->object_size);
    ls_spool_bind_text(stmt, 10, f->detail);
    return ls_spool_run(spool, stmt, err);
}

enum ls_rc ls_spool_mark(struct ls_spool *spool, const char *key, unsigned mark, struct ls_err *err)
{
    if (!key) {
        if (sqlite3_exec(spool->db, "UPDATE finding SET mended=0 WHERE mended<>0", NULL, NULL, NULL) != SQLITE_OK)
            return ls_spool_fail(spool, "clearing marks", err);
        return LS_OK;
    }
    ls_spool_bind_key(spool->mend, 1, key);
    sqlite3_bind_int64(spool->mend, 2, mark);
    return ls_spool_run(spool, spool->mend, err);
}

enum ls_rc ls_spool_drop_kind(struct ls_spool *spool, enum ls_finding_kind kind, struct ls_err *err)
{
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *stmt = NULL;
    enum ls_rc rc = ls_spool_prepare(spool, "DELETE FROM finding WHERE kind=?1", &stmt, err);
    if (rc)
        return rc;
    sqlite3_bind_int(stmt, 1, (int)kind);
    return ls_spool_run(spool, stmt, err);
}

enum ls_rc ls_spool_watch(struct ls_spool *spool, struct ls_err *err)
{
    static const char watch[] = "CREATE TABLE changed(key BLOB PRIMARY KEY) WITHOUT ROWID;"
                                "CREATE TRIGGER watch AFTER UPDATE ON finding BEGIN"
                                " INSERT OR IGNORE INTO changed VALUES(NEW.key); END";
    spool->odd = true;
    if (sqlite3_exec(spool->db, watch, NULL, NULL, NULL) != SQLITE_OK)
        return ls_spool_fail(spool, "watching findings", err);
    return LS_OK;
}

enum ls_rc ls_spool_settle_twins(struct ls_spool *spool, uint64_t *out_twins, struct ls_err *err)
{
    static const char lonely[] = "UPDATE finding SET twin=NULL WHERE twin IS NOT NULL AND twin IN"
                                 " (SELECT twin FROM finding WHERE twin IS NOT NULL GROUP BY twin HAVING count(*)<2)";
    if (sqlite3_exec(spool->db, lonely, NULL, NULL, NULL) != SQLITE_OK)
        return ls_spool_fail(spool, "settling twins", err);
    return ls_spool_count(spool, "twin IS NOT NULL", out_twins, err);
}

static enum ls_rc count_sql(struct ls_spool *spool, const char *sql, uint64_t *out_count, struct ls_err *err)
{
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *stmt = NULL;
    enum ls_rc rc = ls_spool_prepare(spool, sql, &stmt, err);
    if (rc)
        return rc;
    if (sqlite3_step(stmt) != SQLITE_ROW)
        return ls_spool_fail(spool, "counting", err);
    *out_count = (uint64_t)sqlite3_column_int64(stmt, 0);
    return LS_OK;
}

enum ls_rc ls_spool_count(struct ls_spool *spool, const char *where, uint64_t *out_count, struct ls_err *err)
{
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM finding WHERE %s", where);
    return count_sql(spool, sql, out_count, err);
}

enum ls_rc ls_spool_product_count(struct ls_spool *spool, uint64_t *out_count, struct ls_err *err)
{
    return count_sql(spool, "SELECT count(*) FROM product", out_count, err);
}

enum ls_rc ls_spool_each(struct ls_spool *spool, const struct ls_spool_filter *filter,
                         enum ls_rc (*each)(void *ctx, const struct ls_spool_finding *finding), void *ctx,
                         struct ls_err *err)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "SELECT key,kind,flags,twin,partner,row_etag,row_size,object_etag,object_size,detail,mended FROM finding"
             " WHERE key>=?1%s AND (%s) ORDER BY key",
             filter->before ? " AND key<?2" : "", filter->where ? filter->where : "1");
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *stmt = NULL;
    enum ls_rc rc = ls_spool_prepare(spool, sql, &stmt, err);
    if (rc)
        return rc;
    ls_spool_bind_key(stmt, 1, filter->from ? filter->from : "");
    if (filter->before)
        ls_spool_bind_key(stmt, 2, filter->before);
    int step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct ls_spool_finding f = {.key = (const char *)sqlite3_column_text(stmt, 0),
                                     .kind = (enum ls_finding_kind)sqlite3_column_int(stmt, 1),
                                     .flags = (unsigned)sqlite3_column_int(stmt, 2),
                                     .twin = sqlite3_column_int64(stmt, 3),
                                     .partner = (const char *)sqlite3_column_text(stmt, 4),
                                     .row_etag = (const char *)sqlite3_column_text(stmt, 5),
                                     .row_size = (uint64_t)sqlite3_column_int64(stmt, 6),
                                     .object_etag = (const char *)sqlite3_column_text(stmt, 7),
                                     .object_size = (uint64_t)sqlite3_column_int64(stmt, 8),
                                     .detail = (const char *)sqlite3_column_text(stmt, 9),
                                     .mended = (unsigned)sqlite3_column_int(stmt, 10)};
        if (!f.key)
            return ls_err_nomem(err);
        rc = each(ctx, &f);
        if (rc)
            return rc;
    }
    return step == SQLITE_DONE ? LS_OK : ls_spool_fail(spool, "reading findings", err);
}

static enum ls_rc each_text(struct ls_spool *spool, const char *sql, enum ls_rc (*each)(void *ctx, const char *text),
                            void *ctx, struct ls_err *err)
{
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *stmt = NULL;
    enum ls_rc rc = ls_spool_prepare(spool, sql, &stmt, err);
    int step = SQLITE_DONE;
    while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        if (!text)
            return ls_err_nomem(err);
        rc = each(ctx, text);
    }
    if (!rc && step != SQLITE_DONE)
        rc = ls_spool_fail(spool, "reading", err);
    return rc;
}

enum ls_rc ls_spool_each_product(struct ls_spool *spool, enum ls_rc (*each)(void *ctx, const char *text), void *ctx,
                                 struct ls_err *err)
{
    return each_text(spool, "SELECT name FROM product ORDER BY name", each, ctx, err);
}

enum ls_rc ls_spool_each_error(struct ls_spool *spool, enum ls_rc (*each)(void *ctx, const char *text), void *ctx,
                               struct ls_err *err)
{
    return each_text(spool, "SELECT text FROM error ORDER BY id", each, ctx, err);
}
