/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fetching files ahead of a reader who takes those of a folder one after the other (cat *, cp -r, rsync).
 *
 * A reader is noticed when the second file whose bytes are not here directly follows the first in key order, which is
 * the order of our listings. Small files only; large ones are read ahead block by block (content.h).
 */
#ifndef LOCKSTEP_MOUNT_AHEAD_H
#define LOCKSTEP_MOUNT_AHEAD_H

#include "mount/internal.h"

struct ls_ahead;

struct ls_ahead *ls_ahead_new(void);        /* NULL: out of memory */
void ls_ahead_free(struct ls_ahead *ahead); /* takes NULL; no job of the mount's pools runs any more */

/* The object of this key is opened; cold: its bytes must be fetched. Never blocks; any thread, any lock of the mount's
 * may be held. */
void ls_ahead_opened(struct ls_mount *mount, const char *key, bool cold);

#endif
