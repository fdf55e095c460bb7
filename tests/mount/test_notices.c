/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Notices to the kernel beside requests: a request waits in the store, so it holds its folder's lock in the kernel,
 * when a name in that folder comes to mean another file.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "mount/env.h"

static struct env env;
static struct env_other other;
static int opened;     /* a handle of a.jpg, from before */
static pid_t unlinker; /* removes b.jpg; exits with the errno */

#define DIR_A "products/p1/500ml/hero-card"
#define THEIRS "a version of somebody else's"

static const char *path(const char *name)
{
    static char key[128];
    snprintf(key, sizeof key, "%s/%s", DIR_A, name);
    return env_path(&env, key);
}

static void write_file(const char *name)
{
    int fd = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, name, strlen(name)), strlen(name));
    assert_int_equal(close(fd), 0);
}

/* Has the file this size by its name? A test that waits for it in vain is ended by the environment's alarm. */
static bool has_size(const char *name, size_t size)
{
    struct stat st;
    return stat(path(name), &st) == 0 && st.st_size == (off_t)size;
}

static int setup(void **state)
{
    (void)state;
    env_open(&env);
    const char *const folders[] = {"products/p1", "products/p1/500ml", DIR_A};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mkdir(env_path(&env, folders[i]), 0755), 0);
    write_file("a.jpg");
    write_file("b.jpg");
    opened = open(path("a.jpg"), O_RDONLY);
    assert_true(opened >= 0);
    /* Not written here: while the kernel has not let the handle go yet, the notice would be one of the name. */
    env_other_open(&env, &other);
    env_other_put(&other, DIR_A "/c.jpg", "c.jpg");
    assert_true(has_size("b.jpg", 5) && has_size("c.jpg", 5));

    atomic_store(&env.faults->hang, true);
    unlinker = fork();
    if (unlinker == 0)
        _exit(unlink(path("b.jpg")) == 0 ? 0 : errno);
    assert_true(unlinker > 0);
    while (atomic_load(&env.faults->waited) == 0)
        ls_sleep_ms(2);
    env_other_put(&other, DIR_A "/a.jpg", THEIRS);
    env_other_put(&other, DIR_A "/c.jpg", THEIRS);
    /* Changes are told in order, and attributes without the folder's lock: so a.jpg's notice is due by then. */
    while (!has_size("c.jpg", strlen(THEIRS)))
        ls_sleep_ms(2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(opened);
    env_other_close(&other);
    env_close(&env);
    return 0;
}

static int end_of_unlinker(void)
{
    int status;
    assert_int_equal(waitpid(unlinker, &status, 0), unlinker);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_notice_that_was_put_off_comes_after_the_request(void **state)
{
    (void)state;
    atomic_store(&env.faults->hang, false);
    assert_int_equal(end_of_unlinker(), 0);
    while (!has_size("a.jpg", strlen(THEIRS)))
        ls_sleep_ms(2);
    struct stat st;
    assert_int_equal(fstat(opened, &st), 0);
    assert_int_equal(st.st_size, 5); /* the handle keeps its version */
}

static void a_mount_that_is_killed_while_a_notice_is_due_leaves_nothing_hanging(void **state)
{
    (void)state;
    char command[400];
    ls_sleep_ms(50); /* room for a notice that should not be given */
    assert_int_equal(env_stop(&env, SIGKILL), 128 + SIGKILL);
    assert_int_not_equal(end_of_unlinker(), 0);
    atomic_store(&env.faults->hang, false);
    close(opened);
    snprintf(command, sizeof command, "umount -l %s 2>/dev/null || fusermount3 -uz %s", env.mnt, env.mnt);
    assert_int_equal(system(command), 0);
    env_mount(&env, NULL);
    opened = open(path("a.jpg"), O_RDONLY);
    assert_true(has_size("a.jpg", strlen(THEIRS)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_notice_that_was_put_off_comes_after_the_request, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mount_that_is_killed_while_a_notice_is_due_leaves_nothing_hanging, setup,
                                        teardown),
    };
    int unusable = env_usable();
    return unusable ? unusable : cmocka_run_group_tests_name("notices", tests, NULL, NULL);
}
