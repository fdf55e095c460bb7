/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON written as it comes, for answers of any length.
 *
 * Keeps commas and nesting right; the caller keeps begin and end in pairs. Strings that are not UTF-8 get U+FFFD. Not
 * jansson: that one wants the whole value in memory and refuses such strings. Errors of the stream stay in the stream.
 */
#ifndef LOCKSTEP_BASE_JSON_H
#define LOCKSTEP_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define LS_JSON_DEPTH_MAX 16

struct ls_json {
    FILE *out;
    unsigned depth;
    bool comma[LS_JSON_DEPTH_MAX]; /* the level has a member already */
};

void ls_json_init(struct ls_json *json, FILE *out);
/* In an object, the member's name comes first. name NULL in arrays and at the top. */
void ls_json_object(struct ls_json *json, const char *name);
void ls_json_end_object(struct ls_json *json);
void ls_json_array(struct ls_json *json, const char *name);
void ls_json_end_array(struct ls_json *json);
void ls_json_str(struct ls_json *json, const char *name, const char *value); /* NULL = null */
void ls_json_int(struct ls_json *json, const char *name, int64_t value);
void ls_json_uint(struct ls_json *json, const char *name, uint64_t value);
void ls_json_bool(struct ls_json *json, const char *name, bool value);
/* An ISO time; 0 = null. */
void ls_json_time(struct ls_json *json, const char *name, int64_t ns);
/* End a top-level value: newline, ready for the next one. */
void ls_json_newline(struct ls_json *json);

#endif
