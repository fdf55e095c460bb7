/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The s3 store's PUT, COPY and DELETE against answers that no healthy server gives. */
#include "store/s3_tools.h"

#include "base/buf.h"

#define HELLO_MD5 "5d41402abc4b2a76b9719d911017c592"

/* Let the probe see a server with or without conditional writes, whose etags are no MD5s. */
static void probe_stub(bool conditional)
{
    struct ls_store_caps caps;
    stub_reply(stub, 200, "", "");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    stub_reply(stub, conditional ? 412 : 200, "", "");
    stub_reply(stub, conditional ? 412 : 200, "", "");
    stub_reply(stub, 204, "", "");
    assert_int_equal(ls_store_probe(store, &caps, &err), LS_OK);
    assert_int_equal(caps.conditional_put, conditional);
    assert_false(caps.etag_is_md5);
    stub_reset(stub);
}

/* --- put --- */

static void refused_conditions_say_what_is_there(void **state)
{
    (void)state;
    static const int statuses[] = {412, 409};
    for (size_t i = 0; i < 2; i++) {
        stub_reset(stub);
        stub_reply(stub, statuses[i], "", "");
        assert_int_equal(put_if(LS_PUT_IF_NEW, 5), LS_EXISTS);
        assert_non_null(strstr(stub_request(stub, 0), "If-None-Match: *\r\n"));
        assert_int_equal(put_if(LS_PUT_IF_ETAG, 5), LS_CONFLICT);
        assert_non_null(strstr(stub_request(stub, 1), "If-Match: \"" OLD_ETAG "\"\r\n"));
    }
    stub_reset(stub);
    stub_reply(stub, 404, "", ERROR_XML("NoSuchKey", "x"));
    assert_int_equal(put_if(LS_PUT_IF_ETAG, 5), LS_CONFLICT);
}

static void without_conditional_writes_a_head_is_asked_first(void **state)
{
    (void)state;
    probe_stub(false);
    stub_reply(stub, 200, "ETag: \"" HELLO_MD5 "\"\r\n", "");
    assert_int_equal(put_if(LS_PUT_IF_NEW, 5), LS_EXISTS);
    assert_int_equal(put_if(LS_PUT_IF_ETAG, 5), LS_CONFLICT);
    assert_int_equal(stub_requests(stub), 2);
    stub_reset(stub);
    stub_reply(stub, 404, "X-Minio-Error-Code: NoSuchKey\r\n", "");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    assert_int_equal(put_if(LS_PUT_IF_NEW, 5), LS_OK);
    assert_non_null(strstr(stub_request(stub, 0), "HEAD /images/k "));
    assert_null(strstr(stub_request(stub, 1), "If-None-Match"));
}

static void the_probe_finds_conditional_writes_and_cleans_up(void **state)
{
    (void)state;
    struct ls_store_caps caps;
    stub_reply(stub, 200, "", "");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    stub_reply(stub, 412, "", "");
    stub_reply(stub, 412, "", "");
    stub_reply(stub, 204, "", "");
    assert_int_equal(ls_store_probe(store, &caps, &err), LS_OK);
    assert_true(caps.conditional_put);
    assert_int_equal(caps.part_bytes, 5 * 1024 * 1024);
    assert_int_equal(stub_requests(stub), 5);
    assert_non_null(strstr(stub_request(stub, 4), "DELETE /images/.lockstep/probe-"));
}

static void the_probe_of_a_read_only_key_is_no_error(void **state)
{
    (void)state;
    struct ls_store_caps caps;
    stub_reply(stub, 200, "", "");
    stub_reply(stub, 403, "", ERROR_XML("AccessDenied", "x"));
    assert_int_equal(ls_store_probe(store, &caps, &err), LS_OK);
    assert_false(caps.conditional_put);
    stub_reset(stub);
    stub_reply(stub, 403, "", "");
    assert_int_equal(ls_store_probe(store, &caps, &err), LS_DENIED);
    stub_reset(stub);
    stub_reply(stub, 200, "", "");
    stub_reply(stub, 503, "", "");
    assert_int_equal(ls_store_probe(store, &caps, &err), LS_TRANSIENT);
}

static void a_failed_part_aborts_the_upload(void **state)
{
    (void)state;
    stub_reply(stub, 200, "",
               "<InitiateMultipartUploadResult><UploadId>up+1</UploadId></InitiateMultipartUploadResult>");
    stub_reply(stub, 403, "", ERROR_XML("AccessDenied", "x"));
    assert_int_equal(put_if(LS_PUT_ALWAYS, 6 * 1024 * 1024), LS_DENIED);
    size_t n = stub_requests(stub);
    assert_in_range(n, 3, 4);
    assert_non_null(strstr(stub_request(stub, n - 1), "DELETE /images/k?uploadId=up%2B1 "));
}

static void a_part_that_fails_for_the_moment_is_sent_again(void **state)
{
    (void)state;
    stub_reply(stub, 200, "", "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
    stub_reply(stub, 503, "", ERROR_XML("SlowDown", "x"));
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    stub_reply(stub, 200, "", "<CompleteMultipartUploadResult><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>");
    assert_int_equal(put_if(LS_PUT_IF_NEW, 6 * 1024 * 1024), LS_OK);
    assert_int_equal(stub_requests(stub), 5);
    assert_non_null(strstr(stub_request(stub, 4), "POST /images/k?uploadId=u "));
    assert_non_null(strstr(stub_request(stub, 4), "If-None-Match: *\r\n"));
    assert_non_null(strstr(stub_request(stub, 4), "<PartNumber>2</PartNumber><ETag>\"x\"</ETag>"));
}

static void a_completion_that_answers_200_with_an_error_fails(void **state)
{
    (void)state;
    stub_reply(stub, 200, "", "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    stub_reply(stub, 200, "", ERROR_XML("InvalidPart", "x"));
    stub_reply(stub, 204, "", "");
    assert_int_equal(put_if(LS_PUT_ALWAYS, 6 * 1024 * 1024), LS_IO);
    assert_int_equal(stub_requests(stub), 5);
    assert_non_null(strstr(stub_request(stub, 4), "DELETE /images/k?uploadId=u "));
}

static void a_lost_completion_is_left_for_head_to_decide(void **state)
{
    (void)state;
    stub_reply(stub, 200, "", "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    stub_reply(stub, 200, "ETag: \"x\"\r\n", "");
    stub_answer(stub, "", STUB_CLOSE);
    assert_int_equal(put_if(LS_PUT_ALWAYS, 6 * 1024 * 1024), LS_OUTCOME_UNKNOWN);
    assert_int_equal(stub_requests(stub), 4);
}

/* --- copy, delete --- */

static void a_copy_that_answers_200_with_an_error_fails(void **state)
{
    (void)state;
    stub_reply(stub, 200, "", ERROR_XML("SlowDown", "x"));
    assert_int_equal(copy_one(), LS_TRANSIENT);
    stub_reset(stub);
    stub_reply(stub, 200, "", ERROR_XML("InternalError", "x"));
    assert_int_equal(copy_one(), LS_OUTCOME_UNKNOWN);
    stub_reset(stub);
    stub_reply(stub, 200, "", ERROR_XML("AccessDenied", "x"));
    assert_int_equal(copy_one(), LS_DENIED);
    stub_reset(stub);
    stub_reply(stub, 200, "", "<CopyObjectResult><ETag>\"x\"</ETag>");
    assert_int_equal(copy_one(), LS_OUTCOME_UNKNOWN);
    stub_reset(stub);
    stub_reply(stub, 200, "", "");
    assert_int_equal(copy_one(), LS_OUTCOME_UNKNOWN);
}

static void a_copy_tells_a_lost_source_from_a_changed_one(void **state)
{
    (void)state;
    stub_reply(stub, 404, "", ERROR_XML("NoSuchKey", "x"));
    assert_int_equal(copy_one(), LS_NOT_FOUND);
    assert_text("COPY from to to: the source is gone");
    stub_reset(stub);
    stub_reply(stub, 412, "", ERROR_XML("PreconditionFailed", "x"));
    assert_int_equal(copy_one(), LS_CONFLICT);
    assert_text("changed meanwhile");
    assert_non_null(strstr(stub_request(stub, 0), "x-amz-copy-source-if-match: \"" OLD_ETAG "\"\r\n"));
}

static void each_key_of_a_batch_has_its_own_result(void **state)
{
    (void)state;
    struct ls_store_delete items[] = {{.key = "a&b"}, {.key = "c"}, {.key = "d"}, {.key = "e"}};
    stub_reply(stub, 200, "",
               "<DeleteResult><Error><Key>c</Key><Code>AccessDenied</Code><Message>locked</Message></Error>"
               "<Deleted><Key>a&amp;b</Key></Deleted><Error><Key>e</Key><Code>InternalError</Code></Error>"
               "</DeleteResult>");
    assert_int_equal(ls_store_delete_many(store, items, 4, &err), LS_DENIED);
    assert_int_equal(items[0].rc, LS_OK);
    assert_int_equal(items[1].rc, LS_DENIED);
    assert_string_equal(items[1].err.code, "AccessDenied");
    assert_int_equal(items[2].rc, LS_OUTCOME_UNKNOWN); /* not mentioned */
    assert_int_equal(items[3].rc, LS_TRANSIENT);
    assert_non_null(strstr(stub_request(stub, 0), "<Key>a&amp;b</Key>"));
    assert_non_null(strstr(stub_request(stub, 0), "Content-MD5: "));
}

static void keys_that_xml_cannot_carry_are_deleted_alone(void **state)
{
    (void)state;
    struct ls_store_delete items[] = {{.key = "a\x01"}, {.key = "b\n"}, {.key = "c\xef\xbf\xbf"}};
    stub_reply(stub, 204, "", "");
    assert_int_equal(ls_store_delete_many(store, items, 3, &err), LS_OK);
    assert_int_equal(stub_requests(stub), 3);
    LS_AUTO(ls_buf) struct ls_buf all = LS_BUF_INIT(LS_BUF_LINE);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ls_buf_adds(&all, stub_request(stub, i)), LS_OK);
    assert_non_null(strstr(all.data, "DELETE /images/a%01 "));
    assert_non_null(strstr(all.data, "DELETE /images/b%0A "));
    assert_non_null(strstr(all.data, "DELETE /images/c%EF%BF%BF "));
}

static void a_key_that_is_not_utf8_is_invalid(void **state)
{
    (void)state;
    struct ls_store_delete items[] = {{.key = "a"}, {.key = "c\xff"}};
    stub_reply(stub, 200, "", "<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>");
    assert_int_equal(head("c\xff"), LS_INVALID);
    assert_text("is not UTF-8");
    assert_int_equal(ls_store_delete_many(store, items, 2, &err), LS_INVALID);
    assert_int_equal(items[0].rc, LS_OK);
    assert_int_equal(items[1].rc, LS_INVALID);
    assert_int_equal(stub_requests(stub), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        s3_test(refused_conditions_say_what_is_there),
        s3_test(without_conditional_writes_a_head_is_asked_first),
        s3_test(the_probe_finds_conditional_writes_and_cleans_up),
        s3_test(the_probe_of_a_read_only_key_is_no_error),
        s3_test(a_failed_part_aborts_the_upload),
        s3_test(a_part_that_fails_for_the_moment_is_sent_again),
        s3_test(a_completion_that_answers_200_with_an_error_fails),
        s3_test(a_lost_completion_is_left_for_head_to_decide),
        s3_test(a_copy_that_answers_200_with_an_error_fails),
        s3_test(a_copy_tells_a_lost_source_from_a_changed_one),
        s3_test(each_key_of_a_batch_has_its_own_result),
        s3_test(keys_that_xml_cannot_carry_are_deleted_alone),
        s3_test(a_key_that_is_not_utf8_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
