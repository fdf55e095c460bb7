/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The program's entry: global options, then the command. */
#include <stdio.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
    struct ls_cli cli = {0};
    int at = ls_cli_getopt(&cli, argc, argv, "+V", (const struct option[]){{"version", no_argument, NULL, 'V'}, {0}});
    if (at == 'V')
        return ls_cmd_version.run(&cli, 1, argv);
    if (at != -1)
        return cli.option_status;
    if (optind >= argc) {
        fputs("lockstep: no command; `lockstep help` lists them\n", stderr);
        return LS_EXIT_USAGE;
    }
    const char *name = argv[optind];
    const struct ls_command *command = ls_command_find(name);
    if (!command) {
        const struct ls_command *nearest = ls_command_nearest(name);
        fprintf(stderr, "lockstep: '%s' is no command", name);
        if (nearest)
            fprintf(stderr, "; did you mean '%s'?\n", nearest->name);
        else
            fputs("; `lockstep help` lists them\n", stderr);
        return LS_EXIT_USAGE;
    }
    cli.command = command;
    argc -= optind;
    argv += optind;
    optind = 0; /* a new scan, and GNU getopt's own state with it */
    return ls_cli_finish(command->run(&cli, argc, argv));
}
