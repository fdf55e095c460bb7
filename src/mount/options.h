/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The -o options: ours, those of fstab that mean nothing here, and those that libfuse and the kernel take. Every word
 * is known or refused; nothing is passed on unseen.
 */
#ifndef LOCKSTEP_MOUNT_OPTIONS_H
#define LOCKSTEP_MOUNT_OPTIONS_H

#include "mount/internal.h"

/* Read opts->fuse_options into *out_tuning, and make libfuse's arguments of it with what every mount has as well. args:
 * fuse_opt_free_args. LS_INVALID names the word; LS_DENIED: this user may not use it. */
enum ls_rc ls_mount_options(const struct ls_mount_opts *opts, struct ls_mount_tuning *out_tuning,
                            struct fuse_args *args, struct ls_err *err) LS_MUST_CHECK;

#endif
