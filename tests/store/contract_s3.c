/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contract suite over a real S3 server, which three environment variables name; each way has a bucket of its own.
 */
#include "store/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/backends.h"

enum { PART_BYTES = 5 * 1024 * 1024 };

static struct ls_store_stats stats;
static char url_prefix[256];

const char *const contract_ways[] = {"bare", "decorated", NULL};

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *contract_skip_reason(void)
{
    if (!setting("LOCKSTEP_TEST_S3_ENDPOINT") || !setting("LOCKSTEP_TEST_S3_ACCESS_KEY") ||
        !setting("LOCKSTEP_TEST_S3_SECRET_KEY"))
        return "no S3 server: set LOCKSTEP_TEST_S3_ENDPOINT, LOCKSTEP_TEST_S3_ACCESS_KEY, LOCKSTEP_TEST_S3_SECRET_KEY";
    return NULL;
}

const char *contract_url_prefix(void) { return url_prefix; }

static void must(enum ls_rc rc, const struct ls_err *err)
{
    if (!rc)
        return;
    fprintf(stderr, "cannot open the store: %s\n", err->text);
    exit(99);
}

static enum ls_rc no_fault(void *ctx, enum ls_store_op op, const char *key, bool after, struct ls_err *err)
{
    (void)ctx;
    (void)op;
    (void)key;
    (void)after;
    (void)err;
    return LS_OK;
}

static struct ls_store *open_bucket(void)
{
    uint8_t draw[8];
    char hex[2 * sizeof draw + 1], bucket[64];
    ls_random(draw, sizeof draw);
    ls_hex(draw, sizeof draw, hex);
    snprintf(bucket, sizeof bucket, "lockstep-contract-%s", hex);
    struct ls_s3_opts opts = {
        .endpoint = setting("LOCKSTEP_TEST_S3_ENDPOINT"),
        .bucket = bucket,
        .access_key = setting("LOCKSTEP_TEST_S3_ACCESS_KEY"),
        .secret_key = setting("LOCKSTEP_TEST_S3_SECRET_KEY"),
        .part_bytes = PART_BYTES,
    };
    snprintf(url_prefix, sizeof url_prefix, "%s/%s/", opts.endpoint, bucket);
    struct ls_store *store = NULL;
    struct ls_err err = LS_ERR_INIT;
    must(ls_store_s3_open(&opts, &store, &err), &err);
    return store;
}

struct ls_store *contract_open(const char *way)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_store *store = open_bucket();
    if (!strcmp(way, "decorated")) {
        struct ls_store_fault fault = {.decide = no_fault};
        must(ls_store_fault_open(store, &fault, &store, &err), &err);
        must(ls_store_stats_open(store, &stats, &store, &err), &err);
        must(ls_store_retry_open(store, 10000, &store, &err), &err);
    }
    must(ls_store_create(store, &err), &err);
    return store;
}

struct ls_store *contract_open_missing(void)
{
    char kept[sizeof url_prefix];
    memcpy(kept, url_prefix, sizeof kept);
    struct ls_store *store = open_bucket();
    memcpy(url_prefix, kept, sizeof kept);
    return store;
}

/* The interface cannot remove a bucket; the suite leaves an empty one a way. */
void contract_clean_up(void) {}
