/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The newest events of the bucket and what became of them, for people who look.
 *
 * A ring in the memory of this process: gone with it, and without what another process on the same catalog was told or
 * has worked off. What counts is in the catalog (the inbox, the audit trail). Any thread.
 */
#ifndef LOCKSTEP_SERVE_RECENT_H
#define LOCKSTEP_SERVE_RECENT_H

#include <pthread.h>

#include "lockstep/catalog.h"
#include "serve/metrics.h"

#define LS_RECENT_KEPT 200

struct ls_recent_event {
    int64_t at_ns; /* when it came */
    char *kind, *key;
    char *sequencer; /* or NULL */
    enum ls_event_result result;
};

struct ls_recent {
    pthread_mutex_t lock;                         /* all below */
    struct ls_recent_event items[LS_RECENT_KEPT]; /* key NULL: nothing yet */
    size_t next;                                  /* the place of the next one */
};

void ls_recent_init(struct ls_recent *recent);
void ls_recent_dispose(struct ls_recent *recent);
/* The oldest one makes room. at_ns 0 = now. Out of memory it is not kept. */
void ls_recent_add(struct ls_recent *recent, const struct ls_event *event, enum ls_event_result result);

#endif
