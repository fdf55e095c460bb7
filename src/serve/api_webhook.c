/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MinIO's events: into the inbox, and no more. Answered once they are durable there. */
#include <stdlib.h>
#include <string.h>

#include "lockstep/layout.h"
#include "serve/inbox.h"
#include "serve/internal.h"
#include "serve/notice.h"
#include "serve/problem.h"

static bool is_ours(const struct ls_serve *serve, const struct ls_notice *notice)
{
    const char *bucket = serve->opts->bucket;
    return (!bucket || strcmp(bucket, notice->bucket) == 0) && !ls_key_is_internal(notice->key) &&
           ls_notice_is_change(notice);
}

/* The row of an image can only be at a key that fits; what else lies in the bucket is for a scan. */
static bool fits(const struct ls_serve *serve, const char *key)
{
    struct ls_key_parts parts;
    return ls_layout_parse(ls_engine_layout(serve->opts->engine), key, strlen(key), &parts) == LS_KEY_FITS;
}

static enum ls_rc keep(struct ls_serve *serve, const struct ls_event *events, size_t n, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    struct ls_tx *tx;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc != LS_OK)
        return rc;
    rc = cat->ops->event_add(tx, events, n, err);
    if (rc == LS_OK)
        return cat->ops->commit(tx, err);
    cat->ops->rollback(tx);
    return rc;
}

static void count(struct ls_serve *serve, size_t all, size_t kept, size_t left)
{
    size_t ours = serve->inbox ? kept + left : 0;
    ls_metrics_events(&serve->metrics, LS_EVENT_FOREIGN, all - ours);
    ls_metrics_events(&serve->metrics, LS_EVENT_RECEIVED, ours);
    ls_metrics_events(&serve->metrics, LS_EVENT_LEFT, serve->inbox ? left : 0);
}

void ls_api_webhook_minio(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    LS_AUTO(ls_notices) struct ls_notices notices = {0};
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_notices_parse(req->json, &notices, &err);
    if (rc == LS_INVALID) {
        ls_problem(reply, 400, "event", "body: %s", err.text);
        return;
    }
    LS_AUTO(ls_free) struct ls_event *events = calloc(notices.n + 1, sizeof *events);
    size_t n = 0, n_left = 0;
    for (size_t i = 0; events && i < notices.n; i++) {
        const struct ls_notice *notice = &notices.items[i];
        if (!is_ours(serve, notice))
            continue;
        if (!fits(serve, notice->key))
            n_left++;
        else
            events[n++] = (struct ls_event){
                .kind = notice->kind, .key = notice->key, .etag = notice->etag, .sequencer = notice->sequencer};
    }
    if (rc == LS_OK && !events)
        rc = ls_err_nomem(&err);
    if (rc == LS_OK && n > 0 && serve->inbox)
        rc = keep(serve, events, n, &err);
    if (rc != LS_OK) {
        ls_problem_err(reply, &err);
        return;
    }
    count(serve, notices.n, n, n_left);
    if (n > 0 && serve->inbox)
        ls_inbox_wake(serve->inbox);
    ls_reply_constant(reply, 200, NULL, "", 0);
}
