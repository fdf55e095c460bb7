/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scan's result as text for people, as one JSON object, or as a line of JSON for each finding; what `scan`, `sync`
 * and `import` share. Everything is streamed: the length of the lists does not matter for memory.
 */
#ifndef LOCKSTEP_CLI_REPORT_H
#define LOCKSTEP_CLI_REPORT_H

#include "cli/cli.h"
#include "lockstep/scan.h"

enum ls_report_form { LS_REPORT_PEOPLE, LS_REPORT_JSON, LS_REPORT_NDJSON };

/* The options that the three commands share. */
struct ls_scan_args {
    enum ls_report_form form;
    bool quiet;
    bool dry_run;                /* a sync only says what it would do */
    bool share;                  /* with other processes; scan alone has it */
    int64_t grace_ms;            /* -1 = as the config says */
    const char *const *products; /* NULL = all */
};

enum { LS_OPT_JSON = 2000, LS_OPT_NDJSON, LS_OPT_GRACE, LS_OPT_SHARE };
#define LS_SCAN_OPTIONS                                                                                                \
    {"json", no_argument, NULL, LS_OPT_JSON}, {"ndjson", no_argument, NULL, LS_OPT_NDJSON},                            \
        {"grace", required_argument, NULL, LS_OPT_GRACE},                                                              \
    {                                                                                                                  \
        "quiet", no_argument, NULL, 'q'                                                                                \
    }
#define LS_SCAN_OPTIONS_HELP                                                                                           \
    "  --json            one JSON object\n"                                                                            \
    "  --ndjson          one JSON object a line: each difference, then the totals\n"                                   \
    "  --grace DURATION  objects younger than this are pending, not orphaned (default: [scan] grace; import: 0)\n"     \
    "  -q, --quiet       print nothing when all is in step, and no log lines\n"

/* Take one of the options above: LS_NOT_FOUND when c is none of them, LS_INVALID for a bad value. */
enum ls_rc ls_scan_option(struct ls_scan_args *args, int c, struct ls_err *err) LS_MUST_CHECK;
/* Take the products: argv from index `at` (kept, not copied). */
void ls_scan_products(struct ls_scan_args *args, int at, char *const *argv);

/* Run the scan with the config's settings and the progress bar. */
enum ls_rc ls_scan_with(const struct ls_config *config, struct ls_engine *engine, const struct ls_scan_args *args,
                        struct ls_scan **out_scan, struct ls_err *err) LS_MUST_CHECK;
LS_AUTO_DEFINE(ls_scan, struct ls_scan *, ls_scan_free)

/* Print it. `mended` (may be NULL) adds what a sync did. */
enum ls_rc ls_report(struct ls_scan *scan, const struct ls_scan_args *args, const struct ls_sync_totals *mended,
                     struct ls_err *err) LS_MUST_CHECK;

/* Parts of it for people: a line for a finding (ctx unused; LS_CANCELLED when nobody reads on), the summary. */
enum ls_rc ls_report_finding(void *ctx, const struct ls_finding *finding);
void ls_report_summary(const struct ls_scan_totals *totals, const struct ls_sync_totals *mended, bool dry_run);

/* The exit status that a scan's totals mean. */
int ls_report_status(const struct ls_scan_totals *totals);

#endif
