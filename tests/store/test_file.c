/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What only the file store has to show: hands in the directory, odd file systems, other processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "store/backends.h"

static char top[64], dir[96];
static struct ls_store *store;
static struct ls_err last;

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        ls_err_clear(&last);                                                                                           \
        enum ls_rc rc_ = (call);                                                                                       \
        if (rc_)                                                                                                       \
            fail_msg("%s: %s: %s", #call, ls_rc_name(rc_), last.text);                                                 \
    } while (0)

static int open_store(void **state)
{
    (void)state;
    snprintf(top, sizeof top, "/tmp/ls-test-filestore-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(dir, sizeof dir, "%s/bucket", top);
    if (ls_store_file_open(dir, NULL, &store, NULL))
        return -1;
    return ls_store_create(store, NULL);
}

static int close_store(void **state)
{
    (void)state;
    char command[128];
    ls_store_close(store);
    snprintf(command, sizeof command, "rm -rf '%s'", top);
    return system(command);
}

/* The path of a key, by hand. */
static const char *path_of(const char *key)
{
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", dir, key);
    return path;
}

static int file_of(const void *data, size_t len)
{
    int fd = memfd_create("bytes", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ls_write_all(fd, data, len), 0);
    return fd;
}

static enum ls_rc put_to(struct ls_store *to, const char *key, const char *text, enum ls_put_condition condition,
                         const struct ls_object_meta *meta, struct ls_err *err)
{
    LS_AUTO(ls_fd) int fd = file_of(text, strlen(text));
    struct ls_store_put put = {.key = key, .fd = fd, .size_bytes = strlen(text), .condition = condition, .meta = meta};
    return ls_store_put(to, &put, NULL, err);
}

static enum ls_rc put(const char *key, const char *text)
{
    return put_to(store, key, text, LS_PUT_ALWAYS, NULL, &last);
}

static void by_hand(const char *key, const char *text)
{
    LS_AUTO(ls_fd) int fd = open(path_of(key), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ls_write_all(fd, text, strlen(text)), 0);
}

static struct ls_object_info head(const char *key)
{
    struct ls_object_info info = {0};
    assert_ok(ls_store_head_one(store, key, &info, &last));
    return info;
}

static enum ls_rc rc_of_head(const char *key)
{
    struct ls_object_info info;
    return ls_store_head_one(store, key, &info, &last);
}

static void assert_etag_of(const struct ls_object_info *info, const char *text)
{
    uint8_t md5[LS_MD5_LEN];
    char hex[LS_MD5_HEX];
    ls_md5(text, strlen(text), md5);
    ls_hex(md5, sizeof md5, hex);
    assert_string_equal(info->etag, hex);
    assert_int_equal(info->size_bytes, strlen(text));
}

static enum ls_rc delete_key(const char *key)
{
    struct ls_store_delete item = {.key = key};
    return ls_store_delete_many(store, &item, 1, &last);
}

/* All keys, a line each. */
static void list_into(const char *prefix, unsigned limit, struct ls_buf *out)
{
    LS_AUTO(ls_free) char *token = NULL;
    do {
        struct ls_list_request req = {.prefix = prefix, .token = token, .limit = limit};
        struct ls_list_page page;
        assert_ok(ls_store_list(store, &req, &page, &last));
        for (size_t i = 0; i < page.n; i++)
            assert_int_equal(ls_buf_addf(out, "%s\n", page.entries[i].key), LS_OK);
        free(token);
        token = LS_STEAL(page.token);
        ls_list_page_dispose(&page);
    } while (token);
}

static void assert_listing(const char *prefix, const char *lines)
{
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1U << 22);
    list_into(prefix, 0, &got);
    assert_string_equal(got.data, lines);
}

static unsigned entries_in(const char *key)
{
    unsigned n = 0;
    DIR *d = opendir(path_of(key));
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static bool there(const char *key)
{
    struct stat st;
    return lstat(path_of(key), &st) == 0;
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

/* ---- hands in the directory ---- */

static void a_file_put_by_hand_is_an_object(void **state)
{
    (void)state;
    by_hand("hand", "made by hand");
    struct ls_object_info info = head("hand");
    assert_etag_of(&info, "made by hand");
    assert_false(info.meta.has_mtime || info.meta.has_mode || info.meta.has_owner);
    assert_listing("", "hand\n");
}

static void a_file_changed_by_hand_has_a_new_etag_and_no_old_metadata(void **state)
{
    (void)state;
    static const struct ls_object_meta meta = {.has_mtime = true, .mtime_ns = 5, .content_type = "image/png"};
    assert_ok(put_to(store, "x", "by lockstep", LS_PUT_ALWAYS, &meta, &last));
    assert_true(head("x").meta.has_mtime);
    /* In place, same length, another time. */
    by_hand("x", "by a person");
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path_of("x"), times, 0), 0);
    struct ls_object_info info = head("x");
    assert_etag_of(&info, "by a person");
    assert_false(info.meta.has_mtime);
    assert_string_equal(info.meta.content_type, "");
    assert_int_equal(info.modified_ns, 1000 * LS_NS_PER_S);
    /* The old bytes again: the metadata is theirs. */
    by_hand("x", "by lockstep");
    assert_true(head("x").meta.has_mtime);
}

static void a_hash_is_recorded_once_the_file_is_at_rest(void **state)
{
    (void)state;
    char value[200] = "";
    by_hand("fresh", "1");
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    by_hand("old", "1");
    assert_int_equal(utimensat(AT_FDCWD, path_of("old"), times, 0), 0);
    assert_listing("", "fresh\nold\n");
    assert_true(getxattr(path_of("old"), "user.lockstep.etag", value, sizeof value - 1) > 0);
    /* A planted record for another inode is not believed. */
    assert_int_equal(setxattr(path_of("fresh"), "user.lockstep.etag", value, strlen(value), 0), 0);
    struct ls_object_info info = head("fresh");
    assert_etag_of(&info, "1");
    static const char *const bad[] = {"", "x", "00000000000000000000000000000000", "\xff\xfe", NULL};
    for (size_t i = 0; bad[i]; i++) {
        assert_int_equal(setxattr(path_of("old"), "user.lockstep.etag", bad[i], strlen(bad[i]), 0), 0);
        info = head("old");
        assert_etag_of(&info, "1");
    }
}

static void a_condition_sees_what_hands_have_done(void **state)
{
    (void)state;
    assert_ok(put("x", "one"));
    struct ls_object_info old = head("x");
    by_hand("x", "changed");
    LS_AUTO(ls_fd) int fd = file_of("two", 3);
    struct ls_store_put put = {.key = "x", .fd = fd, .size_bytes = 3, .condition = LS_PUT_IF_ETAG, .if_etag = old.etag};
    assert_int_equal(ls_store_put(store, &put, NULL, &last), LS_CONFLICT);
    struct ls_store_copy copy = {.from = "x", .to = "y", .if_etag = old.etag};
    assert_int_equal(ls_store_copy_many(store, &copy, 1, &last), LS_CONFLICT);
    assert_int_equal(unlink(path_of("x")), 0);
    assert_int_equal(ls_store_put(store, &put, NULL, &last), LS_CONFLICT);
    assert_listing("", "");
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

/* ---- other processes ---- */

static void of_two_processes_exactly_one_wins(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        char key[32];
        pid_t pids[4];
        int start[2], wins = 0;
        snprintf(key, sizeof key, "race/%d", round);
        assert_int_equal(pipe2(start, O_CLOEXEC), 0);
        for (int i = 0; i < 4; i++) {
            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] > 0)
                continue;
            struct ls_store *own = NULL;
            char byte;
            close(start[1]);
            if (ls_store_file_open(dir, NULL, &own, NULL) || read(start[0], &byte, 1) != 0)
                _exit(99);
            _exit((int)put_to(own, key, key, LS_PUT_IF_NEW, NULL, NULL));
        }
        close(start[0]);
        close(start[1]);
        for (int i = 0; i < 4; i++) {
            int status = 0;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_true(WIFEXITED(status));
            wins += WEXITSTATUS(status) == LS_OK;
            assert_true(WEXITSTATUS(status) == LS_OK || WEXITSTATUS(status) == LS_EXISTS);
        }
        assert_int_equal(wins, 1);
    }
}

static void leftovers_of_a_killed_upload_are_swept_for_their_key_only(void **state)
{
    (void)state;
    LS_AUTO(ls_fd) int big = memfd_create("big", MFD_CLOEXEC);
    assert_int_equal(ftruncate(big, (off_t)1 << 34), 0); /* holes: costs nothing, and never ends in time */
    int64_t begun_ns = ls_now_ns();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct ls_store_put put = {.key = "big", .fd = big, .size_bytes = UINT64_C(1) << 34};
        _exit((int)ls_store_put(store, &put, NULL, NULL));
    }
    int64_t give_up = ls_monotonic_ms() + 20000;
    while (entries_in(".lockstep/tmp") == 0 && ls_monotonic_ms() < give_up)
        sched_yield();
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(entries_in(".lockstep/tmp"), 1);
    assert_listing("", "");
    assert_ok(ls_store_abort_uploads(store, "bi", ls_now_ns(), &last));
    assert_ok(ls_store_abort_uploads(store, "big", begun_ns, &last));
    assert_int_equal(entries_in(".lockstep/tmp"), 1);
    assert_ok(ls_store_abort_uploads(store, "big", ls_now_ns(), &last));
    assert_int_equal(entries_in(".lockstep/tmp"), 0);
}

static void a_write_that_fails_leaves_nothing(void **state)
{
    (void)state;
    assert_ok(put("kept", "before"));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        /* A limit stands in for the full disk: the same error path. */
        struct rlimit limit = {100, 100};
        signal(SIGXFSZ, SIG_IGN);
        char bytes[1000] = "";
        LS_AUTO(ls_fd) int fd = file_of(bytes, 50);
        if (ftruncate(fd, sizeof bytes) < 0 || setrlimit(RLIMIT_FSIZE, &limit) < 0)
            _exit(99);
        struct ls_store_put put = {.key = "new/folder/x", .fd = fd, .size_bytes = sizeof bytes};
        struct ls_store_put over = {.key = "kept", .fd = fd, .size_bytes = sizeof bytes};
        _exit(ls_store_put(store, &put, NULL, NULL) && ls_store_put(store, &over, NULL, NULL) ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(entries_in(".lockstep/tmp"), 0);
    assert_false(there("new"));
    struct ls_object_info info = head("kept");
    assert_etag_of(&info, "before");
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
#define store_test(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)
    const struct CMUnitTest tests[] = {
        store_test(create_makes_the_directory_and_a_private_workshop),
        store_test(a_plain_directory_is_a_bucket_too),
        store_test(a_directory_that_went_away_is_no_empty_bucket),
        store_test(an_url_without_a_public_prefix_names_the_file),
        store_test(keys_that_no_file_can_have_are_refused_with_the_reason),
        store_test(an_object_cannot_stand_where_a_folder_is_nor_the_other_way_round),
        store_test(links_and_special_files_are_never_followed_listed_or_replaced),
        store_test(a_file_put_by_hand_is_an_object),
        store_test(a_file_changed_by_hand_has_a_new_etag_and_no_old_metadata),
        store_test(a_hash_is_recorded_once_the_file_is_at_rest),
        store_test(a_condition_sees_what_hands_have_done),
        store_test(folders_come_and_go_with_their_objects),
        store_test(what_a_person_keeps_in_a_folder_keeps_the_folder),
        store_test(putting_into_a_folder_that_is_being_removed_works),
        store_test(of_two_processes_exactly_one_wins),
        store_test(leftovers_of_a_killed_upload_are_swept_for_their_key_only),
        store_test(a_write_that_fails_leaves_nothing),
        store_test(our_own_files_are_never_listed),
        store_test(a_folder_larger_than_a_window_is_listed_whole_and_in_order),
        store_test(more_listings_than_are_remembered_go_on_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
