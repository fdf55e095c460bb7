/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local cache of object bytes, and the folder for staged files beside it.
 *
 * An entry is a whole object: `objects/<sha256 of key, NUL, etag>`. A name never changes its contents, so an entry can
 * be deleted by anybody at any time; open ones stay readable. Entries that an earlier run left are checked against
 * their etag before their first use. Bounded by cache_size_bytes, least recently used first. Threads: any.
 * ls_cache_find and the staging calls touch the local disk only; ls_cache_fetch waits for the store.
 */
#ifndef LOCKSTEP_MOUNT_CACHE_H
#define LOCKSTEP_MOUNT_CACHE_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/statvfs.h>

#include "lockstep/store.h"

/* Bytes of one version of a file, shared by all who read it. Today always whole; reading by ranges (a sparse file and a
 * map of what is there) goes here. */
struct ls_content {
    atomic_uint refs;
    int fd; /* const */
};

/* Takes fd over, also when it returns NULL for lack of memory. */
struct ls_content *ls_content_new(int fd);
struct ls_content *ls_content_ref(struct ls_content *content);
void ls_content_unref(struct ls_content *content); /* takes NULL */

struct ls_cache;

struct ls_cache_opts {
    const char *dir; /* made 0700 */
    uint64_t max_bytes;
    struct ls_store *store;
    struct ls_store_caps caps;
};

enum ls_rc ls_cache_open(const struct ls_cache_opts *opts, struct ls_cache **out_cache, struct ls_err *err)
    LS_MUST_CHECK;
void ls_cache_close(struct ls_cache *cache); /* takes NULL; entries stay on disk */

/* The entry, if it is there and known to be right; NULL otherwise. Local disk only. */
struct ls_content *ls_cache_find(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes);
/* The entry, downloaded if need be; one download at a time for an entry. LS_NOT_FOUND: no object. LS_CONFLICT: the
 * object has another etag. LS_CORRUPT: the bytes do not match it. */
enum ls_rc ls_cache_fetch(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes,
                          struct ls_content **out_content, struct ls_err *err) LS_MUST_CHECK;
/* Make a staged file, which is not written to any more, the entry of what was committed from it. Best effort. */
void ls_cache_adopt(struct ls_cache *cache, const char *key, const char *etag, int staged_fd);
/* The object has another key now. Best effort. */
void ls_cache_rename(struct ls_cache *cache, const char *from, const char *to, const char *etag);

/* A new empty staged file without a name, open for reading and writing; -1 and errno. */
int ls_cache_stage(struct ls_cache *cache);
/* Free at least some of the entries' space, for a write that met ENOSPC; false when there is nothing left to free. */
bool ls_cache_make_room(struct ls_cache *cache);
int ls_cache_statvfs(struct ls_cache *cache, struct statvfs *out);

#endif
