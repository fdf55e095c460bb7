/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cache over a store that is made up (cache_env.c): small objects, the index and its bound. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "mount/cache_env.h"
#include "mount/cache_impl.h"

static char etag[LS_ETAG_MAX];

static void serve(const char *text)
{
    cache_env_serve(text, strlen(text));
    memcpy(etag, fake.etag, sizeof etag);
}

static int setup(void **state)
{
    int failed = cache_env_setup(state);
    cache_env_reopen(1000);
    serve("hello");
    return failed;
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
    snprintf(path, sizeof path, "%s/deep/cache/staging", cache_env_root());
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_planted_symlink_is_not_followed(void **state)
{
    (void)state;
    char path[100];
    struct ls_cache *second = NULL;
    snprintf(path, sizeof path, "%s/link", cache_env_root());
    assert_int_equal(symlink("/tmp", path), 0);
    struct ls_cache_opts opts = {.dir = path, .max_bytes = 1, .store = &fake.store};
    assert_int_not_equal(ls_cache_open(&opts, &second, NULL), LS_OK);
}

static void wrong_bytes_never_get_in(void **state)
{
    (void)state;
    fake.data = "jello"; /* the etag is still hello's */
    assert_int_equal(fetch("k", "hello"), LS_CORRUPT);
    fake.size = 4;
    assert_int_equal(fetch("k", "hello"), LS_CORRUPT);
    serve("hello");
    snprintf(fake.etag, sizeof fake.etag, "0123");
    assert_int_equal(fetch("k", "hello"), LS_CONFLICT);
    fake.data = NULL;
    assert_int_equal(fetch("k", "hello"), LS_NOT_FOUND);
    assert_int_equal(cache_env_each_file(NULL), 0);
    serve("hello");
    assert_int_equal(fetch("k", "hello"), LS_OK);
}

static void entries_may_be_deleted_or_cut_by_anybody(void **state)
{
    (void)state;
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_int_equal(cache_env_each_file(delete_file), 1);
    assert_false(has("k", 5));
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_int_equal(cache_env_each_file(shorten), 1);
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_int_equal(atomic_load(&fake.gets), 3);
}

static void what_an_earlier_run_left_is_checked_first(void **state)
{
    (void)state;
    assert_int_equal(fetch("k", "hello"), LS_OK);
    cache_env_reopen(1000);
    assert_false(has("k", 5)); /* not before it has been checked */
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_true(has("k", 5));
    assert_int_equal(atomic_load(&fake.gets), 1);
    cache_env_reopen(1000);
    assert_int_equal(cache_env_each_file(damage), 1);
    assert_int_equal(fetch("k", "hello"), LS_OK);
    assert_int_equal(atomic_load(&fake.gets), 2);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    cache_env_reopen(15);
    assert_int_equal(fetch("a", "hello"), LS_OK);
    assert_int_equal(fetch("b", "hello"), LS_OK);
    assert_int_equal(fetch("c", "hello"), LS_OK);
    assert_true(has("a", 5));
    assert_int_equal(fetch("d", "hello"), LS_OK);
    assert_true(has("a", 5));
    assert_false(has("b", 5));
    assert_int_equal(cache_env_each_file(NULL), 3);
    cache_env_reopen(4); /* smaller than one entry: served all the same, kept never */
    assert_int_equal(cache_env_each_file(NULL), 0);
    assert_int_equal(fetch("a", "hello"), LS_OK);
    assert_int_equal(cache_env_each_file(NULL), 0);
}

static void an_open_entry_counts_and_stays_until_it_is_closed(void **state)
{
    (void)state;
    struct ls_content *content = NULL;
    char text[10] = "";
    cache_env_reopen(10);
    assert_int_equal(ls_cache_fetch(cache, "a", etag, 5, &content, NULL), LS_OK);
    assert_int_equal(fetch("b", "hello"), LS_OK);
    assert_int_equal(fetch("c", "hello"), LS_OK);
    assert_true(has("a", 5)); /* the oldest, but open: b had to go */
    assert_false(has("b", 5));
    assert_int_equal(cache_env_each_file(delete_file), 2);
    assert_int_equal(pread(content->fd, text, sizeof text, 0), 5);
    assert_string_equal(text, "hello");
    ls_content_unref(content);
    while (ls_cache_make_room(cache))
        ;
    assert_false(has("a", 5));
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

static int waiters(void)
{
    int n = 0;
    LS_LOCK(&cache->lock);
    for (const struct ls_cache_entry *entry = cache->entries; entry; entry = entry->hh.next)
        n += (int)entry->waiters;
    return n;
}

static void who_waited_for_a_download_shares_its_failure(void **state)
{
    (void)state;
    enum { N = 4 };
    pthread_t threads[N];
    fake_close_gate();
    fake.fail = LS_IO;
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fetch_in_thread, NULL), 0);
    fake_wait_for(1);
    while (waiters() < N - 1) /* alarm ends it */
        sched_yield();
    fake_open_gate();
    for (int i = 0; i < N; i++) {
        void *rc;
        pthread_join(threads[i], &rc);
        assert_int_equal((intptr_t)rc, LS_IO);
    }
    assert_int_equal(atomic_load(&fake.gets), 1);
    assert_null(cache->entries);
    fake.fail = LS_OK;
    assert_int_equal(fetch("k", "hello"), LS_OK);
}

static void what_is_fetched_ahead_is_there_and_whole(void **state)
{
    (void)state;
    ls_cache_ahead(cache, "large", etag, UINT64_C(1) << 30); /* is read ahead by blocks */
    ls_cache_ahead(cache, "k", etag, 5);
    while (!has("k", 5)) /* alarm ends it */
        sched_yield();
    ls_cache_ahead(cache, "k", etag, 5);
    ls_cache_stop(cache);
    ls_cache_ahead(cache, "late", etag, 5);
    assert_int_equal(atomic_load(&fake.gets), 1);
    assert_int_equal(fetch("k", "hello"), LS_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, cache_env_teardown)

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
        T(an_open_entry_counts_and_stays_until_it_is_closed),
        T(a_staged_file_becomes_an_entry_and_follows_a_rename),
        T(readers_at_once_share_one_download),
        T(who_waited_for_a_download_shares_its_failure),
        T(what_is_fetched_ahead_is_there_and_whole),
    };
    alarm(250);
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
