/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the mount's modules share: the mounted filesystem, a task, and small helpers.
 *
 * Thread rule of the whole layer: FUSE's threads answer what memory, the local disk or the catalog's index can answer;
 * everything that may wait for the network or a writer is a task and runs in a worker. A task names the gates that it
 * needs; it waits in line without a thread. Lock order: gates, then ls_file.lock, then nodes.lock.
 */
#ifndef LOCKSTEP_MOUNT_INTERNAL_H
#define LOCKSTEP_MOUNT_INTERNAL_H

#define FUSE_USE_VERSION 314

#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/workers.h"
#include "lockstep/engine.h"
#include "mount/errno.h"
#include "mount/gate.h"
#include "mount/mount.h"
#include "mount/nodes.h"

struct ls_ahead;
struct ls_cache;
struct ls_mender;
struct ls_mount_metrics;
struct ls_dir_places;
struct ls_dir_recent;
struct ls_follow;

/* A timeout that the user has not set: long while the change feed is followed, short otherwise. */
#define LS_TIMEOUT_AUTO (-1.0)

/* What the user's -o options set; const after start. */
struct ls_mount_tuning {
    bool read_only, allow_other, allow_root;
    int set_uid, set_gid;
    unsigned uid, gid;
    int set_umask, set_fmask, set_dmask;
    unsigned umask, fmask, dmask;
    double attr_timeout, entry_timeout; /* or LS_TIMEOUT_AUTO */
    unsigned max_threads, max_idle_threads;
};

struct ls_mount {
    const struct ls_mount_opts *opts;
    struct ls_mount_tuning tuning;
    struct ls_engine *engine;
    struct ls_mender *mender;
    struct ls_mount_metrics *metrics; /* or NULL */
    struct ls_catalog *catalog;
    struct ls_store *store;
    const struct ls_layout *layout;
    unsigned products_depth; /* how many folders the literal prefix has; products stand one below */
    uid_t uid;               /* who mounted: owner of folders without a row */
    gid_t gid;
    int64_t started_ns;

    struct fuse_session *session;
    struct ls_workers *workers;
    atomic_uint tasks; /* started and not ended */
    struct ls_workers
        *quick; /* for tasks that ask the catalog only: they never wait behind those that wait for the store */
    struct ls_workers *notifier; /* one thread: kernel notifications, which may wait for requests */
    struct ls_follow *follow;
    atomic_bool following;     /* others' changes are told to the kernel */
    atomic_uint_fast64_t feed; /* goes up before changes of the feed are told */
    struct ls_nodes nodes;
    struct ls_gates gates;
    struct ls_cache *cache;
    struct ls_ahead *ahead;
    atomic_uint_fast64_t changes; /* goes up, under the file's lock where one is involved, after each change of ours */
    atomic_bool stopping;         /* SIGTERM came: nothing new is changed */

    bool no_opendir;              /* const after the first request: folders need not be opened */
    struct ls_dir_places *places; /* const, as the next */
    struct ls_dir_recent *recent;

    pthread_mutex_t numbers_lock; /* the three below: df's figures, and when they were read */
    uint64_t rows, bytes;
    int64_t numbers_at_ms;
};

static inline struct ls_mount *ls_mount_of(fuse_req_t req) { return fuse_req_userdata(req); }

/* ---- tasks ---- */

#define LS_TASK_LOCKS 16

struct ls_task_lock {
    struct ls_node *node; /* with a reference */
    bool exclusive;
};

/* The first member of every task. Made with calloc; ls_task_start takes it over. */
struct ls_task {
    struct ls_gate_wait wait;
    struct ls_mount *mount;
    fuse_req_t req; /* NULL: nobody waits for an answer */
    bool quick;     /* needs no store */
    /* Name the gates with ls_task_want*; called again when everything is held, to see that nothing has moved. */
    void (*plan)(struct ls_task *task);
    void (*run)(struct ls_task *task);     /* in a worker, gates held; answers req */
    void (*dispose)(struct ls_task *task); /* release what the task owns; may be NULL */
    struct ls_task_lock locks[LS_TASK_LOCKS];
    unsigned n_locks, n_held;
};

/* Takes the task over; never blocks. With an out-of-memory it answers req itself. */
void ls_task_start(struct ls_task *task);
void ls_task_want(struct ls_task *task, struct ls_node *node, bool exclusive);
/* Shared on every folder from the products' down to dir; exclusive on dir itself if asked. */
void ls_task_want_chain(struct ls_task *task, struct ls_node *dir, bool exclusive_last);
/* Enter a node's gate shared without waiting, for a short local change. */
bool ls_task_try_shared(struct ls_mount *mount, struct ls_node *node);
void ls_task_leave_shared(struct ls_mount *mount, struct ls_node *node);

/* ---- helpers ---- */

/* Answer EIO and return true when the mount is stopping, or EROFS on a read-only one. */
bool ls_mount_refuse(fuse_req_t req);
/* The class that decides on the errno: an outcome that is unknown because the store refuses us is a refusal. */
enum ls_rc ls_mount_class(enum ls_rc rc, const struct ls_err *err);
/* Answer with the errno for rc and log unexpected failures once. */
void ls_mount_reply_rc(fuse_req_t req, enum ls_mount_call call, enum ls_rc rc, const struct ls_err *err);
/* Log a failure for which nobody waits. */
void ls_mount_log(const char *event, const char *path, const struct ls_err *err);
/* How long the kernel may keep what was read when mount->feed was `seen`: not at all when changes have been told
 * since. */
double ls_mount_timeout(struct ls_mount *mount, double configured, uint64_t seen);
/* As above for attributes of an inode that the kernel knows: it does not take them when it was told of a change. */
double ls_mount_attr_timeout(struct ls_mount *mount);
/* Begin to follow the change feed; without it timeouts are short, and the log says so. */
void ls_mount_follow(struct ls_mount *mount);
/* Have the kernel forget an entry, or attributes and (with pages) contents of a file; done later by the notifier. */
void ls_mount_notify_entry(struct ls_mount *mount, uint64_t parent, const char *name);
void ls_mount_notify_inode(struct ls_mount *mount, uint64_t ino, bool pages);
/* The row of a key. LS_NOT_FOUND. */
enum ls_rc ls_mount_row(struct ls_mount *mount, const char *key, struct ls_image_page *out, struct ls_err *err)
    LS_MUST_CHECK;

/* ---- the requests, by file ---- */

void ls_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void ls_op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void ls_op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void ls_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ls_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ls_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ls_op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ls_op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void ls_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void ls_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void ls_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void ls_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ls_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi);
void ls_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void ls_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void ls_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ls_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ls_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off, struct fuse_file_info *fi);
void ls_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ls_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void ls_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ls_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi);
void ls_op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void ls_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent, const char *to_name,
                  unsigned flags);
void ls_op_statfs(fuse_req_t req, fuse_ino_t ino);
void ls_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void ls_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void ls_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void ls_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

#endif
