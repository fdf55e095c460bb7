/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Remove: rows first, all in one transaction with an intent that is committed from the start, then their objects.
 *
 * The transaction decides the outcome, so an object that cannot be deleted just now is left to the recovery and the
 * call has succeeded. A store that refuses for good (no permission, object lock) is the exception: those rows come back
 * from the copies in the intent, in one transaction, and the caller gets the error. Item's done: 1 = its row came back.
 * A variant is removed the same way, with every image of it wherever its key is.
 */
#include "engine/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ROWS_AT_ONCE 500

struct remove_op {
    const struct ls_image_ref *refs; /* sorted by key, each key once */
    size_t n;
    bool keep_folder;
    struct ls_folder_parts folder; /* of the variant; path NULL = by key */
};

/* ---- the journal's transaction ---- */

static enum ls_rc add_item(struct ls_run *run, const struct ls_image *row, const char *expect_etag, struct ls_err *err)
{
    struct ls_intent_item item = {.action = LS_ACTION_DELETE, .key = ls_pool_str(&run->pool, row->key)};
    enum ls_rc rc = ls_run_row_object(run, row, &item.old_etag, &item.size_bytes, err);
    if (rc == LS_OK)
        rc = ls_image_to_json(row, &run->pool, &item.row, err);
    if (rc != LS_OK || run->n_wants > 0)
        return rc;
    if (expect_etag && !ls_same(expect_etag, item.old_etag))
        return ls_err_set(err, LS_CONFLICT, "engine: remove %s: the image was changed meanwhile", row->key);
    return item.key && ls_run_item(run, &item) ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc prepare_keys(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct remove_op *op = run->op;
    const char *keys[ROWS_AT_ONCE];
    for (size_t done = 0; done < op->n; done += ROWS_AT_ONCE) {
        size_t n = op->n - done < ROWS_AT_ONCE ? op->n - done : ROWS_AT_ONCE;
        LS_AUTO(ls_image_page) struct ls_image_page page = {0};
        for (size_t i = 0; i < n; i++)
            keys[i] = op->refs[done + i].key;
        enum ls_rc rc = tx->cat->ops->images_get(tx->cat, tx, keys, n, &page, err);
        for (size_t i = 0; rc == LS_OK && i < n; i++) {
            if (i >= page.n || strcmp(page.items[i].key, keys[i]) != 0)
                return ls_err_set(err, LS_NOT_FOUND, "engine: remove %s: there is no image of this name", keys[i]);
            rc = add_item(run, &page.items[i], op->refs[done + i].expect_etag, err);
        }
        if (rc != LS_OK)
            return rc;
    }
    return LS_OK;
}

/* The rows below the variant's folder, then those that point at it from elsewhere. */
static enum ls_rc prepare_variant(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct remove_op *op = run->op;
    const struct ls_catalog_ops *ops = tx->cat->ops;
    struct ls_variant variant;
    enum ls_rc found = ops->variant_get(tx->cat, tx, op->folder.product, op->folder.weight, &variant, err);
    if (found != LS_OK && found != LS_NOT_FOUND)
        return found;
    const char *after = op->folder.below;
    bool below = true;
    for (;;) {
        LS_AUTO(ls_image_page) struct ls_image_page page = {0};
        enum ls_rc rc = below ? ops->image_page(tx->cat, tx, after, op->folder.beyond, ROWS_AT_ONCE, &page, err)
                              : ops->variant_images(tx->cat, tx, variant.id, after, ROWS_AT_ONCE, &page, err);
        for (size_t i = 0; rc == LS_OK && i < page.n; i++) {
            bool inside = strncmp(page.items[i].key, op->folder.below, strlen(op->folder.below)) == 0;
            if (below || !inside)
                rc = add_item(run, &page.items[i], NULL, err);
            if (rc == LS_OK && !below && !inside)
                rc = ls_run_claim(run, page.items[i].key, false, err);
        }
        if (rc != LS_OK)
            return rc;
        if (page.n == ROWS_AT_ONCE) {
            after = ls_pool_str(&run->pool, page.items[page.n - 1].key);
            if (!after)
                return ls_err_nomem(err);
        } else if (below && found == LS_OK) {
            below = false;
            after = "";
        } else {
            break;
        }
    }
    if (found == LS_NOT_FOUND && run->n_items == 0)
        return ls_err_set(err, LS_NOT_FOUND, "engine: product %s has no variant %s", op->folder.product,
                          op->folder.weight);
    ls_run_args(run, json_pack("{s:s, s:s, s:s, s:b}", "from", op->folder.path, "product", op->folder.product, "weight",
                               op->folder.weight, "active", found == LS_OK ? (int)variant.is_active : 1));
    return LS_OK;
}

static enum ls_rc prepare(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct remove_op *op = run->op;
    return op->folder.path ? prepare_variant(run, tx, err) : prepare_keys(run, tx, err);
}

/* Let a type folder go on existing when its last image goes. */
static enum ls_rc keep_folder(struct ls_tx *tx, const char *key, struct ls_err *err)
{
    struct ls_folder folder = {.mode = 0755, .uid = (uint32_t)getuid(), .gid = (uint32_t)getgid()};
    const char *slash = strrchr(key, '/');
    if (!slash || (size_t)(slash - key) >= sizeof(folder.path))
        return LS_OK;
    struct ls_folder there;
    memcpy(folder.path, key, (size_t)(slash - key));
    enum ls_rc rc = tx->cat->ops->folder_get(tx->cat, tx, folder.path, &there, NULL);
    if (rc != LS_NOT_FOUND)
        return rc == LS_OK ? LS_OK : ls_err_set(err, rc, "engine: the folder row of %s cannot be read", key);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    folder.mtime_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    return tx->cat->ops->folder_put(tx, &folder, err);
}

static enum ls_rc delete_rows(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    struct ls_image_ref refs[ROWS_AT_ONCE];
    for (size_t done = 0; done < run->n_items; done += ROWS_AT_ONCE) {
        size_t n = run->n_items - done < ROWS_AT_ONCE ? run->n_items - done : ROWS_AT_ONCE;
        for (size_t i = 0; i < n; i++)
            refs[i] = (struct ls_image_ref){.key = run->items[done + i].key};
        enum ls_rc rc = tx->cat->ops->images_delete(tx, refs, n, err);
        if (rc != LS_OK)
            return rc;
    }
    return LS_OK;
}

static enum ls_rc apply(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct remove_op *op = run->op;
    enum ls_rc rc = delete_rows(run, tx, err);
    if (rc == LS_OK && op->folder.path)
        return ls_folder_drop(run->engine, tx, &op->folder, err);
    const char *last = "";
    for (size_t i = 0; rc == LS_OK && op->keep_folder && i < run->n_items; i++) {
        const char *key = run->items[i].key, *slash = strrchr(key, '/');
        size_t len = slash ? (size_t)(slash - key) + 1 : 0;
        if (len > 0 && strncmp(key, last, len) == 0)
            continue; /* the same folder as the one before */
        rc = keep_folder(tx, key, err);
        last = key;
    }
    return rc;
}

/* ---- after it ---- */

/* A variant that was removed with its images must be there again before they come back. */
static enum ls_rc bring_back_variant(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    json_t *args = run->intent.args[0] ? json_loads(run->intent.args, 0, NULL) : NULL;
    const char *product = json_string_value(json_object_get(args, "product"));
    const char *weight = json_string_value(json_object_get(args, "weight"));
    struct ls_variant variant;
    enum ls_rc rc = LS_OK;
    if (product && weight) {
        rc = ls_variant_ensure(run->engine, tx, product, weight, true, &variant, err);
        variant.is_active = json_is_true(json_object_get(args, "active"));
        if (rc == LS_OK)
            rc = tx->cat->ops->variant_set(tx, &variant, err);
    }
    json_decref(args);
    return rc;
}

/* The store refuses for good: those rows come back. With `close` the intent ends with it. */
static enum ls_rc bring_back(struct ls_run *run, const struct ls_remove_object *gone, bool close, const char *why,
                             struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = bring_back_variant(run, tx, err);
    for (size_t i = 0; rc == LS_OK && i < run->n_items; i++) {
        struct ls_intent_item *item = &run->items[i];
        if (gone[i].result != LS_REMOVAL_DENIED || item->done)
            continue;
        struct ls_image image;
        rc = ls_image_from_json(item->row, item->key, &run->pool, &image, err);
        if (rc == LS_OK)
            rc = ls_row_bring_back(run->engine, tx, &image, err);
        item->done = 1;
        if (rc == LS_OK && !close)
            rc = cat->ops->intent_item_set(tx, run->intent.id, item, err);
    }
    if (rc != LS_OK)
        return rc;
    return close ? ls_run_close_in(run, LS_STEAL(tx), "failed", why, err)
                 : ls_run_commit(run, LS_STEAL(tx), LS_AFTER_COMMITTED, err);
}

static enum ls_rc delete_objects(struct ls_run *run, struct ls_remove_object *gone, struct ls_err *why)
{
    size_t n = 0;
    for (size_t i = 0; i < run->n_items; i++) {
        const struct ls_intent_item *item = &run->items[i];
        gone[i] = (struct ls_remove_object){.key = item->key, .etag = item->old_etag, .result = LS_REMOVAL_DONE};
        n += item->old_etag && !item->done;
    }
    if (n == 0)
        return LS_OK;
    LS_AUTO(ls_free) struct ls_remove_object *go = calloc(n, sizeof(*go));
    if (!go)
        return ls_err_nomem(why);
    for (size_t i = 0, g = 0; i < run->n_items; i++)
        if (run->items[i].old_etag && !run->items[i].done)
            go[g++] = gone[i];
    ls_remove_objects(run, go, n, true, why);
    for (size_t i = 0, g = 0; i < run->n_items; i++)
        if (run->items[i].old_etag && !run->items[i].done)
            gone[i].result = go[g++].result;
    return LS_OK;
}

/* Delete the objects and close. *out_denied: rows came back, `why` is what the caller hears. Not LS_OK: left to the
 * recovery. */
static enum ls_rc finish(struct ls_run *run, bool *out_denied, struct ls_err *why)
{
    size_t denied = 0, failed = 0, left = 0;
    *out_denied = false;
    LS_AUTO(ls_free) struct ls_remove_object *gone = calloc(run->n_items + 1, sizeof(*gone));
    if (!gone)
        return ls_err_nomem(why);
    enum ls_rc rc = delete_objects(run, gone, why);
    if (rc == LS_OK)
        rc = STEP(run, "remove.deleted", why);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < run->n_items; i++) {
        denied += gone[i].result == LS_REMOVAL_DENIED;
        failed += gone[i].result == LS_REMOVAL_FAILED;
        left += gone[i].result == LS_REMOVAL_FOREIGN || gone[i].result == LS_REMOVAL_ROW;
    }
    struct ls_err call = LS_ERR_INIT;
    if (denied > 0) {
        rc = bring_back(run, gone, failed == 0, why->text, &call);
        *out_denied = rc == LS_OK;
    }
    if (rc == LS_OK && failed > 0)
        return why->rc != LS_OK ? why->rc : LS_IO;
    if (rc == LS_OK && denied == 0) {
        if (left > 0)
            LS_LOG_WARN("engine", "newer-object-left", {"intent", ls_v_str(run->intent.id)},
                        {"objects", ls_v_uint(left)});
        rc = ls_run_close(run, ls_run_outcome(run, true),
                          left ? "an object that somebody else changed meanwhile was left" : NULL, &call);
    }
    if (rc != LS_OK)
        *why = call;
    return rc;
}

enum ls_rc ls_remove_settle(struct ls_run *run, struct ls_err *err)
{
    bool denied;
    struct ls_err why = LS_ERR_INIT;
    enum ls_rc rc = finish(run, &denied, &why);
    if (rc != LS_OK && err)
        *err = why;
    if (rc == LS_OK && denied)
        LS_LOG_WARN("engine", "rows-came-back", {"intent", ls_v_str(run->intent.id)}, {"why", ls_v_str(why.text)});
    return rc;
}

/* ---- the calls ---- */

static enum ls_rc run_remove(struct ls_run *run, struct ls_err *err)
{
    run->intent.state = LS_INTENT_COMMITTED;
    enum ls_rc rc = ls_run_begin(run, prepare, apply, err);
    if (rc != LS_OK)
        return ls_run_end(run, rc, err);
    struct ls_err why = LS_ERR_INIT;
    bool denied = false;
    enum ls_rc rest = OP_STEP("remove.committed", &why);
    if (rest == LS_OK)
        rest = finish(run, &denied, &why);
    if (rest == LS_OK && !denied)
        rest = OP_STEP("remove.closed", &why);
    if (rest != LS_OK && run->journaled)
        ls_run_leave_open(run, &why);
    rc = ls_run_end(run, LS_OK, err);
    if (rc == LS_OK && denied) {
        rc = why.rc != LS_OK ? why.rc : LS_DENIED;
        if (err)
            *err = why;
        (void)ls_err_prefix(err, "engine: remove: the store refuses, so the rows came back: ");
    }
    return rc;
}

static int ref_cmp(const void *a, const void *b)
{
    return strcmp(((const struct ls_image_ref *)a)->key, ((const struct ls_image_ref *)b)->key);
}

enum ls_rc ls_engine_remove(struct ls_engine *engine, const struct ls_image_ref *items, size_t n, bool keep,
                            struct ls_err *err)
{
    if (n == 0)
        return LS_OK;
    LS_AUTO(ls_free) struct ls_image_ref *refs = calloc(n, sizeof(*refs));
    if (!refs)
        return ls_err_nomem(err);
    memcpy(refs, items, n * sizeof(*refs));
    qsort(refs, n, sizeof(*refs), ref_cmp);
    struct remove_op op = {.refs = refs, .keep_folder = keep};
    for (size_t i = 0; i < n; i++)
        if (op.n == 0 || strcmp(refs[op.n - 1].key, refs[i].key) != 0)
            refs[op.n++] = refs[i];
    struct ls_run run;
    enum ls_rc rc = LS_OK;
    ls_engine_enter(engine);
    ls_run_init(&run, engine, LS_OP_REMOVE, &op);
    for (size_t i = 0; rc == LS_OK && i < op.n; i++)
        rc = ls_run_claim(&run, refs[i].key, false, err);
    return rc == LS_OK ? run_remove(&run, err) : ls_run_end(&run, rc, err);
}

enum ls_rc ls_remove_variant(struct ls_engine *engine, const char *product, const char *weight, struct ls_err *err)
{
    struct remove_op op = {0};
    struct ls_run run;
    char path[LS_KEY_MAX];
    enum ls_rc rc = ls_layout_format(engine->layout, product, weight, NULL, NULL, path, sizeof(path), err);
    if (rc != LS_OK)
        return rc;
    path[strlen(path) - 1] = '\0';
    ls_engine_enter(engine);
    ls_run_init(&run, engine, LS_OP_REMOVE, &op);
    rc = ls_folder_parse(engine, &run.pool, path, &op.folder, err);
    if (rc == LS_OK)
        rc = ls_run_claim(&run, op.folder.below, true, err);
    return rc == LS_OK ? run_remove(&run, err) : ls_run_end(&run, rc, err);
}
