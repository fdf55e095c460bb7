/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep url: the address that an image's row holds, or one that expires. */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "cli/cli.h"

/* Whole seconds; a half one more would be none. LS_INVALID with a text. */
static enum ls_rc read_expiry(const char *text, unsigned *out_s, struct ls_err *err)
{
    int64_t ms = 0;
    enum ls_rc rc = ls_duration_parse(text, &ms, err);
    if (rc)
        return rc;
    if (ms < 1000 || ms / 1000 > LS_STORE_PRESIGN_MOST_S)
        return ls_err_set(err, LS_INVALID, "'%s' is not between 1s and 7d, which S3 allows", text);
    *out_s = (unsigned)(ms / 1000);
    return LS_OK;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    enum { OPT_EXPIRES = 1 };
    static const struct option options[] = {{"expires", required_argument, NULL, OPT_EXPIRES}, {0}};
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    LS_AUTO(ls_free) char *url = NULL;
    struct ls_err err = LS_ERR_INIT;
    unsigned expires_s = 0;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (read_expiry(optarg, &expires_s, &err))
            return ls_cli_usage(cli, "--expires: %s", err.text);
    }
    if (optind + 1 != argc)
        return ls_cli_usage(cli, "wants one KEY");
    int status = ls_cli_open(cli, LS_COMPOSE_STORE, &config, &stack);
    if (status)
        return status;
    const char *key = argv[optind];
    enum ls_rc rc = expires_s ? ls_store_presign(stack->store, key, expires_s, &url, &err)
                              : ls_store_url(stack->store, key, &url, &err);
    if (rc)
        return ls_cli_fail(&err);
    puts(url);
    return LS_EXIT_OK;
}

const struct ls_command ls_cmd_url = {
    .name = "url",
    .summary = "print the url of a key",
    .usage = "[--expires DURATION] KEY",
    .help = "Prints the url that an image at KEY has in the catalog. Nothing is asked of store or catalog.\n"
            "\n"
            "  --expires DURATION  instead one that lets whoever has it read the object for so long (1s to 7d),\n"
            "                      signed with the store's key: for buckets that are not public\n",
    .run = run,
};
