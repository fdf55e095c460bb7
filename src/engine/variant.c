/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The variant's life: create, rename (the weight change), delete with all its images, switch on and off.
 *
 * Rename and delete are the folder operations by another name; create and the switch change rows only.
 */
#include "engine/internal.h"

#include <string.h>

/* The variant's folder path, which also checks the names. */
static enum ls_rc variant_path(struct ls_engine *engine, const char *product, const char *weight, char out[LS_KEY_MAX],
                               struct ls_err *err)
{
    enum ls_rc rc = ls_layout_format(engine->layout, product, weight, NULL, NULL, out, LS_KEY_MAX, err);
    if (rc == LS_OK)
        out[strlen(out) - 1] = '\0';
    return rc;
}

static enum ls_rc create(struct ls_engine *engine, const char *path, const char *product, const char *weight,
                         struct ls_err *err)
{
    const struct ls_catalog_ops *ops = engine->catalog->ops;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    struct ls_variant variant;
    enum ls_rc rc = ops->begin(engine->catalog, &tx, err);
    if (rc != LS_OK)
        return rc;
    rc = ops->variant_get(engine->catalog, tx, product, weight, &variant, NULL);
    if (rc == LS_OK)
        return ls_err_set(err, LS_EXISTS, "engine: product %s has a variant %s already", product, weight);
    rc = ls_variant_ensure(engine, tx, product, weight, true, &variant, err);
    if (rc == LS_OK)
        rc = OP_STEP("variant_create.changed", err);
    return rc == LS_OK ? ls_audit_commit(engine, LS_STEAL(tx), "variant create", path, err) : rc;
}

enum ls_rc ls_engine_variant_create(struct ls_engine *engine, const char *product, const char *weight,
                                    struct ls_err *err)
{
    char path[LS_KEY_MAX];
    ls_engine_enter(engine);
    enum ls_rc rc = variant_path(engine, product, weight, path, err);
    if (rc == LS_OK)
        rc = create(engine, path, product, weight, err);
    ls_engine_leave(engine);
    return rc;
}

enum ls_rc ls_engine_variant_rename(struct ls_engine *engine, const char *product, const char *weight,
                                    const char *new_weight, struct ls_err *err)
{
    char from[LS_KEY_MAX], to[LS_KEY_MAX];
    enum ls_rc rc = variant_path(engine, product, weight, from, err);
    if (rc == LS_OK)
        rc = variant_path(engine, product, new_weight, to, err);
    return rc == LS_OK ? ls_rename_folder(engine, from, to, 0, err) : rc;
}

enum ls_rc ls_engine_variant_delete(struct ls_engine *engine, const char *product, const char *weight,
                                    struct ls_err *err)
{
    return ls_remove_variant(engine, product, weight, err);
}

static enum ls_rc set_active(struct ls_engine *engine, const char *path, const char *product, const char *weight,
                             bool active, struct ls_err *err)
{
    const struct ls_catalog_ops *ops = engine->catalog->ops;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    struct ls_variant variant;
    enum ls_rc rc = ops->begin(engine->catalog, &tx, err);
    if (rc == LS_OK)
        rc = ls_variant_ensure(engine, tx, product, weight, false, &variant, err);
    if (rc != LS_OK || variant.is_active == active)
        return rc;
    variant.is_active = active;
    rc = ops->variant_set(tx, &variant, err);
    if (rc == LS_OK)
        rc = OP_STEP("variant_active.changed", err);
    const char *op = active ? "variant enable" : "variant disable";
    return rc == LS_OK ? ls_audit_commit(engine, LS_STEAL(tx), op, path, err) : rc;
}

enum ls_rc ls_engine_variant_set_active(struct ls_engine *engine, const char *product, const char *weight, bool active,
                                        struct ls_err *err)
{
    char path[LS_KEY_MAX];
    ls_engine_enter(engine);
    enum ls_rc rc = variant_path(engine, product, weight, path, err);
    if (rc == LS_OK)
        rc = set_active(engine, path, product, weight, active, err);
    ls_engine_leave(engine);
    return rc;
}
