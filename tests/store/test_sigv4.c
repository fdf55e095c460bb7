/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Signature V4 against everything that was published to check it: vectors/README.md says where it comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/auto.h"
#include "base/file.h"
#include "store/sigv4.h"

/* --- the generic suite --- */

struct vector {
    char name[64];
    char access_key[64], secret[128], region[32], service[32], date[32];
    unsigned expires_s;
    bool normalize, encode, sign_body, omit_token;
    char token[512], body[256];
    char request[2048];
    char header_canonical[4096], header_to_sign[512], header_authorization[512];
    char query_canonical[4096], query_to_sign[512], query_signature[128];
};

/* Append a block's line to its field. */
static void add_line(char *field, size_t size, const char *line)
{
    size_t len = strlen(field);
    assert_true(len + strlen(line) + 2 < size);
    sprintf(field + len, "%s\n", line);
}

static char *block_of(struct vector *v, const char *name, size_t *out_size)
{
    static const struct {
        const char *name;
        size_t offset, size;
    } blocks[] = {
        {"request", offsetof(struct vector, request), sizeof v->request},
        {"header-canonical", offsetof(struct vector, header_canonical), sizeof v->header_canonical},
        {"header-string-to-sign", offsetof(struct vector, header_to_sign), sizeof v->header_to_sign},
        {"query-canonical", offsetof(struct vector, query_canonical), sizeof v->query_canonical},
        {"query-string-to-sign", offsetof(struct vector, query_to_sign), sizeof v->query_to_sign},
    };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        if (strcmp(name, blocks[i].name) != 0)
            continue;
        *out_size = blocks[i].size;
        return (char *)v + blocks[i].offset;
    }
    return NULL;
}

static void parse_line(struct vector *v, const char *line)
{
    if (strncmp(line, "credentials ", 12) == 0)
        assert_int_equal(sscanf(line, "credentials %63s %127s %31s %31s %31s %u", v->access_key, v->secret, v->region,
                                v->service, v->date, &v->expires_s),
                         6);
    else if (strncmp(line, "flags ", 6) == 0) {
        v->normalize = strstr(line, " normalize") != NULL;
        v->encode = strstr(line, " encode") != NULL;
        v->sign_body = strstr(line, " sign-body") != NULL;
        v->omit_token = strstr(line, " omit-token") != NULL;
    } else if (sscanf(line, "token %511s", v->token) != 1 && sscanf(line, "body %255[^\n]", v->body) != 1 &&
               sscanf(line, "header-authorization %511[^\n]", v->header_authorization) != 1 &&
               sscanf(line, "query-signature %127s", v->query_signature) != 1)
        fail_msg("unknown line: %s", line);
}

/* A request's text as the signer's input. Header values may go on in the lines below. */
struct input {
    char text[2048];
    struct ls_sigv4_header headers[16];
    struct ls_sigv4_request req;
    char payload_hash[LS_SHA256_HEX];
};

static void add_input_header(struct input *in, const char *name, const char *value)
{
    assert_true(in->req.n_headers < 16);
    in->headers[in->req.n_headers++] = (struct ls_sigv4_header){name, value};
}

static void hash_body(const char *body, char out_hex[LS_SHA256_HEX])
{
    uint8_t digest[LS_SHA256_LEN];
    ls_sha256(body, strlen(body), digest);
    ls_hex(digest, sizeof digest, out_hex);
}

static void read_input(const struct vector *v, struct input *in)
{
    memset(in, 0, sizeof *in);
    strcpy(in->text, v->request);
    in->req.headers = in->headers;
    in->req.flags = (v->normalize ? LS_SIGV4_NORMALIZE : 0) | (v->encode ? LS_SIGV4_ENCODE_PATH : 0);
    hash_body(v->body, in->payload_hash);
    in->req.payload_hash = in->payload_hash;

    char *line_end = strchr(in->text, '\n');
    *line_end = '\0';
    char *target = strchr(in->text, ' ');
    *target++ = '\0';
    in->req.method = in->text;
    *strrchr(target, ' ') = '\0'; /* the protocol version; a path may hold spaces here */
    char *query = strchr(target, '?');
    in->req.query = query != NULL ? query + 1 : "";
    if (query != NULL)
        *query = '\0';
    in->req.path = target;

    for (char *line = line_end + 1; *line != '\0';) {
        char *end = strchr(line, '\n');
        while (end[1] == ' ') /* folded */
            end = strchr(end + 1, '\n');
        *end = '\0';
        char *colon = strchr(line, ':');
        *colon = '\0';
        if (strcasecmp(line, "x-amz-date") != 0)
            add_input_header(in, line, colon + 1);
        line = end + 1;
    }
}

static void expect_text(const struct vector *v, const char *what, const char *got, const char *want)
{
    size_t len = strlen(want);
    if (len > 0 && want[len - 1] == '\n')
        len--;
    if (len != strlen(got) || memcmp(got, want, len) != 0)
        fail_msg("%s: %s is\n%s\nand should be\n%s", v->name, what, got, want);
}

static void check_header_form(const struct vector *v, const struct ls_sigv4_scope *scope)
{
    LS_AUTO(ls_buf) struct ls_buf canonical = LS_BUF_INIT(LS_BUF_LINE), names = LS_BUF_INIT(LS_BUF_LINE);
    LS_AUTO(ls_buf) struct ls_buf to_sign = LS_BUF_INIT(LS_BUF_LINE), value = LS_BUF_INIT(LS_BUF_LINE);
    struct input in;

    read_input(v, &in);
    add_input_header(&in, "X-Amz-Date", v->date);
    if (v->sign_body)
        add_input_header(&in, "x-amz-content-sha256", in.payload_hash);
    if (v->token[0] != '\0' && !v->omit_token)
        add_input_header(&in, "X-Amz-Security-Token", v->token);
    assert_int_equal(ls_sigv4_canonical(&in.req, &canonical, &names, NULL), LS_OK);
    assert_int_equal(ls_sigv4_string_to_sign(scope, v->date, canonical.data, canonical.len, &to_sign, NULL), LS_OK);
    assert_int_equal(ls_sigv4_authorize(scope, v->date, &in.req, &value, NULL), LS_OK);
    if (v->header_canonical[0] != '\0') {
        expect_text(v, "canonical request", canonical.data, v->header_canonical);
        expect_text(v, "string to sign", to_sign.data, v->header_to_sign);
    }
    expect_text(v, "authorization", value.data, v->header_authorization);
}

static void check_query_form(const struct vector *v, const struct ls_sigv4_scope *scope)
{
    LS_AUTO(ls_buf) struct ls_buf canonical = LS_BUF_INIT(LS_BUF_LINE), names = LS_BUF_INIT(LS_BUF_LINE);
    LS_AUTO(ls_buf) struct ls_buf to_sign = LS_BUF_INIT(LS_BUF_LINE), query = LS_BUF_INIT(LS_BUF_LINE);
    const char *token = v->token[0] != '\0' && !v->omit_token ? v->token : NULL;
    struct input in;

    read_input(v, &in);
    assert_int_equal(ls_sigv4_presign(scope, v->date, v->expires_s, token, &in.req, &query, NULL), LS_OK);
    char *signature = strstr(query.data, "&X-Amz-Signature=");
    assert_non_null(signature);
    expect_text(v, "query signature", signature + 17, v->query_signature);
    *signature = '\0';
    in.req.query = query.data;
    assert_int_equal(ls_sigv4_canonical(&in.req, &canonical, &names, NULL), LS_OK);
    assert_int_equal(ls_sigv4_string_to_sign(scope, v->date, canonical.data, canonical.len, &to_sign, NULL), LS_OK);
    expect_text(v, "query canonical request", canonical.data, v->query_canonical);
    expect_text(v, "query string to sign", to_sign.data, v->query_to_sign);
}

static void check_vector(const struct vector *v)
{
    struct ls_sigv4_scope scope;
    assert_int_equal(ls_sigv4_scope_init(&scope, v->access_key, v->secret, v->region, v->service, v->date, NULL),
                     LS_OK);
    check_header_form(v, &scope);
    if (v->query_signature[0] != '\0')
        check_query_form(v, &scope);
    ls_sigv4_scope_wipe(&scope);
}

static void the_published_generic_vectors_are_met(void **state)
{
    (void)state;
    const char *srcdir = getenv("srcdir");
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(LS_BUF_BODY);
    LS_AUTO(ls_free) char *path = ls_strf("%s/tests/store/vectors/sigv4.txt", srcdir != NULL ? srcdir : ".");
    struct ls_err err = LS_ERR_INIT;
    if (ls_read_file(path, &text, &err) != LS_OK)
        fail_msg("%s", err.text);

    static struct vector v;
    unsigned n = 0;
    char *block = NULL, *save = NULL;
    size_t block_size = 0;
    for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == '#')
            continue;
        if (line[0] == '|') {
            if (line[1] != '\0' || block != v.request)
                add_line(block, block_size, line + 1);
        } else if (sscanf(line, "case %63s", v.name) == 1) {
            struct vector fresh = {0};
            strcpy(fresh.name, v.name);
            v = fresh;
        } else if (strcmp(line, "end") == 0) {
            check_vector(&v);
            n++;
        } else if ((block = block_of(&v, line, &block_size)) == NULL) {
            parse_line(&v, line);
        }
    }
    assert_int_equal(n, 40);
}

/* --- S3's examples --- */

#define S3_KEY "AKIAIOSFODNN7EXAMPLE"
#define S3_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define S3_TIME "20130524T000000Z"
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define S3_HOST                                                                                                        \
    {                                                                                                                  \
        "Host", "examplebucket.s3.amazonaws.com"                                                                       \
    }

static void the_examples_of_the_s3_documentation_are_met(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *query, *hash, *signature;
        struct ls_sigv4_header headers[6];
        size_t n_headers;
    } examples[] = {
        {"GET",
         "/test.txt",
         "",
         EMPTY_HASH,
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
         {S3_HOST, {"Range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY_HASH}, {"x-amz-date", S3_TIME}},
         4},
        {"PUT",
         "/test%24file.text",
         "",
         "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
         {S3_HOST,
          {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
          {"x-amz-date", S3_TIME},
          {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
          {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}},
         5},
        {"GET",
         "/",
         "lifecycle",
         EMPTY_HASH,
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
         {S3_HOST, {"x-amz-date", S3_TIME}, {"x-amz-content-sha256", EMPTY_HASH}},
         3},
        {"GET",
         "/",
         "max-keys=2&prefix=J",
         EMPTY_HASH,
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
         {S3_HOST, {"x-amz-date", S3_TIME}, {"x-amz-content-sha256", EMPTY_HASH}},
         3},
    };
    struct ls_sigv4_scope scope;
    assert_int_equal(ls_sigv4_scope_init(&scope, S3_KEY, S3_SECRET, "us-east-1", "s3", S3_TIME, NULL), LS_OK);
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        LS_AUTO(ls_buf) struct ls_buf value = LS_BUF_INIT(LS_BUF_LINE);
        struct ls_sigv4_request req = {.method = examples[i].method,
                                       .path = examples[i].path,
                                       .query = examples[i].query,
                                       .headers = examples[i].headers,
                                       .n_headers = examples[i].n_headers,
                                       .payload_hash = examples[i].hash};
        assert_int_equal(ls_sigv4_authorize(&scope, S3_TIME, &req, &value, NULL), LS_OK);
        assert_string_equal(strstr(value.data, "Signature=") + 10, examples[i].signature);
    }
}

static void the_presigned_example_of_the_s3_documentation_is_met(void **state)
{
    (void)state;
    static const struct ls_sigv4_header host = S3_HOST;
    LS_AUTO(ls_buf) struct ls_buf query = LS_BUF_INIT(LS_BUF_LINE);
    struct ls_sigv4_scope scope;
    struct ls_sigv4_request req = {.method = "GET",
                                   .path = "/test.txt",
                                   .query = "",
                                   .headers = &host,
                                   .n_headers = 1,
                                   .payload_hash = LS_SIGV4_UNSIGNED};
    assert_int_equal(ls_sigv4_scope_init(&scope, S3_KEY, S3_SECRET, "us-east-1", "s3", S3_TIME, NULL), LS_OK);
    assert_int_equal(ls_sigv4_presign(&scope, S3_TIME, 86400, NULL, &req, &query, NULL), LS_OK);
    assert_string_equal(query.data, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524"
                                    "%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
                                    "&X-Amz-SignedHeaders=host&X-Amz-Signature="
                                    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

static void an_s3_path_is_signed_as_it_is(void **state)
{
    (void)state;
    LS_AUTO(ls_buf) struct ls_buf canonical = LS_BUF_INIT(LS_BUF_LINE), names = LS_BUF_INIT(LS_BUF_LINE);
    struct ls_sigv4_request req = {
        .method = "GET", .path = "/b//a/./%2E%2E/c%252F", .query = "", .payload_hash = EMPTY_HASH};
    assert_int_equal(ls_sigv4_canonical(&req, &canonical, &names, NULL), LS_OK);
    assert_string_equal(canonical.data, "GET\n/b//a/./%2E%2E/c%252F\n\n\n\n" EMPTY_HASH);
}

static void wiping_leaves_no_key(void **state)
{
    (void)state;
    struct ls_sigv4_scope scope, zero = {0};
    assert_int_equal(ls_sigv4_scope_init(&scope, S3_KEY, S3_SECRET, "us-east-1", "s3", S3_TIME, NULL), LS_OK);
    assert_memory_not_equal(&scope, &zero, sizeof scope);
    ls_sigv4_scope_wipe(&scope);
    memset(&zero, 0, sizeof zero);
    assert_memory_equal(&scope, &zero, sizeof scope);
}

static void a_region_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    char region[200];
    struct ls_sigv4_scope scope;
    memset(region, 'r', sizeof region - 1);
    region[sizeof region - 1] = '\0';
    assert_int_equal(ls_sigv4_scope_init(&scope, S3_KEY, S3_SECRET, region, "s3", S3_TIME, NULL), LS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_generic_vectors_are_met),
        cmocka_unit_test(the_examples_of_the_s3_documentation_are_met),
        cmocka_unit_test(the_presigned_example_of_the_s3_documentation_is_met),
        cmocka_unit_test(an_s3_path_is_signed_as_it_is),
        cmocka_unit_test(wiping_leaves_no_key),
        cmocka_unit_test(a_region_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
