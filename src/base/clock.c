/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Time stamps and their text forms. Calendar arithmetic is done here rather than with the C library, so that neither
 * locale nor TZ matters (days from the civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
 */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t ls_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * LS_NS_PER_S + ts.tv_nsec;
}

int64_t ls_monotonic_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / LS_NS_PER_MS;
}

void ls_sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return;
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * (long)LS_NS_PER_MS};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
        ;
}

enum ls_rc ls_duration_parse(const char *text, int64_t *out_ms, struct ls_err *err)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t n = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
            return ls_err_set(err, LS_INVALID, "'%s' is too long a time", text);
    if (at == text)
        return ls_err_set(err, LS_INVALID, "'%s' is no time: want a number with ms, s, m, h or d", text);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(at, units[i].unit) != 0)
            continue;
        /* Nanoseconds must not overflow either. */
        if (__builtin_mul_overflow(n, units[i].ms, &n) || n > INT64_MAX / LS_NS_PER_MS)
            return ls_err_set(err, LS_INVALID, "'%s' is too long a time", text);
        *out_ms = n;
        return LS_OK;
    }
    return ls_err_set(err, LS_INVALID, "'%s' is no time: '%s' is no unit (want ms, s, m, h or d)", text, at);
}

struct civil {
    int64_t year;
    int month, day, hour, minute, second;
};

static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static struct civil civil_from_seconds(int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    struct civil c = {.day = (int)(doy - (153 * mp + 2) / 5 + 1), .month = (int)(mp < 10 ? mp + 3 : mp - 9)};
    c.year = yoe + era * 400 + (c.month <= 2);
    c.hour = (int)(rest / 3600);
    c.minute = (int)(rest % 3600 / 60);
    c.second = (int)(rest % 60);
    return c;
}

/* Seconds and the nanoseconds after them, rounded down. */
static int64_t split_ns(int64_t ns, int64_t *out_rest)
{
    int64_t s = ns / LS_NS_PER_S;
    *out_rest = ns % LS_NS_PER_S;
    if (*out_rest < 0) {
        *out_rest += LS_NS_PER_S;
        s--;
    }
    return s;
}

void ls_time_iso(int64_t ns, char out[LS_TIME_LEN])
{
    int64_t rest;
    struct civil c = civil_from_seconds(split_ns(ns, &rest));
    snprintf(out, LS_TIME_LEN, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)c.year, c.month, c.day, c.hour, c.minute,
             c.second, (int)(rest / LS_NS_PER_MS));
}

void ls_time_amz(int64_t ns, char out[LS_TIME_LEN])
{
    int64_t rest;
    struct civil c = civil_from_seconds(split_ns(ns, &rest));
    snprintf(out, LS_TIME_LEN, "%04d%02d%02dT%02d%02d%02dZ", (int)c.year, c.month, c.day, c.hour, c.minute, c.second);
}

/* Exactly `width` digits; moves *at past them, false when there are fewer. */
static bool take_digits(const char **at, int width, int *out)
{
    int n = 0;
    for (int i = 0; i < width; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        n = n * 10 + (**at - '0');
    }
    *out = n;
    return true;
}

static bool take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static bool take_clock(const char **at, struct civil *c)
{
    return take_digits(at, 2, &c->hour) && take_char(at, ':') && take_digits(at, 2, &c->minute) && take_char(at, ':') &&
           take_digits(at, 2, &c->second);
}

static bool civil_to_ns(const struct civil *c, int64_t nanos, int64_t *out_ns)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->month < 1 || c->month > 12 || c->day < 1 || c->hour > 23 || c->minute > 59 || c->second > 60)
        return false;
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    if (c->day > month_days[c->month - 1] + (leap && c->month == 2))
        return false;
    int64_t s = days_from_civil(c->year, c->month, c->day) * 86400 + (int64_t)c->hour * 3600 + (int64_t)c->minute * 60 +
                c->second;
    return !__builtin_mul_overflow(s, LS_NS_PER_S, out_ns) && !__builtin_add_overflow(*out_ns, nanos, out_ns);
}

/* "Z", "+hh:mm", "+hhmm", "+hh" or nothing (the SQL form, UTC), up to the end of the text. */
static bool take_zone(const char *at, int *out_minutes)
{
    *out_minutes = 0;
    if (*at == '\0' || strcmp(at, "Z") == 0)
        return true;
    int sign = *at == '+' ? 1 : *at == '-' ? -1 : 0;
    int hours, minutes = 0;
    if (!sign)
        return false;
    at++;
    if (!take_digits(&at, 2, &hours))
        return false;
    if (*at) {
        take_char(&at, ':');
        if (!take_digits(&at, 2, &minutes))
            return false;
    }
    *out_minutes = sign * (hours * 60 + minutes);
    return *at == '\0' && hours < 24 && minutes < 60;
}

enum ls_rc ls_time_parse_iso(const char *text, int64_t *out_ns)
{
    struct civil c = {0};
    const char *at = text;
    int year;
    if (!take_digits(&at, 4, &year) || !take_char(&at, '-') || !take_digits(&at, 2, &c.month) || !take_char(&at, '-') ||
        !take_digits(&at, 2, &c.day) || !(take_char(&at, 'T') || take_char(&at, ' ')) || !take_clock(&at, &c))
        return LS_INVALID;
    c.year = year;
    int64_t nanos = 0;
    if (take_char(&at, '.')) {
        if (*at < '0' || *at > '9')
            return LS_INVALID;
        for (int64_t unit = LS_NS_PER_S / 10; *at >= '0' && *at <= '9'; at++, unit /= 10)
            nanos += unit * (*at - '0');
    }
    int zone_minutes;
    int64_t ns;
    if (!take_zone(at, &zone_minutes) || !civil_to_ns(&c, nanos, &ns))
        return LS_INVALID;
    if (__builtin_sub_overflow(ns, INT64_C(60) * zone_minutes * LS_NS_PER_S, &ns))
        return LS_INVALID;
    *out_ns = ns;
    return LS_OK;
}

enum ls_rc ls_time_parse_http(const char *text, int64_t *out_ns)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = {0};
    int year;
    const char *at = strchr(text, ',');
    if (!at || at - text != 3)
        return LS_INVALID;
    at++;
    if (!take_char(&at, ' ') || !take_digits(&at, 2, &c.day) || !take_char(&at, ' '))
        return LS_INVALID;
    for (int m = 0; m < 12; m++)
        if (strncmp(at, months + (size_t)m * 3, 3) == 0)
            c.month = m + 1;
    if (!c.month)
        return LS_INVALID;
    at += 3;
    if (!take_char(&at, ' ') || !take_digits(&at, 4, &year) || !take_char(&at, ' ') || !take_clock(&at, &c) ||
        strcmp(at, " GMT") != 0)
        return LS_INVALID;
    c.year = year;
    return civil_to_ns(&c, 0, out_ns) ? LS_OK : LS_INVALID;
}
