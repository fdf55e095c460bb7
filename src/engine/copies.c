/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The copying half of renames and restores, and orphans that lie where something is to go.
 *
 * A copy is recognised as ours by its etag where that must equal the source's (single-part objects on a store whose
 * etags are MD5), and by the intent's id in its metadata otherwise. The first way keeps every header that others gave
 * the object; the second keeps what the row knows.
 * An orphan in the way is copied to trash first (a TRASH item of the same intent), then overwritten; its trash row
 * appears in the commit transaction. Undoing puts it back from there.
 */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"

static bool etag_identifies(const struct ls_engine *engine, const char *etag)
{
    return engine->caps.etag_is_md5 && !strchr(etag, '-');
}

enum ls_rc ls_copies_add(struct ls_run *run, const char *from, const char *to, const char *etag, uint64_t size_bytes,
                         const struct ls_record *record, const char *dest_etag, const char *row, struct ls_err *err)
{
    struct ls_intent_item item = {.action = LS_ACTION_COPY,
                                  .key = ls_pool_str(&run->pool, from),
                                  .dest = ls_pool_str(&run->pool, to),
                                  .old_etag = ls_pool_str(&run->pool, etag),
                                  .dest_etag = ls_pool_str(&run->pool, dest_etag),
                                  .row = row,
                                  .size_bytes = size_bytes};
    bool by_etag = etag_identifies(run->engine, etag);
    item.new_etag = by_etag ? item.old_etag : NULL;
    if (!item.key || !item.dest || !item.old_etag || (dest_etag && !item.dest_etag) || !ls_run_item(run, &item))
        return ls_err_nomem(err);
    if (by_etag)
        return LS_OK;
    struct ls_object_meta *meta = ls_pool_alloc(&run->pool, sizeof(*meta));
    if (!meta)
        return ls_err_nomem(err);
    ls_meta_from_record(record, run->intent.id, meta);
    run->extra[run->n_items - 1].meta = meta;
    return LS_OK;
}

bool ls_copy_is_ours(const struct ls_run *run, const struct ls_intent_item *item, const struct ls_object_info *dest)
{
    if (strcmp(dest->meta.intent, run->intent.id) == 0)
        return true;
    return ls_same(item->new_etag, dest->etag) && !ls_same(item->dest_etag, dest->etag);
}

/* ---- orphans ---- */

const struct ls_intent_item *ls_orphan_at(const struct ls_run *run, const char *key)
{
    for (size_t i = 0; i < run->n_items; i++)
        if (run->items[i].action == LS_ACTION_TRASH && strcmp(run->items[i].key, key) == 0)
            return &run->items[i];
    return NULL;
}

enum ls_rc ls_orphan_add(struct ls_run *run, const struct ls_seen *orphan, struct ls_err *err)
{
    char id[LS_ID_LEN];
    ls_id_new(id);
    struct ls_intent_item item = {.action = LS_ACTION_TRASH,
                                  .key = ls_pool_str(&run->pool, orphan->key),
                                  .dest = ls_trash_key(&run->pool, id, orphan->key),
                                  .old_etag = ls_pool_str(&run->pool, orphan->etag),
                                  .size_bytes = orphan->size_bytes};
    if (!item.key || !item.dest || !item.old_etag || !ls_run_item(run, &item))
        return ls_err_nomem(err);
    return LS_OK;
}

static enum ls_rc copy_orphans(struct ls_run *run, const size_t *at, size_t n, struct ls_store_copy *copies,
                               struct ls_err *err)
{
    enum ls_rc rc = ls_run_own(run, err);
    if (rc != LS_OK)
        return rc;
    memset(copies, 0, n * sizeof(*copies));
    for (size_t i = 0; i < n; i++) {
        const struct ls_intent_item *item = &run->items[at[i]];
        copies[i].from = item->key;
        copies[i].to = item->dest;
        copies[i].if_etag = item->old_etag;
        copies[i].size_bytes = item->size_bytes;
    }
    enum ls_rc all = ls_store_copy_many(run->engine->store, copies, n, NULL);
    for (size_t i = 0; i < n; i++) {
        if (all != LS_OK && copies[i].rc == LS_NOT_FOUND) /* gone meanwhile: nothing to save */
            continue;
        if (all != LS_OK && copies[i].rc != LS_OK) {
            if (err)
                *err = copies[i].err;
            return copies[i].rc;
        }
        memcpy(run->extra[at[i]].etag, copies[i].etag, sizeof(copies[i].etag));
    }
    return LS_OK;
}

/* The indexes of all items of an action, and room for a chunk of copies. */
struct batch {
    size_t *at, n, chunk;
    struct ls_store_copy *copies;
};

static void batch_auto(struct batch *b)
{
    free(b->at);
    free(b->copies);
}

static enum ls_rc batch_init(struct batch *b, const struct ls_run *run, enum ls_action action, struct ls_err *err)
{
    *b = (struct batch){.at = calloc(run->n_items + 1, sizeof(size_t))};
    for (size_t i = 0; b->at && i < run->n_items; i++)
        if (run->items[i].action == action)
            b->at[b->n++] = i;
    b->chunk = b->n < LS_STORE_BATCH ? b->n : LS_STORE_BATCH;
    b->copies = calloc(b->chunk + 1, sizeof(*b->copies));
    return b->at && b->copies ? LS_OK : ls_err_nomem(err);
}

enum ls_rc ls_orphans_copy(struct ls_run *run, struct ls_err *err)
{
    LS_AUTO(batch) struct batch b;
    enum ls_rc rc = batch_init(&b, run, LS_ACTION_TRASH, err);
    for (size_t done = 0; rc == LS_OK && done < b.n; done += b.chunk)
        rc = copy_orphans(run, b.at + done, b.n - done < b.chunk ? b.n - done : b.chunk, b.copies, err);
    return rc;
}

enum ls_rc ls_orphans_record(struct ls_run *run, struct ls_tx *tx, const char *reason, struct ls_err *err)
{
    for (size_t i = 0; i < run->n_items; i++) {
        const struct ls_intent_item *item = &run->items[i];
        if (item->action != LS_ACTION_TRASH || !run->extra[i].etag[0])
            continue;
        struct ls_trash trash = {.key = item->key,
                                 .trash_key = item->dest,
                                 .etag = run->extra[i].etag,
                                 .size_bytes = item->size_bytes,
                                 .reason = reason,
                                 .at_ns = run->intent.created_ns};
        const char *id = item->dest + strlen(LS_INTERNAL_PREFIX "trash/");
        memcpy(trash.id, id, LS_INTENT_ID_LEN - 1);
        enum ls_rc rc = tx->cat->ops->trash_add(tx, &trash, err);
        if (rc != LS_OK)
            return rc;
    }
    return LS_OK;
}

/* Remove one object without looking: a trash copy's name is ours alone. */
static enum ls_rc remove_one(struct ls_engine *engine, const char *key, struct ls_err *err)
{
    struct ls_store_delete del = {.key = key};
    return ls_store_delete_many(engine->store, &del, 1, err);
}

/* Has the object that lies at the orphan's key now been put there by this run? */
static bool overwritten_by_us(const struct ls_run *run, const struct ls_intent_item *orphan,
                              const struct ls_object_info *now)
{
    for (size_t i = 0; i < run->n_items; i++) {
        const struct ls_intent_item *item = &run->items[i];
        if (item->action == LS_ACTION_COPY && strcmp(item->dest, orphan->key) == 0)
            return ls_copy_is_ours(run, item, now);
        if (item->action == LS_ACTION_PUT && strcmp(item->key, orphan->key) == 0)
            return strcmp(now->meta.intent, run->intent.id) == 0;
    }
    return false;
}

enum ls_rc ls_orphans_undo(struct ls_run *run, struct ls_err *err)
{
    struct ls_store *store = run->engine->store;
    for (size_t i = 0; i < run->n_items; i++) {
        const struct ls_intent_item *item = &run->items[i];
        struct ls_object_info now, saved;
        if (item->action != LS_ACTION_TRASH)
            continue;
        enum ls_rc rc = ls_store_head_one(store, item->dest, &saved, err);
        if (rc == LS_NOT_FOUND)
            continue;
        enum ls_rc own = ls_run_own(run, err);
        if (own != LS_OK)
            return own;
        if (rc == LS_OK)
            rc = ls_store_head_one(store, item->key, &now, err);
        if (rc == LS_OK && overwritten_by_us(run, item, &now)) {
            struct ls_store_copy back = {
                .from = item->dest, .to = item->key, .if_etag = saved.etag, .size_bytes = saved.size_bytes};
            rc = ls_store_copy_many(store, &back, 1, err);
        }
        if (rc == LS_OK || rc == LS_NOT_FOUND)
            rc = remove_one(run->engine, item->dest, err);
        if (rc != LS_OK)
            return rc;
    }
    return LS_OK;
}

/* ---- copying ---- */

/* An answer that was an error may hide a copy that was made. */
static enum ls_rc resolve(struct ls_run *run, struct ls_store_copy *copy, size_t at, struct ls_err *err)
{
    const struct ls_intent_item *item = &run->items[at];
    struct ls_object_info dest;
    if (copy->rc == LS_NOT_FOUND || copy->rc == LS_CONFLICT)
        return ls_err_set(err, LS_CONFLICT, "engine: %s: its object %s; a scan says more", item->key,
                          copy->rc == LS_NOT_FOUND ? "is not there" : "was changed by somebody else");
    if (copy->rc != LS_OUTCOME_UNKNOWN && copy->rc != LS_TRANSIENT) {
        if (err)
            *err = copy->err;
        return copy->rc;
    }
    if (!ls_waited_in_vain(&copy->err) && ls_store_head_one(run->engine->store, item->dest, &dest, NULL) == LS_OK &&
        ls_copy_is_ours(run, item, &dest)) {
        memcpy(copy->etag, dest.etag, sizeof(copy->etag));
        return LS_OK;
    }
    if (err)
        *err = copy->err;
    return copy->rc == LS_OUTCOME_UNKNOWN ? LS_TRANSIENT : copy->rc;
}

static enum ls_rc copy_chunk(struct ls_run *run, const size_t *at, size_t n, struct ls_store_copy *copies,
                             struct ls_err *err)
{
    memset(copies, 0, n * sizeof(*copies));
    for (size_t i = 0; i < n; i++) {
        const struct ls_intent_item *item = &run->items[at[i]];
        copies[i].from = item->key;
        copies[i].to = item->dest;
        copies[i].if_etag = item->old_etag;
        copies[i].size_bytes = item->size_bytes;
        copies[i].meta = run->extra[at[i]].meta;
    }
    struct ls_err call = LS_ERR_INIT;
    enum ls_rc all = ls_store_copy_many(run->engine->store, copies, n, &call);
    for (size_t i = 0; i < n; i++) {
        enum ls_rc rc = all == LS_OK || copies[i].rc == LS_OK ? LS_OK : resolve(run, &copies[i], at[i], err);
        if (rc != LS_OK)
            return rc;
        memcpy(run->extra[at[i]].etag, copies[i].etag, sizeof(copies[i].etag));
    }
    return LS_OK;
}

enum ls_rc ls_copies_run(struct ls_run *run, enum ls_rc (*step)(struct ls_err *err), struct ls_err *err)
{
    LS_AUTO(batch) struct batch b;
    enum ls_rc rc = batch_init(&b, run, LS_ACTION_COPY, err);
    for (size_t done = 0; rc == LS_OK && done < b.n; done += b.chunk) {
        rc = ls_engine_cancelled(run->engine, err);
        if (rc == LS_OK)
            rc = ls_run_own(run, err);
        if (rc == LS_OK)
            rc = copy_chunk(run, b.at + done, b.n - done < b.chunk ? b.n - done : b.chunk, b.copies, err);
        if (rc == LS_OK)
            rc = step(err);
    }
    return rc;
}

enum ls_rc ls_copies_remove_sources(struct ls_run *run, const char **out_detail, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_remove_object *gone = calloc(run->n_items + 1, sizeof(*gone));
    if (!gone)
        return ls_err_nomem(err);
    size_t n = 0, denied = 0, newer = 0, failed = 0;
    for (size_t i = 0; i < run->n_items; i++)
        if (run->items[i].action == LS_ACTION_COPY && !run->items[i].done)
            gone[n++] = (struct ls_remove_object){.key = run->items[i].key, .etag = run->items[i].old_etag};
    struct ls_err why = LS_ERR_INIT;
    ls_remove_objects(run, gone, n, true, &why);
    for (size_t i = 0; i < n; i++) {
        denied += gone[i].result == LS_REMOVAL_DENIED;
        newer += gone[i].result == LS_REMOVAL_FOREIGN || gone[i].result == LS_REMOVAL_ROW;
        failed += gone[i].result == LS_REMOVAL_FAILED;
    }
    *out_detail = NULL;
    if (failed > 0) {
        if (err)
            *err = why;
        return why.rc != LS_OK ? why.rc : LS_IO;
    }
    if (denied + newer > 0) {
        char text[160];
        LS_LOG_WARN("engine", "sources-left", {"intent", ls_v_str(run->intent.id)}, {"changed", ls_v_uint(newer)},
                    {"denied", ls_v_uint(denied)}, {"why", ls_v_str(why.text)});
        snprintf(text, sizeof(text),
                 "left under the old names: %zu that somebody else changed, %zu that the store refuses to delete",
                 newer, denied);
        *out_detail = ls_pool_str(&run->pool, text);
    }
    return LS_OK;
}

/* ---- undoing ---- */

void ls_abort_parts(struct ls_run *run, const char *key, uint64_t size_bytes)
{
    struct ls_err why = LS_ERR_INIT;
    if (size_bytes <= run->engine->caps.part_bytes || ls_run_own(run, NULL) != LS_OK)
        return;
    /* What stays of them costs space, nothing else. */
    if (ls_store_abort_uploads(run->engine->store, key, INT64_MAX, &why) != LS_OK)
        LS_LOG_WARN("engine", "parts-left", {"key", ls_v_str(key)}, {"why", ls_v_str(why.text)});
}

/* What both ends of each COPY item hold now. */
struct ends {
    size_t n;
    size_t *at;           /* the items */
    const char **keys;    /* n sources, then n destinations */
    struct ls_seen *seen; /* likewise */
    struct ls_remove_object *gone;
};

static void ends_auto(struct ends *e)
{
    free(e->at);
    free(e->keys);
    free(e->seen);
    free(e->gone);
}

static enum ls_rc ends_look(struct ends *e, struct ls_run *run, struct ls_err *err)
{
    *e = (struct ends){.at = calloc(run->n_items + 1, sizeof(size_t)),
                       .keys = calloc(2 * run->n_items + 1, sizeof(char *)),
                       .seen = calloc(2 * run->n_items + 1, sizeof(*e->seen)),
                       .gone = calloc(run->n_items + 1, sizeof(*e->gone))};
    if (!e->at || !e->keys || !e->seen || !e->gone)
        return ls_err_nomem(err);
    for (size_t i = 0; i < run->n_items; i++)
        if (run->items[i].action == LS_ACTION_COPY)
            e->at[e->n++] = i;
    for (size_t c = 0; c < e->n; c++) {
        const struct ls_intent_item *item = &run->items[e->at[c]];
        ls_abort_parts(run, item->dest, item->size_bytes);
        e->keys[c] = item->key;
        e->keys[e->n + c] = item->dest;
    }
    enum ls_rc rc = ls_look(run->engine, e->keys, e->n, e->seen, err);
    return rc == LS_OK ? ls_look(run->engine, e->keys + e->n, e->n, e->seen + e->n, err) : rc;
}

/* Is the destination ours? Only where the etag cannot tell is the object asked for its intent. */
static enum ls_rc ours(struct ls_run *run, const struct ls_intent_item *item, const struct ls_seen *dest, bool *out,
                       struct ls_err *err)
{
    struct ls_object_info info = {0};
    *out = false;
    if (dest->rc != LS_OK)
        return LS_OK;
    memcpy(info.etag, dest->etag, sizeof(info.etag));
    if (!item->new_etag) {
        enum ls_rc rc = ls_store_head_one(run->engine->store, item->dest, &info, err);
        if (rc != LS_OK)
            return rc == LS_NOT_FOUND ? LS_OK : rc;
    }
    *out = ls_copy_is_ours(run, item, &info);
    return LS_OK;
}

/* A source that has vanished meanwhile: our copy is the last one and goes back first. */
static enum ls_rc copy_back(struct ls_run *run, const struct ls_intent_item *item, const struct ls_seen *dest,
                            struct ls_err *err)
{
    struct ls_store_copy back = {
        .from = item->dest, .to = item->key, .if_etag = dest->etag, .size_bytes = dest->size_bytes};
    return ls_store_copy_many(run->engine->store, &back, 1, err);
}

enum ls_rc ls_copies_undo(struct ls_run *run, enum ls_rc (*undone)(struct ls_err *err), struct ls_err *err)
{
    LS_AUTO(ends) struct ends e = {0};
    size_t n = 0;
    enum ls_rc rc = ls_orphans_undo(run, err);
    if (rc == LS_OK)
        rc = ends_look(&e, run, err);
    if (rc == LS_OK)
        rc = ls_run_own(run, err);
    for (size_t c = 0; rc == LS_OK && c < e.n; c++) {
        const struct ls_intent_item *item = &run->items[e.at[c]];
        const struct ls_seen *dest = &e.seen[e.n + c];
        bool mine = false;
        rc = ours(run, item, dest, &mine, err);
        if (rc == LS_OK && mine && e.seen[c].rc == LS_NOT_FOUND)
            rc = copy_back(run, item, dest, err);
        if (rc == LS_OK && mine)
            e.gone[n++] = (struct ls_remove_object){.key = item->dest, .etag = dest->etag};
    }
    if (rc != LS_OK)
        return rc;
    struct ls_err why = LS_ERR_INIT;
    ls_remove_objects(run, e.gone, n, true, &why);
    for (size_t i = 0; i < n; i++)
        if (e.gone[i].result == LS_REMOVAL_FAILED || e.gone[i].result == LS_REMOVAL_DENIED) {
            if (err)
                *err = why;
            return why.rc != LS_OK ? why.rc : LS_IO;
        }
    rc = undone(err);
    return rc == LS_OK ? ls_run_close(run, ls_run_outcome(run, false), NULL, err) : rc;
}
