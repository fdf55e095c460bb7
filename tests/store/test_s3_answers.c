/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The s3 store against answers that no healthy server gives: what each is called, and what is sent next. */
#include "store/s3_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"

#define LIST(entries, truncated, token)                                                                                \
    "<ListBucketResult><IsTruncated>" truncated "</IsTruncated><NextContinuationToken>" token                          \
    "</NextContinuationToken>" entries "<EncodingType>url</EncodingType></ListBucketResult>"
#define KEY(key) "<Contents><Key>" key "</Key><Size>1</Size></Contents>"

static enum ls_rc put_hello(void) { return put_if(LS_PUT_ALWAYS, 5); }

static enum ls_rc collect(void *ctx, const void *data, size_t len) { return ls_buf_add(ctx, data, len); }

static enum ls_rc get_range(uint64_t offset, uint64_t len)
{
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1000);
    struct ls_store_get get = {.key = "k", .offset = offset, .len = len};
    return ls_store_get(store, &get, collect, &got, NULL, &err);
}

static enum ls_rc list_from(const char *start_after, const char *token, unsigned limit, struct ls_list_page *page)
{
    struct ls_list_request req = {.prefix = "p/", .start_after = start_after, .token = token, .limit = limit};
    return ls_store_list(store, &req, page, &err);
}

/* --- classes and texts --- */

static void a_refusal_names_key_and_permission_but_no_secret(void **state)
{
    (void)state;
    stub_reply(stub, 403, "", ERROR_XML("AccessDenied", "no"));
    assert_int_equal(put_hello(), LS_DENIED);
    assert_string_equal(err.text, "store: PUT k: 403 AccessDenied (key minioadmin lacks s3:PutObject on images)");
    assert_int_equal(err.http_status, 403);
    assert_string_equal(err.code, "AccessDenied");
    stub_reset(stub);
    stub_reply(stub, 403, "", ERROR_XML("SignatureDoesNotMatch", "signature " SECRET));
    assert_int_equal(put_hello(), LS_DENIED);
    assert_text("the secret given for key minioadmin");
    stub_reset(stub);
    stub_reply(stub, 403, "", ERROR_XML("InvalidAccessKeyId", "no"));
    assert_int_equal(put_hello(), LS_DENIED);
    assert_text("does not know key minioadmin");
}

static void server_errors_are_classed_by_what_they_leave_open(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum ls_rc put, get;
    } cases[] = {
        {500, ERROR_XML("InternalError", "x"), LS_OUTCOME_UNKNOWN, LS_TRANSIENT},
        {502, "<html>bad gateway</html>", LS_OUTCOME_UNKNOWN, LS_TRANSIENT},
        {503, ERROR_XML("SlowDown", "x"), LS_TRANSIENT, LS_TRANSIENT},
        {503, "", LS_TRANSIENT, LS_TRANSIENT},
        {429, "", LS_TRANSIENT, LS_TRANSIENT},
        {400, ERROR_XML("RequestTimeout", "x"), LS_TRANSIENT, LS_TRANSIENT},
        {507, ERROR_XML("XMinioStorageFull", "x"), LS_NO_SPACE, LS_NO_SPACE},
        {501, ERROR_XML("NotImplemented", "x"), LS_UNSUPPORTED, LS_UNSUPPORTED},
        {404, ERROR_XML("NoSuchBucket", "x"), LS_IO, LS_IO},
        {404, ERROR_XML("NoSuchKey", "x"), LS_NOT_FOUND, LS_NOT_FOUND},
        {400, ERROR_XML("BadDigest", "x"), LS_CORRUPT, LS_CORRUPT},
        {418, "", LS_IO, LS_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        stub_reset(stub);
        stub_reply(stub, cases[i].status, "", cases[i].body);
        assert_int_equal(put_hello(), cases[i].put);
        assert_int_equal(get_range(0, UINT64_MAX), cases[i].get);
        assert_int_equal(err.http_status, cases[i].status);
        assert_text("store: GET k: ");
    }
}

static void a_missing_bucket_is_never_a_missing_object(void **state)
{
    (void)state;
    stub_reply(stub, 404, "", ""); /* HEAD of the object, then of the bucket */
    assert_int_equal(head("k"), LS_IO);
    assert_text("there is no bucket images");
    assert_int_equal(stub_requests(stub), 2);
    stub_reset(stub);
    stub_reply(stub, 404, "", "");
    stub_reply(stub, 200, "", "");
    assert_int_equal(head("k"), LS_NOT_FOUND);
    stub_reset(stub);
    stub_reply(stub, 404, "X-Minio-Error-Code: NoSuchKey\r\n", "");
    assert_int_equal(head("k"), LS_NOT_FOUND);
    assert_int_equal(stub_requests(stub), 1);
}

static void a_404_without_a_code_proves_nothing_about_an_object(void **state)
{
    (void)state;
    struct ls_store_delete item = {.key = "k"};
    stub_reply(stub, 404, "", "<html>nothing here</html>");
    assert_int_equal(get_range(0, UINT64_MAX), LS_IO); /* the bucket is gone as well */
    assert_int_equal(put_hello(), LS_IO);
    assert_int_equal(copy_one(), LS_IO);
    assert_int_equal(ls_store_delete_many(store, &item, 1, &err), LS_IO);
    stub_reset(stub);
    stub_reply(stub, 404, "", "<html>nothing here</html>");
    stub_reply(stub, 200, "", "");
    assert_int_equal(get_range(0, UINT64_MAX), LS_NOT_FOUND);
    stub_reset(stub);
    stub_reply(stub, 404, "", ERROR_XML("NoSuchKey", "x"));
    assert_int_equal(ls_store_delete_many(store, &item, 1, &err), LS_OK);
}

static void a_wrong_clock_is_named_with_its_offset(void **state)
{
    (void)state;
    char date[64], header[96];
    time_t there = time(NULL) + 20 * 60;
    struct tm tm;
    gmtime_r(&there, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    snprintf(header, sizeof header, "Date: %s\r\n", date);
    stub_reply(stub, 403, header, ERROR_XML("RequestTimeTooSkewed", "x"));
    assert_int_equal(put_hello(), LS_DENIED);
    assert_text("clock is 19 min");
    assert_text("behind the store's: set the clock");
    assert_int_equal(head("k"), LS_DENIED); /* without a body */
    assert_text("clock is 19 min");
}

/* --- redirects --- */

static void another_region_is_signed_for_once(void **state)
{
    (void)state;
    stub_reply(stub, 400, "", "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-7</Region></Error>");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    assert_int_equal(put_hello(), LS_OK);
    assert_int_equal(stub_requests(stub), 2);
    assert_non_null(strstr(stub_request(stub, 0), "/us-east-1/s3/aws4_request"));
    assert_non_null(strstr(stub_request(stub, 1), "/eu-west-7/s3/aws4_request"));
    stub_reset(stub);
    stub_reply(stub, 301, "x-amz-bucket-region: ap-south-9\r\n", "");
    stub_reply(stub, 200, "Content-Length: 0\r\n", "");
    assert_int_equal(put_hello(), LS_OK);
    assert_non_null(strstr(stub_request(stub, 1), "/ap-south-9/s3/aws4_request"));
}

static void a_redirect_to_the_same_host_is_signed_anew(void **state)
{
    (void)state;
    char header[128];
    snprintf(header, sizeof header, "Location: %s/moved/k?x=1\r\n", stub_origin(stub));
    stub_reply(stub, 307, header, "");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    assert_int_equal(put_hello(), LS_OK);
    assert_non_null(strstr(stub_request(stub, 1), "PUT /moved/k?x=1 HTTP/1.1"));
    stub_reset(stub);
    stub_reply(stub, 307, header, ""); /* for ever */
    assert_int_equal(put_hello(), LS_IO);
    assert_int_equal(stub_requests(stub), 3);
}

static void a_redirect_to_another_host_is_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {"Location: http://evil.example/k\r\n", "Location: //evil.example/k\r\n",
                                          "Location: https://127.0.0.1/k\r\n", ""};
    for (size_t i = 0; i < 4; i++) {
        stub_reset(stub);
        stub_reply(stub, 307, headers[i], "");
        assert_int_equal(put_hello(), LS_IO);
        assert_int_equal(stub_requests(stub), 1);
        assert_text("set endpoint and region");
    }
}

/* --- get --- */

static void fewer_bytes_than_announced_are_corrupt(void **state)
{
    (void)state;
    stub_answer(stub, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"x\"\r\n\r\nhalf", STUB_CLOSE);
    assert_int_equal(get_range(0, UINT64_MAX), LS_CORRUPT);
    assert_text("only 4 of 10 bytes");
    stub_reset(stub);
    stub_answer(stub, "HTTP/1.1 200 OK\r\nETag: \"x\"\r\n\r\nno length", STUB_CLOSE);
    assert_int_equal(get_range(0, UINT64_MAX), LS_CORRUPT);
}

static void a_range_must_be_the_one_that_was_asked_for(void **state)
{
    (void)state;
    static const char *const headers[] = {"Content-Range: bytes 0-3/10\r\n", "Content-Range: bytes 2-4/10\r\n",
                                          "Content-Range: bytes 2-5/4\r\n",  "Content-Range: lines 2-5/10\r\n",
                                          "Content-Range: bytes 2-5/*\r\n",  ""};
    for (size_t i = 0; i < 6; i++) {
        stub_reset(stub);
        stub_reply(stub, 206, headers[i], "2345");
        assert_int_equal(get_range(2, 4), LS_CORRUPT);
    }
    stub_reset(stub);
    stub_reply(stub, 206, "Content-Range: bytes 2-5/10\r\n", "2345");
    assert_int_equal(get_range(2, 4), LS_OK);
    assert_non_null(strstr(stub_request(stub, 0), "Range: bytes=2-5\r\n"));
    stub_reset(stub);
    stub_reply(stub, 200, "", "0123456789");
    assert_int_equal(get_range(2, 4), LS_UNSUPPORTED);
}

/* --- list --- */

static void impossible_pages_are_corrupt(void **state)
{
    (void)state;
    static const char *const pages[] = {
        LIST(KEY("p/b") KEY("p/a"), "false", ""),
        LIST(KEY("p/a") KEY("p/a"), "false", ""),
        LIST(KEY("q/a"), "false", ""),
        LIST(KEY("p/a"), "true", ""),                                   /* goes on, nobody knows where */
        LIST(KEY("p/a") KEY("p/b") KEY("p/c") KEY("p/d"), "false", ""), /* more than the limit */
        "<!DOCTYPE x [<!ENTITY a \"aaaa\">]>" LIST(KEY("p/&a;"), "false", ""),
        "<ListBucketResult><Contents><Key>p/a</Key>",
        "",
    };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        struct ls_list_page page;
        stub_reset(stub);
        stub_reply(stub, 200, "", pages[i]);
        if (list_from("", NULL, 3, &page) != LS_CORRUPT)
            fail_msg("accepted: %s", pages[i]);
        assert_text("store: ");
    }
}

static void a_listing_that_does_not_advance_is_corrupt(void **state)
{
    (void)state;
    static const char *const second[] = {
        LIST(KEY("p/b"), "true", "t1"), /* the same token again */
        LIST(KEY("p/a"), "true", "t2"), /* the same key again */
    };
    for (size_t i = 0; i < 2; i++) {
        struct ls_list_page page;
        LS_AUTO(ls_free) char *token = NULL;
        stub_reset(stub);
        stub_reply(stub, 200, "", LIST(KEY("p/a"), "true", "t1"));
        stub_reply(stub, 200, "", second[i]);
        assert_int_equal(list_from("", NULL, 0, &page), LS_OK);
        token = LS_STEAL(page.token);
        ls_list_page_dispose(&page);
        assert_int_equal(list_from("", token, 0, &page), LS_CORRUPT);
        assert_non_null(strstr(stub_request(stub, 1), "continuation-token=t1&encoding-type=url&"));
    }
}

static void empty_pages_do_not_go_on_for_ever(void **state)
{
    (void)state;
    LS_AUTO(ls_free) char *token = NULL;
    enum ls_rc rc = LS_OK;
    unsigned n;
    for (n = 0; n < 2000 && rc == LS_OK; n++) {
        struct ls_list_page page;
        stub_reset(stub);
        stub_reply(stub, 200, "", n % 2 ? LIST("", "true", "odd") : LIST("", "true", "even"));
        rc = list_from("", token, 0, &page);
        if (rc != LS_OK)
            break;
        free(token);
        token = LS_STEAL(page.token);
        ls_list_page_dispose(&page);
    }
    assert_int_equal(rc, LS_CORRUPT);
    assert_in_range(n, 900, 1100);
}

static void an_end_after_a_key_is_confirmed(void **state)
{
    (void)state;
    struct ls_list_page page;
    stub_reply(stub, 200, "", LIST("", "false", ""));             /* after p/a/b/c: nothing, says the server */
    stub_reply(stub, 200, "", LIST(KEY("p/a/b/d"), "false", "")); /* below p/a/b/ */
    stub_reply(stub, 200, "", LIST(KEY("p/a/b0x"), "false", "")); /* exactly p/a/b0: no */
    stub_reply(stub, 200, "", LIST(KEY("p/a/b0x"), "false", "")); /* below p/a/ after b0 */
    stub_reply(stub, 200, "", LIST(KEY("p/a0"), "false", ""));    /* exactly p/a0: yes */
    stub_reply(stub, 200, "", LIST("", "false", ""));             /* below p/ after a0 */
    assert_int_equal(list_from("p/a/b/c", NULL, 0, &page), LS_OK);
    assert_int_equal(stub_requests(stub), 6);
    assert_non_null(strstr(stub_request(stub, 1), "&prefix=p%2Fa%2Fb%2F&start-after=p%2Fa%2Fb%2Fc "));
    assert_non_null(strstr(stub_request(stub, 2), "&max-keys=1&prefix=p%2Fa%2Fb0 "));
    assert_non_null(strstr(stub_request(stub, 3), "&prefix=p%2Fa%2F&start-after=p%2Fa%2Fb0 "));
    assert_non_null(strstr(stub_request(stub, 4), "&max-keys=1&prefix=p%2Fa0 "));
    assert_non_null(strstr(stub_request(stub, 5), "&prefix=p%2F&start-after=p%2Fa0 "));
    assert_int_equal(page.n, 3);
    assert_null(page.token);
    assert_string_equal(page.entries[0].key, "p/a/b/d");
    assert_string_equal(page.entries[1].key, "p/a/b0x");
    assert_string_equal(page.entries[2].key, "p/a0");
    ls_list_page_dispose(&page);
}

static void a_foreign_token_is_refused(void **state)
{
    (void)state;
    struct ls_list_page page;
    static const char *const tokens[] = {"", "x", "1:", "1:%zz:t", ":a:b"};
    for (size_t i = 0; i < 5; i++)
        assert_int_not_equal(list_from("", tokens[i], 0, &page), LS_OK);
    assert_int_equal(stub_requests(stub), 0);
}

/* --- opening --- */

static void options_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct ls_store *other = NULL;
    struct ls_s3_opts good = {.endpoint = "http://h:1", .bucket = "b", .access_key = "a", .secret_key = SECRET}, opts;
    static const char *const endpoints[] = {
        "",           "h:1",        "ftp://h", "http://", "http:///x", "http://u:p@h/", "http://h/path",
        "http://h?x", "http://h h", NULL};
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        opts = good;
        opts.endpoint = endpoints[i];
        assert_int_equal(ls_store_s3_open(&opts, &other, &err), LS_INVALID);
    }
    static const char *const names[] = {"", "a/b", "a b", "a?b", "\xc3\xa9", NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        opts = good;
        opts.bucket = names[i];
        assert_int_equal(ls_store_s3_open(&opts, &other, &err), LS_INVALID);
    }
    opts = good;
    opts.secret_key = "";
    assert_int_equal(ls_store_s3_open(&opts, &other, &err), LS_DENIED);
    opts = good;
    opts.part_bytes = 1024;
    assert_int_equal(ls_store_s3_open(&opts, &other, &err), LS_INVALID);
}

static void a_session_token_is_signed(void **state)
{
    (void)state;
    struct ls_store *other = NULL;
    struct ls_object_info info;
    struct ls_s3_opts opts = {.endpoint = stub_origin(stub),
                              .bucket = "b",
                              .access_key = "a",
                              .secret_key = SECRET,
                              .session_token = "tok/en=="};
    assert_int_equal(ls_store_s3_open(&opts, &other, &err), LS_OK);
    stub_reply(stub, 404, "X-Minio-Error-Code: NoSuchKey\r\n", "");
    assert_int_equal(ls_store_head_one(other, "k", &info, &err), LS_NOT_FOUND);
    assert_non_null(strstr(stub_request(stub, 0), "x-amz-security-token: tok/en==\r\n"));
    assert_non_null(
        strstr(stub_request(stub, 0), "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
    ls_store_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        s3_test(a_refusal_names_key_and_permission_but_no_secret),
        s3_test(server_errors_are_classed_by_what_they_leave_open),
        s3_test(a_missing_bucket_is_never_a_missing_object),
        s3_test(a_404_without_a_code_proves_nothing_about_an_object),
        s3_test(a_wrong_clock_is_named_with_its_offset),
        s3_test(another_region_is_signed_for_once),
        s3_test(a_redirect_to_the_same_host_is_signed_anew),
        s3_test(a_redirect_to_another_host_is_refused),
        s3_test(fewer_bytes_than_announced_are_corrupt),
        s3_test(a_range_must_be_the_one_that_was_asked_for),
        s3_test(impossible_pages_are_corrupt),
        s3_test(a_listing_that_does_not_advance_is_corrupt),
        s3_test(empty_pages_do_not_go_on_for_ever),
        s3_test(an_end_after_a_key_is_confirmed),
        s3_test(a_foreign_token_is_refused),
        s3_test(options_that_cannot_be_are_refused),
        s3_test(a_session_token_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
