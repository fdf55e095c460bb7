/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Scans, the ranges of shared ones, and findings.
 *
 * A range changes hands by a number that rises with each taking; whoever writes to one names its own, so a process that
 * lost a range changes nothing. Findings are forgotten a part at a time, so that no transaction gets long.
 */
#include "catalog/sqlite_impl.h"

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

enum ls_rc ls_sqlite_scan_write(struct ls_tx *tx, struct ls_scan_row *scan, struct ls_err *err)
{
    uint64_t *counts[COUNTS];
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, scan->id ? LS_SQL_SCAN_UPDATE : LS_SQL_SCAN_INSERT, &q, err);
    if (rc != LS_OK)
        return rc;
    scan_counts(scan, counts);
    ls_query_int(&q, scan->started_ns);
    ls_query_int(&q, scan->ended_ns);
    ls_query_int(&q, scan->complete);
    ls_query_text(&q, scan->scope);
    for (size_t i = 0; i < COUNTS; i++)
        ls_query_int(&q, (int64_t)*counts[i]);
    ls_query_int(&q, scan->shared);
    ls_query_text(&q, ls_scan_findings_name(scan->findings));
    ls_query_text(&q, scan->instance);
    ls_query_text(&q, scan->options);
    if (scan->id)
        ls_query_int(&q, scan->id);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no scan %lld", (long long)scan->id);
    if (rc == LS_OK && !scan->id)
        scan->id = sqlite3_last_insert_rowid(q.conn->db);
    return rc;
}

enum ls_rc ls_sqlite_scan_put(struct ls_catalog *cat, struct ls_scan_row *scan, struct ls_err *err)
{
    struct ls_tx *begun;
    struct ls_scan_row written = *scan;
    enum ls_rc rc = ls_sqlite_begin(cat, &begun, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_sqlite_tx) struct ls_tx *tx = begun;
    rc = ls_sqlite_scan_write(tx, &written, err);
    if (rc == LS_OK)
        rc = ls_sqlite_commit(LS_STEAL(tx), err);
    if (rc == LS_OK)
        scan->id = written.id;
    return rc;
}

static enum ls_rc unknown_word(struct ls_query *q, const char *word, struct ls_err *err)
{
    return ls_err_set(err, LS_CORRUPT, "catalog %s: the record of a scan has an unknown word \"%s\"",
                      q->conn->cat->path, word);
}

static enum ls_rc read_scan(struct ls_query *q, struct ls_scan_row *out, struct ls_err *err)
{
    uint64_t *counts[COUNTS];
    char findings[16] = "";
    memset(out, 0, sizeof *out);
    out->id = ls_query_get_int(q, 0);
    out->started_ns = ls_query_get_int(q, 1);
    out->ended_ns = ls_query_get_int(q, 2);
    out->complete = ls_query_get_int(q, 3) != 0;
    scan_counts(out, counts);
    for (int i = 0; i < COUNTS; i++)
        *counts[i] = (uint64_t)ls_query_get_int(q, 5 + i);
    out->shared = ls_query_get_int(q, 5 + COUNTS) != 0;
    enum ls_rc rc = ls_query_get_fixed(q, 4, out->scope, sizeof out->scope, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 6 + COUNTS, findings, sizeof findings, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 7 + COUNTS, out->instance, sizeof out->instance, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 8 + COUNTS, out->options, sizeof out->options, err);
    if (rc != LS_OK)
        return rc;
    out->findings = ls_scan_findings_parse(findings);
    return out->findings ? LS_OK : unknown_word(q, findings, err);
}

/* The scan that a statement with up to one number gives; `none` says that there is none. */
static enum ls_rc find_scan(struct ls_catalog *cat, struct ls_tx *tx, enum ls_sql sql, const int64_t *value,
                            const char *none, struct ls_scan_row *out, struct ls_err *err)
{
    bool row;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, sql, &q, err);
    if (rc == LS_OK && value)
        ls_query_int(&q, *value);
    if (rc == LS_OK)
        rc = ls_query_row(&q, &row, err);
    if (rc == LS_OK && !row)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: %s", none);
    return rc == LS_OK ? read_scan(&q, out, err) : rc;
}

enum ls_rc ls_sqlite_scan_get(struct ls_catalog *cat, int64_t before, struct ls_scan_row *out, struct ls_err *err)
{
    int64_t end = before ? before : INT64_MAX;
    const char *none = before ? "no scan is recorded before that one" : "no scan is recorded";
    return find_scan(cat, NULL, LS_SQL_SCAN_GET, &end, none, out, err);
}

enum ls_rc ls_sqlite_scan_whole(struct ls_catalog *cat, enum ls_whole_scan which, struct ls_scan_row *out,
                                struct ls_err *err)
{
    int64_t value = which;
    return find_scan(cat, NULL, LS_SQL_SCAN_WHOLE, &value, "there is no such scan of everything", out, err);
}

enum ls_rc ls_sqlite_scan_running(struct ls_catalog *cat, struct ls_tx *tx, struct ls_scan_row *out, struct ls_err *err)
{
    return find_scan(cat, tx, LS_SQL_SCAN_RUNNING, NULL, "no shared scan is running", out, err);
}

/* ---- tidying ---- */

/* A statement with up to two numbers. */
static enum ls_rc run(struct ls_sqlite_conn *conn, enum ls_sql sql, const int64_t *values, int n, int *out_changes,
                      struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, sql, &q, err);
    for (int i = 0; rc == LS_OK && i < n; i++)
        ls_query_int(&q, values[i]);
    return rc == LS_OK ? ls_query_run(&q, out_changes, err) : rc;
}

static enum ls_rc tidy(struct ls_sqlite_conn *conn, bool *out_more, struct ls_err *err)
{
    int64_t now_ns = ls_now_ns(), values[2] = {0, FORGET_AT_ONCE};
    int gone = 0;
    enum ls_rc rc = run(conn, LS_SQL_SCAN_BURY, &now_ns, 1, NULL, err);
    if (rc == LS_OK)
        rc = run(conn, LS_SQL_SCAN_OUTDATE, NULL, 0, NULL, err);
    if (rc == LS_OK)
        rc = run(conn, LS_SQL_SCAN_FORGET, NULL, 0, NULL, err);
    if (rc == LS_OK)
        rc = ls_sqlite_number(conn, LS_SQL_SCAN_GOING, &values[0], err);
    *out_more = rc == LS_OK && values[0];
    if (!*out_more)
        return rc;
    rc = run(conn, LS_SQL_FINDING_FORGET, values, 2, &gone, err);
    if (rc == LS_OK && gone < FORGET_AT_ONCE)
        rc = run(conn, LS_SQL_TALLY_FORGET, values, 2, &gone, err);
    if (rc == LS_OK && gone < FORGET_AT_ONCE)
        rc = run(conn, LS_SQL_RANGE_DELETE, values, 1, NULL, err);
    if (rc == LS_OK && gone < FORGET_AT_ONCE)
        rc = run(conn, LS_SQL_SCAN_GONE, values, 1, NULL, err);
    return rc;
}

enum ls_rc ls_sqlite_scan_tidy(struct ls_catalog *cat, bool *out_more, struct ls_err *err)
{
    struct ls_tx *begun;
    *out_more = false;
    enum ls_rc rc = ls_sqlite_begin_relaxed(cat, &begun, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_sqlite_tx) struct ls_tx *tx = begun;
    rc = tidy(ls_sqlite_of(cat)->writer, out_more, err);
    return rc == LS_OK ? ls_sqlite_commit(LS_STEAL(tx), err) : rc;
}

/* ---- ranges ---- */

enum ls_rc ls_sqlite_scan_ranges_add(struct ls_tx *tx, const struct ls_scan_range *items, size_t n, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_RANGE_INSERT, &q, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        const struct ls_scan_range *r = &items[i];
        const uint64_t counts[] = {r->synced, r->objects_seen, r->rows_seen, r->errors};
        ls_query_int(&q, r->scan);
        ls_query_int(&q, r->number);
        ls_query_text(&q, r->prefix);
        ls_query_text(&q, r->after_key);
        ls_query_text(&q, r->last_key);
        ls_query_text(&q, ls_range_state_name(r->state));
        ls_query_text(&q, r->instance);
        ls_query_int(&q, r->turn);
        ls_query_int(&q, r->beat);
        ls_query_int(&q, r->store_incomplete);
        ls_query_int(&q, r->catalog_incomplete);
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
            ls_query_int(&q, (int64_t)counts[k]);
        ls_query_text(&q, r->messages ? r->messages : "");
        rc = ls_query_run(&q, NULL, err);
    }
    return ls_sqlite_tx_spoil(tx, rc);
}

static enum ls_rc read_range(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_scan_range *out = item;
    char state[16] = "";
    const struct {
        int column;
        const char **out;
    } texts[] = {{2, &out->prefix}, {3, &out->after_key}, {4, &out->last_key}, {15, &out->messages}};
    out->scan = ls_query_get_int(q, 0);
    out->number = ls_query_get_int(q, 1);
    out->turn = ls_query_get_int(q, 7);
    out->beat = ls_query_get_int(q, 8);
    out->store_incomplete = ls_query_get_int(q, 9) != 0;
    out->catalog_incomplete = ls_query_get_int(q, 10) != 0;
    out->synced = (uint64_t)ls_query_get_int(q, 11);
    out->objects_seen = (uint64_t)ls_query_get_int(q, 12);
    out->rows_seen = (uint64_t)ls_query_get_int(q, 13);
    out->errors = (uint64_t)ls_query_get_int(q, 14);
    enum ls_rc rc = ls_query_get_fixed(q, 5, state, sizeof state, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 6, out->instance, sizeof out->instance, err);
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_query_get_text(q, texts[i].column, arena, texts[i].out, err);
    if (rc != LS_OK)
        return rc;
    out->state = ls_range_state_parse(state);
    return out->state ? LS_OK : unknown_word(q, state, err);
}

enum ls_rc ls_sqlite_scan_ranges(struct ls_catalog *cat, struct ls_tx *tx, int64_t scan, struct ls_scan_range_page *out,
                                 struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_scan_range_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, tx, LS_SQL_RANGE_LIST, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_int(&q, scan);
    return ls_query_read_items(&q, read_range, sizeof *out->items, &out->items, &out->n, &cap, &out->memory, err);
}

enum ls_rc ls_sqlite_scan_range_take(struct ls_tx *tx, int64_t scan, const char *instance, int64_t *out_number,
                                     int64_t *out_turn, struct ls_err *err)
{
    bool row = false, more = false;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_RANGE_TAKE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, instance);
    ls_query_int(&q, scan);
    rc = ls_query_row(&q, &row, err);
    if (rc == LS_OK && !row)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: no range of scan %lld is free", (long long)scan);
    if (rc != LS_OK)
        return rc;
    *out_number = ls_query_get_int(&q, 0);
    *out_turn = ls_query_get_int(&q, 1);
    return ls_query_row(&q, &more, err);
}

static enum ls_rc lost(const struct ls_scan_range *range, struct ls_err *err)
{
    return ls_err_set(err, LS_CONFLICT, "catalog: range %lld of scan %lld: another process has it now",
                      (long long)range->number, (long long)range->scan);
}

enum ls_rc ls_sqlite_scan_range_take_over(struct ls_tx *tx, const struct ls_scan_range *range, const char *instance,
                                          int64_t *out_turn, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_RANGE_TAKE_OVER, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, instance);
    ls_query_int(&q, range->scan);
    ls_query_int(&q, range->number);
    ls_query_int(&q, range->turn);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_OK && changes == 0)
        return lost(range, err);
    *out_turn = range->turn + 1;
    return rc;
}

enum ls_rc ls_sqlite_scan_range_set(struct ls_tx *tx, const struct ls_scan_range *range, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_RANGE_SET, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, ls_range_state_name(range->state));
    ls_query_int(&q, range->store_incomplete);
    ls_query_int(&q, range->catalog_incomplete);
    ls_query_int(&q, (int64_t)range->synced);
    ls_query_int(&q, (int64_t)range->objects_seen);
    ls_query_int(&q, (int64_t)range->rows_seen);
    ls_query_int(&q, (int64_t)range->errors);
    ls_query_text(&q, range->messages ? range->messages : "");
    ls_query_int(&q, range->scan);
    ls_query_int(&q, range->number);
    ls_query_text(&q, range->instance);
    ls_query_int(&q, range->turn);
    rc = ls_query_run(&q, &changes, err);
    return rc == LS_OK && changes == 0 ? lost(range, err) : rc;
}

enum ls_rc ls_sqlite_scan_beat(struct ls_catalog *cat, int64_t scan, const char *instance, struct ls_err *err)
{
    struct ls_tx *begun;
    enum ls_rc rc = ls_sqlite_begin_relaxed(cat, &begun, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_sqlite_tx) struct ls_tx *tx = begun;
    LS_AUTO(ls_query) struct ls_query q;
    rc = ls_query_begin(ls_sqlite_of(cat)->writer, LS_SQL_RANGE_BEAT, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_int(&q, scan);
    ls_query_text(&q, instance);
    rc = ls_query_run(&q, NULL, err);
    return rc == LS_OK ? ls_sqlite_commit(LS_STEAL(tx), err) : rc;
}

/* ---- findings ---- */

enum ls_rc ls_sqlite_findings_put(struct ls_tx *tx, int64_t scan, const struct ls_scan_finding *items, size_t n,
                                  struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_FINDING_PUT, &q, err);
    /* Findings come in key order: what the batch before has left in the page cache is not read again. */
    if (rc == LS_OK)
        (void)sqlite3_db_release_memory(q.conn->db);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        const struct ls_scan_finding *f = &items[i];
        ls_query_int(&q, scan);
        ls_query_text(&q, f->key);
        ls_query_text(&q, f->kind);
        ls_query_int(&q, f->flags);
        ls_query_int(&q, f->twin);
        ls_query_text(&q, f->partner);
        ls_query_text(&q, f->row_etag);
        ls_query_int(&q, (int64_t)f->row_size);
        ls_query_text(&q, f->object_etag);
        ls_query_int(&q, (int64_t)f->object_size);
        ls_query_text(&q, f->detail);
        rc = ls_query_run(&q, NULL, err);
    }
    return ls_sqlite_tx_spoil(tx, rc);
}

enum ls_rc ls_sqlite_findings_remove(struct ls_tx *tx, int64_t scan, const char *kind, const char *after,
                                     const char *last, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_write(tx, LS_SQL_FINDING_DELETE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_int(&q, scan);
    ls_query_text(&q, after);
    ls_query_text(&q, last);
    ls_query_text(&q, kind);
    return ls_query_run(&q, NULL, err);
}

static enum ls_rc read_finding(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_scan_finding *out = item;
    const struct {
        int column;
        const char **out;
    } texts[] = {{0, &out->key},      {1, &out->kind},        {4, &out->partner},
                 {5, &out->row_etag}, {7, &out->object_etag}, {9, &out->detail}};
    enum ls_rc rc = LS_OK;
    out->flags = (uint32_t)ls_query_get_int(q, 2);
    out->twin = ls_query_get_int(q, 3);
    out->row_size = (uint64_t)ls_query_get_int(q, 6);
    out->object_size = (uint64_t)ls_query_get_int(q, 8);
    for (size_t i = 0; rc == LS_OK && i < sizeof texts / sizeof texts[0]; i++)
        rc = ls_query_get_text(q, texts[i].column, arena, texts[i].out, err);
    return rc;
}

/* Add what the statement gives. */
static enum ls_rc add_findings(struct ls_query *q, struct ls_scan_finding_page *out, size_t *cap, struct ls_err *err)
{
    return ls_query_read_items(q, read_finding, sizeof *out->items, &out->items, &out->n, cap, &out->memory, err);
}

enum ls_rc ls_sqlite_findings_get(struct ls_catalog *cat, int64_t scan, const char *const *keys, size_t n,
                                  struct ls_scan_finding_page *out, struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_scan_finding_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, NULL, LS_SQL_FINDING_GET, &q, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        ls_query_again(&q);
        ls_query_int(&q, scan);
        ls_query_text(&q, keys[i]);
        rc = add_findings(&q, out, &cap, err);
    }
    return rc;
}

enum ls_rc ls_sqlite_finding_page(struct ls_catalog *cat, int64_t scan, const char *after, unsigned limit,
                                  struct ls_scan_finding_page *out, struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_scan_finding_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(cat, NULL, LS_SQL_FINDING_PAGE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_int(&q, scan);
    ls_query_text(&q, after);
    ls_query_int(&q, limit);
    return add_findings(&q, out, &cap, err);
}
