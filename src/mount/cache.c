/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cache's index and its files.
 *
 * The index is a hash in order of use (uthash keeps insertion order; a use moves the entry to the end). Everything in
 * struct ls_cache but the constants is under its lock; no file is read and nothing is downloaded while it is held.
 * Files get their name by linkat(2) only when they are complete. Without O_TMPFILE they are made under a unique name
 * that is unlinked at once; such a file cannot be linked, so it is then copied.
 */
#include "mount/cache.h"

#define HASH_NONFATAL_OOM 1

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

struct entry {
    uint8_t id[LS_SHA256_LEN];
    uint64_t size_bytes;
    bool trusted;  /* made or checked by this process */
    bool fetching; /* somebody downloads or checks it; not to be evicted */
    bool present;  /* there is a file */
    unsigned waiters;
    UT_hash_handle hh;
};

struct ls_cache {
    struct ls_store *store; /* const, as the next three */
    struct ls_store_caps caps;
    uint64_t max_bytes;
    int objects_fd, staging_fd;

    pthread_mutex_t lock;
    pthread_cond_t fetched;
    struct entry *entries; /* lock; oldest use first */
    uint64_t total_bytes;  /* lock; of those present */
};

/* ---- contents ---- */

struct ls_content *ls_content_new(int fd)
{
    struct ls_content *content = malloc(sizeof *content);
    if (!content) {
        close(fd);
        return NULL;
    }
    atomic_init(&content->refs, 1);
    content->fd = fd;
    return content;
}

struct ls_content *ls_content_ref(struct ls_content *content)
{
    if (content)
        atomic_fetch_add(&content->refs, 1);
    return content;
}

void ls_content_unref(struct ls_content *content)
{
    if (!content || atomic_fetch_sub(&content->refs, 1) != 1)
        return;
    close(content->fd);
    free(content);
}

/* ---- the index ---- */

static bool make_id(const char *key, const char *etag, uint8_t id[LS_SHA256_LEN])
{
    struct ls_hash *hash = ls_hash_new(LS_HASH_SHA256);
    if (!hash)
        return false;
    ls_hash_update(hash, key, strlen(key) + 1);
    ls_hash_update(hash, etag, strlen(etag));
    ls_hash_final(hash, id);
    ls_hash_free(hash);
    return true;
}

static void file_name(const struct entry *entry, char out[LS_SHA256_HEX]) { ls_hex(entry->id, LS_SHA256_LEN, out); }

static struct entry *find(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN])
{
    struct entry *entry = NULL;
    HASH_FIND(hh, cache->entries, id, LS_SHA256_LEN, entry);
    return entry;
}

static struct entry *add(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN])
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    memcpy(entry->id, id, LS_SHA256_LEN);
    HASH_ADD(hh, cache->entries, id, LS_SHA256_LEN, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return NULL;
    }
    return entry;
}

static void drop(struct ls_cache *cache, struct entry *entry)
{
    if (entry->present)
        cache->total_bytes -= entry->size_bytes;
    HASH_DEL(cache->entries, entry);
    free(entry);
}

static void used(struct ls_cache *cache, struct entry *entry)
{
    HASH_DEL(cache->entries, entry);
    HASH_ADD(hh, cache->entries, id, LS_SHA256_LEN, entry);
}

/* Remove the oldest entries until the rest has at most `limit` bytes; false when there was none to remove. */
static bool evict(struct ls_cache *cache, uint64_t limit)
{
    bool any = false;
    struct entry *entry, *next;
    HASH_ITER(hh, cache->entries, entry, next)
    {
        if (cache->total_bytes <= limit)
            break;
        if (entry->fetching || entry->waiters > 0 || !entry->present)
            continue;
        char name[LS_SHA256_HEX];
        file_name(entry, name);
        unlinkat(cache->objects_fd, name, 0);
        drop(cache, entry);
        any = true;
    }
    return any;
}

static void set_present(struct ls_cache *cache, struct entry *entry, uint64_t size_bytes)
{
    if (entry->present)
        cache->total_bytes -= entry->size_bytes;
    entry->present = true;
    entry->trusted = true;
    entry->size_bytes = size_bytes;
    cache->total_bytes += size_bytes;
    used(cache, entry);
    evict(cache, cache->max_bytes);
}

/* Open an entry's file if it is a regular one of the right size; -1 otherwise. */
static int open_entry(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN], uint64_t size_bytes)
{
    char name[LS_SHA256_HEX];
    ls_hex(id, LS_SHA256_LEN, name);
    int fd = openat(cache->objects_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size_bytes)) {
        close(fd);
        unlinkat(cache->objects_fd, name, 0);
        return -1;
    }
    return fd;
}

struct ls_content *ls_cache_find(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes)
{
    uint8_t id[LS_SHA256_LEN];
    if (!make_id(key, etag, id))
        return NULL;
    {
        LS_LOCK(&cache->lock);
        struct entry *entry = find(cache, id);
        if (!entry || !entry->present || !entry->trusted)
            return NULL;
        used(cache, entry);
    }
    int fd = open_entry(cache, id, size_bytes);
    return fd >= 0 ? ls_content_new(fd) : NULL;
}

/* ---- files ---- */

static int unnamed(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char id[LS_ID_LEN], name[LS_ID_LEN + 4];
    ls_id_new(id);
    snprintf(name, sizeof name, "tmp.%s", id);
    fd = openat(dir_fd, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlinkat(dir_fd, name, 0);
    return fd;
}

/* Give a file its name among the objects. */
static bool publish(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN], int fd)
{
    char name[LS_SHA256_HEX], proc[40];
    ls_hex(id, LS_SHA256_LEN, name);
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, proc, cache->objects_fd, name, AT_SYMLINK_FOLLOW) == 0)
        return true;
    if (errno != EEXIST)
        return false;
    unlinkat(cache->objects_fd, name, 0);
    return linkat(AT_FDCWD, proc, cache->objects_fd, name, AT_SYMLINK_FOLLOW) == 0;
}

int ls_cache_stage(struct ls_cache *cache)
{
    int fd = unnamed(cache->staging_fd);
    if (fd < 0 && errno == ENOSPC && ls_cache_make_room(cache))
        fd = unnamed(cache->staging_fd);
    return fd;
}

bool ls_cache_make_room(struct ls_cache *cache)
{
    LS_LOCK(&cache->lock);
    return evict(cache, cache->total_bytes / 2);
}

int ls_cache_statvfs(struct ls_cache *cache, struct statvfs *out) { return fstatvfs(cache->staging_fd, out); }

void ls_cache_adopt(struct ls_cache *cache, const char *key, const char *etag, int staged_fd)
{
    uint8_t id[LS_SHA256_LEN];
    struct stat st;
    if (!make_id(key, etag, id) || fstat(staged_fd, &st) != 0 || (uint64_t)st.st_size > cache->max_bytes)
        return;
    LS_LOCK(&cache->lock);
    struct entry *entry = find(cache, id);
    if (entry && (entry->fetching || (entry->present && entry->trusted)))
        return;
    if (!publish(cache, id, staged_fd))
        return;
    if (!entry)
        entry = add(cache, id);
    if (entry)
        set_present(cache, entry, (uint64_t)st.st_size);
}

void ls_cache_rename(struct ls_cache *cache, const char *from, const char *to, const char *etag)
{
    uint8_t old_id[LS_SHA256_LEN], new_id[LS_SHA256_LEN];
    if (!make_id(from, etag, old_id) || !make_id(to, etag, new_id))
        return;
    LS_LOCK(&cache->lock);
    struct entry *entry = find(cache, old_id);
    if (!entry || !entry->present || entry->fetching || entry->waiters > 0 || find(cache, new_id))
        return;
    char old_name[LS_SHA256_HEX], new_name[LS_SHA256_HEX];
    ls_hex(old_id, LS_SHA256_LEN, old_name);
    ls_hex(new_id, LS_SHA256_LEN, new_name);
    if (renameat(cache->objects_fd, old_name, cache->objects_fd, new_name) != 0)
        return;
    struct entry *moved = add(cache, new_id);
    if (moved) {
        moved->present = true;
        moved->trusted = entry->trusted;
        moved->size_bytes = entry->size_bytes;
        cache->total_bytes += moved->size_bytes;
    }
    drop(cache, entry);
}

/* ---- downloads ---- */

static bool etag_is_md5(const struct ls_cache *cache, const char *etag)
{
    return cache->caps.etag_is_md5 && strlen(etag) == LS_MD5_HEX - 1 &&
           strspn(etag, "0123456789abcdef") == LS_MD5_HEX - 1;
}

/* Does an entry of an earlier run hold what its etag says? What cannot be checked is not believed. */
static bool check_leftover(struct ls_cache *cache, int fd, const char *etag, uint64_t size_bytes)
{
    uint8_t md5[LS_MD5_LEN];
    char hex[LS_MD5_HEX];
    if (!etag_is_md5(cache, etag) || ls_hash_fd(fd, 0, size_bytes, md5, NULL, NULL))
        return false;
    ls_hex(md5, sizeof md5, hex);
    return strcmp(hex, etag) == 0;
}

struct download {
    struct ls_cache *cache;
    int fd;
    uint64_t at;
    struct ls_hash *md5; /* or NULL */
    int write_errno;
};

static enum ls_rc take_bytes(void *ctx, const void *data, size_t len)
{
    struct download *download = ctx;
    int failed = ls_pwrite_all(download->fd, data, len, download->at);
    if (failed && errno == ENOSPC && ls_cache_make_room(download->cache))
        failed = ls_pwrite_all(download->fd, data, len, download->at);
    if (failed) {
        download->write_errno = errno;
        return ls_rc_from_errno(errno);
    }
    if (download->md5)
        ls_hash_update(download->md5, data, len);
    download->at += len;
    return LS_OK;
}

static enum ls_rc check_download(const struct download *download, const char *key, const char *etag,
                                 uint64_t size_bytes, const struct ls_object_info *info, struct ls_err *err)
{
    if (strcmp(info->etag, etag) != 0)
        return ls_err_set(err, LS_CONFLICT, "cache: GET %s: the object has etag %s, not %s", key, info->etag, etag);
    if (download->at != size_bytes)
        return ls_err_set(err, LS_CORRUPT, "cache: GET %s: %llu bytes came, the catalog says %llu", key,
                          (unsigned long long)download->at, (unsigned long long)size_bytes);
    if (download->md5) {
        uint8_t md5[LS_MD5_LEN];
        char hex[LS_MD5_HEX];
        ls_hash_final(download->md5, md5);
        ls_hex(md5, sizeof md5, hex);
        if (strcmp(hex, etag) != 0)
            return ls_err_set(err, LS_CORRUPT, "cache: GET %s: the bytes have MD5 %s, the etag is %s", key, hex, etag);
    }
    return LS_OK;
}

/* Download into a new unnamed file. */
static enum ls_rc download_object(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes,
                                  int *out_fd, struct ls_err *err)
{
    LS_AUTO(ls_fd) int fd = unnamed(cache->objects_fd);
    if (fd < 0)
        return ls_err_errno(err, errno, "cache: cannot make a file in the cache");
    struct download download = {.cache = cache, .fd = fd};
    if (etag_is_md5(cache, etag))
        download.md5 = ls_hash_new(LS_HASH_MD5);
    struct ls_store_get get = {.key = key, .len = UINT64_MAX, .if_match = etag};
    struct ls_object_info info = {0};
    enum ls_rc rc = ls_store_get(cache->store, &get, take_bytes, &download, &info, err);
    if (download.write_errno)
        rc = ls_err_errno(err, download.write_errno, "cache: cannot write the bytes of %s", key);
    if (!rc)
        rc = check_download(&download, key, etag, size_bytes, &info, err);
    ls_hash_free(download.md5);
    if (!rc)
        *out_fd = ls_fd_steal(&fd);
    return rc;
}

/* Become the one who fetches this entry, after waiting for whoever does already; NULL: out of memory. */
static struct entry *begin_fetch(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN])
{
    struct entry *entry = find(cache, id);
    if (!entry)
        entry = add(cache, id);
    if (!entry)
        return NULL;
    entry->waiters++;
    while (entry->fetching)
        pthread_cond_wait(&cache->fetched, &cache->lock);
    entry->waiters--;
    entry->fetching = true;
    return entry;
}

static void end_fetch(struct ls_cache *cache, struct entry *entry, bool present, uint64_t size_bytes)
{
    LS_LOCK(&cache->lock);
    entry->fetching = false;
    pthread_cond_broadcast(&cache->fetched);
    if (present) {
        set_present(cache, entry, size_bytes);
    } else if (entry->waiters == 0) {
        drop(cache, entry);
    } else if (entry->present) {
        cache->total_bytes -= entry->size_bytes;
        entry->present = false;
    }
}

/* What an earlier fetch or run left, if it is right. */
static int take_present(struct ls_cache *cache, const struct entry *entry, bool trusted, const char *etag,
                        uint64_t size_bytes)
{
    int fd = open_entry(cache, entry->id, size_bytes);
    if (fd >= 0 && !trusted && !check_leftover(cache, fd, etag, size_bytes)) {
        char name[LS_SHA256_HEX];
        file_name(entry, name);
        unlinkat(cache->objects_fd, name, 0);
        close(fd);
        fd = -1;
    }
    return fd;
}

enum ls_rc ls_cache_fetch(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes,
                          struct ls_content **out_content, struct ls_err *err)
{
    uint8_t id[LS_SHA256_LEN];
    if (!make_id(key, etag, id))
        return ls_err_nomem(err);
    bool present, trusted;
    struct entry *entry;
    {
        LS_LOCK(&cache->lock);
        entry = begin_fetch(cache, id);
        if (!entry)
            return ls_err_nomem(err);
        present = entry->present;
        trusted = entry->trusted;
    }
    int fd = present ? take_present(cache, entry, trusted, etag, size_bytes) : -1;
    present = fd >= 0;
    enum ls_rc rc = LS_OK;
    if (fd < 0) {
        rc = download_object(cache, key, etag, size_bytes, &fd, err);
        /* One that is larger than the whole cache is served from its unnamed file. */
        present = !rc && size_bytes <= cache->max_bytes && publish(cache, id, fd);
    }
    end_fetch(cache, entry, present, size_bytes);
    if (rc)
        return rc;
    *out_content = ls_content_new(fd);
    return *out_content ? LS_OK : ls_err_nomem(err);
}

/* ---- opening ---- */

static int from_hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* False for a name that no entry has. */
static bool parse_name(const char *name, uint8_t id[LS_SHA256_LEN])
{
    if (strlen(name) != LS_SHA256_HEX - 1)
        return false;
    for (size_t i = 0; i < LS_SHA256_LEN; i++) {
        int hi = from_hex(name[2 * i]), lo = from_hex(name[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        id[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

/* Learn what an earlier run left; strangers are left alone. */
static void load(struct ls_cache *cache)
{
    int fd = openat(cache->objects_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *found;
    while ((found = readdir(dir))) {
        uint8_t id[LS_SHA256_LEN];
        struct stat st;
        if (!parse_name(found->d_name, id) || fstatat(fd, found->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        struct entry *entry = add(cache, id);
        if (!entry)
            break;
        entry->present = true;
        entry->size_bytes = (uint64_t)st.st_size;
        cache->total_bytes += entry->size_bytes;
    }
    closedir(dir);
    evict(cache, cache->max_bytes);
}

/* Open (and make, 0700) a folder that must be ours alone. */
static enum ls_rc open_private(int dir_fd, const char *name, int *out_fd, struct ls_err *err)
{
    if (mkdirat(dir_fd, name, 0700) != 0 && errno != EEXIST)
        return ls_err_errno(err, errno, "mount: cannot make the cache folder %s", name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ls_err_errno(err, errno, "mount: cannot open the cache folder %s", name);
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_uid != geteuid() || ((st.st_mode & 077) && fchmod(fd, 0700) != 0)) {
        close(fd);
        return ls_err_set(err, LS_DENIED,
                          "mount: the cache folder %s belongs to another user: remove it or set another cache_dir",
                          name);
    }
    *out_fd = fd;
    return LS_OK;
}

/* Make the folders above dir; mkdir -p. */
static void make_parents(const char *dir)
{
    LS_AUTO(ls_free) char *path = strdup(dir);
    for (char *at = path ? strchr(path + 1, '/') : NULL; at; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0755);
        *at = '/';
    }
}

enum ls_rc ls_cache_open(const struct ls_cache_opts *opts, struct ls_cache **out_cache, struct ls_err *err)
{
    struct ls_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return ls_err_nomem(err);
    cache->store = opts->store;
    cache->caps = opts->caps;
    cache->max_bytes = opts->max_bytes;
    cache->objects_fd = cache->staging_fd = -1;
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->fetched, NULL);
    make_parents(opts->dir);
    int dir_fd = -1;
    enum ls_rc rc = open_private(AT_FDCWD, opts->dir, &dir_fd, err);
    if (!rc)
        rc = open_private(dir_fd, "objects", &cache->objects_fd, err);
    if (!rc)
        rc = open_private(dir_fd, "staging", &cache->staging_fd, err);
    if (dir_fd >= 0)
        close(dir_fd);
    if (rc) {
        ls_cache_close(cache);
        return rc;
    }
    load(cache);
    *out_cache = cache;
    return LS_OK;
}

void ls_cache_close(struct ls_cache *cache)
{
    if (!cache)
        return;
    struct entry *entry, *next;
    HASH_ITER(hh, cache->entries, entry, next)
    {
        HASH_DEL(cache->entries, entry);
        free(entry);
    }
    if (cache->objects_fd >= 0)
        close(cache->objects_fd);
    if (cache->staging_fd >= 0)
        close(cache->staging_fd);
    pthread_cond_destroy(&cache->fetched);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}
