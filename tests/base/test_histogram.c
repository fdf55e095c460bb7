/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Durations by size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"

static void a_duration_on_a_bound_counts_below_it(void **state)
{
    (void)state;
    struct ls_histogram h = {0};
    ls_histogram_add(&h, 0);
    ls_histogram_add(&h, 5000);
    ls_histogram_add(&h, 5001);
    ls_histogram_add(&h, INT64_C(60000) * 1000);
    ls_histogram_add(&h, INT64_C(60000) * 1000 + 1);
    assert_int_equal(h.buckets[0], 2);
    assert_int_equal(h.buckets[1], 1);
    assert_int_equal(h.buckets[LS_HISTOGRAM_BUCKETS - 2], 1);
    assert_int_equal(h.buckets[LS_HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(h.total_us, 120010002);
}

static void a_clock_that_was_set_back_counts_as_no_time(void **state)
{
    (void)state;
    struct ls_histogram h = {0};
    ls_histogram_add(&h, -5);
    assert_int_equal(h.buckets[0], 1);
    assert_int_equal(h.total_us, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_on_a_bound_counts_below_it),
        cmocka_unit_test(a_clock_that_was_set_back_counts_as_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
