/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fail points: registry, arming, firing. In a build without them: that they are truly off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/failpoint.h"

static bool first(void) { return LS_FAILPOINT("base.test.shared"); }
static bool second(void) { return LS_FAILPOINT("base.test.shared"); }
static bool other(void) { return LS_FAILPOINT("base.test.other"); }

#ifdef LS_ENABLE_FAILPOINTS

static char names[4096];

static void append_name(void *ctx, const char *name)
{
    (void)ctx;
    strcat(names, name);
    strcat(names, "\n");
}

static void every_name_is_listed_once_in_order(void **state)
{
    (void)state;
    names[0] = '\0';
    ls_failpoint_list(append_name, NULL);
    assert_non_null(strstr(names, "base.test.other\nbase.test.shared\n"));
    assert_null(strstr(names, "base.test.shared\nbase.test.shared\n"));
}

static void points_of_one_name_count_together_and_fire_once(void **state)
{
    (void)state;
    assert_false(first() || second() || other());
    assert_int_equal(ls_failpoint_arm("base.test.shared=error@3", NULL), LS_OK);
    assert_false(first());
    assert_false(other());
    assert_false(second());
    assert_true(first());
    for (int i = 0; i < 5; i++)
        assert_false(first() || second());
}

static void bad_specs_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "base.test.other",
                                      "=kill",
                                      "base.test.other=",
                                      "base.test.other=boom",
                                      "base.test.other=error@0",
                                      "base.test.other=error@x",
                                      "base.test.other=error@"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ls_failpoint_arm(bad[i], NULL), LS_INVALID);
    assert_int_equal(ls_failpoint_arm("base.test.none=error", NULL), LS_NOT_FOUND);
    assert_false(other());
}

static int status_of(const char *spec)
{
    pid_t child = fork();
    if (child == 0) {
        if (ls_failpoint_arm(spec, NULL))
            _exit(9);
        other();
        _exit(7);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    if (WIFSTOPPED(status)) {
        int stopped = status;
        kill(child, SIGCONT);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), 7); /* it goes on */
        return stopped;
    }
    return status;
}

static void kill_and_stop_hit_the_process(void **state)
{
    (void)state;
    int status = status_of("base.test.other=kill");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = status_of("base.test.other=stop");
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_listed_once_in_order),
        cmocka_unit_test(points_of_one_name_count_together_and_fire_once),
        cmocka_unit_test(bad_specs_are_refused),
        cmocka_unit_test(kill_and_stop_hit_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void unexpected(void *ctx, const char *name)
{
    (void)ctx;
    fail_msg("a build without fail points lists %s", name);
}

static void a_build_without_fail_points_has_none(void **state)
{
    (void)state;
    assert_false(first() || second() || other());
    assert_int_equal(ls_failpoint_arm("base.test.shared=error", NULL), LS_UNSUPPORTED);
    ls_failpoint_list(unexpected, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_build_without_fail_points_has_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
