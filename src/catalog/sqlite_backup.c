/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A copy of the whole database: one snapshot, page by page, under a name of its own until it is whole and durable.
 */
#include "catalog/sqlite_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"

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

static enum ls_rc make_durable(const char *temp, int fd, const char *path, struct ls_err *err)
{
    if (fsync(fd) != 0)
        return ls_err_errno(err, errno, "catalog: sync %s", temp);
    if (link(temp, path) != 0) /* unlike rename it replaces nothing */
        return ls_err_errno(err, errno, "catalog: name the copy %s", path);
    if (ls_fsync_parent(AT_FDCWD, path) != 0)
        return ls_err_errno(err, errno, "catalog: sync the folder of %s", path);
    return LS_OK;
}

enum ls_rc ls_sqlite_backup(struct ls_catalog *cat, const char *to_path, struct ls_err *err)
{
    char id[LS_ID_LEN];
    if (access(to_path, F_OK) == 0)
        return ls_err_set(err, LS_EXISTS, "catalog: %s is there already, a copy replaces nothing", to_path);
    ls_id_new(id);
    LS_AUTO(ls_free) char *temp = ls_strf("%s.%s", to_path, id);
    if (!temp)
        return ls_err_nomem(err);
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    enum ls_rc rc = ls_sqlite_reader_get(cat, NULL, &reader, err);
    if (rc != LS_OK)
        return rc;
    int fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return ls_err_errno(err, errno, "catalog: make %s", temp);
    rc = fill(reader.conn, temp, err);
    if (rc == LS_OK)
        rc = make_durable(temp, fd, to_path, err);
    close(fd);
    unlink(temp);
    return rc;
}
