/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The thread: settles when it is woken and, in case nobody wakes it, every LOOK_MS. While another process is the
 * settler it asks every ASK_MS whether that one is still there. While settling fails it tries again after pauses that
 * grow to PAUSE_MOST_MS; it says once that it cannot, and once that it could.
 */
#include "lockstep/settle.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define LOOK_MS 5000
#define ASK_MS 2000
#define PAUSE_FIRST_MS 250
#define PAUSE_MOST_MS 5000

struct ls_settler {
    struct ls_settle *settle;
    struct ls_catalog *watched; /* the thread waits for this one's changes itself; or NULL */
    pthread_t thread;
    int wake_fd; /* eventfd */
    atomic_bool ending;
    /* The thread's own: */
    int64_t seen;     /* the newest change when it last waited */
    int64_t pause_ms; /* until the next attempt, when nobody wakes it */
    bool failing;     /* the last attempt failed; being woken does not hurry it */
};

/* Wait for a change, or until somebody wakes us. True: there is something to do before the time is over. */
static bool wait_once(struct ls_settler *settler, int64_t left_ms)
{
    struct pollfd wake = {.fd = settler->wake_fd, .events = POLLIN};
    eventfd_t times;
    if (settler->watched && !settler->failing) {
        int64_t before = settler->seen;
        enum ls_rc rc =
            settler->watched->ops->change_wait(settler->watched, before, left_ms, wake.fd, &settler->seen, NULL);
        if (rc == LS_OK && settler->seen != before)
            return true;
        left_ms = rc == LS_OK || rc == LS_CANCELLED ? 0 : left_ms; /* should it fail, nobody tells us */
    }
    return poll(&wake, 1, (int)left_ms) > 0 && eventfd_read(wake.fd, &times) == 0 && !settler->failing;
}

/* Until there is something to do; false: the end. */
static bool await(struct ls_settler *settler)
{
    int64_t until_ms = ls_monotonic_ms() + settler->pause_ms;
    for (int64_t left_ms = settler->pause_ms; left_ms > 0 && !atomic_load(&settler->ending);
         left_ms = until_ms - ls_monotonic_ms())
        if (wait_once(settler, left_ms))
            break;
    return !atomic_load(&settler->ending);
}

static void say(const struct ls_settle_stats *stats)
{
    if (stats->moved + stats->trashed + stats->recorded + stats->left + stats->reported > 0)
        LS_LOG_INFO("settle", "settled", {"moved", ls_v_uint(stats->moved)}, {"trashed", ls_v_uint(stats->trashed)},
                    {"recorded", ls_v_uint(stats->recorded)}, {"left", ls_v_uint(stats->left)},
                    {"reported", ls_v_uint(stats->reported)});
}

static void attempt(struct ls_settler *settler)
{
    struct ls_settle_stats stats;
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_settle_run(settler->settle, &stats, &err);
    say(&stats);
    if (rc == LS_CANCELLED)
        return;
    if (rc != LS_OK) {
        if (!settler->failing)
            LS_LOG_WARN("settle", "unsettled", {"error", ls_v_str(err.text)},
                        {"action", ls_v_str("it is tried again until it succeeds")});
        int64_t longer_ms = settler->failing ? settler->pause_ms * 2 : PAUSE_FIRST_MS;
        settler->pause_ms = longer_ms < PAUSE_MOST_MS ? longer_ms : PAUSE_MOST_MS;
        settler->failing = true;
        return;
    }
    if (settler->failing)
        LS_LOG_INFO("settle", "settling-again");
    settler->failing = false;
    settler->pause_ms = stats.leader ? LOOK_MS : ASK_MS;
}

static void *work(void *arg)
{
    struct ls_settler *settler = arg;
    while (await(settler))
        attempt(settler);
    return NULL;
}

static void settler_free(struct ls_settler *settler)
{
    ls_settle_close(settler->settle);
    if (settler->wake_fd >= 0)
        close(settler->wake_fd);
    free(settler);
}

static enum ls_rc start_thread(struct ls_settler *settler, struct ls_err *err)
{
    int failed = ls_thread_start(&settler->thread, "ls-settler", work, settler);
    return failed ? ls_err_errno(err, failed, "settle: cannot start a thread") : LS_OK;
}

enum ls_rc ls_settler_start(const struct ls_settle_opts *opts, bool watch, struct ls_settler **out_settler,
                            struct ls_err *err)
{
    struct ls_settler *settler = calloc(1, sizeof *settler);
    if (!settler)
        return ls_err_nomem(err);
    struct ls_settle_opts own = *opts;
    own.cancel = &settler->ending;
    settler->watched = watch ? ls_engine_catalog(opts->engine) : NULL;
    settler->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum ls_rc rc = settler->wake_fd >= 0 ? LS_OK : ls_err_errno(err, errno, "settle: make an eventfd");
    if (rc == LS_OK)
        rc = ls_settle_open(&own, &settler->settle, err);
    if (rc == LS_OK)
        rc = start_thread(settler, err);
    if (rc != LS_OK) {
        settler_free(settler);
        return rc;
    }
    *out_settler = settler;
    return LS_OK;
}

void ls_settler_wake(struct ls_settler *settler)
{
    while (eventfd_write(settler->wake_fd, 1) != 0 && errno == EINTR)
        ; /* a full counter wakes as well */
}

void ls_settler_stop(struct ls_settler *settler)
{
    if (!settler)
        return;
    atomic_store(&settler->ending, true);
    ls_settler_wake(settler);
    pthread_join(settler->thread, NULL);
    settler_free(settler);
}
