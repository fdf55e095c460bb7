/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files as sources. */
#include <errno.h>

#include "matrix.h"

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X255 X50 X50 X50 X50 X50 "xxxxx"
#define SIZE(array) (sizeof(array) / sizeof *(array))

static const struct from sources[] = {
    {"a file", "A/w/hero-card/from", FILE_, CLOSED},
    {"an empty file", "A/w/hero-card/from", EMPTY_FILE, CLOSED},
    {"a file with a name of 255 bytes", "A/w/hero-card/" X255, FILE_, CLOSED},
    {"a scratch file", "A/w/hero-card/from~", FILE_, CLOSED},
    {"a file open for reading", "A/w/hero-card/from", FILE_, OPEN_TO_READ},
    {"a file open and written to", "A/w/hero-card/from", FILE_, OPEN_AND_DIRTY},
    {"a scratch file open and written to", "A/w/hero-card/from~", FILE_, OPEN_AND_DIRTY},
    {"a name that is not there", "A/w/hero-card/from", NOTHING, CLOSED},
};

static const struct to destinations[] = {
    {"itself", "", FILE_, 0, ITSELF, true},
    {"a new name", "A/w/hero-card/to", NOTHING, 0, LATE, true},
    {"a name in a type folder that is not made", "A/w/info-card/to", NOTHING, ENOENT, EARLY, false},
    {"a new name in another weight", "B/w/hero-card/to", NOTHING, 0, LATE, true},
    {"an old name", "A/w/hero-card/to", FILE_, 0, LATE, true},
    {"an old name in another type", "A/w/other-images/to", FILE_, 0, LATE, false},
    {"an old name in another product", "B/w/hero-card/to", FILE_, 0, LATE, true},
    {"an old name of an empty file", "A/w/hero-card/to", EMPTY_FILE, 0, LATE, false},
    {"a scratch name", "A/w/hero-card/to~", NOTHING, 0, LATE, true},
    {"an old scratch name", "A/w/hero-card/to~", FILE_, 0, LATE, true},
    {"a scratch name in another weight", "B/w/hero-card/to.part", NOTHING, 0, LATE, false},
    {"a scratch name in a weight's folder", "A/w/to~", NOTHING, 0, LATE, false},
    {"a name of 255 bytes", "A/w/hero-card/y" X50 X50 X50 X50 X50 "yyyy", NOTHING, 0, LATE, false},
    {"a name of 256 bytes", "A/w/hero-card/y" X255, NOTHING, ENAMETOOLONG, LATE, true},
    {"an empty type folder", "A/w/info-card", EMPTY_FOLDER, EISDIR, LATE, true},
    {"a full type folder", "A/w/info-card", FULL_FOLDER, EISDIR, LATE, false},
    {"an empty weight folder", "A/v", EMPTY_FOLDER, EISDIR, LATE, false},
    {"a full weight folder", "A/v", FULL_FOLDER, EISDIR, LATE, false},
    {"an empty product folder", "C", EMPTY_FOLDER, EISDIR, LATE, false},
    {"the folder of products, which is above it", "^/products", NOTHING, ENOTEMPTY, NOT_MADE, false},
    {"a new name in a weight's folder", "A/w/to", NOTHING, EPERM, LATE, true},
    {"the name of a type in a weight's folder", "A/w/info-card", NOTHING, EPERM, LATE, false},
    {"a new name in a product's folder", "A/to", NOTHING, EPERM, LATE, false},
    {"a new name in the folder of products", "./to", NOTHING, EPERM, LATE, false},
    {"a new name in the root", "^/to", NOTHING, EPERM, LATE, false},
    {"a name with a control byte", "A/w/hero-card/t\001o", NOTHING, EINVAL, LATE, false},
    {"a name that is not UTF-8", "A/w/hero-card/t\377o", NOTHING, EINVAL, LATE, false},
    {"a new name with a slash", "A/w/hero-card/to/", NOTHING, ENOTDIR, LATE, false},
    {"a name in a folder that is not there", "A/w/nowhere/to", NOTHING, ENOENT, EARLY, true},
    {"a name below a file", "A/w/hero-card/from/to", NOTHING, ENOTDIR, EARLY, false},
    {"no name", "", NOTHING, ENOENT, EARLY, false},
    {"a name outside the mount", "!/to", NOTHING, EXDEV, EARLY, true},
};

static const struct from slash[] = {{"a file's name with a slash", "A/w/hero-card/from/", NOTHING, CLOSED}};

/* A file's name with a slash is no file: whatever the destination. */
static void slash_after_source(void)
{
    static const char *const to[] = {"A/w/hero-card/to", "A/w/hero-card/from", "B/w/hero-card/to"};
    for (size_t i = 0; i < SIZE(to); i++) {
        next_world();
        make("A/w/hero-card/from", FILE_, "from");
        make_folders(at("B/w/hero-card"), true);
        check_errno(try_rename(at(slash[0].path), at(to[i]), 0), ENOTDIR, slash[0].what);
        check(holds(at("A/w/hero-card/from"), "from"), "%s: the file stays", slash[0].what);
    }
}

/* The flags of renameat2(2) that lockstep has no operation for. */
static void other_flags(void)
{
    static const unsigned flags[] = {RENAME_EXCHANGE, RENAME_WHITEOUT, RENAME_EXCHANGE | RENAME_NOREPLACE,
                                     RENAME_EXCHANGE | RENAME_WHITEOUT, 0x80};
    static const char *const pairs[][2] = {{"A/w/hero-card/from", "A/w/hero-card/to"}, {"A", "B"}};
    for (size_t i = 0; i < SIZE(flags); i++)
        for (size_t j = 0; j < SIZE(pairs); j++) {
            next_world();
            make("A/w/hero-card/from", FILE_, "from");
            make("A/w/hero-card/to", FILE_, "to");
            make_folders(at("B/w/hero-card"), true);
            check_errno(try_rename(at(pairs[j][0]), at(pairs[j][1]), flags[i]), EINVAL, "a flag that is not known");
            check(holds(at("A/w/hero-card/from"), "from") && holds(at("A/w/hero-card/to"), "to"),
                  "flags %#x: nothing has changed", flags[i]);
        }
}

void cases_files(void)
{
    run_matrix(sources, SIZE(sources), destinations, SIZE(destinations));
    slash_after_source();
    other_flags();
}
