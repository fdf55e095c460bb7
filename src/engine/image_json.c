/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An image row as JSON, for the journal and the trash: the copy of a removed row, or what a row is to become.
 *
 * Column values are bytes. A value that is not UTF-8 cannot be a JSON string, so it is written as an array that holds
 * its hexadecimal form; NULL is null. The key is not part of it: it stands beside it in the journal.
 */
#include "engine/internal.h"

#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"

static json_t *text_to_json(const char *text)
{
    if (!text)
        return json_null();
    size_t len = strlen(text);
    if (ls_utf8_valid(text, len))
        return json_stringn(text, len);
    LS_AUTO(ls_free) char *hex = malloc(2 * len + 1);
    if (!hex)
        return NULL;
    ls_hex((const uint8_t *)text, len, hex);
    return json_pack("[s]", hex);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* false: not what text_to_json writes, or out of memory. */
static bool text_from_json(const json_t *value, struct ls_pool *pool, const char **out)
{
    *out = NULL;
    if (!value || json_is_null(value))
        return true;
    if (json_is_string(value))
        return (*out = ls_pool_strn(pool, json_string_value(value), json_string_length(value)));
    const char *hex = json_string_value(json_array_get(value, 0));
    if (!hex)
        return false;
    size_t len = strlen(hex) / 2;
    char *text = ls_pool_alloc(pool, len + 1);
    for (size_t i = 0; text && i < len; i++) {
        int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        text[i] = (char)(hi * 16 + lo);
    }
    return (*out = text);
}

enum ls_rc ls_image_to_json(const struct ls_image *image, struct ls_pool *pool, const char **out_json,
                            struct ls_err *err)
{
    const struct ls_record *r = &image->record;
    json_t *object = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:b, s:I, s:o, s:I, s:i, s:I, s:I, s:o, s:I, s:I}", "product",
        text_to_json(image->product), "weight", text_to_json(image->weight), "type", text_to_json(image->type), "url",
        text_to_json(image->url), "variant", text_to_json(image->variant_id), "known", (int)r->known, "size",
        (json_int_t)r->size_bytes, "etag", text_to_json(r->etag), "mtime", (json_int_t)r->mtime_ns, "mode",
        (int)r->mode, "uid", (json_int_t)r->uid, "gid", (json_int_t)r->gid, "ctype", text_to_json(r->content_type),
        "created", (json_int_t)image->created_ns, "updated", (json_int_t)image->updated_ns);
    LS_AUTO(ls_free) char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    *out_json = text ? ls_pool_str(pool, text) : NULL;
    return *out_json ? LS_OK : ls_err_nomem(err);
}

static void copy_text(char *out, size_t size, const char *text)
{
    if (text)
        snprintf(out, size, "%s", text);
}

enum ls_rc ls_image_from_json(const char *json, const char *key, struct ls_pool *pool, struct ls_image *out,
                              struct ls_err *err)
{
    *out = (struct ls_image){.key = ls_pool_str(pool, key)};
    struct ls_record *r = &out->record;
    json_t *object = json ? json_loads(json, 0, NULL) : NULL;
    const char *etag = NULL, *content_type = NULL;
    bool ok = out->key && json_is_object(object) &&
              text_from_json(json_object_get(object, "product"), pool, &out->product) &&
              text_from_json(json_object_get(object, "weight"), pool, &out->weight) &&
              text_from_json(json_object_get(object, "type"), pool, &out->type) &&
              text_from_json(json_object_get(object, "url"), pool, &out->url) &&
              text_from_json(json_object_get(object, "variant"), pool, &out->variant_id) &&
              text_from_json(json_object_get(object, "etag"), pool, &etag) &&
              text_from_json(json_object_get(object, "ctype"), pool, &content_type);
    if (ok) {
        copy_text(r->etag, sizeof(r->etag), etag);
        copy_text(r->content_type, sizeof(r->content_type), content_type);
        r->known = json_is_true(json_object_get(object, "known"));
        r->size_bytes = (uint64_t)json_integer_value(json_object_get(object, "size"));
        r->mtime_ns = json_integer_value(json_object_get(object, "mtime"));
        r->mode = (uint32_t)json_integer_value(json_object_get(object, "mode"));
        r->uid = (uint32_t)json_integer_value(json_object_get(object, "uid"));
        r->gid = (uint32_t)json_integer_value(json_object_get(object, "gid"));
        out->created_ns = json_integer_value(json_object_get(object, "created"));
        out->updated_ns = json_integer_value(json_object_get(object, "updated"));
    }
    json_decref(object);
    return ok ? LS_OK : ls_err_set(err, LS_CORRUPT, "engine: %s: the journal's copy of its row cannot be read", key);
}
