/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was done and what was found: the audit trail and the scans, newest first, a page at a time. */
#include <string.h>

#include "base/auto.h"
#include "scan/answer.h"
#include "serve/internal.h"
#include "serve/problem.h"

static void audit_page_auto(struct ls_audit_page *page) { ls_audit_page_dispose(page); }

/* "before" and "limit"; false: the reply says what is wrong. */
static bool read_page(const struct ls_request *req, int64_t *out_before, unsigned *out_limit, struct ls_reply *reply)
{
    uint64_t before = 0, limit = LS_LIST_DEFAULT;
    if (!ls_request_query_number(req, "before", LS_REQUEST_NUMBER_MAX, &before, reply) ||
        !ls_request_query_number(req, "limit", LS_LIST_MOST, &limit, reply))
        return false;
    *out_before = (int64_t)before;
    *out_limit = limit ? (unsigned)limit : 1;
    return true;
}

/* What the next page's "before" is. */
static void json_next(struct ls_json *json, bool more, int64_t before)
{
    if (more)
        ls_json_int(json, "next", before);
    else
        ls_json_str(json, "next", NULL);
}

static void json_entry(struct ls_json *json, const struct ls_audit *entry)
{
    ls_json_object(json, NULL);
    ls_json_int(json, "seq", entry->seq);
    ls_json_time(json, "at", entry->at_ns);
    ls_json_str(json, "op", entry->op);
    ls_json_str(json, "actor", entry->actor);
    ls_json_str(json, "key", entry->key);
    ls_json_str(json, "dest", entry->dest);
    ls_json_str(json, "outcome", entry->outcome);
    ls_json_str(json, "detail", entry->detail);
    ls_json_str(json, "intent", entry->intent);
    ls_json_end_object(json);
}

void ls_api_audit(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    const char *prefix = ls_request_query(req, "prefix");
    LS_AUTO(audit_page) struct ls_audit_page page = {0};
    struct ls_err err = LS_ERR_INIT;
    int64_t before;
    unsigned limit;
    if (!read_page(req, &before, &limit, reply))
        return;
    enum ls_rc rc = cat->ops->audit_page(cat, before, prefix ? prefix : "", limit, &page, &err);
    struct ls_json json;
    if (!ls_problem_or_object(reply, rc, &err, &json))
        return;
    ls_json_array(&json, "entries");
    for (size_t i = 0; i < page.n; i++)
        json_entry(&json, &page.items[i]);
    ls_json_end_array(&json);
    json_next(&json, page.n == limit, page.n ? page.items[page.n - 1].seq : 0);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}

/* The newest scan before one, as an object; *before moves on to it. */
static enum ls_rc json_scan(struct ls_json *json, struct ls_catalog *cat, int64_t *before, struct ls_err *err)
{
    struct ls_scan_row scan;
    const char *state = NULL;
    enum ls_rc rc = cat->ops->scan_get(cat, *before, &scan, err);
    if (rc)
        return rc;
    *before = scan.id;
    rc = ls_answer_state(cat, &scan, &state, err);
    ls_json_object(json, NULL);
    ls_answer_row(json, &scan, state);
    ls_json_end_object(json);
    return rc;
}

void ls_api_scans(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    struct ls_err err = LS_ERR_INIT;
    int64_t before;
    unsigned limit, n = 0;
    if (!read_page(req, &before, &limit, reply))
        return;
    struct ls_json json;
    if (!ls_reply_json(reply, 200, &json))
        return;
    ls_json_object(&json, NULL);
    ls_json_array(&json, "scans");
    enum ls_rc rc = LS_OK;
    while (n < limit && !(rc = json_scan(&json, cat, &before, &err)))
        n++;
    ls_json_end_array(&json);
    json_next(&json, n == limit, before);
    ls_json_end_object(&json);
    ls_json_newline(&json);
    if (rc && rc != LS_NOT_FOUND)
        ls_problem_err(reply, &err);
}
