/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AWS Signature Version 4 (AWS General Reference, "Signature Version 4 signing process"; S3 API Reference,
 * "Authenticating Requests"), for any service and in S3's own style.
 *
 * Pure functions over strings: no clock, no network. Any thread; a scope may be shared once it is filled.
 */
#ifndef LOCKSTEP_STORE_SIGV4_H
#define LOCKSTEP_STORE_SIGV4_H

#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"

#define LS_SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"

struct ls_sigv4_header {
    const char *name, *value;
};

enum {
    LS_SIGV4_NORMALIZE = 1,  /* drop dot segments and doubled slashes from the path: every service but S3 */
    LS_SIGV4_ENCODE_PATH = 2 /* percent-encode the path (once more): every service but S3 */
};

struct ls_sigv4_request {
    const char *method;
    const char *path;                      /* as sent, percent-encoded already for S3 */
    const char *query;                     /* as sent, without '?'; "" for none */
    const struct ls_sigv4_header *headers; /* those to sign, any order, names in any case */
    size_t n_headers;
    const char *payload_hash; /* lower-case hex SHA-256 or LS_SIGV4_UNSIGNED */
    unsigned flags;
};

/* The key of one day, region and service. Derive once, wipe with ls_sigv4_scope_wipe. */
struct ls_sigv4_scope {
    char access_key[192];
    char date[9]; /* YYYYMMDD */
    char region[64];
    char service[32];
    uint8_t key[LS_SHA256_LEN];
};

/* Derive the key for the day of amz_date ("20260102T030405Z"). LS_INVALID when a part does not fit. */
enum ls_rc ls_sigv4_scope_init(struct ls_sigv4_scope *scope, const char *access_key, const char *secret_key,
                               const char *region, const char *service, const char *amz_date, struct ls_err *err)
    LS_MUST_CHECK;
void ls_sigv4_scope_wipe(struct ls_sigv4_scope *scope);

/* Append the canonical request, and the names of its headers ("host;x-amz-date"). */
enum ls_rc ls_sigv4_canonical(const struct ls_sigv4_request *req, struct ls_buf *out_canonical,
                              struct ls_buf *out_signed_headers, struct ls_err *err) LS_MUST_CHECK;
/* Append the string to sign for a canonical request. */
enum ls_rc ls_sigv4_string_to_sign(const struct ls_sigv4_scope *scope, const char *amz_date, const char *canonical,
                                   size_t canonical_len, struct ls_buf *out, struct ls_err *err) LS_MUST_CHECK;
/* The signature of a string to sign, in hex. */
void ls_sigv4_signature(const struct ls_sigv4_scope *scope, const char *string_to_sign, size_t len,
                        char out_hex[LS_SHA256_HEX]);

/* Append the value of the Authorization header. */
enum ls_rc ls_sigv4_authorize(const struct ls_sigv4_scope *scope, const char *amz_date,
                              const struct ls_sigv4_request *req, struct ls_buf *out, struct ls_err *err) LS_MUST_CHECK;

/* Append the query of a presigned URL: the request's own, the X-Amz-… parameters and the signature. token may be NULL.
 */
enum ls_rc ls_sigv4_presign(const struct ls_sigv4_scope *scope, const char *amz_date, unsigned expires_s,
                            const char *token, const struct ls_sigv4_request *req, struct ls_buf *out,
                            struct ls_err *err) LS_MUST_CHECK;

#endif
