/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Extended attributes: user.lockstep.{key,etag,url,variant-id} of a file, user.lockstep.active of a weight folder.
 * Only the last can be set.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "mount/file.h"
#include "mount/internal.h"
#include "mount/lookup.h"

#define VALUE_MAX 4096

static const char *const file_names[] = {"user.lockstep.key", "user.lockstep.etag", "user.lockstep.url",
                                         "user.lockstep.variant-id"};
static const char active_name[] = "user.lockstep.active";

/* The weight folder that a node is. */
static bool weight_of(struct ls_mount *mount, struct ls_node *node, char product[LS_NAME_MAX + 1],
                      char weight[LS_NAME_MAX + 1])
{
    char path[LS_PATH_MAX];
    enum ls_level level;
    struct ls_key_parts parts;
    if (!node->is_dir || node->dir_depth != mount->products_depth + 2 || !ls_nodes_path(&mount->nodes, node, path) ||
        ls_lookup_classify(mount, path, &level, &parts) || level != LS_LEVEL_WEIGHT)
        return false;
    ls_slice_copy(parts.product, product);
    ls_slice_copy(parts.weight, weight);
    return true;
}

static enum ls_rc value_of_weight(struct ls_mount *mount, struct ls_node *node, char out[VALUE_MAX], struct ls_err *err)
{
    char product[LS_NAME_MAX + 1], weight[LS_NAME_MAX + 1];
    struct ls_variant variant;
    if (!weight_of(mount, node, product, weight))
        return LS_NOT_FOUND;
    enum ls_rc rc = mount->catalog->ops->variant_get(mount->catalog, NULL, product, weight, &variant, err);
    if (!rc)
        snprintf(out, VALUE_MAX, "%s", variant.is_active ? "1" : "0");
    return rc;
}

static enum ls_rc value_of_file(struct ls_mount *mount, struct ls_node *node, const char *name, char out[VALUE_MAX],
                                struct ls_err *err)
{
    char path[LS_PATH_MAX];
    struct ls_image_page page = {0};
    if (node->is_dir || ls_nodes_local(&mount->nodes, node) != LS_LOCAL_NONE ||
        !ls_nodes_path(&mount->nodes, node, path))
        return LS_NOT_FOUND;
    enum ls_rc rc = ls_mount_row(mount, path, &page, err);
    if (rc)
        return rc;
    const struct ls_image *row = &page.items[0];
    LS_AUTO(ls_free) char *url = NULL;
    if (mount->catalog->lacks_url) /* what it would be */
        rc = ls_store_url(mount->store, row->key, &url, err);
    const char *values[] = {row->key, row->record.known ? row->record.etag : NULL, url ? url : row->url,
                            row->variant_id};
    const char *value = NULL;
    for (size_t i = 0; i < sizeof file_names / sizeof *file_names; i++)
        if (strcmp(name, file_names[i]) == 0)
            value = values[i];
    if (value)
        snprintf(out, VALUE_MAX, "%s", value);
    ls_image_page_dispose(&page);
    return rc || value ? rc : LS_NOT_FOUND;
}

/* Answer with bytes, or with their number when size is 0. */
static void reply_bytes(fuse_req_t req, const char *data, size_t len, size_t size)
{
    if (size == 0)
        fuse_reply_xattr(req, len);
    else if (size < len)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, data, len);
}

void ls_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct ls_mount *mount = ls_mount_of(req);
    char value[VALUE_MAX];
    /* The kernel asks for security.capability at each write. */
    if (strncmp(name, "user.lockstep.", 14) != 0) {
        fuse_reply_err(req, ENODATA);
        return;
    }
    struct ls_node *node = ls_nodes_get(&mount->nodes, ino);
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = LS_NOT_FOUND;
    if (node && strcmp(name, active_name) == 0)
        rc = value_of_weight(mount, node, value, &err);
    else if (node)
        rc = value_of_file(mount, node, name, value, &err);
    if (rc)
        ls_mount_reply_rc(req, LS_CALL_XATTR, rc, &err);
    else
        reply_bytes(req, value, strlen(value), size);
    ls_nodes_unref(&mount->nodes, node);
}

void ls_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct ls_mount *mount = ls_mount_of(req);
    struct ls_node *node = ls_nodes_get(&mount->nodes, ino);
    char list[256], value[VALUE_MAX];
    size_t len = 0;
    struct ls_err err = LS_ERR_INIT;
    if (node && node->is_dir && value_of_weight(mount, node, value, &err) == LS_OK) {
        memcpy(list, active_name, sizeof active_name);
        len = sizeof active_name;
    }
    for (size_t i = 0; node && !node->is_dir && i < sizeof file_names / sizeof *file_names; i++) {
        if (value_of_file(mount, node, file_names[i], value, &err))
            continue;
        memcpy(list + len, file_names[i], strlen(file_names[i]) + 1);
        len += strlen(file_names[i]) + 1;
    }
    reply_bytes(req, list, len, size);
    ls_nodes_unref(&mount->nodes, node);
}

/* ---- set ---- */

struct active_task {
    struct ls_file_task file;
    bool active;
};

static void plan_active(struct ls_task *task) { ls_task_want_chain(task, ((struct ls_file_task *)task)->node, false); }

static void run_active(struct ls_task *task)
{
    struct active_task *set = (struct active_task *)task;
    char product[LS_NAME_MAX + 1], weight[LS_NAME_MAX + 1];
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = LS_NOT_FOUND;
    if (weight_of(task->mount, set->file.node, product, weight))
        rc = ls_engine_variant_set_active(task->mount->engine, product, weight, set->active, &err);
    atomic_fetch_add(&task->mount->changes, 1);
    ls_mount_reply_rc(task->req, LS_CALL_NAMES, rc, &err);
}

void ls_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
    (void)flags;
    struct ls_mount *mount = ls_mount_of(req);
    char product[LS_NAME_MAX + 1], weight[LS_NAME_MAX + 1];
    if (ls_mount_refuse(req))
        return;
    struct ls_node *node = ls_nodes_get(&mount->nodes, ino);
    int failed = !node ? ENOENT : 0;
    if (!failed && (strcmp(name, active_name) != 0 || !weight_of(mount, node, product, weight)))
        failed = ENOTSUP;
    if (!failed && (size != 1 || (*value != '0' && *value != '1')))
        failed = EINVAL;
    struct active_task *set = NULL;
    if (!failed && !(set = ls_file_task_new(mount, req, node, sizeof *set, run_active)))
        failed = ENOMEM;
    if (failed) {
        fuse_reply_err(req, failed);
    } else {
        set->file.task.plan = plan_active;
        set->active = *value == '1';
        ls_task_start(&set->file.task);
    }
    ls_nodes_unref(&mount->nodes, node);
}

void ls_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    (void)ino;
    fuse_reply_err(req, strncmp(name, "user.lockstep.", 14) == 0 ? ENOTSUP : ENODATA);
}
