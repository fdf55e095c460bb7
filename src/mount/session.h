/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of a mounted filesystem within the process that serves it.
 */
#ifndef LOCKSTEP_MOUNT_SESSION_H
#define LOCKSTEP_MOUNT_SESSION_H

#include "mount/internal.h"

/* Open the engine, mount, call ready(ctx) when the mount is up, serve until it ends, and take everything down. */
enum ls_rc ls_session_serve(const struct ls_mount_opts *opts, void (*ready)(void *ctx), void *ctx, struct ls_err *err)
    LS_MUST_CHECK;

#endif
