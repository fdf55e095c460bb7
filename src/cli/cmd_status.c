/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lockstep status: running processes, open intents, settling, the last scan. Asks the catalog alone. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"
#include "lockstep/settle.h"
#include "scan/answer.h"

struct state {
    struct ls_instance_page instances;
    struct ls_intent_page intents;
    struct ls_settle_state settle;
    struct ls_scan_row scan, shared;
    const char *scan_state;
    bool has_scan, has_shared;
    struct { /* of the shared scan that runs */
        uint64_t ranges, done, processes, objects;
    } progress;
    uint64_t rows, bytes;
};

static void state_auto(struct state *state)
{
    ls_instance_page_dispose(&state->instances);
    ls_intent_page_dispose(&state->intents);
}

/* How far a shared scan is. Range 0 is what is left to do at its end. */
static enum ls_rc read_progress(struct ls_catalog *catalog, struct state *state, struct ls_err *err)
{
    struct ls_scan_range_page page = {0};
    enum ls_rc rc = catalog->ops->scan_running(catalog, NULL, &state->shared, err);
    state->has_shared = rc == LS_OK;
    if (!rc)
        rc = catalog->ops->scan_ranges(catalog, NULL, state->shared.id, &page, err);
    for (size_t i = 0; i < page.n; i++) {
        const struct ls_scan_range *range = &page.items[i];
        bool first = range->state == LS_RANGE_TAKEN;
        for (size_t k = 0; k < i && first; k++)
            first = page.items[k].state != LS_RANGE_TAKEN || strcmp(page.items[k].instance, range->instance) != 0;
        state->progress.processes += first;
        state->progress.ranges += range->number > 0;
        state->progress.done += range->number > 0 && range->state == LS_RANGE_DONE;
        state->progress.objects += range->objects_seen;
    }
    ls_scan_range_page_dispose(&page);
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

static enum ls_rc read_state(struct ls_catalog *catalog, struct state *state, struct ls_err *err)
{
    const struct ls_catalog_ops *ops = catalog->ops;
    enum ls_rc rc = ops->instance_list(catalog, &state->instances, err);
    if (!rc)
        rc = ops->intent_list(catalog, NULL, &state->intents, err);
    if (!rc)
        rc = ops->image_count(catalog, "", NULL, &state->rows, &state->bytes, err);
    if (!rc)
        rc = ls_settle_state_read(catalog, &state->settle, err);
    if (!rc)
        rc = read_progress(catalog, state, err);
    if (!rc)
        rc = ops->scan_get(catalog, 0, &state->scan, err);
    state->has_scan = rc == LS_OK;
    if (!rc)
        rc = ls_answer_state(catalog, &state->scan, &state->scan_state, err);
    return rc == LS_NOT_FOUND ? LS_OK : rc;
}

static const char *intent_state(const struct ls_intent *intent)
{
    return intent->state == LS_INTENT_COMMITTED ? "committed" : "open";
}

static void print_scan(const struct ls_scan_row *scan, const char *scan_state)
{
    char time[LS_TIME_LEN];
    ls_time_iso(scan->started_ns, time);
    printf("last scan: %s, %s%s%s: %" PRIu64 " images, %" PRIu64 " synced, %" PRIu64 " orphaned, %" PRIu64
           " missing, %" PRIu64 " stale, %" PRIu64 " misfiled, %" PRIu64 " pending, %" PRIu64 " errors\n",
           time, scan_state, *scan->scope ? ", of " : "", scan->scope, scan->images, scan->synced, scan->orphaned,
           scan->missing, scan->stale, scan->misfiled, scan->pending, scan->errors);
}

static void print_settle(const struct ls_settle_state *settle)
{
    if (!settle->started)
        puts("settling:  not begun");
    else
        printf("settling:  %s %s, %s%" PRIu64 " changes of the application behind (change %" PRId64 " of %" PRId64
               ")\n",
               settle->alive ? "by" : "by nobody, last", settle->leader.instance, settle->more ? "more than " : "",
               settle->behind, settle->cursor, settle->newest);
}

static void print_state(const struct ls_config *config, const struct state *state)
{
    char time[LS_TIME_LEN];
    printf("config:    %s\nstore:     %s\ncatalog:   %s\n", config->path, config->store_url ? config->store_url : "-",
           config->catalog_url);
    printf("images:    %" PRIu64 " rows, %" PRIu64 " bytes\n", state->rows, state->bytes);
    size_t alive = 0;
    for (size_t i = 0; i < state->instances.n; i++) {
        const struct ls_instance *instance = &state->instances.items[i];
        if (!instance->alive)
            continue;
        alive++;
        ls_time_iso(instance->started_ns, time);
        printf("running:   %s %s, pid %" PRId64 " on %s, since %s\n", instance->kind, instance->id, instance->pid,
               instance->host, time);
    }
    if (!alive)
        puts("running:   nothing");
    for (size_t i = 0; i < state->intents.n; i++) {
        const struct ls_intent *intent = &state->intents.items[i];
        ls_time_iso(intent->created_ns, time);
        printf("intent:    %s %s %s, since %s, of %s\n", intent->id, ls_op_name(intent->op), intent_state(intent), time,
               intent->instance);
    }
    if (!state->intents.n)
        puts("intents:   none open");
    print_settle(&state->settle);
    if (state->has_shared)
        printf("scanning:  shared scan %" PRId64 ", %" PRIu64 " of %" PRIu64 " ranges done, %" PRIu64
               " processes, %" PRIu64 " objects so far\n",
               state->shared.id, state->progress.done, state->progress.ranges, state->progress.processes,
               state->progress.objects);
    if (state->has_scan)
        print_scan(&state->scan, state->scan_state);
    else
        puts("last scan: none");
}

static void json_settle(struct ls_json *json, const struct ls_settle_state *settle)
{
    ls_json_object(json, "settling");
    ls_json_bool(json, "begun", settle->started);
    ls_json_str(json, "leader", settle->started ? settle->leader.instance : NULL);
    ls_json_bool(json, "alive", settle->alive);
    ls_json_int(json, "epoch", settle->leader.epoch);
    ls_json_int(json, "cursor", settle->cursor);
    ls_json_int(json, "newestChange", settle->newest);
    ls_json_uint(json, "behind", settle->behind);
    ls_json_bool(json, "moreBehind", settle->more);
    ls_json_end_object(json);
}

static void json_scan(struct ls_json *json, const struct state *state)
{
    ls_json_object(json, "lastScan");
    ls_answer_row(json, &state->scan, state->scan_state);
    ls_json_end_object(json);
}

static void json_progress(struct ls_json *json, const struct state *state)
{
    if (!state->has_shared) {
        ls_json_str(json, "runningScan", NULL);
        return;
    }
    ls_json_object(json, "runningScan");
    ls_json_int(json, "id", state->shared.id);
    ls_json_time(json, "startedAt", state->shared.started_ns);
    ls_json_str(json, "scope", state->shared.scope);
    ls_json_uint(json, "ranges", state->progress.ranges);
    ls_json_uint(json, "rangesDone", state->progress.done);
    ls_json_uint(json, "processes", state->progress.processes);
    ls_json_uint(json, "objects", state->progress.objects);
    ls_json_end_object(json);
}

static void json_state(const struct ls_config *config, const struct state *state)
{
    struct ls_json json;
    ls_json_init(&json, stdout);
    ls_json_object(&json, NULL);
    ls_json_str(&json, "config", config->path);
    ls_json_str(&json, "store", config->store_url);
    ls_json_str(&json, "catalog", config->catalog_url);
    ls_json_uint(&json, "images", state->rows);
    ls_json_uint(&json, "bytes", state->bytes);
    ls_json_array(&json, "instances");
    for (size_t i = 0; i < state->instances.n; i++) {
        const struct ls_instance *instance = &state->instances.items[i];
        ls_json_object(&json, NULL);
        ls_json_str(&json, "id", instance->id);
        ls_json_str(&json, "kind", instance->kind);
        ls_json_str(&json, "host", instance->host);
        ls_json_int(&json, "pid", instance->pid);
        ls_json_time(&json, "startedAt", instance->started_ns);
        ls_json_bool(&json, "alive", instance->alive);
        ls_json_end_object(&json);
    }
    ls_json_end_array(&json);
    ls_json_array(&json, "intents");
    for (size_t i = 0; i < state->intents.n; i++) {
        const struct ls_intent *intent = &state->intents.items[i];
        ls_json_object(&json, NULL);
        ls_json_str(&json, "id", intent->id);
        ls_json_str(&json, "instance", intent->instance);
        ls_json_str(&json, "op", ls_op_name(intent->op));
        ls_json_str(&json, "state", intent_state(intent));
        ls_json_time(&json, "createdAt", intent->created_ns);
        ls_json_end_object(&json);
    }
    ls_json_end_array(&json);
    json_settle(&json, &state->settle);
    json_progress(&json, state);
    if (state->has_scan)
        json_scan(&json, state);
    else
        ls_json_str(&json, "lastScan", NULL);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}

/* Wait until no intent is open: other processes give no event, so look again and again. */
static int wait_for_rest(struct ls_catalog *catalog, int64_t timeout_ms)
{
    struct ls_err err = LS_ERR_INIT;
    int64_t end_ms = ls_monotonic_ms() + timeout_ms;
    for (;;) {
        struct ls_intent_page page = {0};
        if (catalog->ops->intent_list(catalog, NULL, &page, &err))
            return ls_cli_fail(&err);
        size_t open = page.n;
        ls_intent_page_dispose(&page);
        if (!open)
            return LS_EXIT_OK;
        if (atomic_load(&ls_cli_cancelled) || (timeout_ms >= 0 && ls_monotonic_ms() >= end_ms)) {
            fprintf(stderr, "lockstep: %zu intents are still open\n", open);
            return LS_EXIT_ERROR;
        }
        ls_sleep_ms(100);
    }
}

static int run(struct ls_cli *cli, int argc, char **argv)
{
    enum { JSON = 1, WAIT, TIMEOUT };
    static const struct option options[] = {{"json", no_argument, NULL, JSON},
                                            {"wait", no_argument, NULL, WAIT},
                                            {"timeout", required_argument, NULL, TIMEOUT},
                                            {0}};
    bool json = false, wait = false;
    int64_t timeout_ms = -1;
    struct ls_err err = LS_ERR_INIT;
    for (int c; (c = ls_cli_getopt(cli, argc, argv, "", options)) != -1;) {
        if (c == '?')
            return cli->option_status;
        if (c == JSON)
            json = true;
        else if (c == WAIT)
            wait = true;
        else if (ls_duration_parse(optarg, &timeout_ms, &err))
            return ls_cli_usage(cli, "--timeout: %s", err.text);
    }
    if (optind < argc)
        return ls_cli_usage(cli, "'%s' is too much", argv[optind]);

    LS_AUTO(ls_config) struct ls_config *config = NULL;
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    LS_AUTO(state) struct state state = {0};
    int status = ls_cli_open(cli, LS_COMPOSE_CATALOG, &config, &stack);
    if (!status && wait)
        status = wait_for_rest(stack->catalog, timeout_ms);
    if (status)
        return status;
    if (read_state(stack->catalog, &state, &err))
        return ls_cli_fail(&err);
    if (json)
        json_state(config, &state);
    else
        print_state(config, &state);
    return LS_EXIT_OK;
}

const struct ls_command ls_cmd_status = {
    .name = "status",
    .summary = "show running processes, open intents, settling and the last scan",
    .usage = "[--json] [--wait [--timeout DURATION]]",
    .help = "Asks the catalog alone, so it answers also while the store does not.\n"
            "\n"
            "  --json              one JSON object\n"
            "  --wait              wait until no intent is open\n"
            "  --timeout DURATION  wait no longer than that (exit status 4 then)\n",
    .run = run,
};
