/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Conditional and partial requests (RFC 9110): etags in headers, and one range of bytes. */
#ifndef LOCKSTEP_SERVE_CONDITIONS_H
#define LOCKSTEP_SERVE_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Is the etag among those of an If-Match or If-None-Match header ("*" = any)? */
bool ls_etag_listed(const char *header, const char *etag);
/* The one etag that a header names, without quotes; false when it is "*", a list, weak or none. */
bool ls_etag_single(const char *header, char *out, unsigned long size);

enum ls_range { LS_RANGE_NONE, LS_RANGE_GOOD, LS_RANGE_BEYOND };
/* What a Range header means for size_bytes. LS_RANGE_NONE: send everything (no range, or a form that need not be
 * understood: several ranges, other units). LS_RANGE_BEYOND: 416. */
enum ls_range ls_range_parse(const char *header, uint64_t size_bytes, uint64_t *out_from, uint64_t *out_len);

#endif
