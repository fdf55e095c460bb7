/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The newest events of the bucket: those that wait, from the catalog, and those that this process remembers. */
#include <stdlib.h>

#include "base/auto.h"
#include "serve/internal.h"
#include "serve/problem.h"

static void event_page_auto(struct ls_event_page *page) { ls_event_page_dispose(page); }

struct shown {
    int64_t at_ns;
    const char *kind, *key, *sequencer, *outcome;
};

static int newest_first(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;
    return (x->at_ns < y->at_ns) - (x->at_ns > y->at_ns);
}

static void json_event(struct ls_json *json, const struct shown *event)
{
    ls_json_object(json, NULL);
    ls_json_time(json, "at", event->at_ns);
    ls_json_str(json, "name", event->kind);
    ls_json_str(json, "key", event->key);
    ls_json_str(json, "sequencer", event->sequencer);
    ls_json_str(json, "outcome", event->outcome);
    ls_json_end_object(json);
}

/* Both together, newest first. */
static void json_events(struct ls_json *json, struct ls_recent *recent, const struct ls_event_page *waiting)
{
    struct shown shown[2 * LS_RECENT_KEPT];
    size_t n = 0;
    for (size_t i = 0; i < waiting->n && n < LS_RECENT_KEPT; i++) {
        const struct ls_event *e = &waiting->items[i];
        shown[n++] = (struct shown){e->at_ns, e->kind, e->key, e->sequencer, "waiting"};
    }
    LS_LOCK(&recent->lock);
    for (size_t i = 1; i <= LS_RECENT_KEPT; i++) {
        const struct ls_recent_event *e = &recent->items[(recent->next + LS_RECENT_KEPT - i) % LS_RECENT_KEPT];
        if (e->key)
            shown[n++] = (struct shown){e->at_ns, e->kind, e->key, e->sequencer, ls_event_result_name(e->result)};
    }
    qsort(shown, n, sizeof *shown, newest_first);
    for (size_t i = 0; i < n && i < LS_RECENT_KEPT; i++)
        json_event(json, &shown[i]);
}

void ls_api_recent(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    LS_AUTO(event_page) struct ls_event_page waiting = {0};
    struct ls_err err = LS_ERR_INIT;
    uint64_t count = 0;
    (void)req;
    enum ls_rc rc = cat->ops->event_page(cat, 0, LS_RECENT_KEPT, &waiting, &err);
    if (!rc)
        rc = cat->ops->event_count(cat, &count, &err);
    struct ls_json json;
    if (!ls_problem_or_object(reply, rc, &err, &json))
        return;
    ls_json_array(&json, "events");
    json_events(&json, &serve->recent, &waiting);
    ls_json_end_array(&json);
    ls_json_uint(&json, "waiting", count);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}
