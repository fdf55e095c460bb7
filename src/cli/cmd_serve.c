/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep serve: options, then the serve layer answers. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "cli/cli.h"
#include "cli/tokens_file.h"
#include "engine/mender.h"
#include "lockstep/settle.h"
#include "serve/serve.h"

LS_AUTO_DEFINE(ls_settler, struct ls_settler *, ls_settler_stop)

static void tell_url(void *ctx, const char *url)
{
    (void)ctx;
    printf("listening on %s\n", url);
    fflush(stdout);
}

static int serve(const struct ls_config *config, const char *listen)
{
    static const enum ls_events_policy events[] = {
        [LS_SETTLE_ACT] = LS_EVENTS_ACT, [LS_SETTLE_REPORT] = LS_EVENTS_REPORT, [LS_SETTLE_IGNORE] = LS_EVENTS_IGNORE};
    static atomic_bool cancel;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    LS_AUTO(ls_mender) struct ls_mender *mender = NULL;
    LS_AUTO(ls_settler) struct ls_settler *settler = NULL;
    LS_AUTO(ls_free) char *tokens = ls_tokens_file(config);
    struct ls_err err = LS_ERR_INIT;
    const struct ls_compose_opts compose = {
        .depth = LS_COMPOSE_ENGINE, .kind = "serve", .actor = "serve", .cancel = &cancel};
    enum ls_rc rc = tokens ? ls_compose_open(config, &compose, &stack, &err) : ls_err_nomem(&err);
    if (!rc && stack)
        rc = ls_mender_start(stack->engine, &cancel, &mender, &err);
    if (!rc && stack) {
        const struct ls_settle_opts settle = ls_compose_settle_opts(config, stack->engine);
        rc = ls_settler_start(&settle, true, &settler, &err);
    }
    if (!rc && stack) {
        const struct ls_serve_opts opts = {
            .listen = listen ? listen : config->serve_listen,
            .hosts = (const char *const *)config->serve_hosts,
            .cert_path = config->serve_cert,
            .key_path = config->serve_key,
            .tokens_path = tokens,
            .engine = stack->engine,
            .cancel = &cancel,
            .store_stats = stack->stats,
            .store_url = config->store_url,
            .catalog_url = config->catalog_url,
            .grace_ms = config->scan_grace_ms,
            .ranges = (unsigned)config->scan_ranges,
            .max_change_percent = config->scan_max_change_percent,
            .max_change_count = config->scan_max_change_count,
            .backup_path = config->catalog_backup,
            .events = events[config->serve_events],
            .bucket = config->store_scheme == LS_STORE_SCHEME_S3 ? config->store_target : NULL,
            .jobs_folder = config->serve_jobs,
            .max_upload_bytes = config->serve_max_upload_bytes,
            .max_events_bytes = config->serve_max_events_bytes,
            .drain_ms = config->serve_drain_ms,
            .ready = tell_url,
        };
        rc = ls_serve_run(&opts, &err);
    }
    if (!rc)
        return LS_EXIT_OK;
    ls_cli_complain(&err);
    return LS_EXIT_ERROR;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    enum { OPT_LISTEN = 1 };
    static const struct option options[] = {{"listen", required_argument, NULL, OPT_LISTEN}, {0}};
    const char *listen = NULL;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        listen = optarg;
    }
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    struct ls_err err = LS_ERR_INIT;
    if (ls_config_load(cli->config_path, &config, &err)) {
        ls_cli_complain(&err);
        return LS_EXIT_ERROR;
    }
    ls_serve_block_signals();
    return serve(config, listen);
}

const struct ls_command ls_cmd_serve = {
    .name = "serve",
    .summary = "answer the HTTP API",
    .usage = "[--listen ADDRESS:PORT]",
    .help = "Answers the HTTP API until SIGTERM, in the foreground. Says first which address it got. All but health\n"
            "wants a bearer token: `lockstep token add`.\n"
            "\n"
            "  --listen ADDRESS:PORT  where (default: [serve] listen, 127.0.0.1:8420); port 0: any free one\n",
    .run = run,
};
