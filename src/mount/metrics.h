/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mount's figures in a file, for the textfile collector of Prometheus' node_exporter: a mount answers no HTTP.
 */
#ifndef LOCKSTEP_MOUNT_METRICS_H
#define LOCKSTEP_MOUNT_METRICS_H

#include "lockstep/engine.h"
#include "mount/cache.h"

struct ls_mount_metrics;

/* Write them to path now, and every 15 seconds. What is passed outlives it. LS_INVALID: the mount point is too long for
 * a label. A file that cannot be written is only logged, once. */
enum ls_rc ls_mount_metrics_start(const char *path, const char *mountpoint, struct ls_engine *engine,
                                  struct ls_cache *cache, struct ls_mount_metrics **out_metrics, struct ls_err *err)
    LS_MUST_CHECK;
/* End it and remove the file, so that nobody takes old figures for new ones. Takes NULL. */
void ls_mount_metrics_stop(struct ls_mount_metrics *metrics);

#endif
