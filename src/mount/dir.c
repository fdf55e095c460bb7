/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading folders, by name.
 *
 * The position in a listing is the last name given, never a count of rows: entries that come and go before or behind it
 * change nothing for those that stay. Names that exist only here (pending, scratch) are merged in.
 *
 * Folders are not opened: the kernel is told once that opendir is not needed, and then keeps listings by itself until
 * it is told of a change (or makes one). So a request says nothing but folder and offset; dir_place.c knows the name
 * behind an offset. A listing that the kernel began to keep before it was told of a change is found out by the folder's
 * time, which the follower sets.
 */
#include "mount/dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "mount/attr.h"
#include "mount/lookup.h"

#define PAGE_ENTRIES_MAX 512
#define ONE_PIECE 2048 /* bytes of names of a listing that any program gets in one piece */

struct listing {
    fuse_req_t req;
    struct ls_mount *mount;
    struct ls_node *dir;
    char path[LS_PATH_MAX]; /* the folder's */
    unsigned limit;         /* entries that may fit */
    bool plus;
    char *buf;
    size_t used, size;

    char last[LS_NAME_MAX + 1]; /* the position: "" = the beginning */
    struct ls_dir_page page;
    size_t i; /* the page's next row */
    bool loaded;
    uint64_t changes, feed; /* the mount's, when the first page was read */
    struct ls_buf names;    /* given by this answer */
};

/* The entry after the position: a row's or one that exists only here. Its name is NULL at the end. */
struct next_entry {
    const char *name;
    const struct ls_image *row;
    const struct stat *folder_st;
    char local_name[256];
};

/* ---- walking ---- */

static bool fits(const struct listing *list, const char *name)
{
    char path[LS_PATH_MAX];
    enum ls_level level;
    struct ls_key_parts parts;
    int n = snprintf(path, sizeof path, "%s%s%s", list->path, *list->path ? "/" : "", name);
    return n >= 0 && n < LS_PATH_MAX && ls_lookup_classify(list->mount, path, &level, &parts) == 0 &&
           level == LS_LEVEL_FILE;
}

static enum ls_rc load(struct listing *list, const char *after, struct ls_err *err)
{
    enum ls_rc rc = ls_dir_load(list->mount, list->dir, list->path, after, list->limit, &list->page, err);
    list->i = 0;
    if (!list->loaded) {
        list->changes = list->page.changes;
        list->feed = list->page.feed;
    }
    list->loaded = true;
    return rc;
}

/* Move to the next row after the position; *out_name NULL at the end. */
static enum ls_rc next_row(struct listing *list, const char **out_name, struct ls_err *err)
{
    struct ls_dir_page *page = &list->page;
    *out_name = NULL;
    enum ls_rc rc = list->loaded ? LS_OK : load(list, list->last, err);
    while (!rc) {
        for (; list->i < page->n; list->i++) {
            const char *name =
                page->folders ? page->folders[list->i].name : page->rows[list->i].key + strlen(list->path) + 1;
            if (strcmp(name, list->last) > 0 && (page->folders || fits(list, name))) {
                *out_name = name;
                return LS_OK;
            }
        }
        if (page->last)
            return LS_OK;
        rc = load(list, strcmp(page->skip, list->last) > 0 ? page->skip : list->last, err);
    }
    return rc;
}

static enum ls_rc find_next(struct listing *list, struct next_entry *out, struct ls_err *err)
{
    const struct ls_dir_page *page = &list->page;
    enum ls_rc rc = next_row(list, &out->name, err);
    if (rc)
        return rc;
    struct ls_nodes *nodes = &list->mount->nodes;
    struct ls_node *local = ls_nodes_next_local(nodes, list->dir, list->last, out->local_name);
    bool use_local = local && (!out->name || strcmp(out->local_name, out->name) < 0);
    ls_nodes_unref(nodes, local);
    out->row = use_local || !out->name || page->folders ? NULL : &page->rows[list->i];
    out->folder_st = use_local || !out->name || !page->folders ? NULL : &page->folders[list->i].st;
    if (use_local)
        out->name = out->local_name;
    return LS_OK;
}

static void move_to(struct listing *list, const char *name) { memcpy(list->last, name, strlen(name) + 1); }

/* Go to where an offset stands. False: nothing follows it, or nobody knows what did. */
static enum ls_rc seek_to(struct listing *list, off_t off, bool *out_more, struct ls_err *err)
{
    *out_more = true;
    if (off < 2)
        return LS_OK;
    *out_more = !ls_dir_places_at_end(list->mount, list->dir->ino, off);
    if (!*out_more || off == 2 || ls_dir_places_find(list->mount->places, list->dir->ino, off, list->last))
        return LS_OK;
    for (;;) {
        struct next_entry next;
        enum ls_rc rc = find_next(list, &next, err);
        *out_more = !rc && next.name;
        if (!*out_more)
            return rc;
        move_to(list, next.name);
        if (ls_dir_cookie(list->last) == off)
            return LS_OK;
    }
}

/* ---- giving ---- */

/* Add one entry; false when it does not fit. The node (NULL for "." and "..") gets a lookup with plus. */
static bool put_entry(struct listing *list, const char *name, struct ls_node *node, const struct stat *st, off_t next)
{
    struct fuse_entry_param entry = {.attr = *st};
    size_t left = list->size - list->used, need;
    if (list->plus) {
        need = fuse_add_direntry_plus(list->req, NULL, 0, name, NULL, 0);
        if (need > left)
            return false;
        if (node)
            ls_lookup_entry(list->mount, node, st, list->page.feed, &entry);
        fuse_add_direntry_plus(list->req, list->buf + list->used, left, name, &entry, next);
    } else {
        need = fuse_add_direntry(list->req, NULL, 0, name, NULL, 0);
        if (need > left)
            return false;
        fuse_add_direntry(list->req, list->buf + list->used, left, name, st, next);
    }
    list->used += need;
    return true;
}

/* Without plus no node is made: the number is the one that a lookup would give. */
static enum ls_rc plain_entry(struct listing *list, const char *name, const struct stat *row_st, struct stat *out_st)
{
    struct ls_nodes *nodes = &list->mount->nodes;
    struct ls_node *node = ls_nodes_find(nodes, list->dir, name);
    bool hidden = node && ls_nodes_local(nodes, node) == LS_LOCAL_WHITEOUT;
    *out_st = (struct stat){.st_mode = row_st ? S_IFDIR : S_IFREG};
    out_st->st_ino = ls_nodes_number(nodes, list->dir, name);
    ls_nodes_unref(nodes, node);
    return hidden ? LS_NOT_FOUND : LS_OK;
}

/* Give one name; *out_full when there was no room. Entries that have gone meanwhile are skipped. */
static enum ls_rc give(struct listing *list, const struct next_entry *next, bool *out_full, struct ls_err *err)
{
    struct ls_mount *mount = list->mount;
    struct ls_node *node = NULL;
    struct stat st;
    enum ls_rc rc;
    *out_full = false;
    if (!list->plus) {
        rc = plain_entry(list, next->name, next->folder_st, &st);
    } else if (next->folder_st) {
        node = ls_nodes_obtain(&mount->nodes, list->dir, next->name, true);
        rc = node ? LS_OK : ls_err_nomem(err);
        st = *next->folder_st;
        if (node) {
            ls_attr_touched(mount, node, &st);
            st.st_ino = node->ino;
        }
    } else {
        rc = ls_lookup_row(mount, list->dir, next->name, next->row, list->page.changes, &node, &st);
        if (rc == LS_BUSY)
            rc = ls_lookup_child(mount, list->dir, next->name, &node, &st, err);
    }
    bool given = !rc && put_entry(list, next->name, node, &st, ls_dir_cookie(next->name));
    *out_full = !rc && !given;
    ls_nodes_unref(&mount->nodes, node);
    if (given)
        rc = ls_buf_add(&list->names, next->name, strlen(next->name) + 1);
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

static enum ls_rc fill(struct listing *list, struct ls_err *err)
{
    bool full = false, from_start = !list->last[0];
    enum ls_rc rc = LS_OK;
    while (!rc && !full) {
        struct next_entry next;
        rc = find_next(list, &next, err);
        if (rc)
            break;
        if (!next.name) {
            off_t off = list->last[0] ? ls_dir_cookie(list->last) : 2;
            ls_dir_places_end(list->mount, list->dir->ino, off, list->changes, list->feed);
            break;
        }
        rc = give(list, &next, &full, err);
        if (!rc && !full)
            move_to(list, next.name);
    }
    if (list->names.len > 0 && (full || rc || !from_start || list->names.len > ONE_PIECE))
        ls_dir_places_add(list->mount->places, list->dir->ino, list->names.data, list->names.len);
    return rc;
}

static void fill_dots(struct listing *list, off_t off, bool *out_full)
{
    struct stat st = {.st_mode = S_IFDIR, .st_ino = list->dir->ino};
    *out_full = off < 1 && !put_entry(list, ".", NULL, &st, 1);
    char name[256];
    struct ls_node *parent = ls_nodes_parent(&list->mount->nodes, list->dir, name);
    if (parent)
        st.st_ino = parent->ino;
    ls_nodes_unref(&list->mount->nodes, parent);
    *out_full = *out_full || (off < 2 && !put_entry(list, "..", NULL, &st, 2));
}

static enum ls_rc list_folder(struct listing *list, off_t off, struct ls_err *err)
{
    bool full = false, more = false;
    bool exists = ls_nodes_path(&list->mount->nodes, list->dir, list->path); /* removed while it is read: empty */
    enum ls_rc rc = exists ? seek_to(list, off, &more, err) : LS_OK;
    if (!rc && off < 2)
        fill_dots(list, off, &full);
    return !rc && more && !full ? fill(list, err) : rc;
}

static void read_folder(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
    struct ls_mount *mount = ls_mount_of(req);
    LS_AUTO(ls_free) char *buf = malloc(size ? size : 1);
    struct ls_node *dir = ls_nodes_get(&mount->nodes, ino);
    struct ls_err err = LS_ERR_INIT;
    if (!buf || !dir) {
        fuse_reply_err(req, dir ? ENOMEM : ENOENT);
        ls_nodes_unref(&mount->nodes, dir);
        return;
    }
    struct listing list = {.req = req, .mount = mount, .dir = dir, .plus = plus, .buf = buf, .size = size};
    size_t each = plus ? fuse_add_direntry_plus(req, NULL, 0, "name", NULL, 0) : 32;
    list.limit = size / each + 1 < PAGE_ENTRIES_MAX ? (unsigned)(size / each + 1) : PAGE_ENTRIES_MAX;
    ls_buf_init(&list.names, size + LS_NAME_MAX + 1);
    enum ls_rc rc = list_folder(&list, off, &err);
    /* What has been given counts; the failure will come again. */
    if (rc && list.used == 0)
        ls_mount_reply_rc(req, LS_CALL_NAMES, rc, &err);
    else
        fuse_reply_buf(req, list.buf, list.used);
    ls_buf_dispose(&list.names);
    ls_dir_page_dispose(mount, &list.page);
    ls_nodes_unref(&mount->nodes, dir);
}

/* ---- requests ---- */

/* The kernel then never asks again; one that cannot do without gets a handle that means nothing. */
void ls_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    if (ls_mount_of(req)->no_opendir)
        fuse_reply_err(req, ENOSYS);
    else
        fuse_reply_open(req, fi);
}

void ls_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)fi;
    read_folder(req, ino, size, off, false);
}

void ls_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)fi;
    read_folder(req, ino, size, off, true);
}

void ls_op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    fuse_reply_err(req, 0);
}

/* Folder operations are durable when they return. */
void ls_op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino;
    (void)datasync;
    (void)fi;
    fuse_reply_err(req, 0);
}
