/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Etags and ranges in headers; image kinds by bytes and names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "serve/conditions.h"
#include "serve/sniff.h"

static void an_etag_is_found_in_a_list(void **state)
{
    (void)state;
    assert_true(ls_etag_listed("*", "a"));
    assert_true(ls_etag_listed("\"a\"", "a"));
    assert_true(ls_etag_listed("\"b\" , W/\"a\"", "a"));
    assert_true(ls_etag_listed("\"a,b\",\"c\"", "a,b"));
    assert_false(ls_etag_listed("\"a,b\",\"c\"", "b"));
    assert_false(ls_etag_listed("a", "a"));
    assert_false(ls_etag_listed("\"a", "a"));
    assert_false(ls_etag_listed("", "a"));
    assert_false(ls_etag_listed("\"ab\"", "a"));
}

static void a_single_etag_is_strong_and_alone(void **state)
{
    (void)state;
    char etag[4];
    assert_true(ls_etag_single("\"abc\"", etag, sizeof etag));
    assert_string_equal(etag, "abc");
    static const char *const wrong[] = {"*", "abc", "\"abcd\"", "W/\"a\"", "\"a\", \"b\"", "\"a\" x", "", "\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(ls_etag_single(wrong[i], etag, sizeof etag));
}

static void one_range_of_bytes_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        uint64_t size;
        enum ls_range want;
        uint64_t from, len;
    } cases[] = {
        {NULL, 10, LS_RANGE_NONE, 0, 0},
        {"bytes=0-0", 10, LS_RANGE_GOOD, 0, 1},
        {"bytes=0-9", 10, LS_RANGE_GOOD, 0, 10},
        {"bytes=3-", 10, LS_RANGE_GOOD, 3, 7},
        {"bytes=-3", 10, LS_RANGE_GOOD, 7, 3},
        {"bytes=-30", 10, LS_RANGE_GOOD, 0, 10},
        {"bytes=9-99999999999999999999999", 10, LS_RANGE_GOOD, 9, 1},
        {"bytes=10-", 10, LS_RANGE_BEYOND, 0, 0},
        {"bytes=-0", 10, LS_RANGE_BEYOND, 0, 0},
        {"bytes=0-", 0, LS_RANGE_BEYOND, 0, 0},
        {"bytes=-5", 0, LS_RANGE_BEYOND, 0, 0},
        {"bytes=99999999999999999999999-", 10, LS_RANGE_BEYOND, 0, 0},
        {"bytes=5-4", 10, LS_RANGE_NONE, 0, 0},
        {"bytes=-", 10, LS_RANGE_NONE, 0, 0},
        {"bytes=", 10, LS_RANGE_NONE, 0, 0},
        {"bytes=0-1,3-4", 10, LS_RANGE_NONE, 0, 0},
        {"bytes=a-b", 10, LS_RANGE_NONE, 0, 0},
        {"lines=0-1", 10, LS_RANGE_NONE, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t from = 0, len = 0;
        assert_int_equal(ls_range_parse(cases[i].header, cases[i].size, &from, &len), cases[i].want);
        if (cases[i].want == LS_RANGE_GOOD) {
            assert_int_equal(from, cases[i].from);
            assert_int_equal(len, cases[i].len);
        }
    }
}

static void images_are_known_by_their_first_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *type;
    } cases[] = {
        {"\xff\xd8\xff\xe0", 4, "image/jpeg"},
        {"\x89PNG\r\n\x1a\n", 8, "image/png"},
        {"GIF89a", 6, "image/gif"},
        {"RIFF\0\0\0\0WEBPVP8 ", 16, "image/webp"},
        {"\0\0\0\x1c"
         "ftypavif",
         12, "image/avif"},
        {"\xff\xd8", 2, NULL},
        {"RIFF\0\0\0\0WAVEfmt ", 16, NULL},
        {"<svg xmlns=", 11, NULL},
        {"<html>", 6, NULL},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *type = ls_sniff_bytes(cases[i].bytes, cases[i].len);
        assert_true((type == NULL) == (cases[i].type == NULL));
        if (type)
            assert_string_equal(type, cases[i].type);
    }
}

static void a_name_promises_by_its_last_extension(void **state)
{
    (void)state;
    assert_string_equal(ls_sniff_name("a.b.JPG"), "image/jpeg");
    assert_string_equal(ls_sniff_name(".webp"), "image/webp");
    assert_null(ls_sniff_name("a.png.html"));
    assert_null(ls_sniff_name("a.svg"));
    assert_null(ls_sniff_name("png"));
    assert_null(ls_sniff_name(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_etag_is_found_in_a_list),
        cmocka_unit_test(a_single_etag_is_strong_and_alone),
        cmocka_unit_test(one_range_of_bytes_is_understood),
        cmocka_unit_test(images_are_known_by_their_first_bytes),
        cmocka_unit_test(a_name_promises_by_its_last_extension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
