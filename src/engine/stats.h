/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the operations of this process came to: by kind and result, and how long they took. Any thread, no lock. */
#ifndef LOCKSTEP_ENGINE_STATS_H
#define LOCKSTEP_ENGINE_STATS_H

#include <stdio.h>

#include "base/histogram.h"
#include "lockstep/engine.h"

struct ls_engine_stats {
    struct {
        atomic_uint_fast64_t by_rc[LS_RC_COUNT];
        struct ls_histogram took; /* of all of them */
    } op[LS_OP_CATALOG + 1];      /* by enum ls_op; a batch of rows that was mended is one */
};

/* Valid as long as the engine. */
const struct ls_engine_stats *ls_engine_stats(struct ls_engine *engine);
/* As Prometheus reads them; label ("name=\"value\"", or "") is one that all of them have. */
void ls_engine_stats_write(const struct ls_engine_stats *stats, const char *label, FILE *out);

#endif
