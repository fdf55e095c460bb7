/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal: intents and their items. Claims are checked in sqlite_claim.c and go with their intent.
 *
 * Commit, take-over and close name the owner in their WHERE: whoever has lost an intent changes nothing.
 */
#include "catalog/sqlite_impl.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/words.h"

/* ---- writing ---- */

static enum ls_rc insert_intent(struct ls_sqlite_conn *conn, const struct ls_intent *intent, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_INTENT_INSERT, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, intent->id);
    ls_query_text(&q, intent->instance);
    ls_query_text(&q, ls_op_name(intent->op));
    ls_query_text(&q, ls_intent_state_name(intent->state ? intent->state : LS_INTENT_OPEN));
    ls_query_int(&q, intent->created_ns);
    ls_query_text(&q, intent->args);
    return ls_query_run(&q, NULL, err);
}

static enum ls_rc insert_claims(struct ls_sqlite_conn *conn, const char *intent, const struct ls_claim *claims,
                                size_t n, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_CLAIM_INSERT, &q, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        ls_query_text(&q, claims[i].path);
        ls_query_int(&q, claims[i].subtree);
        ls_query_text(&q, intent);
        rc = ls_query_run(&q, NULL, err);
    }
    return rc;
}

static enum ls_rc insert_items(struct ls_sqlite_conn *conn, const char *intent, const struct ls_intent_item *items,
                               size_t n, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_ITEM_INSERT, &q, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        ls_query_text(&q, intent);
        ls_query_int(&q, items[i].seq);
        ls_query_text(&q, ls_action_name(items[i].action));
        ls_query_text(&q, items[i].key);
        ls_query_text(&q, items[i].dest);
        ls_query_text(&q, items[i].old_etag);
        ls_query_text(&q, items[i].new_etag);
        ls_query_text(&q, items[i].dest_etag);
        ls_query_int(&q, (int64_t)items[i].size_bytes);
        ls_query_text(&q, items[i].row);
        ls_query_int(&q, items[i].done);
        rc = ls_query_run(&q, NULL, err);
    }
    return rc;
}

enum ls_rc ls_sqlite_intent_add(struct ls_tx *tx, const struct ls_intent *intent, const struct ls_claim *claims,
                                size_t n_claims, const struct ls_intent_item *items, size_t n_items, struct ls_err *err)
{
    struct ls_sqlite_conn *conn;
    enum ls_rc rc = ls_sqlite_tx_conn(tx, &conn, err);
    if (rc == LS_OK)
        rc = ls_sqlite_claims_check(conn, claims, n_claims, err);
    if (rc != LS_OK)
        return rc; /* nothing is written yet */
    rc = insert_intent(conn, intent, err);
    if (rc == LS_OK)
        rc = insert_claims(conn, intent->id, claims, n_claims, err);
    if (rc == LS_OK)
        rc = insert_items(conn, intent->id, items, n_items, err);
    return ls_sqlite_tx_spoil(tx, rc);
}

enum ls_rc ls_sqlite_intent_item_set(struct ls_tx *tx, const char *intent, const struct ls_intent_item *item,
                                     struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_ITEM_SET, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, item->new_etag);
    ls_query_text(&q, item->dest_etag);
    ls_query_int(&q, item->done);
    ls_query_text(&q, intent);
    ls_query_int(&q, item->seq);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: intent %s has no item %lld", intent, (long long)item->seq);
    return rc;
}

/* Run a statement that must change exactly the intent that its owner names. */
static enum ls_rc fenced(struct ls_tx *tx, enum ls_sql sql, const char *const *texts, size_t n, const char *intent,
                         struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, sql, &q, err);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        ls_query_text(&q, texts[i]);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_CONFLICT, "catalog: %s %s: it is settled already, or another process has taken it",
                          ls_sqlite_sql[sql].what, intent);
    return rc;
}

enum ls_rc ls_sqlite_intent_commit(struct ls_tx *tx, const char *intent, const char *instance, struct ls_err *err)
{
    const char *texts[] = {intent, instance};
    return fenced(tx, LS_SQL_INTENT_COMMIT, texts, 2, intent, err);
}

enum ls_rc ls_sqlite_intent_take(struct ls_tx *tx, const char *intent, const char *from, const char *instance,
                                 struct ls_err *err)
{
    const char *texts[] = {instance, intent, from};
    return fenced(tx, LS_SQL_INTENT_TAKE, texts, 3, intent, err);
}

enum ls_rc ls_sqlite_intent_close(struct ls_tx *tx, const char *intent, const char *instance, struct ls_err *err)
{
    const char *texts[] = {intent, instance};
    return fenced(tx, LS_SQL_INTENT_DELETE, texts, 2, intent, err);
}

/* ---- reading ---- */

static enum ls_rc unknown_word(struct ls_query *q, const char *word, struct ls_err *err)
{
    return ls_err_set(err, LS_CORRUPT, "catalog %s: the journal has an unknown word \"%s\"", q->conn->cat->path, word);
}

static enum ls_rc read_intent(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_intent *out = item;
    (void)arena;
    char op[16] = "", state[16] = "";
    memset(out, 0, sizeof *out);
    enum ls_rc rc = ls_query_get_fixed(q, 0, out->id, sizeof out->id, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 1, out->instance, sizeof out->instance, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 2, op, sizeof op, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 3, state, sizeof state, err);
    out->created_ns = ls_query_get_int(q, 4);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 5, out->args, sizeof out->args, err);
    if (rc != LS_OK)
        return rc;
    out->op = ls_op_parse(op);
    out->state = ls_intent_state_parse(state);
    if (!out->op)
        return unknown_word(q, op, err);
    return out->state ? LS_OK : unknown_word(q, state, err);
}

enum ls_rc ls_sqlite_intent_get(struct ls_catalog *cat, struct ls_tx *tx, const char *intent, struct ls_intent *out,
                                struct ls_err *err)
{
    bool row;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_INTENT_GET, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, intent);
    rc = ls_query_row(&q, &row, err);
    if (rc == LS_OK && !row)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no intent %s", intent);
    return rc == LS_OK ? read_intent(&q, out, NULL, err) : rc;
}

enum ls_rc ls_sqlite_intent_list(struct ls_catalog *cat, struct ls_tx *tx, struct ls_intent_page *out,
                                 struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_intent_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_INTENT_LIST, &q, err);
    if (rc != LS_OK)
        return rc;
    return ls_query_read_items(&q, read_intent, sizeof *out->items, &out->items, &out->n, &cap, NULL, err);
}

static enum ls_rc read_item(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_intent_item *out = item;
    char action[16];
    const struct {
        int column;
        const char **out;
    } texts[] = {{2, &out->key},      {3, &out->dest},      {4, &out->old_etag},
                 {5, &out->new_etag}, {6, &out->dest_etag}, {8, &out->row}};
    out->seq = ls_query_get_int(q, 0);
    out->size_bytes = (uint64_t)ls_query_get_int(q, 7);
    out->done = ls_query_get_int(q, 9);
    enum ls_rc rc = ls_query_get_fixed(q, 1, action, sizeof action, err);
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_query_get_text(q, texts[i].column, arena, texts[i].out, err);
    if (rc != LS_OK)
        return rc;
    out->action = ls_action_parse(action);
    return out->action ? LS_OK : unknown_word(q, action, err);
}

enum ls_rc ls_sqlite_intent_items(struct ls_catalog *cat, struct ls_tx *tx, const char *intent, int64_t after_seq,
                                  unsigned limit, struct ls_intent_item_page *out, struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_intent_item_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_ITEM_PAGE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, intent);
    ls_query_int(&q, after_seq);
    ls_query_int(&q, limit);
    return ls_query_read_items(&q, read_item, sizeof *out->items, &out->items, &out->n, &cap, &out->memory, err);
}

enum ls_rc ls_sqlite_intent_item_count(struct ls_catalog *cat, const char *intent, uint64_t *out_count,
                                       struct ls_err *err)
{
    bool row = false;
    *out_count = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, NULL, LS_SQL_ITEM_COUNT, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, intent);
    rc = ls_query_row(&q, &row, err);
    if (rc == LS_OK && row)
        *out_count = (uint64_t)ls_query_get_int(&q, 0);
    return rc;
}
