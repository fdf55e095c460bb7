/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What cache.c, content.c and download.c share: the index, and the map of a content's blocks.
 *
 * One lock, the cache's, guards all of it. Nothing is downloaded, hashed, read or written while it is held; giving a
 * file its name, removing it and punching holes is. Invariants: total_bytes is the sum of the named entries' sizes and
 * of all contents' charged_bytes; a block that is COMING belongs to exactly one run; a block with pins is never
 * punched.
 */
#ifndef LOCKSTEP_MOUNT_CACHE_IMPL_H
#define LOCKSTEP_MOUNT_CACHE_IMPL_H

#define HASH_NONFATAL_OOM 1

#include <pthread.h>
#include <uthash.h>

#include "base/hash.h"
#include "base/workers.h"
#include "mount/cache.h"

#define LS_BLOCK_BYTES (UINT64_C(1) << 20)
#define LS_RUN_BLOCKS 4     /* most of one request */
#define LS_RUNS 8           /* requests of one content at a time */
#define LS_AHEAD_BLOCKS 32  /* most that is read ahead */
#define LS_FETCH_THREADS 16 /* requests of all contents at a time */

enum ls_block_state { LS_BLOCK_MISSING, LS_BLOCK_COMING, LS_BLOCK_HERE };

struct ls_block {
    uint32_t used; /* the cache's clock at its last use */
    uint16_t pins; /* waits that have not let go */
    uint8_t state;
};

struct ls_map {
    uint64_t size_bytes; /* const */
    size_t n_blocks;     /* const */
    struct ls_block *blocks;
    char *key;
    char etag[LS_ETAG_MAX];
    size_t n_here;
    unsigned runs; /* under way */
    struct ls_content_wait *waits;
    size_t next, ahead; /* where a sequential reader goes on, and how many blocks are read ahead of it */
    struct ls_content *prev, *following; /* among the cache's contents that have a map */
    bool keep;                           /* the object is gone or going: nothing is punched */
    bool held;                           /* it is being renamed */
    bool checking;                       /* a job verifies the whole */
    bool corrupt;                        /* the whole did not match its etag */
};

struct ls_cache_entry {
    uint8_t id[LS_SHA256_LEN];
    uint64_t size_bytes;        /* of the file; 0 while there is none */
    bool trusted;               /* made or checked by this process */
    bool fetching;              /* somebody downloads or checks it; not to be evicted */
    bool present;               /* there is a file of this name */
    bool owned;                 /* one of the content's references is the entry's */
    unsigned waiters;           /* for fetching to end */
    enum ls_rc failure;         /* of the fetch that they wait for */
    struct ls_content *content; /* that is open; NULL: none is */
    UT_hash_handle hh;
};

struct ls_cache {
    struct ls_store *store; /* const, as the next three */
    struct ls_store_caps caps;
    uint64_t max_bytes;
    int objects_fd, staging_fd;
    atomic_bool stopped; /* set with the lock held */

    pthread_mutex_t lock;
    pthread_cond_t fetched;
    struct ls_workers *fetchers;    /* lock, as all below; NULL when stopped */
    struct ls_cache_entry *entries; /* oldest use first */
    struct ls_content *mapped;
    uint64_t total_bytes;
    uint64_t hits, misses;
    uint32_t clock;
};

/* ---- index.c; the lock is held ---- */

/* The name of a version of an object; needs no lock. False: out of memory. */
bool ls_index_make_id(const char *key, const char *etag, uint8_t id[LS_SHA256_LEN]);
struct ls_cache_entry *ls_index_find(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN]);
struct ls_cache_entry *ls_index_add(struct ls_cache *cache, const uint8_t id[LS_SHA256_LEN]);
/* Say whether the entry has a file, and its size. */
void ls_index_set_size(struct ls_cache *cache, struct ls_cache_entry *entry, bool present, uint64_t size_bytes);
/* As above: it has one, which is right; then keep the bound. */
void ls_index_set_present(struct ls_cache *cache, struct ls_cache_entry *entry, uint64_t size_bytes);
void ls_index_attach(struct ls_cache_entry *entry, struct ls_content *content);
/* Let go of the content; whoever has it open keeps it. */
void ls_index_detach(struct ls_cache_entry *entry);
void ls_index_drop(struct ls_cache *cache, struct ls_cache_entry *entry);
/* As drop, unless somebody is about to look at it. */
void ls_index_give_up(struct ls_cache *cache, struct ls_cache_entry *entry);
void ls_index_used(struct ls_cache *cache, struct ls_cache_entry *entry);
/* Give up what nobody needs until no more than limit bytes are taken; what was read ahead only with force. False:
 * nothing could be given up. */
bool ls_index_evict(struct ls_cache *cache, uint64_t limit, bool force);
/* Make room for more bytes; false when there is not enough. */
bool ls_index_room(struct ls_cache *cache, uint64_t bytes, bool force);

/* ---- cache.c; the lock is held ---- */

/* A content's whole has been verified: it becomes its entry's file, or is given up. */
void ls_cache_checked(struct ls_content *content, bool right);
/* Its map has another key and etag: so has its entry. */
void ls_cache_rekey(struct ls_content *content);

/* ---- content.c; the lock is held ---- */

/* Takes fd over and key not. NULL: out of memory. */
struct ls_content *ls_content_new_blocks(struct ls_cache *cache, int fd, const char *key, const char *etag,
                                         uint64_t size_bytes);
void ls_content_unref_locked(struct ls_content *content);
/* Does anybody but the cache and its jobs have it? */
bool ls_content_in_use(const struct ls_content *content);
uint64_t ls_map_bytes(const struct ls_map *map, size_t first, size_t n);
/* Give up to `want` bytes of blocks that nobody needs now; the oldest first. */
uint64_t ls_content_punch(struct ls_content *content, uint64_t want, bool ahead_too);
/* A run has ended. Gives the waits that are over with it. */
struct ls_content_wait *ls_content_arrived(struct ls_content *content, size_t first, size_t n, enum ls_rc rc);
/* Have all waits fail. */
struct ls_content_wait *ls_content_fail_all(struct ls_content *content, enum ls_rc rc);
/* Without the lock: call done of each. */
void ls_content_dispatch(struct ls_content_wait *over);

/* ---- download.c; the lock is held ---- */

/* Start what the waits and the read-ahead need. Gives the waits that can never be over otherwise. */
struct ls_content_wait *ls_download_plan(struct ls_content *content);
/* Verify the whole in a job. */
void ls_download_check(struct ls_content *content);

#endif
