/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Follow: objects are moved to where the application has put their rows, or where a renamed variant wants them.
 *
 * Items: a COPY for each object that is not at its place yet, then TRASH of what lies in the way and belongs to nobody.
 * What cannot be moved is left out and says why, the others go together: copies, ONE transaction that re-reads the rows
 * and changes them, removal of the sources. Item's done: 1 = it was left out at the commit, so its copy goes instead.
 * Before the commit it is undone by removing the copies, but for those that a row points at by now (the application's
 * new key): they are what the row says, and the next attempt finds them there. args: {"follow": true, "from", "to"},
 * the last two with folders.
 */
#include "engine/rename.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/log.h"

#define ROWS_AT_ONCE 250
#define TRIES 3 /* when somebody changed an object between the look at it and its copy */

/* What was decided of an item. */
struct plan {
    bool takes_part;
    size_t at;        /* its COPY item, or SIZE_MAX: the object is at its place already */
    const char *etag; /* of the object */
    uint64_t size_bytes;
};

struct follow_op {
    struct ls_engine_move *items;
    struct plan *plans;
    size_t n;
    const char *folder_from, *folder_to; /* or NULL */
};

/* ---- the journal ---- */

static bool seen_is(const struct ls_seen *seen, const char *etag)
{
    return seen->rc == LS_OK && ls_same(seen->etag, etag);
}

/* Both ends are known: what is to be done with the object? */
static enum ls_rc plan_object(struct ls_run *run, struct ls_engine_move *move, const struct ls_image *row,
                              struct plan *plan, struct ls_err *err)
{
    const struct ls_seen *from = ls_run_seen(run, move->from), *to = ls_run_seen(run, move->to);
    const struct ls_seen *any = from->rc == LS_OK ? from : to;
    const char *etag = row->record.known ? row->record.etag : any->etag;
    bool at_from = seen_is(from, etag), at_to = seen_is(to, etag), renamed = strcmp(move->row, move->to) != 0;
    if (!at_from && !at_to) {
        move->rc = ls_err_set(&move->err, LS_CONFLICT, "engine: %s: its object %s; a scan says more", move->from,
                              from->rc == LS_OK ? "was changed by somebody else" : "is not there");
        return LS_OK;
    }
    if (!at_to && to->rc == LS_OK && !renamed && !seen_is(to, move->spare_etag)) {
        move->rc = ls_err_set(&move->err, LS_EXISTS, "engine: %s: another object lies at %s", move->from, move->to);
        return LS_OK;
    }
    *plan = (struct plan){.takes_part = true, .at = SIZE_MAX, .etag = ls_pool_str(&run->pool, etag)};
    plan->size_bytes = at_from ? from->size_bytes : to->size_bytes;
    if (!plan->etag)
        return ls_err_nomem(err);
    if (!at_from)
        return LS_OK;
    plan->at = run->n_items;
    enum ls_rc rc = ls_copies_add(run, move->from, move->to, etag, from->size_bytes, &row->record,
                                  to->rc == LS_OK ? to->etag : NULL, NULL, err);
    return rc == LS_OK && to->rc == LS_OK && !at_to ? ls_orphan_add(run, to, err) : rc;
}

static enum ls_rc check_rows(struct ls_run *run, struct ls_engine_move *move, const struct ls_image_page *rows,
                             bool covered)
{
    if (covered)
        return ls_err_set(&move->err, LS_BUSY, "engine: %s: another operation is working on it", move->to);
    if (!ls_image_at(rows, move->row))
        return ls_err_set(&move->err, LS_NOT_FOUND, "engine: %s: there is no image of this name", move->row);
    if (strcmp(move->row, move->to) != 0 && ls_image_at(rows, move->to))
        return ls_err_set(&move->err, LS_EXISTS, "engine: %s: there is an image %s", move->row, move->to);
    enum ls_key_class fits =
        ls_layout_parse(run->engine->layout, move->to, strlen(move->to), &(struct ls_key_parts){0});
    if (fits != LS_KEY_FITS)
        return ls_err_set(&move->err, LS_INVALID, "engine: %s: %s is not a place for an image: %s", move->from,
                          move->to, ls_key_class_text(fits));
    return LS_OK;
}

static enum ls_rc claim_ends(struct ls_run *run, const struct ls_engine_move *move, struct ls_err *err)
{
    enum ls_rc rc = ls_run_claim(run, move->from, false, err);
    return rc == LS_OK ? ls_run_claim(run, move->to, false, err) : rc;
}

/* Items [at, at + n), n up to ROWS_AT_ONCE. */
static enum ls_rc prepare_some(struct ls_run *run, struct ls_tx *tx, size_t at, size_t n, struct ls_err *err)
{
    struct follow_op *op = run->op;
    const char *keys[2 * ROWS_AT_ONCE];
    bool covered[2 * ROWS_AT_ONCE] = {0};
    LS_AUTO(ls_image_page) struct ls_image_page rows = {0};
    for (size_t i = 0; i < n; i++) {
        keys[2 * i] = op->items[at + i].from;
        keys[2 * i + 1] = op->items[at + i].to;
    }
    /* A folder's claim is checked as a whole when the intent is written. */
    enum ls_rc rc = op->folder_from ? LS_OK : tx->cat->ops->intents_cover(tx->cat, tx, keys, 2 * n, covered, err);
    if (rc == LS_OK)
        rc = tx->cat->ops->images_get(tx->cat, tx, keys, 2 * n, &rows, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        struct ls_engine_move *move = &op->items[at + i];
        struct plan *plan = &op->plans[at + i];
        *plan = (struct plan){0};
        ls_err_clear(&move->err);
        move->rc = check_rows(run, move, &rows, covered[2 * i] || covered[2 * i + 1]);
        if (move->rc != LS_OK)
            continue;
        (void)ls_run_seen(run, move->from);
        (void)ls_run_seen(run, move->to);
        if (run->n_wants == 0)
            rc = plan_object(run, move, ls_image_at(&rows, move->row), plan, err);
        if (rc == LS_OK && plan->takes_part && !op->folder_from)
            rc = claim_ends(run, move, err);
    }
    return rc;
}

static enum ls_rc prepare(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct follow_op *op = run->op;
    enum ls_rc rc = LS_OK;
    if (!op->folder_from)
        run->n_claims = 0; /* only of those that take part */
    for (size_t at = 0; rc == LS_OK && at < op->n; at += ROWS_AT_ONCE)
        rc = prepare_some(run, tx, at, op->n - at < ROWS_AT_ONCE ? op->n - at : ROWS_AT_ONCE, err);
    ls_run_args(run, op->folder_from
                         ? json_pack("{s:b, s:s, s:s}", "follow", 1, "from", op->folder_from, "to", op->folder_to)
                         : json_pack("{s:b}", "follow", 1));
    return rc;
}

/* ---- the commit ---- */

/* Columns that say what the old key said say what the new one says. */
static enum ls_rc follow_columns(struct ls_run *run, struct ls_tx *tx, const struct ls_engine_move *move,
                                 struct ls_image *image, struct ls_err *err)
{
    struct ls_place from, to;
    struct ls_variant variant;
    enum ls_rc rc = ls_place_of(run->engine, &run->pool, move->to, &to, err);
    if (rc != LS_OK)
        return rc;
    image->key = to.key;
    if (ls_place_of(run->engine, &run->pool, move->from, &from, NULL) != LS_OK)
        return LS_OK;
    if (ls_same(image->product, from.product))
        image->product = to.product;
    if (ls_same(image->weight, from.weight))
        image->weight = to.weight;
    if (ls_same(image->type, from.type))
        image->type = to.type;
    if (ls_same(image->url, from.url))
        image->url = to.url;
    bool same_variant = strcmp(from.product, to.product) == 0 && strcmp(from.weight, to.weight) == 0;
    if (same_variant || !ls_same(image->variant_product, from.product) ||
        !ls_same(image->variant_weight_now, from.weight))
        return LS_OK;
    rc = ls_variant_ensure(run->engine, tx, to.product, to.weight, true, &variant, err);
    if (rc != LS_OK)
        return rc;
    image->variant_id = ls_pool_str(&run->pool, variant.id);
    return image->variant_id ? LS_OK : ls_err_nomem(err);
}

/* The row has changed since the journal was written. */
static enum ls_rc leave_out(struct ls_run *run, struct ls_tx *tx, struct ls_engine_move *move, struct plan *plan,
                            bool there, struct ls_err *err)
{
    move->rc = there ? ls_err_set(&move->err, LS_CONFLICT, "engine: %s: its row was changed meanwhile", move->row)
                     : ls_err_set(&move->err, LS_NOT_FOUND, "engine: %s: its row has gone meanwhile", move->row);
    plan->takes_part = false;
    if (plan->at == SIZE_MAX)
        return LS_OK;
    struct ls_intent_item *item = &run->items[plan->at];
    item->done = 1;
    item->new_etag = run->extra[plan->at].etag; /* what is to be removed at the destination */
    return tx->cat->ops->intent_item_set(tx, run->intent.id, item, err);
}

static bool row_is_as_planned(const struct ls_engine_move *move, const struct plan *plan, const struct ls_image *row,
                              const struct ls_image_page *rows)
{
    if (!row || (strcmp(move->row, move->to) != 0 && ls_image_at(rows, move->to)))
        return false;
    return !row->record.known || ls_same(row->record.etag, plan->etag);
}

static enum ls_rc make_write(struct ls_run *run, struct ls_tx *tx, const struct ls_engine_move *move,
                             const struct plan *plan, const struct ls_image *row, struct ls_image_write *out,
                             struct ls_err *err)
{
    bool copied = plan->at != SIZE_MAX;
    const char *etag = copied ? run->extra[plan->at].etag : plan->etag;
    *out = (struct ls_image_write){.old_key = move->row, .image = *row};
    ls_copied_record(&out->image.record, ls_run_seen(run, copied ? move->from : move->to), etag, plan->size_bytes);
    return follow_columns(run, tx, move, &out->image, err);
}

static enum ls_rc move_some(struct ls_run *run, struct ls_tx *tx, size_t at, size_t n, struct ls_err *err)
{
    struct follow_op *op = run->op;
    const char *keys[2 * ROWS_AT_ONCE];
    LS_AUTO(ls_image_page) struct ls_image_page rows = {0};
    LS_AUTO(ls_free) struct ls_image_write *writes = calloc(n, sizeof(*writes));
    size_t n_writes = 0;
    if (!writes)
        return ls_err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        keys[2 * i] = op->items[at + i].row;
        keys[2 * i + 1] = op->items[at + i].to;
    }
    enum ls_rc rc = tx->cat->ops->images_get(tx->cat, tx, keys, 2 * n, &rows, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        struct ls_engine_move *move = &op->items[at + i];
        struct plan *plan = &op->plans[at + i];
        if (!plan->takes_part)
            continue;
        const struct ls_image *row = ls_image_at(&rows, move->row);
        if (row_is_as_planned(move, plan, row, &rows))
            rc = make_write(run, tx, move, plan, row, &writes[n_writes++], err);
        else
            rc = leave_out(run, tx, move, plan, row != NULL, err);
    }
    return rc == LS_OK && n_writes > 0 ? tx->cat->ops->images_write(tx, writes, n_writes, err) : rc;
}

/* What is kept of the folder follows, unless the new place has its own or the old one exists again. */
static enum ls_rc move_folder(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct follow_op *op = run->op;
    const struct ls_catalog_ops *ops = tx->cat->ops;
    struct ls_folder_parts from;
    struct ls_folder there;
    LS_AUTO(ls_folder_page) struct ls_folder_page below = {0};
    bool exists = false;
    enum ls_rc rc = ls_folder_parse(run->engine, &run->pool, op->folder_from, &from, err);
    if (rc == LS_OK)
        rc = ls_folder_exists(run->engine, tx, &from, &exists, err);
    if (rc != LS_OK || exists)
        return rc;
    rc = ops->folder_get(tx->cat, tx, op->folder_to, &there, NULL);
    if (rc == LS_NOT_FOUND)
        rc = ops->folder_children(tx->cat, tx, op->folder_to, &below, err);
    else if (rc == LS_OK)
        return ops->folder_remove(tx, op->folder_from, true, err);
    if (rc != LS_OK)
        return rc;
    return below.n == 0 ? ops->folder_rename(tx, op->folder_from, op->folder_to, err)
                        : ops->folder_remove(tx, op->folder_from, true, err);
}

static enum ls_rc commit_follow(struct ls_run *run, struct ls_err *err)
{
    const struct follow_op *op = run->op;
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    for (size_t at = 0; rc == LS_OK && at < op->n; at += ROWS_AT_ONCE)
        rc = move_some(run, tx, at, op->n - at < ROWS_AT_ONCE ? op->n - at : ROWS_AT_ONCE, err);
    if (rc == LS_OK && op->folder_from)
        rc = move_folder(run, tx, err);
    if (rc == LS_OK)
        rc = ls_orphans_record(run, tx, "orphaned", err);
    return rc == LS_OK ? ls_run_commit_point(run, LS_STEAL(tx), run->n_items == 0, err) : rc;
}

/* ---- after it ---- */

/* Copies of items that were left out, unless the very same object lay there before. */
static enum ls_rc remove_left_out(struct ls_run *run, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_remove_object *gone = calloc(run->n_items + 1, sizeof(*gone));
    size_t n = 0;
    if (!gone)
        return ls_err_nomem(err);
    for (size_t i = 0; i < run->n_items; i++) {
        const struct ls_intent_item *item = &run->items[i];
        if (item->action == LS_ACTION_COPY && item->done && !ls_same(item->new_etag, item->dest_etag))
            gone[n++] = (struct ls_remove_object){.key = item->dest, .etag = item->new_etag};
    }
    struct ls_err why = LS_ERR_INIT;
    ls_remove_objects(run, gone, n, true, &why);
    for (size_t i = 0; i < n; i++)
        if (gone[i].result == LS_REMOVAL_FAILED) {
            if (err)
                *err = why;
            return why.rc != LS_OK ? why.rc : LS_IO;
        }
    return LS_OK;
}

static enum ls_rc finish(struct ls_run *run, struct ls_err *err)
{
    const char *detail = NULL;
    if (!run->journaled)
        return LS_OK;
    enum ls_rc rc = ls_copies_remove_sources(run, &detail, err);
    if (rc == LS_OK)
        rc = remove_left_out(run, err);
    if (rc == LS_OK)
        rc = STEP(run, "follow.deleted", err);
    return rc == LS_OK ? ls_run_close(run, ls_run_outcome(run, true), detail, err) : rc;
}

static enum ls_rc undone(struct ls_err *err) { return SETTLE_STEP("follow.undone", err); }

enum ls_rc ls_follow_settle(struct ls_run *run, struct ls_err *err)
{
    return run->intent.state == LS_INTENT_COMMITTED ? finish(run, err) : ls_copies_undo(run, undone, err);
}

/* ---- the calls ---- */

static enum ls_rc copied(struct ls_err *err) { return OP_STEP("follow.copied", err); }

static enum ls_rc claim(struct ls_run *run, struct ls_err *err)
{
    const struct follow_op *op = run->op;
    struct ls_folder_parts folder;
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; rc == LS_OK && !op->folder_from && i < op->n; i++)
        rc = claim_ends(run, &op->items[i], err);
    for (int end = 0; rc == LS_OK && op->folder_from && end < 2; end++) {
        rc = ls_folder_parse(run->engine, &run->pool, end ? op->folder_to : op->folder_from, &folder, err);
        if (rc == LS_OK)
            rc = ls_run_claim(run, folder.below, true, err);
    }
    return rc;
}

static enum ls_rc follow_steps(struct ls_run *run, struct ls_err *err)
{
    enum ls_rc rc = claim(run, err);
    if (rc == LS_OK)
        rc = ls_run_begin(run, prepare, NULL, err);
    if (rc == LS_OK)
        rc = OP_STEP("follow.intent_written", err);
    if (rc == LS_OK)
        rc = ls_orphans_copy(run, err);
    if (rc == LS_OK)
        rc = OP_STEP("follow.orphans_copied", err);
    if (rc == LS_OK)
        rc = ls_copies_run(run, copied, err);
    return rc == LS_OK ? commit_follow(run, err) : rc;
}

static enum ls_rc follow_once(struct ls_engine *engine, struct follow_op *op, struct ls_err *err)
{
    struct ls_run run;
    ls_engine_enter(engine);
    ls_run_init(&run, engine, LS_OP_RENAME, op);
    enum ls_rc rc = follow_steps(&run, err);
    if (rc == LS_OK) {
        struct ls_err why = LS_ERR_INIT;
        enum ls_rc rest = OP_STEP("follow.committed", &why);
        if (rest == LS_OK)
            rest = finish(&run, &why);
        if (rest == LS_OK)
            rest = OP_STEP("follow.closed", &why);
        if (rest != LS_OK && run.journaled)
            ls_run_leave_open(&run, &why);
    }
    return ls_run_end(&run, rc, err);
}

enum ls_rc ls_engine_follow(struct ls_engine *engine, struct ls_engine_move *items, size_t n, const char *folder_from,
                            const char *folder_to, struct ls_err *err)
{
    LS_AUTO(ls_free) struct plan *plans = calloc(n + 1, sizeof(*plans));
    struct follow_op op = {.items = items, .plans = plans, .n = n, .folder_from = folder_from, .folder_to = folder_to};
    if (!plans)
        return ls_err_nomem(err);
    if (n == 0 && !folder_from)
        return LS_OK;
    enum ls_rc rc = LS_CONFLICT;
    /* What has changed is left out when everything is looked at again. */
    for (int i = 0; rc == LS_CONFLICT && i < TRIES; i++) {
        if (err)
            ls_err_clear(err);
        rc = follow_once(engine, &op, err);
    }
    return rc;
}

static enum ls_rc forget_folder(struct ls_engine *engine, struct ls_pool *pool, const char *path, struct ls_err *err)
{
    struct ls_catalog *cat = engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    struct ls_folder_parts folder;
    bool exists = false;
    enum ls_rc rc = ls_folder_parse(engine, pool, path, &folder, err);
    if (rc == LS_OK)
        rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = ls_folder_exists(engine, tx, &folder, &exists, err);
    if (rc != LS_OK || exists)
        return rc;
    rc = cat->ops->folder_remove(tx, path, true, err);
    if (rc == LS_OK)
        rc = OP_STEP("follow.forgotten", err);
    return rc == LS_OK ? cat->ops->commit(LS_STEAL(tx), err) : rc;
}

enum ls_rc ls_engine_forget_folder(struct ls_engine *engine, const char *path, struct ls_err *err)
{
    LS_AUTO(ls_pool) struct ls_pool pool = {0};
    ls_engine_enter(engine);
    enum ls_rc rc = forget_folder(engine, &pool, path, err);
    ls_engine_leave(engine);
    return rc;
}
