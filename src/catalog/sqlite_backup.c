/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A copy of the whole database: one snapshot, page by page.
 */
#include "catalog/copy_file.h"
#include "catalog/sqlite_impl.h"

static enum ls_rc copy_pages(struct ls_sqlite_conn *from, sqlite3 *to, struct ls_err *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from->db, "main");
    if (!backup)
        return ls_sqlite_fail(from, sqlite3_extended_errcode(to), "begin a copy", err);
    int stepped = sqlite3_backup_step(backup, -1);
    int finished = sqlite3_backup_finish(backup);
    if (stepped != SQLITE_DONE)
        return ls_sqlite_fail(from, stepped, "copy", err);
    return finished == SQLITE_OK ? LS_OK : ls_sqlite_fail(from, finished, "copy", err);
}

/* Fill an empty file that was just made. SQLite's own journal of the copy is needless: it counts only when complete. */
static enum ls_rc fill(struct ls_sqlite_conn *from, const char *path, struct ls_err *err)
{
    sqlite3 *to = NULL;
    enum ls_rc rc;
    int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL);
    rc = code == SQLITE_OK ? copy_pages(from, to, err) : ls_sqlite_fail(from, code, "open the copy", err);
    sqlite3_close(to);
    return rc;
}

enum ls_rc ls_sqlite_backup(struct ls_catalog *cat, const char *to_path, struct ls_err *err)
{
    LS_AUTO(ls_copy_file) struct ls_copy_file file;
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader = {0};
    enum ls_rc rc = ls_copy_file_open(to_path, &file, err);
    if (rc == LS_OK)
        rc = ls_sqlite_reader_get(cat, NULL, &reader, err);
    if (rc == LS_OK)
        rc = fill(reader.conn, file.temp, err);
    return rc == LS_OK ? ls_copy_file_publish(&file, err) : rc;
}
