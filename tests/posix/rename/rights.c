/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who may rename: write and search permission of both folders, of a folder that moves to another one, sticky folders.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "check.h"

#define SIZE(array) (sizeof(array) / sizeof *(array))

enum { ME = 20001, OTHER = 20002 };

struct set {
    const char *path;
    mode_t mode;
    uid_t owner;
};

struct row {
    const char *what, *from, *to;
    enum kind from_kind, to_kind;
    struct set sets[4];
    int wanted;
};

#define F "A/w/hero-card"
#define G "B/w/hero-card"

/* Sets are made by root after the world; what they do not name is root's, 0755 or 0644. */
static const struct row rows[] = {
    /* files: the folders' permissions */
    {"both folders mine", F "/from", G "/to", FILE_, NOTHING, {{F, 0755, ME}, {G, 0755, ME}}, 0},
    {"my folder, somebody's file", F "/from", F "/to", FILE_, NOTHING, {{F, 0755, ME}}, 0},
    {"folders open to all", F "/from", G "/to", FILE_, NOTHING, {{F, 0777, 0}, {G, 0777, 0}}, 0},
    {"a file of no permissions", F "/from", F "/to", FILE_, NOTHING, {{F, 0777, 0}, {F "/from", 0, OTHER}}, 0},
    {"over a file of no permissions", F "/from", F "/to", FILE_, FILE_, {{F, 0777, 0}, {F "/to", 0, OTHER}}, 0},
    {"write without search in the old folder",
     F "/from",
     G "/to",
     FILE_,
     NOTHING,
     {{F, 0666, ME}, {G, 0755, ME}},
     EACCES},
    {"write without search in the new folder",
     F "/from",
     G "/to",
     FILE_,
     NOTHING,
     {{F, 0755, ME}, {G, 0666, ME}},
     EACCES},
    {"search without write in the old folder",
     F "/from",
     G "/to",
     FILE_,
     NOTHING,
     {{F, 0555, ME}, {G, 0755, ME}},
     EACCES},
    {"search without write in the new folder",
     F "/from",
     G "/to",
     FILE_,
     NOTHING,
     {{F, 0755, ME}, {G, 0555, ME}},
     EACCES},
    {"over a file in a folder without write", F "/from", G "/to", FILE_, FILE_, {{F, 0755, ME}, {G, 0555, ME}}, EACCES},
    {"write and search without read", F "/from", G "/to", FILE_, NOTHING, {{F, 0333, ME}, {G, 0333, ME}}, 0},
    {"folders of others", F "/from", F "/to", FILE_, NOTHING, {{F, 0755, OTHER}}, EACCES},
    {"my file in a folder of others",
     F "/from",
     F "/to",
     FILE_,
     NOTHING,
     {{F, 0755, OTHER}, {F "/from", 0644, ME}},
     EACCES},
    {"no search above the old folder",
     F "/from",
     G "/to",
     FILE_,
     NOTHING,
     {{F, 0777, 0}, {G, 0777, 0}, {"A", 0700, 0}},
     EACCES},
    {"no search above the new folder",
     F "/from",
     G "/to",
     FILE_,
     NOTHING,
     {{F, 0777, 0}, {G, 0777, 0}, {"B", 0700, 0}},
     EACCES},
    {"a scratch name in my folder", F "/from", F "/to~", FILE_, NOTHING, {{F, 0755, ME}}, 0},
    {"a scratch name in a folder of others", F "/from", F "/to~", FILE_, NOTHING, {{F, 0755, OTHER}}, EACCES},
    {"to itself in a folder of others", F "/from", F "/from", FILE_, NOTHING, {{F, 0755, OTHER}}, 0},
    {"a file that is not there, no write", F "/none", F "/to", NOTHING, NOTHING, {{F, 0555, OTHER}}, ENOENT},
    {"a file that is not there, no search", F "/none", F "/to", NOTHING, NOTHING, {{F, 0666, OTHER}}, EACCES},
    /* sticky folders */
    {"sticky: my file", F "/from", F "/to", FILE_, NOTHING, {{F, 01777, OTHER}, {F "/from", 0644, ME}}, 0},
    {"sticky: somebody's file",
     F "/from",
     F "/to",
     FILE_,
     NOTHING,
     {{F, 01777, OTHER}, {F "/from", 0666, OTHER}},
     EPERM},
    {"sticky: root's file", F "/from", F "/to", FILE_, NOTHING, {{F, 01777, 0}}, EPERM},
    {"sticky: somebody's file in my folder",
     F "/from",
     F "/to",
     FILE_,
     NOTHING,
     {{F, 01777, ME}, {F "/from", 0644, OTHER}},
     0},
    {"sticky: over my file",
     F "/from",
     F "/to",
     FILE_,
     FILE_,
     {{F, 01777, OTHER}, {F "/from", 0644, ME}, {F "/to", 0644, ME}},
     0},
    {"sticky: over somebody's file",
     F "/from",
     F "/to",
     FILE_,
     FILE_,
     {{F, 01777, OTHER}, {F "/from", 0644, ME}, {F "/to", 0666, OTHER}},
     EPERM},
    {"sticky: over somebody's file in my folder",
     F "/from",
     F "/to",
     FILE_,
     FILE_,
     {{F, 01777, ME}, {F "/from", 0644, OTHER}, {F "/to", 0644, OTHER}},
     0},
    {"sticky: out of it, my file",
     F "/from",
     G "/to",
     FILE_,
     NOTHING,
     {{F, 01777, OTHER}, {G, 0777, 0}, {F "/from", 0644, ME}},
     0},
    {"sticky: out of it, somebody's file",
     F "/from",
     G "/to",
     FILE_,
     NOTHING,
     {{F, 01777, OTHER}, {G, 0777, 0}, {F "/from", 0666, OTHER}},
     EPERM},
    {"sticky: into it, somebody's file",
     F "/from",
     G "/to",
     FILE_,
     NOTHING,
     {{F, 0777, OTHER}, {G, 01777, OTHER}, {F "/from", 0666, OTHER}},
     0},
    {"sticky: into it, over my file",
     F "/from",
     G "/to",
     FILE_,
     FILE_,
     {{F, 0777, 0}, {G, 01777, OTHER}, {G "/to", 0644, ME}},
     0},
    {"sticky: into it, over somebody's file",
     F "/from",
     G "/to",
     FILE_,
     FILE_,
     {{F, 0777, 0}, {G, 01777, OTHER}, {G "/to", 0666, OTHER}},
     EPERM},
    /* weights: the folders' permissions, and the moved folder's own */
    {"my weight in my product", "A/v", "A/to", FULL_FOLDER, NOTHING, {{"A", 0755, ME}, {"A/v", 0755, ME}}, 0},
    {"somebody's weight in my product",
     "A/v",
     "A/to",
     FULL_FOLDER,
     NOTHING,
     {{"A", 0755, ME}, {"A/v", 0755, OTHER}},
     0},
    {"a weight in a product of others",
     "A/v",
     "A/to",
     FULL_FOLDER,
     NOTHING,
     {{"A", 0755, OTHER}, {"A/v", 0755, ME}},
     EACCES},
    {"my weight to another product",
     "A/v",
     "B/to",
     FULL_FOLDER,
     NOTHING,
     {{"A", 0777, 0}, {"B", 0777, 0}, {"A/v", 0755, ME}},
     0},
    {"a weight that I may not write, to another product",
     "A/v",
     "B/to",
     FULL_FOLDER,
     NOTHING,
     {{"A", 0777, 0}, {"B", 0777, 0}, {"A/v", 0755, OTHER}},
     EACCES},
    {"my weight without write, to another product",
     "A/v",
     "B/to",
     FULL_FOLDER,
     NOTHING,
     {{"A", 0777, 0}, {"B", 0777, 0}, {"A/v", 0555, ME}},
     EACCES},
    {"my weight without write, in its product",
     "A/v",
     "A/to",
     FULL_FOLDER,
     NOTHING,
     {{"A", 0777, 0}, {"A/v", 0555, ME}},
     0},
    {"a weight to a product of others",
     "A/v",
     "B/to",
     FULL_FOLDER,
     NOTHING,
     {{"A", 0777, 0}, {"A/v", 0755, ME}},
     EACCES},
    {"over an empty weight of others",
     "A/v",
     "A/to",
     FULL_FOLDER,
     EMPTY_FOLDER,
     {{"A", 0777, 0}, {"A/v", 0755, ME}, {"A/to", 0700, OTHER}},
     0},
    {"sticky: my weight", "A/v", "A/to", FULL_FOLDER, NOTHING, {{"A", 01777, OTHER}, {"A/v", 0755, ME}}, 0},
    {"sticky: somebody's weight",
     "A/v",
     "A/to",
     FULL_FOLDER,
     NOTHING,
     {{"A", 01777, OTHER}, {"A/v", 0777, OTHER}},
     EPERM},
    {"sticky: over somebody's empty weight",
     "A/v",
     "A/to",
     EMPTY_FOLDER,
     EMPTY_FOLDER,
     {{"A", 01777, OTHER}, {"A/v", 0755, ME}, {"A/to", 0777, OTHER}},
     EPERM},
    {"sticky: somebody's weight in my product",
     "A/v",
     "A/to",
     EMPTY_FOLDER,
     NOTHING,
     {{"A", 01777, ME}, {"A/v", 0755, OTHER}},
     0},
    /* type folders */
    {"my type folder to another weight",
     "A/v/info-card",
     "B/w/info-card",
     FULL_FOLDER,
     NOTHING,
     {{"A/v", 0755, ME}, {"B/w", 0755, ME}, {"A/v/info-card", 0755, ME}},
     0},
    {"a type folder of others to another weight",
     "A/v/info-card",
     "B/w/info-card",
     FULL_FOLDER,
     NOTHING,
     {{"A/v", 0755, ME}, {"B/w", 0755, ME}},
     EACCES},
    {"a type folder of others in my weight",
     "A/v/info-card",
     "A/v/other-images",
     FULL_FOLDER,
     NOTHING,
     {{"A/v", 0755, ME}},
     0},
    {"a type folder in a weight of others",
     "A/v/info-card",
     "A/v/other-images",
     FULL_FOLDER,
     NOTHING,
     {{"A/v/info-card", 0755, ME}},
     EACCES},
    {"sticky: a type folder of others",
     "A/v/info-card",
     "A/v/other-images",
     FULL_FOLDER,
     NOTHING,
     {{"A/v", 01777, OTHER}},
     EPERM},
    /* products, in a folder that is root's */
    {"a product as an ordinary user", "C", "D", FULL_FOLDER, NOTHING, {{"C", 0777, ME}}, EACCES},
};

static void become(uid_t user)
{
    static const gid_t nogroups[1];
    if (user == 0 && seteuid(0) != 0)
        give_up("seteuid", "0");
    if (setgroups(0, nogroups) != 0 || setegid(user ? user : 0) != 0 || (user && seteuid(user) != 0))
        give_up("seteuid", "to a user");
}

static void run_row(const struct row *row)
{
    next_world();
    make_folders(at(F), true);
    make_folders(at(G), true);
    make(row->from, row->from_kind, "from");
    make(row->to, row->to_kind, "to");
    for (size_t i = 0; i < SIZE(row->sets) && row->sets[i].path; i++) {
        const struct set *set = &row->sets[i];
        if (chown(at(set->path), set->owner, set->owner) != 0 || chmod(at(set->path), set->mode) != 0)
            give_up("chown", set->path);
    }
    struct stat before = {0}, after;
    if (row->from_kind != NOTHING && !there(at(row->from), &before))
        give_up("stat", row->from);
    become(ME);
    int found = try_rename(at(row->from), at(row->to), 0);
    become(0);
    check_errno(found, row->wanted, row->what);
    const char *now = at(found == 0 ? row->to : row->from);
    if (row->from_kind == NOTHING)
        return;
    check(there(now, &after) && after.st_ino == before.st_ino, "%s: the file is where it should be", row->what);
    check(after.st_mode == before.st_mode && after.st_uid == before.st_uid && after.st_gid == before.st_gid,
          "%s: mode and owner stay", row->what);
    if (found != 0 && row->to_kind == FILE_)
        check(holds(at(row->to), "to"), "%s: the other file stays", row->what);
}

/* Root may do all of it. */
static void root_may(const struct row *row)
{
    next_world();
    make_folders(at(F), true);
    make_folders(at(G), true);
    make(row->from, row->from_kind, "from");
    make(row->to, row->to_kind, "to");
    for (size_t i = 0; i < SIZE(row->sets) && row->sets[i].path; i++)
        if (chown(at(row->sets[i].path), row->sets[i].owner, 0) != 0 || chmod(at(row->sets[i].path), row->sets[i].mode))
            give_up("chown", row->sets[i].path);
    check_errno(try_rename(at(row->from), at(row->to), 0), 0, "root");
}

void cases_rights(void)
{
    for (size_t i = 0; i < SIZE(rows); i++) {
        run_row(&rows[i]);
        if (rows[i].wanted == EACCES && rows[i].from_kind != NOTHING && i % 3 == 0)
            root_may(&rows[i]);
    }
}
