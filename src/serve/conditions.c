/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Etags and ranges in headers. */
#include "serve/conditions.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The next etag of a list, without W/ and quotes; NULL at the end or where it is malformed. */
static const char *next_etag(const char **at, size_t *out_len, bool *out_weak)
{
    const char *p = *at + strspn(*at, " \t,");
    *out_weak = strncmp(p, "W/", 2) == 0;
    if (*out_weak)
        p += 2;
    const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
    if (!end)
        return NULL;
    *out_len = (size_t)(end - p) - 1;
    *at = end + 1;
    return p + 1;
}

bool ls_etag_listed(const char *header, const char *etag)
{
    size_t len, want = strlen(etag);
    bool weak;
    if (strcmp(header, "*") == 0)
        return true;
    for (const char *at = header, *found; (found = next_etag(&at, &len, &weak));)
        if (len == want && memcmp(found, etag, len) == 0)
            return true;
    return false;
}

bool ls_etag_single(const char *header, char *out, unsigned long size)
{
    size_t len;
    bool weak;
    const char *at = header, *found = next_etag(&at, &len, &weak);
    if (!found || weak || len >= size || at[strspn(at, " \t")])
        return false;
    memcpy(out, found, len);
    out[len] = '\0';
    return true;
}

static bool take_number(const char **at, uint64_t *out)
{
    const char *p = *at;
    *out = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, (uint64_t)(*p - '0'), out))
            *out = UINT64_MAX;
    bool some = p != *at;
    *at = p;
    return some;
}

enum ls_range ls_range_parse(const char *header, uint64_t size_bytes, uint64_t *out_from, uint64_t *out_len)
{
    uint64_t first, last = UINT64_MAX;
    if (!header || strncasecmp(header, "bytes=", 6) != 0)
        return LS_RANGE_NONE;
    const char *at = header + 6;
    bool has_first = take_number(&at, &first);
    if (*at++ != '-')
        return LS_RANGE_NONE;
    bool has_last = take_number(&at, &last);
    if (*at || (!has_first && !has_last) || (has_first && has_last && last < first))
        return LS_RANGE_NONE;
    if (!has_first) { /* the last so many */
        if (last == 0 || size_bytes == 0)
            return LS_RANGE_BEYOND;
        first = last < size_bytes ? size_bytes - last : 0;
        last = size_bytes - 1;
    } else if (first >= size_bytes) {
        return LS_RANGE_BEYOND;
    }
    if (!has_last || last >= size_bytes)
        last = size_bytes - 1;
    *out_from = first;
    *out_len = last - first + 1;
    return LS_RANGE_GOOD;
}
