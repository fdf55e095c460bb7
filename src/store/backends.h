/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The constructors of the store's back ends and decorators. Only cli/compose.c and tests include this.
 */
#ifndef LOCKSTEP_STORE_BACKENDS_H
#define LOCKSTEP_STORE_BACKENDS_H

#include "lockstep/store.h"
#include "store/stats.h"

struct ls_s3_opts {
    const char *endpoint; /* "http://127.0.0.1:9000"; path-style addressing */
    const char *region;   /* NULL = "us-east-1" */
    const char *bucket;
    const char *access_key, *secret_key;
    const char *session_token; /* or NULL */
    const char *public_url;    /* prefix of object urls, or NULL = endpoint/bucket */
    const char *ca_file;       /* or NULL */
    int64_t deadline_ms;       /* bound of one request's stall and, scaled by its size, of the whole; 0 = 30,000 */
    unsigned max_connections;  /* 0 = 32 */
    uint64_t part_bytes;       /* 0 = 16 MiB; a multiple of 1 MiB, at least 5 MiB */
};
/* All strings are copied; the secret is wiped on close. Does not touch the network. */
enum ls_rc ls_store_s3_open(const struct ls_s3_opts *opts, struct ls_store **out_store, struct ls_err *err)
    LS_MUST_CHECK;

/* A local directory; keys are paths below it. public_url NULL = "file://<absolute path>". probe fails with LS_NOT_FOUND
 * when the directory is missing; create makes it. */
enum ls_rc ls_store_file_open(const char *dir, const char *public_url, struct ls_store **out_store, struct ls_err *err)
    LS_MUST_CHECK;

/* Decorators take over `inner`, also when they fail (then it is closed). */

/* Repeat LS_TRANSIENT failures of repeatable operations with full-jitter exponential back-off (Brooker, "Exponential
 * Backoff And Jitter", AWS 2015) until deadline_ms have passed; in arrays only the items that failed. The error is then
 * LS_IO that says how often and how long was tried. */
enum ls_rc ls_store_retry_open(struct ls_store *inner, int64_t deadline_ms, struct ls_store **out_store,
                               struct ls_err *err) LS_MUST_CHECK;

/* Count calls, items, errors, microseconds and bytes into *stats, which the caller keeps alive. */
enum ls_rc ls_store_stats_open(struct ls_store *inner, struct ls_store_stats *stats, struct ls_store **out_store,
                               struct ls_err *err) LS_MUST_CHECK;

/* Tests: ask `decide` before and after each call (each item of an array); a returned rc other than LS_OK replaces the
 * result. Before: the inner store is not called. After: it was (an answer that got lost). */
struct ls_store_fault {
    enum ls_rc (*decide)(void *ctx, enum ls_store_op op, const char *key, bool after, struct ls_err *err);
    void *ctx;
};
enum ls_rc ls_store_fault_open(struct ls_store *inner, const struct ls_store_fault *fault, struct ls_store **out_store,
                               struct ls_err *err) LS_MUST_CHECK;

#endif
