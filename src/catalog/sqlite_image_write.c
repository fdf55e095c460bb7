/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing image rows and what is recorded of their objects.
 *
 * The triggers of the schema carry the record along when a key changes; here it is only set anew. A failure in the
 * middle of several rows spoils the transaction, so that half of them can never be committed.
 */
#include "catalog/sqlite_impl.h"

#include <string.h>

#include "base/clock.h"

/* The row is there and recorded with the expected etag ("" = nothing recorded). */
static enum ls_rc check_row(struct ls_sqlite_conn *conn, const char *key, const char *expect_etag, struct ls_err *err)
{
    bool row;
    char etag[LS_CATALOG_ETAG_MAX];
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_IMAGE_ETAG, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, key);
    rc = ls_query_row(&q, &row, err);
    if (rc == LS_OK && !row)
        rc = ls_err_set(err, LS_NOT_FOUND, "catalog: no image row for %s", key);
    if (rc == LS_OK && expect_etag) {
        rc = ls_query_get_fixed(&q, 0, etag, sizeof etag, err);
        if (rc == LS_OK && strcmp(etag, expect_etag) != 0)
            rc = ls_err_set(err, LS_CONFLICT,
                            "catalog: the image row for %s has been changed meanwhile (etag \"%s\", expected \"%s\")",
                            key, etag, expect_etag);
    }
    return rc;
}

/* What an INSERT and an UPDATE begin with. */
static enum ls_rc bind_columns(struct ls_query *q, const struct ls_image *image, struct ls_err *err)
{
    int64_t id;
    ls_query_text(q, image->key);
    ls_query_text(q, image->product);
    if (!image->variant_id)
        ls_query_null(q);
    else if (ls_sqlite_id_parse(image->variant_id, &id))
        ls_query_int(q, id);
    else
        return ls_err_set(err, LS_INVALID, "catalog: image row for %s: \"%s\" is no variant's id", image->key,
                          image->variant_id);
    ls_query_text(q, image->weight);
    ls_query_text(q, image->type);
    ls_query_text(q, image->url);
    return LS_OK;
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

static enum ls_rc insert_image(struct ls_sqlite_conn *conn, const struct ls_image *image, int64_t now_ns,
                               struct ls_err *err)
{
    char created[LS_TIME_LEN], updated[LS_TIME_LEN];
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_IMAGE_INSERT, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_time_iso(image->created_ns ? image->created_ns : now_ns, created);
    ls_time_iso(image->updated_ns ? image->updated_ns : now_ns, updated);
    rc = bind_columns(&q, image, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, created);
    ls_query_text(&q, updated);
    rc = ls_query_run(&q, NULL, err);
    return rc == LS_OK ? LS_OK : explain(rc, image, err);
}

static enum ls_rc update_image(struct ls_sqlite_conn *conn, const char *old_key, const struct ls_image *image,
                               int64_t now_ns, struct ls_err *err)
{
    char updated[LS_TIME_LEN];
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_IMAGE_UPDATE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_time_iso(now_ns, updated);
    rc = bind_columns(&q, image, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, updated);
    ls_query_text(&q, old_key);
    rc = ls_query_run(&q, NULL, err);
    return rc == LS_OK ? LS_OK : explain(rc, image, err);
}

static enum ls_rc put_record(struct ls_sqlite_conn *conn, const char *key, const struct ls_record *record,
                             struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, record->known ? LS_SQL_OBJECT_PUT : LS_SQL_OBJECT_DELETE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, key);
    if (record->known) {
        ls_query_int(&q, (int64_t)record->size_bytes);
        ls_query_text(&q, record->etag);
        ls_query_int(&q, record->mtime_ns);
        ls_query_int(&q, record->mode);
        ls_query_int(&q, record->uid);
        ls_query_int(&q, record->gid);
        ls_query_text(&q, record->content_type);
    }
    rc = ls_query_run(&q, NULL, err);
    if (rc != LS_OK)
        ls_err_prefix(err, "%s: ", key);
    return rc;
}

static enum ls_rc write_one(struct ls_sqlite_conn *conn, const struct ls_image_write *item, int64_t now_ns,
                            struct ls_err *err)
{
    const struct ls_image *image = &item->image;
    enum ls_rc rc;
    if (!image->key || !image->key[0])
        return ls_err_set(err, LS_INVALID, "catalog: an image row needs a key");
    if (item->old_key) {
        rc = check_row(conn, item->old_key, item->expect_etag, err);
        if (rc == LS_OK)
            rc = update_image(conn, item->old_key, image, now_ns, err);
    } else
        rc = insert_image(conn, image, now_ns, err);
    /* A new row has nothing recorded. */
    if (rc == LS_OK && (item->old_key || image->record.known))
        rc = put_record(conn, image->key, &image->record, err);
    return rc;
}

enum ls_rc ls_sqlite_images_write(struct ls_tx *tx, const struct ls_image_write *items, size_t n, struct ls_err *err)
{
    struct ls_sqlite_conn *conn;
    int64_t now_ns = ls_now_ns();
    enum ls_rc rc = ls_sqlite_tx_conn(tx, &conn, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        rc = write_one(conn, &items[i], now_ns, err);
    return ls_sqlite_tx_spoil(tx, rc);
}

static enum ls_rc delete_one(struct ls_sqlite_conn *conn, const struct ls_image_ref *item, struct ls_err *err)
{
    enum ls_rc rc = check_row(conn, item->key, item->expect_etag, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_query) struct ls_query q;
    rc = ls_query_begin(conn, LS_SQL_IMAGE_DELETE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, item->key);
    rc = ls_query_run(&q, NULL, err);
    if (rc != LS_OK)
        ls_err_prefix(err, "%s: ", item->key);
    return rc;
}

enum ls_rc ls_sqlite_images_delete(struct ls_tx *tx, const struct ls_image_ref *items, size_t n, struct ls_err *err)
{
    struct ls_sqlite_conn *conn;
    enum ls_rc rc = ls_sqlite_tx_conn(tx, &conn, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        rc = delete_one(conn, &items[i], err);
    return ls_sqlite_tx_spoil(tx, rc);
}

/* The row itself is touched as well: the change feed watches image rows. */
static enum ls_rc touch(struct ls_sqlite_conn *conn, const char *key, struct ls_err *err)
{
    char updated[LS_TIME_LEN];
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_IMAGE_TOUCH, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_time_iso(ls_now_ns(), updated);
    ls_query_text(&q, updated);
    ls_query_text(&q, key);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog: no image row for %s", key);
    return rc;
}

static enum ls_rc set_attr(struct ls_sqlite_conn *conn, const char *key, const struct ls_attr *attr, struct ls_err *err)
{
    int changes = 0;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_OBJECT_ATTR, &q, err);
    if (rc != LS_OK)
        return rc;
    const struct {
        bool set;
        int64_t value;
    } values[] = {
        {attr->set_mode, attr->mode},
        {attr->set_owner, attr->uid},
        {attr->set_owner, attr->gid},
        {attr->set_mtime, attr->mtime_ns},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (values[i].set)
            ls_query_int(&q, values[i].value);
        else
            ls_query_null(&q);
    ls_query_text(&q, key);
    rc = ls_query_run(&q, &changes, err);
    if (rc == LS_OK && changes == 0)
        return ls_err_set(err, LS_CONFLICT, "catalog: nothing is recorded yet of the object of %s: refresh it first",
                          key);
    return rc;
}

enum ls_rc ls_sqlite_image_attr(struct ls_tx *tx, const char *key, const struct ls_attr *attr, struct ls_err *err)
{
    struct ls_sqlite_conn *conn;
    enum ls_rc rc = ls_sqlite_tx_conn(tx, &conn, err);
    if (rc == LS_OK)
        rc = check_row(conn, key, NULL, err);
    if (rc == LS_OK)
        rc = set_attr(conn, key, attr, err);
    if (rc != LS_OK)
        return rc;
    return ls_sqlite_tx_spoil(tx, touch(conn, key, err));
}
