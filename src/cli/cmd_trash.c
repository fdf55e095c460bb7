/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep trash: list, restore, purge what was moved there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"

enum { PAGE = 500 };

static enum ls_rc list(struct ls_catalog *catalog, const char *prefix, bool as_json, struct ls_err *err)
{
    struct ls_json json;
    ls_json_init(&json, stdout);
    if (as_json)
        ls_json_array(&json, NULL);
    char after[LS_INTENT_ID_LEN] = "", time[LS_TIME_LEN];
    enum ls_rc rc = LS_OK;
    for (size_t n = 1; !rc && n > 0 && !ferror(stdout);) {
        struct ls_trash_page page = {0};
        rc = catalog->ops->trash_page(catalog, NULL, after, prefix, PAGE, &page, err);
        n = rc ? 0 : page.n;
        for (size_t i = 0; i < n; i++) {
            const struct ls_trash *item = &page.items[i];
            memcpy(after, item->id, sizeof after);
            if (as_json) {
                ls_json_object(&json, NULL);
                ls_json_str(&json, "id", item->id);
                ls_json_str(&json, "key", item->key);
                ls_json_str(&json, "trashKey", item->trash_key);
                ls_json_str(&json, "etag", item->etag);
                ls_json_uint(&json, "size", item->size_bytes);
                ls_json_str(&json, "reason", item->reason);
                ls_json_bool(&json, "hasRow", item->row != NULL);
                ls_json_time(&json, "at", item->at_ns);
                ls_json_end_object(&json);
                continue;
            }
            ls_time_iso(item->at_ns, time);
            printf("%s  %s  %-11s %10" PRIu64 "  ", item->id, time, item->reason ? item->reason : "-",
                   item->size_bytes);
            ls_cli_print_key(item->key);
            putchar('\n');
        }
        ls_trash_page_dispose(&page);
    }
    if (as_json) {
        ls_json_end_array(&json);
        ls_json_newline(&json);
    }
    return rc;
}

/* The newest trashed object that lay at the key. */
static enum ls_rc find_by_key(struct ls_catalog *catalog, const char *key, char out_id[LS_INTENT_ID_LEN],
                              struct ls_err *err)
{
    char after[LS_INTENT_ID_LEN] = "";
    out_id[0] = '\0';
    for (size_t n = 1; n > 0;) {
        struct ls_trash_page page = {0};
        enum ls_rc rc = catalog->ops->trash_page(catalog, NULL, after, key, PAGE, &page, err);
        if (rc)
            return rc;
        n = page.n;
        for (size_t i = 0; i < n; i++) {
            memcpy(after, page.items[i].id, sizeof after);
            if (strcmp(page.items[i].key, key) == 0)
                memcpy(out_id, page.items[i].id, LS_INTENT_ID_LEN);
        }
        ls_trash_page_dispose(&page);
    }
    return *out_id ? LS_OK : ls_err_set(err, LS_NOT_FOUND, "trash: nothing that was at %s", key);
}

static int run_list(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    bool as_json = false;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        as_json = true;
    }
    if (optind + 1 < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind + 1]);
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    struct ls_err err = LS_ERR_INIT;
    int status = ls_cli_open(cli, LS_COMPOSE_CATALOG, &config, &stack);
    if (status)
        return status;
    return list(stack->catalog, optind < argc ? argv[optind] : "", as_json, &err) ? ls_cli_fail(&err) : LS_EXIT_OK;
}

static int run_restore(struct ls_cli *cli, int argc, char **argv)
{
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", NULL)) != -1;)
        if (c == '?')
            return cli->option_status;
    if (optind == argc)
        return ls_cli_usage(cli, "restore wants at least one id or key");
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    for (int i = optind; !status && i < argc; i++) {
        struct ls_err err = LS_ERR_INIT;
        char id[LS_INTENT_ID_LEN] = "";
        enum ls_rc rc = LS_OK;
        if (strchr(argv[i], '/'))
            rc = find_by_key(stack->catalog, argv[i], id, &err);
        if (!rc)
            rc = ls_engine_trash_restore(stack->engine, *id ? id : argv[i], &err);
        if (rc)
            status = ls_cli_fail(&err);
    }
    return status;
}

static int run_purge(struct ls_cli *cli, int argc, char **argv)
{
    enum { OLDER = 1, ALL };
    static const struct option options[] = {{"older-than", required_argument, NULL, OLDER},
                                            {"all", no_argument, NULL, ALL},
                                            {"yes", no_argument, NULL, 'y'},
                                            {0}};
    int64_t age_ms = -1;
    bool yes = false;
    struct ls_err err = LS_ERR_INIT;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "y", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (c == 'y')
            yes = true;
        else if (c == ALL)
            age_ms = 0;
        else if (ls_duration_parse(optarg, &age_ms, &err))
            return ls_cli_usage(cli, "--older-than: %s", err.text);
    }
    if (optind + 1 < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind + 1]);
    const char *prefix = optind < argc ? argv[optind] : "";
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    int status =
        ls_cli_confirm(LS_CONFIRM_MUST, yes, "remove trashed objects%s%s for good", *prefix ? " below " : "", prefix);
    if (!status)
        status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    if (status)
        return status;
    if (age_ms < 0)
        age_ms = config->scan_trash_ms;
    uint64_t removed = 0;
    /* "All" is up to the next millisecond: ids and stamps are not finer. */
    int64_t before_ns = age_ms ? ls_now_ns() - age_ms * LS_NS_PER_MS : ls_now_ns() + LS_NS_PER_MS;
    if (ls_engine_trash_purge(stack->engine, before_ns, prefix, &removed, &err))
        return ls_cli_fail(&err);
    printf("%" PRIu64 " removed\n", removed);
    return LS_EXIT_OK;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    int c = ls_cli_getopt(cli, argc, argv, "+", NULL);
    if (c == '?')
        return cli->option_status;
    if (optind == argc)
        return ls_cli_usage(cli, "wants list, restore or purge");
    const char *what = argv[optind];
    argc -= optind;
    argv += optind;
    optind = 0;
    if (strcmp(what, "list") == 0)
        return run_list(cli, argc, argv);
    if (strcmp(what, "restore") == 0)
        return run_restore(cli, argc, argv);
    if (strcmp(what, "purge") == 0)
        return run_purge(cli, argc, argv);
    return ls_cli_usage(cli, "'%s' is none of list, restore, purge", what);
}

const struct ls_command ls_cmd_trash = {
    .name = "trash",
    .summary = "list, restore or purge what sync removed and puts replaced",
    .usage = "list [--json] [KEY-PREFIX] | restore ID|KEY… | purge [--older-than DURATION|--all] [--yes] [KEY-PREFIX]",
    .help = "list     shows what lies in the trash, oldest first: id, time, reason, size, key\n"
            "restore  puts objects back at their keys, with their rows where they had one; of a key, the newest\n"
            "purge    removes for good what is older than [scan] trash_days\n"
            "\n"
            "  --json                 one JSON array\n"
            "  --older-than DURATION  purge: this age instead\n"
            "  --all                  purge: everything\n"
            "  -y, --yes              purge: do not ask\n",
    .run = run,
};
