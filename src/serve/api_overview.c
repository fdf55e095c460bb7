/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state of things at a glance: what is served, how much of it, the last scans, the journal, the bucket's events. */
#include <inttypes.h>

#include "base/clock.h"
#include "lockstep/version.h"
#include "scan/answer.h"
#include "serve/internal.h"
#include "serve/problem.h"

/* One of the scans of everything, or null. */
static enum ls_rc json_scan(struct ls_json *json, const char *name, struct ls_catalog *cat, enum ls_whole_scan which,
                            struct ls_err *err)
{
    struct ls_scan_row scan;
    const char *state = NULL;
    enum ls_rc rc = cat->ops->scan_whole(cat, which, &scan, err);
    if (!rc)
        rc = ls_answer_state(cat, &scan, &state, err);
    if (rc == LS_NOT_FOUND)
        ls_json_str(json, name, NULL);
    if (rc)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    ls_json_object(json, name);
    ls_answer_row(json, &scan, state);
    ls_json_end_object(json);
    return LS_OK;
}

static enum ls_rc json_counts(struct ls_json *json, struct ls_catalog *cat, struct ls_err *err)
{
    uint64_t products = 0, images = 0;
    enum ls_rc rc = cat->ops->product_count(cat, &products, err);
    if (!rc)
        rc = cat->ops->image_count(cat, "", NULL, &images, NULL, err);
    ls_json_uint(json, "products", products);
    ls_json_uint(json, "images", images);
    return rc;
}

static enum ls_rc json_journal(struct ls_json *json, struct ls_catalog *cat, struct ls_err *err)
{
    struct ls_intent_page page = {0};
    enum ls_rc rc = cat->ops->intent_list(cat, NULL, &page, err);
    int64_t now_ns = ls_now_ns(), oldest_ns = now_ns;
    for (size_t i = 0; i < page.n; i++)
        if (page.items[i].created_ns < oldest_ns)
            oldest_ns = page.items[i].created_ns;
    ls_json_object(json, "journal");
    ls_json_uint(json, "open", page.n);
    if (page.n)
        ls_json_int(json, "oldestSeconds", (now_ns - oldest_ns) / LS_NS_PER_S);
    else
        ls_json_str(json, "oldestSeconds", NULL);
    ls_json_end_object(json);
    ls_intent_page_dispose(&page);
    return rc;
}

static enum ls_rc json_events(struct ls_json *json, const struct ls_serve *serve, struct ls_catalog *cat,
                              struct ls_err *err)
{
    const struct ls_metrics *metrics = &serve->metrics;
    uint64_t waiting = 0;
    enum ls_rc rc = cat->ops->event_count(cat, &waiting, err);
    ls_json_object(json, "events");
    ls_json_uint(json, "received", metrics->events[LS_EVENT_RECEIVED]);
    ls_json_uint(json, "duplicate", metrics->events[LS_EVENT_DUPLICATE]);
    ls_json_uint(json, "reordered", metrics->events[LS_EVENT_REORDERED]);
    ls_json_uint(json, "foreign", metrics->events[LS_EVENT_FOREIGN]);
    ls_json_uint(json, "failed", metrics->events[LS_EVENT_FAILED]);
    ls_json_uint(json, "acted",
                 metrics->events[LS_EVENT_CREATED] + metrics->events[LS_EVENT_REFRESHED] +
                     metrics->events[LS_EVENT_DROPPED]);
    ls_json_uint(json, "waiting", waiting);
    ls_json_end_object(json);
    return rc;
}

/* What a sync may change without being confirmed. */
static void json_max_change(struct ls_json *json, const struct ls_serve_opts *opts)
{
    char text[32];
    if (opts->max_change_percent)
        snprintf(text, sizeof text, "%u%%", opts->max_change_percent);
    else
        snprintf(text, sizeof text, "%" PRIu64, opts->max_change_count);
    ls_json_str(json, "maxChange", text);
}

void ls_api_overview(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    struct ls_err err = LS_ERR_INIT;
    struct ls_json json;
    if (!ls_reply_json(reply, 200, &json))
        return;
    ls_json_object(&json, NULL);
    ls_json_str(&json, "version", ls_version());
    ls_json_str(&json, "role", ls_role_name(req->role));
    ls_json_str(&json, "store", serve->opts->store_url);
    ls_json_str(&json, "catalog", serve->opts->catalog_url);
    json_max_change(&json, serve->opts);
    ls_json_bool(&json, "webhook", ls_auth_has_role(serve->auth, LS_ROLE_WEBHOOK));
    enum ls_rc rc = json_counts(&json, cat, &err);
    if (!rc)
        rc = json_scan(&json, "lastScan", cat, LS_WHOLE_SCAN_ANY, &err);
    if (!rc)
        rc = json_scan(&json, "lastComplete", cat, LS_WHOLE_SCAN_COMPLETE, &err);
    if (!rc)
        rc = json_journal(&json, cat, &err);
    if (!rc)
        rc = json_events(&json, serve, cat, &err);
    ls_json_end_object(&json);
    ls_json_newline(&json);
    if (rc)
        ls_problem_err(reply, &err);
}
