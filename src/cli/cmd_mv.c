/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep mv: rename an image or a folder in store and catalog. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "cli/cli.h"

static void strip_slashes(char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"no-clobber", no_argument, NULL, 'n'}, {0}};
    unsigned flags = LS_RENAME_MAKE_PARENTS;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "n", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        flags |= LS_RENAME_NOREPLACE;
    }
    if (optind + 2 != argc)
        return ls_cli_usage(cli, "wants FROM and TO");
    char *from = argv[optind], *to = argv[optind + 1];
    LS_AUTO(ls_free) char *inside = NULL;
    strip_slashes(from);
    if (*to && to[strlen(to) - 1] == '/') { /* into the folder, under its own name */
        const char *slash = strrchr(from, '/');
        strip_slashes(to);
        inside = ls_strf("%s/%s", to, slash ? slash + 1 : from);
        to = inside ? inside : to;
    }
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    struct ls_err err = LS_ERR_INIT;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    if (status)
        return status;
    return ls_engine_rename(stack->engine, from, to, flags, &err) ? ls_cli_fail(&err) : LS_EXIT_OK;
}

const struct ls_command ls_cmd_mv = {
    .name = "mv",
    .summary = "rename an image or a folder in store and catalog",
    .usage = "[-n] FROM TO",
    .help =
        "Both are of one level: image, type, weight or product. Renaming a weight changes the variant. With a '/' at\n"
        "its end, TO is the folder that FROM goes into. Missing parents are made; an existing image is replaced.\n"
        "\n"
        "  -n, --no-clobber  fail when TO is taken\n",
    .run = run,
};
