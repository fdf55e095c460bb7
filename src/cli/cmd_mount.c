/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep mount: options, then the mount layer serves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "cli/cli.h"
#include "lockstep/settle.h"
#include "mount/mount.h"

/* Who waits for another operation's path waits for a program that wants an answer. */
#define CLAIM_WAIT_MOST_MS 10000

struct mount_args {
    struct ls_config *config;
    bool foreground, debug;
    char *cache_dir; /* -o cache_dir, or NULL */
    uint64_t cache_size_bytes;
    struct ls_buf fuse_options;
    struct ls_stack *stack;
    struct ls_settler *settler; /* or NULL */
    atomic_bool cancel;         /* the engine's */
};

static void mount_args_auto(struct mount_args *args)
{
    ls_buf_dispose(&args->fuse_options);
    free(args->cache_dir);
    ls_config_free(args->config);
}

/* What follows "name=" in a word, or NULL. */
static char *value_of(char *word, const char *name)
{
    size_t len = strlen(name);
    return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

/* Words that say where things are are ours, the others the mount's. */
static enum ls_rc take_word(struct mount_args *args, struct ls_cli *cli, char *word, struct ls_err *err)
{
    char *value;
    if ((value = value_of(word, "config"))) {
        cli->config_path = value;
        return LS_OK;
    }
    if ((value = value_of(word, "cache_dir"))) {
        if (*value != '/')
            return ls_err_set(err, LS_INVALID, "-o cache_dir=%s: want an absolute path", value);
        free(args->cache_dir);
        args->cache_dir = strdup(value);
        return args->cache_dir ? LS_OK : ls_err_nomem(err);
    }
    if ((value = value_of(word, "cache_size")))
        return ls_size_parse(value, &args->cache_size_bytes, err) ? ls_err_prefix(err, "-o cache_size: ") : LS_OK;
    if ((value = value_of(word, "commit"))) {
        if (strcmp(value, "close") == 0)
            return LS_OK;
        return ls_err_set(err, strcmp(value, "spool") == 0 ? LS_UNSUPPORTED : LS_INVALID,
                          "-o commit=%s: want close (spool is not in this version yet)", value);
    }
    if (strcmp(word, "debug") == 0) {
        args->foreground = args->debug = true;
        return LS_OK;
    }
    enum ls_rc rc = args->fuse_options.len ? ls_buf_addc(&args->fuse_options, ',') : LS_OK;
    if (!rc)
        rc = ls_buf_adds(&args->fuse_options, word);
    return rc ? ls_err_set(err, rc, "-o: too many options") : LS_OK;
}

static enum ls_rc take_words(struct mount_args *args, struct ls_cli *cli, char *words, struct ls_err *err)
{
    char *rest = words;
    for (char *word; (word = strsep(&rest, ","));) {
        enum ls_rc rc = take_word(args, cli, word, err);
        if (rc)
            return rc;
    }
    return ls_mount_check_options(args->fuse_options.data, err);
}

static enum ls_rc open_engine(void *ctx, struct ls_engine **out_engine, struct ls_err *err)
{
    struct mount_args *args = ctx;
    const struct ls_compose_opts opts = {.depth = LS_COMPOSE_ENGINE,
                                         .kind = "mount",
                                         .actor = "mount",
                                         .cancel = &args->cancel,
                                         .claim_wait_ms = args->config->store_deadline_ms < CLAIM_WAIT_MOST_MS
                                                              ? args->config->store_deadline_ms
                                                              : CLAIM_WAIT_MOST_MS};
    enum ls_rc rc = ls_compose_open(args->config, &opts, &args->stack, err);
    if (!rc)
        *out_engine = args->stack->engine;
    return rc;
}

static void close_engine(void *ctx, struct ls_engine *engine)
{
    struct mount_args *args = ctx;
    (void)engine; /* the stack's */
    ls_compose_close(LS_STEAL(args->stack));
}

static enum ls_rc start_settling(void *ctx, struct ls_engine *engine, struct ls_err *err)
{
    struct mount_args *args = ctx;
    const struct ls_settle_opts opts = ls_compose_settle_opts(args->config, engine);
    return ls_settler_start(&opts, false, &args->settler, err);
}

static void stop_settling(void *ctx)
{
    struct mount_args *args = ctx;
    ls_settler_stop(LS_STEAL(args->settler));
}

static void application_changed(void *ctx)
{
    struct mount_args *args = ctx;
    if (args->settler)
        ls_settler_wake(args->settler);
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    LS_AUTO(mount_args) struct mount_args args = {.fuse_options = LS_BUF_INIT(LS_BUF_LINE)};
    struct ls_err err = LS_ERR_INIT;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "fdo:", NULL)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (c == 'f')
            args.foreground = true;
        else if (c == 'd')
            args.foreground = args.debug = true;
        else if (take_words(&args, cli, optarg, &err))
            return ls_cli_usage(cli, "%s", err.text);
    }
    if (optind + 1 != argc)
        return ls_cli_usage(cli, "wants one mount point");
    if (ls_config_load(cli->config_path, &args.config, &err)) {
        ls_cli_complain(&err);
        return LS_EXIT_ERROR;
    }
    const struct ls_mount_opts opts = {
        .mountpoint = argv[optind],
        .fuse_options = args.fuse_options.len ? args.fuse_options.data : NULL,
        .cache_dir = args.cache_dir ? args.cache_dir : args.config->mount_cache_dir,
        .cache_size_bytes = args.cache_size_bytes ? args.cache_size_bytes : args.config->mount_cache_size_bytes,
        .metrics_path = args.config->mount_metrics,
        .foreground = args.foreground,
        .debug = args.debug,
        .fsname = args.config->store_url,
        .open_engine = open_engine,
        .close_engine = close_engine,
        .begin_beside = start_settling,
        .end_beside = stop_settling,
        .application = application_changed,
        .ctx = &args,
        .cancel = &args.cancel,
        .stop_wait_ms = 2 * args.config->store_deadline_ms,
    };
    bool is_parent = false;
    if (ls_mount_run(&opts, &is_parent, &err)) {
        ls_cli_complain(&err);
        return LS_EXIT_ERROR;
    }
    return LS_EXIT_OK;
}

const struct ls_command ls_cmd_mount = {
    .name = "mount",
    .summary = "show the bucket as a filesystem",
    .usage = "[-f] [-o OPTION,…] MOUNTPOINT",
    .help =
        "Mounts and goes to the background once the mount is up. Unmount with `fusermount3 -u MOUNTPOINT`, or send\n"
        "SIGTERM: both wait until running work is done. `lockstep CONFIG MOUNTPOINT -o …` is the form that mount(8)\n"
        "uses: `mount -t fuse.lockstep CONFIG MOUNTPOINT`.\n"
        "\n"
        "  -f            stay in the foreground\n"
        "  -d            stay, and trace FUSE's requests\n"
        "  -o OPTION,…   config=FILE, cache_dir=FOLDER, cache_size=SIZE, commit=close, debug, ro, allow_other,\n"
        "                uid=N, gid=N, umask=M, fmask=M, dmask=M, attr_timeout=S, entry_timeout=S,\n"
        "                max_threads=N, max_idle_threads=N, and what lockstep-mount(1) lists besides\n",
    .run = run,
};
