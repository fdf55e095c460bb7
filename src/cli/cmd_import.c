/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep import: give every object of the bucket that fits the layout its row. */
#include "cli/report.h"

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {LS_SCAN_OPTIONS, {0}};
    /* Whoever imports says that the bucket is at rest: no grace. */
    struct ls_scan_args args = {.grace_ms = 0};
    struct ls_err err = LS_ERR_INIT;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "q", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (ls_scan_option(&args, c, &err))
            return ls_cli_usage(cli, "%s", err.text);
    }
    ls_scan_products(&args, optind, argv);

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    LS_AUTO(ls_scan) struct ls_scan *scan = NULL;
    struct ls_sync_totals mended = {0};
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    if (status)
        return status;
    const struct ls_sync_opts opts = {
        .orphans = LS_ORPHANS_ADOPT,
        .max_change_percent = config->scan_max_change_percent,
        .max_change_count = config->scan_max_change_count,
        .backup_path = config->catalog_backup,
        .cancel = &ls_cli_cancelled,
        .progress = args.quiet ? NULL : ls_cli_progress,
    };
    enum ls_rc rc = ls_scan_with(config, stack->engine, &args, &scan, &err);
    if (!rc)
        rc = ls_sync_run(stack->engine, scan, &opts, NULL, NULL, &mended, &err);
    ls_cli_progress(NULL, 0, 0);
    if (!rc)
        rc = ls_report(scan, &args, &mended, &err);
    if (rc)
        return rc == LS_INVALID ? (ls_cli_complain(&err), LS_EXIT_INCOMPLETE) : ls_cli_fail(&err);
    if (mended.failed)
        return LS_EXIT_INCOMPLETE;
    return mended.remaining ? LS_EXIT_DIFFERENCES : LS_EXIT_OK;
}

const struct ls_command ls_cmd_import = {
    .name = "import",
    .summary = "make the catalog's rows from what the bucket holds",
    .usage = "[OPTION…] [PRODUCT…]",
    .help = "Gives every object that fits the layout and has no row its row, with product and variant where they are\n"
            "missing. No object is touched. May be repeated.\n"
            "\n" LS_SCAN_OPTIONS_HELP "\n"
            "Exit status: 0 in step now, 1 differences stay, 2 incomplete, 4 error, 64 usage.\n",
    .run = run,
};
