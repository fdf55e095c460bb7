/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading image rows, each joined with what is recorded of its object and with the variant it points at.
 *
 * Rows that follow each other in key order mostly share product, weight, type, variant and times: such text is kept
 * once a page, and is neither copied nor parsed again.
 */
#include "catalog/sqlite_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Columns of IMAGE_SELECT in sqlite_sql.c. */
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
    COL_SIZE,
    COL_ETAG,
    COL_MTIME,
    COL_MODE,
    COL_UID,
    COL_GID,
    COL_CONTENT_TYPE
};

#define RESERVE_MAX 1024

/* A page that is being filled. */
struct filling {
    struct ls_image *items;
    size_t n, cap;
    struct ls_arena *arena;
    int64_t variant; /* of the row before; 0 = none */
    char time_text[LS_TIME_LEN];
    int64_t time_ns; /* what time_text means */
};

/* As ls_query_get_time, but text that is equal to the last one is not parsed again. */
static int64_t read_time(struct ls_query *q, int column, struct filling *page)
{
    const char *text = (const char *)sqlite3_column_text(q->stmt, column);
    size_t size = text ? strlen(text) + 1 : 0;
    if (size == 0 || size > sizeof page->time_text)
        return 0;
    if (memcmp(text, page->time_text, size) != 0) {
        memcpy(page->time_text, text, size);
        page->time_ns = ls_query_get_time(q, column);
    }
    return page->time_ns;
}

/* The variant's id and, if it exists, what it says now. */
static enum ls_rc read_variant(struct ls_query *q, struct filling *page, const struct ls_image *before,
                               struct ls_image *out, struct ls_err *err)
{
    int64_t id = ls_query_get_int(q, COL_VARIANT_ID);
    if (id != 0 && id == page->variant) {
        out->variant_id = before->variant_id;
        out->variant_product = before->variant_product;
        out->variant_weight_now = before->variant_weight_now;
        return LS_OK;
    }
    page->variant = id;
    enum ls_rc rc = ls_query_get_text(q, COL_VARIANT_ID, page->arena, &out->variant_id, err);
    if (rc == LS_OK)
        rc = ls_query_get_shared(q, COL_VARIANT_PRODUCT, page->arena, out->product, &out->variant_product, err);
    if (rc == LS_OK)
        rc = ls_query_get_shared(q, COL_VARIANT_WEIGHT, page->arena, out->weight, &out->variant_weight_now, err);
    return rc;
}

static enum ls_rc read_record(struct ls_query *q, struct ls_record *out, struct ls_err *err)
{
    out->known = sqlite3_column_type(q->stmt, COL_SIZE) != SQLITE_NULL;
    if (!out->known)
        return LS_OK;
    out->size_bytes = (uint64_t)ls_query_get_int(q, COL_SIZE);
    out->mtime_ns = ls_query_get_int(q, COL_MTIME);
    out->mode = (uint32_t)ls_query_get_int(q, COL_MODE);
    out->uid = (uint32_t)ls_query_get_int(q, COL_UID);
    out->gid = (uint32_t)ls_query_get_int(q, COL_GID);
    enum ls_rc rc = ls_query_get_fixed(q, COL_ETAG, out->etag, sizeof out->etag, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, COL_CONTENT_TYPE, out->content_type, sizeof out->content_type, err);
    return rc;
}

static enum ls_rc read_row(struct ls_query *q, struct filling *page, struct ls_err *err)
{
    static const struct ls_image none;
    enum ls_rc rc = ls_sqlite_grow(&page->items, page->n, &page->cap, sizeof *page->items, err);
    if (rc != LS_OK)
        return rc;
    const struct ls_image *before = page->n ? &page->items[page->n - 1] : &none;
    struct ls_image *item = &page->items[page->n];
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
    };
    memset(item, 0, sizeof *item);
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_query_get_shared(q, texts[i].column, page->arena, texts[i].same, texts[i].out, err);
    if (rc == LS_OK)
        rc = read_variant(q, page, before, item, err);
    if (rc == LS_OK)
        rc = read_record(q, &item->record, err);
    item->created_ns = read_time(q, COL_CREATED, page);
    item->updated_ns = read_time(q, COL_UPDATED, page);
    if (rc == LS_OK)
        page->n++;
    return rc;
}

static enum ls_rc read_rows(struct ls_query *q, struct filling *page, struct ls_err *err)
{
    bool row;
    enum ls_rc rc;
    while ((rc = ls_query_row(q, &row, err)) == LS_OK && row)
        if ((rc = read_row(q, page, err)) != LS_OK)
            break;
    return rc;
}

/* Hand the page out, or free it when reading failed. */
static enum ls_rc finish(enum ls_rc rc, struct filling *page, struct ls_image_page *out)
{
    *out = (struct ls_image_page){page->items, page->n, page->arena};
    if (rc != LS_OK)
        ls_image_page_dispose(out);
    return rc;
}

static enum ls_rc start(struct filling *page, size_t limit, struct ls_image_page *out, struct ls_err *err)
{
    size_t cap = limit < RESERVE_MAX ? limit : RESERVE_MAX;
    *out = (struct ls_image_page){0};
    *page = (struct filling){.arena = ls_arena_new(), .cap = cap ? cap : 1};
    page->items = reallocarray(NULL, page->cap, sizeof *page->items);
    if (page->arena && page->items)
        return LS_OK;
    ls_arena_free(page->arena);
    free(page->items);
    return ls_err_nomem(err);
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static enum ls_rc read_keys(struct ls_sqlite_conn *conn, const char *const *keys, size_t n, struct filling *page,
                            struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_IMAGE_GET, &q, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        if (i && strcmp(keys[i], keys[i - 1]) == 0)
            continue;
        ls_query_again(&q);
        ls_query_text(&q, keys[i]);
        rc = read_rows(&q, page, err);
    }
    return rc;
}

/* Many statements read as one: give them one snapshot. */
static enum ls_rc read_keys_at_once(struct ls_sqlite_reader *reader, const char *const *keys, size_t n,
                                    struct filling *page, struct ls_err *err)
{
    if (!reader->pooled || n < 2)
        return read_keys(reader->conn, keys, n, page, err);
    enum ls_rc rc = ls_sqlite_snapshot_begin(reader->conn, err);
    if (rc != LS_OK)
        return rc;
    rc = read_keys(reader->conn, keys, n, page, err);
    ls_sqlite_snapshot_end(reader->conn);
    return rc;
}

enum ls_rc ls_sqlite_images_get(struct ls_catalog *cat, struct ls_tx *tx, const char *const *keys, size_t n,
                                struct ls_image_page *out, struct ls_err *err)
{
    struct filling page;
    enum ls_rc rc = start(&page, n, out, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_free) const char **sorted = reallocarray(NULL, n ? n : 1, sizeof *sorted);
    if (!sorted)
        return finish(ls_err_nomem(err), &page, out);
    if (n)
        memcpy(sorted, keys, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_bytes);
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    rc = ls_sqlite_reader_get(cat, tx, &reader, err);
    if (rc == LS_OK)
        rc = read_keys_at_once(&reader, sorted, n, &page, err);
    return finish(rc, &page, out);
}

enum ls_rc ls_sqlite_image_page(struct ls_catalog *cat, struct ls_tx *tx, const char *after, const char *before,
                                unsigned limit, struct ls_image_page *out, struct ls_err *err)
{
    struct filling page;
    enum ls_rc rc = start(&page, limit, out, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_query) struct ls_query q;
    rc = ls_query_read(cat, tx, before ? LS_SQL_IMAGE_RANGE : LS_SQL_IMAGE_PAGE, &q, err);
    if (rc == LS_OK) {
        ls_query_text(&q, after ? after : "");
        if (before)
            ls_query_text(&q, before);
        ls_query_int(&q, limit);
        rc = read_rows(&q, &page, err);
    }
    return finish(rc, &page, out);
}

enum ls_rc ls_sqlite_variant_images(struct ls_catalog *cat, struct ls_tx *tx, const char *variant_id, const char *after,
                                    unsigned limit, struct ls_image_page *out, struct ls_err *err)
{
    struct filling page;
    int64_t id;
    enum ls_rc rc = start(&page, limit, out, err);
    if (rc != LS_OK)
        return rc;
    if (!ls_sqlite_id_parse(variant_id, &id))
        return finish(LS_OK, &page, out); /* no variant has such an id */
    LS_AUTO(ls_query) struct ls_query q;
    rc = ls_query_read(cat, tx, LS_SQL_VARIANT_IMAGES, &q, err);
    if (rc == LS_OK) {
        ls_query_int(&q, id);
        ls_query_text(&q, after ? after : "");
        ls_query_int(&q, limit);
        rc = read_rows(&q, &page, err);
    }
    return finish(rc, &page, out);
}
