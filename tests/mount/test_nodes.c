/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mount/nodes.h"

static struct ls_nodes nodes;

static void no_file(struct ls_file *file) { assert_null(file); }

static int setup(void **state)
{
    (void)state;
    return ls_nodes_init(&nodes, no_file, NULL);
}

static int teardown(void **state)
{
    (void)state;
    ls_nodes_dispose(&nodes);
    return 0;
}

static struct ls_node *dir(struct ls_node *parent, const char *name)
{
    struct ls_node *node = ls_nodes_obtain(&nodes, parent, name, true);
    assert_non_null(node);
    return node;
}

static void assert_path(struct ls_node *node, const char *want)
{
    char path[LS_PATH_MAX];
    assert_true(ls_nodes_path(&nodes, node, path));
    assert_string_equal(path, want);
}

static void a_name_gives_one_node_with_one_number(void **state)
{
    (void)state;
    struct ls_node *a = dir(nodes.root, "a"), *again = dir(nodes.root, "a"), *b = dir(nodes.root, "b");
    assert_ptr_equal(a, again);
    assert_true(a->ino != b->ino);
    assert_ptr_equal(ls_nodes_get(&nodes, a->ino), a);
    assert_int_equal(ls_nodes_number(&nodes, nodes.root, "a"), a->ino);
    assert_null(ls_nodes_find(&nodes, nodes.root, "c"));
}

static void a_number_comes_back_for_the_same_name_with_another_generation(void **state)
{
    (void)state;
    struct ls_node *a = dir(nodes.root, "a");
    uint64_t ino = a->ino, generation = a->generation;
    ls_nodes_unref(&nodes, a);
    assert_null(ls_nodes_get(&nodes, ino));
    a = dir(nodes.root, "a");
    assert_int_equal(a->ino, ino);
    assert_true(a->generation != generation);
}

static void a_node_lives_as_long_as_the_kernel_knows_it(void **state)
{
    (void)state;
    struct ls_node *a = dir(nodes.root, "a");
    uint64_t ino = a->ino;
    ls_nodes_looked_up(&nodes, a);
    ls_nodes_looked_up(&nodes, a);
    ls_nodes_unref(&nodes, a);
    ls_nodes_forget(&nodes, ino, 1);
    assert_ptr_equal(ls_nodes_get(&nodes, ino), a);
    ls_nodes_unref(&nodes, a);
    ls_nodes_forget(&nodes, ino, 1);
    assert_null(ls_nodes_get(&nodes, ino));
    assert_int_equal(nodes.count, 1);
}

static void a_child_keeps_its_folders(void **state)
{
    (void)state;
    struct ls_node *a = dir(nodes.root, "a"), *b = dir(a, "b"), *c = dir(b, "c");
    ls_nodes_unref(&nodes, a);
    ls_nodes_unref(&nodes, b);
    assert_path(c, "a/b/c");
    assert_int_equal(nodes.count, 4);
    ls_nodes_unref(&nodes, c);
    assert_int_equal(nodes.count, 1);
}

static void renaming_a_folder_moves_what_is_below(void **state)
{
    (void)state;
    struct ls_node *a = dir(nodes.root, "a"), *b = dir(a, "b"), *c = dir(b, "c"), *d = dir(nodes.root, "d");
    uint64_t ino = c->ino;
    assert_int_equal(ls_nodes_move(&nodes, b, d, "e"), LS_OK);
    assert_path(c, "d/e/c");
    assert_int_equal(c->ino, ino);
    assert_ptr_equal(ls_nodes_find(&nodes, d, "e"), b);
    assert_null(ls_nodes_find(&nodes, a, "b"));
}

static void renaming_over_a_name_takes_it_from_the_other(void **state)
{
    (void)state;
    char path[LS_PATH_MAX];
    struct ls_node *a = dir(nodes.root, "a"), *b = dir(nodes.root, "b");
    assert_int_equal(ls_nodes_move(&nodes, a, nodes.root, "b"), LS_OK);
    assert_false(ls_nodes_path(&nodes, b, path));
    assert_path(a, "b");
    /* The number of the removed one is not given to a new one while it lives. */
    struct ls_node *c = dir(nodes.root, "a");
    assert_true(c->ino != a->ino && c->ino != b->ino);
    assert_int_equal(ls_nodes_move(&nodes, a, nodes.root, "b"), LS_OK);
    assert_path(a, "b");
}

static void local_names_come_in_order_and_outlive_the_kernels_interest(void **state)
{
    (void)state;
    static const char *const names[] = {"m", "c", "x"};
    char name[256] = "";
    for (int i = 0; i < 3; i++) {
        struct ls_node *node = ls_nodes_obtain(&nodes, nodes.root, names[i], false);
        ls_nodes_set_local(&nodes, node, LS_LOCAL_SCRATCH);
        ls_nodes_unref(&nodes, node);
    }
    static const char *const want[] = {"c", "m", "x"};
    struct ls_node *node;
    for (int i = 0; i < 3; i++) {
        assert_non_null(node = ls_nodes_next_local(&nodes, nodes.root, name, name));
        assert_string_equal(name, want[i]);
        ls_nodes_unref(&nodes, node);
    }
    assert_null(ls_nodes_next_local(&nodes, nodes.root, name, name));
    node = ls_nodes_find(&nodes, nodes.root, "m");
    ls_nodes_detach(&nodes, node);
    ls_nodes_unref(&nodes, node);
    node = ls_nodes_next_local(&nodes, nodes.root, "c", name);
    assert_string_equal(name, "x");
    ls_nodes_unref(&nodes, node);
}

static void a_local_state_moves_with_the_name(void **state)
{
    (void)state;
    char name[256];
    struct ls_node *d = dir(nodes.root, "d"), *f = ls_nodes_obtain(&nodes, nodes.root, "f", false);
    ls_nodes_set_local(&nodes, f, LS_LOCAL_PENDING);
    assert_int_equal(ls_nodes_move(&nodes, f, d, "g"), LS_OK);
    assert_null(ls_nodes_next_local(&nodes, nodes.root, "", name));
    assert_ptr_equal(ls_nodes_next_local(&nodes, d, "", name), f);
    assert_int_equal(ls_nodes_local(&nodes, f), LS_LOCAL_PENDING);
    ls_nodes_set_local(&nodes, f, LS_LOCAL_NONE);
}

static void a_path_that_is_too_long_is_none(void **state)
{
    (void)state;
    char name[256], path[LS_PATH_MAX];
    memset(name, 'n', 255);
    name[255] = '\0';
    struct ls_node *node = nodes.root;
    for (int i = 0; i < 6; i++)
        node = dir(node, name);
    assert_false(ls_nodes_path(&nodes, node, path));
    assert_true(ls_nodes_path(&nodes, node->parent, path));
    assert_int_equal(strlen(path), 5 * 255 + 4);
}

static void a_folder_of_a_files_name_replaces_its_node(void **state)
{
    (void)state;
    struct ls_node *file = ls_nodes_obtain(&nodes, nodes.root, "a", false), *folder = dir(nodes.root, "a");
    assert_ptr_not_equal(file, folder);
    assert_false(ls_nodes_linked(&nodes, file));
    assert_true(ls_nodes_linked(&nodes, folder));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_name_gives_one_node_with_one_number),
        T(a_number_comes_back_for_the_same_name_with_another_generation),
        T(a_node_lives_as_long_as_the_kernel_knows_it),
        T(a_child_keeps_its_folders),
        T(renaming_a_folder_moves_what_is_below),
        T(renaming_over_a_name_takes_it_from_the_other),
        T(local_names_come_in_order_and_outlive_the_kernels_interest),
        T(a_local_state_moves_with_the_name),
        T(a_path_that_is_too_long_is_none),
        T(a_folder_of_a_files_name_replaces_its_node),
    };
    return cmocka_run_group_tests_name("nodes", tests, NULL, NULL);
}
