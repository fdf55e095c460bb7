/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mount as programs see it: real system calls on a real mount; what they leave in bucket and catalog is read there.
 * Folders, bytes, attributes, many at once; names and versions are in test_versions.c.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "mount/calls.h"

/* ---- folders ---- */

static void folders_are_rows(void **state)
{
    (void)state;
    assert_string_equal(env_sql(&env, "SELECT weight FROM product_variant"), "500ml");
    struct stat st;
    OK(stat(P(DIR_A), &st));
    assert_true(S_ISDIR(st.st_mode));
    FAILS(mkdir(P("products/p1"), 0755), EEXIST);
    FAILS(mkdir(P("products/p1/500ml/unknown"), 0755), EPERM);
    FAILS(mkdir(P(DIR_A "/deeper"), 0755), EPERM);
    FAILS(mkdir(P("elsewhere"), 0755), EPERM);
    FAILS(rmdir(P("products")), EPERM);
    FAILS(rmdir(P("products/p1")), ENOTEMPTY);
    OK(rmdir(P(DIR_A)));
    FAILS(stat(P(DIR_A), &st), ENOENT);
    OK(rmdir(P("products/p1/500ml")));
    OK(rmdir(P("products/p1")));
    assert_null(env_sql(&env, "SELECT 1 FROM product UNION SELECT 1 FROM product_variant"));
}

static void names_that_the_layout_forbids_are_refused(void **state)
{
    (void)state;
    char long_name[300], path[600];
    memset(long_name, 'x', 256);
    long_name[256] = '\0';
    snprintf(path, sizeof path, DIR_A "/%s", long_name);
    FAILS(open(P(path), O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);
    FAILS(open(P(DIR_A "/a\nb"), O_CREAT | O_WRONLY, 0644), EINVAL);
    FAILS(open(P(DIR_A "/\xff\xfe"), O_CREAT | O_WRONLY, 0644), EINVAL);
    FAILS(open(P("products/p1/file.jpg"), O_CREAT | O_WRONLY, 0644), EPERM);
    FAILS(mkdir(P("products/a\x01"), 0755), EINVAL);
    FAILS(symlink("x", P(DIR_A "/l")), EPERM);
    FAILS(mkfifo(P(DIR_A "/f"), 0600), EPERM);
    write_file(P(FILE_A), "x");
    FAILS(link(P(FILE_A), P(DIR_A "/b.jpg")), EPERM);
    long_name[255] = '\0';
    snprintf(path, sizeof path, DIR_A "/%s", long_name);
    write_file(P(path), "a name of 255 bytes");
    assert_string_equal(read_file(P(path)), "a name of 255 bytes");
}

static void listing_stays_right_while_entries_come_and_go(void **state)
{
    (void)state;
    enum { N = 600 };
    char path[200];
    struct env_other other;
    env_other_open(&env, &other);
    for (int i = 0; i < N; i++) {
        snprintf(path, sizeof path, DIR_A "/f%04d.jpg", i);
        env_other_put(&other, path, "x");
    }
    DIR *dir = opendir(P(DIR_A));
    assert_non_null(dir);
    static int seen[N];
    memset(seen, 0, sizeof seen);
    int given = 0;
    for (struct dirent *found; (found = readdir(dir));) {
        if (found->d_name[0] != 'f')
            continue;
        seen[atoi(found->d_name + 1)]++;
        if (given++ % 7 == 0) { /* one behind the reader goes, one in front comes and one goes */
            OK(unlink(P(strcat(strcpy(path, DIR_A "/"), found->d_name))));
            snprintf(path, sizeof path, DIR_A "/g%04d.jpg", given);
            write_file(P(path), "y");
        }
    }
    closedir(dir);
    for (int i = 0; i < N; i++)
        assert_int_equal(seen[i], 1);
    env_other_close(&other);
}

static void telldir_and_seekdir_return_to_a_name(void **state)
{
    (void)state;
    char path[100];
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, DIR_A "/f%02d", i);
        write_file(P(path), "x");
    }
    DIR *dir = opendir(P(DIR_A));
    assert_non_null(dir);
    long at = 0;
    char expected[256] = "";
    for (struct dirent *found; (found = readdir(dir));) {
        if (strcmp(found->d_name, "f10") == 0)
            at = telldir(dir);
        if (strcmp(found->d_name, "f11") == 0)
            strcpy(expected, found->d_name);
    }
    seekdir(dir, at);
    assert_string_equal(readdir(dir)->d_name, expected);
    closedir(dir);
}

/* ---- writing ---- */

static void close_commits_to_both_sides(void **state)
{
    (void)state;
    int fd = open(P(FILE_A), O_WRONLY | O_CREAT | O_EXCL, 0640);
    struct stat st;
    OK(fd);
    assert_int_equal(write(fd, "hello", 5), 5);
    OK(stat(P(FILE_A), &st)); /* visible here before it is committed */
    assert_int_equal(st.st_size, 5);
    assert_rows(0);
    assert_null(env_object(&env, FILE_A));
    OK(close(fd));
    assert_string_equal(env_object(&env, FILE_A), "hello");
    assert_string_equal(env_sql(&env, "SELECT file_name FROM product_image"), FILE_A);
    assert_string_equal(env_sql(&env, "SELECT mode FROM lockstep_object"), "416");
    FAILS(open(P(FILE_A), O_WRONLY | O_CREAT | O_EXCL, 0640), EEXIST);
    assert_string_equal(read_file(P(FILE_A)), "hello");
}

static void an_empty_file_gets_its_row(void **state)
{
    (void)state;
    write_file(P(FILE_A), "");
    assert_row(FILE_A, true);
    assert_string_equal(env_object(&env, FILE_A), "");
    OK(mknod(P(DIR_A "/b.jpg"), S_IFREG | 0600, 0));
    assert_row(DIR_A "/b.jpg", true);
}

static void fsync_commits_and_later_writes_again(void **state)
{
    (void)state;
    int fd = open(P(FILE_A), O_RDWR | O_CREAT, 0644);
    OK(fd);
    assert_int_equal(write(fd, "one", 3), 3);
    OK(fsync(fd));
    assert_string_equal(env_object(&env, FILE_A), "one");
    assert_int_equal(write(fd, "two", 3), 3);
    assert_string_equal(read_fd(fd), "onetwo");
    int copy = dup(fd);
    OK(close(copy)); /* a close of a duplicate commits as well */
    assert_string_equal(env_object(&env, FILE_A), "onetwo");
    int puts = atomic_load(&env.faults->puts);
    OK(close(fd));
    assert_int_equal(atomic_load(&env.faults->puts), puts); /* nothing was dirty */
}

static void append_truncate_and_holes(void **state)
{
    (void)state;
    write_file(P(FILE_A), "hello");
    int fd = open(P(FILE_A), O_WRONLY | O_APPEND);
    OK(fd);
    assert_int_equal(write(fd, " world", 6), 6);
    OK(close(fd));
    assert_string_equal(env_object(&env, FILE_A), "hello world");
    OK(truncate(P(FILE_A), 4));
    SOON(strcmp(env_object(&env, FILE_A), "hell") == 0); /* a handle that writes commits it, also one about to go */
    OK(truncate(P(FILE_A), 0));
    assert_string_equal(env_object(&env, FILE_A), "");
    fd = open(P(FILE_A), O_RDWR);
    OK(fd);
    assert_int_equal(pwrite(fd, "x", 1, 9999), 1);
    OK(ftruncate(fd, 10000));
    char bytes[10];
    assert_int_equal(pread(fd, bytes, 10, 9990), 10);
    assert_memory_equal(bytes, "\0\0\0\0\0\0\0\0\0x", 10);
    OK(close(fd));
    struct stat st;
    OK(stat(P(FILE_A), &st));
    assert_int_equal(st.st_size, 10000);
    assert_string_equal(env_sql(&env, "SELECT size FROM lockstep_object"), "10000");
}

static void two_writers_share_one_file(void **state)
{
    (void)state;
    int one = open(P(FILE_A), O_RDWR | O_CREAT, 0644), two = open(P(FILE_A), O_RDWR);
    OK(one);
    OK(two);
    assert_int_equal(pwrite(one, "aa", 2, 0), 2);
    assert_int_equal(pwrite(two, "bb", 2, 2), 2);
    assert_string_equal(read_fd(one), "aabb");
    OK(close(one));
    OK(close(two));
    assert_string_equal(env_object(&env, FILE_A), "aabb");
}

static void a_shared_mapping_reaches_the_bucket(void **state)
{
    (void)state;
    write_file(P(FILE_A), "0123456789");
    int fd = open(P(FILE_A), O_RDWR);
    OK(fd);
    char *map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    memcpy(map + 2, "XX", 2);
    OK(msync(map, 10, MS_SYNC));
    OK(munmap(map, 10));
    OK(close(fd));
    assert_string_equal(env_object(&env, FILE_A), "01XX456789");
}

static void attributes_persist(void **state)
{
    (void)state;
    struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 5}, {.tv_sec = 1577934245, .tv_nsec = 123456789}};
    struct stat st;
    write_file(P(FILE_A), "x");
    OK(chmod(P(FILE_A), 0600));
    OK(utimensat(AT_FDCWD, P(FILE_A), times, 0));
    OK(utimensat(AT_FDCWD, P(DIR_A), times, 0));
    OK(chmod(P(DIR_A), 0700));
    if (geteuid() == 0)
        OK(chown(P(FILE_A), 12, 34));
    assert_int_equal(env_stop(&env, SIGTERM), 0);
    env_mount(&env, NULL);
    OK(stat(P(FILE_A), &st));
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_mtim.tv_sec, 1577934245);
    assert_int_equal(st.st_mtim.tv_nsec, 123456789);
    if (geteuid() == 0) {
        assert_int_equal(st.st_uid, 12);
        assert_int_equal(st.st_gid, 34);
    }
    OK(stat(P(DIR_A), &st));
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    assert_int_equal(st.st_mtim.tv_nsec, 123456789);
}

static void attributes_of_a_dirty_file_go_with_its_commit(void **state)
{
    (void)state;
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1500000000, .tv_nsec = 7}};
    struct stat st;
    int fd = open(P(FILE_A), O_WRONLY | O_CREAT, 0644);
    OK(fd);
    assert_int_equal(write(fd, "x", 1), 1);
    OK(fchmod(fd, 0604));
    OK(futimens(fd, times));
    OK(close(fd));
    OK(stat(P(FILE_A), &st));
    assert_int_equal(st.st_mode & 07777, 0604);
    assert_int_equal(st.st_mtim.tv_sec, 1500000000);
    assert_string_equal(env_sql(&env, "SELECT mtime_ns FROM lockstep_object"), "1500000000000000007");
}

static void looking_around_never_asks_the_store(void **state)
{
    (void)state;
    struct env_other other;
    env_other_open(&env, &other);
    env_other_put(&other, FILE_A, "one");
    atomic_store(&env.faults->hang, true);
    pid_t reader = fork();
    if (reader == 0) { /* hangs in open as long as the store does */
        int fd = open(P(FILE_A), O_RDONLY);
        _exit(fd >= 0 && strcmp(read_fd(fd), "one") == 0 ? 0 : 1);
    }
    struct stat st;
    struct statvfs vfs;
    OK(stat(P(FILE_A), &st));
    OK(statvfs(P("products"), &vfs));
    assert_int_equal(vfs.f_namemax, 255);
    DIR *dir = opendir(P(DIR_A));
    assert_non_null(dir);
    int n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    assert_int_equal(n, 3);
    assert_int_equal(waitpid(reader, NULL, WNOHANG), 0);
    atomic_store(&env.faults->hang, false);
    int status;
    OK(waitpid(reader, &status, 0));
    assert_int_equal(status, 0);
    env_other_close(&other);
}

/* ---- the rest ---- */

static void extended_attributes_tell_and_switch(void **state)
{
    (void)state;
    char value[512];
    write_file(P(FILE_A), "hello");
    ssize_t n = getxattr(P(FILE_A), "user.lockstep.key", value, sizeof value);
    assert_int_equal(n, strlen(FILE_A));
    assert_memory_equal(value, FILE_A, (size_t)n);
    n = getxattr(P(FILE_A), "user.lockstep.etag", value, sizeof value);
    assert_int_equal(n, 32);
    assert_memory_equal(value, "5d41402abc4b2a76b9719d911017c592", 32);
    FAILS((int)getxattr(P(FILE_A), "user.other", value, sizeof value), ENODATA);
    FAILS(setxattr(P(FILE_A), "user.other", "x", 1, 0), ENOTSUP);
    OK(setxattr(P("products/p1/500ml"), "user.lockstep.active", "0", 1, 0));
    assert_string_equal(env_sql(&env, "SELECT is_active FROM product_variant"), "0");
    assert_int_equal(getxattr(P("products/p1/500ml"), "user.lockstep.active", value, sizeof value), 1);
    assert_int_equal(value[0], '0');
    FAILS(setxattr(P("products/p1/500ml"), "user.lockstep.active", "2", 1, 0), EINVAL);
}

static void sigterm_commits_what_is_open(void **state)
{
    (void)state;
    int fd = open(P(FILE_A), O_WRONLY | O_CREAT, 0644);
    OK(fd);
    assert_int_equal(write(fd, "open at the end", 15), 15);
    assert_int_equal(env_stop(&env, SIGTERM), 0);
    close(fd);
    assert_string_equal(env_object(&env, FILE_A), "open at the end");
    assert_row(FILE_A, true);
    env_mount(&env, "ro");
    assert_string_equal(read_file(P(FILE_A)), "open at the end");
    FAILS(open(P(FILE_A), O_WRONLY), EROFS);
    FAILS(mkdir(P("products/p2"), 0755), EROFS);
}

static void many_processes_at_once_lose_nothing(void **state)
{
    (void)state;
    enum { N = 8, ROUNDS = 15 };
    pid_t pids[N];
    for (int i = 0; i < N; i++) {
        pids[i] = fork();
        if (pids[i] != 0)
            continue;
        for (int k = 0; k < ROUNDS; k++) {
            char a[100], b[100], text[40];
            snprintf(a, sizeof a, DIR_A "/.w%d.%06d", i, k);
            snprintf(b, sizeof b, DIR_A "/w%d-%d.jpg", i, k % 3);
            snprintf(text, sizeof text, "process %d round %d", i, k);
            write_file(P(a), text);
            OK(rename(P(a), P(b)));
            if (strcmp(read_file(P(b)), text) != 0)
                _exit(1);
            if (k % 3 == 2)
                OK(unlink(P(b)));
        }
        _exit(0);
    }
    for (int i = 0; i < N; i++) {
        int status;
        OK(waitpid(pids[i], &status, 0));
        assert_int_equal(status, 0);
    }
    assert_rows(N * 2);
    assert_string_equal(env_object(&env, DIR_A "/w3-1.jpg"), "process 3 round 13");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(folders_are_rows),
        T(names_that_the_layout_forbids_are_refused),
        T(listing_stays_right_while_entries_come_and_go),
        T(telldir_and_seekdir_return_to_a_name),
        T(close_commits_to_both_sides),
        T(an_empty_file_gets_its_row),
        T(fsync_commits_and_later_writes_again),
        T(append_truncate_and_holes),
        T(two_writers_share_one_file),
        T(a_shared_mapping_reaches_the_bucket),
        T(attributes_persist),
        T(attributes_of_a_dirty_file_go_with_its_commit),
        T(looking_around_never_asks_the_store),
        T(extended_attributes_tell_and_switch),
        T(sigterm_commits_what_is_open),
        T(many_processes_at_once_lose_nothing),
    };
    int unusable = env_usable();
    return unusable ? unusable : cmocka_run_group_tests_name("mount", tests, NULL, NULL);
}
