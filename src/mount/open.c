/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * open, create, mknod.
 *
 * Each open reads the row again, so that what was committed elsewhere before is seen. It is answered at once when the
 * bytes are here. A name whose row is gone, or has another version than its node has shown, gives ESTALE: the kernel
 * then looks the name up again by itself, and opens the new node that this gives. To tell the kernel of the new size
 * instead would not do: it drops an answer about attributes when a notice from the change feed comes in just then, and
 * would read the new bytes up to the old size.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "mount/ahead.h"
#include "mount/attr.h"
#include "mount/fetch.h"
#include "mount/file.h"
#include "mount/lookup.h"
#include "mount/names.h"

#define TRIES 100

enum attempt { OPENED, NEEDS_BYTES, NEEDS_GATE, AGAIN, SUPERSEDED, FAILED };

struct open_state {
    struct ls_mount *mount;
    struct ls_node *node;
    int flags;
    bool gate; /* the node's gate is held exclusive */
    /* Fetched before, in a task; or NULL. */
    struct ls_content *content;
    char etag[LS_ETAG_MAX];
    uint64_t size_bytes;
    /* out */
    bool keep_cache, inval_attr;
    int sys_errno;
};

static void count_handle(struct open_state *open, struct ls_file *file)
{
    file->handles++;
    if ((open->flags & O_ACCMODE) != O_RDONLY)
        file->writers++;
}

static enum attempt fail(struct open_state *open, int sys_errno)
{
    open->sys_errno = sys_errno;
    return FAILED;
}

/* Make the file empty: a new stage, or the present one cut. file->lock and the gate are held. */
static int truncate_open(struct open_state *open, struct ls_file *file, const struct ls_image *row)
{
    struct ls_stage *stage = file->stage;
    if (!stage) {
        struct ls_err err = LS_ERR_INIT;
        enum ls_rc rc = ls_stage_new(open->mount, &stage, &err);
        if (rc)
            return ls_mount_errno(LS_CALL_COMMIT, rc);
        if (row) {
            stage->mode = row->record.known ? row->record.mode : 0644;
            stage->uid = row->record.known ? row->record.uid : open->mount->uid;
            stage->gid = row->record.known ? row->record.gid : open->mount->gid;
            stage->row_mode = stage->row_owner = true;
            stage->has_row = true;
            snprintf(stage->base_etag, sizeof stage->base_etag, "%s", row->record.etag);
        }
        file->stage = stage;
    } else if (ftruncate(stage->content->fd, 0) != 0) {
        return errno;
    }
    stage->dirty = true;
    stage->failed = false;
    stage->write_errno = 0;
    stage->mtime_set = false;
    return 0;
}

/* The file has a stage that is ahead of any row, or no name: the row does not matter. file->lock held. */
static enum attempt open_local(struct open_state *open, struct ls_file *file)
{
    if ((open->flags & O_TRUNC) && file->stage) {
        int failed = truncate_open(open, file, NULL);
        if (failed)
            return fail(open, failed);
    }
    open->keep_cache = true;
    count_handle(open, file);
    return OPENED;
}

/* Bytes of the row's version for the first handle. file->lock held. */
static enum attempt first_handle(struct open_state *open, struct ls_file *file, const struct ls_image *row)
{
    const char *etag = row->record.known ? row->record.etag : open->etag;
    uint64_t size_bytes = row->record.known ? row->record.size_bytes : open->size_bytes;
    bool same = file->etag_known && strcmp(file->etag, etag) == 0;
    if (row->record.known && !same && (file->etag_known || atomic_load(&open->node->shown_bytes) != size_bytes))
        return SUPERSEDED;
    if (!(open->flags & O_TRUNC)) {
        struct ls_content *content = NULL;
        if (open->content && strcmp(open->etag, etag) == 0)
            content = ls_content_ref(open->content);
        else if (row->record.known)
            content = ls_cache_find(open->mount->cache, row->key, etag, size_bytes);
        ls_ahead_opened(open->mount, row->key, !content);
        if (!content)
            return NEEDS_BYTES;
        /* The last handle is gone, but its release has not settled the file yet. */
        ls_content_unref(file->content);
        file->content = content;
        file->content_size_bytes = size_bytes;
    } else {
        int failed = truncate_open(open, file, row);
        if (failed)
            return fail(open, failed);
    }
    open->keep_cache = same && !(open->flags & O_TRUNC);
    open->inval_attr = !row->record.known;
    snprintf(file->etag, sizeof file->etag, "%s", etag);
    file->etag_known = true;
    ls_attr_image(open->mount, row, &file->last);
    file->last.st_size = (off_t)size_bytes;
    count_handle(open, file);
    return OPENED;
}

static enum attempt open_row(struct open_state *open, struct ls_file *file, const struct ls_image *row,
                             uint64_t seen_changes)
{
    LS_LOCK(&file->lock);
    enum ls_local local = ls_nodes_local(&open->mount->nodes, open->node);
    if (local == LS_LOCAL_WHITEOUT)
        return fail(open, ENOENT);
    if (ls_file_given_up(file))
        return fail(open, ESTALE);
    if (file->stage && (file->stage->dirty || local != LS_LOCAL_NONE))
        return open_local(open, file);
    bool moved = atomic_load(&open->mount->changes) != seen_changes;
    if (!row && !moved && !open->gate)
        return NEEDS_GATE; /* an unlink may be half done: then the node has what is needed after it */
    if (!row)
        return moved ? AGAIN : fail(open, ESTALE);
    if (file->handles == 0 && !file->stage) {
        enum attempt result = first_handle(open, file, row);
        return result == SUPERSEDED && moved ? AGAIN : result;
    }
    if (row->record.known && strcmp(file->etag, row->record.etag) != 0)
        return moved ? AGAIN : fail(open, ESTALE);
    if (open->flags & O_TRUNC) {
        int failed = truncate_open(open, file, row);
        if (failed)
            return fail(open, failed);
    }
    open->keep_cache = true;
    count_handle(open, file);
    return OPENED;
}

static enum attempt open_nameless(struct open_state *open, struct ls_file *file)
{
    LS_LOCK(&file->lock);
    if (file->orphan_errno) /* the name that led here means another version by now */
        return fail(open, ESTALE);
    if (!file->stage && (open->flags & O_TRUNC)) {
        int failed = truncate_open(open, file, NULL);
        if (failed)
            return fail(open, failed);
        file->stage->mode = file->last.st_mode & 07777;
        file->stage->uid = file->last.st_uid;
        file->stage->gid = file->last.st_gid;
    }
    if (!file->stage && !file->content)
        return fail(open, ESTALE);
    return open_local(open, file);
}

/* One look at the row and one try. Needs no network. */
static enum attempt attempt_once(struct open_state *open, struct ls_file *file)
{
    struct ls_mount *mount = open->mount;
    char path[LS_PATH_MAX];
    if (!ls_nodes_path(&mount->nodes, open->node, path))
        return open_nameless(open, file);
    uint64_t changes = atomic_load(&mount->changes);
    struct ls_image_page page = {0};
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_mount_row(mount, path, &page, &err);
    enum attempt result;
    if (rc && rc != LS_NOT_FOUND) {
        ls_mount_log("open-failed", path, &err);
        result = fail(open, ls_mount_errno(LS_CALL_NAMES, rc));
    } else
        result = open_row(open, file, rc ? NULL : &page.items[0], changes);
    ls_image_page_dispose(&page);
    if (result == SUPERSEDED) {
        ls_file_orphan(mount, open->node);
        result = fail(open, ESTALE);
    }
    return result;
}

static enum attempt attempt(struct open_state *open)
{
    struct ls_file *file = ls_file_of(open->mount, open->node);
    if (!file)
        return fail(open, ENOMEM);
    bool gate = open->gate || !(open->flags & O_TRUNC);
    if (!gate && !ls_task_try_shared(open->mount, open->node))
        return NEEDS_GATE;
    enum attempt result = AGAIN;
    for (int i = 0; i < TRIES && result == AGAIN; i++)
        result = attempt_once(open, file);
    if (!gate)
        ls_task_leave_shared(open->mount, open->node);
    return result == AGAIN ? fail(open, EBUSY) : result;
}

/* Take a count back that nobody will release. */
static void undo_open(struct ls_mount *mount, struct ls_node *node, int flags)
{
    struct ls_file *file = ls_file_peek(mount, node);
    pthread_mutex_lock(&file->lock);
    file->handles--;
    if ((flags & O_ACCMODE) != O_RDONLY)
        file->writers--;
    pthread_mutex_unlock(&file->lock);
    if (ls_stage_settle(mount, node))
        ls_file_commit_async(mount, NULL, node);
}

/* Answer an open (entry NULL) or a create. Takes over nothing. */
static void reply_opened(fuse_req_t req, struct open_state *open, struct fuse_file_info *fi, bool created,
                         struct fuse_entry_param *entry)
{
    struct ls_mount *mount = open->mount;
    struct ls_handle *handle = calloc(1, sizeof *handle);
    if (!handle) {
        undo_open(mount, open->node, open->flags);
        fuse_reply_err(req, ENOMEM);
        return;
    }
    ls_nodes_ref(&mount->nodes, open->node);
    *handle = (struct ls_handle){.node = open->node, .flags = open->flags};
    handle->writable = created || (open->flags & O_TRUNC) || (open->flags & O_ACCMODE) != O_RDONLY;
    fi->fh = (uintptr_t)handle;
    struct ls_file *file = ls_file_peek(mount, open->node);
    ls_file_link_handle(file, handle);
    fi->keep_cache = open->keep_cache;
    fi->noflush = !handle->writable; /* closing it has nothing to say */
    /* Attributes only: takes none of the kernel's locks that this request could hold. */
    if (open->inval_attr)
        fuse_lowlevel_notify_inval_inode(mount->session, open->node->ino, -1, 0);
    int failed;
    if (entry)
        failed = fuse_reply_create(req, entry, fi);
    else
        failed = fuse_reply_open(req, fi);
    if (!failed)
        return;
    if (entry)
        ls_nodes_forget(&mount->nodes, entry->ino, 1);
    undo_open(mount, open->node, open->flags);
    ls_file_free_handle(file, handle);
    ls_nodes_unref(&mount->nodes, open->node);
}

/* ---- open with a fetch ---- */

struct open_task {
    struct ls_file_task file;
    int flags;
    struct fuse_file_info fi;
    bool create; /* answer with an entry */
};

static void reply_by_kind(fuse_req_t req, struct open_state *open, struct fuse_file_info *fi, bool create)
{
    if (!create) {
        reply_opened(req, open, fi, false, NULL);
        return;
    }
    struct fuse_entry_param entry;
    struct stat st;
    struct ls_err err = LS_ERR_INIT;
    uint64_t seen = atomic_load(&open->mount->feed);
    enum ls_rc rc = ls_lookup_node(open->mount, open->node, &st, &err);
    if (rc) {
        undo_open(open->mount, open->node, open->flags);
        ls_mount_reply_rc(req, LS_CALL_NAMES, rc, &err);
        return;
    }
    ls_lookup_entry(open->mount, open->node, &st, seen, &entry);
    reply_opened(req, open, fi, false, &entry);
}

/* Fetch what the row says now. */
static enum ls_rc fetch(struct open_state *open, struct ls_err *err)
{
    char path[LS_PATH_MAX];
    struct ls_image_page page = {0};
    if (!ls_nodes_path(&open->mount->nodes, open->node, path))
        return LS_OK; /* the next attempt says what that means */
    enum ls_rc rc = ls_mount_row(open->mount, path, &page, err);
    ls_content_unref(open->content);
    open->content = NULL;
    if (!rc)
        rc = ls_fetch_row(open->mount, &page.items[0], &open->content, open->etag, &open->size_bytes, err);
    else if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    ls_image_page_dispose(&page);
    return rc;
}

static void run_open(struct ls_task *task)
{
    struct open_task *later = (struct open_task *)task;
    struct open_state open = {.mount = task->mount, .node = later->file.node, .flags = later->flags, .gate = true};
    struct ls_err err = LS_ERR_INIT;
    enum attempt result = attempt(&open);
    for (int i = 0; i < 3 && result == NEEDS_BYTES; i++) {
        enum ls_rc rc = fetch(&open, &err);
        result = rc ? fail(&open, ls_mount_errno(LS_CALL_FETCH, rc)) : attempt(&open);
    }
    if (result == OPENED)
        reply_by_kind(task->req, &open, &later->fi, later->create);
    else
        fuse_reply_err(task->req, result == FAILED ? open.sys_errno : EBUSY);
    ls_content_unref(open.content);
}

static void open_node(fuse_req_t req, struct ls_node *node, struct fuse_file_info *fi, bool create)
{
    struct ls_mount *mount = ls_mount_of(req);
    struct open_state open = {.mount = mount, .node = node, .flags = fi->flags};
    enum attempt result = attempt(&open);
    if (result == OPENED) {
        reply_by_kind(req, &open, fi, create);
        return;
    }
    struct open_task *later = NULL;
    if (result != FAILED)
        later = ls_file_task_new(mount, req, node, sizeof *later, run_open);
    if (!later) {
        fuse_reply_err(req, result == FAILED ? open.sys_errno : ENOMEM);
        return;
    }
    later->flags = fi->flags;
    later->fi = *fi;
    later->create = create;
    ls_task_start(&later->file.task);
}

void ls_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct ls_mount *mount = ls_mount_of(req);
    if (((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) && ls_mount_refuse(req))
        return;
    struct ls_node *node = ls_nodes_get(&mount->nodes, ino);
    if (!node || node->is_dir)
        fuse_reply_err(req, node ? EISDIR : ENOENT);
    else
        open_node(req, node, fi, false);
    ls_nodes_unref(&mount->nodes, node);
}

/* ---- create ---- */

struct creation {
    struct ls_mount *mount;
    struct ls_node *parent, *node;
    enum ls_file_kind kind;
    uint32_t mode, uid, gid;
    struct stat st;
};

/* Give a new node its stage; one handle is counted when open. */
static enum ls_rc stage_new_file(struct creation *make, struct open_state *open, struct ls_err *err)
{
    struct ls_mount *mount = make->mount;
    struct ls_stage *stage = NULL;
    struct ls_file *file = ls_file_of(mount, make->node);
    enum ls_rc rc = file ? ls_stage_new(mount, &stage, err) : ls_err_nomem(err);
    if (rc || !stage)
        return rc;
    stage->mode = make->mode;
    stage->uid = make->uid;
    stage->gid = make->gid;
    {
        LS_LOCK(&file->lock);
        /* The name hides a row: that is what the commit replaces. */
        if (ls_nodes_local(&mount->nodes, make->node) == LS_LOCAL_WHITEOUT) {
            stage->has_row = true;
            memcpy(stage->base_etag, file->etag, sizeof stage->base_etag);
        }
        file->stage = stage;
        file->etag_known = false;
        if (open)
            count_handle(open, file);
        ls_nodes_set_local(&mount->nodes, make->node,
                           make->kind == LS_FILE_SCRATCH ? LS_LOCAL_SCRATCH : LS_LOCAL_PENDING);
        ls_attr_stage(mount, stage, &make->st);
        make->st.st_ino = make->node->ino;
        file->last = make->st;
    }
    ls_nodes_touch(&mount->nodes, make->parent, ls_now_ns());
    return LS_OK;
}

/* A node for a name that is free: what an earlier file of this name left open keeps its own. */
static struct ls_node *fresh_node(struct ls_mount *mount, struct ls_node *parent, const char *name)
{
    struct ls_node *node = ls_nodes_obtain(&mount->nodes, parent, name, false);
    struct ls_file *file = node ? ls_file_peek(mount, node) : NULL;
    if (!file)
        return node;
    pthread_mutex_lock(&file->lock);
    bool in_use = file->handles > 0 || file->stage;
    pthread_mutex_unlock(&file->lock);
    if (in_use) {
        ls_nodes_detach(&mount->nodes, node);
        ls_nodes_unref(&mount->nodes, node);
        node = ls_nodes_obtain(&mount->nodes, parent, name, false);
    }
    return node;
}

/* Check the name and see whether it is there already. True: answered, or *out_existing is set. */
static bool create_check(fuse_req_t req, struct creation *make, const char *name, struct ls_node **out_existing)
{
    struct ls_mount *mount = make->mount;
    struct ls_err err = LS_ERR_INIT;
    char path[LS_PATH_MAX];
    *out_existing = NULL;
    int failed = 0;
    if (!make->parent || !ls_nodes_child_path(&mount->nodes, make->parent, name, path))
        failed = ENOENT;
    if (!failed)
        failed = ls_name_for_file(mount, make->parent, name, path, &make->kind);
    if (!failed) {
        enum ls_rc rc = ls_lookup_child(mount, make->parent, name, out_existing, &make->st, &err);
        if (!rc)
            return true;
        if (rc != LS_NOT_FOUND)
            failed = ls_mount_errno(LS_CALL_NAMES, rc);
    }
    if (failed)
        fuse_reply_err(req, failed);
    return failed != 0;
}

void ls_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    struct ls_mount *mount = ls_mount_of(req);
    if (ls_mount_refuse(req))
        return;
    uint64_t seen = atomic_load(&mount->feed);
    struct creation make = {.mount = mount, .parent = ls_nodes_get(&mount->nodes, parent), .mode = mode};
    struct ls_node *existing;
    struct ls_err err = LS_ERR_INIT;
    if (create_check(req, &make, name, &existing)) {
        if (existing && (existing->is_dir || (fi->flags & O_EXCL)))
            fuse_reply_err(req, existing->is_dir ? EISDIR : EEXIST);
        else if (existing)
            open_node(req, existing, fi, true);
        ls_nodes_unref(&mount->nodes, existing);
        ls_nodes_unref(&mount->nodes, make.parent);
        return;
    }
    ls_name_owner(req, make.parent, false, &make.mode, &make.uid, &make.gid);
    make.node = fresh_node(mount, make.parent, name);
    struct open_state open = {.mount = mount, .node = make.node, .flags = fi->flags};
    enum ls_rc rc = make.node ? stage_new_file(&make, &open, &err) : ls_err_nomem(&err);
    if (rc) {
        ls_mount_reply_rc(req, LS_CALL_COMMIT, rc, &err);
    } else {
        struct fuse_entry_param entry;
        ls_lookup_entry(mount, make.node, &make.st, seen, &entry);
        reply_opened(req, &open, fi, true, &entry);
    }
    ls_nodes_unref(&mount->nodes, make.node);
    ls_nodes_unref(&mount->nodes, make.parent);
}

/* ---- mknod ---- */

static void run_mknod(struct ls_task *task)
{
    struct ls_mount *mount = task->mount;
    struct ls_node *node = ((struct ls_file_task *)task)->node;
    struct ls_err err = LS_ERR_INIT;
    struct stat st;
    enum ls_rc rc = ls_stage_commit_own(mount, node, &err);
    (void)ls_stage_settle(mount, node);
    uint64_t seen = atomic_load(&mount->feed);
    if (!rc)
        rc = ls_lookup_node(mount, node, &st, &err);
    if (rc) {
        ls_mount_reply_rc(task->req, LS_CALL_COMMIT, rc, &err);
        return;
    }
    struct fuse_entry_param entry;
    ls_lookup_entry(mount, node, &st, seen, &entry);
    if (fuse_reply_entry(task->req, &entry) != 0)
        ls_nodes_forget(&mount->nodes, node->ino, 1);
}

void ls_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    (void)rdev;
    struct ls_mount *mount = ls_mount_of(req);
    if (ls_mount_refuse(req))
        return;
    if (!S_ISREG(mode)) {
        fuse_reply_err(req, EPERM);
        return;
    }
    struct creation make = {.mount = mount, .parent = ls_nodes_get(&mount->nodes, parent), .mode = mode & 07777};
    struct ls_node *existing;
    struct ls_err err = LS_ERR_INIT;
    if (create_check(req, &make, name, &existing)) {
        if (existing)
            fuse_reply_err(req, EEXIST);
        ls_nodes_unref(&mount->nodes, existing);
        ls_nodes_unref(&mount->nodes, make.parent);
        return;
    }
    ls_name_owner(req, make.parent, false, &make.mode, &make.uid, &make.gid);
    make.node = fresh_node(mount, make.parent, name);
    enum ls_rc rc = make.node ? stage_new_file(&make, NULL, &err) : ls_err_nomem(&err);
    struct ls_file_task *later = NULL;
    if (!rc) {
        later = ls_file_task_new(mount, req, make.node, sizeof *later, run_mknod);
        rc = later ? LS_OK : ls_err_nomem(&err);
    }
    if (later)
        ls_task_start(&later->task);
    else
        ls_mount_reply_rc(req, LS_CALL_COMMIT, rc, &err);
    ls_nodes_unref(&mount->nodes, make.node);
    ls_nodes_unref(&mount->nodes, make.parent);
}
