/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tests of any store share: a call that must succeed (its error goes to `last` of who includes this), and bytes to
 * put. */
#ifndef LOCKSTEP_TESTS_STORE_TOOLS_H
#define LOCKSTEP_TESTS_STORE_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "base/file.h"

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        ls_err_clear(&last);                                                                                           \
        enum ls_rc rc_ = (call);                                                                                       \
        if (rc_)                                                                                                       \
            fail_msg("%s: %s: %s", #call, ls_rc_name(rc_), last.text);                                                 \
    } while (0)

static inline int file_of(const void *data, size_t len)
{
    int fd = memfd_create("bytes", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ls_write_all(fd, data, len), 0);
    return fd;
}

#endif
