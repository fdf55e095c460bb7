/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table. A row without an object, or with one whose etag changed behind our back, is a broken file (EIO), not a
 * missing name: the name is there, `ls` shows it. ESTALE is no class's: open.c and lookup.c answer it where the kernel
 * shall look the name up again by itself.
 */
#include "mount/errno.h"

#include <errno.h>

static const int table[LS_RC_COUNT][LS_CALL_COUNT] = {
    /*                       names       mkdir       open, read  close, fsync xattr */
    [LS_NOT_FOUND] = {ENOENT, ENOENT, EIO, ENOENT, ENODATA},
    [LS_EXISTS] = {EEXIST, EEXIST, EEXIST, EEXIST, EEXIST},
    [LS_CONFLICT] = {EBUSY, EBUSY, EIO, EBUSY, EBUSY},
    [LS_BUSY] = {EBUSY, EBUSY, EBUSY, EBUSY, EBUSY},
    [LS_NOT_EMPTY] = {ENOTEMPTY, ENOTEMPTY, ENOTEMPTY, ENOTEMPTY, ENOTEMPTY},
    [LS_DENIED] = {EACCES, EACCES, EACCES, EACCES, EACCES},
    [LS_NO_SPACE] = {ENOSPC, ENOSPC, ENOSPC, ENOSPC, ENOSPC},
    [LS_TRANSIENT] = {EIO, EIO, EIO, EIO, EIO},
    [LS_OUTCOME_UNKNOWN] = {EIO, EIO, EIO, EIO, EIO},
    [LS_CORRUPT] = {EIO, EIO, EIO, EIO, EIO},
    [LS_CANCELLED] = {EIO, EIO, EIO, EIO, EIO},
    [LS_INVALID] = {EINVAL, EPERM, EINVAL, EINVAL, EINVAL},
    [LS_UNSUPPORTED] = {EOPNOTSUPP, EOPNOTSUPP, EIO, EIO, ENOTSUP},
    [LS_GUARD] = {EPERM, EPERM, EPERM, EPERM, EPERM},
    [LS_NO_MEMORY] = {ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM},
    [LS_IO] = {EIO, EIO, EIO, EIO, EIO},
};

int ls_mount_errno(enum ls_mount_call call, enum ls_rc rc)
{
    if (rc == LS_OK)
        return 0;
    return (unsigned)rc < LS_RC_COUNT && table[rc][call] ? table[rc][call] : EIO;
}

int ls_mount_name_errno(enum ls_key_class key_class)
{
    switch (key_class) {
    case LS_KEY_FITS:
        return 0;
    case LS_KEY_OUTSIDE:
    case LS_KEY_DEPTH:
    case LS_KEY_UNKNOWN_TYPE:
        return EPERM;
    case LS_KEY_DOT:
    case LS_KEY_EMPTY:
    case LS_KEY_CONTROL:
    case LS_KEY_UTF8:
        return EINVAL;
    case LS_KEY_LONG:
        return ENAMETOOLONG;
    }
    return EINVAL;
}
