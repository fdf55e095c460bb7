/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Durable files, and opening that a planted symlink cannot lead astray. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/hash.h"

static char dir[64];
static int dir_fd = -1;

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/ls-test-file-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    close(dir_fd);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static unsigned entries(void)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        n++;
    closedir(d);
    return n - 2;
}

static void a_written_file_is_whole_and_leaves_no_temporary(void **state)
{
    (void)state;
    LS_AUTO(ls_buf) struct ls_buf buf = LS_BUF_INIT(100);
    char path[96];
    snprintf(path, sizeof path, "%s/f", dir);
    assert_int_equal(ls_write_file(path, "one", 3, 0600, false, NULL), LS_OK);
    struct ls_err err = LS_ERR_INIT;
    assert_int_equal(ls_write_file(path, "two", 3, 0600, false, &err), LS_EXISTS);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(ls_read_file(path, &buf, NULL), LS_OK);
    assert_string_equal(buf.data, "one");
    assert_int_equal(ls_write_file(path, "three", 5, 0600, true, NULL), LS_OK);
    ls_buf_reset(&buf);
    assert_int_equal(ls_read_file(path, &buf, NULL), LS_OK);
    assert_string_equal(buf.data, "three");
    assert_int_equal(entries(), 1);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void reading_is_bounded(void **state)
{
    (void)state;
    LS_AUTO(ls_buf) struct ls_buf buf = LS_BUF_INIT(4);
    struct ls_err err = LS_ERR_INIT;
    char path[96];
    snprintf(path, sizeof path, "%s/f", dir);
    assert_int_equal(ls_read_file(path, &buf, &err), LS_NOT_FOUND);
    assert_int_equal(ls_write_file(path, "12345", 5, 0600, false, NULL), LS_OK);
    assert_int_equal(ls_read_file(path, &buf, &err), LS_NO_SPACE);
}

static void a_planted_symlink_is_never_followed(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(dir_fd, "real", 0700), 0);
    assert_int_equal(symlinkat("real", dir_fd, "link"), 0);
    assert_int_equal(symlinkat("/etc/passwd", dir_fd, "real/file"), 0);
    assert_true(ls_open_beneath(dir_fd, "link/x", O_WRONLY | O_CREAT, 0600) < 0);
    assert_true(ls_open_beneath(dir_fd, "real/file", O_RDONLY, 0) < 0);
    assert_true(ls_open_beneath(dir_fd, "../x", O_WRONLY | O_CREAT, 0600) < 0);
    assert_true(ls_open_beneath(dir_fd, "/etc/passwd", O_RDONLY, 0) < 0);
    assert_true(ls_mkdirs_beneath(dir_fd, "link/a/b", 0700, false) < 0);
    assert_true(ls_mkdirs_beneath(dir_fd, "real/../../x/b", 0700, false) < 0);
    assert_int_equal(faccessat(dir_fd, "real/a", F_OK, 0), -1);
    LS_AUTO(ls_fd) int fd = ls_open_beneath(dir_fd, "real/new", O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void folders_are_made_up_to_the_last_slash(void **state)
{
    (void)state;
    assert_int_equal(ls_mkdirs_beneath(dir_fd, "a/b//c/file", 0700, true), 0);
    assert_int_equal(ls_mkdirs_beneath(dir_fd, "a/b/c/file", 0700, true), 0);
    assert_int_equal(ls_mkdirs_beneath(dir_fd, "file", 0700, true), 0);
    assert_int_equal(faccessat(dir_fd, "a/b/c", F_OK, 0), 0);
    assert_int_equal(faccessat(dir_fd, "a/b/c/file", F_OK, 0), -1);
    assert_int_equal(faccessat(dir_fd, "file", F_OK, 0), -1);
    assert_int_equal(ls_mkdirs_beneath(dir_fd, "a/whole/", 0700, true), 0);
    assert_int_equal(faccessat(dir_fd, "a/whole", F_OK, 0), 0);
    assert_int_equal(ls_fsync_parent(dir_fd, "a/b/c/file"), 0);
    assert_int_equal(ls_fsync_parent(dir_fd, "file"), 0);
    assert_int_equal(ls_fsync_parent(dir_fd, "none/file"), -1);
}

static void a_copy_has_the_same_bytes(void **state)
{
    (void)state;
    enum { SIZE = 400000 };
    LS_AUTO(ls_free) uint8_t *bytes = malloc(SIZE);
    LS_AUTO(ls_free) uint8_t *back = malloc(SIZE);
    ls_random(bytes, SIZE);
    /* Two files of one file system, and across file systems. */
    for (int round = 0; round < 2; round++) {
        LS_AUTO(ls_fd) int from = memfd_create("from", MFD_CLOEXEC);
        LS_AUTO(ls_fd)
        int to = round ? memfd_create("to", MFD_CLOEXEC) : ls_open_beneath(dir_fd, "to", O_RDWR | O_CREAT, 0600);
        assert_int_equal(ls_write_all(from, bytes, SIZE), 0);
        assert_int_equal(ls_copy_fd(from, to, SIZE, NULL), LS_OK);
        assert_int_equal(ls_pread_all(to, back, SIZE, 0), SIZE);
        assert_memory_equal(back, bytes, SIZE);
        assert_int_equal(ls_pread_all(to, back, SIZE, SIZE - 10), 10);
        assert_int_equal(ls_copy_fd(from, to, SIZE + 1, NULL), LS_IO);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_written_file_is_whole_and_leaves_no_temporary),
        TEST(reading_is_bounded),
        TEST(a_planted_symlink_is_never_followed),
        TEST(folders_are_made_up_to_the_last_slash),
        TEST(a_copy_has_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
