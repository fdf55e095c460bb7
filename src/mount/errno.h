/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The errno that each call of the mount answers with: one table, call by class, which lockstep-mount(1) shows as well
 * (tests/mount/test_errno.c compares them). Pure functions.
 */
#ifndef LOCKSTEP_MOUNT_ERRNO_H
#define LOCKSTEP_MOUNT_ERRNO_H

#include "lockstep/err.h"
#include "lockstep/layout.h"

/* In the order of the columns of the table. */
enum ls_mount_call {
    LS_CALL_NAMES,  /* lookup, getattr, readdir, setattr, unlink, rmdir, rename, statfs */
    LS_CALL_MKDIR,  /* mkdir */
    LS_CALL_FETCH,  /* open and read: bytes from the store */
    LS_CALL_COMMIT, /* close, fsync, rename of staged bytes */
    LS_CALL_XATTR,
    LS_CALL_COUNT
};

/* A positive errno for rc; 0 for LS_OK. */
int ls_mount_errno(enum ls_mount_call call, enum ls_rc rc);

/* The errno of making a name that the layout does not take; 0 for LS_KEY_FITS. */
int ls_mount_name_errno(enum ls_key_class key_class);

#endif
