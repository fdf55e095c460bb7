/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep help, version, failpoints: what the program says about itself. */
#include <stdio.h>

#include "base/failpoint.h"
#include "cli/cli.h"
#include "lockstep/version.h"

static void print_commands(void)
{
    puts("usage: lockstep [--config FILE] [--verbose[=LAYER,…]] COMMAND …\n"
         "\n"
         "Keeps an image bucket and the catalog that describes it in step.\n");
    for (size_t i = 0; ls_commands[i]; i++)
        printf("  %-11s %s\n", ls_commands[i]->name, ls_commands[i]->summary);
    puts("\n"
         "  --config FILE       default: $LOCKSTEP_CONFIG, ./lockstep.conf, $XDG_CONFIG_HOME/lockstep/lockstep.conf,\n"
         "                      /etc/lockstep/lockstep.conf\n"
         "  --verbose[=LAYER,…] log debug lines, of all layers or of these\n"
#ifdef LS_ENABLE_FAILPOINTS
         "  --failpoint NAME=kill|stop|error[@N]\n"
         "                      (a build for tests) kill, stop or fail at the Nth time that this point is reached\n"
#endif
         "\n"
         "`lockstep help COMMAND` and the manual page lockstep-COMMAND(1) tell more.");
}

static int run_help(struct ls_cli *cli, int argc, char **argv)
{
    (void)cli;
    /* No getopt here: `lockstep scan --help` comes here from within it. */
    if (argc < 2) {
        print_commands();
        return LS_EXIT_OK;
    }
    const struct ls_command *command = ls_command_find(argv[1]);
    if (!command) {
        const struct ls_command *nearest = ls_command_nearest(argv[1]);
        fprintf(stderr, "lockstep: '%s' is no command%s%s%s\n", argv[1], nearest ? "; did you mean '" : "",
                nearest ? nearest->name : "", nearest ? "'?" : "");
        return LS_EXIT_USAGE;
    }
    printf("usage: lockstep %s %s\n\n%s", command->name, command->usage, command->help);
    return LS_EXIT_OK;
}

static int run_version(struct ls_cli *cli, int argc, char **argv)
{
    (void)cli;
    (void)argc;
    (void)argv;
    printf("lockstep %s\n", ls_version());
    return LS_EXIT_OK;
}

static void print_name(void *ctx, const char *name)
{
    (void)ctx;
    puts(name);
}

static int run_failpoints(struct ls_cli *cli, int argc, char **argv)
{
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", NULL)) != -1;)
        if (c == '?')
            return cli->option_status;
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);
#ifndef LS_ENABLE_FAILPOINTS
    fputs("lockstep: this build has no fail points (configure --enable-failpoints)\n", stderr);
    return LS_EXIT_ERROR;
#endif
    ls_failpoint_list(print_name, NULL);
    return LS_EXIT_OK;
}

const struct ls_command ls_cmd_help = {
    .name = "help",
    .summary = "list the commands, or explain one",
    .usage = "[COMMAND]",
    .help = "Without COMMAND it lists all of them.\n",
    .run = run_help,
};

const struct ls_command ls_cmd_version = {
    .name = "version",
    .summary = "print the version",
    .usage = "",
    .help = "Prints \"lockstep MAJOR.MINOR.PATCH\".\n",
    .run = run_version,
};

const struct ls_command ls_cmd_failpoints = {
    .name = "failpoints",
    .summary = "list the fail points of a build for tests",
    .usage = "",
    .help =
        "Prints each name that the global option --failpoint NAME=kill|stop|error[@N] takes, one a line. Fail points\n"
        "exist only in builds configured with --enable-failpoints.\n",
    .run = run_failpoints,
};
