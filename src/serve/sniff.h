/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What kind of image some bytes are, by their first ones (WHATWG MIME Sniffing, and ISO BMFF brands for AVIF), and
 * which kind a file's name promises. SVG is none: it can hold scripts.
 */
#ifndef LOCKSTEP_SERVE_SNIFF_H
#define LOCKSTEP_SERVE_SNIFF_H

#include <stddef.h>

#define LS_SNIFF_BYTES 32 /* as many of the first bytes are looked at */

/* "image/png", or NULL when it is no image that is known. */
const char *ls_sniff_bytes(const void *data, size_t len);
/* The same by the name's extension, in any case. */
const char *ls_sniff_name(const char *file);

#endif
