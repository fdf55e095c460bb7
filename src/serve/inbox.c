/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The thread: reads the inbox from its first event to its last when it is woken, and every LOOK_MS. While something
 * waits it looks again soon; while another process works it off it asks every ASK_MS whether that one is still there;
 * while a side does not answer, after pauses that grow to PAUSE_MOST_MS. It says once that it cannot, and once that it
 * could.
 */
#include "serve/inbox.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/log.h"
#include "base/thread.h"
#include "serve/internal.h"

#define LOOK_MS 5000
#define ASK_MS 2000
#define WAITING_MS 500
#define PAUSE_FIRST_MS 250
#define PAUSE_MOST_MS 5000

struct ls_inbox {
    struct ls_serve *serve;
    pthread_t thread;
    int wake_fd; /* eventfd */
    atomic_bool ending;
    /* The thread's own: */
    int64_t epoch;    /* 0 = another process works it off */
    int64_t pause_ms; /* until the next round, when nobody wakes it */
    bool failing;     /* the last round failed; being woken does not hurry it */
};

static struct ls_catalog *catalog_of(const struct ls_inbox *inbox)
{
    return ls_engine_catalog(inbox->serve->opts->engine);
}

/* Until there is something to do; false: the end. */
static bool await(struct ls_inbox *inbox)
{
    struct pollfd wake = {.fd = inbox->wake_fd, .events = POLLIN};
    eventfd_t times;
    if (!atomic_load(&inbox->ending) && poll(&wake, 1, (int)inbox->pause_ms) > 0) {
        if (eventfd_read(wake.fd, &times) == 0 && inbox->failing && !atomic_load(&inbox->ending))
            (void)poll(&wake, 1, (int)inbox->pause_ms);
    }
    return !atomic_load(&inbox->ending);
}

static enum ls_rc take_role(struct ls_inbox *inbox, struct ls_err *err)
{
    struct ls_catalog *cat = catalog_of(inbox);
    int64_t epoch = 0;
    enum ls_rc rc = cat->ops->leader_take(cat, LS_LEAD_INBOX, &epoch, err);
    if (rc != LS_OK && rc != LS_BUSY)
        return rc;
    if (epoch != inbox->epoch && rc == LS_OK)
        LS_LOG_INFO("inbox", "role-taken", {"epoch", ls_v_int(epoch)});
    inbox->epoch = rc == LS_OK ? epoch : 0;
    return LS_OK;
}

/* From the first event to the last. */
static enum ls_rc work_off(struct ls_inbox *inbox, size_t *out_waiting, struct ls_err *err)
{
    struct ls_catalog *cat = catalog_of(inbox);
    enum ls_rc rc = LS_OK;
    *out_waiting = 0;
    for (int64_t after = 0, ended = 0; rc == LS_OK && !ended && !atomic_load(&inbox->ending);) {
        struct ls_event_page page = {0};
        size_t waiting = 0;
        rc = cat->ops->event_page(cat, after, LS_INBOX_AT_ONCE, &page, err);
        ended = page.n < LS_INBOX_AT_ONCE;
        if (rc == LS_OK && page.n > 0) {
            after = page.items[page.n - 1].seq;
            rc = ls_inbox_act(inbox->serve, inbox->epoch, &page, &waiting, err);
            if (rc != LS_OK && rc != LS_CONFLICT && rc != LS_CANCELLED)
                ls_metrics_events(&inbox->serve->metrics, LS_EVENT_FAILED, waiting);
        }
        *out_waiting += waiting;
        ls_event_page_dispose(&page);
    }
    return rc;
}

static void failed(struct ls_inbox *inbox, const struct ls_err *err)
{
    if (!inbox->failing)
        LS_LOG_WARN("inbox", "events-wait", {"error", ls_v_str(err->text)},
                    {"action", ls_v_str("it is tried again until it succeeds")});
    int64_t longer_ms = inbox->failing ? inbox->pause_ms * 2 : PAUSE_FIRST_MS;
    inbox->pause_ms = longer_ms < PAUSE_MOST_MS ? longer_ms : PAUSE_MOST_MS;
    inbox->failing = true;
}

static void attempt(struct ls_inbox *inbox)
{
    struct ls_err err = LS_ERR_INIT;
    size_t waiting = 0;
    enum ls_rc rc = take_role(inbox, &err);
    if (rc == LS_OK && inbox->epoch)
        rc = work_off(inbox, &waiting, &err);
    if (rc == LS_CONFLICT) { /* overtaken while we were away */
        LS_LOG_WARN("inbox", "role-lost", {"epoch", ls_v_int(inbox->epoch)});
        catalog_of(inbox)->ops->leader_leave(catalog_of(inbox), LS_LEAD_INBOX);
        inbox->epoch = 0;
        rc = LS_OK;
    }
    if (rc == LS_CANCELLED)
        return;
    if (rc != LS_OK) {
        failed(inbox, &err);
        return;
    }
    if (inbox->failing)
        LS_LOG_INFO("inbox", "working-again");
    inbox->failing = false;
    inbox->pause_ms = !inbox->epoch ? ASK_MS : waiting ? WAITING_MS : LOOK_MS;
}

static void *work(void *arg)
{
    struct ls_inbox *inbox = arg;
    while (await(inbox))
        attempt(inbox);
    if (inbox->epoch)
        catalog_of(inbox)->ops->leader_leave(catalog_of(inbox), LS_LEAD_INBOX);
    return NULL;
}

enum ls_rc ls_inbox_start(struct ls_serve *serve, struct ls_inbox **out_inbox, struct ls_err *err)
{
    struct ls_inbox *inbox = calloc(1, sizeof *inbox);
    if (!inbox)
        return ls_err_nomem(err);
    inbox->serve = serve;
    inbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum ls_rc rc = inbox->wake_fd >= 0 ? LS_OK : ls_err_errno(err, errno, "serve: make an eventfd");
    if (rc == LS_OK) {
        int code = ls_thread_start(&inbox->thread, "ls-inbox", work, inbox);
        rc = code ? ls_err_errno(err, code, "serve: cannot start a thread") : LS_OK;
    }
    if (rc != LS_OK) {
        if (inbox->wake_fd >= 0)
            close(inbox->wake_fd);
        free(inbox);
        return rc;
    }
    *out_inbox = inbox;
    return LS_OK;
}

void ls_inbox_wake(struct ls_inbox *inbox)
{
    while (eventfd_write(inbox->wake_fd, 1) != 0 && errno == EINTR)
        ; /* a full counter wakes as well */
}

void ls_inbox_stop(struct ls_inbox *inbox)
{
    if (!inbox)
        return;
    atomic_store(&inbox->ending, true);
    ls_inbox_wake(inbox);
    pthread_join(inbox->thread, NULL);
    close(inbox->wake_fd);
    free(inbox);
}
