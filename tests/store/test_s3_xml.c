/* SPDX-License-Identifier: GPL-3.0-or-later */
/* S3's XML: what real servers send is read, what cannot be is refused, and nothing is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "store/s3_xml.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define LIST_HEAD HEAD "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define ENTRY(key)                                                                                                     \
    "<Contents><Key>" key "</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>"                                \
    "<ETag>&#34;d41d8cd98f00b204e9800998ecf8427e&#34;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass>"       \
    "</Contents>"
#define URL "<EncodingType>url</EncodingType>"
#define LIST_END "</ListBucketResult>"

static struct ls_s3_list list;

static enum ls_rc read_list(const char *xml, size_t max_entries)
{
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_s3_xml_list(xml, strlen(xml), max_entries, &list, &err);
    assert_int_equal(err.text[0] != '\0', rc != LS_OK);
    if (rc != LS_OK)
        assert_int_equal(list.page.n, 0);
    return rc;
}

static void a_page_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_list(LIST_HEAD "<Name>b</Name><Prefix>p</Prefix><KeyCount>2</KeyCount>"
                                         "<NextContinuationToken>abc&amp;=</NextContinuationToken>"
                                         "<IsTruncated>true</IsTruncated>" ENTRY("a%2Bb+c/%25%C3%A9") ENTRY("z")
                                             URL LIST_END,
                               2),
                     LS_OK);
    assert_int_equal(list.page.n, 2);
    assert_true(list.truncated);
    assert_string_equal(list.token, "abc&=");
    assert_string_equal(list.page.entries[0].key, "a+b c/%\xc3\xa9");
    assert_string_equal(list.page.entries[0].etag, "d41d8cd98f00b204e9800998ecf8427e");
    assert_int_equal(list.page.entries[0].size_bytes, 7);
    assert_int_equal(list.page.entries[0].modified_ns / 1000000, INT64_C(1767323045678));
    assert_string_equal(list.page.entries[1].key, "z");
    ls_list_page_dispose(&list.page);
}

static void keys_are_decoded_only_where_the_server_encoded_them(void **state)
{
    (void)state;
    assert_int_equal(read_list(LIST_HEAD ENTRY("a%2Bb+c &amp;") LIST_END, 10), LS_OK);
    assert_false(list.truncated);
    assert_string_equal(list.page.entries[0].key, "a%2Bb+c &");
    ls_list_page_dispose(&list.page);
    assert_int_equal(read_list(LIST_HEAD URL ENTRY("%01%0A%FF") LIST_END, 10), LS_OK);
    assert_string_equal(list.page.entries[0].key, "\x01\n\xff");
    ls_list_page_dispose(&list.page);
}

static void an_empty_bucket_is_an_empty_page(void **state)
{
    (void)state;
    assert_int_equal(read_list(LIST_HEAD "<IsTruncated>false</IsTruncated>" LIST_END, 10), LS_OK);
    assert_int_equal(list.page.n, 0);
    ls_list_page_dispose(&list.page);
}

static void hostile_pages_are_corrupt(void **state)
{
    (void)state;
    static const char *const pages[] = {
        "",
        "no XML",
        LIST_HEAD,
        LIST_HEAD ENTRY("a"),
        LIST_HEAD ENTRY("a") "</ListBucketResul",
        HEAD "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]><ListBucketResult/>",
        HEAD "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><ListBucketResult/>",
        LIST_HEAD ENTRY("&undefined;") LIST_END,
        HEAD "<Error><Code>X</Code></Error>",
        HEAD "<html><body>200</body></html>",
        LIST_HEAD ENTRY("a") ENTRY("b") ENTRY("c") LIST_END, /* more than were asked for */
        LIST_HEAD ENTRY("") LIST_END,
        LIST_HEAD "<Contents><Size>1</Size></Contents>" LIST_END,
        LIST_HEAD URL ENTRY("a%0") LIST_END,
        LIST_HEAD URL ENTRY("a%") LIST_END,
        LIST_HEAD URL ENTRY("a%zz") LIST_END,
        LIST_HEAD URL ENTRY("a%00b") LIST_END,
        LIST_HEAD "<Contents><Key>a</Key><Size>-1</Size></Contents>" LIST_END,
        LIST_HEAD "<Contents><Key>a</Key><Size>1e3</Size></Contents>" LIST_END,
        LIST_HEAD "<Contents><Key>a</Key><Size></Size></Contents>" LIST_END,
        LIST_HEAD "<Contents><Key>a</Key><Size>9223372036854775808</Size></Contents>" LIST_END,
        LIST_HEAD "<Contents><Key>a</Key><LastModified>yesterday</LastModified></Contents>" LIST_END,
        LIST_HEAD "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
        LIST_HEAD ENTRY("bad \x80 UTF-8") LIST_END,
        LIST_HEAD ENTRY("control \x01") LIST_END,
    };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (read_list(pages[i], 2) != LS_CORRUPT)
            fail_msg("accepted: %s", pages[i]);
}

static void values_that_are_too_long_are_corrupt(void **state)
{
    (void)state;
    static char xml[40000], text[20000];
    static const char *const before[] = {"<Contents><Key>", "<Contents><Key>a</Key><ETag>", "<NextContinuationToken>",
                                         "<Whatever>"};
    static const char *const after[] = {"</Key></Contents>", "</ETag></Contents>", "</NextContinuationToken>",
                                        "</Whatever>"};
    memset(text, 'k', sizeof text - 1);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        snprintf(xml, sizeof xml, "%s%s%s%s%s", LIST_HEAD, before[i], text, after[i], LIST_END);
        assert_int_equal(read_list(xml, 10), LS_CORRUPT);
    }
    snprintf(xml, sizeof xml, LIST_HEAD "<Contents><Key>%.1025s</Key></Contents>" LIST_END, text);
    assert_int_equal(read_list(xml, 10), LS_CORRUPT);
    snprintf(xml, sizeof xml, LIST_HEAD "<Contents><Key>%.1024s</Key></Contents>" LIST_END, text);
    assert_int_equal(read_list(xml, 10), LS_OK);
    ls_list_page_dispose(&list.page);
}

/* Cut anywhere, or with any byte changed: never more than a refusal. */
static void damaged_pages_do_no_harm(void **state)
{
    (void)state;
    static const char good[] = LIST_HEAD "<IsTruncated>true</IsTruncated><NextContinuationToken>t"
                                         "</NextContinuationToken>" ENTRY("a%2F+") ENTRY("b") URL LIST_END;
    char xml[sizeof good];
    for (size_t cut = 0; cut < sizeof good - 1; cut++)
        assert_int_equal(ls_s3_xml_list(good, cut, 10, &list, NULL), LS_CORRUPT);
    for (size_t at = 0; at < sizeof good - 1; at++)
        for (int c = 0; c < 256; c += 5) {
            memcpy(xml, good, sizeof good);
            xml[at] = (char)c;
            if (ls_s3_xml_list(xml, sizeof good - 1, 10, &list, NULL) == LS_OK)
                ls_list_page_dispose(&list.page);
        }
}

static void errors_are_read(void **state)
{
    (void)state;
    struct ls_s3_error error;
    static const char denied[] = HEAD "<Error><Code>AccessDenied</Code><Message>No &lt;way&gt;.</Message>"
                                      "<Region>eu-central-1</Region><Resource>/b/k</Resource></Error>";
    assert_int_equal(ls_s3_xml_error(denied, sizeof denied - 1, &error), LS_OK);
    assert_string_equal(error.code, "AccessDenied");
    assert_string_equal(error.message, "No <way>.");
    assert_string_equal(error.region, "eu-central-1");
    assert_int_equal(ls_s3_xml_error("", 0, &error), LS_NOT_FOUND);
    assert_int_equal(ls_s3_xml_error("<CopyObjectResult/>", 19, &error), LS_NOT_FOUND);
    assert_int_equal(ls_s3_xml_error("<html>503", 9, &error), LS_CORRUPT);
}

static void values_are_found_only_where_they_belong(void **state)
{
    (void)state;
    static const char xml[] = HEAD "<CopyObjectResult><Deep><ETag>wrong</ETag></Deep><ETag>\"abc\"</ETag>"
                                   "<ETag>second</ETag></CopyObjectResult>";
    char value[16];
    assert_int_equal(ls_s3_xml_value(xml, sizeof xml - 1, "CopyObjectResult", "ETag", value, sizeof value, NULL),
                     LS_OK);
    assert_string_equal(value, "\"abc\"");
    assert_int_equal(ls_s3_xml_value(xml, sizeof xml - 1, "CopyObjectResult", "UploadId", value, sizeof value, NULL),
                     LS_CORRUPT);
    assert_int_equal(ls_s3_xml_value(xml, sizeof xml - 1, "Other", "ETag", value, sizeof value, NULL), LS_CORRUPT);
    assert_int_equal(ls_s3_xml_value(xml, sizeof xml - 1, "CopyObjectResult", "ETag", value, 5, NULL), LS_CORRUPT);
}

struct seen {
    char text[512];
};

static void note_deleted(void *ctx, const char *key, const struct ls_s3_error *error)
{
    struct seen *seen = ctx;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%s=%s;", key, error != NULL ? error->code : "ok");
}

static void the_results_of_a_batch_are_read(void **state)
{
    (void)state;
    static const char xml[] = HEAD "<DeleteResult><Deleted><Key>a&amp;b</Key></Deleted><Error><Key>c</Key>"
                                   "<Code>AccessDenied</Code><Message>m</Message></Error></DeleteResult>";
    struct seen seen = {""};
    assert_int_equal(ls_s3_xml_delete(xml, sizeof xml - 1, 2, note_deleted, &seen, NULL), LS_OK);
    assert_string_equal(seen.text, "a&b=ok;c=AccessDenied;");
    assert_int_equal(ls_s3_xml_delete(xml, sizeof xml - 1, 1, note_deleted, &seen, NULL), LS_CORRUPT);
    assert_int_equal(ls_s3_xml_delete("<Error/>", 8, 1, note_deleted, &seen, NULL), LS_CORRUPT);
}

static void note_upload(void *ctx, const char *key, const char *id, int64_t initiated_ns)
{
    struct seen *seen = ctx;
    size_t len = strlen(seen->text);
    snprintf(seen->text + len, sizeof seen->text - len, "%s=%s@%lld;", key, id, (long long)(initiated_ns / 1000000000));
}

static void uploads_are_read(void **state)
{
    (void)state;
    static const char xml[] =
        HEAD "<ListMultipartUploadsResult><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>2</NextUploadIdMarker>"
             "<IsTruncated>true</IsTruncated><Upload><Key>k</Key><UploadId>1</UploadId>"
             "<Initiated>1970-01-01T00:00:05.000Z</Initiated></Upload></ListMultipartUploadsResult>";
    struct seen seen = {""};
    struct ls_s3_uploads *uploads = malloc(sizeof *uploads);
    assert_int_equal(ls_s3_xml_uploads(xml, sizeof xml - 1, note_upload, &seen, uploads, NULL), LS_OK);
    assert_string_equal(seen.text, "k=1@5;");
    assert_true(uploads->truncated);
    assert_string_equal(uploads->next_key, "k");
    assert_string_equal(uploads->next_id, "2");
    free(uploads);
}

#define RULES_HEAD HEAD "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define RULES_END "</NotificationConfiguration>"
#define FILTER(name, value) "<FilterRule><Name>" name "</Name><Value>" value "</Value></FilterRule>"
#define RULE(id, filters, events, target)                                                                              \
    "<QueueConfiguration><Id>" id "</Id><Filter><S3Key>" filters "</S3Key></Filter>" events "<Queue>" target           \
    "</Queue></QueueConfiguration>"
#define BOTH "<Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:*</Event>"

struct rules_seen {
    struct ls_s3_rule rules[4];
    size_t n;
};

static void note_rule(void *ctx, const struct ls_s3_rule *rule)
{
    struct rules_seen *seen = ctx;
    assert_true(seen->n < 4);
    seen->rules[seen->n++] = *rule;
}

static void the_rules_of_a_bucket_are_read_with_their_places(void **state)
{
    (void)state;
    static const char xml[] = RULES_HEAD RULE("a", FILTER("prefix", "x &amp; y/"), BOTH, "arn:1") "\n" RULE(
        "b", FILTER("suffix", ".png"), "<Event>s3:ObjectCreated:Put</Event>",
        "arn:2") "<TopicConfiguration><Id>c</Id><Topic>arn:3</Topic></TopicConfiguration>" RULES_END;
    struct rules_seen *seen = calloc(1, sizeof *seen);
    size_t end;
    assert_int_equal(ls_s3_xml_rules(xml, sizeof xml - 1, note_rule, seen, &end, NULL), LS_OK);
    assert_int_equal(seen->n, 3);
    const struct ls_s3_rule *first = &seen->rules[0], *second = &seen->rules[1], *third = &seen->rules[2];
    assert_int_equal(first->from, strlen(RULES_HEAD));
    assert_memory_equal(xml + first->to, "\n<Queue", 7);
    assert_string_equal(first->prefix, "x & y/");
    assert_true(first->created && first->removed && !first->suffixed);
    assert_true(second->suffixed && !second->created && !second->removed);
    assert_string_equal(third->target, "arn:3");
    assert_string_equal(third->prefix, "");
    assert_string_equal(xml + end, RULES_END);
    free(seen);
}

static void settings_without_rules_and_other_documents_are_told_apart(void **state)
{
    (void)state;
    struct rules_seen *seen = calloc(1, sizeof *seen);
    size_t end;
    static const char none[] = HEAD "<NotificationConfiguration/>", other[] = LIST_HEAD LIST_END,
                      entity[] = "<!DOCTYPE x [<!ENTITY e \"e\">]>" RULES_HEAD RULES_END;
    assert_int_equal(ls_s3_xml_rules(none, sizeof none - 1, note_rule, seen, &end, NULL), LS_OK);
    assert_int_equal(end, 0);
    assert_int_equal(ls_s3_xml_rules(other, sizeof other - 1, note_rule, seen, &end, NULL), LS_CORRUPT);
    assert_int_equal(ls_s3_xml_rules(entity, sizeof entity - 1, note_rule, seen, &end, NULL), LS_CORRUPT);
    assert_int_equal(ls_s3_xml_rules("", 0, note_rule, seen, &end, NULL), LS_CORRUPT);
    assert_int_equal(seen->n, 0);
    free(seen);
}

static void etags_lose_their_quotes(void **state)
{
    (void)state;
    char etag[LS_ETAG_MAX], text[200];
    assert_int_equal(ls_s3_etag_copy("\"a-1\"", 5, etag), LS_OK);
    assert_string_equal(etag, "a-1");
    assert_int_equal(ls_s3_etag_copy("a", 1, etag), LS_OK);
    assert_string_equal(etag, "a");
    memset(text, 'e', sizeof text);
    assert_int_equal(ls_s3_etag_copy(text, LS_ETAG_MAX, etag), LS_CORRUPT);
    assert_int_equal(ls_s3_etag_copy(text, LS_ETAG_MAX - 1, etag), LS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_read),
        cmocka_unit_test(keys_are_decoded_only_where_the_server_encoded_them),
        cmocka_unit_test(an_empty_bucket_is_an_empty_page),
        cmocka_unit_test(hostile_pages_are_corrupt),
        cmocka_unit_test(values_that_are_too_long_are_corrupt),
        cmocka_unit_test(damaged_pages_do_no_harm),
        cmocka_unit_test(errors_are_read),
        cmocka_unit_test(values_are_found_only_where_they_belong),
        cmocka_unit_test(the_results_of_a_batch_are_read),
        cmocka_unit_test(uploads_are_read),
        cmocka_unit_test(the_rules_of_a_bucket_are_read_with_their_places),
        cmocka_unit_test(settings_without_rules_and_other_documents_are_told_apart),
        cmocka_unit_test(etags_lose_their_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
