/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The PostgreSQL catalog: opening, closing, and the table of operations. Each subject has a file of its own.
 */
#include "catalog/pg_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"

#define BUSY_TIMEOUT_DEFAULT_MS 10000
#define DEADLINE_DEFAULT_MS 30000

static void pg_close(struct ls_catalog *base)
{
    struct ls_pg *cat = ls_pg_of(base);
    ls_pg_instance_end(cat);
    for (struct ls_pg_conn *c = cat->idle, *next; c; c = next) {
        next = c->next;
        ls_pg_conn_close(c);
    }
    ls_pg_conn_close(cat->writer);
    ls_pg_conn_close(cat->live);
    ls_pg_conn_close(cat->listener);
    pthread_cond_destroy(&cat->reader_free);
    pthread_cond_destroy(&cat->writer_free);
    pthread_mutex_destroy(&cat->mutex);
    pthread_mutex_destroy(&cat->live_lock);
    for (size_t i = 0; i < LS_PG_COUNT; i++)
        free(cat->sql[i]);
    ls_mapping_dispose(&cat->mapping);
    free(cat->url);
    free(cat);
}

static enum ls_rc pg_create(struct ls_catalog *base, struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(base);
    enum ls_rc rc = ls_pg_writer_take(cat, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_pg_writer_conn(cat, ls_monotonic_ms() + cat->busy_timeout_ms, err);
    if (rc == LS_OK)
        rc = ls_pg_migrate(cat->writer, ls_pg_migrations, ls_pg_schema_version, err);
    ls_pg_writer_leave(cat);
    return rc;
}

static const struct ls_catalog_ops pg_ops = {
    .name = "postgresql",
    .close = pg_close,
    .create = pg_create,
    .instance_start = ls_pg_instance_start,
    .instance_alive = ls_pg_instance_alive,
    .instance_term = ls_pg_instance_term,
    .instance_list = ls_pg_instance_list,
    .leader_take = ls_pg_leader_take,
    .leader_leave = ls_pg_leader_leave,
    .begin = ls_pg_begin,
    .begin_relaxed = ls_pg_begin_relaxed,
    .commit = ls_pg_commit,
    .rollback = ls_pg_rollback,
    .images_get = ls_pg_images_get,
    .image_page = ls_pg_image_page,
    .variant_images = ls_pg_variant_images,
    .image_count = ls_pg_image_count,
    .image_splits = ls_pg_image_splits,
    .product_page = ls_pg_product_page,
    .product_count = ls_pg_product_count,
    .product_exists = ls_pg_product_exists,
    .variant_list = ls_pg_variant_list,
    .variant_get = ls_pg_variant_get,
    .folder_get = ls_pg_folder_get,
    .folder_children = ls_pg_folder_children,
    .change_last = ls_pg_change_last,
    .change_page = ls_pg_change_page,
    .change_wait = ls_pg_change_wait,
    .product_add = ls_pg_product_add,
    .product_remove = ls_pg_product_remove,
    .product_rename = ls_pg_product_rename,
    .variant_add = ls_pg_variant_add,
    .variant_set = ls_pg_variant_set,
    .variant_remove = ls_pg_variant_remove,
    .images_write = ls_pg_images_write,
    .images_delete = ls_pg_images_delete,
    .image_attr = ls_pg_image_attr,
    .folder_put = ls_pg_folder_put,
    .folder_remove = ls_pg_folder_remove,
    .folder_rename = ls_pg_folder_rename,
    .intent_add = ls_pg_intent_add,
    .intent_item_set = ls_pg_intent_item_set,
    .intent_commit = ls_pg_intent_commit,
    .intent_take = ls_pg_intent_take,
    .intent_close = ls_pg_intent_close,
    .intent_get = ls_pg_intent_get,
    .intent_list = ls_pg_intent_list,
    .intent_items = ls_pg_intent_items,
    .intent_item_count = ls_pg_intent_item_count,
    .intents_cover = ls_pg_intents_cover,
    .audit_add = ls_pg_audit_add,
    .audit_page = ls_pg_audit_page,
    .trash_add = ls_pg_trash_add,
    .trash_remove = ls_pg_trash_remove,
    .trash_page = ls_pg_trash_page,
    .event_add = ls_pg_event_add,
    .event_page = ls_pg_event_page,
    .event_count = ls_pg_event_count,
    .event_remove = ls_pg_event_remove,
    .scan_put = ls_pg_scan_put,
    .scan_write = ls_pg_scan_write,
    .scan_get = ls_pg_scan_get,
    .scan_whole = ls_pg_scan_whole,
    .scan_running = ls_pg_scan_running,
    .scan_tidy = ls_pg_scan_tidy,
    .scan_ranges_add = ls_pg_scan_ranges_add,
    .scan_ranges = ls_pg_scan_ranges,
    .scan_range_take = ls_pg_scan_range_take,
    .scan_range_take_over = ls_pg_scan_range_take_over,
    .scan_range_set = ls_pg_scan_range_set,
    .scan_beat = ls_pg_scan_beat,
    .findings_put = ls_pg_findings_put,
    .findings_remove = ls_pg_findings_remove,
    .findings_get = ls_pg_findings_get,
    .finding_page = ls_pg_finding_page,
    .tally_put = ls_pg_tally_put,
    .product_table = ls_pg_product_table,
    .meta_get = ls_pg_meta_get,
    .meta_set = ls_pg_meta_set,
    .backup = ls_pg_backup,
};

/* libpq's own words about a bad url may quote a part of it, which may be a password: they are not repeated. */
static enum ls_rc check_url(const char *url, struct ls_err *err)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    enum ls_rc rc = LS_OK;
    if (!options)
        return ls_err_set(err, LS_INVALID,
                          "catalog: the url is not one that libpq understands: postgresql://[USER@]HOST[:PORT]/DBNAME");
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (strcmp(o->keyword, "password") == 0 && o->val && o->val[0])
            rc = ls_err_set(err, LS_INVALID,
                            "catalog: the url holds a password: put it into ~/.pgpass, a service file or PGPASSFILE");
    PQconninfoFree(options);
    return rc;
}

static enum ls_rc init_sync(struct ls_pg *cat, struct ls_err *err)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return ls_err_nomem(err);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&cat->mutex, NULL);
    pthread_mutex_init(&cat->live_lock, NULL);
    pthread_cond_init(&cat->writer_free, &attr);
    pthread_cond_init(&cat->reader_free, &attr);
    pthread_condattr_destroy(&attr);
    return LS_OK;
}

static enum ls_rc connect_first(struct ls_pg *cat, struct ls_err *err)
{
    enum ls_rc rc = ls_pg_conn_open(cat, 0, &cat->writer, err);
    if (rc != LS_OK)
        return rc;
    const char *host = PQhost(cat->writer->pg), *db = PQdb(cat->writer->pg);
    snprintf(cat->label, sizeof cat->label, "host=%s dbname=%s", host ? host : "", db ? db : "");
    return LS_OK;
}

enum ls_rc ls_pg_connect(const struct ls_pg_opts *opts, struct ls_catalog **out_cat, struct ls_err *err)
{
    *out_cat = NULL;
    enum ls_rc rc = check_url(opts->url, err);
    if (rc != LS_OK)
        return rc;
    struct ls_pg *cat = calloc(1, sizeof *cat);
    if (!cat)
        return ls_err_nomem(err);
    cat->base.ops = &pg_ops;
    cat->busy_timeout_ms = opts->busy_timeout_ms > 0 ? opts->busy_timeout_ms : BUSY_TIMEOUT_DEFAULT_MS;
    cat->deadline_ms = opts->deadline_ms > 0 ? opts->deadline_ms : DEADLINE_DEFAULT_MS;
    ls_id_new(cat->id);
    rc = init_sync(cat, err);
    if (rc != LS_OK) {
        free(cat);
        return rc;
    }
    cat->url = strdup(opts->url);
    rc = cat->url ? LS_OK : ls_err_nomem(err);
    if (rc == LS_OK)
        rc = opts->mapping ? ls_mapping_copy(opts->mapping, &cat->mapping, err) : ls_mapping_own(&cat->mapping, err);
    if (rc == LS_OK)
        rc = connect_first(cat, err);
    if (rc != LS_OK) {
        pg_close(&cat->base);
        return rc;
    }
    *out_cat = &cat->base;
    return LS_OK;
}

static enum ls_rc open_parts(struct ls_pg *cat, bool create, struct ls_err *err)
{
    unsigned version;
    enum ls_rc rc = ls_pg_version(cat->writer, &version, err);
    if (rc == LS_OK && version == 0 && !create)
        return ls_err_set(err, LS_NOT_FOUND, "catalog %s: it has no lockstep tables: make them with `lockstep %s`",
                          cat->label, cat->mapping.own ? "init" : "attach");
    if (rc == LS_OK && version > 0 && cat->mapping.own)
        rc = ls_pg_mapping_same(cat->writer, err); /* before our own tables are missed */
    if (rc == LS_OK)
        rc = pg_create(&cat->base, err);
    if (rc == LS_OK)
        rc = ls_pg_prepare_sql(cat->writer, err);
    if (rc == LS_OK && !cat->mapping.own)
        rc = ls_pg_mapping_same(cat->writer, err);
    const struct ls_map_column *image = cat->mapping.tables[LS_MAP_IMAGE].columns;
    cat->base.lacks_url = !image[LS_MAP_IMAGE_URL].name[0];
    cat->base.lacks_type = !image[LS_MAP_IMAGE_TYPE].name[0];
    return rc;
}

enum ls_rc ls_catalog_pg_open(const struct ls_pg_opts *opts, struct ls_catalog **out_cat, struct ls_err *err)
{
    *out_cat = NULL;
    struct ls_catalog *base;
    enum ls_rc rc = ls_pg_connect(opts, &base, err);
    if (rc != LS_OK)
        return rc;
    rc = open_parts(ls_pg_of(base), opts->create, err);
    if (rc != LS_OK) {
        pg_close(base);
        return rc;
    }
    *out_cat = base;
    return LS_OK;
}
