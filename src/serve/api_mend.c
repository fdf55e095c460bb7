/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mending findings that somebody picked: {"items": [{"kind", "key"}, …], "action": …}. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "scan/pick.h"
#include "serve/internal.h"
#include "serve/problem.h"

/* One item; false: the reply says what is wrong with it. */
static bool read_item(const json_t *item, size_t i, const char *action, enum ls_mend mend, struct ls_pick *out,
                      struct ls_reply *reply)
{
    const char *kind = json_string_value(json_object_get(item, "kind"));
    const char *key = json_string_value(json_object_get(item, "key"));
    if (!kind || !key || json_object_size(item) != 2)
        ls_problem(reply, 400, "wrong-type", "body: item %zu must be {\"kind\": …, \"key\": …}", i);
    else if (!ls_pick_fits(mend, kind))
        ls_problem(reply, 400, "wrong-action", "body: item %zu: to '%s' is nothing for what is '%.60s'", i, action,
                   kind);
    else if (!*key || strlen(key) >= LS_KEY_MAX)
        ls_problem(reply, 400, "wrong-type", "body: item %zu: its key must have 1 to %d bytes", i, LS_KEY_MAX - 1);
    else
        *out = (struct ls_pick){.kind = kind, .key = key};
    return !reply->status;
}

/* The items of the body, on the heap; NULL: the reply says what is wrong. */
static struct ls_pick *read_items(const struct ls_request *req, enum ls_mend *out_mend, size_t *out_n,
                                  struct ls_reply *reply)
{
    const json_t *items = NULL;
    const char *action = NULL;
    const struct ls_field fields[] = {{"items", LS_FIELD_LIST, &items}, {"action", LS_FIELD_TEXT, &action}};
    if (!ls_request_fields(req, fields, 2, reply))
        return NULL;
    *out_n = json_array_size(items);
    if (!items || !action)
        ls_problem(reply, 400, "missing-field", "body: wants 'items' and 'action'");
    else if (!ls_pick_action_parse(action, out_mend))
        ls_problem(reply, 400, "wrong-type",
                   "body: 'action' must be adopt, remove, drop, refresh, relink or refile, not '%.60s'", action);
    else if (*out_n > LS_PICKS_MAX)
        ls_problem(reply, 400, "too-many", "body: at most %d items at once", LS_PICKS_MAX);
    if (reply->status)
        return NULL;
    LS_AUTO(ls_free) struct ls_pick *picks = calloc(*out_n + 1, sizeof *picks);
    for (size_t i = 0; picks && i < *out_n; i++)
        if (!read_item(json_array_get(items, i), i, action, *out_mend, &picks[i], reply))
            return NULL;
    return LS_STEAL(picks);
}

static void answer(const struct ls_pick *picks, size_t n, struct ls_reply *reply)
{
    struct ls_json json;
    uint64_t counts[LS_PICK_OUTCOMES] = {0};
    if (!ls_reply_json(reply, 200, &json))
        return;
    ls_json_object(&json, NULL);
    ls_json_array(&json, "results");
    for (size_t i = 0; i < n; i++) {
        counts[picks[i].outcome]++;
        ls_json_object(&json, NULL);
        ls_json_str(&json, "key", picks[i].key);
        ls_json_str(&json, "outcome", ls_pick_outcome_name(picks[i].outcome));
        ls_json_str(&json, "detail", *picks[i].detail ? picks[i].detail : NULL);
        ls_json_end_object(&json);
    }
    ls_json_end_array(&json);
    ls_json_uint(&json, "mended", counts[LS_PICK_MENDED]);
    ls_json_uint(&json, "skipped", counts[LS_PICK_SKIPPED]);
    ls_json_uint(&json, "failed", counts[LS_PICK_FAILED]);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}

void ls_api_mend(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    enum ls_mend mend = LS_MEND_ADOPT;
    size_t n = 0;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_free) struct ls_pick *picks = read_items(req, &mend, &n, reply);
    if (!picks)
        return;
    if (ls_pick_mend(serve->opts->engine, mend, serve->opts->grace_ms, picks, n, &err))
        ls_problem_err(reply, &err);
    else
        answer(picks, n, reply);
}
