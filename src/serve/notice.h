/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What MinIO tells of its buckets, taken apart. Nothing is believed: a body is read whole or not at all.
 *
 * A body is {"EventName", "Key", "Records": […]}, as MinIO posts it, or {"Records": […]} alone, as S3 writes it; or one
 * record by itself. In a record the key is escaped as in a query ('+' is a blank); the Key beside EventName is
 * "bucket/key" as it is, and read only where there are no records. In MinIO's stream the keys of records are as they
 * are.
 */
#ifndef LOCKSTEP_SERVE_NOTICE_H
#define LOCKSTEP_SERVE_NOTICE_H

#include <jansson.h>
#include <stddef.h>

#include "base/auto.h"
#include "lockstep/err.h"

struct ls_notice {
    const char *kind; /* "s3:ObjectCreated:Put", with or without "s3:" */
    const char *bucket, *key;
    const char *etag, *sequencer; /* or NULL */
    char *memory;                 /* of bucket and key, as far as the body does not hold them */
};

struct ls_notices {
    struct ls_notice *items;
    size_t n;
};

enum ls_notice_keys { LS_KEYS_ESCAPED, LS_KEYS_PLAIN };

/* keys: of the records. The notices point into body. LS_INVALID says what is wrong with it. */
enum ls_rc ls_notices_parse(const json_t *body, enum ls_notice_keys keys, struct ls_notices *out, struct ls_err *err)
    LS_MUST_CHECK;
void ls_notices_dispose(struct ls_notices *notices);
static inline void ls_notices_auto(struct ls_notices *notices) { ls_notices_dispose(notices); }

/* Does it tell that an object has changed? Reading one is told as well. */
bool ls_notice_is_change(const struct ls_notice *notice);

#endif
