/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Put: upload an object and write its row; as a new name, over the same name, or in place of another image.
 *
 * Items: 0 PUT (row = what the row is to become), then DELETE of the replaced image, TRASH of an orphan in the way.
 *   new name:  undone by removing the object that carries our intent's id; an orphan goes back from trash.
 *   same name: once the object carries our intent's id the old bytes are gone, so it goes forward.
 * No HEAD in the usual case: the PUT's own precondition finds orphans and foreign changes. The object is recognised by
 * the intent's id in its metadata alone: somebody else's identical bytes are not ours.
 */
#include "engine/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

struct put_op {
    const struct ls_engine_put *req;
    struct ls_place place;
    struct ls_object_meta meta;
    char etag[LS_ETAG_MAX]; /* that the upload will have */
    uint8_t md5[LS_MD5_LEN], sha256[LS_SHA256_LEN];
    bool has_row;
    bool orphan_found; /* an object without a row lies at the key */
    struct ls_seen orphan;
    struct ls_image_page *out_image;
};

/* ---- the journal ---- */

static enum ls_rc check_expectation(const struct put_op *op, const struct ls_image *row, const char *etag,
                                    struct ls_err *err)
{
    const char *key = op->req->key;
    switch (op->req->expect) {
    case LS_PUT_EXPECT_NEW:
        return row ? ls_err_set(err, LS_EXISTS, "engine: put %s: there is an image of this name", key) : LS_OK;
    case LS_PUT_EXPECT_ETAG:
        if (!row || !ls_same(etag, op->req->expect_etag))
            return ls_err_set(err, LS_CONFLICT, "engine: put %s: the image was %s meanwhile", key,
                              row ? "changed" : "removed");
        return LS_OK;
    case LS_PUT_EXPECT_ANY:
        break;
    }
    return LS_OK;
}

/* What the row is to become, as JSON for the recovery. */
static enum ls_rc new_row_json(struct ls_run *run, const struct put_op *op, const char **out, struct ls_err *err)
{
    struct ls_image image = {.product = op->place.product,
                             .weight = op->place.weight,
                             .type = op->place.type,
                             .url = op->place.url,
                             .record = {.known = true,
                                        .size_bytes = op->req->size_bytes,
                                        .mtime_ns = op->meta.mtime_ns,
                                        .mode = op->meta.mode,
                                        .uid = op->meta.uid,
                                        .gid = op->meta.gid}};
    memcpy(image.record.etag, op->etag, sizeof(image.record.etag));
    memcpy(image.record.content_type, op->meta.content_type, sizeof(image.record.content_type));
    return ls_image_to_json(&image, &run->pool, out, err);
}

static enum ls_rc add_put_item(struct ls_run *run, struct put_op *op, const char *old_etag, struct ls_err *err)
{
    struct ls_intent_item item = {.action = LS_ACTION_PUT,
                                  .key = op->place.key,
                                  .old_etag = old_etag,
                                  .new_etag = run->engine->caps.etag_is_md5 ? op->etag : NULL,
                                  .size_bytes = op->req->size_bytes};
    enum ls_rc rc = new_row_json(run, op, &item.row, err);
    if (rc != LS_OK)
        return rc;
    if (!ls_run_item(run, &item))
        return ls_err_nomem(err);
    return op->orphan_found ? ls_orphan_add(run, &op->orphan, err) : LS_OK;
}

/* The image that is replaced: its row, and the DELETE item. */
static enum ls_rc prepare_replaced(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    const struct put_op *op = run->op;
    const char *key = op->req->replaces;
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    struct ls_intent_item item = {.action = LS_ACTION_DELETE, .key = key};
    enum ls_rc rc = ls_catalog_image_get(run->engine->catalog, tx, key, &page, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_run_row_object(run, &page.items[0], &item.old_etag, &item.size_bytes, err);
    if (rc != LS_OK || run->n_wants > 0)
        return rc;
    if (op->req->replaces_etag && !ls_same(op->req->replaces_etag, item.old_etag))
        return ls_err_set(err, LS_CONFLICT, "engine: put %s: %s, which it replaces, was changed meanwhile",
                          op->req->key, key);
    return ls_run_item(run, &item) ? LS_OK : ls_err_nomem(err);
}

/* What the caller did not set stays as the row has it. */
static void keep_attr(const struct ls_record *row, bool mode, bool owner, uint32_t *out_mode, uint32_t *out_uid,
                      uint32_t *out_gid)
{
    if (!row->known)
        return;
    if (mode)
        *out_mode = row->mode;
    if (owner) {
        *out_uid = row->uid;
        *out_gid = row->gid;
    }
}

static enum ls_rc prepare(struct ls_run *run, struct ls_tx *tx, struct ls_err *err)
{
    struct put_op *op = run->op;
    struct ls_engine *engine = run->engine;
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    const char *old_etag = NULL;
    uint64_t old_size;
    enum ls_rc rc = ls_catalog_image_get(engine->catalog, tx, op->place.key, &page, err);
    if (rc != LS_OK && rc != LS_NOT_FOUND)
        return rc;
    op->has_row = rc == LS_OK;
    if (op->has_row) {
        rc = ls_run_row_object(run, &page.items[0], &old_etag, &old_size, err);
        if (rc != LS_OK || run->n_wants > 0)
            return rc;
        op->orphan_found = false;
        keep_attr(&page.items[0].record, !op->req->meta.has_mode, !op->req->meta.has_owner, &op->meta.mode,
                  &op->meta.uid, &op->meta.gid);
    }
    rc = check_expectation(op, op->has_row ? &page.items[0] : NULL, old_etag, err);
    if (rc == LS_OK && !op->has_row && !op->req->make_parents) {
        struct ls_variant variant;
        rc = ls_variant_ensure(engine, tx, op->place.product, op->place.weight, false, &variant, err);
    }
    if (rc == LS_OK)
        rc = add_put_item(run, op, old_etag, err);
    if (rc == LS_OK && op->req->replaces)
        rc = prepare_replaced(run, tx, err);
    const struct ls_object_meta *meta = &op->req->meta;
    ls_run_args(run, json_pack("{s:b, s:b, s:b, s:b}", "row", (int)op->has_row, "parents", (int)op->req->make_parents,
                               "keep_mode", (int)!meta->has_mode, "keep_owner", (int)!meta->has_owner));
    return rc;
}

/* ---- the upload ---- */

static bool is_ours(const struct ls_run *run, const struct ls_object_info *info)
{
    return strcmp(info->meta.intent, run->intent.id) == 0;
}

/* The precondition, asked beforehand on a store that cannot check it itself. */
static enum ls_rc check_before(struct ls_run *run, const struct ls_store_put *put, struct ls_err *err)
{
    struct ls_object_info info;
    enum ls_rc rc = ls_store_head_one(run->engine->store, put->key, &info, err);
    if (rc == LS_NOT_FOUND)
        return put->condition == LS_PUT_IF_NEW ? LS_OK : LS_CONFLICT;
    if (rc != LS_OK)
        return rc;
    if (put->condition == LS_PUT_IF_NEW)
        return LS_EXISTS;
    return strcmp(info.etag, put->if_etag) == 0 ? LS_OK : LS_CONFLICT;
}

static enum ls_rc put_once(struct ls_run *run, const char *if_etag, struct ls_object_info *out, struct ls_err *err)
{
    struct put_op *op = run->op;
    enum ls_rc rc = ls_run_own(run, err);
    if (rc == LS_OK)
        rc = OP_STEP("put.sending", err);
    if (rc != LS_OK)
        return rc;
    snprintf(op->meta.intent, sizeof(op->meta.intent), "%s", run->intent.id);
    struct ls_store_put put = {.key = op->place.key,
                               .fd = op->req->fd,
                               .size_bytes = op->req->size_bytes,
                               .md5 = op->md5,
                               .sha256 = op->sha256,
                               .condition = if_etag ? LS_PUT_IF_ETAG : LS_PUT_IF_NEW,
                               .if_etag = if_etag,
                               .meta = &op->meta};
    if (!run->engine->caps.conditional_put) {
        rc = check_before(run, &put, err);
        if (rc != LS_OK)
            return rc;
        put.condition = LS_PUT_ALWAYS;
        put.if_etag = NULL;
    }
    return ls_store_put(run->engine->store, &put, out, err);
}

/* The PUT said that its condition does not hold, or nothing at all: what is there? LS_OK when it is our upload after
 * all; op->orphan when a stranger is. Other failures are left to settling, which looks as well. */
static enum ls_rc look_after_failure(struct ls_run *run, enum ls_rc put_rc, struct ls_object_info *out, bool *out_free,
                                     struct ls_err *err)
{
    struct put_op *op = run->op;
    struct ls_err why = LS_ERR_INIT;
    bool unknown = put_rc == LS_OUTCOME_UNKNOWN;
    if (run->lost || (!unknown && put_rc != LS_EXISTS && put_rc != LS_CONFLICT && put_rc != LS_NOT_FOUND))
        return put_rc; /* its own text */
    if (unknown && ls_waited_in_vain(err))
        return put_rc;
    enum ls_rc rc = ls_store_head_one(run->engine->store, op->place.key, out, &why);
    *out_free = rc == LS_NOT_FOUND;
    if (rc == LS_OK && is_ours(run, out))
        return LS_OK;
    if (rc != LS_OK && rc != LS_NOT_FOUND) {
        if (err && !unknown)
            *err = why;
        return unknown ? LS_OUTCOME_UNKNOWN : rc;
    }
    if (unknown)
        return ls_err_set(err, LS_TRANSIENT, "engine: put %s: the answer was lost and the object is not there",
                          op->place.key);
    if (rc == LS_OK && !op->has_row && !op->orphan_found) {
        op->orphan_found = true;
        op->orphan = (struct ls_seen){.key = op->place.key, .rc = LS_OK, .size_bytes = out->size_bytes};
        memcpy(op->orphan.etag, out->etag, sizeof(out->etag));
        return LS_EXISTS;
    }
    return ls_err_set(err, LS_CONFLICT,
                      "engine: put %s: somebody else %s the object behind the catalog's back; a scan says more",
                      op->place.key, rc == LS_OK ? "changed" : "removed");
}

static enum ls_rc upload(struct ls_run *run, struct ls_object_info *out, struct ls_err *err)
{
    const struct put_op *op = run->op;
    const char *if_etag = op->orphan_found ? op->orphan.etag : run->items[0].old_etag;
    bool nothing_there = false;
    enum ls_rc rc = put_once(run, if_etag, out, err);
    if (rc == LS_OK)
        return LS_OK;
    rc = look_after_failure(run, rc, out, &nothing_there, err);
    if (rc == LS_CONFLICT && nothing_there && if_etag) {
        /* The row's object had vanished: these bytes fill the gap. */
        rc = put_once(run, NULL, out, err);
        if (rc != LS_OK)
            rc = look_after_failure(run, rc, out, &nothing_there, err);
    }
    return rc;
}

/* Upload; an orphan found in the way goes to trash within the same operation. */
static enum ls_rc upload_past_orphan(struct ls_run *run, struct ls_object_info *out, struct ls_err *err)
{
    struct put_op *op = run->op;
    enum ls_rc rc = upload(run, out, err);
    if (rc != LS_EXISTS || !op->orphan_found)
        return rc;
    LS_LOG_INFO("engine", "orphan-to-trash", {"key", ls_v_str(op->place.key)}, {"intent", ls_v_str(run->intent.id)});
    rc = ls_run_rejournal(run, prepare, err);
    if (rc == LS_OK && op->has_row) /* an application wrote its row just now */
        return ls_err_set(err, LS_CONFLICT, "engine: put %s: somebody else wrote a row for it", op->place.key);
    if (rc == LS_OK)
        rc = ls_orphans_copy(run, err);
    if (rc == LS_OK)
        rc = OP_STEP("put.orphan_copied", err);
    return rc == LS_OK ? upload(run, out, err) : rc;
}

/* ---- the commit ---- */

static const struct ls_intent_item *replaced_item(const struct ls_run *run)
{
    for (size_t i = 1; i < run->n_items; i++)
        if (run->items[i].action == LS_ACTION_DELETE)
            return &run->items[i];
    return NULL;
}

/* The row of the image that is replaced: what becomes of it. *out_old_key is the row to re-key, or NULL. */
static enum ls_rc take_replaced(struct ls_run *run, struct ls_tx *tx, bool row_there, bool must_go_forward,
                                const char **out_old_key, struct ls_err *err)
{
    const struct ls_intent_item *item = replaced_item(run);
    *out_old_key = NULL;
    if (!item)
        return LS_OK;
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    enum ls_rc rc = ls_catalog_image_get(run->engine->catalog, tx, item->key, &page, err);
    if (rc != LS_OK && rc != LS_NOT_FOUND)
        return rc;
    bool same = rc == LS_OK && (!page.items[0].record.known || ls_same(page.items[0].record.etag, item->old_etag));
    if (!same)
        return must_go_forward ? LS_OK
                               : ls_err_set(err, LS_CONFLICT, "engine: put %s: %s, which it replaces, was changed",
                                            run->items[0].key, item->key);
    if (!row_there) {
        *out_old_key = item->key;
        return LS_OK;
    }
    struct ls_image_ref ref = {.key = item->key};
    return tx->cat->ops->images_delete(tx, &ref, 1, err);
}

static enum ls_rc write_row(struct ls_run *run, struct ls_tx *tx, const struct ls_object_info *info, struct ls_err *err)
{
    struct ls_engine *engine = run->engine;
    const struct ls_intent_item *item = &run->items[0];
    bool had_row = ls_run_arg(run, "row", NULL);
    struct ls_image_write write = {0};
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    struct ls_variant variant;
    enum ls_rc rc = ls_image_from_json(item->row, item->key, &run->pool, &write.image, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_catalog_image_get(engine->catalog, tx, item->key, &page, err);
    if (rc != LS_OK && rc != LS_NOT_FOUND)
        return rc;
    bool row_there = rc == LS_OK;
    if (row_there && !had_row)
        return ls_err_set(err, LS_CONFLICT, "engine: put %s: somebody else wrote a row for it", item->key);
    rc = take_replaced(run, tx, row_there, had_row && item->old_etag, &write.old_key, err);
    if (rc == LS_OK)
        rc = ls_variant_ensure(engine, tx, write.image.product, write.image.weight,
                               had_row || ls_run_arg(run, "parents", NULL), &variant, err);
    if (rc != LS_OK)
        return rc;
    if (row_there) {
        struct ls_record *record = &write.image.record;
        write.old_key = item->key;
        /* Another host may have changed them since the intent was written. */
        keep_attr(&page.items[0].record, ls_run_arg(run, "keep_mode", NULL), ls_run_arg(run, "keep_owner", NULL),
                  &record->mode, &record->uid, &record->gid);
    }
    memcpy(write.image.record.etag, info->etag, sizeof(info->etag));
    write.image.record.size_bytes = info->size_bytes;
    write.image.variant_id = variant.id;
    write.image.updated_ns = ls_now_ns();
    write.image.created_ns = row_there ? page.items[0].created_ns : write.image.updated_ns;
    return engine->catalog->ops->images_write(tx, &write, 1, err);
}

/* The commit point. With nothing left to do afterwards, closing is part of it. */
static enum ls_rc commit_put(struct ls_run *run, const struct ls_object_info *info, struct ls_err *err)
{
    struct ls_catalog *cat = run->engine->catalog;
    const struct put_op *op = run->op;
    LS_AUTO(ls_tx) struct ls_tx *tx = NULL;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc == LS_OK)
        rc = write_row(run, tx, info, err);
    if (rc == LS_OK)
        rc = ls_orphans_record(run, tx, "orphaned", err);
    if (rc == LS_OK && op && op->out_image)
        rc = ls_catalog_image_get(cat, tx, run->items[0].key, op->out_image, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_run_commit_point(run, LS_STEAL(tx), !replaced_item(run), err);
    if (rc != LS_OK && op && op->out_image) {
        ls_image_page_dispose(op->out_image);
        *op->out_image = (struct ls_image_page){0};
    }
    return rc;
}

/* After the commit: the object of the replaced image goes. */
static enum ls_rc finish(struct ls_run *run, struct ls_err *err)
{
    const struct ls_intent_item *item = replaced_item(run);
    const char *detail = NULL;
    if (!item || !run->journaled)
        return LS_OK;
    if (item->old_etag) {
        struct ls_remove_object gone = {.key = item->key, .etag = item->old_etag};
        ls_remove_objects(run, &gone, 1, true, err);
        if (gone.result == LS_REMOVAL_FAILED)
            return err && err->rc != LS_OK ? err->rc : LS_IO;
        if (gone.result != LS_REMOVAL_DONE)
            detail = gone.result == LS_REMOVAL_DENIED ? "the store refuses to delete the replaced object"
                                                      : "the replaced object was changed by somebody else and left";
    }
    enum ls_rc rc = STEP(run, "put.deleted", err);
    return rc == LS_OK ? ls_run_close(run, ls_run_outcome(run, true), detail, err) : rc;
}

/* ---- recovery ---- */

static enum ls_rc settle_back(struct ls_run *run, bool ours, struct ls_err *err)
{
    enum ls_rc rc = ls_orphans_undo(run, err);
    if (rc == LS_OK && ours && !ls_orphan_at(run, run->items[0].key)) {
        struct ls_store_delete del = {.key = run->items[0].key};
        rc = ls_run_own(run, err);
        if (rc == LS_OK)
            rc = ls_store_delete_many(run->engine->store, &del, 1, err);
    }
    if (rc == LS_OK)
        rc = SETTLE_STEP("put.undone", err);
    return rc == LS_OK ? ls_run_close(run, ls_run_outcome(run, false), NULL, err) : rc;
}

enum ls_rc ls_put_settle(struct ls_run *run, bool *out_forward, struct ls_err *err)
{
    if (run->intent.state == LS_INTENT_COMMITTED)
        return finish(run, err);
    const struct ls_intent_item *item = &run->items[0];
    struct ls_object_info info;
    ls_abort_parts(run, item->key, item->size_bytes);
    enum ls_rc rc = ls_store_head_one(run->engine->store, item->key, &info, err);
    if (rc != LS_OK && rc != LS_NOT_FOUND)
        return rc;
    bool ours = rc == LS_OK && is_ours(run, &info);
    rc = SETTLE_STEP("put.looked", err);
    if (rc != LS_OK)
        return rc;
    if (!ours || !item->old_etag)
        return settle_back(run, ours, err);
    *out_forward = true; /* the old bytes are gone */
    rc = commit_put(run, &info, err);
    if (rc == LS_OK)
        rc = SETTLE_STEP("put.settled", err);
    return rc == LS_OK ? finish(run, err) : rc;
}

/* ---- the call ---- */

static void resolve_meta(const struct ls_engine_put *req, struct ls_object_meta *meta)
{
    *meta = req->meta;
    if (!meta->has_mtime)
        meta->mtime_ns = ls_now_ns();
    if (!meta->has_mode)
        meta->mode = 0644;
    if (!meta->has_owner) {
        meta->uid = (uint32_t)getuid();
        meta->gid = (uint32_t)getgid();
    }
    meta->has_mtime = meta->has_mode = meta->has_owner = true;
    if (!meta->content_type[0])
        snprintf(meta->content_type, sizeof(meta->content_type), "%s", ls_content_type_of(req->key));
}

static enum ls_rc put_steps(struct ls_run *run, struct put_op *op, struct ls_err *err)
{
    const struct ls_engine_put *req = op->req;
    struct ls_engine *engine = run->engine;
    struct ls_object_info info;
    enum ls_rc rc = ls_place_of(engine, &run->pool, req->key, &op->place, err);
    if (rc == LS_OK && req->replaces && strcmp(req->replaces, req->key) == 0)
        return ls_err_set(err, LS_INVALID, "engine: put %s: it cannot replace itself", req->key);
    if (rc == LS_OK)
        rc = ls_store_expected_etag(&engine->caps, req->fd, req->size_bytes, op->etag, op->md5, op->sha256, err);
    if (rc == LS_OK)
        rc = ls_run_claim(run, req->key, false, err);
    if (rc == LS_OK && req->replaces)
        rc = ls_run_claim(run, req->replaces, false, err);
    if (rc == LS_OK)
        rc = ls_run_begin(run, prepare, NULL, err);
    if (rc == LS_OK)
        rc = OP_STEP("put.intent_written", err);
    if (rc == LS_OK)
        rc = upload_past_orphan(run, &info, err);
    if (rc == LS_OK)
        rc = OP_STEP("put.uploaded", err);
    return rc == LS_OK ? commit_put(run, &info, err) : rc;
}

enum ls_rc ls_engine_put(struct ls_engine *engine, const struct ls_engine_put *put, struct ls_image_page *out_image,
                         struct ls_err *err)
{
    struct put_op op = {.req = put, .out_image = out_image};
    struct ls_run run;
    if (out_image)
        *out_image = (struct ls_image_page){0};
    resolve_meta(put, &op.meta);
    ls_engine_enter(engine);
    ls_run_init(&run, engine, LS_OP_PUT, &op);
    enum ls_rc rc = put_steps(&run, &op, err);
    if (rc == LS_OK) {
        struct ls_err why = LS_ERR_INIT;
        enum ls_rc rest = OP_STEP("put.committed", &why);
        if (rest == LS_OK)
            rest = finish(&run, &why);
        if (rest == LS_OK)
            rest = OP_STEP("put.closed", &why);
        if (rest != LS_OK && run.journaled)
            ls_run_leave_open(&run, &why);
    }
    return ls_run_end(&run, rc, err);
}
