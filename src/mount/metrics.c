/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thread that writes the file. */
#include "mount/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/exposition.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/stats.h"

#define EVERY_MS 15000

struct ls_mount_metrics {
    char *path;
    struct ls_engine *engine;
    struct ls_cache *cache;
    pthread_t thread;
    int end_fd;  /* eventfd */
    bool failed; /* the thread's: and said so */
    char label[LS_EXPOSITION_LABEL_MAX];
};

static void write_gauge(FILE *out, const struct ls_mount_metrics *metrics, const char *name, const char *help,
                        uint64_t value)
{
    ls_exposition_family(out, name, "gauge", help);
    fprintf(out, "%s{%s} %" PRIu64 "\n", name, metrics->label, value);
}

static void write_figures(const struct ls_mount_metrics *metrics, FILE *out)
{
    struct ls_cache_figures cache;
    ls_cache_get_figures(metrics->cache, &cache);
    write_gauge(out, metrics, "lockstep_cache_bytes", "What the cache of a mount holds.", cache.bytes);
    write_gauge(out, metrics, "lockstep_cache_limit_bytes", "What it may hold.", cache.max_bytes);
    ls_exposition_family(out, "lockstep_cache_lookups_total", "counter",
                         "Objects that the cache had, and those that were asked of the store.");
    fprintf(out, "lockstep_cache_lookups_total{%s,result=\"hit\"} %" PRIu64 "\n", metrics->label, cache.hits);
    fprintf(out, "lockstep_cache_lookups_total{%s,result=\"miss\"} %" PRIu64 "\n", metrics->label, cache.misses);
    ls_engine_stats_write(ls_engine_stats(metrics->engine), metrics->label, out);
}

static enum ls_rc write_file(const struct ls_mount_metrics *metrics, struct ls_err *err)
{
    LS_AUTO(ls_free) char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return ls_err_nomem(err);
    write_figures(metrics, out);
    if (fclose(out) != 0)
        return ls_err_nomem(err);
    return ls_write_file(metrics->path, text, len, 0644, true, err);
}

static void write_once(struct ls_mount_metrics *metrics)
{
    struct ls_err err = LS_ERR_INIT;
    bool failed = write_file(metrics, &err) != LS_OK;
    if (failed && !metrics->failed)
        LS_LOG_WARN("mount", "metrics-not-written", {"error", ls_v_str(err.text)},
                    {"action", ls_v_str("it is tried again every 15 seconds")});
    metrics->failed = failed;
}

static void *run(void *arg)
{
    struct ls_mount_metrics *metrics = arg;
    struct pollfd end = {.fd = metrics->end_fd, .events = POLLIN};
    do
        write_once(metrics);
    while (poll(&end, 1, EVERY_MS) <= 0);
    return NULL;
}

static void metrics_free(struct ls_mount_metrics *metrics)
{
    if (!metrics)
        return;
    if (metrics->end_fd >= 0)
        close(metrics->end_fd);
    free(metrics->path);
    free(metrics);
}
LS_AUTO_DEFINE(metrics_free, struct ls_mount_metrics *, metrics_free)

enum ls_rc ls_mount_metrics_start(const char *path, const char *mountpoint, struct ls_engine *engine,
                                  struct ls_cache *cache, struct ls_mount_metrics **out_metrics, struct ls_err *err)
{
    LS_AUTO(metrics_free) struct ls_mount_metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return ls_err_nomem(err);
    metrics->engine = engine;
    metrics->cache = cache;
    metrics->end_fd = eventfd(0, EFD_CLOEXEC);
    metrics->path = strdup(path);
    if (!metrics->path)
        return ls_err_nomem(err);
    if (!ls_exposition_label("mountpoint", mountpoint, metrics->label))
        return ls_err_set(err, LS_INVALID, "mount: the mount point is too long to be told with its figures");
    int failed = metrics->end_fd < 0 ? errno : ls_thread_start(&metrics->thread, "ls-metrics", run, metrics);
    if (failed)
        return ls_err_errno(err, failed, "mount: cannot start a thread");
    *out_metrics = LS_STEAL(metrics);
    return LS_OK;
}

void ls_mount_metrics_stop(struct ls_mount_metrics *metrics)
{
    if (!metrics)
        return;
    (void)eventfd_write(metrics->end_fd, 1);
    pthread_join(metrics->thread, NULL);
    unlink(metrics->path);
    metrics_free(metrics);
}
