/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a config to running parts: store with its decorators, catalog, layout, engine.
 *
 * The only place that knows concrete back ends. Takes the credentials, and keeps them from core files.
 */
#ifndef LOCKSTEP_CLI_COMPOSE_H
#define LOCKSTEP_CLI_COMPOSE_H

#include <stdatomic.h>

#include "base/auto.h"
#include "cli/config.h"
#include "lockstep/engine.h"
#include "lockstep/settle.h"

/* How much of the stack a caller wants; each includes those before it. */
enum ls_compose_depth {
    LS_COMPOSE_CATALOG, /* catalog and layout: reads only, no network, no recovery */
    LS_COMPOSE_STORE,   /* and the store: it is not asked anything yet */
    LS_COMPOSE_ENGINE   /* and the engine: probes the store and recovers what dead processes left */
};

struct ls_compose_opts {
    enum ls_compose_depth depth;
    const char *kind;  /* for the engine: "cli", "mount" */
    const char *actor; /* for the audit trail: "cli rm" */
    const atomic_bool *cancel;
    int64_t claim_wait_ms; /* the engine's; 0 = its default */
};

struct ls_stack {
    struct ls_store *store;
    struct ls_catalog *catalog;
    struct ls_layout *layout;
    struct ls_engine *engine;
    struct ls_store_stats *stats; /* of the store */
};

/* What there is of the stack when it fails is taken down again. */
enum ls_rc ls_compose_open(const struct ls_config *config, const struct ls_compose_opts *opts,
                           struct ls_stack **out_stack, struct ls_err *err) LS_MUST_CHECK;
/* Takes NULL. */
void ls_compose_close(struct ls_stack *stack);
LS_AUTO_DEFINE(ls_stack, struct ls_stack *, ls_compose_close)

/* How the application's changes are settled, as the config says. */
struct ls_settle_opts ls_compose_settle_opts(const struct ls_config *config, struct ls_engine *engine);

/* Make bucket and schema; both may be there already. */
enum ls_rc ls_compose_create(const struct ls_config *config, struct ls_err *err) LS_MUST_CHECK;

/* An application's database: see catalog/attach.h. Attaching itself is ls_compose_create with a mapping. */
struct ls_mapping;
struct ls_attach_report;
enum ls_rc ls_compose_propose(const struct ls_config *config, struct ls_mapping *out, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_compose_attach_check(const struct ls_config *config, struct ls_attach_report *report, struct ls_err *err)
    LS_MUST_CHECK;
enum ls_rc ls_compose_repair(const struct ls_config *config, uint64_t *out_changed, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_compose_remap(const struct ls_config *config, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_compose_detach(const struct ls_config *config, struct ls_err *err) LS_MUST_CHECK;

#endif
