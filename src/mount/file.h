/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Open files.
 */
#ifndef LOCKSTEP_MOUNT_FILE_H
#define LOCKSTEP_MOUNT_FILE_H

#include "mount/internal.h"
#include "mount/stage.h"

static inline struct ls_handle *ls_handle_of(const struct fuse_file_info *fi)
{
    return (struct ls_handle *)(uintptr_t)fi->fh;
}

/* A task about one file: gates as ls_name_want_file. Takes a reference of its own on node. NULL: out of memory. */
struct ls_file_task {
    struct ls_task task;
    struct ls_node *node;
};
/* size is that of the whole task, which begins with a struct ls_file_task. */
void *ls_file_task_new(struct ls_mount *mount, fuse_req_t req, struct ls_node *node, size_t size,
                       void (*run)(struct ls_task *));

/* Does closing or syncing the file have something to commit? */
bool ls_file_is_dirty(struct ls_mount *mount, struct ls_node *node);
/* Commit the file if it is dirty, then answer req (NULL: log failures, and settle the file). Never blocks. */
void ls_file_commit_async(struct ls_mount *mount, fuse_req_t req, struct ls_node *node);
/* Note that bytes have changed: written from off_bytes on or cut off there. A write that had failed at or behind it
 * counts as repeated; UINT64_MAX: none does. */
void ls_file_written(struct ls_mount *mount, struct ls_node *node, uint64_t off_bytes);

#endif
