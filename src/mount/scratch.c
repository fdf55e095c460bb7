/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The patterns, each with the program that writes it. They are matched by hand, because fnmatch(3) depends on the
 * locale and a name is bytes.
 */
#include "mount/scratch.h"

#include <string.h>

static bool starts(const char *name, const char *prefix) { return strncmp(name, prefix, strlen(prefix)) == 0; }

static bool ends(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);
    return n > s && strcmp(name + n - s, suffix) == 0;
}

static bool alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* rsync: ".<name>.XXXXXX", six letters or digits from mkstemp. */
static bool is_rsync(const char *name)
{
    size_t n = strlen(name);
    if (name[0] != '.' || n < 9 || name[n - 7] != '.')
        return false;
    for (size_t i = n - 6; i < n; i++)
        if (!alnum(name[i]))
            return false;
    return true;
}

/* vim: ".<name>.swp", ".swo", ".swx" and so on. */
static bool is_swap(const char *name)
{
    size_t n = strlen(name);
    return name[0] == '.' && n > 4 && strncmp(name + n - 4, ".sw", 3) == 0 && name[n - 1] >= 'a' && name[n - 1] <= 'z';
}

/* vim asks with "4913", then 5036, … whether it may write to the folder. */
static bool is_vim_probe(const char *name) { return strcmp(name, "4913") == 0 || strcmp(name, "5036") == 0; }

bool ls_scratch_name(const char *name)
{
    return is_rsync(name) || is_swap(name) || is_vim_probe(name) || ends(name, "~") || ends(name, ".part") ||
           starts(name, ".fuse_hidden") || starts(name, "._") || starts(name, ".#") || strcmp(name, ".DS_Store") == 0 ||
           starts(name, ".~lock.");
}
