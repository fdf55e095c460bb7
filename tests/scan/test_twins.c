/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Case folding and the set of a folder's names. */
#include "scan/twins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool twins(const char *a, const char *b)
{
    char x[256], y[256];
    assert_int_equal(strlen(a), strlen(b));
    ls_twins_fold(a, strlen(a), x);
    ls_twins_fold(b, strlen(b), y);
    return memcmp(x, y, strlen(a)) == 0;
}

static void letters_fold_in_the_usual_scripts(void **state)
{
    (void)state;
    assert_true(twins("IMG.JPG", "img.jpg"));
    assert_true(twins("\xc3\x84\xc3\x96\xc3\x9e", "\xc3\xa4\xc3\xb6\xc3\xbe")); /* ÄÖÞ */
    assert_true(twins("\xc4\x8c\xc5\xa0\xc5\xbd", "\xc4\x8d\xc5\xa1\xc5\xbe")); /* ČŠŽ */
    assert_true(twins("\xce\xa9\xce\xa3", "\xcf\x89\xcf\x82"));                 /* ΩΣ, ως */
    assert_true(twins("\xd0\x96\xd0\x81", "\xd0\xb6\xd1\x91"));                 /* ЖЁ */
    assert_true(twins("\xc5\xb8", "\xc3\xbf"));                                 /* Ÿ */
    assert_false(twins("\xc3\x97", "\xc3\xb7"));                                /* × and ÷ */
    assert_false(twins("a", "b"));
    assert_false(twins("\xc4\xb0", "\xc4\xb1")); /* İ and ı */
}

static void bytes_that_are_no_utf_8_stay_and_keep_their_length(void **state)
{
    char out[8];
    (void)state;
    ls_twins_fold("\xffX\xc3", 3, out);
    assert_memory_equal(out, "\xffx\xc3", 3);
}

static struct ls_twin next(struct ls_twins *t, const char *key)
{
    struct ls_twin twin;
    assert_int_equal(ls_twins_next(t, key, true, &twin), LS_OK);
    return twin;
}

static void the_first_name_is_told_once(void **state)
{
    struct ls_twins t;
    (void)state;
    ls_twins_init(&t);
    assert_int_equal(next(&t, "f/A.JPG").group, 0);
    struct ls_twin second = next(&t, "f/A.jpg");
    assert_true(second.group != 0);
    assert_string_equal(second.first, "A.JPG");
    struct ls_twin third = next(&t, "f/a.jpg");
    assert_true(third.group == second.group);
    assert_null(third.first);
    assert_int_equal(next(&t, "g/a.jpg").group, 0);
    assert_int_equal(next(&t, "g/b.jpg").group, 0);
    assert_true(next(&t, "g/B.jpg").group != second.group);
    assert_int_equal(next(&t, "top").group, 0);
    assert_true(next(&t, "Top").group != 0);
    ls_twins_dispose(&t);
}

static void large_folders_stay_within_the_bound(void **state)
{
    struct ls_twins t;
    char key[64];
    (void)state;
    ls_twins_init(&t);
    for (int i = 0; i < LS_TWINS_MAX + 5000; i++) {
        snprintf(key, sizeof key, "f/x%06d.jpg", i);
        assert_int_equal(next(&t, key).group, 0);
    }
    assert_int_equal(t.n, LS_TWINS_MAX);
    assert_true(next(&t, "f/X000001.jpg").group != 0);
    assert_int_equal(next(&t, "g/a").group, 0);
    assert_int_equal(t.n, 1);
    ls_twins_dispose(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_fold_in_the_usual_scripts),
        cmocka_unit_test(bytes_that_are_no_utf_8_stay_and_keep_their_length),
        cmocka_unit_test(the_first_name_is_told_once),
        cmocka_unit_test(large_folders_stay_within_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
