/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Scans, the ranges of shared ones, and findings; see sqlite_scan.c for the rules, which are the same here.
 */
#include "catalog/pg_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "catalog/words.h"

#define FORGET_AT_ONCE 5000

/* ---- scans ---- */

#define COUNTS 15

/* In the order of SCAN_COLUMNS, behind scope. */
static void scan_counts(struct ls_scan_row *scan, uint64_t *out_counts[COUNTS])
{
    uint64_t *counts[COUNTS] = {&scan->images,       &scan->synced,    &scan->orphaned,   &scan->missing,
                                &scan->stale,        &scan->moved,     &scan->misfiled,   &scan->misplaced,
                                &scan->pending,      &scan->errors,    &scan->products,   &scan->twins,
                                &scan->objects_seen, &scan->rows_seen, &scan->unannounced};
    memcpy(out_counts, counts, sizeof counts);
}

enum ls_rc ls_pg_scan_write(struct ls_tx *tx, struct ls_scan_row *scan, struct ls_err *err)
{
    uint64_t *counts[COUNTS];
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, scan->id ? LS_PG_SCAN_UPDATE : LS_PG_SCAN_INSERT);
    scan_counts(scan, counts);
    ls_pg_int(&q, scan->started_ns);
    ls_pg_int(&q, scan->ended_ns);
    ls_pg_int(&q, scan->complete);
    ls_pg_prose(&q, scan->scope);
    for (size_t i = 0; i < COUNTS; i++)
        ls_pg_int(&q, (int64_t)*counts[i]);
    ls_pg_int(&q, scan->shared);
    ls_pg_text(&q, ls_scan_findings_name(scan->findings));
    ls_pg_text(&q, scan->instance);
    ls_pg_text(&q, scan->options);
    if (scan->id)
        ls_pg_int(&q, scan->id);
    enum ls_rc rc = ls_pg_run(tx, &q, NULL, &res, err);
    if (rc == LS_OK && PQntuples(res) == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no scan %lld", (long long)scan->id);
    if (rc == LS_OK)
        scan->id = ls_pg_get_int(res, 0, 0);
    return rc;
}

enum ls_rc ls_pg_scan_put(struct ls_catalog *cat, struct ls_scan_row *scan, struct ls_err *err)
{
    struct ls_tx *begun;
    struct ls_scan_row written = *scan;
    enum ls_rc rc = ls_pg_begin(cat, &begun, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_pg_tx) struct ls_tx *tx = begun;
    rc = ls_pg_scan_write(tx, &written, err);
    if (rc == LS_OK)
        rc = ls_pg_commit(LS_STEAL(tx), err);
    if (rc == LS_OK)
        scan->id = written.id;
    return rc;
}

static enum ls_rc unknown_word(const char *word, struct ls_err *err)
{
    return ls_err_set(err, LS_CORRUPT, "catalog: the record of a scan has an unknown word \"%s\"", word);
}

static enum ls_rc read_scan(const PGresult *res, struct ls_scan_row *out, struct ls_err *err)
{
    uint64_t *counts[COUNTS];
    char findings[16] = "";
    memset(out, 0, sizeof *out);
    out->id = ls_pg_get_int(res, 0, 0);
    out->started_ns = ls_pg_get_int(res, 0, 1);
    out->ended_ns = ls_pg_get_int(res, 0, 2);
    out->complete = ls_pg_get_int(res, 0, 3) != 0;
    scan_counts(out, counts);
    for (int i = 0; i < COUNTS; i++)
        *counts[i] = (uint64_t)ls_pg_get_int(res, 0, 5 + i);
    out->shared = ls_pg_get_int(res, 0, 5 + COUNTS) != 0;
    enum ls_rc rc = ls_pg_get_fixed(res, 0, 4, out->scope, sizeof out->scope, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, 0, 6 + COUNTS, findings, sizeof findings, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, 0, 7 + COUNTS, out->instance, sizeof out->instance, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, 0, 8 + COUNTS, out->options, sizeof out->options, err);
    if (rc != LS_OK)
        return rc;
    out->findings = ls_scan_findings_parse(findings);
    return out->findings ? LS_OK : unknown_word(findings, err);
}

/* The scan that a statement with up to one number gives; `none` says that there is none. */
static enum ls_rc find_scan(struct ls_catalog *cat, struct ls_tx *tx, enum ls_pg_sql sql, const int64_t *value,
                            const char *none, struct ls_scan_row *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, sql);
    if (value)
        ls_pg_int(&q, *value);
    enum ls_rc rc = ls_pg_read(cat, tx, &q, &res, err);
    if (rc == LS_OK && PQntuples(res) == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: %s", none);
    return rc == LS_OK ? read_scan(res, out, err) : rc;
}

enum ls_rc ls_pg_scan_get(struct ls_catalog *cat, int64_t before, struct ls_scan_row *out, struct ls_err *err)
{
    int64_t end = before ? before : INT64_MAX;
    const char *none = before ? "no scan is recorded before that one" : "no scan is recorded";
    return find_scan(cat, NULL, LS_PG_SCAN_GET, &end, none, out, err);
}

enum ls_rc ls_pg_scan_whole(struct ls_catalog *cat, enum ls_whole_scan which, struct ls_scan_row *out,
                            struct ls_err *err)
{
    int64_t value = which;
    return find_scan(cat, NULL, LS_PG_SCAN_WHOLE, &value, "there is no such scan of everything", out, err);
}

enum ls_rc ls_pg_scan_running(struct ls_catalog *cat, struct ls_tx *tx, struct ls_scan_row *out, struct ls_err *err)
{
    return find_scan(cat, tx, LS_PG_SCAN_RUNNING, NULL, "no shared scan is running", out, err);
}

/* ---- tidying ---- */

/* A statement with up to two numbers. */
static enum ls_rc run(struct ls_tx *tx, enum ls_pg_sql sql, const int64_t *values, int n, int *out_changes,
                      struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, sql);
    for (int i = 0; i < n; i++)
        ls_pg_int(&q, values[i]);
    return ls_pg_run(tx, &q, out_changes, NULL, err);
}

static enum ls_rc tidy(struct ls_tx *tx, bool *out_more, struct ls_err *err)
{
    int64_t now_ns = ls_now_ns(), values[2] = {0, FORGET_AT_ONCE};
    int gone = 0;
    enum ls_rc rc = run(tx, LS_PG_SCAN_BURY, &now_ns, 1, NULL, err);
    if (rc == LS_OK)
        rc = run(tx, LS_PG_SCAN_OUTDATE, NULL, 0, NULL, err);
    if (rc == LS_OK)
        rc = run(tx, LS_PG_SCAN_FORGET, NULL, 0, NULL, err);
    if (rc == LS_OK)
        rc = ls_pg_number(tx->cat, tx, LS_PG_SCAN_GOING, &values[0], err);
    *out_more = rc == LS_OK && values[0];
    if (!*out_more)
        return rc;
    rc = run(tx, LS_PG_FINDING_FORGET, values, 2, &gone, err);
    if (rc == LS_OK && gone < FORGET_AT_ONCE)
        rc = run(tx, LS_PG_TALLY_FORGET, values, 2, &gone, err);
    if (rc == LS_OK && gone < FORGET_AT_ONCE)
        rc = run(tx, LS_PG_RANGE_DELETE, values, 1, NULL, err);
    if (rc == LS_OK && gone < FORGET_AT_ONCE)
        rc = run(tx, LS_PG_SCAN_GONE, values, 1, NULL, err);
    return rc;
}

enum ls_rc ls_pg_scan_tidy(struct ls_catalog *cat, bool *out_more, struct ls_err *err)
{
    struct ls_tx *begun;
    *out_more = false;
    enum ls_rc rc = ls_pg_begin_relaxed(cat, &begun, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_pg_tx) struct ls_tx *tx = begun;
    rc = tidy(tx, out_more, err);
    return rc == LS_OK ? ls_pg_commit(LS_STEAL(tx), err) : rc;
}

/* ---- ranges ---- */

static enum ls_rc fill_range(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    const struct ls_scan_range *r = &((const struct ls_scan_range *)ctx)[i];
    const uint64_t counts[] = {r->synced, r->objects_seen, r->rows_seen, r->errors};
    (void)err;
    ls_pg_query_init(q, LS_PG_RANGE_INSERT);
    ls_pg_int(q, r->scan);
    ls_pg_int(q, r->number);
    ls_pg_bytes(q, r->prefix);
    ls_pg_bytes(q, r->after_key);
    ls_pg_bytes(q, r->last_key);
    ls_pg_text(q, ls_range_state_name(r->state));
    ls_pg_text(q, r->instance);
    ls_pg_int(q, r->turn);
    ls_pg_int(q, r->beat);
    ls_pg_int(q, r->store_incomplete);
    ls_pg_int(q, r->catalog_incomplete);
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
        ls_pg_int(q, (int64_t)counts[k]);
    ls_pg_prose(q, r->messages ? r->messages : "");
    return LS_OK;
}

enum ls_rc ls_pg_scan_ranges_add(struct ls_tx *tx, const struct ls_scan_range *items, size_t n, struct ls_err *err)
{
    return ls_pg_run_many(tx, n, fill_range, (void *)(uintptr_t)items, NULL, err);
}

static enum ls_rc read_range(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_scan_range *out = item;
    char state[16] = "";
    const struct {
        int column;
        const char **out;
    } texts[] = {{2, &out->prefix}, {3, &out->after_key}, {4, &out->last_key}, {15, &out->messages}};
    out->scan = ls_pg_get_int(res, row, 0);
    out->number = ls_pg_get_int(res, row, 1);
    out->turn = ls_pg_get_int(res, row, 7);
    out->beat = ls_pg_get_int(res, row, 8);
    out->store_incomplete = ls_pg_get_int(res, row, 9) != 0;
    out->catalog_incomplete = ls_pg_get_int(res, row, 10) != 0;
    out->synced = (uint64_t)ls_pg_get_int(res, row, 11);
    out->objects_seen = (uint64_t)ls_pg_get_int(res, row, 12);
    out->rows_seen = (uint64_t)ls_pg_get_int(res, row, 13);
    out->errors = (uint64_t)ls_pg_get_int(res, row, 14);
    enum ls_rc rc = ls_pg_get_fixed(res, row, 5, state, sizeof state, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, row, 6, out->instance, sizeof out->instance, err);
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_pg_get_text(res, row, texts[i].column, arena, texts[i].out, err);
    if (rc != LS_OK)
        return rc;
    out->state = ls_range_state_parse(state);
    return out->state ? LS_OK : unknown_word(state, err);
}

enum ls_rc ls_pg_scan_ranges(struct ls_catalog *cat, struct ls_tx *tx, int64_t scan, struct ls_scan_range_page *out,
                             struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_RANGE_LIST);
    *out = (struct ls_scan_range_page){0};
    ls_pg_int(&q, scan);
    return ls_pg_read_page(cat, tx, &q, read_range, sizeof *out->items, &out->items, &out->n, &out->memory, err);
}

/* Our transactions come one after the other, so no row is ever locked here; SKIP LOCKED is for hands that are not ours.
 */
enum ls_rc ls_pg_scan_range_take(struct ls_tx *tx, int64_t scan, const char *instance, int64_t *out_number,
                                 int64_t *out_turn, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_RANGE_TAKE);
    ls_pg_text(&q, instance);
    ls_pg_int(&q, scan);
    enum ls_rc rc = ls_pg_run(tx, &q, NULL, &res, err);
    if (rc == LS_OK && PQntuples(res) == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: no range of scan %lld is free", (long long)scan);
    if (rc != LS_OK)
        return rc;
    *out_number = ls_pg_get_int(res, 0, 0);
    *out_turn = ls_pg_get_int(res, 0, 1);
    return LS_OK;
}

static enum ls_rc lost(const struct ls_scan_range *range, struct ls_err *err)
{
    return ls_err_set(err, LS_CONFLICT, "catalog: range %lld of scan %lld: another process has it now",
                      (long long)range->number, (long long)range->scan);
}

enum ls_rc ls_pg_scan_range_take_over(struct ls_tx *tx, const struct ls_scan_range *range, const char *instance,
                                      int64_t *out_turn, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_RANGE_TAKE_OVER);
    ls_pg_text(&q, instance);
    ls_pg_int(&q, range->scan);
    ls_pg_int(&q, range->number);
    ls_pg_int(&q, range->turn);
    enum ls_rc rc = ls_pg_run(tx, &q, &changes, NULL, err);
    if (rc == LS_OK && changes == 0)
        return lost(range, err);
    *out_turn = range->turn + 1;
    return rc;
}

enum ls_rc ls_pg_scan_range_set(struct ls_tx *tx, const struct ls_scan_range *range, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_RANGE_SET);
    ls_pg_text(&q, ls_range_state_name(range->state));
    ls_pg_int(&q, range->store_incomplete);
    ls_pg_int(&q, range->catalog_incomplete);
    ls_pg_int(&q, (int64_t)range->synced);
    ls_pg_int(&q, (int64_t)range->objects_seen);
    ls_pg_int(&q, (int64_t)range->rows_seen);
    ls_pg_int(&q, (int64_t)range->errors);
    ls_pg_prose(&q, range->messages ? range->messages : "");
    ls_pg_int(&q, range->scan);
    ls_pg_int(&q, range->number);
    ls_pg_text(&q, range->instance);
    ls_pg_int(&q, range->turn);
    enum ls_rc rc = ls_pg_run(tx, &q, &changes, NULL, err);
    return rc == LS_OK && changes == 0 ? lost(range, err) : rc;
}

enum ls_rc ls_pg_scan_beat(struct ls_catalog *cat, int64_t scan, const char *instance, struct ls_err *err)
{
    struct ls_tx *begun;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_RANGE_BEAT);
    ls_pg_int(&q, scan);
    ls_pg_text(&q, instance);
    enum ls_rc rc = ls_pg_begin_relaxed(cat, &begun, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_pg_tx) struct ls_tx *tx = begun;
    rc = ls_pg_run(tx, &q, NULL, NULL, err);
    return rc == LS_OK ? ls_pg_commit(LS_STEAL(tx), err) : rc;
}

/* ---- findings ---- */

struct putting {
    int64_t scan;
    const struct ls_scan_finding *items;
};

static enum ls_rc fill_finding(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    const struct putting *put = ctx;
    const struct ls_scan_finding *f = &put->items[i];
    (void)err;
    ls_pg_query_init(q, LS_PG_FINDING_PUT);
    ls_pg_int(q, put->scan);
    ls_pg_bytes(q, f->key);
    ls_pg_text(q, f->kind);
    ls_pg_int(q, f->flags);
    ls_pg_int(q, f->twin);
    ls_pg_bytes(q, f->partner);
    ls_pg_text(q, f->row_etag);
    ls_pg_int(q, (int64_t)f->row_size);
    ls_pg_text(q, f->object_etag);
    ls_pg_int(q, (int64_t)f->object_size);
    ls_pg_prose(q, f->detail);
    return LS_OK;
}

enum ls_rc ls_pg_findings_put(struct ls_tx *tx, int64_t scan, const struct ls_scan_finding *items, size_t n,
                              struct ls_err *err)
{
    struct putting put = {scan, items};
    return ls_pg_run_many(tx, n, fill_finding, &put, NULL, err);
}

enum ls_rc ls_pg_findings_remove(struct ls_tx *tx, int64_t scan, const char *kind, const char *after, const char *last,
                                 struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_FINDING_DELETE);
    ls_pg_int(&q, scan);
    ls_pg_bytes(&q, after);
    ls_pg_bytes(&q, last);
    ls_pg_text(&q, kind);
    return ls_pg_run(tx, &q, NULL, NULL, err);
}

static enum ls_rc read_finding(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_scan_finding *out = item;
    const struct {
        int column;
        const char **out;
    } texts[] = {{0, &out->key},      {1, &out->kind},        {4, &out->partner},
                 {5, &out->row_etag}, {7, &out->object_etag}, {9, &out->detail}};
    enum ls_rc rc = LS_OK;
    out->flags = (uint32_t)ls_pg_get_int(res, row, 2);
    out->twin = ls_pg_get_int(res, row, 3);
    out->row_size = (uint64_t)ls_pg_get_int(res, row, 6);
    out->object_size = (uint64_t)ls_pg_get_int(res, row, 8);
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_pg_get_text(res, row, texts[i].column, arena, texts[i].out, err);
    return rc;
}

static enum ls_rc read_findings(struct ls_catalog *cat, const struct ls_pg_query *q, struct ls_scan_finding_page *out,
                                struct ls_err *err)
{
    *out = (struct ls_scan_finding_page){0};
    return ls_pg_read_page(cat, NULL, q, read_finding, sizeof *out->items, &out->items, &out->n, &out->memory, err);
}

enum ls_rc ls_pg_findings_get(struct ls_catalog *cat, int64_t scan, const char *const *keys, size_t n,
                              struct ls_scan_finding_page *out, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf array = LS_BUF_INIT((size_t)1 << 30);
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_FINDING_GET);
    *out = (struct ls_scan_finding_page){0};
    enum ls_rc rc = ls_pg_array_begin(&array, LS_PG_BYTEA, n, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        rc = ls_pg_array_add(&array, keys[i], strlen(keys[i]), err);
    if (rc != LS_OK)
        return rc;
    ls_pg_int(&q, scan);
    ls_pg_blob(&q, array.data, array.len);
    return read_findings(cat, &q, out, err);
}

enum ls_rc ls_pg_finding_page(struct ls_catalog *cat, int64_t scan, const char *after, unsigned limit,
                              struct ls_scan_finding_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_FINDING_PAGE);
    ls_pg_int(&q, scan);
    ls_pg_bytes(&q, after);
    ls_pg_int(&q, limit);
    return read_findings(cat, &q, out, err);
}
