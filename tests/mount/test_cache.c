/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cache over a store that is made up here: it serves bytes of our choice and counts. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "mount/cache.h"

/* ---- a store of one text for every key ---- */

struct fake {
    struct ls_store store;
    const char *text; /* what it sends */
    const char *etag; /* what it says that is */
    atomic_int gets;
    pthread_barrier_t *meet; /* the download waits here twice, if set */
};

static enum ls_rc fake_get(struct ls_store *store, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                           struct ls_object_info *out_info, struct ls_err *err)
{
    struct fake *fake = (struct fake *)store;
    atomic_fetch_add(&fake->gets, 1);
    if (fake->meet) {
        pthread_barrier_wait(fake->meet);
        pthread_barrier_wait(fake->meet);
    }
    if (!fake->text)
        return ls_err_set(err, LS_NOT_FOUND, "no %s", get->key);
    if (get->if_match && strcmp(get->if_match, fake->etag) != 0)
        return ls_err_set(err, LS_CONFLICT, "another etag");
    snprintf(out_info->etag, sizeof out_info->etag, "%s", fake->etag);
    out_info->size_bytes = strlen(fake->text);
    return sink(ctx, fake->text, strlen(fake->text));
}

static const struct ls_store_ops fake_ops = {.name = "fake", .get = fake_get};

/* ---- fixture ---- */

static char root[64];
static struct fake fake;
static struct ls_cache *cache;
static char etag[LS_MD5_HEX];

static void serve(const char *text)
{
    uint8_t md5[LS_MD5_LEN];
    ls_md5(text, strlen(text), md5);
    ls_hex(md5, sizeof md5, etag);
    fake.text = text;
    fake.etag = etag;
}

static void reopen(uint64_t max_bytes)
{
    char dir[96];
    snprintf(dir, sizeof dir, "%s/deep/cache", root);
    ls_cache_close(cache);
    struct ls_cache_opts opts = {
        .dir = dir, .max_bytes = max_bytes, .store = &fake.store, .caps = {.etag_is_md5 = true}};
    assert_int_equal(ls_cache_open(&opts, &cache, NULL), LS_OK);
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/lockstep-cache.XXXXXX");
    assert_non_null(mkdtemp(root));
    memset(&fake, 0, sizeof fake);
    fake.store.ops = &fake_ops;
    cache = NULL;
    reopen(1000);
    serve("hello");
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    ls_cache_close(cache);
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum ls_rc fetch(const char *key, const char *want)
{
    struct ls_content *content = NULL;
    enum ls_rc rc = ls_cache_fetch(cache, key, etag, strlen(want), &content, NULL);
    if (rc)
        return rc;
    char text[100] = "";
    assert_int_equal(pread(content->fd, text, sizeof text, 0), strlen(want));
    assert_string_equal(text, want);
    ls_content_unref(content);
    return LS_OK;
}

static bool has(const char *key, uint64_t size_bytes)
{
    struct ls_content *content = ls_cache_find(cache, key, etag, size_bytes);
    ls_content_unref(content);
    return content != NULL;
}

/* Call fn on each entry's file. */
static int each_file(void (*fn)(const char *path))
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

static void damage(const char *path)
{
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "J", 1, 0), 1);
    close(fd);
}

static void shorten(const char *path) { assert_int_equal(truncate(path, 2), 0); }
static void delete_file(const char *path) { assert_int_equal(unlink(path), 0); }

/* ---- tests ---- */

static void a_second_read_asks_nobody(void **state)
{
    (void)state;
    assert_false(has("k", 5));
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_true(has("k", 5));
    assert_false(has("other", 5));
    assert_int_equal(atomic_load(&fake.gets), 1);
}

static void folders_are_private(void **state)
{
    (void)state;
    char path[100];
    struct stat st;
    snprintf(path, sizeof path, "%s/deep/cache/staging", root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_planted_symlink_is_not_followed(void **state)
{
    (void)state;
    char path[100];
    struct ls_cache *second = NULL;
    snprintf(path, sizeof path, "%s/link", root);
    assert_int_equal(symlink("/tmp", path), 0);
    struct ls_cache_opts opts = {.dir = path, .max_bytes = 1, .store = &fake.store};
    assert_int_not_equal(ls_cache_open(&opts, &second, NULL), LS_OK);
}

static void wrong_bytes_never_get_in(void **state)
{
    (void)state;
    fake.text = "jello"; /* the etag is still hello's */
    assert_int_equal(fetch("k", "hello"), LS_CORRUPT);
    fake.text = "hell";
    assert_int_equal(fetch("k", "hello"), LS_CORRUPT);
    fake.text = "hello";
    fake.etag = "0123";
    assert_int_equal(fetch("k", "hello"), LS_CONFLICT);
    fake.text = NULL;
    assert_int_equal(fetch("k", "hello"), LS_NOT_FOUND);
    assert_int_equal(each_file(NULL), 0);
    serve("hello");
    assert_int_equal(fetch("k", "hello"), LS_OK);
}

static void entries_may_be_deleted_or_cut_by_anybody(void **state)
{
    (void)state;
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_int_equal(each_file(delete_file), 1);
    assert_false(has("k", 5));
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_int_equal(each_file(shorten), 1);
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_int_equal(atomic_load(&fake.gets), 3);
}

static void what_an_earlier_run_left_is_checked_first(void **state)
{
    (void)state;
    assert_int_equal(fetch("k", "hello"), LS_OK);
    reopen(1000);
    assert_false(has("k", 5)); /* not before it has been checked */
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_true(has("k", 5));
    assert_int_equal(atomic_load(&fake.gets), 1);
    reopen(1000);
    assert_int_equal(each_file(damage), 1);
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_int_equal(atomic_load(&fake.gets), 2);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    reopen(15);
    assert_int_equal(fetch("a", "hello"), LS_OK);
    assert_int_equal(fetch("b", "hello"), LS_OK);
    assert_int_equal(fetch("c", "hello"), LS_OK);
    assert_true(has("a", 5));
    assert_int_equal(fetch("d", "hello"), LS_OK);
    assert_true(has("a", 5));
    assert_false(has("b", 5));
    assert_int_equal(each_file(NULL), 3);
    reopen(4); /* smaller than one entry: served all the same, kept never */
    assert_int_equal(each_file(NULL), 0);
    assert_int_equal(fetch("a", "hello"), LS_OK);
    assert_int_equal(each_file(NULL), 0);
}

static void an_evicted_entry_stays_readable_for_who_has_it(void **state)
{
    (void)state;
    struct ls_content *content = NULL;
    char text[10] = "";
    assert_int_equal(ls_cache_fetch(cache, "a", etag, 5, &content, NULL), LS_OK);
    while (ls_cache_make_room(cache))
        ;
    assert_int_equal(each_file(NULL), 0);
    assert_int_equal(pread(content->fd, text, sizeof text, 0), 5);
    assert_string_equal(text, "hello");
    ls_content_unref(content);
}

static void a_staged_file_becomes_an_entry_and_follows_a_rename(void **state)
{
    (void)state;
    int fd = ls_cache_stage(cache);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hello", 5), 5);
    ls_cache_adopt(cache, "k", etag, fd);
    close(fd);
    assert_true(has("k", 5));
    ls_cache_rename(cache, "k", "n", etag);
    assert_false(has("k", 5));
    assert_true(has("n", 5));
    assert_int_equal(fetch("n", "hello"), LS_OK);
    assert_int_equal(atomic_load(&fake.gets), 0);
}

static void *fetch_in_thread(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)fetch("k", "hello");
}

static void readers_at_once_share_one_download(void **state)
{
    (void)state;
    enum { N = 6 };
    pthread_t threads[N];
    pthread_barrier_t meet;
    pthread_barrier_init(&meet, NULL, 2);
    fake.meet = &meet;
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fetch_in_thread, NULL), 0);
    pthread_barrier_wait(&meet); /* one is in the store; the others can only wait for it */
    pthread_barrier_wait(&meet);
    for (int i = 0; i < N; i++) {
        void *rc;
        pthread_join(threads[i], &rc);
        assert_int_equal((intptr_t)rc, LS_OK);
    }
    assert_int_equal(atomic_load(&fake.gets), 1);
    pthread_barrier_destroy(&meet);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_second_read_asks_nobody),
        T(folders_are_private),
        T(a_planted_symlink_is_not_followed),
        T(wrong_bytes_never_get_in),
        T(entries_may_be_deleted_or_cut_by_anybody),
        T(what_an_earlier_run_left_is_checked_first),
        T(the_least_recently_used_goes_first),
        T(an_evicted_entry_stays_readable_for_who_has_it),
        T(a_staged_file_becomes_an_entry_and_follows_a_rename),
        T(readers_at_once_share_one_download),
    };
    alarm(60);
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
