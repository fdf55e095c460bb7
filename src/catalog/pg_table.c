/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Products with their counts and with what a scan found in them: the tally, and the table that shows it. */
#include "catalog/pg_impl.h"

#include <stdlib.h>
#include <string.h>

/* Text that sorts after every name. */
#define AFTER_ALL "\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff\U0010ffff"

struct putting {
    int64_t scan;
    const struct ls_tally *items;
};

static enum ls_rc fill_tally(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    const struct putting *put = ctx;
    const struct ls_tally *t = &put->items[i];
    const uint64_t counts[] = {t->orphaned, t->missing, t->stale, t->moved, t->misfiled, t->misplaced, t->pending};
    (void)err;
    ls_pg_query_init(q, LS_PG_TALLY_PUT);
    ls_pg_int(q, put->scan);
    ls_pg_text(q, t->product);
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
        ls_pg_int(q, (int64_t)counts[k]);
    ls_pg_int(q, -(int64_t)ls_tally_problems(t));
    return LS_OK;
}

enum ls_rc ls_pg_tally_put(struct ls_tx *tx, int64_t scan, const struct ls_tally *items, size_t n, struct ls_err *err)
{
    struct putting put = {scan, items};
    return ls_pg_run_many(tx, n, fill_tally, &put, NULL, err);
}

static enum ls_rc read_row(const PGresult *res, int row, struct ls_table_row *out, struct ls_arena *arena,
                           struct ls_err *err)
{
    uint64_t *const counts[] = {&out->variants,       &out->images,          &out->found.orphaned,
                                &out->found.missing,  &out->found.stale,     &out->found.moved,
                                &out->found.misfiled, &out->found.misplaced, &out->found.pending};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        *counts[i] = (uint64_t)ls_pg_get_int(res, row, (int)i + 1);
    enum ls_rc rc = ls_pg_get_text(res, row, 0, arena, &out->product, err);
    out->found.product = out->product;
    return rc;
}

/* Add the rows that a statement gives; after and rank as in the statement. */
static enum ls_rc add_rows(struct ls_catalog *cat, enum ls_pg_sql sql, const struct ls_table_query *query,
                           const char *after, const int64_t *rank, struct ls_table_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, sql);
    ls_pg_int(&q, query->scan);
    ls_pg_text(&q, query->search);
    ls_pg_text(&q, query->prefix);
    ls_pg_text(&q, after);
    ls_pg_int(&q, query->limit - (int64_t)out->n);
    if (rank)
        ls_pg_int(&q, *rank);
    enum ls_rc rc = ls_pg_read(cat, NULL, &q, &res, err);
    int n = rc == LS_OK ? PQntuples(res) : 0;
    for (int i = 0; rc == LS_OK && i < n && out->n < query->limit; i++) {
        rc = read_row(res, i, &out->items[out->n], out->memory, err);
        if (rc == LS_OK)
            out->n++;
    }
    return rc;
}

/* Those with problems, most first, then the others. */
static enum ls_rc by_problems(struct ls_catalog *cat, const struct ls_table_query *query, struct ls_table_page *out,
                              struct ls_err *err)
{
    const char *after = query->after ? query->after : "";
    int64_t rank = query->after ? -(int64_t)query->after_problems : INT64_MIN;
    enum ls_rc rc = LS_OK;
    if (rank < 0) {
        rc = add_rows(cat, LS_PG_TABLE_RANKED, query, after, &rank, out, err);
        after = "";
    }
    return rc == LS_OK && out->n < query->limit ? add_rows(cat, LS_PG_TABLE_REST, query, after, NULL, out, err) : rc;
}

enum ls_rc ls_pg_product_table(struct ls_catalog *cat, const struct ls_table_query *query, struct ls_table_page *out,
                               struct ls_err *err)
{
    const char *after = query->after;
    *out = (struct ls_table_page){calloc(query->limit + (size_t)1, sizeof *out->items), 0, ls_arena_new()};
    enum ls_rc rc = out->items && out->memory ? LS_OK : ls_err_nomem(err);
    if (rc == LS_OK && query->order == LS_TABLE_BY_PROBLEMS)
        rc = by_problems(cat, query, out, err);
    else if (rc == LS_OK && query->order == LS_TABLE_DOWN)
        rc = add_rows(cat, LS_PG_TABLE_DOWN, query, after ? after : AFTER_ALL, NULL, out, err);
    else if (rc == LS_OK)
        rc = add_rows(cat, LS_PG_TABLE_UP, query, after ? after : "", NULL, out, err);
    if (rc != LS_OK)
        ls_table_page_dispose(out);
    return rc;
}
