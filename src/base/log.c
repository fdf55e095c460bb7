/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Log lines on standard error: which are on, how values are quoted, one write(2) a line.
 *
 * The switches are set before threads start and only read afterwards (quiet may be flipped at any time). A line longer
 * than LINE_MAX_BYTES is cut; its newline is kept.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const layers[] = {"base", "http",   "store", "catalog", "layout", "engine",
                                     "scan", "settle", "mount", "serve",   "mirror", "cli"};
enum { LAYER_COUNT = sizeof layers / sizeof *layers, LINE_MAX_BYTES = 4096 };

static unsigned debug_layers; /* bit i: layers[i]; written before threads start */
static atomic_bool quiet_on;

static bool journal; /* stderr is the journal's; written under journal_once */
static pthread_once_t journal_once = PTHREAD_ONCE_INIT;

static void find_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t dev, ino;
    struct stat st;
    if (stream && sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0)
        journal = st.st_dev == dev && st.st_ino == ino;
}

enum ls_rc ls_log_verbose(const char *spec, struct ls_err *err)
{
    if (!spec || strcmp(spec, "all") == 0) {
        debug_layers = (1U << LAYER_COUNT) - 1;
        return LS_OK;
    }
    while (*spec) {
        size_t len = strcspn(spec, ",");
        size_t i = 0;
        while (i < LAYER_COUNT && !(strlen(layers[i]) == len && memcmp(layers[i], spec, len) == 0))
            i++;
        if (len && i == LAYER_COUNT)
            return ls_err_set(err, LS_INVALID,
                              "'%.*s' is no layer: want all, or some of base, http, store, catalog, "
                              "layout, engine, scan, mount, serve, mirror, cli",
                              (int)len, spec);
        if (len)
            debug_layers |= 1U << i;
        spec += len;
        if (*spec == ',')
            spec++;
    }
    return LS_OK;
}

void ls_log_quiet(bool quiet) { atomic_store(&quiet_on, quiet); }

bool ls_log_debug_on(const char *layer)
{
    if (!debug_layers)
        return false;
    for (size_t i = 0; i < LAYER_COUNT; i++)
        if (strcmp(layers[i], layer) == 0)
            return debug_layers >> i & 1U;
    return false;
}

/* A line in the making; one byte is always left for the newline. */
struct line {
    char data[LINE_MAX_BYTES];
    size_t len;
};

static void put(struct line *line, const char *data, size_t len)
{
    if (len > LINE_MAX_BYTES - 1 - line->len)
        len = LINE_MAX_BYTES - 1 - line->len;
    memcpy(line->data + line->len, data, len);
    line->len += len;
}

static void put_str(struct line *line, const char *text) { put(line, text, strlen(text)); }

/* Values that need quotes: empty ones, and those with anything but graphic ASCII, or with '"', '\\' or '='. */
static bool is_plain(const char *value)
{
    if (!*value)
        return false;
    for (const char *at = value; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c <= 0x20 || c >= 0x7F || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

static void put_value(struct line *line, const char *value)
{
    if (is_plain(value)) {
        put_str(line, value);
        return;
    }
    put_str(line, "\"");
    for (const char *at = value; *at; at++) {
        unsigned char c = (unsigned char)*at;
        char escape[5] = {'\\', (char)c, '\0'};
        if (c == '\n')
            escape[1] = 'n';
        else if (c != '"' && c != '\\') {
            if (c >= 0x20 && c < 0x7F) {
                put(line, at, 1);
                continue;
            }
            snprintf(escape, sizeof escape, "\\x%02x", c);
        }
        put_str(line, escape);
    }
    put_str(line, "\"");
}

static const char *level_name(enum ls_log_level level)
{
    switch (level) {
    case LS_LOG_ERROR_LEVEL:
        return "error ";
    case LS_LOG_WARN_LEVEL:
        return "warning ";
    case LS_LOG_INFO_LEVEL:
        return "info ";
    case LS_LOG_DEBUG_LEVEL:
        return "debug ";
    }
    return "";
}

static void put_field(struct line *line, const struct ls_log_field *field)
{
    char number[24];
    put_str(line, " ");
    put_str(line, field->name);
    put_str(line, "=");
    switch (field->value.kind) {
    case LS_V_STR:
        if (field->value.as.str)
            put_value(line, field->value.as.str);
        else
            put_str(line, "-");
        return;
    case LS_V_INT:
        snprintf(number, sizeof number, "%" PRId64, field->value.as.i);
        break;
    case LS_V_UINT:
        snprintf(number, sizeof number, "%" PRIu64, field->value.as.u);
        break;
    }
    put_str(line, number);
}

void ls_log_write(enum ls_log_level level, const char *layer, const char *event, const struct ls_log_field *fields)
{
    if (level == LS_LOG_INFO_LEVEL && atomic_load(&quiet_on))
        return;
    if (level == LS_LOG_DEBUG_LEVEL && !ls_log_debug_on(layer))
        return;
    int saved_errno = errno;
    pthread_once(&journal_once, find_journal);

    struct line line;
    line.len = 0;
    if (journal) {
        char prefix[8];
        snprintf(prefix, sizeof prefix, "<%d>", (int)level);
        put_str(&line, prefix);
    }
    put_str(&line, level_name(level));
    put_str(&line, layer);
    put_str(&line, " event=");
    put_value(&line, event);
    for (; fields->name; fields++)
        put_field(&line, fields);
    line.data[line.len++] = '\n';

    ssize_t n;
    do
        n = write(STDERR_FILENO, line.data, line.len);
    while (n < 0 && errno == EINTR);
    errno = saved_errno;
}
