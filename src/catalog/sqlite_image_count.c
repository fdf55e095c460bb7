/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counting image rows, and cutting them into ranges of about equal size.
 *
 * Cuts are exact for small tables: one walk of the index of keys. For larger ones keys are sampled at evenly spaced row
 * ids, 64 for each range, which errs by about an eighth of a range and costs the same however many rows there are.
 * Samples that fall into a gap of the ids all give the row behind it; counting it once keeps gaps from pulling cuts.
 */
#include "catalog/sqlite_impl.h"

#include <stdlib.h>
#include <string.h>

#define EXACT_ROWS_MAX 50000
#define SAMPLES_PER_RANGE 64
#define SAMPLES_MAX 65536

static enum ls_rc range_value(struct ls_sqlite_conn *conn, enum ls_sql sql, const char *after, const char *before,
                              uint64_t *out, struct ls_err *err)
{
    bool row = false;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, sql, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, after ? after : "");
    if (before)
        ls_query_text(&q, before);
    else
        ls_query_after_all(&q);
    rc = ls_query_row(&q, &row, err);
    *out = rc == LS_OK && row ? (uint64_t)ls_query_get_int(&q, 0) : 0;
    return rc;
}

enum ls_rc ls_sqlite_image_count(struct ls_catalog *cat, const char *after, const char *before, uint64_t *out_rows,
                                 uint64_t *out_bytes, struct ls_err *err)
{
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    enum ls_rc rc = ls_sqlite_reader_get(cat, NULL, &reader, err);
    if (rc == LS_OK)
        rc = ls_sqlite_snapshot_begin(reader.conn, err);
    if (rc != LS_OK)
        return rc;
    if (out_rows)
        rc = range_value(reader.conn, LS_SQL_IMAGE_COUNT, after, before, out_rows, err);
    if (rc == LS_OK && out_bytes)
        rc = range_value(reader.conn, LS_SQL_IMAGE_BYTES, after, before, out_bytes, err);
    ls_sqlite_snapshot_end(reader.conn);
    return rc;
}

/* Keys that were read, in any order. */
struct keys {
    const char **items;
    size_t n, cap;
    struct ls_arena *arena;
};

static void keys_auto(struct keys *keys)
{
    free(keys->items);
    ls_arena_free(keys->arena);
}

static enum ls_rc add_key(struct ls_query *q, struct keys *keys, struct ls_err *err)
{
    enum ls_rc rc = ls_sqlite_grow(&keys->items, keys->n, &keys->cap, sizeof *keys->items, err);
    if (rc == LS_OK)
        rc = ls_query_get_text(q, 0, keys->arena, &keys->items[keys->n], err);
    if (rc == LS_OK)
        keys->n++;
    return rc;
}

static enum ls_rc all_keys(struct ls_sqlite_conn *conn, struct keys *keys, struct ls_err *err)
{
    bool row = false;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_IMAGE_KEYS, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, "");
    while (rc == LS_OK && (rc = ls_query_row(&q, &row, err)) == LS_OK && row)
        rc = add_key(&q, keys, err);
    return rc;
}

static enum ls_rc sample_keys(struct ls_sqlite_conn *conn, int64_t first, int64_t last, size_t samples,
                              struct keys *keys, struct ls_err *err)
{
    bool row = false;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_IMAGE_KEY_AT_ID, &q, err);
    double step = ((double)last - (double)first) / (double)samples;
    for (size_t i = 0; rc == LS_OK && i < samples; i++) {
        ls_query_again(&q);
        ls_query_int(&q, first + (int64_t)(step * (double)i));
        rc = ls_query_row(&q, &row, err);
        if (rc == LS_OK && row)
            rc = add_key(&q, keys, err);
    }
    return rc;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void sort_unique(struct keys *keys)
{
    size_t n = 0;
    if (keys->n)
        qsort(keys->items, keys->n, sizeof *keys->items, by_bytes);
    for (size_t i = 0; i < keys->n; i++)
        if (n == 0 || strcmp(keys->items[n - 1], keys->items[i]) != 0)
            keys->items[n++] = keys->items[i];
    keys->n = n;
}

static enum ls_rc read_some(struct ls_sqlite_conn *conn, unsigned n, struct keys *keys, struct ls_err *err)
{
    int64_t first = 0, last = 0;
    enum ls_rc rc = ls_sqlite_number(conn, LS_SQL_IMAGE_ID_FIRST, &first, err);
    if (rc == LS_OK)
        rc = ls_sqlite_number(conn, LS_SQL_IMAGE_ID_LAST, &last, err);
    if (rc != LS_OK)
        return rc;
    if ((uint64_t)last - (uint64_t)first < EXACT_ROWS_MAX)
        return all_keys(conn, keys, err);
    size_t samples = (size_t)n * SAMPLES_PER_RANGE;
    return sample_keys(conn, first, last, samples < SAMPLES_MAX ? samples : SAMPLES_MAX, keys, err);
}

/* Every len/n-th of the sorted keys. */
static enum ls_rc pick(const struct keys *keys, unsigned n, struct ls_name_page *out, struct ls_err *err)
{
    struct ls_arena *arena = ls_arena_new();
    struct ls_name_page page = {calloc(n, sizeof *page.names), 0, arena};
    enum ls_rc rc = page.names && arena ? LS_OK : ls_err_nomem(err);
    size_t last = 0;
    for (unsigned i = 1; rc == LS_OK && i < n; i++) {
        size_t at = (size_t)((double)keys->n * i / n);
        if (at == last || at >= keys->n)
            continue;
        last = at;
        page.names[page.n] = ls_arena_dup(arena, keys->items[at], strlen(keys->items[at]));
        rc = page.names[page.n++] ? LS_OK : ls_err_nomem(err);
    }
    if (rc != LS_OK)
        ls_name_page_dispose(&page);
    *out = page;
    return rc;
}

enum ls_rc ls_sqlite_image_splits(struct ls_catalog *cat, unsigned n, struct ls_name_page *out, struct ls_err *err)
{
    *out = (struct ls_name_page){0};
    if (n < 2)
        return LS_OK;
    LS_AUTO(keys) struct keys keys = {.arena = ls_arena_new()};
    if (!keys.arena)
        return ls_err_nomem(err);
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    enum ls_rc rc = ls_sqlite_reader_get(cat, NULL, &reader, err);
    if (rc == LS_OK)
        rc = read_some(reader.conn, n, &keys, err);
    if (rc != LS_OK)
        return rc;
    sort_unique(&keys);
    return pick(&keys, n, out, err);
}
