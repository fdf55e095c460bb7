/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mount/cache_env.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"

struct fake fake;
struct ls_cache *cache;
static char root[64];

/* ---- the store ---- */

static void pass_gate(const struct ls_store_get *get)
{
    LS_LOCK(&fake.lock);
    if (fake.n_ranges < FAKE_RANGES) {
        fake.ranges[fake.n_ranges].off = get->offset;
        fake.ranges[fake.n_ranges++].len = get->len;
    }
    if (++fake.under_way > fake.most)
        fake.most = fake.under_way;
    fake.waiting++;
    pthread_cond_broadcast(&fake.changed);
    while (fake.closed)
        pthread_cond_wait(&fake.changed, &fake.lock);
    fake.waiting--;
}

static enum ls_rc answer(const struct ls_store_get *get, ls_store_sink sink, void *ctx, struct ls_object_info *out_info,
                         struct ls_err *err)
{
    char now[LS_ETAG_MAX];
    const char *data;
    size_t size, cut;
    enum ls_rc fail;
    {
        LS_LOCK(&fake.lock);
        fake.under_way--;
        memcpy(now, fake.etag, sizeof now);
        data = fake.only_key && strcmp(fake.only_key, get->key) != 0 ? NULL : fake.data;
        size = fake.size;
        cut = fake.cut_bytes;
        fail = fake.fail;
    }
    if (fail)
        return ls_err_set(err, fail, "the store fails");
    if (!data)
        return ls_err_set(err, LS_NOT_FOUND, "no %s", get->key);
    if (get->if_match && strcmp(get->if_match, now) != 0)
        return ls_err_set(err, LS_CONFLICT, "another etag");
    memcpy(out_info->etag, now, sizeof out_info->etag);
    out_info->size_bytes = size;
    if (get->offset > size)
        return ls_err_set(err, LS_INVALID, "past the end");
    size_t len = get->len < size - get->offset ? (size_t)get->len : size - (size_t)get->offset;
    len = len > cut ? len - cut : 0;
    for (size_t at = 0; at < len;) { /* in pieces, as a network does */
        size_t piece = len - at < 100000 ? len - at : 100000;
        enum ls_rc rc = sink(ctx, data + get->offset + at, piece);
        if (rc)
            return ls_err_set(err, rc, "the receiver stopped it");
        at += piece;
    }
    return LS_OK;
}

static enum ls_rc fake_get(struct ls_store *store, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                           struct ls_object_info *out_info, struct ls_err *err)
{
    (void)store;
    atomic_fetch_add(&fake.gets, 1);
    if (fake.meet) {
        pthread_barrier_wait(fake.meet);
        pthread_barrier_wait(fake.meet);
    }
    pass_gate(get);
    return answer(get, sink, ctx, out_info, err);
}

static const struct ls_store_ops fake_ops = {.name = "fake", .get = fake_get};

void cache_env_serve(const char *data, size_t size)
{
    uint8_t md5[LS_MD5_LEN];
    LS_LOCK(&fake.lock);
    ls_md5(data, size, md5);
    ls_hex(md5, sizeof md5, fake.etag);
    fake.data = data;
    fake.size = size;
}

void fake_close_gate(void)
{
    LS_LOCK(&fake.lock);
    fake.closed = true;
}

void fake_open_gate(void)
{
    LS_LOCK(&fake.lock);
    fake.closed = false;
    pthread_cond_broadcast(&fake.changed);
}

void fake_wait_for(int waiting)
{
    LS_LOCK(&fake.lock);
    while (fake.waiting < waiting)
        pthread_cond_wait(&fake.changed, &fake.lock);
}

/* ---- the cache ---- */

const char *cache_env_root(void) { return root; }

void cache_env_reopen(uint64_t max_bytes)
{
    char dir[96];
    snprintf(dir, sizeof dir, "%s/deep/cache", root);
    ls_cache_close(cache);
    cache = NULL;
    struct ls_cache_opts opts = {
        .dir = dir, .max_bytes = max_bytes, .store = &fake.store, .caps = {.etag_is_md5 = true, .part_bytes = 5 << 20}};
    assert_int_equal(ls_cache_open(&opts, &cache, NULL), LS_OK);
}

int cache_env_setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/lockstep-cache.XXXXXX");
    assert_non_null(mkdtemp(root));
    memset(&fake, 0, sizeof fake);
    fake.store.ops = &fake_ops;
    pthread_mutex_init(&fake.lock, NULL);
    pthread_cond_init(&fake.changed, NULL);
    cache = NULL;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

int cache_env_teardown(void **state)
{
    (void)state;
    fake_open_gate();
    ls_cache_close(cache);
    cache = NULL;
    pthread_cond_destroy(&fake.changed);
    pthread_mutex_destroy(&fake.lock);
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int cache_env_each_file(void (*fn)(const char *path))
{
    char command[200], path[400];
    int n = 0;
    snprintf(command, sizeof command, "ls -d %s/deep/cache/objects/* 2>/dev/null", root);
    FILE *list = popen(command, "r");
    while (fgets(path, sizeof path, list)) {
        path[strcspn(path, "\n")] = '\0';
        if (fn)
            fn(path);
        n++;
    }
    pclose(list);
    return n;
}
