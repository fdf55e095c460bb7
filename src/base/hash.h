/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Digests (OpenSSL EVP) and their hexadecimal form.
 *
 * MD5 (RFC 1321) names object contents because S3 etags are MD5; SHA-256 (FIPS 180-4) and HMAC (RFC 2104) sign
 * requests.
 */
#ifndef LOCKSTEP_BASE_HASH_H
#define LOCKSTEP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "lockstep/err.h"

#define LS_MD5_LEN 16
#define LS_SHA256_LEN 32
#define LS_MD5_HEX (2 * LS_MD5_LEN + 1)
#define LS_SHA256_HEX (2 * LS_SHA256_LEN + 1)

enum ls_hash_kind { LS_HASH_MD5, LS_HASH_SHA256 };

struct ls_hash; /* a running digest */

/* NULL when out of memory. */
struct ls_hash *ls_hash_new(enum ls_hash_kind kind);
void ls_hash_free(struct ls_hash *hash);
void ls_hash_update(struct ls_hash *hash, const void *data, size_t len);
/* Write LS_MD5_LEN or LS_SHA256_LEN bytes and start anew. */
void ls_hash_final(struct ls_hash *hash, uint8_t *out);

void ls_md5(const void *data, size_t len, uint8_t out[LS_MD5_LEN]);
void ls_sha256(const void *data, size_t len, uint8_t out[LS_SHA256_LEN]);
void ls_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[LS_SHA256_LEN]);

/* Lower-case hex; out has 2*len+1 bytes. */
void ls_hex(const uint8_t *data, size_t len, char *out);
/* RFC 4648 base64 with padding; out has 4*((len+2)/3)+1 bytes. */
void ls_base64(const uint8_t *data, size_t len, char *out);

/* Digest a range of a file with pread, MD5 and SHA-256 in one pass; either output may be NULL. LS_IO when the file is
 * shorter than the range. */
enum ls_rc ls_hash_fd(int fd, uint64_t offset, uint64_t size_bytes, uint8_t *out_md5, uint8_t *out_sha256,
                      struct ls_err *err) LS_MUST_CHECK;

/* Compare without telling by the time taken where they differ. */
bool ls_equal_const_time(const void *a, const void *b, size_t len);

/* Fill with random bytes from the kernel (getrandom). */
void ls_random(void *out, size_t len);

/* A new unique id: 26 characters of Crockford's base32, time-ordered (the ULID form: 48 bit ms, 80 bit random). */
#define LS_ID_LEN 27
void ls_id_new(char out[LS_ID_LEN]);

#endif
