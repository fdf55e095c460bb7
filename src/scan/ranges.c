/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cuts what a scan reads into ranges of keys.
 *
 * The whole bucket is: what sorts before lockstep's own folder, and what sorts after it, so that trash is never listed
 * through. The second part is cut at the catalog's quantiles. With few rows (a first import) there is nothing to cut by
 * and it is listed in one go, pages fetched ahead: on MinIO that takes about a third longer than four ranges, less than
 * what the import itself then does to each object, so split points are not guessed by probing.
 */
#include "scan/ranges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"

/* With fewer rows than this a range there is nothing to gain. */
#define ROWS_PER_RANGE 2000
/* Where many processes share a scan, a range is no larger than this; each more costs MinIO another walk, so no smaller.
 */
#define ROWS_OF_A_LARGE_RANGE 5000

/* Every key of ours is smaller, every key of others below the same folder is skipped by name. */
#define INTERNAL_END LS_INTERNAL_PREFIX "~"

/* Nothing that is UTF-8 sorts higher behind the same prefix. */
#define HIGHEST "\xf4\x8f\xbf\xbf"

void ls_range_dispose(struct ls_range *range)
{
    free(range->prefix);
    free(range->list_after);
    free(range->list_last);
    free(range->row_after);
    free(range->row_before);
    *range = (struct ls_range){0};
}

void ls_ranges_dispose(struct ls_ranges *ranges)
{
    for (size_t i = 0; i < ranges->n; i++)
        ls_range_dispose(&ranges->items[i]);
    free(ranges->items);
    *ranges = (struct ls_ranges){0};
}

/* Fill a range over all prefixes: (after, last]. */
static enum ls_rc fill_range(struct ls_range *r, const char *after, const char *last, struct ls_err *err)
{
    r->prefix = strdup("");
    r->list_after = strdup(after);
    r->row_after = strdup(after);
    if (last) {
        r->list_last = strdup(last);
        r->row_before = ls_strf("%s\x01", last); /* nothing lies between last and this */
    }
    if (last && strcmp(last, LS_INTERNAL_PREFIX) == 0)
        r->first_limit = 2;
    bool filled = r->prefix && r->list_after && r->row_after && (!last || (r->list_last && r->row_before));
    return filled ? LS_OK : ls_err_nomem(err);
}

/* Shorten a key to the end of its product segment ("products/p1/"); false when it has none. */
static bool to_product(const struct ls_layout *layout, char *key)
{
    struct ls_slice product;
    if (!ls_layout_product_of(layout, key, strlen(key), &product))
        return false;
    size_t end = (size_t)(product.data - key) + product.len;
    if (key[end] != '/')
        return false;
    key[end + 1] = '\0';
    return true;
}

enum ls_rc ls_ranges_all(struct ls_catalog *cat, const struct ls_layout *layout, unsigned width, unsigned most,
                         struct ls_ranges *out, struct ls_err *err)
{
    *out = (struct ls_ranges){0};
    uint64_t rows = 0;
    struct ls_name_page splits = {0};
    enum ls_rc rc = cat->ops->image_count(cat, INTERNAL_END, NULL, &rows, NULL, err);
    if (rc)
        return rc;
    if (rows / ROWS_OF_A_LARGE_RANGE > width)
        width = rows / ROWS_OF_A_LARGE_RANGE < most ? (unsigned)(rows / ROWS_OF_A_LARGE_RANGE) : most;
    if (rows / ROWS_PER_RANGE < width)
        width = (unsigned)(rows / ROWS_PER_RANGE);
    if (width > 1)
        rc = cat->ops->image_splits(cat, width, &splits, err);
    if (rc)
        return rc;
    out->items = calloc(splits.n + 2, sizeof *out->items);
    if (!out->items) {
        ls_name_page_dispose(&splits);
        return ls_err_nomem(err);
    }
    rc = fill_range(&out->items[out->n++], "", LS_INTERNAL_PREFIX, err);
    const char *after = INTERNAL_END;
    for (size_t i = 0; i < splits.n && !rc; i++) {
        if (!to_product(layout, splits.names[i]) || strcmp(splits.names[i], after) <= 0)
            continue;
        rc = fill_range(&out->items[out->n++], after, splits.names[i], err);
        after = splits.names[i];
    }
    if (!rc)
        rc = fill_range(&out->items[out->n++], after, NULL, err);
    ls_name_page_dispose(&splits);
    if (rc)
        ls_ranges_dispose(out);
    return rc;
}

/* Everything below "products/p1/". */
static enum ls_rc fill_product(struct ls_range *r, const char *prefix, struct ls_err *err)
{
    size_t len = strlen(prefix);
    r->prefix = strdup(prefix);
    r->list_after = strdup("");
    /* '/' has neighbours in the order of bytes: before it '.', after it '0' */
    r->row_after = ls_strf("%.*s." HIGHEST, (int)len - 1, prefix);
    r->row_before = ls_strf("%.*s0", (int)len - 1, prefix);
    return r->prefix && r->list_after && r->row_after && r->row_before ? LS_OK : ls_err_nomem(err);
}

enum ls_rc ls_range_fill(const char *prefix, const char *after, const char *last, struct ls_range *out,
                         struct ls_err *err)
{
    *out = (struct ls_range){0};
    enum ls_rc rc = *prefix ? fill_product(out, prefix, err) : fill_range(out, after, last, err);
    if (rc)
        ls_range_dispose(out);
    return rc;
}

enum ls_rc ls_ranges_products(const struct ls_layout *layout, const char *const *products, struct ls_ranges *out,
                              struct ls_err *err)
{
    size_t n = 0;
    while (products[n])
        n++;
    *out = (struct ls_ranges){.items = calloc(n + 1, sizeof *out->items)};
    if (!out->items)
        return ls_err_nomem(err);
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; i < n && !rc; i++) {
        char prefix[LS_KEY_MAX + 8];
        bool again = false;
        rc = ls_layout_format(layout, products[i], NULL, NULL, NULL, prefix, sizeof prefix, err);
        for (size_t k = 0; k < i && !again; k++)
            again = strcmp(products[k], products[i]) == 0;
        if (!rc && !again)
            rc = fill_product(&out->items[out->n++], prefix, err);
    }
    if (rc)
        ls_ranges_dispose(out);
    return rc;
}
