/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Durations and date forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static void durations_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0},        {"500ms", 500},    {"30s", 30000}, {"15m", 900000},
                {"2h", 7200000}, {"7d", 604800000}, {"12", 12000}};
    static const char *const bad[] = {"", "s", "-1s", "1.5s", "1 s", "1w", "99999999999999999999", "9999999999d", "1S"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = -1;
        assert_int_equal(ls_duration_parse(good[i].text, &ms, NULL), LS_OK);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms;
        struct ls_err err = LS_ERR_INIT;
        assert_int_equal(ls_duration_parse(bad[i], &ms, &err), LS_INVALID);
        assert_string_not_equal(err.text, "");
    }
}

static void iso_and_amz_forms_are_utc(void **state)
{
    (void)state;
    char text[LS_TIME_LEN];
    ls_time_iso(INT64_C(1767323045678000000), text);
    assert_string_equal(text, "2026-01-02T03:04:05.678Z");
    ls_time_amz(INT64_C(1767323045678000000), text);
    assert_string_equal(text, "20260102T030405Z");
    ls_time_iso(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void calendar_agrees_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t s = -4000000000; s < 16000000000; s += 12345677) {
        time_t t = (time_t)s;
        struct tm tm;
        char want[LS_TIME_LEN], have[LS_TIME_LEN];
        gmtime_r(&t, &tm);
        /* int64 nanoseconds end in 2262 */
        if (s > INT64_MAX / LS_NS_PER_S)
            break;
        strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        ls_time_iso(s * LS_NS_PER_S, have);
        assert_string_equal(have, want);
        int64_t back;
        assert_int_equal(ls_time_parse_iso(have, &back), LS_OK);
        assert_int_equal(back, s * LS_NS_PER_S);
        strftime(want, sizeof want, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_int_equal(ls_time_parse_http(want, &back), LS_OK);
        assert_int_equal(back, s * LS_NS_PER_S);
    }
}

static void zones_and_fractions_are_understood(void **state)
{
    (void)state;
    int64_t ns;
    assert_int_equal(ls_time_parse_iso("2026-01-02T04:04:05.678901234+01:00", &ns), LS_OK);
    assert_int_equal(ns, INT64_C(1767323045678901234));
    assert_int_equal(ls_time_parse_iso("2026-01-02 03:04:05", &ns), LS_OK);
    assert_int_equal(ns, INT64_C(1767323045000000000));
    assert_int_equal(ls_time_parse_iso("2026-01-01T22:04:05-0500", &ns), LS_OK);
    assert_int_equal(ns, INT64_C(1767323045000000000));
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01T00:00:00Z",
                                      "2025-02-29T00:00:00Z",
                                      "2026-01-02T24:00:00Z",
                                      "2026-01-02T00:00:00.Z",
                                      "2026-01-02T00:00:00Zx",
                                      "2026-01-02T00:00:00+25:00",
                                      "9999-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ls_time_parse_iso(bad[i], &ns), LS_INVALID);
    assert_int_equal(ls_time_parse_http("Fri, 02 Jan 2026 03:04:05 GMT", &ns), LS_OK);
    assert_int_equal(ls_time_parse_http("Fri, 02 Foo 2026 03:04:05 GMT", &ns), LS_INVALID);
    assert_int_equal(ls_time_parse_http("Friday, 02-Jan-26 03:04:05 GMT", &ns), LS_INVALID);
    assert_int_equal(ls_time_parse_http("", &ns), LS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(iso_and_amz_forms_are_utc),
        cmocka_unit_test(calendar_agrees_with_the_c_library),
        cmocka_unit_test(zones_and_fractions_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
