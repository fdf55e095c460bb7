/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file store while others are at work in its directory: people by hand, other processes. */
#include "store/file_tools.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "base/hash.h"

static struct ls_object_info head(const char *key)
{
    struct ls_object_info info = {0};
    assert_ok(ls_store_head_one(store, key, &info, &last));
    return info;
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
    int64_t give_up = ls_monotonic_ms() + 100000;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_file_put_by_hand_is_an_object),
        store_test(a_file_changed_by_hand_has_a_new_etag_and_no_old_metadata),
        store_test(a_hash_is_recorded_once_the_file_is_at_rest),
        store_test(a_condition_sees_what_hands_have_done),
        store_test(of_two_processes_exactly_one_wins),
        store_test(leftovers_of_a_killed_upload_are_swept_for_their_key_only),
        store_test(a_write_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
