/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep sync: scan, then mend what the options name. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/report.h"

enum {
    OPT_ORPHANS = 1,
    OPT_MISSING,
    OPT_STALE,
    OPT_MOVED,
    OPT_MISFILED,
    OPT_MISPLACED,
    OPT_DRY_RUN,
    OPT_MAX_CHANGE,
    OPT_ALLOW_EMPTY
};

static const struct option options[] = {
    LS_SCAN_OPTIONS,
    {"orphans", required_argument, NULL, OPT_ORPHANS},
    {"missing", required_argument, NULL, OPT_MISSING},
    {"stale", required_argument, NULL, OPT_STALE},
    {"moved", required_argument, NULL, OPT_MOVED},
    {"misfiled", required_argument, NULL, OPT_MISFILED},
    {"misplaced", required_argument, NULL, OPT_MISPLACED},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"yes", no_argument, NULL, 'y'},
    {"max-change", required_argument, NULL, OPT_MAX_CHANGE},
    {"allow-empty", no_argument, NULL, OPT_ALLOW_EMPTY},
    {0},
};

struct sync_args {
    struct ls_scan_args scan;
    struct ls_sync_opts opts;
    bool yes;
    bool max_change_set;
};

/* "keep" or the one other word. */
static enum ls_rc keep_or(const char *option, const char *word, bool *out, struct ls_err *err)
{
    *out = strcmp(optarg, word) == 0;
    if (*out || strcmp(optarg, "keep") == 0)
        return LS_OK;
    return ls_err_set(err, LS_INVALID, "--%s=%s: want keep or %s", option, optarg, word);
}

static enum ls_rc set_orphans(struct ls_sync_opts *opts, struct ls_err *err)
{
    if (strcmp(optarg, "keep") == 0)
        opts->orphans = LS_ORPHANS_KEEP;
    else if (strcmp(optarg, "adopt") == 0)
        opts->orphans = LS_ORPHANS_ADOPT;
    else if (strcmp(optarg, "remove") == 0)
        opts->orphans = LS_ORPHANS_REMOVE;
    else
        return ls_err_set(err, LS_INVALID, "--orphans=%s: want keep, adopt or remove", optarg);
    return LS_OK;
}

static enum ls_rc take_option(struct sync_args *args, int c, struct ls_err *err)
{
    struct ls_sync_opts *opts = &args->opts;
    switch (c) {
    case OPT_ORPHANS:
        return set_orphans(opts, err);
    case OPT_MISSING:
        return keep_or("missing", "drop", &opts->drop_missing, err);
    case OPT_STALE:
        return keep_or("stale", "refresh", &opts->refresh_stale, err);
    case OPT_MOVED:
        return keep_or("moved", "relink", &opts->relink_moved, err);
    case OPT_MISFILED:
        return keep_or("misfiled", "refile", &opts->refile_misfiled, err);
    case OPT_MISPLACED:
        return keep_or("misplaced", "remove", &opts->remove_misplaced, err);
    case OPT_DRY_RUN:
        opts->dry_run = args->scan.dry_run = true;
        return LS_OK;
    case 'y':
        args->yes = true;
        return LS_OK;
    case OPT_MAX_CHANGE:
        args->max_change_set = true;
        return ls_max_change_parse(optarg, &opts->max_change_percent, &opts->max_change_count, err);
    case OPT_ALLOW_EMPTY:
        opts->override_empty = true;
        return LS_OK;
    default:
        return ls_scan_option(&args->scan, c, err);
    }
}

static bool destroys(const struct ls_sync_opts *opts)
{
    return opts->orphans == LS_ORPHANS_REMOVE || opts->drop_missing || opts->remove_misplaced;
}

static bool mends(const struct ls_sync_opts *opts)
{
    return opts->orphans != LS_ORPHANS_KEEP || opts->drop_missing || opts->refresh_stale || opts->relink_moved ||
           opts->refile_misfiled || opts->remove_misplaced;
}

/* Ask when the plan destroys something. */
static int confirm(const struct ls_scan *scan, const struct sync_args *args)
{
    struct ls_sync_plan plan;
    ls_sync_plan(scan, &args->opts, &plan);
    uint64_t removed = plan.remove_orphaned + plan.remove_misplaced;
    if (args->opts.dry_run || (removed == 0 && plan.drop == 0))
        return LS_EXIT_OK;
    return ls_cli_confirm(LS_CONFIRM_MUST, args->yes, "move %" PRIu64 " objects to trash and drop %" PRIu64 " rows",
                          removed, plan.drop);
}

/* Tell of one item as it is mended. */
static void tell(void *ctx, const char *what, const struct ls_finding *finding, enum ls_rc rc, const char *text)
{
    const struct sync_args *args = ctx;
    ls_cli_progress(NULL, 0, 0);
    if (args->scan.form != LS_REPORT_PEOPLE) {
        if (rc) {
            fprintf(stderr, "lockstep: %s: %s\n", what, text ? text : ls_rc_name(rc));
        }
        return;
    }
    printf("%s%s %s", args->opts.dry_run ? "would " : "", what, rc ? "NOT " : "");
    ls_cli_print_key(finding->key);
    if (finding->partner) {
        fputs(" <-> ", stdout);
        ls_cli_print_key(finding->partner);
    }
    if (rc)
        printf(": %s", text ? text : ls_rc_name(rc));
    putchar('\n');
}

static int mend(struct ls_engine *engine, struct ls_scan *scan, struct sync_args *args)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_sync_totals mended = {0};
    const struct ls_scan_totals *totals = ls_scan_totals(scan);
    if (!totals->complete) {
        if (ls_report(scan, &args->scan, NULL, &err))
            return ls_cli_fail(&err);
        fputs("lockstep: the scan is incomplete, so nothing was mended\n", stderr);
        return LS_EXIT_INCOMPLETE;
    }
    if (ls_sync_guard(engine, scan, &args->opts, &err))
        return ls_cli_fail(&err);
    int status = confirm(scan, args);
    if (status)
        return status;
    args->opts.cancel = &ls_cli_cancelled;
    args->opts.progress = args->scan.quiet ? NULL : ls_cli_progress;
    enum ls_rc rc = ls_sync_run(engine, scan, &args->opts, args->scan.quiet ? NULL : tell, args, &mended, &err);
    ls_cli_progress(NULL, 0, 0);
    /* Who asked for nothing sees what a scan shows. */
    bool asked = mends(&args->opts) || args->scan.form != LS_REPORT_PEOPLE;
    if (!rc)
        rc = ls_report(scan, &args->scan, asked ? &mended : NULL, &err);
    if (rc)
        return ls_cli_fail(&err);
    if (mended.failed)
        return LS_EXIT_INCOMPLETE;
    int before = ls_report_status(totals);
    if (args->opts.dry_run || before == LS_EXIT_INCOMPLETE)
        return before;
    return mended.remaining ? LS_EXIT_DIFFERENCES : LS_EXIT_OK;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    struct sync_args args = {.scan.grace_ms = -1};
    struct ls_err err = LS_ERR_INIT;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "qy", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (take_option(&args, c, &err))
            return ls_cli_usage(cli, "%s", err.text);
    }
    ls_scan_products(&args.scan, optind, argv);
    /* Said before the long scan, and always: not only on the day when there is something to remove. */
    if (destroys(&args.opts) && !args.yes && !args.opts.dry_run && !isatty(STDIN_FILENO))
        return ls_cli_usage(cli, "removing or dropping wants --yes (or --dry-run) when there is no terminal to ask on");

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    LS_AUTO(ls_scan) struct ls_scan *scan = NULL;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    if (status)
        return status;
    args.opts.backup_path = config->catalog_backup;
    if (!args.max_change_set) {
        args.opts.max_change_percent = config->scan_max_change_percent;
        args.opts.max_change_count = config->scan_max_change_count;
    }
    if (ls_scan_with(config, stack->engine, &args.scan, &scan, &err))
        return ls_cli_fail(&err);
    return mend(stack->engine, scan, &args);
}

const struct ls_command ls_cmd_sync = {
    .name = "sync",
    .summary = "scan, and mend what you name",
    .usage = "[OPTION…] [PRODUCT…]",
    .help =
        "Scans, then mends the kinds of differences that options name; without any it mends nothing. Each item is\n"
        "read again on both sides first, and left alone when it has changed.\n"
        "\n"
        "  --orphans=keep|adopt|remove  objects without a row: give them one, or move them to trash\n"
        "  --missing=keep|drop          rows without an object: drop them\n"
        "  --stale=keep|refresh         overwritten objects: record what they are now\n"
        "  --moved=keep|relink          objects that were moved: their row follows\n"
        "  --misfiled=keep|refile       rows whose columns disagree with their key: the columns follow\n"
        "  --misplaced=keep|remove      objects that do not fit the layout: move them to trash\n"
        "  --dry-run                    check everything, change nothing\n"
        "  -y, --yes                    do not ask before removing or dropping\n"
        "  --max-change N%|N            stop before removing, dropping or refreshing more than this of a kind\n"
        "                               (default: [scan] max_change; at least 10 are always allowed)\n"
        "  --allow-empty                go on although the bucket is empty or not the known one\n" LS_SCAN_OPTIONS_HELP
        "\n"
        "Exit status: 0 in step now, 1 differences stay, 2 incomplete or failed in part, 3 a guard stopped it, 4\n"
        "error, 64 usage.\n",
    .run = run,
};
