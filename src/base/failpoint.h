/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Named points between the steps of durable work, at which a test can kill, stop or fail the process.
 *
 * `LS_FAILPOINT("engine.put.intent_written")` is an expression of type bool: true means "fail here". Points exist only
 * in builds configured with --enable-failpoints; elsewhere the expression is the constant false. They are armed by the
 * command line option --failpoint alone, never by the environment. Each point registers itself in a linker section, so
 * that `lockstep failpoints` and the crash tests can list every one. Thread-safe after arming.
 */
#ifndef LOCKSTEP_BASE_FAILPOINT_H
#define LOCKSTEP_BASE_FAILPOINT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "lockstep/err.h"

enum ls_failpoint_action { LS_FAILPOINT_OFF, LS_FAILPOINT_KILL, LS_FAILPOINT_STOP, LS_FAILPOINT_ERROR };

struct ls_failpoint {
    const char *name;     /* <layer>.<operation>.<the step that has just been done> */
    atomic_int action;    /* enum ls_failpoint_action */
    atomic_int hits_left; /* fires when it falls to 0 */
};

#ifdef LS_ENABLE_FAILPOINTS
/* Slow path of LS_FAILPOINT; true when the caller must fail. */
bool ls_failpoint_hit(struct ls_failpoint *point);

/* AddressSanitizer would put red zones between the section's entries; gcc leaves named sections alone by itself. */
#ifdef __clang__
#define LS_FAILPOINT_NO_ASAN , no_sanitize("address")
#else
#define LS_FAILPOINT_NO_ASAN
#endif

#define LS_FAILPOINT(point_name)                                                                                       \
    __extension__({                                                                                                    \
        static struct ls_failpoint ls_point_ = {.name = (point_name)};                                                 \
        static struct ls_failpoint *const ls_point_entry_                                                              \
            __attribute__((section("ls_failpoints"), used LS_FAILPOINT_NO_ASAN)) = &ls_point_;                         \
        atomic_load_explicit(&ls_point_.action, memory_order_relaxed) !=                                               \
            LS_FAILPOINT_OFF &&ls_failpoint_hit(&ls_point_);                                                           \
    })
#else
#define LS_FAILPOINT(point_name) false
#endif

/* Arm from "NAME=ACTION[@N]" (ACTION kill|stop|error; fire at the Nth hit, default the first, then disarm).
 * LS_NOT_FOUND for an unknown name, LS_UNSUPPORTED in a build without fail points. */
enum ls_rc ls_failpoint_arm(const char *spec, struct ls_err *err) LS_MUST_CHECK;

/* Call fn with each point's name, sorted, each name once. */
void ls_failpoint_list(void (*fn)(void *ctx, const char *name), void *ctx);

#endif
