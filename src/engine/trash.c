/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The trash: putting objects back and purging. (Moving them there is discard.c.)
 *
 * A trashed object lies at `.lockstep/trash/<id>/<key>`.
 *   restore: a COPY item back; as a rename from the trash key.
 *   purge:   DELETE items; the objects first, then the trash rows: always forward.
 */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define PURGE_AT_ONCE 500

static void trash_id(const char *trash_key, char out[LS_INTENT_ID_LEN])
{
    snprintf(out, LS_INTENT_ID_LEN, "%s", trash_key + strlen(LS_INTERNAL_PREFIX "trash/"));
}

/* ---- restore ---- */

struct restore_op {
    const struct ls_trash *trash;
};

/* The trash row of an id; the page owns it. */
static enum ls_rc find_trash(struct ls_engine *engine, struct ls_tx *tx, const char *id, struct ls_trash_page *out,
                             const struct ls_trash **out_item, struct ls_err *err)
{
    char after[LS_INTENT_ID_LEN];
    snprintf(after, sizeof(after), "%s", id);
    if (after[0])
        after[strlen(after) - 1] = '\0'; /* sorts before it, with few ids between */
    enum ls_rc rc = engine->catalog->ops->trash_page(engine->catalog, tx, after, "", 256, out, err);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < out->n; i++)
        if (strcmp(out->items[i].id, id) == 0) {
            *out_item = &out->items[i];
            return LS_OK;
        }
    return ls_err_set(err, LS_NOT_FOUND, "engine: trash %s: there is no such item", id);
}

static enum ls_rc prepare_restore(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct ls_trash *trash = ((const struct restore_op *)run->op)->trash, *still;
    LS_AUTO(ls_trash_page) struct ls_trash_page page = {0};
    LS_AUTO(ls_image_page) struct ls_image_page row = {0};
    struct ls_image image = {.key = trash->key};
    enum ls_rc rc = find_trash(run->engine, tx, trash->id, &page, &still, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_catalog_image_get(run->engine->catalog, tx, trash->key, &row, err);
    if (rc != LS_OK && rc != LS_NOT_FOUND)
        return rc;
    const struct ls_seen *seen = ls_run_seen(run, trash->key);
    if (rc == LS_OK || (seen && seen->rc == LS_OK))
        return ls_err_set(err, LS_EXISTS, "engine: restore %s: there is something of this name", trash->key);
    if (!seen)
        return LS_OK;
    rc = trash->row ? ls_image_from_json(trash->row, trash->key, &run->pool, &image, err) : LS_OK;
    return rc == LS_OK ? ls_copies_add(run, trash->trash_key, trash->key, trash->etag, trash->size_bytes, &image.record,
                                       NULL, ls_pool_str(&run->pool, trash->row), err)
                       : rc;
}

static enum ls_rc commit_restore(struct ls_run *run, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    const struct ls_intent_item *item = &run->items[0];
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    char id[LS_INTENT_ID_LEN];
    trash_id(item->key, id);
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK && item->row) {
        struct ls_image image;
        rc = ls_image_from_json(item->row, item->dest, &run->pool, &image, err);
        if (rc == LS_OK)
            memcpy(image.record.etag, run->extra[0].etag, sizeof(image.record.etag));
        if (rc == LS_OK)
            rc = ls_row_bring_back(run->engine, tx, &image, err);
    }
    if (rc == LS_OK)
        rc = cat->ops->trash_remove(tx, id, err);
    return rc == LS_OK ? ls_run_commit_point(run, LS_STEAL(tx), false, err) : rc;
}

static enum ls_rc finish_restore(struct ls_run *run, struct ls_err *err)
{
    const char *detail = NULL;
    enum ls_rc rc = ls_copies_remove_sources(run, &detail, err);
    if (rc == LS_OK)
        rc = STEP(run, "restore.deleted", err);
    return rc == LS_OK ? ls_run_close(run, ls_run_outcome(run, true), detail, err) : rc;
}

static enum ls_rc restore_undone(struct ls_err *err) { return SETTLE_STEP("restore.undone", err); }

enum ls_rc ls_restore_settle(struct ls_run *run, struct ls_err *err)
{
    return run->intent.state == LS_INTENT_COMMITTED ? finish_restore(run, err)
                                                    : ls_copies_undo(run, restore_undone, err);
}

static enum ls_rc restored(struct ls_err *err) { return OP_STEP("restore.copied", err); }

static enum ls_rc restore_steps(struct ls_run *run, const struct ls_trash *trash, struct ls_err *err)
{
    enum ls_rc rc = ls_run_claim(run, trash->key, false, err);
    if (rc == LS_OK)
        rc = ls_run_claim(run, trash->trash_key, false, err);
    if (rc == LS_OK)
        rc = ls_run_begin(run, prepare_restore, NULL, err);
    if (rc == LS_OK)
        rc = OP_STEP("restore.intent_written", err);
    if (rc == LS_OK)
        rc = ls_copies_run(run, restored, err);
    return rc == LS_OK ? commit_restore(run, err) : rc;
}

enum ls_rc ls_engine_trash_restore(struct ls_engine *engine, const char *id, struct ls_err *err)
{
    LS_AUTO(ls_trash_page) struct ls_trash_page page = {0};
    struct restore_op op = {0};
    struct ls_run run;
    enum ls_rc rc = find_trash(engine, NULL, id, &page, &op.trash, err);
    if (rc != LS_OK)
        return rc;
    ls_engine_enter(engine);
    ls_run_init(&run, engine, LS_OP_RESTORE, &op);
    rc = restore_steps(&run, op.trash, err);
    if (rc == LS_OK) {
        struct ls_err why = LS_ERR_INIT;
        enum ls_rc rest = OP_STEP("restore.committed", &why);
        if (rest == LS_OK)
            rest = finish_restore(&run, &why);
        if (rest == LS_OK)
            rest = OP_STEP("restore.closed", &why);
        if (rest != LS_OK && run.journaled)
            ls_run_leave_open(&run, &why);
    }
    return ls_run_end(&run, rc, err);
}

/* ---- purge ---- */

struct purge_op {
    const struct ls_trash_page *page;
    int64_t before_ns;
};

static enum ls_rc prepare_purge(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct purge_op *op = run->op;
    enum ls_rc rc = LS_OK;
    run->n_claims = 0;
    for (size_t i = 0; rc == LS_OK && i < op->page->n; i++) {
        const struct ls_trash *trash = &op->page->items[i];
        bool covered = false;
        if (trash->at_ns >= op->before_ns)
            continue;
        rc = tx->cat->ops->intents_cover(tx->cat, tx, &trash->trash_key, 1, &covered, err);
        if (rc != LS_OK || covered) /* being restored */
            continue;
        struct ls_intent_item item = {
            .action = LS_ACTION_DELETE, .key = trash->trash_key, .size_bytes = trash->size_bytes};
        rc = ls_run_claim(run, trash->trash_key, false, err);
        if (rc == LS_OK && !ls_run_item(run, &item))
            rc = ls_err_nomem(err);
    }
    return rc;
}

/* Remove the objects, then the rows of those that are gone, and close. */
static enum ls_rc finish_purge(struct ls_run *run, uint64_t *out_removed, struct ls_err *why, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_free) struct ls_remove_object *gone = calloc(run->n_items + 1, sizeof(*gone));
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    if (!gone)
        return ls_err_nomem(err);
    for (size_t i = 0; i < run->n_items; i++)
        gone[i].key = run->items[i].key;
    ls_remove_objects(run, gone, run->n_items, false, why);
    enum ls_rc rc = STEP(run, "purge.deleted", err);
    if (rc == LS_OK)
        rc = cat->ops->begin(cat, &tx, err);
    *out_removed = 0;
    for (size_t i = 0; rc == LS_OK && i < run->n_items; i++) {
        char id[LS_INTENT_ID_LEN];
        if (gone[i].result != LS_REMOVAL_DONE)
            continue;
        trash_id(gone[i].key, id);
        rc = cat->ops->trash_remove(tx, id, err);
        ++*out_removed;
    }
    return rc == LS_OK ? ls_run_close_in(run, LS_STEAL(tx), ls_run_outcome(run, true), NULL, err) : rc;
}

enum ls_rc ls_purge_settle(struct ls_run *run, bool *out_forward, struct ls_err *err)
{
    uint64_t removed;
    struct ls_err why = LS_ERR_INIT;
    *out_forward = true;
    return finish_purge(run, &removed, &why, err);
}

static enum ls_rc purge_page(struct ls_engine *engine, const struct ls_trash_page *page, int64_t before_ns,
                             uint64_t *out_removed, struct ls_err *err)
{
    struct purge_op op = {.page = page, .before_ns = before_ns};
    struct ls_run run;
    struct ls_err why = LS_ERR_INIT;
    ls_engine_enter(engine);
    ls_run_init(&run, engine, LS_OP_PURGE, &op);
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; rc == LS_OK && i < page->n; i++)
        rc = ls_run_claim(&run, page->items[i].trash_key, false, err);
    if (rc == LS_OK)
        rc = ls_run_begin(&run, prepare_purge, NULL, err);
    if (rc == LS_OK)
        rc = OP_STEP("purge.intent_written", err);
    if (rc == LS_OK)
        rc = finish_purge(&run, out_removed, &why, err);
    if (rc == LS_OK && OP_STEP("purge.closed", NULL) != LS_OK)
        LS_LOG_WARN("engine", "fail-point-after-the-end", {"op", ls_v_str("purge")});
    rc = ls_run_end(&run, rc, err);
    if (rc == LS_OK && why.rc != LS_OK) { /* those rows stay */
        rc = why.rc;
        if (err)
            *err = why;
    }
    return rc;
}

enum ls_rc ls_engine_trash_purge(struct ls_engine *engine, int64_t before_ns, const char *key_prefix,
                                 uint64_t *out_removed, struct ls_err *err)
{
    char after[LS_INTENT_ID_LEN] = "";
    enum ls_rc rc = LS_OK;
    bool more = true;
    *out_removed = 0;
    while (rc == LS_OK && more) {
        LS_AUTO(ls_trash_page) struct ls_trash_page page = {0};
        uint64_t removed = 0;
        rc = ls_engine_cancelled(engine, err);
        if (rc == LS_OK)
            rc = engine->catalog->ops->trash_page(engine->catalog, NULL, after, key_prefix, PURGE_AT_ONCE, &page, err);
        if (rc != LS_OK || page.n == 0)
            break;
        memcpy(after, page.items[page.n - 1].id, sizeof(after));
        more = page.n == PURGE_AT_ONCE;
        rc = purge_page(engine, &page, before_ns, &removed, err);
        *out_removed += removed;
    }
    return rc;
}
