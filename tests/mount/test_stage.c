/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Staged files over a real engine, without a kernel. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mount/env.h"
#include "mount/stage.h"

#define FOLDER "products/p1/500ml/hero-card"
#define KEY FOLDER "/a.jpg"

static struct env env;
static struct env_other sides;
static struct ls_mount_opts opts;
static struct ls_mount *mount;
static struct ls_node *folder, *node;

static struct ls_node *child(struct ls_node *parent, const char *name, bool is_dir)
{
    struct ls_node *made = ls_nodes_obtain(&mount->nodes, parent, name, is_dir);
    assert_non_null(made);
    return made;
}

static int setup(void **state)
{
    (void)state;
    char cache[96];
    env_open_unmounted(&env);
    env_other_open(&env, &sides);
    assert_int_equal(ls_engine_variant_create(sides.engine, "p1", "500ml", NULL), LS_OK);
    mount = calloc(1, sizeof *mount);
    assert_non_null(mount);
    snprintf(cache, sizeof cache, "%s/cache", env.dir);
    opts.cache_dir = "cache";
    mount->opts = &opts;
    mount->engine = sides.engine;
    mount->catalog = sides.catalog;
    mount->store = sides.store;
    mount->layout = sides.layout;
    mount->products_depth = 1;
    mount->stopping = true; /* nobody to notify */
    pthread_mutex_init(&mount->gates.lock, NULL);
    struct ls_cache_opts cache_opts = {
        .dir = cache, .max_bytes = 1 << 20, .store = sides.store, .caps = *ls_engine_caps(sides.engine)};
    assert_int_equal(ls_cache_open(&cache_opts, &mount->cache, NULL), LS_OK);
    assert_int_equal(ls_nodes_init(&mount->nodes, ls_file_free, NULL), LS_OK);
    folder =
        child(child(child(child(mount->nodes.root, "products", true), "p1", true), "500ml", true), "hero-card", true);
    node = child(folder, "a.jpg", false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ls_nodes_dispose(&mount->nodes);
    ls_cache_close(mount->cache);
    free(mount);
    env_other_close(&sides);
    env_close(&env);
    return 0;
}

/* Give a node a stage with these bytes, as create and write do. */
static struct ls_stage *stage_text(struct ls_node *of, const char *text, enum ls_local local)
{
    struct ls_stage *stage = NULL;
    assert_non_null(ls_file_of(mount, of));
    assert_int_equal(ls_stage_new(mount, &stage, NULL), LS_OK);
    assert_true(stage->dirty);
    assert_int_equal(pwrite(stage->content->fd, text, strlen(text), 0), strlen(text));
    ls_stage_install(mount, of, stage);
    ls_nodes_set_local(&mount->nodes, of, local);
    return stage;
}

static void a_commit_makes_row_and_object_and_cleans(void **state)
{
    (void)state;
    struct ls_stage *stage = stage_text(node, "hello", LS_LOCAL_PENDING);
    stage->mode = 0600;
    stage->mtime_set = true;
    stage->mtime_ns = 1234567890123456789;
    assert_int_equal(ls_stage_commit_own(mount, node, NULL), LS_OK);
    assert_false(stage->dirty);
    assert_true(stage->has_row);
    assert_int_equal(ls_nodes_local(&mount->nodes, node), LS_LOCAL_NONE);
    assert_string_equal(env_object(&env, KEY), "hello");
    assert_string_equal(env_sql(&env, "SELECT etag FROM lockstep_object"), stage->base_etag);
    assert_string_equal(env_sql(&env, "SELECT mtime_ns FROM lockstep_object"), "1234567890123456789");
    /* nothing is dirty: nothing is put */
    assert_int_equal(unlink(env_bucket_path(&env, KEY)), 0);
    assert_int_equal(ls_stage_commit_own(mount, node, NULL), LS_OK);
    assert_null(env_object(&env, KEY));
}

static void a_new_name_that_somebody_took_is_not_overwritten(void **state)
{
    (void)state;
    struct ls_stage *stage = stage_text(node, "mine", LS_LOCAL_PENDING);
    env_other_put(&sides, KEY, "theirs");
    assert_int_equal(ls_stage_commit_own(mount, node, NULL), LS_EXISTS);
    assert_true(stage->dirty && stage->failed);
    assert_string_equal(env_object(&env, KEY), "theirs");
}

static void a_version_that_somebody_replaced_is_not_overwritten(void **state)
{
    (void)state;
    struct ls_stage *stage = stage_text(node, "one", LS_LOCAL_PENDING);
    assert_int_equal(ls_stage_commit_own(mount, node, NULL), LS_OK);
    env_other_put(&sides, KEY, "theirs");
    stage->dirty = true;
    assert_int_equal(ls_stage_commit_own(mount, node, NULL), LS_CONFLICT);
    assert_string_equal(env_object(&env, KEY), "theirs");
}

static void a_scratch_file_and_a_removed_one_are_never_committed(void **state)
{
    (void)state;
    struct ls_node *scratch = child(folder, "a.jpg~", false);
    stage_text(scratch, "x", LS_LOCAL_SCRATCH);
    assert_int_equal(ls_stage_commit_own(mount, scratch, NULL), LS_OK);
    stage_text(node, "y", LS_LOCAL_PENDING);
    ls_nodes_detach(&mount->nodes, node);
    assert_int_equal(ls_stage_commit_own(mount, node, NULL), LS_OK);
    assert_null(env_sql(&env, "SELECT 1 FROM product_image"));
}

static void a_settled_stage_is_the_caches_entry(void **state)
{
    (void)state;
    struct ls_stage *stage = stage_text(node, "hello", LS_LOCAL_PENDING);
    assert_true(ls_stage_settle(mount, node)); /* dirty: to be committed first */
    assert_int_equal(ls_stage_commit_own(mount, node, NULL), LS_OK);
    char etag[LS_ETAG_MAX];
    memcpy(etag, stage->base_etag, sizeof etag);
    ls_file_of(mount, node)->handles = 1;
    assert_false(ls_stage_settle(mount, node));
    assert_ptr_equal(ls_file_of(mount, node)->stage, stage); /* as long as it is open */
    ls_file_of(mount, node)->handles = 0;
    assert_false(ls_stage_settle(mount, node));
    assert_null(ls_file_of(mount, node)->stage);
    struct ls_content *content = ls_cache_find(mount->cache, KEY, etag, 5);
    assert_non_null(content);
    ls_content_unref(content);
}

static void what_close_has_given_up_is_dropped(void **state)
{
    (void)state;
    struct ls_stage *stage = stage_text(node, "hello", LS_LOCAL_PENDING);
    stage->failed = true;
    assert_false(ls_stage_settle(mount, node));
    assert_null(ls_file_of(mount, node)->stage);
    assert_int_equal(ls_nodes_local(&mount->nodes, node), LS_LOCAL_NONE);
}

static void a_version_is_copied_before_it_is_written(void **state)
{
    (void)state;
    env_other_put(&sides, KEY, "version one");
    assert_int_equal(ls_stage_ensure(mount, node, NULL), LS_OK);
    struct ls_stage *stage = ls_file_of(mount, node)->stage;
    assert_non_null(stage);
    assert_false(stage->dirty);
    assert_int_equal(ls_stage_size(stage), 11);
    assert_int_equal(pwrite(stage->content->fd, "VERSION", 7, 0), 7);
    struct ls_content *cached = NULL;
    char text[20] = "";
    assert_int_equal(ls_cache_fetch(mount->cache, KEY, stage->base_etag, 11, &cached, NULL), LS_OK);
    assert_int_equal(pread(cached->fd, text, sizeof text, 0), 11);
    assert_string_equal(text, "version one");
    ls_content_unref(cached);
}

static void a_whiteouts_row_goes_unless_it_has_changed(void **state)
{
    (void)state;
    env_other_put(&sides, KEY, "old");
    snprintf(ls_file_of(mount, node)->etag, LS_ETAG_MAX, "%s", env_sql(&env, "SELECT etag FROM lockstep_object"));
    ls_nodes_set_local(&mount->nodes, node, LS_LOCAL_WHITEOUT);
    env_other_put(&sides, KEY, "theirs");
    assert_int_equal(ls_whiteout_remove(mount, node, NULL), LS_OK);
    assert_string_equal(env_object(&env, KEY), "theirs");
    assert_int_equal(ls_nodes_local(&mount->nodes, node), LS_LOCAL_NONE);
    snprintf(ls_file_of(mount, node)->etag, LS_ETAG_MAX, "%s", env_sql(&env, "SELECT etag FROM lockstep_object"));
    ls_nodes_set_local(&mount->nodes, node, LS_LOCAL_WHITEOUT);
    assert_int_equal(ls_whiteout_remove(mount, node, NULL), LS_OK);
    assert_null(env_object(&env, KEY));
    assert_null(env_sql(&env, "SELECT 1 FROM product_image"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_commit_makes_row_and_object_and_cleans),
        T(a_new_name_that_somebody_took_is_not_overwritten),
        T(a_version_that_somebody_replaced_is_not_overwritten),
        T(a_scratch_file_and_a_removed_one_are_never_committed),
        T(a_settled_stage_is_the_caches_entry),
        T(what_close_has_given_up_is_dropped),
        T(a_version_is_copied_before_it_is_written),
        T(a_whiteouts_row_goes_unless_it_has_changed),
    };
    return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
