/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The errnos of the code and of lockstep-mount(1) are the same, compared both ways. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mount/errno.h"

#define PAGE "doc/man/lockstep-mount.1"

/* Names have the same number here and there. */
static const struct {
    const char *name;
    int value;
} errnos[] = {{"EACCES", EACCES},
              {"EBUSY", EBUSY},
              {"EEXIST", EEXIST},
              {"EINVAL", EINVAL},
              {"EIO", EIO},
              {"ENODATA", ENODATA},
              {"ENOENT", ENOENT},
              {"ENOMEM", ENOMEM},
              {"ENOSPC", ENOSPC},
              {"ENOTSUP", ENOTSUP},
              {"EPERM", EPERM},
              {"EROFS", EROFS},
              {"ENOTEMPTY", ENOTEMPTY},
              {"EOPNOTSUPP", ENOTSUP},
              {"ENAMETOOLONG", ENAMETOOLONG}};

static int value_of(const char *name)
{
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
        if (strcmp(errnos[i].name, name) == 0)
            return errnos[i].value;
    fail_msg(PAGE " has an errno that the test does not know: %s", name);
    return 0;
}

static int class_of(const char *name)
{
    for (int rc = LS_OK + 1; rc < LS_RC_COUNT; rc++)
        if (strcmp(ls_rc_name((enum ls_rc)rc), name) == 0)
            return rc;
    return -1;
}

static const struct {
    const char *name;
    enum ls_key_class key_class;
} names[] = {{"outside", LS_KEY_OUTSIDE}, {"depth", LS_KEY_DEPTH},  {"type", LS_KEY_UNKNOWN_TYPE},
             {"dot", LS_KEY_DOT},         {"empty", LS_KEY_EMPTY},  {"control", LS_KEY_CONTROL},
             {"utf-8", LS_KEY_UTF8},      {"too-long", LS_KEY_LONG}};

enum { N_NAMES = sizeof names / sizeof *names };

static char *read_page(void)
{
    char path[4096];
    const char *dirs[] = {getenv("srcdir"), ".", "..", "../.."};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        if (!dirs[i])
            continue;
        snprintf(path, sizeof path, "%s/" PAGE, dirs[i]);
        FILE *page = fopen(path, "re");
        if (!page)
            continue;
        char *text = calloc(1, 1 << 20);
        assert_non_null(text);
        size_t n = fread(text, 1, (1 << 20) - 1, page);
        fclose(page);
        assert_true(n > 0);
        return text;
    }
    fail_msg("cannot read " PAGE);
    return NULL;
}

/* Take a line ".It Cm CLASS Ta Er X Ta Er Y …" apart. The number of errnos; 0: it is another line. */
static int split(char *line, const char **out_class, const char *out_errnos[LS_CALL_COUNT])
{
    int n = 0;
    char *save, *word = strtok_r(line, " ", &save);
    if (!word || strcmp(word, ".It") != 0 || !(word = strtok_r(NULL, " ", &save)) || strcmp(word, "Cm") != 0)
        return 0;
    *out_class = strtok_r(NULL, " ", &save);
    while ((word = strtok_r(NULL, " ", &save)) && strcmp(word, "Ta") == 0) {
        word = strtok_r(NULL, " ", &save);
        if (!word || strcmp(word, "Er") != 0)
            break; /* a text */
        word = strtok_r(NULL, " ", &save);
        assert_true(word && n < LS_CALL_COUNT);
        out_errnos[n++] = word;
    }
    return n;
}

/* Call `row` for each line of the table that follows the heading. */
static void each_row(const char *heading, void (*row)(const char *name, const char **cells, int n, void *ctx),
                     void *ctx)
{
    char *page = read_page(), *at = strstr(page, heading);
    assert_non_null(at);
    at = strstr(at, "\n.Bl -column");
    assert_non_null(at);
    char *end = strstr(at, "\n.El"), *save = NULL;
    assert_non_null(end);
    *end = '\0';
    for (char *line = strtok_r(at, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *name, *cells[LS_CALL_COUNT];
        int n = split(line, &name, cells);
        if (n > 0)
            row(name, cells, n, ctx);
    }
    free(page);
}

static void check_class(const char *name, const char **cells, int n, void *ctx)
{
    int rc = class_of(name), *seen = ctx;
    if (rc < 0)
        fail_msg(PAGE " has a class that the code does not have: %s", name);
    if (n != LS_CALL_COUNT)
        fail_msg(PAGE ": %s has %d columns", name, n);
    if (seen[rc]++)
        fail_msg(PAGE " has %s twice", name);
    for (int call = 0; call < LS_CALL_COUNT; call++)
        if (value_of(cells[call]) != ls_mount_errno((enum ls_mount_call)call, (enum ls_rc)rc))
            fail_msg(PAGE ": %s, column %d: %s, but the code answers %s", name, call + 1, cells[call],
                     strerror(ls_mount_errno((enum ls_mount_call)call, (enum ls_rc)rc)));
}

static void the_page_and_the_table_agree_on_every_class_at_every_call(void **state)
{
    (void)state;
    int seen[LS_RC_COUNT] = {0};
    each_row("\n.Ss Errors by class and call", check_class, seen);
    for (int rc = LS_OK + 1; rc < LS_RC_COUNT; rc++)
        if (!seen[rc])
            fail_msg(PAGE " lacks %s", ls_rc_name((enum ls_rc)rc));
}

static void check_name(const char *name, const char **cells, int n, void *ctx)
{
    int *seen = ctx;
    assert_int_equal(n, 1);
    for (size_t i = 0; i < N_NAMES; i++) {
        if (strcmp(names[i].name, name) != 0)
            continue;
        seen[i]++;
        if (value_of(cells[0]) != ls_mount_name_errno(names[i].key_class))
            fail_msg(PAGE ": %s is %s, but the code answers %s", name, cells[0],
                     strerror(ls_mount_name_errno(names[i].key_class)));
        return;
    }
    fail_msg(PAGE " has a kind of name that the code does not have: %s", name);
}

static void the_page_and_the_code_agree_on_names_that_the_layout_forbids(void **state)
{
    (void)state;
    int seen[N_NAMES] = {0};
    each_row("\n.Ss Names that the layout forbids", check_name, seen);
    for (size_t i = 0; i < N_NAMES; i++)
        if (seen[i] != 1)
            fail_msg(PAGE " has %s %d times", names[i].name, seen[i]);
}

static void success_is_no_errno_and_no_class_lacks_one(void **state)
{
    (void)state;
    for (int call = 0; call < LS_CALL_COUNT; call++) {
        assert_int_equal(ls_mount_errno((enum ls_mount_call)call, LS_OK), 0);
        for (int rc = LS_OK + 1; rc < LS_RC_COUNT; rc++) {
            assert_true(ls_mount_errno((enum ls_mount_call)call, (enum ls_rc)rc) > 0);
            /* The kernel would repeat the call by itself. */
            assert_int_not_equal(ls_mount_errno((enum ls_mount_call)call, (enum ls_rc)rc), ESTALE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_and_the_table_agree_on_every_class_at_every_call),
        cmocka_unit_test(the_page_and_the_code_agree_on_names_that_the_layout_forbids),
        cmocka_unit_test(success_is_no_errno_and_no_class_lacks_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
