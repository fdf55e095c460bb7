/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep put: one file into the store, with its row. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"

/* Standard input, kept in an unlinked file because its bytes are read more than once. -1 after saying why. */
static int take_stdin(void)
{
    const char *dir = getenv("TMPDIR");
    LS_AUTO(ls_fd) int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return fprintf(stderr, "lockstep: cannot make a temporary file: %s\n", strerror(errno)), -1;
    char chunk[64 * 1024];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || (n > 0 && ls_write_all(fd, chunk, (size_t)n) < 0))
            return fprintf(stderr, "lockstep: cannot keep standard input: %s\n", strerror(errno)), -1;
        if (n == 0)
            return ls_fd_steal(&fd);
    }
}

static int put(struct ls_engine *engine, int fd, const char *key, bool is_stdin, bool only_new)
{
    struct ls_err err = LS_ERR_INIT;
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        ls_err_set(&err, LS_INVALID, "put: not a regular file");
        return ls_cli_fail(&err);
    }
    const struct ls_engine_put request = {
        .key = key,
        .fd = fd,
        .size_bytes = (uint64_t)st.st_size,
        .expect = only_new ? LS_PUT_EXPECT_NEW : LS_PUT_EXPECT_ANY,
        .meta = {.has_mtime = !is_stdin,
                 .mtime_ns = (int64_t)st.st_mtim.tv_sec * LS_NS_PER_S + st.st_mtim.tv_nsec,
                 .has_mode = !is_stdin,
                 .mode = st.st_mode & 0777},
        .make_parents = true,
    };
    return ls_engine_put(engine, &request, NULL, &err) ? ls_cli_fail(&err) : LS_EXIT_OK;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"new", no_argument, NULL, 'n'}, {0}};
    bool only_new = false;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "n", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        only_new = true;
    }
    if (optind + 2 != argc)
        return ls_cli_usage(cli, "wants FILE and KEY");
    const char *file = argv[optind], *key = argv[optind + 1];
    bool is_stdin = strcmp(file, "-") == 0;
    LS_AUTO(ls_free) char *inside = NULL;
    if (key[strlen(key) ? strlen(key) - 1 : 0] == '/' && !is_stdin) {
        const char *slash = strrchr(file, '/');
        inside = ls_strf("%s%s", key, slash ? slash + 1 : file);
        key = inside ? inside : key;
    }
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_fd) int fd = is_stdin ? take_stdin() : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && is_stdin)
        return LS_EXIT_ERROR;
    if (fd < 0) {
        ls_err_errno(&err, errno, "put: cannot open %s", file);
        return ls_cli_fail(&err);
    }
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    return status ? status : put(stack->engine, fd, key, is_stdin, only_new);
}

const struct ls_command ls_cmd_put = {
    .name = "put",
    .summary = "put a file into store and catalog",
    .usage = "[--new] FILE KEY",
    .help =
        "Uploads FILE (- for standard input) to KEY and makes or updates its row, and product and variant where they\n"
        "are missing. A KEY that ends with '/' gets the file's name. An existing image is replaced.\n"
        "\n"
        "  -n, --new  fail when KEY is taken\n",
    .run = run,
};
