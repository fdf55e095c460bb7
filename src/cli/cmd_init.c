/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lockstep init: make bucket, schema and config.
 *
 * The config is written last and never over another one, so that a failed init leaves none. It gets the urls as they
 * were given, so relative paths count from its folder, on the command line too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/file.h"
#include "catalog/mapping.h"
#include "cli/cli.h"

struct init_args {
    const char *store, *catalog, *endpoint, *region, *public_url, *credentials, *profile, *ca_file;
};

/* One "key = value" line, quoted where blanks or comment signs ask for it. */
static enum ls_rc add_line(struct ls_buf *out, const char *key, const char *value)
{
    if (!value)
        return LS_OK;
    if (strpbrk(value, "\"\n\r"))
        return LS_INVALID;
    const char *quote = strpbrk(value, " \t#;") ? "\"" : "";
    return ls_buf_addf(out, "%s = %s%s%s\n", key, quote, value, quote);
}

static enum ls_rc write_text(const struct init_args *args, struct ls_buf *out, struct ls_err *err)
{
    enum ls_rc rc = ls_buf_adds(out, "# lockstep's config: see lockstep(1)\n[store]\n");
    const struct {
        const char *key, *value;
    } lines[] = {{"url", args->store},
                 {"endpoint", args->endpoint},
                 {"region", args->region},
                 {"public_url", args->public_url},
                 {"credentials", args->credentials},
                 {"profile", args->profile},
                 {"ca_file", args->ca_file}};
    for (size_t i = 0; !rc && i < sizeof lines / sizeof *lines; i++)
        rc = add_line(out, lines[i].key, lines[i].value);
    if (!rc)
        rc = ls_buf_adds(out, "\n[catalog]\n");
    if (!rc)
        rc = add_line(out, "url", args->catalog);
    if (!rc)
        rc = ls_buf_adds(out, "\n"
                              "# [layout]\n"
                              "# path = products/{product}/{weight}/{type}/{file}\n"
                              "# types = hero-card info-card other-images\n"
                              "\n"
                              "# [scan]\n"
                              "# grace = 15m\n"
                              "# max_change = 20%\n"
                              "# trash_days = 7\n");
    if (rc == LS_INVALID)
        return ls_err_set(err, LS_INVALID, "init: a value holds a quote or a line break");
    return rc ? ls_err_nomem(err) : LS_OK;
}

/* Make what the config names, then write it. */
static enum ls_rc create(const char *path, const struct ls_buf *text, struct ls_err *err)
{
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    enum ls_rc rc = ls_config_parse(path, text->data, &config, err);
    if (!rc)
        rc = ls_compose_create(config, err);
    if (!rc)
        rc = ls_cli_attach_tie(config, err);
    return rc ? rc : ls_write_file(path, text->data, text->len, 0644, false, err);
}

/* Add a mapping that is found in the database. */
static enum ls_rc add_mapping(const char *path, struct ls_buf *text, struct ls_err *err)
{
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_mapping) struct ls_mapping mapping = {0};
    enum ls_rc rc = ls_config_parse(path, text->data, &config, err);
    if (!rc)
        rc = ls_compose_propose(config, &mapping, err);
    if (rc)
        return rc;
    rc = ls_buf_adds(text, "\n# The application's tables, as they were found: see lockstep(1)\n");
    return rc ? ls_err_nomem(err) : ls_mapping_write(&mapping, text, err);
}

/* The config is written also when something does not fit, to be mended there. */
static int attach(const char *path, struct ls_buf *text)
{
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    if (add_mapping(path, text, &err) || ls_config_parse(path, text->data, &config, &err))
        return ls_cli_fail(&err);
    int status = ls_cli_attach_report(config, false, NULL);
    if (status != LS_EXIT_OK && status != LS_EXIT_DIFFERENCES)
        return status;
    enum ls_rc rc =
        status == LS_EXIT_OK ? create(path, text, &err) : ls_write_file(path, text->data, text->len, 0644, false, &err);
    if (rc)
        return ls_cli_fail(&err);
    printf(status ? "config with a proposal: %s\n" : "attached; config: %s\n", path);
    return status;
}

static int init(const char *path, const struct init_args *args, bool attached)
{
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(LS_BUF_LINE);
    if (access(path, F_OK) == 0) {
        ls_err_set(&err, LS_EXISTS, "init: %s is there already; name another one with --config", path);
        return ls_cli_fail(&err);
    }
    if (write_text(args, &text, &err))
        return ls_cli_fail(&err);
    if (attached)
        return attach(path, &text);
    if (create(path, &text, &err))
        return ls_cli_fail(&err);
    printf("store %s and catalog %s are ready; config: %s\n", args->store, args->catalog, path);
    return LS_EXIT_OK;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    enum { STORE = 1, CATALOG, ENDPOINT, REGION, ATTACH, PUBLIC_URL, CREDENTIALS, PROFILE, CA_FILE };
    static const struct option options[] = {
        {"store", required_argument, NULL, STORE},
        {"catalog", required_argument, NULL, CATALOG},
        {"endpoint", required_argument, NULL, ENDPOINT},
        {"region", required_argument, NULL, REGION},
        {"attach", no_argument, NULL, ATTACH},
        {"public-url", required_argument, NULL, PUBLIC_URL},
        {"credentials", required_argument, NULL, CREDENTIALS},
        {"profile", required_argument, NULL, PROFILE},
        {"ca-file", required_argument, NULL, CA_FILE},
        {0},
    };
    struct init_args args = {0};
    bool attached = false;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", options)) != -1;) {
        const char **slots[] = {
            [STORE] = &args.store,     [CATALOG] = &args.catalog,       [ENDPOINT] = &args.endpoint,
            [REGION] = &args.region,   [PUBLIC_URL] = &args.public_url, [CREDENTIALS] = &args.credentials,
            [PROFILE] = &args.profile, [CA_FILE] = &args.ca_file};
        if (c == '?')
            return cli->option_status;
        if (c == ATTACH)
            attached = true;
        else
            *slots[c] = optarg;
    }
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);
    if (!args.store || !args.catalog)
        return ls_cli_usage(cli, "wants --store and --catalog");
    const char *path = cli->config_path;
    if (!path)
        path = getenv("LOCKSTEP_CONFIG");
    if (!path || !*path)
        path = "lockstep.conf";
    return init(path, &args, attached);
}

const struct ls_command ls_cmd_init = {
    .name = "init",
    .summary = "make bucket, catalog and config",
    .usage = "--store URL --catalog URL [--endpoint URL] [--attach] [OPTION…]",
    .help =
        "Makes the bucket and the catalog's schema (either may be there already) and writes the config: the file "
        "named\n"
        "by --config or $LOCKSTEP_CONFIG, else ./lockstep.conf; never over an existing one.\n"
        "\n"
        "  --store URL         file:FOLDER or s3://BUCKET\n"
        "  --catalog URL       sqlite:FILE or postgresql://[USER@]HOST[:PORT]/DBNAME (no password in it)\n"
        "  --endpoint URL      of the S3 server: http://127.0.0.1:9000\n"
        "  --region REGION     default us-east-1\n"
        "  --attach            the catalog is an application's database: find its tables, write a mapping into the\n"
        "                      config, and join it (see lockstep-attach(1)); exit status 1 when something does not "
        "fit\n"
        "  --public-url URL    prefix of the images' urls\n"
        "  --credentials FILE  where the keys are read from (form of ~/.aws/credentials)\n"
        "  --profile NAME      its section\n"
        "  --ca-file FILE      certificates (PEM) instead of the system's\n"
        "\n"
        "Relative paths count from the config's folder. Keys come from the environment or from files, never from "
        "the command line: see lockstep(1).\n",
    .run = run,
};
