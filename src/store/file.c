/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file store: a local directory as a bucket, a key being the path below it.
 *
 * This file opens and closes it and does what only reads: probe, head, get, url. Writing is in file_write.c, listing in
 * file_list.c, paths and locks in file_path.c, etag and metadata in file_attr.c. Keys that no file can have are simply
 * not there when they are read and LS_INVALID when they are written. Links and special files are never followed, listed
 * or replaced. Thread rule: any thread, and any number of processes on one directory.
 */
#include "store/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/workers.h"
#include "store/backends.h"
#include "store/items.h"

enum { GET_CHUNK = 256 * 1024, HEAD_WIDTH = 8, HEAD_PARALLEL_FROM = 16 };

static struct ls_file_store *file_store(struct ls_store *store) { return (struct ls_file_store *)store; }

static enum ls_rc file_probe(struct ls_store *store, struct ls_store_caps *out_caps, struct ls_err *err)
{
    int root = -1;
    enum ls_rc rc = ls_file_root(file_store(store), &root, err);
    if (!rc)
        rc = ls_file_check_root(file_store(store), err);
    if (!rc)
        *out_caps = (struct ls_store_caps){.conditional_put = true, .etag_is_md5 = true, .part_bytes = UINT64_MAX};
    return rc;
}

static enum ls_rc file_create(struct ls_store *store, struct ls_err *err)
{
    struct ls_file_store *fs = file_store(store);
    if (mkdir(fs->dir, 0755) < 0 && errno != EEXIST)
        return ls_err_errno(err, errno, "store: cannot make the directory %s", fs->dir);
    if (ls_fsync_parent(AT_FDCWD, fs->dir) < 0)
        return ls_err_errno(err, errno, "store: cannot make the directory %s durable", fs->dir);
    return ls_file_make_own(fs, LS_FILE_TMP "x", err);
}

/* ---- head ---- */

struct head_loop {
    struct ls_file_store *fs;
    struct ls_store_head *items;
};

static enum ls_rc head_item(void *ctx, size_t i, struct ls_err *err)
{
    (void)err;
    struct head_loop *loop = ctx;
    struct ls_store_head *item = &loop->items[i];
    LS_AUTO(ls_fd) int fd = -1;
    struct stat st;
    ls_err_clear(&item->err);
    item->rc = ls_file_open_key(loop->fs, item->key, &fd, &st, &item->err);
    if (!item->rc)
        item->rc = ls_file_info(loop->fs, fd, item->key, &item->info, &item->err);
    return LS_OK;
}

static enum ls_rc file_head(struct ls_store *store, struct ls_store_head *items, size_t n, struct ls_err *err)
{
    struct head_loop loop = {file_store(store), items};
    enum ls_rc rc = ls_parallel(n < HEAD_PARALLEL_FROM ? 1 : HEAD_WIDTH, n, head_item, &loop, err);
    return rc ? rc : ls_items_result(&ls_items_head, items, n, err);
}

/* ---- get ---- */

static enum ls_rc send_range(const struct ls_store_get *get, int fd, uint64_t len, ls_store_sink sink, void *ctx,
                             struct ls_err *err)
{
    LS_AUTO(ls_free) char *chunk = malloc(len < GET_CHUNK ? (size_t)len + 1 : GET_CHUNK);
    if (!chunk)
        return ls_err_nomem(err);
    for (uint64_t done = 0; done < len;) {
        size_t want = len - done < GET_CHUNK ? (size_t)(len - done) : GET_CHUNK;
        ssize_t n = ls_pread_all(fd, chunk, want, get->offset + done);
        if (n < 0)
            return ls_err_errno(err, errno, "store: GET %s: cannot read", get->key);
        if ((size_t)n < want)
            return ls_err_set(err, LS_CORRUPT, "store: GET %s: the file became shorter while it was read", get->key);
        enum ls_rc rc = sink(ctx, chunk, want);
        if (rc)
            return ls_err_set(err, rc, "store: GET %s: the reader stopped it (%s)", get->key, ls_rc_name(rc));
        done += want;
    }
    return LS_OK;
}

static enum ls_rc file_get(struct ls_store *store, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                           struct ls_object_info *out_info, struct ls_err *err)
{
    struct ls_file_store *fs = file_store(store);
    LS_AUTO(ls_fd) int fd = -1;
    struct stat st;
    struct ls_object_info info;
    enum ls_rc rc = ls_file_open_key(fs, get->key, &fd, &st, err);
    if (!rc)
        rc = ls_file_info(fs, fd, get->key, &info, err);
    if (rc)
        return rc;
    if (get->if_match && strcmp(get->if_match, info.etag) != 0)
        return ls_err_set(err, LS_CONFLICT, "store: GET %s: it has the etag %s, not %s any more", get->key, info.etag,
                          get->if_match);
    if (get->offset > 0 && get->offset >= info.size_bytes)
        return ls_err_set(err, LS_INVALID, "store: GET %s: the range starts at %llu, the object has %llu bytes",
                          get->key, (unsigned long long)get->offset, (unsigned long long)info.size_bytes);
    if (out_info)
        *out_info = info;
    uint64_t left = info.size_bytes - get->offset;
    rc = send_range(get, fd, get->len < left ? get->len : left, sink, ctx, err);
    if (rc)
        return rc;
    /* Written in place by hand: what was passed on may be a mixture. */
    if (fstat(fd, &st) < 0 || ls_file_mtime_ns(&st) != info.modified_ns || (uint64_t)st.st_size != info.size_bytes)
        return ls_err_set(err, LS_CORRUPT, "store: GET %s: the file changed while it was read", get->key);
    return LS_OK;
}

/* ---- the rest ---- */

static enum ls_rc file_url(struct ls_store *store, const char *key, unsigned expires_s, char **out_url,
                           struct ls_err *err)
{
    if (expires_s)
        return ls_err_set(err, LS_UNSUPPORTED, "store: a local directory has no addresses that expire");
    LS_AUTO(ls_buf) struct ls_buf url = LS_BUF_INIT(LS_BUF_LINE);
    if (ls_buf_adds(&url, file_store(store)->url_prefix) || ls_buf_addc(&url, '/') ||
        ls_buf_add_urlenc(&url, key, strlen(key), true))
        return ls_err_nomem(err);
    *out_url = ls_buf_steal(&url);
    return *out_url ? LS_OK : ls_err_nomem(err);
}

static void file_close(struct ls_store *store)
{
    struct ls_file_store *fs = file_store(store);
    for (size_t i = 0; i < LS_FILE_SAVED_WALKS; i++)
        ls_file_walk_free(fs->saved[i]);
    int root = atomic_load(&fs->root_fd);
    if (root >= 0)
        close(root);
    pthread_mutex_destroy(&fs->lock);
    free(fs->url_prefix);
    free(fs->dir);
    free(fs);
}

static const struct ls_store_ops file_ops = {
    .name = "file",
    .probe = file_probe,
    .create = file_create,
    .head = file_head,
    .get = file_get,
    .put = ls_file_put,
    .copy = ls_file_copy,
    .remove = ls_file_remove,
    .list = ls_file_list,
    .abort_uploads = ls_file_abort_uploads,
    .url = file_url,
    .close = file_close,
};

/* The absolute form, so that a later chdir (a daemon's) changes nothing. NULL and errno on failure. */
static char *absolute(const char *dir)
{
    if (*dir == '/')
        return strdup(dir);
    LS_AUTO(ls_free) char *here = getcwd(NULL, 0);
    while (!strncmp(dir, "./", 2))
        dir += 2;
    return here ? ls_strf("%s/%s", strcmp(here, "/") ? here : "", dir) : NULL;
}

/* "file://<dir>" percent-encoded, or the given prefix, without slashes at the end. */
static char *make_url_prefix(const char *dir, const char *public_url)
{
    LS_AUTO(ls_buf) struct ls_buf url = LS_BUF_INIT(LS_BUF_LINE);
    if (ls_buf_adds(&url, public_url ? public_url : "file://") ||
        (!public_url && ls_buf_add_urlenc(&url, dir, strlen(dir), true)))
        return NULL;
    while (url.len > 0 && url.data[url.len - 1] == '/')
        ls_buf_truncate(&url, url.len - 1);
    return ls_buf_steal(&url);
}

enum ls_rc ls_store_file_open(const char *dir, const char *public_url, struct ls_store **out_store, struct ls_err *err)
{
    if (!*dir)
        return ls_err_set(err, LS_INVALID, "store: the directory's name is empty");
    LS_AUTO(ls_free) char *path = absolute(dir);
    if (!path)
        return ls_err_errno(err, errno, "store: cannot find out where %s is", dir);
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
    LS_AUTO(ls_free) char *url_prefix = make_url_prefix(path, public_url);
    struct ls_file_store *fs = calloc(1, sizeof *fs);
    if (!url_prefix || !fs) {
        free(fs);
        return ls_err_nomem(err);
    }
    fs->base.ops = &file_ops;
    fs->dir = LS_STEAL(path);
    fs->url_prefix = LS_STEAL(url_prefix);
    atomic_init(&fs->root_fd, -1);
    pthread_mutex_init(&fs->lock, NULL);
    *out_store = &fs->base;
    return LS_OK;
}
