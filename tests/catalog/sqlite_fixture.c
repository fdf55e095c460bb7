/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Helpers of the SQLite back end's own tests. */
#include "catalog/sqlite_fixture.h"

const char *db_path(const struct fixture *f)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/catalog.db", f->dir);
    return path;
}

enum ls_rc open_with(const char *path, bool create, int64_t busy_timeout_ms, struct ls_catalog **out_cat,
                     struct ls_err *err)
{
    struct ls_sqlite_opts opts = {.path = path, .create = create, .busy_timeout_ms = busy_timeout_ms};
    return ls_catalog_sqlite_open(&opts, out_cat, err);
}

static struct ls_catalog *open_sqlite(const char *dir)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    char path[300];
    snprintf(path, sizeof path, "%s/catalog.db", dir);
    assert_ok(open_with(path, true, 0, &cat, &err), &err);
    return cat;
}

const struct backend sqlite_backend = {"sqlite", open_sqlite};

sqlite3 *shell_open(const char *path)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    return db;
}

void shell(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

const char *shell_get(sqlite3 *db, const char *sql)
{
    static char text[1024];
    sqlite3_stmt *stmt;
    text[0] = '\0';
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
        snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return text;
}

void shell_once(const struct fixture *f, const char *sql)
{
    sqlite3 *db = shell_open(db_path(f));
    shell(db, sql);
    sqlite3_close(db);
}
