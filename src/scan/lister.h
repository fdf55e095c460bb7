/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads a listing ahead: a thread of its own fetches the next pages while the caller works on one.
 *
 * At most LS_LISTER_AHEAD pages wait. The thread only lists; the pages are the caller's.
 */
#ifndef LOCKSTEP_SCAN_LISTER_H
#define LOCKSTEP_SCAN_LISTER_H

#include <pthread.h>

#include "scan/ranges.h"

#define LS_LISTER_AHEAD 2

struct ls_lister {
    struct ls_store *store;
    const struct ls_range *range;
    const atomic_bool *stop; /* set by the scan: no further page */
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* the fields below */
    pthread_cond_t change;
    struct ls_list_page pages[LS_LISTER_AHEAD];
    unsigned first, n;
    bool ended, unwanted;
    enum ls_rc rc; /* why it ended */
    struct ls_err err;
};

/* Start listing a range; store, range and stop outlive it. */
enum ls_rc ls_lister_start(struct ls_lister *lister, struct ls_store *store, const struct ls_range *range,
                           const atomic_bool *stop, struct ls_err *err) LS_MUST_CHECK;
/* Wait for the next page; the caller disposes of it. LS_NOT_FOUND after the last; other results: the listing is
 * incomplete. Keys past the range's end are cut off. */
enum ls_rc ls_lister_next(struct ls_lister *lister, struct ls_list_page *out_page, struct ls_err *err) LS_MUST_CHECK;
/* Wait for the request that runs, free all. */
void ls_lister_end(struct ls_lister *lister);

#endif
