/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small things that every request needs: refusing, answering, logging, and telling the kernel what changed.
 *
 * Notifications go through a thread of their own: the kernel takes a folder's lock for an entry, and pages' locks for
 * contents, which a request that we have not answered yet may hold. A thread that waits in the kernel for such a lock
 * cannot even be killed, and while it lives the connection is not closed: a mount that is killed then would hang
 * forever with the request. So an entry is put off while a request is at work in its folder (its gate is busy). What
 * takes none of these locks (attributes; a folder's listing) is told at once, by the follower.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "mount/follow.h"
#include "mount/internal.h"

#define PUT_OFF_MS 10
#define LONG_S 86400.0
#define SHORT_S 1.0

bool ls_mount_refuse(fuse_req_t req)
{
    struct ls_mount *mount = ls_mount_of(req);
    int refused = atomic_load(&mount->stopping) ? EIO : mount->tuning.read_only ? EROFS : 0;
    if (refused)
        fuse_reply_err(req, refused);
    return refused != 0;
}

/* Outcomes that a program causes and handles every day are no news. */
static bool worth_logging(enum ls_rc rc)
{
    switch (rc) {
    case LS_OK:
    case LS_NOT_FOUND:
    case LS_EXISTS:
    case LS_NOT_EMPTY:
    case LS_INVALID:
        return false;
    default:
        return true;
    }
}

/* What the operator can do about it. */
static const char *advice(enum ls_rc rc)
{
    switch (rc) {
    case LS_BUSY:
        return "another operation or process holds the path or the catalog: see `lockstep status`, then try again";
    case LS_CONFLICT:
    case LS_CORRUPT:
        return "run `lockstep scan` to see what is out of step";
    case LS_DENIED:
        return "check the store's credentials and their rights on the bucket, and the owner of the cache folder";
    case LS_NO_SPACE:
        return "make room where the cache folder and the catalog lie, or in the store";
    case LS_TRANSIENT:
    case LS_OUTCOME_UNKNOWN:
    case LS_IO:
        return "is the store up and reachable? the mount goes on by itself when it answers again";
    case LS_CANCELLED:
        return "the mount is being stopped";
    default:
        return "see lockstep-mount(1), ERRORS";
    }
}

enum ls_rc ls_mount_class(enum ls_rc rc, const struct ls_err *err)
{
    bool refused = err && (err->http_status == 401 || err->http_status == 403);
    return rc == LS_OUTCOME_UNKNOWN && refused ? LS_DENIED : rc;
}

void ls_mount_log(const char *event, const char *path, const struct ls_err *err)
{
    LS_LOG_ERROR("mount", event, {"path", ls_v_str(path)}, {"class", ls_v_str(ls_rc_name(err->rc))},
                 {"error", ls_v_str(err->text)}, {"advice", ls_v_str(advice(ls_mount_class(err->rc, err)))});
}

void ls_mount_reply_rc(fuse_req_t req, enum ls_mount_call call, enum ls_rc rc, const struct ls_err *err)
{
    if (err && worth_logging(rc))
        LS_LOG_ERROR("mount", "failed", {"class", ls_v_str(ls_rc_name(rc))}, {"error", ls_v_str(err->text)},
                     {"advice", ls_v_str(advice(ls_mount_class(rc, err)))});
    fuse_reply_err(req, ls_mount_errno(call, ls_mount_class(rc, err)));
}

struct notice {
    struct ls_mount *mount;
    uint64_t ino;
    bool pages;
    bool entry;
    char name[];
};

/* Is a request at work in the folder? One that nobody knows any more has nothing to tell about. */
static bool must_wait(struct ls_mount *mount, uint64_t folder)
{
    struct ls_node *node = ls_nodes_get(&mount->nodes, folder);
    bool busy = node && ls_gate_busy(&mount->gates, &node->gate);
    ls_nodes_unref(&mount->nodes, node);
    return busy;
}

static void notify(void *arg)
{
    struct notice *notice = arg;
    struct ls_mount *mount = notice->mount;
    if (notice->entry && must_wait(mount, notice->ino) && !atomic_load(&mount->stopping)) {
        ls_sleep_ms(PUT_OFF_MS);
        if (ls_workers_add(mount->notifier, notify, notice) == LS_OK)
            return;
    } else if (!notice->entry) {
        fuse_lowlevel_notify_inval_inode(mount->session, notice->ino, notice->pages ? 0 : -1, 0);
    } else if (!atomic_load(&mount->stopping)) {
        fuse_lowlevel_notify_inval_entry(mount->session, notice->ino, notice->name, strlen(notice->name));
    }
    free(notice);
}

/* Out of memory only means that the kernel learns it when its timeout ends. */
static void post(struct ls_mount *mount, uint64_t ino, const char *name, bool pages)
{
    if (atomic_load(&mount->stopping))
        return;
    size_t n = name ? strlen(name) + 1 : 0;
    struct notice *notice = malloc(sizeof *notice + n);
    if (!notice)
        return;
    *notice = (struct notice){mount, ino, pages, name != NULL};
    if (name)
        memcpy(notice->name, name, n);
    if (ls_workers_add(mount->notifier, notify, notice))
        free(notice);
}

void ls_mount_notify_entry(struct ls_mount *mount, uint64_t parent, const char *name)
{
    post(mount, parent, name, false);
}

void ls_mount_notify_inode(struct ls_mount *mount, uint64_t ino, bool pages) { post(mount, ino, NULL, pages); }

enum ls_rc ls_mount_row(struct ls_mount *mount, const char *key, struct ls_image_page *out, struct ls_err *err)
{
    return ls_catalog_image_get(mount->catalog, NULL, key, out, err);
}

/* ---- following the change feed ---- */

double ls_mount_timeout(struct ls_mount *mount, double configured, uint64_t seen)
{
    if (configured >= 0)
        return configured;
    if (!atomic_load(&mount->following))
        return SHORT_S;
    return atomic_load(&mount->feed) == seen ? LONG_S : 0;
}

double ls_mount_attr_timeout(struct ls_mount *mount)
{
    return ls_mount_timeout(mount, mount->tuning.attr_timeout, atomic_load(&mount->feed));
}

static void set_following(void *ctx, bool yes) { atomic_store(&((struct ls_mount *)ctx)->following, yes); }

static void feed_moved(void *ctx) { atomic_fetch_add(&((struct ls_mount *)ctx)->feed, 1); }

static bool inode_changed(void *ctx, uint64_t ino, bool pages)
{
    struct ls_mount *mount = ctx;
    return fuse_lowlevel_notify_inval_inode(mount->session, ino, pages ? 0 : -1, 0) != -ENOENT;
}

static void entry_changed(void *ctx, uint64_t parent, const char *name) { ls_mount_notify_entry(ctx, parent, name); }

static void application_changed(void *ctx)
{
    const struct ls_mount_opts *opts = ((struct ls_mount *)ctx)->opts;
    if (opts->application)
        opts->application(opts->ctx);
}

void ls_mount_follow(struct ls_mount *mount)
{
    const struct ls_follow_target target = {.catalog = mount->catalog,
                                            .nodes = &mount->nodes,
                                            .prefix = ls_layout_prefix(mount->layout),
                                            .own = ls_engine_instance(mount->engine),
                                            .ctx = mount,
                                            .following = set_following,
                                            .moved = feed_moved,
                                            .inode = inode_changed,
                                            .entry = entry_changed,
                                            .application = application_changed};
    struct ls_err err = LS_ERR_INIT;
    if (ls_follow_start(&target, &mount->follow, &err))
        LS_LOG_WARN("mount", "changes_not_followed", {"error", ls_v_str(err.text)});
}
