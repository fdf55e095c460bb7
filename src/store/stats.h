/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a stats decorator counts. The counters are atomic: any thread may read them at any time. */
#ifndef LOCKSTEP_STORE_STATS_H
#define LOCKSTEP_STORE_STATS_H

#include <stdatomic.h>

enum ls_store_op {
    LS_STORE_OP_PROBE,
    LS_STORE_OP_CREATE,
    LS_STORE_OP_HEAD,
    LS_STORE_OP_GET,
    LS_STORE_OP_PUT,
    LS_STORE_OP_COPY,
    LS_STORE_OP_REMOVE,
    LS_STORE_OP_LIST,
    LS_STORE_OP_ABORT,
    LS_STORE_OP_URL
};
#define LS_STORE_OP_COUNT (LS_STORE_OP_URL + 1)

struct ls_store_stats {
    struct {
        atomic_uint_fast64_t calls, items, errors, total_us;
    } op[LS_STORE_OP_COUNT]; /* by enum ls_store_op */
    atomic_uint_fast64_t bytes_read, bytes_written;
};

/* "head" */
const char *ls_store_op_name(enum ls_store_op op);

#endif
