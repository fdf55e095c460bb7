/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep log: the audit trail, newest first. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"

static void print_entry(const struct ls_audit *entry)
{
    char time[LS_TIME_LEN];
    ls_time_iso(entry->at_ns, time);
    printf("%s  %-8s %-12s %-17s ", time, entry->op, entry->actor, entry->outcome);
    ls_cli_print_key(entry->key ? entry->key : "");
    if (entry->dest) {
        fputs(" -> ", stdout);
        ls_cli_print_key(entry->dest);
    }
    if (entry->detail) {
        fputs("  (", stdout);
        ls_cli_print_key(entry->detail);
        putchar(')');
    }
    putchar('\n');
}

static void json_entry(struct ls_json *json, const struct ls_audit *entry)
{
    ls_json_object(json, NULL);
    ls_json_int(json, "seq", entry->seq);
    ls_json_time(json, "at", entry->at_ns);
    ls_json_str(json, "intent", entry->intent);
    ls_json_str(json, "op", entry->op);
    ls_json_str(json, "actor", entry->actor);
    ls_json_str(json, "key", entry->key);
    ls_json_str(json, "dest", entry->dest);
    ls_json_str(json, "outcome", entry->outcome);
    ls_json_str(json, "detail", entry->detail);
    ls_json_end_object(json);
}

static enum ls_rc show(struct ls_catalog *catalog, const char *prefix, uint64_t limit, bool as_json, struct ls_err *err)
{
    enum { PAGE = 500 };
    struct ls_json json;
    ls_json_init(&json, stdout);
    if (as_json)
        ls_json_array(&json, NULL);
    enum ls_rc rc = LS_OK;
    int64_t before = 0;
    while (!rc && limit > 0 && !ferror(stdout)) {
        struct ls_audit_page page = {0};
        rc = catalog->ops->audit_page(catalog, before, prefix, limit < PAGE ? (unsigned)limit : PAGE, &page, err);
        for (size_t i = 0; !rc && i < page.n; i++) {
            before = page.items[i].seq;
            if (as_json)
                json_entry(&json, &page.items[i]);
            else
                print_entry(&page.items[i]);
        }
        size_t n = page.n;
        ls_audit_page_dispose(&page);
        limit -= n < limit ? n : limit;
        if (n == 0)
            break;
    }
    if (as_json) {
        ls_json_end_array(&json);
        ls_json_newline(&json);
    }
    return rc;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"max-count", required_argument, NULL, 'n'}, {0}};
    bool as_json = false;
    uint64_t limit = UINT64_MAX;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "n:", options)) != -1;) {
        char *end;
        if (c == '?')
            return cli->option_status;
        if (c == 'j') {
            as_json = true;
            continue;
        }
        limit = strtoull(optarg, &end, 10);
        if (*end || end == optarg || *optarg == '-')
            return ls_cli_usage(cli, "-n %s: want a count", optarg);
    }
    if (optind + 1 < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind + 1]);

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    struct ls_err err = LS_ERR_INIT;
    int status = ls_cli_open(cli, LS_COMPOSE_CATALOG, &config, &stack);
    if (status)
        return status;
    const char *prefix = optind < argc ? argv[optind] : "";
    return show(stack->catalog, prefix, limit, as_json, &err) ? ls_cli_fail(&err) : LS_EXIT_OK;
}

const struct ls_command ls_cmd_log = {
    .name = "log",
    .summary = "show the audit trail",
    .usage = "[--json] [-n COUNT] [KEY-PREFIX]",
    .help = "Every change that lockstep made, newest first: time, operation, who, outcome, key.\n"
            "\n"
            "  --json                one JSON array\n"
            "  -n, --max-count N     at most N entries\n",
    .run = run,
};
