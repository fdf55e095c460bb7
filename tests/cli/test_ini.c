/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of config and credentials files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ini.h"

static char seen[4096];

static enum ls_rc collect(void *ctx, const struct ls_ini_line *line, struct ls_err *err)
{
    (void)ctx;
    (void)err;
    size_t at = strlen(seen);
    if (line->key)
        snprintf(seen + at, sizeof seen - at, "%u %s.%s=<%s>\n", line->line, line->section, line->key, line->value);
    else
        snprintf(seen + at, sizeof seen - at, "%u [%s]\n", line->line, line->section);
    return LS_OK;
}

static enum ls_rc parse(const char *text, struct ls_err *err)
{
    char *copy = strdup(text);
    seen[0] = '\0';
    enum ls_rc rc = ls_ini_parse("f.conf", copy, collect, NULL, err);
    free(copy);
    return rc;
}

static void sections_keys_comments_and_quotes_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(parse("\xEF\xBB\xBF# c\n"
                           "top = 1\n"
                           "[store]    url = s3://images   # or file:./bucket\r\n"
                           "           endpoint=http://h:9000 ; c\n"
                           "; c\n"
                           "a = x#y;z\n"
                           "b = \" #q; \"  # c\n"
                           "empty =\n"
                           "none = # c\n"
                           "[ last ]",
                           NULL),
                     LS_OK);
    assert_string_equal(seen, "2 .top=<1>\n"
                              "3 [store]\n"
                              "3 store.url=<s3://images>\n"
                              "4 store.endpoint=<http://h:9000>\n"
                              "6 store.a=<x#y;z>\n"
                              "7 store.b=< #q; >\n"
                              "8 store.empty=<>\n"
                              "9 store.none=<>\n"
                              "10 [last]\n");
}

static void a_long_line_is_taken_whole(void **state)
{
    (void)state;
    char text[2100] = "[a]\nk = ";
    size_t at = strlen(text);
    memset(text + at, 'x', 2000);
    text[at + 2000] = '\0';
    assert_int_equal(parse(text, NULL), LS_OK);
    assert_int_equal(strlen(seen), strlen("1 [a]\n2 a.k=<>\n") + 2000);
}

static void bad_lines_are_named_by_file_and_number(void **state)
{
    (void)state;
    static const char *const bad[] = {"\n[a\n",  "\n[]\n",         "\nnonsense\n",
                                      "\n= 1\n", "\nk = \"open\n", "\nk = \"a\" b\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ls_err err = LS_ERR_INIT;
        assert_int_equal(parse(bad[i], &err), LS_INVALID);
        assert_non_null(strstr(err.text, "f.conf:2: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_keys_comments_and_quotes_are_told_apart),
        cmocka_unit_test(a_long_line_is_taken_whole),
        cmocka_unit_test(bad_lines_are_named_by_file_and_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
