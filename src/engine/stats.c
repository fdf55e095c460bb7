/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The operations' figures as text. */
#include "engine/stats.h"

#include <inttypes.h>

#include "base/exposition.h"

void ls_engine_stats_write(const struct ls_engine_stats *stats, const char *label, FILE *out)
{
    char labels[LS_EXPOSITION_LABEL_MAX + 64];
    const char *comma = *label ? "," : "";
    ls_exposition_family(out, "lockstep_operations_total", "counter",
                         "Operations of this process, by kind and outcome.");
    for (int op = LS_OP_PUT; op <= LS_OP_CATALOG; op++)
        for (int rc = 0; rc < LS_RC_COUNT; rc++) {
            uint64_t n = stats->op[op].by_rc[rc];
            if (n || rc == LS_OK)
                fprintf(out, "lockstep_operations_total{%s%sop=\"%s\",outcome=\"%s\"} %" PRIu64 "\n", label, comma,
                        ls_op_name((enum ls_op)op), ls_rc_name((enum ls_rc)rc), n);
        }
    ls_exposition_family(out, "lockstep_operation_duration_seconds", "histogram",
                         "How long an operation took, by kind.");
    for (int op = LS_OP_PUT; op <= LS_OP_CATALOG; op++) {
        snprintf(labels, sizeof labels, "%s%sop=\"%s\"", label, comma, ls_op_name((enum ls_op)op));
        ls_exposition_histogram(out, "lockstep_operation_duration_seconds", labels, &stats->op[op].took);
    }
}
