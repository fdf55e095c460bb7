/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the parts of the file store share. Private to src/store/file_*.c.
 *
 * Below the directory, `.lockstep/` (0700) is the store's workshop beside the internal keys that callers keep there:
 *   .lockstep/tmp/<key hash>.<begun ns>.<id>  an object that is being written
 *   .lockstep/lock                            byte-range locks (OFD): byte 0 guards the folders, others guard keys
 *   .lockstep/attr/<inode>                    what else an xattr would hold, where the file system has none
 * These three are no keys: they cannot be put and are never listed.
 *
 * Locks, in this order: a key's byte (one writer of the key, also across processes), then byte 0: shared by whoever
 * puts a file into a folder, exclusive for whoever makes or removes folders. Made folders are durable before the
 * exclusive lock ends, so a folder that a shared holder finds is durable.
 */
#ifndef LOCKSTEP_STORE_FILE_STORE_H
#define LOCKSTEP_STORE_FILE_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "lockstep/store.h"

#define LS_FILE_OWN ".lockstep/"
#define LS_FILE_TMP LS_FILE_OWN "tmp/"
#define LS_FILE_ATTR LS_FILE_OWN "attr/"
#define LS_FILE_LOCK LS_FILE_OWN "lock"

struct ls_file_walk;
enum { LS_FILE_SAVED_WALKS = 16 };

struct ls_file_store {
    struct ls_store base;
    char *dir;            /* absolute; constant after open, as is the next */
    char *url_prefix;     /* without a slash at its end */
    atomic_int root_fd;   /* O_DIRECTORY, or -1 before the first use; set once */
    pthread_mutex_t lock; /* guards saved and next_saved */
    struct ls_file_walk *saved[LS_FILE_SAVED_WALKS];
    unsigned next_saved;
    atomic_bool no_xattr;                                  /* the file system has none: use attr/ */
    atomic_bool warned_xattr, warned_special, warned_long; /* each warning once */
};

/* ---- file_path.c: keys as paths, folders, locks ---- */

/* Why the directory cannot hold this key, in words that follow "the key"; NULL when it can. */
const char *ls_file_key_fault(const char *key);
/* The same for a prefix or folder that ends with a slash, or "". */
bool ls_file_folder_is_key(const char *folder, size_t len);
/* True below or at one of the three names above. */
bool ls_file_is_own(const char *key);

/* The directory's descriptor. LS_NOT_FOUND when it is missing, LS_IO when it was there and is gone. */
enum ls_rc ls_file_root(struct ls_file_store *fs, int *out_fd, struct ls_err *err) LS_MUST_CHECK;
/* As LS_NOT_FOUND of an object must never mean that the whole directory is gone: LS_IO then. */
enum ls_rc ls_file_check_root(struct ls_file_store *fs, struct ls_err *err) LS_MUST_CHECK;

/* Open the regular file of a key for reading. LS_NOT_FOUND also for folders, links, special files and keys that cannot
 * be. */
enum ls_rc ls_file_open_key(struct ls_file_store *fs, const char *key, int *out_fd, struct stat *out_st,
                            struct ls_err *err) LS_MUST_CHECK;
/* Open the folder that holds the key's file. -1 and errno. */
int ls_file_open_parent(int root, const char *key);
/* The part after the last slash. */
const char *ls_file_base_name(const char *key);

/* Make the folders above a file of our own. */
enum ls_rc ls_file_make_own(struct ls_file_store *fs, const char *path, struct ls_err *err) LS_MUST_CHECK;

enum ls_file_lock_mode { LS_FILE_UNLOCK, LS_FILE_SHARED, LS_FILE_EXCLUSIVE };
/* Lock the key's byte; closing the descriptor gives it back. LS_BUSY when another process keeps it. */
enum ls_rc ls_file_lock_key(struct ls_file_store *fs, const char *key, int *out_fd, struct ls_err *err) LS_MUST_CHECK;
/* Lock a key's byte on an open lock file, or give it back. */
enum ls_rc ls_file_relock_key(int lock_fd, const char *key, bool lock, struct ls_err *err) LS_MUST_CHECK;
/* The lock file without a lock. */
enum ls_rc ls_file_open_lock(struct ls_file_store *fs, int *out_fd, struct ls_err *err) LS_MUST_CHECK;
/* Change the folders' lock that this descriptor has. */
enum ls_rc ls_file_lock_folders(int lock_fd, enum ls_file_lock_mode mode, struct ls_err *err) LS_MUST_CHECK;

/* Give a finished temporary its key's name; out_parent is the folder, for the caller to fsync. The key's lock is
 * lock_fd. LS_EXISTS with !replace, LS_INVALID when a folder or a special file has the name. */
enum ls_rc ls_file_place(struct ls_file_store *fs, int lock_fd, const char *temp, const char *key, bool replace,
                         int *out_parent, struct ls_err *err) LS_MUST_CHECK;
/* Remove the folders above key that are empty now. out_folder gets the lowest one that stays, open for fsync. */
enum ls_rc ls_file_prune(struct ls_file_store *fs, int lock_fd, const char *key, int *out_folder, struct ls_err *err)
    LS_MUST_CHECK;

/* ---- file_attr.c: etag and metadata ---- */

/* Size, etag, times and metadata of an open file; hashes it when the record is not valid, and writes the record then.
 */
enum ls_rc ls_file_info(struct ls_file_store *fs, int fd, const char *key, struct ls_object_info *out_info,
                        struct ls_err *err) LS_MUST_CHECK;
/* The etag from a valid record; false when the file has to be hashed. */
bool ls_file_recorded_etag(struct ls_file_store *fs, int fd, const struct stat *st, char out_etag[LS_ETAG_MAX]);
/* Record the etag and metadata of a finished file. */
enum ls_rc ls_file_record(struct ls_file_store *fs, int fd, const struct stat *st, const char *etag,
                          const struct ls_object_meta *meta, struct ls_err *err) LS_MUST_CHECK;
/* Forget what attr/ holds of a removed file. */
void ls_file_forget(struct ls_file_store *fs, ino_t inode);

int64_t ls_file_mtime_ns(const struct stat *st);

/* ---- file_write.c, file_list.c: the operations ---- */

enum ls_rc ls_file_put(struct ls_store *store, const struct ls_store_put *put, struct ls_object_info *out_info,
                       struct ls_err *err);
enum ls_rc ls_file_copy(struct ls_store *store, struct ls_store_copy *items, size_t n, struct ls_err *err);
enum ls_rc ls_file_remove(struct ls_store *store, struct ls_store_delete *items, size_t n, struct ls_err *err);
enum ls_rc ls_file_abort_uploads(struct ls_store *store, const char *key, int64_t before_ns, struct ls_err *err);
enum ls_rc ls_file_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *out_page,
                        struct ls_err *err);
/* Takes NULL. */
void ls_file_walk_free(struct ls_file_walk *walk);

/* Warn once about a thing in the directory that is no object. */
void ls_file_warn_once(atomic_bool *warned, const char *event, const char *path);

#endif
