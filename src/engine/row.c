/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From keys and objects to rows: a key's columns, its variant, what is recorded of an object, and trash keys.
 */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/hash.h"

enum ls_rc ls_place_of(struct ls_engine *engine, struct ls_pool *pool, const char *key, struct ls_place *out,
                       struct ls_err *err)
{
    struct ls_key_parts parts;
    enum ls_key_class fits = ls_layout_parse(engine->layout, key, strlen(key), &parts);
    if (fits != LS_KEY_FITS)
        return ls_err_set(err, LS_INVALID, "engine: %s: not a place for an image: %s", key, ls_key_class_text(fits));
    LS_AUTO(ls_free) char *url = NULL;
    enum ls_rc rc = ls_store_url(engine->store, key, &url, err);
    if (rc != LS_OK)
        return rc;
    out->key = ls_pool_str(pool, key);
    out->product = ls_pool_strn(pool, parts.product.data, parts.product.len);
    out->weight = ls_pool_strn(pool, parts.weight.data, parts.weight.len);
    out->type = ls_pool_strn(pool, parts.type.data, parts.type.len);
    out->url = ls_pool_str(pool, url);
    if (!out->key || !out->product || !out->weight || !out->type || !out->url)
        return ls_err_nomem(err);
    return LS_OK;
}

enum ls_rc ls_variant_ensure(struct ls_engine *engine, struct ls_tx *tx, const char *product, const char *weight,
                             bool make, struct ls_variant *out, struct ls_err *err)
{
    const struct ls_catalog_ops *ops = engine->catalog->ops;
    enum ls_rc rc = ops->variant_get(engine->catalog, tx, product, weight, out, make ? NULL : err);
    if (rc != LS_NOT_FOUND)
        return rc;
    if (!make)
        return ls_err_set(err, LS_NOT_FOUND, "engine: product %s has no variant %s", product, weight);
    bool exists = false;
    rc = ops->product_exists(engine->catalog, tx, product, &exists, err);
    if (rc == LS_OK && !exists)
        rc = ops->product_add(tx, product, err);
    return rc == LS_OK ? ops->variant_add(tx, product, weight, out, err) : rc;
}

void ls_place_apply(const struct ls_place *place, const struct ls_variant *variant, struct ls_image *image)
{
    image->key = place->key;
    image->product = place->product;
    image->weight = place->weight;
    image->type = place->type;
    image->url = place->url;
    image->variant_id = variant->id;
    image->updated_ns = ls_now_ns();
    if (image->created_ns == 0)
        image->created_ns = image->updated_ns;
}

void ls_record_from_object(struct ls_record *record, const struct ls_object_info *info, const struct ls_record *before)
{
    const struct ls_object_meta *meta = &info->meta;
    bool keep = before && before->known;
    struct ls_record now = {.known = true, .size_bytes = info->size_bytes};
    memcpy(now.etag, info->etag, sizeof(now.etag));
    now.mtime_ns = meta->has_mtime ? meta->mtime_ns : info->modified_ns;
    now.mode = meta->has_mode ? meta->mode & 07777 : keep ? before->mode : 0644;
    now.uid = meta->has_owner ? meta->uid : keep ? before->uid : (uint32_t)getuid();
    now.gid = meta->has_owner ? meta->gid : keep ? before->gid : (uint32_t)getgid();
    memcpy(now.content_type, meta->content_type, sizeof(now.content_type));
    *record = now;
}

void ls_meta_from_record(const struct ls_record *record, const char *intent, struct ls_object_meta *out)
{
    *out = (struct ls_object_meta){.has_mtime = record->known,
                                   .has_mode = record->known,
                                   .has_owner = record->known,
                                   .mtime_ns = record->mtime_ns,
                                   .mode = record->mode,
                                   .uid = record->uid,
                                   .gid = record->gid};
    memcpy(out->content_type, record->content_type, sizeof(out->content_type));
    snprintf(out->intent, sizeof(out->intent), "%s", intent);
}

const char *ls_content_type_of(const char *key)
{
    static const char *const types[][2] = {
        {"jpg", "image/jpeg"},        {"jpeg", "image/jpeg"}, {"png", "image/png"},       {"gif", "image/gif"},
        {"webp", "image/webp"},       {"avif", "image/avif"}, {"svg", "image/svg+xml"},   {"bmp", "image/bmp"},
        {"tif", "image/tiff"},        {"tiff", "image/tiff"}, {"heic", "image/heic"},     {"heif", "image/heif"},
        {"ico", "image/x-icon"},      {"jxl", "image/jxl"},   {"pdf", "application/pdf"}, {"txt", "text/plain"},
        {"json", "application/json"},
    };
    const char *dot = strrchr(key, '.');
    if (dot && !strchr(dot, '/'))
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
            if (strcasecmp(dot + 1, types[i][0]) == 0)
                return types[i][1];
    return "application/octet-stream";
}

enum ls_rc ls_row_bring_back(struct ls_engine *engine, struct ls_tx *tx, struct ls_image *image, struct ls_err *err)
{
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    enum ls_rc rc = ls_catalog_image_get(engine->catalog, tx, image->key, &page, err);
    if (rc != LS_NOT_FOUND)
        return rc; /* somebody wrote a row there since: theirs counts */
    struct ls_variant variant;
    if (image->product && image->weight) {
        rc = ls_variant_ensure(engine, tx, image->product, image->weight, true, &variant, err);
        if (rc != LS_OK)
            return rc;
        image->variant_id = variant.id;
    } else {
        image->variant_id = NULL;
    }
    struct ls_image_write write = {.image = *image};
    return engine->catalog->ops->images_write(tx, &write, 1, err);
}

const struct ls_image *ls_image_at(const struct ls_image_page *page, const char *key)
{
    size_t lo = 0, hi = page->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int cmp = strcmp(page->items[mid].key, key);
        if (cmp == 0)
            return &page->items[mid];
        if (cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Would a store, or a folder of a file store, take it as the end of another key? */
static bool key_is_plain(const char *key)
{
    for (const char *at = key;; at++) {
        size_t len = strcspn(at, "/");
        if (len == 0 || (len <= 2 && strncmp(at, "..", len) == 0))
            return false;
        at += len;
        if (!*at)
            return true;
    }
}

const char *ls_trash_key(struct ls_pool *pool, const char *id, const char *key)
{
    char head[sizeof(LS_INTERNAL_PREFIX "trash/") + LS_INTENT_ID_LEN + 2], name[LS_SHA256_HEX];
    snprintf(head, sizeof(head), LS_INTERNAL_PREFIX "trash/%s/", id);
    if (strlen(head) + strlen(key) <= LS_KEY_MAX && key_is_plain(key))
        return ls_pool_join(pool, head, key);
    uint8_t sha[LS_SHA256_LEN];
    ls_sha256(key, strlen(key), sha);
    ls_hex(sha, sizeof(sha), name);
    return ls_pool_join(pool, head, name);
}
