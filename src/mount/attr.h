/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attributes: what stat(2) shows of a row, a folder and a staged file. Folders without a row of their own belong to who
 * mounted. Nothing here touches the store.
 */
#ifndef LOCKSTEP_MOUNT_ATTR_H
#define LOCKSTEP_MOUNT_ATTR_H

#include "mount/internal.h"
#include "mount/stage.h"

/* st_ino is left to the caller. */
void ls_attr_image(const struct ls_mount *mount, const struct ls_image *row, struct stat *out);
void ls_attr_stage(const struct ls_mount *mount, const struct ls_stage *stage, struct stat *out);
/* folder NULL: none recorded; fallback_ns is then its time. */
void ls_attr_folder(const struct ls_mount *mount, unsigned depth, const struct ls_folder *folder, int64_t fallback_ns,
                    struct stat *out);
/* A folder that is known to exist, by its path. */
enum ls_rc ls_attr_folder_path(struct ls_mount *mount, unsigned depth, const char *path, int64_t fallback_ns,
                               struct stat *out, struct ls_err *err) LS_MUST_CHECK;
/* Entries that we changed since the folder was loaded make its time newer than the recorded one. */
void ls_attr_touched(struct ls_mount *mount, struct ls_node *dir, struct stat *st);

/* The state of a file node: from its stage where that is ahead of the row, otherwise from the row (NULL: there is
 * none). LS_NOT_FOUND: neither. LS_CONFLICT: the row is of another version than open handles see. seen_changes is
 * mount->changes from before the row was read; LS_BUSY: it has moved, read again. file->lock must not be held. */
enum ls_rc ls_attr_file(struct ls_mount *mount, struct ls_node *node, const struct ls_image *row, uint64_t seen_changes,
                        struct stat *out) LS_MUST_CHECK;
/* The same when the row does not matter, because what is staged is ahead of it. False: it matters. */
bool ls_attr_file_staged(struct ls_mount *mount, struct ls_node *node, struct stat *out);

static inline struct timespec ls_timespec(int64_t ns)
{
    struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    if (ts.tv_nsec < 0) {
        ts.tv_nsec += 1000000000;
        ts.tv_sec--;
    }
    return ts;
}

#endif
