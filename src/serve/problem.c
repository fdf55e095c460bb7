/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Problem details. */
#include "serve/problem.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/auto.h"

static const char *title_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {{400, "Bad Request"},
                  {401, "Unauthorized"},
                  {403, "Forbidden"},
                  {404, "Not Found"},
                  {405, "Method Not Allowed"},
                  {409, "Conflict"},
                  {412, "Precondition Failed"},
                  {413, "Content Too Large"},
                  {415, "Unsupported Media Type"},
                  {416, "Range Not Satisfiable"},
                  {421, "Misdirected Request"},
                  {423, "Locked"},
                  {429, "Too Many Requests"},
                  {500, "Internal Server Error"},
                  {501, "Not Implemented"},
                  {502, "Bad Gateway"},
                  {503, "Service Unavailable"},
                  {504, "Gateway Timeout"},
                  {507, "Insufficient Storage"}};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

bool ls_problem_begin(struct ls_reply *reply, unsigned status, const char *code, const char *detail,
                      struct ls_json *json)
{
    FILE *out = ls_reply_text(reply, status, "application/problem+json");
    if (!out)
        return false;
    ls_json_init(json, out);
    ls_json_object(json, NULL);
    ls_json_str(json, "type", "about:blank");
    ls_json_str(json, "title", title_of(status));
    ls_json_uint(json, "status", status);
    ls_json_str(json, "detail", detail);
    ls_json_str(json, "code", code);
    return true;
}

void ls_problem_end(struct ls_reply *reply, struct ls_json *json)
{
    static const char poor[] = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503}";
    ls_json_end_object(json);
    ls_json_newline(json);
    if (ls_reply_finish(reply, NULL))
        ls_reply_constant(reply, 503, "application/problem+json", poor, sizeof poor - 1);
}

void ls_problem(struct ls_reply *reply, unsigned status, const char *code, const char *fmt, ...)
{
    char detail[LS_ERR_TEXT_MAX];
    struct ls_json json;
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    if (ls_problem_begin(reply, status, code, detail, &json))
        ls_problem_end(reply, &json);
}

void ls_problem_err(struct ls_reply *reply, const struct ls_err *err)
{
    enum ls_rc rc = err->rc ? err->rc : LS_IO;
    ls_problem(reply, (unsigned)ls_rc_http(rc), ls_rc_name(rc), "%s", *err->text ? err->text : ls_rc_name(rc));
}

bool ls_problem_or_object(struct ls_reply *reply, enum ls_rc rc, const struct ls_err *err, struct ls_json *out_json)
{
    if (rc != LS_OK)
        ls_problem_err(reply, err);
    if (rc != LS_OK || !ls_reply_json(reply, 200, out_json))
        return false;
    ls_json_object(out_json, NULL);
    return true;
}
