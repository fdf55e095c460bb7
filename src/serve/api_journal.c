/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal: operations under way or left over, and the processes on this catalog. */
#include <string.h>

#include "base/auto.h"
#include "serve/internal.h"
#include "serve/problem.h"

static void intent_page_auto(struct ls_intent_page *page) { ls_intent_page_dispose(page); }
static void instance_page_auto(struct ls_instance_page *page) { ls_instance_page_dispose(page); }
static void item_page_auto(struct ls_intent_item_page *page) { ls_intent_item_page_dispose(page); }

static bool is_alive(const struct ls_instance_page *instances, const char *id)
{
    for (size_t i = 0; i < instances->n; i++)
        if (strcmp(instances->items[i].id, id) == 0)
            return instances->items[i].alive;
    return false;
}

/* What it is about: the paths of a folder's operation, else its first object. */
static void json_paths(struct ls_json *json, const struct ls_intent *intent, const struct ls_intent_item_page *first)
{
    json_t *args = *intent->args ? json_loads(intent->args, 0, NULL) : NULL;
    const char *key = json_string_value(json_object_get(args, "from"));
    const char *dest = json_string_value(json_object_get(args, "to"));
    if (!key && first->n) {
        key = first->items[0].key;
        dest = first->items[0].dest;
    }
    ls_json_str(json, "key", key);
    ls_json_str(json, "dest", dest);
    json_decref(args);
}

static enum ls_rc json_intent(struct ls_json *json, struct ls_catalog *cat, const struct ls_intent *intent, bool alive,
                              struct ls_err *err)
{
    LS_AUTO(item_page) struct ls_intent_item_page first = {0};
    uint64_t objects = 0;
    enum ls_rc rc = cat->ops->intent_items(cat, NULL, intent->id, -1, 1, &first, err);
    if (!rc)
        rc = cat->ops->intent_item_count(cat, intent->id, &objects, err);
    if (rc)
        return rc;
    ls_json_object(json, NULL);
    ls_json_str(json, "id", intent->id);
    ls_json_str(json, "op", ls_op_name(intent->op));
    ls_json_str(json, "state", intent->state == LS_INTENT_COMMITTED ? "committed" : "open");
    json_paths(json, intent, &first);
    ls_json_uint(json, "objects", objects);
    ls_json_time(json, "startedAt", intent->created_ns);
    ls_json_str(json, "instance", intent->instance);
    ls_json_bool(json, "alive", alive);
    ls_json_end_object(json);
    return LS_OK;
}

static void json_instance(struct ls_json *json, const struct ls_instance *instance)
{
    ls_json_object(json, NULL);
    ls_json_str(json, "id", instance->id);
    ls_json_str(json, "kind", instance->kind);
    ls_json_str(json, "host", instance->host);
    ls_json_int(json, "pid", instance->pid);
    ls_json_time(json, "startedAt", instance->started_ns);
    ls_json_bool(json, "alive", instance->alive);
    ls_json_end_object(json);
}

void ls_api_journal(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    LS_AUTO(intent_page) struct ls_intent_page intents = {0};
    LS_AUTO(instance_page) struct ls_instance_page instances = {0};
    struct ls_err err = LS_ERR_INIT;
    struct ls_json json;
    (void)req;
    enum ls_rc rc = cat->ops->intent_list(cat, NULL, &intents, &err);
    if (!rc)
        rc = cat->ops->instance_list(cat, &instances, &err);
    if (!ls_problem_or_object(reply, rc, &err, &json))
        return;
    ls_json_array(&json, "intents");
    for (size_t i = 0; i < intents.n && !rc; i++)
        rc = json_intent(&json, cat, &intents.items[i], is_alive(&instances, intents.items[i].instance), &err);
    ls_json_end_array(&json);
    ls_json_array(&json, "instances");
    for (size_t i = 0; i < instances.n; i++)
        json_instance(&json, &instances.items[i]);
    ls_json_end_array(&json);
    ls_json_end_object(&json);
    ls_json_newline(&json);
    if (rc)
        ls_problem_err(reply, &err);
}
