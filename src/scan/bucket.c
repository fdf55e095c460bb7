/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose bucket is it?
 *
 * `.lockstep/bucket-id` holds a random id that the catalog's settings hold as well (`bucket_id`). A bucket without the
 * marker, or with another id, is not the one that the catalog's rows describe: emptied, made anew, or mistaken.
 */
#include "scan/bucket.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/hash.h"
#include "lockstep/scan.h"

#define MARKER LS_INTERNAL_PREFIX "bucket-id"
#define META "bucket_id"

struct text {
    char *data;
    size_t len;
};

static enum ls_rc take_bytes(void *ctx, const void *data, size_t len)
{
    struct text *text = ctx;
    if (text->len + len >= LS_BUCKET_ID_SIZE)
        return LS_CORRUPT; /* no id of ours */
    memcpy(text->data + text->len, data, len);
    text->len += len;
    return LS_OK;
}

/* Read the marker; "" when there is none. */
static enum ls_rc read_marker(struct ls_store *store, char out[LS_BUCKET_ID_SIZE], struct ls_err *err)
{
    struct text text = {out, 0};
    struct ls_store_get get = {.key = MARKER, .len = UINT64_MAX};
    enum ls_rc rc = ls_store_get(store, &get, take_bytes, &text, NULL, err);
    out[rc ? 0 : text.len] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    if (rc == LS_CORRUPT) { /* somebody's own file: certainly not our id */
        snprintf(out, LS_BUCKET_ID_SIZE, "(unreadable)");
        rc = LS_OK;
    }
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

enum ls_rc ls_bucket_ids_read(struct ls_engine *engine, struct ls_bucket_ids *out, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(engine);
    LS_AUTO(ls_free) char *known = NULL;
    *out = (struct ls_bucket_ids){0};
    enum ls_rc rc = cat->ops->meta_get(cat, NULL, META, &known, err);
    if (rc && rc != LS_NOT_FOUND)
        return rc;
    if (!rc)
        snprintf(out->catalog, sizeof out->catalog, "%s", known);
    return read_marker(ls_engine_store(engine), out->bucket, err);
}

enum ls_rc ls_bucket_check(struct ls_engine *engine, struct ls_err *err)
{
    struct ls_bucket_ids ids;
    enum ls_rc rc = ls_bucket_ids_read(engine, &ids, err);
    if (rc || !*ids.catalog || strcmp(ids.catalog, ids.bucket) == 0)
        return rc;
    rc = ls_err_set(err, LS_GUARD,
                    "nothing was changed: the bucket's mark " MARKER " %s%s, but the catalog describes the bucket %s. "
                    "Check the store's url and the bucket; a sync tells how to go on if it is the right one",
                    *ids.bucket ? "says " : "is missing", ids.bucket, ids.catalog);
    if (err)
        snprintf(err->code, sizeof err->code, "bucket");
    return rc;
}

static enum ls_rc write_marker(struct ls_engine *engine, const char *id, struct ls_err *err)
{
    char line[LS_BUCKET_ID_SIZE + 1];
    LS_AUTO(ls_fd) int fd = memfd_create("bucket-id", MFD_CLOEXEC);
    int len = snprintf(line, sizeof line, "%s\n", id);
    if (fd < 0 || ls_write_all(fd, line, (size_t)len) < 0)
        return ls_err_set(err, LS_IO, "scan: no temporary memory file for the bucket's id");
    struct ls_object_meta meta = {.content_type = "text/plain"};
    struct ls_store_put put = {.key = MARKER,
                               .fd = fd,
                               .size_bytes = (uint64_t)len,
                               .condition = ls_engine_caps(engine)->conditional_put ? LS_PUT_IF_NEW : LS_PUT_ALWAYS,
                               .meta = &meta};
    struct ls_object_info info;
    return ls_store_put(ls_engine_store(engine), &put, &info, err);
}

static enum ls_rc remember(struct ls_catalog *cat, const char *id, struct ls_err *err)
{
    struct ls_tx *tx = NULL;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc)
        return rc;
    return ls_catalog_end(tx, cat->ops->meta_set(tx, META, id, err), err);
}

enum ls_rc ls_bucket_accept(struct ls_engine *engine, const struct ls_bucket_ids *ids, struct ls_err *err)
{
    char id[LS_BUCKET_ID_SIZE];
    enum ls_rc rc = LS_OK;
    if (*ids->bucket || *ids->catalog)
        snprintf(id, sizeof id, "%s", *ids->bucket ? ids->bucket : ids->catalog);
    else
        ls_id_new(id);
    if (!*ids->bucket)
        rc = write_marker(engine, id, err);
    if (!rc && strcmp(id, ids->catalog) != 0)
        rc = remember(ls_engine_catalog(engine), id, err);
    return rc;
}

enum ls_rc ls_scan_bucket_mark(struct ls_engine *engine, struct ls_err *err)
{
    struct ls_bucket_ids ids;
    uint64_t rows = 0;
    struct ls_catalog *cat = ls_engine_catalog(engine);
    enum ls_rc rc = ls_bucket_ids_read(engine, &ids, err);
    if (!rc && *ids.catalog && strcmp(ids.catalog, ids.bucket) != 0)
        rc = cat->ops->image_count(cat, "", NULL, &rows, NULL, err);
    if (rc)
        return rc;
    if (rows)
        return ls_err_set(err, LS_GUARD,
                          "the catalog with its %" PRIu64
                          " images belongs to another bucket (it expects the id %s in " MARKER
                          ", %s%s); give this bucket a catalog of its own",
                          rows, ids.catalog, *ids.bucket ? "which is " : "which is missing", ids.bucket);
    return ls_bucket_accept(engine, &ids, err);
}
