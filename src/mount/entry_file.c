/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files of the cache. They get their name by linkat(2) only when they are complete. Where the filesystem has no
 * O_TMPFILE they are made under a unique name that is unlinked at once: such a file cannot be named, so it serves its
 * readers and is not kept.
 */
#include "mount/entry_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"

int ls_entry_unnamed(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char id[LS_ID_LEN], name[LS_ID_LEN + 4];
    ls_id_new(id);
    snprintf(name, sizeof name, "tmp.%s", id);
    fd = openat(dir_fd, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlinkat(dir_fd, name, 0);
    return fd;
}

bool ls_entry_publish(int objects_fd, const uint8_t id[LS_SHA256_LEN], int fd)
{
    char name[LS_SHA256_HEX], proc[40];
    ls_hex(id, LS_SHA256_LEN, name);
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, proc, objects_fd, name, AT_SYMLINK_FOLLOW) == 0)
        return true;
    if (errno != EEXIST)
        return false;
    unlinkat(objects_fd, name, 0);
    return linkat(AT_FDCWD, proc, objects_fd, name, AT_SYMLINK_FOLLOW) == 0;
}

int ls_entry_open(int objects_fd, const uint8_t id[LS_SHA256_LEN], uint64_t size_bytes)
{
    char name[LS_SHA256_HEX];
    ls_hex(id, LS_SHA256_LEN, name);
    int fd = openat(objects_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size_bytes)) {
        close(fd);
        unlinkat(objects_fd, name, 0);
        return -1;
    }
    return fd;
}

void ls_entry_remove(int objects_fd, const uint8_t id[LS_SHA256_LEN])
{
    char name[LS_SHA256_HEX];
    ls_hex(id, LS_SHA256_LEN, name);
    unlinkat(objects_fd, name, 0);
}

bool ls_entry_rename(int objects_fd, const uint8_t from[LS_SHA256_LEN], const uint8_t to[LS_SHA256_LEN])
{
    char old_name[LS_SHA256_HEX], new_name[LS_SHA256_HEX];
    ls_hex(from, LS_SHA256_LEN, old_name);
    ls_hex(to, LS_SHA256_LEN, new_name);
    return renameat(objects_fd, old_name, objects_fd, new_name) == 0;
}

static int from_hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* False for a name that no entry has. */
static bool parse_name(const char *name, uint8_t id[LS_SHA256_LEN])
{
    if (strlen(name) != LS_SHA256_HEX - 1)
        return false;
    for (size_t i = 0; i < LS_SHA256_LEN; i++) {
        int hi = from_hex(name[2 * i]), lo = from_hex(name[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        id[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

void ls_entry_each(int objects_fd, bool (*tell)(void *ctx, const uint8_t id[LS_SHA256_LEN], uint64_t size_bytes),
                   void *ctx)
{
    int fd = openat(objects_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *found;
    while ((found = readdir(dir))) {
        uint8_t id[LS_SHA256_LEN];
        struct stat st;
        if (!parse_name(found->d_name, id) || fstatat(fd, found->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        if (!tell(ctx, id, (uint64_t)st.st_size))
            break;
    }
    closedir(dir);
}

/* Open (and make, 0700) a folder that must be ours alone. */
static enum ls_rc open_private(int dir_fd, const char *name, int *out_fd, struct ls_err *err)
{
    if (mkdirat(dir_fd, name, 0700) != 0 && errno != EEXIST)
        return ls_err_errno(err, errno, "mount: cannot make the cache folder %s", name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ls_err_errno(err, errno, "mount: cannot open the cache folder %s", name);
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_uid != geteuid() || ((st.st_mode & 077) && fchmod(fd, 0700) != 0)) {
        close(fd);
        return ls_err_set(err, LS_DENIED,
                          "mount: the cache folder %s belongs to another user: remove it or set another cache_dir",
                          name);
    }
    *out_fd = fd;
    return LS_OK;
}

/* Make the folders above dir; mkdir -p. */
static void make_parents(const char *dir)
{
    LS_AUTO(ls_free) char *path = strdup(dir);
    for (char *at = path ? strchr(path + 1, '/') : NULL; at; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0755);
        *at = '/';
    }
}

enum ls_rc ls_entry_open_folders(const char *dir, int *out_objects_fd, int *out_staging_fd, struct ls_err *err)
{
    int dir_fd = -1;
    make_parents(dir);
    enum ls_rc rc = open_private(AT_FDCWD, dir, &dir_fd, err);
    if (!rc)
        rc = open_private(dir_fd, "objects", out_objects_fd, err);
    if (!rc)
        rc = open_private(dir_fd, "staging", out_staging_fd, err);
    if (dir_fd >= 0)
        close(dir_fd);
    return rc;
}
