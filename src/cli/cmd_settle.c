/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep settle: do in the bucket what the application changed in the catalog, without a mount. */
#include <inttypes.h>
#include <stdio.h>

#include "base/auto.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "lockstep/settle.h"

LS_AUTO_DEFINE(ls_settle, struct ls_settle *, ls_settle_close)

#define WAIT_MS 1000  /* between two looks at whether somebody stops us */
#define AGAIN_MS 2000 /* after a failure, and while another process settles */

static void say(const struct ls_settle_stats *stats)
{
    printf("%" PRIu64 " changes read: %" PRIu64 " objects moved, %" PRIu64 " to trash, %" PRIu64 " recorded, %" PRIu64
           " reported, %" PRIu64 " left for a scan\n",
           stats->changes, stats->moved, stats->trashed, stats->recorded, stats->reported, stats->left);
}

static int settle_once(struct ls_settle *settle)
{
    struct ls_settle_stats stats;
    struct ls_err err = LS_ERR_INIT;
    if (ls_settle_run(settle, &stats, &err))
        return ls_cli_fail(&err);
    if (!stats.leader) {
        puts("another process settles this catalog");
        return LS_EXIT_OK;
    }
    say(&stats);
    return stats.left ? LS_EXIT_DIFFERENCES : LS_EXIT_OK;
}

/* Until the next change; false when there is none yet. */
static bool await_change(struct ls_catalog *catalog, int64_t *after)
{
    int64_t last = *after;
    struct ls_err err = LS_ERR_INIT;
    if (catalog->ops->change_wait(catalog, *after, WAIT_MS, -1, &last, &err)) {
        ls_sleep_ms(AGAIN_MS);
        return true;
    }
    bool changed = last != *after;
    *after = last;
    return changed;
}

static int settle_on(struct ls_settle *settle, struct ls_catalog *catalog)
{
    int64_t after = 0;
    bool failing = false;
    while (!atomic_load(&ls_cli_cancelled)) {
        struct ls_settle_stats stats;
        struct ls_err err = LS_ERR_INIT;
        if (ls_settle_run(settle, &stats, &err)) {
            if (!failing)
                ls_cli_complain(&err);
            failing = true;
        } else {
            failing = false;
            if (stats.moved + stats.trashed + stats.recorded + stats.reported + stats.left > 0)
                say(&stats);
        }
        fflush(stdout);
        if (failing || !stats.leader)
            ls_sleep_ms(AGAIN_MS);
        else
            while (!atomic_load(&ls_cli_cancelled) && !await_change(catalog, &after))
                ;
    }
    return LS_EXIT_OK;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    enum { ONCE = 1, FOLLOW };
    static const struct option options[] = {
        {"once", no_argument, NULL, ONCE}, {"follow", no_argument, NULL, FOLLOW}, {0}};
    bool follow = false;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        follow = c == FOLLOW;
    }
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);

    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    LS_AUTO(ls_settle) struct ls_settle *settle = NULL;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    if (status)
        return status;
    const struct ls_settle_opts opts = ls_compose_settle_opts(config, stack->engine);
    if (ls_settle_open(&opts, &settle, &err))
        return ls_cli_fail(&err);
    return follow ? settle_on(settle, stack->catalog) : settle_once(settle);
}

const struct ls_command ls_cmd_settle = {
    .name = "settle",
    .summary = "do in the bucket what the application changed in the catalog",
    .usage = "[--once | --follow]",
    .help = "A mount does this by itself; the command is for hosts without one. Of all processes on a catalog one "
            "settles.\n"
            "The first one begins at the newest change. What is done about each kind of change stands in [settle].\n"
            "\n"
            "  --once    settle what there is, and end (the default)\n"
            "  --follow  go on until SIGTERM\n"
            "\n"
            "Exit status: 0 settled, or another process settles; 1 something was left for a scan; 4 error.\n",
    .run = run,
};
