/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serve/notice.h"

#include <stdlib.h>
#include <string.h>

#define KEY_MAX ((size_t)1024) /* bytes, as in S3 */
#define WORD_MAX 128           /* of everything else */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As a query escapes: in place. False: an escape is none, or stands for NUL. */
static bool unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++, to++) {
        *to = *from == '+' ? ' ' : *from;
        if (*from != '%')
            continue;
        int high = digit_of(from[1]), low = high < 0 ? -1 : digit_of(from[2]);
        if (low < 0 || high + low == 0)
            return false;
        *to = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

/* A member that is a string of 1 to most bytes; without `needed` it may be missing or empty: *out is NULL then. */
static enum ls_rc read_text(const json_t *object, const char *name, size_t most, bool needed, const char **out,
                            struct ls_err *err)
{
    const json_t *value = json_object_get(object, name);
    *out = needed ? "" : NULL;
    if (!needed && (!value || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0)))
        return LS_OK;
    const char *text = json_string_value(value);
    if (!text || !*text)
        return ls_err_set(err, LS_INVALID, "an event's '%s' must be a string that is not empty", name);
    if (strlen(text) > most)
        return ls_err_set(err, LS_INVALID, "an event's '%s' is longer than %zu bytes", name, most);
    *out = text;
    return LS_OK;
}

static enum ls_rc check_key(const struct ls_notice *notice, struct ls_err *err)
{
    size_t len = strlen(notice->key);
    if (len == 0 || len > KEY_MAX)
        return ls_err_set(err, LS_INVALID, "an event's key must have 1 to %zu bytes", KEY_MAX);
    return LS_OK;
}

static enum ls_rc read_record(const json_t *record, enum ls_notice_keys keys, struct ls_notice *out, struct ls_err *err)
{
    const json_t *s3 = json_object_get(record, "s3");
    const json_t *object = json_object_get(s3, "object");
    const char *key = NULL;
    enum ls_rc rc = read_text(record, "eventName", WORD_MAX, true, &out->kind, err);
    if (rc == LS_OK)
        rc = read_text(json_object_get(s3, "bucket"), "name", WORD_MAX, true, &out->bucket, err);
    if (rc == LS_OK && !ls_notice_is_change(out) && !json_object_get(object, "key"))
        out->key = ""; /* of a bucket, say */
    else if (rc == LS_OK)
        rc = read_text(object, "key", 3 * KEY_MAX, true, &key, err);
    if (rc == LS_OK)
        rc = read_text(object, "eTag", WORD_MAX, false, &out->etag, err);
    if (rc == LS_OK)
        rc = read_text(object, "sequencer", WORD_MAX, false, &out->sequencer, err);
    if (rc != LS_OK || !key)
        return rc;
    out->key = out->memory = strdup(key);
    if (!out->memory)
        return ls_err_nomem(err);
    if (keys == LS_KEYS_ESCAPED && !unescape(out->memory))
        return ls_err_set(err, LS_INVALID, "an event's key is not escaped as in a query");
    return check_key(out, err);
}

/* Without records: EventName and "bucket/key". */
static enum ls_rc read_short(const json_t *body, struct ls_notice *out, struct ls_err *err)
{
    const char *path = NULL;
    enum ls_rc rc = read_text(body, "EventName", WORD_MAX, true, &out->kind, err);
    if (rc == LS_OK)
        rc = read_text(body, "Key", WORD_MAX + KEY_MAX, true, &path, err);
    if (rc != LS_OK)
        return rc;
    out->memory = strdup(path);
    if (!out->memory)
        return ls_err_nomem(err);
    char *slash = strchr(out->memory, '/');
    if (!slash || slash == out->memory)
        return ls_err_set(err, LS_INVALID, "an event's 'Key' must be a bucket's name, '/' and a key");
    *slash = '\0';
    out->bucket = out->memory;
    out->key = slash + 1;
    return check_key(out, err);
}

enum ls_rc ls_notices_parse(const json_t *body, enum ls_notice_keys keys, struct ls_notices *out, struct ls_err *err)
{
    const json_t *records = json_object_get(body, "Records");
    *out = (struct ls_notices){0};
    if (records && !json_is_null(records) && !json_is_array(records))
        return ls_err_set(err, LS_INVALID, "'Records' must be an array");
    size_t n = json_array_size(records);
    out->items = calloc(n ? n : 1, sizeof *out->items);
    if (!out->items)
        return ls_err_nomem(err);
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        rc = read_record(json_array_get(records, i), keys, &out->items[out->n++], err);
    if (n == 0)
        rc = json_object_get(body, "s3") ? read_record(body, keys, &out->items[out->n++], err)
                                         : read_short(body, &out->items[out->n++], err);
    if (rc != LS_OK)
        ls_notices_dispose(out);
    return rc;
}

void ls_notices_dispose(struct ls_notices *notices)
{
    for (size_t i = 0; i < notices->n; i++)
        free(notices->items[i].memory);
    free(notices->items);
    *notices = (struct ls_notices){0};
}

bool ls_notice_is_change(const struct ls_notice *notice)
{
    static const char *const changes[] = {"ObjectCreated:", "ObjectRemoved:", "ObjectRestore:", "LifecycleExpiration:"};
    const char *kind = strncmp(notice->kind, "s3:", 3) == 0 ? notice->kind + 3 : notice->kind;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (strncmp(kind, changes[i], strlen(changes[i])) == 0)
            return true;
    return false;
}
