/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local cache of object bytes, and the folder for staged files beside it.
 *
 * An entry is a whole object: `objects/<sha256 of key, NUL, etag>`. A name never changes its contents, so an entry can
 * be deleted by anybody at any time; open ones stay readable. A large object is first a sparse file without a name.
 * Entries that an earlier run left are checked against their etag before their first use. Bounded by cache_size_bytes,
 * least recently used first. Threads: any. ls_cache_find and the staging calls touch the local disk only;
 * ls_cache_fetch waits for the store.
 */
#ifndef LOCKSTEP_MOUNT_CACHE_H
#define LOCKSTEP_MOUNT_CACHE_H

#include <sys/statvfs.h>

#include "mount/content.h"

struct ls_cache;

struct ls_cache_opts {
    const char *dir; /* made 0700 */
    uint64_t max_bytes;
    struct ls_store *store;
    struct ls_store_caps caps;
};

enum ls_rc ls_cache_open(const struct ls_cache_opts *opts, struct ls_cache **out_cache, struct ls_err *err)
    LS_MUST_CHECK;
/* Have all that waits for bytes fail, now and from now on. */
void ls_cache_stop(struct ls_cache *cache);
void ls_cache_close(struct ls_cache *cache); /* takes NULL; whole entries stay on disk */

/* The entry, if it is there and known to be right; NULL otherwise. Local disk only. */
struct ls_content *ls_cache_find(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes);
/* The entry. A small object is downloaded if need be, once for all who ask; of a large one the bytes come when they are
 * wanted. LS_NOT_FOUND: no object. LS_CONFLICT: the object has another etag. LS_CORRUPT: the bytes do not match it. */
enum ls_rc ls_cache_fetch(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes,
                          struct ls_content **out_content, struct ls_err *err) LS_MUST_CHECK;
/* Begin to fetch it, if it is a small object that is not here; nobody is told of the outcome. Never blocks. */
void ls_cache_ahead(struct ls_cache *cache, const char *key, const char *etag, uint64_t size_bytes);
/* Make a staged file, which is not written to any more, the entry of what was committed from it. Best effort. */
void ls_cache_adopt(struct ls_cache *cache, const char *key, const char *etag, int staged_fd);
/* The object has another key now. Best effort. */
void ls_cache_rename(struct ls_cache *cache, const char *from, const char *to, const char *etag);

/* The open contents, not whole yet, of the object at path or of those below it; each with a reference. */
size_t ls_cache_partial(struct ls_cache *cache, const char *path, struct ls_content **out, size_t max);
/* Tell the operator, once, that bytes could not be fetched and what to do. */
void ls_cache_log_failure(const char *key, enum ls_rc rc, const struct ls_err *err);

/* A new empty staged file without a name, open for reading and writing; -1 and errno. */
int ls_cache_stage(struct ls_cache *cache);
/* Free at least some of the entries' space, for a write that met ENOSPC; false when there is nothing left to free. */
bool ls_cache_make_room(struct ls_cache *cache);
int ls_cache_statvfs(struct ls_cache *cache, struct statvfs *out);

/* What the cache holds and how it did. */
struct ls_cache_figures {
    uint64_t bytes, max_bytes;
    uint64_t hits, misses; /* looked for and found; asked of the store (of a large object: begun to be) */
};
void ls_cache_get_figures(struct ls_cache *cache, struct ls_cache_figures *out);

#endif
