/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any object of the bucket by its whole key, so that one can look at what a scan found before it is mended.
 *
 * Anybody may have put it there: only what begins like an image is shown as one, the rest is for saving.
 */
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "serve/internal.h"
#include "serve/problem.h"
#include "serve/send.h"
#include "serve/sniff.h"

struct first {
    char data[LS_SNIFF_BYTES];
    size_t len;
};

static enum ls_rc take(void *ctx, const void *data, size_t len)
{
    struct first *first = ctx;
    size_t room = sizeof first->data - first->len;
    memcpy(first->data + first->len, data, len < room ? len : room);
    first->len += len < room ? len : room;
    return LS_OK;
}

/* What kind of image it is, NULL for anything else. */
static enum ls_rc sniff(struct ls_store *store, const char *key, const struct ls_object_info *info,
                        const char **out_type, struct ls_err *err)
{
    struct first first = {.len = 0};
    const struct ls_store_get get = {.key = key, .len = sizeof first.data, .if_match = info->etag};
    enum ls_rc rc = info->size_bytes ? ls_store_get(store, &get, take, &first, NULL, err) : LS_OK;
    *out_type = rc ? NULL : ls_sniff_bytes(first.data, first.len);
    return rc;
}

static void set_disposition(struct ls_reply *reply, const char *key, bool shown)
{
    LS_AUTO(ls_buf) struct ls_buf name = LS_BUF_INIT(LS_BUF_LINE);
    const char *slash = strrchr(key, '/'), *file = slash ? slash + 1 : key;
    ls_reply_header(reply, "Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'");
    /* A longer name is left to the client. */
    bool fits = !ls_buf_add_urlenc(&name, file, strlen(file), false) && name.len < sizeof reply->headers[0].value - 40;
    ls_reply_header(reply, "Content-Disposition", "%s%s%s", shown ? "inline" : "attachment",
                    fits ? "; filename*=UTF-8''" : "", fits ? name.data : "");
}

void ls_api_object_get(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_store *store = ls_engine_store(serve->opts->engine);
    const char *key = ls_request_query(req, "key"), *type = NULL;
    struct ls_object_info info;
    struct ls_err err = LS_ERR_INIT;
    if (!key || !*key || strlen(key) >= LS_KEY_MAX) {
        ls_problem(reply, 400, key ? "wrong-type" : "missing-parameter", "query: key must have 1 to %d bytes",
                   LS_KEY_MAX - 1);
        return;
    }
    if (ls_key_is_internal(key)) {
        ls_problem(reply, 404, "not-found", "what lies below " LS_INTERNAL_PREFIX " is lockstep's own");
        return;
    }
    enum ls_rc rc = ls_store_head_one(store, key, &info, &err);
    if (!rc)
        rc = sniff(store, key, &info, &type, &err);
    if (rc) {
        ls_problem_err(reply, &err);
        return;
    }
    ls_send_object(serve, req, key, &info, type ? type : "application/octet-stream", reply);
    if (reply->status < 300)
        set_disposition(reply, key, type != NULL);
}
