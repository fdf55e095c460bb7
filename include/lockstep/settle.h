/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Settling: what the application changed in the catalog is done in the bucket.
 *
 * Of all processes on one catalog one is the settler. It reads the change feed from a cursor on, folds what belongs
 * together, and acts through the engine: a renamed variant's objects move, the object of a deleted row goes to trash,
 * an inserted row gets its record, an object follows its row's new key. Each action looks at both sides first, so
 * settling the same change again does nothing; the cursor moves when a batch is done. Objects that have changed since
 * are left alone and stay for a scan. Changes of lockstep's own processes need nothing.
 */
#ifndef LOCKSTEP_SETTLE_H
#define LOCKSTEP_SETTLE_H

#include <stdatomic.h>
#include <stdint.h>

#include "lockstep/engine.h"
#include "lockstep/err.h"

/* What is done about a kind of change. */
enum ls_settle_policy {
    LS_SETTLE_ACT,
    LS_SETTLE_REPORT, /* a line in the log says what would be done */
    LS_SETTLE_IGNORE
};

struct ls_settle_opts {
    struct ls_engine *engine;       /* borrowed; outlives the settling */
    const atomic_bool *cancel;      /* set: a run ends with LS_CANCELLED at the next safe point; or NULL */
    enum ls_settle_policy weight;   /* a variant's weight or product was changed */
    enum ls_settle_policy deletion; /* an image row was deleted, alone or with its variant */
    enum ls_settle_policy insertion;
    enum ls_settle_policy key; /* an image row has another key */
};

struct ls_settle_stats {
    bool leader;       /* false: another process is the settler, nothing was done */
    uint64_t changes;  /* read */
    uint64_t moved;    /* objects */
    uint64_t trashed;  /* objects */
    uint64_t recorded; /* rows */
    uint64_t reported; /* by policy only */
    uint64_t left;     /* for a scan: either side has changed, or something is in the way */
};

struct ls_settle;

enum ls_rc ls_settle_open(const struct ls_settle_opts *opts, struct ls_settle **out_settle, struct ls_err *err)
    LS_MUST_CHECK;
/* Leave the role. Takes NULL. */
void ls_settle_close(struct ls_settle *settle);

/* Become the settler if nobody else is, and settle all that the feed holds. The first settler of a catalog begins at
 * the newest change. Not LS_OK: the rest is settled next time (either side does not answer, or a path is busy). One
 * thread at a time. */
enum ls_rc ls_settle_run(struct ls_settle *settle, struct ls_settle_stats *out_stats, struct ls_err *err) LS_MUST_CHECK;

/* ---- a thread that does so whenever it is woken ---- */

struct ls_settler;

/* opts' cancel is not used: stop does that. watch: the thread itself waits for the catalog's changes, which only one
 * thread of a process may; otherwise whoever does so wakes it. */
enum ls_rc ls_settler_start(const struct ls_settle_opts *opts, bool watch, struct ls_settler **out_settler,
                            struct ls_err *err) LS_MUST_CHECK;
/* Somebody else has changed the catalog. Any thread, does not block. */
void ls_settler_wake(struct ls_settler *settler);
/* Waits for the step that runs. Takes NULL. */
void ls_settler_stop(struct ls_settler *settler);

/* ---- how far it is ---- */

struct ls_settle_state {
    bool started;            /* false: nobody has ever settled this catalog */
    struct ls_leader leader; /* the settler, or the last one */
    bool alive;              /* it runs */
    int64_t cursor, newest;  /* changes */
    uint64_t behind;         /* changes of other programs after the cursor */
    bool more;               /* not all were counted */
};

enum ls_rc ls_settle_state_read(struct ls_catalog *cat, struct ls_settle_state *out, struct ls_err *err) LS_MUST_CHECK;

#endif
