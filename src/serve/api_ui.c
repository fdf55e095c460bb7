/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dashboard's files. They hold no data, so anybody may have them; all that a page shows it asks the API for.
 *
 * The policy allows what these files need and nothing else: no inline script or style, nothing from elsewhere. blob:
 * is what pictures are shown from that were fetched with a token.
 */
#include "serve/assets.h"
#include "serve/conditions.h"
#include "serve/internal.h"
#include "serve/problem.h"

#define POLICY                                                                                                         \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "              \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static void answer_asset(const struct ls_request *req, const char *name, struct ls_reply *reply)
{
    const struct ls_asset *asset = ls_ui_asset_find(name);
    const char *known = req->headers[LS_HEADER_IF_NONE_MATCH];
    char etag[LS_ASSET_ETAG_MAX];
    if (!asset) {
        ls_problem(reply, 404, "no-such-path", "the dashboard has no file '%.100s'", name);
        return;
    }
    ls_asset_etag(asset, etag);
    if (known && ls_etag_listed(known, etag))
        ls_reply_constant(reply, 304, NULL, "", 0);
    else
        ls_reply_constant(reply, 200, asset->type, asset->data, (size_t)*asset->len);
    ls_reply_header(reply, "ETag", "\"%s\"", etag);
    ls_reply_header(reply, "Cache-Control", "no-cache");
    ls_reply_header(reply, "Content-Security-Policy", "%s", POLICY);
    ls_reply_header(reply, "Referrer-Policy", "no-referrer");
}

void ls_api_ui(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    (void)serve;
    answer_asset(req, "index.html", reply);
}

void ls_api_ui_file(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    (void)serve;
    answer_asset(req, ls_request_param(req, ":file"), reply);
}
