/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What tests of system calls on a real mount share: a mount with one folder for images, calls that must succeed or
 * fail.
 */
#ifndef LOCKSTEP_TESTS_MOUNT_CALLS_H
#define LOCKSTEP_TESTS_MOUNT_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "mount/env.h"

static struct env env;

#define P(path) env_path(&env, path)
#define DIR_A "products/p1/500ml/hero-card"
#define FILE_A DIR_A "/a.jpg"

/* A system call that must succeed. */
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) < 0)                                                                                                \
            fail_msg("%s: %s", #call, strerror(errno));                                                                \
    } while (0)
/* One that must fail with an errno. */
#define FAILS(call, want)                                                                                              \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        int got_ = (call) < 0 ? errno : 0;                                                                             \
        if (got_ != (want))                                                                                            \
            fail_msg("%s: %s, not %s", #call, strerror(got_), strerror(want));                                         \
    } while (0)

/* What comes when the kernel lets a handle go, a moment after close has returned. The pauses grow, because looking may
 * make a handle of its own. */
#define SOON(condition)                                                                                                \
    do {                                                                                                               \
        int64_t pause_ms_ = 1;                                                                                         \
        while (!(condition) && pause_ms_ < 20000) {                                                                    \
            ls_sleep_ms(pause_ms_);                                                                                    \
            pause_ms_ *= 2;                                                                                            \
        }                                                                                                              \
        if (pause_ms_ >= 20000)                                                                                        \
            fail_msg("never: %s", #condition);                                                                         \
    } while (0)

static inline int setup(void **state)
{
    (void)state;
    env_open(&env);
    OK(mkdir(P("products/p1"), 0755));
    OK(mkdir(P("products/p1/500ml"), 0755));
    OK(mkdir(P(DIR_A), 0755));
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    env_close(&env);
    return 0;
}

static inline void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    OK(fd);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    OK(close(fd));
}

static inline const char *read_fd(int fd)
{
    static char text[65536];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    OK(n);
    text[n] = '\0';
    return text;
}

static inline const char *read_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    OK(fd);
    const char *text = read_fd(fd);
    OK(close(fd));
    return text;
}

static inline bool holds(const char *path, const char *text) { return strcmp(read_file(path), text) == 0; }

static inline void assert_rows(int n)
{
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    assert_string_equal(env_sql(&env, "SELECT count(*) FROM product_image"), text);
}

static inline void assert_row(const char *key, bool there)
{
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT 1 FROM product_image WHERE file_name = '%s'", key);
    assert_int_equal(env_sql(&env, sql) != NULL, there);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
