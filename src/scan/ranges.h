/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cuts what a scan reads into ranges of keys that are read side by side.
 *
 * A range is (after, last]: open below, closed above, so that neighbours share a split point and no key falls between.
 */
#ifndef LOCKSTEP_SCAN_RANGES_H
#define LOCKSTEP_SCAN_RANGES_H

#include <stdatomic.h>
#include <stddef.h>

#include "lockstep/catalog.h"
#include "lockstep/layout.h"
#include "lockstep/store.h"

struct ls_range {
    char *prefix;                 /* of the listing, and what every key of the range begins with */
    char *list_after;             /* "" = from the start */
    char *list_last;              /* NULL = to the end */
    char *row_after, *row_before; /* the same for the catalog, whose ranges are open at both ends; before NULL = end */
    unsigned first_limit;         /* entries of the first page; 0 = the usual. Small where nothing is expected */
};

struct ls_ranges {
    struct ls_range *items;
    size_t n;
};

/* Everything but lockstep's own keys, in about `width` ranges of equal size by what the catalog knows, or up to `most`
 * (at least width) where they would be large; split points lie between products. */
enum ls_rc ls_ranges_all(struct ls_catalog *cat, const struct ls_layout *layout, unsigned width, unsigned most,
                         struct ls_ranges *out, struct ls_err *err) LS_MUST_CHECK;
/* One range a product; products ends with NULL. LS_INVALID for a name that cannot be a product's. */
enum ls_rc ls_ranges_products(const struct ls_layout *layout, const char *const *products, struct ls_ranges *out,
                              struct ls_err *err) LS_MUST_CHECK;
void ls_ranges_dispose(struct ls_ranges *ranges);

/* One range from its bounds: keys that begin with prefix, after < key <= last (NULL = no bound). With a prefix it is
 * everything below it. */
enum ls_rc ls_range_fill(const char *prefix, const char *after, const char *last, struct ls_range *out,
                         struct ls_err *err) LS_MUST_CHECK;
void ls_range_dispose(struct ls_range *range);

#endif
