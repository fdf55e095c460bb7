/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contract, one object at a time: put, get, head, conditions, keys. */
#include "store/contract_tools.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"

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
    assert_string_equal(last.text, ""); /* what was looked for on the way is no error */
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

int contract_objects(const char *way)
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
    };
    return cmocka_run_group_tests_name(way, tests, NULL, empty_the_container);
}
