/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mender: a thread that settles what operations had to leave behind while the store or the catalog did not answer,
 * so that a mount or server recovers by itself; and what dead processes and hosts have left half-done.
 */
#ifndef LOCKSTEP_ENGINE_MENDER_H
#define LOCKSTEP_ENGINE_MENDER_H

#include <stdatomic.h>

#include "base/auto.h"
#include "lockstep/engine.h"

struct ls_mender;

/* engine and cancel (the engine's; may be NULL) outlive it. */
enum ls_rc ls_mender_start(struct ls_engine *engine, atomic_bool *cancel, struct ls_mender **out_mender,
                           struct ls_err *err) LS_MUST_CHECK;
/* Wait for the attempt that runs, end the thread. No operation may run any more. When the last attempt failed, *cancel
 * is set, so that closing the engine does not wait for the same store again: the next start settles it. Takes NULL. */
void ls_mender_stop(struct ls_mender *mender);
LS_AUTO_DEFINE(ls_mender, struct ls_mender *, ls_mender_stop)

#endif
