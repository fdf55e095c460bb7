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

/* What became of an event. */
enum ls_event_result {
    LS_EVENT_RECEIVED,  /* about our keys; each of these becomes one of those from DUPLICATE on */
    LS_EVENT_FOREIGN,   /* of another bucket, of lockstep's own keys, or of no change */
    LS_EVENT_FAILED,    /* it could not be worked off just now; counted at each attempt */
    LS_EVENT_DUPLICATE, /* told before */
    LS_EVENT_REORDERED, /* came after a newer one of its key */
    LS_EVENT_MERGED,    /* a newer one of its key says more */
    LS_EVENT_CREATED,   /* its object got a row */
    LS_EVENT_REFRESHED, /* what its object is now was recorded */
    LS_EVENT_DROPPED,   /* the row of its object, which is gone */
    LS_EVENT_UNCHANGED, /* both sides agree */
    LS_EVENT_REPORTED,  /* by policy only */
    LS_EVENT_LEFT,      /* for a scan */
    LS_EVENT_RESULTS
};

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
    atomic_uint_fast64_t events[LS_EVENT_RESULTS];
};

/* "received", "foreign", … */
const char *ls_event_result_name(enum ls_event_result result);
/* route may be NULL. */
void ls_metrics_request(struct ls_metrics *metrics, const struct ls_route *route, unsigned status, int64_t took_us);
void ls_metrics_scan(struct ls_metrics *metrics, enum ls_scan_outcome outcome, int64_t took_us);
void ls_metrics_events(struct ls_metrics *metrics, enum ls_event_result result, uint64_t n);

#endif
