/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * statfs: what the catalog records, and what the disk of the staging folder can still take. Never the store. The
 * catalog's sums are kept for a while, because they cost a pass over its index.
 */
#include <errno.h>
#include <sys/statvfs.h>

#include "base/auto.h"
#include "base/clock.h"
#include "mount/cache.h"
#include "mount/internal.h"

#define NUMBERS_AGE_MS 5000

static void numbers(struct ls_mount *mount, uint64_t *out_rows, uint64_t *out_bytes)
{
    LS_LOCK(&mount->numbers_lock);
    int64_t now_ms = ls_monotonic_ms();
    if (mount->numbers_at_ms == 0 || now_ms - mount->numbers_at_ms > NUMBERS_AGE_MS) {
        uint64_t rows, bytes;
        /* A catalog that cannot be read now leaves the last sums. */
        if (mount->catalog->ops->image_count(mount->catalog, "", NULL, &rows, &bytes, NULL) == LS_OK) {
            mount->rows = rows;
            mount->bytes = bytes;
        }
        mount->numbers_at_ms = now_ms;
    }
    *out_rows = mount->rows;
    *out_bytes = mount->bytes;
}

void ls_op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    (void)ino;
    struct ls_mount *mount = ls_mount_of(req);
    struct statvfs disk, out = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = LS_NAME_MAX};
    uint64_t rows, bytes;
    if (ls_cache_statvfs(mount->cache, &disk) != 0) {
        fuse_reply_err(req, errno);
        return;
    }
    numbers(mount, &rows, &bytes);
    uint64_t used = (bytes + out.f_frsize - 1) / out.f_frsize;
    uint64_t scale = disk.f_frsize ? disk.f_frsize : 4096;
    out.f_bfree = disk.f_bfree * scale / out.f_frsize;
    out.f_bavail = disk.f_bavail * scale / out.f_frsize;
    out.f_blocks = out.f_bfree + used;
    out.f_ffree = out.f_favail = disk.f_favail;
    out.f_files = rows + out.f_ffree;
    fuse_reply_statfs(req, &out);
}
