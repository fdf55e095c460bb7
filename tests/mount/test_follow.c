/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The follower over a real catalog: what it tells of commits through other connections, and when the feed is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <ftw.h>
#include <sqlite3.h>

#include "catalog/backends.h"
#include "mount/follow.h"

#define DEADLINE_S 100 /* is waited for only by a test that fails */
#define TOLD_MAX 256

struct told {
    enum { MOVED, INODE, ENTRY, FOLLOWING } what;
    uint64_t ino;
    bool flag; /* pages, or following */
    char name[32];
};

static struct world {
    char dir[64], path[80], own[LS_INTENT_ID_LEN];
    struct ls_catalog *cat;
    struct ls_nodes nodes;
    struct ls_node *products, *p1, *weight, *type, *a, *p2, *type2;
    struct ls_follow *follow;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct told told[TOLD_MAX]; /* lock, as n */
    size_t n;
    bool unknown; /* lock: inode() answers that the kernel does not know it */
} w;

/* ---- the kernel's part ---- */

static void record(struct told what)
{
    pthread_mutex_lock(&w.lock);
    if (w.n < TOLD_MAX)
        w.told[w.n++] = what;
    pthread_cond_broadcast(&w.more);
    pthread_mutex_unlock(&w.lock);
}

static void on_following(void *ctx, bool yes)
{
    (void)ctx;
    record((struct told){.what = FOLLOWING, .flag = yes});
}

static void on_moved(void *ctx)
{
    (void)ctx;
    record((struct told){.what = MOVED});
}

static bool on_inode(void *ctx, uint64_t ino, bool pages)
{
    (void)ctx;
    record((struct told){.what = INODE, .ino = ino, .flag = pages});
    pthread_mutex_lock(&w.lock);
    bool known = !w.unknown;
    pthread_mutex_unlock(&w.lock);
    return known;
}

static void on_entry(void *ctx, uint64_t parent, const char *name)
{
    (void)ctx;
    struct told told = {.what = ENTRY, .ino = parent};
    snprintf(told.name, sizeof told.name, "%s", name);
    record(told);
}

static bool same(const struct told *a, const struct told *b)
{
    return a->what == b->what && a->ino == b->ino && a->flag == b->flag && strcmp(a->name, b->name) == 0;
}

static size_t count_locked(const struct told *what)
{
    size_t n = 0;
    for (size_t i = 0; i < w.n; i++)
        n += same(&w.told[i], what);
    return n;
}

static size_t count(struct told what)
{
    pthread_mutex_lock(&w.lock);
    size_t n = count_locked(&what);
    pthread_mutex_unlock(&w.lock);
    return n;
}

static void await(struct told what)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += DEADLINE_S;
    bool there, late = false;
    pthread_mutex_lock(&w.lock);
    while (!(there = count_locked(&what) > 0) && !late)
        late = pthread_cond_timedwait(&w.more, &w.lock, &end) != 0;
    pthread_mutex_unlock(&w.lock);
    if (!there)
        fail_msg("it was never told: what=%d ino=%llu", (int)what.what, (unsigned long long)what.ino);
}

static void clear(void)
{
    pthread_mutex_lock(&w.lock);
    w.n = 0;
    pthread_mutex_unlock(&w.lock);
}

#define FOLDER(node)                                                                                                   \
    (struct told) { .what = INODE, .ino = (node)->ino, .flag = true }
#define FILE_OF(node)                                                                                                  \
    (struct told) { .what = INODE, .ino = (node)->ino }

/* ---- the world ---- */

static void foreign(const char *sql)
{
    sqlite3 *db = NULL;
    char *text = NULL;
    assert_int_equal(sqlite3_open_v2(w.path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, DEADLINE_S * 1000);
    if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
    sqlite3_close(db);
}

#define IMAGE(name) "products/p1/500ml/hero-card/" name
#define INSERT(name) "INSERT INTO product_image (file_name, product_id) VALUES ('" IMAGE(name) "', 'p1');"

static void open_catalog(void)
{
    struct ls_err err = LS_ERR_INIT;
    strcpy(w.dir, "/tmp/lockstep-follow.XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    snprintf(w.path, sizeof w.path, "%s/catalog.db", w.dir);
    const struct ls_sqlite_opts opts = {.path = w.path, .create = true};
    if (ls_catalog_sqlite_open(&opts, &w.cat, &err) || w.cat->ops->create(w.cat, &err) ||
        w.cat->ops->instance_start(w.cat, "test", w.own, &err))
        fail_msg("%s", err.text);
    foreign("INSERT INTO product (id) VALUES ('p1'), ('p2');"
            "INSERT INTO product_variant (product_id, weight) VALUES ('p1', '500ml'), ('p2', '1kg');" INSERT("a.jpg"));
}

static struct ls_node *known(struct ls_node *parent, const char *name, bool is_dir)
{
    struct ls_node *node = ls_nodes_obtain(&w.nodes, parent, name, is_dir);
    assert_non_null(node);
    return node;
}

static void no_free(struct ls_file *file) { (void)file; }

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.more, NULL);
    open_catalog();
    assert_int_equal(ls_nodes_init(&w.nodes, no_free, NULL), LS_OK);
    w.products = known(w.nodes.root, "products", true);
    w.p1 = known(w.products, "p1", true);
    w.weight = known(w.p1, "500ml", true);
    w.type = known(w.weight, "hero-card", true);
    w.a = known(w.type, "a.jpg", false);
    w.p2 = known(w.products, "p2", true);
    w.type2 = known(known(w.p2, "1kg", true), "hero-card", true);
    return 0;
}

static void follow(struct ls_catalog *cat)
{
    struct ls_err err = LS_ERR_INIT;
    const struct ls_follow_target target = {.catalog = cat,
                                            .nodes = &w.nodes,
                                            .prefix = "products/",
                                            .own = w.own,
                                            .following = on_following,
                                            .moved = on_moved,
                                            .inode = on_inode,
                                            .entry = on_entry};
    if (ls_follow_start(&target, &w.follow, &err))
        fail_msg("%s", err.text);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    ls_follow_stop(w.follow);
    ls_nodes_dispose(&w.nodes);
    ls_catalog_close(w.cat);
    pthread_cond_destroy(&w.more);
    pthread_mutex_destroy(&w.lock);
    return nftw(w.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The feed is told in order: once this has been told, all before it has. */
static void await_all_before(void)
{
    foreign("UPDATE product SET created_at = '' WHERE id = 'p2'");
    await(FOLDER(w.p2));
}

/* ---- tests ---- */

static void a_new_image_changes_its_folder_and_the_one_above_and_nothing_else(void **state)
{
    (void)state;
    follow(w.cat);
    assert_int_equal(count((struct told){.what = FOLLOWING, .flag = true}), 1);
    foreign("BEGIN;" INSERT("b.jpg") INSERT("c.jpg") "COMMIT");
    await_all_before();
    assert_int_equal(count(FOLDER(w.type)), 1); /* once for both */
    assert_int_equal(count(FOLDER(w.weight)), 1);
    assert_int_equal(count(FILE_OF(w.a)), 0);
    assert_int_equal(count(FOLDER(w.p1)), 0);
    assert_int_equal(count(FOLDER(w.products)), 0);
    assert_int_equal(count(FOLDER(w.type2)), 0);
    assert_int_equal(w.told[1].what, MOVED); /* before anything is told */
    assert_true(ls_nodes_touched(&w.nodes, w.type) != 0);
    assert_true(ls_nodes_touched(&w.nodes, w.type2) == 0);
}

static void a_changed_image_is_told_by_its_number_alone(void **state)
{
    (void)state;
    follow(w.cat);
    foreign("UPDATE product_image SET image_url = 'x' WHERE file_name = '" IMAGE("a.jpg") "'");
    await_all_before();
    assert_int_equal(count(FILE_OF(w.a)), 1);
    assert_int_equal(count(FOLDER(w.type)), 0);
    assert_int_equal(count((struct told){.what = ENTRY, .ino = w.type->ino, .name = "a.jpg"}), 0);
}

static void the_name_of_a_file_with_handles_is_dropped_only_for_others_changes(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    struct ls_tx *tx;
    const struct told entry = {.what = ENTRY, .ino = w.type->ino, .name = "a.jpg"};
    w.a->file = (struct ls_file *)(void *)&w;
    follow(w.cat);
    struct ls_image_ref ref = {.key = IMAGE("a.jpg")};
    assert_int_equal(w.cat->ops->begin(w.cat, &tx, &err), LS_OK);
    assert_int_equal(w.cat->ops->images_delete(tx, &ref, 1, &err), LS_OK);
    assert_int_equal(w.cat->ops->commit(tx, &err), LS_OK);
    await_all_before();
    assert_int_equal(count(FILE_OF(w.a)), 1);
    assert_int_equal(count(entry), 0);
    clear();
    foreign(INSERT("a.jpg"));
    await_all_before();
    assert_int_equal(count(FILE_OF(w.a)), 1);
    assert_int_equal(count(entry), 1);
    w.a->file = NULL;
}

static void a_name_that_the_kernel_does_not_know_yet_is_told_as_an_entry(void **state)
{
    (void)state;
    w.unknown = true;
    follow(w.cat);
    foreign("DELETE FROM product_image WHERE file_name = '" IMAGE("a.jpg") "'");
    await((struct told){.what = ENTRY, .ino = w.type->ino, .name = "a.jpg"});
}

static void renames_are_told_at_both_ends(void **state)
{
    (void)state;
    follow(w.cat);
    foreign("UPDATE product_image SET file_name = 'products/p2/1kg/hero-card/z.jpg' WHERE file_name = '" IMAGE(
        "a.jpg") "'; UPDATE product_variant SET weight = '2l' WHERE product_id = 'p1';"
                 "UPDATE product SET id = 'p3' WHERE id = 'p1'");
    await(FOLDER(w.products));
    await_all_before();
    assert_int_equal(count(FILE_OF(w.a)), 1);
    assert_int_equal(count(FOLDER(w.type)), 1);
    assert_int_equal(count(FOLDER(w.type2)), 1);
    assert_true(count(FOLDER(w.weight)) >= 1);
    assert_true(count(FOLDER(w.p1)) >= 1);
}

static void folder_rows_are_told(void **state)
{
    (void)state;
    follow(w.cat);
    foreign("INSERT INTO lockstep_folder VALUES ('products/p1/500ml/hero-card', 493, 0, 0, 0), ('.', 493, 0, 0, 0)");
    await(FOLDER(w.nodes.root));
    assert_int_equal(count(FOLDER(w.type)), 1);
    assert_int_equal(count(FOLDER(w.weight)), 1);
}

static void rename_weight(const char *from, const char *to)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_tx *tx;
    struct ls_variant variant;
    assert_int_equal(ls_nodes_move(&w.nodes, w.weight, w.p1, to), LS_OK);
    assert_int_equal(w.cat->ops->begin(w.cat, &tx, &err), LS_OK);
    assert_int_equal(w.cat->ops->variant_get(w.cat, tx, "p1", from, &variant, &err), LS_OK);
    snprintf(variant.weight, sizeof variant.weight, "%s", to);
    assert_int_equal(w.cat->ops->variant_set(tx, &variant, &err), LS_OK);
    assert_int_equal(w.cat->ops->commit(tx, &err), LS_OK);
}

static void what_others_changed_below_a_folder_that_we_renamed_is_told_by_its_new_name(void **state)
{
    (void)state;
    follow(w.cat);
    rename_weight("500ml", "600ml");
    await_all_before();
    assert_int_equal(count(FOLDER(w.type)), 0); /* nobody else was at work */
    clear();
    /* The line names the type's folder as it was when it was written; the node has moved when it is read. */
    assert_int_equal(ls_nodes_move(&w.nodes, w.weight, w.p1, "750ml"), LS_OK);
    foreign("INSERT INTO lockstep_folder VALUES ('products/p1/600ml/hero-card', 493, 0, 0, 0)");
    rename_weight("600ml", "750ml");
    await_all_before();
    assert_true(count(FOLDER(w.type)) >= 1);
    assert_true(count(FILE_OF(w.a)) >= 1);
}

static void a_lost_feed_makes_it_forget_everything(void **state)
{
    (void)state;
    follow(w.cat);
    foreign("DELETE FROM lockstep_change");
    const struct ls_node *all[] = {w.nodes.root, w.products, w.p1, w.weight, w.type, w.p2, w.type2};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        await(FOLDER(all[i]));
    await(FILE_OF(w.a));
    clear();
    foreign(INSERT("b.jpg")); /* and goes on */
    await(FOLDER(w.type));
    clear();
    /* Lines are gone that it has not read yet. */
    foreign("BEGIN;" INSERT("c.jpg") INSERT("d.jpg") INSERT("e.jpg") "DELETE FROM lockstep_change WHERE seq <"
                                                                     " (SELECT max(seq) FROM lockstep_change); COMMIT");
    await(FOLDER(w.type2));
    await(FILE_OF(w.a));
}

/* A catalog whose feed cannot be read for a while. */
static struct ls_catalog_ops broken_ops;
static atomic_bool broken;

static enum ls_rc change_last(struct ls_catalog *cat, int64_t *out_seq, struct ls_err *err)
{
    (void)cat;
    if (atomic_load(&broken))
        return ls_err_set(err, LS_IO, "catalog: the test wants it to fail");
    return w.cat->ops->change_last(w.cat, out_seq, err);
}

static enum ls_rc change_page(struct ls_catalog *cat, int64_t after, unsigned limit, struct ls_change_page *out,
                              struct ls_err *err)
{
    (void)cat;
    if (atomic_load(&broken))
        return ls_err_set(err, LS_IO, "catalog: the test wants it to fail");
    return w.cat->ops->change_page(w.cat, after, limit, out, err);
}

static enum ls_rc change_wait(struct ls_catalog *cat, int64_t after, int64_t timeout_ms, int cancel_fd,
                              int64_t *out_last, struct ls_err *err)
{
    (void)cat;
    return w.cat->ops->change_wait(w.cat, after, timeout_ms, cancel_fd, out_last, err);
}

static void while_the_feed_cannot_be_read_nobody_relies_on_it(void **state)
{
    (void)state;
    struct ls_catalog cat = {.ops = &broken_ops};
    broken_ops =
        (struct ls_catalog_ops){.change_last = change_last, .change_page = change_page, .change_wait = change_wait};
    atomic_store(&broken, true);
    follow(&cat);
    await((struct told){.what = FOLLOWING, .flag = false});
    assert_int_equal(count((struct told){.what = FOLLOWING, .flag = true}), 0);
    await(FILE_OF(w.a)); /* forgotten */
    clear();
    await(FILE_OF(w.a)); /* again and again */
    atomic_store(&broken, false);
    await((struct told){.what = FOLLOWING, .flag = true});
    clear();
    foreign(INSERT("b.jpg"));
    await(FOLDER(w.type));
    clear();
    atomic_store(&broken, true);
    foreign(INSERT("c.jpg"));
    await((struct told){.what = FOLLOWING, .flag = false});
    await(FOLDER(w.type2));
    ls_follow_stop(w.follow);
    w.follow = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_image_changes_its_folder_and_the_one_above_and_nothing_else),
        TEST(a_changed_image_is_told_by_its_number_alone),
        TEST(the_name_of_a_file_with_handles_is_dropped_only_for_others_changes),
        TEST(a_name_that_the_kernel_does_not_know_yet_is_told_as_an_entry),
        TEST(renames_are_told_at_both_ends),
        TEST(folder_rows_are_told),
        TEST(what_others_changed_below_a_folder_that_we_renamed_is_told_by_its_new_name),
        TEST(a_lost_feed_makes_it_forget_everything),
        TEST(while_the_feed_cannot_be_read_nobody_relies_on_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
