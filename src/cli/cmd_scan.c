/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep scan: what differs between store and catalog. */
#include "cli/report.h"

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {LS_SCAN_OPTIONS, {"share", no_argument, NULL, LS_OPT_SHARE}, {0}};
    struct ls_scan_args args = {.grace_ms = -1};
    struct ls_err err = LS_ERR_INIT;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "q", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (c == LS_OPT_SHARE)
            args.share = true;
        else if (ls_scan_option(&args, c, &err))
            return ls_cli_usage(cli, "%s", err.text);
    }
    ls_scan_products(&args, optind, argv);

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    LS_AUTO(ls_scan) struct ls_scan *scan = NULL;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    if (status)
        return status;
    enum ls_rc rc = ls_scan_with(config, stack->engine, &args, &scan, &err);
    if (!rc)
        rc = ls_report(scan, &args, NULL, &err);
    return rc ? ls_cli_fail(&err) : ls_report_status(ls_scan_totals(scan));
}

const struct ls_command ls_cmd_scan = {
    .name = "scan",
    .summary = "tell what differs between store and catalog",
    .usage = "[OPTION…] [PRODUCT…]",
    .help = "Compares the store with the catalog, everything or the named products, and changes nothing.\n"
            "\n" LS_SCAN_OPTIONS_HELP
            "  --share           divide the work among all that run this with the same products and grace, on one\n"
            "                    host or many; each prints the whole result\n"
            "\n"
            "Exit status: 0 in step, 1 differences, 2 incomplete, 4 error, 64 usage.\n",
    .run = run,
};
