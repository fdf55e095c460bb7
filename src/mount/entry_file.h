/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cache's files on disk: private folders, unnamed files, and entries by the hash that is their name. No state.
 */
#ifndef LOCKSTEP_MOUNT_ENTRY_FILE_H
#define LOCKSTEP_MOUNT_ENTRY_FILE_H

#include "base/hash.h"
#include "lockstep/err.h"

/* A cache folder and its two parts, made 0700 if need be; LS_DENIED when somebody else owns one. */
enum ls_rc ls_entry_open_folders(const char *dir, int *out_objects_fd, int *out_staging_fd, struct ls_err *err)
    LS_MUST_CHECK;
/* A new file without a name; -1 and errno. */
int ls_entry_unnamed(int dir_fd);
/* Give such a file the name of an entry, in the place of whatever has it. False: it cannot be named here. */
bool ls_entry_publish(int objects_fd, const uint8_t id[LS_SHA256_LEN], int fd);
/* Open an entry's file if it is a regular one of this size, else -1; what is not is removed. */
int ls_entry_open(int objects_fd, const uint8_t id[LS_SHA256_LEN], uint64_t size_bytes);
void ls_entry_remove(int objects_fd, const uint8_t id[LS_SHA256_LEN]);
bool ls_entry_rename(int objects_fd, const uint8_t from[LS_SHA256_LEN], const uint8_t to[LS_SHA256_LEN]);
/* Tell of each entry that an earlier run left; strangers' files are left alone. */
void ls_entry_each(int objects_fd, bool (*tell)(void *ctx, const uint8_t id[LS_SHA256_LEN], uint64_t size_bytes),
                   void *ctx);

#endif
