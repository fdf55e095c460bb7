/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folder rows: attributes of folders, and the existence of empty type folders.
 *
 * Paths are bytea. What lies below a path p is the range of bytes from "p/" to before "p0" ('0' is the byte after '/').
 * Each row also has its parent's path, so that one level is one range of an index.
 */
#include "catalog/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static enum ls_rc read_folder(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_folder *out = item;
    (void)arena;
    out->mode = (uint32_t)ls_pg_get_int(res, row, 1);
    out->uid = (uint32_t)ls_pg_get_int(res, row, 2);
    out->gid = (uint32_t)ls_pg_get_int(res, row, 3);
    out->mtime_ns = ls_pg_get_int(res, row, 4);
    return ls_pg_get_fixed(res, row, 0, out->path, sizeof out->path, err);
}

enum ls_rc ls_pg_folder_get(struct ls_catalog *cat, struct ls_tx *tx, const char *path, struct ls_folder *out,
                            struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_FOLDER_GET);
    ls_pg_bytes(&q, path);
    enum ls_rc rc = ls_pg_read(cat, tx, &q, &res, err);
    if (rc == LS_OK && PQntuples(res) == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: no folder row for %s", path);
    return rc == LS_OK ? read_folder(res, 0, out, NULL, err) : rc;
}

enum ls_rc ls_pg_folder_children(struct ls_catalog *cat, struct ls_tx *tx, const char *path, struct ls_folder_page *out,
                                 struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_FOLDER_CHILDREN);
    *out = (struct ls_folder_page){0};
    ls_pg_bytes(&q, path);
    return ls_pg_read_page(cat, tx, &q, read_folder, sizeof *out->items, &out->items, &out->n, NULL, err);
}

/* The length of the parent's path; 0 for the top level. */
static size_t parent_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

enum ls_rc ls_pg_folder_put(struct ls_tx *tx, const struct ls_folder *folder, struct ls_err *err)
{
    size_t len = strlen(folder->path);
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_FOLDER_PUT);
    if (len == 0 || folder->path[len - 1] == '/')
        return ls_err_set(err, LS_INVALID, "catalog: \"%s\" is no folder's path", folder->path);
    ls_pg_bytes(&q, folder->path);
    ls_pg_blob(&q, folder->path, parent_len(folder->path));
    ls_pg_int(&q, folder->mode);
    ls_pg_int(&q, folder->uid);
    ls_pg_int(&q, folder->gid);
    ls_pg_int(&q, folder->mtime_ns);
    return ls_pg_run(tx, &q, NULL, NULL, err);
}

enum ls_rc ls_pg_folder_remove(struct ls_tx *tx, const char *path, bool subtree, struct ls_err *err)
{
    LS_AUTO(ls_free) char *first = ls_strf("%s/", path);
    LS_AUTO(ls_free) char *end = ls_strf("%s0", path);
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_FOLDER_DELETE);
    if (!first || !end)
        return ls_err_nomem(err);
    ls_pg_bytes(&q, path);
    ls_pg_bytes(&q, subtree ? first : NULL);
    ls_pg_bytes(&q, subtree ? end : NULL);
    return ls_pg_run(tx, &q, NULL, NULL, err);
}

struct moving {
    const char *from, *first, *end, *to;
};

static enum ls_rc fill_move(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    const struct moving *m = ctx;
    (void)err;
    ls_pg_query_init(q, i == 0 ? LS_PG_FOLDER_CLEAR : LS_PG_FOLDER_MOVE);
    ls_pg_bytes(q, m->from);
    ls_pg_bytes(q, m->first);
    ls_pg_bytes(q, m->end);
    ls_pg_bytes(q, m->to);
    if (i == 1)
        ls_pg_blob(q, m->to, parent_len(m->to));
    return LS_OK;
}

enum ls_rc ls_pg_folder_rename(struct ls_tx *tx, const char *from, const char *to, struct ls_err *err)
{
    LS_AUTO(ls_free) char *first = ls_strf("%s/", from);
    LS_AUTO(ls_free) char *end = ls_strf("%s0", from);
    struct moving moving = {from, first, end, to};
    if (!first || !end)
        return ls_err_nomem(err);
    return ls_pg_run_many(tx, 2, fill_move, &moving, NULL, err);
}
