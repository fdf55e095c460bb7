/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects as answers. They go to a file first, so that who reads slowly holds no connection to the store. */
#include "serve/send.h"

#include "serve/conditions.h"
#include "serve/internal.h"
#include "serve/problem.h"

static enum ls_rc to_file(void *ctx, const void *data, size_t len)
{
    return fwrite(data, 1, len, ctx) == len ? LS_OK : LS_NO_SPACE;
}

static void set_validators(struct ls_reply *reply, const struct ls_object_info *info)
{
    ls_reply_header(reply, "ETag", "\"%s\"", info->etag);
    ls_reply_header(reply, "Accept-Ranges", "bytes");
}

static void send_bytes(struct ls_serve *serve, const struct ls_request *req, const char *key,
                       const struct ls_object_info *info, const char *type, struct ls_reply *reply)
{
    struct ls_store_get get = {.key = key, .len = UINT64_MAX, .if_match = info->etag};
    const char *range = req->headers[LS_HEADER_RANGE], *if_range = req->headers[LS_HEADER_IF_RANGE];
    struct ls_err err = LS_ERR_INIT;
    FILE *out = NULL;
    if (if_range && !ls_etag_listed(if_range, info->etag))
        range = NULL;
    enum ls_range kind = ls_range_parse(range, info->size_bytes, &get.offset, &get.len);
    if (kind == LS_RANGE_BEYOND) {
        ls_problem(reply, 416, "range", "there are only %llu bytes", (unsigned long long)info->size_bytes);
        ls_reply_header(reply, "Content-Range", "bytes */%llu", (unsigned long long)info->size_bytes);
        return;
    }
    enum ls_rc rc = ls_reply_any(reply, kind == LS_RANGE_GOOD ? 206 : 200, type, &out, &err);
    if (!rc && info->size_bytes)
        rc = ls_store_get(ls_engine_store(serve->opts->engine), &get, to_file, out, NULL, &err);
    if (rc) {
        if (!err.rc)
            ls_err_set(&err, rc, "serve: cannot keep the object's bytes (set TMPDIR to where there is room)");
        ls_problem_err(reply, &err);
        return;
    }
    set_validators(reply, info);
    if (kind == LS_RANGE_GOOD)
        ls_reply_header(reply, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)get.offset,
                        (unsigned long long)(get.offset + get.len - 1), (unsigned long long)info->size_bytes);
}

void ls_send_object(struct ls_serve *serve, const struct ls_request *req, const char *key,
                    const struct ls_object_info *info, const char *type, struct ls_reply *reply)
{
    const char *known = req->headers[LS_HEADER_IF_NONE_MATCH];
    if (!known || !ls_etag_listed(known, info->etag)) {
        send_bytes(serve, req, key, info, type, reply);
        return;
    }
    ls_reply_constant(reply, 304, NULL, "", 0);
    set_validators(reply, info);
}
