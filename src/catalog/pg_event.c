/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inbox: what others tell of the bucket, until it is worked off. */
#include "catalog/pg_impl.h"

#include <stdlib.h>

#include "base/clock.h"

static enum ls_rc fill_event(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    const struct ls_event *item = &((const struct ls_event *)ctx)[i];
    (void)err;
    ls_pg_query_init(q, LS_PG_EVENT_INSERT);
    ls_pg_int(q, item->at_ns ? item->at_ns : ls_now_ns());
    ls_pg_text(q, item->kind);
    ls_pg_bytes(q, item->key);
    ls_pg_text(q, item->etag);
    ls_pg_text(q, item->sequencer);
    return LS_OK;
}

enum ls_rc ls_pg_event_add(struct ls_tx *tx, const struct ls_event *items, size_t n, struct ls_err *err)
{
    return ls_pg_run_many(tx, n, fill_event, (void *)(uintptr_t)items, NULL, err);
}

static enum ls_rc read_event(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_event *out = item;
    const char **texts[] = {&out->kind, &out->key, &out->etag, &out->sequencer};
    enum ls_rc rc = LS_OK;
    out->seq = ls_pg_get_int(res, row, 0);
    out->at_ns = ls_pg_get_int(res, row, 1);
    for (int i = 0; rc == LS_OK && i < (int)(sizeof texts / sizeof texts[0]); i++)
        rc = ls_pg_get_text(res, row, 2 + i, arena, texts[i], err);
    return rc;
}

enum ls_rc ls_pg_event_page(struct ls_catalog *cat, int64_t after, unsigned limit, struct ls_event_page *out,
                            struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_EVENT_PAGE);
    *out = (struct ls_event_page){0};
    ls_pg_int(&q, after);
    ls_pg_int(&q, limit);
    return ls_pg_read_page(cat, NULL, &q, read_event, sizeof *out->items, &out->items, &out->n, &out->memory, err);
}

enum ls_rc ls_pg_event_count(struct ls_catalog *cat, uint64_t *out_count, struct ls_err *err)
{
    return ls_pg_count(cat, LS_PG_EVENT_COUNT, out_count, err);
}

static enum ls_rc fill_seq(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    (void)err;
    ls_pg_query_init(q, LS_PG_EVENT_DELETE);
    ls_pg_int(q, ((const int64_t *)ctx)[i]);
    return LS_OK;
}

enum ls_rc ls_pg_event_remove(struct ls_tx *tx, const int64_t *seqs, size_t n, struct ls_err *err)
{
    return ls_pg_run_many(tx, n, fill_seq, (void *)(uintptr_t)seqs, NULL, err);
}
