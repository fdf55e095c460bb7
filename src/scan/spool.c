/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The scan's memory on disk.
 *
 * One transaction that never commits, in SQLite's own temporary database: pages leave the small cache for an unlinked
 * file when it is full, and a scan that finds little needs no file. Where it lies is SQLite's choice (TMPDIR, then
 * /var/tmp, /tmp) unless the caller names a folder; there it is unlinked as soon as it is open. Keys are blobs that
 * always have a NUL behind them when they are read back (stored with it they would order wrongly, so it is SQLite's
 * column_text that adds it). Threads: see the header.
 */
#include "scan/spool_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"

/* Opening a spool takes longer than checking a product, so a few that are as good as new are kept for the next scans of
 * the process, as long as they hold little memory. */
#define IDLE_MOST 8
#define IDLE_ADDED_MOST 2000
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ls_spool *idle; /* idle_lock, as the number */
static unsigned n_idle;

/* More texts than this tell nobody anything. */
#define ERRORS_KEPT 100

static const char schema[] =
    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-2048;"
    "PRAGMA mmap_size=0; BEGIN;"
    "CREATE TABLE suspect(key BLOB PRIMARY KEY, twin INTEGER, counted INTEGER) WITHOUT ROWID;"
    "CREATE TABLE finding(key BLOB PRIMARY KEY, kind INTEGER, flags INTEGER, twin INTEGER, partner BLOB,"
    " row_etag TEXT, row_size INTEGER, object_etag TEXT, object_size INTEGER, detail TEXT,"
    " mended INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE product(name BLOB PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE error(id INTEGER PRIMARY KEY, text TEXT);";

enum ls_rc ls_spool_fail(struct ls_spool *spool, const char *what, struct ls_err *err)
{
    int code = sqlite3_errcode(spool->db);
    enum ls_rc rc = code == SQLITE_FULL ? LS_NO_SPACE : code == SQLITE_NOMEM ? LS_NO_MEMORY : LS_IO;
    return ls_err_set(err, rc, "scan: %s in the temporary spool: %s%s", what, sqlite3_errmsg(spool->db),
                      rc == LS_NO_SPACE ? " (set TMPDIR to a file system with room)" : "");
}

enum ls_rc ls_spool_prepare(struct ls_spool *spool, const char *sql, sqlite3_stmt **out, struct ls_err *err)
{
    if (sqlite3_prepare_v2(spool->db, sql, -1, out, NULL) != SQLITE_OK)
        return ls_spool_fail(spool, sql, err);
    return LS_OK;
}

enum ls_rc ls_spool_run(struct ls_spool *spool, sqlite3_stmt *stmt, struct ls_err *err)
{
    int step = sqlite3_step(stmt);
    enum ls_rc rc = step == SQLITE_DONE || step == SQLITE_ROW ? LS_OK : ls_spool_fail(spool, "writing", err);
    sqlite3_reset(stmt);
    return rc;
}

static enum ls_rc open_db(struct ls_spool *spool, const char *path, struct ls_err *err)
{
    int opened = sqlite3_open_v2(path, &spool->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (opened == SQLITE_OK && sqlite3_exec(spool->db, schema, NULL, NULL, NULL) == SQLITE_OK)
        return LS_OK;
    return spool->db ? ls_spool_fail(spool, "making tables", err) : ls_err_nomem(err);
}

/* Open the database in a new file that nobody else can name. */
static enum ls_rc open_unlinked(struct ls_spool *spool, const char *dir, struct ls_err *err)
{
    LS_AUTO(ls_free) char *path = ls_strf("%s/lockstep-scan-XXXXXX", dir);
    if (!path)
        return ls_err_nomem(err);
    int fd = mkstemp(path);
    if (fd < 0)
        return ls_err_errno(err, errno, "scan: cannot make a spool file in %s", dir);
    close(fd);
    enum ls_rc rc = open_db(spool, path, err);
    unlink(path);
    return rc;
}

static enum ls_rc prepare_all(struct ls_spool *spool, struct ls_err *err)
{
    static const char suspect_sql[] =
        "INSERT INTO suspect(key,twin,counted) VALUES(?1,?2,?3) ON CONFLICT(key) DO UPDATE"
        " SET twin=coalesce(excluded.twin,twin), counted=max(counted,excluded.counted)";
    static const char synced_sql[] = "INSERT OR REPLACE INTO finding(key,kind,flags,row_etag,row_size,object_etag,"
                                     "object_size) VALUES(?1,0,?2,?3,?4,?5,?4)";
    static const char put_sql[] = "INSERT OR REPLACE INTO finding(key,kind,flags,twin,partner,row_etag,row_size,"
                                  "object_etag,object_size,detail) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)";
    enum ls_rc rc = ls_spool_prepare(spool, suspect_sql, &spool->add_suspect, err);
    if (!rc)
        rc = ls_spool_prepare(spool, synced_sql, &spool->add_synced, err);
    if (!rc)
        rc = ls_spool_prepare(spool, "INSERT OR IGNORE INTO product VALUES(?1)", &spool->add_product, err);
    if (!rc)
        rc = ls_spool_prepare(spool, "INSERT INTO error(text) VALUES(?1)", &spool->add_error, err);
    if (!rc)
        rc = ls_spool_prepare(spool, put_sql, &spool->put, err);
    if (!rc)
        rc = ls_spool_prepare(spool, "UPDATE finding SET mended=mended|?2 WHERE key=?1", &spool->mend, err);
    if (!rc)
        rc = ls_spool_prepare(spool, "DELETE FROM finding", &spool->clear_findings, err);
    if (!rc)
        rc = ls_spool_prepare(spool, "DELETE FROM product", &spool->clear_products, err);
    return rc;
}

static struct ls_spool *take_idle(void)
{
    LS_LOCK(&idle_lock);
    struct ls_spool *spool = idle;
    if (spool) {
        idle = spool->next;
        n_idle--;
    }
    return spool;
}

/* Empty it for the next scan; false: it is not worth it, or it cannot be. */
static bool make_idle(struct ls_spool *spool)
{
    if (spool->odd || spool->named || spool->errors || spool->added > IDLE_ADDED_MOST || !spool->clear_products ||
        ls_spool_run(spool, spool->clear_findings, NULL) || ls_spool_run(spool, spool->clear_products, NULL))
        return false;
    spool->added = 0;
    LS_LOCK(&idle_lock);
    if (n_idle == IDLE_MOST)
        return false;
    spool->next = idle;
    idle = spool;
    n_idle++;
    return true;
}

enum ls_rc ls_spool_open(const char *dir, struct ls_spool **out_spool, struct ls_err *err)
{
    bool named = dir && *dir;
    struct ls_spool *spool = named ? NULL : take_idle();
    if (spool) {
        *out_spool = spool;
        return LS_OK;
    }
    spool = calloc(1, sizeof *spool);
    if (!spool)
        return ls_err_nomem(err);
    spool->named = named;
    pthread_mutex_init(&spool->mutex, NULL);
    enum ls_rc rc = named ? open_unlinked(spool, dir, err) : open_db(spool, "", err);
    if (!rc)
        rc = prepare_all(spool, err);
    if (rc) {
        ls_spool_close(spool);
        return rc;
    }
    *out_spool = spool;
    return LS_OK;
}

void ls_spool_close(struct ls_spool *spool)
{
    if (!spool || make_idle(spool))
        return;
    sqlite3_finalize(spool->clear_findings);
    sqlite3_finalize(spool->clear_products);
    sqlite3_finalize(spool->add_suspect);
    sqlite3_finalize(spool->add_synced);
    sqlite3_finalize(spool->add_product);
    sqlite3_finalize(spool->add_error);
    sqlite3_finalize(spool->put);
    sqlite3_finalize(spool->mend);
    sqlite3_close(spool->db);
    pthread_mutex_destroy(&spool->mutex);
    free(spool);
}

/* ---- while merging ---- */

void ls_spool_batch_init(struct ls_spool_batch *batch, struct ls_spool *spool)
{
    batch->spool = spool;
    batch->n = 0;
    ls_buf_init(&batch->text, LS_SPOOL_BATCH * (size_t)16 * 1024);
}

void ls_spool_batch_dispose(struct ls_spool_batch *batch) { ls_buf_dispose(&batch->text); }

enum ls_rc ls_spool_flush(struct ls_spool_batch *batch, struct ls_err *err)
{
    struct ls_spool *spool = batch->spool;
    enum ls_rc rc = LS_OK;
    LS_LOCK(&spool->mutex);
    for (size_t i = 0; i < batch->n && !rc; i++) {
        const char *key = batch->text.data + batch->items[i].key_at;
        sqlite3_stmt *stmt = NULL;
        switch (batch->items[i].what) {
        case LS_SPOOL_SUSPECT:
            stmt = spool->add_suspect;
            spool->odd = true;
            if (batch->items[i].twin)
                sqlite3_bind_int64(stmt, 2, batch->items[i].twin);
            else
                sqlite3_bind_null(stmt, 2);
            sqlite3_bind_int(stmt, 3, batch->items[i].counted);
            break;
        case LS_SPOOL_SYNCED: {
            const char *etag = batch->text.data + batch->items[i].etag_at;
            stmt = spool->add_synced;
            spool->odd = spool->odd || batch->items[i].flags;
            sqlite3_bind_int64(stmt, 2, batch->items[i].flags);
            ls_spool_bind_text(stmt, 3, batch->items[i].flags & LS_SCAN_UNRECORDED ? "" : etag);
            sqlite3_bind_int64(stmt, 4, (sqlite3_int64)batch->items[i].size_bytes);
            ls_spool_bind_text(stmt, 5, etag);
            break;
        }
        case LS_SPOOL_PRODUCT:
            stmt = spool->add_product;
            break;
        }
        ls_spool_bind_key(stmt, 1, key);
        rc = ls_spool_run(spool, stmt, err);
    }
    spool->added += batch->n;
    batch->n = 0;
    ls_buf_reset(&batch->text);
    return rc;
}

/* Append a string with its NUL; gives where it is. */
static enum ls_rc batch_text(struct ls_spool_batch *batch, const char *text, size_t len, size_t *out_at,
                             struct ls_err *err)
{
    *out_at = batch->text.len;
    if (ls_buf_add(&batch->text, text, len) || ls_buf_addc(&batch->text, '\0'))
        return ls_err_nomem(err);
    return LS_OK;
}

/* Make room for one more. */
static enum ls_rc batch_room(struct ls_spool_batch *batch, struct ls_err *err)
{
    return batch->n == LS_SPOOL_BATCH ? ls_spool_flush(batch, err) : LS_OK;
}

enum ls_rc ls_spool_suspect(struct ls_spool_batch *batch, const char *key, int64_t twin, bool counted,
                            struct ls_err *err)
{
    size_t at = 0;
    enum ls_rc rc = batch_room(batch, err);
    if (!rc)
        rc = batch_text(batch, key, strlen(key), &at, err);
    if (rc)
        return rc;
    batch->items[batch->n].what = LS_SPOOL_SUSPECT;
    batch->items[batch->n].key_at = at;
    batch->items[batch->n].twin = twin;
    batch->items[batch->n++].counted = counted;
    return LS_OK;
}

enum ls_rc ls_spool_synced(struct ls_spool_batch *batch, const char *key, const char *etag, uint64_t size_bytes,
                           unsigned flags, struct ls_err *err)
{
    size_t at = 0, etag_at = 0;
    enum ls_rc rc = batch_room(batch, err);
    if (!rc)
        rc = batch_text(batch, key, strlen(key), &at, err);
    if (!rc)
        rc = batch_text(batch, etag, strlen(etag), &etag_at, err);
    if (rc)
        return rc;
    batch->items[batch->n].what = LS_SPOOL_SYNCED;
    batch->items[batch->n].key_at = at;
    batch->items[batch->n].etag_at = etag_at;
    batch->items[batch->n].size_bytes = size_bytes;
    batch->items[batch->n++].flags = flags;
    return LS_OK;
}

enum ls_rc ls_spool_product(struct ls_spool_batch *batch, const char *name, size_t len, struct ls_err *err)
{
    size_t at = 0;
    enum ls_rc rc = batch_room(batch, err);
    if (!rc)
        rc = batch_text(batch, name, len, &at, err);
    if (rc)
        return rc;
    batch->items[batch->n].what = LS_SPOOL_PRODUCT;
    batch->items[batch->n++].key_at = at;
    return LS_OK;
}

void ls_spool_error(struct ls_spool *spool, const char *text)
{
    LS_LOCK(&spool->mutex);
    if (spool->errors++ >= ERRORS_KEPT)
        return;
    ls_spool_bind_text(spool->add_error, 1, text);
    enum ls_rc rc = ls_spool_run(spool, spool->add_error, NULL);
    (void)rc; /* the count still tells */
}

bool ls_spool_plain(const struct ls_spool *spool) { return !spool->odd; }

uint64_t ls_spool_error_count(const struct ls_spool *spool) { return spool->errors; }

/* ---- suspects ---- */

enum ls_rc ls_spool_suspects(struct ls_spool *spool, const char *after, unsigned limit, struct ls_spool_keys *out,
                             struct ls_err *err)
{
    *out = (struct ls_spool_keys){0};
    LS_AUTO(ls_spool_stmt) sqlite3_stmt *stmt = NULL;
    enum ls_rc rc =
        ls_spool_prepare(spool, "SELECT key,twin,counted FROM suspect WHERE key>?1 ORDER BY key LIMIT ?2", &stmt, err);
    if (rc)
        return rc;
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT((size_t)limit * 64 * 1024);
    LS_AUTO(ls_free) struct ls_spool_key *items = calloc(limit, sizeof *items);
    LS_AUTO(ls_free) size_t *at = calloc(limit, sizeof *at);
    if (!items || !at)
        return ls_err_nomem(err);
    ls_spool_bind_key(stmt, 1, after);
    sqlite3_bind_int64(stmt, 2, limit);
    size_t n = 0;
    int step;
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW && n < limit) {
        size_t len = (size_t)sqlite3_column_bytes(stmt, 0);
        at[n] = text.len;
        items[n].twin = sqlite3_column_int64(stmt, 1);
        items[n++].counted = sqlite3_column_int(stmt, 2);
        if (ls_buf_add(&text, sqlite3_column_blob(stmt, 0), len) || ls_buf_addc(&text, '\0'))
            return ls_err_nomem(err);
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        return ls_spool_fail(spool, "reading suspects", err);
    if (n == 0)
        return LS_OK;
    out->memory = ls_buf_steal(&text);
    if (!out->memory)
        return ls_err_nomem(err);
    for (size_t i = 0; i < n; i++)
        items[i].key = out->memory + at[i];
    out->items = LS_STEAL(items);
    out->n = n;
    return LS_OK;
}

void ls_spool_keys_dispose(struct ls_spool_keys *keys)
{
    free(keys->items);
    free(keys->memory);
    *keys = (struct ls_spool_keys){0};
}
