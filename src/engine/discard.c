/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Discard: objects without a row go to trash, many in one intent.
 *
 * TRASH items; COPY, commit (trash rows), DELETE of the source if it still has its etag. Item's done: 1 = committed,
 * its source goes; 0 = its copy goes. Undone before the commit by removing the copies: a trash key has a new id in it,
 * so whatever lies there is ours. Each of the caller's items has a result of its own.
 */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

struct discard_op {
    struct ls_mend_item **items;
    size_t n;
    size_t *at; /* the intent item of each, or SIZE_MAX */
};

static enum ls_rc check_discard(struct ls_run *run, struct ls_mend_item *mend, bool covered, bool has_row)
{
    if (covered)
        return ls_err_set(&mend->err, LS_BUSY, "engine: %s: another operation is working on it", mend->key);
    if (has_row)
        return ls_err_set(&mend->err, LS_CONFLICT, "engine: %s: it has a row now", mend->key);
    const struct ls_seen *seen = ls_run_seen(run, mend->key);
    if (!seen)
        return LS_OK;
    if (seen->rc != LS_OK)
        return ls_err_set(&mend->err, LS_CONFLICT, "engine: %s: the object is gone", mend->key);
    if (!ls_same(seen->etag, mend->object_etag))
        return ls_err_set(&mend->err, LS_CONFLICT, "engine: %s: the object was changed since", mend->key);
    return LS_OK;
}

static bool page_has(const struct ls_image_page *page, const char *key)
{
    for (size_t i = 0; i < page->n; i++)
        if (strcmp(page->items[i].key, key) == 0)
            return true;
    return false;
}

static enum ls_rc prepare_discard(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    struct discard_op *op = run->op;
    LS_AUTO(ls_free) const char **keys = calloc(op->n, sizeof(char *));
    LS_AUTO(ls_free) bool *covered = calloc(op->n, sizeof(bool));
    LS_AUTO(ls_image_page) struct ls_image_page rows = {0};
    if (!keys || !covered)
        return ls_err_nomem(err);
    for (size_t i = 0; i < op->n; i++)
        keys[i] = op->items[i]->key;
    enum ls_rc rc = tx->cat->ops->intents_cover(tx->cat, tx, keys, op->n, covered, err);
    if (rc == LS_OK)
        rc = tx->cat->ops->images_get(tx->cat, tx, keys, op->n, &rows, err);
    run->n_claims = 0; /* only of those that take part */
    for (size_t i = 0; rc == LS_OK && i < op->n; i++) {
        struct ls_mend_item *mend = op->items[i];
        op->at[i] = SIZE_MAX;
        mend->rc = check_discard(run, mend, covered[i], page_has(&rows, mend->key));
        if (mend->rc != LS_OK || run->n_wants > 0)
            continue;
        op->at[i] = run->n_items;
        rc = ls_run_claim(run, mend->key, false, err);
        if (rc == LS_OK)
            rc = ls_orphan_add(run, ls_run_seen(run, mend->key), err);
    }
    return rc;
}

static enum ls_rc copy_to_trash(struct ls_run *run, struct ls_err *err)
{
    struct discard_op *op = run->op;
    LS_AUTO(ls_free) struct ls_store_copy *copies = calloc(run->n_items + 1, sizeof(*copies));
    if (!copies)
        return ls_err_nomem(err);
    for (size_t i = 0; i < run->n_items; i++)
        copies[i] = (struct ls_store_copy){.from = run->items[i].key,
                                           .to = run->items[i].dest,
                                           .if_etag = run->items[i].old_etag,
                                           .size_bytes = run->items[i].size_bytes};
    enum ls_rc rc = ls_run_own(run, err);
    if (rc != LS_OK)
        return rc;
    enum ls_rc all = ls_store_copy_many(run->engine->store, copies, run->n_items, NULL);
    for (size_t i = 0; i < op->n; i++) {
        if (op->at[i] == SIZE_MAX)
            continue;
        const struct ls_store_copy *copy = &copies[op->at[i]];
        struct ls_mend_item *mend = op->items[i];
        mend->rc = all == LS_OK ? LS_OK : copy->rc == LS_NOT_FOUND ? LS_CONFLICT : copy->rc;
        if (mend->rc == LS_OK)
            memcpy(run->extra[op->at[i]].etag, copy->etag, sizeof(copy->etag));
        else
            mend->err = copy->err;
    }
    return LS_OK;
}

/* The commit: of those that were copied and still have no row. */
static enum ls_rc commit_discard(struct ls_run *run, struct ls_err *err)
{
    struct discard_op *op = run->op;
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    for (size_t i = 0; rc == LS_OK && i < op->n; i++) {
        struct ls_mend_item *mend = op->items[i];
        LS_AUTO(ls_image_page) struct ls_image_page row = {0};
        if (op->at[i] == SIZE_MAX || mend->rc != LS_OK)
            continue;
        struct ls_intent_item *item = &run->items[op->at[i]];
        rc = ls_catalog_image_get(cat, tx, mend->key, &row, err);
        if (rc == LS_OK) {
            mend->rc = ls_err_set(&mend->err, LS_CONFLICT, "engine: %s: it has a row now", mend->key);
            run->extra[op->at[i]].etag[0] = '\0';
            continue;
        }
        item->done = 1;
        if (rc == LS_NOT_FOUND)
            rc = cat->ops->intent_item_set(tx, run->intent.id, item, err);
    }
    if (rc == LS_OK)
        rc = ls_orphans_record(run, tx, op->n ? op->items[0]->reason : "orphaned", err);
    return rc == LS_OK ? ls_run_commit_point(run, LS_STEAL(tx), false, err) : rc;
}

/* Remove what remains: sources of committed items, trash copies of the others. results (n_items) may be NULL. */
static enum ls_rc finish_discard(struct ls_run *run, struct ls_remove_object *gone, struct ls_err *err)
{
    struct ls_err why = LS_ERR_INIT;
    size_t failed = 0, kept = 0;
    for (size_t i = 0; i < run->n_items; i++) {
        const struct ls_intent_item *item = &run->items[i];
        gone[i] = item->done ? (struct ls_remove_object){.key = item->key, .etag = item->old_etag}
                             : (struct ls_remove_object){.key = item->dest};
    }
    ls_remove_objects(run, gone, run->n_items, true, &why);
    for (size_t i = 0; i < run->n_items; i++) {
        failed += gone[i].result == LS_REMOVAL_FAILED;
        kept += gone[i].result != LS_REMOVAL_DONE;
    }
    enum ls_rc rc = STEP(run, "discard.deleted", err);
    if (rc == LS_OK && failed > 0) {
        if (err)
            *err = why;
        return why.rc != LS_OK ? why.rc : LS_IO;
    }
    return rc == LS_OK
               ? ls_run_close(run, ls_run_outcome(run, true), kept ? "some objects could not be removed" : NULL, err)
               : rc;
}

enum ls_rc ls_discard_settle(struct ls_run *run, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_remove_object *gone = calloc(run->n_items + 1, sizeof(*gone));
    if (!gone)
        return ls_err_nomem(err);
    if (run->intent.state == LS_INTENT_COMMITTED)
        return finish_discard(run, gone, err);
    struct ls_err why = LS_ERR_INIT;
    for (size_t i = 0; i < run->n_items; i++)
        gone[i] = (struct ls_remove_object){.key = run->items[i].dest};
    ls_remove_objects(run, gone, run->n_items, false, &why);
    for (size_t i = 0; i < run->n_items; i++)
        if (gone[i].result != LS_REMOVAL_DONE) {
            if (err)
                *err = why;
            return why.rc != LS_OK ? why.rc : LS_IO;
        }
    enum ls_rc rc = SETTLE_STEP("discard.undone", err);
    return rc == LS_OK ? ls_run_close(run, ls_run_outcome(run, false), NULL, err) : rc;
}

/* What each caller's item hears of the last step. */
static void report_discard(struct discard_op *op, const struct ls_remove_object *gone, const struct ls_err *why)
{
    for (size_t i = 0; i < op->n; i++) {
        struct ls_mend_item *mend = op->items[i];
        if (op->at[i] == SIZE_MAX || mend->rc != LS_OK)
            continue;
        enum ls_removal result = gone[op->at[i]].result;
        if (result == LS_REMOVAL_DENIED)
            mend->rc =
                ls_err_set(&mend->err, LS_DENIED, "engine: %s: it is in trash, but stays: %s", mend->key, why->text);
        if (result == LS_REMOVAL_FOREIGN || result == LS_REMOVAL_ROW)
            mend->rc = ls_err_set(&mend->err, LS_CONFLICT, "engine: %s: somebody else changed it meanwhile", mend->key);
    }
}

static enum ls_rc discard_steps(struct ls_run *run, struct ls_err *err)
{
    struct discard_op *op = run->op;
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; rc == LS_OK && i < op->n; i++)
        rc = ls_run_claim(run, op->items[i]->key, false, err);
    if (rc == LS_OK)
        rc = ls_run_begin(run, prepare_discard, NULL, err);
    if (rc == LS_OK)
        rc = OP_STEP("discard.intent_written", err);
    if (rc == LS_OK)
        rc = copy_to_trash(run, err);
    if (rc == LS_OK)
        rc = OP_STEP("discard.copied", err);
    return rc == LS_OK ? commit_discard(run, err) : rc;
}

enum ls_rc ls_discard_many(struct ls_engine *engine, struct ls_mend_item **items, size_t n, struct ls_err *err)
{
    LS_AUTO(ls_free) size_t *at = calloc(n + 1, sizeof(*at));
    LS_AUTO(ls_free) struct ls_remove_object *gone = calloc(n + 1, sizeof(*gone));
    struct discard_op op = {.items = items, .n = n, .at = at};
    struct ls_run run;
    if (!at || !gone)
        return ls_err_nomem(err);
    ls_engine_enter(engine);
    ls_run_init(&run, engine, LS_OP_DISCARD, &op);
    enum ls_rc rc = discard_steps(&run, err);
    if (rc == LS_OK) {
        struct ls_err why = LS_ERR_INIT;
        enum ls_rc rest = OP_STEP("discard.committed", &why);
        if (rest == LS_OK)
            rest = finish_discard(&run, gone, &why);
        if (rest == LS_OK)
            rest = OP_STEP("discard.closed", &why);
        if (rest != LS_OK && run.journaled)
            ls_run_leave_open(&run, &why);
        else
            report_discard(&op, gone, &why);
    }
    return ls_run_end(&run, rc, err);
}
