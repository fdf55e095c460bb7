/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A row that is not in the fold has its object at its own key: lockstep's own processes change both together, so their
 * changes only matter for rows that another program has changed as well. They carry an object along that lies at the
 * row's key, and leave one alone that does not.
 *   insert             object and row at the key, to be recorded
 *   update a → b       the row is at b; the object stays (or comes along)
 *   delete             the object is to go; a row that was inserted and of which nothing was recorded leaves nothing
 */
#include "settle/fold.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

static void image_free(struct ls_fold_image *image)
{
    free(image->object);
    free(image->now);
    free(image->etag);
    free(image);
}

static void folder_free(struct ls_fold_folder *folder)
{
    free(folder->folder);
    free(folder->now);
    free(folder);
}

/* ---- images ---- */

/* uthash reports a failed addition by leaving the handle's table NULL. */
static void unindex_row(struct ls_fold *fold, struct ls_fold_image *image)
{
    if (image->by_now.tbl)
        HASH_DELETE(by_now, fold->rows, image);
    image->by_now.tbl = NULL;
}

static void unindex_object(struct ls_fold_image *image)
{
    if (image->table)
        HASH_DELETE(by_object, *image->table, image);
    image->table = NULL;
}

/* After a change of object or now. */
static enum ls_rc index_image(struct ls_fold *fold, struct ls_fold_image *image, struct ls_err *err)
{
    if (image->now && !image->by_now.tbl) {
        HASH_ADD_KEYPTR(by_now, fold->rows, image->now, strlen(image->now), image);
        if (!image->by_now.tbl)
            return ls_err_nomem(err);
    }
    struct ls_fold_image **table = !image->now                              ? &fold->dead
                                   : strcmp(image->now, image->object) == 0 ? NULL
                                                                            : &fold->astray;
    if (!table)
        return LS_OK;
    image->by_object.tbl = NULL;
    HASH_ADD_KEYPTR(by_object, *table, image->object, strlen(image->object), image);
    if (!image->by_object.tbl)
        return ls_err_nomem(err);
    image->table = table;
    return LS_OK;
}

/* The row is at `now` (NULL: it was deleted), its object at `object`; either may be what it was. */
static enum ls_rc place_image(struct ls_fold *fold, struct ls_fold_image *image, const char *object, const char *now,
                              struct ls_err *err)
{
    char *new_object = strdup(object), *new_now = now ? strdup(now) : NULL;
    if (!new_object || (now && !new_now)) {
        free(new_object);
        free(new_now);
        return ls_err_nomem(err);
    }
    unindex_row(fold, image);
    unindex_object(image);
    free(image->object);
    free(image->now);
    image->object = new_object;
    image->now = new_now;
    return index_image(fold, image, err);
}

void ls_fold_drop_image(struct ls_fold *fold, struct ls_fold_image *image)
{
    unindex_row(fold, image);
    unindex_object(image);
    DL_DELETE(fold->images, image);
    image_free(image);
}

static enum ls_rc add_image(struct ls_fold *fold, const char *key, struct ls_fold_image **out, struct ls_err *err)
{
    struct ls_fold_image *image = calloc(1, sizeof *image);
    if (!image)
        return ls_err_nomem(err);
    DL_APPEND(fold->images, image);
    *out = image;
    return place_image(fold, image, key, key, err);
}

static struct ls_fold_image *find_image(const struct ls_fold *fold, const char *key)
{
    struct ls_fold_image *image;
    HASH_FIND(by_now, fold->rows, key, strlen(key), image);
    return image;
}

const struct ls_fold_image *ls_fold_dead(const struct ls_fold *fold, const char *key)
{
    struct ls_fold_image *image;
    HASH_FIND(by_object, fold->dead, key, strlen(key), image);
    return image;
}

const struct ls_fold_image *ls_fold_astray(const struct ls_fold *fold, const char *key)
{
    struct ls_fold_image *image;
    HASH_FIND(by_object, fold->astray, key, strlen(key), image);
    return image;
}

const struct ls_fold_image *ls_fold_row(const struct ls_fold *fold, const char *key) { return find_image(fold, key); }

enum ls_rc ls_fold_moved(struct ls_fold *fold, struct ls_fold_image *image, struct ls_err *err)
{
    if (image->etag && ls_fold_row(fold, image->object))
        return place_image(fold, image, image->object, NULL, err);
    ls_fold_drop_image(fold, image);
    return LS_OK;
}

static enum ls_rc set_etag(struct ls_fold_image *image, const char *etag, struct ls_err *err)
{
    char *copy = etag ? strdup(etag) : NULL;
    if (etag && !copy)
        return ls_err_nomem(err);
    free(image->etag);
    image->etag = copy;
    return LS_OK;
}

static enum ls_rc image_deleted(struct ls_fold *fold, struct ls_fold_image *image, const struct ls_change *change,
                                bool foreign, struct ls_err *err)
{
    bool went_along = !foreign && strcmp(image->object, change->key) == 0;
    if (went_along || (image->inserted && !change->etag)) {
        ls_fold_drop_image(fold, image);
        return LS_OK;
    }
    enum ls_rc rc = set_etag(image, change->etag, err);
    return rc == LS_OK ? place_image(fold, image, image->object, NULL, err) : rc;
}

static enum ls_rc image_changed(struct ls_fold *fold, const struct ls_change *change, bool foreign, struct ls_err *err)
{
    struct ls_fold_image *image = find_image(fold, change->key);
    enum ls_rc rc = LS_OK;
    bool moved = change->new_key && strcmp(change->key, change->new_key) != 0;
    bool inserted = strcmp(change->action, "insert") == 0;
    if (!image && (!foreign || (!inserted && !moved && change->new_key)))
        return LS_OK;
    if (!image)
        rc = add_image(fold, change->key, &image, err);
    if (rc != LS_OK)
        return rc;
    if (inserted) {
        image->inserted = true;
        return LS_OK;
    }
    if (!change->new_key)
        return image_deleted(fold, image, change, foreign, err);
    if (!moved)
        return LS_OK;
    rc = set_etag(image, change->etag, err);
    if (rc != LS_OK)
        return rc;
    bool along = !foreign && strcmp(image->object, change->key) == 0;
    return place_image(fold, image, along ? change->new_key : image->object, change->new_key, err);
}

/* ---- variants and products ---- */

static struct ls_fold_folder **table_of(struct ls_fold *fold, bool is_product)
{
    return is_product ? &fold->products : &fold->variants;
}

static void unindex_folder(struct ls_fold *fold, struct ls_fold_folder *folder)
{
    struct ls_fold_folder **table = table_of(fold, folder->is_product);
    if (folder->by_now.tbl)
        HASH_DELETE(by_now, *table, folder);
    folder->by_now.tbl = NULL;
}

/* As place_image. */
static enum ls_rc place_folder(struct ls_fold *fold, struct ls_fold_folder *folder, const char *where, const char *now,
                               struct ls_err *err)
{
    struct ls_fold_folder **table = table_of(fold, folder->is_product);
    char *new_where = strdup(where), *new_now = now ? strdup(now) : NULL;
    if (!new_where || (now && !new_now)) {
        free(new_where);
        free(new_now);
        return ls_err_nomem(err);
    }
    unindex_folder(fold, folder);
    free(folder->folder);
    free(folder->now);
    folder->folder = new_where;
    folder->now = new_now;
    if (!new_now)
        return LS_OK;
    HASH_ADD_KEYPTR(by_now, *table, new_now, strlen(new_now), folder);
    return folder->by_now.tbl ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc add_folder(struct ls_fold *fold, const char *name, bool is_product, struct ls_fold_folder **out,
                             struct ls_err *err)
{
    struct ls_fold_folder *folder = calloc(1, sizeof *folder);
    if (!folder)
        return ls_err_nomem(err);
    folder->is_product = is_product;
    DL_APPEND(fold->folders, folder);
    *out = folder;
    return place_folder(fold, folder, name, name, err);
}

void ls_fold_drop_folder(struct ls_fold *fold, struct ls_fold_folder *folder)
{
    unindex_folder(fold, folder);
    DL_DELETE(fold->folders, folder);
    folder_free(folder);
}

static enum ls_rc folder_changed(struct ls_fold *fold, const struct ls_change *change, bool is_product, bool foreign,
                                 struct ls_err *err)
{
    struct ls_fold_folder *folder, **table = table_of(fold, is_product);
    bool moved = change->new_key && strcmp(change->key, change->new_key) != 0;
    HASH_FIND(by_now, *table, change->key, strlen(change->key), folder);
    if ((!folder && !foreign) || (change->new_key && !moved))
        return LS_OK;
    enum ls_rc rc = folder ? LS_OK : add_folder(fold, change->key, is_product, &folder, err);
    if (rc != LS_OK)
        return rc;
    if (!change->new_key && !foreign) { /* it was removed with all that belonged to it */
        ls_fold_drop_folder(fold, folder);
        return LS_OK;
    }
    bool along = moved && !foreign && strcmp(folder->folder, change->key) == 0;
    return place_folder(fold, folder, along ? change->new_key : folder->folder, change->new_key, err);
}

/* ---- all ---- */

enum ls_rc ls_fold_add(struct ls_fold *fold, const struct ls_change *change, bool *out_foreign, struct ls_err *err)
{
    bool foreign = change->writer[0] == '\0';
    *out_foreign = foreign;
    if (strcmp(change->kind, "image") == 0)
        return image_changed(fold, change, foreign, err);
    if (strcmp(change->kind, "variant") == 0)
        return folder_changed(fold, change, false, foreign, err);
    if (strcmp(change->kind, "product") == 0)
        return folder_changed(fold, change, true, foreign, err);
    return LS_OK;
}

void ls_fold_dispose(struct ls_fold *fold)
{
    while (fold->images)
        ls_fold_drop_image(fold, fold->images);
    while (fold->folders)
        ls_fold_drop_folder(fold, fold->folders);
}
