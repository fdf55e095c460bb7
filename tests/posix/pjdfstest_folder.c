/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into pjdfstest: where its cases work.
 *
 * The program makes a folder of a random name for itself, and in it one for each case. The layout has no such names, so
 * both are made outside the mount, in a private mount namespace, and a fresh folder of the layout is bound over each of
 * the inner ones: $PJD_BASE/<number>$PJD_BELOW.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int make(const char *path, mode_t mode) { return (int)syscall(SYS_mkdirat, -100 /* AT_FDCWD */, path, mode); }

/* "/mnt/.tmpAAAAAA/.tmpBBBBBB"? */
static int is_case_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || strncmp(slash, "/.tmp", 5) != 0 || strlen(slash) != 11)
        return 0;
    return slash - path >= 11 && strncmp(slash - 11, "/.tmp", 5) == 0;
}

static int bind_folder(const char *over)
{
    static unsigned number;
    const char *base = getenv("PJD_BASE"), *below = getenv("PJD_BELOW");
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%u", base, ++number);
    if (make(path, 0755) != 0)
        return -1;
    if (below && *below) {
        snprintf(path + n, sizeof path - (size_t)n, "%s", below);
        if (make(path, 0755) != 0)
            return -1;
    }
    return mount(path, over, NULL, MS_BIND, NULL);
}

/* Called by Rust's std and by the crate nix. */
int mkdir(const char *path, mode_t mode)
{
    int rc = make(path, mode);
    if (rc == 0 && is_case_folder(path) && bind_folder(path) != 0) {
        fprintf(stderr, "pjdfstest_folder: no folder for %s: %s\n", path, strerror(errno));
        abort();
    }
    return rc;
}
