/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MinIO's events taken apart: both forms, escapes, and bodies of those who mean us ill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "serve/notice.h"

#define RECORD(event, bucket, key)                                                                                     \
    "{\"eventVersion\":\"2.0\",\"eventName\":\"" event "\",\"s3\":{\"bucket\":{\"name\":\"" bucket                     \
    "\"},\"object\":{\"key\":\"" key "\",\"size\":3,\"eTag\":\"e1\",\"sequencer\":\"17A0\"}}}"
#define PUT "s3:ObjectCreated:Put"

static json_t *load(const char *text)
{
    json_error_t why;
    json_t *body = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!body)
        fail_msg("%s: %s", text, why.text);
    return body;
}

static void each_form_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *body, *kind, *bucket, *key, *sequencer;
    } cases[] = {
        {"{\"EventName\":\"" PUT
         "\",\"Key\":\"other/ignored\",\"Records\":[" RECORD(PUT, "shop", "a%2Fb+c%2B.png") "]}",
         PUT, "shop", "a/b c+.png", "17A0"},
        {"{\"Records\":[" RECORD("ObjectRemoved:Delete", "shop", "a/%C3%A4%25") "]}", "ObjectRemoved:Delete", "shop",
         "a/\xc3\xa4%", "17A0"},
        {RECORD(PUT, "shop", "k"), PUT, "shop", "k", "17A0"},
        {"{\"EventName\":\"" PUT "\",\"Key\":\"shop/a/b+c%20d\"}", PUT, "shop", "a/b+c%20d", NULL},
        {"{\"EventName\":\"" PUT "\",\"Key\":\"shop/k\",\"Records\":null}", PUT, "shop", "k", NULL},
        {"{\"EventName\":\"" PUT "\",\"Key\":\"shop/k\",\"Records\":[]}", PUT, "shop", "k", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        LS_AUTO(ls_notices) struct ls_notices got = {0};
        struct ls_err err = LS_ERR_INIT;
        json_t *body = load(cases[i].body);
        if (ls_notices_parse(body, LS_KEYS_ESCAPED, &got, &err) != LS_OK)
            fail_msg("%s: %s", cases[i].body, err.text);
        assert_int_equal(got.n, 1);
        assert_string_equal(got.items[0].kind, cases[i].kind);
        assert_string_equal(got.items[0].bucket, cases[i].bucket);
        assert_string_equal(got.items[0].key, cases[i].key);
        if (cases[i].sequencer)
            assert_string_equal(got.items[0].sequencer, cases[i].sequencer);
        else
            assert_null(got.items[0].sequencer);
        ls_notices_dispose(&got);
        json_decref(body);
    }
}

static void a_body_can_hold_many_records(void **state)
{
    (void)state;
    struct ls_notices got;
    struct ls_err err = LS_ERR_INIT;
    json_t *body = load("{\"Records\":[" RECORD(PUT, "shop", "1") "," RECORD("s3:ObjectAccessed:Head", "b",
                                                                             "2") "," RECORD(PUT, "shop", "1") "]}");
    assert_int_equal(ls_notices_parse(body, LS_KEYS_ESCAPED, &got, &err), LS_OK);
    assert_int_equal(got.n, 3);
    assert_string_equal(got.items[1].key, "2");
    assert_string_equal(got.items[2].key, "1");
    assert_true(ls_notice_is_change(&got.items[0]));
    assert_false(ls_notice_is_change(&got.items[1])); /* our own look at an object is told as well */
    ls_notices_dispose(&got);
    json_decref(body);
}

static void what_tells_of_no_object_is_no_change(void **state)
{
    (void)state;
    struct ls_notices got;
    struct ls_err err = LS_ERR_INIT;
    json_t *body = load("{\"Records\":[{\"eventName\":\"s3:BucketCreated:*\",\"s3\":{\"bucket\":{\"name\":\"b\"}}}]}");
    assert_int_equal(ls_notices_parse(body, LS_KEYS_ESCAPED, &got, &err), LS_OK);
    assert_int_equal(got.n, 1);
    assert_false(ls_notice_is_change(&got.items[0]));
    ls_notices_dispose(&got);
    json_decref(body);
}

static void malformed_bodies_are_refused_whole(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "{\"Records\":{}}",
        "{\"Records\":\"x\"}",
        "{\"Records\":[1]}",
        "{\"Records\":[null]}",
        "{\"Records\":[[]]}",
        "{\"Records\":[{}]}",
        "{\"EventName\":\"" PUT "\"}",
        "{\"EventName\":7,\"Key\":\"shop/k\"}",
        "{\"EventName\":\"\",\"Key\":\"shop/k\"}",
        "{\"EventName\":\"" PUT "\",\"Key\":\"shop\"}",
        "{\"EventName\":\"" PUT "\",\"Key\":\"/k\"}",
        "{\"EventName\":\"" PUT "\",\"Key\":\"shop/\"}",
        "{\"EventName\":\"" PUT "\",\"Key\":[\"shop/k\"]}",
        "{\"s3\":{}}",
        "{\"eventName\":\"" PUT "\",\"s3\":[]}",
        "{\"eventName\":\"" PUT "\",\"s3\":{\"bucket\":{\"name\":\"b\"}}}",
        "{\"eventName\":\"" PUT "\",\"s3\":{\"bucket\":\"b\",\"object\":{\"key\":\"k\"}}}",
        "{\"eventName\":\"" PUT "\",\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\",\"eTag\":1}}}",
        "{\"Records\":[" RECORD(PUT, "shop", "fine") "," RECORD(PUT, "shop", "%") "]}",
        RECORD(PUT, "shop", ""),
        RECORD(PUT, "shop", "a%4"),
        RECORD(PUT, "shop", "a%zz"),
        RECORD(PUT, "shop", "a%00b"),
        RECORD(PUT, "", "k"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ls_notices got;
        struct ls_err err = LS_ERR_INIT;
        json_t *body = load(wrong[i]);
        if (ls_notices_parse(body, LS_KEYS_ESCAPED, &got, &err) != LS_INVALID || !*err.text)
            fail_msg("%s was taken", wrong[i]);
        assert_null(got.items);
        json_decref(body);
    }
}

static void keys_are_as_long_as_s3_has_them(void **state)
{
    (void)state;
    char text[8192], key[4096];
    for (size_t len = 1023; len <= 1025; len++)
        for (int escaped = 0; escaped < 2; escaped++) {
            struct ls_notices got;
            struct ls_err err = LS_ERR_INIT;
            key[0] = '\0';
            for (size_t i = 0; i < len; i++)
                strcat(key, escaped ? "%2F" : "k");
            snprintf(text, sizeof text, RECORD(PUT, "shop", "%s"), key);
            json_t *body = load(text);
            assert_int_equal(ls_notices_parse(body, LS_KEYS_ESCAPED, &got, &err), len <= 1024 ? LS_OK : LS_INVALID);
            if (len <= 1024)
                assert_int_equal(strlen(got.items[0].key), len);
            ls_notices_dispose(&got);
            json_decref(body);
        }
}

static void keys_of_the_stream_are_taken_as_they_are(void **state)
{
    (void)state;
    LS_AUTO(ls_notices) struct ls_notices got = {0};
    struct ls_err err = LS_ERR_INIT;
    json_t *body = load("{\"Records\":[" RECORD(PUT, "shop", "a/b+c%20d%zz.png") "]}");
    assert_int_equal(ls_notices_parse(body, LS_KEYS_PLAIN, &got, &err), LS_OK);
    assert_string_equal(got.items[0].key, "a/b+c%20d%zz.png");
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_read),
        cmocka_unit_test(a_body_can_hold_many_records),
        cmocka_unit_test(what_tells_of_no_object_is_no_change),
        cmocka_unit_test(malformed_bodies_are_refused_whole),
        cmocka_unit_test(keys_are_as_long_as_s3_has_them),
        cmocka_unit_test(keys_of_the_stream_are_taken_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
