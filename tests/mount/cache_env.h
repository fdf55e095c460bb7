/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What test_cache and test_content share: a cache in a folder of its own over a store that is made up here. */
#ifndef LOCKSTEP_TESTS_MOUNT_CACHE_ENV_H
#define LOCKSTEP_TESTS_MOUNT_CACHE_ENV_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "mount/cache.h"

#define FAKE_RANGES 512

/* One object that answers to every key. Set it up while no GET is under way, or with the lock. */
struct fake {
    struct ls_store store;
    const char *data; /* what it sends; NULL: there is none */
    size_t size;
    char etag[LS_ETAG_MAX]; /* what it says that is */
    atomic_int gets;
    pthread_barrier_t *meet; /* each GET waits here twice, if set */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed;       /* lock, as all below: GETs wait at the gate */
    int waiting, most; /* now at the gate; most under way at a time */
    int under_way;
    enum ls_rc fail;      /* what GETs that pass end with */
    size_t cut_bytes;     /* that are missing at the end of each answer */
    const char *only_key; /* every other key is not found */
    struct {
        uint64_t off, len;
    } ranges[FAKE_RANGES];
    int n_ranges;
};

extern struct fake fake;
extern struct ls_cache *cache;

int cache_env_setup(void **state);
int cache_env_teardown(void **state);
void cache_env_reopen(uint64_t max_bytes);
const char *cache_env_root(void);
/* Serve these bytes (the caller keeps them) under their MD5. */
void cache_env_serve(const char *data, size_t size);
/* Call fn (may be NULL) on each entry's file; gives their number. */
int cache_env_each_file(void (*fn)(const char *path));

void fake_close_gate(void);
void fake_open_gate(void);
void fake_wait_for(int waiting); /* until so many GETs stand at the gate */

#endif
