/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mending what somebody picked.
 *
 * Three steps: what was seen at each key, whether that is what it was picked as, and the engine, which reads both sides
 * again. An item that drops out on the way says why.
 */
#include "scan/pick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "scan/bucket.h"
#include "scan/classify.h"

/* What was seen at an item's key. */
struct sight {
    struct ls_pick *pick;
    bool known; /* the rest is */
    enum ls_finding_kind kind;
    bool misplaced;
    char *partner;            /* or NULL */
    bool has_row, has_object; /* and then their etags: */
    char row_etag[LS_CATALOG_ETAG_MAX], object_etag[LS_ETAG_MAX];
};

struct picking {
    struct ls_engine *engine;
    enum ls_mend mend;
    struct sight *sights;
    size_t n;
};

static void picking_auto(struct picking *p)
{
    for (size_t i = 0; p->sights && i < p->n; i++)
        free(p->sights[i].partner);
    free(p->sights);
}

static void image_page_auto(struct ls_image_page *page) { ls_image_page_dispose(page); }
static void classifier_auto(struct ls_classifier *c) { ls_classifier_dispose(c); }

/* ---- words ---- */

static const struct {
    const char *word;
    enum ls_mend mend;
    const char *kinds[4];
} actions[] = {{"adopt", LS_MEND_ADOPT, {"orphaned"}},
               {"remove", LS_MEND_TRASH, {"orphaned", "misplaced"}},
               {"drop", LS_MEND_DROP, {"missing"}},
               {"refresh", LS_MEND_REFRESH, {"stale"}},
               {"relink", LS_MEND_RELINK, {"moved", "orphaned", "missing"}},
               {"refile", LS_MEND_REFILE, {"misfiled"}}};

bool ls_pick_action_parse(const char *word, enum ls_mend *out_mend)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(word, actions[i].word) == 0) {
            *out_mend = actions[i].mend;
            return true;
        }
    return false;
}

bool ls_pick_fits(enum ls_mend mend, const char *kind)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        for (size_t k = 0; actions[i].mend == mend && actions[i].kinds[k]; k++)
            if (strcmp(kind, actions[i].kinds[k]) == 0)
                return true;
    return false;
}

const char *ls_pick_outcome_name(enum ls_pick_outcome outcome)
{
    static const char *const names[LS_PICK_OUTCOMES] = {"skipped", "mended", "failed"};
    return names[outcome];
}

static void skip(struct ls_pick *pick, const char *why)
{
    pick->outcome = LS_PICK_SKIPPED;
    snprintf(pick->detail, sizeof pick->detail, "%s", why);
}

/* Is what was seen what it was picked as? */
static bool is_so(const struct sight *s)
{
    enum ls_finding_kind kind;
    if (strcmp(s->pick->kind, "moved") == 0)
        return s->partner != NULL;
    if (strcmp(s->pick->kind, "misplaced") == 0)
        return s->misplaced;
    return ls_finding_kind_parse(s->pick->kind, &kind) && kind == s->kind;
}

/* ---- what the last scan kept ---- */

static enum ls_rc remember(void *ctx, const struct ls_finding *f)
{
    struct picking *p = ctx;
    for (size_t i = 0; i < p->n; i++) {
        struct sight *s = &p->sights[i];
        if (s->known || strcmp(s->pick->key, f->key) != 0)
            continue;
        if (f->partner && !(s->partner = strdup(f->partner)))
            return LS_NO_MEMORY;
        s->kind = f->kind;
        s->misplaced = f->misplaced;
        s->has_row = f->row_etag != NULL;
        s->has_object = f->object_etag != NULL;
        snprintf(s->row_etag, sizeof s->row_etag, "%s", f->row_etag ? f->row_etag : "");
        snprintf(s->object_etag, sizeof s->object_etag, "%s", f->object_etag ? f->object_etag : "");
        s->known = is_so(s);
    }
    return LS_OK;
}

static enum ls_rc ask_last_scan(struct picking *p, const char **keys, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(p->engine);
    struct ls_scan_row scan;
    enum ls_rc rc = cat->ops->scan_whole(cat, LS_WHOLE_SCAN_KEPT, &scan, err);
    if (rc)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    for (size_t i = 0; i < p->n; i++)
        keys[i] = p->sights[i].pick->key;
    rc = ls_history_get(cat, ls_engine_layout(p->engine), scan.id, keys, p->n, remember, p, err);
    if (rc == LS_NO_MEMORY)
        return ls_err_nomem(err);
    return rc == LS_NOT_FOUND ? LS_OK : rc; /* forgotten just now */
}

/* ---- what is there now ---- */

static void judge(const struct ls_classifier *classifier, struct sight *s, const struct ls_image *row,
                  const struct ls_store_head *head)
{
    struct ls_seen_object object = {.there = head->rc == LS_OK};
    struct ls_verdict verdict;
    if (head->rc != LS_OK && head->rc != LS_NOT_FOUND) {
        s->pick->outcome = LS_PICK_FAILED;
        snprintf(s->pick->detail, sizeof s->pick->detail, "%s", head->err.text);
        return;
    }
    if (object.there) {
        object.size_bytes = head->info.size_bytes;
        object.modified_ns = head->info.modified_ns;
        snprintf(object.etag, sizeof object.etag, "%s", head->info.etag);
    }
    ls_classify(classifier, s->pick->key, row, &object, &verdict);
    s->kind = verdict.kind;
    s->misplaced = verdict.kind == LS_FINDING_ORPHANED && (verdict.flags & LS_SCAN_MISPLACED);
    s->has_row = row != NULL;
    s->has_object = object.there;
    snprintf(s->row_etag, sizeof s->row_etag, "%s", row ? ls_row_etag(row) : "");
    snprintf(s->object_etag, sizeof s->object_etag, "%s", object.etag);
    s->known = !verdict.gone && is_so(s);
    if (verdict.gone)
        skip(s->pick, "there is neither a row nor an object");
    else if (!s->known)
        snprintf(s->pick->detail, sizeof s->pick->detail, "it is not %s: %s%s%s", s->pick->kind,
                 ls_finding_kind_name(verdict.kind), *verdict.detail ? ", " : "", verdict.detail);
}

static bool is_open(const struct sight *s) { return !s->known && !ls_key_is_internal(s->pick->key); }

/* Look at those of which the last scan did not tell. */
static enum ls_rc look(struct picking *p, int64_t grace_ms, const char **keys, struct ls_store_head *heads,
                       struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(p->engine);
    LS_AUTO(image_page) struct ls_image_page rows = {0};
    LS_AUTO(classifier) struct ls_classifier classifier = {0};
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct sight *s = &p->sights[i];
        if (!is_open(s))
            continue;
        free(LS_STEAL(s->partner));
        heads[n].key = keys[n] = s->pick->key;
        heads[n++].rc = LS_IO;
    }
    if (n == 0)
        return LS_OK;
    enum ls_rc rc = ls_classifier_init(&classifier, ls_engine_layout(p->engine), ls_engine_store(p->engine),
                                       ls_now_ns(), grace_ms * LS_NS_PER_MS, err);
    if (!rc)
        rc = ls_store_head_many(ls_engine_store(p->engine), heads, n, err);
    if (!rc)
        rc = cat->ops->images_get(cat, NULL, keys, n, &rows, err);
    for (size_t i = 0, at = 0; !rc && i < p->n; i++) {
        const struct ls_image *row = NULL;
        if (!is_open(&p->sights[i]))
            continue;
        for (size_t k = 0; k < rows.n && !row; k++)
            if (strcmp(rows.items[k].key, p->sights[i].pick->key) == 0)
                row = &rows.items[k];
        judge(&classifier, &p->sights[i], row, &heads[at++]);
    }
    return rc;
}

/* ---- mending ---- */

/* Is there nothing against it? Otherwise the item says what. */
static bool is_mendable(const struct picking *p, const struct sight *s)
{
    if (!s->known)
        return false;
    if (p->mend == LS_MEND_RELINK && !s->partner)
        skip(s->pick, "no scan of everything has found the other half: scan first");
    else if (p->mend != LS_MEND_RELINK && s->partner)
        skip(s->pick, "it is half of a moved pair: relink it");
    else if (p->mend == LS_MEND_ADOPT && s->misplaced)
        skip(s->pick, "its key does not fit the layout");
    else
        return true;
    return false;
}

static void fill_item(const struct picking *p, const struct sight *s, struct ls_mend_item *out)
{
    *out = (struct ls_mend_item){.key = s->pick->key,
                                 .row_etag = s->has_row ? s->row_etag : NULL,
                                 .object_etag = s->has_object ? s->object_etag : NULL,
                                 .reason = s->misplaced ? "misplaced" : "orphaned"};
    if (p->mend != LS_MEND_RELINK)
        return;
    /* Row and object have the etag that made them a pair. */
    out->row_etag = out->object_etag = s->has_row ? s->row_etag : s->object_etag;
    out->dest = s->has_row ? s->partner : s->pick->key;
    if (!s->has_row)
        out->key = s->partner;
}

static bool is_among(const struct ls_mend_item *items, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(items[i].key, key) == 0)
            return true;
    return false;
}

static void settle(struct ls_pick *pick, const struct ls_mend_item *item)
{
    bool skipped = item->rc == LS_CONFLICT || item->rc == LS_BUSY || item->rc == LS_NOT_FOUND || item->rc == LS_EXISTS;
    pick->outcome = !item->rc ? LS_PICK_MENDED : skipped ? LS_PICK_SKIPPED : LS_PICK_FAILED;
    snprintf(pick->detail, sizeof pick->detail, "%s",
             !item->rc         ? ""
             : *item->err.text ? item->err.text
                               : ls_rc_name(item->rc));
}

/* Those that are misplaced, or those that are not: the trash has one reason for all of an operation. */
static enum ls_rc mend_known(struct picking *p, bool misplaced, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_mend_item *items = calloc(p->n + 1, sizeof *items);
    LS_AUTO(ls_free) struct ls_pick **picks = calloc(p->n + 1, sizeof(struct ls_pick *));
    size_t n = 0;
    if (!items || !picks)
        return ls_err_nomem(err);
    for (size_t i = 0; i < p->n; i++) {
        struct sight *s = &p->sights[i];
        if (s->misplaced != misplaced || !is_mendable(p, s))
            continue;
        fill_item(p, s, &items[n]);
        if (is_among(items, n, items[n].key))
            skip(s->pick, "it was picked twice");
        else
            picks[n++] = s->pick;
    }
    enum ls_rc rc = n ? ls_bucket_check(p->engine, err) : LS_OK;
    if (!rc && n)
        rc = ls_engine_mend(p->engine, p->mend, items, n, err);
    for (size_t i = 0; i < n && !rc; i++)
        settle(picks[i], &items[i]);
    return rc;
}

enum ls_rc ls_pick_mend(struct ls_engine *engine, enum ls_mend mend, int64_t grace_ms, struct ls_pick *items, size_t n,
                        struct ls_err *err)
{
    LS_AUTO(picking) struct picking p = {engine, mend, calloc(n + 1, sizeof *p.sights), n};
    LS_AUTO(ls_free) const char **keys = calloc(n + 1, sizeof(char *));
    LS_AUTO(ls_free) struct ls_store_head *heads = calloc(n + 1, sizeof *heads);
    if (!p.sights || !keys || !heads)
        return ls_err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        p.sights[i].pick = &items[i];
        items[i].outcome = LS_PICK_SKIPPED;
        snprintf(items[i].detail, sizeof items[i].detail, "%s",
                 ls_key_is_internal(items[i].key) ? "it is lockstep's own" : "");
    }
    enum ls_rc rc = ask_last_scan(&p, keys, err);
    if (!rc)
        rc = look(&p, grace_ms, keys, heads, err);
    if (!rc)
        rc = mend_known(&p, false, err);
    return rc ? rc : mend_known(&p, true, err);
}
