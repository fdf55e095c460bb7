/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Result classes and error text.
 *
 * Every function that can fail returns an enum ls_rc, the class on which callers act, and takes a caller-owned
 * struct ls_err as its last parameter (may be NULL) for the text that people read. The text is written once, where the
 * failure is seen; upper layers may put context in front of it. Nothing here is global; a struct ls_err belongs to one
 * thread at a time.
 */
#ifndef LOCKSTEP_ERR_H
#define LOCKSTEP_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum ls_rc {
    LS_OK = 0,
    LS_NOT_FOUND,       /* the named thing is not there */
    LS_EXISTS,          /* the name is taken */
    LS_CONFLICT,        /* changed by somebody else since it was read; a precondition failed */
    LS_BUSY,            /* an overlapping operation or a lock; try later */
    LS_NOT_EMPTY,       /* a folder still has entries */
    LS_DENIED,          /* credentials or permissions; repeating does not help */
    LS_NO_SPACE,        /* disk, quota or catalog full */
    LS_TRANSIENT,       /* may succeed when repeated (timeouts, 5xx, dropped connections before the request was sent) */
    LS_OUTCOME_UNKNOWN, /* sent, but the answer never came: it may have happened */
    LS_CORRUPT,         /* data that cannot be right: bad XML, wrong checksum, damaged database */
    LS_CANCELLED,       /* stopped on request */
    LS_INVALID,         /* bad input or use */
    LS_UNSUPPORTED,     /* the other side cannot do this */
    LS_GUARD,           /* a safety guard stopped the run before it changed anything */
    LS_NO_MEMORY,
    LS_IO, /* everything else that the system or the other side refuses */
    LS_RC_COUNT
};

#define LS_MUST_CHECK __attribute__((warn_unused_result))
#define LS_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

#define LS_ERR_TEXT_MAX 768

struct ls_err {
    enum ls_rc rc;
    int sys_errno;              /* the errno behind it, or 0 */
    int http_status;            /* the answer's status, or 0 */
    char code[64];              /* the other side's own code ("AccessDenied", "SQLITE_FULL"), or "" */
    char text[LS_ERR_TEXT_MAX]; /* what was tried on what, why it failed, what to do */
};

#define LS_ERR_INIT                                                                                                    \
    {                                                                                                                  \
        LS_OK, 0, 0, "", ""                                                                                            \
    }

/* Forget an earlier error. */
void ls_err_clear(struct ls_err *err);

/* Write class and text (cut at the maximum; control bytes are shown escaped) and return rc, so that callers can
 * `return ls_err_set(…)`. It starts a new error: sys_errno, http_status and code are cleared, so set them afterwards.
 * err->text may itself be an argument. err may be NULL. */
enum ls_rc ls_err_set(struct ls_err *err, enum ls_rc rc, const char *fmt, ...) LS_PRINTF(3, 4);

/* As ls_err_set, for a failed system call: the class follows from sys_errno and strerror is appended to the text. */
enum ls_rc ls_err_errno(struct ls_err *err, int sys_errno, const char *fmt, ...) LS_PRINTF(3, 4);

/* As ls_err_set for an allocation that failed. */
enum ls_rc ls_err_nomem(struct ls_err *err);

/* Put context in front of the text ("sync: "); returns err->rc, or LS_IO when err is NULL. */
enum ls_rc ls_err_prefix(struct ls_err *err, const char *fmt, ...) LS_PRINTF(2, 3);

/* The class's name as logs and JSON show it ("not-found"). */
const char *ls_rc_name(enum ls_rc rc);

/* The one table that maps classes: errno for the mount, HTTP status for the API, exit status for the command line. */
int ls_rc_errno(enum ls_rc rc);
int ls_rc_http(enum ls_rc rc);
int ls_rc_exit(enum ls_rc rc);

/* The class for an errno. */
enum ls_rc ls_rc_from_errno(int sys_errno);

#endif
