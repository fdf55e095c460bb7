/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files that are part of the program. */
#ifndef LOCKSTEP_SERVE_ASSETS_H
#define LOCKSTEP_SERVE_ASSETS_H

#include <stdint.h>

extern const char ls_asset_openapi[]; /* with a NUL behind it */
extern const uint64_t ls_asset_openapi_len;

#endif
