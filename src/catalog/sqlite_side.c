/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Audit trail, trash list and settings.
 *
 * A prefix of keys is compared byte by byte while the table is walked in the order asked for: both lists are read by
 * people or by purges that take everything anyway.
 */
#include "catalog/sqlite_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- audit trail ---- */

enum ls_rc ls_sqlite_audit_add(struct ls_tx *tx, const struct ls_audit *items, size_t n, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_AUDIT_INSERT, &q, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        ls_query_int(&q, items[i].at_ns ? items[i].at_ns : ls_now_ns());
        ls_query_text(&q, items[i].intent);
        ls_query_text(&q, items[i].op);
        ls_query_text(&q, items[i].actor);
        ls_query_text(&q, items[i].key);
        ls_query_text(&q, items[i].dest);
        ls_query_text(&q, items[i].outcome);
        ls_query_text(&q, items[i].detail);
        rc = ls_query_run(&q, NULL, err);
    }
    return ls_sqlite_tx_spoil(tx, rc);
}

static enum ls_rc read_audit(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_audit *out = item;
    const char **texts[] = {&out->intent, &out->op, &out->actor, &out->key, &out->dest, &out->outcome, &out->detail};
    enum ls_rc rc = LS_OK;
    out->seq = ls_query_get_int(q, 0);
    out->at_ns = ls_query_get_int(q, 1);
    for (int i = 0; rc == LS_OK && i < (int)(sizeof texts / sizeof texts[0]); i++)
        rc = ls_query_get_text(q, 2 + i, arena, texts[i], err);
    return rc;
}

static void bind_prefix(struct ls_query *q, const char *prefix)
{
    if (!prefix)
        prefix = "";
    ls_query_text(q, prefix);
    ls_query_int(q, (int64_t)strlen(prefix));
}

enum ls_rc ls_sqlite_audit_page(struct ls_catalog *cat, int64_t before, const char *key_prefix, unsigned limit,
                                struct ls_audit_page *out, struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_audit_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, NULL, LS_SQL_AUDIT_PAGE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_int(&q, before ? before : INT64_MAX);
    bind_prefix(&q, key_prefix);
    ls_query_int(&q, limit);
    return ls_query_read_items(&q, read_audit, sizeof *out->items, &out->items, &out->n, &cap, &out->memory, err);
}

/* ---- trash ---- */

enum ls_rc ls_sqlite_trash_add(struct ls_tx *tx, const struct ls_trash *item, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_TRASH_INSERT, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, item->id);
    ls_query_text(&q, item->key);
    ls_query_text(&q, item->trash_key);
    ls_query_text(&q, item->etag);
    ls_query_int(&q, (int64_t)item->size_bytes);
    ls_query_text(&q, item->reason);
    ls_query_text(&q, item->row);
    ls_query_int(&q, item->at_ns ? item->at_ns : ls_now_ns());
    return ls_query_run(&q, NULL, err);
}

enum ls_rc ls_sqlite_trash_remove(struct ls_tx *tx, const char *id, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_TRASH_DELETE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, id);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: the trash has no %s", id);
    return rc;
}

static enum ls_rc read_trash(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_trash *out = item;
    const struct {
        int column;
        const char **out;
    } texts[] = {{1, &out->key}, {2, &out->trash_key}, {3, &out->etag}, {5, &out->reason}, {6, &out->row}};
    enum ls_rc rc = ls_query_get_fixed(q, 0, out->id, sizeof out->id, err);
    out->size_bytes = (uint64_t)ls_query_get_int(q, 4);
    out->at_ns = ls_query_get_int(q, 7);
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_query_get_text(q, texts[i].column, arena, texts[i].out, err);
    return rc;
}

enum ls_rc ls_sqlite_trash_page(struct ls_catalog *cat, struct ls_tx *tx, const char *after, const char *key_prefix,
                                unsigned limit, struct ls_trash_page *out, struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_trash_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_TRASH_PAGE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, after ? after : "");
    bind_prefix(&q, key_prefix);
    ls_query_int(&q, limit);
    return ls_query_read_items(&q, read_trash, sizeof *out->items, &out->items, &out->n, &cap, &out->memory, err);
}

/* ---- settings ---- */

enum ls_rc ls_sqlite_meta_get(struct ls_catalog *cat, struct ls_tx *tx, const char *name, char **out_value,
                              struct ls_err *err)
{
    bool row;
    *out_value = NULL;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_META_GET, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, name);
    rc = ls_query_row(&q, &row, err);
    if (rc == LS_OK && !row)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: the setting %s is not set", name);
    if (rc != LS_OK)
        return rc;
    const char *value = (const char *)sqlite3_column_text(q.stmt, 0);
    *out_value = value ? strdup(value) : NULL;
    return *out_value ? LS_OK : ls_err_nomem(err);
}

/* Settings that the back end itself keeps. */
static bool is_own(const char *name)
{
    return strcmp(name, "writer") == 0 || strcmp(name, "schema_version") == 0 || strcmp(name, "settled") == 0;
}

enum ls_rc ls_sqlite_meta_set(struct ls_tx *tx, const char *name, const char *value, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, value ? LS_SQL_META_SET : LS_SQL_META_DELETE, &q, err);
    if (rc != LS_OK)
        return rc;
    if (is_own(name))
        return ls_err_set(err, LS_INVALID, "catalog: the setting %s is the catalog's own", name);
    ls_query_text(&q, name);
    if (value)
        ls_query_text(&q, value);
    return ls_query_run(&q, NULL, err);
}
