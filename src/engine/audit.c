/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The audit trail's lines: one for each image that an operation concerned, or one for a whole folder.
 *
 * A folder operation has its paths in the intent's args ("from", "to"); where they did not fit, the first object stands
 * for the folder.
 */
#include "engine/internal.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

#define LINES_AT_ONCE 500
#define LINES_TO_FIND 100 /* what is looked for is among the newest lines of its key */

static enum ls_rc add(struct ls_tx *tx, struct ls_audit *lines, size_t n, struct ls_err *err)
{
    return n ? tx->cat->ops->audit_add(tx, lines, n, err) : LS_OK;
}

static enum ls_rc add_one(struct ls_engine *engine, struct ls_tx *tx, const char *id, const char *op, const char *key,
                          const char *dest, const char *detail, struct ls_err *err)
{
    struct ls_audit line = {.at_ns = ls_now_ns(),
                            .intent = id,
                            .op = op,
                            .actor = engine->actor,
                            .key = key,
                            .dest = dest,
                            .outcome = "done",
                            .detail = detail};
    return add(tx, &line, 1, err);
}

enum ls_rc ls_audit_line(struct ls_engine *engine, struct ls_tx *tx, const char *op, const char *key, const char *dest,
                         const char *detail, struct ls_err *err)
{
    return add_one(engine, tx, NULL, op, key, dest, detail, err);
}

enum ls_rc ls_audit_find(struct ls_engine *engine, const char *id, const char *key, bool *out_forward)
{
    LS_AUTO(ls_audit_page) struct ls_audit_page page = {0};
    enum ls_rc rc = engine->catalog->ops->audit_page(engine->catalog, 0, key, LINES_TO_FIND, &page, NULL);
    for (size_t i = 0; rc == LS_OK && i < page.n; i++) {
        const char *outcome = page.items[i].outcome;
        if (!ls_same(page.items[i].intent, id))
            continue;
        *out_forward = strcmp(outcome, "done") == 0 || strcmp(outcome, "recovered forward") == 0;
        return LS_OK;
    }
    return rc == LS_OK ? LS_NOT_FOUND : rc;
}

enum ls_rc ls_not_committed(struct ls_err *err)
{
    return ls_err_set(err, LS_IO, "engine: the catalog lost the connection during COMMIT and did not make the change");
}

enum ls_rc ls_audit_commit(struct ls_engine *engine, struct ls_tx *tx, const char *op, const char *key,
                           struct ls_err *err)
{
    char id[LS_INTENT_ID_LEN];
    bool forward;
    ls_id_new(id);
    enum ls_rc rc = add_one(engine, tx, id, op, key, NULL, NULL, err);
    if (rc != LS_OK) {
        tx->cat->ops->rollback(tx);
        return rc;
    }
    rc = engine->catalog->ops->commit(tx, err);
    if (rc != LS_OUTCOME_UNKNOWN || ls_waited_in_vain(err))
        return rc;
    enum ls_rc found = ls_audit_find(engine, id, key, &forward);
    return found == LS_OK ? LS_OK : found == LS_NOT_FOUND ? ls_not_committed(err) : rc;
}

/* One line an item; TRASH items of other operations are the orphans that were in their way. */
static enum ls_rc audit_items(struct ls_run *run, struct ls_tx *tx, const char *outcome, const char *detail,
                              struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_audit *lines = calloc(LINES_AT_ONCE, sizeof(*lines));
    if (!lines)
        return ls_err_nomem(err);
    size_t n = 0;
    bool put = run->intent.op == LS_OP_PUT;
    for (size_t i = 0; i < run->n_items; i++) {
        const struct ls_intent_item *item = &run->items[i];
        bool orphan = item->action == LS_ACTION_TRASH && run->intent.op != LS_OP_DISCARD;
        bool replaced = item->action == LS_ACTION_DELETE && put;
        lines[n++] = (struct ls_audit){.at_ns = ls_now_ns(),
                                       .intent = run->intent.id,
                                       .op = orphan ? ls_op_name(LS_OP_DISCARD) : ls_op_name(run->intent.op),
                                       .actor = run->engine->actor,
                                       .key = item->key,
                                       .dest = replaced ? run->items[0].key : item->dest,
                                       .outcome = outcome,
                                       .detail = orphan     ? "an orphan lay there; its bytes are in trash"
                                                 : replaced ? "replaced by the destination"
                                                            : detail};
        if (n == LINES_AT_ONCE || i + 1 == run->n_items) {
            enum ls_rc rc = add(tx, lines, n, err);
            if (rc != LS_OK)
                return rc;
            n = 0;
        }
    }
    return LS_OK;
}

enum ls_rc ls_run_audit(struct ls_run *run, struct ls_tx *tx, const char *outcome, const char *detail,
                        struct ls_err *err)
{
    json_t *args = run->intent.args[0] ? json_loads(run->intent.args, 0, NULL) : NULL;
    const char *from = json_string_value(json_object_get(args, "from"));
    if (!from) {
        json_decref(args);
        return audit_items(run, tx, outcome, detail, err);
    }
    struct ls_audit line = {.at_ns = ls_now_ns(),
                            .intent = run->intent.id,
                            .op = ls_op_name(run->intent.op),
                            .actor = run->engine->actor,
                            .key = from,
                            .dest = json_string_value(json_object_get(args, "to")),
                            .outcome = outcome,
                            .detail = detail};
    enum ls_rc rc = add(tx, &line, 1, err);
    json_decref(args);
    return rc;
}
