/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cache's index: what is where, and what goes when room is needed.
 *
 * The index is a hash in order of use (uthash keeps insertion order; a use moves the entry to the end). Room is made by
 * removing entries that nobody has open, the least recently used first, then by punching holes into open ones that are
 * not whole. Files that are open are counted as long as they take space. The cache's lock is held in all of it.
 */
#include <stdlib.h>
#include <string.h>

#include "mount/cache_impl.h"
#include "mount/entry_file.h"

bool ls_index_make_id(const char *key, const char *etag, uint8_t id[LS_SHA256_LEN])
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

struct ls_cache_entry *ls_index_find(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN])
{
    struct ls_cache_entry *entry = NULL;
    HASH_FIND(hh, cache->entries, id, LS_SHA256_LEN, entry);
    return entry;
}

struct ls_cache_entry *ls_index_add(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN])
{
    struct ls_cache_entry *entry = calloc(1, sizeof *entry);
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

void ls_index_set_size(struct ls_cache *cache, struct ls_cache_entry *entry, bool present, uint64_t size_bytes)
{
    cache->total_bytes -= entry->size_bytes;
    entry->present = present;
    entry->size_bytes = present ? size_bytes : 0;
    cache->total_bytes += entry->size_bytes;
}

void ls_index_detach(struct ls_cache_entry *entry)
{
    struct ls_content *content = entry->content;
    bool owned = entry->owned;
    entry->content = NULL;
    entry->owned = false;
    if (content)
        content->entry = NULL;
    if (owned)
        ls_content_unref_locked(content);
}

void ls_index_drop(struct ls_cache *cache, struct ls_cache_entry *entry)
{
    ls_index_detach(entry);
    ls_index_set_size(cache, entry, false, 0);
    HASH_DEL(cache->entries, entry);
    free(entry);
}

void ls_index_give_up(struct ls_cache *cache, struct ls_cache_entry *entry)
{
    ls_index_detach(entry);
    if (!entry->fetching && entry->waiters == 0)
        ls_index_drop(cache, entry);
}

void ls_index_attach(struct ls_cache_entry *entry, struct ls_content *content)
{
    entry->content = content;
    content->entry = entry;
}

void ls_index_used(struct ls_cache *cache, struct ls_cache_entry *entry)
{
    if (!entry->hh.next)
        return; /* it is the last */
    HASH_DEL(cache->entries, entry);
    HASH_ADD(hh, cache->entries, id, LS_SHA256_LEN, entry);
}

bool ls_index_evict(struct ls_cache *cache, uint64_t limit, bool force)
{
    bool any = false;
    struct ls_cache_entry *entry, *next;
    HASH_ITER(hh, cache->entries, entry, next)
    {
        if (cache->total_bytes <= limit)
            return any;
        if (entry->fetching || entry->waiters > 0 || (entry->content && ls_content_in_use(entry->content)) ||
            (entry->content && entry->content->map && (entry->content->map->runs || entry->content->map->checking)))
            continue;
        if (entry->present)
            ls_entry_remove(cache->objects_fd, entry->id);
        ls_index_drop(cache, entry);
        any = true;
    }
    HASH_ITER(hh, cache->entries, entry, next)
    {
        if (cache->total_bytes <= limit)
            return any;
        if (entry->content && entry->content->map)
            any |= ls_content_punch(entry->content, cache->total_bytes - limit, force) > 0;
    }
    return any;
}

bool ls_index_room(struct ls_cache *cache, uint64_t bytes, bool force)
{
    uint64_t limit = bytes < cache->max_bytes ? cache->max_bytes - bytes : 0;
    if (cache->total_bytes > limit)
        (void)ls_index_evict(cache, limit, force);
    return cache->total_bytes <= limit;
}

void ls_index_set_present(struct ls_cache *cache, struct ls_cache_entry *entry, uint64_t size_bytes)
{
    ls_index_set_size(cache, entry, true, size_bytes);
    entry->trusted = true;
    ls_index_used(cache, entry);
    (void)ls_index_evict(cache, cache->max_bytes, false);
}
