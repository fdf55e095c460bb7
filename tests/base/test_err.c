/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Error text and the table of result classes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "lockstep/err.h"

static void set_returns_the_class_and_writes_the_text(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    assert_int_equal(ls_err_set(&err, LS_BUSY, "key %s", "a"), LS_BUSY);
    assert_int_equal(err.rc, LS_BUSY);
    assert_string_equal(err.text, "key a");
    assert_int_equal(ls_err_set(NULL, LS_BUSY, "nobody reads this"), LS_BUSY);
}

static void set_forgets_what_an_earlier_error_left(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    ls_err_errno(&err, ENOENT, "open");
    err.http_status = 404;
    strcpy(err.code, "NoSuchKey");
    ls_err_set(&err, LS_IO, "again: %s", err.text);
    assert_int_equal(err.sys_errno, 0);
    assert_int_equal(err.http_status, 0);
    assert_string_equal(err.code, "");
    assert_string_equal(err.text, "again: open: No such file or directory");
}

static void errno_gives_class_and_reason(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    assert_int_equal(ls_err_errno(&err, ENOSPC, "write %d", 7), LS_NO_SPACE);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_string_equal(err.text, "write 7: No space left on device");
}

static void control_bytes_are_shown_escaped(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    ls_err_set(&err, LS_IO, "name %s", "a\nb\x1b[0m");
    assert_string_equal(err.text, "name a\\x0ab\\x1b[0m");
}

static void a_long_text_is_cut_at_a_whole_character(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    char text[2048];
    for (int shift = 0; shift < 4; shift++) {
        memset(text, 'x', (size_t)shift);
        for (int i = shift; i + 3 < (int)sizeof text; i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 4);
        ls_err_set(&err, LS_IO, "%s", text);
        assert_true(ls_utf8_valid(err.text, strlen(err.text)));
        assert_true(strlen(err.text) >= LS_ERR_TEXT_MAX - 4);
    }
}

static void prefix_keeps_class_and_origin(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    ls_err_errno(&err, EACCES, "open x");
    assert_int_equal(ls_err_prefix(&err, "sync %s: ", "p1"), LS_DENIED);
    assert_string_equal(err.text, "sync p1: open x: Permission denied");
    assert_int_equal(err.sys_errno, EACCES);
}

static void every_class_has_a_name_an_errno_a_status_and_an_exit(void **state)
{
    (void)state;
    for (int rc = 0; rc < LS_RC_COUNT; rc++) {
        assert_non_null(ls_rc_name((enum ls_rc)rc));
        assert_true(rc == LS_OK ? ls_rc_errno(LS_OK) == 0 : ls_rc_errno((enum ls_rc)rc) > 0);
        assert_in_range(ls_rc_http((enum ls_rc)rc), 200, 599);
        assert_true(rc == LS_OK || ls_rc_exit((enum ls_rc)rc) > 0);
    }
    assert_int_equal(ls_rc_exit(LS_GUARD), 3);
    assert_int_equal(ls_rc_exit(LS_INVALID), 64);
    assert_string_equal(ls_rc_name((enum ls_rc)999), "io");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_returns_the_class_and_writes_the_text),
        cmocka_unit_test(set_forgets_what_an_earlier_error_left),
        cmocka_unit_test(errno_gives_class_and_reason),
        cmocka_unit_test(control_bytes_are_shown_escaped),
        cmocka_unit_test(a_long_text_is_cut_at_a_whole_character),
        cmocka_unit_test(prefix_keeps_class_and_origin),
        cmocka_unit_test(every_class_has_a_name_an_errno_a_status_and_an_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
