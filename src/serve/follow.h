/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MinIO's stream of a bucket's events, followed without a webhook. */
#ifndef LOCKSTEP_SERVE_FOLLOW_H
#define LOCKSTEP_SERVE_FOLLOW_H

#include "serve/serve.h"

/* Put what the stream tells into the inbox and work that off, until SIGTERM or SIGINT; then finish the batch that runs.
 * Of opts: engine, events, bucket, and ready, which is called once the stream has begun. Fails only before that: later
 * it connects again and again. Call ls_serve_block_signals before. */
enum ls_rc ls_follow_run(const struct ls_serve_opts *opts, struct ls_err *err) LS_MUST_CHECK;

#endif
