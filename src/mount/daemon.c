/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ls_mount_run: look at the mountpoint, go to the background, report what became of it.
 *
 * The child serves, and opens the engine itself, because what proves that an instance lives belongs to a process. The
 * parent waits at a pipe for one struct ls_err: the child's error, or LS_OK once the mount is up. In the background,
 * log lines go to standard error where that is a file or the journal, otherwise to mount.log in the cache folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "mount/session.h"

static enum ls_rc check_mountpoint(const char *path, struct ls_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        int saved = errno;
        if (saved == ENOTCONN)
            return ls_err_set(err, LS_BUSY,
                              "mount: %s: a filesystem whose server has died is still mounted there: run "
                              "fusermount3 -u %s (or umount -l) first",
                              path, path);
        return ls_err_errno(err, saved, "mount: mountpoint %s", path);
    }
    if (!S_ISDIR(st.st_mode))
        return ls_err_set(err, LS_INVALID, "mount: mountpoint %s is not a folder", path);
    return LS_OK;
}

/* Is a filesystem of ours mounted exactly there? Paths in mountinfo have blanks and the like as octal. */
static bool is_ours(const char *mountpoint)
{
    LS_AUTO(ls_free) char *line = NULL;
    size_t cap = 0;
    FILE *list = fopen("/proc/self/mountinfo", "re");
    bool found = false;
    while (list && !found && getline(&line, &cap, list) > 0) {
        char *rest = line, *field = NULL;
        for (int i = 0; i < 5; i++)
            field = strsep(&rest, " ");
        if (!field || !rest || !strstr(rest, " - fuse.lockstep "))
            continue;
        size_t n = 0;
        for (const char *at = field; *at; n++) {
            unsigned code;
            if (*at == '\\' && sscanf(at + 1, "%3o", &code) == 1) {
                field[n] = (char)code;
                at += 4;
            } else {
                field[n] = *at++;
            }
        }
        field[n] = '\0';
        found = strcmp(field, mountpoint) == 0;
    }
    if (list)
        fclose(list);
    return found;
}

static enum ls_rc check_device(struct ls_err *err)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return LS_OK;
    }
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return ls_err_errno(err, errno,
                            "mount: /dev/fuse is missing (load the module: modprobe fuse; in a container: pass the "
                            "device)");
    if (errno == EACCES || errno == EPERM)
        return ls_err_errno(err, errno, "mount: /dev/fuse cannot be opened by this user");
    return ls_err_errno(err, errno, "mount: /dev/fuse");
}

/* Is our standard error something that lasts? */
static bool stderr_lasts(void)
{
    struct stat st;
    return getenv("JOURNAL_STREAM") || (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode));
}

static void redirect(int from, int to)
{
    if (from >= 0 && from != to) {
        dup2(from, to);
        close(from);
    }
}

/* Let go of the terminal and of whoever waits for our output to end. */
static void detach_stdio(const struct ls_mount_opts *opts)
{
    redirect(open("/dev/null", O_RDONLY), STDIN_FILENO);
    redirect(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    if (stderr_lasts())
        return;
    int dir = open(opts->cache_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int log = dir < 0 ? -1 : openat(dir, "mount.log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    if (dir >= 0)
        close(dir);
    redirect(log >= 0 ? log : open("/dev/null", O_WRONLY), STDERR_FILENO);
}

struct reporter {
    const struct ls_mount_opts *opts;
    int fd;
};

static void report(struct reporter *reporter, const struct ls_err *err)
{
    if (reporter->fd < 0)
        return;
    /* A parent that is gone does not mind. */
    if (ls_write_all(reporter->fd, err, sizeof *err) != 0)
        LS_LOG_WARN("mount", "parent-gone");
    close(reporter->fd);
    reporter->fd = -1;
}

static void on_ready(void *ctx)
{
    struct reporter *reporter = ctx;
    const struct ls_err fine = LS_ERR_INIT;
    if (reporter->fd < 0)
        return;
    detach_stdio(reporter->opts);
    report(reporter, &fine);
}

/* What the child has to say; when it dies without a word, that. */
static enum ls_rc await_child(int fd, pid_t child, struct ls_err *err)
{
    struct ls_err said;
    ssize_t n;
    size_t have = 0;
    while (have < sizeof said &&
           ((n = read(fd, (char *)&said + have, sizeof said - have)) > 0 || (n < 0 && errno == EINTR)))
        have += n > 0 ? (size_t)n : 0;
    if (have == sizeof said) {
        if (said.rc)
            waitpid(child, NULL, 0);
        if (err)
            *err = said;
        return said.rc;
    }
    int status = 0;
    waitpid(child, &status, 0);
    return ls_err_set(err, LS_IO, "mount: the background process ended (%s %d) before the mount was up",
                      WIFSIGNALED(status) ? "signal" : "status",
                      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static enum ls_rc run_background(const struct ls_mount_opts *opts, bool *out_is_parent, struct ls_err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return ls_err_errno(err, errno, "mount: cannot make a pipe");
    fflush(NULL);
    pid_t child = fork();
    if (child != 0) {
        *out_is_parent = true;
        int saved = errno;
        close(fds[1]);
        enum ls_rc rc = child < 0 ? ls_err_errno(err, saved, "mount: cannot fork") : await_child(fds[0], child, err);
        close(fds[0]);
        return rc;
    }
    close(fds[0]);
    setsid();
    struct reporter reporter = {opts, fds[1]};
    struct ls_err own = LS_ERR_INIT;
    enum ls_rc rc = ls_session_serve(opts, on_ready, &reporter, &own);
    bool was_up = reporter.fd < 0;
    report(&reporter, &own);
    if (err)
        *err = own;
    return was_up ? rc : LS_OK; /* what the parent says need not be said twice */
}

enum ls_rc ls_mount_run(const struct ls_mount_opts *opts, bool *out_is_parent, struct ls_err *err)
{
    *out_is_parent = false;
    enum ls_rc rc = check_mountpoint(opts->mountpoint, err);
    if (!rc)
        rc = check_device(err);
    if (rc)
        return rc;
    LS_AUTO(ls_free) char *mountpoint = realpath(opts->mountpoint, NULL);
    if (!mountpoint)
        return ls_err_errno(err, errno, "mount: mountpoint %s", opts->mountpoint);
    if (is_ours(mountpoint))
        return ls_err_set(err, LS_BUSY, "mount: %s: lockstep is mounted there already", mountpoint);
    struct ls_mount_opts real = *opts;
    real.mountpoint = mountpoint;
    if (!opts->foreground)
        return run_background(&real, out_is_parent, err);
    struct reporter reporter = {&real, -1};
    return ls_session_serve(&real, on_ready, &reporter, err);
}
