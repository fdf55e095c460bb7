/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Read the XML that S3 servers answer with. Pure: bytes in, values out; whatever the bytes are.
 *
 * A DOCTYPE, more nesting, text or entries than a real answer has, or a value that cannot be, is LS_CORRUPT. Any
 * thread.
 */
#ifndef LOCKSTEP_STORE_S3_XML_H
#define LOCKSTEP_STORE_S3_XML_H

#include "base/buf.h"
#include "lockstep/store.h"

#define LS_S3_ID_MAX 1024 /* upload ids, markers */

struct ls_s3_error {
    char code[64];
    char message[256];
    char region[64]; /* where the bucket is, when the server says so */
};

/* Read an <Error> document. LS_NOT_FOUND when the document is something else. */
enum ls_rc ls_s3_xml_error(const char *data, size_t len, struct ls_s3_error *out_error) LS_MUST_CHECK;

struct ls_s3_list {
    struct ls_list_page page; /* token is not filled; ls_list_page_dispose */
    bool truncated;
    char token[8192]; /* the server's; "" = none */
};

/* Read a ListBucketResult of at most max_entries. Keys come out decoded; order is not checked here. */
enum ls_rc ls_s3_xml_list(const char *data, size_t len, size_t max_entries, struct ls_s3_list *out_list,
                          struct ls_err *err) LS_MUST_CHECK;

/* Call fn for each key of a DeleteResult: error is NULL for a deleted one. At most max_entries. */
enum ls_rc ls_s3_xml_delete(const char *data, size_t len, size_t max_entries,
                            void (*fn)(void *ctx, const char *key, const struct ls_s3_error *error), void *ctx,
                            struct ls_err *err) LS_MUST_CHECK;

/* Copy the text of the first <element> below the root `root` to out. LS_CORRUPT when root or element are others. */
enum ls_rc ls_s3_xml_value(const char *data, size_t len, const char *root, const char *element, char *out,
                           size_t out_size, struct ls_err *err) LS_MUST_CHECK;

struct ls_s3_uploads {
    bool truncated;
    char next_key[3 * LS_KEY_MAX + 1]; /* markers for the next page */
    char next_id[LS_S3_ID_MAX];
};

/* Call fn for each upload of a ListMultipartUploadsResult, keys as they stand there. At most LS_STORE_BATCH. */
enum ls_rc ls_s3_xml_uploads(const char *data, size_t len,
                             void (*fn)(void *ctx, const char *key, const char *upload_id, int64_t initiated_ns),
                             void *ctx, struct ls_s3_uploads *out_uploads, struct ls_err *err) LS_MUST_CHECK;

/* A rule of a NotificationConfiguration: whom it tells what. */
struct ls_s3_rule {
    size_t from, to; /* its bytes in the document: from <= at < to */
    char id[LS_TARGET_MAX], target[LS_TARGET_MAX];
    char prefix[LS_KEY_MAX + 1]; /* of the keys that it is about */
    bool suffixed;               /* not all keys below prefix */
    bool created, removed;       /* all kinds of these events are told */
};

/* Call fn for each rule, at most LS_STORE_BATCH. *out_end: where in the document another one can be added, or 0. */
enum ls_rc ls_s3_xml_rules(const char *data, size_t len, void (*fn)(void *ctx, const struct ls_s3_rule *rule),
                           void *ctx, size_t *out_end, struct ls_err *err) LS_MUST_CHECK;

/* Strip the quotes from an etag and copy it; LS_CORRUPT when it is too long. */
enum ls_rc ls_s3_etag_copy(const char *text, size_t len, char out[LS_ETAG_MAX]) LS_MUST_CHECK;

#endif
