/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Matching paths with templates. */
#include "serve/router.h"

#include <stdio.h>
#include <string.h>

#include "serve/problem.h"

/* Does the path fit the template? */
static bool fits(const char *path, const struct ls_request *req)
{
    size_t i = 0;
    for (const char *at = path; *at == '/'; i++) {
        size_t len = strcspn(++at, "/");
        if (i == req->n_segments)
            return false;
        bool same = strlen(req->segments[i]) == len && memcmp(req->segments[i], at, len) == 0;
        if (*at == ':' ? !*req->segments[i] : !same)
            return false;
        at += len;
    }
    return i == req->n_segments;
}

static bool method_fits(const char *method, const struct ls_request *req)
{
    return strcmp(method, req->method) == 0 || (strcmp(method, "GET") == 0 && strcmp(req->method, "HEAD") == 0);
}

/* Is the word among those of a list with spaces between? */
static bool is_listed(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; at && *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (n == len && memcmp(at, word, len) == 0)
            return true;
        at += n;
    }
    return false;
}

static bool check_query(const struct ls_request *req, struct ls_reply *reply)
{
    for (size_t i = 0; i < req->n_query; i++) {
        const char *name = req->query[i].name;
        if (!is_listed(req->route->query, name)) {
            ls_problem(reply, 400, "unknown-parameter", "query: there is no parameter '%s' here (there are: %s)", name,
                       req->route->query && *req->route->query ? req->route->query : "none");
            return false;
        }
        for (size_t j = 0; j < i; j++)
            if (strcmp(req->query[j].name, name) == 0) {
                ls_problem(reply, 400, "doubled-parameter", "query: '%s' is given twice", name);
                return false;
            }
    }
    return true;
}

bool ls_route_find(const struct ls_route *routes, size_t n, struct ls_request *req, struct ls_reply *reply)
{
    char allow[128] = "";
    for (size_t i = 0; i < n; i++) {
        if (!fits(routes[i].path, req))
            continue;
        if (method_fits(routes[i].method, req)) {
            req->route = &routes[i];
            return check_query(req, reply);
        }
        size_t at = strlen(allow);
        snprintf(allow + at, sizeof allow - at, "%s%s", at ? ", " : "",
                 strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method);
    }
    if (!*allow) {
        ls_problem(reply, 404, "no-such-path", "there is nothing at this path; /openapi.yaml lists what there is");
        return false;
    }
    ls_problem(reply, 405, "method", "this path takes %s", allow);
    ls_reply_header(reply, "Allow", "%s", allow);
    return false;
}
