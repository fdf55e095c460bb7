/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Moving objects: of rows that have another key, and of variants that have another weight or product, each variant in
 * one operation. Folders that are no more are forgotten.
 */
#include "settle/act.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

static inline void ls_image_page_auto(struct ls_image_page *page) { ls_image_page_dispose(page); }

/* ---- rows with another key ---- */

static bool is_astray(const struct ls_fold_image *image)
{
    return image->now && strcmp(image->now, image->object) != 0;
}

static bool key_is_settled(struct ls_act *act, const struct ls_fold_image *image)
{
    enum ls_settle_policy policy = act->opts->key;
    if (policy == LS_SETTLE_REPORT)
        ls_act_would(act, "move its object", image->object, image->now);
    return policy != LS_SETTLE_ACT || ls_key_is_internal(image->object);
}

static enum ls_rc move_batch(struct ls_act *act, struct ls_fold_image **items, size_t n, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_engine_move *moves = calloc(n, sizeof *moves);
    if (!moves)
        return ls_err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const struct ls_fold_image *dead = ls_fold_dead(act->fold, items[i]->now);
        moves[i] = (struct ls_engine_move){.from = items[i]->object,
                                           .row = items[i]->now,
                                           .to = items[i]->now,
                                           .spare_etag = dead ? dead->etag : NULL};
    }
    enum ls_rc rc = ls_engine_follow(act->opts->engine, moves, n, NULL, NULL, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        act->stats->moved += moves[i].rc == LS_OK;
        bool settled = ls_act_result(act, items[i]->object, moves[i].rc, &moves[i].err);
        if (settled && moves[i].rc == LS_OK)
            rc = ls_fold_moved(act->fold, items[i], err);
        else if (settled)
            ls_fold_drop_image(act->fold, items[i]);
    }
    return rc;
}

enum ls_rc ls_act_moves(struct ls_act *act, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (struct ls_fold_image *image = act->fold->images, *next; rc == LS_OK && image;) {
        struct ls_fold_image *items[LS_ACT_AT_ONCE];
        size_t n = 0;
        for (; image && n < LS_ACT_AT_ONCE; image = next) {
            next = image->next;
            if (!is_astray(image))
                continue;
            if (key_is_settled(act, image))
                ls_fold_drop_image(act->fold, image);
            else if (ls_fold_astray(act->fold, image->now)) /* that one has to leave first */
                act->blocked = true;
            else
                items[n++] = image;
        }
        rc = ls_act_cancelled(act, err);
        if (rc == LS_OK && n > 0)
            rc = move_batch(act, items, n, err);
    }
    return rc;
}

/* ---- variants and products ---- */

/* The path of "product/weight" or "product", without a slash at its end. */
static enum ls_rc path_of(struct ls_act *act, const struct ls_fold_folder *folder, const char *name, char *product,
                          char out[LS_KEY_MAX + 1], struct ls_err *err)
{
    const char *slash = folder->is_product ? NULL : strchr(name, '/');
    snprintf(product, LS_KEY_MAX + 1, "%.*s", slash ? (int)(slash - name) : (int)strlen(name), name);
    enum ls_rc rc = ls_layout_format(ls_engine_layout(act->opts->engine), product, slash ? slash + 1 : NULL, NULL, NULL,
                                     out, LS_KEY_MAX + 1, err);
    if (rc == LS_OK)
        out[strlen(out) - 1] = '\0';
    return rc;
}

/* A variant's images that lie below its old folder, as moves to the new one. */
struct moving {
    struct ls_engine_move *moves;
    size_t n, cap;
};

static void moving_auto(struct moving *moving)
{
    for (size_t i = 0; i < moving->n; i++) {
        free((char *)moving->moves[i].from);
        free((char *)moving->moves[i].to);
    }
    free(moving->moves);
}

static enum ls_rc add_move(struct ls_act *act, struct moving *moving, const char *key, const char *from, const char *to,
                           struct ls_err *err)
{
    size_t len = strlen(from);
    if (strncmp(key, from, len) != 0 || key[len] != '/')
        return LS_OK;
    if (moving->n == moving->cap) {
        size_t cap = moving->cap ? 2 * moving->cap : 64;
        struct ls_engine_move *bigger = reallocarray(moving->moves, cap, sizeof *bigger);
        if (!bigger)
            return ls_err_nomem(err);
        moving->moves = bigger;
        moving->cap = cap;
    }
    char *dest = NULL, *source = strdup(key);
    if (!source || asprintf(&dest, "%s%s", to, key + len) < 0) {
        free(source);
        return ls_err_nomem(err);
    }
    if (ls_fold_astray(act->fold, dest)) { /* that one has to leave first */
        free(source);
        free(dest);
        act->blocked = true;
        return LS_OK;
    }
    moving->moves[moving->n++] = (struct ls_engine_move){.from = source, .row = source, .to = dest};
    return LS_OK;
}

static enum ls_rc list_images(struct ls_act *act, const char *variant_id, const char *from, const char *to,
                              struct moving *moving, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(act->opts->engine);
    LS_AUTO(ls_free) char *after = strdup("");
    for (;;) {
        LS_AUTO(ls_image_page) struct ls_image_page page = {0};
        if (!after)
            return ls_err_nomem(err);
        enum ls_rc rc = cat->ops->variant_images(cat, NULL, variant_id, after, LS_ACT_AT_ONCE, &page, err);
        for (size_t i = 0; rc == LS_OK && i < page.n; i++)
            rc = add_move(act, moving, page.items[i].key, from, to, err);
        if (rc != LS_OK || page.n < LS_ACT_AT_ONCE)
            return rc;
        free(after);
        after = strdup(page.items[page.n - 1].key);
    }
}

/* The objects that were left behind; *out_settled: nothing is to be tried again. */
static enum ls_rc follow_variant(struct ls_act *act, const char *variant_id, const char *from, const char *to,
                                 bool *out_settled, struct ls_err *err)
{
    LS_AUTO(moving) struct moving moving = {0};
    bool was_blocked = act->blocked;
    act->blocked = false;
    enum ls_rc rc = list_images(act, variant_id, from, to, &moving, err);
    *out_settled = !act->blocked;
    act->blocked |= was_blocked;
    if (rc == LS_OK && (moving.n > 0 || *out_settled))
        rc = ls_engine_follow(act->opts->engine, moving.moves, moving.n, from, to, err);
    for (size_t i = 0; rc == LS_OK && i < moving.n; i++) {
        const struct ls_engine_move *move = &moving.moves[i];
        act->stats->moved += move->rc == LS_OK;
        /* A row that is gone has changed since, and its own change tells what is to be done. */
        if (!ls_act_result(act, move->from, move->rc, &move->err) && move->rc != LS_NOT_FOUND)
            *out_settled = false;
    }
    return rc;
}

static enum ls_rc renamed(struct ls_act *act, const struct ls_fold_folder *folder, bool *out_settled,
                          struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(act->opts->engine);
    char from[LS_KEY_MAX + 1], to[LS_KEY_MAX + 1], product[LS_KEY_MAX + 1];
    struct ls_variant variant;
    enum ls_rc rc = path_of(act, folder, folder->folder, product, from, err);
    if (rc == LS_OK)
        rc = path_of(act, folder, folder->now, product, to, err);
    if (rc != LS_OK)
        return rc;
    if (folder->is_product)
        return ls_engine_follow(act->opts->engine, NULL, 0, from, to, err);
    rc = cat->ops->variant_get(cat, NULL, product, strchr(folder->now, '/') + 1, &variant, err);
    if (rc == LS_NOT_FOUND) { /* a later change tells what became of it */
        *out_settled = false;
        return LS_OK;
    }
    return rc == LS_OK ? follow_variant(act, variant.id, from, to, out_settled, err) : rc;
}

static enum ls_rc act_on_folder(struct ls_act *act, const struct ls_fold_folder *folder, bool *out_settled,
                                struct ls_err *err)
{
    enum ls_settle_policy policy = folder->now ? act->opts->weight : act->opts->deletion;
    char path[LS_KEY_MAX + 1], product[LS_KEY_MAX + 1];
    *out_settled = true;
    if (folder->now && strcmp(folder->now, folder->folder) == 0)
        return LS_OK;
    if (policy == LS_SETTLE_REPORT && folder->now && !folder->is_product)
        ls_act_would(act, "move the variant's objects", folder->folder, folder->now);
    if (policy != LS_SETTLE_ACT)
        return LS_OK;
    if (folder->now)
        return renamed(act, folder, out_settled, err);
    enum ls_rc rc = path_of(act, folder, folder->folder, product, path, NULL);
    return rc == LS_OK ? ls_engine_forget_folder(act->opts->engine, path, err) : LS_OK;
}

enum ls_rc ls_act_folders(struct ls_act *act, struct ls_err *err)
{
    for (struct ls_fold_folder *folder = act->fold->folders, *next; folder; folder = next) {
        struct ls_err why = LS_ERR_INIT;
        bool settled = true;
        next = folder->next;
        enum ls_rc rc = ls_act_cancelled(act, &why);
        if (rc == LS_OK)
            rc = act_on_folder(act, folder, &settled, &why);
        if (rc == LS_INVALID) /* no folder can have such a name */
            ls_act_left(act, folder->folder, why.text);
        else if (rc != LS_OK) {
            if (err)
                *err = why;
            return rc;
        }
        if (settled)
            ls_fold_drop_folder(act->fold, folder);
    }
    return LS_OK;
}
