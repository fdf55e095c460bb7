/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The follower.
 *
 * What a change means for nodes that we know:
 *  - the image, variant, product or folder itself: its attributes. That is enough also when it is gone: the kernel asks
 *    for attributes before it does anything with a name, and is told that there is none. So no lock of the kernel's is
 *    needed, except where handles are open, whose version the name may not mean any more (entry).
 *  - its folder, and of an image the one above, which loses an empty type folder: listing and attributes.
 * A folder that we have renamed ourselves is told as a whole, when others have changed something before.
 * Our own changes are told as well (an operation that failed for its caller may be finished or undone later), except
 * that they are no reason to drop names.
 *
 * When lines of the feed are lost or it cannot be read, everything is forgotten: one line in the log. While it cannot
 * be read the kernel's timeouts are short (following = false), and everything is forgotten again every second, because
 * the kernel keeps listings without a timeout.
 */
#include "mount/follow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define PAGE_CHANGES 1000
#define WAIT_MS 60000
#define RETRY_MS 1000
#define BATCH_MS 5 /* between two looks: while we commit a lot ourselves, each would be woken for one change */

struct ls_follow {
    struct ls_follow_target target;
    pthread_t thread;
    int stop_fd; /* readable: end */
    /* The thread's own: */
    int64_t after;        /* the last change that was told */
    bool failing;         /* the feed cannot be read */
    uint64_t told_folder; /* folders told last, in the page at hand: neighbours in the feed share theirs */
    uint64_t told_above;
    bool foreign_here, foreign_before; /* others have changed something: in the page at hand, in the one before it */
};

/* ---- telling ---- */

static void tell_entry(struct ls_follow *follow, struct ls_node *node)
{
    const struct ls_follow_target *target = &follow->target;
    char name[256];
    struct ls_node *parent = ls_nodes_parent(target->nodes, node, name);
    if (parent)
        target->entry(target->ctx, parent->ino, name);
    ls_nodes_unref(target->nodes, parent);
}

/* Tell of a node itself. The kernel may not know it yet: a lookup that was answered with what was before may be under
 * way. That holds the folder's lock, so a notice of the entry comes after it. */
static void tell_node(struct ls_follow *follow, uint64_t ino, bool foreign)
{
    const struct ls_follow_target *target = &follow->target;
    struct ls_node *node = ls_nodes_get(target->nodes, ino);
    if (!node)
        return;
    bool known = target->inode(target->ctx, ino, node->is_dir);
    if (foreign && (!known || ls_nodes_has_file(target->nodes, node)))
        tell_entry(follow, node);
    ls_nodes_unref(target->nodes, node);
}

static void tell_folder(struct ls_follow *follow, uint64_t ino, uint64_t *last, bool foreign)
{
    struct ls_nodes *nodes = follow->target.nodes;
    if (*last == ino)
        return;
    *last = ino;
    if (foreign) {
        struct ls_node *node = ls_nodes_get(nodes, ino);
        if (node)
            ls_nodes_touch(nodes, node, ls_now_ns());
        ls_nodes_unref(nodes, node);
    }
    tell_node(follow, ino, foreign);
}

/* What lies at path has changed; with names it came or went, in up to `above` folders. */
static void tell_path(struct ls_follow *follow, const char *path, bool names, unsigned above, bool foreign)
{
    struct ls_trail trail;
    ls_nodes_trail(follow->target.nodes, path, &trail);
    if (trail.found == trail.wanted)
        tell_node(follow, trail.steps[trail.found], foreign);
    if (!names)
        return;
    uint64_t *told[] = {&follow->told_folder, &follow->told_above};
    for (unsigned i = 0; i < above && trail.wanted > i; i++)
        if (trail.found >= trail.wanted - 1 - i)
            tell_folder(follow, trail.steps[trail.wanted - 1 - i], told[i], foreign);
}

/* Everything that we know below a folder. */
static void tell_below(struct ls_follow *follow, const char *folder)
{
    struct ls_nodes *nodes = follow->target.nodes;
    size_t n, len = strlen(folder);
    uint64_t *numbers;
    if (ls_nodes_numbers(nodes, &numbers, &n)) {
        LS_LOG_ERROR("mount", "forget", {"error", ls_v_str("out of memory: what the kernel has cached may be old")});
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char path[LS_PATH_MAX];
        struct ls_node *node = ls_nodes_get(nodes, numbers[i]);
        bool below = node && ls_nodes_path(nodes, node, path) && strncmp(path, folder, len) == 0 && path[len] == '/';
        ls_nodes_unref(nodes, node);
        if (below)
            tell_node(follow, numbers[i], true);
    }
    free(numbers);
}

/* The path of a changed row; false when it does not fit. */
static bool path_of(const struct ls_follow *follow, const struct ls_change *change, const char *key,
                    char out[LS_PATH_MAX])
{
    const char *prefix = follow->target.prefix;
    int n;
    if (strcmp(change->kind, "product") == 0 || strcmp(change->kind, "variant") == 0)
        n = snprintf(out, LS_PATH_MAX, "%s%s", prefix, key);
    else if (strcmp(key, LS_FOLDER_ROOT) == 0)
        n = snprintf(out, LS_PATH_MAX, "%s", "");
    else
        n = snprintf(out, LS_PATH_MAX, "%s", key);
    return n >= 0 && n < LS_PATH_MAX;
}

static void tell(struct ls_follow *follow, const struct ls_change *change)
{
    char path[LS_PATH_MAX];
    bool foreign = strcmp(change->writer, follow->target.own) != 0;
    bool moved = !change->new_key || strcmp(change->key, change->new_key) != 0;
    bool names = moved || strcmp(change->action, "update") != 0;
    unsigned above = strcmp(change->kind, "image") == 0 ? 2 : 1;
    if (path_of(follow, change, change->key, path))
        tell_path(follow, path, names, above, foreign);
    bool renamed = moved && change->new_key && path_of(follow, change, change->new_key, path);
    if (renamed)
        tell_path(follow, path, names, above, foreign);
    /* Our nodes may have moved before the lines in front of this one were told, which call them as they were. */
    bool behind = follow->foreign_here || follow->foreign_before;
    if (renamed && !foreign && behind && strcmp(change->kind, "image") != 0)
        tell_below(follow, path);
    follow->foreign_here = follow->foreign_here || foreign;
}

static void forget_all(struct ls_follow *follow)
{
    const struct ls_follow_target *target = &follow->target;
    uint64_t *numbers;
    size_t n;
    target->moved(target->ctx);
    if (ls_nodes_numbers(target->nodes, &numbers, &n)) {
        LS_LOG_ERROR("mount", "forget", {"error", ls_v_str("out of memory: what the kernel has cached may be old")});
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct ls_node *node = ls_nodes_get(target->nodes, numbers[i]);
        if (node && node->is_dir)
            ls_nodes_touch(target->nodes, node, ls_now_ns());
        ls_nodes_unref(target->nodes, node);
        tell_node(follow, numbers[i], true);
    }
    free(numbers);
}

/* ---- reading ---- */

/* Tell what came after follow->after. */
static enum ls_rc take_changes(struct ls_follow *follow, struct ls_err *err)
{
    const struct ls_follow_target *target = &follow->target;
    enum ls_rc rc = LS_OK;
    size_t n = PAGE_CHANGES;
    while (!rc && n == PAGE_CHANGES) {
        struct ls_change_page page = {0};
        rc = target->catalog->ops->change_page(target->catalog, follow->after, PAGE_CHANGES, &page, err);
        if (rc)
            break;
        n = page.n;
        follow->told_folder = follow->told_above = 0;
        follow->foreign_here = false;
        if (n > 0)
            target->moved(target->ctx);
        bool others = false;
        for (size_t i = 0; i < n; i++) {
            tell(follow, &page.items[i]);
            others |= page.items[i].writer[0] == '\0';
        }
        if (n > 0)
            follow->after = page.items[n - 1].seq;
        if (others && target->application)
            target->application(target->ctx);
        follow->foreign_before = follow->foreign_here || (n == PAGE_CHANGES && follow->foreign_before);
        ls_change_page_dispose(&page);
    }
    return rc;
}

static void lost(struct ls_follow *follow, int64_t last)
{
    LS_LOG_WARN("mount", "changes_lost", {"after", ls_v_int(follow->after)}, {"newest", ls_v_int(last)},
                {"action", ls_v_str("everything that was cached is read anew")});
    follow->after = last;
    forget_all(follow);
}

/* Begin, or go on after a failure: from the newest change, with nothing cached. */
static enum ls_rc resume(struct ls_follow *follow, struct ls_err *err)
{
    const struct ls_follow_target *target = &follow->target;
    enum ls_rc rc = target->catalog->ops->change_last(target->catalog, &follow->after, err);
    if (rc)
        return rc;
    target->following(target->ctx, true);
    if (follow->failing) {
        forget_all(follow);
        LS_LOG_INFO("mount", "changes_followed_again", {"after", ls_v_int(follow->after)});
    }
    follow->failing = false;
    return LS_OK;
}

static void failed(struct ls_follow *follow, const struct ls_err *err)
{
    if (!follow->failing) {
        follow->target.following(follow->target.ctx, false);
        LS_LOG_WARN("mount", "changes_not_followed", {"error", ls_v_str(err->text)},
                    {"action", ls_v_str("the kernel caches for a second only until the catalog can be read again")});
    }
    follow->failing = true;
    forget_all(follow);
}

/* Wait for changes and tell them. */
static enum ls_rc step(struct ls_follow *follow, struct ls_err *err)
{
    struct ls_catalog *cat = follow->target.catalog;
    int64_t last = follow->after;
    enum ls_rc rc = follow->failing ? resume(follow, err) : LS_OK;
    if (!rc)
        rc = cat->ops->change_wait(cat, follow->after, WAIT_MS, follow->stop_fd, &last, err);
    if (rc || last == follow->after)
        return rc;
    rc = last > follow->after ? take_changes(follow, err) : LS_NOT_FOUND;
    if (rc != LS_NOT_FOUND)
        return rc;
    rc = cat->ops->change_last(cat, &last, err);
    if (!rc)
        lost(follow, last);
    return rc;
}

static void *run(void *arg)
{
    struct ls_follow *follow = arg;
    struct pollfd stop = {.fd = follow->stop_fd, .events = POLLIN};
    int pause_ms = 0;
    while (poll(&stop, 1, pause_ms) <= 0) {
        struct ls_err err = LS_ERR_INIT;
        enum ls_rc rc = step(follow, &err);
        if (rc && rc != LS_CANCELLED)
            failed(follow, &err);
        pause_ms = follow->failing ? RETRY_MS : BATCH_MS;
    }
    return NULL;
}

/* ---- start and stop ---- */

enum ls_rc ls_follow_start(const struct ls_follow_target *target, struct ls_follow **out_follow, struct ls_err *err)
{
    *out_follow = NULL;
    struct ls_follow *follow = calloc(1, sizeof *follow);
    if (!follow)
        return ls_err_nomem(err);
    follow->target = *target;
    follow->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (follow->stop_fd < 0) {
        free(follow);
        return ls_err_errno(err, errno, "mount: make an eventfd");
    }
    struct ls_err now = LS_ERR_INIT;
    if (resume(follow, &now))
        failed(follow, &now);
    int code = pthread_create(&follow->thread, NULL, run, follow);
    if (code) {
        close(follow->stop_fd);
        free(follow);
        target->following(target->ctx, false);
        return ls_err_errno(err, code, "mount: cannot start a thread");
    }
    pthread_setname_np(follow->thread, "ls-follow");
    *out_follow = follow;
    return LS_OK;
}

void ls_follow_stop(struct ls_follow *follow)
{
    if (!follow)
        return;
    while (eventfd_write(follow->stop_fd, 1) != 0 && errno == EINTR)
        ;
    pthread_join(follow->thread, NULL);
    close(follow->stop_fd);
    free(follow);
}
