/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks that die with the process: byte ranges of the file <catalog>-lockstep.
 *
 *   byte 0          the owner: the one process that checkpoints
 *   byte role       the leader of a role (1 to 15)
 *   byte 16 + n     the instance whose row has the number n lives
 *
 * They are open-file-description locks (F_OFD_SETLK), so they do not vanish when some other descriptor of the file is
 * closed, and two catalogs in one process see each other's. A fork shares the description: the lock then lives as long
 * as either process, which is why a daemon opens its catalog after it has forked. The file is empty and stays; removing
 * it while a process runs would make that process look dead.
 */
#include "catalog/sqlite_impl.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buf.h"

#define OWNER_BYTE 0
#define INSTANCE_BYTE 16

enum ls_rc ls_sqlite_lock_open(struct ls_sqlite *cat, struct ls_err *err)
{
    LS_AUTO(ls_free) char *path = ls_strf("%s-lockstep", cat->path);
    if (!path)
        return ls_err_nomem(err);
    cat->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
    if (cat->lock_fd < 0)
        return ls_err_errno(err, errno, "catalog: open the lock file %s", path);
    return LS_OK;
}

static int lock_byte(int fd, int command, int64_t byte, short *type)
{
    struct flock lock = {.l_type = *type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
    int result;
    do
        result = fcntl(fd, command, &lock);
    while (result < 0 && errno == EINTR);
    *type = lock.l_type;
    return result;
}

bool ls_sqlite_own(struct ls_sqlite *cat)
{
    short type = F_WRLCK;
    if (!atomic_load(&cat->is_owner) && lock_byte(cat->lock_fd, F_OFD_SETLK, OWNER_BYTE, &type) == 0)
        atomic_store(&cat->is_owner, true);
    return atomic_load(&cat->is_owner);
}

enum ls_rc ls_sqlite_lock_role(struct ls_sqlite *cat, enum ls_lead role, struct ls_err *err)
{
    short type = F_WRLCK;
    if (lock_byte(cat->lock_fd, F_OFD_SETLK, OWNER_BYTE + (int64_t)role, &type) == 0)
        return LS_OK;
    if (errno == EAGAIN || errno == EACCES)
        return ls_err_set(err, LS_BUSY, "catalog %s: another process has the role already", cat->path);
    return ls_err_errno(err, errno, "catalog: lock byte %d of %s-lockstep", (int)role, cat->path);
}

void ls_sqlite_unlock_role(struct ls_sqlite *cat, enum ls_lead role)
{
    short type = F_UNLCK;
    (void)lock_byte(cat->lock_fd, F_OFD_SETLK, OWNER_BYTE + (int64_t)role, &type);
}

enum ls_rc ls_sqlite_lock_instance(struct ls_sqlite *cat, int64_t number, struct ls_err *err)
{
    short type = F_WRLCK;
    if (lock_byte(cat->lock_fd, F_OFD_SETLK, INSTANCE_BYTE + number, &type) == 0)
        return LS_OK;
    return ls_err_errno(err, errno, "catalog: lock byte %lld of %s-lockstep", (long long)(INSTANCE_BYTE + number),
                        cat->path);
}

void ls_sqlite_unlock_instance(struct ls_sqlite *cat, int64_t number)
{
    short type = F_UNLCK;
    (void)lock_byte(cat->lock_fd, F_OFD_SETLK, INSTANCE_BYTE + number, &type);
}

enum ls_rc ls_sqlite_lock_held(struct ls_sqlite *cat, int64_t number, bool *out_held, struct ls_err *err)
{
    short type = F_WRLCK;
    if (lock_byte(cat->lock_fd, F_OFD_GETLK, INSTANCE_BYTE + number, &type) != 0)
        return ls_err_errno(err, errno, "catalog: ask for byte %lld of %s-lockstep",
                            (long long)(INSTANCE_BYTE + number), cat->path);
    *out_held = type != F_UNLCK;
    return LS_OK;
}
