/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order: objects follow their rows' new keys, objects of deleted rows go, inserted rows are recorded, renamed
 * variants' objects move. What is in another's way is tried again as long as anything moves; what then still waits for
 * another stays for a scan, as two rows that changed places do.
 */
#include "settle/act.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/log.h"

enum ls_rc ls_act_cancelled(const struct ls_act *act, struct ls_err *err)
{
    if (act->opts->cancel && atomic_load(act->opts->cancel))
        return ls_err_set(err, LS_CANCELLED, "settle: stopped on request");
    return LS_OK;
}

void ls_act_left(struct ls_act *act, const char *key, const char *why)
{
    act->stats->left++;
    LS_LOG_WARN("settle", "left", {"key", ls_v_str(key)}, {"why", ls_v_str(why)},
                {"action", ls_v_str("a scan tells more")});
}

void ls_act_would(struct ls_act *act, const char *what, const char *key, const char *dest)
{
    act->stats->reported++;
    LS_LOG_INFO("settle", "would", {"do", ls_v_str(what)}, {"key", ls_v_str(key)},
                {"dest", ls_v_str(dest ? dest : "")});
}

bool ls_act_result(struct ls_act *act, const char *key, enum ls_rc rc, const struct ls_err *why)
{
    switch (rc) {
    case LS_OK:
        act->progress = true;
        return true;
    case LS_NOT_FOUND: /* a later change tells what became of the row */
        return false;
    case LS_EXISTS:
        act->blocked = true;
        return false;
    case LS_CONFLICT:
    case LS_INVALID:
    case LS_DENIED:
    case LS_UNSUPPORTED:
        ls_act_left(act, key, why->text);
        return true;
    default:
        if (act->busy.rc == LS_OK)
            act->busy = *why;
        return false;
    }
}

/* ---- a batch of rows of one kind ---- */

struct batch {
    struct ls_fold_image *items[LS_ACT_AT_ONCE];
    const char *keys[LS_ACT_AT_ONCE]; /* where their objects are */
    struct ls_store_head *heads;
    struct ls_image_page rows; /* at keys */
    struct ls_mend_item *mends;
    struct ls_fold_image *mended[LS_ACT_AT_ONCE];
    size_t n, n_mends;
};

static void batch_auto(struct batch *b)
{
    free(b->heads);
    free(b->mends);
    ls_image_page_dispose(&b->rows);
}

static const struct ls_image *row_at(const struct batch *b, const char *key)
{
    for (size_t i = 0; i < b->rows.n; i++)
        if (strcmp(b->rows.items[i].key, key) == 0)
            return &b->rows.items[i];
    return NULL;
}

static enum ls_rc look_at_rows(struct ls_act *act, struct batch *b, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(act->opts->engine);
    for (size_t i = 0; i < b->n; i++)
        b->keys[i] = b->items[i]->object;
    return cat->ops->images_get(cat, NULL, b->keys, b->n, &b->rows, err);
}

static enum ls_rc look_at_objects(struct ls_act *act, struct batch *b, struct ls_err *err)
{
    b->heads = calloc(b->n + 1, sizeof *b->heads);
    b->mends = calloc(b->n + 1, sizeof *b->mends);
    if (!b->heads || !b->mends)
        return ls_err_nomem(err);
    for (size_t i = 0; i < b->n; i++)
        b->heads[i].key = b->items[i]->object;
    return b->n > 0 ? ls_store_head_many(ls_engine_store(act->opts->engine), b->heads, b->n, err) : LS_OK;
}

static enum ls_rc mend(struct ls_act *act, struct batch *b, enum ls_mend how, uint64_t *count, struct ls_err *err)
{
    enum ls_rc rc = b->n_mends > 0 ? ls_engine_mend(act->opts->engine, how, b->mends, b->n_mends, err) : LS_OK;
    for (size_t i = 0; rc == LS_OK && i < b->n_mends; i++) {
        const struct ls_mend_item *item = &b->mends[i];
        *count += item->rc == LS_OK;
        if (ls_act_result(act, item->key, item->rc, &item->err))
            ls_fold_drop_image(act->fold, b->mended[i]);
    }
    return rc;
}

/* ---- deleted rows ---- */

/* Another row is to have its object there, which will push this one aside. */
static bool is_awaited(const struct ls_act *act, const struct ls_fold_image *image)
{
    const struct ls_fold_image *row = ls_fold_row(act->fold, image->object);
    return row && strcmp(row->object, row->now) != 0;
}

/* Keep those whose objects no row claims. */
static void drop_claimed(struct ls_act *act, struct batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct ls_fold_image *image = b->items[i];
        if (is_awaited(act, image))
            continue;
        if (row_at(b, image->object))
            ls_fold_drop_image(act->fold, image);
        else
            b->items[n++] = image;
    }
    b->n = n;
}

/* The row is gone: is the object still the one that it stood for? */
static bool is_to_go(struct ls_act *act, const struct ls_fold_image *image, const struct ls_store_head *head)
{
    if (head->rc == LS_NOT_FOUND) /* it went already */
        return false;
    if (!image->etag)
        ls_act_left(act, image->object, "its row was deleted, and nothing had been recorded of the object");
    else if (strcmp(head->info.etag, image->etag) != 0)
        ls_act_left(act, image->object, "its row was deleted, and somebody has changed the object since");
    else
        return true;
    return false;
}

static enum ls_rc delete_batch(struct ls_act *act, struct batch *b, struct ls_err *err)
{
    enum ls_rc rc = look_at_rows(act, b, err);
    if (rc == LS_OK) {
        drop_claimed(act, b);
        rc = look_at_objects(act, b, err);
    }
    for (size_t i = 0; rc == LS_OK && i < b->n; i++) {
        struct ls_fold_image *image = b->items[i];
        if (!is_to_go(act, image, &b->heads[i])) {
            ls_fold_drop_image(act->fold, image);
            continue;
        }
        b->mended[b->n_mends] = image;
        b->mends[b->n_mends++] =
            (struct ls_mend_item){.key = image->object, .object_etag = image->etag, .reason = "deleted"};
    }
    return rc == LS_OK ? mend(act, b, LS_MEND_TRASH, &act->stats->trashed, err) : rc;
}

/* ---- inserted rows ---- */

/* Keep those of which nothing is recorded. Of a row that is not there a later change tells what became of it. */
static void drop_recorded(struct ls_act *act, struct batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct ls_image *row = row_at(b, b->items[i]->now);
        if (row && row->record.known)
            ls_fold_drop_image(act->fold, b->items[i]);
        else if (row)
            b->items[n++] = b->items[i];
    }
    b->n = n;
}

static enum ls_rc record_batch(struct ls_act *act, struct batch *b, struct ls_err *err)
{
    enum ls_rc rc = look_at_rows(act, b, err);
    if (rc == LS_OK) {
        drop_recorded(act, b);
        rc = look_at_objects(act, b, err);
    }
    for (size_t i = 0; rc == LS_OK && i < b->n; i++) {
        struct ls_fold_image *image = b->items[i];
        if (b->heads[i].rc == LS_NOT_FOUND) { /* a scan gives it time, and finds it */
            ls_fold_drop_image(act->fold, image);
            continue;
        }
        b->mended[b->n_mends] = image;
        b->mends[b->n_mends++] =
            (struct ls_mend_item){.key = image->now, .row_etag = "", .object_etag = b->heads[i].info.etag};
    }
    return rc == LS_OK ? mend(act, b, LS_MEND_REFRESH, &act->stats->recorded, err) : rc;
}

/* ---- both ---- */

enum kind { DELETED, INSERTED };

static enum kind kind_of(const struct ls_fold_image *image) { return image->now ? INSERTED : DELETED; }

/* Whether the policy, or the row itself, leaves nothing to do. */
static bool is_settled(struct ls_act *act, const struct ls_fold_image *image)
{
    bool deleted = kind_of(image) == DELETED;
    enum ls_settle_policy policy = deleted ? act->opts->deletion : act->opts->insertion;
    if ((!deleted && !image->inserted) || policy == LS_SETTLE_IGNORE || ls_key_is_internal(image->object))
        return true;
    if (policy == LS_SETTLE_REPORT)
        ls_act_would(act, deleted ? "move its object to trash" : "record its object", image->object, NULL);
    return policy == LS_SETTLE_REPORT;
}

/* Rows of one kind whose objects lie where they are wanted, batch by batch. */
static enum ls_rc act_on(struct ls_act *act, enum kind kind, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (struct ls_fold_image *image = act->fold->images, *next; rc == LS_OK && image;) {
        LS_AUTO(batch) struct batch b = {0};
        for (; image && b.n < LS_ACT_AT_ONCE; image = next) {
            next = image->next;
            if (kind_of(image) != kind || (image->now && strcmp(image->now, image->object) != 0))
                continue;
            if (is_settled(act, image))
                ls_fold_drop_image(act->fold, image);
            else
                b.items[b.n++] = image;
        }
        rc = ls_act_cancelled(act, err);
        if (rc == LS_OK && b.n > 0)
            rc = kind == DELETED ? delete_batch(act, &b, err) : record_batch(act, &b, err);
    }
    return rc;
}

enum ls_rc ls_act(struct ls_act *act, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    ls_err_clear(&act->busy);
    do {
        act->progress = act->blocked = false;
        rc = ls_act_moves(act, err);
        if (rc == LS_OK)
            rc = act_on(act, DELETED, err);
        if (rc == LS_OK)
            rc = act_on(act, INSERTED, err);
        if (rc == LS_OK)
            rc = ls_act_folders(act, err);
    } while (rc == LS_OK && act->blocked && act->progress);
    if (rc == LS_OK && act->busy.rc != LS_OK) {
        if (err)
            *err = act->busy;
        return act->busy.rc;
    }
    return rc;
}

void ls_act_leave(struct ls_act *act)
{
    struct ls_fold *fold = act->fold;
    while (fold->images) {
        if (fold->images->now && strcmp(fold->images->now, fold->images->object) != 0)
            ls_act_left(act, fold->images->object,
                        "its row has another key, where another row or object is in the way");
        ls_fold_drop_image(fold, fold->images);
    }
    while (fold->folders) {
        if (fold->folders->now)
            ls_act_left(act, fold->folders->folder, "it was renamed, and another row or object is in the way");
        ls_fold_drop_folder(fold, fold->folders);
    }
}
