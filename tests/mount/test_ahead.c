/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fetching ahead, on a real mount: how many GETs the store has seen. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "mount/env.h"

#define FOLDER "products/p1/500ml/hero-card"
#define FILES 40

static struct env env;

static void key_of(char out[64], int i) { snprintf(out, 64, "%s/%02d.jpg", FOLDER, i); }

/* Files that another program has put: the mount's cache has none of them. */
static int setup(void **state)
{
    (void)state;
    struct env_other other;
    env_open(&env);
    assert_int_equal(mkdir(env_path(&env, "products/p1"), 0755), 0);
    assert_int_equal(mkdir(env_path(&env, "products/p1/500ml"), 0755), 0);
    env_other_open(&env, &other);
    for (int i = 0; i < FILES; i++) {
        char key[64];
        key_of(key, i);
        env_other_put(&other, key, key);
    }
    env_other_close(&other);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    env_close(&env);
    return 0;
}

static int gets(void) { return atomic_load(&env.faults->gets); }

static void read_one(int i)
{
    char key[64], got[64] = "";
    key_of(key, i);
    int fd = open(env_path(&env, key), O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, got, sizeof got), strlen(key));
    assert_string_equal(got, key);
    close(fd);
}

static void wait_for_gets(int want)
{
    int64_t until = ls_monotonic_ms() + 60000;
    while (gets() < want && ls_monotonic_ms() < until)
        ls_sleep_ms(2);
    assert_int_equal(gets(), want);
}

static void what_follows_is_fetched_ahead_and_once(void **state)
{
    (void)state;
    read_one(0);
    assert_int_equal(gets(), 1);
    read_one(1);
    wait_for_gets(2 + 4); /* the first window */
    read_one(2);
    read_one(3); /* half of it is used */
    wait_for_gets(2 + 4 + 8);
    for (int i = 4; i < FILES; i++)
        read_one(i);
    assert_int_equal(gets(), FILES);
    for (int i = 0; i < FILES; i++)
        read_one(i);
    assert_int_equal(env_stop(&env, SIGTERM), 0); /* waits for what is still fetched */
    assert_int_equal(gets(), FILES);
    env_mount(&env, "");
}

static void files_picked_here_and_there_are_fetched_alone(void **state)
{
    (void)state;
    static const int order[] = {0, 2, 4, 7, 9, 5, 20, 30, 12};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        read_one(order[i]);
    assert_int_equal(env_stop(&env, SIGTERM), 0);
    assert_int_equal(gets(), sizeof order / sizeof order[0]);
    env_mount(&env, "");
}

static void what_cannot_be_fetched_ahead_is_told_to_who_opens_it(void **state)
{
    (void)state;
    char key[64];
    key_of(key, 3);
    assert_int_equal(unlink(env_bucket_path(&env, key)), 0);
    for (int i = 0; i < FILES; i++)
        if (i != 3)
            read_one(i);
    assert_true(open(env_path(&env, key), O_RDONLY) < 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_follows_is_fetched_ahead_and_once),
        T(files_picked_here_and_there_are_fetched_alone),
        T(what_cannot_be_fetched_ahead_is_told_to_who_opens_it),
    };
    int unusable = env_usable();
    return unusable ? unusable : cmocka_run_group_tests_name("ahead", tests, NULL, NULL);
}
