/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of products: how much of each there is, and what the last scan of everything found in it.
 *
 * A page's cursor is the last product's name; by problems their number stands in front of it: "12:p1".
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "serve/internal.h"
#include "serve/problem.h"

static void table_page_auto(struct ls_table_page *page) { ls_table_page_dispose(page); }

static bool read_order(const struct ls_request *req, enum ls_table_order *out_order, struct ls_reply *reply)
{
    static const struct {
        const char *word;
        enum ls_table_order order;
    } orders[] = {{"product", LS_TABLE_UP}, {"-product", LS_TABLE_DOWN}, {"-problems", LS_TABLE_BY_PROBLEMS}};
    const char *word = ls_request_query(req, "sort");
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (strcmp(word ? word : orders[0].word, orders[i].word) == 0) {
            *out_order = orders[i].order;
            return true;
        }
    ls_problem(reply, 400, "wrong-type", "query: sort must be product, -product or -problems");
    return false;
}

static bool read_cursor(const struct ls_request *req, struct ls_table_query *query, struct ls_reply *reply)
{
    const char *after = ls_request_query(req, "after");
    char *end = NULL;
    query->after = after && *after ? after : NULL;
    if (!query->after || query->order != LS_TABLE_BY_PROBLEMS)
        return true;
    query->after_problems = strtoull(after, &end, 10);
    query->after = end + 1;
    if (*after >= '0' && *after <= '9' && *end == ':' && query->after_problems <= LS_REQUEST_NUMBER_MAX)
        return true;
    ls_problem(reply, 400, "wrong-type", "query: after must be what next of the page before was");
    return false;
}

static bool read_query(struct ls_serve *serve, const struct ls_request *req, struct ls_table_query *out,
                       struct ls_reply *reply)
{
    const char *search = ls_request_query(req, "search");
    uint64_t limit = LS_LIST_DEFAULT;
    *out = (struct ls_table_query){.prefix = ls_layout_prefix(ls_engine_layout(serve->opts->engine)),
                                   .search = search ? search : ""};
    if (!read_order(req, &out->order, reply) || !read_cursor(req, out, reply) ||
        !ls_request_query_number(req, "limit", LS_LIST_MOST, &limit, reply))
        return false;
    out->limit = limit ? (unsigned)limit : 1;
    return true;
}

/* Whose tally is shown: 0 when there is none. A scan of an older version has findings, but no tally. */
static enum ls_rc find_scan(struct ls_catalog *cat, int64_t *out_scan, struct ls_err *err)
{
    struct ls_scan_row scan;
    LS_AUTO(table_page) struct ls_table_page worst = {0};
    enum ls_rc rc = cat->ops->scan_whole(cat, LS_WHOLE_SCAN_KEPT, &scan, err);
    *out_scan = rc ? 0 : scan.id;
    if (rc)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    if (scan.missing + scan.stale + scan.misfiled == 0 && scan.orphaned <= scan.misplaced)
        return LS_OK; /* nothing that must be in a product */
    const struct ls_table_query query = {
        .scan = scan.id, .prefix = "", .search = "", .order = LS_TABLE_BY_PROBLEMS, .limit = 1};
    rc = cat->ops->product_table(cat, &query, &worst, err);
    if (!rc && (!worst.n || !ls_tally_problems(&worst.items[0].found)))
        *out_scan = 0;
    return rc;
}

static void json_row(struct ls_json *json, const struct ls_table_row *row)
{
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {{"variants", row->variants},       {"images", row->images},
                  {"orphaned", row->found.orphaned}, {"missing", row->found.missing},
                  {"stale", row->found.stale},       {"moved", row->found.moved},
                  {"misfiled", row->found.misfiled}, {"misplaced", row->found.misplaced},
                  {"pending", row->found.pending}};
    ls_json_object(json, NULL);
    ls_json_str(json, "productId", row->product);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        ls_json_uint(json, counts[i].name, counts[i].n);
    ls_json_end_object(json);
}

static void json_next(struct ls_json *json, const struct ls_table_query *query, const struct ls_table_page *page)
{
    const struct ls_table_row *last = page->n == query->limit ? &page->items[page->n - 1] : NULL;
    LS_AUTO(ls_free) char *cursor = NULL;
    if (last && query->order == LS_TABLE_BY_PROBLEMS)
        cursor = ls_strf("%" PRIu64 ":%s", ls_tally_problems(&last->found), last->product);
    ls_json_str(json, "next", cursor ? cursor : last ? last->product : NULL);
}

void ls_api_table(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    struct ls_table_query query;
    LS_AUTO(table_page) struct ls_table_page page = {0};
    struct ls_err err = LS_ERR_INIT;
    if (!read_query(serve, req, &query, reply))
        return;
    enum ls_rc rc = find_scan(cat, &query.scan, &err);
    if (!rc)
        rc = cat->ops->product_table(cat, &query, &page, &err);
    struct ls_json json;
    if (!ls_problem_or_object(reply, rc, &err, &json))
        return;
    ls_json_array(&json, "products");
    for (size_t i = 0; i < page.n; i++)
        json_row(&json, &page.items[i]);
    ls_json_end_array(&json);
    json_next(&json, &query, &page);
    if (query.scan)
        ls_json_int(&json, "scan", query.scan);
    else
        ls_json_str(&json, "scan", NULL);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}
