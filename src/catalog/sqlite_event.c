/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inbox: what others tell of the bucket, until it is worked off. */
#include "catalog/sqlite_impl.h"

#include <string.h>

#include "base/clock.h"

enum ls_rc ls_sqlite_event_add(struct ls_tx *tx, const struct ls_event *items, size_t n, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_EVENT_INSERT, &q, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        ls_query_int(&q, items[i].at_ns ? items[i].at_ns : ls_now_ns());
        ls_query_text(&q, items[i].kind);
        ls_query_text(&q, items[i].key);
        ls_query_text(&q, items[i].etag);
        ls_query_text(&q, items[i].sequencer);
        rc = ls_query_run(&q, NULL, err);
    }
    return ls_sqlite_tx_spoil(tx, rc);
}

static enum ls_rc read_event(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_event *out = item;
    const char **texts[] = {&out->kind, &out->key, &out->etag, &out->sequencer};
    enum ls_rc rc = LS_OK;
    out->seq = ls_query_get_int(q, 0);
    out->at_ns = ls_query_get_int(q, 1);
    for (int i = 0; rc == LS_OK && i < (int)(sizeof texts / sizeof texts[0]); i++)
        rc = ls_query_get_text(q, 2 + i, arena, texts[i], err);
    return rc;
}

enum ls_rc ls_sqlite_event_page(struct ls_catalog *cat, int64_t after, unsigned limit, struct ls_event_page *out,
                                struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_event_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, NULL, LS_SQL_EVENT_PAGE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_int(&q, after);
    ls_query_int(&q, limit);
    return ls_query_read_items(&q, read_event, sizeof *out->items, &out->items, &out->n, &cap, &out->memory, err);
}

enum ls_rc ls_sqlite_event_count(struct ls_catalog *cat, uint64_t *out_count, struct ls_err *err)
{
    return ls_sqlite_count(cat, LS_SQL_EVENT_COUNT, out_count, err);
}

enum ls_rc ls_sqlite_event_remove(struct ls_tx *tx, const int64_t *seqs, size_t n, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_EVENT_DELETE, &q, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        ls_query_int(&q, seqs[i]);
        rc = ls_query_run(&q, NULL, err);
    }
    return ls_sqlite_tx_spoil(tx, rc);
}
