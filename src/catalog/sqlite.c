/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The SQLite catalog: opening, closing, and the table of operations. Each subject has a file of its own.
 */
#include "catalog/sqlite_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"

#define BUSY_TIMEOUT_DEFAULT_MS 10000
#define CLOSE_TIMEOUT_MS 1000

static void sqlite_close(struct ls_catalog *base)
{
    struct ls_sqlite *cat = ls_sqlite_of(base);
    if (cat->writer) {
        sqlite3_busy_timeout(cat->writer->db, CLOSE_TIMEOUT_MS);
        ls_sqlite_instance_end(cat);
    }
    for (struct ls_sqlite_conn *c = cat->idle_readers, *next; c; c = next) {
        next = c->next;
        ls_sqlite_conn_close(c);
    }
    if (cat->lock_fd >= 0)
        (void)ls_sqlite_own(cat); /* whoever leaves as the owner clears the log */
    ls_sqlite_conn_close(cat->writer);
    if (cat->lock_fd >= 0)
        close(cat->lock_fd);
    if (cat->watch_fd >= 0)
        close(cat->watch_fd);
    pthread_cond_destroy(&cat->reader_free);
    pthread_cond_destroy(&cat->writer_free);
    pthread_mutex_destroy(&cat->mutex);
    pthread_mutex_destroy(&cat->role_mutex);
    free(cat->path);
    free(cat);
}

static enum ls_rc sqlite_create(struct ls_catalog *base, struct ls_err *err)
{
    struct ls_sqlite *cat = ls_sqlite_of(base);
    enum ls_rc rc = ls_sqlite_writer_take(cat, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_sqlite_migrate(cat->writer, ls_sqlite_migrations, ls_sqlite_schema_version, err);
    ls_sqlite_writer_leave(cat);
    return rc;
}

static const struct ls_catalog_ops sqlite_ops = {
    .name = "sqlite",
    .close = sqlite_close,
    .create = sqlite_create,
    .instance_start = ls_sqlite_instance_start,
    .instance_alive = ls_sqlite_instance_alive,
    .instance_term = ls_sqlite_instance_term,
    .instance_list = ls_sqlite_instance_list,
    .leader_take = ls_sqlite_leader_take,
    .leader_leave = ls_sqlite_leader_leave,
    .begin = ls_sqlite_begin,
    .begin_relaxed = ls_sqlite_begin_relaxed,
    .commit = ls_sqlite_commit,
    .rollback = ls_sqlite_rollback,
    .images_get = ls_sqlite_images_get,
    .image_page = ls_sqlite_image_page,
    .variant_images = ls_sqlite_variant_images,
    .image_count = ls_sqlite_image_count,
    .image_splits = ls_sqlite_image_splits,
    .product_page = ls_sqlite_product_page,
    .product_count = ls_sqlite_product_count,
    .product_exists = ls_sqlite_product_exists,
    .variant_list = ls_sqlite_variant_list,
    .variant_get = ls_sqlite_variant_get,
    .folder_get = ls_sqlite_folder_get,
    .folder_children = ls_sqlite_folder_children,
    .change_last = ls_sqlite_change_last,
    .change_page = ls_sqlite_change_page,
    .change_wait = ls_sqlite_change_wait,
    .product_add = ls_sqlite_product_add,
    .product_remove = ls_sqlite_product_remove,
    .product_rename = ls_sqlite_product_rename,
    .variant_add = ls_sqlite_variant_add,
    .variant_set = ls_sqlite_variant_set,
    .variant_remove = ls_sqlite_variant_remove,
    .images_write = ls_sqlite_images_write,
    .images_delete = ls_sqlite_images_delete,
    .image_attr = ls_sqlite_image_attr,
    .folder_put = ls_sqlite_folder_put,
    .folder_remove = ls_sqlite_folder_remove,
    .folder_rename = ls_sqlite_folder_rename,
    .intent_add = ls_sqlite_intent_add,
    .intent_item_set = ls_sqlite_intent_item_set,
    .intent_commit = ls_sqlite_intent_commit,
    .intent_take = ls_sqlite_intent_take,
    .intent_close = ls_sqlite_intent_close,
    .intent_get = ls_sqlite_intent_get,
    .intent_list = ls_sqlite_intent_list,
    .intent_items = ls_sqlite_intent_items,
    .intent_item_count = ls_sqlite_intent_item_count,
    .intents_cover = ls_sqlite_intents_cover,
    .audit_add = ls_sqlite_audit_add,
    .audit_page = ls_sqlite_audit_page,
    .trash_add = ls_sqlite_trash_add,
    .trash_remove = ls_sqlite_trash_remove,
    .trash_page = ls_sqlite_trash_page,
    .event_add = ls_sqlite_event_add,
    .event_page = ls_sqlite_event_page,
    .event_count = ls_sqlite_event_count,
    .event_remove = ls_sqlite_event_remove,
    .scan_put = ls_sqlite_scan_put,
    .scan_write = ls_sqlite_scan_write,
    .scan_get = ls_sqlite_scan_get,
    .scan_whole = ls_sqlite_scan_whole,
    .scan_running = ls_sqlite_scan_running,
    .scan_tidy = ls_sqlite_scan_tidy,
    .scan_ranges_add = ls_sqlite_scan_ranges_add,
    .scan_ranges = ls_sqlite_scan_ranges,
    .scan_range_take = ls_sqlite_scan_range_take,
    .scan_range_take_over = ls_sqlite_scan_range_take_over,
    .scan_range_set = ls_sqlite_scan_range_set,
    .scan_beat = ls_sqlite_scan_beat,
    .findings_put = ls_sqlite_findings_put,
    .findings_remove = ls_sqlite_findings_remove,
    .findings_get = ls_sqlite_findings_get,
    .finding_page = ls_sqlite_finding_page,
    .tally_put = ls_sqlite_tally_put,
    .product_table = ls_sqlite_product_table,
    .meta_get = ls_sqlite_meta_get,
    .meta_set = ls_sqlite_meta_set,
    .backup = ls_sqlite_backup,
};

/* Make the file, so that it gets our mode and not SQLite's. An existing one is never opened here: closing a descriptor
 * of it would drop the locks that another connection of this process holds. */
static enum ls_rc make_file(const char *path, struct ls_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return errno == EEXIST ? LS_OK : ls_err_errno(err, errno, "catalog: make %s", path);
    close(fd);
    if (ls_fsync_parent(AT_FDCWD, path) != 0)
        return ls_err_errno(err, errno, "catalog: sync the folder of %s", path);
    return LS_OK;
}

/* The file's absolute path without links, so that everybody who opens it meets at the same lock file. */
static enum ls_rc find_file(const struct ls_sqlite_opts *opts, char **out_path, struct ls_err *err)
{
    struct stat st;
    if (stat(opts->path, &st) != 0) {
        if (errno != ENOENT)
            return ls_err_errno(err, errno, "catalog: %s", opts->path);
        if (!opts->create)
            return ls_err_set(err, LS_NOT_FOUND, "catalog: there is no %s: make it with `lockstep init`", opts->path);
        enum ls_rc rc = make_file(opts->path, err);
        if (rc != LS_OK)
            return rc;
    } else if (!S_ISREG(st.st_mode))
        return ls_err_set(err, LS_INVALID, "catalog: %s is not a regular file", opts->path);
    *out_path = realpath(opts->path, NULL);
    return *out_path ? LS_OK : ls_err_errno(err, errno, "catalog: %s", opts->path);
}

/* Somebody else's database is recognised before anything of it is changed. */
static enum ls_rc look_at(struct ls_sqlite *cat, bool create, struct ls_err *err)
{
    unsigned version;
    enum ls_rc rc = ls_sqlite_version(cat->writer, &version, err);
    if (rc != LS_OK || version)
        return rc;
    if (!create)
        return ls_err_set(err, LS_NOT_FOUND, "catalog %s: it has no lockstep tables: make them with `lockstep init`",
                          cat->path);
    return ls_sqlite_check_free(cat->writer, err);
}

static enum ls_rc open_parts(struct ls_sqlite *cat, const struct ls_sqlite_opts *opts, struct ls_err *err)
{
    enum ls_rc rc = find_file(opts, &cat->path, err);
    if (rc == LS_OK)
        rc = ls_sqlite_conn_open(cat, false, &cat->writer, err);
    if (rc == LS_OK)
        rc = look_at(cat, opts->create, err);
    if (rc == LS_OK)
        rc = ls_sqlite_lock_open(cat, err);
    if (rc == LS_OK) {
        (void)ls_sqlite_own(cat);
        ls_sqlite_tx_watch(cat);
        rc = ls_sqlite_conn_use_wal(cat->writer, err);
    }
    return rc == LS_OK ? sqlite_create(&cat->base, err) : rc;
}

static enum ls_rc init_sync(struct ls_sqlite *cat, struct ls_err *err)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return ls_err_nomem(err);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&cat->mutex, NULL);
    pthread_mutex_init(&cat->role_mutex, NULL);
    pthread_cond_init(&cat->writer_free, &attr);
    pthread_cond_init(&cat->reader_free, &attr);
    pthread_condattr_destroy(&attr);
    return LS_OK;
}

enum ls_rc ls_catalog_sqlite_open(const struct ls_sqlite_opts *opts, struct ls_catalog **out_cat, struct ls_err *err)
{
    *out_cat = NULL;
    struct ls_sqlite *cat = calloc(1, sizeof *cat);
    if (!cat)
        return ls_err_nomem(err);
    cat->base.ops = &sqlite_ops;
    cat->busy_timeout_ms = opts->busy_timeout_ms > 0 ? opts->busy_timeout_ms : BUSY_TIMEOUT_DEFAULT_MS;
    cat->lock_fd = cat->watch_fd = -1;
    cat->tended_ms = INT64_MIN / 2;
    ls_id_new(cat->id);
    enum ls_rc rc = init_sync(cat, err);
    if (rc != LS_OK) {
        free(cat);
        return rc;
    }
    rc = open_parts(cat, opts, err);
    if (rc != LS_OK) {
        sqlite_close(&cat->base);
        return rc;
    }
    *out_cat = &cat->base;
    return LS_OK;
}
