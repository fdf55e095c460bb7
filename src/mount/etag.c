/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Etags: the MD5 of the bytes, or "<MD5 of the parts' MD5s>-<number of parts>" of an upload in parts.
 *
 * The size of the parts is nowhere recorded. Those that fit the number are tried: ours (of uploads, and of copies), and
 * what other programs use. That none matches says nothing, because it may have been yet another.
 */
#include "mount/etag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define MIB (UINT64_C(1) << 20)
#define MAX_PARTS 10000u

static const char hex_digits[] = "0123456789abcdef";

bool ls_etag_is_md5(const struct ls_store_caps *caps, const char *etag)
{
    return caps->etag_is_md5 && strlen(etag) == LS_MD5_HEX - 1 && strspn(etag, hex_digits) == LS_MD5_HEX - 1;
}

/* The number of parts; 0 when it is no such etag. */
static uint64_t parts_of(const struct ls_store_caps *caps, const char *etag)
{
    char *end = NULL;
    if (!caps->etag_is_md5 || strspn(etag, hex_digits) != LS_MD5_HEX - 1 || etag[LS_MD5_HEX - 1] != '-')
        return 0;
    unsigned long n = strtoul(etag + LS_MD5_HEX, &end, 10);
    return *end || n > MAX_PARTS ? 0 : n;
}

static bool parts_match(int fd, uint64_t size_bytes, uint64_t part_bytes, const char *etag, uint64_t n)
{
    struct ls_hash *hash = ls_hash_new(LS_HASH_MD5);
    uint8_t md5[LS_MD5_LEN];
    char text[LS_MD5_HEX + 24];
    bool read = hash != NULL;
    for (uint64_t at = 0; read && at < size_bytes; at += part_bytes) {
        uint64_t len = size_bytes - at < part_bytes ? size_bytes - at : part_bytes;
        read = ls_hash_fd(fd, at, len, md5, NULL, NULL) == LS_OK;
        if (read)
            ls_hash_update(hash, md5, sizeof md5);
    }
    if (read) {
        ls_hash_final(hash, md5);
        ls_hex(md5, sizeof md5, text);
        snprintf(text + LS_MD5_HEX - 1, sizeof text - LS_MD5_HEX + 1, "-%llu", (unsigned long long)n);
    }
    ls_hash_free(hash);
    return read && strcmp(text, etag) == 0;
}

enum ls_etag_verdict ls_etag_check(const struct ls_store_caps *caps, int fd, uint64_t size_bytes, const char *etag)
{
    static const unsigned common_mib[] = {256, 16, 8, 5, 10, 15, 32, 64, 100, 128, 512, 1024};
    if (ls_etag_is_md5(caps, etag)) {
        uint8_t md5[LS_MD5_LEN];
        char hex[LS_MD5_HEX];
        if (ls_hash_fd(fd, 0, size_bytes, md5, NULL, NULL))
            return LS_ETAG_UNKNOWN;
        ls_hex(md5, sizeof md5, hex);
        return strcmp(hex, etag) == 0 ? LS_ETAG_RIGHT : LS_ETAG_WRONG;
    }
    uint64_t n = parts_of(caps, etag), ours = caps->part_bytes;
    if (n == 0)
        return LS_ETAG_UNKNOWN;
    if (ours != UINT64_MAX && ours >= MIB) {
        while ((size_bytes + ours - 1) / ours > MAX_PARTS)
            ours += MIB;
        if ((size_bytes + ours - 1) / ours == n && parts_match(fd, size_bytes, ours, etag, n))
            return LS_ETAG_RIGHT;
    }
    for (size_t i = 0; i < sizeof common_mib / sizeof *common_mib; i++) {
        uint64_t part = common_mib[i] * MIB;
        if (part != ours && (size_bytes + part - 1) / part == n && parts_match(fd, size_bytes, part, etag, n))
            return LS_ETAG_RIGHT;
    }
    return LS_ETAG_UNKNOWN;
}
