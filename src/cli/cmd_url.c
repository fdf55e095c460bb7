/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep url: the address that an image's row holds. */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "cli/cli.h"

static int run(struct ls_cli *cli, int argc, char **argv)
{
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", NULL)) != -1;)
        if (c == '?')
            return cli->option_status;
    if (optind + 1 != argc)
        return ls_cli_usage(cli, "wants one KEY");
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    LS_AUTO(ls_free) char *url = NULL;
    struct ls_err err = LS_ERR_INIT;
    int status = ls_cli_open(cli, LS_COMPOSE_STORE, &config, &stack);
    if (status)
        return status;
    if (ls_store_url(stack->store, argv[optind], &url, &err))
        return ls_cli_fail(&err);
    puts(url);
    return LS_EXIT_OK;
}

const struct ls_command ls_cmd_url = {
    .name = "url",
    .summary = "print the url of a key",
    .usage = "KEY",
    .help = "Prints the url that an image at KEY has in the catalog. Nothing is asked of store or catalog.\n",
    .run = run,
};
