/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What becomes of a row that was changed more than once, and where its object lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "settle/fold.h"

#define OURS "01J00000000000000000000000"

struct change {
    const char *kind, *action, *key, *new_key, *etag;
    bool own;
};

static void fold(struct ls_fold *out, const struct change *changes, size_t n)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        struct ls_change change = {.key = changes[i].key, .new_key = changes[i].new_key, .etag = changes[i].etag};
        bool foreign;
        snprintf(change.kind, sizeof change.kind, "%s", changes[i].kind);
        snprintf(change.action, sizeof change.action, "%s", changes[i].action);
        snprintf(change.writer, sizeof change.writer, "%s", changes[i].own ? OURS : "");
        assert_int_equal(ls_fold_add(out, &change, &foreign, NULL), LS_OK);
        assert_int_equal(foreign, !changes[i].own);
    }
}

/* Each row as "object>now" ("object!etag" deleted), in order; folders in brackets. */
static const char *text_of(const struct ls_fold *f)
{
    static char text[512];
    size_t n = 0;
    text[0] = '\0';
    for (const struct ls_fold_image *i = f->images; i; i = i->next)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s%s%s%s", n ? " " : "", i->object, i->now ? ">" : "!",
                              i->now    ? i->now
                              : i->etag ? i->etag
                                        : "",
                              i->inserted ? "+" : "");
    for (const struct ls_fold_folder *d = f->folders; d; d = d->next)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s[%s>%s]", n ? " " : "", d->folder, d->now ? d->now : "");
    return text;
}

#define INSERT(k)                                                                                                      \
    {                                                                                                                  \
        "image", "insert", k, k, NULL, false                                                                           \
    }
#define UPDATE(a, b)                                                                                                   \
    {                                                                                                                  \
        "image", "update", a, b, "e", false                                                                            \
    }
#define DELETE(k)                                                                                                      \
    {                                                                                                                  \
        "image", "delete", k, NULL, "e", false                                                                         \
    }
#define DELETE_UNKNOWN(k)                                                                                              \
    {                                                                                                                  \
        "image", "delete", k, NULL, NULL, false                                                                        \
    }
#define OWN(action, a, b)                                                                                              \
    {                                                                                                                  \
        "image", action, a, b, NULL, true                                                                              \
    }
#define WEIGHT(a, b)                                                                                                   \
    {                                                                                                                  \
        "variant", "update", a, b, NULL, false                                                                         \
    }
#define expect(expected, ...)                                                                                          \
    do {                                                                                                               \
        const struct change changes_[] = {__VA_ARGS__};                                                                \
        struct ls_fold fold_;                                                                                          \
        fold(&fold_, changes_, sizeof changes_ / sizeof changes_[0]);                                                  \
        assert_string_equal(text_of(&fold_), expected);                                                                \
        ls_fold_dispose(&fold_);                                                                                       \
        assert_true(ls_fold_empty(&fold_));                                                                            \
    } while (0)

static void several_changes_of_a_row_are_one(void **state)
{
    (void)state;
    expect("a>a+", INSERT("a"));
    expect("", INSERT("a"), DELETE_UNKNOWN("a"));
    expect("a!e", DELETE("a"));
    expect("a!", DELETE_UNKNOWN("a"));
    expect("a>c", UPDATE("a", "b"), UPDATE("b", "c"));
    expect("a>a", UPDATE("a", "b"), UPDATE("b", "a"));
    expect("a!e", UPDATE("a", "b"), DELETE("b"));
    expect("a>b+", INSERT("a"), UPDATE("a", "b"));
    expect("a!e a>a+", DELETE("a"), INSERT("a"));
    expect("", UPDATE("a", "a"));
    expect("b>c a>b", UPDATE("b", "c"), UPDATE("a", "b"), UPDATE("x", "x"), UPDATE("c", "c"), UPDATE("b", "b"));
}

static void our_own_changes_carry_the_object_along(void **state)
{
    (void)state;
    expect("", OWN("insert", "a", "a"), OWN("update", "a", "b"), OWN("delete", "b", NULL));
    expect("a>c", UPDATE("a", "b"), OWN("update", "b", "c")); /* the object was not at b */
    expect("b>c", OWN("update", "a", "b"), UPDATE("b", "c"));
    expect("b>b+", INSERT("a"), OWN("update", "a", "b"));
    expect("", INSERT("a"), OWN("delete", "a", NULL));
    expect("a!", UPDATE("a", "b"), OWN("delete", "b", NULL)); /* it cannot have removed what lies at a */
    expect("a!e", OWN("insert", "a", "a"), DELETE("a"));
    expect("a!e+", INSERT("a"), OWN("update", "a", "a"), DELETE("a")); /* it was recorded meanwhile */
}

static void variants_fold_by_their_names(void **state)
{
    (void)state;
    expect("[p/1>p/3]", WEIGHT("p/1", "p/2"), WEIGHT("p/2", "p/3"));
    expect("[p/1>p/2] [p/2>p/1]", WEIGHT("p/1", "p/x"), WEIGHT("p/2", "p/1"), WEIGHT("p/x", "p/2"));
    expect("[p/1>]", WEIGHT("p/1", "p/2"), {"variant", "delete", "p/2", NULL, NULL, false});
    expect("[p/2>p/3]", {"variant", "update", "p/1", "p/2", NULL, true}, WEIGHT("p/2", "p/3"));
    expect("[p/1>p/3]", WEIGHT("p/1", "p/2"), {"variant", "update", "p/2", "p/3", NULL, true});
    expect("", WEIGHT("p/1", "p/2"), {"variant", "delete", "p/2", NULL, NULL, true});
    expect("[p>q] [p/1>q/1]", {"product", "update", "p", "q", NULL, false}, WEIGHT("p/1", "q/1"));
    expect("", {"folder", "insert", "x", "x", NULL, false}, WEIGHT("p/1", "p/1"));
}

static void objects_are_found_where_they_lie(void **state)
{
    (void)state;
    const struct change changes[] = {UPDATE("a", "b"), DELETE("c"), INSERT("d")};
    struct ls_fold f;
    fold(&f, changes, 3);
    assert_string_equal(ls_fold_astray(&f, "a")->now, "b");
    assert_null(ls_fold_astray(&f, "b"));
    assert_null(ls_fold_astray(&f, "d"));
    assert_string_equal(ls_fold_dead(&f, "c")->etag, "e");
    assert_null(ls_fold_dead(&f, "a"));
    ls_fold_dispose(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_changes_of_a_row_are_one),
        cmocka_unit_test(our_own_changes_carry_the_object_along),
        cmocka_unit_test(variants_fold_by_their_names),
        cmocka_unit_test(objects_are_found_where_they_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
