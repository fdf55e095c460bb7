/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON as a stream. */
#include "base/json.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

void ls_json_init(struct ls_json *json, FILE *out) { *json = (struct ls_json){.out = out}; }

static void write_string(struct ls_json *json, const char *text)
{
    struct ls_buf buf = LS_BUF_INIT(LS_BUF_BODY);
    if (ls_buf_add_json(&buf, text, strlen(text)) == LS_OK)
        fwrite(buf.data, 1, buf.len, json->out);
    else
        fputs("null", json->out);
    ls_buf_dispose(&buf);
}

/* What stands before a value: comma and name. */
static void lead(struct ls_json *json, const char *name)
{
    bool *comma = &json->comma[json->depth];
    if (*comma)
        fputc(',', json->out);
    *comma = true;
    if (name) {
        write_string(json, name);
        fputc(':', json->out);
    }
}

static void begin(struct ls_json *json, const char *name, char bracket)
{
    lead(json, name);
    fputc(bracket, json->out);
    if (json->depth + 1 < LS_JSON_DEPTH_MAX)
        json->depth++;
    json->comma[json->depth] = false;
}

static void end(struct ls_json *json, char bracket)
{
    if (json->depth > 0)
        json->depth--;
    fputc(bracket, json->out);
}

void ls_json_object(struct ls_json *json, const char *name) { begin(json, name, '{'); }
void ls_json_end_object(struct ls_json *json) { end(json, '}'); }
void ls_json_array(struct ls_json *json, const char *name) { begin(json, name, '['); }
void ls_json_end_array(struct ls_json *json) { end(json, ']'); }

void ls_json_str(struct ls_json *json, const char *name, const char *value)
{
    lead(json, name);
    if (value)
        write_string(json, value);
    else
        fputs("null", json->out);
}

void ls_json_int(struct ls_json *json, const char *name, int64_t value)
{
    lead(json, name);
    fprintf(json->out, "%" PRId64, value);
}

void ls_json_uint(struct ls_json *json, const char *name, uint64_t value)
{
    lead(json, name);
    fprintf(json->out, "%" PRIu64, value);
}

void ls_json_bool(struct ls_json *json, const char *name, bool value)
{
    lead(json, name);
    fputs(value ? "true" : "false", json->out);
}

void ls_json_time(struct ls_json *json, const char *name, int64_t ns)
{
    char text[LS_TIME_LEN];
    if (ns)
        ls_time_iso(ns, text);
    ls_json_str(json, name, ns ? text : NULL);
}

void ls_json_newline(struct ls_json *json)
{
    fputc('\n', json->out);
    json->comma[0] = false;
}
