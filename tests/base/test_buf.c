/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Growable buffers and their encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"

static void an_empty_buffer_is_a_string(void **state)
{
    (void)state;
    LS_AUTO(ls_buf) struct ls_buf buf = LS_BUF_INIT(16);
    assert_string_equal(buf.data, "");
    char *taken = ls_buf_steal(&buf);
    assert_string_equal(taken, "");
    free(taken);
}

static void the_maximum_holds_and_a_failed_append_changes_nothing(void **state)
{
    (void)state;
    LS_AUTO(ls_buf) struct ls_buf buf = LS_BUF_INIT(5);
    assert_int_equal(ls_buf_adds(&buf, "abc"), LS_OK);
    assert_int_equal(ls_buf_adds(&buf, "def"), LS_NO_SPACE);
    assert_int_equal(ls_buf_addf(&buf, "%d", 12345), LS_NO_SPACE);
    assert_int_equal(ls_buf_add_urlenc(&buf, "d%", 2, false), LS_NO_SPACE);
    assert_int_equal(ls_buf_add_json(&buf, "d", 1), LS_NO_SPACE);
    assert_string_equal(buf.data, "abc");
    assert_int_equal(ls_buf_adds(&buf, "de"), LS_OK);
    assert_string_equal(buf.data, "abcde");
    assert_int_equal(ls_buf_addc(&buf, 'f'), LS_NO_SPACE);
}

static void it_grows_and_keeps_its_contents(void **state)
{
    (void)state;
    LS_AUTO(ls_buf) struct ls_buf buf = LS_BUF_INIT(LS_BUF_LINE);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(ls_buf_addf(&buf, "%d,", i), LS_OK);
    assert_memory_equal(buf.data, "0,1,2,3,", 8);
    assert_string_equal(buf.data + buf.len - 5, "4999,");
    ls_buf_truncate(&buf, 3);
    assert_string_equal(buf.data, "0,1");
    ls_buf_reset(&buf);
    assert_string_equal(buf.data, "");
}

static void every_byte_survives_url_encoding(void **state)
{
    (void)state;
    char all[255];
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    LS_AUTO(ls_buf) struct ls_buf enc = LS_BUF_INIT(4096);
    LS_AUTO(ls_buf) struct ls_buf dec = LS_BUF_INIT(4096);
    assert_int_equal(ls_buf_add_urlenc(&enc, all, sizeof all, false), LS_OK);
    assert_null(strpbrk(enc.data, " +/&=?#"));
    assert_int_equal(ls_buf_add_urldec(&dec, enc.data, enc.len, true), LS_OK);
    assert_int_equal(dec.len, sizeof all);
    assert_memory_equal(dec.data, all, sizeof all);
    ls_buf_reset(&enc);
    assert_int_equal(ls_buf_add_urlenc(&enc, "a/b c~", 6, true), LS_OK);
    assert_string_equal(enc.data, "a/b%20c~");
}

static void a_bad_escape_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"%", "%4", "a%zz", "%4x", "a%2"};
    LS_AUTO(ls_buf) struct ls_buf buf = LS_BUF_INIT(64);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ls_buf_add_urldec(&buf, bad[i], strlen(bad[i]), false), LS_INVALID);
    assert_int_equal(buf.len, 0);
    assert_int_equal(ls_buf_add_urldec(&buf, "a+b", 3, false), LS_OK);
    assert_string_equal(buf.data, "a+b");
}

static void json_strings_escape_what_they_must(void **state)
{
    (void)state;
    LS_AUTO(ls_buf) struct ls_buf buf = LS_BUF_INIT(256);
    assert_int_equal(ls_buf_add_json(&buf, "a\"\\\n\x01\xC3\xA4\xFF", 8), LS_OK);
    assert_string_equal(buf.data, "\"a\\\"\\\\\\n\\u0001\xC3\xA4\xEF\xBF\xBD\"");
}

static void utf8_is_checked_strictly(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\x9F\xBF"};
    static const char *const bad[] = {"\x80",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x80\x80",
                                      "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xC3",
                                      "\xE2\x82",     "\xF5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(ls_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ls_utf8_valid(bad[i], strlen(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_a_string),
        cmocka_unit_test(the_maximum_holds_and_a_failed_append_changes_nothing),
        cmocka_unit_test(it_grows_and_keeps_its_contents),
        cmocka_unit_test(every_byte_survives_url_encoding),
        cmocka_unit_test(a_bad_escape_is_refused),
        cmocka_unit_test(json_strings_escape_what_they_must),
        cmocka_unit_test(utf8_is_checked_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
