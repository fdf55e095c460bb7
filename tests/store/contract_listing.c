/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contract of listings: order, pages, prefixes, start keys. */
#include "store/contract_tools.h"

#include "base/clock.h"

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

static void siblings_before_a_folders_slash_hide_nothing_behind_it(void **state)
{
    (void)state;
    /* "1.5/" sorts before "1/"; MinIO counts its objects into a page that starts within "1/". */
    LS_AUTO(ls_buf) struct ls_buf want = LS_BUF_INIT(10000);
    static const char *const folders[] = {"p/1-x", "p/1.5", "p/1", "p/2"};
    char key[32];
    for (unsigned folder = 0; folder < 4; folder++)
        for (unsigned i = 0; i < 12; i++) {
            snprintf(key, sizeof key, "%s/%02u", folders[folder], i);
            put(key, "1");
            assert_int_equal(ls_buf_addf(&want, "%s\n", key), LS_OK);
        }
    for (unsigned limit = 4; limit <= 12; limit += 4) {
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(10000);
        list_all("p/", "", limit, &got);
        assert_string_equal(got.data, want.data);
        ls_buf_reset(&got);
        list_all("p/", "p/1/05", limit, &got);
        assert_string_equal(got.data, strstr(want.data, "p/1/06\n"));
    }
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

int contract_listing(const char *way)
{
    const struct CMUnitTest tests[] = {
        contract_test(keys_come_in_the_order_of_their_bytes),
        contract_test(a_prefix_is_of_bytes_not_of_folders),
        contract_test(prefix_and_start_key_work_together),
        contract_test(siblings_before_a_folders_slash_hide_nothing_behind_it),
        contract_test(a_listing_shows_size_time_and_etag),
        contract_test(what_was_written_is_listed_at_once),
    };
    return cmocka_run_group_tests_name(way, tests, NULL, empty_the_container);
}
