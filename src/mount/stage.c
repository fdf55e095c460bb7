/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Staged files and their commit.
 */
#include "mount/stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "mount/attr.h"
#include "mount/fetch.h"

struct ls_file *ls_file_of(struct ls_mount *mount, struct ls_node *node)
{
    LS_LOCK(&mount->nodes.lock);
    if (!node->file) {
        struct ls_file *file = calloc(1, sizeof *file);
        if (file)
            pthread_mutex_init(&file->lock, NULL);
        node->file = file;
    }
    return node->file;
}

struct ls_file *ls_file_peek(struct ls_mount *mount, struct ls_node *node)
{
    LS_LOCK(&mount->nodes.lock);
    return node->file;
}

void ls_file_link_handle(struct ls_file *file, struct ls_handle *handle)
{
    LS_LOCK(&file->lock);
    handle->prev = NULL;
    handle->next = file->open;
    if (handle->next)
        handle->next->prev = handle;
    file->open = handle;
}

void ls_file_free_handle(struct ls_file *file, struct ls_handle *handle)
{
    LS_LOCK(&file->lock);
    if (handle->prev)
        handle->prev->next = handle->next;
    else
        file->open = handle->next;
    if (handle->next)
        handle->next->prev = handle->prev;
    free(handle);
}

void ls_file_orphan(struct ls_mount *mount, struct ls_node *node)
{
    struct ls_file *file = ls_file_peek(mount, node);
    if (file) {
        LS_LOCK(&file->lock);
        file->orphan_errno = file->stage && file->stage->failed ? EIO : EBUSY;
    }
    ls_nodes_detach(&mount->nodes, node);
}

void ls_file_free(struct ls_file *file)
{
    if (!file)
        return;
    for (struct ls_handle *handle = file->open, *next; handle; handle = next) {
        next = handle->next;
        free(handle);
    }
    ls_content_unref(file->content);
    if (file->stage) {
        ls_content_unref(file->stage->content);
        free(file->stage);
    }
    pthread_mutex_destroy(&file->lock);
    free(file);
}

enum ls_rc ls_stage_new(struct ls_mount *mount, struct ls_stage **out_stage, struct ls_err *err)
{
    int fd = ls_cache_stage(mount->cache);
    if (fd < 0)
        return ls_err_errno(err, errno, "mount: cannot make a staged file in %s", mount->opts->cache_dir);
    struct ls_stage *stage = calloc(1, sizeof *stage);
    struct ls_content *content = ls_content_new(fd);
    if (!stage || !content) {
        free(stage);
        ls_content_unref(content);
        return ls_err_nomem(err);
    }
    stage->content = content;
    stage->dirty = true;
    stage->mode = 0644;
    *out_stage = stage;
    return LS_OK;
}

enum ls_rc ls_stage_copy(struct ls_mount *mount, struct ls_content *from, const struct ls_image *row,
                         struct ls_stage **out_stage, struct ls_err *err)
{
    struct ls_stage *stage = NULL;
    enum ls_rc rc = ls_stage_new(mount, &stage, err);
    struct stat st;
    if (!stage)
        return rc;
    if (!rc && fstat(from->fd, &st) != 0)
        rc = ls_err_errno(err, errno, "mount: cannot read the cached bytes of %s", row->key);
    if (!rc)
        rc = ls_content_copy(from, stage->content->fd, (uint64_t)st.st_size, err);
    if (rc) {
        ls_stage_free(mount, stage);
        return rc;
    }
    stage->dirty = false;
    stage->has_row = true;
    snprintf(stage->base_etag, sizeof stage->base_etag, "%s", row->record.etag);
    stage->mode = row->record.known ? row->record.mode : 0644;
    stage->uid = row->record.known ? row->record.uid : mount->uid;
    stage->gid = row->record.known ? row->record.gid : mount->gid;
    stage->row_mode = stage->row_owner = true;
    stage->mtime_set = true;
    stage->mtime_ns = row->record.known ? row->record.mtime_ns : row->updated_ns;
    *out_stage = stage;
    return LS_OK;
}

void ls_stage_free(struct ls_mount *mount, struct ls_stage *stage)
{
    if (!stage)
        return;
    ls_content_unref(stage->content);
    ls_nodes_unref(&mount->nodes, stage->whiteout);
    free(stage);
}

uint64_t ls_stage_size(const struct ls_stage *stage)
{
    struct stat st;
    return fstat(stage->content->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int64_t ls_stage_mtime_ns(const struct ls_stage *stage)
{
    struct stat st;
    if (stage->mtime_set || fstat(stage->content->fd, &st) != 0)
        return stage->mtime_ns;
    return (int64_t)st.st_mtim.tv_sec * LS_NS_PER_S + st.st_mtim.tv_nsec;
}

/* What the engine is to do; the stage's fields are read under the lock, the bytes stand still behind the gate. */
static void fill_put(const struct ls_stage *stage, const struct ls_commit *commit, struct ls_engine_put *put,
                     char etag[LS_ETAG_MAX])
{
    *put = (struct ls_engine_put){.key = commit->key,
                                  .fd = stage->content->fd,
                                  .size_bytes = ls_stage_size(stage),
                                  .expect = LS_PUT_EXPECT_ANY,
                                  .replaces = commit->replaces,
                                  .replaces_etag = commit->replaces_etag};
    if (!commit->any && !stage->has_row) {
        put->expect = LS_PUT_EXPECT_NEW;
    } else if (!commit->any && stage->base_etag[0]) {
        put->expect = LS_PUT_EXPECT_ETAG;
        memcpy(etag, stage->base_etag, LS_ETAG_MAX);
        put->expect_etag = etag;
    }
    bool own_row = stage->has_row && !commit->any && !commit->replaces;
    put->meta.has_mtime = true;
    put->meta.has_mode = !own_row || !stage->row_mode;
    put->meta.has_owner = !own_row || !stage->row_owner;
    put->meta.mtime_ns = ls_stage_mtime_ns(stage);
    put->meta.mode = stage->mode;
    put->meta.uid = stage->uid;
    put->meta.gid = stage->gid;
}

/* What was not set since is the row's now, which another host may have changed. */
static void take_row_attr(struct ls_stage *stage, const struct ls_object_meta *put, const struct ls_record *record)
{
    if (stage->mode == put->mode) {
        stage->mode = record->mode;
        stage->row_mode = true;
    }
    if (stage->uid == put->uid && stage->gid == put->gid) {
        stage->uid = record->uid;
        stage->gid = record->gid;
        stage->row_owner = true;
    }
}

enum ls_rc ls_stage_commit(struct ls_mount *mount, struct ls_node *node, const struct ls_commit *commit,
                           struct ls_err *err)
{
    struct ls_file *file = ls_file_peek(mount, node);
    struct ls_engine_put put;
    char etag[LS_ETAG_MAX];
    {
        LS_LOCK(&file->lock);
        if (file->stage->write_errno) {
            file->stage->failed = !commit->any;
            return ls_err_errno(err, file->stage->write_errno,
                                "mount: %s is not kept, because a write to it failed and was not repeated",
                                commit->key);
        }
        fill_put(file->stage, commit, &put, etag);
    }
    if (LS_FAILPOINT("mount.commit.staged"))
        return ls_err_set(err, LS_IO, "mount: fail point");
    struct ls_image_page page = {0};
    enum ls_rc rc = ls_engine_put(mount->engine, &put, &page, err);
    LS_LOCK(&file->lock);
    struct ls_stage *stage = file->stage;
    /* A failed rename leaves the file as it was; a failed close gives it up. */
    stage->failed = rc != LS_OK && !commit->any;
    if (!rc && page.n == 1) {
        stage->dirty = false;
        stage->has_row = true;
        snprintf(stage->base_etag, sizeof stage->base_etag, "%s", page.items[0].record.etag);
        memcpy(file->etag, stage->base_etag, sizeof file->etag);
        file->etag_known = true;
        ls_attr_image(mount, &page.items[0], &file->last);
        /* What was set meanwhile (chmod takes no gate on a dirty file) is written by who set it. */
        if (!stage->mtime_set)
            stage->mtime_ns = put.meta.mtime_ns;
        take_row_attr(stage, &put.meta, &page.items[0].record);
        ls_nodes_set_local(&mount->nodes, node, LS_LOCAL_NONE);
    }
    atomic_fetch_add(&mount->changes, 1);
    ls_image_page_dispose(&page);
    return rc;
}

enum ls_rc ls_stage_commit_own(struct ls_mount *mount, struct ls_node *node, struct ls_err *err)
{
    struct ls_file *file = ls_file_of(mount, node);
    char path[LS_PATH_MAX];
    if (!file)
        return ls_err_nomem(err);
    {
        LS_LOCK(&file->lock);
        if (!file->stage || !file->stage->dirty || ls_nodes_local(&mount->nodes, node) == LS_LOCAL_SCRATCH)
            return LS_OK;
    }
    if (!ls_nodes_path(&mount->nodes, node, path))
        return LS_OK; /* unlinked: nobody will look for it */
    struct ls_commit commit = {.key = path};
    return ls_stage_commit(mount, node, &commit, err);
}

/* file->lock is held. */
static bool settle_locked(struct ls_mount *mount, struct ls_node *node, struct ls_file *file,
                          struct ls_stage **out_drop)
{
    if (file->handles > 0)
        return false;
    struct ls_stage *stage = file->stage;
    bool linked = ls_nodes_linked(&mount->nodes, node);
    /* An open that looked the name up before it went may still come: the node has the bytes until the kernel forgets
     * it. */
    bool removed = !linked && !file->orphan_errno;
    if (!removed || stage) {
        ls_content_unref(file->content);
        file->content = NULL;
    }
    if (!stage)
        return false;
    if (removed) {
        file->content = ls_content_ref(stage->content);
        file->content_size_bytes = ls_stage_size(stage);
        ls_attr_stage(mount, stage, &file->last);
    }
    enum ls_local local = ls_nodes_local(&mount->nodes, node);
    if (linked && local == LS_LOCAL_SCRATCH)
        return false;
    if (linked && stage->dirty && !stage->failed)
        return true;
    char path[LS_PATH_MAX];
    if (linked && !stage->dirty && ls_nodes_path(&mount->nodes, node, path))
        ls_cache_adopt(mount->cache, path, stage->base_etag, stage->content->fd);
    if (stage->dirty) { /* what the kernel has cached is of a version that never was: it equals no other */
        snprintf(file->etag, sizeof file->etag, "?");
        file->etag_known = true;
    }
    file->stage = NULL;
    *out_drop = stage;
    if (linked && local == LS_LOCAL_PENDING) {
        ls_nodes_set_local(&mount->nodes, node, LS_LOCAL_NONE);
        char name[256];
        struct ls_node *parent = ls_nodes_parent(&mount->nodes, node, name);
        ls_mount_notify_entry(mount, parent->ino, name);
        ls_nodes_unref(&mount->nodes, parent);
    } else if (linked && stage->dirty) {
        ls_mount_notify_inode(mount, node->ino, true);
    }
    return false;
}

bool ls_stage_settle(struct ls_mount *mount, struct ls_node *node)
{
    struct ls_file *file = ls_file_peek(mount, node);
    struct ls_stage *drop = NULL;
    bool commit_first;
    {
        LS_LOCK(&file->lock);
        commit_first = settle_locked(mount, node, file, &drop);
    }
    ls_stage_free(mount, drop);
    return commit_first;
}

enum ls_rc ls_whiteout_remove(struct ls_mount *mount, struct ls_node *whiteout, struct ls_err *err)
{
    char path[LS_PATH_MAX];
    if (ls_nodes_local(&mount->nodes, whiteout) != LS_LOCAL_WHITEOUT || !ls_nodes_path(&mount->nodes, whiteout, path))
        return LS_OK;
    struct ls_image_ref ref = {.key = path};
    char etag[LS_ETAG_MAX];
    struct ls_file *file = ls_file_of(mount, whiteout);
    if (file) {
        LS_LOCK(&file->lock);
        memcpy(etag, file->etag, sizeof etag);
        ref.expect_etag = etag[0] ? etag : NULL;
    }
    enum ls_rc rc = ls_engine_remove(mount->engine, &ref, 1, true, err);
    /* Somebody else removed or replaced it: then it is theirs. */
    if (rc == LS_NOT_FOUND || rc == LS_CONFLICT)
        rc = LS_OK;
    if (!rc) {
        ls_nodes_set_local(&mount->nodes, whiteout, LS_LOCAL_NONE);
        atomic_fetch_add(&mount->changes, 1);
    }
    return rc;
}

/* ---- making a stage of a version ---- */

void ls_stage_install(struct ls_mount *mount, struct ls_node *node, struct ls_stage *stage)
{
    struct ls_file *file = ls_file_peek(mount, node);
    LS_LOCK(&file->lock);
    file->stage = stage;
}

/* What a version without a row has left behind: its handles' last attributes. */
static void row_of_last(const struct ls_file *file, struct ls_image *out)
{
    *out = (struct ls_image){.key = "(unlinked)"};
    out->record.known = true;
    out->record.mode = file->last.st_mode & 07777;
    out->record.uid = file->last.st_uid;
    out->record.gid = file->last.st_gid;
    out->record.mtime_ns = (int64_t)file->last.st_mtim.tv_sec * LS_NS_PER_S + file->last.st_mtim.tv_nsec;
}

enum ls_rc ls_stage_ensure(struct ls_mount *mount, struct ls_node *node, struct ls_err *err)
{
    struct ls_file *file = ls_file_of(mount, node);
    struct ls_content *content = NULL;
    struct ls_image_page page = {0};
    struct ls_image last, *row = &last;
    struct ls_stage *stage = NULL;
    char path[LS_PATH_MAX], etag[LS_ETAG_MAX] = "";
    uint64_t size_bytes;
    enum ls_rc rc = LS_OK;
    if (!file)
        return ls_err_nomem(err);
    {
        LS_LOCK(&file->lock);
        if (file->stage)
            return LS_OK;
        /* Without a handle it is what a release is about to settle, of whatever version. */
        content = file->handles > 0 ? ls_content_ref(file->content) : NULL;
        row_of_last(file, &last);
        memcpy(etag, file->etag, sizeof etag);
    }
    if (ls_nodes_path(&mount->nodes, node, path)) {
        rc = ls_mount_row(mount, path, &page, err);
        if (!rc)
            row = &page.items[0];
        else if (rc == LS_NOT_FOUND && content)
            rc = LS_OK;
    } else if (!content) {
        rc = ls_err_set(err, LS_NOT_FOUND, "mount: the file is gone");
    }
    if (!rc && !content)
        rc = ls_fetch_row(mount, row, &content, etag, &size_bytes, err);
    if (!rc)
        rc = ls_stage_copy(mount, content, row, &stage, err);
    if (!rc && stage) {
        /* The version that the bytes are of, so that a commit over another one is refused. */
        memcpy(stage->base_etag, row->record.known ? etag : "", row->record.known ? sizeof etag : 1);
        ls_stage_install(mount, node, stage);
    }
    ls_content_unref(content);
    ls_image_page_dispose(&page);
    return rc;
}
