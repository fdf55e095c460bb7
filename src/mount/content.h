/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bytes of one version of a file, shared by all who read it.
 *
 * A content is whole (a staged file, a small or fully fetched object), or it is fetched in blocks as they are asked
 * for. Whoever reads says first what it wants, and lets go afterwards: in between the bytes stay in fd. Threads: any.
 */
#ifndef LOCKSTEP_MOUNT_CONTENT_H
#define LOCKSTEP_MOUNT_CONTENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "lockstep/store.h"

struct ls_cache;
struct ls_map;

struct ls_content {
    atomic_uint refs;
    int fd;                 /* const; its size is the version's */
    struct ls_cache *cache; /* const; NULL: a staged file */
    struct ls_map *map;     /* const; NULL: it was whole from the start */
    atomic_bool whole;
    uint64_t charged_bytes;       /* the cache's lock, as the next: what it takes of the cache's size */
    struct ls_cache_entry *entry; /* whose bytes these are; NULL: of none any more */
};

/* A content that is whole and no cache's. Takes fd over, also when it returns NULL for lack of memory. */
struct ls_content *ls_content_new(int fd);
struct ls_content *ls_content_ref(struct ls_content *content); /* takes NULL, as the next */
void ls_content_unref(struct ls_content *content);

/* Somebody who wants bytes. The memory is the caller's until done is called or want returned true. */
struct ls_content_wait {
    /* The bytes are there, or could not be had. Called from any thread, or from within want, without locks. */
    void (*done)(struct ls_content_wait *wait, enum ls_rc rc);
    /* content.c's: */
    struct ls_content_wait *next;
    size_t first, n; /* blocks */
    enum ls_rc rc;
};

/* True: [off, off+len) is there (as far as it is within the version). False: done will be called, or has been. In both
 * cases, and whatever done said, ls_content_let follows. */
bool ls_content_want(struct ls_content *content, uint64_t off, uint64_t len, struct ls_content_wait *wait);
void ls_content_let(struct ls_content *content, struct ls_content_wait *wait);

/* Copy all bytes to another file. In a worker. */
enum ls_rc ls_content_copy(struct ls_content *content, int to, uint64_t size_bytes, struct ls_err *err) LS_MUST_CHECK;
/* Fetch all that is missing, and keep it while anybody has it open: the object is about to go. In a worker. */
enum ls_rc ls_content_complete(struct ls_content *content, struct ls_err *err) LS_MUST_CHECK;

/* The object's key now; of one that is fetched in blocks. */
void ls_content_key(struct ls_content *content, char *out, size_t size);
/* While its object is being renamed nothing is fetched; readers wait. False: it has another etag, or is whole. */
bool ls_content_hold(struct ls_content *content, const char *etag);
/* Go on; under another name when key is not NULL. */
void ls_content_release(struct ls_content *content, const char *key, const char *etag);

#endif
