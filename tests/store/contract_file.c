/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contract suite over the file store: bare, under all decorators, and as where the file system has no xattrs. */
#include "store/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/backends.h"
#include "store/file_store.h"

static char top[64];
static struct ls_store_stats stats;

const char *const contract_ways[] = {"bare", "decorated", "without-xattrs", NULL};

const char *contract_skip_reason(void) { return NULL; }

const char *contract_url_prefix(void) { return "https://img.example.com/a%20b/"; }

static enum ls_rc no_fault(void *ctx, enum ls_store_op op, const char *key, bool after, struct ls_err *err)
{
    (void)ctx;
    (void)op;
    (void)key;
    (void)after;
    (void)err;
    return LS_OK;
}

static void must(enum ls_rc rc, const struct ls_err *err)
{
    if (!rc)
        return;
    fprintf(stderr, "cannot open the store: %s\n", err->text);
    exit(99);
}

static struct ls_store *open_dir(const char *name)
{
    if (!top[0]) {
        snprintf(top, sizeof top, "/tmp/ls-test-contract-XXXXXX");
        if (!mkdtemp(top))
            exit(99);
    }
    char dir[128];
    struct ls_store *store = NULL;
    struct ls_err err = LS_ERR_INIT;
    snprintf(dir, sizeof dir, "%s/%s", top, name);
    must(ls_store_file_open(dir, "https://img.example.com/a%20b", &store, &err), &err);
    return store;
}

struct ls_store *contract_open(const char *way)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_store *store = open_dir(way);
    if (!strcmp(way, "without-xattrs"))
        atomic_store(&((struct ls_file_store *)store)->no_xattr, true);
    if (!strcmp(way, "decorated")) {
        struct ls_store_fault fault = {.decide = no_fault};
        must(ls_store_fault_open(store, &fault, &store, &err), &err);
        must(ls_store_stats_open(store, &stats, &store, &err), &err);
        must(ls_store_retry_open(store, 1000, &store, &err), &err);
    }
    must(ls_store_create(store, &err), &err);
    return store;
}

struct ls_store *contract_open_missing(void) { return open_dir("missing"); }

void contract_clean_up(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", top);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", top);
}
