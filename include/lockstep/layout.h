/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The layout: the template that turns a key into its columns and back.
 *
 * `products/{product}/{weight}/{type}/{file}`: literal segments first, then exactly four placeholders, one a segment,
 * in the roles product, weight, type, file; their names are free. Parse and format are exact inverses. Names are bytes:
 * never normalised or case-folded. Immutable after compile, so safe from any thread.
 */
#ifndef LOCKSTEP_LAYOUT_H
#define LOCKSTEP_LAYOUT_H

#include <stddef.h>

#include "lockstep/err.h"

#define LS_NAME_MAX 255 /* bytes of one segment */

struct ls_layout;

/* A piece of a key; not NUL-terminated, points into the key that was parsed. */
struct ls_slice {
    const char *data;
    size_t len;
};

struct ls_key_parts {
    struct ls_slice product, weight, type, file;
};

/* Why a key does not fit; LS_KEY_FITS when it does. */
enum ls_key_class {
    LS_KEY_FITS,
    LS_KEY_OUTSIDE,      /* not below the literal prefix */
    LS_KEY_DEPTH,        /* too few or too many levels */
    LS_KEY_UNKNOWN_TYPE, /* the type is none of the configured ones */
    LS_KEY_DOT,          /* a segment "." or ".." */
    LS_KEY_EMPTY,        /* an empty segment: "//", a leading or a trailing "/" */
    LS_KEY_CONTROL,      /* a control byte (below 0x20, or 0x7f) */
    LS_KEY_UTF8,         /* not UTF-8 */
    LS_KEY_LONG          /* a segment over LS_NAME_MAX or a key over 1,024 bytes */
};

/* How deep a path is; used by the mount. */
enum ls_level {
    LS_LEVEL_ROOT,    /* above the products: "" or a part of the literal prefix ("products") */
    LS_LEVEL_PRODUCT, /* products/p1 */
    LS_LEVEL_WEIGHT,  /* products/p1/500ml */
    LS_LEVEL_TYPE,    /* products/p1/500ml/hero-card */
    LS_LEVEL_FILE
};

/* types ends with NULL. LS_INVALID says what is wrong with the template or a type. */
enum ls_rc ls_layout_compile(const char *template_text, const char *const *types, struct ls_layout **out_layout,
                             struct ls_err *err) LS_MUST_CHECK;
void ls_layout_free(struct ls_layout *layout);

/* Take a whole key apart. out_parts is written only for LS_KEY_FITS. */
enum ls_key_class ls_layout_parse(const struct ls_layout *layout, const char *key, size_t len,
                                  struct ls_key_parts *out_parts);
/* As parse, for a folder or file path without its trailing slash of any level; unused parts have len 0. A path of the
 * literal prefix (or "") is LS_LEVEL_ROOT. */
enum ls_key_class ls_layout_parse_path(const struct ls_layout *layout, const char *path, size_t len,
                                       enum ls_level *out_level, struct ls_key_parts *out_parts);

/* The product segment of a key, also of one that fits only that far (3 or 5 levels); false when it has none. */
bool ls_layout_product_of(const struct ls_layout *layout, const char *key, size_t len, struct ls_slice *out_product);

/* Write the key; or with NULLs from the right, the folder's prefix with its trailing slash: (p1, 500ml, NULL, NULL)
 * gives "products/p1/500ml/", all NULL "products/". LS_INVALID when a part would not parse back, LS_NO_SPACE when out
 * is small. */
enum ls_rc ls_layout_format(const struct ls_layout *layout, const char *product, const char *weight, const char *type,
                            const char *file, char *out, size_t out_size, struct ls_err *err) LS_MUST_CHECK;

/* The literal prefix with its trailing slash ("products/", or "" when there is none). */
const char *ls_layout_prefix(const struct ls_layout *layout);
/* The types, NULL-terminated; owned by the layout. */
const char *const *ls_layout_types(const struct ls_layout *layout);
bool ls_layout_has_type(const struct ls_layout *layout, const char *type, size_t len);

/* A reason for people: "has 3 levels, the layout … has 5". Static or into out. */
const char *ls_key_class_text(enum ls_key_class key_class);

/* True for keys that are lockstep's own (below LS_INTERNAL_PREFIX): never scanned, mounted or reported. */
#define LS_INTERNAL_PREFIX ".lockstep/"
bool ls_key_is_internal(const char *key);

#endif
