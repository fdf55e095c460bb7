/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Structured log lines: an event name and key=value fields on standard error.
 *
 * `LS_LOG_WARN("store", "retry", {"key", ls_v_str(key)}, {"attempt", ls_v_int(3)});`
 * prints `warning store event=retry key=products/p1/… attempt=3`. Values with spaces, quotes or control bytes are
 * quoted and escaped, so that a file name can never forge a line. Under systemd ($JOURNAL_STREAM names our stderr)
 * lines carry the <N> priority prefix. Thread-safe: a line is one write(2). Never log secrets or signatures.
 */
#ifndef LOCKSTEP_BASE_LOG_H
#define LOCKSTEP_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "lockstep/err.h"

enum ls_log_level { LS_LOG_ERROR_LEVEL = 3, LS_LOG_WARN_LEVEL = 4, LS_LOG_INFO_LEVEL = 6, LS_LOG_DEBUG_LEVEL = 7 };

struct ls_log_value {
    enum { LS_V_STR, LS_V_INT, LS_V_UINT } kind;
    union {
        const char *str; /* NULL prints as "-" */
        int64_t i;
        uint64_t u;
    } as;
};

static inline struct ls_log_value ls_v_str(const char *s)
{
    struct ls_log_value v = {.kind = LS_V_STR, .as.str = s};
    return v;
}
static inline struct ls_log_value ls_v_int(int64_t i)
{
    struct ls_log_value v = {.kind = LS_V_INT, .as.i = i};
    return v;
}
static inline struct ls_log_value ls_v_uint(uint64_t u)
{
    struct ls_log_value v = {.kind = LS_V_UINT, .as.u = u};
    return v;
}

struct ls_log_field {
    const char *name;
    struct ls_log_value value;
};

/* Print the line when the level is on for the layer. fields ends with a NULL name. */
void ls_log_write(enum ls_log_level level, const char *layer, const char *event, const struct ls_log_field *fields);

/* Warnings and errors are always on, info by default; debug for the layers named in `spec` ("store,engine"; "all" or
 * NULL for every layer). LS_INVALID names the unknown layer. Call before threads start. */
enum ls_rc ls_log_verbose(const char *spec, struct ls_err *err) LS_MUST_CHECK;
/* Turn info lines off (for commands whose output cron mails) or on. */
void ls_log_quiet(bool quiet);
/* Is debug on for this layer? For callers that would do work only to log it. */
bool ls_log_debug_on(const char *layer);

/* The fields are {"name", ls_v_…(value)} pairs. */
#define LS_LOG(level, layer, event, ...)                                                                               \
    ls_log_write(level, layer, event, (const struct ls_log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define LS_LOG_ERROR(layer, event, ...) LS_LOG(LS_LOG_ERROR_LEVEL, layer, event __VA_OPT__(, ) __VA_ARGS__)
#define LS_LOG_WARN(layer, event, ...) LS_LOG(LS_LOG_WARN_LEVEL, layer, event __VA_OPT__(, ) __VA_ARGS__)
#define LS_LOG_INFO(layer, event, ...) LS_LOG(LS_LOG_INFO_LEVEL, layer, event __VA_OPT__(, ) __VA_ARGS__)
#define LS_LOG_DEBUG(layer, event, ...)                                                                                \
    do {                                                                                                               \
        if (ls_log_debug_on(layer))                                                                                    \
            LS_LOG(LS_LOG_DEBUG_LEVEL, layer, event __VA_OPT__(, ) __VA_ARGS__);                                       \
    } while (0)

#endif
