/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What every store promises, shown over whichever one contract.h's functions open. Each test starts with an empty
 * container.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/workers.h"
#include "store/contract.h"

static struct ls_store *store;
static struct ls_store_caps caps;
static const char *way;

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        ls_err_clear(&last);                                                                                           \
        enum ls_rc rc_ = (call);                                                                                       \
        if (rc_)                                                                                                       \
            fail_msg("%s: %s: %s", #call, ls_rc_name(rc_), last.text);                                                 \
    } while (0)
#define assert_rc(call, want)                                                                                          \
    do {                                                                                                               \
        ls_err_clear(&last);                                                                                           \
        enum ls_rc rc_ = (call);                                                                                       \
        if (rc_ != (want))                                                                                             \
            fail_msg("%s: %s, not %s: %s", #call, ls_rc_name(rc_), ls_rc_name(want), last.text);                       \
        assert_true(last.text[0]);                                                                                     \
    } while (0)
static struct ls_err last;

/* ---- helpers ---- */

static int file_of(const void *data, size_t len)
{
    int fd = memfd_create("bytes", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    return fd;
}

static enum ls_rc put_if(const char *key, const char *text, enum ls_put_condition condition, const char *etag,
                         struct ls_object_info *info, struct ls_err *err)
{
    LS_AUTO(ls_fd) int fd = file_of(text, strlen(text));
    struct ls_object_meta meta = {0};
    struct ls_store_put put = {
        .key = key, .fd = fd, .size_bytes = strlen(text), .condition = condition, .if_etag = etag, .meta = &meta};
    return ls_store_put(store, &put, info, err);
}

static struct ls_object_info put(const char *key, const char *text)
{
    struct ls_object_info info;
    assert_ok(put_if(key, text, LS_PUT_ALWAYS, NULL, &info, &last));
    return info;
}

static enum ls_rc collect(void *ctx, const void *data, size_t len) { return ls_buf_add(ctx, data, len); }

static enum ls_rc get_range(const char *key, uint64_t offset, uint64_t len, const char *if_match, struct ls_buf *out,
                            struct ls_object_info *info)
{
    struct ls_store_get get = {.key = key, .offset = offset, .len = len, .if_match = if_match};
    return ls_store_get(store, &get, collect, out, info, &last);
}

static void assert_bytes(const char *key, const char *text)
{
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1000);
    assert_ok(get_range(key, 0, UINT64_MAX, NULL, &got, NULL));
    assert_string_equal(got.data, text);
}

static enum ls_rc rc_of_head(const char *key, struct ls_object_info *info)
{
    struct ls_object_info ignored;
    return ls_store_head_one(store, key, info ? info : &ignored, &last);
}

static void assert_gone(const char *key) { assert_rc(rc_of_head(key, NULL), LS_NOT_FOUND); }

static enum ls_rc copy_one(const char *from, const char *to, const char *if_etag, const struct ls_object_meta *meta)
{
    struct ls_store_copy item = {.from = from, .to = to, .if_etag = if_etag, .meta = meta};
    enum ls_rc rc = ls_store_copy_many(store, &item, 1, &last);
    if (!rc && item.rc)
        last = item.err;
    return item.rc;
}

/* All keys of a listing, a line each, by pages of `limit`. */
static void list_all(const char *prefix, const char *start_after, unsigned limit, struct ls_buf *out)
{
    LS_AUTO(ls_free) char *token = NULL;
    do {
        struct ls_list_request req = {.prefix = prefix, .start_after = start_after, .token = token, .limit = limit};
        struct ls_list_page page;
        assert_ok(ls_store_list(store, &req, &page, &last));
        assert_in_range(page.n, 0, limit ? limit : LS_STORE_BATCH);
        for (size_t i = 0; i < page.n; i++)
            assert_int_equal(ls_buf_addf(out, "%s\n", page.entries[i].key), LS_OK);
        free(token);
        token = LS_STEAL(page.token);
        ls_list_page_dispose(&page);
    } while (token);
}

static void assert_listing(const char *prefix, const char *start_after, const char *lines)
{
    static const unsigned limits[] = {0, 1, 2, 3, 1000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1U << 22);
        list_all(prefix, start_after, limits[i], &got);
        assert_string_equal(got.data, lines);
    }
}

static int empty_the_container(void **state)
{
    (void)state;
    for (;;) {
        struct ls_list_request req = {.prefix = ""};
        struct ls_list_page page;
        assert_ok(ls_store_list(store, &req, &page, &last));
        size_t n = page.n;
        struct ls_store_delete *items = calloc(n + 1, sizeof *items);
        for (size_t i = 0; i < n; i++)
            items[i].key = page.entries[i].key;
        if (n > 0)
            assert_ok(ls_store_delete_many(store, items, n, &last));
        free(items);
        ls_list_page_dispose(&page);
        if (n == 0)
            return 0;
    }
}

/* ---- container ---- */

static void a_missing_container_is_not_found(void **state)
{
    (void)state;
    struct ls_store *missing = contract_open_missing();
    struct ls_store_caps ignored;
    assert_rc(ls_store_probe(missing, &ignored, &last), LS_NOT_FOUND);
    ls_store_close(missing);
}

static void objects_of_a_missing_container_are_never_just_not_found(void **state)
{
    (void)state;
    struct ls_store *missing = contract_open_missing();
    struct ls_list_request req = {.prefix = ""};
    struct ls_list_page page;
    struct ls_err err = LS_ERR_INIT;
    assert_int_not_equal(ls_store_list(missing, &req, &page, &err), LS_OK);
    assert_true(err.text[0]);
    ls_store_close(missing);
}

static void creating_it_twice_is_fine(void **state)
{
    (void)state;
    put("kept", "bytes");
    assert_ok(ls_store_create(store, &last));
    assert_bytes("kept", "bytes");
}

/* ---- put, get, head ---- */

static void what_was_put_is_what_one_gets(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4095, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        LS_AUTO(ls_free) char *bytes = malloc(sizes[i] + 1);
        ls_random(bytes, sizes[i] + 1);
        LS_AUTO(ls_fd) int fd = file_of(bytes, sizes[i]);
        struct ls_object_meta meta = {0};
        struct ls_store_put req = {.key = "a/b", .fd = fd, .size_bytes = sizes[i], .meta = &meta};
        struct ls_object_info info, head, got_info;
        char etag[LS_ETAG_MAX];
        uint8_t md5[16], sha256[32], want[32];
        assert_ok(ls_store_expected_etag(&caps, fd, sizes[i], etag, md5, sha256, &last));
        ls_md5(bytes, sizes[i], want);
        assert_memory_equal(md5, want, 16);
        ls_sha256(bytes, sizes[i], want);
        assert_memory_equal(sha256, want, 32);
        req.md5 = i % 2 ? md5 : NULL;
        req.sha256 = sha256;
        assert_ok(ls_store_put(store, &req, &info, &last));
        assert_string_equal(info.etag, etag);
        assert_ok(rc_of_head("a/b", &head));
        assert_string_equal(head.etag, etag);
        assert_int_equal(head.size_bytes, sizes[i]);
        assert_in_range(head.modified_ns / LS_NS_PER_S, (uint64_t)(ls_now_ns() / LS_NS_PER_S) - 300,
                        (uint64_t)(ls_now_ns() / LS_NS_PER_S) + 300);
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1U << 20);
        assert_ok(get_range("a/b", 0, UINT64_MAX, etag, &got, &got_info));
        assert_int_equal(got.len, sizes[i]);
        assert_memory_equal(got.data, bytes, sizes[i]);
        assert_string_equal(got_info.etag, etag);
        assert_int_equal(got_info.size_bytes, sizes[i]);
    }
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    put("x/y", "1");
    static const char *const keys[] = {"none", "x", "x/", "x/y/z", "X/y", "x/y ", NULL};
    for (size_t i = 0; keys[i]; i++) {
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(100);
        assert_rc(rc_of_head(keys[i], NULL), LS_NOT_FOUND);
        assert_rc(get_range(keys[i], 0, UINT64_MAX, NULL, &got, NULL), LS_NOT_FOUND);
    }
}

static void heads_of_many_have_each_their_result(void **state)
{
    (void)state;
    struct ls_store_head items[40] = {{0}};
    char keys[40][16];
    for (size_t i = 0; i < 40; i++) {
        snprintf(keys[i], sizeof keys[i], "h/%zu", i);
        items[i].key = keys[i];
        if (i % 3 == 0)
            put(keys[i], keys[i]);
    }
    assert_ok(ls_store_head_many(store, items, 40, &last));
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(items[i].rc, i % 3 ? LS_NOT_FOUND : LS_OK);
        assert_int_equal(items[i].err.text[0] != '\0', i % 3 != 0);
        if (i % 3 == 0)
            assert_int_equal(items[i].info.size_bytes, strlen(keys[i]));
    }
    assert_ok(ls_store_head_many(store, items, 0, &last));
}

static void ranges_are_exact(void **state)
{
    (void)state;
    struct ls_object_info info = put("r", "0123456789");
    static const struct {
        uint64_t offset, len;
        const char *want;
    } cases[] = {{0, 1, "0"},    {3, 4, "3456"},       {9, 1, "9"}, {5, UINT64_MAX, "56789"},
                 {8, 100, "89"}, {0, 10, "0123456789"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(100);
        struct ls_object_info got_info;
        assert_ok(get_range("r", cases[i].offset, cases[i].len, info.etag, &got, &got_info));
        assert_string_equal(got.data, cases[i].want);
        assert_int_equal(got_info.size_bytes, 10);
        assert_string_equal(got_info.etag, info.etag);
    }
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(100);
    assert_rc(get_range("r", 10, 1, NULL, &got, NULL), LS_INVALID);
    assert_rc(get_range("r", 100, UINT64_MAX, NULL, &got, NULL), LS_INVALID);
    assert_int_equal(got.len, 0);
}

static void a_range_lands_at_its_offset_in_the_file(void **state)
{
    (void)state;
    put("r", "0123456789");
    LS_AUTO(ls_fd) int fd = file_of("..........", 10);
    struct ls_store_get get = {.key = "r", .offset = 2, .len = 3};
    assert_ok(ls_store_get_fd(store, &get, fd, NULL, &last));
    char text[11] = "";
    assert_int_equal(pread(fd, text, 10, 0), 10);
    assert_string_equal(text, "..234.....");
}

static void get_refuses_another_etag(void **state)
{
    (void)state;
    struct ls_object_info old = put("m", "old");
    put("m", "new");
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(100);
    assert_rc(get_range("m", 0, UINT64_MAX, old.etag, &got, NULL), LS_CONFLICT);
    assert_int_equal(got.len, 0);
}

static enum ls_rc refuse(void *ctx, const void *data, size_t len)
{
    (void)data;
    (void)len;
    ++*(unsigned *)ctx;
    return LS_CANCELLED;
}

static void the_reader_can_stop_it(void **state)
{
    (void)state;
    put("s", "bytes");
    unsigned calls = 0;
    struct ls_store_get get = {.key = "s", .len = UINT64_MAX};
    assert_rc(ls_store_get(store, &get, refuse, &calls, NULL, &last), LS_CANCELLED);
    assert_int_equal(calls, 1);
}

static void wrong_bytes_are_refused_and_leave_nothing(void **state)
{
    (void)state;
    LS_AUTO(ls_fd) int fd = file_of("bytes", 5);
    struct ls_object_meta meta = {0};
    uint8_t md5[16] = {1};
    struct ls_store_put req = {.key = "w", .fd = fd, .size_bytes = 5, .md5 = md5, .meta = &meta};
    assert_rc(ls_store_put(store, &req, NULL, &last), LS_CORRUPT);
    assert_gone("w");
    struct ls_object_info before = put("w", "before"), after;
    assert_rc(ls_store_put(store, &req, NULL, &last), LS_CORRUPT);
    assert_ok(rc_of_head("w", &after));
    assert_string_equal(after.etag, before.etag);
}

static void a_file_shorter_than_announced_is_an_error(void **state)
{
    (void)state;
    LS_AUTO(ls_fd) int fd = file_of("bytes", 5);
    struct ls_object_meta meta = {0};
    struct ls_store_put req = {.key = "short", .fd = fd, .size_bytes = 6, .meta = &meta};
    struct ls_err err = LS_ERR_INIT;
    assert_int_not_equal(ls_store_put(store, &req, NULL, &err), LS_OK);
    assert_true(err.text[0]);
    assert_gone("short");
}

/* ---- conditions ---- */

static void if_new_takes_only_a_free_name(void **state)
{
    (void)state;
    struct ls_object_info info;
    assert_ok(put_if("n", "first", LS_PUT_IF_NEW, NULL, &info, &last));
    assert_rc(put_if("n", "second", LS_PUT_IF_NEW, NULL, &info, &last), LS_EXISTS);
    assert_bytes("n", "first");
    put("n", "third");
    assert_bytes("n", "third");
}

static void if_etag_replaces_only_that_one(void **state)
{
    (void)state;
    struct ls_object_info first = put("e", "first"), second;
    assert_ok(put_if("e", "second", LS_PUT_IF_ETAG, first.etag, &second, &last));
    assert_rc(put_if("e", "third", LS_PUT_IF_ETAG, first.etag, NULL, &last), LS_CONFLICT);
    assert_bytes("e", "second");
    assert_ok(put_if("e", "third", LS_PUT_IF_ETAG, second.etag, NULL, &last));
    assert_bytes("e", "third");
    assert_rc(put_if("never", "x", LS_PUT_IF_ETAG, first.etag, NULL, &last), LS_CONFLICT);
    assert_gone("never");
}

enum { RACERS = 8 };

struct race {
    pthread_barrier_t start;
    enum ls_put_condition condition;
    const char *etag;
    enum ls_rc rc[RACERS];
};

struct racer {
    struct race *race;
    unsigned number;
    pthread_t thread;
};

static void *run_racer(void *arg)
{
    struct racer *racer = arg;
    char text[32];
    snprintf(text, sizeof text, "racer %u", racer->number);
    pthread_barrier_wait(&racer->race->start);
    racer->race->rc[racer->number] = put_if("race", text, racer->race->condition, racer->race->etag, NULL, NULL);
    return NULL;
}

static void exactly_one_wins(enum ls_put_condition condition, const char *etag, enum ls_rc losers_get)
{
    struct race race = {.condition = condition, .etag = etag};
    struct racer racers[RACERS];
    pthread_barrier_init(&race.start, NULL, RACERS);
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.race = &race, .number = i};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, run_racer, &racers[i]), 0);
    }
    unsigned winners = 0, winner = 0;
    for (unsigned i = 0; i < RACERS; i++) {
        pthread_join(racers[i].thread, NULL);
        if (!race.rc[i]) {
            winners++;
            winner = i;
        } else {
            assert_int_equal(race.rc[i], losers_get);
        }
    }
    pthread_barrier_destroy(&race.start);
    assert_int_equal(winners, 1);
    char text[32];
    snprintf(text, sizeof text, "racer %u", winner);
    assert_bytes("race", text);
}

static void of_racing_conditional_puts_exactly_one_wins(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        empty_the_container(NULL);
        exactly_one_wins(LS_PUT_IF_NEW, NULL, LS_EXISTS);
        struct ls_object_info info = put("race", "before");
        exactly_one_wins(LS_PUT_IF_ETAG, info.etag, LS_CONFLICT);
    }
}

/* ---- keys ---- */

static const char *const odd_keys[] = {" ",
                                       " lead/trail ",
                                       "a+b",
                                       "a%20b%2Fc%",
                                       "a b/c d",
                                       "q?x=1&y=2#z",
                                       "\"quoted\"",
                                       "'; DROP TABLE--",
                                       "<img src=x>.jpg",
                                       "back\\slash",
                                       "co:lon;semi,comma",
                                       "$dollar`tick`",
                                       "~tilde*star",
                                       "[x]{y}|z^",
                                       "\xc3\xa9 NFC",
                                       "e\xcc\x81 NFD",
                                       "\xf0\x9f\x98\x80/\xe6\x97\xa5\xe6\x9c\xac.jpg",
                                       ".hidden/..x/...",
                                       "A/twin",
                                       "-dash/--help",
                                       "@at=equals!",
                                       ".lockstep/trash/01/meta",
                                       "a&amp;b",
                                       "100.5 ml/x.jpg",
                                       NULL};

static void odd_keys_work_everywhere(void **state)
{
    (void)state;
    struct ls_store_delete gone[64] = {{0}};
    size_t n = 0;
    for (; odd_keys[n]; n++) {
        const char *key = odd_keys[n];
        char copy[200];
        put(key, key);
        assert_bytes(key, key);
        snprintf(copy, sizeof copy, "copies/%s", key);
        assert_ok(copy_one(key, copy, NULL, NULL));
        assert_bytes(copy, key);
        gone[n].key = key;
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1000), want = LS_BUF_INIT(1000);
        list_all(copy, "", 0, &got);
        assert_int_equal(ls_buf_addf(&want, "%s\n", copy), LS_OK);
        assert_string_equal(got.data, want.data);
    }
    assert_ok(ls_store_delete_many(store, gone, n, &last));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(gone[i].rc, LS_OK);
        assert_gone(odd_keys[i]);
    }
}

static void a_key_of_1024_bytes_works_and_one_more_is_refused(void **state)
{
    (void)state;
    char key[1026];
    memset(key, 'k', sizeof key);
    for (size_t i = 200; i < sizeof key; i += 200)
        key[i] = '/';
    key[1024] = '\0';
    put(key, "long");
    assert_bytes(key, "long");
    assert_ok(copy_one(key, "short", NULL, NULL));
    key[1024] = 'k';
    key[1025] = '\0';
    assert_rc(put_if(key, "too long", LS_PUT_ALWAYS, NULL, NULL, &last), LS_INVALID);
    assert_rc(copy_one("short", key, NULL, NULL), LS_INVALID);
}

/* ---- copy and delete ---- */

static void of_a_batch_of_copies_only_the_bad_ones_fail(void **state)
{
    (void)state;
    struct ls_object_info a = put("from/a", "aa"), b = put("from/b", "bb");
    put("from/c", "cc");
    struct ls_store_copy items[] = {
        {.from = "from/a", .to = "to/a", .if_etag = a.etag, .size_bytes = 2},
        {.from = "from/none", .to = "to/none", .size_bytes = 2},
        {.from = "from/b", .to = "to/b", .if_etag = b.etag, .size_bytes = 2},
        {.from = "from/c", .to = "to/c", .if_etag = a.etag, .size_bytes = 2},
    };
    assert_rc(ls_store_copy_many(store, items, 4, &last), LS_CONFLICT);
    assert_int_equal(items[0].rc, LS_OK);
    assert_string_equal(items[0].etag, a.etag);
    assert_int_equal(items[1].rc, LS_NOT_FOUND);
    assert_true(items[1].err.text[0]);
    assert_int_equal(items[2].rc, LS_OK);
    assert_string_equal(items[2].etag, b.etag);
    assert_int_equal(items[3].rc, LS_CONFLICT);
    assert_true(items[3].err.text[0]);
    assert_bytes("to/a", "aa");
    assert_bytes("to/b", "bb");
    assert_bytes("from/a", "aa");
    assert_gone("to/none");
    assert_gone("to/c");
    assert_int_equal(ls_store_copy_many(store, items, 2, &last), LS_OK);
}

static void a_copy_replaces_what_was_there(void **state)
{
    (void)state;
    put("from", "new");
    put("to", "old");
    assert_ok(copy_one("from", "to", NULL, NULL));
    assert_bytes("to", "new");
    assert_bytes("from", "new");
}

static void deleting_is_done_also_when_nothing_was_there(void **state)
{
    (void)state;
    put("d/a", "1");
    put("d/b", "2");
    put("d/e/f", "3");
    struct ls_store_delete items[] = {
        {.key = "d/a"}, {.key = "d/none"}, {.key = "d/e/f"}, {.key = "elsewhere/x"}, {.key = "d/a"}};
    assert_ok(ls_store_delete_many(store, items, 5, &last));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(items[i].rc, LS_OK);
    assert_listing("", "", "d/b\n");
    put("d/e", "a name that was a folder");
    assert_bytes("d/e", "a name that was a folder");
}

static enum ls_rc put_numbered(void *ctx, size_t i, struct ls_err *err)
{
    char key[64];
    snprintf(key, sizeof key, "%s/%zu/%04zu", (const char *)ctx, i / 100, i);
    return put_if(key, "", LS_PUT_IF_NEW, NULL, NULL, err);
}

static void more_than_a_page_is_listed_and_deleted(void **state)
{
    (void)state;
    char root[] = "many";
    assert_ok(ls_parallel(16, 1100, put_numbered, root, &last));
    LS_AUTO(ls_buf) struct ls_buf whole = LS_BUF_INIT(1U << 20), paged = LS_BUF_INIT(1U << 20);
    list_all("", "", 0, &whole);
    list_all("many/", "", 37, &paged);
    assert_string_equal(whole.data, paged.data);
    size_t lines = 0;
    for (const char *at = whole.data; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 1100);
    struct ls_store_delete *items = calloc(1100, sizeof *items);
    char(*keys)[64] = calloc(1100, sizeof *keys);
    for (size_t i = 0; i < 1100; i++) {
        snprintf(keys[i], sizeof keys[i], "many/%zu/%04zu", i / 100, i);
        items[i].key = keys[i];
    }
    assert_ok(ls_store_delete_many(store, items, 1000, &last));
    assert_ok(ls_store_delete_many(store, items + 1000, 100, &last));
    free(items);
    free(keys);
    assert_listing("", "", "");
}

/* ---- metadata ---- */

static const struct ls_object_meta some_meta = {.has_mtime = true,
                                                .has_mode = true,
                                                .has_owner = true,
                                                .mtime_ns = INT64_C(1700000000123456789),
                                                .mode = 0640,
                                                .uid = 1000,
                                                .gid = 100,
                                                .content_type = "image/jpeg",
                                                .intent = "01HZZZZZZZZZZZZZZZZZZZZZZZ"};

static void assert_meta(const char *key, const struct ls_object_meta *want)
{
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1000);
    struct ls_object_info infos[2];
    assert_ok(rc_of_head(key, &infos[0]));
    assert_ok(get_range(key, 0, UINT64_MAX, NULL, &got, &infos[1]));
    for (size_t i = 0; i < 2; i++) {
        const struct ls_object_meta *meta = &infos[i].meta;
        assert_int_equal(meta->has_mtime, want->has_mtime);
        assert_int_equal(meta->has_mode, want->has_mode);
        assert_int_equal(meta->has_owner, want->has_owner);
        assert_true(meta->mtime_ns == want->mtime_ns);
        assert_int_equal(meta->mode, want->mode);
        assert_int_equal(meta->uid, want->uid);
        assert_int_equal(meta->gid, want->gid);
        if (want->content_type[0]) /* otherwise the store's default */
            assert_string_equal(meta->content_type, want->content_type);
        assert_string_equal(meta->intent, want->intent);
    }
}

static void put_with_meta(const char *key, const struct ls_object_meta *meta)
{
    LS_AUTO(ls_fd) int fd = file_of("bytes", 5);
    struct ls_store_put req = {.key = key, .fd = fd, .size_bytes = 5, .meta = meta};
    assert_ok(ls_store_put(store, &req, NULL, &last));
}

static void metadata_comes_back(void **state)
{
    (void)state;
    static const struct ls_object_meta none, early = {.has_mtime = true, .mtime_ns = INT64_C(-1500000000)},
                                             zero = {.has_mtime = true, .has_mode = true, .has_owner = true},
                                             typed = {.content_type = "text/plain; charset=utf-8"};
    put_with_meta("all", &some_meta);
    assert_meta("all", &some_meta);
    put_with_meta("none", &none);
    assert_meta("none", &none);
    put_with_meta("early", &early);
    assert_meta("early", &early);
    put_with_meta("zero", &zero);
    assert_meta("zero", &zero);
    put_with_meta("typed", &typed);
    assert_meta("typed", &typed);
    put_with_meta("all", &zero);
    assert_meta("all", &zero);
}

static void a_copy_keeps_or_replaces_the_metadata(void **state)
{
    (void)state;
    static const struct ls_object_meta other = {
        .has_mtime = true, .mtime_ns = INT64_C(1000000000), .content_type = "image/png", .intent = "OTHER"};
    put_with_meta("from", &some_meta);
    assert_ok(copy_one("from", "kept", NULL, NULL));
    assert_meta("kept", &some_meta);
    assert_ok(copy_one("from", "replaced", NULL, &other));
    assert_meta("replaced", &other);
    assert_meta("from", &some_meta);
    assert_ok(copy_one("from", "from", NULL, &other));
    assert_meta("from", &other);
}

/* ---- listing ---- */

static void keys_come_in_the_order_of_their_bytes(void **state)
{
    (void)state;
    /* Sorted as bytes; folders and files mix as hostile as may be. */
    static const char *const sorted[] = {".lockstep/trash/1",
                                         "1 /x",
                                         "1!",
                                         "1\"x",
                                         "1+/a",
                                         "1-1/a",
                                         "1.5/a",
                                         "1/100.5/x",
                                         "1/100/x",
                                         "1/1000/x",
                                         "10/a",
                                         "A/x",
                                         "a",
                                         "a-b",
                                         "a.b/c",
                                         "a0",
                                         "b/a/a",
                                         "b/a.b/c",
                                         "b/aa",
                                         "b0",
                                         "\xc3\xa9/x",
                                         "\xf0\x9f\x98\x80"};
    size_t n = sizeof sorted / sizeof *sorted;
    /* Put backwards, so that no order of creation helps. */
    for (size_t i = n; i > 0; i--)
        put(sorted[i - 1], "1");
    LS_AUTO(ls_buf) struct ls_buf want = LS_BUF_INIT(10000);
    const char *copy[64];
    memcpy(copy, sorted, sizeof sorted);
    for (size_t i = 1; i < n; i++) /* the test's own order: by strcmp */
        for (size_t j = i; j > 0 && strcmp(copy[j - 1], copy[j]) > 0; j--) {
            const char *swap = copy[j];
            copy[j] = copy[j - 1];
            copy[j - 1] = swap;
        }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ls_buf_addf(&want, "%s\n", copy[i]), LS_OK);
    assert_listing("", "", want.data);
    /* From every key, and from between the keys. */
    const char *rest = want.data;
    for (size_t i = 0; i < n; i++) {
        rest = strchr(rest, '\n') + 1;
        assert_listing("", copy[i], rest);
        char between[64];
        snprintf(between, sizeof between, "%s\x01", copy[i]);
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(10000);
        list_all("", between, 2, &got);
        assert_string_equal(got.data, rest);
    }
}

static void a_prefix_is_of_bytes_not_of_folders(void **state)
{
    (void)state;
    put("images/a", "1");
    put("images/b/c", "1");
    put("images2/a", "1");
    put("image", "1");
    put("imagesx", "1");
    assert_listing("images", "", "images/a\nimages/b/c\nimages2/a\nimagesx\n");
    assert_listing("images/", "", "images/a\nimages/b/c\n");
    assert_listing("images/b", "", "images/b/c\n");
    assert_listing("images/b/", "", "images/b/c\n");
    assert_listing("images/b/c", "", "images/b/c\n");
    assert_listing("images/b/c/", "", "");
    assert_listing("images2", "", "images2/a\n");
    assert_listing("none/", "", "");
    assert_listing("i", "", "image\nimages/a\nimages/b/c\nimages2/a\nimagesx\n");
}

static void prefix_and_start_key_work_together(void **state)
{
    (void)state;
    put("p/1/a", "1");
    put("p/1/b", "1");
    put("p/2", "1");
    put("q", "1");
    assert_listing("p/", "p/1/a", "p/1/b\np/2\n");
    assert_listing("p/", "p/1/", "p/1/a\np/1/b\np/2\n");
    assert_listing("p/", "p/1", "p/1/a\np/1/b\np/2\n");
    assert_listing("p/", "p/10", "p/2\n");
    assert_listing("p/", "a", "p/1/a\np/1/b\np/2\n");
    assert_listing("p/", "p/2", "");
    assert_listing("p/", "q", "");
    assert_listing("p/1/", "p/0", "p/1/a\np/1/b\n");
    assert_listing("", "p/2", "q\n");
    assert_listing("", "q", "");
}

static void a_listing_shows_size_time_and_etag(void **state)
{
    (void)state;
    struct ls_object_info info = put("l/x", "four"), head;
    assert_ok(rc_of_head("l/x", &head));
    struct ls_list_request req = {.prefix = "l/"};
    struct ls_list_page page;
    assert_ok(ls_store_list(store, &req, &page, &last));
    assert_int_equal(page.n, 1);
    assert_null(page.token);
    assert_string_equal(page.entries[0].key, "l/x");
    assert_int_equal(page.entries[0].size_bytes, 4);
    assert_string_equal(page.entries[0].etag, info.etag);
    int64_t apart_ns = page.entries[0].modified_ns - head.modified_ns;
    assert_true(apart_ns > -LS_NS_PER_S && apart_ns < LS_NS_PER_S); /* an HTTP date has whole seconds */
    ls_list_page_dispose(&page);
}

static void what_was_written_is_listed_at_once(void **state)
{
    (void)state;
    char key[32];
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "now/%u/x", i % 3);
        put(key, "1");
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1000);
        list_all("now/", "", 1, &got);
        assert_non_null(strstr(got.data, key));
        struct ls_store_delete item = {.key = key};
        assert_ok(ls_store_delete_many(store, &item, 1, &last));
        ls_buf_reset(&got);
        list_all("now/", "", 1, &got);
        assert_null(strstr(got.data, key));
    }
}

/* ---- large ones, leftovers, urls ---- */

static void a_large_object_goes_whole(void **state)
{
    (void)state;
    size_t size = 12 * 1024 * 1024 + 5, at = 5 * 1024 * 1024 - 3;
    LS_AUTO(ls_free) char *bytes = malloc(size);
    ls_random(bytes, size);
    LS_AUTO(ls_fd) int fd = file_of(bytes, size);
    char etag[LS_ETAG_MAX];
    uint8_t md5[16], sha256[32], want[32];
    assert_ok(ls_store_expected_etag(&caps, fd, size, etag, md5, sha256, &last));
    assert_int_equal(strchr(etag, '-') != NULL, size > caps.part_bytes);
    ls_md5(bytes, size, want);
    assert_memory_equal(md5, want, 16);
    struct ls_store_put req = {.key = "large",
                               .fd = fd,
                               .size_bytes = size,
                               .md5 = md5,
                               .sha256 = sha256,
                               .condition = LS_PUT_IF_NEW,
                               .meta = &some_meta};
    struct ls_object_info info;
    assert_ok(ls_store_put(store, &req, &info, &last));
    assert_string_equal(info.etag, etag);
    assert_rc(ls_store_put(store, &req, &info, &last), LS_EXISTS);
    assert_ok(rc_of_head("large", &info));
    assert_string_equal(info.etag, etag);
    assert_int_equal(info.size_bytes, size);
    assert_int_equal(info.meta.mode, some_meta.mode);
    struct ls_store_copy copy = {.from = "large", .to = "copy", .if_etag = etag, .size_bytes = size};
    assert_ok(ls_store_copy_many(store, &copy, 1, &last));
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(16U << 20);
    assert_ok(get_range("copy", at, 100, copy.etag, &got, NULL));
    assert_int_equal(got.len, 100);
    assert_memory_equal(got.data, bytes + at, 100);
    ls_buf_reset(&got);
    assert_ok(get_range("large", 0, UINT64_MAX, etag, &got, NULL));
    assert_int_equal(got.len, size);
    assert_memory_equal(got.data, bytes, size);
}

static void sweeping_leftovers_leaves_objects_alone(void **state)
{
    (void)state;
    put("k", "bytes");
    assert_ok(ls_store_abort_uploads(store, "k", ls_now_ns(), &last));
    assert_ok(ls_store_abort_uploads(store, "none", ls_now_ns(), &last));
    assert_bytes("k", "bytes");
}

static void an_url_is_the_prefix_and_the_escaped_key(void **state)
{
    (void)state;
    LS_AUTO(ls_free) char *url = NULL;
    char want[300];
    assert_ok(ls_store_url(store, "products/a b+c/\xc3\xa9%.jpg?#", &url, &last));
    snprintf(want, sizeof want, "%s%s", contract_url_prefix(), "products/a%20b%2Bc/%C3%A9%25.jpg%3F%23");
    assert_string_equal(url, want);
}

static int open_store(void **state)
{
    (void)state;
    store = contract_open(way);
    assert_ok(ls_store_probe(store, &caps, &last));
    return 0;
}

static int close_store(void **state)
{
    empty_the_container(state);
    ls_store_close(store);
    return 0;
}

#define contract_test(name) cmocka_unit_test_setup(name, empty_the_container)

int main(void)
{
    const struct CMUnitTest tests[] = {
        contract_test(a_missing_container_is_not_found),
        contract_test(objects_of_a_missing_container_are_never_just_not_found),
        contract_test(creating_it_twice_is_fine),
        contract_test(what_was_put_is_what_one_gets),
        contract_test(what_is_not_there_is_not_found),
        contract_test(heads_of_many_have_each_their_result),
        contract_test(ranges_are_exact),
        contract_test(a_range_lands_at_its_offset_in_the_file),
        contract_test(get_refuses_another_etag),
        contract_test(the_reader_can_stop_it),
        contract_test(wrong_bytes_are_refused_and_leave_nothing),
        contract_test(a_file_shorter_than_announced_is_an_error),
        contract_test(if_new_takes_only_a_free_name),
        contract_test(if_etag_replaces_only_that_one),
        contract_test(of_racing_conditional_puts_exactly_one_wins),
        contract_test(odd_keys_work_everywhere),
        contract_test(a_key_of_1024_bytes_works_and_one_more_is_refused),
        contract_test(of_a_batch_of_copies_only_the_bad_ones_fail),
        contract_test(a_copy_replaces_what_was_there),
        contract_test(deleting_is_done_also_when_nothing_was_there),
        contract_test(more_than_a_page_is_listed_and_deleted),
        contract_test(metadata_comes_back),
        contract_test(a_copy_keeps_or_replaces_the_metadata),
        contract_test(keys_come_in_the_order_of_their_bytes),
        contract_test(a_prefix_is_of_bytes_not_of_folders),
        contract_test(prefix_and_start_key_work_together),
        contract_test(a_listing_shows_size_time_and_etag),
        contract_test(what_was_written_is_listed_at_once),
        contract_test(a_large_object_goes_whole),
        contract_test(sweeping_leftovers_leaves_objects_alone),
        contract_test(an_url_is_the_prefix_and_the_escaped_key),
    };
    if (contract_skip_reason()) {
        printf("skipped: %s\n", contract_skip_reason());
        return 77;
    }
    int failed = 0;
    for (size_t i = 0; contract_ways[i]; i++) {
        way = contract_ways[i];
        printf("over a store that is %s\n", way);
        failed += cmocka_run_group_tests_name(way, tests, open_store, close_store);
    }
    contract_clean_up();
    return failed ? 1 : 0;
}
