/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files: whole reads and writes, durable creation, and opening that cannot be led astray by planted symlinks.
 */
#ifndef LOCKSTEP_BASE_FILE_H
#define LOCKSTEP_BASE_FILE_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "lockstep/err.h"

/* Write or read all len bytes, across EINTR and short counts. errno text is left to the caller: returns -1 and errno;
 * the read returns the count, short only at the end of the file. */
int ls_write_all(int fd, const void *data, size_t len);
int ls_pwrite_all(int fd, const void *data, size_t len, uint64_t offset);
ssize_t ls_pread_all(int fd, void *data, size_t len, uint64_t offset);

/* Copy a whole file's bytes from offset 0 (copy_file_range, else read/write). */
enum ls_rc ls_copy_fd(int from, int to, uint64_t size_bytes, struct ls_err *err) LS_MUST_CHECK;

/* Open below dir_fd with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS); O_CLOEXEC is added.
 * Falls back to openat with O_NOFOLLOW per component where the kernel lacks openat2. -1 and errno on failure. */
int ls_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

/* Make the folders of a relative path below dir_fd, never through a symlink: all but its last component, or with a
 * slash at its end all of them. With durable, each new folder and its parent are fsynced. 0 or -1 and errno. */
int ls_mkdirs_beneath(int dir_fd, const char *path, mode_t mode, bool durable);

/* fsync the folder that holds path (relative to dir_fd). 0 or -1 and errno. */
int ls_fsync_parent(int dir_fd, const char *path);

/* Read a whole file of at most buf->max bytes. */
enum ls_rc ls_read_file(const char *path, struct ls_buf *out, struct ls_err *err) LS_MUST_CHECK;
/* Write a new file durably (temp, fsync, link or rename, fsync of the folder); LS_EXISTS when path exists and !replace.
 */
enum ls_rc ls_write_file(const char *path, const void *data, size_t len, mode_t mode, bool replace, struct ls_err *err)
    LS_MUST_CHECK;

#endif
