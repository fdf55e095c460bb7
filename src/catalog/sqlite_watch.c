/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waiting for commits of others.
 *
 * inotify on the folder says that the write-ahead log was written to, also when it was made anew. That is only a hint:
 * it comes before the commit can be seen (the log is synced in between), and frames may be of a transaction that is
 * still open. So after a hint the feed's newest number is read again and again, with growing pauses; and once in
 * IDLE_MS whatever inotify says.
 * Without inotify the pauses are short always. (`PRAGMA data_version` would cost as much as the query: one look at the
 * index.)
 */
#include "catalog/sqlite_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"

#define IDLE_MS 1000
#define BLIND_MS 100
#define FIRST_PAUSE_MS 1

/* A watch on the log's folder; -1 without one. */
static int watch_folder(const struct ls_sqlite *cat)
{
    LS_AUTO(ls_free) char *folder = strdup(cat->path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (!slash)
        return -1;
    slash[slash == folder] = '\0';
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd >= 0 && inotify_add_watch(fd, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Take all events; true when one of them (or a loss of some) concerns the log. */
static bool take_events(const struct ls_sqlite *cat)
{
    const char *base = strrchr(cat->path, '/') + 1;
    size_t len = strlen(base);
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool hint = false;
    ssize_t n;
    while ((n = read(cat->watch_fd, buf, sizeof buf)) > 0) {
        const struct inotify_event *event;
        for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof *event + event->len)) {
            event = (const struct inotify_event *)(const void *)(buf + at);
            if ((event->mask & IN_Q_OVERFLOW) ||
                (event->len > len && memcmp(event->name, base, len) == 0 && strcmp(event->name + len, "-wal") == 0))
                hint = true;
        }
    }
    return hint;
}

struct waiting {
    struct ls_sqlite *cat;
    int cancel_fd;
    int64_t until_ms;
    int64_t pause_ms; /* until the feed is read again */
};

/* Wait for a hint or the end of the pause. LS_CANCELLED. */
static enum ls_rc wait_a_little(struct waiting *waiting, struct ls_err *err)
{
    struct ls_sqlite *cat = waiting->cat;
    struct pollfd fds[2] = {{.fd = waiting->cancel_fd, .events = POLLIN}, {.fd = cat->watch_fd, .events = POLLIN}};
    int64_t left_ms = waiting->until_ms - ls_monotonic_ms(), most_ms = cat->watch_fd < 0 ? BLIND_MS : IDLE_MS;
    int64_t pause_ms = waiting->pause_ms < most_ms ? waiting->pause_ms : most_ms;
    if (pause_ms > left_ms)
        pause_ms = left_ms > 0 ? left_ms : 0;
    int n = poll(fds, 2, (int)pause_ms);
    if (n < 0 && errno != EINTR)
        return ls_err_errno(err, errno, "catalog %s: wait for changes", cat->path);
    if (n > 0 && fds[0].revents)
        return ls_err_set(err, LS_CANCELLED, "catalog: waiting for changes was ended");
    if (n > 0 && fds[1].revents && take_events(cat))
        waiting->pause_ms = FIRST_PAUSE_MS;
    else if (waiting->pause_ms < IDLE_MS)
        waiting->pause_ms *= 2;
    return LS_OK;
}

enum ls_rc ls_sqlite_change_wait(struct ls_catalog *base, int64_t after, int64_t timeout_ms, int cancel_fd,
                                 int64_t *out_last, struct ls_err *err)
{
    struct ls_sqlite *cat = ls_sqlite_of(base);
    struct waiting waiting = {.cat = cat, .cancel_fd = cancel_fd, .pause_ms = IDLE_MS};
    waiting.until_ms = ls_monotonic_ms() + timeout_ms;
    if (cat->watch_fd < 0)
        cat->watch_fd = watch_folder(cat);
    for (;;) {
        /* The time is looked at before the feed, so that one more look follows the last wait. */
        bool over = ls_monotonic_ms() >= waiting.until_ms;
        enum ls_rc rc = ls_sqlite_change_last(base, out_last, err);
        if (rc != LS_OK || *out_last != after || over)
            return rc;
        rc = wait_a_little(&waiting, err);
        if (rc != LS_OK)
            return rc;
    }
}
