/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is printed of a scan, in its three forms; the scan is a made-up one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/report.h"

/* ---- the scanner's place ---- */

static struct ls_finding findings[] = {
    {.kind = LS_FINDING_ORPHANED, .key = "loose.png", .product = "", .misplaced = true, .object_etag = "e0"},
    {.kind = LS_FINDING_SYNCED, .key = "products/p1/1kg/hero-card/a.png", .product = "p1"},
    {.kind = LS_FINDING_MISSING,
     .key = "products/p1/1kg/hero-card/b.png",
     .product = "p1",
     .moved = true,
     .partner = "products/p2/1kg/hero-card/b.png",
     .row_etag = "e1",
     .row_size = 7},
    {.kind = LS_FINDING_STALE,
     .key = "products/p1/1kg/hero-card/\n\x1b[31m\"<img>.png",
     .product = "p1",
     .row_etag = "e2",
     .object_etag = "e3",
     .detail = "etag e3 in the store, e2 recorded"},
    {.kind = LS_FINDING_ORPHANED,
     .key = "products/p2/1kg/hero-card/b.png",
     .product = "p2",
     .moved = true,
     .partner = "products/p1/1kg/hero-card/b.png",
     .object_etag = "e1",
     .object_size = 7},
    {.kind = LS_FINDING_SYNCED, .key = "products/p2/1kg/hero-card/B.PNG", .product = "p2", .twin = true},
    {.kind = LS_FINDING_PENDING, .key = "products/p2/1kg/hero-card/c.png", .product = "p2"},
};
enum { FINDINGS = sizeof findings / sizeof *findings };

static struct ls_scan_totals totals;
static unsigned many; /* this many synced findings of p1 besides */
static const char *error_text;

static void reset(void)
{
    totals = (struct ls_scan_totals){.products = 3,
                                     .images = FINDINGS,
                                     .moved = 1,
                                     .misplaced = 1,
                                     .twins = 1,
                                     .complete = true,
                                     .started_ns = 1,
                                     .ended_ns = 2};
    for (int i = 0; i < FINDINGS; i++)
        totals.by_kind[findings[i].kind]++;
    many = 0;
    error_text = NULL;
}

enum ls_rc ls_scan_run(struct ls_engine *engine, const struct ls_scan_opts *opts, struct ls_scan **out_scan,
                       struct ls_err *err)
{
    (void)engine;
    (void)opts;
    (void)out_scan;
    return ls_err_set(err, LS_IO, "not here");
}

void ls_scan_free(struct ls_scan *scan) { (void)scan; }

const struct ls_scan_totals *ls_scan_totals(const struct ls_scan *scan)
{
    (void)scan;
    return &totals;
}

enum ls_rc ls_scan_each(struct ls_scan *scan, const char *product,
                        enum ls_rc (*each)(void *ctx, const struct ls_finding *finding), void *ctx, struct ls_err *err)
{
    (void)scan;
    (void)err;
    enum ls_rc rc = LS_OK;
    for (int i = 0; !rc && i < FINDINGS; i++)
        if (!product || strcmp(product, findings[i].product) == 0)
            rc = each(ctx, &findings[i]);
    for (unsigned i = 0; !rc && i < many && product && strcmp(product, "p1") == 0; i++) {
        char key[64];
        snprintf(key, sizeof key, "products/p1/1kg/info-card/%09u.png", i);
        const struct ls_finding finding = {.kind = LS_FINDING_SYNCED, .key = key, .product = "p1"};
        rc = each(ctx, &finding);
    }
    return rc;
}

enum ls_rc ls_scan_each_product(struct ls_scan *scan, enum ls_rc (*each)(void *ctx, const char *product), void *ctx,
                                struct ls_err *err)
{
    static const char *const products[] = {"p1", "p2", "p3"};
    (void)scan;
    (void)err;
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; !rc && i < sizeof products / sizeof *products; i++)
        rc = each(ctx, products[i]);
    return rc;
}

enum ls_rc ls_scan_each_error(struct ls_scan *scan, enum ls_rc (*each)(void *ctx, const char *text), void *ctx,
                              struct ls_err *err)
{
    (void)scan;
    (void)err;
    return error_text ? each(ctx, error_text) : LS_OK;
}

const char *ls_finding_name(const struct ls_finding *finding)
{
    static const char *const names[] = {"synced", "orphaned", "missing", "stale", "misfiled", "pending"};
    if (finding->twin)
        return "twin";
    return finding->moved ? "moved" : finding->misplaced ? "misplaced" : names[finding->kind];
}

/* ---- running it ---- */

/* What is printed on standard output; the caller frees it. */
static char *printed(enum ls_report_form form, const char *const *products, const struct ls_sync_totals *mended)
{
    const struct ls_scan_args args = {.form = form, .products = products};
    int target = memfd_create("out", MFD_CLOEXEC), saved = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(target, STDOUT_FILENO);
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_report(NULL, &args, mended, &err);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    off_t len = lseek(target, 0, SEEK_END);
    char *text = calloc(1, (size_t)len + 1);
    assert_int_equal(pread(target, text, (size_t)len, 0), len);
    close(target);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, LS_OK);
    return text;
}

static json_t *parsed(enum ls_report_form form, const char *const *products, const struct ls_sync_totals *mended)
{
    char *text = printed(form, products, mended);
    json_error_t error;
    json_t *read = json_loads(text, 0, &error);
    if (!read)
        fail_msg("%s in: %s", error.text, text);
    free(text);
    return read;
}

static int number(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    assert_true(json_is_integer(value));
    return (int)json_integer_value(value);
}

static size_t count(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    assert_true(json_is_array(value));
    return json_array_size(value);
}

static void json_of_all_has_totals_and_an_entry_a_product(void **state)
{
    (void)state;
    reset();
    json_t *all = parsed(LS_REPORT_JSON, NULL, NULL);
    assert_int_equal(number(all, "totalProducts"), 3);
    assert_int_equal(number(all, "totalImages"), 7);
    assert_int_equal(number(all, "orphanedFiles"), 2);
    assert_int_equal(number(all, "missingFiles"), 1);
    assert_int_equal(number(all, "syncedFiles"), 2);
    assert_int_equal(number(all, "staleFiles"), 1);
    assert_int_equal(number(all, "misfiledFiles"), 0);
    assert_int_equal(number(all, "movedFiles"), 1);
    assert_int_equal(number(all, "misplacedFiles"), 1);
    assert_int_equal(number(all, "pendingFiles"), 1);
    assert_int_equal(number(all, "errors"), 0);
    assert_true(json_is_true(json_object_get(all, "complete")));
    json_t *results = json_object_get(all, "results");
    assert_int_equal(json_array_size(results), 3);
    json_t *p1 = json_array_get(results, 0), *p2 = json_array_get(results, 1), *p3 = json_array_get(results, 2);
    assert_string_equal(json_string_value(json_object_get(p1, "productId")), "p1");
    assert_int_equal(count(p1, "orphanedFiles"), 0);
    assert_int_equal(count(p1, "syncedFiles"), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(p1, "staleFiles"), 0)), findings[3].key);
    assert_string_equal(json_string_value(json_array_get(json_object_get(p2, "movedFiles"), 0)), findings[4].key);
    assert_int_equal(count(p3, "syncedFiles"), 0);
    assert_int_equal(count(json_object_get(all, "withoutProduct"), "misplacedFiles"), 1);
    json_decref(all);
}

static void json_of_one_product_is_its_lists(void **state)
{
    (void)state;
    static const char *const products[] = {"p2", NULL};
    const struct ls_sync_totals mended = {.done = {.relink = 1}, .remaining = 2};
    reset();
    error_text = "page 2 \"failed\"";
    json_t *one = parsed(LS_REPORT_JSON, products, &mended);
    assert_string_equal(json_string_value(json_object_get(one, "productId")), "p2");
    assert_int_equal(count(one, "orphanedFiles"), 1);
    assert_int_equal(count(one, "missingFiles"), 0);
    assert_int_equal(count(one, "pendingFiles"), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(one, "errors"), 0)), error_text);
    assert_int_equal(number(json_object_get(one, "mended"), "relinked"), 1);
    assert_int_equal(number(json_object_get(one, "mended"), "remaining"), 2);
    json_decref(one);
}

static void a_list_longer_than_the_buffer_comes_whole(void **state)
{
    (void)state;
    static const char *const products[] = {"p1", NULL};
    reset();
    many = 20000; /* 0.9 MB: the buffer spills more than once */
    json_t *one = parsed(LS_REPORT_JSON, products, NULL);
    json_t *synced = json_object_get(one, "syncedFiles");
    assert_int_equal(json_array_size(synced), 1 + many);
    assert_string_equal(json_string_value(json_array_get(synced, many)), "products/p1/1kg/info-card/000019999.png");
    for (unsigned i = 1; i <= many; i++)
        assert_true(
            strcmp(json_string_value(json_array_get(synced, i - 1)), json_string_value(json_array_get(synced, i))) < 0);
    json_decref(one);
    json_t *all = parsed(LS_REPORT_JSON, NULL, NULL); /* the spilled list is empty again for the next product */
    assert_int_equal(count(json_array_get(json_object_get(all, "results"), 2), "syncedFiles"), 0);
    json_decref(all);
}

static void ndjson_has_a_line_for_each_difference_and_the_totals(void **state)
{
    (void)state;
    reset();
    char *text = printed(LS_REPORT_NDJSON, NULL, NULL), *rest = text;
    int lines = 0;
    json_t *last = NULL;
    for (char *line; (line = strsep(&rest, "\n")) && *line; lines++) {
        json_decref(last);
        last = json_loads(line, 0, NULL);
        assert_non_null(last);
        if (lines == 1)
            assert_string_equal(json_string_value(json_object_get(last, "partner")), findings[2].partner);
    }
    assert_int_equal(lines, FINDINGS - 1 + 1);
    assert_string_equal(json_string_value(json_object_get(last, "kind")), "totals");
    assert_int_equal(number(last, "orphanedFiles"), 2);
    json_decref(last);
    free(text);
}

static void people_read_no_control_bytes(void **state)
{
    (void)state;
    reset();
    char *text = printed(LS_REPORT_PEOPLE, NULL, NULL);
    assert_null(strchr(text, '\x1b'));
    assert_non_null(strstr(text, "stale      products/p1/1kg/hero-card/\\x0a\\x1b[31m\"<img>.png  (etag e3"));
    assert_non_null(strstr(text, "moved      products/p2/1kg/hero-card/b.png <- products/p1/1kg/hero-card/b.png\n"));
    assert_non_null(
        strstr(text, "3 products, 7 images: 2 synced, 2 orphaned, 1 missing, 1 stale, 0 misfiled, 1 pending"));
    assert_non_null(strstr(text, "twin       products/p2/1kg/hero-card/B.PNG\n"));
    assert_non_null(strstr(text, " 1 twins "));
    assert_non_null(strstr(text, "not in step\n"));
    free(text);
}

static void the_exit_status_follows_from_the_totals(void **state)
{
    (void)state;
    reset();
    assert_int_equal(ls_report_status(&totals), 1);
    totals.complete = false;
    assert_int_equal(ls_report_status(&totals), 2);
    totals = (struct ls_scan_totals){.complete = true, .twins = 1};
    totals.by_kind[LS_FINDING_PENDING] = totals.by_kind[LS_FINDING_SYNCED] = 5;
    assert_int_equal(ls_report_status(&totals), 0);
    totals.errors = 1;
    assert_int_equal(ls_report_status(&totals), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_of_all_has_totals_and_an_entry_a_product),
        cmocka_unit_test(json_of_one_product_is_its_lists),
        cmocka_unit_test(a_list_longer_than_the_buffer_comes_whole),
        cmocka_unit_test(ndjson_has_a_line_for_each_difference_and_the_totals),
        cmocka_unit_test(people_read_no_control_bytes),
        cmocka_unit_test(the_exit_status_follows_from_the_totals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
