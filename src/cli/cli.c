/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the commands share: their table, options, errors, opening the stack. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/failpoint.h"
#include "base/log.h"

const struct ls_command *const ls_commands[] = {
    &ls_cmd_attach,  &ls_cmd_detach,  &ls_cmd_events, &ls_cmd_failpoints, &ls_cmd_get,
    &ls_cmd_help,    &ls_cmd_history, &ls_cmd_import, &ls_cmd_init,       &ls_cmd_listen,
    &ls_cmd_log,     &ls_cmd_ls,      &ls_cmd_mount,  &ls_cmd_mv,         &ls_cmd_put,
    &ls_cmd_recover, &ls_cmd_rm,      &ls_cmd_scan,   &ls_cmd_serve,      &ls_cmd_settle,
    &ls_cmd_status,  &ls_cmd_sync,    &ls_cmd_token,  &ls_cmd_trash,      &ls_cmd_url,
    &ls_cmd_variant, &ls_cmd_version, NULL,
};

const struct ls_command *ls_command_find(const char *name)
{
    for (size_t i = 0; ls_commands[i]; i++)
        if (strcmp(ls_commands[i]->name, name) == 0)
            return ls_commands[i];
    return NULL;
}

/* Edit distance with neighbours' swaps (optimal string alignment); names over 15 bytes count as far away. */
static unsigned distance(const char *a, const char *b)
{
    enum { MOST = 16 };
    size_t n = strlen(a), m = strlen(b);
    unsigned d[MOST][MOST];
    if (n >= MOST || m >= MOST)
        return MOST;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const struct ls_command *ls_command_nearest(const char *name)
{
    const struct ls_command *nearest = NULL;
    unsigned best = strlen(name) < 4 ? 2 : 3; /* at most one, or two, slips */
    for (size_t i = 0; ls_commands[i]; i++) {
        unsigned far = distance(name, ls_commands[i]->name);
        if (far < best) {
            best = far;
            nearest = ls_commands[i];
        }
    }
    return nearest;
}

/* ---- options ---- */

enum { OPT_CONFIG = 1000, OPT_VERBOSE, OPT_FAILPOINT, OPT_COUNT_MAX = 32 };

static const struct option common_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"verbose", optional_argument, NULL, OPT_VERBOSE},
    {"failpoint", required_argument, NULL, OPT_FAILPOINT},
};

static int end_options(struct ls_cli *cli, int status)
{
    cli->option_status = status;
    return '?';
}

static int show_help(struct ls_cli *cli)
{
    char *words[] = {(char[]){"help"}, cli->command ? (char *)(uintptr_t)cli->command->name : NULL, NULL};
    optind = 0;
    return ls_cmd_help.run(cli, cli->command ? 2 : 1, words);
}

/* Options with an effect of their own: 0 to go on, else '?'. */
static int common_option(struct ls_cli *cli, int c)
{
    struct ls_err err = LS_ERR_INIT;
    switch (c) {
    case 'h':
        return end_options(cli, ls_cli_finish(show_help(cli)));
    case OPT_CONFIG:
        cli->config_path = optarg;
        return 0;
    case OPT_VERBOSE:
        return ls_log_verbose(optarg, &err) ? end_options(cli, ls_cli_fail(&err)) : 0;
    case OPT_FAILPOINT:
        if (!ls_failpoint_arm(optarg, &err))
            return 0;
        ls_cli_fail(&err);
        return end_options(cli, LS_EXIT_USAGE);
    default:
        return -1;
    }
}

int ls_cli_getopt(struct ls_cli *cli, int argc, char **argv, const char *shorts, const struct option *longs)
{
    struct option all[OPT_COUNT_MAX] = {0};
    size_t n = sizeof common_options / sizeof *common_options;
    memcpy(all, common_options, sizeof common_options);
    for (; longs && longs->name && n + 1 < OPT_COUNT_MAX; longs++)
        all[n++] = *longs;
    char letters[64];
    snprintf(letters, sizeof letters, "%sh", shorts ? shorts : "");
    for (;;) {
        int c = getopt_long(argc, argv, letters, all, NULL);
        if (c == -1)
            return c;
        if (c == '?') { /* getopt has said what is wrong */
            if (cli->command)
                fprintf(stderr, "see `lockstep help %s`\n", cli->command->name);
            return end_options(cli, LS_EXIT_USAGE);
        }
        int common = common_option(cli, c);
        if (common > 0)
            return common;
        if (common < 0)
            return c;
    }
}

/* ---- errors ---- */

int ls_cli_usage(const struct ls_cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "lockstep %s: ", cli->command->name);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nusage: lockstep %s %s\nsee `lockstep help %s`\n", cli->command->name, cli->command->usage,
            cli->command->name);
    return LS_EXIT_USAGE;
}

void ls_cli_complain(const struct ls_err *err)
{
    ls_cli_progress(NULL, 0, 0);
    fprintf(stderr, "lockstep: %s\n", *err->text ? err->text : ls_rc_name(err->rc));
}

int ls_cli_fail(const struct ls_err *err)
{
    ls_cli_complain(err);
    return ls_rc_exit(err->rc ? err->rc : LS_IO);
}

/* ---- the stack ---- */

int ls_cli_open(struct ls_cli *cli, enum ls_compose_depth depth, struct ls_config **out_config,
                struct ls_stack **out_stack)
{
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_free) char *actor = ls_strf("cli %s", cli->command->name);
    if (!actor) {
        ls_err_nomem(&err);
        return ls_cli_fail(&err);
    }
    const struct ls_compose_opts opts = {.depth = depth, .kind = "cli", .actor = actor, .cancel = &ls_cli_cancelled};
    ls_cli_catch_signals();
    enum ls_rc rc = ls_config_load(cli->config_path, &config, &err);
    if (!rc)
        rc = ls_compose_open(config, &opts, out_stack, &err);
    if (rc) {
        ls_cli_complain(&err);
        return LS_EXIT_ERROR; /* also for a bad config: that is not the command line's fault */
    }
    *out_config = LS_STEAL(config);
    return LS_EXIT_OK;
}
