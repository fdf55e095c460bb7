/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep ls: the catalog's images below a prefix. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"

enum form { FORM_KEYS, FORM_LONG, FORM_JSON };

static void json_image(struct ls_json *json, const struct ls_image *image)
{
    ls_json_object(json, NULL);
    ls_json_str(json, "key", image->key);
    ls_json_str(json, "productId", image->product);
    ls_json_str(json, "weight", image->weight);
    ls_json_str(json, "type", image->type);
    ls_json_str(json, "url", image->url);
    if (image->record.known) {
        ls_json_uint(json, "size", image->record.size_bytes);
        ls_json_str(json, "etag", image->record.etag);
        ls_json_time(json, "mtime", image->record.mtime_ns);
    }
    ls_json_end_object(json);
}

static void print_image(const struct ls_image *image, enum form form)
{
    if (form == FORM_LONG && image->record.known) {
        char time[LS_TIME_LEN];
        ls_time_iso(image->record.mtime_ns, time);
        printf("%12" PRIu64 "  %s  %-32s  ", image->record.size_bytes, time, image->record.etag);
    } else if (form == FORM_LONG) {
        printf("%12s  %-24s  %-32s  ", "-", "-", "-");
    }
    ls_cli_print_key(image->key);
    putchar('\n');
}

/* The least key after all that begin with prefix, or NULL for none; the caller frees it. */
static char *after_prefix(const char *prefix)
{
    char *end = strdup(prefix);
    for (size_t len = end ? strlen(end) : 0; len > 0; len--) {
        unsigned char *last = (unsigned char *)&end[len - 1];
        if (*last < 0xFF) {
            (*last)++;
            return end;
        }
        *last = '\0';
    }
    free(end);
    return NULL;
}

struct lister {
    enum form form;
    struct ls_json json;
};

static void show_page(struct lister *lister, const struct ls_image_page *page)
{
    for (size_t i = 0; i < page->n; i++) {
        if (lister->form == FORM_JSON)
            json_image(&lister->json, &page->items[i]);
        else
            print_image(&page->items[i], lister->form);
    }
}

/* All that begin with prefix; the bound of a page is exclusive, so the prefix itself is asked for by name. */
static enum ls_rc show_all(struct lister *lister, struct ls_catalog *catalog, const char *prefix, struct ls_err *err)
{
    enum { PAGE = 1000 };
    struct ls_image_page page = {0};
    enum ls_rc rc = *prefix ? ls_catalog_image_get(catalog, NULL, prefix, &page, err) : LS_NOT_FOUND;
    if (!rc)
        show_page(lister, &page);
    ls_image_page_dispose(&page);
    if (rc && rc != LS_NOT_FOUND)
        return rc;
    LS_AUTO(ls_free) char *before = after_prefix(prefix);
    LS_AUTO(ls_free) char *after = strdup(prefix);
    while (after && !ferror(stdout)) {
        page = (struct ls_image_page){0};
        rc = catalog->ops->image_page(catalog, NULL, after, before, PAGE, &page, err);
        if (rc || page.n == 0) {
            ls_image_page_dispose(&page);
            return rc;
        }
        show_page(lister, &page);
        free(after);
        after = strdup(page.items[page.n - 1].key);
        ls_image_page_dispose(&page);
    }
    return after ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc show(struct ls_catalog *catalog, const char *prefix, enum form form, struct ls_err *err)
{
    struct lister lister = {.form = form};
    ls_json_init(&lister.json, stdout);
    if (form == FORM_JSON)
        ls_json_array(&lister.json, NULL);
    enum ls_rc rc = show_all(&lister, catalog, prefix, err);
    if (form == FORM_JSON) {
        ls_json_end_array(&lister.json);
        ls_json_newline(&lister.json);
    }
    return rc;
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"long", no_argument, NULL, 'l'}, {"json", no_argument, NULL, 'j'}, {0}};
    enum form form = FORM_KEYS;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "l", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        form = c == 'l' ? FORM_LONG : FORM_JSON;
    }
    if (optind + 1 < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind + 1]);
    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    struct ls_err err = LS_ERR_INIT;
    int status = ls_cli_open(cli, LS_COMPOSE_CATALOG, &config, &stack);
    if (status)
        return status;
    return show(stack->catalog, optind < argc ? argv[optind] : "", form, &err) ? ls_cli_fail(&err) : LS_EXIT_OK;
}

const struct ls_command ls_cmd_ls = {
    .name = "ls",
    .summary = "list the catalog's images",
    .usage = "[-l|--json] [PREFIX]",
    .help = "Lists the keys that begin with PREFIX, in byte order. Asks the catalog alone.\n"
            "\n"
            "  -l, --long  size, time and etag as well\n"
            "  --json      one JSON array\n",
    .run = run,
};
