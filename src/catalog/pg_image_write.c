/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing image rows and what is recorded of their objects, many in one round trip.
 *
 * What a caller expects of a row stands in the statement's WHERE; only when a row was not changed it is asked why. The
 * triggers of the schema make a record for each row and carry it along when a key changes; here it is only set anew. A
 * failure in the middle of several rows spoils the transaction, so that half of them can never be committed.
 */
#include "catalog/pg_impl.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

/* Explain why a row was not changed: it is not there, or not recorded with the expected etag ("" = nothing). */
static enum ls_rc explain_row(struct ls_tx *tx, const char *key, const char *expect_etag, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_IMAGE_ETAG);
    ls_pg_text(&q, key);
    enum ls_rc rc = ls_pg_read(tx->cat, tx, &q, &res, err);
    if (rc != LS_OK)
        return rc;
    if (PQntuples(res) == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: no image row for %s", key);
    return ls_err_set(err, LS_CONFLICT,
                      "catalog: the image row for %s has been changed meanwhile (etag \"%s\", expected \"%s\")", key,
                      PQgetvalue(res, 0, 0), expect_etag ? expect_etag : "");
}

/* Explain what the constraints mean for an image row. */
static enum ls_rc explain(enum ls_rc rc, const struct ls_image *image, struct ls_err *err)
{
    if (rc == LS_EXISTS)
        return ls_err_set(err, rc, "catalog: there is an image row for %s already", image->key);
    if (rc == LS_NOT_FOUND)
        return ls_err_set(err, rc, "catalog: image row for %s: there is no product \"%s\" or no variant %s", image->key,
                          image->product ? image->product : "", image->variant_id ? image->variant_id : "");
    ls_err_prefix(err, "%s: ", image->key);
    return rc;
}

struct writing {
    const struct ls_mapping *mapping;
    const struct ls_image_write *items;
    int64_t now_ns;
};

static enum ls_rc fill_row(const struct writing *writing, const struct ls_image_write *item, struct ls_pg_query *q,
                           struct ls_err *err)
{
    const struct ls_image *image = &item->image;
    if (!image->key || !image->key[0])
        return ls_err_set(err, LS_INVALID, "catalog: an image row needs a key");
    ls_pg_query_init(q, item->old_key ? LS_PG_IMAGE_UPDATE : LS_PG_IMAGE_INSERT);
    q->must_change = true;
    ls_pg_text(q, image->key);
    ls_pg_text(q, image->product);
    ls_pg_text(q, image->variant_id);
    ls_pg_text(q, image->weight);
    ls_pg_text(q, image->type);
    ls_pg_text(q, image->url);
    if (item->old_key) {
        ls_pg_time(q, writing->now_ns);
        ls_pg_text(q, item->old_key);
        ls_pg_text(q, item->expect_etag);
    } else {
        ls_pg_time(q, image->created_ns ? image->created_ns : writing->now_ns);
        ls_pg_time(q, image->updated_ns ? image->updated_ns : writing->now_ns);
        ls_pg_constants(q, &writing->mapping->tables[LS_MAP_IMAGE]);
    }
    return LS_OK;
}

static void fill_record(const struct ls_image_write *item, struct ls_pg_query *q)
{
    const struct ls_record *record = &item->image.record;
    if (!record->known && !item->old_key)
        return; /* a new row has nothing recorded */
    ls_pg_query_init(q, !record->known ? LS_PG_OBJECT_FORGET : item->record_only ? LS_PG_OBJECT_SET : LS_PG_OBJECT_PUT);
    ls_pg_text(q, item->image.key);
    if (!record->known)
        return;
    ls_pg_int(q, (int64_t)record->size_bytes);
    ls_pg_text(q, record->etag);
    ls_pg_int(q, record->mtime_ns);
    ls_pg_int(q, record->mode);
    ls_pg_int(q, record->uid);
    ls_pg_int(q, record->gid);
    ls_pg_text(q, record->content_type);
    if (item->record_only) {
        ls_pg_text(q, item->expect_etag);
        q->must_change = true;
    }
}

/* Two statements a row: the row itself, then its record. */
static enum ls_rc fill_write(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    const struct writing *writing = ctx;
    const struct ls_image_write *item = &writing->items[i / 2];
    if (i % 2 == 0)
        return item->record_only ? LS_OK : fill_row(writing, item, q, err);
    fill_record(item, q);
    return LS_OK;
}

enum ls_rc ls_pg_images_write(struct ls_tx *tx, const struct ls_image_write *items, size_t n, struct ls_err *err)
{
    struct ls_pg_conn *conn;
    struct writing writing = {&ls_pg_of(tx->cat)->mapping, items, ls_now_ns()};
    size_t failed;
    enum ls_rc rc = ls_pg_tx_conn(tx, &conn, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_pg_run_many(tx, 2 * n, fill_write, &writing, &failed, err);
    if (rc == LS_OK || conn->dead)
        return rc;
    const struct ls_image_write *item = &items[failed / 2];
    if (!item->image.key || !item->image.key[0])
        return rc;
    /* No row changed, and the server is content: ask for the reason (the transaction is spoiled all the same). */
    if (rc == LS_NOT_FOUND && item->old_key && PQtransactionStatus(conn->pg) == PQTRANS_INTRANS) {
        struct ls_pg_tx *own = (struct ls_pg_tx *)tx;
        own->broken = LS_OK;
        return ls_pg_tx_spoil(tx, explain_row(tx, item->old_key, item->expect_etag, err));
    }
    return rc == LS_INVALID && err && strstr(err->text, item->image.key) ? rc : explain(rc, &item->image, err);
}

static enum ls_rc fill_delete(void *ctx, size_t i, struct ls_pg_query *q, struct ls_err *err)
{
    const struct ls_image_ref *item = &((const struct ls_image_ref *)ctx)[i];
    (void)err;
    ls_pg_query_init(q, LS_PG_IMAGE_DELETE);
    q->must_change = true;
    ls_pg_text(q, item->key);
    ls_pg_text(q, item->expect_etag);
    return LS_OK;
}

enum ls_rc ls_pg_images_delete(struct ls_tx *tx, const struct ls_image_ref *items, size_t n, struct ls_err *err)
{
    struct ls_pg_conn *conn;
    size_t failed;
    enum ls_rc rc = ls_pg_tx_conn(tx, &conn, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_pg_run_many(tx, n, fill_delete, (void *)(uintptr_t)items, &failed, err);
    if (rc == LS_OK || conn->dead)
        return rc;
    if (rc == LS_NOT_FOUND && PQtransactionStatus(conn->pg) == PQTRANS_INTRANS) {
        struct ls_pg_tx *own = (struct ls_pg_tx *)tx;
        own->broken = LS_OK;
        return ls_pg_tx_spoil(tx, explain_row(tx, items[failed].key, items[failed].expect_etag, err));
    }
    ls_err_prefix(err, "%s: ", items[failed].key);
    return rc;
}

enum ls_rc ls_pg_image_attr(struct ls_tx *tx, const char *key, const struct ls_attr *attr, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    const struct {
        bool set;
        int64_t value;
    } values[] = {
        {attr->set_mode, attr->mode},
        {attr->set_owner, attr->uid},
        {attr->set_owner, attr->gid},
        {attr->set_mtime, attr->mtime_ns},
    };
    ls_pg_query_init(&q, LS_PG_IMAGE_ATTR);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (values[i].set)
            ls_pg_int(&q, values[i].value);
        else
            ls_pg_null(&q);
    ls_pg_text(&q, key);
    ls_pg_time(&q, ls_now_ns());
    enum ls_rc rc = ls_pg_run(tx, &q, &changes, NULL, err);
    if (rc != LS_OK || changes)
        return rc;
    rc = explain_row(tx, key, NULL, err);
    if (rc == LS_CONFLICT)
        return ls_err_set(err, rc, "catalog: nothing is recorded yet of the object of %s: refresh it first", key);
    return rc;
}
