/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep token: add, list and revoke what the HTTP API is called with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/tokens_file.h"
#include "serve/tokens.h"

char *ls_tokens_file(const struct ls_config *config)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (!config->serve_tokens_set && folder && *folder) {
        LS_AUTO(ls_free) char *path = ls_strf("%s/lockstep-tokens", folder);
        if (!path || access(path, F_OK) == 0)
            return LS_STEAL(path);
    }
    return strdup(config->serve_tokens);
}

/* The file's path, or NULL after saying why not. */
static char *find_file(const struct ls_cli *cli)
{
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    struct ls_err err = LS_ERR_INIT;
    char *path = NULL;
    enum ls_rc rc = ls_config_load(cli->config_path, &config, &err);
    if (!rc && !(path = ls_tokens_file(config)))
        rc = ls_err_nomem(&err);
    if (rc)
        ls_cli_complain(&err);
    return path;
}

static int run_add(struct ls_cli *cli, int argc, char **argv)
{
    enum { OPT_ROLE = 1 };
    static const struct option options[] = {{"role", required_argument, NULL, OPT_ROLE}, {0}};
    struct ls_err err = LS_ERR_INIT;
    enum ls_role role = 0;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (ls_role_parse(optarg, &role, &err))
            return ls_cli_usage(cli, "--role: %s", err.text);
    }
    if (!role || optind + 1 != argc)
        return ls_cli_usage(cli, "add wants --role and one NAME");
    LS_AUTO(ls_free) char *path = find_file(cli);
    if (!path)
        return LS_EXIT_ERROR;
    char text[LS_TOKEN_TEXT_MAX];
    if (ls_tokens_add(path, argv[optind], role, text, &err))
        return ls_cli_fail(&err);
    puts(text);
    explicit_bzero(text, sizeof text);
    return LS_EXIT_OK;
}

static int run_list(struct ls_cli *cli, int argc, char **argv)
{
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", NULL)) != -1;)
        if (c == '?')
            return cli->option_status;
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);
    LS_AUTO(ls_free) char *path = find_file(cli);
    LS_AUTO(ls_tokens) struct ls_tokens tokens = {0};
    struct ls_err err = LS_ERR_INIT;
    if (!path)
        return LS_EXIT_ERROR;
    enum ls_rc rc = ls_tokens_read(path, &tokens, &err);
    if (rc && rc != LS_NOT_FOUND)
        return ls_cli_fail(&err);
    for (size_t i = 0; i < tokens.n; i++) {
        char iso[LS_TIME_LEN];
        ls_time_iso(tokens.items[i].created_ns, iso);
        printf("%-8s %s %s\n", ls_role_name(tokens.items[i].role), iso, tokens.items[i].name);
    }
    return LS_EXIT_OK;
}

static int run_revoke(struct ls_cli *cli, int argc, char **argv)
{
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", NULL)) != -1;)
        if (c == '?')
            return cli->option_status;
    if (optind + 1 != argc)
        return ls_cli_usage(cli, "revoke wants one NAME");
    LS_AUTO(ls_free) char *path = find_file(cli);
    struct ls_err err = LS_ERR_INIT;
    if (!path)
        return LS_EXIT_ERROR;
    return ls_tokens_revoke(path, argv[optind], &err) ? ls_cli_fail(&err) : LS_EXIT_OK;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    int c = ls_cli_getopt(cli, argc, argv, "+", NULL);
    if (c == '?')
        return cli->option_status;
    if (optind == argc)
        return ls_cli_usage(cli, "wants add, list or revoke");
    const char *what = argv[optind];
    argc -= optind;
    argv += optind;
    optind = 0;
    if (strcmp(what, "add") == 0)
        return run_add(cli, argc, argv);
    if (strcmp(what, "list") == 0)
        return run_list(cli, argc, argv);
    if (strcmp(what, "revoke") == 0)
        return run_revoke(cli, argc, argv);
    return ls_cli_usage(cli, "'%s' is none of add, list, revoke", what);
}

const struct ls_command ls_cmd_token = {
    .name = "token",
    .summary = "add, list or revoke what the HTTP API is called with",
    .usage = "add --role read|admin|webhook|metrics NAME | list | revoke NAME",
    .help = "add     makes a token and prints it, this once: only its hash is kept\n"
            "list    shows role, time and name of each\n"
            "revoke  takes one back; a running `lockstep serve` refuses it within a second\n"
            "\n"
            "  --role ROLE  add: read (what changes nothing), admin (everything), webhook or metrics (only that)\n",
    .run = run,
};
