/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signature V4: canonical request → string to sign → signature, written from the published specification.
 *
 * Decides nothing beyond the specification. Leaves to the caller which headers are signed and what the payload's hash
 * is. No shared state.
 */
#include "store/sigv4.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "base/auto.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define MAX_HEADERS 64
#define MAX_PARAMS 64
#define MAX_CANONICAL ((size_t)256 * 1024)

#define TRY(expression)                                                                                                \
    do {                                                                                                               \
        enum ls_rc try_rc_ = (expression);                                                                             \
        if (try_rc_ != LS_OK)                                                                                          \
            return try_rc_;                                                                                            \
    } while (0)

/* The rc of a buffer that could not grow, with text. */
static enum ls_rc explain(struct ls_err *err, enum ls_rc rc)
{
    if (rc == LS_OK)
        return rc;
    if (rc == LS_NO_MEMORY)
        return ls_err_nomem(err);
    if (rc == LS_NO_SPACE)
        return ls_err_set(err, LS_INVALID, "store: the request is too long to be signed");
    return ls_err_set(err, LS_INVALID, "store: the request's query or headers cannot be signed");
}

/* --- canonical path --- */

/* Remove dot segments (RFC 3986, 5.2.4) and empty ones. */
static enum ls_rc add_normalized(struct ls_buf *out, const char *path)
{
    size_t start = out->len;
    bool slash_at_end = true;

    for (const char *at = path; *at != '\0';) {
        at += strspn(at, "/");
        size_t len = strcspn(at, "/");
        slash_at_end = len == 0 || at[len] == '/';
        if (len == 1 && at[0] == '.') {
            slash_at_end = true;
        } else if (len == 2 && at[0] == '.' && at[1] == '.') {
            size_t end = out->len;
            while (end > start && out->data[end - 1] != '/')
                end--;
            ls_buf_truncate(out, end > start ? end - 1 : start);
            slash_at_end = true;
        } else if (len > 0) {
            TRY(ls_buf_addc(out, '/'));
            TRY(ls_buf_add(out, at, len));
        }
        at += len;
    }
    return slash_at_end ? ls_buf_addc(out, '/') : LS_OK;
}

static enum ls_rc add_path(struct ls_buf *out, const struct ls_sigv4_request *req)
{
    LS_AUTO(ls_buf) struct ls_buf path = LS_BUF_INIT(MAX_CANONICAL);

    if (req->flags & LS_SIGV4_NORMALIZE)
        TRY(add_normalized(&path, req->path));
    else
        TRY(ls_buf_adds(&path, req->path[0] != '\0' ? req->path : "/"));
    if (req->flags & LS_SIGV4_ENCODE_PATH)
        return ls_buf_add_urlenc(out, path.data, path.len, true);
    return ls_buf_add(out, path.data, path.len);
}

/* --- canonical query --- */

struct param {
    const char *name, *value;
};

static int compare_params(const void *a, const void *b)
{
    const struct param *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order != 0 ? order : strcmp(left->value, right->value);
}

/* Append one part of the query decoded and encoded again, so that every spelling becomes the same; and a NUL. */
static enum ls_rc add_param_part(struct ls_buf *out, const char *text, size_t len)
{
    LS_AUTO(ls_buf) struct ls_buf plain = LS_BUF_INIT(MAX_CANONICAL);
    TRY(ls_buf_add_urldec(&plain, text, len, false));
    TRY(ls_buf_add_urlenc(out, plain.data, plain.len, false));
    return ls_buf_addc(out, '\0');
}

static enum ls_rc add_query(struct ls_buf *out, const char *query)
{
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(MAX_CANONICAL);
    size_t name_at[MAX_PARAMS], value_at[MAX_PARAMS], n = 0;
    struct param params[MAX_PARAMS];

    for (const char *at = query; *at != '\0';) {
        size_t len = strcspn(at, "&");
        if (len > 0) {
            if (n == MAX_PARAMS)
                return LS_NO_SPACE;
            const char *equals = memchr(at, '=', len);
            size_t name_len = equals != NULL ? (size_t)(equals - at) : len;
            name_at[n] = text.len;
            TRY(add_param_part(&text, at, name_len));
            value_at[n] = text.len;
            TRY(add_param_part(&text, equals != NULL ? equals + 1 : "", equals != NULL ? len - name_len - 1 : 0));
            n++;
        }
        at += len + (at[len] == '&');
    }
    for (size_t i = 0; i < n; i++) /* only now does the text stay where it is */
        params[i] = (struct param){text.data + name_at[i], text.data + value_at[i]};
    qsort(params, n, sizeof *params, compare_params);
    for (size_t i = 0; i < n; i++)
        TRY(ls_buf_addf(out, "%s%s=%s", i > 0 ? "&" : "", params[i].name, params[i].value));
    return LS_OK;
}

/* --- canonical headers --- */

struct sorted_header {
    const struct ls_sigv4_header *header;
    size_t index; /* keeps equal names in the order given */
};

static int compare_headers(const void *a, const void *b)
{
    const struct sorted_header *left = a, *right = b;
    int order = strcasecmp(left->header->name, right->header->name);
    if (order != 0)
        return order;
    return left->index < right->index ? -1 : left->index > right->index;
}

static enum ls_rc add_lower(struct ls_buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        TRY(ls_buf_addc(out, (char)tolower((unsigned char)*text)));
    return LS_OK;
}

/* Without white space around, and runs of it inside as one space. */
static enum ls_rc add_trimmed(struct ls_buf *out, const char *value)
{
    value += strspn(value, " \t\r\n");
    for (const char *at = value; *at != '\0';) {
        size_t word = strcspn(at, " \t\r\n");
        size_t space = strspn(at + word, " \t\r\n");
        TRY(ls_buf_add(out, at, word));
        if (space > 0 && at[word + space] != '\0')
            TRY(ls_buf_addc(out, ' '));
        at += word + space;
    }
    return LS_OK;
}

static enum ls_rc add_headers(struct ls_buf *out, struct ls_buf *out_names, const struct ls_sigv4_request *req)
{
    struct sorted_header sorted[MAX_HEADERS];

    if (req->n_headers > MAX_HEADERS)
        return LS_NO_SPACE;
    for (size_t i = 0; i < req->n_headers; i++)
        sorted[i] = (struct sorted_header){&req->headers[i], i};
    qsort(sorted, req->n_headers, sizeof *sorted, compare_headers);

    for (size_t i = 0; i < req->n_headers; i++) {
        const struct ls_sigv4_header *header = sorted[i].header;
        if (i > 0 && strcasecmp(header->name, sorted[i - 1].header->name) == 0) {
            ls_buf_truncate(out, out->len - 1);
            TRY(ls_buf_addc(out, ','));
        } else {
            TRY(add_lower(out, header->name));
            TRY(ls_buf_addc(out, ':'));
            if (i > 0)
                TRY(ls_buf_addc(out_names, ';'));
            TRY(add_lower(out_names, header->name));
        }
        TRY(add_trimmed(out, header->value));
        TRY(ls_buf_addc(out, '\n'));
    }
    return LS_OK;
}

static enum ls_rc add_canonical(const struct ls_sigv4_request *req, struct ls_buf *out, struct ls_buf *out_names)
{
    TRY(ls_buf_addf(out, "%s\n", req->method));
    TRY(add_path(out, req));
    TRY(ls_buf_addc(out, '\n'));
    TRY(add_query(out, req->query));
    TRY(ls_buf_addc(out, '\n'));
    TRY(add_headers(out, out_names, req));
    TRY(ls_buf_addc(out, '\n'));
    TRY(ls_buf_add(out, out_names->data, out_names->len));
    TRY(ls_buf_addc(out, '\n'));
    return ls_buf_adds(out, req->payload_hash);
}

enum ls_rc ls_sigv4_canonical(const struct ls_sigv4_request *req, struct ls_buf *out_canonical,
                              struct ls_buf *out_signed_headers, struct ls_err *err)
{
    return explain(err, add_canonical(req, out_canonical, out_signed_headers));
}

/* --- key and signature --- */

static void hmac_text(const uint8_t key[LS_SHA256_LEN], const char *text, uint8_t out[LS_SHA256_LEN])
{
    ls_hmac_sha256(key, LS_SHA256_LEN, text, strlen(text), out);
}

enum ls_rc ls_sigv4_scope_init(struct ls_sigv4_scope *scope, const char *access_key, const char *secret_key,
                               const char *region, const char *service, const char *amz_date, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf seed = LS_BUF_INIT(1024);
    uint8_t key[LS_SHA256_LEN];

    if (strlen(access_key) >= sizeof scope->access_key || strlen(region) >= sizeof scope->region ||
        strlen(service) >= sizeof scope->service || strlen(amz_date) < 8 || strlen(secret_key) > 512)
        return ls_err_set(err, LS_INVALID, "store: access key, secret or region is too long");
    memset(scope, 0, sizeof *scope);
    memcpy(scope->access_key, access_key, strlen(access_key) + 1);
    memcpy(scope->region, region, strlen(region) + 1);
    memcpy(scope->service, service, strlen(service) + 1);
    memcpy(scope->date, amz_date, 8);

    enum ls_rc rc = ls_buf_addf(&seed, "AWS4%s", secret_key);
    if (rc != LS_OK)
        return explain(err, rc);
    ls_hmac_sha256(seed.data, seed.len, scope->date, 8, key);
    explicit_bzero(seed.data, seed.len);
    hmac_text(key, region, key);
    hmac_text(key, service, key);
    hmac_text(key, "aws4_request", scope->key);
    explicit_bzero(key, sizeof key);
    return LS_OK;
}

void ls_sigv4_scope_wipe(struct ls_sigv4_scope *scope) { explicit_bzero(scope, sizeof *scope); }

enum ls_rc ls_sigv4_string_to_sign(const struct ls_sigv4_scope *scope, const char *amz_date, const char *canonical,
                                   size_t canonical_len, struct ls_buf *out, struct ls_err *err)
{
    uint8_t digest[LS_SHA256_LEN];
    char hex[LS_SHA256_HEX];

    ls_sha256(canonical, canonical_len, digest);
    ls_hex(digest, sizeof digest, hex);
    return explain(err, ls_buf_addf(out, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", amz_date, scope->date,
                                    scope->region, scope->service, hex));
}

void ls_sigv4_signature(const struct ls_sigv4_scope *scope, const char *string_to_sign, size_t len,
                        char out_hex[LS_SHA256_HEX])
{
    uint8_t mac[LS_SHA256_LEN];
    ls_hmac_sha256(scope->key, sizeof scope->key, string_to_sign, len, mac);
    ls_hex(mac, sizeof mac, out_hex);
}

static enum ls_rc sign(const struct ls_sigv4_scope *scope, const char *amz_date, const struct ls_sigv4_request *req,
                       struct ls_buf *out_names, char out_hex[LS_SHA256_HEX], struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf canonical = LS_BUF_INIT(MAX_CANONICAL);
    LS_AUTO(ls_buf) struct ls_buf to_sign = LS_BUF_INIT(1024);

    TRY(ls_sigv4_canonical(req, &canonical, out_names, err));
    TRY(ls_sigv4_string_to_sign(scope, amz_date, canonical.data, canonical.len, &to_sign, err));
    ls_sigv4_signature(scope, to_sign.data, to_sign.len, out_hex);
    return LS_OK;
}

enum ls_rc ls_sigv4_authorize(const struct ls_sigv4_scope *scope, const char *amz_date,
                              const struct ls_sigv4_request *req, struct ls_buf *out, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf names = LS_BUF_INIT(LS_BUF_LINE);
    char signature[LS_SHA256_HEX];

    TRY(sign(scope, amz_date, req, &names, signature, err));
    return explain(err,
                   ls_buf_addf(out, ALGORITHM " Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
                               scope->access_key, scope->date, scope->region, scope->service, names.data, signature));
}

/* The X-Amz-… parameters that take part in the signature. */
static enum ls_rc add_presign_params(struct ls_buf *out, const struct ls_sigv4_scope *scope, const char *amz_date,
                                     unsigned expires_s, const char *token, const char *signed_names)
{
    LS_AUTO(ls_buf) struct ls_buf credential = LS_BUF_INIT(1024);

    TRY(ls_buf_addf(&credential, "%s/%s/%s/%s/aws4_request", scope->access_key, scope->date, scope->region,
                    scope->service));
    TRY(ls_buf_adds(out, out->len > 0 ? "&X-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential="
                                      : "X-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential="));
    TRY(ls_buf_add_urlenc(out, credential.data, credential.len, false));
    TRY(ls_buf_addf(out, "&X-Amz-Date=%s&X-Amz-Expires=%u&X-Amz-SignedHeaders=", amz_date, expires_s));
    TRY(ls_buf_add_urlenc(out, signed_names, strlen(signed_names), false));
    if (token == NULL)
        return LS_OK;
    TRY(ls_buf_adds(out, "&X-Amz-Security-Token="));
    return ls_buf_add_urlenc(out, token, strlen(token), false);
}

enum ls_rc ls_sigv4_presign(const struct ls_sigv4_scope *scope, const char *amz_date, unsigned expires_s,
                            const char *token, const struct ls_sigv4_request *req, struct ls_buf *out,
                            struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf query = LS_BUF_INIT(LS_BUF_LINE);
    LS_AUTO(ls_buf) struct ls_buf names = LS_BUF_INIT(LS_BUF_LINE);
    LS_AUTO(ls_buf) struct ls_buf headers = LS_BUF_INIT(LS_BUF_LINE);
    LS_AUTO(ls_buf) struct ls_buf again = LS_BUF_INIT(LS_BUF_LINE);
    struct ls_sigv4_request with_params = *req;
    char signature[LS_SHA256_HEX];

    TRY(explain(err, add_headers(&headers, &names, req)));
    TRY(explain(err, ls_buf_adds(&query, req->query)));
    TRY(explain(err, add_presign_params(&query, scope, amz_date, expires_s, token, names.data)));
    with_params.query = query.data;
    TRY(sign(scope, amz_date, &with_params, &again, signature, err));
    return explain(err, ls_buf_addf(out, "%s&X-Amz-Signature=%s", query.data, signature));
}
