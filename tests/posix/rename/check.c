/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting, and making the things that are renamed. */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *mount_at, *outside_at;
static unsigned checks, failures, world;

void check(bool ok, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%s %u - ", ok ? "ok" : "FAIL", ++checks);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    failures += !ok;
}

const char *errno_name(int number)
{
    const char *name = number ? strerrorname_np(number) : "success";
    return name ? name : "?";
}

void check_errno(int found, int wanted, const char *what)
{
    if (found == wanted)
        check(true, "%s: %s", what, errno_name(wanted));
    else
        check(false, "%s: %s, wanted %s", what, errno_name(found), errno_name(wanted));
}

int check_end(void)
{
    printf("total %u, failed %u\n", checks, failures);
    return failures || !checks;
}

void give_up(const char *what, const char *path)
{
    printf("FAIL %u - cannot prepare: %s %s: %s\n", ++checks, what, path, strerror(errno));
    failures++;
    exit(check_end());
}

void next_world(void) { world++; }

const char *at(const char *template)
{
    static char buffers[8][PATH_SPACE];
    static unsigned turn;
    char *out = buffers[turn++ % 8];
    const char *rest = strchr(template, '/');
    if (!rest)
        rest = template + strlen(template);
    switch (*template) {
    case '^':
        snprintf(out, PATH_SPACE, "%s%s", mount_at, rest);
        break;
    case '.':
        snprintf(out, PATH_SPACE, "%s/products%s", mount_at, rest);
        break;
    case '!':
        snprintf(out, PATH_SPACE, "%s%s", outside_at, rest);
        break;
    case '\0':
        *out = '\0';
        break;
    default:
        snprintf(out, PATH_SPACE, "%s/products/%.*s%u%s", mount_at, (int)(rest - template), template, world, rest);
    }
    return out;
}

/* How many levels below the folder of products. */
static unsigned level_of(const char *path)
{
    unsigned level = 0;
    for (path += strlen(mount_at) + strlen("/products"); *path; path++)
        level += *path == '/' && path[1];
    return level;
}

void make_folders(const char *path, bool last_too)
{
    char part[PATH_SPACE];
    size_t n = strlen(path);
    for (size_t i = strlen(mount_at) + 1; i <= n; i++) {
        if (path[i] != '/' && !(last_too && i == n))
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            give_up("mkdir", part);
    }
}

void write_file(const char *path, const char *bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ssize_t n = (ssize_t)strlen(bytes);
    if (fd < 0 || write(fd, bytes, (size_t)n) != n || close(fd) != 0)
        give_up("write", path);
}

const char *inside(const char *path)
{
    static char out[PATH_SPACE];
    static const char *const below[] = {"", "/w9/hero-card/in.png", "/hero-card/in.png", "/in.png"};
    size_t n = strlen(path);
    while (n && path[n - 1] == '/')
        n--;
    snprintf(out, sizeof out, "%.*s%s", (int)n, path, below[level_of(path) & 3]);
    return out;
}

void make(const char *template, enum kind kind, const char *mark)
{
    const char *path = at(template);
    if (kind == NOTHING)
        return;
    make_folders(path, kind == EMPTY_FOLDER);
    if (kind == FILE_ || kind == EMPTY_FILE)
        write_file(path, kind == FILE_ ? mark : "");
    if (kind == FULL_FOLDER) {
        make_folders(inside(path), false);
        write_file(inside(path), mark);
    }
}

bool holds(const char *path, const char *bytes)
{
    char found[256];
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, found, sizeof found);
    close(fd);
    return n == (ssize_t)strlen(bytes) && memcmp(found, bytes, (size_t)n) == 0;
}

bool there(const char *path, struct stat *st)
{
    struct stat ignored;
    return lstat(path, st ? st : &ignored) == 0;
}

bool listed(const char *path)
{
    char folder[PATH_SPACE];
    snprintf(folder, sizeof folder, "%s", path);
    size_t n = strlen(folder);
    while (n && folder[n - 1] == '/')
        folder[--n] = '\0';
    char *name = strrchr(folder, '/');
    *name++ = '\0';
    DIR *dir = opendir(folder);
    bool found = false;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        found |= strcmp(entry->d_name, name) == 0;
    if (dir)
        closedir(dir);
    return found;
}

int try_rename(const char *from, const char *to, unsigned flags)
{
    long rc = flags ? syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags) : rename(from, to);
    return rc == 0 ? 0 : errno;
}
