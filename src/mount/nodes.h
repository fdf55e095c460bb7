/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node table: what the kernel calls by inode number, and what name in which folder that is.
 *
 * A node lives while the kernel knows it (lookups), somebody holds a reference, or it has children in the table. Its
 * path is its chain of parents, so renaming a folder moves everything below it. Inode numbers come from the path's hash
 * when it is first seen and stay with the node; a number is never shared by two live nodes.
 *
 * Locks: `nodes.lock` is innermost: nothing else is taken while it is held. Fields say which lock guards them; const
 * ones never change after creation.
 */
#ifndef LOCKSTEP_MOUNT_NODES_H
#define LOCKSTEP_MOUNT_NODES_H

#define HASH_NONFATAL_OOM 1

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <uthash.h>

#include "lockstep/err.h"
#include "lockstep/store.h"
#include "mount/gate.h"

struct ls_file;

/* Longest path of a node: a key, or a scratch file's. */
#define LS_PATH_MAX (LS_KEY_MAX + 256)

/* What is known about a file name here and nowhere else. */
enum ls_local {
    LS_LOCAL_NONE,    /* the catalog decides */
    LS_LOCAL_PENDING, /* created, not committed: no row yet */
    LS_LOCAL_SCRATCH, /* a scratch file: never committed under this name */
    LS_LOCAL_WHITEOUT /* has a row, but was moved to a scratch name: hidden until that is settled */
};

struct ls_node {
    uint64_t ino;        /* const */
    uint64_t generation; /* const */
    bool is_dir;         /* const */
    unsigned dir_depth;  /* const: 0 = root; of a file: UINT_MAX */

    uint64_t lookups; /* nodes.lock, as everything down to locals */
    unsigned refs;    /* handles, running tasks, children */
    struct ls_node *parent;
    struct ls_node_key *key; /* name and parent's number; hashed while linked */
    bool linked;             /* found by name; otherwise removed, replaced or superseded */
    enum ls_local local;
    struct ls_node *local_next, *local_prev; /* in parent's locals */
    struct ls_node *locals;                  /* of a folder: children whose local is not NONE */
    int64_t touched_ns;                      /* of a folder: entries changed then; 0 = not since it was loaded */
    int64_t changed_ns;                      /* of a folder: it was renamed or its attributes set then; 0 = likewise */
    struct ls_file *file;                    /* made on first open, freed with the node */
    UT_hash_handle by_ino, by_name;

    atomic_uint_least64_t shown_bytes; /* of a file: the size in the attributes that were last handed out */

    struct ls_gate gate; /* the gates' own lock */
};

struct ls_nodes {
    pthread_mutex_t lock;
    struct ls_node *root;
    struct ls_node *by_ino, *by_name; /* lock */
    uint64_t next_generation;         /* lock */
    size_t count;                     /* lock */
    void (*free_file)(struct ls_file *file);
};

/* The root gets inode 1. */
enum ls_rc ls_nodes_init(struct ls_nodes *nodes, void (*free_file)(struct ls_file *), struct ls_err *err) LS_MUST_CHECK;
void ls_nodes_dispose(struct ls_nodes *nodes);

/* The node of an inode number with a reference, or NULL for a number that the kernel should not know. */
struct ls_node *ls_nodes_get(struct ls_nodes *nodes, uint64_t ino);
/* The linked node of a name with a reference, or NULL. */
struct ls_node *ls_nodes_find(struct ls_nodes *nodes, struct ls_node *parent, const char *name);
/* As find, but makes the node when there is none (or when it is of the other kind). NULL when out of memory. */
struct ls_node *ls_nodes_obtain(struct ls_nodes *nodes, struct ls_node *parent, const char *name, bool is_dir);
/* The inode number that a name has, or would most likely get. */
uint64_t ls_nodes_number(struct ls_nodes *nodes, struct ls_node *parent, const char *name);
void ls_nodes_ref(struct ls_nodes *nodes, struct ls_node *node);
void ls_nodes_unref(struct ls_nodes *nodes, struct ls_node *node); /* takes NULL */
/* Count one lookup that the kernel was told of; forget takes n back. */
void ls_nodes_looked_up(struct ls_nodes *nodes, struct ls_node *node);
void ls_nodes_forget(struct ls_nodes *nodes, uint64_t ino, uint64_t n);

/* Take the node's name away: removed, replaced or superseded. */
void ls_nodes_detach(struct ls_nodes *nodes, struct ls_node *node);
/* Give a node another name and folder; a node that has the name already is detached. LS_NO_MEMORY changes nothing. */
enum ls_rc ls_nodes_move(struct ls_nodes *nodes, struct ls_node *node, struct ls_node *parent, const char *name)
    LS_MUST_CHECK;
bool ls_nodes_linked(struct ls_nodes *nodes, struct ls_node *node);

void ls_nodes_set_local(struct ls_nodes *nodes, struct ls_node *node, enum ls_local local);
enum ls_local ls_nodes_local(struct ls_nodes *nodes, struct ls_node *node);
/* The child of a folder with the least name greater than `after` ("" = the first) among those with a local state, with
 * a reference; NULL = none. name gets a copy of its name. */
struct ls_node *ls_nodes_next_local(struct ls_nodes *nodes, struct ls_node *dir, const char *after, char name[256]);

/* Entries of a folder changed now (by us) or at a given time. */
void ls_nodes_touch(struct ls_nodes *nodes, struct ls_node *dir, int64_t now_ns);
int64_t ls_nodes_touched(struct ls_nodes *nodes, struct ls_node *dir);
/* The folder itself changed now: its ctime, as long as it is known here. */
void ls_nodes_change(struct ls_nodes *nodes, struct ls_node *dir, int64_t now_ns);
int64_t ls_nodes_changed(struct ls_nodes *nodes, struct ls_node *dir);

/* Write the path without leading slash ("" for the root). False when the node or one above has no name any more, or the
 * path is too long. */
bool ls_nodes_path(struct ls_nodes *nodes, struct ls_node *node, char out[LS_PATH_MAX]);
/* The path of a name in a folder, likewise. */
bool ls_nodes_child_path(struct ls_nodes *nodes, struct ls_node *dir, const char *name, char out[LS_PATH_MAX]);
/* The node's name and its folder (with a reference). */
struct ls_node *ls_nodes_parent(struct ls_nodes *nodes, struct ls_node *node, char name[256]);
/* The folders from below the root down to (and with) dir, each with a reference; returns how many (at most max). */
unsigned ls_nodes_chain(struct ls_nodes *nodes, struct ls_node *dir, struct ls_node **out, unsigned max);
/* The known nodes along a path, for who needs numbers only. */
#define LS_TRAIL_MAX 16
struct ls_trail {
    uint64_t steps[LS_TRAIL_MAX + 1]; /* inode numbers; steps[0] is the root's */
    unsigned wanted, found;           /* names in the path, and how many of them from the left are known */
};
void ls_nodes_trail(struct ls_nodes *nodes, const char *path, struct ls_trail *out);
bool ls_nodes_has_file(struct ls_nodes *nodes, struct ls_node *node); /* linked, and with a file state */
/* The numbers of all nodes; free them. */
enum ls_rc ls_nodes_numbers(struct ls_nodes *nodes, uint64_t **out, size_t *out_n) LS_MUST_CHECK;
/* Call fn for each linked file node that has a file state, with a reference held; fn must not take nodes.lock for long.
 */
enum ls_rc ls_nodes_each_file(struct ls_nodes *nodes, void (*fn)(void *ctx, struct ls_node *node), void *ctx)
    LS_MUST_CHECK;

#endif
