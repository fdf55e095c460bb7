/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which names can be made where, and a task about one name in one folder.
 */
#ifndef LOCKSTEP_MOUNT_NAMES_H
#define LOCKSTEP_MOUNT_NAMES_H

#include "mount/internal.h"

/* What a file of this path would be. */
enum ls_file_kind { LS_FILE_REAL, LS_FILE_SCRATCH };

/* 0 and the kind, or the errno of making it. A scratch name may be made in every folder from the products' down. */
int ls_name_for_file(struct ls_mount *mount, const struct ls_node *parent, const char *name, const char *path,
                     enum ls_file_kind *out_kind);

/* Owner and mode of something new in a folder: the caller's, or by the folder's set-group-id bit. */
void ls_name_owner(fuse_req_t req, struct ls_node *parent, bool is_dir, uint32_t *mode, uint32_t *out_uid,
                   uint32_t *out_gid);

/* Have the bytes of a file that is about to lose its name ready for an open that has looked the name up already. Needs
 * no network: what is not cached is not kept. Gate held. */
void ls_name_keep(struct ls_mount *mount, struct ls_node *node, const char *path);
/* Take a file's name away after its row (if any) is gone. Gate held. */
void ls_name_removed(struct ls_mount *mount, struct ls_node *parent, struct ls_node *node);

/* Want what a change of the file needs: the folders above shared, itself exclusive, and the name that it hides. */
void ls_name_want_file(struct ls_task *task, struct ls_node *node);

#endif
