/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mounted filesystem for tests: a child process serves a directory store and a SQLite catalog in a temporary folder;
 * the test makes system calls in its mountpoint and looks at both sides itself (the bucket's folder, the sqlite3
 * library).
 */
#ifndef LOCKSTEP_TESTS_MOUNT_ENV_H
#define LOCKSTEP_TESTS_MOUNT_ENV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lockstep/engine.h"

/* What the store does in the serving process; shared memory. */
struct env_faults {
    atomic_int get, put, copy, remove; /* an enum ls_rc that the next calls fail with; 0 = none */
    atomic_bool hang;                  /* every call waits as long as it is set */
    atomic_int waited;                 /* calls that it made wait */
    atomic_int gets, puts, fired;      /* calls made, faults that fired */
};

struct env {
    char dir[64];
    char mnt[96];
    pid_t server;
    struct env_faults *faults;
};

/* 77: FUSE cannot be used here; says why. 0: it can. */
int env_usable(void);
/* Make store, catalog and mountpoint (empty), and mount. Ends the test program when that fails. */
void env_open(struct env *env);
/* As above without the mount. */
void env_open_unmounted(struct env *env);
/* Unmount if it is mounted, remove everything. The server must have ended with status 0. */
void env_close(struct env *env);
/* Mount again after env_stop. */
void env_mount(struct env *env, const char *fuse_options);
/* Send a signal and wait for the end; the server's exit status (or 128 + signal). */
int env_stop(struct env *env, int sig);

/* A path in the mountpoint; up to eight at a time, static. */
const char *env_path(const struct env *env, const char *path);

/* Another program on the same store and catalog: an engine in this process. */
struct env_other {
    struct ls_store *store;
    struct ls_catalog *catalog;
    struct ls_layout *layout;
    struct ls_engine *engine;
};
void env_other_open(const struct env *env, struct env_other *out);
void env_other_close(struct env_other *other);
void env_other_put(struct env_other *other, const char *key, const char *text);

/* The first column of the first row of a query, in static memory; NULL when there is none. */
const char *env_sql(const struct env *env, const char *sql);
/* What lies at a key in the bucket, in static memory; NULL when nothing does. */
const char *env_object(const struct env *env, const char *key);
/* Where a key lies; static, as env_path. */
const char *env_bucket_path(const struct env *env, const char *key);

#endif
