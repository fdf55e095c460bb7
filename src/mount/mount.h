/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mount: kernel requests become engine operations; metadata comes from the catalog, bytes from a local cache that
 * is validated by etag; writes go to a staged local file and are committed at close and fsync.
 *
 * Leaves to others: what an operation means (engine), where configuration comes from (cli).
 */
#ifndef LOCKSTEP_MOUNT_MOUNT_H
#define LOCKSTEP_MOUNT_MOUNT_H

#include <stdatomic.h>
#include <stdint.h>

#include "lockstep/engine.h"

struct ls_mount_opts {
    const char *mountpoint;
    const char *fuse_options; /* what the user gave with -o, but for those that say where things are; or NULL */
    const char *cache_dir;    /* made 0700 when missing */
    uint64_t cache_size_bytes;
    const char *metrics_path; /* where the figures are written every 15 seconds; or NULL */
    bool foreground;
    bool debug;         /* libfuse's own tracing */
    const char *fsname; /* what mount(8) shows as the source */
    /* Build the engine: called after daemonising, in the process that will serve, before the mount is reported as done.
     */
    enum ls_rc (*open_engine)(void *ctx, struct ls_engine **out_engine, struct ls_err *err);
    void (*close_engine)(void *ctx, struct ls_engine *engine);
    /* What runs beside a mount that may write, each NULL or given: begun before the mount is reported as done, ended
     * before the engine is closed, told in between that a program which is not lockstep's has changed the catalog. */
    enum ls_rc (*begin_beside)(void *ctx, struct ls_engine *engine, struct ls_err *err);
    void (*end_beside)(void *ctx);
    void (*application)(void *ctx);
    void *ctx;
    atomic_bool *cancel;  /* the engine's: set when stopping takes too long; or NULL */
    int64_t stop_wait_ms; /* how long that is */
};

/* Is the text what fuse_options may be? LS_INVALID names the word. */
enum ls_rc ls_mount_check_options(const char *text, struct ls_err *err) LS_MUST_CHECK;

/* Mount and serve until unmounted or SIGTERM, SIGINT, SIGHUP (which drain and unmount). In the background mode the
 * parent returns LS_OK once the mount is up, or the error that the child met, and *out_is_parent tells that it is the
 * parent.
 */
enum ls_rc ls_mount_run(const struct ls_mount_opts *opts, bool *out_is_parent, struct ls_err *err) LS_MUST_CHECK;

#endif
