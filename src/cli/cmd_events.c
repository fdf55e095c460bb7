/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep events: let the bucket tell `lockstep serve` of its changes, and see whether it does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "cli/cli.h"

#define DEFAULT_ARN "arn:minio:sqs::lockstep:webhook"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

struct wishes {
    const char *arn, *url; /* or NULL */
    bool apply;
};

static void rules_auto(struct ls_store_rules *rules) { free(rules->settings); }

/* Letters that need no quoting anywhere, and no line of MinIO's settings ends with. */
static bool is_plain(const char *text) { return *text && !strpbrk(text, " \t\r\n\"'\\`$<>&|;()*?[]{}!#"); }

/* The name of MinIO's webhook target, "lockstep" of "arn:minio:sqs::lockstep:webhook"; heap, NULL for another target.
 */
static char *webhook_name(const char *arn)
{
    static const char begin[] = "arn:minio:sqs:", end[] = ":webhook";
    const char *name = strncmp(arn, begin, strlen(begin)) == 0 ? strchr(arn + strlen(begin), ':') : NULL;
    size_t len = name ? strspn(++name, NAME_CHARS) : 0;
    return len > 0 && strcmp(name + len, end) == 0 ? strndup(name, len) : NULL;
}

/* Where the daemon of this config listens, as MinIO would call it; heap. */
static char *daemon_url(const struct ls_config *config)
{
    const char *listen = config->serve_listen, *port = strrchr(listen, ':');
    const char *scheme = config->serve_cert ? "https" : "http";
    bool anywhere = strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0;
    if (anywhere && port)
        return ls_strf("%s://HOST%s/webhooks/minio", scheme, port);
    return ls_strf("%s://%s/webhooks/minio", scheme, listen);
}

static void print_target(const char *arn, const char *url)
{
    LS_AUTO(ls_free) char *name = webhook_name(arn);
    if (!name) {
        printf("\n# %s is no webhook of MinIO's: how it passes events on to %s is its own business.\n", arn, url);
        return;
    }
    printf("\n# MinIO's webhook target, as its environment has it:\n"
           "MINIO_NOTIFY_WEBHOOK_ENABLE_%s=on\n"
           "MINIO_NOTIFY_WEBHOOK_ENDPOINT_%s=%s\n"
           "MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_%s=TOKEN\n"
           "MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_%s=/var/lib/minio/events\n",
           name, name, url, name, name);
    printf("\n# or as mc sets it, before `mc admin service restart ALIAS`:\n"
           "mc admin config set ALIAS notify_webhook:%s endpoint=%s auth_token=TOKEN queue_dir=/var/lib/minio/events\n",
           name, url);
    printf(
        "\n# TOKEN is what `lockstep token add --role webhook minio` prints. The queue folder makes MinIO keep events\n"
        "# while the daemon is away.\n");
}

static enum ls_rc look(const struct ls_stack *stack, const struct wishes *wishes, struct ls_store_rules *out,
                       struct ls_err *err)
{
    *out = (struct ls_store_rules){.target = wishes->arn,
                                   .default_target = DEFAULT_ARN,
                                   .prefix = ls_layout_prefix(stack->layout),
                                   .apply = wishes->apply};
    return ls_store_rules(stack->store, out, err);
}

static int setup(const struct ls_config *config, const struct ls_stack *stack, const struct wishes *wishes)
{
    LS_AUTO(rules) struct ls_store_rules rules = {0};
    LS_AUTO(ls_free) char *url = wishes->url ? strdup(wishes->url) : daemon_url(config);
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = url ? look(stack, wishes, &rules, &err) : ls_err_nomem(&err);
    if (rc)
        return ls_cli_fail(&err);
    const char *state = rules.told ? "are already" : rules.apply ? "are now" : "are to be (--apply makes them so)";
    printf("# %s tells %s of what changes below \"%s\". Its notification settings %s:\n%s\n", config->store_url,
           rules.named, rules.prefix, state, rules.settings);
    if (rules.others > 0)
        printf("# (rules of other targets that stay: %u)\n", rules.others);
    print_target(rules.named, url);
    return LS_EXIT_OK;
}

static int check(const struct ls_config *config, const struct ls_stack *stack, const struct wishes *wishes)
{
    LS_AUTO(rules) struct ls_store_rules rules = {0};
    struct ls_err err = LS_ERR_INIT;
    if (look(stack, wishes, &rules, &err))
        return ls_cli_fail(&err);
    printf("%s %s %s of what changes below \"%s\"\n", config->store_url, rules.told ? "tells" : "does not tell",
           rules.named, rules.prefix);
    if (!rules.told)
        fprintf(stderr, "lockstep: `lockstep events setup --apply` makes it\n");
    return rules.told ? LS_EXIT_OK : LS_EXIT_DIFFERENCES;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    enum { OPT_APPLY = 1, OPT_ARN, OPT_URL };
    static const struct option options[] = {{"apply", no_argument, NULL, OPT_APPLY},
                                            {"arn", required_argument, NULL, OPT_ARN},
                                            {"url", required_argument, NULL, OPT_URL},
                                            {0}};
    struct wishes wishes = {0};
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (c == OPT_APPLY)
            wishes.apply = true;
        else if (c == OPT_ARN)
            wishes.arn = optarg;
        else
            wishes.url = optarg;
    }
    const char *what = optind < argc ? argv[optind] : "";
    bool checks = strcmp(what, "check") == 0;
    if ((!checks && strcmp(what, "setup") != 0) || optind + 1 < argc)
        return ls_cli_usage(cli, "wants setup or check");
    if (checks && (wishes.apply || wishes.url))
        return ls_cli_usage(cli, "--apply and --url are setup's");
    if (wishes.arn &&
        (strncmp(wishes.arn, "arn:", 4) != 0 || !is_plain(wishes.arn) || strlen(wishes.arn) >= LS_TARGET_MAX))
        return ls_cli_usage(cli, "--arn: '%s' does not name a target as in %s", wishes.arn, DEFAULT_ARN);
    if (wishes.url &&
        ((strncmp(wishes.url, "http://", 7) != 0 && strncmp(wishes.url, "https://", 8) != 0) || !is_plain(wishes.url)))
        return ls_cli_usage(cli, "--url: '%s' is no http:// or https:// address", wishes.url);

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    int status = ls_cli_open(cli, LS_COMPOSE_STORE, &config, &stack);
    if (status)
        return status;
    return checks ? check(config, stack, &wishes) : setup(config, stack, &wishes);
}

const struct ls_command ls_cmd_events = {
    .name = "events",
    .summary = "let the bucket tell the daemon of its changes",
    .usage = "setup [--apply] [--arn ARN] [--url URL] | check [--arn ARN]",
    .help =
        "setup  prints the bucket's notification settings that tell `lockstep serve` of each change, and how MinIO\n"
        "       gets the target that they name; rules of other targets stay\n"
        "check  says whether the settings name the target; exit status 1 when they do not\n"
        "\n"
        "  --apply    setup: make the settings (MinIO must know the target by then)\n"
        "  --arn ARN  the target; default: the one that an earlier setup named, or " DEFAULT_ARN "\n"
        "  --url URL  setup: how MinIO reaches the daemon's /webhooks/minio; default: where [serve] listens\n",
    .run = run,
};
