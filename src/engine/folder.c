/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folders: what exists, what is empty, mkdir, rmdir, and the attributes of files and folders.
 *
 * A product folder is a product row, a weight folder a variant row, a type folder a folder row or any image below it;
 * a product or variant that only images imply counts as existing too. These calls change rows only, so each is one
 * transaction without an intent; what is in flight notices them when it re-reads the rows in its own transaction.
 */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static enum ls_rc slice(struct ls_pool *pool, struct ls_slice part, const char **out, struct ls_err *err)
{
    *out = part.len ? ls_pool_strn(pool, part.data, part.len) : NULL;
    return part.len && !*out ? ls_err_nomem(err) : LS_OK;
}

enum ls_rc ls_folder_parse(struct ls_engine *engine, struct ls_pool *pool, const char *path,
                           struct ls_folder_parts *out, struct ls_err *err)
{
    struct ls_key_parts parts = {0};
    enum ls_key_class fits = ls_layout_parse_path(engine->layout, path, strlen(path), &out->level, &parts);
    if (fits != LS_KEY_FITS)
        return ls_err_set(err, LS_INVALID, "engine: %s: not a place for a folder: %s", path, ls_key_class_text(fits));
    if (out->level != LS_LEVEL_PRODUCT && out->level != LS_LEVEL_WEIGHT && out->level != LS_LEVEL_TYPE)
        return ls_err_set(err, LS_INVALID, "engine: %s: not a folder of a product, weight or type", path);
    out->path = ls_pool_str(pool, path);
    char *below = ls_pool_join(pool, path, "/"), *beyond = ls_pool_join(pool, path, "/");
    if (!out->path || !below || !beyond)
        return ls_err_nomem(err);
    beyond[strlen(beyond) - 1] = '/' + 1;
    out->below = below;
    out->beyond = beyond;
    enum ls_rc rc = slice(pool, parts.product, &out->product, err);
    if (rc == LS_OK)
        rc = slice(pool, parts.weight, &out->weight, err);
    return rc == LS_OK ? slice(pool, parts.type, &out->type, err) : rc;
}

enum ls_rc ls_folder_has_image(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder,
                               bool *out, struct ls_err *err)
{
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    enum ls_rc rc = engine->catalog->ops->image_page(engine->catalog, tx, folder->below, folder->beyond, 1, &page, err);
    *out = rc == LS_OK && page.n > 0;
    return rc;
}

/* Is there a row of its own? */
static enum ls_rc has_row(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder, bool *out,
                          struct ls_err *err)
{
    const struct ls_catalog_ops *ops = engine->catalog->ops;
    struct ls_variant variant;
    struct ls_folder row;
    enum ls_rc rc;
    if (folder->level == LS_LEVEL_PRODUCT)
        return ops->product_exists(engine->catalog, tx, folder->product, out, err);
    if (folder->level == LS_LEVEL_WEIGHT)
        rc = ops->variant_get(engine->catalog, tx, folder->product, folder->weight, &variant, err);
    else
        rc = ops->folder_get(engine->catalog, tx, folder->path, &row, err);
    *out = rc == LS_OK;
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

enum ls_rc ls_folder_exists(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder, bool *out,
                            struct ls_err *err)
{
    enum ls_rc rc = has_row(engine, tx, folder, out, err);
    return rc == LS_OK && !*out ? ls_folder_has_image(engine, tx, folder, out, err) : rc;
}

enum ls_rc ls_folder_empty(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder, bool *out,
                           struct ls_err *err)
{
    const struct ls_catalog_ops *ops = engine->catalog->ops;
    bool image = false;
    enum ls_rc rc = ls_folder_has_image(engine, tx, folder, &image, err);
    *out = !image;
    if (rc != LS_OK || image || folder->level == LS_LEVEL_TYPE)
        return rc;
    if (folder->level == LS_LEVEL_PRODUCT) {
        LS_AUTO(ls_variant_page) struct ls_variant_page variants = {0};
        rc = ops->variant_list(engine->catalog, tx, folder->product, &variants, err);
        *out = rc == LS_OK && variants.n == 0;
    } else {
        LS_AUTO(ls_folder_page) struct ls_folder_page types = {0};
        rc = ops->folder_children(engine->catalog, tx, folder->path, &types, err);
        *out = rc == LS_OK && types.n == 0;
    }
    return rc;
}

enum ls_rc ls_folder_parent_check(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder,
                                  struct ls_err *err)
{
    struct ls_folder_parts parent = *folder;
    if (folder->level == LS_LEVEL_PRODUCT)
        return LS_OK;
    parent.level = folder->level == LS_LEVEL_WEIGHT ? LS_LEVEL_PRODUCT : LS_LEVEL_WEIGHT;
    bool exists = false; /* by its row; images alone do not make a place for more */
    enum ls_rc rc = has_row(engine, tx, &parent, &exists, err);
    if (rc != LS_OK || exists)
        return rc;
    if (parent.level == LS_LEVEL_PRODUCT)
        return ls_err_set(err, LS_NOT_FOUND, "engine: %s: there is no product %s", folder->path, folder->product);
    return ls_err_set(err, LS_NOT_FOUND, "engine: %s: product %s has no variant %s", folder->path, folder->product,
                      folder->weight);
}

enum ls_rc ls_folder_drop(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder,
                          struct ls_err *err)
{
    const struct ls_catalog_ops *ops = engine->catalog->ops;
    enum ls_rc rc = ops->folder_remove(tx, folder->path, true, err);
    bool exists = false;
    if (rc == LS_OK)
        rc = has_row(engine, tx, folder, &exists, err);
    if (rc != LS_OK || !exists || folder->level == LS_LEVEL_TYPE)
        return rc;
    if (folder->level == LS_LEVEL_PRODUCT)
        return ops->product_remove(tx, folder->product, err);
    struct ls_variant variant;
    rc = ops->variant_get(engine->catalog, tx, folder->product, folder->weight, &variant, err);
    return rc == LS_OK ? ops->variant_remove(tx, variant.id, err) : rc;
}

/* ---- one-transaction calls ---- */

static void default_folder(struct ls_folder *row, const char *path)
{
    *row =
        (struct ls_folder){.mode = 0755, .uid = (uint32_t)getuid(), .gid = (uint32_t)getgid(), .mtime_ns = ls_now_ns()};
    snprintf(row->path, sizeof(row->path), "%s", path);
}

static void apply_attr(struct ls_folder *row, const struct ls_attr *attr)
{
    if (attr->set_mode)
        row->mode = attr->mode & 07777;
    if (attr->set_owner) {
        row->uid = attr->uid;
        row->gid = attr->gid;
    }
    if (attr->set_mtime)
        row->mtime_ns = attr->mtime_ns;
}

static enum ls_rc mkdir_in(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder,
                           const struct ls_attr *attr, struct ls_err *err)
{
    const struct ls_catalog_ops *ops = engine->catalog->ops;
    struct ls_variant variant;
    bool exists = false;
    enum ls_rc rc = ls_folder_parent_check(engine, tx, folder, err);
    if (rc == LS_OK)
        rc = ls_folder_exists(engine, tx, folder, &exists, err);
    if (rc == LS_OK && exists)
        return ls_err_set(err, LS_EXISTS, "engine: mkdir %s: it is there already", folder->path);
    if (rc == LS_OK && folder->level == LS_LEVEL_PRODUCT)
        rc = ops->product_add(tx, folder->product, err);
    if (rc == LS_OK && folder->level == LS_LEVEL_WEIGHT)
        rc = ops->variant_add(tx, folder->product, folder->weight, &variant, err);
    if (rc == LS_OK && (attr || folder->level == LS_LEVEL_TYPE)) {
        struct ls_folder row;
        default_folder(&row, folder->path);
        if (attr)
            apply_attr(&row, attr);
        rc = ops->folder_put(tx, &row, err);
    }
    return rc;
}

enum ls_rc ls_engine_mkdir(struct ls_engine *engine, const char *path, const struct ls_attr *attr, struct ls_err *err)
{
    LS_AUTO(ls_pool) struct ls_pool pool = {0};
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    struct ls_folder_parts folder;
    ls_engine_enter(engine);
    enum ls_rc rc = ls_folder_parse(engine, &pool, path, &folder, err);
    if (rc == LS_OK)
        rc = engine->catalog->ops->begin(engine->catalog, &tx, err);
    if (rc == LS_OK)
        rc = mkdir_in(engine, tx, &folder, attr, err);
    if (rc == LS_OK)
        rc = ls_audit_commit(engine, LS_STEAL(tx), "mkdir", path, err);
    ls_engine_leave(engine);
    return rc;
}

static enum ls_rc rmdir_in(struct ls_engine *engine, struct ls_tx *tx, const struct ls_folder_parts *folder,
                           struct ls_err *err)
{
    bool exists = false, empty = false;
    enum ls_rc rc = ls_folder_exists(engine, tx, folder, &exists, err);
    if (rc == LS_OK && !exists)
        return ls_err_set(err, LS_NOT_FOUND, "engine: rmdir %s: there is no such folder", folder->path);
    if (rc == LS_OK)
        rc = ls_folder_empty(engine, tx, folder, &empty, err);
    if (rc == LS_OK && !empty)
        return ls_err_set(err, LS_NOT_EMPTY, "engine: rmdir %s: it is not empty", folder->path);
    return rc == LS_OK ? ls_folder_drop(engine, tx, folder, err) : rc;
}

enum ls_rc ls_engine_rmdir(struct ls_engine *engine, const char *path, struct ls_err *err)
{
    LS_AUTO(ls_pool) struct ls_pool pool = {0};
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    struct ls_folder_parts folder;
    ls_engine_enter(engine);
    enum ls_rc rc = ls_folder_parse(engine, &pool, path, &folder, err);
    if (rc == LS_OK)
        rc = engine->catalog->ops->begin(engine->catalog, &tx, err);
    if (rc == LS_OK)
        rc = rmdir_in(engine, tx, &folder, err);
    if (rc == LS_OK)
        rc = ls_audit_commit(engine, LS_STEAL(tx), "rmdir", path, err);
    ls_engine_leave(engine);
    return rc;
}

/* ---- attributes ---- */

/* The root and the folders of the literal prefix ("products") always exist, and have attributes like any other. */
static bool is_prefix(struct ls_engine *engine, const char *path)
{
    struct ls_key_parts parts;
    enum ls_level level;
    return strcmp(path, LS_FOLDER_ROOT) == 0 ||
           (ls_layout_parse_path(engine->layout, path, strlen(path), &level, &parts) == LS_KEY_FITS &&
            level == LS_LEVEL_ROOT);
}

static enum ls_rc folder_attr(struct ls_engine *engine, struct ls_tx *tx, struct ls_pool *pool, const char *path,
                              const struct ls_attr *attr, struct ls_err *err)
{
    const struct ls_catalog_ops *ops = engine->catalog->ops;
    struct ls_folder_parts folder;
    struct ls_folder row;
    bool exists = is_prefix(engine, path);
    enum ls_rc rc = exists ? LS_OK : ls_folder_parse(engine, pool, path, &folder, err);
    if (rc == LS_OK && !exists)
        rc = ls_folder_exists(engine, tx, &folder, &exists, err);
    if (rc == LS_OK && !exists)
        return ls_err_set(err, LS_NOT_FOUND, "engine: %s: there is no such folder", path);
    if (rc != LS_OK)
        return rc;
    rc = ops->folder_get(engine->catalog, tx, path, &row, err);
    if (rc == LS_NOT_FOUND)
        default_folder(&row, path);
    else if (rc != LS_OK)
        return rc;
    apply_attr(&row, attr);
    return ops->folder_put(tx, &row, err);
}

/* A row that the application wrote has nothing recorded: what the store knows of its object is recorded first. */
static enum ls_rc record_first(struct ls_tx *tx, const struct ls_image *row, const struct ls_object_info *info,
                               struct ls_err *err)
{
    struct ls_image_write write = {.old_key = row->key, .image = *row};
    ls_record_from_object(&write.image.record, info, NULL);
    return tx->cat->ops->images_write(tx, &write, 1, err);
}

static enum ls_rc file_attr(struct ls_engine *engine, struct ls_tx *tx, const char *key, const struct ls_attr *attr,
                            const struct ls_object_info *info, struct ls_err *err)
{
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    enum ls_rc rc = ls_catalog_image_get(engine->catalog, tx, key, &page, err);
    if (rc == LS_OK && !page.items[0].record.known && info)
        rc = record_first(tx, &page.items[0], info, err);
    return rc == LS_OK ? engine->catalog->ops->image_attr(tx, key, attr, err) : rc;
}

static enum ls_rc set_attr(struct ls_engine *engine, struct ls_pool *pool, const char *path, const struct ls_attr *attr,
                           struct ls_err *err)
{
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    struct ls_key_parts parts;
    struct ls_object_info info;
    enum ls_level level;
    enum ls_rc rc = LS_OK;
    bool file = ls_layout_parse_path(engine->layout, path, strlen(path), &level, &parts) == LS_KEY_FITS &&
                level == LS_LEVEL_FILE;
    if (file)
        rc = ls_catalog_image_get(engine->catalog, NULL, path, &page, err);
    bool unknown = rc == LS_OK && file && !page.items[0].record.known;
    if (unknown)
        rc = ls_store_head_one(engine->store, path, &info, err);
    if (rc == LS_OK)
        rc = engine->catalog->ops->begin(engine->catalog, &tx, err);
    if (rc == LS_OK)
        rc = file ? file_attr(engine, tx, path, attr, unknown ? &info : NULL, err)
                  : folder_attr(engine, tx, pool, path, attr, err);
    return rc == LS_OK ? ls_audit_commit(engine, LS_STEAL(tx), "attr", path, err) : rc;
}

enum ls_rc ls_engine_set_attr(struct ls_engine *engine, const char *path, const struct ls_attr *attr,
                              struct ls_err *err)
{
    LS_AUTO(ls_pool) struct ls_pool pool = {0};
    struct ls_held held = {0};
    if (!*path)
        path = LS_FOLDER_ROOT;
    struct ls_claim claim = {.path = path};
    ls_engine_enter(engine);
    /* A put of the same name writes attributes as well: one after the other. */
    enum ls_rc rc = ls_claims_take(engine, &held, &claim, 1, ls_monotonic_ms() + engine->claim_wait_ms, err);
    if (rc == LS_OK) {
        rc = set_attr(engine, &pool, path, attr, err);
        ls_claims_release(engine, &held);
    }
    ls_engine_leave(engine);
    return rc;
}
