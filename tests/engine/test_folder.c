/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folders, attributes, variants. */
#include "engine/world.h"

#define A IMG("500ml", "a.jpg")

static void folders_are_made_from_the_top(void **state)
{
    struct world *w = *state;
    const struct ls_attr attr = {.set_mode = true, .mode = 0700, .set_mtime = true, .mtime_ns = 42};
    assert_rc(w, LS_NOT_FOUND, ls_engine_mkdir(w->engine, "products/p1/500ml", NULL, &w->err));
    assert_rc(w, LS_OK, ls_engine_mkdir(w->engine, "products/p1", NULL, &w->err));
    assert_rc(w, LS_EXISTS, ls_engine_mkdir(w->engine, "products/p1", NULL, &w->err));
    assert_rc(w, LS_NOT_FOUND, ls_engine_mkdir(w->engine, "products/p1/500ml/hero-card", NULL, &w->err));
    assert_rc(w, LS_OK, ls_engine_mkdir(w->engine, "products/p1/500ml", &attr, &w->err));
    assert_rc(w, LS_INVALID, ls_engine_mkdir(w->engine, "products/p1/500ml/unknown", NULL, &w->err));
    assert_rc(w, LS_OK, ls_engine_mkdir(w->engine, "products/p1/500ml/hero-card", NULL, &w->err));
    assert_rc(w, LS_INVALID, ls_engine_mkdir(w->engine, A, NULL, &w->err));
    assert_rc(w, LS_INVALID, ls_engine_mkdir(w->engine, "products", NULL, &w->err));
    assert_int_equal(sql_int(w, "SELECT mode FROM lockstep_folder WHERE path = 'products/p1/500ml'"), 0700);
    assert_int_equal(sql_int(w, "SELECT mtime_ns FROM lockstep_folder WHERE path = 'products/p1/500ml'"), 42);
    assert_in_step(w, 0);
}

static void folders_are_removed_when_empty(void **state)
{
    struct world *w = *state;
    must(w, put_text(w, A, "one"));
    must(w, ls_engine_mkdir(w->engine, "products/p1/500ml/info-card", NULL, &w->err));
    assert_rc(w, LS_NOT_EMPTY, ls_engine_rmdir(w->engine, "products/p1/500ml/hero-card", &w->err));
    assert_rc(w, LS_NOT_EMPTY, ls_engine_rmdir(w->engine, "products/p1/500ml", &w->err));
    assert_rc(w, LS_NOT_EMPTY, ls_engine_rmdir(w->engine, "products/p1", &w->err));
    must(w, remove_keys(w, A, NULL));
    assert_rc(w, LS_NOT_FOUND, ls_engine_rmdir(w->engine, "products/p1/500ml/hero-card", &w->err));
    assert_rc(w, LS_NOT_EMPTY, ls_engine_rmdir(w->engine, "products/p1/500ml", &w->err));
    assert_rc(w, LS_OK, ls_engine_rmdir(w->engine, "products/p1/500ml/info-card", &w->err));
    assert_rc(w, LS_OK, ls_engine_rmdir(w->engine, "products/p1/500ml", &w->err));
    assert_rc(w, LS_OK, ls_engine_rmdir(w->engine, "products/p1", &w->err));
    assert_rc(w, LS_NOT_FOUND, ls_engine_rmdir(w->engine, "products/p1", &w->err));
    assert_int_equal(sql_int(w, "SELECT count(*) FROM product"), 0);
}

static void attributes_change_without_touching_the_object(void **state)
{
    struct world *w = *state;
    const struct ls_attr attr = {
        .set_mode = true, .mode = 0600, .set_owner = true, .uid = 5, .gid = 6, .set_mtime = true, .mtime_ns = 42};
    must(w, put_text(w, A, "one"));
    assert_rc(w, LS_OK, ls_engine_set_attr(w->engine, A, &attr, &w->err));
    assert_int_equal(sql_int(w, "SELECT mode FROM lockstep_object"), 0600);
    assert_int_equal(sql_int(w, "SELECT mtime_ns + uid + gid FROM lockstep_object"), 42 + 5 + 6);
    assert_rc(w, LS_OK, ls_engine_set_attr(w->engine, "products/p1/500ml", &attr, &w->err));
    assert_int_equal(sql_int(w, "SELECT mtime_ns FROM lockstep_folder WHERE path = 'products/p1/500ml'"), 42);
    assert_rc(w, LS_NOT_FOUND, ls_engine_set_attr(w->engine, IMG("500ml", "x.jpg"), &attr, &w->err));
    assert_rc(w, LS_NOT_FOUND, ls_engine_set_attr(w->engine, "products/p1/1kg", &attr, &w->err));
    sql_forget(w); /* as if the application had written the row */
    assert_rc(w, LS_OK, ls_engine_set_attr(w->engine, A, &attr, &w->err));
    assert_int_equal(sql_int(w, "SELECT mode FROM lockstep_object"), 0600);
    assert_in_step(w, 0);
}

static void variants_are_created_and_switched(void **state)
{
    struct world *w = *state;
    assert_rc(w, LS_OK, ls_engine_variant_create(w->engine, "p1", "500ml", &w->err));
    assert_rc(w, LS_EXISTS, ls_engine_variant_create(w->engine, "p1", "500ml", &w->err));
    assert_rc(w, LS_INVALID, ls_engine_variant_create(w->engine, "p1", "a/b", &w->err));
    assert_rc(w, LS_OK, ls_engine_variant_set_active(w->engine, "p1", "500ml", false, &w->err));
    assert_int_equal(sql_int(w, "SELECT is_active FROM product_variant"), 0);
    assert_rc(w, LS_OK, ls_engine_variant_set_active(w->engine, "p1", "500ml", true, &w->err));
    assert_int_equal(sql_int(w, "SELECT is_active FROM product_variant"), 1);
    assert_rc(w, LS_NOT_FOUND, ls_engine_variant_set_active(w->engine, "p1", "1kg", true, &w->err));
    assert_in_step(w, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(folders_are_made_from_the_top),
        TEST(folders_are_removed_when_empty),
        TEST(attributes_change_without_touching_the_object),
        TEST(variants_are_created_and_switched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
