/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What stat shows of rows, folders and staged files.
 *
 * A folder's link count is 1 ("not counted", as btrfs does it), because counting would cost a query for each; a type
 * folder has no folders in it and shows 2. There is no atime: it equals mtime.
 */
#include "mount/attr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"

static void set_size(struct stat *st, uint64_t size_bytes)
{
    st->st_size = (off_t)size_bytes;
    st->st_blocks = (blkcnt_t)((size_bytes + 511) / 512);
    st->st_blksize = 131072;
}

/* What -o uid, gid, umask, fmask and dmask override. */
static void apply_tuning(const struct ls_mount *mount, struct stat *st)
{
    const struct ls_mount_tuning *tuning = &mount->tuning;
    if (tuning->set_uid)
        st->st_uid = tuning->uid;
    if (tuning->set_gid)
        st->st_gid = tuning->gid;
    bool dir = S_ISDIR(st->st_mode);
    if (dir && tuning->set_dmask)
        st->st_mode = S_IFDIR | (0777 & ~tuning->dmask);
    else if (!dir && tuning->set_fmask)
        st->st_mode = S_IFREG | (0777 & ~tuning->fmask);
    else if (tuning->set_umask)
        st->st_mode = (st->st_mode & S_IFMT) | (0777 & ~tuning->umask);
}

void ls_attr_image(const struct ls_mount *mount, const struct ls_image *row, struct stat *out)
{
    const struct ls_record *record = &row->record;
    *out = (struct stat){.st_nlink = 1};
    out->st_mode = S_IFREG | (record->known ? record->mode & 07777 : 0644);
    out->st_uid = record->known ? record->uid : mount->uid;
    out->st_gid = record->known ? record->gid : mount->gid;
    set_size(out, record->known ? record->size_bytes : 0);
    out->st_mtim = ls_timespec(record->known ? record->mtime_ns : row->updated_ns);
    out->st_atim = out->st_mtim;
    out->st_ctim = ls_timespec(row->updated_ns);
    apply_tuning(mount, out);
}

void ls_attr_stage(const struct ls_mount *mount, const struct ls_stage *stage, struct stat *out)
{
    struct stat local = {0};
    if (fstat(stage->content->fd, &local) != 0)
        local.st_size = 0;
    *out = (struct stat){.st_nlink = 1};
    out->st_mode = S_IFREG | (stage->mode & 07777);
    out->st_uid = stage->uid;
    out->st_gid = stage->gid;
    set_size(out, (uint64_t)local.st_size);
    out->st_blocks = local.st_blocks;
    out->st_mtim = ls_timespec(ls_stage_mtime_ns(stage));
    out->st_atim = out->st_mtim;
    out->st_ctim = local.st_ctim;
    apply_tuning(mount, out);
}

void ls_attr_folder(const struct ls_mount *mount, unsigned depth, const struct ls_folder *folder, int64_t fallback_ns,
                    struct stat *out)
{
    *out = (struct stat){.st_nlink = depth == mount->products_depth + 3 ? 2 : 1};
    out->st_mode = S_IFDIR | (folder ? folder->mode & 07777 : 0755);
    out->st_uid = folder ? folder->uid : mount->uid;
    out->st_gid = folder ? folder->gid : mount->gid;
    set_size(out, 4096);
    out->st_mtim = ls_timespec(folder ? folder->mtime_ns : fallback_ns ? fallback_ns : mount->started_ns);
    out->st_atim = out->st_ctim = out->st_mtim;
    apply_tuning(mount, out);
}

enum ls_rc ls_attr_folder_path(struct ls_mount *mount, unsigned depth, const char *path, int64_t fallback_ns,
                               struct stat *out, struct ls_err *err)
{
    struct ls_folder folder;
    enum ls_rc rc = mount->catalog->ops->folder_get(mount->catalog, NULL, *path ? path : LS_FOLDER_ROOT, &folder, err);
    if (rc && rc != LS_NOT_FOUND)
        return rc;
    ls_attr_folder(mount, depth, rc ? NULL : &folder, fallback_ns, out);
    return LS_OK;
}

void ls_attr_touched(struct ls_mount *mount, struct ls_node *dir, struct stat *st)
{
    int64_t touched_ns = ls_nodes_touched(&mount->nodes, dir);
    if (touched_ns)
        st->st_mtim = st->st_atim = st->st_ctim = ls_timespec(touched_ns);
    int64_t changed_ns = ls_nodes_changed(&mount->nodes, dir);
    if (changed_ns > touched_ns)
        st->st_ctim = ls_timespec(changed_ns);
}

/* file->lock is held. */
static bool attr_staged(struct ls_mount *mount, struct ls_node *node, struct ls_file *file, struct stat *out)
{
    enum ls_local local = ls_nodes_local(&mount->nodes, node);
    struct ls_stage *stage = file->stage;
    if (!stage || local == LS_LOCAL_WHITEOUT || (!stage->dirty && local == LS_LOCAL_NONE))
        return false;
    ls_attr_stage(mount, stage, out);
    return true;
}

/* file->lock is held. */
static void show(struct ls_node *node, struct ls_file *file, struct stat *out)
{
    out->st_ino = node->ino;
    atomic_store(&node->shown_bytes, (uint64_t)out->st_size);
    file->last = *out;
}

bool ls_attr_file_staged(struct ls_mount *mount, struct ls_node *node, struct stat *out)
{
    struct ls_file *file = ls_file_peek(mount, node);
    if (!file)
        return false;
    LS_LOCK(&file->lock);
    if (ls_file_given_up(file) || !attr_staged(mount, node, file, out))
        return false;
    show(node, file, out);
    return true;
}

enum ls_rc ls_attr_file(struct ls_mount *mount, struct ls_node *node, const struct ls_image *row, uint64_t seen_changes,
                        struct stat *out)
{
    enum ls_local local = ls_nodes_local(&mount->nodes, node);
    if (local == LS_LOCAL_WHITEOUT)
        return LS_NOT_FOUND;
    struct ls_file *file = ls_file_peek(mount, node);
    if (!file) {
        if (!row)
            return LS_NOT_FOUND;
        ls_attr_image(mount, row, out);
        out->st_ino = node->ino;
        atomic_store(&node->shown_bytes, (uint64_t)out->st_size);
        return LS_OK;
    }
    LS_LOCK(&file->lock);
    if (ls_file_given_up(file))
        return LS_CONFLICT;
    if (attr_staged(mount, node, file, out)) {
        /* the row does not matter */
    } else if (!row) {
        return atomic_load(&mount->changes) != seen_changes ? LS_BUSY : LS_NOT_FOUND;
    } else {
        bool same = !file->etag_known || !row->record.known || strcmp(file->etag, row->record.etag) == 0;
        if (!same && (file->handles > 0 || file->stage))
            return atomic_load(&mount->changes) != seen_changes ? LS_BUSY : LS_CONFLICT;
        ls_attr_image(mount, row, out);
        if (!row->record.known && file->content)
            set_size(out, file->content_size_bytes);
    }
    show(node, file, out);
    return LS_OK;
}
