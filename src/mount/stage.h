/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The state of a file that is open or holds uncommitted bytes here.
 *
 *   no stage            the row's version; `content` while handles are open
 *   clean stage         what was written is committed; stays until the last handle closes, then becomes a cache entry
 *   dirty stage         bytes that are not committed yet; close and fsync commit them
 *   scratch, pending    (enum ls_local) a stage without a row
 *
 * While handles are open, a node stands for one version: the one it was opened with and what is written here on top of
 * it. When somebody else commits another version, the node loses its name and the name gets a new node.
 * Bytes of a stage change only while the node's gate is held shared, and are committed while it is held exclusive.
 */
#ifndef LOCKSTEP_MOUNT_STAGE_H
#define LOCKSTEP_MOUNT_STAGE_H

#include "mount/cache.h"
#include "mount/internal.h"

struct ls_stage { /* all under ls_file.lock; the bytes of content under the node's gate */
    struct ls_content *content;
    bool dirty;               /* differs from the row, or there is none */
    bool failed;              /* the last commit failed and close said so */
    int write_errno;          /* of a write that failed; 0: none has, or it was repeated since */
    uint64_t write_off_bytes; /* where the first of them began */
    bool has_row;             /* a row with base_etag is what a commit replaces */
    char base_etag[LS_ETAG_MAX];
    uint32_t mode, uid, gid;
    bool row_mode, row_owner; /* the row's, not set here: a commit keeps what the row has then */
    bool mtime_set;           /* mtime_ns was set since the last write; otherwise it is the local file's */
    int64_t mtime_ns;
    struct ls_node *whiteout; /* of a scratch file that was a committed one: the name it had; with a reference */
};

/* An open file description of the kernel's. */
struct ls_handle {
    struct ls_node *node; /* const, as the next two; with a reference */
    int flags;
    bool writable;                 /* closing it commits */
    bool given_up;                 /* ls_file.lock: its close has told of a failure, nothing was written since */
    struct ls_handle *next, *prev; /* of the file's; ls_file.lock */
};

struct ls_file {
    pthread_mutex_t lock;
    unsigned handles;           /* lock, as all below */
    struct ls_handle *open;     /* freed with the file when the kernel never released them */
    unsigned writers;           /* of them: opened for writing */
    unsigned given_up;          /* of them: see struct ls_handle */
    int orphan_errno;           /* not 0: its name means another version now; what closing it dirty returns */
    struct ls_content *content; /* of version etag; NULL while nobody has it open */
    uint64_t content_size_bytes;
    struct ls_stage *stage;
    char etag[LS_ETAG_MAX]; /* the version that handles see and that the kernel may have cached */
    bool etag_known;
    struct stat last; /* what was last shown of it; for handles of a file that has lost its name */
};

/* The node's file state, made on first use; lives as long as the node. NULL: out of memory. */
struct ls_file *ls_file_of(struct ls_mount *mount, struct ls_node *node);
/* As above, but NULL when there is none yet. */
struct ls_file *ls_file_peek(struct ls_mount *mount, struct ls_node *node);
void ls_file_free(struct ls_file *file);
/* Take the name of a file away because it now means another version than its handles have. */
void ls_file_orphan(struct ls_mount *mount, struct ls_node *node);
/* Has every handle's close told that the bytes could not be committed? The kernel releases the handles a little later;
 * until then nobody else may see the file. lock is held. */
static inline bool ls_file_given_up(const struct ls_file *file)
{
    return file->stage && file->stage->dirty && file->stage->failed && file->given_up == file->handles;
}
void ls_file_link_handle(struct ls_file *file, struct ls_handle *handle);
/* Take it out and free it; its reference on the node is the caller's then. */
void ls_file_free_handle(struct ls_file *file, struct ls_handle *handle);

/* A new, empty, dirty stage. */
enum ls_rc ls_stage_new(struct ls_mount *mount, struct ls_stage **out_stage, struct ls_err *err) LS_MUST_CHECK;
/* A clean one with a copy of a row's bytes. */
enum ls_rc ls_stage_copy(struct ls_mount *mount, struct ls_content *from, const struct ls_image *row,
                         struct ls_stage **out_stage, struct ls_err *err) LS_MUST_CHECK;
void ls_stage_free(struct ls_mount *mount, struct ls_stage *stage); /* takes NULL */

uint64_t ls_stage_size(const struct ls_stage *stage);
int64_t ls_stage_mtime_ns(const struct ls_stage *stage);

/* Which row a commit is about. */
struct ls_commit {
    const char *key;
    bool any;             /* replace whatever row is at key (rename); otherwise only the one the stage stands on */
    const char *replaces; /* the row that goes away with it, or NULL */
    const char *replaces_etag;
};
/* Put the stage's bytes and attributes under the key, in one engine operation. Gate held exclusive, in a worker. On
 * success the stage is clean and the node's name is an ordinary one. */
enum ls_rc ls_stage_commit(struct ls_mount *mount, struct ls_node *node, const struct ls_commit *commit,
                           struct ls_err *err) LS_MUST_CHECK;
/* As commit, under the node's own name, if it is dirty, has a name, and is no scratch file. */
enum ls_rc ls_stage_commit_own(struct ls_mount *mount, struct ls_node *node, struct ls_err *err) LS_MUST_CHECK;

/* Give the file a stage with a copy of its bytes if it has none. Gate held exclusive, in a worker. */
enum ls_rc ls_stage_ensure(struct ls_mount *mount, struct ls_node *node, struct ls_err *err) LS_MUST_CHECK;
/* Put the stage in place (it is the file's now). */
void ls_stage_install(struct ls_mount *mount, struct ls_node *node, struct ls_stage *stage);

/* After the last handle has gone: a clean stage becomes the cache's entry, one that can never be committed is dropped.
 * True when a dirty one stays that must be committed first. */
bool ls_stage_settle(struct ls_mount *mount, struct ls_node *node);

/* The row that a whiteout hides, removed for good. LS_OK also when it is no whiteout any more. Its gate is held. */
enum ls_rc ls_whiteout_remove(struct ls_mount *mount, struct ls_node *whiteout, struct ls_err *err) LS_MUST_CHECK;

#endif
