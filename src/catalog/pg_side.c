/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Audit trail, trash list and settings.
 *
 * A prefix of keys is compared byte by byte while the table is walked in the order asked for: both lists are read by
 * people or by purges that take everything anyway.
 */
#include "catalog/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- audit trail ---- */

static enum ls_rc fill_audit(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    const struct ls_audit *item = &((const struct ls_audit *)ctx)[i];
    (void)err;
    ls_pg_query_init(q, LS_PG_AUDIT_INSERT);
    ls_pg_int(q, item->at_ns ? item->at_ns : ls_now_ns());
    ls_pg_text(q, item->intent);
    ls_pg_text(q, item->op);
    ls_pg_prose(q, item->actor);
    ls_pg_bytes(q, item->key);
    ls_pg_bytes(q, item->dest);
    ls_pg_text(q, item->outcome);
    ls_pg_prose(q, item->detail);
    return LS_OK;
}

enum ls_rc ls_pg_audit_add(struct ls_tx *tx, const struct ls_audit *items, size_t n, struct ls_err *err)
{
    return ls_pg_run_many(tx, n, fill_audit, (void *)(uintptr_t)items, NULL, err);
}

static enum ls_rc read_audit(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_audit *out = item;
    const char **texts[] = {&out->intent, &out->op, &out->actor, &out->key, &out->dest, &out->outcome, &out->detail};
    enum ls_rc rc = LS_OK;
    out->seq = ls_pg_get_int(res, row, 0);
    out->at_ns = ls_pg_get_int(res, row, 1);
    for (int i = 0; rc == LS_OK && i < (int)(sizeof texts / sizeof texts[0]); i++)
        rc = ls_pg_get_text(res, row, 2 + i, arena, texts[i], err);
    return rc;
}

enum ls_rc ls_pg_audit_page(struct ls_catalog *cat, int64_t before, const char *key_prefix, unsigned limit,
                            struct ls_audit_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_AUDIT_PAGE);
    *out = (struct ls_audit_page){0};
    ls_pg_int(&q, before ? before : INT64_MAX);
    ls_pg_bytes(&q, key_prefix ? key_prefix : "");
    ls_pg_int(&q, limit);
    return ls_pg_read_page(cat, NULL, &q, read_audit, sizeof *out->items, &out->items, &out->n, &out->memory, err);
}

/* ---- trash ---- */

enum ls_rc ls_pg_trash_add(struct ls_tx *tx, const struct ls_trash *item, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_TRASH_INSERT);
    ls_pg_text(&q, item->id);
    ls_pg_bytes(&q, item->key);
    ls_pg_bytes(&q, item->trash_key);
    ls_pg_text(&q, item->etag);
    ls_pg_int(&q, (int64_t)item->size_bytes);
    ls_pg_text(&q, item->reason);
    ls_pg_bytes(&q, item->row);
    ls_pg_int(&q, item->at_ns ? item->at_ns : ls_now_ns());
    return ls_pg_run(tx, &q, NULL, NULL, err);
}

enum ls_rc ls_pg_trash_remove(struct ls_tx *tx, const char *id, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_TRASH_DELETE);
    ls_pg_text(&q, id);
    enum ls_rc rc = ls_pg_run(tx, &q, &changes, NULL, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: the trash has no %s", id);
    return rc;
}

static enum ls_rc read_trash(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_trash *out = item;
    const struct {
        int column;
        const char **out;
    } texts[] = {{1, &out->key}, {2, &out->trash_key}, {3, &out->etag}, {5, &out->reason}, {6, &out->row}};
    enum ls_rc rc = ls_pg_get_fixed(res, row, 0, out->id, sizeof out->id, err);
    out->size_bytes = (uint64_t)ls_pg_get_int(res, row, 4);
    out->at_ns = ls_pg_get_int(res, row, 7);
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_pg_get_text(res, row, texts[i].column, arena, texts[i].out, err);
    return rc;
}

enum ls_rc ls_pg_trash_page(struct ls_catalog *cat, struct ls_tx *tx, const char *after, const char *key_prefix,
                            unsigned limit, struct ls_trash_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_TRASH_PAGE);
    *out = (struct ls_trash_page){0};
    ls_pg_text(&q, after ? after : "");
    ls_pg_bytes(&q, key_prefix ? key_prefix : "");
    ls_pg_int(&q, limit);
    return ls_pg_read_page(cat, tx, &q, read_trash, sizeof *out->items, &out->items, &out->n, &out->memory, err);
}

/* ---- settings ---- */

enum ls_rc ls_pg_meta_get(struct ls_catalog *cat, struct ls_tx *tx, const char *name, char **out_value,
                          struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_META_GET);
    *out_value = NULL;
    ls_pg_text(&q, name);
    enum ls_rc rc = ls_pg_read(cat, tx, &q, &res, err);
    if (rc == LS_OK && PQntuples(res) == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: the setting %s is not set", name);
    if (rc != LS_OK)
        return rc;
    *out_value = strdup(PQgetvalue(res, 0, 0));
    return *out_value ? LS_OK : ls_err_nomem(err);
}

/* Settings that the back ends themselves keep. */
static bool is_own(const char *name)
{
    static const char *const own[] = {"writer", "schema_version", "settled", "change_floor", "mapping"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(name, own[i]) == 0)
            return true;
    return false;
}

enum ls_rc ls_pg_meta_set(struct ls_tx *tx, const char *name, const char *value, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, value ? LS_PG_META_SET : LS_PG_META_DELETE);
    if (is_own(name))
        return ls_err_set(err, LS_INVALID, "catalog: the setting %s is the catalog's own", name);
    ls_pg_text(&q, name);
    if (value)
        ls_pg_text(&q, value);
    return ls_pg_run(tx, &q, NULL, NULL, err);
}
