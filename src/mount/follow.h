/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Following the catalog's change feed: what anybody commits is told to the kernel, which keeps names, attributes and
 * listings for as long as nothing is told.
 *
 * A thread of its own waits for changes and calls the functions of the target, one at a time.
 */
#ifndef LOCKSTEP_MOUNT_FOLLOW_H
#define LOCKSTEP_MOUNT_FOLLOW_H

#include "lockstep/catalog.h"
#include "mount/nodes.h"

struct ls_follow;

struct ls_follow_target {
    struct ls_catalog *catalog;
    struct ls_nodes *nodes;
    const char *prefix; /* of the products' paths, as ls_layout_prefix gives it: "products/" */
    const char *own;    /* our instance */
    void *ctx;
    /* Can the kernel rely on being told? First called by start. */
    void (*following)(void *ctx, bool yes);
    /* The feed has moved: called before anything of it is told, so who has not answered by now with what was read
     * before can see that it may be old. */
    void (*moved)(void *ctx);
    /* Attributes of a node (and with pages a folder's listing) have changed. False: the kernel does not know it. Must
     * not wait for requests. */
    bool (*inode)(void *ctx, uint64_t ino, bool pages);
    /* The name may mean another file now. Must not wait for requests. */
    void (*entry)(void *ctx, uint64_t parent, const char *name);
    /* A program that is not lockstep's has changed the catalog; or NULL. */
    void (*application)(void *ctx);
};

/* LS_OK also when the feed cannot be read now: that is tried again. The target's parts must outlive stop. */
enum ls_rc ls_follow_start(const struct ls_follow_target *target, struct ls_follow **out_follow, struct ls_err *err)
    LS_MUST_CHECK;
void ls_follow_stop(struct ls_follow *follow); /* takes NULL */

#endif
