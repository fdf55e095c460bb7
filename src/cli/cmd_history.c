/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep history: earlier scans, and what one of them found. Asks the catalog alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/report.h"
#include "scan/answer.h"

static void print_row(const struct ls_scan_row *row, const char *state)
{
    char time[LS_TIME_LEN];
    ls_time_iso(row->started_ns, time);
    printf("%6" PRId64 "  %s  %-10s", row->id, time, state);
    if (row->ended_ns)
        printf(" %6.1f s", (double)(row->ended_ns - row->started_ns) / (double)LS_NS_PER_S);
    else
        printf(" %8s", "-");
    printf("  %" PRIu64 " images, %" PRIu64 " synced, %" PRIu64 " orphaned, %" PRIu64 " missing, %" PRIu64
           " stale, %" PRIu64 " misfiled, %" PRIu64 " pending, %" PRIu64 " errors%s%s",
           row->images, row->synced, row->orphaned, row->missing, row->stale, row->misfiled, row->pending, row->errors,
           row->shared ? ", shared" : "", row->findings == LS_SCAN_FINDINGS_KEPT ? ", findings kept" : "");
    if (*row->scope) {
        fputs(", of ", stdout);
        ls_cli_print_key(row->scope);
    }
    putchar('\n');
}

static enum ls_rc show_list(struct ls_catalog *catalog, uint64_t limit, bool as_json, struct ls_err *err)
{
    struct ls_json json;
    enum ls_rc rc = LS_OK;
    int64_t before = 0;
    ls_json_init(&json, stdout);
    if (as_json)
        ls_json_array(&json, NULL);
    for (; limit > 0 && !rc && !ferror(stdout); limit--) {
        struct ls_scan_row row;
        const char *state = NULL;
        rc = catalog->ops->scan_get(catalog, before, &row, err);
        if (!rc)
            rc = ls_answer_state(catalog, &row, &state, err);
        if (rc)
            break;
        before = row.id;
        if (as_json) {
            ls_json_object(&json, NULL);
            ls_answer_row(&json, &row, state);
            ls_json_end_object(&json);
        } else {
            print_row(&row, state);
        }
    }
    if (as_json) {
        ls_json_end_array(&json);
        ls_json_newline(&json);
    }
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

struct findings {
    struct ls_json *json; /* NULL = for people */
    uint64_t shown;       /* of those that are no synced ones */
};

static enum ls_rc show_finding(void *ctx, const struct ls_finding *finding)
{
    struct findings *findings = ctx;
    if (finding->kind == LS_FINDING_SYNCED && !finding->twin)
        return LS_OK;
    findings->shown += finding->kind != LS_FINDING_SYNCED;
    if (!findings->json)
        return ls_report_finding(NULL, finding);
    ls_answer_finding(findings->json, NULL, finding);
    return ferror(stdout) ? LS_CANCELLED : LS_OK;
}

static enum ls_rc show_findings(const struct ls_stack *stack, int64_t id, bool as_json, struct ls_err *err)
{
    struct ls_scan_row row = {0};
    struct ls_scan_totals totals;
    struct ls_json json;
    const char *state = NULL;
    struct findings findings = {as_json ? &json : NULL, 0};
    enum ls_rc rc = stack->catalog->ops->scan_get(stack->catalog, id + 1, &row, err);
    if (!rc)
        rc = ls_answer_state(stack->catalog, &row, &state, err);
    if (rc && rc != LS_NOT_FOUND)
        return rc;
    ls_json_init(&json, stdout);
    bool open = as_json && !rc && row.id == id && row.findings == LS_SCAN_FINDINGS_KEPT;
    if (open) {
        ls_json_object(&json, NULL);
        ls_answer_row(&json, &row, state);
        ls_json_array(&json, "findings");
    }
    rc = ls_history_each(stack->catalog, stack->layout, id, "", show_finding, &findings, err);
    if (open) {
        ls_json_end_array(&json);
        ls_json_end_object(&json);
        ls_json_newline(&json);
    }
    if (rc)
        return rc;
    ls_scan_row_totals(&row, &totals);
    if (!as_json)
        ls_report_summary(&totals, NULL, false);
    if (findings.shown < totals.images - totals.by_kind[LS_FINDING_SYNCED])
        fprintf(stderr, "lockstep: only %" PRIu64 " findings of this scan were kept\n", findings.shown);
    return LS_OK;
}

static bool parse_count(const char *text, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return *end == '\0' && end != text && *text != '-' && *out <= INT64_MAX - 1;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"max-count", required_argument, NULL, 'n'}, {0}};
    bool as_json = false;
    uint64_t limit = UINT64_MAX, id = 0;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "n:", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (c == 'j')
            as_json = true;
        else if (!parse_count(optarg, &limit))
            return ls_cli_usage(cli, "-n %s: want a count", optarg);
    }
    if (optind + 1 < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind + 1]);
    if (optind < argc && (!parse_count(argv[optind], &id) || !id))
        return ls_cli_usage(cli, "'%s' is no scan's number: see `lockstep history`", argv[optind]);

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    struct ls_err err = LS_ERR_INIT;
    int status = ls_cli_open(cli, LS_COMPOSE_CATALOG, &config, &stack);
    if (status)
        return status;
    enum ls_rc rc =
        id ? show_findings(stack, (int64_t)id, as_json, &err) : show_list(stack->catalog, limit, as_json, &err);
    return rc ? ls_cli_fail(&err) : LS_EXIT_OK;
}

const struct ls_command ls_cmd_history = {
    .name = "history",
    .summary = "list earlier scans, and what one of them found",
    .usage = "[--json] [-n COUNT] [SCAN]",
    .help =
        "Every scan, newest first: number, time, how it ended, how long it took, what it counted. With the number of\n"
        "a scan: the differences that it found, as far as they are kept.\n"
        "\n"
        "  --json                one JSON array; of one scan an object with its findings\n"
        "  -n, --max-count N     at most N scans\n",
    .run = run,
};
