/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The answer to a request, whole before the first byte of it is sent.
 *
 * Short ones are written to memory, and those of any length to memory until they prove long, then to an unlinked file:
 * so memory stays flat, who reads slowly holds no thread, and a failure in the middle still becomes an error instead of
 * half an answer.
 */
#ifndef LOCKSTEP_SERVE_REPLY_H
#define LOCKSTEP_SERVE_REPLY_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"

#define LS_REPLY_HEADERS_MAX 8
#define LS_REPLY_MEMORY_MAX ((size_t)256 * 1024) /* more than this goes to a file */

struct ls_reply {
    unsigned status; /* 0: nothing was answered yet */
    const char *type;
    struct {
        const char *name;
        char value[256];
    } headers[LS_REPLY_HEADERS_MAX];
    size_t n_headers;
    FILE *stream;         /* while it is written */
    struct ls_buf kept;   /* what was written while there is no file */
    char *text;           /* in memory, or NULL */
    size_t text_len;      /* of text or constant */
    const char *constant; /* bytes that live for ever, or NULL */
    int fd;               /* the file, or -1 */
    uint64_t fd_size_bytes;
    char events_of[32]; /* "": instead of all that, a stream of events that follows this job */
};

void ls_reply_init(struct ls_reply *reply);
void ls_reply_dispose(struct ls_reply *reply);

/* Begin an answer; one that was begun before is dropped, with its headers. NULL when out of memory. type lives on. */
FILE *ls_reply_text(struct ls_reply *reply, unsigned status, const char *type);
/* The same for JSON, which is written to *out_json; false when out of memory. */
bool ls_reply_json(struct ls_reply *reply, unsigned status, struct ls_json *out_json) LS_MUST_CHECK;
/* As ls_reply_text, for answers of any length; the reply must stay where it is until it is finished. Writing fails with
 * errno when there is no file to be had. */
enum ls_rc ls_reply_any(struct ls_reply *reply, unsigned status, const char *type, FILE **out_stream,
                        struct ls_err *err) LS_MUST_CHECK;
/* Answer with bytes that live for ever. */
void ls_reply_constant(struct ls_reply *reply, unsigned status, const char *type, const char *data, size_t len);

/* Answer with a file's bytes; the descriptor is taken over. */
void ls_reply_fd(struct ls_reply *reply, unsigned status, const char *type, int fd, uint64_t size_bytes);
/* Answer with a stream of events that follows a job (events.h). */
void ls_reply_events(struct ls_reply *reply, const char *job);

void ls_reply_header(struct ls_reply *reply, const char *name, const char *fmt, ...) LS_PRINTF(3, 4);
/* End the writing; the answer is dropped when it could not be written. */
enum ls_rc ls_reply_finish(struct ls_reply *reply, struct ls_err *err) LS_MUST_CHECK;

#endif
