/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading folders, by name.
 *
 * The position in a listing is the last name given, never a count of rows: entries that come and go before or behind it
 * change nothing for those that stay. The kernel's offset is a hash of that name (1 and 2 are "." and ".."). A handle
 * remembers the names that it has given, so that a position stays good when its name has gone. Rows come in pages; a
 * page is thrown away when something has changed or when it is old. Names that exist only here (pending, scratch) are
 * merged in.
 *
 * The kernel keeps the listings of small folders while the change feed is followed. A handle can then be asked to go on
 * behind a name that another handle gave. When that name has gone meanwhile there is nothing to go on from; so only
 * listings are kept that any program gets in one piece, and then nothing of it is left to give.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "mount/attr.h"
#include "mount/internal.h"
#include "mount/lookup.h"

#define PAGE_ENTRIES 256
#define PAGE_MAX_AGE_MS 500
#define KEPT_BYTES 4096 /* of a listing as programs get it; they ask for this much and more */
#define NAMES_MAX ((size_t)512 * 1024 * 1024)

/* Rows of a folder: images in a type folder, folders elsewhere. */
struct dir_page {
    struct ls_image_page images;
    struct dir_folder {
        char name[LS_NAME_MAX + 1];
        struct stat st;
    } * folders;
    size_t n, i;               /* entries, and the next one */
    bool loaded;               /* false: start after the handle's last name */
    bool last;                 /* nothing follows this page */
    char skip[LS_KEY_MAX + 1]; /* where the next page starts when that is beyond the last name given; "" = there */
    uint64_t changes, feed;    /* the mount's, from before */
    int64_t at_ms;
};

struct ls_dir_handle {
    pthread_mutex_t lock;
    struct ls_dir_handle *next, *prev; /* mount->dirs_lock */
    struct ls_node *node;              /* const; with a reference */
    bool kept;                         /* const: the kernel keeps the listing */
    uint64_t feed;                     /* const: mount->feed when it was opened */
    struct ls_buf names;               /* lock, as all below: each with its NUL */
    size_t *starts;                    /* where in names each begins */
    size_t n, cap;
    struct dir_page page;
};

static void page_drop(struct dir_page *page)
{
    ls_image_page_dispose(&page->images);
    free(page->folders);
    *page = (struct dir_page){0};
}

/* ---- loading ---- */

static enum ls_rc page_room(struct dir_page *page, size_t n, struct ls_err *err)
{
    page->folders = calloc(n ? n : 1, sizeof *page->folders);
    return page->folders ? LS_OK : ls_err_nomem(err);
}

static void page_add(struct dir_page *page, const char *name, const struct stat *st)
{
    struct dir_folder *folder = &page->folders[page->n++];
    memcpy(folder->name, name, strlen(name) + 1);
    folder->st = *st;
}

static bool fits(struct ls_mount *mount, const char *path, enum ls_level want)
{
    enum ls_level level;
    struct ls_key_parts parts;
    return ls_lookup_classify(mount, path, &level, &parts) == 0 && level == want;
}

/* The one folder below the root or a folder of the prefix. */
static enum ls_rc load_prefix(struct ls_mount *mount, const char *path, const char *after, struct dir_page *page,
                              struct ls_err *err)
{
    char name[LS_NAME_MAX + 1], child[LS_PATH_MAX];
    const char *rest = ls_layout_prefix(mount->layout) + strlen(path);
    struct stat st;
    page->last = true;
    if (*rest == '/')
        rest++;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(rest, "/"), rest);
    enum ls_rc rc = page_room(page, 1, err);
    if (rc || strcmp(name, after) <= 0)
        return rc;
    snprintf(child, sizeof child, "%.*s", (int)(rest - ls_layout_prefix(mount->layout) + (ptrdiff_t)strlen(name)),
             ls_layout_prefix(mount->layout));
    rc = ls_attr_folder_path(mount, 1, child, 0, &st, err);
    if (!rc)
        page_add(page, name, &st);
    return rc;
}

/* The path of a name in a folder; false when it does not fit. */
static bool join(char out[LS_PATH_MAX], const char *path, const char *name)
{
    return snprintf(out, LS_PATH_MAX, "%s%s%s", path, *path ? "/" : "", name) < LS_PATH_MAX;
}

static enum ls_rc load_products(struct ls_mount *mount, const char *path, const char *after, struct dir_page *page,
                                struct ls_err *err)
{
    struct ls_name_page names = {0};
    enum ls_rc rc = mount->catalog->ops->product_page(mount->catalog, NULL, after, PAGE_ENTRIES, &names, err);
    if (!rc)
        rc = page_room(page, names.n, err);
    for (size_t i = 0; !rc && i < names.n; i++) {
        char child[LS_PATH_MAX];
        struct stat st;
        if (strlen(names.names[i]) > LS_NAME_MAX || !join(child, path, names.names[i]) ||
            !fits(mount, child, LS_LEVEL_PRODUCT))
            continue;
        rc = ls_attr_folder_path(mount, mount->products_depth + 1, child, 0, &st, err);
        if (!rc)
            page_add(page, names.names[i], &st);
    }
    page->last = names.n < PAGE_ENTRIES;
    if (!rc && names.n > 0)
        snprintf(page->skip, sizeof page->skip, "%s", names.names[names.n - 1]);
    ls_name_page_dispose(&names);
    return rc;
}

static const struct ls_folder *folder_of(const struct ls_folder_page *folders, const char *path)
{
    for (size_t i = 0; i < folders->n; i++)
        if (strcmp(folders->items[i].path, path) == 0)
            return &folders->items[i];
    return NULL;
}

static enum ls_rc load_weights(struct ls_mount *mount, const char *path, const char *after, struct dir_page *page,
                               struct ls_err *err)
{
    struct ls_variant_page variants = {0};
    struct ls_folder_page folders = {0};
    const char *product = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    page->last = true;
    enum ls_rc rc = mount->catalog->ops->variant_list(mount->catalog, NULL, product, &variants, err);
    if (!rc)
        rc = mount->catalog->ops->folder_children(mount->catalog, NULL, path, &folders, err);
    if (!rc)
        rc = page_room(page, variants.n, err);
    for (size_t i = 0; !rc && i < variants.n; i++) {
        const struct ls_variant *variant = &variants.items[i];
        char child[LS_PATH_MAX];
        struct stat st;
        if (strcmp(variant->weight, after) <= 0 || !join(child, path, variant->weight) ||
            !fits(mount, child, LS_LEVEL_WEIGHT))
            continue;
        ls_attr_folder(mount, mount->products_depth + 2, folder_of(&folders, child), variant->updated_ns, &st);
        page_add(page, variant->weight, &st);
    }
    ls_folder_page_dispose(&folders);
    ls_variant_page_dispose(&variants);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct dir_folder *)a)->name, ((const struct dir_folder *)b)->name);
}

static enum ls_rc load_types(struct ls_mount *mount, const char *path, const char *after, struct dir_page *page,
                             struct ls_err *err)
{
    const char *const *types = ls_layout_types(mount->layout);
    struct ls_folder_page folders = {0};
    size_t n = 0;
    while (types[n])
        n++;
    page->last = true;
    enum ls_rc rc = mount->catalog->ops->folder_children(mount->catalog, NULL, path, &folders, err);
    if (!rc)
        rc = page_room(page, n, err);
    for (size_t i = 0; !rc && i < n; i++) {
        char child[LS_PATH_MAX];
        struct stat st;
        if (strcmp(types[i], after) <= 0 || !join(child, path, types[i]))
            continue;
        const struct ls_folder *folder = folder_of(&folders, child);
        bool exists = folder != NULL;
        if (!exists)
            rc = ls_lookup_has_image(mount, child, &exists, err);
        if (rc || !exists)
            continue;
        ls_attr_folder(mount, mount->products_depth + 3, folder, 0, &st);
        page_add(page, types[i], &st);
    }
    if (!rc)
        qsort(page->folders, page->n, sizeof *page->folders, by_name);
    ls_folder_page_dispose(&folders);
    return rc;
}

static enum ls_rc load_images(struct ls_mount *mount, const char *path, const char *after, struct dir_page *page,
                              struct ls_err *err)
{
    char from[2 * LS_PATH_MAX], before[LS_PATH_MAX + 2];
    snprintf(from, sizeof from, "%s/%s", path, after);
    snprintf(before, sizeof before, "%s0", path); /* '0' follows '/' */
    enum ls_rc rc =
        mount->catalog->ops->image_page(mount->catalog, NULL, from, before, PAGE_ENTRIES, &page->images, err);
    if (rc)
        return rc;
    page->n = page->images.n;
    page->last = page->n < PAGE_ENTRIES;
    if (page->n > 0)
        snprintf(page->skip, sizeof page->skip, "%s", page->images.items[page->n - 1].key + strlen(path) + 1);
    return LS_OK;
}

/* Load the page after a name. */
static enum ls_rc load(struct ls_mount *mount, struct ls_node *dir, const char *after, struct dir_page *page,
                       struct ls_err *err)
{
    char path[LS_PATH_MAX], from[sizeof page->skip];
    snprintf(from, sizeof from, "%s", after);
    page_drop(page);
    page->changes = atomic_load(&mount->changes);
    page->feed = atomic_load(&mount->feed);
    page->at_ms = ls_monotonic_ms();
    page->loaded = true;
    if (!ls_nodes_path(&mount->nodes, dir, path)) {
        page->last = true; /* removed while it was open: empty */
        return LS_OK;
    }
    if (dir->dir_depth < mount->products_depth)
        return load_prefix(mount, path, from, page, err);
    switch (dir->dir_depth - mount->products_depth) {
    case 0:
        return load_products(mount, path, from, page, err);
    case 1:
        return load_weights(mount, path, from, page, err);
    case 2:
        return load_types(mount, path, from, page, err);
    default:
        return load_images(mount, path, from, page, err);
    }
}

/* ---- walking ---- */

static const char *page_name(const struct dir_page *page, const char *dir_path)
{
    return page->folders ? page->folders[page->i].name : page->images.items[page->i].key + strlen(dir_path) + 1;
}

/* Move to the next row after the handle's last name; *out_name NULL at the end. */
static enum ls_rc next_row(struct ls_mount *mount, struct ls_dir_handle *handle, const char *last, const char *dir_path,
                           const char **out_name, struct ls_err *err)
{
    struct dir_page *page = &handle->page;
    *out_name = NULL;
    if (page->loaded && page->i < page->n &&
        (page->changes != atomic_load(&mount->changes) || page->feed != atomic_load(&mount->feed) ||
         ls_monotonic_ms() - page->at_ms > PAGE_MAX_AGE_MS))
        page->loaded = false;
    enum ls_rc rc = page->loaded ? LS_OK : load(mount, handle->node, last, page, err);
    while (!rc) {
        for (; page->i < page->n; page->i++) {
            const char *name = page_name(page, dir_path);
            char path[LS_PATH_MAX];
            if (strcmp(name, last) > 0 &&
                (page->folders || (join(path, dir_path, name) && fits(mount, path, LS_LEVEL_FILE)))) {
                *out_name = name;
                return LS_OK;
            }
        }
        if (page->last)
            return LS_OK;
        char skip[sizeof page->skip];
        memcpy(skip, page->skip, sizeof skip);
        rc = load(mount, handle->node, strcmp(skip, last) > 0 ? skip : last, page, err);
    }
    return rc;
}

static enum ls_rc remember(struct ls_dir_handle *handle, const char *name)
{
    if (handle->n == handle->cap) {
        size_t cap = handle->cap ? 2 * handle->cap : 64;
        size_t *starts = realloc(handle->starts, cap * sizeof *starts);
        if (!starts)
            return LS_NO_MEMORY;
        handle->starts = starts;
        handle->cap = cap;
    }
    size_t start = handle->names.len;
    enum ls_rc rc = ls_buf_add(&handle->names, name, strlen(name) + 1);
    if (!rc)
        handle->starts[handle->n++] = start;
    return rc;
}

static const char *last_name(const struct ls_dir_handle *handle)
{
    return handle->n > 0 ? handle->names.data + handle->starts[handle->n - 1] : "";
}

/* Where a listing goes on after this name: FNV-1a, never one of the small numbers. */
static off_t cookie_of(const char *name)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        h = (h ^ *p) * UINT64_C(1099511628211);
    h = (h ^ (h >> 32)) & INT64_MAX;
    return (off_t)(h < 16 ? h + 16 : h);
}

/* Go back to where `n` names had been given. */
static void rewind_to(struct ls_dir_handle *handle, size_t n)
{
    if (n >= handle->n)
        return;
    ls_buf_truncate(&handle->names, handle->starts[n]);
    handle->n = n;
    page_drop(&handle->page);
}

struct listing {
    fuse_req_t req;
    struct ls_mount *mount;
    struct ls_dir_handle *handle;
    bool plus;
    char *buf;
    size_t used, size;
};

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
            ls_lookup_entry(list->mount, node, st, list->handle->page.feed, &entry);
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
static enum ls_rc plain_entry(struct listing *list, struct ls_node *dir, const char *name, const struct stat *row_st,
                              struct stat *out_st)
{
    struct ls_node *node = ls_nodes_find(&list->mount->nodes, dir, name);
    bool hidden = node && ls_nodes_local(&list->mount->nodes, node) == LS_LOCAL_WHITEOUT;
    *out_st = (struct stat){.st_mode = row_st ? S_IFDIR : S_IFREG};
    out_st->st_ino = ls_nodes_number(&list->mount->nodes, dir, name);
    ls_nodes_unref(&list->mount->nodes, node);
    return hidden ? LS_NOT_FOUND : LS_OK;
}

/* Give one name; *out_full when there was no room. Entries that have gone meanwhile are skipped. */
static enum ls_rc give(struct listing *list, const char *name, const struct ls_image *row, const struct stat *folder_st,
                       bool *out_full, struct ls_err *err)
{
    struct ls_mount *mount = list->mount;
    struct ls_node *dir = list->handle->node, *node = NULL;
    struct stat st;
    enum ls_rc rc;
    *out_full = false;
    if (!list->plus) {
        rc = plain_entry(list, dir, name, folder_st, &st);
    } else if (folder_st) {
        node = ls_nodes_obtain(&mount->nodes, dir, name, true);
        rc = node ? LS_OK : ls_err_nomem(err);
        st = *folder_st;
        if (node) {
            ls_attr_touched(mount, node, &st);
            st.st_ino = node->ino;
        }
    } else {
        rc = ls_lookup_row(mount, dir, name, row, list->handle->page.changes, &node, &st);
        if (rc == LS_BUSY)
            rc = ls_lookup_child(mount, dir, name, &node, &st, err);
    }
    if (!rc)
        *out_full = !put_entry(list, name, node, &st, cookie_of(name));
    ls_nodes_unref(&mount->nodes, node);
    if (rc == LS_NOT_FOUND)
        rc = LS_OK;
    return rc || *out_full ? rc : remember(list->handle, name);
}

/* The entry after the last one given: a row's or one that exists only here. Its name is NULL at the end. */
struct next_entry {
    const char *name;
    const struct ls_image *row;
    const struct stat *folder_st;
    char local_name[256];
};

static enum ls_rc find_next(struct ls_mount *mount, struct ls_dir_handle *handle, const char *dir_path,
                            struct next_entry *out, struct ls_err *err)
{
    struct dir_page *page = &handle->page;
    const char *last = last_name(handle);
    enum ls_rc rc = next_row(mount, handle, last, dir_path, &out->name, err);
    if (rc)
        return rc;
    struct ls_node *local = ls_nodes_next_local(&mount->nodes, handle->node, last, out->local_name);
    bool use_local = local && (!out->name || strcmp(out->local_name, out->name) < 0);
    ls_nodes_unref(&mount->nodes, local);
    out->row = use_local || !out->name || page->folders ? NULL : &page->images.items[page->i];
    out->folder_st = use_local || !out->name || !page->folders ? NULL : &page->folders[page->i].st;
    if (use_local)
        out->name = out->local_name;
    return LS_OK;
}

/* Would any program get the names given so far in one piece? */
static bool is_small(const struct ls_dir_handle *handle)
{
    return handle->names.len + (handle->n + 2) * 32 <= KEPT_BYTES;
}

/* Make `off` the position. */
static enum ls_rc seek_to(struct ls_mount *mount, struct ls_dir_handle *handle, const char *dir_path, off_t off,
                          struct ls_err *err)
{
    struct next_entry next;
    if (off <= 2) {
        rewind_to(handle, 0);
        if (off == 0)
            page_drop(&handle->page);
        return LS_OK;
    }
    for (size_t n = handle->n; n > 0; n--)
        if (cookie_of(handle->names.data + handle->starts[n - 1]) == off) {
            rewind_to(handle, n);
            return LS_OK;
        }
    rewind_to(handle, 0);
    for (;;) {
        enum ls_rc rc = find_next(mount, handle, dir_path, &next, err);
        if (rc || !next.name)
            return rc;
        off_t cookie = cookie_of(next.name);
        rc = remember(handle, next.name);
        if (rc || cookie == off)
            return rc ? ls_err_nomem(err) : LS_OK;
    }
}

static enum ls_rc fill(struct listing *list, const char *dir_path, struct ls_err *err)
{
    struct ls_dir_handle *handle = list->handle;
    bool full = false;
    while (!full) {
        struct next_entry next;
        enum ls_rc rc = find_next(list->mount, handle, dir_path, &next, err);
        if (!rc && !next.name) {
            atomic_store(&handle->node->listing, is_small(handle) ? LS_LISTING_SMALL : LS_LISTING_LARGE);
            return LS_OK;
        }
        if (!rc)
            rc = give(list, next.name, next.row, next.folder_st, &full, err);
        if (rc)
            return rc;
    }
    return LS_OK;
}

static void fill_dots(struct listing *list, off_t off, bool *out_full)
{
    struct stat st = {.st_mode = S_IFDIR, .st_ino = list->handle->node->ino};
    *out_full = off < 1 && !put_entry(list, ".", NULL, &st, 1);
    char name[256];
    struct ls_node *parent = ls_nodes_parent(&list->mount->nodes, list->handle->node, name);
    if (parent)
        st.st_ino = parent->ino;
    ls_nodes_unref(&list->mount->nodes, parent);
    *out_full = *out_full || (off < 2 && !put_entry(list, "..", NULL, &st, 2));
}

static void read_folder(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi, bool plus)
{
    struct ls_mount *mount = ls_mount_of(req);
    struct ls_dir_handle *handle = (struct ls_dir_handle *)(uintptr_t)fi->fh;
    LS_AUTO(ls_free) char *buf = malloc(size);
    if (!buf) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    struct listing list = {.req = req, .mount = mount, .handle = handle, .plus = plus, .buf = buf, .size = size};
    struct ls_err err = LS_ERR_INIT;
    char dir_path[LS_PATH_MAX];
    bool full = false;
    enum ls_rc rc = LS_OK;
    pthread_mutex_lock(&handle->lock);
    bool exists = ls_nodes_path(&mount->nodes, handle->node, dir_path);
    if (exists)
        rc = seek_to(mount, handle, dir_path, off, &err);
    if (!rc && off < 2)
        fill_dots(&list, off, &full);
    if (!rc && !full && exists)
        rc = fill(&list, dir_path, &err);
    pthread_mutex_unlock(&handle->lock);
    /* The handle may be gone once this is answered. What has been given counts; the failure will come again. */
    if (rc && list.used == 0)
        ls_mount_reply_rc(req, LS_CALL_NAMES, rc, &err);
    else
        fuse_reply_buf(req, list.buf, list.used);
}

/* ---- requests ---- */

static struct ls_dir_handle *handle_new(struct ls_mount *mount, struct ls_node *node)
{
    struct ls_dir_handle *handle = calloc(1, sizeof *handle);
    if (!handle)
        return NULL;
    pthread_mutex_init(&handle->lock, NULL);
    ls_buf_init(&handle->names, NAMES_MAX);
    handle->node = node;
    LS_LOCK(&mount->dirs_lock);
    handle->next = mount->dirs;
    if (handle->next)
        handle->next->prev = handle;
    mount->dirs = handle;
    return handle;
}

static void handle_free(struct ls_mount *mount, struct ls_dir_handle *handle)
{
    {
        LS_LOCK(&mount->dirs_lock);
        if (handle->prev)
            handle->prev->next = handle->next;
        else
            mount->dirs = handle->next;
        if (handle->next)
            handle->next->prev = handle->prev;
    }
    ls_nodes_unref(&mount->nodes, handle->node);
    page_drop(&handle->page);
    ls_buf_dispose(&handle->names);
    free(handle->starts);
    pthread_mutex_destroy(&handle->lock);
    free(handle);
}

void ls_dir_close_all(struct ls_mount *mount)
{
    while (mount->dirs)
        handle_free(mount, mount->dirs);
}

/* Can the kernel keep the listing? Of a folder that was never listed the first page tells, which is needed anyway. */
static bool may_keep(struct ls_mount *mount, struct ls_dir_handle *handle)
{
    struct dir_page *page = &handle->page;
    struct ls_err err = LS_ERR_INIT;
    unsigned listing = atomic_load(&handle->node->listing);
    if (!atomic_load(&mount->following) || listing != LS_LISTING_UNKNOWN)
        return listing == LS_LISTING_SMALL && atomic_load(&mount->following);
    if (load(mount, handle->node, "", page, &err)) {
        page_drop(page); /* the first read says why */
        return false;
    }
    size_t bytes = 2 * 32;
    for (size_t i = 0; i < page->n; i++)
        bytes += 32 + strlen(page->folders ? page->folders[i].name : page->images.items[i].key);
    return page->last && bytes <= KEPT_BYTES;
}

void ls_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct ls_mount *mount = ls_mount_of(req);
    struct ls_node *node = ls_nodes_get(&mount->nodes, ino);
    struct ls_dir_handle *handle = node ? handle_new(mount, node) : NULL;
    if (!handle) {
        fuse_reply_err(req, node ? ENOMEM : ENOENT);
        ls_nodes_unref(&mount->nodes, node);
        return;
    }
    handle->feed = atomic_load(&mount->feed);
    handle->kept = may_keep(mount, handle);
    fi->fh = (uintptr_t)handle;
    fi->cache_readdir = fi->keep_cache = handle->kept;
    if (fuse_reply_open(req, fi) != 0)
        handle_free(mount, handle);
}

void ls_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    read_folder(req, size, off, fi, false);
}

void ls_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    read_folder(req, size, off, fi, true);
}

void ls_op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct ls_mount *mount = ls_mount_of(req);
    struct ls_dir_handle *handle = (struct ls_dir_handle *)(uintptr_t)fi->fh;
    /* What changed while it was open was told before the kernel had all of the listing. */
    if (handle->kept && handle->feed != atomic_load(&mount->feed))
        fuse_lowlevel_notify_inval_inode(mount->session, ino, 0, 0);
    handle_free(mount, handle);
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
