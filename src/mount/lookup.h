/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a name to what it is: a folder by its row, a file by its row or by what is staged here.
 */
#ifndef LOCKSTEP_MOUNT_LOOKUP_H
#define LOCKSTEP_MOUNT_LOOKUP_H

#include "mount/internal.h"

/* Find a name in a folder: the node with a reference and its attributes. LS_NOT_FOUND; LS_INVALID with an
 * err->sys_errno of ENAMETOOLONG for a name that is too long. Catalog reads only. */
enum ls_rc ls_lookup_child(struct ls_mount *mount, struct ls_node *parent, const char *name, struct ls_node **out_node,
                           struct stat *out_st, struct ls_err *err) LS_MUST_CHECK;
/* As above for a file whose row (NULL: none) is already read; seen_changes is mount->changes from before. */
enum ls_rc ls_lookup_row(struct ls_mount *mount, struct ls_node *parent, const char *name, const struct ls_image *row,
                         uint64_t seen_changes, struct ls_node **out_node, struct stat *out_st) LS_MUST_CHECK;
/* The attributes of a node. LS_NOT_FOUND: it is gone. */
enum ls_rc ls_lookup_node(struct ls_mount *mount, struct ls_node *node, struct stat *out_st, struct ls_err *err)
    LS_MUST_CHECK;
/* Answer a request with an entry; counts the lookup. seen_feed is mount->feed from before the attributes were read. */
void ls_lookup_entry(struct ls_mount *mount, struct ls_node *node, const struct stat *st, uint64_t seen_feed,
                     struct fuse_entry_param *out);

/* What a path would be, and the errno of making it. */
int ls_lookup_classify(struct ls_mount *mount, const char *path, enum ls_level *out_level,
                       struct ls_key_parts *out_parts);
/* Copy a slice; out has LS_NAME_MAX + 1 bytes. */
void ls_slice_copy(struct ls_slice slice, char *out);
/* Is there an image below a folder (path without trailing slash)? */
enum ls_rc ls_lookup_has_image(struct ls_mount *mount, const char *path, bool *out_has, struct ls_err *err)
    LS_MUST_CHECK;

#endif
