/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PostgreSQL going away: sessions that are ended, a server that is killed or falls silent, a COMMIT whose answer is
 * lost.
 *
 * The answer is lost by a proxy between the catalog and the server: it counts the COMMITs that pass, and at the one
 * that is asked for it cuts the connection before the server sees it, or after the server has answered. The same proxy
 * falls silent after the last row of a COPY.
 */
#include "catalog/contract.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "catalog/backends.h"
#include "catalog/pg_fixture.h"

#ifndef PG_SERVER_SH
#define PG_SERVER_SH "tests/lib/pg_server.sh"
#endif

static struct ls_catalog *open_patient(const char *url, int64_t deadline_ms)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    struct ls_pg_opts opts = {.url = url, .create = true, .busy_timeout_ms = 60000, .deadline_ms = deadline_ms};
    assert_ok(ls_catalog_pg_open(&opts, &cat, &err), &err);
    return cat;
}

static struct ls_catalog *open_url(const char *url) { return open_patient(url, 0); }

static int empty(void **state)
{
    (void)state;
    pg_empty();
    return 0;
}

/* End the sessions of the database that fit. */
static void end_sessions(PGconn *shell, const char *which)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "SELECT count(pg_terminate_backend(pid, 20000)) FROM pg_stat_activity a "
             "WHERE datname = current_database() AND pid <> pg_backend_pid() AND %s",
             which);
    assert_string_not_equal(pg_get(shell, sql), "0");
}
#define IN_TRANSACTION "state LIKE 'idle in transaction%'"
#define HOLDS_LIVENESS                                                                                                 \
    "EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.objsubid = 2)"

static void reads_go_on_when_all_sessions_were_ended(void **state)
{
    (void)state;
    struct ls_catalog *cat = open_url(pg_url());
    const char *keys[] = {"a"};
    PGconn *shell = pg_shell();
    add_images(cat, keys, 1);
    assert_true(has_image(cat, "a"));
    end_sessions(shell, "true");
    assert_true(has_image(cat, "a"));
    end_sessions(shell, "true");
    add_variant(cat, "p2", "w2", NULL);
    PQfinish(shell);
    ls_catalog_close(cat);
}

static void a_transaction_that_is_cut_off_changes_nothing_and_says_so(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat = open_url(pg_url());
    PGconn *shell = pg_shell();
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->product_add(tx, "p1", &err), &err);
    end_sessions(shell, IN_TRANSACTION);
    assert_fails(cat->ops->product_add(tx, "p2", &err), LS_TRANSIENT, &err, "connection is lost");
    assert_fails(cat->ops->commit(tx, &err), LS_TRANSIENT, &err, "cannot go on");
    tx = begin(cat);
    assert_ok(cat->ops->product_add(tx, "p3", &err), &err);
    end_sessions(shell, IN_TRANSACTION);
    assert_fails(cat->ops->commit(tx, &err), LS_TRANSIENT, &err, "commit"); /* it was not sent */
    assert_string_equal(pg_get(shell, "SELECT count(*) FROM product"), "0");
    add_variant(cat, "p4", "w1", NULL);
    PQfinish(shell);
    ls_catalog_close(cat);
}

static void an_instance_that_was_cut_off_is_dead_until_it_writes_and_has_lost_what_was_taken(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    char mine[LS_INTENT_ID_LEN], theirs[LS_INTENT_ID_LEN];
    bool alive;
    uint64_t term;
    struct ls_catalog *cut = open_url(pg_url()), *other = open_url(pg_url());
    assert_ok(cut->ops->instance_start(cut, "test", mine, &err), &err);
    struct ls_intent intent = {.op = LS_OP_PUT, .state = LS_INTENT_OPEN, .args = ""};
    ls_id_new(intent.id);
    memcpy(intent.instance, mine, sizeof mine);
    struct ls_tx *tx = begin(cut);
    assert_ok(cut->ops->intent_add(tx, &intent, NULL, 0, NULL, 0, &err), &err);
    commit(tx);
    PGconn *shell = pg_shell();
    assert_ok(cut->ops->instance_term(cut, &term, &err), &err);
    assert_int_equal(term, 1);
    end_sessions(shell, HOLDS_LIVENESS);
    assert_ok(other->ops->instance_start(other, "test", theirs, &err), &err);
    assert_ok(other->ops->instance_alive(other, mine, &alive, &err), &err);
    assert_false(alive);
    tx = begin(other);
    assert_ok(other->ops->intent_take(tx, intent.id, mine, theirs, &err), &err);
    commit(tx);
    tx = begin(cut); /* back again */
    assert_fails(cut->ops->intent_commit(tx, intent.id, mine, &err), LS_CONFLICT, &err, intent.id);
    cut->ops->rollback(tx);
    assert_ok(cut->ops->instance_term(cut, &term, &err), &err);
    assert_int_equal(term, 2); /* who sees that looks at his intents again */
    assert_ok(other->ops->instance_alive(other, mine, &alive, &err), &err);
    assert_true(alive);
    PQfinish(shell);
    ls_catalog_close(other);
    ls_catalog_close(cut);
}

static void a_leader_that_was_cut_off_has_lost_its_role(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    char id[LS_INTENT_ID_LEN];
    int64_t mine, theirs, again;
    struct ls_catalog *cut = open_url(pg_url()), *other = open_url(pg_url());
    assert_ok(cut->ops->instance_start(cut, "test", id, &err), &err);
    assert_ok(cut->ops->leader_take(cut, LS_LEAD_SETTLER, &mine, &err), &err);
    PGconn *shell = pg_shell();
    end_sessions(shell, HOLDS_LIVENESS);
    assert_ok(other->ops->instance_start(other, "test", id, &err), &err);
    assert_ok(other->ops->leader_take(other, LS_LEAD_SETTLER, &theirs, &err), &err);
    assert_true(theirs > mine);
    struct ls_tx *tx = begin(cut);
    assert_fails(ls_leader_check(tx, LS_LEAD_SETTLER, mine, &err), LS_CONFLICT, &err, "taken the role over");
    cut->ops->rollback(tx);
    assert_fails(cut->ops->leader_take(cut, LS_LEAD_SETTLER, &again, &err), LS_BUSY, &err, "another process");
    /* When nobody came in between it is taken anew, with a new number. */
    end_sessions(shell, HOLDS_LIVENESS);
    assert_ok(cut->ops->leader_take(cut, LS_LEAD_SETTLER, &again, &err), &err);
    assert_true(again > theirs);
    PQfinish(shell);
    ls_catalog_close(other);
    ls_catalog_close(cut);
}

/* ---- a server that is killed ---- */

static char server_dir[64];

/* In the tests' own folder, so that the sweep after a suite finds the server also when this program was killed. */
static void make_dir(char out[64])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(out, 64, "%.40s/lockstep-pg-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    assert_non_null(mkdtemp(out));
}

static int server(const char *verb, char *out, size_t size)
{
    char command[512];
    snprintf(command, sizeof command, "%s %s %s", PG_SERVER_SH, verb, server_dir);
    FILE *pipe = popen(command, "r");
    if (!pipe)
        return -1;
    char line[256] = "";
    if (fgets(line, sizeof line, pipe) && out)
        snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
    return pclose(pipe);
}

static int stop_server(void **state)
{
    (void)state;
    return server("stop", NULL, 0);
}

static void a_server_that_was_killed_and_is_back_is_used_again(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    char url[256] = "";
    const char *keys[] = {"a"};
    make_dir(server_dir);
    assert_int_equal(server("start", url, sizeof url), 0);
    struct ls_catalog *cat = open_url(url);
    char id[LS_INTENT_ID_LEN];
    assert_ok(cat->ops->instance_start(cat, "test", id, &err), &err);
    add_images(cat, keys, 1);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->product_add(tx, "lost", &err), &err);
    assert_int_equal(server("crash", NULL, 0), 0);
    assert_int_equal(cat->ops->commit(tx, &err), LS_TRANSIENT);
    assert_int_equal(server("start", NULL, 0), 0);
    assert_true(has_image(cat, "a")); /* acknowledged */
    tx = begin(cat);
    assert_ok(cat->ops->product_add(tx, "lost", &err), &err); /* it is not there */
    /* One session killed by force: the server ends all of them and recovers. */
    char sql[64], pid[16];
    PGconn *shell = PQconnectdb(url);
    snprintf(pid, sizeof pid, "%s",
             pg_get(shell, "SELECT pid FROM pg_stat_activity WHERE state LIKE 'idle in trans%'"));
    snprintf(sql, sizeof sql, "kill -KILL %d", atoi(pid));
    assert_int_equal(system(sql), 0);
    enum ls_rc rc = cat->ops->commit(tx, &err);
    assert_true(rc == LS_TRANSIENT || rc == LS_OUTCOME_UNKNOWN);
    add_variant(cat, "p2", "w2", NULL);
    assert_true(has_image(cat, "a"));
    PQfinish(shell);
    ls_catalog_close(cat);
}

/* ---- an answer that is lost ---- */

struct proxy {
    char dir[64], target[108];
    int listener;
    pthread_t thread;
    atomic_bool stop;
    atomic_int cut;    /* 1: before the next COMMIT, 2: after its answer */
    atomic_bool stall; /* pass no byte after the end of the next COPY's rows */
    atomic_int fired;
};

struct pair {
    int client, server;
    bool swallow; /* the COMMIT passed, its answer must not */
    bool silent;
};

static int unix_socket(const char *path, struct sockaddr_un *out)
{
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    snprintf(out->sun_path, sizeof out->sun_path, "%s", path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void close_pair(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
    pair->client = pair->server = -1;
}

/* Move what is there from one side to the other; false when the pair is to be closed. */
static bool pass(struct proxy *p, struct pair *pair, bool from_client)
{
    static char bytes[1 << 16];
    ssize_t n = read(from_client ? pair->client : pair->server, bytes, sizeof bytes);
    if (n <= 0)
        return false;
    if (from_client && memmem(bytes, (size_t)n, "COMMIT", 6)) {
        int cut = atomic_exchange(&p->cut, 0);
        if (cut)
            atomic_fetch_add(&p->fired, 1);
        if (cut == 1)
            return false;
        pair->swallow = cut == 2;
    }
    if (!from_client && pair->swallow)
        return false;
    static const char copy_done[] = {'c', 0, 0, 0, 4};
    const char *end = from_client ? NULL : memmem(bytes, (size_t)n, copy_done, sizeof copy_done);
    if (end && atomic_exchange(&p->stall, false)) {
        pair->silent = true;
        n = end + sizeof copy_done - bytes;
        atomic_fetch_add(&p->fired, 1);
    }
    return write(from_client ? pair->server : pair->client, bytes, (size_t)n) == n;
}

static void *run_proxy(void *arg)
{
    struct proxy *p = arg;
    struct pair pairs[16];
    size_t n = 0;
    while (!atomic_load(&p->stop)) {
        struct pollfd fds[33] = {{.fd = p->listener, .events = POLLIN}};
        for (size_t i = 0; i < n; i++) {
            fds[1 + 2 * i] = (struct pollfd){.fd = pairs[i].silent ? -1 : pairs[i].client, .events = POLLIN};
            fds[2 + 2 * i] = (struct pollfd){.fd = pairs[i].silent ? -1 : pairs[i].server, .events = POLLIN};
        }
        if (poll(fds, 1 + 2 * n, 50) <= 0)
            continue;
        for (size_t i = 0; i < n; i++)
            for (int side = 0; side < 2; side++)
                if (pairs[i].client >= 0 && fds[1 + 2 * i + (size_t)side].revents && !pass(p, &pairs[i], side == 0))
                    close_pair(&pairs[i]);
        if (fds[0].revents && n < 16) {
            struct sockaddr_un to;
            struct pair new = {accept(p->listener, NULL, NULL), unix_socket(p->target, &to), false, false};
            if (connect(new.server, (struct sockaddr *)&to, sizeof to) == 0)
                pairs[n++] = new;
            else
                close_pair(&new);
        }
    }
    for (size_t i = 0; i < n; i++)
        if (pairs[i].client >= 0)
            close_pair(&pairs[i]);
    return NULL;
}

static void start_proxy(struct proxy *p, char url[1200])
{
    struct sockaddr_un at;
    char path[100];
    memset(p, 0, sizeof *p);
    make_dir(p->dir);
    const char *real = pg_url(), *host = strstr(real, "host=") + 5;
    size_t host_len = strcspn(host, "&");
    snprintf(p->target, sizeof p->target, "%.*s/.s.PGSQL.5432", (int)host_len, host);
    snprintf(url, 1200, "%.*s%s%s", (int)(host - real), real, p->dir, host + host_len);
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", p->dir);
    p->listener = unix_socket(path, &at);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(p->listener, 16), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, run_proxy, p), 0);
}

static void stop_proxy(struct proxy *p)
{
    char path[100];
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    close(p->listener);
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", p->dir);
    unlink(path);
    rmdir(p->dir);
}

static void the_rows_decide_when_the_answer_of_a_commit_is_lost(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    struct proxy proxy;
    char url[1200];
    bool exists;
    start_proxy(&proxy, url);
    struct ls_catalog *cat = open_url(url);
    for (int cut = 1; cut <= 2; cut++) {
        const char *name = cut == 1 ? "never came" : "was answered";
        struct ls_tx *tx = begin(cat);
        assert_ok(cat->ops->product_add(tx, name, &err), &err);
        atomic_store(&proxy.cut, cut);
        assert_int_equal(cat->ops->commit(tx, &err), LS_OUTCOME_UNKNOWN);
        assert_int_equal(atomic_load(&proxy.fired), cut);
        /* The next call waits until that transaction has ended, so this is the truth for good. */
        assert_ok(cat->ops->product_exists(cat, NULL, name, &exists, &err), &err);
        assert_int_equal(exists, cut == 2);
    }
    ls_catalog_close(cat);
    stop_proxy(&proxy);
}

static void a_server_that_falls_silent_during_a_backup_is_given_up_in_time(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    struct proxy proxy;
    char url[1200], path[300];
    start_proxy(&proxy, url);
    struct ls_catalog *cat = open_patient(url, 3000); /* time for each answer of a server that has much to do */
    snprintf(path, sizeof path, "%s.backup", proxy.dir);
    atomic_store(&proxy.stall, true);
    assert_fails(cat->ops->backup(cat, path, &err), LS_TRANSIENT, &err, "no answer in time");
    assert_int_equal(err.sys_errno, ETIMEDOUT);
    assert_int_equal(atomic_load(&proxy.fired), 1);
    assert_int_equal(access(path, F_OK), -1);
    assert_ok(cat->ops->backup(cat, path, &err), &err);
    unlink(path);
    ls_catalog_close(cat);
    stop_proxy(&proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reads_go_on_when_all_sessions_were_ended, empty),
        cmocka_unit_test_teardown(a_transaction_that_is_cut_off_changes_nothing_and_says_so, empty),
        cmocka_unit_test_teardown(an_instance_that_was_cut_off_is_dead_until_it_writes_and_has_lost_what_was_taken,
                                  empty),
        cmocka_unit_test_teardown(a_leader_that_was_cut_off_has_lost_its_role, empty),
        cmocka_unit_test_teardown(a_server_that_was_killed_and_is_back_is_used_again, stop_server),
        cmocka_unit_test_teardown(the_rows_decide_when_the_answer_of_a_commit_is_lost, empty),
        cmocka_unit_test_teardown(a_server_that_falls_silent_during_a_backup_is_given_up_in_time, empty),
    };
    if (!pg_server()) {
        print_message("LOCKSTEP_TEST_PG_URL is not set\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
