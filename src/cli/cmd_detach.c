/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep detach: leave an application's database without trace. */
#include <stdio.h>

#include "base/auto.h"
#include "cli/cli.h"

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"yes", no_argument, NULL, 'y'}, {0}};
    bool yes = false;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "y", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        yes = true;
    }
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);
    if (ls_config_load(cli->config_path, &config, &err))
        return ls_cli_complain(&err), LS_EXIT_ERROR;
    int status = ls_cli_confirm(LS_CONFIRM_MUST, yes,
                                "remove lockstep from the application's database, with its audit trail, its trash list "
                                "and what it has recorded of the objects");
    if (status)
        return status;
    if (ls_compose_detach(config, &err))
        return ls_cli_complain(&err), LS_EXIT_ERROR;
    printf("detached: nothing of lockstep is left in the database; bucket and rows are as they were\n");
    return LS_EXIT_OK;
}

const struct ls_command ls_cmd_detach = {
    .name = "detach",
    .summary = "leave the application's database without trace",
    .usage = "[--yes]",
    .help =
        "Removes the triggers, the functions and the schema \"lockstep\" that `lockstep attach` has made. The "
        "application's\n"
        "rows and the bucket stay as they are; audit trail, trash list and records go. Refused while another process "
        "of\n"
        "lockstep runs or an operation is open.\n"
        "\n"
        "  -y, --yes    do not ask\n",
    .run = run,
};
