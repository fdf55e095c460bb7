/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Printing a scan.
 *
 * The JSON of a product has one list a kind, but findings come in key order. So a product's lists are gathered side by
 * side, each in a buffer that spills to an unlinked file once it is full.
 */
#include "cli/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/json.h"

static const char *const kind_names[LS_FINDING_KINDS] = {
    [LS_FINDING_SYNCED] = "synced", [LS_FINDING_ORPHANED] = "orphaned", [LS_FINDING_MISSING] = "missing",
    [LS_FINDING_STALE] = "stale",   [LS_FINDING_MISFILED] = "misfiled", [LS_FINDING_PENDING] = "pending",
};

/* ---- options and the run ---- */

enum ls_rc ls_scan_option(struct ls_scan_args *args, int c, struct ls_err *err)
{
    switch (c) {
    case LS_OPT_JSON:
        args->form = LS_REPORT_JSON;
        return LS_OK;
    case LS_OPT_NDJSON:
        args->form = LS_REPORT_NDJSON;
        return LS_OK;
    case LS_OPT_GRACE:
        return ls_duration_parse(optarg, &args->grace_ms, err);
    case 'q':
        args->quiet = true;
        ls_log_quiet(true);
        return LS_OK;
    default:
        return LS_NOT_FOUND;
    }
}

void ls_scan_products(struct ls_scan_args *args, int at, char *const *argv)
{
    args->products = argv[at] ? (const char *const *)(argv + at) : NULL;
}

enum ls_rc ls_scan_with(const struct ls_config *config, struct ls_engine *engine, const struct ls_scan_args *args,
                        struct ls_scan **out_scan, struct ls_err *err)
{
    const struct ls_scan_opts opts = {
        .products = args->products,
        .grace_ms = args->grace_ms >= 0 ? args->grace_ms : config->scan_grace_ms,
        .ranges = (unsigned)config->scan_ranges,
        .keep_synced = args->form == LS_REPORT_JSON,
        .spool_dir = NULL,
        .cancel = &ls_cli_cancelled,
        .progress = args->quiet ? NULL : ls_cli_progress,
    };
    enum ls_rc rc = ls_scan_run(engine, &opts, out_scan, err);
    ls_cli_progress(NULL, 0, 0);
    return rc;
}

static uint64_t differences(const struct ls_scan_totals *totals)
{
    return totals->by_kind[LS_FINDING_ORPHANED] + totals->by_kind[LS_FINDING_MISSING] +
           totals->by_kind[LS_FINDING_STALE] + totals->by_kind[LS_FINDING_MISFILED];
}

int ls_report_status(const struct ls_scan_totals *totals)
{
    if (!totals->complete || totals->errors)
        return LS_EXIT_INCOMPLETE;
    return differences(totals) ? LS_EXIT_DIFFERENCES : LS_EXIT_OK;
}

/* A walk's result when nobody reads what is printed any more. */
static enum ls_rc output_rc(void) { return ferror(stdout) ? LS_CANCELLED : LS_OK; }

/* ---- for people ---- */

static enum ls_rc print_finding(void *ctx, const struct ls_finding *finding)
{
    (void)ctx;
    if (finding->kind == LS_FINDING_SYNCED && !finding->twin)
        return LS_OK;
    printf("%-10s ", ls_finding_name(finding));
    ls_cli_print_key(finding->key);
    if (finding->partner) {
        fputs(finding->kind == LS_FINDING_MISSING ? " -> " : " <- ", stdout);
        ls_cli_print_key(finding->partner);
    }
    if (finding->detail && !finding->partner) {
        fputs("  (", stdout);
        ls_cli_print_key(finding->detail);
        putchar(')');
    }
    putchar('\n');
    return output_rc();
}

static enum ls_rc print_error(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "lockstep: %s\n", text);
    return LS_OK;
}

static void print_summary(const struct ls_scan_totals *t, const struct ls_sync_totals *mended, bool dry_run)
{
    printf("%" PRIu64 " products, %" PRIu64 " images:", t->products, t->images);
    for (int kind = 0; kind < LS_FINDING_KINDS; kind++)
        printf("%s %" PRIu64 " %s", kind ? "," : "", t->by_kind[kind], kind_names[kind]);
    putchar('\n');
    if (t->moved || t->misplaced || t->twins)
        printf("among them: %" PRIu64 " moved (an orphaned and a missing one each), %" PRIu64 " misplaced, %" PRIu64
               " twins (names that differ only in case)\n",
               t->moved, t->misplaced, t->twins);
    if (mended) {
        const struct ls_sync_plan *d = &mended->done;
        printf("%s: %" PRIu64 " relinked, %" PRIu64 " adopted, %" PRIu64 " removed, %" PRIu64 " dropped, %" PRIu64
               " refreshed, %" PRIu64 " refiled; %" PRIu64 " skipped, %" PRIu64 " failed, %" PRIu64
               " differences stay\n",
               dry_run ? "would mend" : "mended", d->relink, d->adopt, d->remove_orphaned + d->remove_misplaced,
               d->drop, d->refresh, d->refile, mended->skipped, mended->failed, mended->remaining);
    }
    if (!t->complete)
        puts("incomplete: one side could not be read to its end");
    else if (!mended)
        puts(differences(t) ? "not in step" : "in step");
}

static enum ls_rc report_people(struct ls_scan *scan, const struct ls_scan_args *args,
                                const struct ls_sync_totals *mended, struct ls_err *err)
{
    const struct ls_scan_totals *totals = ls_scan_totals(scan);
    enum ls_rc rc = ls_scan_each_error(scan, print_error, NULL, err);
    if (rc || (args->quiet && ls_report_status(totals) == LS_EXIT_OK))
        return rc;
    if (!mended) /* a sync has told of each item already */
        rc = ls_scan_each(scan, NULL, print_finding, NULL, err);
    if (!rc)
        print_summary(totals, mended, args->dry_run);
    return rc;
}

/* ---- JSON ---- */

static void json_totals(struct ls_json *json, const struct ls_scan_totals *t)
{
    ls_json_uint(json, "totalProducts", t->products);
    ls_json_uint(json, "totalImages", t->images);
    ls_json_uint(json, "orphanedFiles", t->by_kind[LS_FINDING_ORPHANED]);
    ls_json_uint(json, "missingFiles", t->by_kind[LS_FINDING_MISSING]);
    ls_json_uint(json, "syncedFiles", t->by_kind[LS_FINDING_SYNCED]);
    ls_json_uint(json, "errors", t->errors);
    ls_json_uint(json, "staleFiles", t->by_kind[LS_FINDING_STALE]);
    ls_json_uint(json, "misfiledFiles", t->by_kind[LS_FINDING_MISFILED]);
    ls_json_uint(json, "movedFiles", t->moved);
    ls_json_uint(json, "misplacedFiles", t->misplaced);
    ls_json_uint(json, "pendingFiles", t->by_kind[LS_FINDING_PENDING]);
    ls_json_uint(json, "twinFiles", t->twins);
    ls_json_bool(json, "complete", t->complete);
    ls_json_time(json, "startedAt", t->started_ns);
    ls_json_time(json, "endedAt", t->ended_ns);
}

static void json_mended(struct ls_json *json, const struct ls_sync_totals *mended, bool dry_run)
{
    if (!mended)
        return;
    ls_json_object(json, "mended");
    ls_json_bool(json, "dryRun", dry_run);
    ls_json_uint(json, "relinked", mended->done.relink);
    ls_json_uint(json, "adopted", mended->done.adopt);
    ls_json_uint(json, "removedOrphaned", mended->done.remove_orphaned);
    ls_json_uint(json, "removedMisplaced", mended->done.remove_misplaced);
    ls_json_uint(json, "dropped", mended->done.drop);
    ls_json_uint(json, "refreshed", mended->done.refresh);
    ls_json_uint(json, "refiled", mended->done.refile);
    ls_json_uint(json, "skipped", mended->skipped);
    ls_json_uint(json, "failed", mended->failed);
    ls_json_uint(json, "remaining", mended->remaining);
    ls_json_end_object(json);
}

static enum ls_rc json_error(void *ctx, const char *text)
{
    ls_json_str(ctx, NULL, text);
    return LS_OK;
}

enum list {
    LIST_ORPHANED,
    LIST_MISSING,
    LIST_SYNCED,
    LIST_STALE,
    LIST_MISFILED,
    LIST_MOVED,
    LIST_MISPLACED,
    LIST_PENDING,
    LIST_COUNT
};

static const char *const list_names[LIST_COUNT] = {"orphanedFiles", "missingFiles", "syncedFiles",    "staleFiles",
                                                   "misfiledFiles", "movedFiles",   "misplacedFiles", "pendingFiles"};

/* Strings of a list as JSON, with commas: the first ones in the file, the last ones in the buffer. */
struct spill {
    struct ls_buf tail;
    FILE *file;  /* NULL until the buffer was full once */
    bool comma;  /* a string was added */
    bool filled; /* the file holds something */
};

enum { SPILL_BUFFER = 64 * 1024 };

static enum ls_rc spill_add(struct spill *spill, const char *key)
{
    size_t before = spill->tail.len;
    enum ls_rc rc = spill->comma ? ls_buf_addc(&spill->tail, ',') : LS_OK;
    if (!rc)
        rc = ls_buf_add_json(&spill->tail, key, strlen(key));
    if (rc != LS_NO_SPACE) {
        spill->comma = true;
        return rc;
    }
    ls_buf_truncate(&spill->tail, before);
    if (!spill->file)
        spill->file = tmpfile();
    if (!spill->file || fwrite(spill->tail.data, 1, spill->tail.len, spill->file) != spill->tail.len)
        return LS_IO;
    spill->filled = true;
    ls_buf_reset(&spill->tail);
    return before ? spill_add(spill, key) : LS_NO_SPACE;
}

/* Write it out and empty it. */
static enum ls_rc spill_flush(struct spill *spill, FILE *out)
{
    if (spill->filled) {
        char chunk[8192];
        rewind(spill->file);
        for (size_t n; (n = fread(chunk, 1, sizeof chunk, spill->file)) > 0;)
            fwrite(chunk, 1, n, out);
        if (ferror(spill->file))
            return LS_IO;
        rewind(spill->file);
        if (ftruncate(fileno(spill->file), 0) < 0)
            return LS_IO;
    }
    fwrite(spill->tail.data, 1, spill->tail.len, out);
    ls_buf_reset(&spill->tail);
    spill->comma = spill->filled = false;
    return LS_OK;
}

struct printer {
    struct ls_scan *scan;
    struct ls_json json;
    struct spill lists[LIST_COUNT];
    bool single; /* the one object is a product's: its errors are the scan's */
    bool dry_run;
    struct ls_err *err;
};

static void printer_auto(struct printer *printer)
{
    for (int i = 0; i < LIST_COUNT; i++) {
        ls_buf_dispose(&printer->lists[i].tail);
        if (printer->lists[i].file)
            fclose(printer->lists[i].file);
    }
}

static enum ls_rc gather(void *ctx, const struct ls_finding *finding)
{
    static const enum list of_kind[LS_FINDING_KINDS] = {
        [LS_FINDING_SYNCED] = LIST_SYNCED, [LS_FINDING_ORPHANED] = LIST_ORPHANED, [LS_FINDING_MISSING] = LIST_MISSING,
        [LS_FINDING_STALE] = LIST_STALE,   [LS_FINDING_MISFILED] = LIST_MISFILED, [LS_FINDING_PENDING] = LIST_PENDING,
    };
    struct printer *printer = ctx;
    enum ls_rc rc = spill_add(&printer->lists[of_kind[finding->kind]], finding->key);
    /* A moved pair is listed once, under the object's key. */
    if (!rc && finding->moved && finding->kind == LS_FINDING_ORPHANED)
        rc = spill_add(&printer->lists[LIST_MOVED], finding->key);
    if (!rc && finding->misplaced)
        rc = spill_add(&printer->lists[LIST_MISPLACED], finding->key);
    return rc;
}

/* The members of a product's object: its lists, and its errors. */
static enum ls_rc write_lists(struct printer *printer, const char *product)
{
    struct ls_json *json = &printer->json;
    enum ls_rc rc = ls_scan_each(printer->scan, product, gather, printer, printer->err);
    for (int i = 0; !rc && i < LIST_COUNT; i++) {
        ls_json_array(json, list_names[i]);
        rc = spill_flush(&printer->lists[i], json->out);
        ls_json_end_array(json);
    }
    if (rc)
        return rc;
    ls_json_array(json, "errors");
    if (printer->single)
        rc = ls_scan_each_error(printer->scan, json_error, json, printer->err);
    ls_json_end_array(json);
    return rc ? rc : output_rc();
}

static enum ls_rc write_product(void *ctx, const char *product)
{
    struct printer *printer = ctx;
    ls_json_object(&printer->json, NULL);
    ls_json_str(&printer->json, "productId", product);
    enum ls_rc rc = write_lists(printer, product);
    ls_json_end_object(&printer->json);
    return rc;
}

static enum ls_rc write_single(struct printer *printer, const char *product, const struct ls_sync_totals *mended)
{
    printer->single = true;
    ls_json_object(&printer->json, NULL);
    ls_json_str(&printer->json, "productId", product);
    ls_json_bool(&printer->json, "complete", ls_scan_totals(printer->scan)->complete);
    json_mended(&printer->json, mended, printer->dry_run);
    enum ls_rc rc = write_lists(printer, product);
    ls_json_end_object(&printer->json);
    return rc;
}

static enum ls_rc write_all(struct printer *printer, const struct ls_sync_totals *mended)
{
    struct ls_json *json = &printer->json;
    ls_json_object(json, NULL);
    json_totals(json, ls_scan_totals(printer->scan));
    json_mended(json, mended, printer->dry_run);
    ls_json_array(json, "errorMessages");
    enum ls_rc rc = ls_scan_each_error(printer->scan, json_error, json, printer->err);
    ls_json_end_array(json);
    ls_json_array(json, "results");
    if (!rc)
        rc = ls_scan_each_product(printer->scan, write_product, printer, printer->err);
    ls_json_end_array(json);
    ls_json_object(json, "withoutProduct"); /* keys that belong to no product: all misplaced */
    if (!rc)
        rc = write_lists(printer, "");
    ls_json_end_object(json);
    ls_json_end_object(json);
    return rc;
}

static enum ls_rc report_json(struct ls_scan *scan, const struct ls_scan_args *args,
                              const struct ls_sync_totals *mended, struct ls_err *err)
{
    LS_AUTO(printer) struct printer printer = {.scan = scan, .dry_run = args->dry_run, .err = err};
    ls_json_init(&printer.json, stdout);
    for (int i = 0; i < LIST_COUNT; i++)
        ls_buf_init(&printer.lists[i].tail, SPILL_BUFFER);
    bool one = args->products && args->products[0] && !args->products[1];
    enum ls_rc rc = one ? write_single(&printer, args->products[0], mended) : write_all(&printer, mended);
    ls_json_newline(&printer.json);
    return rc;
}

/* ---- NDJSON ---- */

static enum ls_rc ndjson_finding(void *ctx, const struct ls_finding *f)
{
    struct ls_json *json = ctx;
    if (f->kind == LS_FINDING_SYNCED && !f->twin)
        return LS_OK;
    ls_json_object(json, NULL);
    ls_json_str(json, "kind", kind_names[f->kind]);
    ls_json_str(json, "key", f->key);
    ls_json_str(json, "productId", *f->product ? f->product : NULL);
    if (f->moved)
        ls_json_bool(json, "moved", true);
    if (f->partner)
        ls_json_str(json, "partner", f->partner);
    if (f->misplaced)
        ls_json_bool(json, "misplaced", true);
    if (f->twin)
        ls_json_bool(json, "twin", true);
    if (f->row_etag) {
        ls_json_str(json, "rowEtag", f->row_etag);
        ls_json_uint(json, "rowSize", f->row_size);
    }
    if (f->object_etag) {
        ls_json_str(json, "objectEtag", f->object_etag);
        ls_json_uint(json, "objectSize", f->object_size);
    }
    if (f->detail)
        ls_json_str(json, "detail", f->detail);
    ls_json_end_object(json);
    ls_json_newline(json);
    return output_rc();
}

static enum ls_rc ndjson_error(void *ctx, const char *text)
{
    ls_json_object(ctx, NULL);
    ls_json_str(ctx, "kind", "error");
    ls_json_str(ctx, "text", text);
    ls_json_end_object(ctx);
    ls_json_newline(ctx);
    return output_rc();
}

static enum ls_rc report_ndjson(struct ls_scan *scan, const struct ls_scan_args *args,
                                const struct ls_sync_totals *mended, struct ls_err *err)
{
    struct ls_json json;
    ls_json_init(&json, stdout);
    enum ls_rc rc = ls_scan_each(scan, NULL, ndjson_finding, &json, err);
    if (!rc)
        rc = ls_scan_each_error(scan, ndjson_error, &json, err);
    if (rc)
        return rc;
    ls_json_object(&json, NULL);
    ls_json_str(&json, "kind", "totals");
    json_totals(&json, ls_scan_totals(scan));
    json_mended(&json, mended, args->dry_run);
    ls_json_end_object(&json);
    ls_json_newline(&json);
    return LS_OK;
}

enum ls_rc ls_report(struct ls_scan *scan, const struct ls_scan_args *args, const struct ls_sync_totals *mended,
                     struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    switch (args->form) {
    case LS_REPORT_PEOPLE:
        rc = report_people(scan, args, mended, err);
        break;
    case LS_REPORT_JSON:
        rc = report_json(scan, args, mended, err);
        break;
    case LS_REPORT_NDJSON:
        rc = report_ndjson(scan, args, mended, err);
        break;
    }
    if (rc && err && !err->rc)
        ls_err_set(err, rc, "cannot print the scan's result: %s", ls_rc_name(rc));
    return rc;
}
