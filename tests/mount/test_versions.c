/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a name means on a real mount: unlink and rename of what is open, scratch files, versions that others commit, and
 * commits that fail.
 */
#include <signal.h>
#include <sys/wait.h>

#include "mount/calls.h"

/* ---- names ---- */

static void an_unlinked_file_is_readable_until_closed(void **state)
{
    (void)state;
    write_file(P(FILE_A), "hello");
    int fd = open(P(FILE_A), O_RDWR);
    OK(fd);
    OK(unlink(P(FILE_A)));
    assert_row(FILE_A, false);
    assert_null(env_object(&env, FILE_A));
    assert_string_equal(read_fd(fd), "hello");
    assert_int_equal(pwrite(fd, "J", 1, 0), 1);
    assert_string_equal(read_fd(fd), "Jello");
    struct stat st;
    OK(fstat(fd, &st));
    assert_int_equal(st.st_nlink, 0);
    OK(close(fd));
    assert_rows(0);
    FAILS(unlink(P(FILE_A)), ENOENT);
}

static void rename_moves_over_and_refuses(void **state)
{
    (void)state;
    write_file(P(FILE_A), "a");
    write_file(P(DIR_A "/b.jpg"), "b");
    FAILS(renameat2(AT_FDCWD, P(FILE_A), AT_FDCWD, P(DIR_A "/b.jpg"), RENAME_NOREPLACE), EEXIST);
    FAILS(renameat2(AT_FDCWD, P(FILE_A), AT_FDCWD, P(DIR_A "/b.jpg"), RENAME_EXCHANGE), EINVAL);
    int old = open(P(DIR_A "/b.jpg"), O_RDONLY);
    OK(old);
    OK(rename(P(FILE_A), P(DIR_A "/b.jpg")));
    assert_string_equal(read_fd(old), "b"); /* the replaced file lives on for who has it open */
    OK(close(old));
    assert_string_equal(read_file(P(DIR_A "/b.jpg")), "a");
    assert_rows(1);
    assert_null(env_object(&env, FILE_A));
    assert_string_equal(env_object(&env, DIR_A "/b.jpg"), "a");
    FAILS(rename(P(DIR_A "/b.jpg"), P("products/p1/b.jpg")), EPERM);
    FAILS(rename(P(DIR_A), P("products/p1/500ml/unknown")), EPERM);
}

static void an_open_file_goes_on_under_its_new_name(void **state)
{
    (void)state;
    int fd = open(P(FILE_A), O_RDWR | O_CREAT, 0644);
    OK(fd);
    assert_int_equal(write(fd, "one", 3), 3);
    OK(rename(P(FILE_A), P(DIR_A "/b.jpg"))); /* uncommitted: committed under the new name, durable now */
    assert_string_equal(env_object(&env, DIR_A "/b.jpg"), "one");
    assert_int_equal(write(fd, "two", 3), 3);
    OK(rename(P(DIR_A "/b.jpg"), P(DIR_A "/c.jpg"))); /* dirty, with a row */
    assert_string_equal(env_object(&env, DIR_A "/c.jpg"), "onetwo");
    assert_row(DIR_A "/b.jpg", false);
    OK(rename(P("products/p1/500ml"), P("products/p1/750ml")));
    assert_int_equal(write(fd, "3", 1), 1);
    OK(close(fd));
    assert_string_equal(env_object(&env, "products/p1/750ml/hero-card/c.jpg"), "onetwo3");
    assert_rows(1);
}

static void moving_a_weight_moves_its_rows(void **state)
{
    (void)state;
    write_file(P(FILE_A), "a");
    write_file(P(DIR_A "/b.jpg"), "b");
    int fd = open(P(FILE_A), O_RDONLY);
    OK(fd);
    OK(rename(P("products/p1/500ml"), P("products/p1/1kg")));
    assert_string_equal(env_sql(&env, "SELECT weight FROM product_variant"), "1kg");
    assert_string_equal(env_sql(&env, "SELECT variant_weight FROM product_image"), "1kg");
    assert_string_equal(env_object(&env, "products/p1/1kg/hero-card/b.jpg"), "b");
    assert_string_equal(read_fd(fd), "a");
    OK(close(fd));
    int gets = atomic_load(&env.faults->gets);
    assert_string_equal(read_file(P("products/p1/1kg/hero-card/a.jpg")), "a");
    assert_string_equal(read_file(P("products/p1/1kg/hero-card/b.jpg")), "b");
    assert_int_equal(atomic_load(&env.faults->gets), gets); /* the cache has followed */
    struct stat st;
    FAILS(stat(P("products/p1/500ml"), &st), ENOENT);
}

/* ---- scratch files ---- */

static void a_scratch_file_becomes_one_put(void **state)
{
    (void)state;
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1600000000, .tv_nsec = 9}};
    const char *scratch = P(DIR_A "/.a.jpg.x1Y2z3");
    struct stat st;
    write_file(scratch, "bytes");
    OK(chmod(scratch, 0600));
    OK(utimensat(AT_FDCWD, scratch, times, 0));
    OK(stat(scratch, &st));
    assert_int_equal(st.st_size, 5);
    assert_rows(0);
    int puts = atomic_load(&env.faults->puts);
    OK(rename(scratch, P(FILE_A)));
    assert_int_equal(atomic_load(&env.faults->puts), puts + 1);
    FAILS(stat(scratch, &st), ENOENT);
    OK(stat(P(FILE_A), &st));
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_mtim.tv_nsec, 9);
    assert_string_equal(env_object(&env, FILE_A), "bytes");
    write_file(P("products/p1/.DS_Store"), "mac");
    assert_string_equal(read_file(P("products/p1/.DS_Store")), "mac");
    FAILS(rmdir(P("products/p1")), ENOTEMPTY);
    OK(unlink(P("products/p1/.DS_Store")));
    assert_rows(1);
}

static void a_scratch_file_survives_a_failed_rename(void **state)
{
    (void)state;
    write_file(P(FILE_A), "old");
    write_file(P(FILE_A ".part"), "new");
    atomic_store(&env.faults->put, LS_IO);
    FAILS(rename(P(FILE_A ".part"), P(FILE_A)), EIO);
    assert_string_equal(read_file(P(FILE_A ".part")), "new");
    assert_string_equal(read_file(P(FILE_A)), "old");
    atomic_store(&env.faults->put, 0);
    OK(rename(P(FILE_A ".part"), P(FILE_A)));
    assert_string_equal(read_file(P(FILE_A)), "new");
}

static void an_editor_with_a_backup_replaces_and_loses_nothing(void **state)
{
    (void)state;
    struct stat st;
    write_file(P(FILE_A), "old");
    OK(rename(P(FILE_A), P(FILE_A "~")));
    FAILS(stat(P(FILE_A), &st), ENOENT);
    assert_string_equal(read_file(P(FILE_A "~")), "old");
    assert_string_equal(env_object(&env, FILE_A), "old"); /* not gone before something follows */
    write_file(P(FILE_A), "new");
    assert_string_equal(env_object(&env, FILE_A), "new");
    OK(unlink(P(FILE_A "~")));
    assert_string_equal(read_file(P(FILE_A)), "new");
    assert_rows(1);
    /* without a follower, removing the scratch file removes the row */
    OK(rename(P(FILE_A), P(FILE_A "~")));
    OK(unlink(P(FILE_A "~")));
    assert_rows(0);
    assert_null(env_object(&env, FILE_A));
}

static void a_backup_that_moves_on_takes_its_row_along(void **state)
{
    (void)state;
    write_file(P(FILE_A), "old");
    OK(rename(P(FILE_A), P(FILE_A "~")));
    OK(rename(P(FILE_A "~"), P(DIR_A "/b.jpg")));
    assert_rows(1);
    assert_row(DIR_A "/b.jpg", true);
    assert_null(env_object(&env, FILE_A));
    OK(rename(P(DIR_A "/b.jpg"), P(DIR_A "/b.jpg~")));
    OK(rename(P(DIR_A "/b.jpg~"), P(DIR_A "/b.jpg"))); /* and back */
    assert_string_equal(read_file(P(DIR_A "/b.jpg")), "old");
    OK(rename(P(DIR_A "/b.jpg"), P(DIR_A "/b.jpg~")));
    OK(unlink(P(DIR_A "/b.jpg~")));
    OK(rmdir(P(DIR_A)));
}

static void a_hidden_row_is_back_after_a_kill(void **state)
{
    (void)state;
    write_file(P(FILE_A), "old");
    OK(rename(P(FILE_A), P(FILE_A "~")));
    assert_int_equal(env_stop(&env, SIGKILL), 128 + SIGKILL);
    char command[400];
    snprintf(command, sizeof command, "umount -l %s 2>/dev/null || fusermount3 -uz %s", env.mnt, env.mnt);
    assert_int_equal(system(command), 0);
    env_mount(&env, NULL);
    assert_string_equal(read_file(P(FILE_A)), "old");
}

/* ---- other writers ---- */

static void an_open_sees_what_another_program_has_committed(void **state)
{
    (void)state;
    struct env_other other;
    env_other_open(&env, &other);
    write_file(P(FILE_A), "mine");
    for (int i = 0; i < 20; i++) {
        char text[64];
        snprintf(text, sizeof text, "version %d, %.*s", i, i, "xxxxxxxxxxxxxxxxxxxxxx");
        int before = open(P(FILE_A), O_RDONLY);
        OK(before);
        char old[128];
        snprintf(old, sizeof old, "%.100s", read_fd(before));
        env_other_put(&other, FILE_A, text);
        assert_string_equal(read_file(P(FILE_A)), text);
        assert_string_equal(read_fd(before), old); /* an open file is one version */
        struct stat st;
        int fd = open(P(FILE_A), O_RDONLY);
        OK(fd);
        OK(fstat(fd, &st));
        assert_int_equal(st.st_size, strlen(text));
        OK(close(fd));
        OK(close(before));
    }
    env_other_close(&other);
}

static void a_write_to_a_version_that_was_replaced_is_told_at_close(void **state)
{
    (void)state;
    struct env_other other;
    struct stat st;
    env_other_open(&env, &other);
    write_file(P(FILE_A), "one");
    int fd = open(P(FILE_A), O_RDWR), late = open(P(FILE_A), O_RDWR);
    OK(fd);
    OK(late);
    env_other_put(&other, FILE_A, "theirs");
    assert_string_equal(read_file(P(FILE_A)), "theirs"); /* the name means another file now */
    OK(fstat(fd, &st));
    assert_int_equal(st.st_size, 3);
    assert_int_equal(pwrite(fd, "mine", 4, 0), 4);
    FAILS(fsync(fd), EBUSY);
    FAILS(close(fd), EBUSY);
    FAILS(close(late), EBUSY); /* one file, one loss */
    assert_string_equal(read_file(P(FILE_A)), "theirs");
    assert_string_equal(env_object(&env, FILE_A), "theirs");
    env_other_close(&other);
}

static void a_commit_over_somebody_elses_is_refused(void **state)
{
    (void)state;
    struct env_other other;
    env_other_open(&env, &other);
    write_file(P(FILE_A), "one");
    int fd = open(P(FILE_A), O_RDWR);
    OK(fd);
    assert_int_equal(pwrite(fd, "mine", 4, 0), 4);
    env_other_put(&other, FILE_A, "theirs");
    FAILS(close(fd), EBUSY);
    SOON(holds(P(FILE_A), "theirs"));
    assert_string_equal(env_object(&env, FILE_A), "theirs");
    env_other_close(&other);
}

/* ---- a store that fails ---- */

static void a_missing_or_foreign_object_is_an_io_error(void **state)
{
    (void)state;
    struct env_other other;
    env_other_open(&env, &other);
    env_other_put(&other, FILE_A, "one");
    env_other_put(&other, DIR_A "/b.jpg", "two");
    OK(unlink(env_bucket_path(&env, FILE_A)));
    FAILS(open(P(FILE_A), O_RDONLY), EIO);
    int fd = open(env_bucket_path(&env, DIR_A "/b.jpg"), O_WRONLY | O_TRUNC);
    OK(fd);
    assert_int_equal(write(fd, "overwritten", 11), 11);
    OK(close(fd));
    FAILS(open(P(DIR_A "/b.jpg"), O_RDONLY), EIO);
    struct stat st;
    OK(stat(P(DIR_A "/b.jpg"), &st)); /* the names are there all the same */
    env_other_close(&other);
}

static void a_failed_commit_is_told_at_close_and_leaves_the_old(void **state)
{
    (void)state;
    write_file(P(FILE_A), "old");
    atomic_store(&env.faults->put, LS_IO);
    int fd = open(P(FILE_A), O_WRONLY | O_TRUNC);
    OK(fd);
    assert_int_equal(write(fd, "new", 3), 3);
    int twin = dup(fd);
    FAILS(close(twin), EIO);
    SOON(holds(P(FILE_A), "old")); /* once nobody but who was told holds it, although that is still open */
    FAILS(close(fd), EIO);
    SOON(holds(P(FILE_A), "old"));
    fd = open(P(DIR_A "/n.jpg"), O_WRONLY | O_CREAT, 0644);
    OK(fd);
    FAILS(fsync(fd), EIO);
    FAILS(close(fd), EIO);
    assert_true(atomic_load(&env.faults->fired) >= 3);
    FAILS(open(P(DIR_A "/n.jpg"), O_RDONLY), ENOENT);
    int copy = open(P(DIR_A "/m.jpg"), O_WRONLY | O_CREAT, 0644);
    OK(copy);
    assert_int_equal(write(copy, "kept", 4), 4);
    fd = dup(copy);
    FAILS(close(fd), EIO);
    atomic_store(&env.faults->put, 0);
    OK(close(copy)); /* the other descriptor tries again, and that succeeds */
    assert_string_equal(env_object(&env, DIR_A "/m.jpg"), "kept");
    OK(unlink(P(DIR_A "/m.jpg")));
    assert_string_equal(read_file(P(FILE_A)), "old");
    assert_rows(1);
    write_file(P(FILE_A), "new"); /* and it has recovered */
    assert_string_equal(env_object(&env, FILE_A), "new");
}

static void reopening_while_a_close_settles_leaks_nothing(void **state)
{
    (void)state;
    write_file(P(FILE_A), "x");
    /* The kernel releases a handle after close has returned: an open may meet it half done. */
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        for (int k = 0; pids[i] == 0 && k < 1500; k++) {
            int fd = open(P(FILE_A), O_RDONLY);
            if (fd < 0 || close(fd) != 0)
                _exit(1);
        }
        if (pids[i] == 0)
            _exit(0);
    }
    for (int i = 0; i < 3; i++) {
        int status;
        OK(waitpid(pids[i], &status, 0));
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_unlinked_file_is_readable_until_closed),
        T(rename_moves_over_and_refuses),
        T(an_open_file_goes_on_under_its_new_name),
        T(moving_a_weight_moves_its_rows),
        T(a_scratch_file_becomes_one_put),
        T(a_scratch_file_survives_a_failed_rename),
        T(an_editor_with_a_backup_replaces_and_loses_nothing),
        T(a_backup_that_moves_on_takes_its_row_along),
        T(a_hidden_row_is_back_after_a_kill),
        T(an_open_sees_what_another_program_has_committed),
        T(a_write_to_a_version_that_was_replaced_is_told_at_close),
        T(a_commit_over_somebody_elses_is_refused),
        T(a_missing_or_foreign_object_is_an_io_error),
        T(a_failed_commit_is_told_at_close_and_leaves_the_old),
        T(reopening_while_a_close_settles_leaks_nothing),
    };
    int unusable = env_usable();
    return unusable ? unusable : cmocka_run_group_tests_name("versions", tests, NULL, NULL);
}
