/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The layout: compile the template, take keys apart, put them together.
 *
 * A key is checked in two steps: first as bytes (length, UTF-8, control bytes, empty and dot segments), which needs no
 * layout, then as a place (prefix, depth, type). The first complaint wins, so a key has exactly one class. No
 * allocation after compile; nothing here is written after compile, so any thread may call.
 */
#include "lockstep/layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"

enum { PLACEHOLDERS = 4, KEY_MAX = 1024 };

struct ls_layout {
    char *prefix; /* literal segments, each with its slash; "" for none */
    size_t prefix_len;
    char **types; /* NULL-terminated */
};

LS_AUTO_DEFINE(ls_layout, struct ls_layout *, ls_layout_free)

static struct ls_slice slice(const char *data, size_t len) { return (struct ls_slice){data, len}; }

static bool is_slice(struct ls_slice s, const char *text)
{
    return s.len == strlen(text) && !memcmp(s.data, text, s.len);
}

static bool is_dot(struct ls_slice s) { return is_slice(s, ".") || is_slice(s, ".."); }

/* Take the segment up to the next slash off the front; *rest is empty after the last one. */
static struct ls_slice take_segment(struct ls_slice *rest)
{
    const char *slash = memchr(rest->data, '/', rest->len);
    size_t len = slash ? (size_t)(slash - rest->data) : rest->len;
    struct ls_slice segment = slice(rest->data, len);
    size_t used = len + (slash ? 1 : 0);
    *rest = slice(rest->data + used, rest->len - used);
    return segment;
}

static bool has_control(struct ls_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f)
            return true;
    return false;
}

/* What is wrong with the bytes of a whole key or path, whatever the layout. */
static enum ls_key_class check_bytes(struct ls_slice key)
{
    if (key.len > KEY_MAX)
        return LS_KEY_LONG;
    if (!ls_utf8_valid(key.data, key.len))
        return LS_KEY_UTF8;
    if (has_control(key))
        return LS_KEY_CONTROL;
    if (key.len == 0 || key.data[key.len - 1] == '/')
        return LS_KEY_EMPTY;
    enum ls_key_class worst = LS_KEY_FITS;
    for (struct ls_slice rest = key; rest.len > 0;) {
        struct ls_slice segment = take_segment(&rest);
        if (segment.len == 0)
            return LS_KEY_EMPTY;
        if (worst == LS_KEY_FITS && is_dot(segment))
            worst = LS_KEY_DOT;
        if (worst == LS_KEY_FITS && segment.len > LS_NAME_MAX)
            worst = LS_KEY_LONG;
    }
    return worst;
}

/* One segment of a template, a type or a part. */
static bool segment_is_good(struct ls_slice s)
{
    return s.len > 0 && s.len <= LS_NAME_MAX && !memchr(s.data, '/', s.len) && check_bytes(s) == LS_KEY_FITS;
}

static bool is_internal_segment(struct ls_slice s)
{
    return s.len == strlen(LS_INTERNAL_PREFIX) - 1 && !memcmp(s.data, LS_INTERNAL_PREFIX, s.len);
}

/* ---- compile ---- */

static bool is_placeholder(struct ls_slice s) { return s.len > 2 && s.data[0] == '{' && s.data[s.len - 1] == '}'; }

static bool has_brace(struct ls_slice s) { return memchr(s.data, '{', s.len) || memchr(s.data, '}', s.len); }

static enum ls_rc compile_placeholder(struct ls_slice name, struct ls_slice names[PLACEHOLDERS], unsigned *n,
                                      struct ls_err *err)
{
    if (has_brace(name))
        return ls_err_set(err, LS_INVALID, "layout: {%.*s} is not a placeholder name", (int)name.len, name.data);
    for (unsigned i = 0; i < *n && i < PLACEHOLDERS; i++)
        if (names[i].len == name.len && !memcmp(names[i].data, name.data, name.len))
            return ls_err_set(err, LS_INVALID, "layout: {%.*s} stands there twice", (int)name.len, name.data);
    if (*n < PLACEHOLDERS)
        names[*n] = name;
    ++*n;
    return LS_OK;
}

static enum ls_rc compile_template(struct ls_layout *layout, const char *text, struct ls_err *err)
{
    struct ls_slice whole = slice(text, strlen(text)), names[PLACEHOLDERS];
    if (check_bytes(whole) != LS_KEY_FITS)
        return ls_err_set(err, LS_INVALID, "layout: the template '%s' %s", text, ls_key_class_text(check_bytes(whole)));
    unsigned n = 0;
    for (struct ls_slice rest = whole; rest.len > 0;) {
        struct ls_slice segment = take_segment(&rest);
        if (is_placeholder(segment)) {
            enum ls_rc rc = compile_placeholder(slice(segment.data + 1, segment.len - 2), names, &n, err);
            if (rc)
                return rc;
        } else if (has_brace(segment)) {
            return ls_err_set(err, LS_INVALID, "layout: '%.*s' must be a plain name or one {placeholder}",
                              (int)segment.len, segment.data);
        } else if (n > 0) {
            return ls_err_set(err, LS_INVALID, "layout: '%.*s' stands after a placeholder; plain names come first",
                              (int)segment.len, segment.data);
        } else if (layout->prefix_len == 0 && is_internal_segment(segment)) {
            return ls_err_set(err, LS_INVALID, "layout: %s is lockstep's own folder", LS_INTERNAL_PREFIX);
        } else {
            layout->prefix_len = (size_t)(rest.data - text);
        }
    }
    if (n != PLACEHOLDERS)
        return ls_err_set(err, LS_INVALID,
                          "layout: the template '%s' has %u placeholders, it needs %d: product, weight, "
                          "type and file in this order",
                          text, n, PLACEHOLDERS);
    layout->prefix = strndup(text, layout->prefix_len);
    return layout->prefix ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc compile_types(struct ls_layout *layout, const char *const *types, struct ls_err *err)
{
    size_t n = 0;
    while (types[n])
        n++;
    if (n == 0)
        return ls_err_set(err, LS_INVALID, "layout: there are no image types");
    layout->types = calloc(n + 1, sizeof *layout->types);
    if (!layout->types)
        return ls_err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct ls_slice type = slice(types[i], strlen(types[i]));
        if (!segment_is_good(type))
            return ls_err_set(err, LS_INVALID, "layout: '%s' cannot be an image type: it must be one path segment",
                              types[i]);
        if (i > 0 && ls_layout_has_type(layout, type.data, type.len))
            return ls_err_set(err, LS_INVALID, "layout: the image type '%s' is listed twice", types[i]);
        layout->types[i] = strdup(types[i]);
        if (!layout->types[i])
            return ls_err_nomem(err);
    }
    return LS_OK;
}

enum ls_rc ls_layout_compile(const char *template_text, const char *const *types, struct ls_layout **out_layout,
                             struct ls_err *err)
{
    LS_AUTO(ls_layout) struct ls_layout *layout = calloc(1, sizeof *layout);
    if (!layout)
        return ls_err_nomem(err);
    enum ls_rc rc = compile_template(layout, template_text, err);
    if (!rc)
        rc = compile_types(layout, types, err);
    if (!rc)
        *out_layout = LS_STEAL(layout);
    return rc;
}

void ls_layout_free(struct ls_layout *layout)
{
    if (!layout)
        return;
    for (char **type = layout->types; type && *type; type++)
        free(*type);
    free(layout->types);
    free(layout->prefix);
    free(layout);
}

/* ---- parse ---- */

/* True when the path is the prefix itself or a folder above it. */
static bool is_above_products(const struct ls_layout *layout, struct ls_slice path)
{
    return path.len == 0 || (path.len < layout->prefix_len && !memcmp(path.data, layout->prefix, path.len) &&
                             layout->prefix[path.len] == '/');
}

/* What follows the literal prefix; false when the path is not below it. */
static bool strip_prefix(const struct ls_layout *layout, struct ls_slice path, struct ls_slice *out_rest)
{
    if (path.len <= layout->prefix_len || memcmp(path.data, layout->prefix, layout->prefix_len) != 0)
        return false;
    *out_rest = slice(path.data + layout->prefix_len, path.len - layout->prefix_len);
    struct ls_slice probe = *out_rest;
    return layout->prefix_len > 0 || !is_internal_segment(take_segment(&probe));
}

/* Take apart what is below the prefix, whatever its depth and type; *out_n is the number of parts. */
static enum ls_key_class split(const struct ls_layout *layout, struct ls_slice path,
                               struct ls_slice parts[PLACEHOLDERS], unsigned *out_n)
{
    enum ls_key_class bytes = check_bytes(path);
    if (bytes != LS_KEY_FITS)
        return bytes;
    struct ls_slice rest;
    if (!strip_prefix(layout, path, &rest))
        return LS_KEY_OUTSIDE;
    unsigned n = 0;
    while (rest.len > 0 && n < PLACEHOLDERS)
        parts[n++] = take_segment(&rest);
    *out_n = n;
    return rest.len > 0 ? LS_KEY_DEPTH : LS_KEY_FITS;
}

enum ls_key_class ls_layout_parse_path(const struct ls_layout *layout, const char *path, size_t len,
                                       enum ls_level *out_level, struct ls_key_parts *out_parts)
{
    struct ls_slice parts[PLACEHOLDERS] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}};
    unsigned n = 0;
    if (!is_above_products(layout, slice(path, len))) {
        enum ls_key_class key_class = split(layout, slice(path, len), parts, &n);
        if (key_class != LS_KEY_FITS)
            return key_class;
        if (n >= LS_LEVEL_TYPE && !ls_layout_has_type(layout, parts[2].data, parts[2].len))
            return LS_KEY_UNKNOWN_TYPE;
    }
    *out_level = (enum ls_level)n;
    *out_parts = (struct ls_key_parts){parts[0], parts[1], parts[2], parts[3]};
    return LS_KEY_FITS;
}

enum ls_key_class ls_layout_parse(const struct ls_layout *layout, const char *key, size_t len,
                                  struct ls_key_parts *out_parts)
{
    struct ls_slice parts[PLACEHOLDERS];
    unsigned n = 0;
    enum ls_key_class key_class = split(layout, slice(key, len), parts, &n);
    if (key_class != LS_KEY_FITS)
        return key_class;
    if (n < PLACEHOLDERS)
        return LS_KEY_DEPTH;
    if (!ls_layout_has_type(layout, parts[2].data, parts[2].len))
        return LS_KEY_UNKNOWN_TYPE;
    *out_parts = (struct ls_key_parts){parts[0], parts[1], parts[2], parts[3]};
    return LS_KEY_FITS;
}

bool ls_layout_product_of(const struct ls_layout *layout, const char *key, size_t len, struct ls_slice *out_product)
{
    struct ls_slice rest;
    if (!strip_prefix(layout, slice(key, len), &rest))
        return false;
    struct ls_slice product = take_segment(&rest);
    bool is_folder = product.data + product.len < key + len;
    if (!is_folder || !segment_is_good(product))
        return false;
    *out_product = product;
    return true;
}

/* ---- format ---- */

enum ls_rc ls_layout_format(const struct ls_layout *layout, const char *product, const char *weight, const char *type,
                            const char *file, char *out, size_t out_size, struct ls_err *err)
{
    const char *parts[PLACEHOLDERS] = {product, weight, type, file};
    char key[KEY_MAX + 1];
    size_t len = layout->prefix_len;
    memcpy(key, layout->prefix, len);
    unsigned n = 0;
    for (; n < PLACEHOLDERS && parts[n]; n++) {
        struct ls_slice part = slice(parts[n], strnlen(parts[n], KEY_MAX));
        if (!segment_is_good(part) || (len == 0 && is_internal_segment(part)))
            return ls_err_set(err, LS_INVALID, "layout: '%s' cannot be part of a key", parts[n]);
        bool slash = n + 1 < PLACEHOLDERS;
        if (len + part.len + slash > KEY_MAX)
            return ls_err_set(err, LS_INVALID, "layout: the key of '%s' would be longer than %d bytes", parts[n],
                              KEY_MAX);
        memcpy(key + len, part.data, part.len);
        len += part.len;
        if (slash)
            key[len++] = '/';
    }
    for (unsigned i = n; i < PLACEHOLDERS; i++)
        if (parts[i])
            return ls_err_set(err, LS_INVALID, "layout: '%s' has no folder to be in", parts[i]);
    if (type && !ls_layout_has_type(layout, type, strlen(type)))
        return ls_err_set(err, LS_INVALID, "layout: '%s' is none of the image types", type);
    if (len + 1 > out_size)
        return ls_err_set(err, LS_NO_SPACE, "layout: no room for a key of %zu bytes", len);
    memcpy(out, key, len);
    out[len] = '\0';
    return LS_OK;
}

/* ---- small questions ---- */

const char *ls_layout_prefix(const struct ls_layout *layout) { return layout->prefix; }

const char *const *ls_layout_types(const struct ls_layout *layout) { return (const char *const *)layout->types; }

bool ls_layout_has_type(const struct ls_layout *layout, const char *type, size_t len)
{
    for (char *const *known = layout->types; *known; known++)
        if (is_slice(slice(type, len), *known))
            return true;
    return false;
}

const char *ls_key_class_text(enum ls_key_class key_class)
{
    switch (key_class) {
    case LS_KEY_FITS:
        return "fits the layout";
    case LS_KEY_OUTSIDE:
        return "is not below the layout's folder";
    case LS_KEY_DEPTH:
        return "has too few or too many levels";
    case LS_KEY_UNKNOWN_TYPE:
        return "has an unknown image type";
    case LS_KEY_DOT:
        return "has a segment \".\" or \"..\"";
    case LS_KEY_EMPTY:
        return "has an empty segment (\"//\", or a slash at its start or end)";
    case LS_KEY_CONTROL:
        return "has a control byte";
    case LS_KEY_UTF8:
        return "is not UTF-8";
    case LS_KEY_LONG:
        return "is too long (a name over 255 or a key over 1,024 bytes)";
    }
    return "?";
}

bool ls_key_is_internal(const char *key) { return !strncmp(key, LS_INTERNAL_PREFIX, strlen(LS_INTERNAL_PREFIX)); }
