/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole reads and writes, durable creation, opening beneath a folder. No state, any thread.
 */
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/hash.h"

enum { COPY_CHUNK = 128 * 1024, OPENAT2_TRIES = 16 };

int ls_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int ls_pwrite_all(int fd, const void *data, size_t len, uint64_t offset)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

ssize_t ls_pread_all(int fd, void *data, size_t len, uint64_t offset)
{
    char *at = data;
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, at + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static enum ls_rc copy_rest(int from, int to, uint64_t offset, uint64_t size_bytes, struct ls_err *err)
{
    LS_AUTO(ls_free) char *chunk = malloc(COPY_CHUNK);
    if (!chunk)
        return ls_err_nomem(err);
    while (offset < size_bytes) {
        uint64_t left = size_bytes - offset;
        ssize_t n = ls_pread_all(from, chunk, left < COPY_CHUNK ? (size_t)left : COPY_CHUNK, offset);
        if (n < 0)
            return ls_err_errno(err, errno, "cannot read a file to copy it");
        if (n == 0)
            return ls_err_set(err, LS_IO, "a file became shorter while it was copied");
        if (ls_pwrite_all(to, chunk, (size_t)n, offset) < 0)
            return ls_err_errno(err, errno, "cannot write a file's copy");
        offset += (uint64_t)n;
    }
    return LS_OK;
}

enum ls_rc ls_copy_fd(int from, int to, uint64_t size_bytes, struct ls_err *err)
{
    off_t in = 0, out = 0;
    while ((uint64_t)in < size_bytes) {
        uint64_t left = size_bytes - (uint64_t)in;
        ssize_t n = copy_file_range(from, &in, to, &out, left < (1U << 30) ? (size_t)left : 1U << 30, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
            return ls_err_errno(err, errno, "cannot write a file's copy");
        if (n <= 0)
            break; /* not for these file systems: read and write say what is wrong, if anything */
    }
    return copy_rest(from, to, (uint64_t)in, size_bytes, err);
}

/* The next component of a relative path: its length, 0 at the end; *at moves past slashes before it. */
static size_t next_component(const char **at)
{
    while (**at == '/')
        (*at)++;
    return strcspn(*at, "/");
}

/* Copy a component to `name`; -1 and errno for a too long one or "..". */
static int take_component(const char *at, size_t len, char name[NAME_MAX + 1])
{
    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, at, len);
    name[len] = '\0';
    if (strcmp(name, "..") == 0) {
        errno = EXDEV;
        return -1;
    }
    return 0;
}

static int open_by_steps(int dir_fd, const char *path, int flags, mode_t mode)
{
    if (*path == '/') {
        errno = EXDEV;
        return -1;
    }
    LS_AUTO(ls_fd) int here = -1;
    const char *at = path;
    size_t len = next_component(&at);
    if (len == 0) {
        errno = ENOENT;
        return -1;
    }
    for (;;) {
        char name[NAME_MAX + 1];
        const char *rest = at + len;
        if (take_component(at, len, name) < 0)
            return -1;
        size_t rest_len = next_component(&rest);
        int parent = here >= 0 ? here : dir_fd;
        if (rest_len == 0)
            return openat(parent, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
        int next = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return -1;
        if (here >= 0)
            close(here);
        here = next;
        at = rest;
        len = rest_len;
    }
}

static long openat2_call(int dir_fd, const char *path, struct open_how *how)
{
#ifdef LS_TEST_WITHOUT_OPENAT2 /* the tests show the fallback too */
    (void)dir_fd, (void)path, (void)how;
    errno = ENOSYS;
    return -1;
#else
    return syscall(SYS_openat2, dir_fd, path, how, sizeof *how);
#endif
}

int ls_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
    bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = creates ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    /* EAGAIN: a rename elsewhere raced with the walk, or the path crossed "..". */
    for (int i = 0; i < OPENAT2_TRIES; i++) {
        long fd = openat2_call(dir_fd, path, &how);
        if (fd >= 0)
            return (int)fd;
        if (errno == ENOSYS || errno == E2BIG)
            return open_by_steps(dir_fd, path, flags, mode);
        if (errno != EAGAIN && errno != EINTR)
            return -1;
    }
    return -1;
}

/* Make one folder unless it is there, and open it. */
static int enter_dir(int parent, const char *name, mode_t mode, bool durable)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
        return -1;
    LS_AUTO(ls_fd) int made = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (made < 0 || (durable && (fsync(made) < 0 || fsync(parent) < 0)))
        return -1;
    return ls_fd_steal(&made);
}

int ls_mkdirs_beneath(int dir_fd, const char *path, mode_t mode, bool durable)
{
    if (*path == '/') {
        errno = EXDEV;
        return -1;
    }
    /* Not dir_fd itself: it may be O_PATH, which cannot be fsynced. */
    LS_AUTO(ls_fd) int here = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (here < 0)
        return -1;
    const char *at = path;
    size_t len = next_component(&at);
    while (len > 0) {
        char name[NAME_MAX + 1];
        const char *rest = at + len;
        size_t rest_len = next_component(&rest);
        if (rest_len == 0 && at[len] != '/')
            break;
        if (take_component(at, len, name) < 0)
            return -1;
        int next = enter_dir(here, name, mode, durable);
        if (next < 0)
            return -1;
        close(here);
        here = next;
        at = rest;
        len = rest_len;
    }
    return 0;
}

int ls_fsync_parent(int dir_fd, const char *path)
{
    const char *slash = strrchr(path, '/');
    LS_AUTO(ls_free) char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!parent)
        return -1;
    int flags = O_RDONLY | O_DIRECTORY;
    LS_AUTO(ls_fd)
    int fd = dir_fd == AT_FDCWD ? open(parent, flags | O_CLOEXEC) : ls_open_beneath(dir_fd, parent, flags, 0);
    return fd < 0 ? -1 : fsync(fd);
}

enum ls_rc ls_read_file(const char *path, struct ls_buf *out, struct ls_err *err)
{
    LS_AUTO(ls_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ls_err_errno(err, errno, "cannot open %s", path);
    for (;;) {
        char chunk[8192];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ls_err_errno(err, errno, "cannot read %s", path);
        if (n == 0)
            return LS_OK;
        enum ls_rc rc = ls_buf_add(out, chunk, (size_t)n);
        if (rc == LS_NO_SPACE)
            return ls_err_set(err, LS_NO_SPACE, "%s is larger than %zu bytes", path, out->max);
        if (rc)
            return ls_err_nomem(err);
    }
}

/* Give the finished temporary its name. 0, or -1 and errno. */
static int publish(const char *temp, const char *path, bool replace)
{
    if (replace)
        return rename(temp, path);
    if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (link(temp, path) < 0)
        return -1;
    unlink(temp);
    return 0;
}

enum ls_rc ls_write_file(const char *path, const void *data, size_t len, mode_t mode, bool replace, struct ls_err *err)
{
    char id[LS_ID_LEN];
    ls_id_new(id);
    LS_AUTO(ls_free) char *temp = ls_strf("%s.%s.tmp", path, id);
    if (!temp)
        return ls_err_nomem(err);
    LS_AUTO(ls_fd) int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return ls_err_errno(err, errno, "cannot create %s", path);
    if (ls_write_all(fd, data, len) < 0 || fsync(fd) < 0 || publish(temp, path, replace) < 0) {
        int failed = errno;
        unlink(temp);
        return ls_err_errno(err, failed, "cannot write %s", path);
    }
    if (ls_fsync_parent(AT_FDCWD, path) < 0)
        return ls_err_errno(err, errno, "cannot make %s durable", path);
    return LS_OK;
}
