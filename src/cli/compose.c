/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Building the stack, bottom up: back end, then (in builds with fail points) faults, then retry, then stats.
 */
#include "cli/compose.h"

#include <stdlib.h>
#include <sys/prctl.h>

#include "base/auto.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "catalog/attach.h"
#include "catalog/backends.h"
#include "cli/credentials.h"
#include "store/backends.h"

LS_AUTO_DEFINE(ls_store, struct ls_store *, ls_store_close)
LS_AUTO_DEFINE(ls_catalog, struct ls_catalog *, ls_catalog_close)

/* From here on the process holds a secret: no core files, no ptrace by others of our uid. */
static void hold_secret(void) { prctl(PR_SET_DUMPABLE, 0); }

static enum ls_rc open_s3(const struct ls_config *config, struct ls_store **out_store, struct ls_err *err)
{
    LS_AUTO(ls_credentials) struct ls_credentials credentials = {0};
    enum ls_rc rc = ls_credentials_find(config->store_credentials, config->store_profile, &credentials, err);
    if (rc)
        return rc;
    hold_secret();
    LS_LOG_DEBUG("cli", "credentials", {"source", ls_v_str(credentials.source)});
    const struct ls_s3_opts opts = {
        .endpoint = config->store_endpoint,
        .region = config->store_region,
        .bucket = config->store_target,
        .access_key = credentials.access_key,
        .secret_key = credentials.secret_key,
        .session_token = credentials.session_token,
        .public_url = config->store_public_url,
        .ca_file = config->store_ca_file,
        .deadline_ms = config->store_deadline_ms,
        .max_connections = (unsigned)config->store_connections,
        .part_bytes = config->store_part_bytes,
    };
    return ls_store_s3_open(&opts, out_store, err);
}

#ifdef LS_ENABLE_FAILPOINTS
/* Two fail points an operation: before it is sent, and after it was done when the answer gets lost. */
#define FAULT_POINTS(op, name)                                                                                         \
    case op:                                                                                                           \
        fire = after ? LS_FAILPOINT("store." name ".done") : LS_FAILPOINT("store." name ".called");                    \
        break

static enum ls_rc decide_fault(void *ctx, enum ls_store_op op, const char *key, bool after, struct ls_err *err)
{
    (void)ctx;
    bool fire = false;
    switch (op) {
        FAULT_POINTS(LS_STORE_OP_PROBE, "probe");
        FAULT_POINTS(LS_STORE_OP_CREATE, "create");
        FAULT_POINTS(LS_STORE_OP_HEAD, "head");
        FAULT_POINTS(LS_STORE_OP_GET, "get");
        FAULT_POINTS(LS_STORE_OP_PUT, "put");
        FAULT_POINTS(LS_STORE_OP_COPY, "copy");
        FAULT_POINTS(LS_STORE_OP_REMOVE, "remove");
        FAULT_POINTS(LS_STORE_OP_LIST, "list");
        FAULT_POINTS(LS_STORE_OP_ABORT, "abort");
        FAULT_POINTS(LS_STORE_OP_URL, "url");
    }
    if (!fire)
        return LS_OK;
    if (after)
        return ls_err_set(err, LS_OUTCOME_UNKNOWN, "store: %s: fail point: the answer got lost", key ? key : "");
    return ls_err_set(err, LS_IO, "store: %s: fail point: refused", key ? key : "");
}

static enum ls_rc add_faults(struct ls_store *inner, struct ls_store **out_store, struct ls_err *err)
{
    static const struct ls_store_fault fault = {.decide = decide_fault};
    return ls_store_fault_open(inner, &fault, out_store, err);
}
#else
static enum ls_rc add_faults(struct ls_store *inner, struct ls_store **out_store, struct ls_err *err)
{
    (void)err;
    *out_store = inner;
    return LS_OK;
}
#endif

static enum ls_rc open_store(const struct ls_config *config, struct ls_store_stats *stats, struct ls_store **out_store,
                             struct ls_err *err)
{
    if (!config->store_url)
        return ls_err_set(err, LS_INVALID, "%s: [store] has no url", config->path);
    LS_AUTO(ls_store) struct ls_store *store = NULL;
    enum ls_rc rc = config->store_scheme == LS_STORE_SCHEME_S3
                        ? open_s3(config, &store, err)
                        : ls_store_file_open(config->store_target, config->store_public_url, &store, err);
    /* A decorator owns what it wraps also when it fails. */
    if (!rc)
        rc = add_faults(LS_STEAL(store), &store, err);
    if (!rc)
        rc = ls_store_retry_open(LS_STEAL(store), config->store_deadline_ms, &store, err);
    if (!rc && stats)
        rc = ls_store_stats_open(LS_STEAL(store), stats, &store, err);
    if (rc)
        return rc;
    *out_store = LS_STEAL(store);
    return LS_OK;
}

static struct ls_pg_opts pg_opts(const struct ls_config *config, bool create)
{
    hold_secret(); /* a password that libpq finds */
    return (struct ls_pg_opts){
        .url = config->catalog_url,
        .create = create,
        .busy_timeout_ms = config->catalog_busy_timeout_ms,
        .deadline_ms = config->catalog_deadline_ms,
        .mapping = config->mapping,
    };
}

static enum ls_rc open_catalog(const struct ls_config *config, bool create, struct ls_catalog **out_catalog,
                               struct ls_err *err)
{
    if (config->catalog_is_pg) {
        const struct ls_pg_opts pg = pg_opts(config, create);
        return ls_catalog_pg_open(&pg, out_catalog, err);
    }
    if (!config->catalog_path)
        return ls_err_set(err, LS_INVALID, "%s: [catalog] has no url", config->path);
    const struct ls_sqlite_opts opts = {
        .path = config->catalog_path,
        .create = create,
        .busy_timeout_ms = config->catalog_busy_timeout_ms,
    };
    return ls_catalog_sqlite_open(&opts, out_catalog, err);
}

static enum ls_rc open_layout(const struct ls_config *config, struct ls_layout **out_layout, struct ls_err *err)
{
    return ls_layout_compile(config->layout_path, (const char *const *)config->layout_types, out_layout, err);
}

static enum ls_rc open_engine(const struct ls_compose_opts *opts, struct ls_stack *stack, struct ls_err *err)
{
    const struct ls_engine_opts engine_opts = {
        .store = stack->store,
        .catalog = stack->catalog,
        .layout = stack->layout,
        .kind = opts->kind,
        .actor = opts->actor,
        .cancel = opts->cancel,
        .claim_wait_ms = opts->claim_wait_ms,
    };
    return ls_engine_open(&engine_opts, &stack->engine, err);
}

enum ls_rc ls_compose_open(const struct ls_config *config, const struct ls_compose_opts *opts,
                           struct ls_stack **out_stack, struct ls_err *err)
{
    LS_AUTO(ls_stack) struct ls_stack *stack = calloc(1, sizeof *stack);
    if (!stack)
        return ls_err_nomem(err);
    enum ls_rc rc = open_layout(config, &stack->layout, err);
    if (!rc)
        rc = open_catalog(config, false, &stack->catalog, err);
    if (!rc && opts->depth >= LS_COMPOSE_STORE) {
        stack->stats = calloc(1, sizeof *stack->stats);
        rc = stack->stats ? open_store(config, stack->stats, &stack->store, err) : ls_err_nomem(err);
    }
    if (!rc && opts->depth >= LS_COMPOSE_ENGINE)
        rc = open_engine(opts, stack, err);
    if (rc)
        return rc;
    *out_stack = LS_STEAL(stack);
    return LS_OK;
}

void ls_compose_close(struct ls_stack *stack)
{
    if (!stack)
        return;
    ls_engine_close(stack->engine);
    ls_store_close(stack->store);
    ls_catalog_close(stack->catalog);
    ls_layout_free(stack->layout);
    free(stack->stats);
    free(stack);
}

enum ls_rc ls_compose_create(const struct ls_config *config, struct ls_err *err)
{
    struct ls_layout *layout = NULL;
    enum ls_rc rc = open_layout(config, &layout, err);
    ls_layout_free(layout);
    if (rc)
        return rc;
    LS_AUTO(ls_store) struct ls_store *store = NULL;
    LS_AUTO(ls_catalog) struct ls_catalog *catalog = NULL;
    struct ls_store_caps caps;
    rc = open_store(config, NULL, &store, err);
    if (!rc)
        rc = ls_store_create(store, err);
    if (!rc)
        rc = ls_store_probe(store, &caps, err);
    if (!rc)
        rc = open_catalog(config, true, &catalog, err);
    return rc || !catalog ? rc : catalog->ops->create(catalog, err);
}

struct ls_settle_opts ls_compose_settle_opts(const struct ls_config *config, struct ls_engine *engine)
{
    return (struct ls_settle_opts){.engine = engine,
                                   .weight = config->settle_weight,
                                   .deletion = config->settle_delete,
                                   .insertion = config->settle_insert,
                                   .key = config->settle_key};
}

/* ---- an application's database ---- */

static enum ls_rc want_pg(const struct ls_config *config, bool mapped, struct ls_err *err)
{
    if (!config->catalog_is_pg)
        return ls_err_set(err, LS_INVALID, "%s: only a catalog on PostgreSQL can be attached to", config->path);
    if (mapped && !config->mapping)
        return ls_err_set(err, LS_INVALID, "%s: has no [map.*]: `lockstep init --attach` proposes them", config->path);
    return LS_OK;
}

enum ls_rc ls_compose_propose(const struct ls_config *config, struct ls_mapping *out, struct ls_err *err)
{
    const struct ls_pg_opts pg = pg_opts(config, false);
    enum ls_rc rc = want_pg(config, false, err);
    return rc ? rc : ls_pg_propose(&pg, out, err);
}

enum ls_rc ls_compose_attach_check(const struct ls_config *config, struct ls_attach_report *report, struct ls_err *err)
{
    const struct ls_pg_opts pg = pg_opts(config, false);
    enum ls_rc rc = want_pg(config, true, err);
    return rc ? rc : ls_pg_attach_check(&pg, report, err);
}

enum ls_rc ls_compose_repair(const struct ls_config *config, uint64_t *out_changed, struct ls_err *err)
{
    const struct ls_pg_opts pg = pg_opts(config, false);
    *out_changed = 0;
    return config->catalog_is_pg ? ls_pg_repair(&pg, out_changed, err) : LS_OK;
}

enum ls_rc ls_compose_remap(const struct ls_config *config, struct ls_err *err)
{
    const struct ls_pg_opts pg = pg_opts(config, false);
    enum ls_rc rc = want_pg(config, true, err);
    return rc ? rc : ls_pg_remap(&pg, err);
}

enum ls_rc ls_compose_detach(const struct ls_config *config, struct ls_err *err)
{
    const struct ls_pg_opts pg = pg_opts(config, false);
    enum ls_rc rc = want_pg(config, true, err);
    return rc ? rc : ls_pg_detach(&pg, err);
}
