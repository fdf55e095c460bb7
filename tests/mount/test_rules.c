/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The mount's pure rules: scratch names, errnos, gates. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mount/errno.h"
#include "mount/gate.h"
#include "mount/scratch.h"

static void what_programs_write_beside_a_file_is_scratch(void **state)
{
    (void)state;
    static const char *const scratch[] = {".a.jpg.x1Y2z3", ".a.AbCdEf", ".a.jpg.swp", ".a.swx",
                                          "a.jpg~",        ".DS_Store", "._a.jpg",    ".fuse_hidden0001",
                                          "a.jpg.part",    "4913",      ".#a.jpg",    ".~lock.a.odt#"};
    static const char *const real[] = {"a.jpg",     ".a.jpg",   "~",     ".part", "a.swp",   ".a.toolong7",  ".a.short",
                                       ".a.AbC-Ef", "DS_Store", "49130", "part",  ".hidden", "a.jpg.partly", ".x.sw"};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        if (!ls_scratch_name(scratch[i]))
            fail_msg("%s is a scratch name", scratch[i]);
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        if (ls_scratch_name(real[i]))
            fail_msg("%s is a real name", real[i]);
}

static void every_class_has_an_errno_at_every_call(void **state)
{
    (void)state;
    for (int call = LS_CALL_NAMES; call <= LS_CALL_XATTR; call++) {
        assert_int_equal(ls_mount_errno((enum ls_mount_call)call, LS_OK), 0);
        for (int rc = LS_OK + 1; rc < LS_RC_COUNT; rc++) {
            int got = ls_mount_errno((enum ls_mount_call)call, (enum ls_rc)rc);
            assert_true(got > 0);
            /* The kernel would repeat the call by itself. */
            assert_int_not_equal(got, ESTALE);
        }
    }
    assert_int_equal(ls_mount_errno(LS_CALL_NAMES, LS_NOT_FOUND), ENOENT);
    assert_int_equal(ls_mount_errno(LS_CALL_FETCH, LS_NOT_FOUND), EIO);
    assert_int_equal(ls_mount_errno(LS_CALL_FETCH, LS_CONFLICT), EIO);
    assert_int_equal(ls_mount_errno(LS_CALL_XATTR, LS_NOT_FOUND), ENODATA);
    assert_int_equal(ls_mount_errno(LS_CALL_MKDIR, LS_INVALID), EPERM);
}

static void names_are_refused_by_their_class(void **state)
{
    (void)state;
    assert_int_equal(ls_mount_name_errno(LS_KEY_FITS), 0);
    assert_int_equal(ls_mount_name_errno(LS_KEY_LONG), ENAMETOOLONG);
    assert_int_equal(ls_mount_name_errno(LS_KEY_UTF8), EINVAL);
    assert_int_equal(ls_mount_name_errno(LS_KEY_CONTROL), EINVAL);
    assert_int_equal(ls_mount_name_errno(LS_KEY_UNKNOWN_TYPE), EPERM);
    assert_int_equal(ls_mount_name_errno(LS_KEY_DEPTH), EPERM);
}

static void a_gate_lets_in_by_turn(void **state)
{
    (void)state;
    struct ls_gates gates = {PTHREAD_MUTEX_INITIALIZER};
    struct ls_gate gate = {0};
    struct ls_gate_wait writer, reader, reader2;
    assert_true(ls_gate_enter(&gates, &gate, false, NULL));
    assert_true(ls_gate_enter(&gates, &gate, false, NULL));
    assert_false(ls_gate_enter(&gates, &gate, true, &writer));
    /* A reader behind a waiting writer waits as well: the writer does not starve. */
    assert_false(ls_gate_enter(&gates, &gate, false, &reader));
    assert_false(ls_gate_enter(&gates, &gate, false, &reader2));
    assert_false(ls_gate_enter(&gates, &gate, false, NULL));
    assert_null(ls_gate_leave(&gates, &gate, false));
    struct ls_gate_wait *in = ls_gate_leave(&gates, &gate, false);
    assert_ptr_equal(in, &writer);
    assert_null(in->next);
    in = ls_gate_leave(&gates, &gate, true);
    assert_ptr_equal(in, &reader);
    assert_ptr_equal(in->next, &reader2);
    assert_null(ls_gate_leave(&gates, &gate, false));
    assert_null(ls_gate_leave(&gates, &gate, false));
    assert_true(ls_gate_enter(&gates, &gate, true, NULL));
    assert_null(ls_gate_leave(&gates, &gate, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_programs_write_beside_a_file_is_scratch),
        cmocka_unit_test(every_class_has_an_errno_at_every_call),
        cmocka_unit_test(names_are_refused_by_their_class),
        cmocka_unit_test(a_gate_lets_in_by_turn),
    };
    return cmocka_run_group_tests_name("mount rules", tests, NULL, NULL);
}
