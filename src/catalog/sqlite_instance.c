/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Instances: the row of each running process and the question whether one lives.
 *
 * The lock is taken before the row can be seen, so a row without a held lock is always a dead process. A number is
 * never used twice. Rows of dead instances stay while intents refer to them, for recovery to find out who they were.
 */
#include "catalog/leader.h"
#include "catalog/sqlite_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"

static enum ls_rc is_alive(struct ls_sqlite *cat, int64_t number, const char *id, bool *out_alive, struct ls_err *err)
{
    /* Our own lock does not conflict with our own question. */
    if (atomic_load(&cat->has_instance) && strcmp(id, cat->id) == 0) {
        *out_alive = true;
        return LS_OK;
    }
    return ls_sqlite_lock_held(cat, number, out_alive, err);
}

static enum ls_rc read_instance(struct ls_query *q, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_instance *out = item;
    (void)arena;
    enum ls_rc rc = ls_query_get_fixed(q, 1, out->id, sizeof out->id, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 2, out->kind, sizeof out->kind, err);
    if (rc == LS_OK)
        rc = ls_query_get_fixed(q, 3, out->host, sizeof out->host, err);
    out->pid = ls_query_get_int(q, 4);
    out->started_ns = ls_query_get_int(q, 5);
    return rc == LS_OK ? is_alive(q->conn->cat, ls_query_get_int(q, 0), out->id, &out->alive, err) : rc;
}

static enum ls_rc read_instances(struct ls_sqlite_conn *conn, struct ls_instance_page *out, struct ls_err *err)
{
    size_t cap = 0;
    *out = (struct ls_instance_page){0};
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_INSTANCE_LIST, &q, err);
    if (rc != LS_OK)
        return rc;
    return ls_query_read_items(&q, read_instance, sizeof *out->items, &out->items, &out->n, &cap, NULL, err);
}

static enum ls_rc delete_idle(struct ls_sqlite_conn *conn, const char *id, struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_INSTANCE_DELETE_IDLE, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, id);
    return ls_query_run(&q, NULL, err);
}

static enum ls_rc forget_dead(struct ls_sqlite_conn *conn, struct ls_err *err)
{
    struct ls_instance_page page;
    enum ls_rc rc = read_instances(conn, &page, err);
    for (size_t i = 0; rc == LS_OK && i < page.n; i++)
        if (!page.items[i].alive)
            rc = delete_idle(conn, page.items[i].id, err);
    ls_instance_page_dispose(&page);
    return rc;
}

static enum ls_rc insert_row(struct ls_sqlite_conn *conn, const char *kind, const char *id, int64_t *out_number,
                             struct ls_err *err)
{
    char host[sizeof((struct ls_instance *)0)->host] = "";
    char short_kind[sizeof((struct ls_instance *)0)->kind];
    (void)gethostname(host, sizeof host - 1); /* a name that is too long is cut */
    snprintf(short_kind, sizeof short_kind, "%s", kind);
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(conn, LS_SQL_INSTANCE_INSERT, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, id);
    ls_query_text(&q, short_kind);
    ls_query_text(&q, host);
    ls_query_int(&q, getpid());
    ls_query_int(&q, ls_now_ns());
    rc = ls_query_run(&q, NULL, err);
    *out_number = sqlite3_last_insert_rowid(conn->db);
    return rc;
}

/* Row and lock; committed with tx. */
static enum ls_rc start_in(struct ls_sqlite *cat, struct ls_tx *tx, const char *kind, const char *id,
                           struct ls_err *err)
{
    int64_t number;
    LS_AUTO(ls_sqlite_tx) struct ls_tx *open_tx = tx;
    if (atomic_load(&cat->has_instance))
        return ls_err_set(err, LS_INVALID, "catalog %s: the instance of this catalog was started before", cat->path);
    enum ls_rc rc = forget_dead(cat->writer, err);
    if (rc == LS_OK)
        rc = insert_row(cat->writer, kind, id, &number, err);
    if (rc == LS_OK)
        rc = ls_sqlite_lock_instance(cat, number, err);
    if (rc != LS_OK)
        return rc;
    /* Before the commit, because that gives the writer to others. */
    memcpy(cat->id, id, sizeof cat->id);
    atomic_store(&cat->has_instance, true);
    rc = ls_sqlite_commit(LS_STEAL(open_tx), err);
    if (rc != LS_OK) {
        atomic_store(&cat->has_instance, false);
        ls_sqlite_unlock_instance(cat, number);
    }
    return rc;
}

enum ls_rc ls_sqlite_instance_start(struct ls_catalog *base, const char *kind, char out_id[LS_INTENT_ID_LEN],
                                    struct ls_err *err)
{
    struct ls_tx *tx;
    char id[LS_INTENT_ID_LEN];
    enum ls_rc rc = ls_sqlite_begin(base, &tx, err);
    if (rc != LS_OK)
        return rc;
    ls_id_new(id);
    rc = start_in(ls_sqlite_of(base), tx, kind, id, err);
    if (rc == LS_OK)
        memcpy(out_id, id, sizeof id);
    return rc;
}

void ls_sqlite_instance_end(struct ls_sqlite *cat)
{
    struct ls_tx *tx;
    if (!atomic_load(&cat->has_instance) || ls_sqlite_begin(&cat->base, &tx, NULL) != LS_OK)
        return;
    /* A row that stays is forgotten by the next process that starts. */
    if (delete_idle(cat->writer, cat->id, NULL) != LS_OK || ls_sqlite_commit(LS_STEAL(tx), NULL) != LS_OK)
        ls_sqlite_rollback(tx);
}

enum ls_rc ls_sqlite_instance_alive(struct ls_catalog *base, const char *id, bool *out_alive, struct ls_err *err)
{
    bool row;
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_read(base, NULL, LS_SQL_INSTANCE_NUMBER, &q, err);
    *out_alive = false;
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, id);
    rc = ls_query_row(&q, &row, err);
    if (rc != LS_OK || !row)
        return rc;
    return is_alive(ls_sqlite_of(base), ls_query_get_int(&q, 0), id, out_alive, err);
}

enum ls_rc ls_sqlite_instance_list(struct ls_catalog *base, struct ls_instance_page *out, struct ls_err *err)
{
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    enum ls_rc rc = ls_sqlite_reader_get(base, NULL, &reader, err);
    if (rc != LS_OK)
        return rc;
    return read_instances(reader.conn, out, err);
}

/* ---- roles ---- */

/* The lock cannot be lost, so what was taken once stays ours. */
enum ls_rc ls_sqlite_leader_take(struct ls_catalog *base, enum ls_lead role, int64_t *out_epoch, struct ls_err *err)
{
    struct ls_sqlite *cat = ls_sqlite_of(base);
    LS_LOCK(&cat->role_mutex);
    *out_epoch = cat->epochs[role];
    if (*out_epoch)
        return LS_OK;
    enum ls_rc rc = ls_sqlite_lock_role(cat, role, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_leader_raise(base, role, cat->id, out_epoch, err);
    if (rc == LS_OK)
        cat->epochs[role] = *out_epoch;
    else
        ls_sqlite_unlock_role(cat, role);
    return rc;
}

void ls_sqlite_leader_leave(struct ls_catalog *base, enum ls_lead role)
{
    struct ls_sqlite *cat = ls_sqlite_of(base);
    LS_LOCK(&cat->role_mutex);
    if (cat->epochs[role])
        ls_sqlite_unlock_role(cat, role);
    cat->epochs[role] = 0;
}

/* Nothing but the end of the process takes its lock away. */
enum ls_rc ls_sqlite_instance_term(struct ls_catalog *base, uint64_t *out_term, struct ls_err *err)
{
    (void)base;
    (void)err;
    *out_term = 1;
    return LS_OK;
}
