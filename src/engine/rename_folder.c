/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rename of a product, weight or type folder: every object copied, all rows changed in one transaction, sources
 * removed.
 *
 * Items: a COPY for each image row below the folder, in key order, then TRASH of orphans that lie in the way. The
 * commit re-reads the rows and fails with LS_CONFLICT when they are not those of the items any more. weight: the
 * variant row itself is renamed and keeps its id. A row of the variant whose key lies elsewhere (misfiled) follows in
 * its product and weight columns, its key and object stay where they are. product: the product row is renamed, its
 * variants follow. type:   images change their type, and their variant where the folder moves to another. Objects
 * without a row below the folder stay where they are: they are orphans, a scan reports them. An existing empty folder
 * at the destination is replaced. args: {"from", "to"}.
 */
#include "engine/rename.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ROWS_AT_ONCE 500

struct folder_op {
    struct ls_folder_parts from, to;
    unsigned flags;
};

/* ---- the journal ---- */

static enum ls_rc check_destination(struct ls_run *run, struct ls_tx *tx, bool *out_exists, struct ls_err *err)
{
    const struct folder_op *op = run->op;
    bool empty = true;
    enum ls_rc rc = ls_folder_exists(run->engine, tx, &op->to, out_exists, err);
    if (rc == LS_OK && *out_exists && (op->flags & LS_RENAME_NOREPLACE))
        return ls_err_set(err, LS_EXISTS, "engine: rename %s to %s: there is a folder of this name", op->from.path,
                          op->to.path);
    if (rc == LS_OK && *out_exists)
        rc = ls_folder_empty(run->engine, tx, &op->to, &empty, err);
    if (rc == LS_OK && !empty)
        return ls_err_set(err, LS_NOT_EMPTY, "engine: rename %s to %s: the destination is not empty", op->from.path,
                          op->to.path);
    if (rc == LS_OK && !(op->flags & LS_RENAME_MAKE_PARENTS))
        rc = ls_folder_parent_check(run->engine, tx, &op->to, err);
    return rc;
}

/* The key of an image after the rename. */
static char *moved_key(struct ls_run *run, struct ls_pool *pool, const char *key)
{
    const struct folder_op *op = run->op;
    return ls_pool_join(pool, op->to.below, key + strlen(op->from.below));
}

static enum ls_rc add_row(struct ls_run *run, const struct ls_image *row, struct ls_err *err)
{
    const char *dest = moved_key(run, &run->pool, row->key), *etag;
    uint64_t size_bytes;
    if (!dest)
        return ls_err_nomem(err);
    if (ls_layout_parse(run->engine->layout, dest, strlen(dest), &(struct ls_key_parts){0}) != LS_KEY_FITS)
        return ls_err_set(err, LS_INVALID, "engine: rename of %s: %s would be no place for an image", row->key, dest);
    enum ls_rc rc = ls_run_row_object(run, row, &etag, &size_bytes, err);
    const struct ls_seen *there = ls_run_seen(run, dest);
    if (rc != LS_OK || run->n_wants > 0)
        return rc;
    if (!etag)
        return ls_err_set(err, LS_CONFLICT, "engine: rename of %s: its object is not there; a scan says more",
                          row->key);
    return ls_copies_add(run, row->key, dest, etag, size_bytes, &row->record, there->rc == LS_OK ? there->etag : NULL,
                         NULL, err);
}

static enum ls_rc add_orphans(struct ls_run *run, struct ls_err *err)
{
    size_t n = run->n_items;
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        if (run->items[i].dest_etag)
            rc = ls_orphan_add(run, ls_run_seen(run, run->items[i].dest), err);
    return rc;
}

static enum ls_rc prepare(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct folder_op *op = run->op;
    bool exists = false, dest_exists = false;
    enum ls_rc rc = ls_folder_exists(run->engine, tx, &op->from, &exists, err);
    if (rc == LS_OK && !exists)
        return ls_err_set(err, LS_NOT_FOUND, "engine: rename %s: there is no such folder", op->from.path);
    if (rc == LS_OK)
        rc = check_destination(run, tx, &dest_exists, err);
    const char *after = op->from.below;
    while (rc == LS_OK) {
        LS_AUTO(ls_image_page) struct ls_image_page page = {0};
        rc = tx->cat->ops->image_page(tx->cat, tx, after, op->from.beyond, ROWS_AT_ONCE, &page, err);
        for (size_t i = 0; rc == LS_OK && i < page.n; i++)
            rc = add_row(run, &page.items[i], err);
        if (rc != LS_OK || page.n < ROWS_AT_ONCE)
            break;
        after = ls_pool_str(&run->pool, page.items[page.n - 1].key);
        if (!after)
            return ls_err_nomem(err);
    }
    if (rc == LS_OK && run->n_wants == 0)
        rc = add_orphans(run, err);
    ls_run_args(run, json_pack("{s:s, s:s}", "from", op->from.path, "to", op->to.path));
    return rc;
}

/* ---- the commit ---- */

/* Rename the folder's own row. A folder that only images imply has none; its images' rows make one. */
static enum ls_rc rename_own_row(struct ls_run *run, struct ls_tx *tx, struct ls_variant *out_variant,
                                 struct ls_err *err)
{
    const struct folder_op *op = run->op;
    const struct ls_catalog_ops *ops = tx->cat->ops;
    bool exists = false;
    enum ls_rc rc = LS_OK;
    out_variant->id[0] = '\0';
    if (op->from.level == LS_LEVEL_PRODUCT) {
        rc = ops->product_exists(tx->cat, tx, op->from.product, &exists, err);
        return rc == LS_OK && exists ? ops->product_rename(tx, op->from.product, op->to.product, err) : rc;
    }
    if (op->from.level == LS_LEVEL_TYPE)
        return LS_OK;
    rc = ops->product_exists(tx->cat, tx, op->to.product, &exists, err);
    if (rc == LS_OK && !exists) /* make_parents, or it would have been refused */
        rc = ops->product_add(tx, op->to.product, err);
    if (rc != LS_OK)
        return rc;
    rc = ops->variant_get(tx->cat, tx, op->from.product, op->from.weight, out_variant, err);
    if (rc != LS_OK)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    snprintf(out_variant->product, sizeof(out_variant->product), "%s", op->to.product);
    snprintf(out_variant->weight, sizeof(out_variant->weight), "%s", op->to.weight);
    return ops->variant_set(tx, out_variant, err);
}

/* The variant that an image belongs to at its new place; mostly the one it has. `cache` is the last one looked up. */
static enum ls_rc variant_for(struct ls_run *run, struct ls_tx *tx, const struct ls_image *row,
                              const struct ls_place *place, struct ls_variant *cache, struct ls_err *err)
{
    if (row->variant_id && ls_same(row->variant_product, place->product) &&
        ls_same(row->variant_weight_now, place->weight)) {
        snprintf(cache->id, sizeof(cache->id), "%s", row->variant_id);
        snprintf(cache->product, sizeof(cache->product), "%s", place->product);
        snprintf(cache->weight, sizeof(cache->weight), "%s", place->weight);
        return LS_OK;
    }
    if (cache->id[0] && strcmp(cache->product, place->product) == 0 && strcmp(cache->weight, place->weight) == 0)
        return LS_OK;
    return ls_variant_ensure(run->engine, tx, place->product, place->weight, true, cache, err);
}

static enum ls_rc move_row(struct ls_run *run, struct ls_tx *tx, struct ls_pool *pool, const struct ls_image *row,
                           size_t at, struct ls_variant *cache, struct ls_image_write *out, struct ls_err *err)
{
    const struct ls_intent_item *item = at < run->n_items ? &run->items[at] : NULL;
    if (!item || item->action != LS_ACTION_COPY || strcmp(item->key, row->key) != 0)
        return ls_err_set(err, LS_CONFLICT, "engine: rename of %s: the folder's images were changed meanwhile",
                          row->key);
    if (row->record.known && !ls_same(row->record.etag, item->old_etag))
        return ls_err_set(err, LS_CONFLICT, "engine: rename of %s: its row was changed meanwhile", row->key);
    struct ls_place place;
    enum ls_rc rc = ls_place_of(run->engine, pool, item->dest, &place, err);
    if (rc == LS_OK)
        rc = variant_for(run, tx, row, &place, cache, err);
    if (rc != LS_OK)
        return rc;
    *out = (struct ls_image_write){.old_key = item->key, .image = *row};
    ls_copied_record(&out->image.record, row->record.known ? NULL : ls_run_seen(run, row->key), run->extra[at].etag,
                     item->size_bytes);
    ls_place_apply(&place, cache, &out->image);
    out->image.variant_id = ls_pool_str(pool, cache->id);
    return out->image.variant_id ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc move_rows(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct folder_op *op = run->op;
    LS_AUTO(ls_free) struct ls_image_write *writes = calloc(ROWS_AT_ONCE, sizeof(*writes));
    struct ls_variant cache = {.id = ""};
    size_t at = 0;
    if (!writes)
        return ls_err_nomem(err);
    for (;;) {
        LS_AUTO(ls_pool) struct ls_pool pool = {0};
        LS_AUTO(ls_image_page) struct ls_image_page page = {0};
        /* Rows that were moved lie elsewhere, so the first page is always the next one. */
        enum ls_rc rc =
            tx->cat->ops->image_page(tx->cat, tx, op->from.below, op->from.beyond, ROWS_AT_ONCE, &page, err);
        for (size_t i = 0; rc == LS_OK && i < page.n; i++)
            rc = move_row(run, tx, &pool, &page.items[i], at++, &cache, &writes[i], err);
        if (rc == LS_OK && page.n > 0)
            rc = tx->cat->ops->images_write(tx, writes, page.n, err);
        if (rc != LS_OK)
            return rc;
        if (page.n == 0)
            break;
    }
    if (at < run->n_items && run->items[at].action == LS_ACTION_COPY)
        return ls_err_set(err, LS_CONFLICT, "engine: rename of %s: its row was removed meanwhile", run->items[at].key);
    return LS_OK;
}

/* Rows of the renamed variant whose keys lie elsewhere: only their columns follow. */
static enum ls_rc move_misfiled(struct ls_run *run, struct ls_tx *tx, const struct ls_variant *variant,
                                struct ls_err *err)
{
    const struct folder_op *op = run->op;
    LS_AUTO(ls_pool) struct ls_pool pool = {0};
    const char *after = "";
    for (;;) {
        LS_AUTO(ls_image_page) struct ls_image_page page = {0};
        enum ls_rc rc = tx->cat->ops->variant_images(tx->cat, tx, variant->id, after, ROWS_AT_ONCE, &page, err);
        for (size_t i = 0; rc == LS_OK && i < page.n; i++) {
            struct ls_image_write write = {.old_key = page.items[i].key, .image = page.items[i]};
            if (strncmp(page.items[i].key, op->to.below, strlen(op->to.below)) == 0)
                continue;
            write.image.weight = op->to.weight;
            if (ls_same(write.image.product, op->from.product))
                write.image.product = op->to.product;
            rc = tx->cat->ops->images_write(tx, &write, 1, err);
        }
        if (rc != LS_OK || page.n < ROWS_AT_ONCE)
            return rc;
        after = ls_pool_str(&pool, page.items[page.n - 1].key);
        if (!after)
            return ls_err_nomem(err);
    }
}

static enum ls_rc change_rows(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct folder_op *op = run->op;
    struct ls_variant variant;
    bool exists = false, replaced = false;
    enum ls_rc rc = ls_folder_exists(run->engine, tx, &op->from, &exists, err);
    if (rc == LS_OK && !exists)
        return ls_err_set(err, LS_CONFLICT, "engine: rename %s: somebody else removed it meanwhile", op->from.path);
    if (rc == LS_OK)
        rc = check_destination(run, tx, &replaced, err);
    if (rc == LS_OK && replaced)
        rc = ls_folder_drop(run->engine, tx, &op->to, err);
    if (rc == LS_OK)
        rc = rename_own_row(run, tx, &variant, err);
    if (rc == LS_OK)
        rc = move_rows(run, tx, err);
    if (rc == LS_OK && variant.id[0])
        rc = move_misfiled(run, tx, &variant, err);
    if (rc == LS_OK)
        rc = tx->cat->ops->folder_rename(tx, op->from.path, op->to.path, err);
    return rc == LS_OK ? ls_orphans_record(run, tx, "orphaned", err) : rc;
}

static enum ls_rc commit_rename(struct ls_run *run, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = change_rows(run, tx, err);
    return rc == LS_OK ? ls_run_commit_point(run, LS_STEAL(tx), run->n_items == 0, err) : rc;
}

static enum ls_rc finish(struct ls_run *run, struct ls_err *err)
{
    const char *detail = NULL;
    if (!run->journaled)
        return LS_OK;
    enum ls_rc rc = ls_copies_remove_sources(run, &detail, err);
    if (rc == LS_OK)
        rc = STEP(run, "rename_folder.deleted", err);
    return rc == LS_OK ? ls_run_close(run, ls_run_outcome(run, true), detail, err) : rc;
}

static enum ls_rc undone(struct ls_err *err) { return SETTLE_STEP("rename_folder.undone", err); }

enum ls_rc ls_rename_folder_settle(struct ls_run *run, struct ls_err *err)
{
    return run->intent.state == LS_INTENT_COMMITTED ? finish(run, err) : ls_copies_undo(run, undone, err);
}

/* ---- the call ---- */

static enum ls_rc copied(struct ls_err *err) { return OP_STEP("rename_folder.copied", err); }

static enum ls_rc rename_steps(struct ls_run *run, const char *from, const char *to, struct ls_err *err)
{
    struct ls_engine *engine = run->engine;
    struct folder_op *op = run->op;
    enum ls_rc rc = ls_folder_parse(engine, &run->pool, from, &op->from, err);
    if (rc == LS_OK)
        rc = ls_folder_parse(engine, &run->pool, to, &op->to, err);
    if (rc == LS_OK && op->from.level != op->to.level)
        return ls_err_set(err, LS_INVALID, "engine: rename %s to %s: both must be of the same level", from, to);
    if (rc == LS_OK)
        rc = ls_run_claim(run, op->from.below, true, err);
    if (rc == LS_OK)
        rc = ls_run_claim(run, op->to.below, true, err);
    if (rc == LS_OK)
        rc = ls_run_begin(run, prepare, NULL, err);
    if (rc == LS_OK)
        rc = OP_STEP("rename_folder.intent_written", err);
    if (rc == LS_OK)
        rc = ls_orphans_copy(run, err);
    if (rc == LS_OK)
        rc = OP_STEP("rename_folder.orphans_copied", err);
    if (rc == LS_OK)
        rc = ls_copies_run(run, copied, err);
    return rc == LS_OK ? commit_rename(run, err) : rc;
}

enum ls_rc ls_rename_folder(struct ls_engine *engine, const char *from, const char *to, unsigned flags,
                            struct ls_err *err)
{
    struct folder_op op = {.flags = flags};
    struct ls_run run;
    if (strcmp(from, to) == 0)
        return LS_OK;
    ls_engine_enter(engine);
    ls_run_init(&run, engine, LS_OP_RENAME, &op);
    enum ls_rc rc = rename_steps(&run, from, to, err);
    if (rc == LS_OK) {
        struct ls_err why = LS_ERR_INIT;
        enum ls_rc rest = OP_STEP("rename_folder.committed", &why);
        if (rest == LS_OK)
            rest = finish(&run, &why);
        if (rest == LS_OK)
            rest = OP_STEP("rename_folder.closed", &why);
        if (rest != LS_OK && run.journaled)
            ls_run_leave_open(&run, &why);
    }
    return ls_run_end(&run, rc, err);
}
