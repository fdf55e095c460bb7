/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What only the file store has to show: the directory itself, keys that no file can have, folders, listings. */
#include "store/file_tools.h"

#include <pthread.h>

static enum ls_rc rc_of_head(const char *key)
{
    struct ls_object_info info;
    return ls_store_head_one(store, key, &info, &last);
}

static enum ls_rc delete_key(const char *key)
{
    struct ls_store_delete item = {.key = key};
    return ls_store_delete_many(store, &item, 1, &last);
}

/* ---- the directory itself ---- */

static void create_makes_the_directory_and_a_private_workshop(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_int_equal(stat(path_of(".lockstep"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_plain_directory_is_a_bucket_too(void **state)
{
    (void)state;
    char plain[128], made[160];
    snprintf(plain, sizeof plain, "%s/plain", top);
    assert_int_equal(mkdir(plain, 0755), 0);
    struct ls_store *other = NULL;
    struct ls_store_caps caps;
    assert_ok(ls_store_file_open(plain, NULL, &other, &last));
    assert_ok(ls_store_probe(other, &caps, &last));
    assert_true(caps.conditional_put && caps.etag_is_md5 && caps.part_bytes == UINT64_MAX);
    assert_ok(put_to(other, "a/b", "x", LS_PUT_IF_NEW, NULL, &last));
    snprintf(made, sizeof made, "%s/a/b", plain);
    assert_int_equal(access(made, R_OK), 0);
    ls_store_close(other);
}

static void a_directory_that_went_away_is_no_empty_bucket(void **state)
{
    (void)state;
    char command[128];
    assert_ok(put("x", "1"));
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(rc_of_head("x"), LS_IO);
    assert_non_null(strstr(last.text, dir));
    struct ls_list_request req = {.prefix = ""};
    struct ls_list_page page;
    assert_int_equal(ls_store_list(store, &req, &page, &last), LS_IO);
    assert_int_equal(delete_key("x"), LS_IO);
    assert_int_not_equal(put("x", "1"), LS_OK);
}

static void an_url_without_a_public_prefix_names_the_file(void **state)
{
    (void)state;
    LS_AUTO(ls_free) char *url = NULL;
    char want[256];
    assert_ok(ls_store_url(store, "a b", &url, &last));
    snprintf(want, sizeof want, "file://%s/a%%20b", dir);
    assert_string_equal(url, want);
}

/* ---- keys ---- */

static void keys_that_no_file_can_have_are_refused_with_the_reason(void **state)
{
    (void)state;
    char long_name[300], long_key[1100];
    snprintf(long_name, sizeof long_name, "a/%0256d", 1);
    memset(long_key, 'k', sizeof long_key);
    long_key[sizeof long_key - 1] = '\0';
    const char *const cases[][2] = {
        {"", "empty"},
        {"/a", "empty segment"},
        {"a//b", "empty segment"},
        {"a/", "slash"},
        {"..", "\"..\""},
        {"a/../b", "\"..\""},
        {"./a", "\".\""},
        {"a/.", "\".\""},
        {long_name, "255"},
        {long_key, "1024"},
        {".lockstep/tmp/x", "reserved"},
        {".lockstep/lock", "reserved"},
        {".lockstep/attr/1", "reserved"},
    };
    assert_ok(put("source", "1"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(put(cases[i][0], "1"), LS_INVALID);
        assert_non_null(strstr(last.text, cases[i][1]));
        struct ls_store_copy copy = {.from = "source", .to = cases[i][0]};
        assert_int_equal(ls_store_copy_many(store, &copy, 1, &last), LS_INVALID);
        assert_int_equal(rc_of_head(cases[i][0]), LS_NOT_FOUND);
        assert_ok(delete_key(cases[i][0]));
    }
    assert_listing("", "source\n");
    assert_int_equal(entries_in(".lockstep/tmp"), 0);
}

static void an_object_cannot_stand_where_a_folder_is_nor_the_other_way_round(void **state)
{
    (void)state;
    assert_ok(put("x/y", "1"));
    assert_int_equal(put("x", "2"), LS_INVALID);
    assert_non_null(strstr(last.text, "folder"));
    assert_int_equal(put_to(store, "x", "2", LS_PUT_IF_NEW, NULL, &last), LS_INVALID);
    assert_int_equal(put("x/y/z/w", "2"), LS_INVALID);
    assert_non_null(strstr(last.text, "object"));
    assert_int_equal(put("x/y/z", "2"), LS_INVALID);
    assert_listing("", "x/y\n");
    assert_int_equal(entries_in(".lockstep/tmp"), 0);
}

static void links_and_special_files_are_never_followed_listed_or_replaced(void **state)
{
    (void)state;
    char outside[96], secret[128];
    snprintf(outside, sizeof outside, "%s/outside", top);
    assert_int_equal(mkdir(outside, 0755), 0);
    snprintf(secret, sizeof secret, "%s/secret", outside);
    LS_AUTO(ls_fd) int fd = open(secret, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_ok(put("a/real", "1"));
    assert_int_equal(symlink(outside, path_of("a/folder")), 0);
    assert_int_equal(symlink(secret, path_of("a/link")), 0);
    assert_int_equal(mkfifo(path_of("a/pipe"), 0644), 0);
    assert_listing("", "a/real\n");
    assert_listing("a/folder/", "");
    static const char *const keys[] = {"a/folder/secret", "a/link", "a/pipe", NULL};
    for (size_t i = 0; keys[i]; i++) {
        assert_int_equal(rc_of_head(keys[i]), LS_NOT_FOUND);
        assert_int_equal(put(keys[i], "2"), LS_INVALID);
        assert_int_equal(put_to(store, keys[i], "2", LS_PUT_IF_NEW, NULL, &last), LS_INVALID);
        assert_ok(delete_key(keys[i]));
    }
    assert_int_equal(put("a/folder/new/x", "2"), LS_INVALID);
    assert_true(there("a/link") && there("a/pipe") && there("a/folder"));
    assert_int_equal(access(secret, F_OK), 0);
}

/* ---- folders ---- */

static void folders_come_and_go_with_their_objects(void **state)
{
    (void)state;
    assert_ok(put("a/b/c/d", "1"));
    assert_ok(put("a/e", "1"));
    assert_ok(delete_key("a/b/c/d"));
    assert_false(there("a/b"));
    assert_true(there("a/e"));
    assert_ok(delete_key("a/e"));
    assert_false(there("a"));
    assert_ok(put(".lockstep/trash/1/x", "1"));
    assert_ok(delete_key(".lockstep/trash/1/x"));
    assert_false(there(".lockstep/trash"));
    assert_true(there(".lockstep/tmp"));
}

static void what_a_person_keeps_in_a_folder_keeps_the_folder(void **state)
{
    (void)state;
    assert_ok(put("a/b/x", "1"));
    assert_int_equal(mkdir(path_of("a/empty"), 0755), 0);
    assert_ok(delete_key("a/b/x"));
    assert_false(there("a/b"));
    assert_true(there("a/empty"));
}

enum { CHURNERS = 4, ROUNDS = 60 };

static void *churn(void *arg)
{
    const char *key = arg;
    static _Thread_local struct ls_err err;
    for (int i = 0; i < ROUNDS; i++) {
        struct ls_store_delete item = {.key = key};
        if (put_to(store, key, key, LS_PUT_IF_NEW, NULL, &err) || ls_store_delete_many(store, &item, 1, &err))
            return err.text;
    }
    return NULL;
}

static void putting_into_a_folder_that_is_being_removed_works(void **state)
{
    (void)state;
    char keys[CHURNERS][16];
    pthread_t threads[CHURNERS];
    for (int i = 0; i < CHURNERS; i++) {
        snprintf(keys[i], sizeof keys[i], "deep/er/%d", i);
        assert_int_equal(pthread_create(&threads[i], NULL, churn, keys[i]), 0);
    }
    for (int i = 0; i < CHURNERS; i++) {
        void *text = NULL;
        pthread_join(threads[i], &text);
        if (text)
            fail_msg("%s", (char *)text);
    }
    assert_false(there("deep"));
    assert_int_equal(entries_in(".lockstep/tmp"), 0);
}

/* ---- listing ---- */

static void our_own_files_are_never_listed(void **state)
{
    (void)state;
    assert_ok(put("a", "1"));
    by_hand(".lockstep/tmp/leftover", "1");
    assert_ok(put(".lockstep/trash/x", "1"));
    assert_listing("", ".lockstep/trash/x\na\n");
    assert_listing(".lockstep/", ".lockstep/trash/x\n");
    assert_listing(".lockstep/tmp/", "");
    assert_listing(".lockstep/l", "");
}

static void a_folder_larger_than_a_window_is_listed_whole_and_in_order(void **state)
{
    (void)state;
    enum { FILES = 9000 };
    assert_ok(put("big/0", "1"));
    assert_int_equal(unlink(path_of("big/0")), 0);
    for (unsigned i = 0; i < FILES; i++) {
        char key[64];
        snprintf(key, sizeof key, "big/%05u", i * 7919 % FILES);
        LS_AUTO(ls_fd) int fd = open(path_of(key), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
    }
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1U << 20), want = LS_BUF_INIT(1U << 20);
    for (unsigned i = 0; i < FILES; i++)
        assert_int_equal(ls_buf_addf(&want, "big/%05u\n", i), LS_OK);
    list_into("", 0, &got);
    assert_string_equal(got.data, want.data);
    ls_buf_reset(&got);
    list_into("big/", 777, &got);
    assert_string_equal(got.data, want.data);
}

static void more_listings_than_are_remembered_go_on_all_the_same(void **state)
{
    (void)state;
    enum { LISTINGS = 40 };
    char *tokens[LISTINGS] = {NULL}, prefix[LISTINGS][16], key[32];
    for (int i = 0; i < LISTINGS; i++)
        for (int j = 0; j < 3; j++) {
            snprintf(key, sizeof key, "%02d/%d/x", i, j);
            assert_ok(put(key, "1"));
        }
    for (int page_number = 0; page_number < 3; page_number++)
        for (int i = 0; i < LISTINGS; i++) {
            struct ls_list_page page;
            snprintf(prefix[i], sizeof prefix[i], "%02d/", i);
            snprintf(key, sizeof key, "%02d/%d/x", i, page_number);
            struct ls_list_request req = {.prefix = prefix[i], .token = tokens[i], .limit = 1};
            assert_ok(ls_store_list(store, &req, &page, &last));
            assert_int_equal(page.n, 1);
            assert_string_equal(page.entries[0].key, key);
            free(tokens[i]);
            tokens[i] = LS_STEAL(page.token);
            assert_int_equal(tokens[i] != NULL, page_number < 2);
            ls_list_page_dispose(&page);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(create_makes_the_directory_and_a_private_workshop),
        store_test(a_plain_directory_is_a_bucket_too),
        store_test(a_directory_that_went_away_is_no_empty_bucket),
        store_test(an_url_without_a_public_prefix_names_the_file),
        store_test(keys_that_no_file_can_have_are_refused_with_the_reason),
        store_test(an_object_cannot_stand_where_a_folder_is_nor_the_other_way_round),
        store_test(links_and_special_files_are_never_followed_listed_or_replaced),
        store_test(folders_come_and_go_with_their_objects),
        store_test(what_a_person_keeps_in_a_folder_keeps_the_folder),
        store_test(putting_into_a_folder_that_is_being_removed_works),
        store_test(our_own_files_are_never_listed),
        store_test(a_folder_larger_than_a_window_is_listed_whole_and_in_order),
        store_test(more_listings_than_are_remembered_go_on_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
