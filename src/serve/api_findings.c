/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a scan found, as far as it is kept: a page of its differences, by kind and by the beginning of their keys.
 *
 * The kinds are those that a scan counts: "orphaned" and "missing" hold the halves of moved pairs, "orphaned" the
 * misplaced ones too. "moved" has each pair once, under the object's key.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scan/answer.h"
#include "serve/internal.h"
#include "serve/problem.h"

#define KIND_MOVED LS_FINDING_KINDS
#define KIND_MISPLACED (LS_FINDING_KINDS + 1)
#define KIND_TWIN (LS_FINDING_KINDS + 2)
#define KIND_ANY (LS_FINDING_KINDS + 3)

enum ls_rc ls_api_scan_id(struct ls_serve *serve, const char *text, int64_t *out_id, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    struct ls_scan_row scan;
    char *end = NULL;
    if (!text || strcmp(text, "last") == 0) {
        enum ls_rc rc = cat->ops->scan_whole(cat, LS_WHOLE_SCAN_KEPT, &scan, err);
        *out_id = rc ? 0 : scan.id;
        if (rc == LS_NOT_FOUND)
            return ls_err_set(err, rc,
                              "there is no complete scan of everything yet whose findings are kept: scan first");
        return rc;
    }
    *out_id = strtoll(text, &end, 10);
    if (*text >= '1' && *text <= '9' && !*end && *out_id < INT64_MAX)
        return LS_OK;
    return ls_err_set(err, LS_INVALID, "'%.60s' is no scan: want its number, or last", text);
}

/* ---- one page ---- */

struct page {
    struct ls_json *json;
    unsigned kind; /* enum ls_finding_kind, or one of those above */
    const char *prefix;
    size_t prefix_len;
    uint64_t limit, n;
    char last[LS_KEY_MAX + 1]; /* the key of the last one that was written */
};

static bool read_kind(const struct ls_request *req, unsigned *out_kind, struct ls_reply *reply)
{
    static const struct {
        const char *word;
        unsigned kind;
    } more[] = {{"moved", KIND_MOVED}, {"misplaced", KIND_MISPLACED}, {"twin", KIND_TWIN}};
    const char *word = ls_request_query(req, "kind");
    enum ls_finding_kind kind;
    *out_kind = KIND_ANY;
    if (!word)
        return true;
    if (ls_finding_kind_parse(word, &kind) && kind != LS_FINDING_SYNCED) {
        *out_kind = kind;
        return true;
    }
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (strcmp(word, more[i].word) == 0) {
            *out_kind = more[i].kind;
            return true;
        }
    ls_problem(reply, 400, "wrong-type",
               "query: kind must be orphaned, missing, stale, misfiled, pending, moved, misplaced or twin");
    return false;
}

static bool is_wanted(unsigned kind, const struct ls_finding *f)
{
    switch (kind) {
    case KIND_MOVED:
        return f->moved && f->kind == LS_FINDING_ORPHANED;
    case KIND_MISPLACED:
        return f->misplaced;
    case KIND_TWIN:
        return f->twin;
    case KIND_ANY:
        return f->kind != LS_FINDING_SYNCED;
    default:
        return (unsigned)f->kind == kind;
    }
}

/* LS_NO_SPACE: the page is full and there is more. LS_CANCELLED: no key that comes has the prefix. */
static enum ls_rc add(void *ctx, const struct ls_finding *finding)
{
    struct page *page = ctx;
    int order = strncmp(finding->key, page->prefix, page->prefix_len);
    if (order > 0)
        return LS_CANCELLED;
    if (order < 0 || !is_wanted(page->kind, finding))
        return LS_OK;
    if (page->n == page->limit)
        return LS_NO_SPACE;
    ls_answer_finding(page->json, NULL, finding);
    snprintf(page->last, sizeof page->last, "%s", finding->key);
    page->n++;
    return LS_OK;
}

/* A key before all that have the prefix, and near them. */
static void before_prefix(const char *prefix, char out[LS_KEY_MAX + 1])
{
    size_t len = strlen(prefix);
    snprintf(out, LS_KEY_MAX + 1, "%s", prefix);
    if (len)
        out[len - 1]--;
    if (len && out[len - 1])
        memcpy(out + len, "\xff", 2);
}

void ls_api_findings(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    const char *prefix = ls_request_query(req, "prefix"), *after = ls_request_query(req, "after");
    struct ls_json json;
    struct page page = {.json = &json, .prefix = prefix ? prefix : "", .limit = LS_LIST_DEFAULT};
    struct ls_err err = LS_ERR_INIT;
    char from[LS_KEY_MAX + 1];
    int64_t scan = 0;
    if (!read_kind(req, &page.kind, reply) || !ls_request_query_number(req, "limit", LS_LIST_MOST, &page.limit, reply))
        return;
    page.prefix_len = strlen(page.prefix);
    page.limit = page.limit ? page.limit : 1;
    if (page.prefix_len >= LS_KEY_MAX - 1) {
        ls_problem(reply, 400, "wrong-type", "query: prefix is longer than any key");
        return;
    }
    before_prefix(page.prefix, from);
    if (!after || strcmp(after, from) < 0)
        after = from;
    enum ls_rc rc = ls_api_scan_id(serve, ls_request_param(req, ":scan"), &scan, &err);
    FILE *out = rc ? NULL : ls_reply_text(reply, 200, "application/json");
    if (!rc && !out)
        return;
    if (!rc) {
        ls_json_init(&json, out);
        ls_json_object(&json, NULL);
        ls_json_int(&json, "scan", scan);
        ls_json_array(&json, "findings");
        rc = ls_history_each(ls_engine_catalog(serve->opts->engine), ls_engine_layout(serve->opts->engine), scan, after,
                             add, &page, &err);
        bool more = rc == LS_NO_SPACE && !err.rc;
        rc = more || (rc == LS_CANCELLED && !err.rc) ? LS_OK : rc;
        ls_json_end_array(&json);
        ls_json_str(&json, "next", more ? page.last : NULL);
        ls_json_end_object(&json);
        ls_json_newline(&json);
    }
    if (rc)
        ls_problem_err(reply, &err);
}
