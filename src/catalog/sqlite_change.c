/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The change feed: reading what the triggers of the schema wrote.
 *
 * Numbers rise by one and only the oldest lines are ever removed, so a gap behind `after` means that lines are gone.
 */
#include "catalog/sqlite_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Whoever follows the feed asks regularly: a good moment to look after the log. */
enum ls_rc ls_sqlite_change_last(struct ls_catalog *cat, int64_t *out_seq, struct ls_err *err)
{
    ls_sqlite_tend(ls_sqlite_of(cat));
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    enum ls_rc rc = ls_sqlite_reader_get(cat, NULL, &reader, err);
    return rc == LS_OK ? ls_sqlite_number(reader.conn, LS_SQL_CHANGE_LAST, out_seq, err) : rc;
}

static enum ls_rc read_change(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_change *out = item;
    out->seq = ls_query_get_int(q, 0);
    enum ls_rc rc = ls_query_get_fixed(q, 1, out->kind, sizeof out->kind, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 2, out->action, sizeof out->action, err);
    if (rc == LS_OK)
        rc = ls_query_get_text(q, 3, arena, &out->key, err);
    if (rc == LS_OK)
        rc = ls_query_get_shared(q, 4, arena, out->key, &out->new_key, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 5, out->writer, sizeof out->writer, err);
    if (rc == LS_OK)
        rc = ls_query_get_text(q, 6, arena, &out->etag, err);
    return rc;
}

static enum ls_rc read_changes(struct ls_sqlite_conn *conn, int64_t after, unsigned limit, struct ls_change_page *out,
                               struct ls_err *err)
{
    size_t cap = 0;
    int64_t first;
    enum ls_rc rc = ls_sqlite_number(conn, LS_SQL_CHANGE_FIRST, &first, err);
    if (rc == LS_OK && first > after + 1)
        return ls_err_set(err, LS_NOT_FOUND,
                          "catalog %s: the changes from %" PRId64 " to %" PRId64 " are not kept any more",
                          conn->cat->path, after + 1, first - 1);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_query) struct ls_query q;
    rc = ls_query_begin(conn, LS_SQL_CHANGE_PAGE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_int(&q, after);
    ls_query_int(&q, limit);
    return ls_query_read_items(&q, read_change, sizeof *out->items, &out->items, &out->n, &cap, &out->memory, err);
}

enum ls_rc ls_sqlite_change_page(struct ls_catalog *cat, int64_t after, unsigned limit, struct ls_change_page *out,
                                 struct ls_err *err)
{
    ls_sqlite_tend(ls_sqlite_of(cat));
    *out = (struct ls_change_page){0};
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    enum ls_rc rc = ls_sqlite_reader_get(cat, NULL, &reader, err);
    if (rc == LS_OK)
        rc = ls_sqlite_snapshot_begin(reader.conn, err);
    if (rc != LS_OK)
        return rc;
    rc = read_changes(reader.conn, after, limit, out, err);
    ls_sqlite_snapshot_end(reader.conn);
    return rc;
}
