/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From method and path to a handler.
 *
 * A route is a line of a constant table (routes.c): what it is called, who may call it, what it takes, where it runs.
 */
#ifndef LOCKSTEP_SERVE_ROUTER_H
#define LOCKSTEP_SERVE_ROUTER_H

#include "serve/request.h"

struct ls_serve;

/* Where a handler runs. Each lane has threads of its own, so that long work cannot keep short work waiting. */
enum ls_lane {
    LS_LANE_NOW,   /* in the thread of the sockets: must not block */
    LS_LANE_PROBE, /* asks both sides whether they are there */
    LS_LANE_SHORT, /* of one product */
    LS_LANE_LONG,  /* of everything */
    LS_LANE_MEND,  /* changes much: one after the other */
    LS_LANE_COUNT
};

enum ls_body {
    LS_BODY_NONE,
    LS_BODY_JSON,
    LS_BODY_LIST,   /* JSON that names many keys, so it may be long */
    LS_BODY_EVENTS, /* JSON that may be longer */
    LS_BODY_FILE,
    LS_BODY_FORM
};

struct ls_route {
    const char *method;
    const char *path; /* "/admin/products/:id/images/sync": a segment with ':' is a parameter */
    unsigned roles;   /* enum ls_role, or-ed; 0 = everybody */
    enum ls_body body;
    enum ls_lane lane;
    const char *query; /* names of the parameters that it takes, with spaces between */
    void (*run)(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply);
    /* Of a route that can run as a job: what can be told at once. False: the reply says what is wrong. */
    bool (*check)(struct ls_serve *serve, const struct ls_request *req, struct ls_reply *reply);
};

/* All routes; the first that fits is taken. */
extern const struct ls_route ls_routes[];
extern const size_t ls_routes_count;

/* Find the route and set req->route; HEAD is taken for GET. False: the reply says why not (404, 405, or 400 for a query
 * parameter that it does not take). */
bool ls_route_find(const struct ls_route *routes, size_t n, struct ls_request *req, struct ls_reply *reply);

#endif
