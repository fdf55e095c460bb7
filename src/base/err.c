/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Error text and the one table of result classes.
 *
 * Text is formatted aside first, so that callers may pass err->text itself as an argument. It is cut at a whole UTF-8
 * character and holds no control bytes, so that it can go to a terminal or a log as it is. No state, any thread.
 */
#include "lockstep/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct rc_entry {
    const char *name;
    int sys_errno;
    int http_status;
    int exit_status;
};

/* A conflict is EBUSY, never ESTALE: the kernel would repeat the call by itself. */
static const struct rc_entry rc_table[LS_RC_COUNT] = {
    [LS_OK] = {"ok", 0, 200, 0},
    [LS_NOT_FOUND] = {"not-found", ENOENT, 404, 4},
    [LS_EXISTS] = {"exists", EEXIST, 409, 4},
    [LS_CONFLICT] = {"conflict", EBUSY, 412, 4},
    [LS_BUSY] = {"busy", EBUSY, 423, 4},
    [LS_NOT_EMPTY] = {"not-empty", ENOTEMPTY, 409, 4},
    [LS_DENIED] = {"denied", EACCES, 403, 4},
    [LS_NO_SPACE] = {"no-space", ENOSPC, 507, 4},
    [LS_TRANSIENT] = {"transient", EIO, 503, 4},
    [LS_OUTCOME_UNKNOWN] = {"outcome-unknown", EIO, 504, 4},
    [LS_CORRUPT] = {"corrupt", EIO, 502, 4},
    [LS_CANCELLED] = {"cancelled", EINTR, 503, 4},
    [LS_INVALID] = {"invalid", EINVAL, 400, 64},
    [LS_UNSUPPORTED] = {"unsupported", EOPNOTSUPP, 501, 4},
    [LS_GUARD] = {"guard", EPERM, 409, 3},
    [LS_NO_MEMORY] = {"no-memory", ENOMEM, 503, 4},
    [LS_IO] = {"io", EIO, 500, 4},
};

static const struct rc_entry *rc_entry(enum ls_rc rc)
{
    return (unsigned)rc < LS_RC_COUNT ? &rc_table[rc] : &rc_table[LS_IO];
}

const char *ls_rc_name(enum ls_rc rc) { return rc_entry(rc)->name; }
int ls_rc_errno(enum ls_rc rc) { return rc_entry(rc)->sys_errno; }
int ls_rc_http(enum ls_rc rc) { return rc_entry(rc)->http_status; }
int ls_rc_exit(enum ls_rc rc) { return rc_entry(rc)->exit_status; }

enum ls_rc ls_rc_from_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
    case ENOTDIR:
        return LS_NOT_FOUND;
    case EEXIST:
        return LS_EXISTS;
    case EBUSY:
    case ETXTBSY:
    case EAGAIN:
        return LS_BUSY;
    case ENOTEMPTY:
        return LS_NOT_EMPTY;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP: /* a symlink where none may be */
    case EXDEV: /* openat2: the path leads out of its folder */
        return LS_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return LS_NO_SPACE;
    case ETIMEDOUT:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return LS_TRANSIENT;
    case ECANCELED:
    case EINTR:
        return LS_CANCELLED;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
    case EILSEQ:
        return LS_INVALID;
    case EOPNOTSUPP:
    case ENOSYS:
        return LS_UNSUPPORTED;
    case ENOMEM:
        return LS_NO_MEMORY;
    default:
        return LS_IO;
    }
}

void ls_err_clear(struct ls_err *err)
{
    if (!err)
        return;
    err->rc = LS_OK;
    err->sys_errno = 0;
    err->http_status = 0;
    err->code[0] = '\0';
    err->text[0] = '\0';
}

/* Where to cut a text that was cut at len anyway, so that no part of a UTF-8 character stays at its end. */
static size_t whole_chars(const char *text, size_t len)
{
    size_t tail = 0; /* continuation bytes at the end */
    while (tail < 3 && tail < len && ((unsigned char)text[len - 1 - tail] & 0xC0) == 0x80)
        tail++;
    if (tail == len)
        return len;
    unsigned char lead = (unsigned char)text[len - 1 - tail];
    size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    return need > tail ? len - 1 - tail : len;
}

/* Copy to a text of LS_ERR_TEXT_MAX bytes, control bytes as \xNN. */
static void copy_clean(char *to, const char *from)
{
    size_t at = 0;
    for (; *from; from++) {
        unsigned char c = (unsigned char)*from;
        if (c >= 0x20 && c != 0x7F) {
            if (at + 1 >= LS_ERR_TEXT_MAX)
                break;
            to[at++] = (char)c;
        } else {
            if (at + 4 >= LS_ERR_TEXT_MAX)
                break;
            static const char digits[] = "0123456789abcdef";
            to[at++] = '\\';
            to[at++] = 'x';
            to[at++] = digits[c >> 4];
            to[at++] = digits[c & 15];
        }
    }
    if (*from)
        at = whole_chars(to, at);
    to[at] = '\0';
}

/* Format into a text of LS_ERR_TEXT_MAX bytes with `after` behind it; whatever fits. */
static void format_text(char *out, const char *after, const char *fmt, va_list args) LS_PRINTF(3, 0);
static void format_text(char *out, const char *after, const char *fmt, va_list args)
{
    char raw[2 * LS_ERR_TEXT_MAX];
    int n = vsnprintf(raw, sizeof raw, fmt, args);
    size_t len = n < 0 ? 0 : (size_t)n;
    if (len >= sizeof raw)
        len = sizeof raw - 1;
    snprintf(raw + len, sizeof raw - len, "%s", after);
    copy_clean(out, raw);
}

enum ls_rc ls_err_set(struct ls_err *err, enum ls_rc rc, const char *fmt, ...)
{
    if (!err)
        return rc;
    char text[LS_ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    format_text(text, "", fmt, args);
    va_end(args);
    ls_err_clear(err);
    err->rc = rc;
    memcpy(err->text, text, strlen(text) + 1);
    return rc;
}

enum ls_rc ls_err_errno(struct ls_err *err, int sys_errno, const char *fmt, ...)
{
    enum ls_rc rc = ls_rc_from_errno(sys_errno);
    if (!err)
        return rc;
    char reason[160] = ": ";
    char space[128];
    const char *known = strerror_r(sys_errno, space, sizeof space);
    snprintf(reason + 2, sizeof reason - 2, "%s", known);

    char text[LS_ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    format_text(text, reason, fmt, args);
    va_end(args);
    ls_err_clear(err);
    err->rc = rc;
    err->sys_errno = sys_errno;
    memcpy(err->text, text, strlen(text) + 1);
    return rc;
}

enum ls_rc ls_err_nomem(struct ls_err *err) { return ls_err_set(err, LS_NO_MEMORY, "out of memory"); }

enum ls_rc ls_err_prefix(struct ls_err *err, const char *fmt, ...)
{
    if (!err)
        return LS_IO;
    char text[LS_ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    format_text(text, err->text, fmt, args);
    va_end(args);
    memcpy(err->text, text, strlen(text) + 1);
    return err->rc;
}
