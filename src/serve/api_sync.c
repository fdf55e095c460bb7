/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checking and mending, of one product and of everything: the scanner's work behind four routes.
 *
 * removeOrphaned: orphans go to trash. recreateMissing: moved ones are relinked, what remains of the orphans is
 * adopted, rows whose object is lost are dropped. With both, relinking comes first, then orphans go. The answers are
 * those of `lockstep scan --json`: the lists are what was found, `mended` is what was done about it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "lockstep/scan.h"
#include "scan/answer.h"
#include "serve/internal.h"
#include "serve/jobs.h"
#include "serve/problem.h"

#define FAILURES_KEPT 100 /* texts of what could not be mended */
/* A shop may mend one product after the other: for those one copy of the whole catalog a day will do. */
#define BACKUP_OF_ONE_MS ((int64_t)24 * 60 * 60 * 1000)

LS_AUTO_DEFINE(ls_scan, struct ls_scan *, ls_scan_free)

struct wishes {
    bool remove_orphaned, recreate_missing, remove_misplaced, dry_run, allow_empty;
    uint64_t confirm; /* UINT64_MAX: the configured guard holds */
};

struct failures {
    char *texts[FAILURES_KEPT + 1]; /* NULL-terminated */
    size_t n;
};

static void failures_auto(struct failures *failures)
{
    for (size_t i = 0; i < failures->n; i++)
        free(failures->texts[i]);
}

static void note_failure(void *ctx, const char *what, const struct ls_finding *finding, enum ls_rc rc, const char *text)
{
    struct failures *failures = ctx;
    bool skipped = rc == LS_CONFLICT || rc == LS_BUSY || rc == LS_NOT_FOUND || rc == LS_EXISTS;
    if (!rc || skipped || failures->n == FAILURES_KEPT)
        return;
    char *line = ls_strf("%s %s: %s", what, finding->key, text ? text : ls_rc_name(rc));
    if (line)
        failures->texts[failures->n++] = line;
}

static void note_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct ls_progress *progress = ctx;
    atomic_store(&progress->total, total);
    atomic_store(&progress->done, done);
}

/* ---- the scan ---- */

static bool read_grace(struct ls_serve *serve, const struct ls_request *req, int64_t *out_ms, struct ls_reply *reply)
{
    struct ls_err err = LS_ERR_INIT;
    const char *text = ls_request_query(req, "grace");
    *out_ms = serve->opts->grace_ms;
    if (!text || !ls_duration_parse(text, out_ms, &err))
        return true;
    ls_problem(reply, 400, "wrong-type", "query: grace: %s", err.text);
    return false;
}

/* Is it a name that a product can have? */
static bool check_product(struct ls_serve *serve, const char *product, struct ls_reply *reply)
{
    char key[LS_KEY_MAX];
    struct ls_err err = LS_ERR_INIT;
    if (!ls_layout_format(ls_engine_layout(serve->opts->engine), product, NULL, NULL, NULL, key, sizeof key, &err))
        return true;
    ls_problem(reply, 400, "malformed-id", "no product can be called so: %s", err.text);
    return false;
}

/* Scan one product, or everything when it is NULL. NULL when the reply says why not. A shop may check products all day
 * long: that is nothing for the history. */
static struct ls_scan *scan(struct ls_serve *serve, const struct ls_request *req, const char *product, bool recorded,
                            struct ls_reply *reply)
{
    const char *const products[] = {product, NULL};
    struct ls_scan_opts opts = {
        .products = product ? products : NULL,
        .ranges = serve->opts->ranges,
        .keep_synced = true,
        .unrecorded = !recorded,
        .cancel = serve->opts->cancel,
        .progress = req->progress ? note_progress : NULL,
        .progress_ctx = req->progress,
    };
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan *found = NULL;
    if (!read_grace(serve, req, &opts.grace_ms, reply) || (product && !check_product(serve, product, reply)))
        return NULL;
    int64_t begun_ns = ls_now_ns();
    enum ls_rc rc = ls_scan_run(serve->opts->engine, &opts, &found, &err);
    ls_metrics_scan(&serve->metrics,
                    rc                                ? LS_SCAN_FAILED
                    : ls_scan_totals(found)->complete ? LS_SCAN_COMPLETE
                                                      : LS_SCAN_INCOMPLETE,
                    (ls_now_ns() - begun_ns) / 1000);
    if (rc) {
        ls_problem_err(reply, &err);
        return NULL;
    }
    const struct ls_scan_totals *totals = ls_scan_totals(found);
    if (product && totals->complete && totals->products == 0) {
        ls_scan_free(found);
        ls_problem(reply, 404, "unknown-product", "neither side knows a product '%s'", product);
        return NULL;
    }
    return found;
}

static void answer(const struct ls_answer *what, const char *product, struct ls_reply *reply)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_json json;
    FILE *out = NULL;
    enum ls_rc rc = ls_reply_any(reply, 200, "application/json", &out, &err);
    if (!rc) {
        ls_json_init(&json, out);
        rc = product ? ls_answer_product(&json, what, product, &err) : ls_answer_all(&json, what, &err);
        ls_json_newline(&json);
    }
    if (!rc)
        rc = ls_reply_finish(reply, &err);
    if (!rc)
        return;
    if (!err.rc)
        ls_err_set(&err, LS_NO_SPACE, "serve: the answer could not be written (set TMPDIR to where there is room)");
    ls_problem_err(reply, &err);
}

static void check(struct ls_serve *serve, const struct ls_request *req, const char *product, struct ls_reply *reply)
{
    LS_AUTO(ls_scan) struct ls_scan *found = scan(serve, req, product, !product, reply);
    const struct ls_answer what = {.scan = found};
    if (found)
        answer(&what, product, reply);
}

/* ---- mending ---- */

static bool read_wishes(const struct ls_request *req, struct wishes *out, struct ls_reply *reply)
{
    *out = (struct wishes){.confirm = UINT64_MAX};
    const struct ls_field fields[] = {
        {"removeOrphaned", LS_FIELD_BOOL, &out->remove_orphaned},
        {"recreateMissing", LS_FIELD_BOOL, &out->recreate_missing},
        {"removeMisplaced", LS_FIELD_BOOL, &out->remove_misplaced},
        {"dryRun", LS_FIELD_BOOL, &out->dry_run},
        {"allowEmpty", LS_FIELD_BOOL, &out->allow_empty},
        {"confirm", LS_FIELD_COUNT, &out->confirm},
    };
    return ls_request_fields(req, fields, sizeof fields / sizeof *fields, reply);
}

static struct ls_sync_opts sync_opts(const struct ls_serve *serve, const struct ls_request *req, const char *product,
                                     const struct wishes *wishes)
{
    bool confirmed = wishes->confirm != UINT64_MAX;
    struct ls_sync_opts opts = {
        .relink_moved = wishes->recreate_missing,
        .drop_missing = wishes->recreate_missing,
        .remove_misplaced = wishes->remove_misplaced,
        .dry_run = wishes->dry_run,
        .override_empty = wishes->allow_empty,
        .max_change_percent = confirmed ? 0 : serve->opts->max_change_percent,
        .max_change_count = confirmed ? wishes->confirm : serve->opts->max_change_count,
        .max_change_words = "\"confirm\": ",
        .allow_empty_words = "\"allowEmpty\": true",
        .backup_path = serve->opts->backup_path,
        .backup_age_ms = product ? BACKUP_OF_ONE_MS : 0,
        .progress = req->progress ? note_progress : NULL,
        .progress_ctx = req->progress,
        .cancel = serve->opts->cancel,
    };
    if (wishes->remove_orphaned)
        opts.orphans = LS_ORPHANS_REMOVE;
    else if (wishes->recreate_missing)
        opts.orphans = LS_ORPHANS_ADOPT;
    return opts;
}

static void json_plan(struct ls_json *json, const struct ls_sync_plan *plan)
{
    ls_json_object(json, "plan");
    ls_json_uint(json, "relink", plan->relink);
    ls_json_uint(json, "adopt", plan->adopt);
    ls_json_uint(json, "removeOrphaned", plan->remove_orphaned);
    ls_json_uint(json, "removeMisplaced", plan->remove_misplaced);
    ls_json_uint(json, "drop", plan->drop);
    ls_json_end_object(json);
}

/* What would be done, and what lets it pass. */
static void answer_guard(const struct ls_scan *found, const struct ls_sync_opts *opts, const struct ls_err *err,
                         struct ls_reply *reply)
{
    struct ls_json json;
    struct ls_sync_plan plan;
    if (!ls_problem_begin(reply, 409, "guard", err->text, &json))
        return;
    ls_sync_plan(found, opts, &plan);
    ls_json_str(&json, "guard", err->code);
    json_plan(&json, &plan);
    if (strcmp(err->code, "max-change") == 0)
        ls_json_uint(&json, "confirm", ls_sync_largest(found, opts));
    ls_problem_end(reply, &json);
}

static void mend(struct ls_serve *serve, const struct ls_request *req, const char *product, struct ls_reply *reply)
{
    struct wishes wishes;
    if (!read_wishes(req, &wishes, reply))
        return;
    LS_AUTO(ls_scan) struct ls_scan *found = scan(serve, req, product, true, reply);
    if (!found)
        return;
    if (!ls_scan_totals(found)->complete) {
        ls_problem(reply, 503, "incomplete", "one side could not be read to its end, so nothing was changed");
        return;
    }
    const struct ls_sync_opts opts = sync_opts(serve, req, product, &wishes);
    LS_AUTO(failures) struct failures failures = {0};
    struct ls_sync_totals totals = {0};
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_sync_run(serve->opts->engine, found, &opts, note_failure, &failures, &totals, &err);
    if (rc == LS_GUARD)
        answer_guard(found, &opts, &err, reply);
    else if (rc)
        ls_problem_err(reply, &err);
    if (rc)
        return;
    const struct ls_answer what = {
        .scan = found, .mended = &totals, .dry_run = wishes.dry_run, .failures = (const char *const *)failures.texts};
    answer(&what, product, reply);
}

/* ---- the routes ---- */

bool ls_api_sync_check(struct ls_serve *serve, const struct ls_request *req, struct ls_reply *reply)
{
    int64_t grace_ms;
    struct wishes wishes;
    const char *product = strstr(req->route->path, "/:id/") ? ls_request_param(req, ":id") : NULL;
    return (!product || check_product(serve, product, reply)) && read_grace(serve, req, &grace_ms, reply) &&
           (ls_request_is_safe(req) || read_wishes(req, &wishes, reply));
}

void ls_api_check_one(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    check(serve, req, ls_request_param(req, ":id"), reply);
}

void ls_api_check_all(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    check(serve, req, NULL, reply);
}

void ls_api_sync_one(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    mend(serve, req, ls_request_param(req, ":id"), reply);
}

void ls_api_sync_all(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    mend(serve, req, NULL, reply);
}
