/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects that are fetched in blocks: which ranges are asked for, who waits, what goes, what is never mixed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "mount/cache_env.h"
#include "mount/cache_impl.h"
#include "mount/etag.h"

#define MIB LS_BLOCK_BYTES
#define BLOCKS 24
#define SIZE (BLOCKS * MIB - 1000) /* the last block is short */

static char *bytes;
static char etag[LS_ETAG_MAX];

static int setup(void **state)
{
    int failed = cache_env_setup(state);
    bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i / 4096 * 7 + i);
    cache_env_serve(bytes, SIZE);
    memcpy(etag, fake.etag, sizeof etag);
    cache_env_reopen(100 * MIB);
    return failed;
}

static int teardown(void **state)
{
    int failed = cache_env_teardown(state);
    free(bytes);
    return failed;
}

static struct ls_content *open_object(const char *key)
{
    struct ls_content *content = NULL;
    assert_int_equal(ls_cache_fetch(cache, key, etag, SIZE, &content, NULL), LS_OK);
    assert_non_null(content);
    return content;
}

/* ---- a reader ---- */

struct reader {
    struct ls_content_wait wait;
    struct ls_content *content;
    uint64_t off, len;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool over;
    enum ls_rc rc;
};

static void woken(struct ls_content_wait *wait, enum ls_rc rc)
{
    struct reader *reader = (struct reader *)wait;
    LS_LOCK(&reader->lock);
    reader->over = true;
    reader->rc = rc;
    pthread_cond_signal(&reader->woken);
}

/* True: it is there already. */
static bool begin(struct reader *reader, struct ls_content *content, uint64_t off, uint64_t len)
{
    *reader = (struct reader){.wait.done = woken, .content = content, .off = off, .len = len};
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->woken, NULL);
    bool here = ls_content_want(content, off, len, &reader->wait);
    LS_LOCK(&reader->lock);
    reader->over |= here;
    return here;
}

/* Wait for the end, and compare what is there. */
static enum ls_rc end(struct reader *reader)
{
    {
        LS_LOCK(&reader->lock);
        while (!reader->over)
            pthread_cond_wait(&reader->woken, &reader->lock);
    }
    if (!reader->rc) {
        char *got = malloc(reader->len);
        uint64_t left = reader->off < SIZE ? SIZE - reader->off : 0, len = reader->len < left ? reader->len : left;
        assert_int_equal(pread(reader->content->fd, got, reader->len, (off_t)reader->off), len);
        assert_int_equal(memcmp(got, bytes + (left ? reader->off : 0), len), 0);
        free(got);
    }
    ls_content_let(reader->content, &reader->wait);
    pthread_cond_destroy(&reader->woken);
    pthread_mutex_destroy(&reader->lock);
    return reader->rc;
}

static enum ls_rc read_at(struct ls_content *content, uint64_t off, uint64_t len)
{
    struct reader reader;
    (void)begin(&reader, content, off, len);
    return end(&reader);
}

static int asked_for(uint64_t off, uint64_t len)
{
    int n = 0;
    LS_LOCK(&fake.lock);
    for (int i = 0; i < fake.n_ranges; i++)
        n += fake.ranges[i].off == off && fake.ranges[i].len == len;
    return n;
}

static uint64_t taken(void)
{
    LS_LOCK(&cache->lock);
    return cache->total_bytes;
}

static void settle(void) { ls_workers_drain(cache->fetchers); }

/* ---- ranges ---- */

static void an_open_asks_for_nothing_and_a_read_for_its_blocks(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    assert_int_equal(atomic_load(&fake.gets), 0);
    assert_int_equal(read_at(content, 10 * MIB + 5, 100), LS_OK); /* nobody reads on: no read-ahead */
    assert_int_equal(asked_for(10 * MIB, MIB), 1);
    assert_int_equal(read_at(content, 10 * MIB + MIB / 2, 1000), LS_OK);
    settle();
    assert_int_equal(atomic_load(&fake.gets), 1);
    assert_int_equal(read_at(content, SIZE - 10, 4096), LS_OK);
    assert_int_equal(asked_for((BLOCKS - 1) * MIB, MIB - 1000), 1);
    assert_int_equal(read_at(content, SIZE + 10, 4096), LS_OK); /* past the end there is nothing to wait for */
    settle();
    assert_int_equal(atomic_load(&fake.gets), 2);
    ls_content_unref(content);
}

static void adjacent_blocks_come_in_one_request_and_what_is_there_is_left_out(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    assert_int_equal(read_at(content, 12 * MIB, 10), LS_OK);
    assert_int_equal(read_at(content, 2 * MIB, 10), LS_OK); /* to and fro: no read-ahead */
    settle();
    fake_close_gate();
    struct reader reader;
    assert_false(begin(&reader, content, 10 * MIB + 1, 8 * MIB)); /* blocks 10 to 18, 12 is there */
    fake_wait_for(3);
    assert_int_equal(asked_for(10 * MIB, 2 * MIB), 1);
    assert_int_equal(asked_for(13 * MIB, 4 * MIB), 1); /* never more than 4 */
    assert_int_equal(asked_for(17 * MIB, 2 * MIB), 1);
    fake_open_gate();
    assert_int_equal(end(&reader), LS_OK);
    ls_content_unref(content);
}

static void who_reads_on_is_read_ahead_of_by_up_to_eight_requests(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    for (uint64_t at = 0; at < SIZE; at += 128 * 1024)
        assert_int_equal(read_at(content, at, 128 * 1024), LS_OK);
    settle();
    int n = atomic_load(&fake.gets);
    assert_in_range(n, BLOCKS / LS_RUN_BLOCKS, BLOCKS / LS_RUN_BLOCKS + 2); /* joined, and nothing twice */
    assert_in_range(fake.most, 1, LS_RUNS);
    assert_true(atomic_load(&content->whole));
    ls_content_unref(content);
}

static void two_who_want_the_same_block_share_one_request(void **state)
{
    (void)state;
    struct ls_content *a = open_object("k"), *b = open_object("k");
    struct reader one, two;
    assert_ptr_equal(a, b);
    fake_close_gate();
    assert_false(begin(&one, a, 8 * MIB, 10));
    assert_false(begin(&two, b, 8 * MIB + 100, 10));
    fake_wait_for(1);
    fake_open_gate();
    assert_int_equal(end(&one), LS_OK);
    assert_int_equal(end(&two), LS_OK);
    assert_int_equal(asked_for(8 * MIB, MIB), 1);
    ls_content_unref(a);
    ls_content_unref(b);
}

/* ---- failures ---- */

static void a_failure_wakes_all_its_waiters_and_gives_its_room_back(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    struct reader readers[3], other;
    assert_int_equal(read_at(content, 20 * MIB, 10), LS_OK);
    settle();
    uint64_t before = taken();
    fake_close_gate();
    for (int i = 0; i < 3; i++)
        assert_false(begin(&readers[i], content, 8 * MIB + (uint64_t)i * 100, 10));
    assert_false(begin(&other, content, 14 * MIB, 10));
    fake_wait_for(2);
    assert_int_equal(taken(), before + 2 * MIB); /* reserved before a byte has come */
    {
        LS_LOCK(&fake.lock);
        fake.fail = LS_IO;
    }
    fake_open_gate();
    for (int i = 0; i < 3; i++)
        assert_int_equal(end(&readers[i]), LS_IO);
    assert_int_equal(end(&other), LS_IO);
    settle();
    assert_int_equal(taken(), before);
    {
        LS_LOCK(&fake.lock);
        fake.fail = LS_OK;
    }
    assert_int_equal(read_at(content, 8 * MIB, 10), LS_OK); /* the next read tries again */
    ls_content_unref(content);
}

static void an_object_that_changed_between_ranges_is_never_mixed(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    assert_int_equal(read_at(content, 4 * MIB, 10), LS_OK);
    settle();
    char *newer = calloc(1, SIZE);
    cache_env_serve(newer, SIZE);
    assert_int_equal(read_at(content, 12 * MIB, 10), LS_CONFLICT);
    assert_int_equal(read_at(content, 4 * MIB, 10), LS_OK); /* what is here is of one version */
    settle();
    ls_content_unref(content);
    free(newer);
}

static void a_store_that_ignores_the_condition_is_seen_through(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    {
        LS_LOCK(&fake.lock);
        fake.size = SIZE - MIB; /* the same etag, but shorter */
    }
    assert_int_equal(read_at(content, 4 * MIB, 10), LS_CONFLICT);
    ls_content_unref(content);
}

static void a_cut_body_is_an_error_and_no_block(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    {
        LS_LOCK(&fake.lock);
        fake.cut_bytes = 1;
    }
    assert_int_equal(read_at(content, 4 * MIB, 10), LS_CORRUPT);
    assert_int_equal(taken(), 0);
    {
        LS_LOCK(&fake.lock);
        fake.cut_bytes = 0;
    }
    assert_int_equal(read_at(content, 4 * MIB, 10), LS_OK);
    ls_content_unref(content);
}

static void stopping_wakes_who_waits_and_refuses_who_comes(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    struct reader reader;
    fake_close_gate();
    assert_false(begin(&reader, content, 0, 10));
    fake_wait_for(1);
    atomic_store(&cache->stopped, true); /* as ls_cache_stop, which would wait for the gate */
    fake_open_gate();
    assert_int_equal(end(&reader), LS_CANCELLED);
    ls_cache_stop(cache);
    assert_int_equal(read_at(content, 8 * MIB, 10), LS_CANCELLED);
    ls_content_unref(content);
}

/* ---- the whole ---- */

static void read_all(struct ls_content *content)
{
    for (uint64_t at = 0; at < SIZE; at += MIB)
        assert_int_equal(read_at(content, at, MIB), LS_OK);
    settle();
}

static void what_is_whole_and_right_becomes_an_entry(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    assert_int_equal(cache_env_each_file(NULL), 0);
    read_all(content);
    assert_true(atomic_load(&content->whole));
    assert_int_equal(cache_env_each_file(NULL), 1);
    assert_int_equal(taken(), SIZE);
    ls_content_unref(content);
    cache_env_reopen(100 * MIB);
    int gets = atomic_load(&fake.gets);
    content = open_object("k"); /* verified before its first use */
    assert_true(atomic_load(&content->whole));
    assert_int_equal(read_at(content, 3 * MIB, 100), LS_OK);
    assert_int_equal(atomic_load(&fake.gets), gets);
    ls_content_unref(content);
}

static void what_does_not_match_its_etag_is_never_kept(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    bytes[5 * MIB + 3] ^= 1; /* the server's disk rots: the etag stays */
    /* What is read ahead may have been found wrong before the last of these. */
    for (uint64_t at = 0; at < SIZE; at += MIB) {
        enum ls_rc rc = read_at(content, at, MIB);
        assert_true(rc == LS_OK || rc == LS_CORRUPT);
    }
    settle();
    assert_false(atomic_load(&content->whole));
    assert_int_equal(cache_env_each_file(NULL), 0);
    assert_int_equal(read_at(content, 7 * MIB + 5, 10), LS_CORRUPT);
    ls_content_unref(content);
    assert_int_equal(taken(), 0);
}

static void damage(const char *path)
{
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "J", 1, 9 * MIB), 1);
    close(fd);
}

static void delete_file(const char *path) { assert_int_equal(unlink(path), 0); }

static void a_damaged_entry_of_an_earlier_run_is_fetched_anew(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    read_all(content);
    ls_content_unref(content);
    cache_env_reopen(100 * MIB);
    assert_int_equal(cache_env_each_file(damage), 1);
    content = open_object("k");
    assert_false(atomic_load(&content->whole));
    assert_int_equal(read_at(content, 9 * MIB, 100), LS_OK);
    ls_content_unref(content);
}

static void cache_files_may_be_deleted_while_they_are_open(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    read_all(content);
    assert_int_equal(cache_env_each_file(delete_file), 1);
    assert_int_equal(read_at(content, 9 * MIB, 100), LS_OK);
    ls_content_unref(content);
    assert_null(ls_cache_find(cache, "k", etag, SIZE));
    content = open_object("k");
    assert_int_equal(read_at(content, 9 * MIB, 100), LS_OK);
    ls_content_unref(content);
}

static void the_etag_of_an_upload_in_parts_is_verified(void **state)
{
    (void)state;
    uint8_t md5[LS_MD5_LEN];
    struct ls_hash *hash = ls_hash_new(LS_HASH_MD5);
    for (uint64_t at = 0; at < SIZE; at += 5 * MIB) {
        ls_md5(bytes + at, (size_t)(SIZE - at < 5 * MIB ? SIZE - at : 5 * MIB), md5);
        ls_hash_update(hash, md5, sizeof md5);
    }
    ls_hash_final(hash, md5);
    ls_hash_free(hash);
    char parts[LS_ETAG_MAX];
    ls_hex(md5, sizeof md5, parts);
    snprintf(parts + 32, sizeof parts - 32, "-%d", (BLOCKS + 4) / 5);
    memcpy(etag, parts, sizeof etag);
    memcpy(fake.etag, parts, sizeof etag);
    struct ls_content *content = open_object("k");
    read_all(content);
    assert_int_equal(ls_etag_check(&cache->caps, content->fd, SIZE, parts), LS_ETAG_RIGHT);
    parts[0] = parts[0] == 'a' ? 'b' : 'a';
    assert_int_equal(ls_etag_check(&cache->caps, content->fd, SIZE, parts), LS_ETAG_UNKNOWN);
    assert_int_equal(ls_etag_check(&cache->caps, content->fd, SIZE, "weird"), LS_ETAG_UNKNOWN);
    ls_content_unref(content);
    cache_env_reopen(100 * MIB);
    content = open_object("k");
    assert_true(atomic_load(&content->whole));
    ls_content_unref(content);
}

/* ---- the bound ---- */

static void an_object_larger_than_the_cache_is_read_within_its_bound(void **state)
{
    (void)state;
    struct stat st;
    cache_env_reopen(6 * MIB);
    struct ls_content *content = open_object("k");
    for (uint64_t at = 0; at < SIZE; at += MIB) {
        assert_int_equal(read_at(content, at, MIB), LS_OK);
        assert_in_range(taken(), 1, 6 * MIB);
    }
    settle();
    assert_int_equal(fstat(content->fd, &st), 0);
    assert_in_range((uint64_t)st.st_blocks * 512, 0, SIZE / 2);
    assert_int_equal(read_at(content, 0, 10), LS_OK); /* fetched again */
    assert_int_equal(cache_env_each_file(NULL), 0);
    ls_content_unref(content);
}

static void what_somebody_waits_for_is_never_given_up(void **state)
{
    (void)state;
    cache_env_reopen(2 * MIB);
    struct ls_content *content = open_object("k");
    struct reader slow;
    (void)begin(&slow, content, 10 * MIB, 2 * MIB);
    for (uint64_t at = 16 * MIB; at < 20 * MIB; at += MIB)
        assert_int_equal(read_at(content, at, 10), LS_OK);
    assert_int_equal(end(&slow), LS_OK); /* compares the bytes */
    ls_content_unref(content);
}

static void an_incomplete_object_that_nobody_reads_goes_first(void **state)
{
    (void)state;
    cache_env_reopen(6 * MIB);
    struct ls_content *a = open_object("a");
    assert_int_equal(read_at(a, 10 * MIB, 4 * MIB), LS_OK);
    settle();
    ls_content_unref(a);
    struct ls_content *again = ls_cache_find(cache, "a", etag, SIZE);
    assert_ptr_equal(again, a); /* closed, but kept */
    ls_content_unref(again);
    struct ls_content *b = open_object("b");
    assert_int_equal(read_at(b, 10 * MIB, 4 * MIB), LS_OK);
    settle();
    assert_null(ls_cache_find(cache, "a", etag, SIZE));
    assert_int_equal(taken(), 4 * MIB);
    ls_content_unref(b);
}

/* ---- renaming and removing ---- */

static void readers_of_an_object_that_is_renamed_wait_and_go_on(void **state)
{
    (void)state;
    struct ls_content *content = open_object("old"), *found[4];
    struct reader before, during;
    assert_int_equal(ls_cache_partial(cache, "ol", found, 4), 0);
    assert_int_equal(ls_cache_partial(cache, "old", found, 4), 1);
    assert_ptr_equal(found[0], content);
    ls_content_unref(found[0]);
    fake_close_gate();
    assert_false(begin(&before, content, 4 * MIB, 10));
    fake_wait_for(1);
    assert_false(ls_content_hold(content, "another"));
    assert_true(ls_content_hold(content, etag));
    {
        LS_LOCK(&fake.lock);
        fake.only_key = "new"; /* the object moves while a request for it is under way, and gets another etag */
        snprintf(fake.etag, sizeof fake.etag, "copied-2");
    }
    fake_open_gate();
    settle();
    assert_false(begin(&during, content, 8 * MIB, 10));
    settle();
    assert_int_equal(atomic_load(&fake.gets), 1);
    ls_content_release(content, "new", "copied-2");
    assert_int_equal(end(&before), LS_OK);
    assert_int_equal(end(&during), LS_OK);
    assert_int_equal(ls_cache_partial(cache, "new", found, 4), 1);
    ls_content_unref(found[0]);
    ls_content_unref(content);
    assert_null(ls_cache_find(cache, "old", etag, SIZE));
}

static void a_completed_object_outlives_its_removal(void **state)
{
    (void)state;
    cache_env_reopen(6 * MIB); /* too small: what is kept for readers may exceed it */
    struct ls_content *content = open_object("k");
    assert_int_equal(ls_content_complete(content, NULL), LS_OK);
    {
        LS_LOCK(&fake.lock);
        fake.data = NULL;
    }
    for (uint64_t at = 0; at < SIZE; at += MIB)
        assert_int_equal(read_at(content, at, MIB), LS_OK);
    ls_content_unref(content);
}

static void a_copy_has_all_bytes(void **state)
{
    (void)state;
    struct ls_content *content = open_object("k");
    int fd = ls_cache_stage(cache);
    assert_int_equal(ls_content_copy(content, fd, SIZE, NULL), LS_OK);
    struct ls_content *copy = ls_content_new(fd);
    assert_int_equal(read_at(copy, 0, SIZE), LS_OK);
    ls_content_unref(copy);
    ls_content_unref(content);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_open_asks_for_nothing_and_a_read_for_its_blocks),
        T(adjacent_blocks_come_in_one_request_and_what_is_there_is_left_out),
        T(who_reads_on_is_read_ahead_of_by_up_to_eight_requests),
        T(two_who_want_the_same_block_share_one_request),
        T(a_failure_wakes_all_its_waiters_and_gives_its_room_back),
        T(an_object_that_changed_between_ranges_is_never_mixed),
        T(a_store_that_ignores_the_condition_is_seen_through),
        T(a_cut_body_is_an_error_and_no_block),
        T(stopping_wakes_who_waits_and_refuses_who_comes),
        T(what_is_whole_and_right_becomes_an_entry),
        T(what_does_not_match_its_etag_is_never_kept),
        T(a_damaged_entry_of_an_earlier_run_is_fetched_anew),
        T(cache_files_may_be_deleted_while_they_are_open),
        T(the_etag_of_an_upload_in_parts_is_verified),
        T(an_object_larger_than_the_cache_is_read_within_its_bound),
        T(what_somebody_waits_for_is_never_given_up),
        T(an_incomplete_object_that_nobody_reads_goes_first),
        T(readers_of_an_object_that_is_renamed_wait_and_go_on),
        T(a_completed_object_outlives_its_removal),
        T(a_copy_has_all_bytes),
    };
    alarm(250);
    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
