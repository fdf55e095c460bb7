/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers in memory or in an unlinked file. */
#include "serve/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"

void ls_reply_init(struct ls_reply *reply)
{
    *reply = (struct ls_reply){.fd = -1};
    ls_buf_init(&reply->kept, LS_REPLY_MEMORY_MAX);
}

void ls_reply_dispose(struct ls_reply *reply)
{
    if (reply->stream)
        fclose(reply->stream);
    if (reply->fd >= 0)
        close(reply->fd);
    ls_buf_dispose(&reply->kept);
    free(reply->text);
    ls_reply_init(reply);
}

static void begin(struct ls_reply *reply, unsigned status, const char *type)
{
    ls_reply_dispose(reply);
    reply->status = status;
    reply->type = type;
}

FILE *ls_reply_text(struct ls_reply *reply, unsigned status, const char *type)
{
    begin(reply, status, type);
    reply->stream = open_memstream(&reply->text, &reply->text_len);
    return reply->stream;
}

bool ls_reply_json(struct ls_reply *reply, unsigned status, struct ls_json *out_json)
{
    FILE *out = ls_reply_text(reply, status, "application/json");
    if (out)
        ls_json_init(out_json, out);
    return out != NULL;
}

/* A new file that nobody else can name; -1 and errno. */
static int open_unlinked(void)
{
    const char *dir = secure_getenv("TMPDIR");
    LS_AUTO(ls_free) char *path = ls_strf("%s/lockstep-reply-XXXXXX", dir && *dir ? dir : "/tmp");
    if (!path)
        return -1;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

/* The stream's writer: nothing goes to a file that memory has room for. */
static ssize_t keep(void *ctx, const char *data, size_t len)
{
    struct ls_reply *reply = ctx;
    if (reply->fd < 0 && ls_buf_add(&reply->kept, data, len) == LS_OK)
        return (ssize_t)len;
    if (reply->fd < 0) {
        reply->fd = open_unlinked();
        if (reply->fd < 0 || ls_write_all(reply->fd, reply->kept.data, reply->kept.len) != 0)
            return 0;
        ls_buf_dispose(&reply->kept);
    }
    return ls_write_all(reply->fd, data, len) == 0 ? (ssize_t)len : 0;
}

enum ls_rc ls_reply_any(struct ls_reply *reply, unsigned status, const char *type, FILE **out_stream,
                        struct ls_err *err)
{
    static const cookie_io_functions_t writer = {.write = keep};
    begin(reply, status, type);
    reply->stream = fopencookie(reply, "w", writer);
    if (!reply->stream) {
        ls_reply_dispose(reply);
        return ls_err_nomem(err);
    }
    *out_stream = reply->stream;
    return LS_OK;
}

void ls_reply_constant(struct ls_reply *reply, unsigned status, const char *type, const char *data, size_t len)
{
    begin(reply, status, type);
    reply->constant = data;
    reply->text_len = len;
}

void ls_reply_fd(struct ls_reply *reply, unsigned status, const char *type, int fd, uint64_t size_bytes)
{
    begin(reply, status, type);
    reply->fd = fd;
    reply->fd_size_bytes = size_bytes;
}

void ls_reply_events(struct ls_reply *reply, const char *job)
{
    begin(reply, 200, "text/event-stream");
    snprintf(reply->events_of, sizeof reply->events_of, "%s", job);
}

void ls_reply_header(struct ls_reply *reply, const char *name, const char *fmt, ...)
{
    if (reply->n_headers == LS_REPLY_HEADERS_MAX)
        return;
    va_list args;
    va_start(args, fmt);
    reply->headers[reply->n_headers].name = name;
    vsnprintf(reply->headers[reply->n_headers].value, sizeof reply->headers[0].value, fmt, args);
    va_end(args);
    reply->n_headers++;
}

enum ls_rc ls_reply_finish(struct ls_reply *reply, struct ls_err *err)
{
    if (!reply->stream)
        return LS_OK;
    bool failed = ferror(reply->stream);
    FILE *stream = LS_STEAL(reply->stream);
    failed = fclose(stream) != 0 || failed;
    int saved = errno;
    if (!failed && reply->fd >= 0) {
        off_t size = lseek(reply->fd, 0, SEEK_END);
        failed = size < 0;
        saved = errno;
        reply->fd_size_bytes = failed ? 0 : (uint64_t)size;
    } else if (!failed && !reply->text) {
        reply->text_len = reply->kept.len;
        reply->text = ls_buf_steal(&reply->kept);
        failed = !reply->text;
        saved = ENOMEM;
    }
    if (!failed)
        return LS_OK;
    ls_reply_dispose(reply);
    return ls_err_errno(err, saved ? saved : EIO, "serve: cannot write the answer");
}
