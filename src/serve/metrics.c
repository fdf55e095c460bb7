/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting, and the text that Prometheus reads (exposition format 0.0.4). */
#include "serve/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/exposition.h"
#include "engine/stats.h"
#include "lockstep/version.h"
#include "serve/internal.h"
#include "serve/problem.h"
#include "store/stats.h"

const char *ls_event_result_name(enum ls_event_result result)
{
    static const char *const names[LS_EVENT_RESULTS] = {"received",  "foreign",   "failed",   "duplicate",
                                                        "reordered", "merged",    "created",  "refreshed",
                                                        "dropped",   "unchanged", "reported", "left"};
    return result < LS_EVENT_RESULTS ? names[result] : "?";
}

/* ---- counting ---- */

void ls_metrics_request(struct ls_metrics *metrics, const struct ls_route *route, unsigned status, int64_t took_us)
{
    size_t i = route ? (size_t)(route - ls_routes) : LS_METRICS_ROUTES_MAX;
    if (i > LS_METRICS_ROUTES_MAX)
        i = LS_METRICS_ROUTES_MAX;
    atomic_fetch_add_explicit(&metrics->routes[i].by_status[status / 100 % 6], 1, memory_order_relaxed);
    ls_histogram_add(&metrics->routes[i].took, took_us);
}

void ls_metrics_scan(struct ls_metrics *metrics, enum ls_scan_outcome outcome, int64_t took_us)
{
    atomic_fetch_add_explicit(&metrics->scans.by_outcome[outcome], 1, memory_order_relaxed);
    ls_histogram_add(&metrics->scans.took, took_us);
}

void ls_metrics_events(struct ls_metrics *metrics, enum ls_event_result result, uint64_t n)
{
    atomic_fetch_add_explicit(&metrics->events[result], n, memory_order_relaxed);
}

/* ---- the text ---- */

/* The place in the tables above of the i-th route, and one more for requests of no route. */
static size_t route_slot(size_t i) { return i < ls_routes_count ? i : LS_METRICS_ROUTES_MAX; }

static void route_labels(size_t i, char out[256])
{
    bool known = i < ls_routes_count;
    snprintf(out, 256, "method=\"%s\",route=\"%s\"", known ? ls_routes[i].method : "",
             known ? ls_routes[i].path : "none");
}

static void write_requests(FILE *out, const struct ls_metrics *metrics)
{
    char labels[256];
    ls_exposition_family(out, "lockstep_http_requests_total", "counter",
                         "Requests answered, by route and hundreds of the status.");
    for (size_t i = 0; i <= ls_routes_count; i++) {
        route_labels(i, labels);
        for (int hundred = 2; hundred < 6; hundred++)
            fprintf(out, "lockstep_http_requests_total{%s,status=\"%dxx\"} %" PRIuFAST64 "\n", labels, hundred,
                    metrics->routes[route_slot(i)].by_status[hundred]);
    }
    ls_exposition_family(out, "lockstep_http_request_duration_seconds", "histogram",
                         "From the request line to the last byte.");
    for (size_t i = 0; i <= ls_routes_count; i++) {
        route_labels(i, labels);
        ls_exposition_histogram(out, "lockstep_http_request_duration_seconds", labels,
                                &metrics->routes[route_slot(i)].took);
    }
    ls_exposition_family(out, "lockstep_http_wrong_tokens_total", "counter",
                         "Requests with a token that is not valid.");
    fprintf(out, "lockstep_http_wrong_tokens_total %" PRIuFAST64 "\n", metrics->wrong_tokens);
}

static void write_store(FILE *out, const struct ls_store_stats *stats)
{
    static const struct {
        const char *name, *help;
    } families[] = {{"lockstep_store_calls_total", "Calls of the store, by operation."},
                    {"lockstep_store_items_total", "Objects (or pages of a listing) that these calls were about."},
                    {"lockstep_store_errors_total", "Calls that failed; that there is no such object is no failure."},
                    {"lockstep_store_seconds_total", "Time that these calls took."}};
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        ls_exposition_family(out, families[f].name, "counter", families[f].help);
        for (int op = 0; op < LS_STORE_OP_COUNT; op++) {
            const uint64_t values[] = {stats->op[op].calls, stats->op[op].items, stats->op[op].errors};
            const char *name = ls_store_op_name((enum ls_store_op)op);
            if (f < 3)
                fprintf(out, "%s{op=\"%s\"} %" PRIu64 "\n", families[f].name, name, values[f]);
            else
                fprintf(out, "%s{op=\"%s\"} %.6f\n", families[f].name, name, (double)stats->op[op].total_us / 1e6);
        }
    }
    ls_exposition_family(out, "lockstep_store_bytes_total", "counter", "Bytes of objects, read and written.");
    fprintf(out, "lockstep_store_bytes_total{direction=\"read\"} %" PRIuFAST64 "\n", stats->bytes_read);
    fprintf(out, "lockstep_store_bytes_total{direction=\"written\"} %" PRIuFAST64 "\n", stats->bytes_written);
}

static void write_scans(FILE *out, const struct ls_metrics *metrics)
{
    static const char *const outcomes[LS_SCAN_OUTCOMES] = {"complete", "incomplete", "failed"};
    ls_exposition_family(out, "lockstep_scans_total", "counter", "Scans that this process made, by outcome.");
    for (int i = 0; i < LS_SCAN_OUTCOMES; i++)
        fprintf(out, "lockstep_scans_total{outcome=\"%s\"} %" PRIuFAST64 "\n", outcomes[i],
                metrics->scans.by_outcome[i]);
    ls_exposition_family(out, "lockstep_scan_duration_seconds", "histogram", "How long a scan took.");
    ls_exposition_histogram(out, "lockstep_scan_duration_seconds", "", &metrics->scans.took);
}

static enum ls_rc write_events(FILE *out, const struct ls_metrics *metrics, struct ls_catalog *cat, struct ls_err *err)
{
    uint64_t waiting = 0;
    enum ls_rc rc = cat->ops->event_count(cat, &waiting, err);
    if (rc)
        return rc;
    ls_exposition_family(out, "lockstep_events_total", "counter", "Events of the bucket, by what became of them.");
    for (int i = 0; i < LS_EVENT_RESULTS; i++)
        fprintf(out, "lockstep_events_total{result=\"%s\"} %" PRIuFAST64 "\n",
                ls_event_result_name((enum ls_event_result)i), metrics->events[i]);
    ls_exposition_family(out, "lockstep_events_waiting", "gauge", "Events in the inbox, of all processes.");
    fprintf(out, "lockstep_events_waiting %" PRIu64 "\n", waiting);
    return LS_OK;
}

static enum ls_rc write_last_scan(FILE *out, struct ls_catalog *cat, struct ls_err *err)
{
    struct ls_scan_row scan;
    enum ls_rc rc = cat->ops->scan_whole(cat, LS_WHOLE_SCAN_COMPLETE, &scan, err);
    if (rc)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    const struct {
        const char *kind;
        uint64_t n;
    } kinds[] = {{"synced", scan.synced},       {"orphaned", scan.orphaned}, {"missing", scan.missing},
                 {"stale", scan.stale},         {"moved", scan.moved},       {"misfiled", scan.misfiled},
                 {"misplaced", scan.misplaced}, {"pending", scan.pending}};
    ls_exposition_family(out, "lockstep_findings", "gauge",
                         "Findings of the last complete scan of everything, by kind.");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        fprintf(out, "lockstep_findings{kind=\"%s\"} %" PRIu64 "\n", kinds[i].kind, kinds[i].n);
    if (scan.unannounced != LS_UNANNOUNCED_UNKNOWN) {
        ls_exposition_family(out, "lockstep_events_unannounced", "gauge",
                             "New findings of that scan that no event announced.");
        fprintf(out, "lockstep_events_unannounced %" PRIu64 "\n", scan.unannounced);
    }
    ls_exposition_family(out, "lockstep_last_scan_images", "gauge",
                         "Images that the last complete scan of everything saw.");
    fprintf(out, "lockstep_last_scan_images %" PRIu64 "\n", scan.images);
    ls_exposition_family(out, "lockstep_last_scan_age_seconds", "gauge",
                         "Since the last complete scan of everything ended.");
    fprintf(out, "lockstep_last_scan_age_seconds %.3f\n", (double)(ls_now_ns() - scan.ended_ns) / 1e9);
    return LS_OK;
}

static enum ls_rc write_journal(FILE *out, struct ls_catalog *cat, struct ls_err *err)
{
    struct ls_intent_page page = {0};
    enum ls_rc rc = cat->ops->intent_list(cat, NULL, &page, err);
    if (rc)
        return rc;
    int64_t now_ns = ls_now_ns(), oldest_ns = now_ns;
    for (size_t i = 0; i < page.n; i++)
        if (page.items[i].created_ns < oldest_ns)
            oldest_ns = page.items[i].created_ns;
    ls_exposition_family(out, "lockstep_journal_intents", "gauge", "Operations that are under way, in all processes.");
    fprintf(out, "lockstep_journal_intents %zu\n", page.n);
    ls_exposition_family(out, "lockstep_journal_oldest_seconds", "gauge",
                         "Since the oldest of them began; 0 when there is none.");
    fprintf(out, "lockstep_journal_oldest_seconds %.3f\n", (double)(now_ns - oldest_ns) / 1e9);
    ls_intent_page_dispose(&page);
    return LS_OK;
}

/* What a mount has in its cache is its own process's, which may be on another host: here it only shows that it lives.
 */
static enum ls_rc write_instances(FILE *out, struct ls_catalog *cat, struct ls_err *err)
{
    static const char *const kinds[] = {"mount", "serve", "listen", "cli"};
    struct ls_instance_page page = {0};
    enum ls_rc rc = cat->ops->instance_list(cat, &page, err);
    if (rc)
        return rc;
    ls_exposition_family(out, "lockstep_instances", "gauge",
                         "Living processes on this catalog, on all hosts, by kind.");
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n = 0;
        for (size_t i = 0; i < page.n; i++)
            n += page.items[i].alive && strcmp(page.items[i].kind, kinds[k]) == 0;
        fprintf(out, "lockstep_instances{kind=\"%s\"} %zu\n", kinds[k], n);
    }
    ls_instance_page_dispose(&page);
    return LS_OK;
}

void ls_api_metrics(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    struct ls_err err = LS_ERR_INIT;
    (void)req;
    FILE *out = ls_reply_text(reply, 200, "text/plain; version=0.0.4; charset=utf-8");
    if (!out)
        return;
    ls_exposition_family(out, "lockstep_build_info", "gauge", "Always 1; which version runs.");
    fprintf(out, "lockstep_build_info{version=\"%s\"} 1\n", ls_version());
    write_requests(out, &serve->metrics);
    write_scans(out, &serve->metrics);
    ls_engine_stats_write(ls_engine_stats(serve->opts->engine), "", out);
    write_store(out, serve->opts->store_stats);
    enum ls_rc rc = write_events(out, &serve->metrics, cat, &err);
    if (!rc)
        rc = write_last_scan(out, cat, &err);
    if (!rc)
        rc = write_journal(out, cat, &err);
    if (!rc)
        rc = write_instances(out, cat, &err);
    if (rc)
        ls_problem_err(reply, &err);
}
