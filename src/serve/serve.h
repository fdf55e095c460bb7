/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The HTTP daemon: API, health, and whatever else speaks HTTP with lockstep.
 *
 * One thread owns all sockets and does nothing that blocks; handlers run in lanes of worker threads. Every change goes
 * through the engine.
 */
#ifndef LOCKSTEP_SERVE_SERVE_H
#define LOCKSTEP_SERVE_SERVE_H

#include <stdatomic.h>
#include <stdint.h>

#include "lockstep/engine.h"
#include "store/stats.h"

/* What is done about an event of the bucket. */
enum ls_events_policy {
    LS_EVENTS_ACT,
    LS_EVENTS_REPORT, /* a line in the log says what would be done */
    LS_EVENTS_IGNORE
};

struct ls_serve_opts {
    const char *listen;               /* "ADDRESS:PORT", "[ADDRESS]:PORT"; port 0: any free one */
    const char *const *hosts;         /* names that Host may bear besides, NULL-terminated; or NULL */
    const char *cert_path, *key_path; /* PEM, for HTTPS; both or neither (NULL) */
    const char *tokens_path;          /* see tokens.h; need not exist when listening on a loopback address */

    struct ls_engine *engine; /* borrowed */
    atomic_bool *cancel;      /* the engine's: set when a drain takes too long */
    const struct ls_store_stats *store_stats;
    const char *store_url, *catalog_url; /* as they are shown; no password is in them */

    /* As in struct ls_scan_opts and struct ls_sync_opts. */
    int64_t grace_ms;
    unsigned ranges;
    unsigned max_change_percent;
    uint64_t max_change_count;
    const char *backup_path;

    enum ls_events_policy events;
    const char *bucket; /* whose events are ours; NULL: of any */

    uint64_t max_upload_bytes;
    uint64_t max_events_bytes; /* of one body of the webhook */
    const char *jobs_folder;   /* see jobs.h */
    int64_t drain_ms;          /* SIGTERM: how long running requests may take before they are cancelled */
    /* Called once requests are answered; url as in "http://127.0.0.1:8420", "https://[::1]:8420". */
    void (*ready)(void *ctx, const char *url);
    void *ctx;
};

/* Block the signals that ls_serve_run waits for. Call it before anything starts a thread: the engine, for one. */
void ls_serve_block_signals(void);

/* Serve until SIGTERM or SIGINT; then take no new requests and finish the running ones. SIGHUP reads the tokens again,
 * and certificate and key. LS_INVALID: the address, certificate or key, or an address that others reach while there are
 * no tokens. */
enum ls_rc ls_serve_run(const struct ls_serve_opts *opts, struct ls_err *err) LS_MUST_CHECK;

#endif
