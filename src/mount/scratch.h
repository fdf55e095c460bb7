/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Scratch names: what rsync, editors and desktops write beside a file. Such files stay local until they are renamed to
 * a real name. Pure functions.
 */
#ifndef LOCKSTEP_MOUNT_SCRATCH_H
#define LOCKSTEP_MOUNT_SCRATCH_H

#include <stdbool.h>

/* Is this file name one that never reaches bucket or catalog? */
bool ls_scratch_name(const char *name);

#endif
