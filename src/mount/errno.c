/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of exceptions. A row without an object, or with one whose etag changed behind our back, is a broken file
 * (EIO), not a missing name: the name is there, `ls` shows it.
 */
#include "mount/errno.h"

#include <errno.h>
#include <stddef.h>

struct special {
    enum ls_mount_call call;
    enum ls_rc rc;
    int sys_errno;
};

static const struct special specials[] = {
    {LS_CALL_MKDIR, LS_INVALID, EPERM},    /* an unknown type, or deeper than the layout */
    {LS_CALL_FETCH, LS_NOT_FOUND, EIO},    /* the object is gone: lockstep scan finds it */
    {LS_CALL_FETCH, LS_CONFLICT, EIO},     /* the object was overwritten behind our back */
    {LS_CALL_FETCH, LS_CANCELLED, EIO},    /* the mount is being stopped */
    {LS_CALL_COMMIT, LS_CANCELLED, EIO},   /* likewise */
    {LS_CALL_COMMIT, LS_UNSUPPORTED, EIO}, /* the store cannot do it */
    {LS_CALL_XATTR, LS_NOT_FOUND, ENODATA}, {LS_CALL_XATTR, LS_UNSUPPORTED, ENOTSUP},
};

int ls_mount_errno(enum ls_mount_call call, enum ls_rc rc)
{
    if (rc == LS_OK)
        return 0;
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (specials[i].call == call && specials[i].rc == rc)
            return specials[i].sys_errno;
    return ls_rc_errno(rc);
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
