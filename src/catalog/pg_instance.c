/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Instances: the row of each running process and the question whether one lives.
 *
 * A connection that does nothing else holds a session advisory lock on the instance's number; the server drops it when
 * the process or its host is gone. The lock is taken before the row can be seen, so a row without a held lock is a dead
 * process. When that connection is lost the lock is taken again before the next transaction, and a new term begins:
 * whatever others took over meanwhile stays theirs, because commit and close of an intent name its owner, and because
 * an operation looks at its intent again before it touches the store in another term.
 *
 * The server takes a minute to notice that a host is gone (its keepalives, see pg_conn.c). Who has not heard of it for
 * HEARD_MS asks before it relies on the lock, so whatever it then sends to a store with a deadline of half a minute has
 * ended before somebody else takes over.
 */
#include "catalog/leader.h"
#include "catalog/pg_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

/* How long the server may need to notice that a process of this host is gone. */
#define GONE_MS 5000
#define GONE_PAUSE_MS 10
#define HOLD_PAUSE_MS 100
#define HEARD_MS 10000

static void own_host(char out[128])
{
    memset(out, 0, 128);
    (void)gethostname(out, 127); /* a name that is too long is cut */
}

/* id, kind, host, pid, start */
static void bind_row(struct ls_pg_query *q, const struct ls_pg *cat, const char *id, const char *host)
{
    ls_pg_text(q, id);
    ls_pg_prose(q, cat->kind);
    ls_pg_prose(q, host);
    ls_pg_int(q, getpid());
    ls_pg_int(q, cat->started_ns);
}

/* Others wait for what is asked on this connection, so a server that is silent is not waited for long. */
static enum ls_rc open_live(struct ls_pg *cat, int64_t deadline_ms, struct ls_err *err)
{
    enum ls_rc rc = ls_pg_conn_open(cat, deadline_ms, &cat->live, err);
    if (rc == LS_OK)
        cat->live->brief = true;
    return rc;
}

/* Take the lock of a number on the liveness connection. LS_BUSY: somebody has it, perhaps our own lost connection. */
static enum ls_rc take_lock(struct ls_pg_conn *conn, int64_t number, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INSTANCE_LOCK);
    ls_pg_int(&q, number);
    enum ls_rc rc = ls_pg_send(conn, &q, err);
    if (rc == LS_OK)
        rc = ls_pg_flush(conn, &res, 1, NULL, err);
    if (rc == LS_OK && ls_pg_get_int(res, 0, 0) == 0)
        return ls_err_set(err, LS_BUSY, "catalog %s: the liveness lock of this process is held by another session",
                          conn->cat->label);
    return rc;
}

static enum ls_rc insert_again(struct ls_pg *cat, struct ls_err *err)
{
    char host[128];
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INSTANCE_AGAIN);
    own_host(host);
    bind_row(&q, cat, cat->id, host);
    ls_pg_int(&q, cat->number);
    enum ls_rc rc = ls_pg_send(cat->live, &q, err);
    return rc == LS_OK ? ls_pg_flush(cat->live, NULL, 0, NULL, err) : rc;
}

/* Only we ever take the lock of our number, so who holds it is a session that we have lost. */
static enum ls_rc evict(struct ls_pg_conn *conn, int64_t number, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INSTANCE_EVICT);
    ls_pg_int(&q, number);
    enum ls_rc rc = ls_pg_send(conn, &q, err);
    return rc == LS_OK ? ls_pg_flush(conn, NULL, 0, NULL, err) : rc;
}

static enum ls_rc hold(struct ls_pg *cat, int64_t deadline_ms, struct ls_err *err)
{
    if (cat->live && !ls_pg_conn_lost(cat->live))
        return LS_OK;
    ls_pg_conn_close(LS_STEAL(cat->live));
    memset(cat->epochs, 0, sizeof cat->epochs); /* its locks of roles are gone with it */
    int64_t now_ms = ls_monotonic_ms();
    enum ls_rc rc = open_live(cat, deadline_ms, err);
    while (rc == LS_OK && (rc = take_lock(cat->live, cat->number, err)) == LS_BUSY &&
           ls_monotonic_ms() + HOLD_PAUSE_MS < deadline_ms) {
        rc = evict(cat->live, cat->number, err);
        ls_sleep_ms(HOLD_PAUSE_MS);
    }
    if (rc == LS_OK)
        rc = insert_again(cat, err);
    if (rc != LS_OK) {
        ls_pg_conn_close(LS_STEAL(cat->live));
        return rc;
    }
    cat->term++;
    cat->heard_ms = now_ms;
    LS_LOG_INFO("catalog", "instance-again", {"instance", ls_v_str(cat->id)});
    return LS_OK;
}

enum ls_rc ls_pg_instance_hold(struct ls_pg *cat, int64_t deadline_ms, struct ls_err *err)
{
    if (!atomic_load(&cat->has_instance))
        return LS_OK;
    LS_LOCK(&cat->live_lock);
    return hold(cat, deadline_ms, err);
}

/* A connection that was silent may lead nowhere. */
static void hear(struct ls_pg *cat)
{
    int64_t now_ms = ls_monotonic_ms();
    if (now_ms - cat->heard_ms < HEARD_MS)
        return;
    if (ls_pg_send_plain(cat->live, LS_PG_INSTANCE_HEAR, NULL) == LS_OK &&
        ls_pg_flush(cat->live, NULL, 0, NULL, NULL) == LS_OK)
        cat->heard_ms = now_ms;
    else
        cat->live->dead = true;
}

enum ls_rc ls_pg_instance_term(struct ls_catalog *base, uint64_t *out_term, struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(base);
    *out_term = 0;
    if (!atomic_load(&cat->has_instance))
        return ls_err_set(err, LS_INVALID, "catalog %s: this process has no instance", cat->label);
    LS_LOCK(&cat->live_lock);
    enum ls_rc rc = hold(cat, ls_monotonic_ms() + cat->busy_timeout_ms, err);
    if (rc == LS_OK) {
        hear(cat);
        rc = hold(cat, ls_monotonic_ms() + cat->busy_timeout_ms, err);
    }
    *out_term = cat->term;
    return rc;
}

static enum ls_rc forget_dead(struct ls_tx *tx, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INSTANCE_FORGET_DEAD);
    return ls_pg_run(tx, &q, NULL, NULL, err);
}

static enum ls_rc insert_row(struct ls_tx *tx, const char *id, int64_t *out_number, struct ls_err *err)
{
    char host[128];
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INSTANCE_INSERT);
    own_host(host);
    bind_row(&q, ls_pg_of(tx->cat), id, host);
    enum ls_rc rc = ls_pg_run(tx, &q, NULL, &res, err);
    if (rc == LS_OK)
        *out_number = ls_pg_get_int(res, 0, 0);
    return rc;
}

enum ls_rc ls_pg_instance_start(struct ls_catalog *base, const char *kind, char out_id[LS_INTENT_ID_LEN],
                                struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(base);
    struct ls_tx *begun;
    char id[LS_INTENT_ID_LEN];
    enum ls_rc rc = ls_pg_begin(base, &begun, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_pg_tx) struct ls_tx *tx = begun;
    if (atomic_load(&cat->has_instance))
        return ls_err_set(err, LS_INVALID, "catalog %s: the instance of this catalog was started before", cat->label);
    ls_id_new(id);
    snprintf(cat->kind, sizeof cat->kind, "%s", kind);
    cat->started_ns = ls_now_ns();
    rc = forget_dead(tx, err);
    if (rc == LS_OK)
        rc = insert_row(tx, id, &cat->number, err);
    if (rc == LS_OK)
        rc = open_live(cat, ls_monotonic_ms() + cat->busy_timeout_ms, err);
    if (rc == LS_OK)
        rc = take_lock(cat->live, cat->number, err);
    if (rc == LS_OK) {
        cat->term = 1;
        cat->heard_ms = ls_monotonic_ms();
        /* Before the commit, because that gives the writer to others. */
        memcpy(cat->id, id, sizeof cat->id);
        atomic_store(&cat->has_instance, true);
        rc = ls_pg_commit(LS_STEAL(tx), err);
    }
    if (rc != LS_OK) {
        atomic_store(&cat->has_instance, false);
        ls_pg_conn_close(LS_STEAL(cat->live));
        return rc;
    }
    memcpy(out_id, id, sizeof id);
    return LS_OK;
}

static void delete_own_row(struct ls_pg *cat)
{
    struct ls_tx *begun;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INSTANCE_DELETE_IDLE);
    ls_pg_text(&q, cat->id);
    if (!cat->writer || ls_pg_conn_lost(cat->writer) || ls_pg_begin(&cat->base, &begun, NULL) != LS_OK)
        return;
    LS_AUTO(ls_pg_tx) struct ls_tx *tx = begun;
    if (ls_pg_run(tx, &q, NULL, NULL, NULL) == LS_OK && ls_pg_commit(LS_STEAL(tx), NULL) != LS_OK)
        LS_LOG_DEBUG("catalog", "instance-row-stays", {"instance", ls_v_str(cat->id)});
}

void ls_pg_instance_end(struct ls_pg *cat)
{
    /* A server that is away is not waited for: the next process that starts forgets the row. */
    if (!atomic_load(&cat->has_instance) || !cat->live || ls_pg_conn_lost(cat->live))
        return;
    delete_own_row(cat);
    /* A session ends some time after its connection; whoever asks next shall find us dead. */
    if (cat->live && ls_pg_send_plain(cat->live, LS_PG_INSTANCE_UNLOCK, NULL) == LS_OK &&
        ls_pg_flush(cat->live, NULL, 0, NULL, NULL) != LS_OK)
        cat->live->dead = true;
}

/* A process of this host that does not run any more? Its session may still be there for a moment. */
static bool is_gone_here(const char *host, int64_t pid)
{
    char own[128];
    own_host(own);
    return strcmp(host, own) == 0 && pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

enum ls_rc ls_pg_instance_alive(struct ls_catalog *base, const char *id, bool *out_alive, struct ls_err *err)
{
    int64_t until_ms = ls_monotonic_ms() + GONE_MS;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INSTANCE_GET);
    ls_pg_text(&q, id);
    for (;;) {
        char host[128];
        LS_AUTO(ls_pg_result) PGresult *res = NULL;
        *out_alive = false;
        enum ls_rc rc = ls_pg_read(base, NULL, &q, &res, err);
        if (rc != LS_OK || PQntuples(res) == 0)
            return rc;
        *out_alive = ls_pg_get_int(res, 0, 2) != 0;
        rc = ls_pg_get_fixed(res, 0, 0, host, sizeof host, err);
        if (rc != LS_OK || !*out_alive || !is_gone_here(host, ls_pg_get_int(res, 0, 1)) ||
            ls_monotonic_ms() >= until_ms)
            return rc;
        ls_sleep_ms(GONE_PAUSE_MS);
    }
}

static enum ls_rc read_instance(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err)
{
    struct ls_instance *out = item;
    (void)arena;
    enum ls_rc rc = ls_pg_get_fixed(res, row, 0, out->id, sizeof out->id, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, row, 1, out->kind, sizeof out->kind, err);
    if (rc == LS_OK)
        rc = ls_pg_get_fixed(res, row, 2, out->host, sizeof out->host, err);
    out->pid = ls_pg_get_int(res, row, 3);
    out->started_ns = ls_pg_get_int(res, row, 4);
    out->alive = ls_pg_get_int(res, row, 5) != 0;
    return rc;
}

enum ls_rc ls_pg_instance_list(struct ls_catalog *base, struct ls_instance_page *out, struct ls_err *err)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_INSTANCE_LIST);
    *out = (struct ls_instance_page){0};
    return ls_pg_read_page(base, NULL, &q, read_instance, sizeof *out->items, &out->items, &out->n, NULL, err);
}

/* ---- roles ---- */

/* Leave the lock, if the connection that holds it is still there. The caller holds live_lock. */
static void unlock_role(struct ls_pg *cat, enum ls_lead role)
{
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_ROLE_UNLOCK);
    cat->epochs[role] = 0;
    if (!cat->live || cat->live->dead)
        return;
    ls_pg_int(&q, role);
    if (ls_pg_send(cat->live, &q, NULL) != LS_OK || ls_pg_flush(cat->live, NULL, 0, NULL, NULL) != LS_OK)
        cat->live->dead = true; /* it is made anew when it is needed */
}

/* Hold the role's lock on the liveness connection. *out_epoch is 0 when it was not ours before. */
static enum ls_rc lock_role(struct ls_pg *cat, enum ls_lead role, int64_t *out_epoch, uint64_t *out_term,
                            struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    ls_pg_query_init(&q, LS_PG_ROLE_LOCK);
    enum ls_rc rc = ls_pg_instance_term(&cat->base, out_term, err);
    *out_epoch = 0;
    if (rc != LS_OK)
        return rc;
    LS_LOCK(&cat->live_lock);
    *out_epoch = cat->epochs[role];
    if (*out_epoch || cat->term != *out_term)
        return *out_epoch ? LS_OK : ls_err_set(err, LS_TRANSIENT, "catalog %s: the connection is lost", cat->label);
    ls_pg_int(&q, role);
    rc = ls_pg_send(cat->live, &q, err);
    if (rc == LS_OK)
        rc = ls_pg_flush(cat->live, &res, 1, NULL, err);
    if (rc == LS_OK && ls_pg_get_int(res, 0, 0) == 0)
        return ls_err_set(err, LS_BUSY, "catalog %s: another process has the role already", cat->label);
    return rc;
}

/* Is the process dead that has the role? One of this host is waited for until its session has ended. */
static bool has_died(struct ls_pg *cat, enum ls_lead role)
{
    struct ls_leader now;
    bool alive = true;
    return ls_leader_get(&cat->base, NULL, role, &now, NULL) == LS_OK &&
           ls_pg_instance_alive(&cat->base, now.instance, &alive, NULL) == LS_OK && !alive;
}

enum ls_rc ls_pg_leader_take(struct ls_catalog *base, enum ls_lead role, int64_t *out_epoch, struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(base);
    uint64_t term;
    enum ls_rc rc = lock_role(cat, role, out_epoch, &term, err);
    if (rc == LS_BUSY && has_died(cat, role)) {
        ls_err_clear(err);
        rc = lock_role(cat, role, out_epoch, &term, err);
    }
    if (rc != LS_OK || *out_epoch)
        return rc;
    rc = ls_leader_raise(base, role, cat->id, out_epoch, err);
    LS_LOCK(&cat->live_lock);
    if (cat->term != term) /* the lock went with its connection */
        return ls_err_set(err, LS_TRANSIENT, "catalog %s: the connection was lost while a role was taken", cat->label);
    if (rc == LS_OK)
        cat->epochs[role] = *out_epoch;
    else
        unlock_role(cat, role);
    return rc;
}

void ls_pg_leader_leave(struct ls_catalog *base, enum ls_lead role)
{
    struct ls_pg *cat = ls_pg_of(base);
    LS_LOCK(&cat->live_lock);
    if (cat->epochs[role])
        unlock_role(cat, role);
}
