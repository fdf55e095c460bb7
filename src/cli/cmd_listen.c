/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep listen: follow what MinIO tells of the bucket, where nothing can be posted to a daemon. */
#include <stdio.h>

#include "cli/cli.h"
#include "engine/mender.h"
#include "serve/follow.h"

static void tell_ready(void *ctx, const char *bucket)
{
    (void)ctx;
    printf("listening to %s\n", bucket);
    fflush(stdout);
}

static int listen_to(const struct ls_config *config)
{
    static atomic_bool cancel;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    LS_AUTO(ls_mender) struct ls_mender *mender = NULL;
    struct ls_err err = LS_ERR_INIT;
    const struct ls_compose_opts compose = {
        .depth = LS_COMPOSE_ENGINE, .kind = "listen", .actor = "listen", .cancel = &cancel};
    enum ls_rc rc = ls_compose_open(config, &compose, &stack, &err);
    if (!rc && stack)
        rc = ls_mender_start(stack->engine, &cancel, &mender, &err);
    if (!rc && stack) {
        const struct ls_serve_opts opts = {
            .engine = stack->engine,
            .cancel = &cancel,
            .events = config->serve_events == LS_SETTLE_ACT ? LS_EVENTS_ACT : LS_EVENTS_REPORT,
            .bucket = config->store_scheme == LS_STORE_SCHEME_S3 ? config->store_target : NULL,
            .ready = tell_ready,
        };
        rc = ls_follow_run(&opts, &err);
    }
    return rc ? ls_cli_fail(&err) : LS_EXIT_OK;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", NULL)) != -1;)
        if (c == '?')
            return cli->option_status;
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    struct ls_err err = LS_ERR_INIT;
    if (ls_config_load(cli->config_path, &config, &err))
        return ls_cli_fail(&err);
    if (config->serve_events == LS_SETTLE_IGNORE) {
        fprintf(stderr, "lockstep: %s: [serve] events = ignore, so there is nothing to listen for\n", config->path);
        return LS_EXIT_ERROR;
    }
    ls_serve_block_signals();
    return listen_to(config);
}

const struct ls_command ls_cmd_listen = {
    .name = "listen",
    .summary = "follow what the bucket tells, without a webhook",
    .usage = "",
    .help =
        "Follows MinIO's stream of the bucket's events until SIGTERM, in the foreground, and lets the rows follow as\n"
        "`lockstep serve` does with what is posted to it. Nothing keeps events while it is away: what happened\n"
        "before, or in a gap that the log tells of, is found by `lockstep scan`. [serve] events applies.\n",
    .run = run,
};
