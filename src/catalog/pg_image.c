/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading, counting and cutting image rows, each joined with what is recorded of its object and its variant.
 *
 * Rows that follow each other mostly share product, weight, type and variant: such text is kept once a page. A bound
 * need not be UTF-8 (it may be an object's key); it is compared as bytes then.
 */
#include "catalog/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

/* Above this many rows splits are taken from a sample of the table's pages. */
#define SAMPLE_ROWS 200000

/* Columns of IMAGE_COLUMNS in pg_sql.c. */
enum {
    COL_KEY,
    COL_PRODUCT,
    COL_WEIGHT,
    COL_TYPE,
    COL_URL,
    COL_VARIANT_ID,
    COL_CREATED,
    COL_UPDATED,
    COL_VARIANT_PRODUCT,
    COL_VARIANT_WEIGHT,
    COL_KNOWN,
    COL_SIZE,
    COL_ETAG,
    COL_MTIME,
    COL_MODE,
    COL_UID,
    COL_GID,
    COL_CONTENT_TYPE
};

static enum ls_rc read_record(const PGresult *res, int row, struct ls_record *out, struct ls_err *err)
{
    out->known = ls_pg_get_int(res, row, COL_KNOWN) != 0;
    if (!out->known)
        return LS_OK;
    out->size_bytes = (uint64_t)ls_pg_get_int(res, row, COL_SIZE);
    out->mtime_ns = ls_pg_get_int(res, row, COL_MTIME);
    out->mode = (uint32_t)ls_pg_get_int(res, row, COL_MODE);
    out->uid = (uint32_t)ls_pg_get_int(res, row, COL_UID);
    out->gid = (uint32_t)ls_pg_get_int(res, row, COL_GID);
    enum ls_rc rc = ls_pg_get_fixed(res, row, COL_ETAG, out->etag, sizeof out->etag, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, row, COL_CONTENT_TYPE, out->content_type, sizeof out->content_type, err);
    return rc;
}

static enum ls_rc read_row(const PGresult *res, int row, struct ls_arena *arena, const struct ls_image *before,
                           struct ls_image *item, struct ls_err *err)
{
    const struct {
        int column;
        const char *same;
        const char **out;
    } texts[] = {
        {COL_KEY, NULL, &item->key},
        {COL_URL, NULL, &item->url},
        {COL_PRODUCT, before->product, &item->product},
        {COL_WEIGHT, before->weight, &item->weight},
        {COL_TYPE, before->type, &item->type},
        {COL_VARIANT_ID, before->variant_id, &item->variant_id},
        {COL_VARIANT_PRODUCT, before->variant_product, &item->variant_product},
        {COL_VARIANT_WEIGHT, before->variant_weight_now, &item->variant_weight_now},
    };
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_pg_get_shared(res, row, texts[i].column, arena, texts[i].same, texts[i].out, err);
    if (rc == LS_OK)
        rc = read_record(res, row, &item->record, err);
    item->created_ns = ls_pg_get_time(res, row, COL_CREATED);
    item->updated_ns = ls_pg_get_time(res, row, COL_UPDATED);
    return rc;
}

static enum ls_rc read_rows(struct ls_catalog *cat, struct ls_tx *tx, const struct ls_pg_query *q,
                            struct ls_image_page *out, struct ls_err *err)
{
    static const struct ls_image none;
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    *out = (struct ls_image_page){0};
    enum ls_rc rc = ls_pg_read(cat, tx, q, &res, err);
    if (rc != LS_OK)
        return rc;
    int n = PQntuples(res);
    out->memory = ls_arena_new();
    out->items = calloc(n ? (size_t)n : 1, sizeof *out->items);
    if (!out->memory || !out->items)
        rc = ls_err_nomem(err);
    for (int i = 0; rc == LS_OK && i < n; i++) {
        rc = read_row(res, i, out->memory, i ? &out->items[i - 1] : &none, &out->items[i], err);
        if (rc == LS_OK)
            out->n++;
    }
    if (rc != LS_OK)
        ls_image_page_dispose(out);
    return rc;
}

enum ls_rc ls_pg_images_get(struct ls_catalog *cat, struct ls_tx *tx, const char *const *keys, size_t n,
                            struct ls_image_page *out, struct ls_err *err)
{
    size_t n_fit = 0;
    LS_AUTO(ls_buf) struct ls_buf array = LS_BUF_INIT((size_t)1 << 30);
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_IMAGES_GET);
    for (size_t i = 0; i < n; i++)
        n_fit += ls_utf8_valid(keys[i], strlen(keys[i])); /* no row has another key */
    enum ls_rc rc = ls_pg_array_begin(&array, LS_PG_TEXT, n_fit, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        if (ls_utf8_valid(keys[i], strlen(keys[i])))
            rc = ls_pg_array_add(&array, keys[i], strlen(keys[i]), err);
    if (rc != LS_OK)
        return rc;
    ls_pg_blob(&q, array.data, array.len);
    return read_rows(cat, tx, &q, out, err);
}

enum ls_rc ls_pg_image_page(struct ls_catalog *cat, struct ls_tx *tx, const char *after, const char *before,
                            unsigned limit, struct ls_image_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    after = after ? after : "";
    if (ls_utf8_valid(after, strlen(after)) && (!before || ls_utf8_valid(before, strlen(before)))) {
        ls_pg_query_init(&q, before ? LS_PG_IMAGE_RANGE : LS_PG_IMAGE_PAGE);
        ls_pg_text(&q, after);
        if (before)
            ls_pg_text(&q, before);
    } else {
        ls_pg_query_init(&q, LS_PG_IMAGE_RANGE_BYTES);
        ls_pg_bytes(&q, after);
        ls_pg_bytes(&q, before);
    }
    ls_pg_int(&q, limit);
    return read_rows(cat, tx, &q, out, err);
}

enum ls_rc ls_pg_variant_images(struct ls_catalog *cat, struct ls_tx *tx, const char *variant_id, const char *after,
                                unsigned limit, struct ls_image_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_VARIANT_IMAGES);
    *out = (struct ls_image_page){0};
    ls_pg_text(&q, variant_id);
    ls_pg_text(&q, after ? after : "");
    ls_pg_int(&q, limit);
    return read_rows(cat, tx, &q, out, err);
}

/* The longest prefix of a bound that is UTF-8: counts are for people and for guards, a bound is exact otherwise. */
static char *fit_bound(const char *bound)
{
    char *text = strdup(bound);
    size_t len = text ? strlen(text) : 0;
    while (len && !ls_utf8_valid(text, len))
        text[--len] = '\0';
    return text;
}

enum ls_rc ls_pg_image_count(struct ls_catalog *cat, const char *after, const char *before, uint64_t *out_rows,
                             uint64_t *out_bytes, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    LS_AUTO(ls_free) char *from = fit_bound(after ? after : "");
    LS_AUTO(ls_free) char *to = before ? fit_bound(before) : NULL;
    ls_pg_query_init(&q, LS_PG_IMAGE_COUNT);
    if (!from || (before && !to))
        return ls_err_nomem(err);
    ls_pg_text(&q, from);
    ls_pg_text(&q, to);
    enum ls_rc rc = ls_pg_read(cat, NULL, &q, &res, err);
    if (rc != LS_OK)
        return rc;
    if (out_rows)
        *out_rows = (uint64_t)ls_pg_get_int(res, 0, 0);
    if (out_bytes)
        *out_bytes = (uint64_t)ls_pg_get_int(res, 0, 1);
    return LS_OK;
}

enum ls_rc ls_pg_image_splits(struct ls_catalog *cat, unsigned n, struct ls_name_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *estimate = NULL;
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query ask;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    *out = (struct ls_name_page){0};
    ls_pg_query_init(&ask, LS_PG_IMAGE_ESTIMATE);
    ls_pg_query_init(&q, LS_PG_IMAGE_SPLITS);
    if (n < 2)
        return LS_OK;
    enum ls_rc rc = ls_pg_read(cat, NULL, &ask, &estimate, err);
    if (rc != LS_OK)
        return rc;
    int64_t rows = PQntuples(estimate) ? ls_pg_get_int(estimate, 0, 0) : 0;
    ls_pg_int(&q, n);
    ls_pg_int(&q, rows > SAMPLE_ROWS ? 1 + 100 * (int64_t)SAMPLE_ROWS / rows : 100);
    rc = ls_pg_read(cat, NULL, &q, &res, err);
    return rc == LS_OK ? ls_pg_names(res, out, err) : rc;
}
