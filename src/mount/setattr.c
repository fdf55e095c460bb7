/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * setattr: mode, owner, times and size.
 *
 * On a file whose staged bytes are not committed yet, attributes wait in the stage and go with the commit: one
 * transaction. Otherwise they go to the row at once. truncate(2) without an open handle is committed at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "mount/attr.h"
#include "mount/file.h"
#include "mount/lookup.h"
#include "mount/names.h"

struct setattr_task {
    struct ls_file_task file;
    struct stat attr;
    int to_set;
    bool by_handle;
};

#define OWNER_BITS (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)
#define MTIME_BITS (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)

static int64_t wanted_mtime_ns(const struct stat *attr, int to_set)
{
    if (to_set & FUSE_SET_ATTR_MTIME_NOW)
        return ls_now_ns();
    return (int64_t)attr->st_mtim.tv_sec * LS_NS_PER_S + attr->st_mtim.tv_nsec;
}

/* file->lock is held. */
static void set_on_stage(struct ls_stage *stage, const struct stat *attr, int to_set)
{
    if (to_set & FUSE_SET_ATTR_MODE)
        stage->mode = attr->st_mode & 07777;
    if (to_set & FUSE_SET_ATTR_UID)
        stage->uid = attr->st_uid;
    if (to_set & FUSE_SET_ATTR_GID)
        stage->gid = attr->st_gid;
    stage->row_mode = stage->row_mode && !(to_set & FUSE_SET_ATTR_MODE);
    stage->row_owner = stage->row_owner && !(to_set & OWNER_BITS);
    if (to_set & MTIME_BITS) {
        stage->mtime_ns = wanted_mtime_ns(attr, to_set);
        stage->mtime_set = true;
    }
}

/* Attributes of a file that has no name, or whose bytes are ahead of its row: kept here. True when that was it. */
static bool set_locally(struct ls_mount *mount, struct ls_node *node, const struct stat *attr, int to_set)
{
    struct ls_file *file = ls_file_peek(mount, node);
    if (!file)
        return false;
    LS_LOCK(&file->lock);
    bool nameless = !ls_nodes_linked(&mount->nodes, node);
    if (nameless && !file->stage) {
        if (to_set & FUSE_SET_ATTR_MODE)
            file->last.st_mode = S_IFREG | (attr->st_mode & 07777);
        if (to_set & FUSE_SET_ATTR_UID)
            file->last.st_uid = attr->st_uid;
        if (to_set & FUSE_SET_ATTR_GID)
            file->last.st_gid = attr->st_gid;
        if (to_set & MTIME_BITS)
            file->last.st_mtim = ls_timespec(wanted_mtime_ns(attr, to_set));
        return true;
    }
    if (!file->stage)
        return false;
    bool ahead = file->stage->dirty || ls_nodes_local(&mount->nodes, node) != LS_LOCAL_NONE;
    if (nameless || ahead) {
        set_on_stage(file->stage, attr, to_set);
        return true;
    }
    return false;
}

/* Through the engine. The gates are held. */
static enum ls_rc set_on_row(struct ls_mount *mount, struct ls_node *node, const struct stat *attr, int to_set,
                             struct ls_err *err)
{
    char path[LS_PATH_MAX];
    struct ls_attr set = {.set_mode = (to_set & FUSE_SET_ATTR_MODE) != 0,
                          .set_owner = (to_set & OWNER_BITS) != 0,
                          .set_mtime = (to_set & MTIME_BITS) != 0,
                          .mode = attr->st_mode & 07777,
                          .uid = attr->st_uid,
                          .gid = attr->st_gid};
    if (!ls_nodes_path(&mount->nodes, node, path))
        return ls_err_set(err, LS_NOT_FOUND, "mount: the name is gone");
    if (set.set_owner && (to_set & OWNER_BITS) != OWNER_BITS) {
        struct stat now;
        enum ls_rc rc = ls_lookup_node(mount, node, &now, err);
        if (rc)
            return rc;
        if (!(to_set & FUSE_SET_ATTR_UID))
            set.uid = now.st_uid;
        else
            set.gid = now.st_gid;
    }
    if (set.set_mtime)
        set.mtime_ns = wanted_mtime_ns(attr, to_set);
    if (!set.set_mode && !set.set_owner && !set.set_mtime)
        return LS_OK;
    enum ls_rc rc = ls_engine_set_attr(mount->engine, path, &set, err);
    if (!rc && node->is_dir) {
        ls_nodes_change(&mount->nodes, node, ls_now_ns());
        if (set.set_mtime)
            ls_nodes_touch(&mount->nodes, node, 0);
    }
    struct ls_file *file = ls_file_peek(mount, node);
    if (!rc && file) {
        LS_LOCK(&file->lock);
        if (file->stage) {
            set_on_stage(file->stage, attr, to_set);
            if (set.set_mtime)
                file->stage->mtime_ns = set.mtime_ns;
        }
    }
    atomic_fetch_add(&mount->changes, 1);
    return rc;
}

/* An empty stage for a file that is cut to nothing: its bytes need not be fetched. */
static enum ls_rc ensure_empty(struct ls_mount *mount, struct ls_node *node, struct ls_err *err)
{
    char path[LS_PATH_MAX];
    struct ls_image_page page = {0};
    struct ls_stage *stage = NULL;
    struct ls_file *file = ls_file_of(mount, node);
    if (!file)
        return ls_err_nomem(err);
    pthread_mutex_lock(&file->lock);
    bool staged = file->stage != NULL, open = file->handles > 0;
    pthread_mutex_unlock(&file->lock);
    if (staged || open || !ls_nodes_path(&mount->nodes, node, path))
        return ls_stage_ensure(mount, node, err);
    enum ls_rc rc = ls_mount_row(mount, path, &page, err);
    if (!rc)
        rc = ls_stage_new(mount, &stage, err);
    if (!rc) {
        const struct ls_record *record = &page.items[0].record;
        stage->has_row = true;
        memcpy(stage->base_etag, record->etag, sizeof stage->base_etag);
        stage->mode = record->known ? record->mode : 0644;
        stage->uid = record->known ? record->uid : mount->uid;
        stage->gid = record->known ? record->gid : mount->gid;
        stage->row_mode = stage->row_owner = true;
        ls_stage_install(mount, node, stage);
    }
    ls_image_page_dispose(&page);
    return rc;
}

/* What truncate(2) does to the bytes, by handle or by name. 0 or an errno. */
static int set_size(struct setattr_task *set, struct ls_err *err)
{
    struct ls_mount *mount = set->file.task.mount;
    struct ls_node *node = set->file.node;
    enum ls_rc rc = set->attr.st_size == 0 ? ensure_empty(mount, node, err) : ls_stage_ensure(mount, node, err);
    if (rc)
        return ls_mount_errno(LS_CALL_FETCH, rc);
    struct ls_file *file = ls_file_peek(mount, node);
    {
        LS_LOCK(&file->lock);
        if (ftruncate(file->stage->content->fd, set->attr.st_size) != 0)
            return errno;
    }
    ls_file_written(mount, node, (uint64_t)set->attr.st_size);
    return 0;
}

/* Nobody who would close it has it open for writing. */
static bool commits_now(struct ls_mount *mount, struct ls_node *node, bool by_handle)
{
    struct ls_file *file = ls_file_peek(mount, node);
    LS_LOCK(&file->lock);
    return !by_handle && file->writers == 0;
}

static int resize(struct setattr_task *set, struct ls_err *err)
{
    struct ls_mount *mount = set->file.task.mount;
    struct ls_node *node = set->file.node;
    int failed = set_size(set, err);
    if (!failed)
        (void)set_locally(mount, node, &set->attr, set->to_set);
    if (!failed && commits_now(mount, node, set->by_handle))
        failed = ls_mount_errno(LS_CALL_COMMIT, ls_mount_class(ls_stage_commit_own(mount, node, err), err));
    struct ls_file *file = ls_file_peek(mount, node);
    if (file && !set->by_handle)
        (void)ls_stage_settle(mount, node);
    return failed;
}

static void run_setattr(struct ls_task *task)
{
    struct setattr_task *set = (struct setattr_task *)task;
    struct ls_mount *mount = task->mount;
    struct ls_node *node = set->file.node;
    struct ls_err err = LS_ERR_INIT;
    struct stat st;
    int failed = 0;
    if (set->to_set & FUSE_SET_ATTR_SIZE)
        failed = resize(set, &err);
    else if (!set_locally(mount, node, &set->attr, set->to_set))
        failed = ls_mount_errno(LS_CALL_MKDIR, set_on_row(mount, node, &set->attr, set->to_set, &err));
    if (!failed)
        failed = ls_mount_errno(LS_CALL_NAMES, ls_lookup_node(mount, node, &st, &err));
    if (failed) {
        if (err.rc && failed != ENOENT)
            ls_mount_log("setattr-failed", "", &err);
        fuse_reply_err(task->req, failed);
    } else {
        fuse_reply_attr(task->req, &st, ls_mount_attr_timeout(mount));
    }
}

/* At once, when nothing but the stage is concerned and no commit is under way. */
static bool set_at_once(fuse_req_t req, struct ls_node *node, const struct stat *attr, int to_set)
{
    struct ls_mount *mount = ls_mount_of(req);
    struct ls_err err = LS_ERR_INIT;
    struct stat st;
    if ((to_set & FUSE_SET_ATTR_SIZE) || node->is_dir || !ls_task_try_shared(mount, node))
        return false;
    bool done = set_locally(mount, node, attr, to_set);
    ls_task_leave_shared(mount, node);
    if (!done)
        return false;
    enum ls_rc rc = ls_lookup_node(mount, node, &st, &err);
    if (rc)
        ls_mount_reply_rc(req, LS_CALL_NAMES, rc, &err);
    else
        fuse_reply_attr(req, &st, ls_mount_attr_timeout(mount));
    return true;
}

static void plan_dir(struct ls_task *task)
{
    struct setattr_task *set = (struct setattr_task *)task;
    ls_task_want_chain(task, set->file.node, false);
}

void ls_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
    struct ls_mount *mount = ls_mount_of(req);
    if (ls_mount_refuse(req))
        return;
    struct ls_node *node = ls_nodes_get(&mount->nodes, ino);
    if (!node) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    if (!set_at_once(req, node, attr, to_set)) {
        struct setattr_task *set = ls_file_task_new(mount, req, node, sizeof *set, run_setattr);
        if (set) {
            set->attr = *attr;
            set->to_set = to_set;
            set->by_handle = fi != NULL;
            set->file.task.quick = !(to_set & FUSE_SET_ATTR_SIZE);
            if (node->is_dir)
                set->file.task.plan = plan_dir;
            ls_task_start(&set->file.task);
        } else {
            fuse_reply_err(req, ENOMEM);
        }
    }
    ls_nodes_unref(&mount->nodes, node);
}
