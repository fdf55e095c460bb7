/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Open files whose bytes are not all here, while their objects are renamed or removed.
 */
#ifndef LOCKSTEP_MOUNT_HOLD_H
#define LOCKSTEP_MOUNT_HOLD_H

#include "mount/cache.h"
#include "mount/internal.h"

#define LS_HOLDS 256 /* most such files below one folder; further ones are fetched by their old names and fail */

struct ls_hold {
    struct ls_content *contents[LS_HOLDS];
    size_t n;
};

/* Before the object at path, or all below it, get another name: their readers wait until the end. In a worker. */
void ls_hold_begin(struct ls_mount *mount, const char *path, struct ls_hold *out_hold);
/* They go on; by the new names when moved. */
void ls_hold_end(struct ls_mount *mount, struct ls_hold *hold, const char *from, const char *to, bool moved);
/* Before the object at path is removed or replaced: fetch what its readers may still ask for. In a worker. */
enum ls_rc ls_hold_bytes(struct ls_mount *mount, const char *path, struct ls_err *err) LS_MUST_CHECK;

#endif
