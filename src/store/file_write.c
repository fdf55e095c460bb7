/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file store's writing half: put, copy, remove, and sweeping up after uploads that were killed.
 *
 * An object is written to a temporary, gets its record, is fsynced, and takes its name under the key's lock, where the
 * condition is checked; then the folder is fsynced. So a name shows old or new bytes at every instant, and what was
 * acknowledged survives a power cut. Arrays fsync each folder once. Thread rule: any thread.
 */
#include "store/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/workers.h"
#include "store/items.h"

enum { PUT_CHUNK = 256 * 1024, COPY_WIDTH = 16 };

LS_AUTO_DEFINE(ls_hash, struct ls_hash *, ls_hash_free)

/* ---- temporaries ---- */

struct upload {
    int root, fd;
    char temp[128]; /* below root; "" when it has got its name */
};

static void upload_auto(struct upload *up)
{
    if (up->fd >= 0)
        close(up->fd);
    if (up->temp[0])
        unlinkat(up->root, up->temp, 0);
}

/* What the names of a key's temporaries begin with. */
static void temp_stem(const char *key, char out[18])
{
    uint8_t digest[LS_MD5_LEN];
    ls_md5(key, strlen(key), digest);
    ls_hex(digest, 8, out);
    out[16] = '.';
    out[17] = '\0';
}

static enum ls_rc upload_begin(struct ls_file_store *fs, const char *key, struct upload *up, struct ls_err *err)
{
    char stem[18], id[LS_ID_LEN];
    enum ls_rc rc = ls_file_root(fs, &up->root, err);
    if (rc)
        return rc;
    temp_stem(key, stem);
    ls_id_new(id);
    snprintf(up->temp, sizeof up->temp, "%s%s%" PRId64 ".%s", LS_FILE_TMP, stem, ls_now_ns(), id);
    int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
    up->fd = ls_open_beneath(up->root, up->temp, flags, 0644);
    if (up->fd < 0 && errno == ENOENT) {
        rc = ls_file_check_root(fs, err);
        if (!rc)
            rc = ls_file_make_own(fs, LS_FILE_TMP "x", err);
        if (rc) {
            up->temp[0] = '\0';
            return rc;
        }
        up->fd = ls_open_beneath(up->root, up->temp, flags, 0644);
    }
    if (up->fd >= 0)
        return LS_OK;
    int failed = errno;
    up->temp[0] = '\0';
    return ls_err_errno(err, failed, "store: PUT %s: cannot write below %s/%s", key, fs->dir, LS_FILE_TMP);
}

/* Record and fsync the finished bytes; *out_st is what the object will be. */
static enum ls_rc upload_seal(struct ls_file_store *fs, struct upload *up, const char *key, const char *etag,
                              const struct ls_object_meta *meta, struct stat *out_st, struct ls_err *err)
{
    if (fstat(up->fd, out_st) < 0)
        return ls_err_errno(err, errno, "store: PUT %s: cannot look at the written file", key);
    enum ls_rc rc = ls_file_record(fs, up->fd, out_st, etag, meta, err);
    if (rc)
        return rc;
    if (fsync(up->fd) < 0)
        return ls_err_errno(err, errno, "store: PUT %s: cannot make the bytes durable in %s", key, fs->dir);
    return LS_OK;
}

/* Does the object that is there now allow the put? Under the key's lock. */
static enum ls_rc check_condition(struct ls_file_store *fs, const char *key, enum ls_put_condition condition,
                                  const char *if_etag, ino_t *out_old, struct ls_err *err)
{
    *out_old = 0;
    if (condition == LS_PUT_ALWAYS && !atomic_load(&fs->no_xattr))
        return LS_OK;
    LS_AUTO(ls_fd) int fd = -1;
    struct stat st;
    struct ls_object_info info;
    enum ls_rc rc = ls_file_open_key(fs, key, &fd, &st, err);
    if (rc == LS_NOT_FOUND && condition != LS_PUT_IF_ETAG) {
        ls_err_clear(err);
        return LS_OK;
    }
    if (rc == LS_NOT_FOUND)
        return ls_err_set(err, LS_CONFLICT, "store: PUT %s: the object to replace is gone", key);
    if (rc)
        return rc;
    *out_old = st.st_ino;
    if (condition == LS_PUT_IF_NEW)
        return ls_err_set(err, LS_EXISTS, "store: PUT %s: the object exists already", key);
    if (condition == LS_PUT_ALWAYS)
        return LS_OK;
    rc = ls_file_info(fs, fd, key, &info, err);
    if (!rc && (!if_etag || strcmp(info.etag, if_etag) != 0))
        return ls_err_set(err, LS_CONFLICT, "store: PUT %s: it has the etag %s, not %s any more", key, info.etag,
                          if_etag ? if_etag : "-");
    return rc;
}

/* Give the upload its name; out_folder is its folder, to be fsynced. On failure nothing is left of it. */
static enum ls_rc upload_place(struct ls_file_store *fs, struct upload *up, const char *key,
                               enum ls_put_condition condition, const char *if_etag, int *out_folder,
                               struct ls_err *err)
{
    LS_AUTO(ls_fd) int lock = -1;
    ino_t old = 0;
    enum ls_rc rc = ls_file_lock_key(fs, key, &lock, err);
    if (!rc)
        rc = check_condition(fs, key, condition, if_etag, &old, err);
    if (rc)
        return rc;
    rc = ls_file_place(fs, lock, up->temp, key, condition != LS_PUT_IF_NEW, out_folder, err);
    if (rc) {
        LS_AUTO(ls_fd) int folder = -1;
        if (strchr(key, '/'))
            (void)!ls_file_prune(fs, lock, key, &folder, NULL);
        return rc;
    }
    up->temp[0] = '\0';
    if (old)
        ls_file_forget(fs, old);
    return LS_OK;
}

static enum ls_rc refuse_key(const char *what, const char *key, struct ls_err *err)
{
    const char *fault = ls_file_key_fault(key);
    return fault ? ls_err_set(err, LS_INVALID, "store: %s: the key %s: %s", what, fault, key) : LS_OK;
}

/* ---- put ---- */

static enum ls_rc put_bytes(const struct ls_store_put *put, int to, struct ls_hash *md5, struct ls_hash *sha256,
                            struct ls_err *err)
{
    LS_AUTO(ls_free) char *chunk = malloc(PUT_CHUNK);
    if (!chunk)
        return ls_err_nomem(err);
    for (uint64_t done = 0; done < put->size_bytes;) {
        uint64_t left = put->size_bytes - done;
        size_t want = left < PUT_CHUNK ? (size_t)left : PUT_CHUNK;
        ssize_t n = ls_pread_all(put->fd, chunk, want, done);
        if (n < 0)
            return ls_err_errno(err, errno, "store: PUT %s: cannot read the bytes", put->key);
        if ((size_t)n < want)
            return ls_err_set(err, LS_IO, "store: PUT %s: the file became shorter while it was read", put->key);
        ls_hash_update(md5, chunk, want);
        if (sha256)
            ls_hash_update(sha256, chunk, want);
        if (ls_pwrite_all(to, chunk, want, done) < 0)
            return ls_err_errno(err, errno, "store: PUT %s: cannot write", put->key);
        done += want;
    }
    return LS_OK;
}

/* Write the bytes and compare what the caller knows of them. */
static enum ls_rc put_checked(const struct ls_store_put *put, int to, char out_etag[LS_ETAG_MAX], struct ls_err *err)
{
    bool check_sha = put->sha256 && !put->md5;
    LS_AUTO(ls_hash) struct ls_hash *md5 = ls_hash_new(LS_HASH_MD5);
    LS_AUTO(ls_hash) struct ls_hash *sha256 = check_sha ? ls_hash_new(LS_HASH_SHA256) : NULL;
    if (!md5 || (check_sha && !sha256))
        return ls_err_nomem(err);
    enum ls_rc rc = put_bytes(put, to, md5, sha256, err);
    if (rc)
        return rc;
    uint8_t digest[LS_SHA256_LEN];
    bool right = true;
    if (check_sha) {
        ls_hash_final(sha256, digest);
        right = !memcmp(digest, put->sha256, LS_SHA256_LEN);
    }
    ls_hash_final(md5, digest);
    if (put->md5)
        right = !memcmp(digest, put->md5, LS_MD5_LEN);
    if (!right)
        return ls_err_set(err, LS_CORRUPT, "store: PUT %s: the bytes are not those that were announced (wrong %s)",
                          put->key, put->md5 ? "MD5" : "SHA-256");
    ls_hex(digest, LS_MD5_LEN, out_etag);
    return LS_OK;
}

enum ls_rc ls_file_put(struct ls_store *store, const struct ls_store_put *put, struct ls_object_info *out_info,
                       struct ls_err *err)
{
    struct ls_file_store *fs = (struct ls_file_store *)store;
    static const struct ls_object_meta no_meta;
    const struct ls_object_meta *meta = put->meta ? put->meta : &no_meta;
    __attribute__((cleanup(upload_auto))) struct upload up = {.root = -1, .fd = -1};
    LS_AUTO(ls_fd) int folder = -1;
    char etag[LS_ETAG_MAX] = "";
    struct stat st;
    enum ls_rc rc = refuse_key("PUT", put->key, err);
    if (!rc)
        rc = upload_begin(fs, put->key, &up, err);
    if (!rc)
        rc = put_checked(put, up.fd, etag, err);
    if (!rc)
        rc = upload_seal(fs, &up, put->key, etag, meta, &st, err);
    if (!rc)
        rc = upload_place(fs, &up, put->key, put->condition, put->if_etag, &folder, err);
    if (rc)
        return rc;
    if (fsync(folder) < 0)
        return ls_err_errno(err, errno, "store: PUT %s: cannot make its folder durable", put->key);
    if (out_info) {
        *out_info =
            (struct ls_object_info){.size_bytes = put->size_bytes, .modified_ns = ls_file_mtime_ns(&st), .meta = *meta};
        memcpy(out_info->etag, etag, sizeof etag);
    }
    return LS_OK;
}

/* ---- folders that an array touched ---- */

struct touched {
    int fd; /* -1 = none */
    dev_t dev;
    ino_t inode;
    size_t item;
};

static int by_inode(const void *a, const void *b)
{
    const struct touched *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->inode == y->inode ? 0 : x->inode < y->inode ? -1 : 1;
}

/* Keep one descriptor a folder, so that a thousand items in one folder do not hold a thousand. */
struct touched_set {
    pthread_mutex_t lock;
    struct touched *list; /* sorted by item; one slot an item; under lock */
};

static enum ls_rc touch(struct touched_set *set, size_t n, size_t item, int folder, struct ls_err *err)
{
    struct stat st;
    if (fstat(folder, &st) < 0) {
        int failed = errno;
        close(folder);
        return ls_err_errno(err, failed, "store: cannot look at a folder");
    }
    LS_LOCK(&set->lock);
    set->list[item] = (struct touched){.fd = folder, .dev = st.st_dev, .inode = st.st_ino, .item = item};
    for (size_t i = 0; i < n; i++)
        if (i != item && set->list[i].fd >= 0 && by_inode(&set->list[i], &set->list[item]) == 0) {
            close(folder);
            set->list[item].fd = -1;
            break;
        }
    return LS_OK;
}

/* fsync each folder once; the items of one that fails get its error. */
static void sync_touched(const struct ls_items_kind *kind, void *items, struct touched *list, size_t n)
{
    qsort(list, n, sizeof *list, by_inode);
    for (size_t at = 0; at < n;) {
        size_t end = at;
        int fd = -1, failed = 0;
        for (; end < n && by_inode(&list[at], &list[end]) == 0; end++)
            if (list[end].fd >= 0)
                fd = list[end].fd;
        if (fd >= 0) {
            failed = fsync(fd) < 0 ? errno : 0;
            close(fd);
        }
        for (; at < end; at++)
            if (failed && !*ls_items_rc(kind, items, list[at].item))
                *ls_items_rc(kind, items, list[at].item) = ls_err_errno(
                    ls_items_err(kind, items, list[at].item), failed, "store: cannot make the folder of %s durable",
                    ls_items_key(kind, items, list[at].item));
    }
}

static struct touched *touched_new(size_t n)
{
    struct touched *list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; list && i < n; i++)
        list[i] = (struct touched){.fd = -1, .item = i};
    return list;
}

/* ---- copy ---- */

static enum ls_rc copy_bytes(const struct ls_store_copy *item, int from, uint64_t size, int to, struct ls_err *err)
{
    if (size == 0 || ioctl(to, FICLONE, from) == 0)
        return LS_OK;
    enum ls_rc rc = ls_copy_fd(from, to, size, err);
    if (rc)
        (void)ls_err_prefix(err, "store: COPY %s: ", item->from);
    return rc;
}

static enum ls_rc copy_one(struct ls_file_store *fs, struct ls_store_copy *item, int *out_folder)
{
    struct ls_err *err = &item->err;
    __attribute__((cleanup(upload_auto))) struct upload up = {.root = -1, .fd = -1};
    LS_AUTO(ls_fd) int from = -1;
    struct stat before, after, st;
    struct ls_object_info info;
    enum ls_rc rc = refuse_key("COPY to", item->to, err);
    if (!rc)
        rc = ls_file_open_key(fs, item->from, &from, &before, err);
    if (!rc)
        rc = ls_file_info(fs, from, item->from, &info, err);
    if (!rc && item->if_etag && strcmp(item->if_etag, info.etag) != 0)
        rc = ls_err_set(err, LS_CONFLICT, "store: COPY %s: it has the etag %s, not %s any more", item->from, info.etag,
                        item->if_etag);
    if (!rc)
        rc = upload_begin(fs, item->to, &up, err);
    if (!rc)
        rc = copy_bytes(item, from, info.size_bytes, up.fd, err);
    if (!rc)
        rc = upload_seal(fs, &up, item->to, info.etag, item->meta ? item->meta : &info.meta, &st, err);
    if (rc)
        return rc;
    if (fstat(from, &after) < 0 || ls_file_mtime_ns(&after) != info.modified_ns ||
        (uint64_t)after.st_size != info.size_bytes || (uint64_t)st.st_size != info.size_bytes)
        return ls_err_set(err, LS_CONFLICT, "store: COPY %s: the file changed while it was copied", item->from);
    rc = upload_place(fs, &up, item->to, LS_PUT_ALWAYS, NULL, out_folder, err);
    if (!rc)
        memcpy(item->etag, info.etag, sizeof item->etag);
    return rc;
}

struct copy_loop {
    struct ls_file_store *fs;
    struct ls_store_copy *items;
    size_t n;
    struct touched_set touched;
};

static enum ls_rc copy_item(void *ctx, size_t i, struct ls_err *err)
{
    (void)err;
    struct copy_loop *loop = ctx;
    struct ls_store_copy *item = &loop->items[i];
    int folder = -1;
    ls_err_clear(&item->err);
    item->rc = copy_one(loop->fs, item, &folder);
    if (!item->rc)
        item->rc = touch(&loop->touched, loop->n, i, folder, &item->err);
    return LS_OK;
}

enum ls_rc ls_file_copy(struct ls_store *store, struct ls_store_copy *items, size_t n, struct ls_err *err)
{
    struct copy_loop loop = {.fs = (struct ls_file_store *)store, .items = items, .n = n};
    LS_AUTO(ls_free) struct touched *list = touched_new(n);
    if (!list)
        return ls_err_nomem(err);
    loop.touched.list = list;
    pthread_mutex_init(&loop.touched.lock, NULL);
    enum ls_rc rc = ls_parallel(COPY_WIDTH, n, copy_item, &loop, err);
    pthread_mutex_destroy(&loop.touched.lock);
    sync_touched(&ls_items_copy, items, list, n);
    return rc ? rc : ls_items_result(&ls_items_copy, items, n, err);
}

/* ---- remove ---- */

/* Unlink one key's file, under its lock. *out_removed: something was there. */
static enum ls_rc unlink_key(struct ls_file_store *fs, int root, const char *key, bool *out_removed, struct ls_err *err)
{
    LS_AUTO(ls_fd) int parent = ls_file_open_parent(root, key);
    struct stat st;
    const char *name = ls_file_base_name(key);
    bool there = parent >= 0 && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        return ls_err_errno(err, errno, "store: DELETE %s: cannot look for it in %s", key, fs->dir);
    if (!there)
        return ls_file_check_root(fs, err);
    if (!S_ISREG(st.st_mode))
        return LS_OK;
    if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
        return ls_err_errno(err, errno, "store: DELETE %s: cannot remove the file in %s", key, fs->dir);
    ls_file_forget(fs, st.st_ino);
    *out_removed = true;
    return LS_OK;
}

static enum ls_rc remove_file(struct ls_file_store *fs, int lock, const char *key, bool *out_removed,
                              struct ls_err *err)
{
    int root = -1;
    if (ls_file_key_fault(key))
        return LS_OK;
    enum ls_rc rc = ls_file_root(fs, &root, err);
    if (!rc)
        rc = ls_file_relock_key(lock, key, true, err);
    if (rc)
        return rc;
    rc = unlink_key(fs, root, key, out_removed, err);
    enum ls_rc unlocked = ls_file_relock_key(lock, key, false, rc ? NULL : err);
    return rc ? rc : unlocked;
}

/* An item of a batch, for going through them folder by folder. */
struct removal {
    const char *key;
    size_t item;
    bool removed;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct removal *)a)->key, ((const struct removal *)b)->key);
}

/* The end of the run of removals that lie in one folder. */
static size_t folder_run(const struct removal *list, size_t n, size_t from)
{
    size_t len = (size_t)(ls_file_base_name(list[from].key) - list[from].key);
    while (++from < n && !strncmp(list[from - 1].key, list[from].key, len) && !strchr(list[from].key + len, '/'))
        ;
    return from;
}

/* Take away the folders that have become empty, a run of items at a time, and note those that stay. */
static void prune_removed(struct ls_file_store *fs, int lock, struct ls_store_delete *items, size_t n,
                          const struct removal *list, struct touched_set *touched)
{
    for (size_t at = 0, end; at < n; at = end) {
        end = folder_run(list, n, at);
        while (at < end && !list[at].removed)
            at++;
        if (at == end)
            continue;
        size_t first = list[at].item;
        int folder = -1;
        struct ls_err err = LS_ERR_INIT;
        enum ls_rc rc = ls_file_prune(fs, lock, items[first].key, &folder, &err);
        if (!rc)
            rc = touch(touched, n, first, folder, &err);
        for (; at < end; at++) {
            size_t i = list[at].item;
            touched->list[i].dev = touched->list[first].dev;
            touched->list[i].inode = touched->list[first].inode;
            if (rc && list[at].removed) {
                items[i].rc = rc;
                items[i].err = err;
            }
        }
    }
}

/* The lock file, without making anything below a directory that is gone. */
static enum ls_rc lock_of_existing(struct ls_file_store *fs, int *out_fd, struct ls_err *err)
{
    enum ls_rc rc = ls_file_check_root(fs, err);
    return rc ? rc : ls_file_open_lock(fs, out_fd, err);
}

enum ls_rc ls_file_remove(struct ls_store *store, struct ls_store_delete *items, size_t n, struct ls_err *err)
{
    struct ls_file_store *fs = (struct ls_file_store *)store;
    LS_AUTO(ls_free) struct removal *list = calloc(n + 1, sizeof *list);
    LS_AUTO(ls_free) struct touched *folders = touched_new(n);
    LS_AUTO(ls_fd) int lock = -1;
    if (!list || !folders)
        return ls_err_nomem(err);
    struct touched_set touched = {.list = folders};
    struct ls_err lock_err = LS_ERR_INIT;
    enum ls_rc locked = lock_of_existing(fs, &lock, &lock_err);
    pthread_mutex_init(&touched.lock, NULL);
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct removal){.key = items[i].key, .item = i};
        items[i].err = lock_err;
        items[i].rc = locked ? locked : remove_file(fs, lock, items[i].key, &list[i].removed, &items[i].err);
    }
    qsort(list, n, sizeof *list, by_key);
    prune_removed(fs, lock, items, n, list, &touched);
    pthread_mutex_destroy(&touched.lock);
    sync_touched(&ls_items_remove, items, folders, n);
    return ls_items_result(&ls_items_remove, items, n, err);
}

/* ---- leftovers ---- */

static void closedir_auto(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

enum ls_rc ls_file_abort_uploads(struct ls_store *store, const char *key, int64_t before_ns, struct ls_err *err)
{
    struct ls_file_store *fs = (struct ls_file_store *)store;
    int root = -1;
    enum ls_rc rc = ls_file_root(fs, &root, err);
    if (rc)
        return rc;
    char stem[18];
    temp_stem(key, stem);
    LS_AUTO(ls_fd) int fd = ls_open_beneath(root, LS_FILE_TMP ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT)
        return LS_OK;
    LS_AUTO(closedir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return ls_err_errno(err, errno, "store: cannot look for leftovers of %s in %s", key, fs->dir);
    (void)ls_fd_steal(&fd);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strncmp(entry->d_name, stem, strlen(stem)) != 0)
            continue;
        int64_t begun_ns = strtoll(entry->d_name + strlen(stem), NULL, 10);
        if (begun_ns < before_ns && unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT)
            return ls_err_errno(err, errno, "store: cannot remove a leftover of %s in %s", key, fs->dir);
    }
    return LS_OK;
}
