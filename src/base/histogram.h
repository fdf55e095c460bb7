/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long something took, counted by size: what Prometheus calls a histogram. Any thread, no lock.
 */
#ifndef LOCKSTEP_BASE_HISTOGRAM_H
#define LOCKSTEP_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define LS_HISTOGRAM_BUCKETS 13

/* Upper bounds of all buckets but the last, which has none. */
extern const unsigned ls_histogram_bounds_ms[LS_HISTOGRAM_BUCKETS - 1];

struct ls_histogram {
    atomic_uint_fast64_t buckets[LS_HISTOGRAM_BUCKETS];
    atomic_uint_fast64_t total_us;
};

void ls_histogram_add(struct ls_histogram *histogram, int64_t took_us);

#endif
