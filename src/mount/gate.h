/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gates: shared/exclusive locks on nodes that never block a thread. Who cannot enter is put in line (first come, first
 * served) and continued later by whoever leaves. The lines are guarded by one lock of struct ls_gates.
 */
#ifndef LOCKSTEP_MOUNT_GATE_H
#define LOCKSTEP_MOUNT_GATE_H

#include <pthread.h>
#include <stdbool.h>

struct ls_gate_wait {
    struct ls_gate_wait *next;
    bool exclusive;
};

/* Zero is an open gate. */
struct ls_gate {
    unsigned shared;
    bool exclusive;
    struct ls_gate_wait *first, *last;
};

struct ls_gates {
    pthread_mutex_t lock;
};

/* True: entered. False: `wait` stands in line and will come out of some ls_gate_leave; with wait NULL nothing is done.
 */
bool ls_gate_enter(struct ls_gates *gates, struct ls_gate *gate, bool exclusive, struct ls_gate_wait *wait);
/* Leave; returns the list of those that have entered by it (linked by next), to be continued by the caller. */
struct ls_gate_wait *ls_gate_leave(struct ls_gates *gates, struct ls_gate *gate, bool exclusive)
    __attribute__((warn_unused_result));

/* Is somebody in it or in line? */
bool ls_gate_busy(struct ls_gates *gates, const struct ls_gate *gate);

#endif
