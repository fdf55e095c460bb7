/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The contract suite over the s3 store and a real server: bare, and under all decorators. The server is named by
 * LOCKSTEP_TEST_S3_ENDPOINT, LOCKSTEP_TEST_S3_ACCESS_KEY and LOCKSTEP_TEST_S3_SECRET_KEY; each run makes its own
 * buckets.
 */
#include "store/contract.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/s3_internal.h"

static char buckets[4][64];
static size_t n_buckets;
static struct ls_store_stats stats;

const char *const contract_ways[] = {"bare", "decorated", NULL};

const char *contract_skip_reason(void)
{
    if (getenv("LOCKSTEP_TEST_S3_ENDPOINT") && getenv("LOCKSTEP_TEST_S3_ACCESS_KEY") &&
        getenv("LOCKSTEP_TEST_S3_SECRET_KEY"))
        return NULL;
    return "LOCKSTEP_TEST_S3_ENDPOINT, _ACCESS_KEY and _SECRET_KEY do not name a server";
}

const char *contract_url_prefix(void) { return "https://img.example.com/a%20b/"; }

static enum ls_rc no_fault(void *ctx, enum ls_store_op op, const char *key, bool after, struct ls_err *err)
{
    (void)ctx, (void)op, (void)key, (void)after, (void)err;
    return LS_OK;
}

static void must(enum ls_rc rc, const struct ls_err *err)
{
    if (rc == LS_OK)
        return;
    fprintf(stderr, "cannot open the store: %s\n", err->text);
    exit(99);
}

static struct ls_store *open_bucket(const char *bucket)
{
    struct ls_store *store = NULL;
    struct ls_err err = LS_ERR_INIT;
    struct ls_s3_opts opts = {.endpoint = getenv("LOCKSTEP_TEST_S3_ENDPOINT"),
                              .access_key = getenv("LOCKSTEP_TEST_S3_ACCESS_KEY"),
                              .secret_key = getenv("LOCKSTEP_TEST_S3_SECRET_KEY"),
                              .bucket = bucket,
                              .public_url = "https://img.example.com/a%20b/",
                              .part_bytes = 5 * 1024 * 1024};
    must(ls_store_s3_open(&opts, &store, &err), &err);
    return store;
}

static const char *new_bucket_name(void)
{
    char id[LS_ID_LEN];
    char *name = buckets[n_buckets++];
    ls_id_new(id);
    for (char *c = id; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    snprintf(name, sizeof buckets[0], "ls-test-%s", id);
    return name;
}

struct ls_store *contract_open(const char *way)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_store *store = open_bucket(new_bucket_name());
    if (strcmp(way, "decorated") == 0) {
        struct ls_store_fault fault = {.decide = no_fault};
        must(ls_store_fault_open(store, &fault, &store, &err), &err);
        must(ls_store_stats_open(store, &stats, &store, &err), &err);
        must(ls_store_retry_open(store, 1000, &store, &err), &err);
    }
    must(ls_store_create(store, &err), &err);
    return store;
}

struct ls_store *contract_open_missing(void) { return open_bucket("ls-test-missing"); }

void contract_clean_up(void)
{
    for (size_t i = 0; i < n_buckets; i++) {
        struct ls_store *store = open_bucket(buckets[i]);
        struct ls_err err = LS_ERR_INIT;
        LS_AUTO(s3_call) struct s3_call call;
        s3_call_init(&call);
        s3_call_begin(&call, (struct ls_s3 *)store, "DELETE", "DELETE", "s3:DeleteBucket", NULL);
        if (s3_call_run((struct ls_s3 *)store, &call, &err) != LS_OK)
            fprintf(stderr, "cannot remove bucket %s: %s\n", buckets[i], err.text);
        ls_store_close(store);
    }
}
