/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file that a backup of the catalog is written to. */
#include "catalog/copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"

enum ls_rc ls_copy_file_open(const char *path, struct ls_copy_file *out, struct ls_err *err)
{
    char id[LS_ID_LEN];
    *out = (struct ls_copy_file){.path = path, .fd = -1};
    if (access(path, F_OK) == 0)
        return ls_err_set(err, LS_EXISTS, "catalog: %s is there already, a copy replaces nothing", path);
    ls_id_new(id);
    LS_AUTO(ls_free) char *temp = ls_strf("%s.%s", path, id);
    if (!temp)
        return ls_err_nomem(err);
    out->fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (out->fd < 0)
        return ls_err_errno(err, errno, "catalog: make %s", temp);
    out->temp = LS_STEAL(temp);
    return LS_OK;
}

enum ls_rc ls_copy_file_publish(const struct ls_copy_file *file, struct ls_err *err)
{
    if (fsync(file->fd) != 0)
        return ls_err_errno(err, errno, "catalog: sync %s", file->temp);
    if (link(file->temp, file->path) != 0) /* unlike rename it replaces nothing */
        return ls_err_errno(err, errno, "catalog: name the copy %s", file->path);
    if (ls_fsync_parent(AT_FDCWD, file->path) != 0)
        return ls_err_errno(err, errno, "catalog: sync the folder of %s", file->path);
    return LS_OK;
}

void ls_copy_file_auto(struct ls_copy_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->temp)
        unlink(file->temp);
    free(file->temp);
    *file = (struct ls_copy_file){.fd = -1};
}
