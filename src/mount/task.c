/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tasks: requests that run in a worker, and the gates that they hold meanwhile.
 *
 * Gates are entered one after the other in one order for everybody: folders by depth, then files, each by inode number;
 * so there is no circle of waiters. A task that cannot enter keeps what it has and stands in line. When it holds
 * everything, it plans again: if a folder was moved while it waited, it starts over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mount/internal.h"

static void proceed(struct ls_task *task);

static void leave(struct ls_mount *mount, struct ls_node *node, bool exclusive)
{
    struct ls_gate_wait *next, *wait = ls_gate_leave(&mount->gates, &node->gate, exclusive);
    for (; wait; wait = next) {
        next = wait->next;
        struct ls_task *task = (struct ls_task *)wait;
        task->n_held++;
        proceed(task);
    }
}

static void drop_locks(struct ls_task *task)
{
    while (task->n_held > 0) {
        struct ls_task_lock *lock = &task->locks[--task->n_held];
        leave(task->mount, lock->node, lock->exclusive);
    }
    while (task->n_locks > 0)
        ls_nodes_unref(&task->mount->nodes, task->locks[--task->n_locks].node);
}

static void task_end(struct ls_task *task)
{
    drop_locks(task);
    struct ls_mount *mount = task->mount;
    if (task->dispose)
        task->dispose(task);
    free(task);
    atomic_fetch_sub(&mount->tasks, 1);
}

static void run_task(void *arg)
{
    struct ls_task *task = arg;
    task->run(task);
    task_end(task);
}

static int lock_order(const void *a, const void *b)
{
    const struct ls_node *x = ((const struct ls_task_lock *)a)->node, *y = ((const struct ls_task_lock *)b)->node;
    if (x->dir_depth != y->dir_depth)
        return x->dir_depth < y->dir_depth ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void plan(struct ls_task *task)
{
    task->n_locks = 0;
    if (!task->plan)
        return;
    task->plan(task);
    qsort(task->locks, task->n_locks, sizeof *task->locks, lock_order);
    unsigned kept = 0;
    for (unsigned i = 0; i < task->n_locks; i++) {
        if (kept > 0 && task->locks[kept - 1].node == task->locks[i].node) {
            task->locks[kept - 1].exclusive |= task->locks[i].exclusive;
            ls_nodes_unref(&task->mount->nodes, task->locks[i].node);
        } else {
            task->locks[kept++] = task->locks[i];
        }
    }
    task->n_locks = kept;
}

/* Would it plan the same again? */
static bool plan_holds(struct ls_task *task)
{
    struct ls_task_lock held[LS_TASK_LOCKS];
    unsigned n = task->n_locks;
    memcpy(held, task->locks, sizeof held);
    plan(task);
    bool same = task->n_locks == n;
    for (unsigned i = 0; same && i < n; i++)
        same = task->locks[i].node == held[i].node && task->locks[i].exclusive == held[i].exclusive;
    for (unsigned i = 0; i < task->n_locks; i++)
        ls_nodes_unref(&task->mount->nodes, task->locks[i].node);
    memcpy(task->locks, held, sizeof held);
    task->n_locks = n;
    return same;
}

static void proceed(struct ls_task *task)
{
    for (;;) {
        while (task->n_held < task->n_locks) {
            struct ls_task_lock *lock = &task->locks[task->n_held];
            if (!ls_gate_enter(&task->mount->gates, &lock->node->gate, lock->exclusive, &task->wait))
                return;
            task->n_held++;
        }
        if (task->n_locks == 0 || plan_holds(task))
            break;
        drop_locks(task);
        plan(task);
    }
    if (ls_workers_add(task->quick ? task->mount->quick : task->mount->workers, run_task, task)) {
        if (task->req)
            fuse_reply_err(task->req, ENOMEM);
        task_end(task);
    }
}

void ls_task_start(struct ls_task *task)
{
    atomic_fetch_add(&task->mount->tasks, 1);
    plan(task);
    proceed(task);
}

void ls_task_want(struct ls_task *task, struct ls_node *node, bool exclusive)
{
    if (!node || task->n_locks == LS_TASK_LOCKS)
        return;
    ls_nodes_ref(&task->mount->nodes, node);
    task->locks[task->n_locks].node = node;
    task->locks[task->n_locks++].exclusive = exclusive;
}

void ls_task_want_chain(struct ls_task *task, struct ls_node *dir, bool exclusive_last)
{
    struct ls_mount *mount = task->mount;
    struct ls_node *chain[LS_TASK_LOCKS];
    unsigned n = ls_nodes_chain(&mount->nodes, dir, chain, LS_TASK_LOCKS);
    for (unsigned i = 0; i < n; i++) {
        /* Folders of the prefix never move. */
        if (chain[i]->dir_depth > mount->products_depth)
            ls_task_want(task, chain[i], exclusive_last && chain[i] == dir);
        ls_nodes_unref(&mount->nodes, chain[i]);
    }
}

bool ls_task_try_shared(struct ls_mount *mount, struct ls_node *node)
{
    return ls_gate_enter(&mount->gates, &node->gate, false, NULL);
}

void ls_task_leave_shared(struct ls_mount *mount, struct ls_node *node) { leave(mount, node, false); }
