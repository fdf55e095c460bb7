/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rename of a file, also over an existing one; and which code settles a half-done rename.
 *
 * Items: 0 COPY from → to (dest_etag = what lay at the destination), then TRASH of an orphan there.
 *   to a new name:       undone by removing the copy.
 *   over an existing one: the copy replaces the destination's bytes, so once the destination holds the source's bytes
 *                         it goes forward; before that it is dropped.
 * args: {"over": is there a row at the destination, "parents": make them}.
 */
#include "engine/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/rename.h"

struct rename_op {
    const char *from, *to;
    unsigned flags;
    struct ls_place place; /* of to */
};

/* ---- the journal ---- */

/* What lies at the destination: *out_etag NULL = nothing. An orphan becomes a TRASH item. */
static enum ls_rc look_at_destination(struct ls_run *run, const struct ls_image *over, const struct ls_seen *seen,
                                      const char **out_etag, struct ls_err *err)
{
    const struct rename_op *op = run->op;
    *out_etag = NULL;
    if (seen->rc != LS_OK)
        return LS_OK;
    if (over && over->record.known && strcmp(over->record.etag, seen->etag) != 0)
        return ls_err_set(err, LS_CONFLICT,
                          "engine: rename %s to %s: somebody else changed the destination's object; a scan says more",
                          op->from, op->to);
    *out_etag = ls_pool_str(&run->pool, seen->etag);
    return *out_etag ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc add_items(struct ls_run *run, const struct ls_image *row, const struct ls_image *over,
                            const struct ls_seen *dest, struct ls_err *err)
{
    const struct rename_op *op = run->op;
    const char *etag, *dest_etag;
    uint64_t size_bytes;
    enum ls_rc rc = ls_run_row_object(run, row, &etag, &size_bytes, err);
    if (rc != LS_OK || run->n_wants > 0)
        return rc;
    if (!etag)
        return ls_err_set(err, LS_CONFLICT, "engine: rename %s: its object is not there; a scan says more", op->from);
    rc = look_at_destination(run, over, dest, &dest_etag, err);
    if (rc == LS_OK)
        rc = ls_copies_add(run, op->from, op->to, etag, size_bytes, &row->record, dest_etag, NULL, err);
    if (rc == LS_OK && dest_etag && !over)
        rc = ls_orphan_add(run, dest, err);
    return rc;
}

static enum ls_rc prepare(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct rename_op *op = run->op;
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_image_page) struct ls_image_page from = {0};
    LS_AUTO(ls_image_page) struct ls_image_page to = {0};
    enum ls_rc rc = ls_catalog_image_get(cat, tx, op->from, &from, err);
    if (rc == LS_NOT_FOUND)
        return ls_err_set(err, LS_NOT_FOUND, "engine: rename %s: there is no image of this name", op->from);
    if (rc == LS_OK)
        rc = ls_catalog_image_get(cat, tx, op->to, &to, err);
    if (rc != LS_OK && rc != LS_NOT_FOUND)
        return rc;
    bool over = rc == LS_OK, parents = op->flags & LS_RENAME_MAKE_PARENTS;
    if (over && (op->flags & LS_RENAME_NOREPLACE))
        return ls_err_set(err, LS_EXISTS, "engine: rename %s to %s: there is an image of this name", op->from, op->to);
    if (!over && !parents) {
        struct ls_variant variant;
        rc = ls_variant_ensure(run->engine, tx, op->place.product, op->place.weight, false, &variant, err);
        if (rc != LS_OK)
            return rc;
    }
    ls_run_args(run, json_pack("{s:b, s:b}", "over", (int)over, "parents", (int)(parents || over)));
    const struct ls_seen *dest = ls_run_seen(run, op->to);
    if (!dest)
        return LS_OK;
    return add_items(run, &from.items[0], over ? &to.items[0] : NULL, dest, err);
}

/* ---- the commit ---- */

void ls_copied_record(struct ls_record *record, const struct ls_seen *seen, const char *etag, uint64_t size_bytes)
{
    if (!record->known) {
        *record = (struct ls_record){.known = true,
                                     .mtime_ns = seen ? seen->modified_ns : ls_now_ns(),
                                     .mode = 0644,
                                     .uid = (uint32_t)getuid(),
                                     .gid = (uint32_t)getgid()};
    }
    record->size_bytes = size_bytes;
    snprintf(record->etag, sizeof(record->etag), "%s", etag);
}

/* The row at the destination makes room. */
static enum ls_rc clear_destination(struct ls_run *run, struct ls_tx *tx, bool forward, struct ls_err *err)
{
    const struct ls_intent_item *item = &run->items[0];
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    enum ls_rc rc = ls_catalog_image_get(run->engine->catalog, tx, item->dest, &page, err);
    if (rc != LS_OK)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    const struct ls_record *record = &page.items[0].record;
    bool expected = ls_run_arg(run, "over", NULL) &&
                    (forward || !record->known || !item->dest_etag || ls_same(record->etag, item->dest_etag));
    if (!expected)
        return ls_err_set(err, LS_CONFLICT, "engine: rename %s to %s: somebody else changed the destination's row",
                          item->key, item->dest);
    struct ls_image_ref ref = {.key = item->dest};
    return tx->cat->ops->images_delete(tx, &ref, 1, err);
}

/* forward: the destination's bytes are replaced already, only the source's row can be in the way. */
static enum ls_rc change_rows(struct ls_run *run, struct ls_tx *tx, const char *etag, bool forward, struct ls_err *err)
{
    struct ls_engine *engine = run->engine;
    const struct ls_intent_item *item = &run->items[0];
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    struct ls_variant variant;
    struct ls_place place;
    enum ls_rc rc = ls_catalog_image_get(engine->catalog, tx, item->key, &page, err);
    if (rc == LS_NOT_FOUND ||
        (rc == LS_OK && page.items[0].record.known && !ls_same(page.items[0].record.etag, item->old_etag)))
        return ls_err_set(err, LS_CONFLICT, "engine: rename %s: somebody else changed its row meanwhile", item->key);
    if (rc == LS_OK)
        rc = ls_place_of(engine, &run->pool, item->dest, &place, err);
    if (rc == LS_OK)
        rc = clear_destination(run, tx, forward, err);
    if (rc == LS_OK)
        rc =
            ls_variant_ensure(engine, tx, place.product, place.weight, ls_run_arg(run, "parents", NULL), &variant, err);
    if (rc != LS_OK)
        return rc;
    struct ls_image_write write = {.old_key = item->key, .image = page.items[0]};
    ls_copied_record(&write.image.record, run->n_seen ? ls_run_seen(run, item->key) : NULL, etag, item->size_bytes);
    ls_place_apply(&place, &variant, &write.image);
    return tx->cat->ops->images_write(tx, &write, 1, err);
}

static enum ls_rc commit_rename(struct ls_run *run, const char *etag, bool forward, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = change_rows(run, tx, etag, forward, err);
    if (rc == LS_OK)
        rc = ls_orphans_record(run, tx, "orphaned", err);
    return rc == LS_OK ? ls_run_commit_point(run, LS_STEAL(tx), false, err) : rc;
}

static enum ls_rc finish(struct ls_run *run, struct ls_err *err)
{
    const char *detail = NULL;
    enum ls_rc rc = ls_copies_remove_sources(run, &detail, err);
    if (rc == LS_OK)
        rc = STEP(run, "rename.deleted", err);
    return rc == LS_OK ? ls_run_close(run, ls_run_outcome(run, true), detail, err) : rc;
}

/* ---- recovery ---- */

/* The destination's bytes are gone, but the source's row was changed by somebody else: at least the destination's row
 * tells the truth about what lies there. */
static enum ls_rc accept_overwritten(struct ls_run *run, const struct ls_object_info *info, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = ls_catalog_image_get(cat, tx, run->items[0].dest, &page, err);
    if (rc == LS_OK) {
        struct ls_image_write write = {.old_key = run->items[0].dest, .image = page.items[0]};
        ls_record_from_object(&write.image.record, info, &page.items[0].record);
        rc = cat->ops->images_write(tx, &write, 1, err);
    }
    if (rc != LS_OK && rc != LS_NOT_FOUND)
        return rc;
    return ls_run_close_in(run, LS_STEAL(tx), ls_run_outcome(run, false),
                           "the destination was overwritten already; its row follows the bytes", err);
}

static enum ls_rc settle_over(struct ls_run *run, bool *out_forward, struct ls_err *err)
{
    const struct ls_intent_item *item = &run->items[0];
    struct ls_object_info dest;
    enum ls_rc rc = ls_store_head_one(run->engine->store, item->dest, &dest, err);
    if (rc != LS_OK && rc != LS_NOT_FOUND)
        return rc;
    bool ours = rc == LS_OK && ls_copy_is_ours(run, item, &dest);
    rc = SETTLE_STEP("rename.looked", err);
    if (rc != LS_OK)
        return rc;
    if (!ours)
        return ls_run_close(run, ls_run_outcome(run, false), NULL, err);
    struct ls_err why = LS_ERR_INIT;
    rc = commit_rename(run, dest.etag, true, &why);
    if (rc == LS_CONFLICT)
        return accept_overwritten(run, &dest, err);
    if (rc != LS_OK && err)
        *err = why;
    if (rc == LS_OK)
        rc = SETTLE_STEP("rename.settled", err);
    *out_forward = true;
    return rc == LS_OK ? finish(run, err) : rc;
}

static enum ls_rc undone(struct ls_err *err) { return SETTLE_STEP("rename.undone", err); }

static enum ls_rc settle_file(struct ls_run *run, bool *out_forward, struct ls_err *err)
{
    if (run->intent.state == LS_INTENT_COMMITTED)
        return finish(run, err);
    if (ls_run_arg(run, "over", NULL) && run->items[0].dest_etag)
        return settle_over(run, out_forward, err);
    return ls_copies_undo(run, undone, err);
}

enum ls_rc ls_rename_settle(struct ls_run *run, bool *out_forward, struct ls_err *err)
{
    bool file = false;
    if (ls_run_arg(run, "follow", NULL))
        return ls_follow_settle(run, err);
    (void)ls_run_arg(run, "over", &file);
    return file ? settle_file(run, out_forward, err) : ls_rename_folder_settle(run, err);
}

/* ---- the call ---- */

static enum ls_rc copied(struct ls_err *err) { return OP_STEP("rename.copied", err); }

static enum ls_rc rename_steps(struct ls_run *run, struct rename_op *op, struct ls_err *err)
{
    struct ls_engine *engine = run->engine;
    enum ls_rc rc = ls_place_of(engine, &run->pool, op->to, &op->place, err);
    if (rc == LS_OK)
        rc = ls_run_claim(run, op->from, false, err);
    if (rc == LS_OK)
        rc = ls_run_claim(run, op->to, false, err);
    if (rc == LS_OK)
        rc = ls_run_begin(run, prepare, NULL, err);
    if (rc == LS_OK)
        rc = OP_STEP("rename.intent_written", err);
    if (rc == LS_OK)
        rc = ls_orphans_copy(run, err);
    if (rc == LS_OK)
        rc = OP_STEP("rename.orphans_copied", err);
    if (rc == LS_OK)
        rc = ls_copies_run(run, copied, err);
    return rc == LS_OK ? commit_rename(run, run->extra[0].etag, false, err) : rc;
}

static enum ls_rc rename_file(struct ls_engine *engine, const char *from, const char *to, unsigned flags,
                              struct ls_err *err)
{
    struct rename_op op = {.from = from, .to = to, .flags = flags};
    struct ls_run run;
    ls_engine_enter(engine);
    ls_run_init(&run, engine, LS_OP_RENAME, &op);
    enum ls_rc rc = rename_steps(&run, &op, err);
    if (rc == LS_OK) {
        struct ls_err why = LS_ERR_INIT;
        enum ls_rc rest = OP_STEP("rename.committed", &why);
        if (rest == LS_OK)
            rest = finish(&run, &why);
        if (rest == LS_OK)
            rest = OP_STEP("rename.closed", &why);
        if (rest != LS_OK && run.journaled)
            ls_run_leave_open(&run, &why);
    }
    return ls_run_end(&run, rc, err);
}

static enum ls_rc same_name(struct ls_engine *engine, const char *path, enum ls_level level, struct ls_err *err)
{
    LS_AUTO(ls_pool) struct ls_pool pool = {0};
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    struct ls_folder_parts folder;
    bool exists = false;
    if (level == LS_LEVEL_FILE)
        return ls_catalog_image_get(engine->catalog, NULL, path, &page, err);
    enum ls_rc rc = ls_folder_parse(engine, &pool, path, &folder, err);
    if (rc == LS_OK)
        rc = ls_folder_exists(engine, NULL, &folder, &exists, err);
    return rc == LS_OK && !exists ? ls_err_set(err, LS_NOT_FOUND, "engine: %s: there is no such folder", path) : rc;
}

enum ls_rc ls_engine_rename(struct ls_engine *engine, const char *from, const char *to, unsigned flags,
                            struct ls_err *err)
{
    enum ls_level from_level = LS_LEVEL_ROOT, to_level = LS_LEVEL_ROOT;
    struct ls_key_parts parts;
    enum ls_key_class fits = ls_layout_parse_path(engine->layout, to, strlen(to), &to_level, &parts);
    if (fits != LS_KEY_FITS)
        return ls_err_set(err, LS_INVALID, "engine: rename to %s: not a possible name: %s", to,
                          ls_key_class_text(fits));
    /* A row whose key does not fit the layout can be renamed to one that does. */
    if (ls_layout_parse_path(engine->layout, from, strlen(from), &from_level, &parts) != LS_KEY_FITS)
        from_level = LS_LEVEL_FILE;
    if (from_level == LS_LEVEL_ROOT || from_level != to_level)
        return ls_err_set(err, LS_INVALID, "engine: rename %s to %s: both must be of the same level", from, to);
    if (strcmp(from, to) == 0)
        return same_name(engine, from, from_level, err);
    return from_level == LS_LEVEL_FILE ? rename_file(engine, from, to, flags, err)
                                       : ls_rename_folder(engine, from, to, flags, err);
}
