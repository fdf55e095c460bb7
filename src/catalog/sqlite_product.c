/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Product and variant rows. A product's id is its name in the path; a variant's is a number.
 */
#include "catalog/sqlite_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- products ---- */

static enum ls_rc read_names(struct ls_query *q, struct ls_name_page *out, struct ls_err *err)
{
    size_t cap = 0;
    bool row;
    enum ls_rc rc = LS_OK;
    out->memory = ls_arena_new();
    if (!out->memory)
        return ls_err_nomem(err);
    while (rc == LS_OK && (rc = ls_query_row(q, &row, err)) == LS_OK && row) {
        const char *name = NULL;
        rc = ls_sqlite_grow(&out->names, out->n, &cap, sizeof *out->names, err);
        if (rc == LS_OK)
            rc = ls_query_get_text(q, 0, out->memory, &name, err);
        if (rc == LS_OK)
            out->names[out->n++] = (char *)name;
    }
    return rc;
}

enum ls_rc ls_sqlite_product_page(struct ls_catalog *cat, struct ls_tx *tx, const char *after, unsigned limit,
                                  struct ls_name_page *out, struct ls_err *err)
{
    *out = (struct ls_name_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_PRODUCT_PAGE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, after ? after : "");
    ls_query_int(&q, limit);
    rc = read_names(&q, out, err);
    if (rc != LS_OK)
        ls_name_page_dispose(out);
    return rc;
}

enum ls_rc ls_sqlite_product_count(struct ls_catalog *cat, uint64_t *out_count, struct ls_err *err)
{
    return ls_sqlite_count(cat, LS_SQL_PRODUCT_COUNT, out_count, err);
}

enum ls_rc ls_sqlite_product_exists(struct ls_catalog *cat, struct ls_tx *tx, const char *product, bool *out_exists,
                                    struct ls_err *err)
{
    *out_exists = false;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_PRODUCT_EXISTS, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, product);
    return ls_query_row(&q, out_exists, err);
}

enum ls_rc ls_sqlite_product_add(struct ls_tx *tx, const char *product, struct ls_err *err)
{
    char now[LS_TIME_LEN];
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_PRODUCT_INSERT, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_time_iso(ls_now_ns(), now);
    ls_query_text(&q, product);
    ls_query_text(&q, now);
    rc = ls_query_run(&q, NULL, err);
    if (rc == LS_EXISTS)
        return ls_err_set(err, rc, "catalog: there is a product %s already", product);
    if (rc == LS_INVALID)
        return ls_err_set(err, rc, "catalog: \"%.300s\" is no product's name: 1 to 255 bytes", product);
    return rc;
}

enum ls_rc ls_sqlite_product_remove(struct ls_tx *tx, const char *product, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_PRODUCT_DELETE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, product);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_NOT_FOUND)
        return ls_err_set(err, LS_NOT_EMPTY, "catalog: product %s still has variants or images", product);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no product %s", product);
    return rc;
}

enum ls_rc ls_sqlite_product_rename(struct ls_tx *tx, const char *from, const char *to, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_PRODUCT_RENAME, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, to);
    ls_query_text(&q, from);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_EXISTS)
        return ls_err_set(err, rc, "catalog: there is a product %s already", to);
    if (rc == LS_INVALID)
        return ls_err_set(err, rc, "catalog: \"%.300s\" is no product's name: 1 to 255 bytes", to);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no product %s", from);
    return rc;
}

/* ---- variants ---- */

static enum ls_rc read_variant(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_variant *out = item;
    (void)arena;
    memset(out, 0, sizeof *out);
    enum ls_rc rc = ls_query_get_fixed(q, 0, out->id, sizeof out->id, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 1, out->product, sizeof out->product, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 2, out->weight, sizeof out->weight, err);
    out->is_active = ls_query_get_int(q, 3) != 0;
    out->created_ns = ls_query_get_time(q, 4);
    out->updated_ns = ls_query_get_time(q, 5);
    return rc;
}

enum ls_rc ls_sqlite_variant_list(struct ls_catalog *cat, struct ls_tx *tx, const char *product,
                                  struct ls_variant_page *out, struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_variant_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_VARIANT_LIST, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, product);
    return ls_query_read_items(&q, read_variant, sizeof *out->items, &out->items, &out->n, &cap, NULL, err);
}

enum ls_rc ls_sqlite_variant_get(struct ls_catalog *cat, struct ls_tx *tx, const char *product, const char *weight,
                                 struct ls_variant *out, struct ls_err *err)
{
    bool row;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_VARIANT_GET, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, product);
    ls_query_text(&q, weight);
    rc = ls_query_row(&q, &row, err);
    if (rc != LS_OK)
        return rc;
    if (!row)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no variant %s/%s", product, weight);
    return read_variant(&q, out, NULL, err);
}

/* Explain what the constraints mean for a variant row. */
static enum ls_rc explain(enum ls_rc rc, const char *product, const char *weight, struct ls_err *err)
{
    if (rc == LS_EXISTS)
        return ls_err_set(err, rc, "catalog: there is a variant %s/%s already", product, weight);
    if (rc == LS_NOT_FOUND)
        return ls_err_set(err, rc, "catalog: variant %s/%s: there is no product %s", product, weight, product);
    if (rc == LS_INVALID)
        return ls_err_set(err, rc, "catalog: \"%.300s\" is no weight: 1 to 255 bytes", weight);
    return rc;
}

enum ls_rc ls_sqlite_variant_add(struct ls_tx *tx, const char *product, const char *weight, struct ls_variant *out,
                                 struct ls_err *err)
{
    char now[LS_TIME_LEN];
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_VARIANT_INSERT, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_time_iso(ls_now_ns(), now);
    ls_query_text(&q, product);
    ls_query_text(&q, weight);
    ls_query_text(&q, now);
    rc = ls_query_run(&q, NULL, err);
    if (rc != LS_OK)
        return explain(rc, product, weight, err);
    return out ? ls_sqlite_variant_get(tx->cat, tx, product, weight, out, err) : LS_OK;
}

static enum ls_rc no_variant(const char *id, struct ls_err *err)
{
    return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no variant with the id \"%s\"", id);
}

enum ls_rc ls_sqlite_variant_set(struct ls_tx *tx, const struct ls_variant *variant, struct ls_err *err)
{
    char now[LS_TIME_LEN];
    int64_t id;
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_VARIANT_UPDATE, &q, err);
    if (rc != LS_OK)
        return rc;
    if (!ls_sqlite_id_parse(variant->id, &id))
        return no_variant(variant->id, err);
    ls_time_iso(ls_now_ns(), now);
    ls_query_text(&q, variant->product);
    ls_query_text(&q, variant->weight);
    ls_query_int(&q, variant->is_active);
    ls_query_text(&q, now);
    ls_query_int(&q, id);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_OK && changes == 0)
        return no_variant(variant->id, err);
    return rc == LS_OK ? LS_OK : explain(rc, variant->product, variant->weight, err);
}

enum ls_rc ls_sqlite_variant_remove(struct ls_tx *tx, const char *variant_id, struct ls_err *err)
{
    int64_t id;
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_VARIANT_DELETE, &q, err);
    if (rc != LS_OK)
        return rc;
    if (!ls_sqlite_id_parse(variant_id, &id))
        return no_variant(variant_id, err);
    ls_query_int(&q, id);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_NOT_FOUND)
        return ls_err_set(err, LS_NOT_EMPTY, "catalog: variant %s still has images", variant_id);
    if (rc == LS_OK && changes == 0)
        return no_variant(variant_id, err);
    return rc;
}
