/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Taking requests apart. */
#include "serve/request.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "serve/problem.h"
#include "serve/router.h"

#define TARGET_MAX ((size_t)8 * 1024)

const char *ls_header_name(enum ls_header header)
{
    static const char *const names[LS_HEADER_COUNT] = {
        [LS_HEADER_HOST] = "Host",
        [LS_HEADER_ORIGIN] = "Origin",
        [LS_HEADER_FETCH_SITE] = "Sec-Fetch-Site",
        [LS_HEADER_AUTHORIZATION] = "Authorization",
        [LS_HEADER_CONTENT_TYPE] = "Content-Type",
        [LS_HEADER_CONTENT_ENCODING] = "Content-Encoding",
        [LS_HEADER_CONTENT_LENGTH] = "Content-Length",
        [LS_HEADER_RANGE] = "Range",
        [LS_HEADER_IF_RANGE] = "If-Range",
        [LS_HEADER_IF_MATCH] = "If-Match",
        [LS_HEADER_IF_NONE_MATCH] = "If-None-Match",
    };
    return names[header];
}

/* ---- path and query ---- */

/* Decode a piece of the target; NULs are refused, because names end at them. */
static enum ls_rc decode(const char *data, size_t len, bool plus_is_space, char **out, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf buf = LS_BUF_INIT(TARGET_MAX);
    enum ls_rc rc = ls_buf_add_urldec(&buf, data, len, plus_is_space);
    if (rc == LS_INVALID || (!rc && memchr(buf.data, '\0', buf.len)))
        return ls_err_set(err, LS_INVALID, "'%.*s' is no well-formed part of a URL", (int)(len < 100 ? len : 100),
                          data);
    *out = rc ? NULL : strdup(buf.data);
    return *out ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc split_path(struct ls_request *req, const char *path, size_t len, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    if (len == 0 || *path != '/')
        return ls_err_set(err, LS_INVALID, "the request's target must begin with '/'");
    for (size_t at = 1; at <= len && !rc;) {
        const char *slash = memchr(path + at, '/', len - at);
        size_t n = slash ? (size_t)(slash - path) - at : len - at;
        if (req->n_segments == LS_REQUEST_SEGMENTS_MAX)
            return ls_err_set(err, LS_INVALID, "the path has more than %d levels", LS_REQUEST_SEGMENTS_MAX);
        rc = decode(path + at, n, false, &req->segments[req->n_segments], err);
        req->n_segments += !rc;
        at += n + 1;
    }
    return rc;
}

static enum ls_rc split_query(struct ls_request *req, const char *query, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (const char *at = query; *at && !rc; at += *at == '&') {
        size_t len = strcspn(at, "&");
        const char *equals = memchr(at, '=', len);
        size_t name_len = equals ? (size_t)(equals - at) : len;
        if (len > 0) {
            if (req->n_query == LS_REQUEST_QUERY_MAX)
                return ls_err_set(err, LS_INVALID, "the query has more than %d parameters", LS_REQUEST_QUERY_MAX);
            rc = decode(at, name_len, true, &req->query[req->n_query].name, err);
            if (!rc)
                rc = decode(equals ? equals + 1 : "", equals ? len - name_len - 1 : 0, true,
                            &req->query[req->n_query].value, err);
            req->n_query++;
        }
        at += len;
    }
    return rc;
}

enum ls_rc ls_request_init(struct ls_request *req, const char *method, const char *target, struct ls_err *err)
{
    *req = (struct ls_request){.method = strdup(method), .body_fd = -1};
    ls_buf_init(&req->body, LS_REQUEST_LIST_MAX);
    if (!req->method)
        return ls_err_nomem(err);
    size_t path_len = strcspn(target, "?");
    enum ls_rc rc = split_path(req, target, path_len, err);
    if (!rc && target[path_len] == '?')
        rc = split_query(req, target + path_len + 1, err);
    return rc;
}

void ls_request_dispose(struct ls_request *req)
{
    for (size_t i = 0; i < req->n_segments; i++)
        free(req->segments[i]);
    for (size_t i = 0; i < req->n_query; i++) {
        free(req->query[i].name);
        free(req->query[i].value);
    }
    for (int i = 0; i < LS_HEADER_COUNT; i++) {
        if (i == LS_HEADER_AUTHORIZATION && req->headers[i])
            explicit_bzero(req->headers[i], strlen(req->headers[i]));
        free(req->headers[i]);
    }
    for (size_t i = 0; i < req->n_form; i++) {
        free(req->form[i].name);
        free(req->form[i].value);
    }
    free(req->form_file);
    ls_buf_dispose(&req->body);
    if (req->body_fd >= 0)
        close(req->body_fd);
    json_decref(req->json);
    free(req->method);
    *req = (struct ls_request){.body_fd = -1};
}

enum ls_rc ls_request_move(struct ls_request *to, struct ls_request *from, struct ls_err *err)
{
    char *method = strdup(from->method);
    if (!method)
        return ls_err_nomem(err);
    *to = *from;
    *from = (struct ls_request){.method = method, .route = to->route, .role = to->role, .body_fd = -1};
    memcpy(from->who, to->who, sizeof from->who);
    ls_buf_init(&from->body, LS_REQUEST_LIST_MAX);
    return LS_OK;
}

enum ls_rc ls_request_set_header(struct ls_request *req, enum ls_header header, const char *value)
{
    free(req->headers[header]);
    req->headers[header] = value ? strdup(value) : NULL;
    return value && !req->headers[header] ? LS_NO_MEMORY : LS_OK;
}

bool ls_request_is_safe(const struct ls_request *req)
{
    return strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0;
}

const char *ls_request_param(const struct ls_request *req, const char *name)
{
    size_t i = 0;
    for (const char *at = req->route->path; *at == '/'; i++) {
        size_t len = strcspn(++at, "/");
        if (strlen(name) == len && memcmp(name, at, len) == 0)
            return req->segments[i];
        at += len;
    }
    assert(!"the route has no such parameter");
    return "";
}

const char *ls_request_query(const struct ls_request *req, const char *name)
{
    for (size_t i = 0; i < req->n_query; i++)
        if (strcmp(req->query[i].name, name) == 0)
            return req->query[i].value;
    return NULL;
}

const char *ls_request_form(const struct ls_request *req, const char *name)
{
    for (size_t i = 0; i < req->n_form; i++)
        if (strcmp(req->form[i].name, name) == 0)
            return req->form[i].value;
    return NULL;
}

bool ls_request_query_number(const struct ls_request *req, const char *name, uint64_t most, uint64_t *out_n,
                             struct ls_reply *reply)
{
    const char *text = ls_request_query(req, name);
    char *end = NULL;
    if (!text)
        return true;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && n <= most) {
        *out_n = n;
        return true;
    }
    ls_problem(reply, 400, "wrong-type", "query: %s must be a number from 0 to %" PRIu64, name, most);
    return false;
}

/* ---- the body ---- */

enum ls_rc ls_request_want_file(struct ls_request *req, struct ls_err *err)
{
    const char *dir = secure_getenv("TMPDIR");
    req->body_fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (req->body_fd < 0)
        return ls_err_errno(err, errno, "serve: cannot make a file for the body (set TMPDIR)");
    return LS_OK;
}

static void add_to_file(struct ls_request *req, const void *data, size_t len)
{
    if (req->body_errno)
        return;
    if (ls_pwrite_all(req->body_fd, data, len, req->body_size_bytes) == 0)
        req->body_size_bytes += len;
    else
        req->body_errno = errno;
}

void ls_request_add_body(struct ls_request *req, const void *data, size_t len, uint64_t max)
{
    bool to_file = req->body_fd >= 0;
    uint64_t have = to_file ? req->body_size_bytes : req->body.len;
    if (req->body_too_long)
        return;
    if (len > max - have || (!to_file && ls_buf_add(&req->body, data, len))) {
        req->body_too_long = true;
        ls_buf_dispose(&req->body);
    } else if (to_file) {
        add_to_file(req, data, len);
    }
}

/* How deep brackets nest, before a recursive parser sees them. */
static unsigned depth_of(const char *data, size_t len)
{
    unsigned depth = 0, most = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = data[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            most = depth > most ? depth : most;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return most;
}

/* Is it application/json, whatever its parameters? */
static bool is_json_type(const char *type)
{
    static const char want[] = "application/json";
    return type && strncasecmp(type, want, sizeof want - 1) == 0 && strchr("; \t", type[sizeof want - 1]);
}

bool ls_request_parse_json(struct ls_request *req, struct ls_reply *reply)
{
    json_error_t why;
    const char *encoding = req->headers[LS_HEADER_CONTENT_ENCODING];
    if (encoding && strcasecmp(encoding, "identity") != 0)
        ls_problem(reply, 415, "content-encoding", "send the body as it is, without Content-Encoding");
    else if (!is_json_type(req->headers[LS_HEADER_CONTENT_TYPE]))
        ls_problem(reply, 415, "content-type", "the body must be JSON, with Content-Type: application/json");
    else if (req->body_too_long)
        ls_problem(reply, 413, "too-long", "the body is longer than %zu bytes", req->body.max);
    else if (depth_of(req->body.data, req->body.len) > LS_REQUEST_DEPTH_MAX)
        ls_problem(reply, 400, "too-deep", "the body is nested deeper than %d levels", LS_REQUEST_DEPTH_MAX);
    else if (!(req->json = json_loadb(req->body.data, req->body.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why)))
        ls_problem(reply, 400, "no-json", "the body is no JSON: %s (line %d, column %d)", why.text, why.line,
                   why.column);
    else if (!json_is_object(req->json))
        ls_problem(reply, 400, "no-object", "the body must be a JSON object");
    else
        return true;
    return false;
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null"};
    return names[json_typeof(value)];
}

/* Store a value; NULL, or what was wanted instead. */
static const char *take_field(const struct ls_field *field, const json_t *value)
{
    switch (field->kind) {
    case LS_FIELD_BOOL:
        if (!json_is_boolean(value))
            return "true or false";
        *(bool *)field->out = json_is_true(value);
        return NULL;
    case LS_FIELD_TEXT:
        if (!json_is_string(value))
            return "a string";
        *(const char **)field->out = json_string_value(value);
        return NULL;
    case LS_FIELD_COUNT:
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > (json_int_t)LS_REQUEST_NUMBER_MAX)
            return "an integer from 0 to 2^53-1";
        *(uint64_t *)field->out = (uint64_t)json_integer_value(value);
        return NULL;
    case LS_FIELD_LIST:
        if (!json_is_array(value))
            return "an array";
        *(const json_t **)field->out = value;
        return NULL;
    }
    return "nothing";
}

bool ls_request_fields(const struct ls_request *req, const struct ls_field *fields, size_t n, struct ls_reply *reply)
{
    const char *key;
    json_t *value;
    json_object_foreach(req->json, key, value)
    {
        const struct ls_field *field = NULL;
        for (size_t i = 0; i < n; i++)
            if (strcmp(fields[i].name, key) == 0)
                field = &fields[i];
        if (!field) {
            ls_problem(reply, 400, "unknown-field", "body: there is no field '%.100s' here", key);
            return false;
        }
        const char *want = take_field(field, value);
        if (want) {
            ls_problem(reply, 400, "wrong-type", "body: '%s' must be %s, not %s", key, want, type_name(value));
            return false;
        }
    }
    return true;
}
