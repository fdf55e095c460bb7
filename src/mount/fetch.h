/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a row to its bytes: through the cache, else from the store.
 */
#ifndef LOCKSTEP_MOUNT_FETCH_H
#define LOCKSTEP_MOUNT_FETCH_H

#include "mount/cache.h"
#include "mount/internal.h"

/* The bytes of a row and the etag and size that they have (those of the row, or for a row with nothing recorded those
 * of the object). In a worker; logs what an operator must know. */
enum ls_rc ls_fetch_row(struct ls_mount *mount, const struct ls_image *row, struct ls_content **out_content,
                        char out_etag[LS_ETAG_MAX], uint64_t *out_size_bytes, struct ls_err *err) LS_MUST_CHECK;

#endif
