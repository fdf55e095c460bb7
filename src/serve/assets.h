/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that are part of the program: the API's description, and the dashboard's files (ui/).
 */
#ifndef LOCKSTEP_SERVE_ASSETS_H
#define LOCKSTEP_SERVE_ASSETS_H

#include <stddef.h>
#include <stdint.h>

#define LS_ASSET_ETAG_MAX 33

struct ls_asset {
    const char *name; /* "style.css" */
    const char *type; /* as Content-Type has it */
    const char *data; /* with a NUL behind it */
    const uint64_t *len;
};

/* What the API can do. */
extern const struct ls_asset ls_asset_openapi;

/* The dashboard's files. */
extern const struct ls_asset ls_ui_assets[];
extern const size_t ls_ui_assets_count;

/* A file of the dashboard, or NULL. */
const struct ls_asset *ls_ui_asset_find(const char *name);
/* What tells its bytes from those of another version. */
void ls_asset_etag(const struct ls_asset *asset, char out[LS_ASSET_ETAG_MAX]);

#endif
