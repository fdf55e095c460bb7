/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the commands share: the table of commands, options, errors as exit statuses, opening the stack.
 *
 * A command is one cmd_*.c with one struct ls_command. It runs on the main thread; a process runs one command.
 */
#ifndef LOCKSTEP_CLI_CLI_H
#define LOCKSTEP_CLI_CLI_H

#include <getopt.h>

#include "cli/compose.h"
#include "cli/config.h"
#include "cli/term.h"
#include "lockstep/err.h"

struct ls_command;

struct ls_cli {
    const struct ls_command *command;
    const char *config_path; /* --config, or NULL */
    int option_status;       /* the exit status after ls_cli_getopt said '?' */
};

struct ls_command {
    const char *name;
    const char *summary; /* one line */
    const char *usage;   /* what follows "lockstep NAME" */
    const char *help;    /* what it does and its options */
    int (*run)(struct ls_cli *cli, int argc, char **argv);
};

extern const struct ls_command ls_cmd_attach, ls_cmd_detach, ls_cmd_events, ls_cmd_failpoints, ls_cmd_get, ls_cmd_help,
    ls_cmd_history, ls_cmd_import, ls_cmd_init, ls_cmd_listen, ls_cmd_log, ls_cmd_ls, ls_cmd_mount, ls_cmd_mv,
    ls_cmd_put, ls_cmd_recover, ls_cmd_rm, ls_cmd_scan, ls_cmd_serve, ls_cmd_settle, ls_cmd_status, ls_cmd_sync,
    ls_cmd_token, ls_cmd_trash, ls_cmd_url, ls_cmd_variant, ls_cmd_version;

/* All commands, sorted, NULL at the end. */
extern const struct ls_command *const ls_commands[];
const struct ls_command *ls_command_find(const char *name);
/* The command that a mistyped name is nearest to, or NULL. */
const struct ls_command *ls_command_nearest(const char *name);

/* getopt_long over a command's options and those that every command has (--help, --config, --verbose, --failpoint),
 * which it handles itself. -1 at the end of the options; '?' ends the command with cli->option_status. */
int ls_cli_getopt(struct ls_cli *cli, int argc, char **argv, const char *shorts, const struct option *longs);

/* Say what was wrong with the command line; returns LS_EXIT_USAGE. */
int ls_cli_usage(const struct ls_cli *cli, const char *fmt, ...) LS_PRINTF(2, 3);
/* Say what failed; returns the class's exit status. */
int ls_cli_fail(const struct ls_err *err);
/* As ls_cli_fail for commands that go on: only says it. */
void ls_cli_complain(const struct ls_err *err);

/* Load the config (when it is not yet) and open a stack of it. 0, or the exit status after saying what failed. */
int ls_cli_open(struct ls_cli *cli, enum ls_compose_depth depth, struct ls_config **out_config,
                struct ls_stack **out_stack);

/* attach_report.c: say what does not fit of an attached database (`all`: also the rights it needs); exit status. Is it
 * attached by another mapping? (not with `all`; may be NULL) */
int ls_cli_attach_report(const struct ls_config *config, bool all, bool *out_other_mapping);
/* Bucket and catalog learn each other, so that a sync can tell this bucket from an emptied or a foreign one. */
enum ls_rc ls_cli_attach_tie(const struct ls_config *config, struct ls_err *err) LS_MUST_CHECK;

#endif
