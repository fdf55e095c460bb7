/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal: intents and their items. Claims are checked in pg_claim.c and go with their intent.
 *
 * Commit, take-over and close name the owner in their WHERE: whoever has lost an intent changes nothing.
 */
#include "catalog/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/words.h"

/* ---- writing ---- */

struct adding {
    const struct ls_intent *intent;
    const struct ls_claim *claims;
    size_t n_claims;
    const struct ls_intent_item *items;
};

static void fill_item(const char *intent, const struct ls_intent_item *item, struct ls_pg_query *q)
{
    ls_pg_query_init(q, LS_PG_ITEM_INSERT);
    ls_pg_text(q, intent);
    ls_pg_int(q, item->seq);
    ls_pg_text(q, ls_action_name(item->action));
    ls_pg_bytes(q, item->key);
    ls_pg_bytes(q, item->dest);
    ls_pg_text(q, item->old_etag);
    ls_pg_text(q, item->new_etag);
    ls_pg_text(q, item->dest_etag);
    ls_pg_int(q, (int64_t)item->size_bytes);
    ls_pg_bytes(q, item->row);
    ls_pg_int(q, item->done);
}

/* The intent first, then its claims, then its items: all of them go out together. */
static enum ls_rc fill_add(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    const struct adding *add = ctx;
    const struct ls_intent *intent = add->intent;
    (void)err;
    if (i == 0) {
        ls_pg_query_init(q, LS_PG_INTENT_INSERT);
        ls_pg_text(q, intent->id);
        ls_pg_text(q, intent->instance);
        ls_pg_text(q, ls_op_name(intent->op));
        ls_pg_text(q, ls_intent_state_name(intent->state ? intent->state : LS_INTENT_OPEN));
        ls_pg_int(q, intent->created_ns);
        ls_pg_bytes(q, intent->args);
    } else if (i <= add->n_claims) {
        ls_pg_query_init(q, LS_PG_CLAIM_INSERT);
        ls_pg_bytes(q, add->claims[i - 1].path);
        ls_pg_int(q, add->claims[i - 1].subtree);
        ls_pg_text(q, intent->id);
    } else
        fill_item(intent->id, &add->items[i - 1 - add->n_claims], q);
    return LS_OK;
}

enum ls_rc ls_pg_intent_add(struct ls_tx *tx, const struct ls_intent *intent, const struct ls_claim *claims,
                            size_t n_claims, const struct ls_intent_item *items, size_t n_items, struct ls_err *err)
{
    struct adding add = {intent, claims, n_claims, items};
    enum ls_rc rc = ls_pg_claims_check(tx, claims, n_claims, err);
    if (rc != LS_OK)
        return rc; /* nothing is written yet */
    return ls_pg_run_many(tx, 1 + n_claims + n_items, fill_add, &add, NULL, err);
}

enum ls_rc ls_pg_intent_item_set(struct ls_tx *tx, const char *intent, const struct ls_intent_item *item,
                                 struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_ITEM_SET);
    ls_pg_text(&q, item->new_etag);
    ls_pg_text(&q, item->dest_etag);
    ls_pg_int(&q, item->done);
    ls_pg_text(&q, intent);
    ls_pg_int(&q, item->seq);
    enum ls_rc rc = ls_pg_run(tx, &q, &changes, NULL, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: intent %s has no item %lld", intent, (long long)item->seq);
    return rc;
}

/* Run a statement that must change exactly the intent that its owner names. */
static enum ls_rc fenced(struct ls_tx *tx, enum ls_pg_sql sql, const char *const *texts, size_t n, const char *intent,
                         struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, sql);
    for (size_t i = 0; i < n; i++)
        ls_pg_text(&q, texts[i]);
    enum ls_rc rc = ls_pg_run(tx, &q, &changes, NULL, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_CONFLICT, "catalog: %s %s: it is settled already, or another process has taken it",
                          ls_pg_statements[sql].what, intent);
    return rc;
}

enum ls_rc ls_pg_intent_commit(struct ls_tx *tx, const char *intent, const char *instance, struct ls_err *err)
{
    const char *texts[] = {intent, instance};
    return fenced(tx, LS_PG_INTENT_COMMIT, texts, 2, intent, err);
}

enum ls_rc ls_pg_intent_take(struct ls_tx *tx, const char *intent, const char *from, const char *instance,
                             struct ls_err *err)
{
    const char *texts[] = {instance, intent, from};
    return fenced(tx, LS_PG_INTENT_TAKE, texts, 3, intent, err);
}

enum ls_rc ls_pg_intent_close(struct ls_tx *tx, const char *intent, const char *instance, struct ls_err *err)
{
    const char *texts[] = {intent, instance};
    return fenced(tx, LS_PG_INTENT_DELETE, texts, 2, intent, err);
}

/* ---- reading ---- */

static enum ls_rc unknown_word(const char *word, struct ls_err *err)
{
    return ls_err_set(err, LS_CORRUPT, "catalog: the journal has an unknown word \"%s\"", word);
}

static enum ls_rc read_intent(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_intent *out = item;
    (void)arena;
    char op[16] = "", state[16] = "";
    memset(out, 0, sizeof *out);
    const struct {
        char *out;
        size_t size;
        int column;
    } texts[] = {{out->id, sizeof out->id, 0},
                 {out->instance, sizeof out->instance, 1},
                 {op, sizeof op, 2},
                 {state, sizeof state, 3},
                 {out->args, sizeof out->args, 5}};
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_pg_get_fixed(res, row, texts[i].column, texts[i].out, texts[i].size, err);
    out->created_ns = ls_pg_get_int(res, row, 4);
    if (rc != LS_OK)
        return rc;
    out->op = ls_op_parse(op);
    out->state = ls_intent_state_parse(state);
    if (!out->op)
        return unknown_word(op, err);
    return out->state ? LS_OK : unknown_word(state, err);
}

enum ls_rc ls_pg_intent_get(struct ls_catalog *cat, struct ls_tx *tx, const char *intent, struct ls_intent *out,
                            struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INTENT_GET);
    ls_pg_text(&q, intent);
    enum ls_rc rc = ls_pg_read(cat, tx, &q, &res, err);
    if (rc == LS_OK && PQntuples(res) == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no intent %s", intent);
    return rc == LS_OK ? read_intent(res, 0, out, NULL, err) : rc;
}

enum ls_rc ls_pg_intent_list(struct ls_catalog *cat, struct ls_tx *tx, struct ls_intent_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INTENT_LIST);
    *out = (struct ls_intent_page){0};
    return ls_pg_read_page(cat, tx, &q, read_intent, sizeof *out->items, &out->items, &out->n, NULL, err);
}

static enum ls_rc read_item(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_intent_item *out = item;
    char action[16];
    const struct {
        int column;
        const char **out;
    } texts[] = {{2, &out->key},      {3, &out->dest},      {4, &out->old_etag},
                 {5, &out->new_etag}, {6, &out->dest_etag}, {8, &out->row}};
    out->seq = ls_pg_get_int(res, row, 0);
    out->size_bytes = (uint64_t)ls_pg_get_int(res, row, 7);
    out->done = ls_pg_get_int(res, row, 9);
    enum ls_rc rc = ls_pg_get_fixed(res, row, 1, action, sizeof action, err);
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_pg_get_text(res, row, texts[i].column, arena, texts[i].out, err);
    if (rc != LS_OK)
        return rc;
    out->action = ls_action_parse(action);
    return out->action ? LS_OK : unknown_word(action, err);
}

enum ls_rc ls_pg_intent_items(struct ls_catalog *cat, struct ls_tx *tx, const char *intent, int64_t after_seq,
                              unsigned limit, struct ls_intent_item_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_ITEM_PAGE);
    *out = (struct ls_intent_item_page){0};
    ls_pg_text(&q, intent);
    ls_pg_int(&q, after_seq);
    ls_pg_int(&q, limit);
    return ls_pg_read_page(cat, tx, &q, read_item, sizeof *out->items, &out->items, &out->n, &out->memory, err);
}

enum ls_rc ls_pg_intent_item_count(struct ls_catalog *cat, const char *intent, uint64_t *out_count, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_ITEM_COUNT);
    ls_pg_text(&q, intent);
    enum ls_rc rc = ls_pg_read(cat, NULL, &q, &res, err);
    *out_count = rc == LS_OK && PQntuples(res) ? (uint64_t)ls_pg_get_int(res, 0, 0) : 0;
    return rc;
}
