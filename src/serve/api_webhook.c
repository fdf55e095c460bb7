/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MinIO's events: into the inbox, and no more. Answered once they are durable there. */
#include "serve/inbox.h"
#include "serve/internal.h"
#include "serve/problem.h"

void ls_api_webhook_minio(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_inbox_take(serve, req->json, LS_KEYS_ESCAPED, &err);
    if (rc == LS_INVALID)
        ls_problem(reply, 400, "event", "body: %s", err.text);
    else if (rc != LS_OK)
        ls_problem_err(reply, &err);
    else
        ls_reply_constant(reply, 200, NULL, "", 0);
}
