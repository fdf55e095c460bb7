/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep get: one object to a file, whole or not at all. */
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
#include "base/hash.h"
#include "cli/cli.h"

static enum ls_rc to_stdout(void *ctx, const void *data, size_t len)
{
    (void)ctx;
    return fwrite(data, 1, len, stdout) == len ? LS_OK : LS_IO;
}

/* The etag that the row records, or "" when there is none: an object without a row can be fetched as well. */
static enum ls_rc recorded_etag(struct ls_catalog *catalog, const char *key, char out_etag[LS_CATALOG_ETAG_MAX],
                                int64_t *out_mtime_ns, struct ls_err *err)
{
    struct ls_image_page page = {0};
    enum ls_rc rc = ls_catalog_image_get(catalog, NULL, key, &page, err);
    out_etag[0] = '\0';
    *out_mtime_ns = 0;
    if (!rc && page.items[0].record.known) {
        memcpy(out_etag, page.items[0].record.etag, LS_CATALOG_ETAG_MAX);
        *out_mtime_ns = page.items[0].record.mtime_ns;
    }
    ls_image_page_dispose(&page);
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

/* Fetch beside the target, then give it its name. */
static enum ls_rc to_file(struct ls_store *store, const struct ls_store_get *get, const char *file, int64_t mtime_ns,
                          struct ls_err *err)
{
    char id[LS_ID_LEN];
    ls_id_new(id);
    LS_AUTO(ls_free) char *temp = ls_strf("%s.%s.part", file, id);
    if (!temp)
        return ls_err_nomem(err);
    LS_AUTO(ls_fd) int fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return ls_err_errno(err, errno, "get: cannot create %s", file);
    enum ls_rc rc = ls_store_get_fd(store, get, fd, NULL, err);
    if (!rc && mtime_ns) {
        const struct timespec times[2] = {{.tv_nsec = UTIME_NOW},
                                          {.tv_sec = mtime_ns / LS_NS_PER_S, .tv_nsec = mtime_ns % LS_NS_PER_S}};
        futimens(fd, times); /* a nicety: a file system without times is no reason to fail */
    }
    if (!rc && (fsync(fd) < 0 || rename(temp, file) < 0))
        rc = ls_err_errno(err, errno, "get: cannot write %s", file);
    if (rc)
        unlink(temp);
    return rc;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", NULL)) != -1;)
        if (c == '?')
            return cli->option_status;
    if (argc - optind < 1 || argc - optind > 2)
        return ls_cli_usage(cli, "wants KEY, and FILE if it is to have another name");
    const char *key = argv[optind], *slash = strrchr(key, '/');
    const char *name = slash ? slash + 1 : key, *file = optind + 1 < argc ? argv[optind + 1] : name;
    LS_AUTO(ls_free) char *inside = NULL;
    struct stat st;
    if (strcmp(file, "-") != 0 && stat(file, &st) == 0 && S_ISDIR(st.st_mode)) {
        inside = ls_strf("%s/%s", file, name);
        file = inside ? inside : file;
    }
    if (!*file)
        return ls_cli_usage(cli, "'%s' names a folder", key);

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    struct ls_err err = LS_ERR_INIT;
    char etag[LS_CATALOG_ETAG_MAX];
    int64_t mtime_ns;
    int status = ls_cli_open(cli, LS_COMPOSE_STORE, &config, &stack);
    if (status)
        return status;
    enum ls_rc rc = recorded_etag(stack->catalog, key, etag, &mtime_ns, &err);
    const struct ls_store_get get = {.key = key, .len = UINT64_MAX, .if_match = *etag ? etag : NULL};
    if (!rc)
        rc = strcmp(file, "-") == 0 ? ls_store_get(stack->store, &get, to_stdout, NULL, NULL, &err)
                                    : to_file(stack->store, &get, file, mtime_ns, &err);
    if (rc == LS_CONFLICT)
        ls_err_prefix(&err, "get: the object is not what its row records (`lockstep scan` tells more): ");
    return rc ? ls_cli_fail(&err) : LS_EXIT_OK;
}

const struct ls_command ls_cmd_get = {
    .name = "get",
    .summary = "fetch an object",
    .usage = "KEY [FILE]",
    .help =
        "Writes the object to FILE (- for standard output), by default to its own name here. The file is whole or not\n"
        "there. Fails when the object is not the one that its row records.\n",
    .run = run,
};
