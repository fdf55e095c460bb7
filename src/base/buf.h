/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A growable byte buffer with a hard maximum.
 *
 * The contents are always followed by a NUL byte that does not count, so data is a C string when no NUL was appended.
 * A buffer belongs to one thread at a time.
 */
#ifndef LOCKSTEP_BASE_BUF_H
#define LOCKSTEP_BASE_BUF_H

#include <stddef.h>
#include <string.h>

#include "lockstep/err.h"

struct ls_buf {
    char *data; /* never NULL after init: "" before the first append */
    size_t len;
    size_t cap;
    size_t max; /* most bytes it may hold */
};

extern char ls_buf_empty[1];
#define LS_BUF_INIT(max_bytes)                                                                                         \
    {                                                                                                                  \
        ls_buf_empty, 0, 0, (max_bytes)                                                                                \
    }

/* Common maxima, so that callers need not invent their own. */
#define LS_BUF_LINE ((size_t)64 * 1024)
#define LS_BUF_BODY ((size_t)16 * 1024 * 1024)

void ls_buf_init(struct ls_buf *buf, size_t max_bytes);
/* Free the memory and make it empty again (usable with the same maximum). */
void ls_buf_dispose(struct ls_buf *buf);
/* Keep the memory, forget the contents. */
void ls_buf_reset(struct ls_buf *buf);
/* Drop everything after len (len ≤ buf->len). */
void ls_buf_truncate(struct ls_buf *buf, size_t len);

/* Append; LS_NO_MEMORY, or LS_NO_SPACE past the maximum; the contents are unchanged then. */
enum ls_rc ls_buf_add(struct ls_buf *buf, const void *data, size_t len) LS_MUST_CHECK;
enum ls_rc ls_buf_adds(struct ls_buf *buf, const char *text) LS_MUST_CHECK;
enum ls_rc ls_buf_addc(struct ls_buf *buf, char c) LS_MUST_CHECK;
enum ls_rc ls_buf_addf(struct ls_buf *buf, const char *fmt, ...) LS_PRINTF(2, 3) LS_MUST_CHECK;

/* Append percent-encoded as RFC 3986 asks (unreserved bytes stay; '/' stays when keep_slash). */
enum ls_rc ls_buf_add_urlenc(struct ls_buf *buf, const char *data, size_t len, bool keep_slash) LS_MUST_CHECK;
/* Append percent-decoded; LS_INVALID for a bad escape. plus_is_space as in query strings. */
enum ls_rc ls_buf_add_urldec(struct ls_buf *buf, const char *data, size_t len, bool plus_is_space) LS_MUST_CHECK;
/* Append as a JSON string with its quotes. Bytes that are not UTF-8 are written as U+FFFD. */
enum ls_rc ls_buf_add_json(struct ls_buf *buf, const char *data, size_t len) LS_MUST_CHECK;

/* Take the contents as a heap string that the caller frees; the buffer is empty afterwards. NULL when out of memory. */
char *ls_buf_steal(struct ls_buf *buf);

static inline void ls_buf_auto(struct ls_buf *buf) { ls_buf_dispose(buf); }

/* True for well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong). */
bool ls_utf8_valid(const char *data, size_t len);

/* Heap-format a string; NULL when out of memory. The caller frees it. */
char *ls_strf(const char *fmt, ...) LS_PRINTF(1, 2);

#endif
