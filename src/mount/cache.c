/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What others do with the cache: find, fetch, adopt, rename. index.c knows what is where and what goes.
 */
#include "mount/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"
#include "mount/cache_impl.h"
#include "mount/entry_file.h"
#include "mount/etag.h"

#define WHOLE_BYTES LS_BLOCK_BYTES /* what is not larger is fetched at once */

/* ---- contents; the lock is held ---- */

void ls_cache_checked(struct ls_content *content, bool right)
{
    struct ls_cache *cache = content->cache;
    struct ls_cache_entry *entry = content->entry;
    content->map->corrupt = !right;
    atomic_store(&content->whole, right);
    if (entry && !right)
        ls_index_give_up(cache, entry);
    if (!entry || !right || content->map->size_bytes > cache->max_bytes ||
        !ls_entry_publish(cache->objects_fd, entry->id, content->fd))
        return;
    cache->total_bytes -= content->charged_bytes;
    content->charged_bytes = 0;
    ls_index_set_present(cache, entry, content->map->size_bytes);
    /* From now on the file's name keeps it. */
    if (entry->owned) {
        entry->owned = false;
        ls_content_unref_locked(content);
    }
}

void ls_cache_rekey(struct ls_content *content)
{
    struct ls_cache *cache = content->cache;
    struct ls_cache_entry *entry = content->entry;
    uint8_t id[LS_SHA256_LEN];
    if (!entry)
        return;
    struct ls_cache_entry *moved = NULL;
    if (!entry->present && ls_index_make_id(content->map->key, content->map->etag, id) && !ls_index_find(cache, id))
        moved = ls_index_add(cache, id);
    if (moved) {
        moved->owned = entry->owned;
        entry->owned = false;
        entry->content = NULL;
        ls_index_attach(moved, content);
    }
    ls_index_give_up(cache, entry); /* without another entry it serves those who have it open */
}

/* ---- finding ---- */

/* What has an entry's bytes open for reading, with a reference for the caller. Takes fd over. */
static struct ls_content *open_named(struct ls_cache *cache, struct ls_cache_entry *entry, int fd)
{
    struct ls_content *content = ls_content_new(fd);
    if (!content)
        return NULL;
    content->cache = cache;
    ls_index_attach(entry, content);
    return content;
}

/* The size is the catalog's word, which may have been wrong before. */
static bool is_of(const struct ls_content *content, uint64_t size_bytes)
{
    return !content->map || content->map->size_bytes == size_bytes;
}

struct ls_content *ls_cache_find(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes)
{
    uint8_t id[LS_SHA256_LEN];
    if (!ls_index_make_id(key, etag, id))
        return NULL;
    LS_LOCK(&cache->lock);
    struct ls_cache_entry *entry = ls_index_find(cache, id);
    if (!entry || entry->fetching)
        return NULL;
    ls_index_used(cache, entry);
    struct ls_content *content = NULL;
    if (entry->content) {
        content = is_of(entry->content, size_bytes) ? ls_content_ref(entry->content) : NULL;
    } else if (entry->present && entry->trusted) {
        int fd = ls_entry_open(cache->objects_fd, id, size_bytes);
        content = fd >= 0 ? open_named(cache, entry, fd) : NULL;
    }
    cache->hits += content != NULL;
    return content;
}

/* ---- staged files ---- */

int ls_cache_stage(struct ls_cache *cache)
{
    int fd = ls_entry_unnamed(cache->staging_fd);
    if (fd < 0 && errno == ENOSPC && ls_cache_make_room(cache))
        fd = ls_entry_unnamed(cache->staging_fd);
    return fd;
}

bool ls_cache_make_room(struct ls_cache *cache)
{
    LS_LOCK(&cache->lock);
    return ls_index_evict(cache, cache->total_bytes / 2, false);
}

void ls_cache_get_figures(struct ls_cache *cache, struct ls_cache_figures *out)
{
    LS_LOCK(&cache->lock);
    *out = (struct ls_cache_figures){
        .bytes = cache->total_bytes, .max_bytes = cache->max_bytes, .hits = cache->hits, .misses = cache->misses};
}

int ls_cache_statvfs(struct ls_cache *cache, struct statvfs *out) { return fstatvfs(cache->staging_fd, out); }

void ls_cache_adopt(struct ls_cache *cache, const char *key, const char *etag, int staged_fd)
{
    uint8_t id[LS_SHA256_LEN];
    struct stat st;
    if (!ls_index_make_id(key, etag, id) || fstat(staged_fd, &st) != 0 || (uint64_t)st.st_size > cache->max_bytes)
        return;
    LS_LOCK(&cache->lock);
    struct ls_cache_entry *entry = ls_index_find(cache, id);
    if (entry && (entry->fetching || entry->content || (entry->present && entry->trusted)))
        return;
    if (!ls_index_room(cache, (uint64_t)st.st_size, false))
        return;
    entry = ls_index_find(cache, id); /* the old one may have made room */
    if (!ls_entry_publish(cache->objects_fd, id, staged_fd))
        return;
    if (!entry)
        entry = ls_index_add(cache, id);
    if (entry)
        ls_index_set_present(cache, entry, (uint64_t)st.st_size);
}

void ls_cache_rename(struct ls_cache *cache, const char *from, const char *to, const char *etag)
{
    uint8_t old_id[LS_SHA256_LEN], new_id[LS_SHA256_LEN];
    if (!ls_index_make_id(from, etag, old_id) || !ls_index_make_id(to, etag, new_id))
        return;
    LS_LOCK(&cache->lock);
    struct ls_cache_entry *entry = ls_index_find(cache, old_id);
    if (!entry || !entry->present || entry->fetching || entry->waiters > 0 || ls_index_find(cache, new_id) ||
        !ls_entry_rename(cache->objects_fd, old_id, new_id))
        return;
    struct ls_cache_entry *moved = ls_index_add(cache, new_id);
    if (moved) {
        moved->trusted = entry->trusted;
        ls_index_set_size(cache, moved, true, entry->size_bytes);
        if (entry->content)
            ls_index_attach(moved, entry->content);
        entry->content = NULL;
    }
    ls_index_drop(cache, entry);
}

size_t ls_cache_partial(struct ls_cache *cache, const char *path, struct ls_content **out, size_t max)
{
    size_t n = 0, len = strlen(path);
    LS_LOCK(&cache->lock);
    for (struct ls_content *content = cache->mapped; content && n < max; content = content->map->following) {
        const char *key = content->map->key;
        if (!atomic_load(&content->whole) && ls_content_in_use(content) && strncmp(key, path, len) == 0 &&
            (key[len] == '\0' || key[len] == '/'))
            out[n++] = ls_content_ref(content);
    }
    return n;
}

/* ---- fetching ---- */

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
    LS_AUTO(ls_fd) int fd = ls_entry_unnamed(cache->objects_fd);
    if (fd < 0)
        return ls_err_errno(err, errno, "cache: cannot make a file in the cache");
    struct download download = {.cache = cache, .fd = fd};
    if (ls_etag_is_md5(&cache->caps, etag))
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

/* A version of an object. */
struct wanted {
    const char *key, *etag;
    uint64_t size_bytes;
};

static void drop_unused(struct ls_cache *cache, struct ls_cache_entry *entry)
{
    if (!entry->present && !entry->content && !entry->fetching && entry->waiters == 0)
        ls_index_drop(cache, entry);
}

/* Become the one who fetches this entry, after waiting for whoever does already. Who waited for one that failed fails
 * with it: another try would wait for the store a second time. NULL: *out_rc. */
static struct ls_cache_entry *begin_fetch(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN], enum ls_rc *out_rc)
{
    *out_rc = LS_NO_MEMORY;
    struct ls_cache_entry *entry = ls_index_find(cache, id);
    if (!entry)
        entry = ls_index_add(cache, id);
    if (!entry)
        return NULL;
    bool waited = entry->fetching;
    entry->waiters++;
    while (entry->fetching)
        pthread_cond_wait(&cache->fetched, &cache->lock);
    entry->waiters--;
    *out_rc = waited ? entry->failure : LS_OK;
    if (*out_rc) {
        drop_unused(cache, entry);
        return NULL;
    }
    entry->fetching = true;
    return entry;
}

/* The lock is held. */
static void end_fetch(struct ls_cache *cache, struct ls_cache_entry *entry, enum ls_rc rc)
{
    entry->fetching = false;
    entry->failure = rc;
    pthread_cond_broadcast(&cache->fetched);
    drop_unused(cache, entry);
}

/* What an earlier fetch or run left, if it is right. What cannot be checked is not believed. */
static int take_present(struct ls_cache *cache, const struct ls_cache_entry *entry, bool trusted, const char *etag,
                        uint64_t size_bytes)
{
    int fd = ls_entry_open(cache->objects_fd, entry->id, size_bytes);
    if (fd >= 0 && !trusted && ls_etag_check(&cache->caps, fd, size_bytes, etag) != LS_ETAG_RIGHT) {
        ls_entry_remove(cache->objects_fd, entry->id);
        close(fd);
        fd = -1;
    }
    return fd;
}

/* A small object, at once. The room is reserved meanwhile. */
static enum ls_rc fetch_whole(struct ls_cache *cache, struct ls_cache_entry *entry, const struct wanted *want,
                              struct ls_content **out_content, struct ls_err *err)
{
    int fd = -1;
    {
        LS_LOCK(&cache->lock);
        (void)ls_index_room(cache, want->size_bytes, true);
        cache->total_bytes += want->size_bytes;
    }
    enum ls_rc rc = download_object(cache, want->key, want->etag, want->size_bytes, &fd, err);
    LS_LOCK(&cache->lock);
    cache->total_bytes -= want->size_bytes;
    if (rc)
        return rc;
    /* One that is larger than the whole cache is served from its unnamed file. */
    bool named = want->size_bytes <= cache->max_bytes && ls_entry_publish(cache->objects_fd, entry->id, fd);
    *out_content = open_named(cache, entry, fd);
    if (!*out_content)
        return ls_err_nomem(err);
    if (named) {
        ls_index_set_present(cache, entry, want->size_bytes);
    } else {
        (*out_content)->charged_bytes = want->size_bytes;
        cache->total_bytes += want->size_bytes;
    }
    return LS_OK;
}

/* A large one: nothing yet. */
static enum ls_rc fetch_blocks(struct ls_cache *cache, struct ls_cache_entry *entry, const struct wanted *want,
                               struct ls_content **out_content, struct ls_err *err)
{
    LS_AUTO(ls_fd) int fd = ls_entry_unnamed(cache->objects_fd);
    if (fd < 0 || ftruncate(fd, (off_t)want->size_bytes) != 0)
        return ls_err_errno(err, errno, "cache: cannot make a file in the cache");
    struct ls_content *content =
        ls_content_new_blocks(cache, ls_fd_steal(&fd), want->key, want->etag, want->size_bytes);
    if (!content)
        return ls_err_nomem(err);
    LS_LOCK(&cache->lock);
    content->map->following = cache->mapped;
    if (cache->mapped)
        cache->mapped->map->prev = content;
    cache->mapped = content;
    ls_index_attach(entry, content);
    entry->owned = true;
    *out_content = ls_content_ref(content);
    return LS_OK;
}

enum ls_rc ls_cache_fetch(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes,
                          struct ls_content **out_content, struct ls_err *err)
{
    const struct wanted want = {key, etag, size_bytes};
    uint8_t id[LS_SHA256_LEN];
    if (!ls_index_make_id(key, etag, id))
        return ls_err_nomem(err);
    bool present, trusted;
    struct ls_cache_entry *entry;
    {
        LS_LOCK(&cache->lock);
        enum ls_rc failed;
        entry = begin_fetch(cache, id, &failed);
        if (!entry)
            return ls_err_set(err, failed, "cache: GET %s: a request for it that was under way failed", key);
        if (entry->content && !is_of(entry->content, size_bytes))
            ls_index_detach(entry);
        if (entry->content) {
            *out_content = ls_content_ref(entry->content);
            cache->hits++;
            end_fetch(cache, entry, LS_OK);
            return LS_OK;
        }
        present = entry->present;
        trusted = entry->trusted;
    }
    enum ls_rc rc = LS_OK;
    int fd = present ? take_present(cache, entry, trusted, etag, size_bytes) : -1;
    if (fd >= 0) {
        LS_LOCK(&cache->lock);
        *out_content = open_named(cache, entry, fd);
        ls_index_set_present(cache, entry, size_bytes);
        cache->hits++;
        end_fetch(cache, entry, LS_OK);
        return *out_content ? LS_OK : ls_err_nomem(err);
    }
    {
        LS_LOCK(&cache->lock);
        ls_index_set_size(cache, entry, false, 0);
        cache->misses++;
    }
    if (size_bytes <= WHOLE_BYTES)
        rc = fetch_whole(cache, entry, &want, out_content, err);
    else
        rc = fetch_blocks(cache, entry, &want, out_content, err);
    LS_LOCK(&cache->lock);
    end_fetch(cache, entry, rc);
    return rc;
}

/* ---- fetching ahead ---- */

struct ahead {
    struct ls_cache *cache;
    uint64_t size_bytes;
    char etag[LS_ETAG_MAX];
    char key[LS_KEY_MAX + 1];
};

static void run_ahead(void *arg)
{
    struct ahead *ahead = arg;
    struct ls_content *content = NULL;
    if (!atomic_load(&ahead->cache->stopped) &&
        ls_cache_fetch(ahead->cache, ahead->key, ahead->etag, ahead->size_bytes, &content, NULL) == LS_OK)
        ls_content_unref(content);
    free(ahead);
}

void ls_cache_ahead(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes)
{
    uint8_t id[LS_SHA256_LEN];
    if (size_bytes > WHOLE_BYTES || strlen(key) > LS_KEY_MAX || !ls_index_make_id(key, etag, id))
        return;
    LS_LOCK(&cache->lock);
    const struct ls_cache_entry *entry = ls_index_find(cache, id);
    if (!cache->fetchers || (entry && (entry->fetching || entry->content || (entry->present && entry->trusted))))
        return;
    struct ahead *ahead = malloc(sizeof *ahead);
    if (!ahead)
        return;
    *ahead = (struct ahead){.cache = cache, .size_bytes = size_bytes};
    snprintf(ahead->etag, sizeof ahead->etag, "%s", etag);
    memcpy(ahead->key, key, strlen(key) + 1);
    if (ls_workers_add(cache->fetchers, run_ahead, ahead) != LS_OK)
        free(ahead);
}

void ls_cache_log_failure(const char *key, enum ls_rc rc, const struct ls_err *err)
{
    const char *event = rc == LS_NOT_FOUND  ? "object-missing"
                        : rc == LS_CONFLICT ? "object-changed"
                        : rc == LS_CORRUPT  ? "object-corrupt"
                                            : "read-failed";
    const char *advice = rc == LS_NOT_FOUND || rc == LS_CONFLICT || rc == LS_CORRUPT
                             ? "run lockstep scan to see what is out of step"
                             : "is the store up and reachable?";
    LS_LOG_ERROR("mount", event, {"key", ls_v_str(key)}, {"class", ls_v_str(ls_rc_name(rc))},
                 {"error", ls_v_str(err->text)}, {"advice", ls_v_str(advice)});
}

/* ---- opening ---- */

static bool learn(void *ctx, const uint8_t id[LS_SHA256_LEN], uint64_t size_bytes)
{
    struct ls_cache *cache = ctx;
    struct ls_cache_entry *entry = ls_index_add(cache, id);
    if (entry)
        ls_index_set_size(cache, entry, true, size_bytes);
    return entry != NULL;
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
    enum ls_rc rc = ls_entry_open_folders(opts->dir, &cache->objects_fd, &cache->staging_fd, err);
    if (!rc)
        rc = ls_workers_new("ls-fetch", LS_FETCH_THREADS, &cache->fetchers, err);
    if (rc) {
        ls_cache_close(cache);
        return rc;
    }
    LS_LOCK(&cache->lock);
    ls_entry_each(cache->objects_fd, learn, cache);
    (void)ls_index_evict(cache, cache->max_bytes, false);
    *out_cache = cache;
    return LS_OK;
}

void ls_cache_stop(struct ls_cache *cache)
{
    struct ls_workers *fetchers;
    {
        LS_LOCK(&cache->lock);
        atomic_store(&cache->stopped, true);
        fetchers = cache->fetchers;
        cache->fetchers = NULL;
    }
    /* Their threads end here: what libfuse keeps for each goes while the session is there. */
    ls_workers_free(fetchers);
}

void ls_cache_close(struct ls_cache *cache)
{
    if (!cache)
        return;
    ls_cache_stop(cache);
    pthread_mutex_lock(&cache->lock);
    struct ls_cache_entry *entry, *next;
    HASH_ITER(hh, cache->entries, entry, next) { ls_index_drop(cache, entry); }
    pthread_mutex_unlock(&cache->lock);
    if (cache->objects_fd >= 0)
        close(cache->objects_fd);
    if (cache->staging_fd >= 0)
        close(cache->staging_fd);
    pthread_cond_destroy(&cache->fetched);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}
