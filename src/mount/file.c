/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * read, write, flush, fsync, release, fallocate, lseek.
 *
 * A write to a staged file is answered at once. The first write to a file that was opened without O_TRUNC, and one that
 * meets a commit in progress, become tasks.
 */
#include "mount/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"
#include "mount/names.h"

/* ---- tasks about a file ---- */

static void plan_file(struct ls_task *task) { ls_name_want_file(task, ((struct ls_file_task *)task)->node); }

static void dispose_file(struct ls_task *task)
{
    ls_nodes_unref(&task->mount->nodes, ((struct ls_file_task *)task)->node);
}

void *ls_file_task_new(struct ls_mount *mount, fuse_req_t req, struct ls_node *node, size_t size,
                       void (*run)(struct ls_task *))
{
    struct ls_file_task *file = calloc(1, size);
    if (!file)
        return NULL;
    file->task = (struct ls_task){.mount = mount, .req = req, .plan = plan_file, .run = run, .dispose = dispose_file};
    ls_nodes_ref(&mount->nodes, node);
    file->node = node;
    return file;
}

/* ---- read ---- */

static struct ls_content *content_of(struct ls_mount *mount, struct ls_node *node)
{
    struct ls_file *file = ls_file_peek(mount, node);
    LS_LOCK(&file->lock);
    return ls_content_ref(file->stage ? file->stage->content : file->content);
}

static void reply_bytes(fuse_req_t req, const struct ls_content *content, size_t size, off_t off)
{
    struct fuse_bufvec buf = FUSE_BUFVEC_INIT(size);
    buf.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
    buf.buf[0].fd = content->fd;
    buf.buf[0].pos = off;
    fuse_reply_data(req, &buf, FUSE_BUF_SPLICE_MOVE);
}

/* A read whose bytes are still to come; it takes no thread meanwhile. */
struct read_wait {
    struct ls_content_wait wait;
    struct ls_content *content;
    fuse_req_t req;
    size_t size;
    off_t off;
};

static void end_read(struct read_wait *read)
{
    ls_content_let(read->content, &read->wait);
    ls_content_unref(read->content);
    free(read);
}

static void read_arrived(struct ls_content_wait *wait, enum ls_rc rc)
{
    struct read_wait *read = (struct read_wait *)wait;
    if (rc)
        fuse_reply_err(read->req, ls_mount_errno(LS_CALL_FETCH, rc));
    else
        reply_bytes(read->req, read->content, read->size, read->off);
    end_read(read);
}

void ls_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    struct ls_content *content = content_of(ls_mount_of(req), ls_handle_of(fi)->node);
    if (!content) {
        fuse_reply_err(req, EIO);
        return;
    }
    if (atomic_load(&content->whole)) {
        reply_bytes(req, content, size, off);
        ls_content_unref(content);
        return;
    }
    struct read_wait *read = calloc(1, sizeof *read);
    if (!read) {
        fuse_reply_err(req, ENOMEM);
        ls_content_unref(content);
        return;
    }
    *read = (struct read_wait){.wait.done = read_arrived, .content = content, .req = req, .size = size, .off = off};
    if (ls_content_want(content, (uint64_t)off, size, &read->wait)) {
        reply_bytes(req, content, size, off);
        end_read(read);
    }
}

/* Holes of the cache's file are none of the object's. */
static off_t seek_object(const struct ls_content *content, off_t off, int whence)
{
    struct stat st;
    if (atomic_load(&content->whole) || (whence != SEEK_DATA && whence != SEEK_HOLE))
        return lseek(content->fd, off, whence);
    if (fstat(content->fd, &st) != 0)
        return -1;
    if (off < 0 || off >= st.st_size) {
        errno = ENXIO;
        return -1;
    }
    return whence == SEEK_DATA ? off : st.st_size;
}

void ls_op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
    (void)ino;
    struct ls_content *content = content_of(ls_mount_of(req), ls_handle_of(fi)->node);
    off_t at = content ? seek_object(content, off, whence) : -1;
    if (at < 0)
        fuse_reply_err(req, content ? errno : EIO);
    else
        fuse_reply_lseek(req, at);
    ls_content_unref(content);
}

/* ---- write ---- */

void ls_file_written(struct ls_mount *mount, struct ls_node *node, uint64_t off_bytes)
{
    struct ls_file *file = ls_file_peek(mount, node);
    LS_LOCK(&file->lock);
    if (!file->stage)
        return;
    file->stage->dirty = true;
    file->stage->failed = false;
    file->stage->mtime_set = false;
    if (off_bytes <= file->stage->write_off_bytes)
        file->stage->write_errno = 0;
}

/* A part of it may be there. */
static void write_failed(struct ls_mount *mount, struct ls_node *node, uint64_t off_bytes, int sys_errno)
{
    ls_file_written(mount, node, UINT64_MAX);
    struct ls_file *file = ls_file_peek(mount, node);
    LS_LOCK(&file->lock);
    struct ls_stage *stage = file->stage;
    if (!stage || (stage->write_errno && stage->write_off_bytes <= off_bytes))
        return;
    stage->write_errno = sys_errno;
    stage->write_off_bytes = off_bytes;
}

/* What changes bytes: a write, or a fallocate when data is NULL. */
struct change {
    const char *data;
    size_t size;
    off_t off, len;
    int mode;
};

static int apply_once(int fd, const struct change *change)
{
    if (change->data)
        return ls_pwrite_all(fd, change->data, change->size, (uint64_t)change->off);
    return fallocate(fd, change->mode, change->off, change->len);
}

/* The gate is held and there is a stage. 0 or an errno. */
static int apply(struct ls_mount *mount, struct ls_node *node, const struct change *change)
{
    struct ls_content *content = content_of(mount, node);
    int failed = apply_once(content->fd, change);
    if (failed && errno == ENOSPC && ls_cache_make_room(mount->cache))
        failed = apply_once(content->fd, change);
    int saved = failed ? errno : 0;
    if (!failed)
        ls_file_written(mount, node, change->data ? (uint64_t)change->off : UINT64_MAX);
    else if (change->data)
        write_failed(mount, node, (uint64_t)change->off, saved);
    ls_content_unref(content);
    return saved;
}

static void reply_change(fuse_req_t req, const struct change *change, int sys_errno)
{
    if (sys_errno || !change->data)
        fuse_reply_err(req, sys_errno);
    else
        fuse_reply_write(req, change->size);
}

struct change_task {
    struct ls_file_task file;
    struct change change;
    char data[];
};

static void run_change(struct ls_task *task)
{
    struct change_task *change = (struct change_task *)task;
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_stage_ensure(task->mount, change->file.node, &err);
    if (rc)
        ls_mount_reply_rc(task->req, LS_CALL_FETCH, rc, &err);
    else
        reply_change(task->req, &change->change, apply(task->mount, change->file.node, &change->change));
}

/* At once, if there is a stage and no commit is under way. node is referenced by the caller: once answered, the handle
 * may be gone. */
static bool change_at_once(fuse_req_t req, struct ls_node *node, const struct change *change)
{
    struct ls_mount *mount = ls_mount_of(req);
    if (!ls_task_try_shared(mount, node))
        return false;
    struct ls_file *file = ls_file_peek(mount, node);
    pthread_mutex_lock(&file->lock);
    bool staged = file->stage != NULL;
    pthread_mutex_unlock(&file->lock);
    int failed = staged ? apply(mount, node, change) : 0;
    ls_task_leave_shared(mount, node);
    if (staged)
        reply_change(req, change, failed);
    return staged;
}

/* Note whether a handle's close has told of a failure. */
static void give_up(struct ls_mount *mount, struct ls_handle *handle, bool given_up)
{
    struct ls_file *file = ls_file_peek(mount, handle->node);
    LS_LOCK(&file->lock);
    file->given_up += given_up;
    file->given_up -= handle->given_up;
    handle->given_up = given_up;
}

static void change_file(fuse_req_t req, struct ls_handle *handle, const struct change *change)
{
    struct ls_mount *mount = ls_mount_of(req);
    struct ls_node *node = handle->node;
    if (ls_mount_refuse(req))
        return;
    give_up(mount, handle, false); /* what was closed was a duplicate */
    ls_nodes_ref(&mount->nodes, node);
    if (!change_at_once(req, node, change)) {
        struct change_task *later = ls_file_task_new(mount, req, node, sizeof *later + change->size, run_change);
        if (later) {
            later->change = *change;
            if (change->data) {
                memcpy(later->data, change->data, change->size);
                later->change.data = later->data;
            }
            ls_task_start(&later->file.task);
        } else {
            fuse_reply_err(req, ENOMEM);
        }
    }
    ls_nodes_unref(&mount->nodes, node);
}

void ls_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    struct change change = {.data = data, .size = size, .off = off};
    change_file(req, ls_handle_of(fi), &change);
}

void ls_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
    (void)ino;
    struct change change = {.off = off, .len = len, .mode = mode};
    change_file(req, ls_handle_of(fi), &change);
}

/* ---- commit ---- */

bool ls_file_is_dirty(struct ls_mount *mount, struct ls_node *node)
{
    struct ls_file *file = ls_file_peek(mount, node);
    if (!file)
        return false;
    LS_LOCK(&file->lock);
    return file->stage && file->stage->dirty && ls_nodes_local(&mount->nodes, node) != LS_LOCAL_SCRATCH &&
           ls_nodes_linked(&mount->nodes, node);
}

struct commit_task {
    struct ls_file_task file;
    struct ls_handle *handle; /* that is being closed; NULL: none is */
};

static void run_commit(struct ls_task *task)
{
    struct commit_task *commit = (struct commit_task *)task;
    struct ls_node *node = commit->file.node;
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_stage_commit_own(task->mount, node, &err);
    if (rc) {
        char path[LS_PATH_MAX];
        if (!ls_nodes_path(&task->mount->nodes, node, path))
            path[0] = '\0';
        ls_mount_log("commit-failed", path, &err);
    }
    if (commit->handle)
        give_up(task->mount, commit->handle, rc != LS_OK);
    if (task->req)
        fuse_reply_err(task->req, ls_mount_errno(LS_CALL_COMMIT, ls_mount_class(rc, &err)));
    else
        (void)ls_stage_settle(task->mount, node);
}

static void commit_async(struct ls_mount *mount, fuse_req_t req, struct ls_node *node, struct ls_handle *closing)
{
    struct commit_task *commit = ls_file_task_new(mount, req, node, sizeof *commit, run_commit);
    if (commit) {
        commit->handle = closing;
        ls_task_start(&commit->file.task);
    } else if (req) {
        fuse_reply_err(req, ENOMEM);
    }
}

void ls_file_commit_async(struct ls_mount *mount, fuse_req_t req, struct ls_node *node)
{
    commit_async(mount, req, node, NULL);
}

/* The errno of losing what a file holds whose name means another version now; 0 when nothing is lost. */
static int lost(struct ls_mount *mount, struct ls_node *node)
{
    struct ls_file *file = ls_file_peek(mount, node);
    LS_LOCK(&file->lock);
    return file->stage && file->stage->dirty ? file->orphan_errno : 0;
}

/* flush (closing) and fsync. */
static void commit_handle(fuse_req_t req, struct ls_handle *handle, bool closing)
{
    struct ls_mount *mount = ls_mount_of(req);
    int sys_errno = handle->writable ? lost(mount, handle->node) : 0;
    if (sys_errno) {
        char name[256];
        ls_nodes_unref(&mount->nodes, ls_nodes_parent(&mount->nodes, handle->node, name));
        LS_LOG_ERROR("mount", "superseded", {"name", ls_v_str(name)},
                     {"error", ls_v_str("the name means another version now: what was written is not kept")});
        fuse_reply_err(req, sys_errno);
    } else if ((handle->writable || !closing) && ls_file_is_dirty(mount, handle->node)) {
        commit_async(mount, req, handle->node, closing ? handle : NULL);
    } else {
        fuse_reply_err(req, 0);
    }
}

void ls_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    commit_handle(req, ls_handle_of(fi), true);
}

void ls_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino;
    (void)datasync;
    commit_handle(req, ls_handle_of(fi), false);
}

void ls_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    struct ls_mount *mount = ls_mount_of(req);
    struct ls_handle *handle = ls_handle_of(fi);
    struct ls_node *node = handle->node;
    struct ls_file *file = ls_file_peek(mount, node);
    pthread_mutex_lock(&file->lock);
    file->handles--;
    if ((handle->flags & O_ACCMODE) != O_RDONLY)
        file->writers--;
    file->given_up -= handle->given_up;
    pthread_mutex_unlock(&file->lock);
    ls_file_free_handle(file, handle);
    fuse_reply_err(req, 0);
    /* Dirty still: written through a mapping after the last close. Nobody waits for the outcome any more. */
    if (ls_stage_settle(mount, node))
        ls_file_commit_async(mount, NULL, node);
    ls_nodes_unref(&mount->nodes, node);
}
