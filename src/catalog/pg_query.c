/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Values that go into a statement and come out of its rows, all in PostgreSQL's binary form: text and bytea are their
 * bytes, integers are big-endian, times are microseconds since 2000.
 */
#include "catalog/pg_impl.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

#define EPOCH_2000_US INT64_C(946684800000000)
#define NS_PER_US INT64_C(1000)

/* ---- in ---- */

void ls_pg_query_init(struct ls_pg_query *query, enum ls_pg_sql sql)
{
    query->sql = sql;
    query->n = 0;
    query->not_utf8 = query->must_change = false;
    query->owned[0] = query->owned[1] = NULL;
}

void ls_pg_query_auto(struct ls_pg_query *query)
{
    free(query->owned[0]);
    free(query->owned[1]);
    query->owned[0] = query->owned[1] = NULL;
}

void ls_pg_blob(struct ls_pg_query *query, const char *data, size_t len)
{
    assert(query->n < LS_PG_VALUES_MAX);
    query->values[query->n] = data;
    query->lengths[query->n++] = (int)len;
}

void ls_pg_bytes(struct ls_pg_query *query, const char *text) { ls_pg_blob(query, text, text ? strlen(text) : 0); }

void ls_pg_text(struct ls_pg_query *query, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (text && !ls_utf8_valid(text, len))
        query->not_utf8 = true;
    ls_pg_blob(query, text, len);
}

void ls_pg_prose(struct ls_pg_query *query, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (text && !ls_utf8_valid(text, len)) {
        char *copy = strdup(text);
        for (char *c = copy; c && *c; c++)
            if ((unsigned char)*c >= 0x80)
                *c = '?';
        query->owned[query->owned[0] ? 1 : 0] = copy;
        text = copy;
    }
    ls_pg_blob(query, text, text ? len : 0);
}

void ls_pg_int(struct ls_pg_query *query, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    char *place = query->ints[query->n];
    memcpy(place, &wire, sizeof wire);
    ls_pg_blob(query, place, sizeof wire);
}

void ls_pg_null(struct ls_pg_query *query) { ls_pg_blob(query, NULL, 0); }

void ls_pg_time(struct ls_pg_query *query, int64_t ns) { ls_pg_int(query, ns / NS_PER_US - EPOCH_2000_US); }

void ls_pg_constants(struct ls_pg_query *query, const struct ls_map_table *table)
{
    for (size_t i = 0; i < table->n_constants; i++)
        ls_pg_text(query, table->constants[i].value);
}

static enum ls_rc add_word(struct ls_buf *buf, uint32_t value)
{
    uint32_t wire = htobe32(value);
    return ls_buf_add(buf, &wire, sizeof wire);
}

enum ls_rc ls_pg_array_begin(struct ls_buf *buf, enum ls_pg_type type, size_t n, struct ls_err *err)
{
    const uint32_t head[] = {n ? 1 : 0, 0, (uint32_t)type, (uint32_t)n, 1}; /* dimensions, no NULLs, type, size, from */
    for (size_t i = 0; i < (n ? 5 : 3); i++)
        if (add_word(buf, head[i]) != LS_OK)
            return ls_err_nomem(err);
    return LS_OK;
}

enum ls_rc ls_pg_array_add(struct ls_buf *buf, const char *data, size_t len, struct ls_err *err)
{
    if (add_word(buf, (uint32_t)len) != LS_OK || ls_buf_add(buf, data, len) != LS_OK)
        return ls_err_nomem(err);
    return LS_OK;
}

/* ---- out ---- */

int64_t ls_pg_get_int(const PGresult *res, int row, int column)
{
    const char *data = PQgetvalue(res, row, column);
    uint64_t wide;
    uint32_t word;
    uint16_t half;
    if (PQgetisnull(res, row, column))
        return 0;
    switch (PQgetlength(res, row, column)) {
    case 8:
        memcpy(&wide, data, sizeof wide);
        return (int64_t)be64toh(wide);
    case 4:
        memcpy(&word, data, sizeof word);
        return (int32_t)be32toh(word);
    case 2:
        memcpy(&half, data, sizeof half);
        return (int16_t)be16toh(half);
    case 1:
        return data[0];
    default:
        return 0;
    }
}

int64_t ls_pg_get_time(const PGresult *res, int row, int column)
{
    if (PQgetisnull(res, row, column))
        return 0;
    int64_t us, ns;
    if (__builtin_add_overflow(ls_pg_get_int(res, row, column), EPOCH_2000_US, &us) ||
        __builtin_mul_overflow(us, NS_PER_US, &ns))
        return 0; /* infinity, or a time that the interface cannot hold */
    return ns;
}

/* bytea can hold a NUL, C text cannot. */
static enum ls_rc check_text(const PGresult *res, int row, int column, struct ls_err *err)
{
    const char *data = PQgetvalue(res, row, column);
    if (strlen(data) == (size_t)PQgetlength(res, row, column))
        return LS_OK;
    return ls_err_set(err, LS_CORRUPT, "catalog: column %s has a NUL byte after \"%.100s\"", PQfname(res, column),
                      data);
}

enum ls_rc ls_pg_get_shared(const PGresult *res, int row, int column, struct ls_arena *arena, const char *same,
                            const char **out, struct ls_err *err)
{
    const char *data = PQgetvalue(res, row, column);
    *out = NULL;
    if (PQgetisnull(res, row, column))
        return LS_OK;
    enum ls_rc rc = check_text(res, row, column, err);
    if (rc != LS_OK)
        return rc;
    if (same && strcmp(same, data) == 0) {
        *out = same;
        return LS_OK;
    }
    *out = ls_arena_dup(arena, data, (size_t)PQgetlength(res, row, column));
    return *out ? LS_OK : ls_err_nomem(err);
}

enum ls_rc ls_pg_get_text(const PGresult *res, int row, int column, struct ls_arena *arena, const char **out,
                          struct ls_err *err)
{
    return ls_pg_get_shared(res, row, column, arena, NULL, out, err);
}

enum ls_rc ls_pg_get_fixed(const PGresult *res, int row, int column, char *out, size_t size, struct ls_err *err)
{
    const char *data = PQgetvalue(res, row, column);
    size_t len = (size_t)PQgetlength(res, row, column);
    out[0] = '\0';
    if (PQgetisnull(res, row, column))
        return LS_OK;
    enum ls_rc rc = check_text(res, row, column, err);
    if (rc != LS_OK)
        return rc;
    if (len >= size)
        return ls_err_set(err, LS_CORRUPT, "catalog: column %s is longer than %zu bytes: %.100s…", PQfname(res, column),
                          size - 1, data);
    memcpy(out, data, len + 1);
    return LS_OK;
}
