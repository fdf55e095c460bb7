/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Log lines: what they look like, and that a value cannot forge one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

static char captured[16384];
static int capture_fd = -1, saved_fd = -1;

static void capture_start(void)
{
    capture_fd = memfd_create("log", MFD_CLOEXEC);
    saved_fd = dup(STDERR_FILENO);
    assert_int_equal(dup2(capture_fd, STDERR_FILENO), STDERR_FILENO);
}

static const char *capture_end(void)
{
    dup2(saved_fd, STDERR_FILENO);
    close(saved_fd);
    ssize_t n = pread(capture_fd, captured, sizeof captured - 1, 0);
    close(capture_fd);
    captured[n < 0 ? 0 : n] = '\0';
    return captured;
}

static void a_line_has_level_layer_event_and_fields(void **state)
{
    (void)state;
    capture_start();
    LS_LOG_WARN("store", "retry", {"key", ls_v_str("products/p1/a.jpg")}, {"attempt", ls_v_int(-3)},
                {"size", ls_v_uint(UINT64_MAX)}, {"none", ls_v_str(NULL)});
    LS_LOG_ERROR("cli", "alone");
    assert_string_equal(capture_end(),
                        "warning store event=retry key=products/p1/a.jpg attempt=-3 size=18446744073709551615 none=-\n"
                        "error cli event=alone\n");
}

static void a_file_name_cannot_forge_a_line(void **state)
{
    (void)state;
    capture_start();
    LS_LOG_INFO("cli", "x", {"key", ls_v_str("a b\"\\\nerror cli event=forged\x1b\xC2\x9B")}, {"e", ls_v_str("")});
    assert_string_equal(capture_end(),
                        "info cli event=x key=\"a b\\\"\\\\\\nerror cli event=forged\\x1b\\xc2\\x9b\" e=\"\"\n");
}

static void a_long_line_is_cut_and_keeps_its_end(void **state)
{
    (void)state;
    static char value[8000];
    memset(value, 'x', sizeof value - 1);
    capture_start();
    LS_LOG_INFO("cli", "x", {"key", ls_v_str(value)});
    const char *line = capture_end();
    assert_int_equal(strlen(line), 4096);
    assert_ptr_equal(strchr(line, '\n'), line + 4095);
}

static void levels_are_switched_by_layer(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    assert_false(ls_log_debug_on("store"));
    assert_int_equal(ls_log_verbose("store,nonsense", &err), LS_INVALID);
    assert_non_null(strstr(err.text, "nonsense"));
    assert_int_equal(ls_log_verbose("store,engine", NULL), LS_OK);
    assert_true(ls_log_debug_on("engine"));
    assert_false(ls_log_debug_on("cli"));
    capture_start();
    LS_LOG_DEBUG("cli", "hidden");
    LS_LOG_DEBUG("store", "shown");
    ls_log_quiet(true);
    LS_LOG_INFO("cli", "hidden");
    LS_LOG_WARN("cli", "warned");
    ls_log_quiet(false);
    assert_string_equal(capture_end(), "debug store event=shown\nwarning cli event=warned\n");
    assert_int_equal(ls_log_verbose(NULL, NULL), LS_OK);
    assert_true(ls_log_debug_on("cli"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_level_layer_event_and_fields),
        cmocka_unit_test(a_file_name_cannot_forge_a_line),
        cmocka_unit_test(a_long_line_is_cut_and_keeps_its_end),
        cmocka_unit_test(levels_are_switched_by_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
