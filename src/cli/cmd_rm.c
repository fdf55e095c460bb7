/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep rm: images, or with -r folders, from both sides. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "cli/cli.h"

enum { PAGE = 1000 };

/* All images below a folder ("…/" at its end), page by page. */
static enum ls_rc remove_images(struct ls_engine *engine, const char *folder, struct ls_err *err)
{
    struct ls_catalog *catalog = ls_engine_catalog(engine);
    LS_AUTO(ls_free) char *before = strdup(folder);
    if (!before)
        return ls_err_nomem(err);
    before[strlen(before) - 1] = '/' + 1;
    for (;;) {
        struct ls_image_page page = {0};
        enum ls_rc rc = catalog->ops->image_page(catalog, NULL, folder, before, PAGE, &page, err);
        size_t n = rc ? 0 : page.n;
        struct ls_image_ref *refs = n ? calloc(n, sizeof *refs) : NULL;
        if (n && !refs)
            rc = ls_err_nomem(err);
        for (size_t i = 0; refs && i < n; i++)
            refs[i].key = page.items[i].key;
        if (refs)
            rc = ls_engine_remove(engine, refs, n, false, err);
        free(refs);
        ls_image_page_dispose(&page);
        if (rc || n == 0)
            return rc;
    }
}

static enum ls_rc remove_product(struct ls_engine *engine, const char *product, const char *path, struct ls_err *err)
{
    struct ls_catalog *catalog = ls_engine_catalog(engine);
    struct ls_variant_page variants = {0};
    enum ls_rc rc = catalog->ops->variant_list(catalog, NULL, product, &variants, err);
    for (size_t i = 0; !rc && i < variants.n; i++)
        rc = ls_engine_variant_delete(engine, product, variants.items[i].weight, err);
    ls_variant_page_dispose(&variants);
    return rc ? rc : ls_engine_rmdir(engine, path, err);
}

static enum ls_rc remove_type(struct ls_engine *engine, const char *path, struct ls_err *err)
{
    LS_AUTO(ls_free) char *folder = ls_strf("%s/", path);
    if (!folder)
        return ls_err_nomem(err);
    enum ls_rc rc = remove_images(engine, folder, err);
    if (!rc)
        rc = ls_engine_rmdir(engine, path, err);
    return rc == LS_NOT_FOUND ? LS_OK : rc; /* it went with its last image */
}

/* A path without its trailing slash, and how deep it is. */
static enum ls_rc remove_path(struct ls_engine *engine, const char *path, enum ls_level level,
                              const struct ls_key_parts *parts, struct ls_err *err)
{
    LS_AUTO(ls_free) char *product = strndup(parts->product.data ? parts->product.data : "", parts->product.len);
    LS_AUTO(ls_free) char *weight = strndup(parts->weight.data ? parts->weight.data : "", parts->weight.len);
    const struct ls_image_ref ref = {.key = path};
    if (!product || !weight)
        return ls_err_nomem(err);
    switch (level) {
    case LS_LEVEL_PRODUCT:
        return remove_product(engine, product, path, err);
    case LS_LEVEL_WEIGHT:
        return ls_engine_variant_delete(engine, product, weight, err);
    case LS_LEVEL_TYPE:
        return remove_type(engine, path, err);
    case LS_LEVEL_FILE:
        return ls_engine_remove(engine, &ref, 1, false, err);
    case LS_LEVEL_ROOT:
        break;
    }
    return ls_err_set(err, LS_INVALID, "rm: '%s' is all there is; remove products by name", path);
}

/* Look at each argument before anything is removed; strips trailing slashes. */
static int check(struct ls_cli *cli, const struct ls_layout *layout, char *path, bool recursive,
                 enum ls_level *out_level, struct ls_key_parts *out_parts)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    enum ls_key_class key_class = ls_layout_parse_path(layout, path, len, out_level, out_parts);
    if (key_class != LS_KEY_FITS)
        return ls_cli_usage(cli, "'%s' is no key of an image: %s", path, ls_key_class_text(key_class));
    if (*out_level != LS_LEVEL_FILE && !recursive)
        return ls_cli_usage(cli, "'%s' is a folder; -r removes it with all that is below", path);
    return LS_EXIT_OK;
}

/* Several files are one operation, so that all rows go at once. */
static int remove_files(struct ls_engine *engine, char *const *keys, int n)
{
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_free) struct ls_image_ref *refs = calloc((size_t)n, sizeof *refs);
    if (!refs) {
        ls_err_nomem(&err);
        return ls_cli_fail(&err);
    }
    for (int i = 0; i < n; i++)
        refs[i].key = keys[i];
    return ls_engine_remove(engine, refs, (size_t)n, false, &err) ? ls_cli_fail(&err) : LS_EXIT_OK;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        {"recursive", no_argument, NULL, 'r'}, {"yes", no_argument, NULL, 'y'}, {0}};
    bool recursive = false, yes = false;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "ry", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (c == 'r')
            recursive = true;
        else
            yes = true;
    }
    if (optind == argc)
        return ls_cli_usage(cli, "wants at least one KEY");

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    bool folders = false;
    enum ls_level level = LS_LEVEL_ROOT;
    struct ls_key_parts parts;
    for (int i = optind; !status && i < argc; i++) {
        status = check(cli, stack->layout, argv[i], recursive, &level, &parts);
        folders = folders || level != LS_LEVEL_FILE;
    }
    if (!status && folders)
        status = ls_cli_confirm(LS_CONFIRM_NAMED, yes, "remove '%s'%s with all that is below", argv[optind],
                                optind + 1 < argc ? " and the others" : "");
    if (!status && !folders)
        return remove_files(stack->engine, argv + optind, argc - optind);
    for (int i = optind; !status && i < argc; i++) {
        struct ls_err err = LS_ERR_INIT;
        memset(&parts, 0, sizeof parts);
        ls_layout_parse_path(stack->layout, argv[i], strlen(argv[i]), &level, &parts);
        if (remove_path(stack->engine, argv[i], level, &parts, &err))
            status = ls_cli_fail(&err);
    }
    return status;
}

const struct ls_command ls_cmd_rm = {
    .name = "rm",
    .summary = "remove images from store and catalog",
    .usage = "[-r [--yes]] KEY…",
    .help = "Removes images for good: no trash. Named images go in one operation: all or none.\n"
            "\n"
            "  -r, --recursive  also folders (product, weight, type) with all that is below; asks first on a terminal\n"
            "  -y, --yes        do not ask\n",
    .run = run,
};
