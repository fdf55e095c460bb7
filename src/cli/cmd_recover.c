/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep recover: settle what processes that died left half-done. */
#include <inttypes.h>
#include <stdio.h>

#include "base/auto.h"
#include "cli/cli.h"

/* Open intents of dead instances, before the engine's start settles them. */
static enum ls_rc count_dead(struct ls_catalog *catalog, uint64_t *out_dead, struct ls_err *err)
{
    struct ls_intent_page page = {0};
    uint64_t dead = 0;
    enum ls_rc rc = catalog->ops->intent_list(catalog, NULL, &page, err);
    for (size_t i = 0; !rc && i < page.n; i++) {
        bool alive = false;
        rc = catalog->ops->instance_alive(catalog, page.items[i].instance, &alive, err);
        dead += !alive;
    }
    ls_intent_page_dispose(&page);
    *out_dead = dead;
    return rc;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", NULL)) != -1;)
        if (c == '?')
            return cli->option_status;
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);

    struct ls_err err = LS_ERR_INIT;
    struct ls_recover_stats stats = {0};
    uint64_t dead = 0;
    {
        LS_AUTO(ls_config) struct ls_config *config = NULL;
        LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
        int status = ls_cli_open(cli, LS_COMPOSE_CATALOG, &config, &stack);
        if (status)
            return status;
        if (count_dead(stack->catalog, &dead, &err))
            return ls_cli_fail(&err);
    }
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    if (status)
        return status;
    if (ls_engine_recover(stack->engine, &stats, &err))
        return ls_cli_fail(&err);
    uint64_t settled = dead > stats.failed ? dead - stats.failed : 0;
    printf("%" PRIu64 " settled, %" PRIu64 " could not be settled now, %" PRIu64 " belong to running processes\n",
           settled, stats.failed, stats.alive);
    return stats.failed ? LS_EXIT_ERROR : LS_EXIT_OK;
}

const struct ls_command ls_cmd_recover = {
    .name = "recover",
    .summary = "settle what processes that died left half-done",
    .usage = "",
    .help = "Every start of lockstep does this as well. `lockstep log` tells what was done or undone.\n"
            "\n"
            "Exit status: 0 nothing is left half-done, 4 something could not be settled now.\n",
    .run = run,
};
