/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Errors as RFC 9457 problem details: status, title, detail, and a code of ours on which programs can act.
 */
#ifndef LOCKSTEP_SERVE_PROBLEM_H
#define LOCKSTEP_SERVE_PROBLEM_H

#include <stddef.h>

#include "base/json.h"
#include "serve/reply.h"

/* Answer with a problem. code is a word in kebab-case. */
void ls_problem(struct ls_reply *reply, unsigned status, const char *code, const char *fmt, ...) LS_PRINTF(4, 5);
/* Answer with what an error's class means in HTTP, and its text. */
void ls_problem_err(struct ls_reply *reply, const struct ls_err *err);

/* The same in pieces, for further members: begin, ls_json_… to json, end. begin gives false when out of memory. */
bool ls_problem_begin(struct ls_reply *reply, unsigned status, const char *code, const char *detail,
                      struct ls_json *json);
void ls_problem_end(struct ls_reply *reply, struct ls_json *json);

/* Begin an answer of status 200 that is one JSON object; false, with err as the answer, when rc is a failure. */
bool ls_problem_or_object(struct ls_reply *reply, enum ls_rc rc, const struct ls_err *err, struct ls_json *out_json)
    LS_MUST_CHECK;

#endif
