/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of a run: claims, the journal's transaction, its commit, closing, and what happens when a step fails.
 *
 * A step that fails before the commit point is settled at once by the same code that the recovery uses. What cannot be
 * settled stays in the journal, is remembered as a leftover, and the caller hears LS_OUTCOME_UNKNOWN. After the commit
 * point the outcome is decided: a failure only means that the rest is done later.
 */
#include "engine/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define POLL_FIRST_MS 5
#define POLL_MOST_MS 200

void ls_run_init(struct ls_run *run, struct ls_engine *engine, enum ls_op op, void *op_state)
{
    memset(run, 0, sizeof(*run));
    run->engine = engine;
    run->op = op_state;
    run->intent.op = op;
    run->intent.state = LS_INTENT_OPEN;
    run->intent.created_ns = ls_now_ns();
    ls_id_new(run->intent.id);
    memcpy(run->intent.instance, engine->instance, sizeof(run->intent.instance));
}

void ls_run_dispose(struct ls_run *run)
{
    ls_claims_release(run->engine, &run->held);
    free(run->claims);
    free(run->items);
    free(run->extra);
    free(run->wants);
    free(run->seen);
    ls_pool_dispose(&run->pool);
}

/* Make room for one more element. */
static bool grow(void **array, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 8;
    void *bigger = reallocarray(*array, more, size);
    if (!bigger)
        return false;
    *array = bigger;
    *cap = more;
    return true;
}

enum ls_rc ls_run_claim(struct ls_run *run, const char *path, bool subtree, struct ls_err *err)
{
    char *copy = ls_pool_str(&run->pool, path);
    if (!copy || !grow((void **)&run->claims, &run->cap_claims, run->n_claims, sizeof(*run->claims)))
        return ls_err_nomem(err);
    run->claims[run->n_claims++] = (struct ls_claim){.path = copy, .subtree = subtree};
    return LS_OK;
}

struct ls_intent_item *ls_run_item(struct ls_run *run, const struct ls_intent_item *item)
{
    size_t cap = run->cap_items;
    if (!grow((void **)&run->items, &cap, run->n_items, sizeof(*run->items)))
        return NULL;
    if (!grow((void **)&run->extra, &run->cap_items, run->n_items, sizeof(*run->extra)))
        return NULL;
    struct ls_intent_item *added = &run->items[run->n_items];
    *added = *item;
    added->seq = (int64_t)run->n_items;
    run->extra[run->n_items] = (struct ls_item_extra){0};
    run->n_items++;
    return added;
}

void ls_run_args(struct ls_run *run, struct json_t *args)
{
    char *text = args ? json_dumps(args, JSON_COMPACT) : NULL;
    json_decref(args);
    if (text && strlen(text) < sizeof(run->intent.args))
        snprintf(run->intent.args, sizeof(run->intent.args), "%s", text);
    else
        run->intent.args[0] = '\0';
    free(text);
}

bool ls_run_arg(const struct ls_run *run, const char *name, bool *out_there)
{
    json_t *args = run->intent.args[0] ? json_loads(run->intent.args, 0, NULL) : NULL;
    const json_t *value = json_object_get(args, name);
    bool set = json_is_true(value);
    if (out_there)
        *out_there = value != NULL;
    json_decref(args);
    return set;
}

/* ---- what the store has, for prepare ---- */

static int seen_cmp(const void *a, const void *b)
{
    return strcmp(((const struct ls_seen *)a)->key, ((const struct ls_seen *)b)->key);
}

const struct ls_seen *ls_run_seen(struct ls_run *run, const char *key)
{
    const struct ls_seen wanted = {.key = key};
    const struct ls_seen *seen =
        run->n_seen ? bsearch(&wanted, run->seen, run->n_seen, sizeof(*run->seen), seen_cmp) : NULL;
    if (seen)
        return seen;
    const char *copy = ls_pool_str(&run->pool, key);
    if (copy && grow((void **)&run->wants, &run->cap_wants, run->n_wants, sizeof(*run->wants)))
        run->wants[run->n_wants++] = copy;
    return NULL;
}

enum ls_rc ls_run_row_object(struct ls_run *run, const struct ls_image *row, const char **out_etag, uint64_t *out_size,
                             struct ls_err *err)
{
    *out_etag = NULL;
    *out_size = row->record.size_bytes;
    const char *etag = row->record.etag;
    if (!row->record.known) {
        const struct ls_seen *seen = ls_run_seen(run, row->key);
        if (!seen || seen->rc != LS_OK)
            return LS_OK;
        etag = seen->etag;
        *out_size = seen->size_bytes;
    }
    *out_etag = ls_pool_str(&run->pool, etag);
    return *out_etag ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc answer_wants(struct ls_run *run, struct ls_err *err)
{
    size_t total = run->n_seen + run->n_wants;
    struct ls_seen *all = reallocarray(run->seen, total, sizeof(*all));
    if (!all)
        return ls_err_nomem(err);
    run->seen = all;
    enum ls_rc rc = ls_look(run->engine, run->wants, run->n_wants, all + run->n_seen, err);
    if (rc != LS_OK)
        return rc;
    run->n_seen = total;
    run->n_wants = 0;
    qsort(all, total, sizeof(*all), seen_cmp);
    return LS_OK;
}

/* ---- the journal's transaction ---- */

/* One try. LS_OK with wants left means: ask the store and try again. */
static enum ls_rc journal_once(struct ls_run *run, ls_run_step prepare, ls_run_step apply, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    run->n_items = 0;
    run->n_wants = 0;
    run->n_claims = run->n_local;
    enum ls_rc rc = cat->ops->instance_term(cat, &run->term, err);
    if (rc == LS_OK)
        rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK && run->supersedes[0])
        rc = cat->ops->intent_close(tx, run->supersedes, run->engine->instance, err);
    if (rc == LS_OK)
        rc = prepare(run, tx, err);
    if (rc != LS_OK || run->n_wants > 0)
        return rc;
    rc = cat->ops->intent_add(tx, &run->intent, run->claims, run->n_claims, run->items, run->n_items, err);
    if (rc == LS_OK && apply)
        rc = apply(run, tx, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_run_commit(run, LS_STEAL(tx), run->intent.state == LS_INTENT_COMMITTED ? LS_AFTER_COMMITTED : LS_AFTER_OPEN,
                       err);
    if (rc == LS_OK)
        run->journaled = true;
    else if (rc == LS_OUTCOME_UNKNOWN)
        ls_leftover_add(run->engine, run->intent.id);
    return rc;
}

static enum ls_rc journal(struct ls_run *run, ls_run_step prepare, ls_run_step apply, int64_t deadline_ms,
                          struct ls_err *err)
{
    int64_t poll_ms = POLL_FIRST_MS;
    for (;;) {
        enum ls_rc rc = ls_engine_cancelled(run->engine, err);
        if (rc != LS_OK)
            return rc;
        struct ls_err why = LS_ERR_INIT;
        rc = journal_once(run, prepare, apply, &why);
        if (rc == LS_OK && run->n_wants > 0) {
            rc = answer_wants(run, err);
            if (rc != LS_OK)
                return rc;
            continue;
        }
        if (rc != LS_BUSY || ls_monotonic_ms() >= deadline_ms) {
            if (rc != LS_OK && err)
                *err = why;
            return rc;
        }
        if (poll_ms == POLL_FIRST_MS)
            ls_recover_if_idle(run->engine); /* it may be a dead process that is in the way */
        ls_claims_wait(run->engine, poll_ms);
        poll_ms = poll_ms * 2 < POLL_MOST_MS ? poll_ms * 2 : POLL_MOST_MS;
        run->n_seen = 0; /* who was in the way may have changed it */
    }
}

enum ls_rc ls_run_begin(struct ls_run *run, ls_run_step prepare, ls_run_step apply, struct ls_err *err)
{
    int64_t deadline_ms = ls_monotonic_ms() + run->engine->claim_wait_ms;
    run->n_local = run->n_claims;
    struct ls_claim *local = ls_pool_alloc(&run->pool, run->n_local * sizeof(*local));
    if (!local)
        return ls_err_nomem(err);
    memcpy(local, run->claims, run->n_local * sizeof(*local));
    enum ls_rc rc = ls_claims_take(run->engine, &run->held, local, run->n_local, deadline_ms, err);
    return rc == LS_OK ? journal(run, prepare, apply, deadline_ms, err) : rc;
}

enum ls_rc ls_run_rejournal(struct ls_run *run, ls_run_step prepare, struct ls_err *err)
{
    struct ls_intent before = run->intent;
    memcpy(run->supersedes, before.id, sizeof(run->supersedes));
    ls_id_new(run->intent.id);
    enum ls_rc rc = journal(run, prepare, NULL, ls_monotonic_ms() + run->engine->claim_wait_ms, err);
    if (rc != LS_OK && rc != LS_OUTCOME_UNKNOWN) {
        run->intent = before;
        run->term = 0; /* is it still ours? */
    }
    run->supersedes[0] = '\0';
    return rc;
}

/* ---- whose intent it is ---- */

enum ls_rc ls_run_own(struct ls_run *run, struct ls_err *err)
{
    struct ls_engine *engine = run->engine;
    struct ls_catalog *cat = engine->catalog;
    struct ls_intent now;
    uint64_t term;
    enum ls_rc rc = cat->ops->instance_term(cat, &term, err);
    if (rc != LS_OK || term == run->term)
        return rc;
    /* Whoever takes over does so as the writer, and only from an instance that is dead then. */
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = cat->ops->intent_get(cat, tx, run->intent.id, &now, err);
    run->lost = rc == LS_NOT_FOUND || (rc == LS_OK && strcmp(now.instance, engine->instance) != 0);
    if (run->lost)
        return ls_err_set(err, LS_CONFLICT,
                          "engine: this host was cut off from the catalog, and another has taken its operation over");
    if (rc == LS_OK)
        run->term = term;
    return rc;
}

enum fate { FATE_UNKNOWN, FATE_FORWARD, FATE_BACK };

/* What became of an intent that is not in the journal any more. */
static enum fate look_up_fate(struct ls_run *run)
{
    json_t *args = run->intent.args[0] ? json_loads(run->intent.args, 0, NULL) : NULL;
    const char *from = json_string_value(json_object_get(args, "from"));
    const char *key = from ? from : run->n_items ? run->items[0].key : run->n_claims ? run->claims[0].path : NULL;
    bool forward;
    enum ls_rc rc = key ? ls_audit_find(run->engine, run->intent.id, key, &forward) : LS_NOT_FOUND;
    json_decref(args);
    return rc != LS_OK ? FATE_UNKNOWN : forward ? FATE_FORWARD : FATE_BACK;
}

/* ---- the end of a transaction ---- */

/* The intent is gone. That is how it looks when the transaction closed it; but in another term somebody else may have
 * settled it. */
static enum ls_rc resolve_gone(struct ls_run *run, enum ls_after after, struct ls_err *err)
{
    uint64_t term;
    if (after == LS_AFTER_OPEN)
        return ls_not_committed(err);
    if (run->engine->catalog->ops->instance_term(run->engine->catalog, &term, NULL) != LS_OK)
        return LS_OUTCOME_UNKNOWN;
    if (term == run->term)
        return after == LS_AFTER_CLOSED ? LS_OK : ls_not_committed(err);
    switch (look_up_fate(run)) {
    case FATE_FORWARD:
        return LS_OK;
    case FATE_BACK:
        return ls_not_committed(err);
    case FATE_UNKNOWN:
        break;
    }
    return LS_OUTCOME_UNKNOWN;
}

enum ls_rc ls_run_commit(struct ls_run *run, struct ls_tx *tx, enum ls_after after, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    enum ls_rc rc = cat->ops->commit(tx, err);
    if (rc != LS_OUTCOME_UNKNOWN || ls_waited_in_vain(err))
        return rc;
    struct ls_intent now;
    enum ls_rc asked = cat->ops->intent_get(cat, NULL, run->intent.id, &now, NULL);
    if (asked != LS_OK && asked != LS_NOT_FOUND)
        return LS_OUTCOME_UNKNOWN;
    if (asked == LS_NOT_FOUND)
        rc = resolve_gone(run, after, err);
    else
        rc = after == (now.state == LS_INTENT_COMMITTED ? LS_AFTER_COMMITTED : LS_AFTER_OPEN) ? LS_OK
                                                                                              : ls_not_committed(err);
    LS_LOG_WARN("engine", "commit-resolved", {"intent", ls_v_str(run->intent.id)},
                {"happened", ls_v_str(rc == LS_OK   ? "yes"
                                      : rc == LS_IO ? "no"
                                                    : "unknown")});
    return rc;
}

enum ls_rc ls_run_close_in(struct ls_run *run, struct ls_tx *tx, const char *outcome, const char *detail,
                           struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *open_tx = tx;
    enum ls_rc rc = ls_run_audit(run, tx, outcome, detail, err);
    if (rc == LS_OK)
        rc = cat->ops->intent_close(tx, run->intent.id, run->engine->instance, err);
    if (rc == LS_OK)
        rc = ls_run_commit(run, LS_STEAL(open_tx), LS_AFTER_CLOSED, err);
    if (rc == LS_OK)
        run->journaled = false;
    return rc;
}

enum ls_rc ls_run_commit_point(struct ls_run *run, struct ls_tx *tx, bool all_done, struct ls_err *err)
{
    LS_AUTO(ls_tx) struct ls_tx *open_tx = tx;
    enum ls_rc rc = tx->cat->ops->intent_commit(tx, run->intent.id, run->engine->instance, err);
    if (rc == LS_OK && all_done)
        rc = ls_run_close_in(run, LS_STEAL(open_tx), ls_run_outcome(run, true), NULL, err);
    else if (rc == LS_OK)
        rc = ls_run_commit(run, LS_STEAL(open_tx), LS_AFTER_COMMITTED, err);
    if (rc == LS_OK)
        run->intent.state = LS_INTENT_COMMITTED;
    return rc;
}

enum ls_rc ls_run_close(struct ls_run *run, const char *outcome, const char *detail, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    bool relaxed = run->intent.state == LS_INTENT_COMMITTED && !run->recovering;
    enum ls_rc rc = relaxed ? cat->ops->begin_relaxed(cat, &tx, err) : cat->ops->begin(cat, &tx, err);
    return rc == LS_OK ? ls_run_close_in(run, LS_STEAL(tx), outcome, detail, err) : rc;
}

const char *ls_run_outcome(const struct ls_run *run, bool forward)
{
    if (run->recovering)
        return forward ? "recovered forward" : "recovered back";
    return forward ? "done" : "undone";
}

void ls_run_leave_open(struct ls_run *run, const struct ls_err *why)
{
    if (!run->lost) /* who has taken it over does the rest */
        ls_leftover_add(run->engine, run->intent.id);
    LS_LOG_WARN("engine", "left-to-recovery", {"intent", ls_v_str(run->intent.id)},
                {"op", ls_v_str(ls_op_name(run->intent.op))}, {"why", ls_v_str(why->text)});
}

/* Whoever has lost the intent must not touch what it covers any more. */
static enum ls_rc settle_own(struct ls_run *run, bool *out_forward, struct ls_err *err)
{
    enum ls_rc rc = ls_run_own(run, err);
    return rc == LS_OK ? ls_settle(run, out_forward, err) : rc;
}

/* Is this what a row says of its object? Then somebody has taken it in. */
static bool is_recorded(struct ls_run *run, const char *key, const char *etag)
{
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    enum ls_rc rc = ls_catalog_image_get(run->engine->catalog, NULL, key, &page, NULL);
    return rc == LS_OK && page.items[0].record.known && strcmp(page.items[0].record.etag, etag) == 0;
}

/* Has an upload that was on its way while another host undid it arrived after that? It is known by the intent's id. A
 * copy is not: another may have done the same once more, and made the very same. */
static bool came_late(struct ls_run *run)
{
    struct ls_object_info info;
    if (run->intent.op != LS_OP_PUT || run->n_items == 0 || look_up_fate(run) != FATE_BACK)
        return false;
    const char *key = run->items[0].key;
    return ls_store_head_one(run->engine->store, key, &info, NULL) == LS_OK &&
           strcmp(info.meta.intent, run->intent.id) == 0 && !is_recorded(run, key, info.etag);
}

/* Write a lost intent into the journal once more, as ours, to be settled anew. LS_BUSY: others work there by now. */
static enum ls_rc write_anew(struct ls_run *run, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    enum ls_rc rc = cat->ops->instance_term(cat, &run->term, err);
    if (rc == LS_OK)
        rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = cat->ops->intent_add(tx, &run->intent, run->claims, run->n_claims, run->items, run->n_items, err);
    if (rc == LS_OK)
        rc = ls_run_commit(run, LS_STEAL(tx), LS_AFTER_OPEN, err);
    if (rc == LS_OK)
        run->lost = false;
    LS_LOG_WARN("engine", "came-late", {"intent", ls_v_str(run->intent.id)},
                {"settled", ls_v_str(rc == LS_OK ? "anew" : "no")}, {"why", ls_v_str(rc == LS_OK ? "" : err->text)},
                {"advice", ls_v_str(rc == LS_OK ? "" : "run a scan")});
    return rc;
}

/* Somebody else has settled the operation, or is at it. */
static enum ls_rc tell_lost(struct ls_run *run, struct ls_err *err)
{
    static const char *const did[] = {
        [FATE_UNKNOWN] = "settles", [FATE_FORWARD] = "has finished", [FATE_BACK] = "has undone"};
    enum fate fate = look_up_fate(run);
    LS_LOG_WARN("engine", "lost", {"intent", ls_v_str(run->intent.id)}, {"op", ls_v_str(ls_op_name(run->intent.op))},
                {"why", ls_v_str(err->text)});
    return ls_err_set(err, fate == FATE_BACK ? LS_CONFLICT : LS_OUTCOME_UNKNOWN,
                      "engine: this host was cut off from the catalog, and another %s this operation (intent %s)",
                      did[fate], run->intent.id);
}

/* A step failed with the intent in the journal. */
static enum ls_rc settle_failed(struct ls_run *run, enum ls_rc rc, struct ls_err *err)
{
    bool forward = false;
    struct ls_err why = LS_ERR_INIT;
    /* Whoever has waited for the store in vain need not wait again. */
    bool later = rc == LS_OUTCOME_UNKNOWN || ls_waited_in_vain(err);
    enum ls_rc settled = later || run->lost ? LS_OUTCOME_UNKNOWN : settle_own(run, &forward, &why);
    if (run->lost && came_late(run) && write_anew(run, &why) == LS_OK)
        settled = ls_settle(run, &forward, &why);
    if (run->lost)
        return tell_lost(run, err);
    if (settled == LS_OK && !forward)
        return rc;
    if (settled == LS_OK) {
        LS_LOG_WARN("engine", "finished-after-failure", {"intent", ls_v_str(run->intent.id)},
                    {"why", ls_v_str(err ? err->text : "")});
        if (err)
            ls_err_clear(err);
        return LS_OK;
    }
    ls_leftover_add(run->engine, run->intent.id);
    struct ls_err first = LS_ERR_INIT;
    if (err)
        first = *err;
    (void)ls_err_set(err, LS_OUTCOME_UNKNOWN, "%s; what was done is settled by the next recovery (intent %s)%s%s",
                     first.text, run->intent.id, why.text[0] ? ", because undoing it failed: " : "", why.text);
    if (err)
        err->http_status = first.http_status;
    return LS_OUTCOME_UNKNOWN;
}

enum ls_rc ls_run_end(struct ls_run *run, enum ls_rc rc, struct ls_err *err)
{
    if (rc != LS_OK && run->journaled) {
        struct ls_err local = LS_ERR_INIT;
        rc = settle_failed(run, rc, err ? err : &local);
    }
    ls_stats_count(run->engine, run->intent.op, rc, run->intent.created_ns);
    ls_run_dispose(run);
    ls_engine_leave(run->engine);
    return rc;
}
