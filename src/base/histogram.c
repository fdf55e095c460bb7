/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Durations by size. */
#include "base/histogram.h"

#include <stddef.h>

const unsigned ls_histogram_bounds_ms[LS_HISTOGRAM_BUCKETS - 1] = {5,   10,   25,   50,   100,   250,
                                                                   500, 1000, 2500, 5000, 10000, 60000};

void ls_histogram_add(struct ls_histogram *histogram, int64_t took_us)
{
    size_t i = 0;
    uint64_t us = took_us > 0 ? (uint64_t)took_us : 0;
    while (i < LS_HISTOGRAM_BUCKETS - 1 && us > (uint64_t)ls_histogram_bounds_ms[i] * 1000)
        i++;
    atomic_fetch_add_explicit(&histogram->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->total_us, us, memory_order_relaxed);
}
