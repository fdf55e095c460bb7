/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The program's entry: global options, then the command; or what mount(8) calls, `lockstep CONFIG DIR -o …`. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"

/* What mount(8) shall exit with: see EXIT STATUS there. */
enum { MOUNT_USAGE = 1, MOUNT_FAILED = 32 };

/* No command is called like a path, and no command is meant by a file followed by more words. */
static bool is_config(const char *name, int n_words)
{
    struct stat st;
    return strchr(name, '/') || (n_words > 1 && stat(name, &st) == 0 && S_ISREG(st.st_mode));
}

/* mount.fuse3(8) starts `lockstep CONFIG DIR -o OPTIONS`. */
static int run_as_helper(struct ls_cli *cli, int argc, char **argv)
{
    static char name[] = "mount";
    cli->command = &ls_cmd_mount;
    cli->config_path = argv[0];
    argv[0] = name;
    optind = 0;
    int status = ls_cli_finish(cli->command->run(cli, argc, argv));
    return status == LS_EXIT_OK ? 0 : status == LS_EXIT_USAGE ? MOUNT_USAGE : MOUNT_FAILED;
}

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
    if (!command && is_config(name, argc - optind))
        return run_as_helper(&cli, argc - optind, argv + optind);
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
