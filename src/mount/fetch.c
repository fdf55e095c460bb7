/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fetching, and what it tells the operator when object and row do not agree.
 */
#include "mount/fetch.h"

#include <stdio.h>
#include <string.h>

enum ls_rc ls_fetch_row(struct ls_mount *mount, const struct ls_image *row, struct ls_content **out_content,
                        char out_etag[LS_ETAG_MAX], uint64_t *out_size_bytes, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    *out_size_bytes = row->record.size_bytes;
    snprintf(out_etag, LS_ETAG_MAX, "%s", row->record.etag);
    if (!row->record.known) {
        struct ls_object_info info = {0};
        rc = ls_store_head_one(mount->store, row->key, &info, err);
        *out_size_bytes = info.size_bytes;
        memcpy(out_etag, info.etag, LS_ETAG_MAX);
    }
    if (!rc)
        rc = ls_cache_fetch(mount->cache, row->key, out_etag, *out_size_bytes, out_content, err);
    if (rc)
        ls_cache_log_failure(row->key, rc, err);
    return rc;
}
