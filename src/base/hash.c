/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Digests by OpenSSL's EVP, hex, base64, random bytes and ids.
 *
 * The algorithms are fetched once per process. A digest that cannot be had at all (an OpenSSL without MD5, no memory
 * for its 200 bytes of state) ends the program: no caller could go on without it. Any thread; a running digest belongs
 * to one thread at a time.
 */
#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"

static EVP_MD *md_by_kind[2];
static pthread_once_t md_once = PTHREAD_ONCE_INIT;

static void fetch_all(void)
{
    md_by_kind[LS_HASH_MD5] = EVP_MD_fetch(NULL, "MD5", NULL);
    md_by_kind[LS_HASH_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *md_of(enum ls_hash_kind kind)
{
    pthread_once(&md_once, fetch_all);
    return md_by_kind[kind];
}

static void must(bool ok)
{
    if (ok)
        return;
    static const char text[] = "lockstep: OpenSSL cannot compute a digest\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    abort();
}

struct ls_hash {
    EVP_MD_CTX *ctx;
    const EVP_MD *md;
};

LS_AUTO_DEFINE(ls_hash, struct ls_hash *, ls_hash_free)

struct ls_hash *ls_hash_new(enum ls_hash_kind kind)
{
    struct ls_hash *hash = calloc(1, sizeof *hash);
    if (!hash)
        return NULL;
    hash->md = md_of(kind);
    hash->ctx = EVP_MD_CTX_new();
    if (!hash->md || !hash->ctx || EVP_DigestInit_ex2(hash->ctx, hash->md, NULL) != 1) {
        ls_hash_free(hash);
        return NULL;
    }
    return hash;
}

void ls_hash_free(struct ls_hash *hash)
{
    if (!hash)
        return;
    EVP_MD_CTX_free(hash->ctx);
    free(hash);
}

void ls_hash_update(struct ls_hash *hash, const void *data, size_t len)
{
    must(EVP_DigestUpdate(hash->ctx, data, len) == 1);
}

void ls_hash_final(struct ls_hash *hash, uint8_t *out)
{
    must(EVP_DigestFinal_ex(hash->ctx, out, NULL) == 1);
    must(EVP_DigestInit_ex2(hash->ctx, hash->md, NULL) == 1);
}

void ls_md5(const void *data, size_t len, uint8_t out[LS_MD5_LEN])
{
    must(EVP_Digest(data, len, out, NULL, md_of(LS_HASH_MD5), NULL) == 1);
}

void ls_sha256(const void *data, size_t len, uint8_t out[LS_SHA256_LEN])
{
    must(EVP_Digest(data, len, out, NULL, md_of(LS_HASH_SHA256), NULL) == 1);
}

void ls_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[LS_SHA256_LEN])
{
    unsigned out_len = LS_SHA256_LEN;
    /* OpenSSL takes a NULL key for "reuse the last one". */
    must(HMAC(EVP_sha256(), key_len ? key : "", (int)key_len, data, len, out, &out_len) != NULL);
}

void ls_hex(const uint8_t *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[data[i] >> 4];
        *out++ = digits[data[i] & 15];
    }
    *out = '\0';
}

void ls_base64(const uint8_t *data, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t word = (uint32_t)data[i] << 16;
        if (left > 1)
            word |= (uint32_t)data[i + 1] << 8;
        if (left > 2)
            word |= data[i + 2];
        *out++ = digits[word >> 18];
        *out++ = digits[word >> 12 & 63];
        *out++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[word & 63] : '=';
    }
    *out = '\0';
}

enum { HASH_FD_CHUNK = 128 * 1024 };

enum ls_rc ls_hash_fd(int fd, uint64_t offset, uint64_t size_bytes, uint8_t *out_md5, uint8_t *out_sha256,
                      struct ls_err *err)
{
    LS_AUTO(ls_free) uint8_t *chunk = malloc(HASH_FD_CHUNK);
    LS_AUTO(ls_hash) struct ls_hash *md5 = ls_hash_new(LS_HASH_MD5);
    LS_AUTO(ls_hash) struct ls_hash *sha256 = ls_hash_new(LS_HASH_SHA256);
    if (!chunk || !md5 || !sha256)
        return ls_err_nomem(err);
    while (size_bytes > 0) {
        size_t want = size_bytes < HASH_FD_CHUNK ? (size_t)size_bytes : HASH_FD_CHUNK;
        ssize_t got = pread(fd, chunk, want, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ls_err_errno(err, errno, "cannot read a file to hash it");
        if (got == 0)
            return ls_err_set(err, LS_IO, "a file became shorter while it was hashed");
        if (out_md5)
            ls_hash_update(md5, chunk, (size_t)got);
        if (out_sha256)
            ls_hash_update(sha256, chunk, (size_t)got);
        offset += (uint64_t)got;
        size_bytes -= (uint64_t)got;
    }
    if (out_md5)
        ls_hash_final(md5, out_md5);
    if (out_sha256)
        ls_hash_final(sha256, out_sha256);
    return LS_OK;
}

bool ls_equal_const_time(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t differ = 0;
    for (size_t i = 0; i < len; i++)
        differ |= x[i] ^ y[i];
    return differ == 0;
}

void ls_random(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno != EINTR)
            abort(); /* every kernel since 3.17 has it */
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

void ls_id_new(char out[LS_ID_LEN])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t raw[16];
    uint64_t ms = (uint64_t)(ls_now_ns() / LS_NS_PER_MS);
    for (int i = 0; i < 6; i++)
        raw[i] = (uint8_t)(ms >> (40 - 8 * i));
    ls_random(raw + 6, sizeof raw - 6);
    unsigned __int128 value = 0;
    for (size_t i = 0; i < sizeof raw; i++)
        value = value << 8 | raw[i];
    for (int i = LS_ID_LEN - 2; i >= 0; i--, value >>= 5)
        out[i] = digits[value & 31];
    out[LS_ID_LEN - 1] = '\0';
}
