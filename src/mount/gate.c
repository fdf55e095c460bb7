/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The gates' lines. Invariant: somebody stands in line only while the gate could not be entered by the first of them.
 */
#include "mount/gate.h"

#include <stddef.h>

#include "base/auto.h"

static bool can_enter(const struct ls_gate *gate, bool exclusive)
{
    return !gate->exclusive && (!exclusive || gate->shared == 0);
}

static void count_in(struct ls_gate *gate, bool exclusive)
{
    if (exclusive)
        gate->exclusive = true;
    else
        gate->shared++;
}

bool ls_gate_enter(struct ls_gates *gates, struct ls_gate *gate, bool exclusive, struct ls_gate_wait *wait)
{
    LS_LOCK(&gates->lock);
    if (!gate->first && can_enter(gate, exclusive)) {
        count_in(gate, exclusive);
        return true;
    }
    if (wait) {
        wait->next = NULL;
        wait->exclusive = exclusive;
        if (gate->last)
            gate->last->next = wait;
        else
            gate->first = wait;
        gate->last = wait;
    }
    return false;
}

struct ls_gate_wait *ls_gate_leave(struct ls_gates *gates, struct ls_gate *gate, bool exclusive)
{
    LS_LOCK(&gates->lock);
    if (exclusive)
        gate->exclusive = false;
    else
        gate->shared--;
    struct ls_gate_wait *entered = NULL, **tail = &entered;
    while (gate->first && can_enter(gate, gate->first->exclusive)) {
        struct ls_gate_wait *wait = gate->first;
        gate->first = wait->next;
        if (!gate->first)
            gate->last = NULL;
        count_in(gate, wait->exclusive);
        wait->next = NULL;
        *tail = wait;
        tail = &wait->next;
    }
    return entered;
}

bool ls_gate_busy(struct ls_gates *gates, const struct ls_gate *gate)
{
    LS_LOCK(&gates->lock);
    return gate->exclusive || gate->shared > 0 || gate->first;
}
