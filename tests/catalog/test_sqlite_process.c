/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Several processes on one catalog: liveness that ends with kill -9, transactions cut short, and the owner that
 * checkpoints. Children open the catalog themselves: connections must not cross a fork, so the parent closes its own
 * first.
 */
#include "catalog/sqlite_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

#define DEADLINE_MS 100000

/* A child process that has reported an instance id and waits to be killed. */
struct child {
    pid_t pid;
    char id[LS_INTENT_ID_LEN];
};

/* In the child: start an instance, leave an open intent and a transaction that never ends, tell the id, wait. */
static void child_main(const char *path, int to_parent)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat;
    struct ls_tx *tx;
    struct ls_intent intent = {.op = LS_OP_PUT, .state = LS_INTENT_OPEN};
    struct ls_claim claim = {"claimed/", true};
    struct ls_image_write write = {.image = {.key = "uncommitted"}};
    if (open_with(path, false, 0, &cat, &err) != LS_OK ||
        cat->ops->instance_start(cat, "child", intent.instance, &err) != LS_OK)
        _exit(1);
    ls_id_new(intent.id);
    if (cat->ops->begin(cat, &tx, &err) != LS_OK ||
        cat->ops->intent_add(tx, &intent, &claim, 1, NULL, 0, &err) != LS_OK || cat->ops->commit(tx, &err) != LS_OK)
        _exit(2);
    if (cat->ops->begin(cat, &tx, &err) != LS_OK || cat->ops->images_write(tx, &write, 1, &err) != LS_OK)
        _exit(3);
    if (ls_write_all(to_parent, intent.instance, sizeof intent.instance) == 0)
        for (;;)
            pause();
    _exit(4);
}

static void close_catalog(struct fixture *f)
{
    ls_catalog_close(f->cat);
    f->cat = NULL;
}

static void start_child(const struct fixture *f, struct child *child)
{
    int pipe_fds[2];
    char path[300];
    snprintf(path, sizeof path, "%s", db_path(f));
    assert_int_equal(pipe(pipe_fds), 0);
    child->pid = fork();
    assert_true(child->pid >= 0);
    if (child->pid == 0) {
        close(pipe_fds[0]);
        child_main(path, pipe_fds[1]);
    }
    close(pipe_fds[1]);
    struct pollfd wait = {.fd = pipe_fds[0], .events = POLLIN};
    assert_int_equal(poll(&wait, 1, DEADLINE_MS), 1);
    ssize_t got = read(pipe_fds[0], child->id, sizeof child->id);
    close(pipe_fds[0]);
    if (got != (ssize_t)sizeof child->id) {
        int status;
        waitpid(child->pid, &status, 0);
        fail_msg("the child failed at step %d", WEXITSTATUS(status));
    }
}

static void kill_child(const struct child *child)
{
    int status;
    kill(child->pid, SIGKILL);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    assert_true(WIFSIGNALED(status));
}

static bool is_alive(struct ls_catalog *cat, const char *id)
{
    struct ls_err err = LS_ERR_INIT;
    bool alive;
    assert_ok(cat->ops->instance_alive(cat, id, &alive, &err), &err);
    return alive;
}

static void a_killed_process_is_dead_at_once_and_its_intent_can_be_taken(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_instance_page instances;
    struct ls_intent_page intents;
    struct child child;
    char id[LS_INTENT_ID_LEN];
    close_catalog(f);
    start_child(f, &child);
    f->cat = sqlite_backend.open(f->dir);
    assert_true(is_alive(f->cat, child.id));
    kill_child(&child);
    assert_false(is_alive(f->cat, child.id));

    assert_ok(f->cat->ops->instance_start(f->cat, "parent", id, &err), &err);
    assert_ok(f->cat->ops->instance_list(f->cat, &instances, &err), &err);
    assert_int_equal(instances.n, 2); /* the dead one stays: it has an intent */
    assert_int_equal(instances.items[0].pid, child.pid);
    assert_false(instances.items[0].alive);
    ls_instance_page_dispose(&instances);
    assert_ok(f->cat->ops->intent_list(f->cat, NULL, &intents, &err), &err);
    assert_int_equal(intents.n, 1);
    assert_string_equal(intents.items[0].instance, child.id);
    struct ls_tx *tx = begin(f->cat);
    assert_ok(f->cat->ops->intent_take(tx, intents.items[0].id, child.id, id, &err), &err);
    assert_ok(f->cat->ops->intent_close(tx, intents.items[0].id, id, &err), &err);
    commit(tx);
    ls_intent_page_dispose(&intents);

    struct ls_catalog *next;
    assert_ok(open_with(db_path(f), false, 0, &next, &err), &err);
    assert_ok(next->ops->instance_start(next, "next", id, &err), &err);
    assert_ok(next->ops->instance_list(next, &instances, &err), &err);
    assert_int_equal(instances.n, 2); /* parent and next */
    assert_true(instances.items[0].alive && instances.items[1].alive);
    ls_instance_page_dispose(&instances);
    ls_catalog_close(next);
}

static void a_killed_process_leaves_neither_its_lock_nor_half_a_transaction(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct child child;
    struct ls_tx *tx;
    close_catalog(f);
    start_child(f, &child);
    assert_ok(open_with(db_path(f), false, 50, &f->cat, &err), &err);
    assert_int_equal(f->cat->ops->begin(f->cat, &tx, &err), LS_BUSY); /* the child is in its transaction */
    kill_child(&child);
    const char *keys[] = {"ours"};
    add_images(f->cat, keys, 1);
    assert_true(has_image(f->cat, "ours"));
    assert_false(has_image(f->cat, "uncommitted"));
}

static off_t size_of(const struct fixture *f, const char *suffix)
{
    char path[400];
    struct stat st;
    snprintf(path, sizeof path, "%s/catalog.db%s", f->dir, suffix);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

/* Write so many pages that an owner would checkpoint. */
static void write_much(struct ls_catalog *cat, const char *name)
{
    struct ls_err err = LS_ERR_INIT;
    char *value = calloc(1, 1024 * 1024);
    for (int i = 0; i < 6; i++) {
        memset(value, 'a' + i, 1024 * 1024 - 1); /* what stays equal is not written again */
        struct ls_tx *tx = begin(cat);
        assert_ok(cat->ops->meta_set(tx, name, value, &err), &err);
        commit(tx);
    }
    free(value);
}

static void only_the_owner_checkpoints_and_another_becomes_owner_when_it_ends(void **state)
{
    struct fixture *f = *state;
    struct child child;
    close_catalog(f);
    start_child(f, &child); /* the owner: it was first */
    f->cat = sqlite_backend.open(f->dir);
    assert_false(ls_sqlite_of(f->cat)->is_owner);
    kill_child(&child);
    write_much(f->cat, "a");
    assert_true(ls_sqlite_of(f->cat)->is_owner);
    assert_true(size_of(f, "") > 1024 * 1024); /* checkpointed into the database itself */
}

static void while_the_owner_lives_others_only_append(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *second;
    assert_true(ls_sqlite_of(f->cat)->is_owner);
    assert_ok(open_with(db_path(f), false, 0, &second, &err), &err);
    assert_false(ls_sqlite_of(second)->is_owner);
    off_t before = size_of(f, "");
    write_much(second, "a");
    assert_false(ls_sqlite_of(second)->is_owner);
    assert_int_equal(size_of(f, ""), before);
    assert_true(size_of(f, "-wal") > 6 * 1024 * 1024);
    ls_catalog_close(second);
    assert_int_equal(size_of(f, ""), before);
    const char *keys[] = {"k"};
    add_images(f->cat, keys, 1); /* the owner's next commit sees the long log */
    assert_true(size_of(f, "") > before);
}

static void an_owner_that_only_reads_checkpoints_when_it_follows_the_feed(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *second;
    int64_t last;
    assert_ok(open_with(db_path(f), false, 0, &second, &err), &err);
    off_t before = size_of(f, "");
    write_much(second, "a");
    assert_ok(f->cat->ops->change_last(f->cat, &last, &err), &err);
    assert_true(size_of(f, "") > before);
    ls_catalog_close(second);
}

static void the_last_to_leave_clears_the_log(void **state)
{
    struct fixture *f = *state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *second;
    const char *keys[] = {"k"};
    assert_ok(open_with(db_path(f), false, 0, &second, &err), &err);
    add_images(second, keys, 1);
    close_catalog(f); /* the owner goes first */
    ls_catalog_close(second);
    assert_int_equal(size_of(f, "-wal"), -1);
    f->cat = sqlite_backend.open(f->dir);
    assert_true(has_image(f->cat, "k"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_TEST(a_killed_process_is_dead_at_once_and_its_intent_can_be_taken),
        SQLITE_TEST(a_killed_process_leaves_neither_its_lock_nor_half_a_transaction),
        SQLITE_TEST(only_the_owner_checkpoints_and_another_becomes_owner_when_it_ends),
        SQLITE_TEST(while_the_owner_lives_others_only_append),
        SQLITE_TEST(an_owner_that_only_reads_checkpoints_when_it_follows_the_feed),
        SQLITE_TEST(the_last_to_leave_clears_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
