/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which ranges of an object are fetched when, and their fetching.
 *
 * A run is one GET of adjacent missing blocks, under the condition that the object still has the version's etag: bytes
 * of two versions never meet. What somebody waits for comes first and always has room; what is read ahead only if there
 * is room without it. Runs are jobs of the cache's own threads, which wait for the store and for nothing else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"
#include "mount/cache_impl.h"
#include "mount/etag.h"

struct run {
    struct ls_content *content; /* with a reference, as all const */
    size_t first, n;
    uint64_t off, len;
    char *key;
    char etag[LS_ETAG_MAX];

    uint64_t got; /* bytes written */
    int write_errno;
    struct ls_object_info info;
    enum ls_rc rc; /* the object is not the one */
};

/* ---- one run ---- */

static bool is_version(const struct run *run)
{
    return strcmp(run->info.etag, run->etag) == 0 && run->info.size_bytes == run->content->map->size_bytes;
}

static enum ls_rc take_bytes(void *ctx, const void *data, size_t len)
{
    struct run *run = ctx;
    struct ls_cache *cache = run->content->cache;
    if (atomic_load(&cache->stopped))
        return LS_CANCELLED;
    if (!is_version(run))
        return LS_CONFLICT;
    if (len > run->len - run->got)
        return LS_CORRUPT;
    int failed = ls_pwrite_all(run->content->fd, data, len, run->off + run->got);
    if (failed && errno == ENOSPC && ls_cache_make_room(cache))
        failed = ls_pwrite_all(run->content->fd, data, len, run->off + run->got);
    if (failed) {
        run->write_errno = errno;
        return ls_rc_from_errno(errno);
    }
    run->got += len;
    return LS_OK;
}

static enum ls_rc fetch(struct run *run, struct ls_err *err)
{
    struct ls_cache *cache = run->content->cache;
    if (atomic_load(&cache->stopped))
        return ls_err_set(err, LS_CANCELLED, "cache: GET %s: the mount is being stopped", run->key);
    struct ls_store_get get = {.key = run->key, .offset = run->off, .len = run->len, .if_match = run->etag};
    enum ls_rc rc = ls_store_get(cache->store, &get, take_bytes, run, &run->info, err);
    if (run->write_errno)
        return ls_err_errno(err, run->write_errno, "cache: cannot write the bytes of %s", run->key);
    if ((!rc || rc == LS_CONFLICT) && run->info.etag[0] && !is_version(run))
        return ls_err_set(err, LS_CONFLICT, "cache: GET %s: the object has etag %s and %llu bytes, not %s and %llu",
                          run->key, run->info.etag, (unsigned long long)run->info.size_bytes, run->etag,
                          (unsigned long long)run->content->map->size_bytes);
    if (!rc && run->got != run->len)
        return ls_err_set(err, LS_CORRUPT, "cache: GET %s: %llu of %llu bytes came", run->key,
                          (unsigned long long)run->got, (unsigned long long)run->len);
    return rc;
}

static void run_range(void *arg)
{
    struct run *run = arg;
    struct ls_content *content = run->content;
    struct ls_err err = LS_ERR_INIT;
    struct ls_content_wait *over;
    enum ls_rc rc = fetch(run, &err);
    bool expected = rc == LS_CANCELLED;
    {
        LS_LOCK(&content->cache->lock);
        expected |= content->map->held || strcmp(content->map->key, run->key) != 0;
        over = ls_content_arrived(content, run->first, run->n, rc);
    }
    if (rc && !expected)
        ls_cache_log_failure(run->key, rc, &err);
    ls_content_dispatch(over);
    ls_content_unref(content);
    free(run->key);
    free(run);
}

/* ---- planning ---- */

/* False: out of memory. */
static bool start_run(struct ls_content *content, size_t first, size_t n)
{
    struct ls_map *map = content->map;
    struct run *run = calloc(1, sizeof *run);
    char *key = run ? strdup(map->key) : NULL;
    if (!key) {
        free(run);
        return false;
    }
    *run = (struct run){.content = ls_content_ref(content), .first = first, .n = n, .key = key};
    run->off = first * LS_BLOCK_BYTES;
    run->len = ls_map_bytes(map, first, n);
    memcpy(run->etag, map->etag, sizeof run->etag);
    map->runs++;
    for (size_t i = first; i < first + n; i++)
        map->blocks[i].state = LS_BLOCK_COMING;
    content->charged_bytes += run->len;
    content->cache->total_bytes += run->len;
    if (ls_workers_add(content->cache->fetchers, run_range, run) == LS_OK)
        return true;
    map->runs--;
    for (size_t i = first; i < first + n; i++)
        map->blocks[i].state = LS_BLOCK_MISSING;
    content->charged_bytes -= run->len;
    content->cache->total_bytes -= run->len;
    atomic_fetch_sub(&content->refs, 1); /* the caller has another */
    free(run->key);
    free(run);
    return false;
}

static size_t missing_from(const struct ls_map *map, size_t first, size_t end)
{
    size_t n = 0;
    while (first + n < end && n < LS_RUN_BLOCKS && map->blocks[first + n].state == LS_BLOCK_MISSING)
        n++;
    return n;
}

static size_t ahead_end(const struct ls_map *map)
{
    size_t end = map->next + map->ahead;
    return end < map->n_blocks ? end : map->n_blocks;
}

/* What a wait needs, and in the same requests what comes right after it and would be read ahead. */
static bool plan_wait(struct ls_content *content, const struct ls_content_wait *wait)
{
    struct ls_map *map = content->map;
    size_t end = wait->first + wait->n, reach = ahead_end(map);
    for (size_t i = wait->first; i < end && map->runs < LS_RUNS; i++) {
        size_t n = missing_from(map, i, end), more = 0;
        if (n == 0)
            continue;
        if (i + n == end && map->next >= end && map->next - end <= LS_RUN_BLOCKS && reach > end)
            more = missing_from(map, i, reach) - n;
        if (more > 0 && !ls_index_room(content->cache, ls_map_bytes(map, i, n + more), false))
            more = 0;
        if (more == 0)
            (void)ls_index_room(content->cache, ls_map_bytes(map, i, n), true);
        if (!start_run(content, i, n + more))
            return false;
        i += n - 1;
    }
    return true;
}

/* Whole runs only, as the reader comes nearer. */
static void plan_ahead(struct ls_content *content)
{
    struct ls_map *map = content->map;
    size_t end = ahead_end(map);
    for (size_t i = map->next; i < end && map->runs < LS_RUNS;) {
        size_t n = missing_from(map, i, end);
        if (n == 0) {
            i++;
            continue;
        }
        bool cut = n < LS_RUN_BLOCKS && i + n == end && end < map->n_blocks;
        if (cut || !ls_index_room(content->cache, ls_map_bytes(map, i, n), false) || !start_run(content, i, n))
            return;
        i += n;
    }
}

struct ls_content_wait *ls_download_plan(struct ls_content *content)
{
    struct ls_map *map = content->map;
    if (map->corrupt)
        return ls_content_fail_all(content, LS_CORRUPT);
    if (atomic_load(&content->cache->stopped))
        return ls_content_fail_all(content, LS_CANCELLED);
    if (map->held)
        return NULL;
    for (const struct ls_content_wait *wait = map->waits; wait; wait = wait->next)
        if (!plan_wait(content, wait))
            return map->runs == 0 ? ls_content_fail_all(content, LS_NO_MEMORY) : NULL;
    plan_ahead(content);
    return NULL;
}

/* ---- the whole ---- */

static void run_check(void *arg)
{
    struct ls_content *content = arg;
    struct ls_cache *cache = content->cache;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_free) char *key = NULL;
    char etag[LS_ETAG_MAX];
    {
        LS_LOCK(&cache->lock);
        memcpy(etag, content->map->etag, sizeof etag);
        key = strdup(content->map->key);
    }
    enum ls_etag_verdict verdict = ls_etag_check(&cache->caps, content->fd, content->map->size_bytes, etag);
    struct ls_content_wait *over = NULL;
    {
        LS_LOCK(&cache->lock);
        content->map->checking = false;
        ls_cache_checked(content, verdict != LS_ETAG_WRONG);
        if (verdict == LS_ETAG_WRONG)
            over = ls_content_fail_all(content, LS_CORRUPT);
    }
    if (verdict == LS_ETAG_WRONG) {
        ls_err_set(&err, LS_CORRUPT, "cache: GET %s: the bytes are not those of etag %s", key ? key : "?", etag);
        ls_cache_log_failure(key ? key : "?", LS_CORRUPT, &err);
    }
    ls_content_dispatch(over);
    ls_content_unref(content);
}

void ls_download_check(struct ls_content *content)
{
    if (atomic_load(&content->cache->stopped))
        return;
    content->map->checking = true;
    ls_content_ref(content);
    if (ls_workers_add(content->cache->fetchers, run_check, content) == LS_OK)
        return;
    content->map->checking = false;
    atomic_fetch_sub(&content->refs, 1);
}
