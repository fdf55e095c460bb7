/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mending what a scan found: adopt, drop, refresh, relink, refile. (Orphans to trash: discard.c.)
 *
 * These change rows only, so a batch is: look at all objects, then one transaction that reads all rows again and
 * changes those that still are what the scan saw. An item that changed on either side, or that an open intent covers,
 * is left alone and says so. Should the batch's transaction fail at one item, the items are tried one by one.
 */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define ITEMS_AT_ONCE 200

/* One item on its way. */
struct mending {
    struct ls_mend_item *item;
    struct ls_place place;             /* of the key that the row will have; not for DROP */
    const struct ls_object_info *info; /* of the object that the row will point at, or NULL */
    bool covered;
};

struct batch {
    struct ls_engine *engine;
    enum ls_mend mend;
    struct mending *items;
    size_t n;
    struct ls_pool pool;
    const char **keys; /* n keys, and for RELINK n dests */
    size_t n_keys;
    struct ls_store_head *heads; /* parallel to keys; NULL for REFILE, which looks at no object */
};

static bool changed(struct mending *m, const char *what)
{
    m->item->rc = ls_err_set(&m->item->err, LS_CONFLICT, "engine: %s: %s since the scan", m->item->key, what);
    return true;
}

/* ---- the objects ---- */

static bool head_differs(const struct ls_store_head *head, const char *etag)
{
    if (!etag)
        return head->rc != LS_NOT_FOUND;
    return head->rc != LS_OK || strcmp(head->info.etag, etag) != 0;
}

/* Whatever the object is will do, but there must be one. */
static void any_object(struct mending *m, const struct ls_store_head *head)
{
    if (head->rc == LS_NOT_FOUND)
        m->item->rc = ls_err_set(&m->item->err, LS_NOT_FOUND, "engine: %s: there is no object", m->item->key);
    else if (head->rc != LS_OK)
        m->item->rc = ls_err_set(&m->item->err, head->rc, "engine: %s: %s", m->item->key, head->err.text);
}

/* Compare what the store has now with what the scan saw. */
static void check_objects(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct mending *m = &b->items[i];
        const struct ls_store_head *at_key = &b->heads[i];
        if (m->item->rc != LS_OK)
            continue;
        if (b->mend == LS_MEND_RELINK) {
            const struct ls_store_head *at_dest = &b->heads[b->n + i];
            if (head_differs(at_key, NULL))
                changed(m, "an object has appeared at its old key");
            else if (at_dest->rc != LS_OK || (m->item->object_etag && head_differs(at_dest, m->item->object_etag)))
                changed(m, "the object at its new key has changed");
            m->info = &at_dest->info;
        } else {
            if (b->mend == LS_MEND_REFRESH && !m->item->object_etag)
                any_object(m, at_key);
            else if (b->mend == LS_MEND_DROP ? head_differs(at_key, NULL)
                                             : at_key->rc != LS_OK || head_differs(at_key, m->item->object_etag))
                changed(m, "the object has changed");
            m->info = &at_key->info;
        }
    }
}

static enum ls_rc look(struct batch *b, struct ls_err *err)
{
    b->heads = calloc(b->n_keys, sizeof(*b->heads));
    if (!b->heads)
        return ls_err_nomem(err);
    for (size_t i = 0; i < b->n_keys; i++)
        b->heads[i].key = b->keys[i];
    enum ls_rc rc = ls_store_head_many(b->engine->store, b->heads, b->n_keys, err);
    if (rc == LS_OK)
        check_objects(b);
    return rc;
}

/* ---- the rows ---- */

static bool row_changed(struct mending *m, const struct ls_image *row)
{
    const char *seen = m->item->row_etag;
    if (!seen)
        return row ? changed(m, "a row has appeared") : false;
    if (!row)
        return changed(m, "its row has gone");
    const char *now = row->record.known ? row->record.etag : "";
    return strcmp(now, seen) != 0 ? changed(m, "its row has changed") : false;
}

static enum ls_rc write_row(struct batch *b, struct ls_tx *tx, struct mending *m, const struct ls_image *row,
                            struct ls_err *err)
{
    struct ls_image_write write = {.old_key = row ? row->key : NULL};
    struct ls_variant variant;
    if (row)
        write.image = *row;
    if (m->info)
        ls_record_from_object(&write.image.record, m->info, row ? &row->record : NULL);
    if (b->mend == LS_MEND_REFRESH) {
        write.record_only = true;
        write.image.updated_ns = ls_now_ns();
    } else {
        enum ls_rc rc = ls_variant_ensure(b->engine, tx, m->place.product, m->place.weight, true, &variant, err);
        if (rc != LS_OK)
            return rc;
        ls_place_apply(&m->place, &variant, &write.image);
    }
    return tx->cat->ops->images_write(tx, &write, 1, err);
}

static const char *mend_name(enum ls_mend mend)
{
    static const char *const names[] = {
        [LS_MEND_ADOPT] = "adopt",     [LS_MEND_TRASH] = "discard", [LS_MEND_DROP] = "drop",
        [LS_MEND_REFRESH] = "refresh", [LS_MEND_RELINK] = "relink", [LS_MEND_REFILE] = "refile"};
    return names[mend];
}

static enum ls_rc mend_one(struct batch *b, struct ls_tx *tx, struct mending *m, const struct ls_image_page *rows,
                           struct ls_err *err)
{
    const struct ls_image *row = ls_image_at(rows, m->item->key);
    if (m->covered) {
        m->item->rc =
            ls_err_set(&m->item->err, LS_BUSY, "engine: %s: another operation is working on it", m->item->key);
        return LS_OK;
    }
    if (row_changed(m, row))
        return LS_OK;
    if (b->mend == LS_MEND_RELINK && ls_image_at(rows, m->item->dest)) {
        changed(m, "a row has appeared at its new key");
        return LS_OK;
    }
    enum ls_rc rc;
    if (b->mend == LS_MEND_DROP) {
        struct ls_image_ref ref = {.key = m->item->key};
        rc = tx->cat->ops->images_delete(tx, &ref, 1, err);
    } else {
        rc = write_row(b, tx, m, row, err);
    }
    return rc == LS_OK ? ls_audit_line(b->engine, tx, mend_name(b->mend), m->item->key, m->item->dest, NULL, err) : rc;
}

/* Items [from, to) in one transaction. */
static enum ls_rc change_rows(struct batch *b, size_t from, size_t to, struct ls_err *err)
{
    struct ls_catalog *cat = b->engine->catalog;
    LS_AUTO(ls_free) bool *covered = calloc(b->n_keys, sizeof(bool));
    LS_AUTO(ls_image_page) struct ls_image_page rows = {0};
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    if (!covered)
        return ls_err_nomem(err);
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = cat->ops->intents_cover(cat, tx, b->keys, b->n_keys, covered, err);
    if (rc == LS_OK)
        rc = cat->ops->images_get(cat, tx, b->keys, b->n_keys, &rows, err);
    for (size_t i = from; rc == LS_OK && i < to; i++) {
        struct mending *m = &b->items[i];
        m->covered = covered[i] || (b->n_keys > b->n && covered[b->n + i]);
        if (m->item->rc == LS_OK)
            rc = mend_one(b, tx, m, &rows, err);
    }
    if (rc == LS_OK)
        rc = OP_STEP("mend.changed", err);
    return rc == LS_OK ? cat->ops->commit(LS_STEAL(tx), err) : rc;
}

/* ---- a batch ---- */

static enum ls_rc prepare(struct batch *b, struct ls_mend_item *items, struct ls_err *err)
{
    b->items = ls_pool_alloc(&b->pool, b->n * sizeof(*b->items));
    b->keys = ls_pool_alloc(&b->pool, 2 * b->n * sizeof(char *));
    if (!b->items || !b->keys)
        return ls_err_nomem(err);
    b->n_keys = b->mend == LS_MEND_RELINK ? 2 * b->n : b->n;
    for (size_t i = 0; i < b->n; i++) {
        struct ls_mend_item *item = &items[i];
        b->items[i].item = item;
        b->keys[i] = item->key;
        if (b->mend == LS_MEND_RELINK)
            b->keys[b->n + i] = item->dest;
        if (b->mend != LS_MEND_DROP && b->mend != LS_MEND_REFRESH)
            item->rc = ls_place_of(b->engine, &b->pool, b->mend == LS_MEND_RELINK ? item->dest : item->key,
                                   &b->items[i].place, &item->err);
    }
    return LS_OK;
}

static enum ls_rc mend_batch(struct batch *b, struct ls_mend_item *items, struct ls_err *err)
{
    enum ls_rc rc = prepare(b, items, err);
    if (rc == LS_OK && b->mend != LS_MEND_REFILE)
        rc = look(b, err);
    if (rc == LS_OK)
        rc = OP_STEP("mend.looked", err);
    if (rc != LS_OK)
        return rc;
    struct ls_err why = LS_ERR_INIT;
    if (change_rows(b, 0, b->n, &why) == LS_OK)
        return LS_OK;
    LS_LOG_WARN("engine", "mending-one-by-one", {"why", ls_v_str(why.text)});
    for (size_t i = 0; i < b->n; i++) {
        struct mending *m = &b->items[i];
        if (m->item->rc == LS_OK)
            m->item->rc = change_rows(b, i, i + 1, &m->item->err);
    }
    return LS_OK;
}

static enum ls_rc trash_batch(struct ls_engine *engine, struct ls_mend_item *items, size_t n, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_mend_item **list = calloc(n, sizeof(struct ls_mend_item *));
    if (!list)
        return ls_err_nomem(err);
    for (size_t i = 0; i < n; i++)
        list[i] = &items[i];
    return ls_discard_many(engine, list, n, err);
}

enum ls_rc ls_engine_mend(struct ls_engine *engine, enum ls_mend mend, struct ls_mend_item *items, size_t n,
                          struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; i < n; i++) {
        items[i].rc = LS_OK;
        ls_err_clear(&items[i].err);
    }
    for (size_t done = 0; rc == LS_OK && done < n; done += ITEMS_AT_ONCE) {
        size_t m = n - done < ITEMS_AT_ONCE ? n - done : ITEMS_AT_ONCE;
        rc = ls_engine_cancelled(engine, err);
        if (rc != LS_OK)
            break;
        if (mend == LS_MEND_TRASH) {
            rc = trash_batch(engine, items + done, m, err);
            continue;
        }
        struct batch b = {.engine = engine, .mend = mend, .n = m};
        int64_t begun_ns = ls_now_ns();
        ls_engine_enter(engine);
        rc = mend_batch(&b, items + done, err);
        ls_stats_count(engine, mend == LS_MEND_ADOPT ? LS_OP_ADOPT : LS_OP_CATALOG, rc, begun_ns);
        ls_engine_leave(engine);
        free(b.heads);
        ls_pool_dispose(&b.pool);
    }
    return rc;
}
