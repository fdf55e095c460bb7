/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inbox: events of the bucket, kept in the catalog until a thread has worked them off.
 *
 * An event is only a hint that somebody has changed something at a key; what is to be done about it the store decides,
 * when it is asked. So events may come in any order and any number of times. Of all processes on one catalog one works
 * the inbox off.
 */
#ifndef LOCKSTEP_SERVE_INBOX_H
#define LOCKSTEP_SERVE_INBOX_H

#include <stdatomic.h>

#include "lockstep/catalog.h"
#include "serve/notice.h"

struct ls_serve;
struct ls_inbox;

enum ls_rc ls_inbox_start(struct ls_serve *serve, struct ls_inbox **out_inbox, struct ls_err *err) LS_MUST_CHECK;
/* Something has come. Any thread, does not block. */
void ls_inbox_wake(struct ls_inbox *inbox);
/* Waits for the batch that runs. Takes NULL. */
void ls_inbox_stop(struct ls_inbox *inbox);

/* ---- inbox_take.c ---- */

/* Keep what a body tells of our keys (in its records as `keys` says), durably, and count all of it. LS_INVALID: the
 * body, of which nothing is kept. Any thread. */
enum ls_rc ls_inbox_take(struct ls_serve *serve, const json_t *body, enum ls_notice_keys keys, struct ls_err *err)
    LS_MUST_CHECK;
/* Nobody acts on events any more: scans need not wonder at what none announced. */
enum ls_rc ls_inbox_retire(struct ls_serve *serve, struct ls_err *err) LS_MUST_CHECK;

/* ---- inbox_act.c: one batch ---- */

#define LS_INBOX_AT_ONCE 200

/* Work off what can be, and forget it; what an operation of ours covers, or what changes just now, stays: *out_waiting
 * counts it. LS_CONFLICT: epoch is not the leader's any more. */
enum ls_rc ls_inbox_act(struct ls_serve *serve, int64_t epoch, const struct ls_event_page *page, size_t *out_waiting,
                        struct ls_err *err) LS_MUST_CHECK;

#endif
