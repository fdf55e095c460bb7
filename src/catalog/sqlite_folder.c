/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folder rows: attributes of folders, and the existence of empty type folders.
 *
 * What lies below a path p is the range of bytes from "p/" to before "p0" ('0' is the byte after '/').
 */
#include "catalog/sqlite_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct below {
    char *first, *end;
};

static void below_auto(struct below *below)
{
    free(below->first);
    free(below->end);
}

static enum ls_rc find_below(const char *path, struct below *out, struct ls_err *err)
{
    out->first = ls_strf("%s/", path);
    out->end = ls_strf("%s0", path);
    return out->first && out->end ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc read_folder(struct ls_query *q, struct ls_folder *out, struct ls_err *err)
{
    enum ls_rc rc = ls_query_get_fixed(q, 0, out->path, sizeof out->path, err);
    out->mode = (uint32_t)ls_query_get_int(q, 1);
    out->uid = (uint32_t)ls_query_get_int(q, 2);
    out->gid = (uint32_t)ls_query_get_int(q, 3);
    out->mtime_ns = ls_query_get_int(q, 4);
    return rc;
}

enum ls_rc ls_sqlite_folder_get(struct ls_catalog *cat, struct ls_tx *tx, const char *path, struct ls_folder *out,
                                struct ls_err *err)
{
    bool row;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_FOLDER_GET, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, path);
    rc = ls_query_row(&q, &row, err);
    if (rc == LS_OK && !row)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: no folder row for %s", path);
    return rc == LS_OK ? read_folder(&q, out, err) : rc;
}

/* Walk one level: a row from deeper down tells where its whole subtree ends, and the walk goes on behind it. `cursor`
 * holds the path to start from. */
static enum ls_rc walk_level(struct ls_query *q, const char *end, size_t prefix_len, struct ls_buf *cursor,
                             struct ls_folder_page *page, struct ls_err *err)
{
    size_t cap = 0;
    bool row, again = true;
    enum ls_rc rc = LS_OK;
    while (rc == LS_OK && again) {
        again = false;
        ls_query_again(q);
        ls_query_text(q, cursor->data);
        if (end)
            ls_query_text(q, end);
        else
            ls_query_after_all(q);
        while (rc == LS_OK && !again && (rc = ls_query_row(q, &row, err)) == LS_OK && row) {
            rc = ls_sqlite_grow(&page->items, page->n, &cap, sizeof *page->items, err);
            if (rc == LS_OK)
                rc = read_folder(q, &page->items[page->n], err);
            if (rc != LS_OK)
                break;
            const char *path = page->items[page->n].path;
            const char *slash = strchr(path + prefix_len, '/');
            if (!slash) {
                page->n++;
                continue;
            }
            again = true;
            sqlite3_reset(q->stmt); /* it refers to the cursor */
            ls_buf_reset(cursor);
            if (ls_buf_add(cursor, path, (size_t)(slash - path)) != LS_OK || ls_buf_addc(cursor, '0') != LS_OK)
                rc = ls_err_nomem(err);
        }
    }
    return rc;
}

enum ls_rc ls_sqlite_folder_children(struct ls_catalog *cat, struct ls_tx *tx, const char *path,
                                     struct ls_folder_page *out, struct ls_err *err)
{
    *out = (struct ls_folder_page){0};
    LS_AUTO(below) struct below below = {0};
    LS_AUTO(ls_buf) struct ls_buf cursor = LS_BUF_INIT(LS_BUF_LINE);
    bool top = path[0] == '\0';
    enum ls_rc rc = top ? LS_OK : find_below(path, &below, err);
    if (rc == LS_OK && !top)
        rc = ls_buf_adds(&cursor, below.first);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_query) struct ls_query q;
    rc = ls_query_read(cat, tx, LS_SQL_FOLDER_FROM, &q, err);
    if (rc == LS_OK)
        rc = walk_level(&q, below.end, top ? 0 : strlen(below.first), &cursor, out, err);
    if (rc != LS_OK)
        ls_folder_page_dispose(out);
    return rc;
}

enum ls_rc ls_sqlite_folder_put(struct ls_tx *tx, const struct ls_folder *folder, struct ls_err *err)
{
    size_t len = strlen(folder->path);
    if (len == 0 || folder->path[len - 1] == '/')
        return ls_err_set(err, LS_INVALID, "catalog: \"%s\" is no folder's path", folder->path);
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_FOLDER_PUT, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, folder->path);
    ls_query_int(&q, folder->mode);
    ls_query_int(&q, folder->uid);
    ls_query_int(&q, folder->gid);
    ls_query_int(&q, folder->mtime_ns);
    return ls_query_run(&q, NULL, err);
}

/* Run a statement with up to four texts. */
static enum ls_rc run_texts(struct ls_sqlite_conn *conn, enum ls_sql sql, const char *const *texts, size_t n,
                            struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, sql, &q, err);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        ls_query_text(&q, texts[i]);
    return ls_query_run(&q, NULL, err);
}

enum ls_rc ls_sqlite_folder_remove(struct ls_tx *tx, const char *path, bool subtree, struct ls_err *err)
{
    struct ls_sqlite_conn *conn;
    LS_AUTO(below) struct below below = {0};
    enum ls_rc rc = ls_sqlite_tx_conn(tx, &conn, err);
    if (rc == LS_OK)
        rc = find_below(path, &below, err);
    if (rc == LS_OK)
        rc = run_texts(conn, LS_SQL_FOLDER_DELETE, &path, 1, err);
    if (rc != LS_OK || !subtree)
        return rc;
    const char *range[] = {below.first, below.end};
    return ls_sqlite_tx_spoil(tx, run_texts(conn, LS_SQL_FOLDER_DELETE_BELOW, range, 2, err));
}

static enum ls_rc move_below(struct ls_sqlite_conn *conn, const char *from, const char *to, struct ls_err *err)
{
    LS_AUTO(below) struct below below = {0};
    enum ls_rc rc = find_below(from, &below, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_query) struct ls_query q;
    rc = ls_query_begin(conn, LS_SQL_FOLDER_MOVE_BELOW, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, to);
    ls_query_int(&q, (int64_t)strlen(from) + 1);
    ls_query_text(&q, below.first);
    ls_query_text(&q, below.end);
    return ls_query_run(&q, NULL, err);
}

enum ls_rc ls_sqlite_folder_rename(struct ls_tx *tx, const char *from, const char *to, struct ls_err *err)
{
    struct ls_sqlite_conn *conn;
    const char *paths[] = {to, from};
    enum ls_rc rc = ls_sqlite_tx_conn(tx, &conn, err);
    if (rc == LS_OK)
        rc = run_texts(conn, LS_SQL_FOLDER_MOVE, paths, 2, err);
    if (rc != LS_OK)
        return rc;
    return ls_sqlite_tx_spoil(tx, move_below(conn, from, to, err));
}
