/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lookup, getattr and forget.
 *
 * When a row has another version than the open handles of its node, somebody else has committed: the node loses its
 * name and the name gets a new node, as a rename over it would do on a local disk. So no handle and no kernel page ever
 * mixes two versions.
 */
#include "mount/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/log.h"
#include "mount/attr.h"

#define TRIES 100

void ls_slice_copy(struct ls_slice slice, char *out)
{
    size_t n = slice.len <= LS_NAME_MAX ? slice.len : 0;
    if (n > 0)
        memcpy(out, slice.data, n);
    out[n] = '\0';
}

int ls_lookup_classify(struct ls_mount *mount, const char *path, enum ls_level *out_level,
                       struct ls_key_parts *out_parts)
{
    return ls_mount_name_errno(ls_layout_parse_path(mount->layout, path, strlen(path), out_level, out_parts));
}

enum ls_rc ls_lookup_has_image(struct ls_mount *mount, const char *path, bool *out_has, struct ls_err *err)
{
    char after[LS_PATH_MAX + 2], before[LS_PATH_MAX + 2];
    snprintf(after, sizeof after, "%s/", path);
    snprintf(before, sizeof before, "%s0", path); /* '0' follows '/' */
    struct ls_image_page page = {0};
    enum ls_rc rc = mount->catalog->ops->image_page(mount->catalog, NULL, after, before, 1, &page, err);
    *out_has = !rc && page.n > 0;
    ls_image_page_dispose(&page);
    return rc;
}

/* ---- folders ---- */

static enum ls_rc type_folder(struct ls_mount *mount, unsigned depth, const char *path, struct stat *out,
                              struct ls_err *err)
{
    struct ls_folder folder;
    enum ls_rc rc = mount->catalog->ops->folder_get(mount->catalog, NULL, path, &folder, err);
    if (!rc) {
        ls_attr_folder(mount, depth, &folder, 0, out);
        return LS_OK;
    }
    if (rc != LS_NOT_FOUND)
        return rc;
    bool has;
    rc = ls_lookup_has_image(mount, path, &has, err);
    if (rc)
        return rc;
    if (!has)
        return LS_NOT_FOUND;
    ls_attr_folder(mount, depth, NULL, 0, out);
    return LS_OK;
}

/* The attributes of a folder, if it exists. */
static enum ls_rc find_folder(struct ls_mount *mount, unsigned depth, const char *path, enum ls_level level,
                              const struct ls_key_parts *parts, struct stat *out, struct ls_err *err)
{
    char product[LS_NAME_MAX + 1], weight[LS_NAME_MAX + 1];
    struct ls_variant variant = {0};
    enum ls_rc rc = LS_OK;
    bool exists = true;
    switch (level) {
    case LS_LEVEL_ROOT:
        break;
    case LS_LEVEL_PRODUCT:
        ls_slice_copy(parts->product, product);
        rc = mount->catalog->ops->product_exists(mount->catalog, NULL, product, &exists, err);
        break;
    case LS_LEVEL_WEIGHT:
        ls_slice_copy(parts->product, product);
        ls_slice_copy(parts->weight, weight);
        rc = mount->catalog->ops->variant_get(mount->catalog, NULL, product, weight, &variant, err);
        break;
    case LS_LEVEL_TYPE:
        return type_folder(mount, depth, path, out, err);
    case LS_LEVEL_FILE:
        return LS_NOT_FOUND;
    }
    if (rc)
        return rc;
    return exists ? ls_attr_folder_path(mount, depth, path, variant.updated_ns, out, err) : LS_NOT_FOUND;
}

static enum ls_rc lookup_folder(struct ls_mount *mount, struct ls_node *parent, const char *name, const char *path,
                                enum ls_level level, const struct ls_key_parts *parts, struct ls_node **out_node,
                                struct stat *out_st, struct ls_err *err)
{
    enum ls_rc rc = find_folder(mount, parent->dir_depth + 1, path, level, parts, out_st, err);
    if (rc)
        return rc;
    *out_node = ls_nodes_obtain(&mount->nodes, parent, name, true);
    if (!*out_node)
        return ls_err_nomem(err);
    ls_attr_touched(mount, *out_node, out_st);
    out_st->st_ino = (*out_node)->ino;
    return LS_OK;
}

/* ---- files ---- */

enum ls_rc ls_lookup_row(struct ls_mount *mount, struct ls_node *parent, const char *name, const struct ls_image *row,
                         uint64_t seen_changes, struct ls_node **out_node, struct stat *out_st)
{
    for (int i = 0; i < 2; i++) {
        struct ls_node *node =
            row ? ls_nodes_obtain(&mount->nodes, parent, name, false) : ls_nodes_find(&mount->nodes, parent, name);
        if (!node)
            return row ? LS_NO_MEMORY : LS_NOT_FOUND;
        enum ls_rc rc = node->is_dir ? LS_NOT_FOUND : ls_attr_file(mount, node, row, seen_changes, out_st);
        if (!rc) {
            *out_node = node;
            return LS_OK;
        }
        if (rc == LS_CONFLICT)
            ls_file_orphan(mount, node);
        ls_nodes_unref(&mount->nodes, node);
        if (rc != LS_CONFLICT)
            return rc;
    }
    return LS_BUSY;
}

/* A file in a folder where the layout has none can only be a scratch file. */
static enum ls_rc lookup_file(struct ls_mount *mount, struct ls_node *parent, const char *name, const char *path,
                              bool may_have_row, struct ls_node **out_node, struct stat *out_st, struct ls_err *err)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t changes = atomic_load(&mount->changes);
        struct ls_image_page page = {0};
        enum ls_rc rc = may_have_row ? ls_mount_row(mount, path, &page, err) : LS_NOT_FOUND;
        if (!rc || rc == LS_NOT_FOUND)
            rc = ls_lookup_row(mount, parent, name, rc ? NULL : &page.items[0], changes, out_node, out_st);
        ls_image_page_dispose(&page);
        if (rc != LS_BUSY)
            return rc;
    }
    return ls_err_set(err, LS_BUSY, "mount: %s changes all the time", path);
}

enum ls_rc ls_lookup_child(struct ls_mount *mount, struct ls_node *parent, const char *name, struct ls_node **out_node,
                           struct stat *out_st, struct ls_err *err)
{
    char path[LS_PATH_MAX];
    enum ls_level level = LS_LEVEL_ROOT;
    struct ls_key_parts parts = {0};
    if (strlen(name) > LS_NAME_MAX) {
        enum ls_rc rc = ls_err_set(err, LS_INVALID, "mount: a name of more than %d bytes", LS_NAME_MAX);
        err->sys_errno = ENAMETOOLONG;
        return rc;
    }
    if (!ls_nodes_child_path(&mount->nodes, parent, name, path))
        return LS_NOT_FOUND;
    int unfit = ls_lookup_classify(mount, path, &level, &parts);
    if (!unfit && level != LS_LEVEL_FILE) {
        enum ls_rc rc = lookup_folder(mount, parent, name, path, level, &parts, out_node, out_st, err);
        if (rc != LS_NOT_FOUND)
            return rc;
    }
    return lookup_file(mount, parent, name, path, !unfit && level == LS_LEVEL_FILE, out_node, out_st, err);
}

/* A node without a name: what its handles see. */
static enum ls_rc lookup_nameless(struct ls_mount *mount, struct ls_node *node, struct stat *out_st)
{
    struct ls_file *file = ls_file_peek(mount, node);
    if (node->is_dir || !file)
        return LS_NOT_FOUND;
    LS_LOCK(&file->lock);
    if (file->stage)
        ls_attr_stage(mount, file->stage, out_st);
    else
        *out_st = file->last;
    out_st->st_ino = node->ino;
    out_st->st_nlink = 0;
    return out_st->st_mode ? LS_OK : LS_NOT_FOUND;
}

static enum ls_rc lookup_linked_file(struct ls_mount *mount, struct ls_node *node, const char *path,
                                     struct stat *out_st, struct ls_err *err)
{
    enum ls_level level = LS_LEVEL_ROOT;
    struct ls_key_parts parts = {0};
    bool may_have_row = !ls_lookup_classify(mount, path, &level, &parts) && level == LS_LEVEL_FILE;
    /* A new file that is being written must not depend on whether the catalog answers: the kernel asks for its
     * attributes in the middle of the open that has created it, and would leave an empty file behind. */
    if (ls_attr_file_staged(mount, node, out_st))
        return LS_OK;
    for (int i = 0; i < TRIES; i++) {
        uint64_t changes = atomic_load(&mount->changes);
        struct ls_image_page page = {0};
        enum ls_rc rc = may_have_row ? ls_mount_row(mount, path, &page, err) : LS_NOT_FOUND;
        if (!rc || rc == LS_NOT_FOUND)
            rc = ls_attr_file(mount, node, rc ? NULL : &page.items[0], changes, out_st);
        ls_image_page_dispose(&page);
        if (rc == LS_CONFLICT) {
            char name[256];
            struct ls_node *parent = ls_nodes_parent(&mount->nodes, node, name);
            ls_file_orphan(mount, node);
            ls_mount_notify_entry(mount, parent->ino, name);
            ls_nodes_unref(&mount->nodes, parent);
            return lookup_nameless(mount, node, out_st);
        }
        if (rc == LS_NOT_FOUND && lookup_nameless(mount, node, out_st) == LS_OK) {
            struct ls_file *file = ls_file_peek(mount, node);
            LS_LOCK(&file->lock);
            return file->handles > 0 ? LS_OK : LS_NOT_FOUND;
        }
        if (rc != LS_BUSY)
            return rc;
    }
    return ls_err_set(err, LS_BUSY, "mount: %s changes all the time", path);
}

enum ls_rc ls_lookup_node(struct ls_mount *mount, struct ls_node *node, struct stat *out_st, struct ls_err *err)
{
    char path[LS_PATH_MAX];
    if (!ls_nodes_path(&mount->nodes, node, path))
        return lookup_nameless(mount, node, out_st);
    if (!node->is_dir)
        return lookup_linked_file(mount, node, path, out_st, err);
    enum ls_level level = LS_LEVEL_ROOT;
    struct ls_key_parts parts = {0};
    if (ls_lookup_classify(mount, path, &level, &parts))
        return LS_NOT_FOUND;
    enum ls_rc rc = find_folder(mount, node->dir_depth, path, level, &parts, out_st, err);
    if (rc)
        return rc;
    ls_attr_touched(mount, node, out_st);
    out_st->st_ino = node->ino;
    return LS_OK;
}

/* ---- requests ---- */

void ls_lookup_entry(struct ls_mount *mount, struct ls_node *node, const struct stat *st, uint64_t seen_feed,
                     struct fuse_entry_param *out)
{
    const struct ls_mount_tuning *tuning = &mount->tuning;
    *out = (struct fuse_entry_param){.ino = node->ino,
                                     .generation = node->generation,
                                     .attr = *st,
                                     .attr_timeout = ls_mount_timeout(mount, tuning->attr_timeout, seen_feed),
                                     .entry_timeout = ls_mount_timeout(mount, tuning->entry_timeout, seen_feed)};
    ls_nodes_looked_up(&mount->nodes, node);
}

void ls_op_lookup(fuse_req_t req, fuse_ino_t parent_ino, const char *name)
{
    struct ls_mount *mount = ls_mount_of(req);
    struct ls_node *parent = ls_nodes_get(&mount->nodes, parent_ino), *node = NULL;
    struct ls_err err = LS_ERR_INIT;
    struct stat st;
    uint64_t seen = atomic_load(&mount->feed);
    if (!parent) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    enum ls_rc rc = ls_lookup_child(mount, parent, name, &node, &st, &err);
    if (!rc && node) {
        struct fuse_entry_param entry;
        ls_lookup_entry(mount, node, &st, seen, &entry);
        if (fuse_reply_entry(req, &entry) != 0)
            ls_nodes_forget(&mount->nodes, node->ino, 1);
    } else if (rc == LS_INVALID && err.sys_errno) {
        fuse_reply_err(req, err.sys_errno);
    } else {
        ls_mount_reply_rc(req, LS_CALL_NAMES, rc, &err);
    }
    ls_nodes_unref(&mount->nodes, node);
    ls_nodes_unref(&mount->nodes, parent);
}

void ls_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
    ls_nodes_forget(&ls_mount_of(req)->nodes, ino, nlookup);
    fuse_reply_none(req);
}

void ls_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    struct ls_mount *mount = ls_mount_of(req);
    for (size_t i = 0; i < count; i++)
        ls_nodes_forget(&mount->nodes, forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

void ls_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    struct ls_mount *mount = ls_mount_of(req);
    struct ls_node *node = ls_nodes_get(&mount->nodes, ino);
    struct ls_err err = LS_ERR_INIT;
    struct stat st;
    enum ls_rc rc = node ? ls_lookup_node(mount, node, &st, &err) : LS_NOT_FOUND;
    if (!rc)
        fuse_reply_attr(req, &st, ls_mount_attr_timeout(mount));
    else if (rc == LS_NOT_FOUND && node && !node->is_dir)
        fuse_reply_err(req, ESTALE); /* a path walk that met a rename or unlink: the kernel looks the name up again */
    else
        ls_mount_reply_rc(req, LS_CALL_NAMES, rc, &err);
    ls_nodes_unref(&mount->nodes, node);
}
