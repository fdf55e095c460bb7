/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep attach: join the application's database that the config describes, or only look whether that would do. */
#include <stdio.h>

#include "base/auto.h"
#include "cli/cli.h"

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"check", no_argument, NULL, 'c'}, {0}};
    bool check = false;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        check = true;
    }
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);
    if (ls_config_load(cli->config_path, &config, &err))
        return ls_cli_complain(&err), LS_EXIT_ERROR;
    bool other_mapping;
    int status = ls_cli_attach_report(config, check, &other_mapping);
    if (status || check)
        return status;
    if (other_mapping && ls_compose_remap(config, &err))
        return ls_cli_complain(&err), LS_EXIT_ERROR;
    if (ls_compose_create(config, &err) || ls_cli_attach_tie(config, &err))
        return ls_cli_complain(&err), LS_EXIT_ERROR;
    printf(
        "attached: changes of the application are followed now; `lockstep import --from-catalog` records the objects "
        "of its rows\n");
    return LS_EXIT_OK;
}

const struct ls_command ls_cmd_attach = {
    .name = "attach",
    .summary = "join the application's own tables in PostgreSQL",
    .usage = "[--check]",
    .help =
        "Makes the schema \"lockstep\" and its triggers in the application's database, in one transaction, as the "
        "sections\n"
        "[map.product], [map.variant] and [map.image] of the config say (see lockstep-init(1) for a proposal). What "
        "does\n"
        "not fit is said first, and then nothing is changed. May be repeated.\n"
        "\n"
        "  --check    change nothing: say what does not fit, and print the rights that the role needs as SQL\n"
        "\n"
        "Exit status: 0 it fits, 1 something does not, 4 error, 64 usage.\n",
    .run = run,
};
