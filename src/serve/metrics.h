/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What /metrics tells, in Prometheus's text format: counters of this process, gauges of the catalog as it is now.
 *
 * No label holds a name that somebody chose (a key, a product, a token): labels come from constant tables alone.
 * Counting may be done from any thread and takes no lock.
 */
#ifndef LOCKSTEP_SERVE_METRICS_H
#define LOCKSTEP_SERVE_METRICS_H

#include "base/histogram.h"
#include "serve/router.h"

#define LS_METRICS_ROUTES_MAX 64

enum ls_scan_outcome { LS_SCAN_COMPLETE, LS_SCAN_INCOMPLETE, LS_SCAN_FAILED, LS_SCAN_OUTCOMES };

struct ls_metrics {
    struct {
        atomic_uint_fast64_t by_status[6]; /* by hundreds */
        struct ls_histogram took;
    } routes[LS_METRICS_ROUTES_MAX + 1]; /* as in ls_routes; the last: requests of no route */
    struct {
        atomic_uint_fast64_t by_outcome[LS_SCAN_OUTCOMES];
        struct ls_histogram took;
    } scans;
    atomic_uint_fast64_t wrong_tokens;
};

/* route may be NULL. */
void ls_metrics_request(struct ls_metrics *metrics, const struct ls_route *route, unsigned status, int64_t took_us);
void ls_metrics_scan(struct ls_metrics *metrics, enum ls_scan_outcome outcome, int64_t took_us);

#endif
