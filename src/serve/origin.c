/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checks of Host, Origin and Sec-Fetch-Site. */
#include "serve/origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "serve/problem.h"

/* Cut the port off: "[::1]:80" and "::1" are left as "::1". False when it is no host at all. */
static bool host_of(const char *text, char out[256])
{
    const char *end;
    if (*text == '[') {
        end = strchr(++text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
    } else {
        end = text + strcspn(text, ":");
    }
    if (end == text || end - text > 255)
        return false;
    memcpy(out, text, (size_t)(end - text));
    out[end - text] = '\0';
    return true;
}

static bool is_ours(const char *host, const char *const *hosts)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return true;
    if (strcasecmp(host, "localhost") == 0)
        return true;
    for (size_t i = 0; hosts && hosts[i]; i++)
        if (strcasecmp(host, hosts[i]) == 0)
            return true;
    return false;
}

/* Does an origin ("https://shop.example:8420") name the host that was asked? A proxy may have changed the scheme. */
static bool same_origin(const char *origin, const char *host)
{
    const char *rest = strstr(origin, "://");
    return rest && strcasecmp(rest + 3, host) == 0;
}

bool ls_origin_check(const struct ls_request *req, const char *const *hosts, struct ls_reply *reply)
{
    char name[256];
    const char *host = req->headers[LS_HEADER_HOST], *origin = req->headers[LS_HEADER_ORIGIN],
               *site = req->headers[LS_HEADER_FETCH_SITE];
    if (!host || !host_of(host, name)) {
        ls_problem(reply, 400, "no-host", "the request names no host");
        return false;
    }
    if (!is_ours(name, hosts)) {
        ls_problem(reply, 421, "wrong-host", "this is not '%.100s': name it in 'hosts' in [serve] if it is", name);
        return false;
    }
    if (ls_request_is_safe(req))
        return true;
    if ((origin && !same_origin(origin, host)) ||
        (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)) {
        ls_problem(reply, 403, "cross-origin", "a page from elsewhere may not send this");
        return false;
    }
    return true;
}
