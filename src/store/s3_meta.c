/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is kept with an object beside its bytes, as S3 headers and back.
 *
 * Forms: x-amz-meta-mtime is decimal seconds with nine digits of fraction, as rclone writes it; mode is octal; uid and
 * gid are decimal. What others wrote there and cannot be read counts as absent. Pure.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/s3_internal.h"

static void mtime_header(struct s3_call *call, int64_t ns)
{
    bool negative = ns < 0;
    uint64_t abs_ns = negative ? -(uint64_t)ns : (uint64_t)ns;
    s3_call_header(call, "x-amz-meta-mtime", "%s%" PRIu64 ".%09" PRIu64, negative ? "-" : "",
                   abs_ns / (uint64_t)LS_NS_PER_S, abs_ns % (uint64_t)LS_NS_PER_S);
}

void s3_meta_headers(struct s3_call *call, const struct ls_object_meta *meta)
{
    if (meta == NULL)
        return;
    if (meta->content_type[0] != '\0')
        s3_call_header(call, "Content-Type", "%s", meta->content_type);
    if (meta->has_mtime)
        mtime_header(call, meta->mtime_ns);
    if (meta->has_mode)
        s3_call_header(call, "x-amz-meta-mode", "%04" PRIo32, meta->mode & 07777);
    if (meta->has_owner) {
        s3_call_header(call, "x-amz-meta-uid", "%" PRIu32, meta->uid);
        s3_call_header(call, "x-amz-meta-gid", "%" PRIu32, meta->gid);
    }
    if (meta->intent[0] != '\0')
        s3_call_header(call, "x-amz-meta-intent", "%s", meta->intent);
}

/* "-1700000000.123" → nanoseconds; digits past the ninth are cut. */
static bool parse_mtime(const char *text, int64_t *out_ns)
{
    bool negative = *text == '-';
    int64_t seconds = 0, fraction = 0, unit = LS_NS_PER_S;

    text += negative;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        seconds = seconds * 10 + (*text - '0');
        if (seconds >= INT64_MAX / LS_NS_PER_S)
            return false;
    }
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++)
            if (unit > 1)
                fraction += (unit /= 10) * (*text - '0');
    if (*text != '\0')
        return false;
    *out_ns = seconds * LS_NS_PER_S + fraction;
    if (negative)
        *out_ns = -*out_ns;
    return true;
}

static bool parse_u32(const struct ls_http_request *http, const char *name, int base, uint32_t *out)
{
    char text[32], *end;
    if (!ls_http_header(http, name, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return false;
    unsigned long long value = strtoull(text, &end, base);
    if (*end != '\0' || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

static void read_meta(const struct ls_http_request *http, struct ls_object_meta *meta)
{
    char text[64];
    if (ls_http_header(http, "x-amz-meta-mtime", text, sizeof text))
        meta->has_mtime = parse_mtime(text, &meta->mtime_ns);
    meta->has_mode = parse_u32(http, "x-amz-meta-mode", 8, &meta->mode);
    meta->mode &= 07777;
    meta->has_owner =
        parse_u32(http, "x-amz-meta-uid", 10, &meta->uid) && parse_u32(http, "x-amz-meta-gid", 10, &meta->gid);
    ls_http_header(http, "x-amz-meta-intent", meta->intent, sizeof meta->intent);
    ls_http_header(http, "content-type", meta->content_type, sizeof meta->content_type);
}

bool s3_etag_looks_md5(const char *etag) { return strspn(etag, "0123456789abcdef") == 32 && etag[32] == '\0'; }

void s3_answer_etag(const struct ls_http_request *http, char out[LS_ETAG_MAX])
{
    char text[LS_ETAG_MAX + 8];
    out[0] = '\0';
    if (ls_http_header(http, "etag", text, sizeof text))
        (void)!ls_s3_etag_copy(text, strlen(text), out);
}

enum ls_rc s3_meta_info(const struct ls_http_request *http, struct ls_object_info *out_info, struct ls_err *err)
{
    char text[64];

    memset(out_info, 0, sizeof *out_info);
    if (http->content_length == UINT64_MAX)
        return ls_err_set(err, LS_CORRUPT, "store: the answer does not say how long the object is");
    out_info->size_bytes = http->content_length;
    s3_answer_etag(http, out_info->etag);
    if (ls_http_header(http, "last-modified", text, sizeof text) &&
        ls_time_parse_http(text, &out_info->modified_ns) != LS_OK)
        out_info->modified_ns = 0;
    read_meta(http, &out_info->meta);
    return LS_OK;
}
