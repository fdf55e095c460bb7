/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep import: give every object of the bucket that fits the layout its row. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/report.h"

static void tell(void *ctx, const struct ls_mend_item *item)
{
    (void)ctx;
    if (item->rc == LS_NOT_FOUND)
        return; /* a scan lists them */
    ls_cli_progress(NULL, 0, 0);
    fprintf(stderr, "lockstep: %s\n", item->err.text);
}

/* The other way round: the rows are there, what is recorded of their objects is not. */
static int record(struct ls_cli *cli, bool quiet)
{
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    struct ls_err err = LS_ERR_INIT;
    struct ls_record_totals totals;
    uint64_t repaired;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    if (status)
        return status;
    const struct ls_record_opts opts = {.each = tell, .progress = quiet ? NULL : ls_cli_progress};
    enum ls_rc rc = ls_compose_repair(config, &repaired, &err);
    if (!rc)
        rc = ls_engine_record(stack->engine, &opts, &totals, &err);
    ls_cli_progress(NULL, 0, 0);
    if (rc)
        return ls_cli_fail(&err);
    if (!quiet || totals.missing || totals.skipped || totals.failed)
        printf("%" PRIu64 " recorded, %" PRIu64 " without an object, %" PRIu64 " in use, %" PRIu64 " failed\n",
               totals.recorded, totals.missing, totals.skipped, totals.failed);
    if (!quiet && repaired)
        printf("%" PRIu64 " rows had been changed while the triggers did not run\n", repaired);
    if (totals.failed || totals.skipped)
        return ls_cli_finish(LS_EXIT_INCOMPLETE);
    return ls_cli_finish(totals.missing ? LS_EXIT_DIFFERENCES : LS_EXIT_OK);
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    enum { FROM_CATALOG = 1 };
    static const struct option options[] = {LS_SCAN_OPTIONS, {"from-catalog", no_argument, NULL, FROM_CATALOG}, {0}};
    /* Whoever imports says that the bucket is at rest: no grace. */
    struct ls_scan_args args = {.grace_ms = 0};
    bool from_catalog = false;
    struct ls_err err = LS_ERR_INIT;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "q", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (c == FROM_CATALOG)
            from_catalog = true;
        else if (ls_scan_option(&args, c, &err))
            return ls_cli_usage(cli, "%s", err.text);
    }
    if (from_catalog && optind < argc)
        return ls_cli_usage(cli, "--from-catalog takes all rows, not those of a product");
    ls_scan_products(&args, optind, argv);
    if (from_catalog)
        return record(cli, args.quiet);

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
    .help =
        "Gives every object that fits the layout and has no row its row, with product and variant where they are\n"
        "missing. No object is touched. May be repeated.\n"
        "\n"
        "  --from-catalog    the other way round: ask the store for the objects of all rows that nothing is recorded\n"
        "                    of, and record them; rows without an object stay as they are (a scan calls them "
        "missing)\n" LS_SCAN_OPTIONS_HELP "\n"
        "Exit status: 0 in step now, 1 differences stay, 2 incomplete, 4 error, 64 usage.\n",
    .run = run,
};
