/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one key is, from its row and its object.
 *
 * Both there and alike but for columns that disagree with the key: misfiled. Both there and nothing recorded yet:
 * synced (the record is filled in when stale rows are refreshed). A key counts once: stale goes before misfiled, which
 * then is a flag. Too young to be told from work in progress: objects written within the grace, and rows that an
 * application wrote within it and whose object has not come yet.
 */
#include "scan/classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"

/* A key that shows whether urls are a prefix and the percent-encoded key. */
#define PROBE_KEY "lockstep probe/\xc3\xa4+%~a"

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~' || c == '/';
}

/* Is url the key, percent-encoded as RFC 3986 asks, slashes kept? */
static bool is_encoded_key(const char *url, const char *key)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *key; key++) {
        unsigned char c = (unsigned char)*key;
        if (unreserved(c)) {
            if (*url++ != (char)c)
                return false;
        } else {
            if (url[0] != '%' || url[1] != hex[c >> 4] || url[2] != hex[c & 15])
                return false;
            url += 3;
        }
    }
    return *url == '\0';
}

enum ls_rc ls_classifier_init(struct ls_classifier *c, const struct ls_layout *layout, struct ls_store *store,
                              int64_t now_ns, int64_t grace_ns, struct ls_err *err)
{
    *c = (struct ls_classifier){.layout = layout, .store = store, .now_ns = now_ns, .grace_ns = grace_ns};
    LS_AUTO(ls_free) char *url = NULL;
    enum ls_rc rc = ls_store_url(store, PROBE_KEY, &url, err);
    if (rc)
        return rc;
    LS_AUTO(ls_buf) struct ls_buf encoded = LS_BUF_INIT(LS_BUF_LINE);
    if (ls_buf_add_urlenc(&encoded, PROBE_KEY, strlen(PROBE_KEY), true))
        return ls_err_nomem(err);
    size_t len = strlen(url);
    if (len < encoded.len || strcmp(url + len - encoded.len, encoded.data) != 0)
        return LS_OK;
    url[len - encoded.len] = '\0';
    c->url_prefix_len = len - encoded.len;
    c->url_prefix = LS_STEAL(url);
    return LS_OK;
}

void ls_classifier_dispose(struct ls_classifier *c)
{
    free(c->url_prefix);
    c->url_prefix = NULL;
}

static bool is_slice(const char *text, struct ls_slice slice)
{
    return text && strncmp(text, slice.data, slice.len) == 0 && text[slice.len] == '\0';
}

static bool url_agrees(const struct ls_classifier *c, const char *url, const char *key)
{
    if (!url)
        return c->no_url;
    if (c->url_prefix && strncmp(url, c->url_prefix, c->url_prefix_len) == 0 &&
        is_encoded_key(url + c->url_prefix_len, key))
        return true;
    LS_AUTO(ls_free) char *expected = NULL;
    return ls_store_url(c->store, key, &expected, NULL) == LS_OK && strcmp(url, expected) == 0;
}

static bool type_agrees(const struct ls_classifier *c, const struct ls_image *row, const struct ls_key_parts *parts)
{
    return c->no_type || is_slice(row->type, parts->type);
}

static bool variant_agrees(const struct ls_image *row, const struct ls_key_parts *parts)
{
    return row->variant_id && is_slice(row->variant_product, parts->product) &&
           is_slice(row->variant_weight_now, parts->weight);
}

bool ls_classifier_filed(const struct ls_classifier *c, const struct ls_image *row, enum ls_key_class key_class,
                         const struct ls_key_parts *parts)
{
    return key_class == LS_KEY_FITS && is_slice(row->product, parts->product) && is_slice(row->weight, parts->weight) &&
           type_agrees(c, row, parts) && variant_agrees(row, parts) && url_agrees(c, row->url, row->key);
}

/* Append "weight is 1kg" and the like. */
static void add_column(struct ls_buf *out, const char *column, const char *value, struct ls_slice expected)
{
    enum ls_rc rc =
        ls_buf_addf(out, "%s%s is %s%s%s, the key says '%.*s'", out->len ? "; " : "", column, value ? "'" : "",
                    value ? value : "NULL", value ? "'" : "", (int)expected.len, expected.data);
    (void)rc; /* a detail that is cut short is still one */
}

/* Say which columns disagree. */
static void misfiled_detail(const struct ls_classifier *c, const struct ls_image *row, enum ls_key_class key_class,
                            const struct ls_key_parts *parts, struct ls_buf *out)
{
    enum ls_rc rc = LS_OK;
    if (key_class != LS_KEY_FITS) {
        rc = ls_buf_addf(out, "the row's key does not fit the layout: %s", ls_key_class_text(key_class));
        (void)rc;
        return;
    }
    if (!is_slice(row->product, parts->product))
        add_column(out, "product", row->product, parts->product);
    if (!is_slice(row->weight, parts->weight))
        add_column(out, "weight", row->weight, parts->weight);
    if (!type_agrees(c, row, parts))
        add_column(out, "type", row->type, parts->type);
    if (!row->variant_id || !row->variant_product)
        rc = ls_buf_addf(out, "%sthe row belongs to no variant", out->len ? "; " : "");
    else if (!variant_agrees(row, parts))
        rc = ls_buf_addf(out, "%sits variant is '%s' of '%s'", out->len ? "; " : "",
                         row->variant_weight_now ? row->variant_weight_now : "", row->variant_product);
    if (!url_agrees(c, row->url, row->key))
        rc = ls_buf_addf(out, "%surl is %s", out->len ? "; " : "", row->url ? row->url : "NULL");
    (void)rc;
}

static bool young(const struct ls_classifier *c, int64_t at_ns)
{
    return c->grace_ns > 0 && at_ns > c->now_ns - c->grace_ns;
}

/* A row without an object. */
static void classify_missing(const struct ls_classifier *c, const struct ls_image *row, struct ls_verdict *out)
{
    int64_t changed_ns = row->updated_ns > row->created_ns ? row->updated_ns : row->created_ns;
    if (!row->record.known && young(c, changed_ns)) {
        out->kind = LS_FINDING_PENDING;
        snprintf(out->detail, sizeof out->detail, "a new row of another program, its object may still come");
        return;
    }
    out->kind = LS_FINDING_MISSING;
    snprintf(out->detail, sizeof out->detail, "row without an object");
}

/* An object without a row. */
static void classify_orphan(const struct ls_classifier *c, enum ls_key_class key_class,
                            const struct ls_seen_object *object, struct ls_verdict *out)
{
    if (young(c, object->modified_ns)) {
        out->kind = LS_FINDING_PENDING;
        snprintf(out->detail, sizeof out->detail, "object without a row, younger than the grace period");
        return;
    }
    out->kind = LS_FINDING_ORPHANED;
    if (key_class != LS_KEY_FITS)
        out->flags |= LS_SCAN_MISPLACED;
    snprintf(out->detail, sizeof out->detail, "%s",
             key_class == LS_KEY_FITS ? "object without a row" : ls_key_class_text(key_class));
}

/* Both are there. */
static void classify_both(const struct ls_classifier *c, const struct ls_image *row, enum ls_key_class key_class,
                          const struct ls_key_parts *parts, const struct ls_seen_object *object, struct ls_verdict *out)
{
    bool filed = ls_classifier_filed(c, row, key_class, parts);
    if (!filed)
        out->flags |= LS_SCAN_MISFILED | (key_class == LS_KEY_FITS ? 0 : LS_SCAN_MISPLACED);
    if (!row->record.known)
        out->flags |= LS_SCAN_UNRECORDED;
    if (row->record.known &&
        (strcmp(row->record.etag, object->etag) != 0 || row->record.size_bytes != object->size_bytes)) {
        bool is_young = young(c, object->modified_ns);
        out->kind = is_young ? LS_FINDING_PENDING : LS_FINDING_STALE;
        snprintf(out->detail, sizeof out->detail, "%setag %s, %llu bytes in the store; etag %s, %llu bytes recorded%s",
                 is_young ? "overwritten within the grace period: " : "", object->etag,
                 (unsigned long long)object->size_bytes, row->record.etag, (unsigned long long)row->record.size_bytes,
                 filed ? "" : "; misfiled as well");
    } else if (!filed) {
        LS_AUTO(ls_buf) struct ls_buf why = LS_BUF_INIT(4096);
        misfiled_detail(c, row, key_class, parts, &why);
        out->kind = LS_FINDING_MISFILED;
        snprintf(out->detail, sizeof out->detail, "%s", why.data);
    } else {
        out->kind = LS_FINDING_SYNCED;
        if (!row->record.known)
            snprintf(out->detail, sizeof out->detail, "nothing is recorded of the object yet");
    }
}

void ls_classify(const struct ls_classifier *c, const char *key, const struct ls_image *row,
                 const struct ls_seen_object *object, struct ls_verdict *out)
{
    struct ls_key_parts parts = {0};
    struct ls_slice product;
    size_t len = strlen(key);
    enum ls_key_class key_class = ls_layout_parse(c->layout, key, len, &parts);
    *out = (struct ls_verdict){.kind = LS_FINDING_SYNCED};
    if (!ls_layout_product_of(c->layout, key, len, &product))
        out->flags |= LS_SCAN_NO_PRODUCT;
    if (!row && !object->there)
        out->gone = true;
    else if (!row)
        classify_orphan(c, key_class, object, out);
    else if (!object->there)
        classify_missing(c, row, out);
    else
        classify_both(c, row, key_class, &parts, object, out);
}
