/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Growable byte buffers, and the encodings that append to them.
 *
 * Invariants: data is ls_buf_empty exactly when cap is 0; otherwise it is a heap block of cap bytes with len < cap and
 * data[len] == 0. An append that fails leaves len and the bytes before it as they were.
 */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

char ls_buf_empty[1] = "";

void ls_buf_init(struct ls_buf *buf, size_t max_bytes)
{
    buf->data = ls_buf_empty;
    buf->len = 0;
    buf->cap = 0;
    buf->max = max_bytes;
}

void ls_buf_dispose(struct ls_buf *buf)
{
    if (buf->cap)
        free(buf->data);
    ls_buf_init(buf, buf->max);
}

void ls_buf_reset(struct ls_buf *buf) { ls_buf_truncate(buf, 0); }

void ls_buf_truncate(struct ls_buf *buf, size_t len)
{
    if (len > buf->len || !buf->cap)
        return;
    buf->len = len;
    buf->data[len] = '\0';
}

/* Make room for more bytes and the NUL. */
static enum ls_rc reserve(struct ls_buf *buf, size_t more)
{
    if (more > buf->max || buf->len > buf->max - more)
        return LS_NO_SPACE;
    size_t need = buf->len + more + 1;
    if (need <= buf->cap)
        return LS_OK;
    size_t cap = buf->cap ? buf->cap : 64;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > buf->max && buf->max < SIZE_MAX)
        cap = buf->max + 1;
    char *data = realloc(buf->cap ? buf->data : NULL, cap);
    if (!data)
        return LS_NO_MEMORY;
    if (!buf->cap)
        data[0] = '\0';
    buf->data = data;
    buf->cap = cap;
    return LS_OK;
}

enum ls_rc ls_buf_add(struct ls_buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return LS_OK;
    enum ls_rc rc = reserve(buf, len);
    if (rc)
        return rc;
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return LS_OK;
}

enum ls_rc ls_buf_adds(struct ls_buf *buf, const char *text) { return ls_buf_add(buf, text, strlen(text)); }

enum ls_rc ls_buf_addc(struct ls_buf *buf, char c) { return ls_buf_add(buf, &c, 1); }

enum ls_rc ls_buf_addf(struct ls_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return LS_INVALID;
    enum ls_rc rc = reserve(buf, (size_t)n);
    if (rc || n == 0)
        return rc;
    va_start(args, fmt);
    vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)n;
    return LS_OK;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

enum ls_rc ls_buf_add_urlenc(struct ls_buf *buf, const char *data, size_t len, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t start = buf->len;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
        bool plain = is_unreserved(c) || (keep_slash && c == '/');
        enum ls_rc rc = plain ? ls_buf_addc(buf, (char)c) : ls_buf_add(buf, escape, sizeof escape);
        if (rc) {
            ls_buf_truncate(buf, start);
            return rc;
        }
    }
    return LS_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum ls_rc ls_buf_add_urldec(struct ls_buf *buf, const char *data, size_t len, bool plus_is_space)
{
    size_t start = buf->len;
    for (size_t i = 0; i < len; i++) {
        char c = data[i];
        enum ls_rc rc = LS_OK;
        if (c == '%') {
            int high = len - i > 2 ? hex_digit(data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(data[i + 2]) : -1;
            if (low < 0)
                rc = LS_INVALID;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (!rc)
            rc = ls_buf_addc(buf, c);
        if (rc) {
            ls_buf_truncate(buf, start);
            return rc;
        }
    }
    return LS_OK;
}

/* Length of the well-formed UTF-8 character at data (Unicode table 3-7), 0 when there is none. */
static size_t utf8_char(const unsigned char *data, size_t len)
{
    unsigned char c = data[0];
    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    size_t need = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (len < need)
        return 0;
    unsigned char low = 0x80, high = 0xBF;
    if (c == 0xE0)
        low = 0xA0;
    else if (c == 0xED)
        high = 0x9F;
    else if (c == 0xF0)
        low = 0x90;
    else if (c == 0xF4)
        high = 0x8F;
    if (data[1] < low || data[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((data[i] & 0xC0) != 0x80)
            return 0;
    return need;
}

bool ls_utf8_valid(const char *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_char((const unsigned char *)data + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

static enum ls_rc add_json_char(struct ls_buf *buf, const char *at, size_t n)
{
    unsigned char c = (unsigned char)*at;
    if (n == 0)
        return ls_buf_adds(buf, "\xEF\xBF\xBD"); /* U+FFFD */
    if (c == '"' || c == '\\') {
        char escape[2] = {'\\', (char)c};
        return ls_buf_add(buf, escape, 2);
    }
    if (c == '\n')
        return ls_buf_adds(buf, "\\n");
    if (c == '\t')
        return ls_buf_adds(buf, "\\t");
    if (c < 0x20 || c == 0x7F)
        return ls_buf_addf(buf, "\\u%04x", c);
    return ls_buf_add(buf, at, n);
}

enum ls_rc ls_buf_add_json(struct ls_buf *buf, const char *data, size_t len)
{
    size_t start = buf->len;
    enum ls_rc rc = ls_buf_addc(buf, '"');
    for (size_t i = 0; !rc && i < len;) {
        size_t n = utf8_char((const unsigned char *)data + i, len - i);
        rc = add_json_char(buf, data + i, n);
        i += n ? n : 1;
    }
    if (!rc)
        rc = ls_buf_addc(buf, '"');
    if (rc)
        ls_buf_truncate(buf, start);
    return rc;
}

char *ls_buf_steal(struct ls_buf *buf)
{
    char *data = buf->cap ? buf->data : strdup("");
    if (data)
        ls_buf_init(buf, buf->max);
    return data;
}

char *ls_strf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    return n < 0 ? NULL : text;
}
