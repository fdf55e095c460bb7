/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * /healthz: the process answers. /readyz: store and catalog answer too. /openapi.yaml.
 *
 * Anybody may ask, so what was learnt is told to all who ask within READY_FOR_MS, and nothing of it but which side.
 */
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/assets.h"
#include "serve/internal.h"
#include "serve/problem.h"

#define READY_FOR_MS 1000

static void answer_status(struct ls_reply *reply, const char *status)
{
    struct ls_json json;
    if (!ls_reply_json(reply, 200, &json))
        return;
    ls_json_object(&json, NULL);
    ls_json_str(&json, "status", status);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}

void ls_api_health(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    (void)serve;
    (void)req;
    answer_status(reply, "ok");
}

static void look(struct ls_serve *serve)
{
    struct ls_readiness *ready = &serve->ready;
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    struct ls_object_info info;
    int64_t seq;
    struct ls_err store_err = LS_ERR_INIT, catalog_err = LS_ERR_INIT;
    enum ls_rc rc =
        ls_store_head_one(ls_engine_store(serve->opts->engine), LS_INTERNAL_PREFIX "ready", &info, &store_err);
    if (rc == LS_NOT_FOUND)
        ls_err_clear(&store_err);
    rc = cat->ops->change_last(cat, &seq, &catalog_err);
    if (!rc)
        ls_err_clear(&catalog_err);
    if (store_err.rc && !ready->store.rc)
        LS_LOG_WARN("serve", "not-ready", {"error", ls_v_str(store_err.text)});
    if (catalog_err.rc && !ready->catalog.rc)
        LS_LOG_WARN("serve", "not-ready", {"error", ls_v_str(catalog_err.text)});
    ready->store = store_err;
    ready->catalog = catalog_err;
    ready->at_ms = ls_monotonic_ms();
}

void ls_api_ready(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_readiness *ready = &serve->ready;
    (void)req;
    LS_LOCK(&ready->lock);
    if (!ready->at_ms || ls_monotonic_ms() - ready->at_ms > READY_FOR_MS)
        look(serve);
    if (ready->store.rc || ready->catalog.rc)
        ls_problem(reply, 503, "not-ready", "%s does not answer as it should: see the log",
                   !ready->catalog.rc ? "the store"
                   : !ready->store.rc ? "the catalog"
                                      : "neither store nor catalog");
    else
        answer_status(reply, "ready");
}

void ls_api_openapi(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    (void)serve;
    (void)req;
    ls_reply_constant(reply, 200, ls_asset_openapi.type, ls_asset_openapi.data, (size_t)*ls_asset_openapi.len);
}
