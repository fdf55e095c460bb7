/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Printing a scan. */
#include "cli/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "scan/answer.h"

/* ---- options and the run ---- */

enum ls_rc ls_scan_option(struct ls_scan_args *args, int c, struct ls_err *err)
{
    switch (c) {
    case LS_OPT_JSON:
        args->form = LS_REPORT_JSON;
        return LS_OK;
    case LS_OPT_NDJSON:
        args->form = LS_REPORT_NDJSON;
        return LS_OK;
    case LS_OPT_GRACE:
        return ls_duration_parse(optarg, &args->grace_ms, err);
    case 'q':
        args->quiet = true;
        ls_log_quiet(true);
        return LS_OK;
    default:
        return LS_NOT_FOUND;
    }
}

void ls_scan_products(struct ls_scan_args *args, int at, char *const *argv)
{
    args->products = argv[at] ? (const char *const *)(argv + at) : NULL;
}

enum ls_rc ls_scan_with(const struct ls_config *config, struct ls_engine *engine, const struct ls_scan_args *args,
                        struct ls_scan **out_scan, struct ls_err *err)
{
    const struct ls_scan_opts opts = {
        .products = args->products,
        .grace_ms = args->grace_ms >= 0 ? args->grace_ms : config->scan_grace_ms,
        .ranges = (unsigned)config->scan_ranges,
        .keep_synced = args->form == LS_REPORT_JSON,
        .spool_dir = NULL,
        .cancel = &ls_cli_cancelled,
        .share = args->share,
        .resume_ms = config->scan_resume_ms,
        .takeover_ms = config->scan_takeover_ms,
        .progress = args->quiet ? NULL : ls_cli_progress,
    };
    enum ls_rc rc = ls_scan_run(engine, &opts, out_scan, err);
    ls_cli_progress(NULL, 0, 0);
    return rc;
}

static uint64_t differences(const struct ls_scan_totals *totals)
{
    return totals->by_kind[LS_FINDING_ORPHANED] + totals->by_kind[LS_FINDING_MISSING] +
           totals->by_kind[LS_FINDING_STALE] + totals->by_kind[LS_FINDING_MISFILED];
}

int ls_report_status(const struct ls_scan_totals *totals)
{
    if (!totals->complete || totals->errors)
        return LS_EXIT_INCOMPLETE;
    return differences(totals) ? LS_EXIT_DIFFERENCES : LS_EXIT_OK;
}

/* A walk's result when nobody reads what is printed any more. */
static enum ls_rc output_rc(void) { return ferror(stdout) ? LS_CANCELLED : LS_OK; }

/* ---- for people ---- */

enum ls_rc ls_report_finding(void *ctx, const struct ls_finding *finding)
{
    (void)ctx;
    if (finding->kind == LS_FINDING_SYNCED && !finding->twin)
        return LS_OK;
    printf("%-10s ", ls_finding_name(finding));
    ls_cli_print_key(finding->key);
    if (finding->partner) {
        fputs(finding->kind == LS_FINDING_MISSING ? " -> " : " <- ", stdout);
        ls_cli_print_key(finding->partner);
    }
    if (finding->detail && !finding->partner) {
        fputs("  (", stdout);
        ls_cli_print_key(finding->detail);
        putchar(')');
    }
    putchar('\n');
    return output_rc();
}

static enum ls_rc print_error(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "lockstep: %s\n", text);
    return LS_OK;
}

void ls_report_summary(const struct ls_scan_totals *t, const struct ls_sync_totals *mended, bool dry_run)
{
    printf("%" PRIu64 " products, %" PRIu64 " images:", t->products, t->images);
    for (int kind = 0; kind < LS_FINDING_KINDS; kind++)
        printf("%s %" PRIu64 " %s", kind ? "," : "", t->by_kind[kind],
               ls_finding_kind_name((enum ls_finding_kind)kind));
    putchar('\n');
    if (t->moved || t->misplaced || t->twins)
        printf("among them: %" PRIu64 " moved (an orphaned and a missing one each), %" PRIu64 " misplaced, %" PRIu64
               " twins (names that differ only in case)\n",
               t->moved, t->misplaced, t->twins);
    if (t->unannounced != LS_UNANNOUNCED_UNKNOWN && t->unannounced > 0)
        printf("%" PRIu64 " of them are new and were announced by no event of the bucket\n", t->unannounced);
    if (mended) {
        const struct ls_sync_plan *d = &mended->done;
        printf("%s: %" PRIu64 " relinked, %" PRIu64 " adopted, %" PRIu64 " removed, %" PRIu64 " dropped, %" PRIu64
               " refreshed, %" PRIu64 " refiled; %" PRIu64 " skipped, %" PRIu64 " failed, %" PRIu64
               " differences stay\n",
               dry_run ? "would mend" : "mended", d->relink, d->adopt, d->remove_orphaned + d->remove_misplaced,
               d->drop, d->refresh, d->refile, mended->skipped, mended->failed, mended->remaining);
    }
    if (!t->complete)
        puts("incomplete: one side could not be read to its end");
    else if (!mended)
        puts(differences(t) ? "not in step" : "in step");
}

static enum ls_rc report_people(struct ls_scan *scan, const struct ls_scan_args *args,
                                const struct ls_sync_totals *mended, struct ls_err *err)
{
    const struct ls_scan_totals *totals = ls_scan_totals(scan);
    enum ls_rc rc = ls_scan_each_error(scan, print_error, NULL, err);
    if (rc || (args->quiet && ls_report_status(totals) == LS_EXIT_OK))
        return rc;
    if (!mended) /* a sync has told of each item already */
        rc = ls_scan_each(scan, NULL, ls_report_finding, NULL, err);
    if (!rc)
        ls_report_summary(totals, mended, args->dry_run);
    return rc;
}

/* ---- JSON ---- */

static enum ls_rc report_json(const struct ls_answer *answer, const struct ls_scan_args *args, struct ls_err *err)
{
    struct ls_json json;
    ls_json_init(&json, stdout);
    bool one = args->products && args->products[0] && !args->products[1];
    enum ls_rc rc = one ? ls_answer_product(&json, answer, args->products[0], err) : ls_answer_all(&json, answer, err);
    ls_json_newline(&json);
    return rc;
}

/* ---- NDJSON ---- */

static enum ls_rc ndjson_finding(void *ctx, const struct ls_finding *f)
{
    struct ls_json *json = ctx;
    if (f->kind == LS_FINDING_SYNCED && !f->twin)
        return LS_OK;
    ls_answer_finding(json, NULL, f);
    ls_json_newline(json);
    return output_rc();
}

static enum ls_rc ndjson_error(void *ctx, const char *text)
{
    ls_json_object(ctx, NULL);
    ls_json_str(ctx, "kind", "error");
    ls_json_str(ctx, "text", text);
    ls_json_end_object(ctx);
    ls_json_newline(ctx);
    return output_rc();
}

static enum ls_rc report_ndjson(const struct ls_answer *answer, struct ls_err *err)
{
    struct ls_json json;
    ls_json_init(&json, stdout);
    enum ls_rc rc = ls_scan_each(answer->scan, NULL, ndjson_finding, &json, err);
    if (!rc)
        rc = ls_scan_each_error(answer->scan, ndjson_error, &json, err);
    if (rc)
        return rc;
    ls_json_object(&json, NULL);
    ls_json_str(&json, "kind", "totals");
    ls_answer_totals(&json, answer);
    ls_answer_mended(&json, answer);
    ls_json_end_object(&json);
    ls_json_newline(&json);
    return LS_OK;
}

enum ls_rc ls_report(struct ls_scan *scan, const struct ls_scan_args *args, const struct ls_sync_totals *mended,
                     struct ls_err *err)
{
    const struct ls_answer answer = {.scan = scan, .mended = mended, .dry_run = args->dry_run};
    enum ls_rc rc = LS_OK;
    switch (args->form) {
    case LS_REPORT_PEOPLE:
        rc = report_people(scan, args, mended, err);
        break;
    case LS_REPORT_JSON:
        rc = report_json(&answer, args, err);
        break;
    case LS_REPORT_NDJSON:
        rc = report_ndjson(&answer, err);
        break;
    }
    if (rc && err && !err->rc)
        ls_err_set(err, rc, "cannot print the scan's result: %s", ls_rc_name(rc));
    return rc;
}
