/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A layer between SQLite and the system's files that fails on request. It becomes the default of the process, so that
 * catalogs opened after fault_vfs_install go through it. One thread arms and reads it.
 */
#ifndef LOCKSTEP_TESTS_CATALOG_FAULT_VFS_H
#define LOCKSTEP_TESTS_CATALOG_FAULT_VFS_H

#include <stdbool.h>

struct fault_vfs {
    bool fail_log_sync;  /* xSync of a write-ahead log: SQLITE_IOERR_FSYNC, the written bytes stay */
    bool fail_log_write; /* xWrite of it: SQLITE_IOERR_WRITE */
    bool full_log_write; /* xWrite of it: SQLITE_FULL */
    bool read_only;      /* databases open for reading only */
    int fired;
    int log_syncs; /* xSync calls of write-ahead logs */
};
extern struct fault_vfs fault_vfs;

void fault_vfs_install(void);
/* Switch all off and forget the count. */
void fault_vfs_clear(void);

#endif
