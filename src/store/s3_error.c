/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an S3 answer means: its class for callers and its text for people.
 *
 * Decides: the class of every status and error code. A server error (500, 502, 504) may have come after the work was
 * done, so it is LS_OUTCOME_UNKNOWN for PUT and COPY; deleting or reading again does no harm. A missing bucket is never
 * taken for a missing object. Texts name verb, key, status, the server's code and what to do; never secrets.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/s3_internal.h"

/* The code of a 404 whose sender gave none. */
#define NO_CODE_404 "NotFound"
/* A clock that is off by more makes S3 refuse every signature. */
#define SKEW_LIMIT_NS (LS_NS_PER_S * 60 * 15)

static const struct {
    const char *code;
    enum ls_rc rc;
} code_table[] = {
    {"NoSuchKey", LS_NOT_FOUND},
    {"NoSuchUpload", LS_NOT_FOUND},
    {"NoSuchVersion", LS_NOT_FOUND},
    {"NoSuchBucket", LS_IO},
    {"PreconditionFailed", LS_CONFLICT},
    {"ConditionalRequestConflict", LS_CONFLICT},
    {"AccessDenied", LS_DENIED},
    {"SignatureDoesNotMatch", LS_DENIED},
    {"InvalidAccessKeyId", LS_DENIED},
    {"InvalidToken", LS_DENIED},
    {"ExpiredToken", LS_DENIED},
    {"RequestTimeTooSkewed", LS_DENIED},
    {"AllAccessDisabled", LS_DENIED},
    {"AccountProblem", LS_DENIED},
    {"InvalidObjectState", LS_DENIED},
    {"ObjectLocked", LS_DENIED},
    {"SlowDown", LS_TRANSIENT},
    {"SlowDownRead", LS_TRANSIENT},
    {"SlowDownWrite", LS_TRANSIENT},
    {"ServiceUnavailable", LS_TRANSIENT},
    {"RequestTimeout", LS_TRANSIENT},
    {"OperationAborted", LS_TRANSIENT},
    {"TooManyRequests", LS_TRANSIENT},
    {"BadDigest", LS_CORRUPT},
    {"XAmzContentSHA256Mismatch", LS_CORRUPT},
    {"XAmzContentChecksumMismatch", LS_CORRUPT},
    {"KeyTooLongError", LS_INVALID},
    {"XMinioInvalidObjectName", LS_INVALID},
    {"XMinioInvalidResourceName", LS_INVALID},
    {"XMinioObjectExistsAsDirectory", LS_CONFLICT},
    {"XMinioParentIsObject", LS_CONFLICT},
    {"InvalidRange", LS_INVALID},
    {"EntityTooLarge", LS_INVALID},
    {"NotImplemented", LS_UNSUPPORTED},
    {"MethodNotAllowed", LS_UNSUPPORTED},
    {"XMinioStorageFull", LS_NO_SPACE},
    {"QuotaExceeded", LS_NO_SPACE},
    {"XMinioAdminBucketQuotaExceeded", LS_NO_SPACE},
};

static enum ls_rc status_class(int status, bool repeatable)
{
    switch (status) {
    case 401:
    case 403:
        return LS_DENIED;
    case 404:
        return LS_NOT_FOUND;
    case 405:
    case 501:
        return LS_UNSUPPORTED;
    case 408:
    case 425:
    case 429:
    case 503:
        return LS_TRANSIENT;
    case 409:
    case 412:
        return LS_CONFLICT;
    case 416:
        return LS_INVALID;
    case 507:
        return LS_NO_SPACE;
    default:
        if (status >= 500)
            return repeatable ? LS_TRANSIENT : LS_OUTCOME_UNKNOWN;
        return LS_IO;
    }
}

enum ls_rc s3_code_class(int status, const char *code, bool repeatable)
{
    for (size_t i = 0; i < sizeof code_table / sizeof *code_table; i++)
        if (strcmp(code, code_table[i].code) == 0)
            return code_table[i].rc;
    if (strcmp(code, "InternalError") == 0)
        status = 500;
    return status != 0 ? status_class(status, repeatable) : LS_IO;
}

const char *s3_show_key(const char *key, char out[S3_SHOWN_KEY])
{
    size_t len = strlen(key), head = S3_SHOWN_KEY - 104, tail = 96;
    if (len < S3_SHOWN_KEY)
        memcpy(out, key, len + 1);
    else
        snprintf(out, S3_SHOWN_KEY, "%.*s…%s", (int)head, key, key + len - tail);
    return out;
}

/* --- texts --- */

/* The server's clock minus ours, when the answer tells. */
static bool clock_offset(const struct ls_http_request *http, int64_t *out_ns)
{
    char date[64];
    int64_t server_ns;
    if (http == NULL || !ls_http_header(http, "date", date, sizeof date) ||
        ls_time_parse_http(date, &server_ns) != LS_OK)
        return false;
    *out_ns = server_ns - ls_now_ns();
    return true;
}

static void skew_hint(const struct ls_http_request *http, char *out, size_t size)
{
    int64_t offset_ns;
    if (!clock_offset(http, &offset_ns)) {
        snprintf(out, size, "this machine's clock and the store's differ too much: set the clock");
        return;
    }
    int64_t s = llabs(offset_ns) / LS_NS_PER_S;
    snprintf(out, size, "this machine's clock is %lld min %lld s %s the store's: set the clock", (long long)(s / 60),
             (long long)(s % 60), offset_ns > 0 ? "behind" : "ahead of");
}

/* What to do about it, for the codes where we know. */
static void hint_for(struct ls_s3 *s3, const char *action, const struct ls_s3_error *error,
                     const struct ls_http_request *http, char *out, size_t size)
{
    const char *code = error->code;
    if (strcmp(code, "RequestTimeTooSkewed") == 0)
        skew_hint(http, out, size);
    else if (strcmp(code, "AccessDenied") == 0)
        snprintf(out, size, "key %.40s lacks %s on %s", s3->access_key, action, s3->bucket);
    else if (strcmp(code, "SignatureDoesNotMatch") == 0)
        snprintf(out, size, "the secret given for key %.40s is not the store's", s3->access_key);
    else if (strcmp(code, "InvalidAccessKeyId") == 0)
        snprintf(out, size, "the store does not know key %.40s", s3->access_key);
    else if (strcmp(code, "ExpiredToken") == 0 || strcmp(code, "InvalidToken") == 0)
        snprintf(out, size, "the session token of key %.40s is no longer valid: get new credentials", s3->access_key);
    else if (strcmp(code, "NoSuchBucket") == 0)
        snprintf(out, size, "bucket %s is not there", s3->bucket);
    else if (strcmp(code, "SlowDown") == 0 || strcmp(code, "ServiceUnavailable") == 0)
        snprintf(out, size, "the store is overloaded or starting");
    else
        snprintf(out, size, "%.200s", error->message);
}

static enum ls_rc write_text(struct ls_s3 *s3, enum ls_rc rc, const char *verb, const char *action, const char *key,
                             int status, const struct ls_s3_error *error, const struct ls_http_request *http,
                             struct ls_err *err)
{
    char hint[256], shown[S3_SHOWN_KEY], number[16] = "";

    hint_for(s3, action, error, http, hint, sizeof hint);
    if (status != 0)
        snprintf(number, sizeof number, "%d ", status);
    ls_err_set(err, rc, "store: %s %s: %s%s%s%s%s", verb, key != NULL ? s3_show_key(key, shown) : s3->bucket, number,
               error->code, hint[0] != '\0' ? " (" : "", hint, hint[0] != '\0' ? ")" : "");
    if (err != NULL) {
        err->http_status = status;
        memcpy(err->code, error->code, sizeof err->code);
    }
    return rc;
}

enum ls_rc s3_error_text(struct ls_s3 *s3, enum ls_rc rc, const char *verb, const char *action, const char *key,
                         int status, const struct ls_s3_error *error, struct ls_err *err)
{
    return write_text(s3, rc, verb, action, key, status, error, NULL, err);
}

/* --- a whole answer --- */

/* The error of an answer without a document: what HEAD and proxies give. */
static void error_from_head(const struct ls_http_request *http, struct ls_s3_error *out)
{
    static const struct {
        int status;
        const char *code;
    } names[] = {{301, "PermanentRedirect"}, {307, "TemporaryRedirect"},  {401, "AccessDenied"},
                 {403, "AccessDenied"},      {404, NO_CODE_404},          {405, "MethodNotAllowed"},
                 {409, "Conflict"},          {412, "PreconditionFailed"}, {416, "InvalidRange"},
                 {429, "TooManyRequests"},   {500, "InternalError"},      {501, "NotImplemented"},
                 {503, "ServiceUnavailable"}};
    int64_t offset_ns;

    memset(out, 0, sizeof *out);
    if (ls_http_header(http, "x-minio-error-code", out->code, sizeof out->code)) {
        ls_http_header(http, "x-minio-error-desc", out->message, sizeof out->message);
    } else if (http->status == 403 && clock_offset(http, &offset_ns) && llabs(offset_ns) > SKEW_LIMIT_NS) {
        snprintf(out->code, sizeof out->code, "RequestTimeTooSkewed");
    } else {
        for (size_t i = 0; i < sizeof names / sizeof *names && out->code[0] == '\0'; i++)
            if (names[i].status == http->status)
                snprintf(out->code, sizeof out->code, "%s", names[i].code);
    }
}

static bool is_redirect(int status) { return status >= 300 && status < 400 && status != 304; }

static enum ls_rc redirect_text(struct ls_s3 *s3, const struct s3_call *call, struct ls_err *err)
{
    char to[256] = "", region[64] = "", shown[S3_SHOWN_KEY];
    ls_http_header(&call->http, "location", to, sizeof to);
    ls_http_header(&call->http, "x-amz-bucket-region", region, sizeof region);
    ls_err_set(
        err, LS_IO,
        "store: %s %s: %d the store sends us to another address%s%s%s%s: set endpoint and region to the bucket's",
        call->verb, call->key != NULL ? s3_show_key(call->key, shown) : s3->bucket, call->http.status,
        to[0] != '\0' ? " " : "", to, region[0] != '\0' ? ", region " : "", region);
    if (err != NULL)
        err->http_status = call->http.status;
    return LS_IO;
}

static enum ls_rc transport_text(struct ls_s3 *s3, struct s3_call *call, struct ls_err *err)
{
    char shown[S3_SHOWN_KEY];
    enum ls_rc rc = call->http.rc;
    if (err == NULL)
        return rc;
    *err = call->http.err;
    err->rc = rc;
    if (call->http.status != 0)
        err->http_status = call->http.status;
    ls_err_prefix(err, "store: %s %s at %s: ", call->verb,
                  call->key != NULL ? s3_show_key(call->key, shown) : s3->bucket, s3->origin);
    return rc;
}

/* Is a 500 to this request harmless? */
static bool is_repeatable(const struct s3_call *call)
{
    const char *method = call->http.method;
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "DELETE") == 0 ||
           strcmp(call->verb, "DELETE") == 0;
}

static enum ls_rc success(struct ls_s3 *s3, struct s3_call *call, struct ls_err *err)
{
    struct ls_s3_error error;
    if (!call->error_in_200)
        return LS_OK;
    enum ls_rc rc = ls_s3_xml_error(call->http.out_body.data, call->http.out_body.len, &error);
    if (rc == LS_NOT_FOUND && call->http.out_body.len > 0)
        return LS_OK;
    if (rc == LS_OK)
        return write_text(s3, s3_code_class(400, error.code, is_repeatable(call)), call->verb, call->action, call->key,
                          call->http.status, &error, &call->http, err);
    char shown[S3_SHOWN_KEY];
    return ls_err_set(err, LS_OUTCOME_UNKNOWN, "store: %s %s: the answer broke off or is no XML", call->verb,
                      call->key != NULL ? s3_show_key(call->key, shown) : s3->bucket);
}

enum ls_rc s3_call_result(struct ls_s3 *s3, struct s3_call *call, struct ls_err *err)
{
    struct ls_s3_error error;
    int status = call->http.status;

    if (call->http.rc != LS_OK)
        return transport_text(s3, call, err);
    if (status >= 200 && status < 300)
        return success(s3, call, err);
    if (is_redirect(status))
        return redirect_text(s3, call, err);
    if (ls_s3_xml_error(call->http.out_body.data, call->http.out_body.len, &error) != LS_OK)
        error_from_head(&call->http, &error);
    enum ls_rc rc = s3_code_class(status, error.code, is_repeatable(call));
    if (rc == LS_NOT_FOUND && strcmp(error.code, NO_CODE_404) == 0 && strcmp(call->http.method, "GET") != 0 &&
        strcmp(call->http.method, "HEAD") != 0)
        rc = LS_IO; /* a 404 without a code to anything but a question is not about an object */
    if (rc == LS_IO && strstr(error.message, "WORM") != NULL)
        rc = LS_DENIED; /* MinIO's object lock has no code of its own */
    return write_text(s3, rc, call->verb, call->action, call->key, status, &error, &call->http, err);
}
