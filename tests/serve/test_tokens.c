/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file of tokens: what it keeps, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "serve/tokens.h"

static char folder[64], path[96];

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ls-tokens-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/tokens", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_file(const char *text, mode_t mode)
{
    assert_int_equal(ls_write_file(path, text, strlen(text), mode, true, NULL), LS_OK);
    assert_int_equal(chmod(path, mode), 0);
}

static void a_token_is_found_by_its_text_and_by_no_other(void **state)
{
    (void)state;
    char one[LS_TOKEN_TEXT_MAX], two[LS_TOKEN_TEXT_MAX];
    assert_int_equal(ls_tokens_add(path, "one", LS_ROLE_READ, one, NULL), LS_OK);
    assert_int_equal(ls_tokens_add(path, "two", LS_ROLE_ADMIN, two, NULL), LS_OK);
    assert_int_equal(strlen(one), 68);
    assert_string_not_equal(one, two);
    LS_AUTO(ls_tokens) struct ls_tokens tokens = {0};
    assert_int_equal(ls_tokens_read(path, &tokens, NULL), LS_OK);
    assert_int_equal(tokens.n, 2);
    const struct ls_token *found = ls_tokens_find(&tokens, two);
    assert_non_null(found);
    assert_string_equal(found->name, "two");
    assert_int_equal(found->role, LS_ROLE_ADMIN);
    assert_null(ls_tokens_find(&tokens, ""));
    one[67] ^= 1;
    assert_null(ls_tokens_find(&tokens, one));
}

static void the_file_is_private_and_keeps_no_token(void **state)
{
    (void)state;
    char text[LS_TOKEN_TEXT_MAX];
    struct stat st;
    LS_AUTO(ls_buf) struct ls_buf file = LS_BUF_INIT(LS_BUF_BODY);
    assert_int_equal(ls_tokens_add(path, "one", LS_ROLE_READ, text, NULL), LS_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(ls_read_file(path, &file, NULL), LS_OK);
    assert_null(strstr(file.data, text + 4));
    assert_non_null(strstr(file.data, "one read "));
}

static void a_name_is_taken_once_and_can_be_revoked(void **state)
{
    (void)state;
    char text[LS_TOKEN_TEXT_MAX];
    assert_int_equal(ls_tokens_add(path, "one", LS_ROLE_READ, text, NULL), LS_OK);
    assert_int_equal(ls_tokens_add(path, "one", LS_ROLE_ADMIN, text, NULL), LS_EXISTS);
    assert_int_equal(ls_tokens_revoke(path, "two", NULL), LS_NOT_FOUND);
    assert_int_equal(ls_tokens_revoke(path, "one", NULL), LS_OK);
    LS_AUTO(ls_tokens) struct ls_tokens tokens = {0};
    assert_int_equal(ls_tokens_read(path, &tokens, NULL), LS_OK);
    assert_int_equal(tokens.n, 0);
}

static void names_that_would_break_the_file_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"", "a b", "a\nb admin", "#x", "a/b", "\xc3\xa4"};
    char text[LS_TOKEN_TEXT_MAX], longest[LS_TOKEN_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(ls_tokens_add(path, names[i], LS_ROLE_READ, text, NULL), LS_INVALID);
    memset(longest, 'x', LS_TOKEN_NAME_MAX);
    longest[LS_TOKEN_NAME_MAX] = '\0';
    assert_int_equal(ls_tokens_add(path, longest, LS_ROLE_READ, text, NULL), LS_INVALID);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(ls_tokens_add(path, longest + 1, LS_ROLE_READ, text, NULL), LS_OK);
}

static void a_bad_line_is_named(void **state)
{
    (void)state;
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    static const char *const lines[] = {"one",
                                        "one read " HASH,
                                        "one king " HASH " 2026-01-02T03:04:05Z",
                                        "one read 0123 2026-01-02T03:04:05Z",
                                        "one read " HASH " yesterday",
                                        "one read " HASH " 2026-01-02T03:04:05Z more",
                                        "one  read " HASH " 2026-01-02T03:04:05Z"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        LS_AUTO(ls_tokens) struct ls_tokens tokens = {0};
        struct ls_err err = LS_ERR_INIT;
        LS_AUTO(ls_free) char *text = ls_strf("# a comment\n\n%s\n", lines[i]);
        write_file(text, 0600);
        assert_int_equal(ls_tokens_read(path, &tokens, &err), LS_INVALID);
        assert_non_null(strstr(err.text, "tokens:3:"));
    }
    LS_AUTO(ls_tokens) struct ls_tokens tokens = {0};
    write_file("one read " HASH " 2026-01-02T03:04:05Z\n", 0600);
    assert_int_equal(ls_tokens_read(path, &tokens, NULL), LS_OK);
    assert_int_equal(tokens.n, 1);
}

static void a_file_that_everybody_may_write_is_not_believed(void **state)
{
    (void)state;
    LS_AUTO(ls_tokens) struct ls_tokens tokens = {0};
    assert_int_equal(ls_tokens_read(path, &tokens, NULL), LS_NOT_FOUND);
    write_file("one read " HASH " 2026-01-02T03:04:05Z\n", 0666);
    assert_int_equal(ls_tokens_read(path, &tokens, NULL), LS_DENIED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_is_found_by_its_text_and_by_no_other),
        TEST(the_file_is_private_and_keeps_no_token),
        TEST(a_name_is_taken_once_and_can_be_revoked),
        TEST(names_that_would_break_the_file_are_refused),
        TEST(a_bad_line_is_named),
        TEST(a_file_that_everybody_may_write_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
