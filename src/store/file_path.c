/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keys as paths below the file store's directory: which can be, opening them beneath, the locks, and folders that come
 * with their first file and go with their last. Thread rule: any thread; order among writers is by the locks alone,
 * which file_store.h describes.
 */
#include "store/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum { LOCK_WAIT_MS = 20000, PLACE_TRIES = 100 };

/* ---- which keys can be ---- */

static bool is_dot(const char *segment, size_t len)
{
    return (len == 1 || (len == 2 && segment[1] == '.')) && *segment == '.';
}

bool ls_file_is_own(const char *key)
{
    static const char *const own[] = {".lockstep/tmp", ".lockstep/attr", ".lockstep/lock"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        size_t len = strlen(own[i]);
        if (!strncmp(key, own[i], len) && (key[len] == '\0' || key[len] == '/'))
            return true;
    }
    return false;
}

static const char *segments_fault(const char *at, const char *end)
{
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t len = (size_t)((slash ? slash : end) - at);
        if (len == 0)
            return "has an empty segment, which a directory cannot hold";
        if (is_dot(at, len))
            return "has a segment \".\" or \"..\", which a directory cannot hold";
        if (len > NAME_MAX)
            return "has a segment over 255 bytes, which a directory cannot hold";
        at += len + 1;
    }
    return NULL;
}

const char *ls_file_key_fault(const char *key)
{
    size_t len = strlen(key);
    if (len == 0)
        return "is empty";
    if (len > LS_KEY_MAX)
        return "is longer than 1024 bytes";
    if (key[len - 1] == '/')
        return "ends with a slash, which a file name cannot";
    if (ls_file_is_own(key))
        return "is reserved for the file store's own use";
    return segments_fault(key, key + len);
}

bool ls_file_folder_is_key(const char *folder, size_t len)
{
    return len == 0 || (len <= LS_KEY_MAX && !segments_fault(folder, folder + len));
}

const char *ls_file_base_name(const char *key)
{
    const char *slash = strrchr(key, '/');
    return slash ? slash + 1 : key;
}

void ls_file_warn_once(atomic_bool *warned, const char *event, const char *path)
{
    if (!atomic_exchange(warned, true))
        LS_LOG_WARN("store", event, {"path", ls_v_str(path)});
}

/* ---- opening ---- */

enum ls_rc ls_file_root(struct ls_file_store *fs, int *out_fd, struct ls_err *err)
{
    int fd = atomic_load(&fs->root_fd);
    if (fd < 0) {
        fd = open(fs->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
            return ls_err_set(err, LS_NOT_FOUND, "store: the directory %s is missing (lockstep init makes it)",
                              fs->dir);
        if (fd < 0)
            return ls_err_errno(err, errno, "store: cannot open the directory %s", fs->dir);
        int none = -1;
        if (!atomic_compare_exchange_strong(&fs->root_fd, &none, fd)) {
            close(fd);
            fd = none;
        }
    }
    *out_fd = fd;
    return LS_OK;
}

enum ls_rc ls_file_check_root(struct ls_file_store *fs, struct ls_err *err)
{
    int root = -1;
    struct stat st;
    if (ls_file_root(fs, &root, NULL) || fstat(root, &st) < 0 || st.st_nlink == 0)
        return ls_err_set(err, LS_IO, "store: the directory %s is missing", fs->dir);
    return LS_OK;
}

/* errno values that say: no regular file has this name. */
static bool means_absent(int sys_errno)
{
    return sys_errno == ENOENT || sys_errno == ENOTDIR || sys_errno == ELOOP || sys_errno == ENXIO ||
           sys_errno == ENAMETOOLONG || sys_errno == EXDEV;
}

static enum ls_rc absent(struct ls_file_store *fs, const char *key, struct ls_err *err)
{
    enum ls_rc rc = ls_file_check_root(fs, err);
    return rc ? rc : ls_err_set(err, LS_NOT_FOUND, "store: %s: there is no such object in %s", key, fs->dir);
}

enum ls_rc ls_file_open_key(struct ls_file_store *fs, const char *key, int *out_fd, struct stat *out_st,
                            struct ls_err *err)
{
    int root = -1;
    if (ls_file_root(fs, &root, NULL) || ls_file_key_fault(key))
        return absent(fs, key, err);
    LS_AUTO(ls_fd) int fd = ls_open_beneath(root, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 && means_absent(errno))
        return absent(fs, key, err);
    if (fd < 0 || fstat(fd, out_st) < 0)
        return ls_err_errno(err, errno, "store: cannot open %s in %s", key, fs->dir);
    if (!S_ISREG(out_st->st_mode))
        return absent(fs, key, err);
    *out_fd = ls_fd_steal(&fd);
    return LS_OK;
}

/* The folder at the first len bytes of path; "" is the root. */
static int open_folder(int root, const char *path, size_t len)
{
    char folder[LS_KEY_MAX + 2];
    if (len > LS_KEY_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, path, len);
    memcpy(folder + len, ".", 2);
    return ls_open_beneath(root, folder, O_RDONLY | O_DIRECTORY, 0);
}

int ls_file_open_parent(int root, const char *key)
{
    return open_folder(root, key, (size_t)(ls_file_base_name(key) - key));
}

enum ls_rc ls_file_make_own(struct ls_file_store *fs, const char *path, struct ls_err *err)
{
    int root = -1;
    enum ls_rc rc = ls_file_root(fs, &root, err);
    if (rc)
        return rc;
    /* Never LS_NOT_FOUND, which callers take for an object's. */
    if (ls_mkdirs_beneath(root, path, 0700, true) < 0)
        return errno == ENOENT ? ls_err_set(err, LS_IO, "store: the directory %s is missing", fs->dir)
                               : ls_err_errno(err, errno, "store: cannot make %s in %s", path, fs->dir);
    return LS_OK;
}

/* ---- locks ---- */

/* FNV-1a, folded into the bytes that guard keys: everything but byte 0. */
static off_t key_byte(const char *key)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
    return (off_t)((hash >> 2) + 1);
}

static enum ls_rc lock_byte(int fd, short type, off_t at, struct ls_err *err)
{
    /* Polled, so that a stopped process that holds the lock cannot hang this one for ever. */
    int64_t give_up = ls_monotonic_ms() + LOCK_WAIT_MS, pause_us = 50;
    for (;;) {
        struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
        if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
            return LS_OK;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return ls_err_errno(err, errno, "store: cannot lock %s", LS_FILE_LOCK);
        if (ls_monotonic_ms() > give_up)
            return ls_err_set(err, LS_BUSY, "store: another process holds a lock in %s for more than %d s",
                              LS_FILE_LOCK, LOCK_WAIT_MS / 1000);
        usleep((useconds_t)pause_us);
        pause_us = pause_us < 10000 ? pause_us * 2 : pause_us;
    }
}

enum ls_rc ls_file_open_lock(struct ls_file_store *fs, int *out_fd, struct ls_err *err)
{
    int root = -1;
    enum ls_rc rc = ls_file_root(fs, &root, err);
    if (rc)
        return rc;
    int flags = O_RDWR | O_CREAT | O_NOFOLLOW;
    int fd = ls_open_beneath(root, LS_FILE_LOCK, flags, 0600);
    if (fd < 0 && errno == ENOENT) {
        rc = ls_file_make_own(fs, LS_FILE_LOCK, err);
        if (rc)
            return rc;
        fd = ls_open_beneath(root, LS_FILE_LOCK, flags, 0600);
    }
    if (fd < 0)
        return ls_err_errno(err, errno, "store: cannot open %s in %s", LS_FILE_LOCK, fs->dir);
    *out_fd = fd;
    return LS_OK;
}

enum ls_rc ls_file_lock_key(struct ls_file_store *fs, const char *key, int *out_fd, struct ls_err *err)
{
    LS_AUTO(ls_fd) int fd = -1;
    enum ls_rc rc = ls_file_open_lock(fs, &fd, err);
    if (!rc)
        rc = lock_byte(fd, F_WRLCK, key_byte(key), err);
    if (!rc)
        *out_fd = ls_fd_steal(&fd);
    return rc;
}

enum ls_rc ls_file_relock_key(int lock_fd, const char *key, bool lock, struct ls_err *err)
{
    return lock_byte(lock_fd, lock ? F_WRLCK : F_UNLCK, key_byte(key), err);
}

enum ls_rc ls_file_lock_folders(int lock_fd, enum ls_file_lock_mode mode, struct ls_err *err)
{
    static const short types[] = {F_UNLCK, F_RDLCK, F_WRLCK};
    return lock_byte(lock_fd, types[mode], 0, err);
}

/* ---- folders ---- */

static enum ls_rc make_folders(struct ls_file_store *fs, int root, int lock_fd, const char *key, struct ls_err *err)
{
    enum ls_rc rc = ls_file_lock_folders(lock_fd, LS_FILE_EXCLUSIVE, err);
    if (rc)
        return rc;
    int made = ls_mkdirs_beneath(root, key, 0755, true), failed = errno;
    rc = ls_file_lock_folders(lock_fd, LS_FILE_UNLOCK, err);
    if (made == 0 || failed == ENOENT) /* ENOENT: a program that does not know our lock removed one meanwhile */
        return rc;
    if (failed == ENOTDIR || failed == ELOOP)
        return ls_err_set(err, LS_INVALID, "store: %s: a part of its path is an object in %s, so it cannot be a folder",
                          key, fs->dir);
    return ls_err_errno(err, failed, "store: cannot make the folder of %s in %s", key, fs->dir);
}

/* Rename with the rule for an existing name. 0, or -1 and errno. */
static int give_name(int root, const char *temp, int parent, const char *name, bool replace)
{
    if (replace)
        return renameat(root, temp, parent, name);
    if (renameat2(root, temp, parent, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(root, temp, parent, name, 0) < 0)
        return -1;
    unlinkat(root, temp, 0);
    return 0;
}

static enum ls_rc place_failed(struct ls_file_store *fs, int parent, const char *key, int failed, struct ls_err *err)
{
    struct stat st;
    bool there = fstatat(parent, ls_file_base_name(key), &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !S_ISREG(st.st_mode))
        return ls_err_set(err, LS_INVALID, "store: PUT %s: in %s a %s has this name", key, fs->dir,
                          S_ISDIR(st.st_mode) ? "folder with other objects" : "link or special file");
    if (failed == EEXIST)
        return ls_err_set(err, LS_EXISTS, "store: PUT %s: the object exists already", key);
    if (failed == ENOENT)
        return ls_err_set(err, LS_IO, "store: PUT %s: somebody aborted the upload meanwhile", key);
    return ls_err_errno(err, failed, "store: PUT %s: cannot give the file its name in %s", key, fs->dir);
}

/* One attempt under the shared folders' lock. *out_again when the folder is missing. */
static enum ls_rc try_place(struct ls_file_store *fs, int root, const char *temp, const char *key, bool replace,
                            bool *out_again, int *out_parent, struct ls_err *err)
{
    LS_AUTO(ls_fd) int parent = ls_file_open_parent(root, key);
    *out_again = parent < 0 && errno == ENOENT;
    if (parent < 0 && (errno == ENOTDIR || errno == ELOOP))
        return ls_err_set(err, LS_INVALID, "store: %s: a part of its path is an object in %s, so it cannot be a folder",
                          key, fs->dir);
    if (parent < 0)
        return *out_again ? LS_OK : ls_err_errno(err, errno, "store: cannot open the folder of %s in %s", key, fs->dir);
    const char *name = ls_file_base_name(key);
    struct stat st;
    /* rename(2) would replace a link or a device without a word. */
    if (replace && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
        return place_failed(fs, parent, key, EISDIR, err);
    if (give_name(root, temp, parent, name, replace) < 0) {
        int failed = errno;
        struct stat folder;
        *out_again = failed == ENOENT && fstat(parent, &folder) == 0 && folder.st_nlink == 0;
        return *out_again ? LS_OK : place_failed(fs, parent, key, failed, err);
    }
    *out_parent = ls_fd_steal(&parent);
    return LS_OK;
}

enum ls_rc ls_file_place(struct ls_file_store *fs, int lock_fd, const char *temp, const char *key, bool replace,
                         int *out_parent, struct ls_err *err)
{
    int root = -1;
    enum ls_rc rc = ls_file_root(fs, &root, err);
    for (int i = 0; !rc && i < PLACE_TRIES; i++) {
        bool again = false;
        rc = ls_file_lock_folders(lock_fd, LS_FILE_SHARED, err);
        if (rc)
            return rc;
        rc = try_place(fs, root, temp, key, replace, &again, out_parent, err);
        enum ls_rc unlocked = ls_file_lock_folders(lock_fd, LS_FILE_UNLOCK, rc ? NULL : err);
        rc = rc ? rc : unlocked;
        if (rc || !again)
            return rc;
        rc = make_folders(fs, root, lock_fd, key, err);
    }
    return rc ? rc : ls_err_set(err, LS_BUSY, "store: PUT %s: its folder is removed again and again by somebody", key);
}

/* Climb from the key's folder, removing empty ones; the folders' lock is held exclusively. */
static int prune_up(int root, const char *key)
{
    char path[LS_KEY_MAX + 2];
    snprintf(path, sizeof path, "%s", key);
    char *slash;
    while ((slash = strrchr(path, '/'))) {
        *slash = '\0';
        if (!strcmp(path, ".lockstep"))
            break;
        LS_AUTO(ls_fd) int parent = ls_file_open_parent(root, path);
        if (parent >= 0 && unlinkat(parent, ls_file_base_name(path), AT_REMOVEDIR) == 0)
            continue;
        int here = open_folder(root, key, strlen(path) + 1);
        if (here >= 0 || errno != ENOENT)
            return here;
    }
    return open_folder(root, key, slash ? strlen(path) + 1 : 0);
}

enum ls_rc ls_file_prune(struct ls_file_store *fs, int lock_fd, const char *key, int *out_folder, struct ls_err *err)
{
    int root = -1;
    enum ls_rc rc = ls_file_root(fs, &root, err);
    if (!rc)
        rc = ls_file_lock_folders(lock_fd, LS_FILE_EXCLUSIVE, err);
    if (rc)
        return rc;
    int folder = prune_up(root, key), failed = errno;
    rc = ls_file_lock_folders(lock_fd, LS_FILE_UNLOCK, err);
    if (rc || folder < 0) {
        if (folder >= 0)
            close(folder);
        return rc ? rc : ls_err_errno(err, failed, "store: DELETE %s: cannot open its folder", key);
    }
    *out_folder = folder;
    return LS_OK;
}
