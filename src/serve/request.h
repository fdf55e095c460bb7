/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One HTTP request as handlers see it: decoded path and query, the headers that matter, a bounded body.
 *
 * Knows nothing of the HTTP library, so that tests can make requests by hand. Nothing is believed: bad escapes, NULs,
 * unknown or doubled parameters and JSON that is deep, doubled or of the wrong type are told apart here, once.
 * A request belongs to one thread at a time.
 */
#ifndef LOCKSTEP_SERVE_REQUEST_H
#define LOCKSTEP_SERVE_REQUEST_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "serve/reply.h"
#include "serve/tokens.h"

#define LS_REQUEST_SEGMENTS_MAX 12
#define LS_REQUEST_QUERY_MAX 16
#define LS_REQUEST_BODY_MAX ((size_t)64 * 1024)       /* of a JSON body, as a rule */
#define LS_REQUEST_LIST_MAX ((size_t)4 * 1024 * 1024) /* of one that names many keys */
#define LS_REQUEST_DEPTH_MAX 8
#define LS_REQUEST_FORM_MAX 8                           /* fields of a form */
#define LS_REQUEST_FIELD_MAX 255                        /* bytes of one */
#define LS_REQUEST_NUMBER_MAX ((UINT64_C(1) << 53) - 1) /* what every JSON parser keeps exactly */

enum ls_header {
    LS_HEADER_HOST,
    LS_HEADER_ORIGIN,
    LS_HEADER_FETCH_SITE,
    LS_HEADER_AUTHORIZATION,
    LS_HEADER_CONTENT_TYPE,
    LS_HEADER_CONTENT_ENCODING,
    LS_HEADER_CONTENT_LENGTH,
    LS_HEADER_RANGE,
    LS_HEADER_IF_RANGE,
    LS_HEADER_IF_MATCH,
    LS_HEADER_IF_NONE_MATCH,
    LS_HEADER_COUNT
};
/* The name as HTTP writes it. */
const char *ls_header_name(enum ls_header header);

struct ls_route;
struct ls_progress;

struct ls_request {
    char *method;
    char *segments[LS_REQUEST_SEGMENTS_MAX]; /* of the path, decoded */
    size_t n_segments;
    struct {
        char *name, *value; /* decoded */
    } query[LS_REQUEST_QUERY_MAX];
    size_t n_query;
    char *headers[LS_HEADER_COUNT]; /* NULL when it was not sent */
    const struct ls_route *route;   /* once it was found */
    char who[LS_TOKEN_NAME_MAX];    /* the token's name, once it was checked */
    enum ls_role role;
    struct ls_buf body;
    bool body_too_long;
    int body_fd;              /* of a route that takes files: an unlinked file instead of `body`; -1 = none */
    uint64_t body_size_bytes; /* of that file */
    int body_errno;           /* why it could not be kept, or 0 */
    struct {
        char *name, *value;
    } form[LS_REQUEST_FORM_MAX]; /* of a form: its short fields */
    size_t n_form;
    char *form_file;              /* of a form: what its file is called, or NULL */
    json_t *json;                 /* the body, once it was parsed */
    struct ls_progress *progress; /* of a job: where its handler tells how far it is; or NULL */
};

/* Take a request's method and target ("/path?query") apart. LS_INVALID says what is wrong with it. */
enum ls_rc ls_request_init(struct ls_request *req, const char *method, const char *target, struct ls_err *err)
    LS_MUST_CHECK;
void ls_request_dispose(struct ls_request *req);
/* Take everything over; `from` keeps method, route and who, as far as the log wants to know. */
enum ls_rc ls_request_move(struct ls_request *to, struct ls_request *from, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_request_set_header(struct ls_request *req, enum ls_header header, const char *value) LS_MUST_CHECK;

/* Is it a request that changes nothing? */
bool ls_request_is_safe(const struct ls_request *req);
/* A part of the path by its name in the route's template (":id"); asserts that there is one. */
const char *ls_request_param(const struct ls_request *req, const char *name);
/* A query parameter, or NULL. */
const char *ls_request_query(const struct ls_request *req, const char *name);
/* A query parameter that is a number up to `most`; *out_n is left alone without it. False: the reply says what is
 * wrong. */
bool ls_request_query_number(const struct ls_request *req, const char *name, uint64_t most, uint64_t *out_n,
                             struct ls_reply *reply);

/* A form's field, or NULL. */
const char *ls_request_form(const struct ls_request *req, const char *name);

/* Let the body go to a file. LS_NO_SPACE and the like when there is none to be had. */
enum ls_rc ls_request_want_file(struct ls_request *req, struct ls_err *err) LS_MUST_CHECK;
/* Add to the body; past max it is forgotten and body_too_long is set. */
void ls_request_add_body(struct ls_request *req, const void *data, size_t len, uint64_t max);
/* Parse the body as a JSON object; false when the reply says what is wrong with it. */
bool ls_request_parse_json(struct ls_request *req, struct ls_reply *reply);

enum ls_field_kind { LS_FIELD_BOOL, LS_FIELD_COUNT, LS_FIELD_TEXT, LS_FIELD_LIST };
struct ls_field {
    const char *name;
    enum ls_field_kind kind;
    void *out; /* bool, uint64_t, const char * or const json_t * (they live with the request); left alone without the
                  field */
};
/* Read the body's members; any other member is an error. False when the reply says what is wrong. */
bool ls_request_fields(const struct ls_request *req, const struct ls_field *fields, size_t n, struct ls_reply *reply);

#endif
