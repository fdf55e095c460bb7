/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The JSON of a scan.
 *
 * A product's object has one list a kind, but findings come in key order. So a product's lists are gathered side by
 * side, each in a buffer that spills to an unlinked file once it is full.
 */
#include "scan/answer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"

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

struct writer {
    const struct ls_answer *answer;
    struct ls_json *json;
    struct spill lists[LIST_COUNT];
    bool single; /* the one object is a product's: its errors are the scan's */
    struct ls_err *err;
};

static void writer_init(struct writer *writer, struct ls_json *json, const struct ls_answer *answer, struct ls_err *err)
{
    *writer = (struct writer){.answer = answer, .json = json, .err = err};
    for (int i = 0; i < LIST_COUNT; i++)
        ls_buf_init(&writer->lists[i].tail, SPILL_BUFFER);
}

static void writer_auto(struct writer *writer)
{
    for (int i = 0; i < LIST_COUNT; i++) {
        ls_buf_dispose(&writer->lists[i].tail);
        if (writer->lists[i].file)
            fclose(writer->lists[i].file);
    }
}

static size_t count_failures(const struct ls_answer *answer)
{
    size_t n = 0;
    while (answer->failures && answer->failures[n])
        n++;
    return n;
}

void ls_answer_unannounced(struct ls_json *json, uint64_t n)
{
    if (n == LS_UNANNOUNCED_UNKNOWN)
        ls_json_str(json, "unannouncedFiles", NULL);
    else
        ls_json_uint(json, "unannouncedFiles", n);
}

void ls_answer_totals(struct ls_json *json, const struct ls_answer *answer)
{
    const struct ls_scan_totals *t = ls_scan_totals(answer->scan);
    ls_json_uint(json, "totalProducts", t->products);
    ls_json_uint(json, "totalImages", t->images);
    ls_json_uint(json, "orphanedFiles", t->by_kind[LS_FINDING_ORPHANED]);
    ls_json_uint(json, "missingFiles", t->by_kind[LS_FINDING_MISSING]);
    ls_json_uint(json, "syncedFiles", t->by_kind[LS_FINDING_SYNCED]);
    ls_json_uint(json, "errors", t->errors + (answer->failures && answer->mended ? answer->mended->failed : 0));
    ls_json_uint(json, "staleFiles", t->by_kind[LS_FINDING_STALE]);
    ls_json_uint(json, "misfiledFiles", t->by_kind[LS_FINDING_MISFILED]);
    ls_json_uint(json, "movedFiles", t->moved);
    ls_json_uint(json, "misplacedFiles", t->misplaced);
    ls_json_uint(json, "pendingFiles", t->by_kind[LS_FINDING_PENDING]);
    ls_json_uint(json, "twinFiles", t->twins);
    ls_answer_unannounced(json, t->unannounced);
    ls_json_bool(json, "complete", t->complete);
    ls_json_time(json, "startedAt", t->started_ns);
    ls_json_time(json, "endedAt", t->ended_ns);
}

void ls_answer_mended(struct ls_json *json, const struct ls_answer *answer)
{
    const struct ls_sync_totals *mended = answer->mended;
    if (!mended)
        return;
    ls_json_object(json, "mended");
    ls_json_bool(json, "dryRun", answer->dry_run);
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

static enum ls_rc write_error(void *ctx, const char *text)
{
    ls_json_str(ctx, NULL, text);
    return LS_OK;
}

/* The array of what could not be read or mended. */
static enum ls_rc write_errors(struct writer *writer, const char *name, bool all)
{
    enum ls_rc rc = LS_OK;
    ls_json_array(writer->json, name);
    if (all)
        rc = ls_scan_each_error(writer->answer->scan, write_error, writer->json, writer->err);
    for (size_t i = 0; all && i < count_failures(writer->answer); i++)
        ls_json_str(writer->json, NULL, writer->answer->failures[i]);
    ls_json_end_array(writer->json);
    return rc;
}

static enum ls_rc gather(void *ctx, const struct ls_finding *finding)
{
    static const enum list of_kind[LS_FINDING_KINDS] = {
        [LS_FINDING_SYNCED] = LIST_SYNCED, [LS_FINDING_ORPHANED] = LIST_ORPHANED, [LS_FINDING_MISSING] = LIST_MISSING,
        [LS_FINDING_STALE] = LIST_STALE,   [LS_FINDING_MISFILED] = LIST_MISFILED, [LS_FINDING_PENDING] = LIST_PENDING,
    };
    struct writer *writer = ctx;
    enum ls_rc rc = spill_add(&writer->lists[of_kind[finding->kind]], finding->key);
    /* A moved pair is listed once, under the object's key. */
    if (!rc && finding->moved && finding->kind == LS_FINDING_ORPHANED)
        rc = spill_add(&writer->lists[LIST_MOVED], finding->key);
    if (!rc && finding->misplaced)
        rc = spill_add(&writer->lists[LIST_MISPLACED], finding->key);
    return rc;
}

/* The members of a product's object: its lists, and its errors. */
static enum ls_rc write_lists(struct writer *writer, const char *product)
{
    struct ls_json *json = writer->json;
    enum ls_rc rc = ls_scan_each(writer->answer->scan, product, gather, writer, writer->err);
    for (int i = 0; !rc && i < LIST_COUNT; i++) {
        ls_json_array(json, list_names[i]);
        rc = spill_flush(&writer->lists[i], json->out);
        ls_json_end_array(json);
    }
    if (!rc)
        rc = write_errors(writer, "errors", writer->single);
    if (!rc && ferror(json->out)) /* nobody reads it any more */
        rc = LS_CANCELLED;
    return rc;
}

static enum ls_rc write_product(void *ctx, const char *product)
{
    struct writer *writer = ctx;
    ls_json_object(writer->json, NULL);
    ls_json_str(writer->json, "productId", product);
    enum ls_rc rc = write_lists(writer, product);
    ls_json_end_object(writer->json);
    return rc;
}

enum ls_rc ls_answer_product(struct ls_json *json, const struct ls_answer *answer, const char *product,
                             struct ls_err *err)
{
    LS_AUTO(writer) struct writer writer;
    writer_init(&writer, json, answer, err);
    writer.single = true;
    ls_json_object(json, NULL);
    ls_json_str(json, "productId", product);
    ls_json_bool(json, "complete", ls_scan_totals(answer->scan)->complete);
    ls_answer_mended(json, answer);
    enum ls_rc rc = write_lists(&writer, product);
    ls_json_end_object(json);
    return rc;
}

enum ls_rc ls_answer_all(struct ls_json *json, const struct ls_answer *answer, struct ls_err *err)
{
    LS_AUTO(writer) struct writer writer;
    writer_init(&writer, json, answer, err);
    ls_json_object(json, NULL);
    ls_answer_totals(json, answer);
    ls_answer_mended(json, answer);
    enum ls_rc rc = write_errors(&writer, "errorMessages", true);
    ls_json_array(json, "results");
    if (!rc)
        rc = ls_scan_each_product(answer->scan, write_product, &writer, err);
    ls_json_end_array(json);
    ls_json_object(json, "withoutProduct"); /* keys that belong to no product: all misplaced */
    if (!rc)
        rc = write_lists(&writer, "");
    ls_json_end_object(json);
    ls_json_end_object(json);
    return rc;
}

/* ---- findings and scans as they are recorded ---- */

void ls_answer_finding(struct ls_json *json, const char *name, const struct ls_finding *f)
{
    ls_json_object(json, name);
    ls_json_str(json, "kind", ls_finding_kind_name(f->kind));
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
}

void ls_answer_row(struct ls_json *json, const struct ls_scan_row *row, const char *state)
{
    ls_json_int(json, "id", row->id);
    ls_json_time(json, "startedAt", row->started_ns);
    ls_json_time(json, "endedAt", row->ended_ns);
    ls_json_str(json, "state", state);
    ls_json_bool(json, "complete", row->complete);
    ls_json_bool(json, "shared", row->shared);
    ls_json_bool(json, "findingsKept", row->findings == LS_SCAN_FINDINGS_KEPT);
    ls_json_str(json, "scope", row->scope);
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {{"totalProducts", row->products},
                  {"totalImages", row->images},
                  {"syncedFiles", row->synced},
                  {"orphanedFiles", row->orphaned},
                  {"missingFiles", row->missing},
                  {"staleFiles", row->stale},
                  {"movedFiles", row->moved},
                  {"misfiledFiles", row->misfiled},
                  {"misplacedFiles", row->misplaced},
                  {"pendingFiles", row->pending},
                  {"twins", row->twins},
                  {"errors", row->errors}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        ls_json_uint(json, counts[i].name, counts[i].n);
    ls_answer_unannounced(json, row->unannounced);
}

enum ls_rc ls_answer_state(struct ls_catalog *cat, const struct ls_scan_row *row, const char **out_state,
                           struct ls_err *err)
{
    bool alive = row->shared; /* a shared one goes on with whoever comes next */
    enum ls_rc rc = LS_OK;
    if (!row->ended_ns && !row->shared)
        rc = cat->ops->instance_alive(cat, row->instance, &alive, err);
    *out_state = row->ended_ns ? (row->complete ? "complete" : "incomplete") : alive ? "running" : "died";
    return rc;
}
