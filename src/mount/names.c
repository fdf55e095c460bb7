/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Making and removing names: mkdir, rmdir, unlink.
 */
#include "mount/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "mount/attr.h"
#include "mount/cache.h"
#include "mount/hold.h"
#include "mount/lookup.h"
#include "mount/scratch.h"
#include "mount/stage.h"

int ls_name_for_file(struct ls_mount *mount, const struct ls_node *parent, const char *name, const char *path,
                     enum ls_file_kind *out_kind)
{
    enum ls_level level = LS_LEVEL_ROOT;
    struct ls_key_parts parts = {0};
    if (strlen(name) > LS_NAME_MAX)
        return ENAMETOOLONG;
    int unfit = ls_lookup_classify(mount, path, &level, &parts);
    bool scratch = ls_scratch_name(name) && parent->dir_depth >= mount->products_depth;
    if (unfit && !(unfit == EPERM && scratch))
        return unfit;
    if ((unfit || level != LS_LEVEL_FILE) && !scratch)
        return EPERM;
    *out_kind = scratch ? LS_FILE_SCRATCH : LS_FILE_REAL;
    return 0;
}

void ls_name_owner(fuse_req_t req, struct ls_node *parent, bool is_dir, uint32_t *mode, uint32_t *out_uid,
                   uint32_t *out_gid)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    struct stat st;
    struct ls_err err = LS_ERR_INIT;
    *out_uid = ctx->uid;
    *out_gid = ctx->gid;
    *mode &= 07777;
    if (ls_lookup_node(ls_mount_of(req), parent, &st, &err) == LS_OK && (st.st_mode & S_ISGID)) {
        *out_gid = st.st_gid;
        if (is_dir)
            *mode |= S_ISGID;
    }
}

void ls_name_keep(struct ls_mount *mount, struct ls_node *node, const char *path)
{
    struct ls_image_page page = {0};
    struct ls_file *file = node && !node->is_dir ? ls_file_of(mount, node) : NULL;
    if (!file || ls_mount_row(mount, path, &page, NULL))
        return;
    const struct ls_record *record = &page.items[0].record;
    struct ls_content *content =
        record->known ? ls_cache_find(mount->cache, path, record->etag, record->size_bytes) : NULL;
    {
        LS_LOCK(&file->lock);
        bool unused = file->handles == 0 && !file->stage;
        bool same = !file->etag_known || strcmp(file->etag, record->etag) == 0; /* else the kernel has older pages */
        if (unused)
            ls_attr_image(mount, &page.items[0], &file->last);
        /* What is not whole would be asked of an object that goes. */
        if (unused && same && content && atomic_load(&content->whole)) {
            ls_content_unref(file->content);
            file->content = ls_content_ref(content);
            file->content_size_bytes = record->size_bytes;
            snprintf(file->etag, sizeof file->etag, "%s", record->etag);
            file->etag_known = true;
        }
    }
    ls_content_unref(content);
    ls_image_page_dispose(&page);
}

void ls_name_removed(struct ls_mount *mount, struct ls_node *parent, struct ls_node *node)
{
    if (node) {
        ls_nodes_detach(&mount->nodes, node);
        if (!node->is_dir && ls_file_peek(mount, node))
            (void)ls_stage_settle(mount, node);
    }
    ls_nodes_touch(&mount->nodes, parent, ls_now_ns());
    atomic_fetch_add(&mount->changes, 1);
}

void ls_name_want_file(struct ls_task *task, struct ls_node *node)
{
    struct ls_mount *mount = task->mount;
    char name[256];
    struct ls_node *parent = ls_nodes_parent(&mount->nodes, node, name), *whiteout = NULL;
    ls_task_want_chain(task, parent, false);
    ls_task_want(task, node, true);
    ls_nodes_unref(&mount->nodes, parent);
    struct ls_file *file = ls_file_peek(mount, node);
    if (file) {
        LS_LOCK(&file->lock);
        whiteout = file->stage ? file->stage->whiteout : NULL;
        if (whiteout)
            ls_nodes_ref(&mount->nodes, whiteout);
    }
    if (!whiteout)
        return;
    parent = ls_nodes_parent(&mount->nodes, whiteout, name);
    ls_task_want_chain(task, parent, false);
    ls_task_want(task, whiteout, true);
    ls_nodes_unref(&mount->nodes, parent);
    ls_nodes_unref(&mount->nodes, whiteout);
}

/* ---- a task about a name ---- */

struct name_task {
    struct ls_task task;
    struct ls_node *parent, *node; /* with references; node may be NULL */
    char name[LS_NAME_MAX + 1];
    uint32_t mode, uid, gid;
};

static void dispose_name(struct ls_task *task)
{
    struct name_task *name = (struct name_task *)task;
    ls_nodes_unref(&task->mount->nodes, name->node);
    ls_nodes_unref(&task->mount->nodes, name->parent);
}

static void plan_name(struct ls_task *task)
{
    struct name_task *name = (struct name_task *)task;
    ls_task_want_chain(task, name->parent, false);
    if (name->node && name->node->is_dir)
        ls_task_want(task, name->node, true);
    else if (name->node)
        ls_name_want_file(task, name->node);
}

/* A task for req about a name; NULL after having answered. */
static struct name_task *name_task_new(fuse_req_t req, fuse_ino_t parent_ino, const char *text,
                                       void (*run)(struct ls_task *))
{
    struct ls_mount *mount = ls_mount_of(req);
    if (ls_mount_refuse(req))
        return NULL;
    struct ls_node *parent = ls_nodes_get(&mount->nodes, parent_ino);
    struct name_task *name = parent && strlen(text) <= LS_NAME_MAX ? calloc(1, sizeof *name) : NULL;
    if (!name) {
        fuse_reply_err(req, !parent ? ENOENT : strlen(text) > LS_NAME_MAX ? ENAMETOOLONG : ENOMEM);
        ls_nodes_unref(&mount->nodes, parent);
        return NULL;
    }
    name->task = (struct ls_task){.mount = mount, .req = req, .plan = plan_name, .run = run, .dispose = dispose_name};
    name->parent = parent;
    memcpy(name->name, text, strlen(text) + 1);
    name->node = ls_nodes_find(&mount->nodes, parent, text);
    return name;
}

static void refuse_task(struct name_task *name, int sys_errno)
{
    fuse_reply_err(name->task.req, sys_errno);
    dispose_name(&name->task);
    free(name);
}

/* ---- mkdir ---- */

static void run_mkdir(struct ls_task *task)
{
    struct name_task *name = (struct name_task *)task;
    struct ls_mount *mount = task->mount;
    struct ls_err err = LS_ERR_INIT;
    char path[LS_PATH_MAX];
    struct ls_attr attr = {.set_mode = true, .set_owner = true, .set_mtime = true};
    attr.mode = name->mode;
    attr.uid = name->uid;
    attr.gid = name->gid;
    attr.mtime_ns = ls_now_ns();
    struct ls_node *node = NULL;
    struct stat st;
    uint64_t seen = 0;
    enum ls_rc rc = ls_nodes_child_path(&mount->nodes, name->parent, name->name, path) ? LS_OK : LS_NOT_FOUND;
    if (!rc)
        rc = ls_engine_mkdir(mount->engine, path, &attr, &err);
    if (!rc) {
        ls_nodes_touch(&mount->nodes, name->parent, ls_now_ns());
        atomic_fetch_add(&mount->changes, 1);
        seen = atomic_load(&mount->feed);
        rc = ls_lookup_child(mount, name->parent, name->name, &node, &st, &err);
    }
    if (rc) {
        ls_mount_reply_rc(task->req, LS_CALL_MKDIR, rc, &err);
        return;
    }
    struct fuse_entry_param entry;
    ls_lookup_entry(mount, node, &st, seen, &entry);
    if (fuse_reply_entry(task->req, &entry) != 0)
        ls_nodes_forget(&mount->nodes, node->ino, 1);
    ls_nodes_unref(&mount->nodes, node);
}

void ls_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode)
{
    struct ls_mount *mount = ls_mount_of(req);
    struct name_task *name = name_task_new(req, parent, text, run_mkdir);
    if (!name)
        return;
    char path[LS_PATH_MAX];
    enum ls_level level = LS_LEVEL_ROOT;
    struct ls_key_parts parts;
    if (!ls_nodes_child_path(&mount->nodes, name->parent, text, path)) {
        refuse_task(name, ENOENT);
        return;
    }
    int unfit = ls_lookup_classify(mount, path, &level, &parts);
    if (unfit || level == LS_LEVEL_ROOT || level == LS_LEVEL_FILE) {
        refuse_task(name, unfit ? unfit : level == LS_LEVEL_ROOT ? EEXIST : EPERM);
        return;
    }
    name->task.quick = true;
    name->mode = mode;
    ls_name_owner(req, name->parent, true, &name->mode, &name->uid, &name->gid);
    ls_task_start(&name->task);
}

/* ---- rmdir ---- */

/* Files that exist only here keep a folder; rows that are hidden here do not. */
static enum ls_rc clear_locals(struct ls_mount *mount, struct ls_node *dir, struct ls_err *err)
{
    char name[256] = "";
    struct ls_node *node;
    enum ls_rc rc = LS_OK;
    while (!rc && (node = ls_nodes_next_local(&mount->nodes, dir, name, name))) {
        if (ls_nodes_local(&mount->nodes, node) == LS_LOCAL_WHITEOUT)
            rc = ls_whiteout_remove(mount, node, err);
        else
            rc = LS_NOT_EMPTY;
        ls_nodes_unref(&mount->nodes, node);
    }
    return rc;
}

static void run_rmdir(struct ls_task *task)
{
    struct name_task *name = (struct name_task *)task;
    struct ls_mount *mount = task->mount;
    struct ls_err err = LS_ERR_INIT;
    char path[LS_PATH_MAX];
    enum ls_rc rc = ls_nodes_child_path(&mount->nodes, name->parent, name->name, path) ? LS_OK : LS_NOT_FOUND;
    if (!rc && name->node)
        rc = clear_locals(mount, name->node, &err);
    if (!rc)
        rc = ls_engine_rmdir(mount->engine, path, &err);
    if (!rc)
        ls_name_removed(mount, name->parent, name->node);
    ls_mount_reply_rc(task->req, LS_CALL_NAMES, rc, &err);
}

static bool has_locals(struct ls_mount *mount, struct ls_node *dir)
{
    char name[256];
    struct ls_node *node = dir && dir->is_dir ? ls_nodes_next_local(&mount->nodes, dir, "", name) : NULL;
    ls_nodes_unref(&mount->nodes, node);
    return node != NULL;
}

void ls_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *text)
{
    struct name_task *name = name_task_new(req, parent, text, run_rmdir);
    if (!name)
        return;
    name->task.quick = !has_locals(name->task.mount, name->node);
    if (name->node && !name->node->is_dir)
        refuse_task(name, ENOTDIR);
    else if (name->parent->dir_depth < name->task.mount->products_depth)
        refuse_task(name, EPERM);
    else
        ls_task_start(&name->task);
}

/* ---- unlink ---- */

/* Has the file bytes here that no row stands for? */
static bool only_local(struct ls_mount *mount, struct ls_node *node, struct ls_node **out_whiteout)
{
    struct ls_file *file = node ? ls_file_peek(mount, node) : NULL;
    *out_whiteout = NULL;
    if (!file)
        return false;
    LS_LOCK(&file->lock);
    enum ls_local local = ls_nodes_local(&mount->nodes, node);
    if (!file->stage || local == LS_LOCAL_NONE)
        return false;
    *out_whiteout = file->stage->whiteout;
    return local == LS_LOCAL_SCRATCH || !file->stage->has_row;
}

static void run_unlink(struct ls_task *task)
{
    struct name_task *name = (struct name_task *)task;
    struct ls_mount *mount = task->mount;
    struct ls_err err = LS_ERR_INIT;
    struct ls_node *whiteout;
    char path[LS_PATH_MAX];
    enum ls_rc rc = ls_nodes_child_path(&mount->nodes, name->parent, name->name, path) ? LS_OK : LS_NOT_FOUND;
    if (!rc && only_local(mount, name->node, &whiteout)) {
        if (whiteout)
            rc = ls_whiteout_remove(mount, whiteout, &err);
    } else if (!rc) {
        struct ls_image_ref ref = {.key = path};
        rc = ls_hold_bytes(mount, path, &err);
        ls_name_keep(mount, name->node, path);
        if (!rc)
            rc = ls_engine_remove(mount->engine, &ref, 1, true, &err);
    }
    if (!rc)
        ls_name_removed(mount, name->parent, name->node);
    ls_mount_reply_rc(task->req, LS_CALL_NAMES, rc, &err);
}

void ls_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *text)
{
    struct name_task *name = name_task_new(req, parent, text, run_unlink);
    if (!name)
        return;
    if (name->node && name->node->is_dir)
        refuse_task(name, EISDIR);
    else
        ls_task_start(&name->task);
}
