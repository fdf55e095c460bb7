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

/* What follows returns false when out of memory. */

/* After a change of object or now. */
static bool index_image(struct ls_fold *fold, struct ls_fold_image *image)
{
    if (image->now && !image->by_now.tbl) {
        HASH_ADD_KEYPTR(by_now, fold->rows, image->now, strlen(image->now), image);
        if (!image->by_now.tbl)
            return false;
    }
    struct ls_fold_image **table = !image->now                              ? &fold->dead
                                   : strcmp(image->now, image->object) == 0 ? NULL
                                                                            : &fold->astray;
    if (!table)
        return true;
    image->by_object.tbl = NULL;
    HASH_ADD_KEYPTR(by_object, *table, image->object, strlen(image->object), image);
    if (!image->by_object.tbl)
        return false;
    image->table = table;
    return true;
}

/* The row is at `now` (NULL: it was deleted), its object at `object`; either may be what it was. */
static bool place_image(struct ls_fold *fold, struct ls_fold_image *image, const char *object, const char *now)
{
    char *new_object = strdup(object), *new_now = now ? strdup(now) : NULL;
    if (!new_object || (now && !new_now)) {
        free(new_object);
        free(new_now);
        return false;
    }
    unindex_row(fold, image);
    unindex_object(image);
    free(image->object);
    free(image->now);
    image->object = new_object;
    image->now = new_now;
    return index_image(fold, image);
}

void ls_fold_drop_image(struct ls_fold *fold, struct ls_fold_image *image)
{
    unindex_row(fold, image);
    unindex_object(image);
    DL_DELETE(fold->images, image);
    image_free(image);
}

/* A row that was at key, with its object; NULL when out of memory. */
static struct ls_fold_image *add_image(struct ls_fold *fold, const char *key)
{
    struct ls_fold_image *image = calloc(1, sizeof *image);
    if (!image)
        return NULL;
    DL_APPEND(fold->images, image);
    return place_image(fold, image, key, key) ? image : NULL; /* dispose frees it */
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
        return place_image(fold, image, image->object, NULL) ? LS_OK : ls_err_nomem(err);
    ls_fold_drop_image(fold, image);
    return LS_OK;
}

static bool set_etag(struct ls_fold_image *image, const char *etag)
{
    char *copy = etag ? strdup(etag) : NULL;
    free(image->etag);
    image->etag = copy;
    return copy || !etag;
}

static enum ls_rc image_deleted(struct ls_fold *fold, struct ls_fold_image *image, const struct ls_change *change,
                                bool foreign, struct ls_err *err)
{
    bool went_along = !foreign && strcmp(image->object, change->key) == 0;
    if (went_along || (image->inserted && !change->etag)) {
        ls_fold_drop_image(fold, image);
        return LS_OK;
    }
    bool done = set_etag(image, change->etag) && place_image(fold, image, image->object, NULL);
    return done ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc image_changed(struct ls_fold *fold, const struct ls_change *change, bool foreign, struct ls_err *err)
{
    struct ls_fold_image *image = find_image(fold, change->key);
    bool moved = change->new_key && strcmp(change->key, change->new_key) != 0;
    bool inserted = strcmp(change->action, "insert") == 0;
    if (!image && (!foreign || (!inserted && !moved && change->new_key)))
        return LS_OK;
    if (!image)
        image = add_image(fold, change->key);
    if (!image)
        return ls_err_nomem(err);
    if (inserted) {
        image->inserted = true;
        return LS_OK;
    }
    if (!change->new_key)
        return image_deleted(fold, image, change, foreign, err);
    if (!moved)
        return LS_OK;
    bool along = !foreign && strcmp(image->object, change->key) == 0;
    bool done = set_etag(image, change->etag) &&
                place_image(fold, image, along ? change->new_key : image->object, change->new_key);
    return done ? LS_OK : ls_err_nomem(err);
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
static bool place_folder(struct ls_fold *fold, struct ls_fold_folder *folder, const char *where, const char *now)
{
    struct ls_fold_folder **table = table_of(fold, folder->is_product);
    char *new_where = strdup(where), *new_now = now ? strdup(now) : NULL;
    if (!new_where || (now && !new_now)) {
        free(new_where);
        free(new_now);
        return false;
    }
    unindex_folder(fold, folder);
    free(folder->folder);
    free(folder->now);
    folder->folder = new_where;
    folder->now = new_now;
    if (!new_now)
        return true;
    HASH_ADD_KEYPTR(by_now, *table, new_now, strlen(new_now), folder);
    return folder->by_now.tbl != NULL;
}

static struct ls_fold_folder *add_folder(struct ls_fold *fold, const char *name, bool is_product)
{
    struct ls_fold_folder *folder = calloc(1, sizeof *folder);
    if (!folder)
        return NULL;
    folder->is_product = is_product;
    DL_APPEND(fold->folders, folder);
    return place_folder(fold, folder, name, name) ? folder : NULL;
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
    if (!folder)
        folder = add_folder(fold, change->key, is_product);
    if (!folder)
        return ls_err_nomem(err);
    if (!change->new_key && !foreign) { /* it was removed with all that belonged to it */
        ls_fold_drop_folder(fold, folder);
        return LS_OK;
    }
    bool along = moved && !foreign && strcmp(folder->folder, change->key) == 0;
    bool done = place_folder(fold, folder, along ? change->new_key : folder->folder, change->new_key);
    return done ? LS_OK : ls_err_nomem(err);
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
    struct ls_fold_image *image, *next_image;
    struct ls_fold_folder *folder, *next_folder;
    HASH_CLEAR(by_now, fold->rows);
    HASH_CLEAR(by_object, fold->dead);
    HASH_CLEAR(by_object, fold->astray);
    HASH_CLEAR(by_now, fold->variants);
    HASH_CLEAR(by_now, fold->products);
    DL_FOREACH_SAFE(fold->images, image, next_image)
    image_free(image);
    DL_FOREACH_SAFE(fold->folders, folder, next_folder)
    folder_free(folder);
    *fold = (struct ls_fold){0};
}
