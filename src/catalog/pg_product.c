/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Product and variant rows. What a product's name in the path is, and how ids are made, is the mapping's.
 */
#include "catalog/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

/* ---- products ---- */

enum ls_rc ls_pg_names(const PGresult *res, struct ls_name_page *out, struct ls_err *err)
{
    int n = PQntuples(res);
    enum ls_rc rc = LS_OK;
    *out = (struct ls_name_page){calloc(n ? (size_t)n : 1, sizeof *out->names), 0, ls_arena_new()};
    if (!out->names || !out->memory)
        rc = ls_err_nomem(err);
    for (int i = 0; rc == LS_OK && i < n; i++) {
        const char *name = NULL;
        rc = ls_pg_get_text(res, i, 0, out->memory, &name, err);
        if (rc == LS_OK)
            out->names[out->n++] = (char *)(uintptr_t)name;
    }
    if (rc != LS_OK)
        ls_name_page_dispose(out);
    return rc;
}

enum ls_rc ls_pg_product_page(struct ls_catalog *cat, struct ls_tx *tx, const char *after, unsigned limit,
                              struct ls_name_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_PRODUCT_PAGE);
    *out = (struct ls_name_page){0};
    ls_pg_text(&q, after ? after : "");
    ls_pg_int(&q, limit);
    enum ls_rc rc = ls_pg_read(cat, tx, &q, &res, err);
    return rc == LS_OK ? ls_pg_names(res, out, err) : rc;
}

enum ls_rc ls_pg_product_count(struct ls_catalog *cat, uint64_t *out_count, struct ls_err *err)
{
    return ls_pg_count(cat, LS_PG_PRODUCT_COUNT, out_count, err);
}

enum ls_rc ls_pg_product_exists(struct ls_catalog *cat, struct ls_tx *tx, const char *product, bool *out_exists,
                                struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_PRODUCT_EXISTS);
    ls_pg_text(&q, product);
    enum ls_rc rc = ls_pg_read(cat, tx, &q, &res, err);
    *out_exists = rc == LS_OK && PQntuples(res) > 0;
    return rc;
}

/* A name of a folder, whatever the table would take. */
static enum ls_rc check_name(const char *name, const char *what, struct ls_err *err)
{
    size_t len = strlen(name);
    if (len >= 1 && len <= 255 && ls_utf8_valid(name, len))
        return LS_OK;
    return ls_err_set(err, LS_INVALID, "catalog: \"%.300s\" is no %s: 1 to 255 bytes of UTF-8", name, what);
}

static enum ls_rc explain_product(enum ls_rc rc, const char *product, struct ls_err *err)
{
    if (rc == LS_OK)
        return rc;
    if (rc == LS_EXISTS)
        return ls_err_set(err, rc, "catalog: there is a product %s already", product);
    if (rc == LS_NOT_FOUND)
        return ls_err_set(err, LS_UNSUPPORTED,
                          "catalog: the application's foreign keys do not let a product be renamed");
    ls_err_prefix(err, "product %s: ", product);
    return rc;
}

enum ls_rc ls_pg_product_add(struct ls_tx *tx, const char *product, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_PRODUCT_INSERT);
    ls_pg_text(&q, product);
    ls_pg_time(&q, ls_now_ns());
    ls_pg_constants(&q, &ls_pg_of(tx->cat)->mapping.tables[LS_MAP_PRODUCT]);
    enum ls_rc rc = check_name(product, "product's name", err);
    return rc == LS_OK ? explain_product(ls_pg_run(tx, &q, NULL, NULL, err), product, err) : rc;
}

/* A foreign key that we know nothing of: our own are looked at before. */
static enum ls_rc explain_referred(enum ls_rc rc, const char *what, const char *name, struct ls_err *err)
{
    if (rc != LS_NOT_FOUND)
        return rc;
    ls_err_prefix(err, "%s %s: other rows of the application refer to it: ", what, name);
    if (err)
        err->rc = LS_DENIED;
    return LS_DENIED;
}

enum ls_rc ls_pg_product_remove(struct ls_tx *tx, const char *product, struct ls_err *err)
{
    int changes = 0;
    bool exists = false;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_PRODUCT_DELETE);
    ls_pg_text(&q, product);
    enum ls_rc rc = explain_referred(ls_pg_run(tx, &q, &changes, NULL, err), "product", product, err);
    if (rc == LS_OK && changes == 0)
        rc = ls_pg_product_exists(tx->cat, tx, product, &exists, err);
    if (rc != LS_OK || changes)
        return rc;
    return exists ? ls_err_set(err, LS_NOT_EMPTY, "catalog: product %s still has variants or images", product)
                  : ls_err_set(err, LS_NOT_FOUND, "catalog: there is no product %s", product);
}

enum ls_rc ls_pg_product_rename(struct ls_tx *tx, const char *from, const char *to, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_PRODUCT_RENAME);
    ls_pg_text(&q, to);
    ls_pg_text(&q, from);
    enum ls_rc rc = check_name(to, "product's name", err);
    if (rc == LS_OK)
        rc = explain_product(ls_pg_run(tx, &q, &changes, NULL, err), to, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no product %s", from);
    return rc;
}

/* ---- variants ---- */

static enum ls_rc read_variant(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_variant *out = item;
    (void)arena;
    memset(out, 0, sizeof *out);
    enum ls_rc rc = ls_pg_get_fixed(res, row, 0, out->id, sizeof out->id, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, row, 1, out->product, sizeof out->product, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, row, 2, out->weight, sizeof out->weight, err);
    out->is_active = ls_pg_get_int(res, row, 3) != 0;
    out->created_ns = ls_pg_get_time(res, row, 4);
    out->updated_ns = ls_pg_get_time(res, row, 5);
    return rc;
}

enum ls_rc ls_pg_variant_list(struct ls_catalog *cat, struct ls_tx *tx, const char *product,
                              struct ls_variant_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_VARIANT_LIST);
    *out = (struct ls_variant_page){0};
    ls_pg_text(&q, product);
    return ls_pg_read_page(cat, tx, &q, read_variant, sizeof *out->items, &out->items, &out->n, NULL, err);
}

enum ls_rc ls_pg_variant_get(struct ls_catalog *cat, struct ls_tx *tx, const char *product, const char *weight,
                             struct ls_variant *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_VARIANT_GET);
    ls_pg_text(&q, product);
    ls_pg_text(&q, weight);
    enum ls_rc rc = ls_pg_read(cat, tx, &q, &res, err);
    if (rc == LS_OK && PQntuples(res) == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no variant %s/%s", product, weight);
    return rc == LS_OK ? read_variant(res, 0, out, NULL, err) : rc;
}

/* Explain what the constraints mean for a variant row. */
static enum ls_rc explain(enum ls_rc rc, const char *product, const char *weight, struct ls_err *err)
{
    if (rc == LS_EXISTS)
        return ls_err_set(err, rc, "catalog: there is a variant %s/%s already", product, weight);
    if (rc == LS_NOT_FOUND)
        return ls_err_set(err, rc, "catalog: variant %s/%s: there is no product %s", product, weight, product);
    ls_err_prefix(err, "variant %s/%s: ", product, weight);
    return rc;
}

enum ls_rc ls_pg_variant_add(struct ls_tx *tx, const char *product, const char *weight, struct ls_variant *out,
                             struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_VARIANT_INSERT);
    ls_pg_text(&q, product);
    ls_pg_text(&q, weight);
    ls_pg_time(&q, ls_now_ns());
    ls_pg_constants(&q, &ls_pg_of(tx->cat)->mapping.tables[LS_MAP_VARIANT]);
    enum ls_rc rc = check_name(weight, "weight", err);
    if (rc != LS_OK)
        return rc;
    rc = ls_pg_run(tx, &q, &changes, NULL, err);
    if (rc != LS_OK || changes == 0)
        return explain(rc == LS_OK ? LS_NOT_FOUND : rc, product, weight, err);
    return out ? ls_pg_variant_get(tx->cat, tx, product, weight, out, err) : LS_OK;
}

static enum ls_rc no_variant(const char *id, struct ls_err *err)
{
    return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no variant with the id \"%s\"", id);
}

enum ls_rc ls_pg_variant_set(struct ls_tx *tx, const struct ls_variant *variant, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_VARIANT_UPDATE);
    ls_pg_text(&q, variant->product);
    ls_pg_text(&q, variant->weight);
    ls_pg_int(&q, variant->is_active);
    ls_pg_time(&q, ls_now_ns());
    ls_pg_text(&q, variant->id);
    enum ls_rc rc = check_name(variant->weight, "weight", err);
    if (rc != LS_OK)
        return rc;
    rc = ls_pg_run(tx, &q, &changes, NULL, err);
    if (rc == LS_OK && changes == 0) {
        bool exists;
        rc = ls_pg_product_exists(tx->cat, tx, variant->product, &exists, err);
        if (rc == LS_OK && !exists)
            return explain(LS_NOT_FOUND, variant->product, variant->weight, err);
        return rc == LS_OK ? no_variant(variant->id, err) : rc;
    }
    return rc == LS_OK ? LS_OK : explain(rc, variant->product, variant->weight, err);
}

enum ls_rc ls_pg_variant_remove(struct ls_tx *tx, const char *variant_id, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_VARIANT_DELETE);
    ls_pg_text(&q, variant_id);
    enum ls_rc rc = explain_referred(ls_pg_run(tx, &q, &changes, NULL, err), "variant", variant_id, err);
    if (rc != LS_OK || changes)
        return rc;
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query look;
    ls_pg_query_init(&look, LS_PG_VARIANT_EXISTS);
    ls_pg_text(&look, variant_id);
    rc = ls_pg_read(tx->cat, tx, &look, &res, err);
    if (rc != LS_OK || PQntuples(res) == 0)
        return rc == LS_OK ? no_variant(variant_id, err) : rc;
    return ls_err_set(err, LS_NOT_EMPTY, "catalog: variant %s still has images", variant_id);
}
