/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rules of POSIX's rename(), and of Linux's renameat2(), as they apply to lockstep's folders: which errno, and what
 * is where afterwards. Where the layout has no place for the new name, the rule is EPERM.
 *
 * usage: rename MOUNTPOINT OUTSIDE files|folders|rights|handles|read-only
 */
#include <stdio.h>
#include <string.h>

#include "check.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"files", cases_files},
                 {"folders", cases_folders},
                 {"rights", cases_rights},
                 {"handles", cases_handles},
                 {"read-only", cases_read_only}};
    for (size_t i = 0; argc == 4 && i < sizeof parts / sizeof *parts; i++)
        if (strcmp(argv[3], parts[i].name) == 0) {
            mount_at = argv[1];
            outside_at = argv[2];
            parts[i].run();
            return check_end();
        }
    fprintf(stderr, "usage: rename MOUNTPOINT OUTSIDE files|folders|rights|handles|read-only\n");
    return 64;
}
