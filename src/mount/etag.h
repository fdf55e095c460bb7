/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Are these the bytes of this etag?
 */
#ifndef LOCKSTEP_MOUNT_ETAG_H
#define LOCKSTEP_MOUNT_ETAG_H

#include "lockstep/store.h"

enum ls_etag_verdict { LS_ETAG_RIGHT, LS_ETAG_WRONG, LS_ETAG_UNKNOWN };

/* Is it the MD5 of the object's bytes? */
bool ls_etag_is_md5(const struct ls_store_caps *caps, const char *etag);
/* Reads the whole file. UNKNOWN: the etag is made in a way that cannot be repeated, or the file cannot be read. */
enum ls_etag_verdict ls_etag_check(const struct ls_store_caps *caps, int fd, uint64_t size_bytes, const char *etag);

#endif
