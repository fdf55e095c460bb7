/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Contents: their blocks, and who waits for which.
 *
 * MISSING --a run begins--> COMING --it ends well--> HERE --room is needed--> MISSING
 *                              \--it fails--> MISSING: all who wait for one of its blocks fail, its room is given back
 * Which runs are made is download.c's.
 */
#include "mount/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "mount/cache_impl.h"

#define COPY_BYTES (LS_RUN_BLOCKS * LS_BLOCK_BYTES)

/* ---- life ---- */

struct ls_content *ls_content_new(int fd)
{
    struct ls_content *content = calloc(1, sizeof *content);
    if (!content) {
        close(fd);
        return NULL;
    }
    atomic_init(&content->refs, 1);
    atomic_init(&content->whole, true);
    content->fd = fd;
    return content;
}

struct ls_content *ls_content_new_blocks(struct ls_cache *cache, int fd, const char *key, const char *etag,
                                         uint64_t size_bytes)
{
    struct ls_content *content = ls_content_new(fd);
    struct ls_map *map = content ? calloc(1, sizeof *map) : NULL;
    size_t n = (size_t)((size_bytes + LS_BLOCK_BYTES - 1) / LS_BLOCK_BYTES);
    if (map) {
        map->size_bytes = size_bytes;
        map->n_blocks = n;
        map->blocks = calloc(n, sizeof *map->blocks);
        map->key = strdup(key);
        memcpy(map->etag, etag, strnlen(etag, LS_ETAG_MAX - 1));
    }
    if (!map || !map->blocks || !map->key) {
        if (map) {
            free(map->blocks);
            free(map->key);
            free(map);
        }
        ls_content_unref(content);
        return NULL;
    }
    content->cache = cache;
    content->map = map;
    atomic_store(&content->whole, false);
    return content;
}

struct ls_content *ls_content_ref(struct ls_content *content)
{
    if (content)
        atomic_fetch_add(&content->refs, 1);
    return content;
}

static void destroy(struct ls_content *content)
{
    close(content->fd);
    if (content->map) {
        free(content->map->blocks);
        free(content->map->key);
        free(content->map);
    }
    free(content);
}

void ls_content_unref_locked(struct ls_content *content)
{
    if (atomic_fetch_sub(&content->refs, 1) != 1)
        return;
    if (content->entry)
        content->entry->content = NULL;
    content->cache->total_bytes -= content->charged_bytes;
    struct ls_map *map = content->map;
    if (map && map->prev)
        map->prev->map->following = map->following;
    else if (map)
        content->cache->mapped = map->following;
    if (map && map->following)
        map->following->map->prev = map->prev;
    destroy(content);
}

void ls_content_unref(struct ls_content *content)
{
    if (!content)
        return;
    if (content->cache) {
        LS_LOCK(&content->cache->lock);
        ls_content_unref_locked(content);
    } else if (atomic_fetch_sub(&content->refs, 1) == 1) {
        destroy(content);
    }
}

bool ls_content_in_use(const struct ls_content *content)
{
    unsigned others = content->entry && content->entry->owned;
    if (content->map)
        others += content->map->runs + content->map->checking;
    return atomic_load(&content->refs) > others;
}

/* ---- blocks ---- */

uint64_t ls_map_bytes(const struct ls_map *map, size_t first, size_t n)
{
    uint64_t end = (first + n) * LS_BLOCK_BYTES;
    return (end < map->size_bytes ? end : map->size_bytes) - first * LS_BLOCK_BYTES;
}

static bool punch_range(struct ls_content *content, size_t first, size_t n)
{
    return fallocate(content->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(first * LS_BLOCK_BYTES),
                     (off_t)ls_map_bytes(content->map, first, n)) == 0;
}

static void give_back(struct ls_content *content, uint64_t bytes)
{
    content->charged_bytes -= bytes;
    content->cache->total_bytes -= bytes;
}

/* The block that was used longest ago and may go; n_blocks: none. */
static size_t oldest(const struct ls_map *map, uint32_t clock, bool ahead_too)
{
    size_t found = map->n_blocks;
    for (size_t i = 0; i < map->n_blocks; i++) {
        const struct ls_block *block = &map->blocks[i];
        if (block->state != LS_BLOCK_HERE || block->pins > 0 ||
            (!ahead_too && i >= map->next && i - map->next < map->ahead))
            continue;
        if (found == map->n_blocks || clock - block->used > clock - map->blocks[found].used)
            found = i;
    }
    return found;
}

uint64_t ls_content_punch(struct ls_content *content, uint64_t want, bool ahead_too)
{
    struct ls_map *map = content->map;
    uint64_t given = 0;
    while (given < want && !map->keep && !map->checking && !atomic_load(&content->whole)) {
        size_t i = oldest(map, content->cache->clock, ahead_too);
        if (i == map->n_blocks || !punch_range(content, i, 1))
            break;
        map->blocks[i].state = LS_BLOCK_MISSING;
        map->n_here--;
        given += ls_map_bytes(map, i, 1);
        give_back(content, ls_map_bytes(map, i, 1));
    }
    return given;
}

/* ---- waiting ---- */

static bool all_here(const struct ls_map *map, const struct ls_content_wait *wait)
{
    for (size_t i = wait->first; i < wait->first + wait->n; i++)
        if (map->blocks[i].state != LS_BLOCK_HERE)
            return false;
    return true;
}

/* Take the waits out that are over: those whose blocks are here, and, when rc is not OK, those that need a block of
 * [first, first+n). */
static struct ls_content_wait *take_over(struct ls_map *map, size_t first, size_t n, enum ls_rc rc)
{
    struct ls_content_wait *over = NULL, **at = &map->waits;
    while (*at) {
        struct ls_content_wait *wait = *at;
        bool failed = rc && wait->first < first + n && first < wait->first + wait->n;
        if (!failed && !all_here(map, wait)) {
            at = &wait->next;
            continue;
        }
        *at = wait->next;
        wait->rc = failed ? rc : LS_OK;
        wait->next = over;
        over = wait;
    }
    return over;
}

struct ls_content_wait *ls_content_fail_all(struct ls_content *content, enum ls_rc rc)
{
    return take_over(content->map, 0, content->map->n_blocks, rc);
}

static struct ls_content_wait *join(struct ls_content_wait *a, struct ls_content_wait *b)
{
    struct ls_content_wait **end = &a;
    while (*end)
        end = &(*end)->next;
    *end = b;
    return a;
}

void ls_content_dispatch(struct ls_content_wait *over)
{
    for (struct ls_content_wait *next; over; over = next) {
        next = over->next;
        over->done(over, over->rc);
    }
}

struct ls_content_wait *ls_content_arrived(struct ls_content *content, size_t first, size_t n, enum ls_rc rc)
{
    struct ls_map *map = content->map;
    for (size_t i = first; i < first + n; i++) {
        map->blocks[i].state = rc ? LS_BLOCK_MISSING : LS_BLOCK_HERE;
        map->blocks[i].used = content->cache->clock;
    }
    map->runs--;
    if (rc) {
        map->ahead = 0;
        (void)punch_range(content, first, n);
        give_back(content, ls_map_bytes(map, first, n));
    } else {
        map->n_here += n;
    }
    /* The object moves: what is not there under the old name will be under the new one. */
    bool again = map->held && (rc == LS_NOT_FOUND || rc == LS_CONFLICT);
    struct ls_content_wait *over = take_over(map, first, n, again ? LS_OK : rc);
    over = join(over, ls_download_plan(content));
    if (map->n_here == map->n_blocks && !map->checking && !map->corrupt && !atomic_load(&content->whole))
        ls_download_check(content);
    return over;
}

/* Is it somebody who reads on? Then read more ahead each time. */
static void follow_reader(struct ls_content *content, const struct ls_content_wait *wait)
{
    struct ls_map *map = content->map;
    size_t end = wait->first + wait->n;
    uint64_t most = content->cache->max_bytes / LS_BLOCK_BYTES / 4;
    if (wait->first > map->next || end + LS_RUN_BLOCKS < map->next) {
        map->ahead = 0;
        map->next = end;
    } else if (end > map->next) {
        map->ahead = map->ahead ? map->ahead * 2 : LS_RUN_BLOCKS;
        map->next = end;
    }
    if (map->ahead > LS_AHEAD_BLOCKS)
        map->ahead = LS_AHEAD_BLOCKS;
    if (map->ahead > most)
        map->ahead = (size_t)most;
}

bool ls_content_want(struct ls_content *content, uint64_t off, uint64_t len, struct ls_content_wait *wait)
{
    struct ls_map *map = content->map;
    wait->n = 0;
    wait->rc = LS_OK;
    if (!map || len == 0 || off >= map->size_bytes || atomic_load(&content->whole))
        return true;
    if (len > map->size_bytes - off)
        len = map->size_bytes - off;
    struct ls_content_wait *over;
    bool here;
    {
        LS_LOCK(&content->cache->lock);
        wait->first = (size_t)(off / LS_BLOCK_BYTES);
        wait->n = (size_t)((off + len - 1) / LS_BLOCK_BYTES) + 1 - wait->first;
        content->cache->clock++;
        for (size_t i = wait->first; i < wait->first + wait->n; i++) {
            map->blocks[i].pins++;
            map->blocks[i].used = content->cache->clock;
        }
        if (content->entry)
            ls_index_used(content->cache, content->entry);
        follow_reader(content, wait);
        here = all_here(map, wait) && !map->corrupt;
        if (!here) {
            wait->next = map->waits;
            map->waits = wait;
        }
        over = ls_download_plan(content);
    }
    ls_content_dispatch(over); /* may be this one */
    return here;
}

void ls_content_let(struct ls_content *content, struct ls_content_wait *wait)
{
    if (wait->n == 0)
        return;
    LS_LOCK(&content->cache->lock);
    for (size_t i = wait->first; i < wait->first + wait->n; i++)
        content->map->blocks[i].pins--;
}

/* ---- for workers ---- */

struct sync_wait {
    struct ls_content_wait wait;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool over; /* lock, as the next */
    enum ls_rc rc;
};

static void wake(struct ls_content_wait *wait, enum ls_rc rc)
{
    struct sync_wait *sync = (struct sync_wait *)wait;
    LS_LOCK(&sync->lock);
    sync->over = true;
    sync->rc = rc;
    pthread_cond_signal(&sync->woken);
}

/* Want, and wait for it. The failure itself has been logged. ls_content_let follows. */
static enum ls_rc want_now(struct ls_content *content, uint64_t off, uint64_t len, struct ls_content_wait *out_wait,
                           struct ls_err *err)
{
    struct sync_wait sync = {.wait.done = wake};
    pthread_mutex_init(&sync.lock, NULL);
    pthread_cond_init(&sync.woken, NULL);
    if (!ls_content_want(content, off, len, &sync.wait)) {
        LS_LOCK(&sync.lock);
        while (!sync.over)
            pthread_cond_wait(&sync.woken, &sync.lock);
    }
    pthread_cond_destroy(&sync.woken);
    pthread_mutex_destroy(&sync.lock);
    *out_wait = sync.wait;
    if (sync.rc)
        return ls_err_set(err, sync.rc, "mount: bytes of the object could not be fetched");
    return LS_OK;
}

/* One piece: through memory, because the kernel's copy would carry holes over as it likes. */
static enum ls_rc copy_piece(int from, int to, uint64_t at, size_t len, struct ls_err *err)
{
    LS_AUTO(ls_free) char *piece = malloc(len);
    if (!piece)
        return ls_err_nomem(err);
    ssize_t got = ls_pread_all(from, piece, len, at);
    if (got != (ssize_t)len || ls_pwrite_all(to, piece, len, at) != 0)
        return ls_err_errno(err, got < 0 || got == (ssize_t)len ? errno : EIO, "mount: cannot copy cached bytes");
    return LS_OK;
}

enum ls_rc ls_content_copy(struct ls_content *content, int to, uint64_t size_bytes, struct ls_err *err)
{
    if (atomic_load(&content->whole))
        return ls_copy_fd(content->fd, to, size_bytes, err);
    enum ls_rc rc = LS_OK;
    for (uint64_t at = 0; !rc && at < size_bytes; at += COPY_BYTES) {
        struct ls_content_wait wait;
        uint64_t len = size_bytes - at < COPY_BYTES ? size_bytes - at : COPY_BYTES;
        rc = want_now(content, at, len, &wait, err);
        if (!rc)
            rc = copy_piece(content->fd, to, at, (size_t)len, err);
        ls_content_let(content, &wait);
    }
    return rc;
}

enum ls_rc ls_content_complete(struct ls_content *content, struct ls_err *err)
{
    if (atomic_load(&content->whole))
        return LS_OK;
    {
        LS_LOCK(&content->cache->lock);
        content->map->keep = true;
    }
    enum ls_rc rc = LS_OK;
    for (uint64_t at = 0; !rc && at < content->map->size_bytes; at += COPY_BYTES) {
        struct ls_content_wait wait;
        rc = want_now(content, at, COPY_BYTES, &wait, err);
        ls_content_let(content, &wait);
    }
    if (rc) {
        LS_LOCK(&content->cache->lock);
        content->map->keep = false;
    }
    return rc;
}

/* ---- renaming ---- */

void ls_content_key(struct ls_content *content, char *out, size_t size)
{
    LS_LOCK(&content->cache->lock);
    snprintf(out, size, "%s", content->map->key);
}

bool ls_content_hold(struct ls_content *content, const char *etag)
{
    if (!content->map)
        return false;
    LS_LOCK(&content->cache->lock);
    if (atomic_load(&content->whole) || content->map->held || strcmp(content->map->etag, etag) != 0)
        return false;
    content->map->held = true;
    return true;
}

void ls_content_release(struct ls_content *content, const char *key, const char *etag)
{
    struct ls_map *map = content->map;
    char *copy = key ? strdup(key) : NULL;
    struct ls_content_wait *over;
    {
        LS_LOCK(&content->cache->lock);
        if (copy) {
            free(map->key);
            map->key = copy;
            snprintf(map->etag, sizeof map->etag, "%s", etag);
            ls_cache_rekey(content);
        }
        map->held = false;
        over = ls_download_plan(content);
    }
    ls_content_dispatch(over);
}
