/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep variant: the life of a (product, weight). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "cli/cli.h"

/* Ask before a variant goes with its images. */
static int confirm_delete(struct ls_engine *engine, const char *product, const char *weight, bool yes)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *catalog = ls_engine_catalog(engine);
    char folder[LS_KEY_MAX + 2], before[LS_KEY_MAX + 2];
    uint64_t rows = 0;
    enum ls_rc rc =
        ls_layout_format(ls_engine_layout(engine), product, weight, NULL, NULL, folder, sizeof folder, &err);
    if (!rc) {
        /* All keys below "…/weight/" stand before "…/weight0", '0' being the byte after '/'. */
        snprintf(before, sizeof before, "%s", folder);
        before[strlen(before) - 1] = '/' + 1;
        rc = catalog->ops->image_count(catalog, folder, before, &rows, NULL, &err);
    }
    if (rc)
        return ls_cli_fail(&err);
    return ls_cli_confirm(LS_CONFIRM_NAMED, yes, "remove variant %s of %s with %" PRIu64 " images", weight, product,
                          rows);
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"yes", no_argument, NULL, 'y'}, {0}};
    bool yes = false;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "y", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        yes = true;
    }
    argc -= optind;
    argv += optind;
    static const char *const actions[] = {"create", "delete", "enable", "disable", "rename"};
    enum { CREATE, DELETE, ENABLE, DISABLE, RENAME, NONE };
    int action = 0;
    while (action < NONE && (argc == 0 || strcmp(argv[0], actions[action]) != 0))
        action++;
    if (action == NONE)
        return ls_cli_usage(cli, "wants create, rename, delete, enable or disable");
    if (argc != (action == RENAME ? 4 : 3))
        return ls_cli_usage(cli, "%s wants PRODUCT WEIGHT%s", argv[0], action == RENAME ? " NEW-WEIGHT" : "");

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    struct ls_err err = LS_ERR_INIT;
    int status = ls_cli_open(cli, LS_COMPOSE_ENGINE, &config, &stack);
    if (!status && action == DELETE)
        status = confirm_delete(stack->engine, argv[1], argv[2], yes);
    if (status)
        return status;
    enum ls_rc rc = LS_OK;
    switch (action) {
    case CREATE:
        rc = ls_engine_variant_create(stack->engine, argv[1], argv[2], &err);
        break;
    case DELETE:
        rc = ls_engine_variant_delete(stack->engine, argv[1], argv[2], &err);
        break;
    case RENAME:
        rc = ls_engine_variant_rename(stack->engine, argv[1], argv[2], argv[3], &err);
        break;
    default:
        rc = ls_engine_variant_set_active(stack->engine, argv[1], argv[2], action == ENABLE, &err);
    }
    return rc ? ls_cli_fail(&err) : LS_EXIT_OK;
}

const struct ls_command ls_cmd_variant = {
    .name = "variant",
    .summary = "create, rename, delete, enable or disable a product's variant",
    .usage = "create|delete|enable|disable PRODUCT WEIGHT | rename PRODUCT WEIGHT NEW-WEIGHT",
    .help = "create   makes the variant, and the product if it is missing\n"
            "rename   changes the weight: every object, key, url and row in one operation\n"
            "delete   removes the variant with all its images, in both places\n"
            "enable, disable  switch whether the shop shows it; no object is touched\n"
            "\n"
            "  -y, --yes  delete: do not ask (without a terminal nothing is asked)\n",
    .run = run,
};
