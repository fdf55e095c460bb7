/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The -o options: ours, those of fstab that mean nothing here, and what is libfuse's own.
 */
#ifndef LOCKSTEP_MOUNT_OPTIONS_H
#define LOCKSTEP_MOUNT_OPTIONS_H

#include "mount/internal.h"

/* Take ours out of opts->fuse_options into *out_tuning (and read_only from "ro"), leave libfuse's in args, which gets
 * what every mount has as well. args: fuse_opt_free_args. LS_INVALID names the option. */
enum ls_rc ls_mount_options(const struct ls_mount_opts *opts, struct ls_mount_tuning *out_tuning, bool *out_read_only,
                            struct fuse_args *args, struct ls_err *err) LS_MUST_CHECK;

#endif
