/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Products with their counts and with what a scan found in them: the tally, and the table that shows it. */
#include "catalog/sqlite_impl.h"

#include <string.h>

enum ls_rc ls_sqlite_tally_put(struct ls_tx *tx, int64_t scan, const struct ls_tally *items, size_t n,
                               struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_TALLY_PUT, &q, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        const struct ls_tally *t = &items[i];
        const uint64_t counts[] = {t->orphaned, t->missing, t->stale, t->moved, t->misfiled, t->misplaced, t->pending};
        ls_query_int(&q, scan);
        ls_query_text(&q, t->product);
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
            ls_query_int(&q, (int64_t)counts[k]);
        ls_query_int(&q, -(int64_t)ls_tally_problems(t));
        rc = ls_query_run(&q, NULL, err);
    }
    return ls_sqlite_tx_spoil(tx, rc);
}

static enum ls_rc read_row(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_table_row *out = item;
    uint64_t *const counts[] = {&out->variants,       &out->images,          &out->found.orphaned,
                                &out->found.missing,  &out->found.stale,     &out->found.moved,
                                &out->found.misfiled, &out->found.misplaced, &out->found.pending};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        *counts[i] = (uint64_t)ls_query_get_int(q, (int)i + 1);
    enum ls_rc rc = ls_query_get_text(q, 0, arena, &out->product, err);
    out->found.product = out->product;
    return rc;
}

/* Add the rows that a statement gives; after and rank as in the statement. */
static enum ls_rc add_rows(struct ls_sqlite_conn *conn, enum ls_sql sql, const struct ls_table_query *query,
                           const char *after, const int64_t *rank, struct ls_table_page *out, size_t *cap,
                           struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, sql, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_int(&q, query->scan);
    ls_query_text(&q, query->search);
    ls_query_text(&q, query->prefix);
    if (after)
        ls_query_text(&q, after);
    else
        ls_query_after_all(&q);
    ls_query_int(&q, query->limit - (int64_t)out->n);
    if (rank)
        ls_query_int(&q, *rank);
    return ls_query_read_items(&q, read_row, sizeof *out->items, &out->items, &out->n, cap, &out->memory, err);
}

/* Those with problems, most first, then the others. */
static enum ls_rc by_problems(struct ls_sqlite_conn *conn, const struct ls_table_query *query,
                              struct ls_table_page *out, size_t *cap, struct ls_err *err)
{
    const char *after = query->after ? query->after : "";
    int64_t rank = query->after ? -(int64_t)query->after_problems : INT64_MIN;
    enum ls_rc rc = LS_OK;
    if (rank < 0) {
        rc = add_rows(conn, LS_SQL_TABLE_RANKED, query, after, &rank, out, cap, err);
        after = "";
    }
    return rc == LS_OK && out->n < query->limit ? add_rows(conn, LS_SQL_TABLE_REST, query, after, NULL, out, cap, err)
                                                : rc;
}

enum ls_rc ls_sqlite_product_table(struct ls_catalog *cat, const struct ls_table_query *query,
                                   struct ls_table_page *out, struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_table_page){0};
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    enum ls_rc rc = ls_sqlite_reader_get(cat, NULL, &reader, err);
    if (rc == LS_OK)
        rc = ls_sqlite_snapshot_begin(reader.conn, err);
    if (rc != LS_OK)
        return rc;
    if (query->order == LS_TABLE_BY_PROBLEMS)
        rc = by_problems(reader.conn, query, out, &cap, err);
    else if (query->order == LS_TABLE_DOWN)
        rc = add_rows(reader.conn, LS_SQL_TABLE_DOWN, query, query->after, NULL, out, &cap, err);
    else
        rc = add_rows(reader.conn, LS_SQL_TABLE_UP, query, query->after ? query->after : "", NULL, out, &cap, err);
    ls_sqlite_snapshot_end(reader.conn);
    if (rc != LS_OK)
        ls_table_page_dispose(out);
    return rc;
}
