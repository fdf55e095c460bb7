/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rename.
 *
 *   from \ to          a real name                             a scratch name
 *   committed, clean   the engine's rename                     bytes staged here; the old name is hidden
 *   dirty or pending   one put under the new name (replaces)   stays local; the old row is hidden
 *   scratch            one put under the new name              local
 *   folder             the engine's rename                     -
 *
 * A committed file that moves to a scratch name (an editor's backup) is hidden, not removed: its row and object go when
 * a file is committed under the old name (a replacement, old or new), or when the scratch file is removed. So a crash
 * in between brings the old file back instead of losing it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "mount/etag.h"
#include "mount/file.h"
#include "mount/hold.h"
#include "mount/lookup.h"
#include "mount/names.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

struct rename_task {
    struct ls_task task;
    struct ls_node *from_dir, *to_dir, *from, *to; /* with references; to may be NULL */
    char from_name[LS_NAME_MAX + 1], to_name[LS_NAME_MAX + 1];
    unsigned flags;
    /* while it runs */
    char from_path[LS_PATH_MAX], to_path[LS_PATH_MAX];
    struct ls_err err;
};

static void plan_rename(struct ls_task *task)
{
    struct rename_task *rename = (struct rename_task *)task;
    ls_task_want_chain(task, rename->from_dir, false);
    ls_task_want_chain(task, rename->to_dir, false);
    struct ls_node *nodes[] = {rename->from, rename->to};
    for (int i = 0; i < 2; i++) {
        if (nodes[i] && nodes[i]->is_dir)
            ls_task_want(task, nodes[i], true);
        else if (nodes[i])
            ls_name_want_file(task, nodes[i]);
    }
}

static void dispose_rename(struct ls_task *task)
{
    struct rename_task *rename = (struct rename_task *)task;
    struct ls_nodes *nodes = &task->mount->nodes;
    ls_nodes_unref(nodes, rename->from);
    ls_nodes_unref(nodes, rename->to);
    ls_nodes_unref(nodes, rename->from_dir);
    ls_nodes_unref(nodes, rename->to_dir);
}

/* ---- files ---- */

struct source {
    bool ahead;   /* its bytes are staged and no row has them: dirty, pending or scratch */
    bool has_row; /* a row stands at its own path */
    char etag[LS_ETAG_MAX];
    struct ls_node *whiteout; /* its gate is held */
};

static struct source source_of(struct rename_task *rename)
{
    struct source source = {.has_row = true};
    struct ls_mount *mount = rename->task.mount;
    struct ls_file *file = ls_file_peek(mount, rename->from);
    if (!file)
        return source;
    LS_LOCK(&file->lock);
    enum ls_local local = ls_nodes_local(&mount->nodes, rename->from);
    if (!file->stage)
        return source;
    source.ahead = file->stage->dirty || local != LS_LOCAL_NONE;
    source.has_row = file->stage->has_row;
    memcpy(source.etag, file->stage->base_etag, sizeof source.etag);
    source.whiteout = file->stage->whiteout;
    return source;
}

/* The kernel's answer for the target may be old. */
static enum ls_rc check_noreplace(struct rename_task *rename)
{
    struct ls_node *there = NULL;
    struct stat st;
    if (!(rename->flags & RENAME_NOREPLACE))
        return LS_OK;
    enum ls_rc rc = ls_lookup_child(rename->task.mount, rename->to_dir, rename->to_name, &there, &st, &rename->err);
    ls_nodes_unref(&rename->task.mount->nodes, there);
    return rc == LS_OK ? LS_EXISTS : rc == LS_NOT_FOUND ? LS_OK : rc;
}

/* The scratch file that is replaced may hide a row. */
static enum ls_rc drop_target(struct rename_task *rename)
{
    struct ls_mount *mount = rename->task.mount;
    struct ls_file *file = rename->to ? ls_file_peek(mount, rename->to) : NULL;
    struct ls_node *whiteout = NULL;
    if (!file)
        return LS_OK;
    {
        LS_LOCK(&file->lock);
        if (file->stage && ls_nodes_local(&mount->nodes, rename->to) == LS_LOCAL_SCRATCH)
            whiteout = file->stage->whiteout;
    }
    return whiteout && whiteout != rename->from ? ls_whiteout_remove(mount, whiteout, &rename->err) : LS_OK;
}

/* Does the scratch file's old name still hide its row? Gives that row's key. */
static bool hides(struct ls_mount *mount, struct ls_node *whiteout, char key[LS_PATH_MAX])
{
    return whiteout && ls_nodes_local(&mount->nodes, whiteout) == LS_LOCAL_WHITEOUT &&
           ls_nodes_path(&mount->nodes, whiteout, key);
}

static void forget_whiteout(struct ls_mount *mount, struct ls_node *node)
{
    struct ls_file *file = ls_file_peek(mount, node);
    struct ls_node *whiteout;
    {
        LS_LOCK(&file->lock);
        whiteout = file->stage ? file->stage->whiteout : NULL;
        if (whiteout)
            file->stage->whiteout = NULL;
    }
    if (whiteout && ls_nodes_local(&mount->nodes, whiteout) == LS_LOCAL_WHITEOUT)
        ls_nodes_set_local(&mount->nodes, whiteout, LS_LOCAL_NONE);
    ls_nodes_unref(&mount->nodes, whiteout);
}

/* Staged bytes become the file of a real name: one put. */
static enum ls_rc put_as(struct rename_task *rename, const struct source *source)
{
    struct ls_mount *mount = rename->task.mount;
    char hidden[LS_PATH_MAX];
    struct ls_commit commit = {.key = rename->to_path, .any = true};
    if (hides(mount, source->whiteout, hidden)) {
        if (strcmp(hidden, rename->to_path) != 0)
            commit.replaces = hidden;
    } else if (source->has_row) {
        commit.replaces = rename->from_path;
        commit.replaces_etag = source->etag[0] ? source->etag : NULL;
    }
    enum ls_rc rc = ls_hold_bytes(mount, rename->to_path, &rename->err);
    if (!rc)
        rc = ls_stage_commit(mount, rename->from, &commit, &rename->err);
    if (!rc)
        forget_whiteout(mount, rename->from);
    return rc;
}

/* Rows and their objects get other names, in one operation; open files follow. */
static enum ls_rc move_objects(struct rename_task *rename)
{
    struct ls_mount *mount = rename->task.mount;
    struct ls_hold hold;
    ls_hold_begin(mount, rename->from_path, &hold);
    enum ls_rc rc = ls_engine_rename(mount->engine, rename->from_path, rename->to_path,
                                     rename->flags & RENAME_NOREPLACE ? LS_RENAME_NOREPLACE : 0, &rename->err);
    ls_hold_end(mount, &hold, rename->from_path, rename->to_path, !rc);
    return rc;
}

/* Are what a file had under its old name and what its row says now the same bytes? Another host may have written in
 * between. An etag of parts changes with each copy and tells nothing. */
static bool same_bytes(struct ls_mount *mount, const char *had, const char *has)
{
    return strcmp(had, has) == 0 || !ls_etag_is_md5(ls_engine_caps(mount->engine), has);
}

/* The row of a file that was renamed. file->lock is held. */
static void take_etag(struct ls_mount *mount, struct ls_file *file, const struct ls_record *record)
{
    struct ls_stage *stage = file->stage;
    if (!record->known)
        return;
    if (stage && stage->has_row && same_bytes(mount, stage->base_etag, record->etag))
        snprintf(stage->base_etag, sizeof stage->base_etag, "%s", record->etag);
    if (file->etag_known && same_bytes(mount, file->etag, record->etag))
        snprintf(file->etag, sizeof file->etag, "%s", record->etag);
}

/* A row moves with its object. */
static enum ls_rc move_row(struct rename_task *rename)
{
    struct ls_mount *mount = rename->task.mount;
    enum ls_rc rc = ls_hold_bytes(mount, rename->to_path, &rename->err);
    if (!rc)
        rc = move_objects(rename);
    struct ls_image_page page = {0};
    if (rc || ls_mount_row(mount, rename->to_path, &page, NULL))
        return rc;
    const char *etag = page.items[0].record.etag;
    ls_cache_rename(mount->cache, rename->from_path, rename->to_path, etag);
    struct ls_file *file = ls_file_peek(mount, rename->from);
    if (file) {
        LS_LOCK(&file->lock);
        take_etag(mount, file, &page.items[0].record);
    }
    ls_image_page_dispose(&page);
    return LS_OK;
}

/* Hide the row of from's name, which moves on to a scratch name. */
static enum ls_rc hide_row(struct rename_task *rename, const char *etag)
{
    struct ls_mount *mount = rename->task.mount;
    ls_nodes_detach(&mount->nodes, rename->from);
    struct ls_node *whiteout = ls_nodes_obtain(&mount->nodes, rename->from_dir, rename->from_name, false);
    struct ls_file *file = whiteout ? ls_file_of(mount, whiteout) : NULL;
    if (!file) {
        ls_nodes_unref(&mount->nodes, whiteout);
        return ls_err_nomem(&rename->err);
    }
    {
        LS_LOCK(&file->lock);
        snprintf(file->etag, sizeof file->etag, "%s", etag);
    }
    ls_nodes_set_local(&mount->nodes, whiteout, LS_LOCAL_WHITEOUT);
    file = ls_file_peek(mount, rename->from);
    LS_LOCK(&file->lock);
    file->stage->whiteout = whiteout;
    file->stage->has_row = false;
    return LS_OK;
}

static enum ls_rc move_to_scratch(struct rename_task *rename, const struct source *source)
{
    struct ls_mount *mount = rename->task.mount;
    enum ls_rc rc = drop_target(rename);
    if (rc)
        return rc;
    if (!source->ahead) {
        rc = ls_stage_ensure(mount, rename->from, &rename->err);
        if (rc)
            return rc;
    }
    struct source now = source_of(rename);
    if (now.has_row && !now.whiteout)
        rc = hide_row(rename, now.etag);
    struct ls_file *file = ls_file_peek(mount, rename->from);
    LS_LOCK(&file->lock);
    file->stage->has_row = false;
    return rc;
}

static enum ls_rc rename_file(struct rename_task *rename)
{
    struct ls_mount *mount = rename->task.mount;
    enum ls_file_kind kind = LS_FILE_REAL;
    int unfit = ls_name_for_file(mount, rename->to_dir, rename->to_name, rename->to_path, &kind);
    if (unfit) {
        rename->err.sys_errno = unfit;
        return LS_INVALID;
    }
    struct ls_image_page page = {0};
    if (kind == LS_FILE_SCRATCH && ls_mount_row(mount, rename->to_path, &page, NULL) == LS_OK)
        kind = LS_FILE_REAL; /* a name that only looks so */
    ls_image_page_dispose(&page);
    struct source source = source_of(rename);
    ls_name_keep(mount, rename->to, rename->to_path);
    enum ls_rc rc = check_noreplace(rename);
    if (!rc && kind == LS_FILE_SCRATCH)
        rc = move_to_scratch(rename, &source);
    else if (!rc && source.ahead)
        rc = put_as(rename, &source);
    else if (!rc)
        rc = move_row(rename);
    if (rc)
        return rc;
    rc = ls_nodes_move(&mount->nodes, rename->from, rename->to_dir, rename->to_name);
    if (!rc)
        ls_nodes_set_local(&mount->nodes, rename->from, kind == LS_FILE_SCRATCH ? LS_LOCAL_SCRATCH : LS_LOCAL_NONE);
    if (ls_file_peek(mount, rename->from))
        (void)ls_stage_settle(mount, rename->from);
    return rc;
}

/* ---- folders ---- */

static void refresh_one(void *ctx, struct ls_node *node)
{
    struct rename_task *rename = ctx;
    struct ls_mount *mount = rename->task.mount;
    char path[LS_PATH_MAX];
    struct ls_image_page page = {0};
    size_t n = strlen(rename->to_path);
    if (!ls_nodes_path(&mount->nodes, node, path) || strncmp(path, rename->to_path, n) != 0 || path[n] != '/' ||
        ls_mount_row(mount, path, &page, NULL))
        return;
    struct ls_file *file = ls_file_peek(mount, node);
    {
        LS_LOCK(&file->lock);
        take_etag(mount, file, &page.items[0].record);
    }
    ls_image_page_dispose(&page);
}

/* Cached bytes keep their worth under the new keys. */
static void rename_cached(struct rename_task *rename)
{
    struct ls_mount *mount = rename->task.mount;
    char after[LS_PATH_MAX + 2], before[LS_PATH_MAX + 2], old_key[2 * LS_PATH_MAX];
    size_t n = strlen(rename->to_path);
    snprintf(after, sizeof after, "%s/", rename->to_path);
    snprintf(before, sizeof before, "%s0", rename->to_path); /* '0' follows '/' */
    for (bool more = true; more;) {
        struct ls_image_page page = {0};
        if (mount->catalog->ops->image_page(mount->catalog, NULL, after, before, 256, &page, NULL))
            return;
        for (size_t i = 0; i < page.n; i++) {
            snprintf(old_key, sizeof old_key, "%s%s", rename->from_path, page.items[i].key + n);
            ls_cache_rename(mount->cache, old_key, page.items[i].key, page.items[i].record.etag);
            snprintf(after, sizeof after, "%s", page.items[i].key);
        }
        more = page.n == 256;
        ls_image_page_dispose(&page);
    }
}

static enum ls_rc rename_folder(struct rename_task *rename)
{
    struct ls_mount *mount = rename->task.mount;
    enum ls_level from_level = LS_LEVEL_ROOT, to_level = LS_LEVEL_ROOT;
    struct ls_key_parts parts;
    char name[256];
    int unfit = ls_lookup_classify(mount, rename->from_path, &from_level, &parts);
    if (!unfit)
        unfit = ls_lookup_classify(mount, rename->to_path, &to_level, &parts);
    if (!unfit && (from_level == LS_LEVEL_ROOT || from_level != to_level))
        unfit = EPERM;
    if (unfit) {
        rename->err.sys_errno = unfit;
        return LS_INVALID;
    }
    enum ls_rc rc = check_noreplace(rename);
    if (!rc && rename->to) {
        struct ls_node *local = ls_nodes_next_local(&mount->nodes, rename->to, "", name);
        ls_nodes_unref(&mount->nodes, local);
        if (local)
            return LS_NOT_EMPTY;
    }
    if (!rc)
        rc = move_objects(rename);
    if (!rc)
        rc = ls_nodes_move(&mount->nodes, rename->from, rename->to_dir, rename->to_name);
    if (!rc) {
        ls_nodes_change(&mount->nodes, rename->from, ls_now_ns());
        if (ls_nodes_each_file(&mount->nodes, refresh_one, rename))
            ls_mount_log("rename-refresh", rename->to_path, &rename->err);
        rename_cached(rename);
    }
    return rc;
}

/* ---- the request ---- */

static void run_rename(struct ls_task *task)
{
    struct rename_task *rename = (struct rename_task *)task;
    struct ls_mount *mount = task->mount;
    enum ls_rc rc = LS_OK;
    if (!ls_nodes_child_path(&mount->nodes, rename->from_dir, rename->from_name, rename->from_path) ||
        !ls_nodes_child_path(&mount->nodes, rename->to_dir, rename->to_name, rename->to_path))
        rc = LS_NOT_FOUND;
    if (!rc)
        rc = rename->from->is_dir ? rename_folder(rename) : rename_file(rename);
    if (!rc) {
        if (rename->to)
            ls_name_removed(mount, rename->to_dir, rename->to);
        ls_nodes_touch(&mount->nodes, rename->from_dir, ls_now_ns());
        ls_nodes_touch(&mount->nodes, rename->to_dir, ls_now_ns());
        atomic_fetch_add(&mount->changes, 1);
    }
    if (rc == LS_INVALID && rename->err.sys_errno)
        fuse_reply_err(task->req, rename->err.sys_errno);
    else
        ls_mount_reply_rc(task->req, LS_CALL_NAMES, rc, &rename->err);
}

void ls_op_rename(fuse_req_t req, fuse_ino_t from_ino, const char *from_name, fuse_ino_t to_ino, const char *to_name,
                  unsigned flags)
{
    struct ls_mount *mount = ls_mount_of(req);
    if (ls_mount_refuse(req))
        return;
    if (flags & ~(unsigned)RENAME_NOREPLACE) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    if (strlen(from_name) > LS_NAME_MAX || strlen(to_name) > LS_NAME_MAX) {
        fuse_reply_err(req, ENAMETOOLONG);
        return;
    }
    struct rename_task *rename = calloc(1, sizeof *rename);
    if (!rename) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    rename->task =
        (struct ls_task){.mount = mount, .req = req, .plan = plan_rename, .run = run_rename, .dispose = dispose_rename};
    rename->flags = flags;
    rename->from_dir = ls_nodes_get(&mount->nodes, from_ino);
    rename->to_dir = ls_nodes_get(&mount->nodes, to_ino);
    snprintf(rename->from_name, sizeof rename->from_name, "%s", from_name);
    snprintf(rename->to_name, sizeof rename->to_name, "%s", to_name);
    if (rename->from_dir && rename->to_dir) {
        rename->from = ls_nodes_find(&mount->nodes, rename->from_dir, from_name);
        rename->to = ls_nodes_find(&mount->nodes, rename->to_dir, to_name);
    }
    if (rename->from) {
        ls_task_start(&rename->task);
        return;
    }
    fuse_reply_err(req, ENOENT);
    dispose_rename(&rename->task);
    free(rename);
}
