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

enum ls_rc ls_orphans_copy(struct ls_run *run, struct ls_err *err)
{
    for (size_t i = 0; i < run->n_items; i++) {
        const struct ls_intent_item *item = &run->items[i];
        if (item->action != LS_ACTION_TRASH)
            continue;
        struct ls_store_copy copy = {
            .from = item->key, .to = item->dest, .if_etag = item->old_etag, .size_bytes = item->size_bytes};
        enum ls_rc rc = ls_store_copy_many(run->engine->store, &copy, 1, err);
        if (rc == LS_NOT_FOUND) /* gone meanwhile: nothing to save */
            continue;
        if (rc != LS_OK)
            return rc;
        memcpy(run->extra[i].etag, copy.etag, sizeof(copy.etag));
    }
    return LS_OK;
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
    if (ls_store_head_one(run->engine->store, item->dest, &dest, NULL) == LS_OK && ls_copy_is_ours(run, item, &dest)) {
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
    LS_AUTO(ls_free) size_t *at = calloc(run->n_items + 1, sizeof(*at));
    size_t n = 0;
    for (size_t i = 0; at && i < run->n_items; i++)
        if (run->items[i].action == LS_ACTION_COPY)
            at[n++] = i;
    size_t chunk = n < LS_STORE_BATCH ? n : LS_STORE_BATCH;
    LS_AUTO(ls_free) struct ls_store_copy *copies = calloc(chunk + 1, sizeof(*copies));
    if (!at || !copies)
        return ls_err_nomem(err);
    for (size_t done = 0; done < n; done += chunk) {
        enum ls_rc rc = ls_engine_cancelled(run->engine, err);
        if (rc == LS_OK)
            rc = copy_chunk(run, at + done, n - done < chunk ? n - done : chunk, copies, err);
        if (rc == LS_OK)
            rc = step(err);
        if (rc != LS_OK)
            return rc;
    }
    return LS_OK;
}

enum ls_rc ls_copies_remove_sources(struct ls_run *run, const char **out_detail, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_remove_object *gone = calloc(run->n_items + 1, sizeof(*gone));
    if (!gone)
        return ls_err_nomem(err);
    size_t n = 0, denied = 0, newer = 0, failed = 0;
    for (size_t i = 0; i < run->n_items; i++)
        if (run->items[i].action == LS_ACTION_COPY)
            gone[n++] = (struct ls_remove_object){.key = run->items[i].key, .etag = run->items[i].old_etag};
    struct ls_err why = LS_ERR_INIT;
    ls_remove_objects(run->engine, gone, n, true, &why);
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
        snprintf(text, sizeof(text),
                 "left under the old names: %zu that somebody else changed, %zu that the store refuses to delete",
                 newer, denied);
        *out_detail = ls_pool_str(&run->pool, text);
    }
    return LS_OK;
}

/* ---- undoing ---- */

/* Remove our copy of one item; if the source has vanished meanwhile, it is the last copy and goes back first. */
static enum ls_rc undo_one(struct ls_run *run, const struct ls_intent_item *item, const struct ls_seen *source,
                           struct ls_err *err)
{
    struct ls_store *store = run->engine->store;
    struct ls_object_info dest;
    enum ls_rc rc = ls_store_head_one(store, item->dest, &dest, err);
    if (rc == LS_NOT_FOUND || (rc == LS_OK && !ls_copy_is_ours(run, item, &dest)))
        return LS_OK;
    if (rc == LS_OK && source->rc == LS_NOT_FOUND) {
        struct ls_store_copy back = {
            .from = item->dest, .to = item->key, .if_etag = dest.etag, .size_bytes = dest.size_bytes};
        rc = ls_store_copy_many(store, &back, 1, err);
    }
    return rc == LS_OK ? remove_one(run->engine, item->dest, err) : rc;
}

/* Where the destination's listing already shows that nothing of ours is there, no further question is needed. */
static bool may_be_ours(const struct ls_intent_item *item, const struct ls_seen *dest)
{
    return dest->rc == LS_OK && (!item->new_etag || strcmp(item->new_etag, dest->etag) == 0);
}

static enum ls_rc abort_large(struct ls_run *run, const struct ls_intent_item *item, struct ls_err *err)
{
    if (item->size_bytes <= run->engine->caps.part_bytes)
        return LS_OK;
    return ls_store_abort_uploads(run->engine->store, item->dest, INT64_MAX, err);
}

enum ls_rc ls_copies_undo(struct ls_run *run, struct ls_err *err)
{
    enum ls_rc rc = ls_orphans_undo(run, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_free) const char **keys = calloc(2 * run->n_items + 1, sizeof(char *));
    LS_AUTO(ls_free) struct ls_seen *seen = calloc(2 * run->n_items + 1, sizeof(*seen));
    if (!keys || !seen)
        return ls_err_nomem(err);
    size_t n = 0;
    for (size_t i = 0; i < run->n_items; i++)
        if (run->items[i].action == LS_ACTION_COPY)
            keys[n++] = run->items[i].key;
    for (size_t i = 0; i < run->n_items; i++)
        if (run->items[i].action == LS_ACTION_COPY)
            keys[n++] = run->items[i].dest;
    size_t half = n / 2;
    rc = ls_look(run->engine, keys, half, seen, err); /* sources */
    if (rc == LS_OK)
        rc = ls_look(run->engine, keys + half, half, seen + half, err);
    for (size_t i = 0, c = 0; rc == LS_OK && i < run->n_items; i++) {
        const struct ls_intent_item *item = &run->items[i];
        if (item->action != LS_ACTION_COPY)
            continue;
        rc = abort_large(run, item, err);
        if (rc == LS_OK && may_be_ours(item, &seen[half + c]))
            rc = undo_one(run, item, &seen[c], err);
        c++;
    }
    return rc;
}
