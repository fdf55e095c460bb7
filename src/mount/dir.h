/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files about listings share: rows of a folder, page by page (dir_load.c), and positions (dir_place.c).
 */
#ifndef LOCKSTEP_MOUNT_DIR_H
#define LOCKSTEP_MOUNT_DIR_H

#include "mount/internal.h"

/* ---- dir_load.c ---- */

struct ls_dir_rows; /* the rows of a whole product, shared */

/* Rows of a folder that follow a name: images in a type folder, folders elsewhere. Zero is an empty one. */
struct ls_dir_page {
    struct ls_image_page images; /* where rows lie, or: */
    struct ls_dir_rows *shared;  /* with a reference */
    const struct ls_image *rows;
    struct ls_dir_folder {
        char name[LS_NAME_MAX + 1];
        struct stat st;
    } * folders; /* NULL: rows */
    size_t n;
    bool last;                 /* nothing follows this page */
    char skip[LS_KEY_MAX + 1]; /* where the next page starts, when n is 0 or the end was cut; "" = after the last */
    uint64_t changes, feed;    /* the mount's, from before */
};

/* The page after a name ("" = the first) of a folder with this path; about `limit` entries. Disposes of what page held.
 */
enum ls_rc ls_dir_load(struct ls_mount *mount, const struct ls_node *dir, const char *path, const char *after,
                       unsigned limit, struct ls_dir_page *page, struct ls_err *err) LS_MUST_CHECK;
void ls_dir_page_dispose(struct ls_mount *mount, struct ls_dir_page *page);

/* Products whose rows were read a moment ago: who walks a tree asks for each folder of one in turn. */
#define LS_DIR_RECENT 16
struct ls_dir_recent {
    pthread_mutex_t lock;
    struct ls_dir_rows *slots[LS_DIR_RECENT]; /* lock, as next */
    unsigned next;
};
void ls_dir_recent_dispose(struct ls_dir_recent *recent);

/* ---- dir_place.c ---- */

/* The kernel's offset behind a name: 1 and 2 are "." and "..", a name's is never one of the small numbers. */
off_t ls_dir_cookie(const char *name);

#define LS_DIR_ENDS 256
struct ls_dir_places {
    pthread_mutex_t lock;
    struct ls_dir_block *newest, *oldest; /* lock, as all below */
    size_t bytes;
    struct ls_dir_end {
        uint64_t ino, changes, feed;
        off_t off;
        int64_t at_ms;
    } ends[LS_DIR_ENDS];
};
void ls_dir_places_dispose(struct ls_dir_places *places);
/* Names that were given of a folder, each with its NUL: their offsets stay good when the names have gone. Out of memory
 * only means that they may not. */
void ls_dir_places_add(struct ls_dir_places *places, uint64_t ino, const char *names, size_t len);
/* The name behind which an offset is; false when it is not among those. */
bool ls_dir_places_find(struct ls_dir_places *places, uint64_t ino, off_t off, char out[LS_NAME_MAX + 1]);
/* Nothing followed an offset, as of these numbers. */
void ls_dir_places_end(struct ls_mount *mount, uint64_t ino, off_t off, uint64_t changes, uint64_t feed);
/* Is that still known? */
bool ls_dir_places_at_end(struct ls_mount *mount, uint64_t ino, off_t off);

#endif
