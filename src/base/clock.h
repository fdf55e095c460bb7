/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Time: now, durations, and the date forms that S3, HTTP and SQL use. All stamps are nanoseconds since 1970 UTC.
 */
#ifndef LOCKSTEP_BASE_CLOCK_H
#define LOCKSTEP_BASE_CLOCK_H

#include <stdint.h>

#include "lockstep/err.h"

#define LS_NS_PER_S INT64_C(1000000000)
#define LS_NS_PER_MS INT64_C(1000000)

int64_t ls_now_ns(void);       /* CLOCK_REALTIME */
int64_t ls_monotonic_ms(void); /* CLOCK_MONOTONIC */

/* "500ms", "30s", "15m", "2h", "7d", or a bare number of seconds. LS_INVALID with what was wrong. */
enum ls_rc ls_duration_parse(const char *text, int64_t *out_ms, struct ls_err *err) LS_MUST_CHECK;

#define LS_TIME_LEN 40
/* "2026-01-02T03:04:05.678Z" (milliseconds). */
void ls_time_iso(int64_t ns, char out[LS_TIME_LEN]);
/* "20260102T030405Z", as SigV4 wants it. */
void ls_time_amz(int64_t ns, char out[LS_TIME_LEN]);
/* Parse "2026-01-02T03:04:05[.fraction](Z|+hh:mm)" and the SQL form with a space; LS_INVALID otherwise. */
enum ls_rc ls_time_parse_iso(const char *text, int64_t *out_ns) LS_MUST_CHECK;
/* Parse the HTTP date "Fri, 02 Jan 2026 03:04:05 GMT" (RFC 9110 IMF-fixdate). */
enum ls_rc ls_time_parse_http(const char *text, int64_t *out_ns) LS_MUST_CHECK;

/* Sleep, interruptible by nothing; for back-off only. */
void ls_sleep_ms(int64_t ms);

#endif
