/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * S3's XML by expat: one driver that follows names and text, and a small handler for each document.
 *
 * Decides: which documents are impossible. Without a DOCTYPE there are no entities beside the five of XML itself, so
 * text cannot grow beyond its bytes; everything else is bounded here. Keys are decoded after the document has ended,
 * because <EncodingType> may stand anywhere in it. No shared state.
 */
#include "store/s3_xml.h"

#include <expat.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"

#define MAX_DEPTH 16
#define MAX_NAME 64
#define MAX_TEXT ((size_t)8191)

struct xml {
    XML_Parser parser;
    int depth;                                      /* of open elements; the root is 1 */
    char root[MAX_NAME];                            /* name of the root, cut */
    char parent[MAX_NAME];                          /* name of the element at depth 2 that is open, cut */
    struct ls_buf text;                             /* of the innermost element since it began */
    enum ls_rc rc;                                  /* first failure */
    const char *why;                                /* text for it */
    void (*begin)(struct xml *x, const char *name); /* may be NULL */
    void (*end)(struct xml *x, const char *name);   /* depth is the element's own */
    void *ctx;
};

static void fail(struct xml *x, enum ls_rc rc, const char *why)
{
    if (x->rc != LS_OK)
        return;
    x->rc = rc;
    x->why = why;
    XML_StopParser(x->parser, XML_FALSE);
}

static void cut_copy(char *out, size_t size, const char *text)
{
    size_t len = strnlen(text, size - 1);
    memcpy(out, text, len);
    out[len] = '\0';
}

static void XMLCALL on_start(void *ctx, const char *name, const char **attributes)
{
    struct xml *x = ctx;
    (void)attributes;

    if (x->depth >= MAX_DEPTH) {
        fail(x, LS_CORRUPT, "too deeply nested");
        return;
    }
    x->depth++;
    if (x->depth == 1)
        cut_copy(x->root, sizeof x->root, name);
    else if (x->depth == 2)
        cut_copy(x->parent, sizeof x->parent, name);
    ls_buf_reset(&x->text);
    if (x->begin != NULL)
        x->begin(x, name);
}

static void XMLCALL on_end(void *ctx, const char *name)
{
    struct xml *x = ctx;
    if (x->rc != LS_OK)
        return;
    x->end(x, name);
    ls_buf_reset(&x->text);
    x->depth--;
}

static void XMLCALL on_text(void *ctx, const char *text, int len)
{
    struct xml *x = ctx;
    enum ls_rc rc = ls_buf_add(&x->text, text, (size_t)len);
    if (rc != LS_OK)
        fail(x, rc == LS_NO_MEMORY ? rc : LS_CORRUPT, "an element is too long");
}

static void XMLCALL on_doctype(void *ctx, const char *name, const char *system_id, const char *public_id, int internal)
{
    (void)name, (void)system_id, (void)public_id, (void)internal;
    fail(ctx, LS_CORRUPT, "it has a DOCTYPE");
}

/* Parse a whole document; x->begin, end and ctx are set. */
static enum ls_rc parse(struct xml *x, const char *data, size_t len, const char *what, struct ls_err *err)
{
    if (len > INT32_MAX)
        return ls_err_set(err, LS_CORRUPT, "store: the answer (%s) is too long", what);
    x->parser = XML_ParserCreate(NULL);
    if (x->parser == NULL)
        return ls_err_nomem(err);
    ls_buf_init(&x->text, MAX_TEXT);
    XML_SetUserData(x->parser, x);
    XML_SetElementHandler(x->parser, on_start, on_end);
    XML_SetCharacterDataHandler(x->parser, on_text);
    XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
    enum XML_Status status = XML_Parse(x->parser, data, (int)len, XML_TRUE);
    enum ls_rc rc = x->rc;
    if (rc == LS_NO_MEMORY || (rc == LS_OK && XML_GetErrorCode(x->parser) == XML_ERROR_NO_MEMORY))
        rc = ls_err_nomem(err);
    else if (rc != LS_OK)
        rc = ls_err_set(err, rc, "store: the answer (%s) cannot be right: %s", what, x->why);
    else if (status != XML_STATUS_OK)
        rc = ls_err_set(err, LS_CORRUPT, "store: the answer (%s) is not whole XML: %s", what,
                        XML_ErrorString(XML_GetErrorCode(x->parser)));
    ls_buf_dispose(&x->text);
    XML_ParserFree(x->parser);
    return rc;
}

/* Copy the element's text to a fixed field; too long is a failure. */
static void take_text(struct xml *x, char *out, size_t size)
{
    if (x->text.len >= size || memchr(x->text.data, '\0', x->text.len) != NULL) {
        fail(x, LS_CORRUPT, "a value is too long");
        return;
    }
    memcpy(out, x->text.data, x->text.len + 1);
}

static bool is_true(const struct xml *x) { return strcmp(x->text.data, "true") == 0; }

enum ls_rc ls_s3_etag_copy(const char *text, size_t len, char out[LS_ETAG_MAX])
{
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    out[0] = '\0';
    if (len >= LS_ETAG_MAX || memchr(text, '\0', len) != NULL)
        return LS_CORRUPT;
    memcpy(out, text, len);
    out[len] = '\0';
    return LS_OK;
}

/* --- Error --- */

static void error_field(struct xml *x, const char *name, struct ls_s3_error *error)
{
    if (strcmp(name, "Code") == 0)
        cut_copy(error->code, sizeof error->code, x->text.data);
    else if (strcmp(name, "Message") == 0)
        cut_copy(error->message, sizeof error->message, x->text.data);
    else if (strcmp(name, "Region") == 0)
        cut_copy(error->region, sizeof error->region, x->text.data);
}

static void error_end(struct xml *x, const char *name)
{
    if (x->depth == 2)
        error_field(x, name, x->ctx);
    else if (x->depth == 1 && strcmp(x->root, "Error") != 0)
        fail(x, LS_NOT_FOUND, "another document");
}

enum ls_rc ls_s3_xml_error(const char *data, size_t len, struct ls_s3_error *out_error)
{
    struct xml x = {.end = error_end, .ctx = out_error};
    memset(out_error, 0, sizeof *out_error);
    if (len == 0)
        return LS_NOT_FOUND;
    return parse(&x, data, len, "Error", NULL);
}

/* --- ListBucketResult --- */

struct list_reader {
    struct ls_s3_list *out;
    size_t max_entries, cap;
    struct ls_list_entry current;
    size_t current_key; /* offset in keys */
    size_t *key_at;     /* by entry */
    struct ls_buf keys; /* NUL-terminated, still encoded */
    bool has_key, encoded;
};

static void list_begin(struct xml *x, const char *name)
{
    struct list_reader *r = x->ctx;
    if (x->depth != 2 || strcmp(name, "Contents") != 0)
        return;
    memset(&r->current, 0, sizeof r->current);
    r->has_key = false;
}

static bool parse_u64(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || value > (uint64_t)INT64_MAX / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return value <= INT64_MAX;
}

static void list_entry_field(struct xml *x, const char *name)
{
    struct list_reader *r = x->ctx;

    if (strcmp(name, "Key") == 0) {
        r->current_key = r->keys.len;
        r->has_key = true;
        if (ls_buf_add(&r->keys, x->text.data, x->text.len + 1) != LS_OK)
            fail(x, LS_NO_MEMORY, "");
    } else if (strcmp(name, "LastModified") == 0) {
        if (ls_time_parse_iso(x->text.data, &r->current.modified_ns) != LS_OK)
            fail(x, LS_CORRUPT, "a LastModified is no date");
    } else if (strcmp(name, "ETag") == 0) {
        if (ls_s3_etag_copy(x->text.data, x->text.len, r->current.etag) != LS_OK)
            fail(x, LS_CORRUPT, "an ETag is too long");
    } else if (strcmp(name, "Size") == 0) {
        if (!parse_u64(x->text.data, &r->current.size_bytes))
            fail(x, LS_CORRUPT, "a Size is no number");
    }
}

static void list_entry_end(struct xml *x)
{
    struct list_reader *r = x->ctx;
    struct ls_list_page *page = &r->out->page;

    if (!r->has_key) {
        fail(x, LS_CORRUPT, "an entry has no Key");
        return;
    }
    if (page->n == r->max_entries) {
        fail(x, LS_CORRUPT, "more entries than were asked for");
        return;
    }
    if (page->n == r->cap) {
        size_t cap = r->cap == 0 ? 64 : 2 * r->cap;
        struct ls_list_entry *entries = realloc(page->entries, cap * sizeof *entries);
        if (entries != NULL)
            page->entries = entries;
        size_t *key_at = entries != NULL ? realloc(r->key_at, cap * sizeof *key_at) : NULL;
        if (key_at == NULL) {
            fail(x, LS_NO_MEMORY, "");
            return;
        }
        r->key_at = key_at;
        r->cap = cap;
    }
    r->key_at[page->n] = r->current_key;
    page->entries[page->n++] = r->current;
}

static void list_end(struct xml *x, const char *name)
{
    struct list_reader *r = x->ctx;

    if (x->depth == 3) {
        if (strcmp(x->parent, "Contents") == 0)
            list_entry_field(x, name);
    } else if (x->depth == 2) {
        if (strcmp(name, "Contents") == 0)
            list_entry_end(x);
        else if (strcmp(name, "IsTruncated") == 0)
            r->out->truncated = is_true(x);
        else if (strcmp(name, "NextContinuationToken") == 0)
            take_text(x, r->out->token, sizeof r->out->token);
        else if (strcmp(name, "EncodingType") == 0)
            r->encoded = strcmp(x->text.data, "url") == 0;
    } else if (x->depth == 1 && strcmp(name, "ListBucketResult") != 0) {
        fail(x, LS_CORRUPT, "it is no ListBucketResult");
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode where it lies; a query's '+' is a space. */
static bool decode_key(char *key)
{
    char *out = key;
    for (const char *in = key; *in != '\0'; in++) {
        char c = *in == '+' ? ' ' : *in;
        if (c == '%') {
            int high = hex_digit(in[1]);
            int low = high < 0 ? -1 : hex_digit(in[2]);
            if (low < 0 || high + low == 0)
                return false;
            c = (char)(high * 16 + low);
            in += 2;
        }
        *out++ = c;
    }
    *out = '\0';
    return out - key <= LS_KEY_MAX;
}

static enum ls_rc finish_list(struct list_reader *r, struct ls_err *err)
{
    struct ls_list_page *page = &r->out->page;
    char *keys = page->memory = ls_buf_steal(&r->keys);
    if (keys == NULL)
        return ls_err_nomem(err);
    for (size_t i = 0; i < page->n; i++) {
        char *key = keys + r->key_at[i];
        if ((r->encoded ? !decode_key(key) : strlen(key) > LS_KEY_MAX) || *key == '\0')
            return ls_err_set(err, LS_CORRUPT, "store: the listing has an impossible key");
        page->entries[i].key = key;
    }
    return LS_OK;
}

enum ls_rc ls_s3_xml_list(const char *data, size_t len, size_t max_entries, struct ls_s3_list *out_list,
                          struct ls_err *err)
{
    struct list_reader reader = {.out = out_list, .max_entries = max_entries};
    struct xml x = {.begin = list_begin, .end = list_end, .ctx = &reader};

    memset(out_list, 0, sizeof *out_list);
    ls_buf_init(&reader.keys, LS_BUF_BODY);
    enum ls_rc rc = parse(&x, data, len, "ListObjectsV2", err);
    if (rc == LS_OK)
        rc = finish_list(&reader, err);
    ls_buf_dispose(&reader.keys);
    free(reader.key_at);
    if (rc != LS_OK) {
        free(out_list->page.entries);
        free(out_list->page.memory);
        memset(&out_list->page, 0, sizeof out_list->page);
    }
    return rc;
}

/* --- DeleteResult --- */

struct delete_reader {
    void (*fn)(void *ctx, const char *key, const struct ls_s3_error *error);
    void *ctx;
    size_t left;
    char key[LS_KEY_MAX + 1];
    struct ls_s3_error error;
};

static void delete_begin(struct xml *x, const char *name)
{
    struct delete_reader *r = x->ctx;
    (void)name;
    if (x->depth != 2)
        return;
    r->key[0] = '\0';
    memset(&r->error, 0, sizeof r->error);
}

static void delete_end(struct xml *x, const char *name)
{
    struct delete_reader *r = x->ctx;

    if (x->depth == 3) {
        if (strcmp(name, "Key") == 0)
            take_text(x, r->key, sizeof r->key);
        else if (strcmp(x->parent, "Error") == 0)
            error_field(x, name, &r->error);
    } else if (x->depth == 2) {
        bool failed = strcmp(name, "Error") == 0;
        if (!failed && strcmp(name, "Deleted") != 0)
            return;
        if (r->left-- == 0) {
            r->left = 0;
            fail(x, LS_CORRUPT, "more keys than were asked for");
            return;
        }
        r->fn(r->ctx, r->key, failed ? &r->error : NULL);
    } else if (x->depth == 1 && strcmp(name, "DeleteResult") != 0) {
        fail(x, LS_CORRUPT, "it is no DeleteResult");
    }
}

enum ls_rc ls_s3_xml_delete(const char *data, size_t len, size_t max_entries,
                            void (*fn)(void *ctx, const char *key, const struct ls_s3_error *error), void *ctx,
                            struct ls_err *err)
{
    struct delete_reader reader = {.fn = fn, .ctx = ctx, .left = max_entries};
    struct xml x = {.begin = delete_begin, .end = delete_end, .ctx = &reader};
    return parse(&x, data, len, "DeleteObjects", err);
}

/* --- one value --- */

struct value_reader {
    const char *root, *element;
    char *out;
    size_t out_size;
    bool found;
};

static void value_end(struct xml *x, const char *name)
{
    struct value_reader *r = x->ctx;

    if (x->depth == 1 && strcmp(name, r->root) != 0)
        fail(x, LS_CORRUPT, "it is another document");
    if (x->depth != 2 || r->found || strcmp(name, r->element) != 0)
        return;
    r->found = true;
    take_text(x, r->out, r->out_size);
}

enum ls_rc ls_s3_xml_value(const char *data, size_t len, const char *root, const char *element, char *out,
                           size_t out_size, struct ls_err *err)
{
    struct value_reader reader = {.root = root, .element = element, .out = out, .out_size = out_size};
    struct xml x = {.end = value_end, .ctx = &reader};

    out[0] = '\0';
    enum ls_rc rc = parse(&x, data, len, root, err);
    if (rc == LS_OK && !reader.found)
        rc = ls_err_set(err, LS_CORRUPT, "store: the answer (%s) has no %s", root, element);
    return rc;
}

/* --- ListMultipartUploadsResult --- */

struct uploads_reader {
    void (*fn)(void *ctx, const char *key, const char *upload_id, int64_t initiated_ns);
    void *ctx;
    struct ls_s3_uploads *out;
    unsigned left;
    char key[3 * LS_KEY_MAX + 1], id[LS_S3_ID_MAX];
    int64_t initiated_ns;
};

static void uploads_begin(struct xml *x, const char *name)
{
    struct uploads_reader *r = x->ctx;
    (void)name;
    if (x->depth != 2)
        return;
    r->key[0] = r->id[0] = '\0';
    r->initiated_ns = INT64_MAX; /* unknown: never old enough */
}

static void upload_field(struct xml *x, const char *name)
{
    struct uploads_reader *r = x->ctx;

    if (strcmp(name, "Key") == 0)
        take_text(x, r->key, sizeof r->key);
    else if (strcmp(name, "UploadId") == 0)
        take_text(x, r->id, sizeof r->id);
    else if (strcmp(name, "Initiated") == 0 && ls_time_parse_iso(x->text.data, &r->initiated_ns) != LS_OK)
        fail(x, LS_CORRUPT, "an Initiated is no date");
}

static void uploads_end(struct xml *x, const char *name)
{
    struct uploads_reader *r = x->ctx;

    if (x->depth == 3) {
        if (strcmp(x->parent, "Upload") == 0)
            upload_field(x, name);
    } else if (x->depth == 2) {
        if (strcmp(name, "IsTruncated") == 0)
            r->out->truncated = is_true(x);
        else if (strcmp(name, "NextKeyMarker") == 0)
            take_text(x, r->out->next_key, sizeof r->out->next_key);
        else if (strcmp(name, "NextUploadIdMarker") == 0)
            take_text(x, r->out->next_id, sizeof r->out->next_id);
        else if (strcmp(name, "Upload") == 0) {
            if (r->left == 0) {
                fail(x, LS_CORRUPT, "more uploads than were asked for");
                return;
            }
            r->left--;
            r->fn(r->ctx, r->key, r->id, r->initiated_ns);
        }
    } else if (x->depth == 1 && strcmp(name, "ListMultipartUploadsResult") != 0) {
        fail(x, LS_CORRUPT, "it is no ListMultipartUploadsResult");
    }
}

enum ls_rc ls_s3_xml_uploads(const char *data, size_t len,
                             void (*fn)(void *ctx, const char *key, const char *upload_id, int64_t initiated_ns),
                             void *ctx, struct ls_s3_uploads *out_uploads, struct ls_err *err)
{
    struct uploads_reader reader = {.fn = fn, .ctx = ctx, .out = out_uploads, .left = LS_STORE_BATCH};
    struct xml x = {.begin = uploads_begin, .end = uploads_end, .ctx = &reader};
    memset(out_uploads, 0, sizeof *out_uploads);
    return parse(&x, data, len, "ListMultipartUploads", err);
}

/* --- NotificationConfiguration --- */

struct rules_reader {
    void (*fn)(void *ctx, const struct ls_s3_rule *rule);
    void *ctx;
    size_t end;
    unsigned left;
    struct ls_s3_rule rule;
    char filter[16]; /* the name of a filter that is open */
    char value[LS_KEY_MAX + 1];
};

static size_t byte_at(const struct xml *x) { return (size_t)XML_GetCurrentByteIndex(x->parser); }

static void rules_begin(struct xml *x, const char *name)
{
    struct rules_reader *r = x->ctx;
    if (x->depth == 2) {
        memset(&r->rule, 0, sizeof r->rule);
        r->rule.from = byte_at(x);
    } else if (strcmp(name, "FilterRule") == 0) {
        r->filter[0] = r->value[0] = '\0';
    }
}

static void rule_field(struct xml *x, const char *name)
{
    struct ls_s3_rule *rule = &((struct rules_reader *)x->ctx)->rule;
    if (strcmp(name, "Id") == 0)
        take_text(x, rule->id, sizeof rule->id);
    else if (strcmp(name, "Queue") == 0 || strcmp(name, "Topic") == 0 || strcmp(name, "CloudFunction") == 0)
        take_text(x, rule->target, sizeof rule->target);
    else if (strcmp(name, "Event") == 0 && strcmp(x->text.data, "s3:ObjectCreated:*") == 0)
        rule->created = true;
    else if (strcmp(name, "Event") == 0 && strcmp(x->text.data, "s3:ObjectRemoved:*") == 0)
        rule->removed = true;
}

static void filter_field(struct xml *x, const char *name)
{
    struct rules_reader *r = x->ctx;
    if (strcmp(name, "Name") == 0)
        cut_copy(r->filter, sizeof r->filter, x->text.data);
    else if (strcmp(name, "Value") == 0)
        take_text(x, r->value, sizeof r->value);
    else if (strcmp(name, "FilterRule") == 0 && strcmp(r->filter, "prefix") == 0)
        memcpy(r->rule.prefix, r->value, sizeof r->value);
    else if (strcmp(name, "FilterRule") == 0)
        r->rule.suffixed = true;
}

static void rules_end(struct xml *x, const char *name)
{
    struct rules_reader *r = x->ctx;

    if (x->depth > 3) {
        filter_field(x, name);
    } else if (x->depth == 3) {
        rule_field(x, name);
    } else if (x->depth == 2) {
        r->rule.to = byte_at(x) + (size_t)XML_GetCurrentByteCount(x->parser);
        if (r->left-- == 0 || r->rule.to <= r->rule.from) {
            r->left = 0;
            fail(x, LS_CORRUPT, "a rule too many, or an empty one");
            return;
        }
        r->fn(r->ctx, &r->rule);
        r->end = r->rule.to;
    } else if (strcmp(name, "NotificationConfiguration") != 0) {
        fail(x, LS_CORRUPT, "it is no NotificationConfiguration");
    }
}

enum ls_rc ls_s3_xml_rules(const char *data, size_t len, void (*fn)(void *ctx, const struct ls_s3_rule *rule),
                           void *ctx, size_t *out_end, struct ls_err *err)
{
    struct rules_reader reader = {.fn = fn, .ctx = ctx, .left = LS_STORE_BATCH};
    struct xml x = {.begin = rules_begin, .end = rules_end, .ctx = &reader};
    enum ls_rc rc = parse(&x, data, len, "NotificationConfiguration", err);
    *out_end = reader.end;
    return rc;
}
