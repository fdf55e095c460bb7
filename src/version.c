/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The library's version, as configure knows it. */
#include "lockstep/version.h"

const char *ls_version(void) { return PACKAGE_VERSION; }
