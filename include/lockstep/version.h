/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The library's version. */
#ifndef LOCKSTEP_VERSION_H
#define LOCKSTEP_VERSION_H

/* The version as "major.minor.patch"; static. */
const char *ls_version(void);

#endif
