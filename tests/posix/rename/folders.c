/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folders as sources: products, weights and types, each full and empty. */
#include <errno.h>

#include "matrix.h"

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X255 X50 X50 X50 X50 X50 "xxxxx"
#define SIZE(array) (sizeof(array) / sizeof *(array))

static const struct from products[] = {
    {"a full product", "C", FULL_FOLDER, CLOSED},
    {"an empty product", "C", EMPTY_FOLDER, CLOSED},
    {"a product with a slash", "C/", FULL_FOLDER, CLOSED},
    {"a product that is not there", "C", NOTHING, CLOSED},
};

static const struct to for_products[] = {
    {"itself", "", EMPTY_FOLDER, 0, ITSELF, true},
    {"a new name", "D", NOTHING, 0, LATE, true},
    {"a new name with a slash", "D/", NOTHING, 0, LATE, true},
    {"an empty product", "D", EMPTY_FOLDER, 0, LATE, true},
    {"a full product", "D", FULL_FOLDER, ENOTEMPTY, LATE, true},
    {"a weight's place", "B/v", NOTHING, EPERM, LATE, true},
    {"a type's place", "B/w/info-card", NOTHING, EPERM, LATE, false},
    {"a file's place", "B/w/hero-card/to", NOTHING, EPERM, LATE, false},
    {"a file", "B/w/hero-card/to", FILE_, ENOTDIR, LATE, true},
    {"an empty weight", "B/v", EMPTY_FOLDER, EPERM, LATE, false},
    {"a place in the root", "^/to", NOTHING, EPERM, LATE, false},
    {"a place below itself", "C/v", NOTHING, EINVAL, LATE, false},
    {"a name of 256 bytes", "./y" X255, NOTHING, ENAMETOOLONG, LATE, true},
    {"a name with a control byte", "./t\001o", NOTHING, EINVAL, LATE, false},
    {"a name that is not UTF-8", "./t\377o", NOTHING, EINVAL, LATE, false},
    {"a place in a folder that is not there", "./nowhere/to", NOTHING, ENOENT, EARLY, false},
    {"a place outside the mount", "!/to", NOTHING, EXDEV, EARLY, true},
};

static const struct from weights[] = {
    {"a full weight", "A/v", FULL_FOLDER, CLOSED},
    {"an empty weight", "A/v", EMPTY_FOLDER, CLOSED},
    {"a weight with a slash", "A/v/", FULL_FOLDER, CLOSED},
    {"a weight that is not there", "A/v", NOTHING, CLOSED},
};

static const struct to for_weights[] = {
    {"itself", "", EMPTY_FOLDER, 0, ITSELF, true},
    {"a new name", "A/to", NOTHING, 0, LATE, true},
    {"a new name with a slash", "A/to/", NOTHING, 0, LATE, false},
    {"a new name in another product", "B/to", NOTHING, 0, LATE, true},
    {"an empty weight", "A/to", EMPTY_FOLDER, 0, LATE, true},
    {"a full weight", "A/to", FULL_FOLDER, ENOTEMPTY, LATE, true},
    {"an empty weight of another product", "B/to", EMPTY_FOLDER, 0, LATE, true},
    {"a full weight of another product", "B/to", FULL_FOLDER, ENOTEMPTY, LATE, true},
    {"a product's place", "D", NOTHING, EPERM, LATE, true},
    {"an empty product", "D", EMPTY_FOLDER, EPERM, LATE, false},
    {"a type's place", "B/w/info-card", NOTHING, EPERM, LATE, true},
    {"an empty type folder", "B/w/info-card", EMPTY_FOLDER, EPERM, LATE, false},
    {"a file's place", "B/w/hero-card/to", NOTHING, EPERM, LATE, false},
    {"a file", "B/w/hero-card/to", FILE_, ENOTDIR, LATE, true},
    {"a place in the root", "^/to", NOTHING, EPERM, LATE, false},
    {"a place below itself", "A/v/info-card", NOTHING, EINVAL, LATE, false},
    {"a name of 255 bytes", "A/" X255, NOTHING, 0, LATE, false},
    {"a name of 256 bytes", "A/y" X255, NOTHING, ENAMETOOLONG, LATE, true},
    {"a name with a control byte", "A/t\001o", NOTHING, EINVAL, LATE, false},
    {"a name that is not UTF-8", "A/t\377o", NOTHING, EINVAL, LATE, false},
    {"a place in a product that is not there", "./nowhere/to", NOTHING, ENOENT, EARLY, false},
    {"a place outside the mount", "!/to", NOTHING, EXDEV, EARLY, true},
};

static const struct from types[] = {
    {"a full type folder", "A/v/info-card", FULL_FOLDER, CLOSED},
    {"an empty type folder", "A/v/info-card", EMPTY_FOLDER, CLOSED},
    {"a type folder with a slash", "A/v/info-card/", FULL_FOLDER, CLOSED},
    {"a type folder that is not there", "A/w/info-card", NOTHING, CLOSED},
};

static const struct to for_types[] = {
    {"itself", "", EMPTY_FOLDER, 0, ITSELF, true},
    {"another type", "A/v/other-images", NOTHING, 0, LATE, false},
    {"the same type of another weight", "A/w/info-card", NOTHING, 0, LATE, false},
    {"another type of another product", "B/w/other-images", NOTHING, 0, LATE, true},
    {"another type with a slash", "B/w/other-images/", NOTHING, 0, LATE, false},
    {"an empty type folder", "B/w/hero-card", EMPTY_FOLDER, 0, LATE, true},
    {"a full type folder", "B/w/other-images", FULL_FOLDER, ENOTEMPTY, LATE, true},
    {"an unknown type", "B/w/card", NOTHING, EPERM, LATE, true},
    {"a weight's place", "B/to", NOTHING, EPERM, LATE, true},
    {"an empty weight", "B/to", EMPTY_FOLDER, EPERM, LATE, false},
    {"a product's place", "D", NOTHING, EPERM, LATE, true},
    {"a file's place", "B/w/hero-card/to", NOTHING, EPERM, LATE, false},
    {"a file", "B/w/hero-card/to", FILE_, ENOTDIR, LATE, true},
    {"a place below itself", "A/v/info-card/to", NOTHING, EINVAL, LATE, false},
    {"a name of 256 bytes", "A/v/y" X255, NOTHING, ENAMETOOLONG, LATE, true},
    {"a place in a weight that is not there", "B/nowhere/info-card", NOTHING, ENOENT, EARLY, false},
    {"a place outside the mount", "!/to", NOTHING, EXDEV, EARLY, true},
};

/* A folder onto one above it; and what cannot be renamed at all. */
static void folders_above(void)
{
    static const struct {
        const char *what, *from, *to;
        int wanted;
    } rows[] = {
        {"a weight onto its product", "A/w", "A", ENOTEMPTY},
        {"a type folder onto its weight", "A/w/hero-card", "A/w", ENOTEMPTY},
        {"a type folder onto its product", "A/w/hero-card", "A", ENOTEMPTY},
        {"a file onto its folder", "A/w/hero-card/file", "A/w/hero-card", ENOTEMPTY},
        {"the folder of products", "^/products", "^/goods", EPERM},
        {"the folder of products into a product", "^/products", "A/v", EINVAL},
        {"a folder onto '.'", "A", "A/.", EBUSY},
        {"a folder onto '..'", "A", "A/w/..", EBUSY},
        {"'.' onto a folder", "A/.", "D", EBUSY},
        {"'..' onto a folder", "A/w/..", "D", EBUSY},
    };
    for (size_t i = 0; i < SIZE(rows); i++) {
        next_world();
        make("A/w/hero-card/file", FILE_, "from");
        check_errno(try_rename(at(rows[i].from), at(rows[i].to), 0), rows[i].wanted, rows[i].what);
        check(holds(at("A/w/hero-card/file"), "from"), "%s: everything stays", rows[i].what);
    }
}

void cases_folders(void)
{
    run_matrix(products, SIZE(products), for_products, SIZE(for_products));
    run_matrix(weights, SIZE(weights), for_weights, SIZE(for_weights));
    run_matrix(types, SIZE(types), for_types, SIZE(for_types));
    folders_above();
}
