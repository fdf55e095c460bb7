/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The trash: list, restore, purge. */
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "serve/internal.h"
#include "serve/problem.h"

static void trash_page_auto(struct ls_trash_page *page) { ls_trash_page_dispose(page); }

static void json_item(struct ls_json *json, const struct ls_trash *item)
{
    ls_json_object(json, NULL);
    ls_json_str(json, "id", item->id);
    ls_json_str(json, "key", item->key);
    ls_json_str(json, "trashKey", item->trash_key);
    ls_json_str(json, "etag", item->etag);
    ls_json_uint(json, "size", item->size_bytes);
    ls_json_str(json, "reason", item->reason);
    ls_json_bool(json, "hasRow", item->row != NULL);
    ls_json_time(json, "at", item->at_ns);
    ls_json_end_object(json);
}

void ls_api_trash(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    const char *prefix = ls_request_query(req, "prefix"), *after = ls_request_query(req, "after");
    LS_AUTO(trash_page) struct ls_trash_page page = {0};
    struct ls_err err = LS_ERR_INIT;
    uint64_t limit = LS_LIST_DEFAULT;
    if (!ls_request_query_number(req, "limit", LS_LIST_MOST, &limit, reply))
        return;
    limit = limit ? limit : 1;
    enum ls_rc rc =
        cat->ops->trash_page(cat, NULL, after ? after : "", prefix ? prefix : "", (unsigned)limit, &page, &err);
    struct ls_json json;
    if (!ls_problem_or_object(reply, rc, &err, &json))
        return;
    ls_json_array(&json, "items");
    for (size_t i = 0; i < page.n; i++)
        json_item(&json, &page.items[i]);
    ls_json_end_array(&json);
    ls_json_str(&json, "next", page.n == limit ? page.items[page.n - 1].id : NULL);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}

void ls_api_trash_restore(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_err err = LS_ERR_INIT;
    if (ls_engine_trash_restore(serve->opts->engine, ls_request_param(req, ":trash"), &err))
        ls_problem_err(reply, &err);
    else
        ls_reply_constant(reply, 204, NULL, "", 0);
}

void ls_api_trash_purge(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    const char *older_than = NULL, *prefix = "";
    const struct ls_field fields[] = {{"olderThan", LS_FIELD_TEXT, &older_than}, {"prefix", LS_FIELD_TEXT, &prefix}};
    struct ls_err err = LS_ERR_INIT;
    int64_t age_ms = 0;
    uint64_t removed = 0;
    if (!ls_request_fields(req, fields, 2, reply))
        return;
    if (!older_than || ls_duration_parse(older_than, &age_ms, &err)) {
        ls_problem(reply, 400, older_than ? "wrong-type" : "missing-field", "body: 'olderThan' must be a time: \"7d\"");
        return;
    }
    /* Everything is up to the next millisecond: ids and stamps are not finer. */
    int64_t before_ns = ls_now_ns() + (age_ms ? -age_ms * LS_NS_PER_MS : LS_NS_PER_MS);
    enum ls_rc rc = ls_engine_trash_purge(serve->opts->engine, before_ns, prefix, &removed, &err);
    struct ls_json json;
    if (!ls_problem_or_object(reply, rc, &err, &json))
        return;
    ls_json_uint(&json, "removed", removed);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}
