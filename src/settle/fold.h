/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folding changes of the feed: what became of each row, whoever changed it how often, and where its object lies
 * meanwhile.
 */
#ifndef LOCKSTEP_SETTLE_FOLD_H
#define LOCKSTEP_SETTLE_FOLD_H

#define HASH_NONFATAL_OOM 1

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

#include "lockstep/catalog.h"
#include "lockstep/err.h"

/* One image row. */
struct ls_fold_image {
    char *object; /* the key where its object lies */
    char *now;    /* the row's key; NULL = it was deleted */
    char *etag;   /* what was recorded when it was deleted or last re-keyed; NULL = nothing */
    bool inserted;
    struct ls_fold_image *prev, *next;
    UT_hash_handle by_now, by_object;
    struct ls_fold_image **table; /* the one of the fold's by object that it is in, or NULL */
};

/* One variant ("product/weight") or product ("product"). */
struct ls_fold_folder {
    char *folder; /* where its images' objects lie */
    char *now;    /* NULL = it was deleted */
    bool is_product;
    struct ls_fold_folder *prev, *next;
    UT_hash_handle by_now;
};

struct ls_fold {
    struct ls_fold_image *images;               /* in the order in which they were first changed */
    struct ls_fold_image *rows;                 /* that exist, by now */
    struct ls_fold_image *dead, *astray;        /* of deleted rows; elsewhere than their rows; both by object */
    struct ls_fold_folder *folders;             /* in order */
    struct ls_fold_folder *variants, *products; /* that exist, by now */
};

/* All zero is an empty fold. */
void ls_fold_dispose(struct ls_fold *fold);
/* *out_foreign: another program made it. */
enum ls_rc ls_fold_add(struct ls_fold *fold, const struct ls_change *change, bool *out_foreign, struct ls_err *err)
    LS_MUST_CHECK;
/* The object of a row that was astray has followed. What may still lie at its old place, because another row wants to
 * be there, is as good as a deleted row's. */
enum ls_rc ls_fold_moved(struct ls_fold *fold, struct ls_fold_image *image, struct ls_err *err) LS_MUST_CHECK;
void ls_fold_drop_image(struct ls_fold *fold, struct ls_fold_image *image);
void ls_fold_drop_folder(struct ls_fold *fold, struct ls_fold_folder *folder);
/* The row that is at key, or NULL when it was not changed. */
const struct ls_fold_image *ls_fold_row(const struct ls_fold *fold, const char *key);
/* A deleted row whose object lies at key; a row whose object lies there and is wanted elsewhere. Or NULL. */
const struct ls_fold_image *ls_fold_dead(const struct ls_fold *fold, const char *key);
const struct ls_fold_image *ls_fold_astray(const struct ls_fold *fold, const char *key);
static inline bool ls_fold_empty(const struct ls_fold *fold) { return !fold->images && !fold->folders; }

#endif
