/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Serving: set up in order, the loop, and the way down.
 *
 * SIGTERM, SIGINT and SIGHUP are taken by a thread of their own. It first refuses new changes, has every dirty file
 * committed and waits for the workers, all while requests are still answered (a kernel notification in flight may need
 * that), and only then ends the loop. An unmount from outside ends the loop at once: nothing is open then. Work that
 * takes longer than stop_wait_ms is cancelled at its next safe point; the journal knows the rest.
 */
#include "mount/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/mender.h"
#include "mount/ahead.h"
#include "mount/cache.h"
#include "mount/dir.h"
#include "mount/file.h"
#include "mount/follow.h"
#include "mount/metrics.h"
#include "mount/options.h"
#include "mount/stage.h"

#define WORKERS 64
#define QUICK_WORKERS 8

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    struct ls_mount *mount = userdata;
    mount->no_opendir = conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
    /* A node stands for one version, and opens drop the pages of another: the kernel need not guess by times. */
    conn->want &= ~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_WRITEBACK_CACHE |
                              FUSE_CAP_READDIRPLUS_AUTO);
    conn->want |= conn->capable &
                  (FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ);
    conn->max_background = 64;
    conn->congestion_threshold = 48;
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    (void)ino;
    (void)parent;
    (void)name;
    fuse_reply_err(req, EPERM);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    (void)target;
    (void)parent;
    (void)name;
    fuse_reply_err(req, EPERM);
}

static const struct fuse_lowlevel_ops operations = {
    .init = op_init,
    .lookup = ls_op_lookup,
    .forget = ls_op_forget,
    .forget_multi = ls_op_forget_multi,
    .getattr = ls_op_getattr,
    .setattr = ls_op_setattr,
    .mknod = ls_op_mknod,
    .mkdir = ls_op_mkdir,
    .unlink = ls_op_unlink,
    .rmdir = ls_op_rmdir,
    .symlink = op_symlink,
    .link = op_link,
    .rename = ls_op_rename,
    .open = ls_op_open,
    .create = ls_op_create,
    .read = ls_op_read,
    .write = ls_op_write,
    .flush = ls_op_flush,
    .release = ls_op_release,
    .fsync = ls_op_fsync,
    .opendir = ls_op_opendir,
    .readdir = ls_op_readdir,
    .readdirplus = ls_op_readdirplus,
    .releasedir = ls_op_releasedir,
    .fsyncdir = ls_op_fsyncdir,
    .statfs = ls_op_statfs,
    .setxattr = ls_op_setxattr,
    .getxattr = ls_op_getxattr,
    .listxattr = ls_op_listxattr,
    .removexattr = ls_op_removexattr,
    .fallocate = ls_op_fallocate,
    .lseek = ls_op_lseek,
};

/* ---- libfuse's own messages ---- */

static pthread_mutex_t message_lock = PTHREAD_MUTEX_INITIALIZER;
static char messages[512]; /* message_lock: what it said last; it says one thing in several calls */

/* The format is libfuse's, which is checked there. */
__attribute__((format(printf, 2, 0))) static void take_message(enum fuse_log_level level, const char *fmt, va_list args)
{
    if (level >= FUSE_LOG_DEBUG) {
        vfprintf(stderr, fmt, args);
        return;
    }
    LS_LOCK(&message_lock);
    size_t len = strlen(messages);
    if (len > 0 && messages[len - 1] == '\n')
        len = 0;
    vsnprintf(messages + len, sizeof messages - len, fmt, args);
}

static enum ls_rc fuse_failed(struct ls_err *err, enum ls_rc rc, const char *what)
{
    LS_LOCK(&message_lock);
    size_t len = strcspn(messages, "\n");
    return ls_err_set(err, rc, "mount: %s: %.*s", what, len ? (int)len : 24,
                      len ? messages : "libfuse gives no reason");
}

/* ---- signals ---- */

struct watcher {
    struct ls_mount *mount;
    pthread_t thread, main;
    atomic_bool loop_ended;
};

static void wake(int sig) { (void)sig; }

static void commit_dirty(void *ctx, struct ls_node *node)
{
    struct ls_mount *mount = ctx;
    if (ls_file_is_dirty(mount, node))
        ls_file_commit_async(mount, NULL, node);
}

/* Commit what is dirty and wait for everything that runs. */
static void drain(struct ls_mount *mount)
{
    if (ls_nodes_each_file(&mount->nodes, commit_dirty, mount))
        LS_LOG_ERROR("mount", "drain", {"error", ls_v_str("out of memory: open files are not committed")});
    int64_t wait_ms = mount->opts->stop_wait_ms;
    if (wait_ms > 0 && mount->opts->cancel && !ls_workers_drain_for(mount->workers, wait_ms)) {
        LS_LOG_ERROR(
            "mount", "stop-cut-short", {"after_ms", ls_v_int(wait_ms)},
            {"advice", ls_v_str("the store or the catalog is slow: what is not done now is settled at the next "
                                "start")});
        atomic_store(mount->opts->cancel, true);
        ls_cache_stop(mount->cache);
    }
    do { /* a task that ends may let one of the other pool begin */
        ls_workers_drain(mount->workers);
        ls_workers_drain(mount->quick);
    } while (atomic_load(&mount->tasks) > 0);
    ls_cache_stop(mount->cache);
    ls_workers_drain(mount->notifier);
}

static void fill_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR2);
}

static void *watch(void *arg)
{
    struct watcher *watcher = arg;
    sigset_t set;
    fill_signals(&set);
    int sig = 0;
    while (sigwait(&set, &sig) != 0)
        ;
    if (sig == SIGUSR2)
        return NULL;
    LS_LOG_INFO("mount", "stopping", {"signal", ls_v_int(sig)});
    atomic_store(&watcher->mount->stopping, true);
    drain(watcher->mount);
    fuse_session_exit(watcher->mount->session);
    /* The loop's waiting is ended by a signal; one that comes before it waits is lost, so repeat. */
    while (!atomic_load(&watcher->loop_ended)) {
        pthread_kill(watcher->main, SIGUSR1);
        ls_sleep_ms(20);
    }
    return NULL;
}

static void block_signals(sigset_t *out_before)
{
    sigset_t set;
    struct sigaction wake_action = {.sa_handler = wake};
    fill_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, out_before);
    sigaction(SIGUSR1, &wake_action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- up and down ---- */

static void down(struct ls_mount *mount)
{
    if (mount->session) {
        fuse_session_unmount(mount->session);
        fuse_session_destroy(mount->session);
    }
    ls_mount_metrics_stop(mount->metrics);
    ls_workers_free(mount->notifier);
    ls_workers_free(mount->workers);
    ls_workers_free(mount->quick);
    if (mount->opts->end_beside)
        mount->opts->end_beside(mount->opts->ctx);
    ls_mender_stop(mount->mender);
    if (mount->nodes.root)
        ls_nodes_dispose(&mount->nodes);
    if (mount->places)
        ls_dir_places_dispose(mount->places);
    if (mount->recent)
        ls_dir_recent_dispose(mount->recent);
    free(mount->places);
    free(mount->recent);
    ls_ahead_free(mount->ahead);
    ls_cache_close(mount->cache);
    if (mount->engine)
        mount->opts->close_engine(mount->opts->ctx, mount->engine);
    pthread_mutex_destroy(&mount->numbers_lock);
    pthread_mutex_destroy(&mount->gates.lock);
    free(mount);
}

static unsigned count_levels(const char *prefix)
{
    unsigned n = 0;
    for (; *prefix; prefix++)
        n += *prefix == '/';
    return n;
}

static enum ls_rc open_parts(struct ls_mount *mount, struct ls_err *err)
{
    const struct ls_mount_opts *opts = mount->opts;
    enum ls_rc rc = opts->open_engine(opts->ctx, &mount->engine, err);
    if (rc)
        return rc;
    mount->catalog = ls_engine_catalog(mount->engine);
    mount->store = ls_engine_store(mount->engine);
    mount->layout = ls_engine_layout(mount->engine);
    mount->products_depth = count_levels(ls_layout_prefix(mount->layout));
    struct ls_cache_opts cache = {.dir = opts->cache_dir,
                                  .max_bytes = opts->cache_size_bytes,
                                  .store = mount->store,
                                  .caps = *ls_engine_caps(mount->engine)};
    mount->places = calloc(1, sizeof *mount->places);
    mount->recent = calloc(1, sizeof *mount->recent);
    if (mount->places)
        pthread_mutex_init(&mount->places->lock, NULL);
    if (mount->recent)
        pthread_mutex_init(&mount->recent->lock, NULL);
    mount->ahead = ls_ahead_new();
    if (!mount->places || !mount->recent || !mount->ahead)
        return ls_err_nomem(err);
    rc = ls_cache_open(&cache, &mount->cache, err);
    if (!rc)
        rc = ls_nodes_init(&mount->nodes, ls_file_free, err);
    if (!rc)
        rc = ls_workers_new("ls-mount", WORKERS, &mount->workers, err);
    if (!rc)
        rc = ls_workers_new("ls-quick", QUICK_WORKERS, &mount->quick, err);
    if (!rc)
        rc = ls_workers_new("ls-notify", 1, &mount->notifier, err);
    if (!rc)
        rc = ls_mender_start(mount->engine, opts->cancel, &mount->mender, err);
    if (!rc && opts->metrics_path)
        rc = ls_mount_metrics_start(opts->metrics_path, opts->mountpoint, mount->engine, mount->cache, &mount->metrics,
                                    err);
    if (!rc && opts->begin_beside && !mount->tuning.read_only)
        rc = opts->begin_beside(opts->ctx, mount->engine, err);
    return rc;
}

static enum ls_rc open_session(struct ls_mount *mount, struct fuse_args *args, struct ls_err *err)
{
    fuse_set_log_func(take_message);
    mount->session = fuse_session_new(args, &operations, sizeof operations, mount);
    if (!mount->session)
        return fuse_failed(err, LS_INVALID, "cannot start with these options");
    if (fuse_session_mount(mount->session, mount->opts->mountpoint) != 0) {
        char what[512];
        snprintf(what, sizeof what, "cannot mount on %s", mount->opts->mountpoint);
        enum ls_rc rc = fuse_failed(err, LS_IO, what);
        fuse_session_destroy(mount->session);
        mount->session = NULL;
        return rc;
    }
    return LS_OK;
}

static enum ls_rc loop(struct ls_mount *mount, struct ls_err *err)
{
    struct watcher watcher = {.mount = mount, .main = pthread_self()};
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (!config)
        return ls_err_nomem(err);
    fuse_loop_cfg_set_max_threads(config, mount->tuning.max_threads);
    fuse_loop_cfg_set_idle_threads(config, mount->tuning.max_idle_threads);
    ls_mount_follow(mount);
    int failed = pthread_create(&watcher.thread, NULL, watch, &watcher);
    if (failed) {
        fuse_loop_cfg_destroy(config);
        ls_follow_stop(mount->follow);
        return ls_err_errno(err, failed, "mount: cannot start a thread");
    }
    int ended = fuse_session_loop_mt(mount->session, config);
    atomic_store(&watcher.loop_ended, true);
    fuse_loop_cfg_destroy(config);
    pthread_kill(watcher.thread, SIGUSR2);
    pthread_join(watcher.thread, NULL);
    atomic_store(&mount->stopping, true);
    ls_follow_stop(mount->follow);
    drain(mount);
    if (ended < 0)
        return ls_err_errno(err, -ended, "mount: serving %s ended", mount->opts->mountpoint);
    return LS_OK;
}

enum ls_rc ls_session_serve(const struct ls_mount_opts *opts, void (*ready)(void *ctx), void *ctx, struct ls_err *err)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct ls_mount *mount = calloc(1, sizeof *mount);
    sigset_t before;
    if (!mount)
        return ls_err_nomem(err);
    mount->opts = opts;
    mount->uid = getuid();
    mount->gid = getgid();
    mount->started_ns = ls_now_ns();
    pthread_mutex_init(&mount->gates.lock, NULL);
    pthread_mutex_init(&mount->numbers_lock, NULL);
    block_signals(&before);
    enum ls_rc rc = ls_mount_options(opts, &mount->tuning, &args, err);
    if (!rc)
        rc = open_parts(mount, err);
    if (!rc)
        rc = open_session(mount, &args, err);
    if (!rc) {
        ready(ctx);
        LS_LOG_INFO("mount", "mounted", {"on", ls_v_str(opts->mountpoint)}, {"source", ls_v_str(opts->fsname)});
        rc = loop(mount, err);
        LS_LOG_INFO("mount", "unmounted", {"from", ls_v_str(opts->mountpoint)});
    }
    fuse_opt_free_args(&args);
    down(mount);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}
