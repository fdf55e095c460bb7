/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text exposition format. */
#include "base/exposition.h"

#include <inttypes.h>

bool ls_exposition_label(const char *name, const char *value, char out[LS_EXPOSITION_LABEL_MAX])
{
    size_t n = (size_t)snprintf(out, LS_EXPOSITION_LABEL_MAX, "%s=\"", name);
    for (; *value && n + 4 < LS_EXPOSITION_LABEL_MAX; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            out[n++] = '\\';
        out[n++] = *value == '\n' ? 'n' : *value;
    }
    out[n++] = '"';
    out[n] = '\0';
    return !*value;
}

void ls_exposition_family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void ls_exposition_histogram(FILE *out, const char *name, const char *labels, const struct ls_histogram *histogram)
{
    uint64_t n = 0;
    const char *comma = *labels ? "," : "";
    for (size_t i = 0; i < LS_HISTOGRAM_BUCKETS; i++) {
        n += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        if (i < LS_HISTOGRAM_BUCKETS - 1)
            fprintf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels, comma,
                    ls_histogram_bounds_ms[i] / 1000.0, n);
        else
            fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, n);
    }
    fprintf(out, "%s_sum{%s} %.6f\n", name, labels,
            (double)atomic_load_explicit(&histogram->total_us, memory_order_relaxed) / 1e6);
    fprintf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, n);
}
