/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every call goes to the system's VFS; a few fail first. */
#include "catalog/fault_vfs.h"

#include <sqlite3.h>
#include <string.h>

struct fault_vfs fault_vfs;

struct file {
    sqlite3_file base;
    bool is_log;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *system_vfs;
static sqlite3_file *real_of(sqlite3_file *file) { return ((struct file *)file)->real; }

static int fail(bool armed, sqlite3_file *file, int code)
{
    if (!armed || !((struct file *)file)->is_log)
        return SQLITE_OK;
    fault_vfs.fired++;
    return code;
}

static int x_close(sqlite3_file *f)
{
    sqlite3_file *real = real_of(f);
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}
static int x_read(sqlite3_file *f, void *data, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), data, n, at);
}
static int x_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
    int code = fail(fault_vfs.fail_log_write, f, SQLITE_IOERR_WRITE);
    if (code == SQLITE_OK)
        code = fail(fault_vfs.full_log_write, f, SQLITE_FULL);
    return code != SQLITE_OK ? code : real_of(f)->pMethods->xWrite(real_of(f), data, n, at);
}
static int x_truncate(sqlite3_file *f, sqlite3_int64 size) { return real_of(f)->pMethods->xTruncate(real_of(f), size); }
static int x_sync(sqlite3_file *f, int flags)
{
    fault_vfs.log_syncs += ((struct file *)f)->is_log;
    int code = fail(fault_vfs.fail_log_sync, f, SQLITE_IOERR_FSYNC);
    return code != SQLITE_OK ? code : real_of(f)->pMethods->xSync(real_of(f), flags);
}
static int x_file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}
static int x_lock(sqlite3_file *f, int level) { return real_of(f)->pMethods->xLock(real_of(f), level); }
static int x_unlock(sqlite3_file *f, int level) { return real_of(f)->pMethods->xUnlock(real_of(f), level); }
static int x_check_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int x_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}
static int x_sector_size(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }
static int x_device(sqlite3_file *f) { return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f)); }
static int x_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}
static int x_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}
static void x_shm_barrier(sqlite3_file *f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }
static int x_shm_unmap(sqlite3_file *f, int remove) { return real_of(f)->pMethods->xShmUnmap(real_of(f), remove); }

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_file_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector_size,
    .xDeviceCharacteristics = x_device,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

static int x_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    struct file *file = (struct file *)f;
    (void)vfs;
    memset(file, 0, sizeof *file);
    file->real = (sqlite3_file *)(file + 1);
    file->is_log = flags & SQLITE_OPEN_WAL;
    if (fault_vfs.read_only && flags & SQLITE_OPEN_MAIN_DB) {
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
        fault_vfs.fired++;
    }
    int code = system_vfs->xOpen(system_vfs, name, file->real, flags, out_flags);
    if (code == SQLITE_OK)
        file->base.pMethods = &methods;
    return code;
}

static int x_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return system_vfs->xDelete(system_vfs, name, sync);
}
static int x_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    return system_vfs->xAccess(system_vfs, name, flags, out);
}
static int x_full_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
    (void)vfs;
    return system_vfs->xFullPathname(system_vfs, name, n, out);
}

void fault_vfs_install(void)
{
    static sqlite3_vfs vfs;
    system_vfs = sqlite3_vfs_find(NULL);
    vfs = *system_vfs;
    vfs.pNext = NULL;
    vfs.zName = "fault";
    vfs.szOsFile = (int)sizeof(struct file) + system_vfs->szOsFile;
    vfs.xOpen = x_open;
    vfs.xDelete = x_delete;
    vfs.xAccess = x_access;
    vfs.xFullPathname = x_full_path;
    sqlite3_vfs_register(&vfs, 1);
}

void fault_vfs_clear(void) { memset(&fault_vfs, 0, sizeof fault_vfs); }
