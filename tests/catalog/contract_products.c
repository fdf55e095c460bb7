/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Contract: products, variants, folders. */
#include "catalog/contract.h"

static void products_are_added_listed_and_removed(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_name_page page;
    bool exists;
    uint64_t count;
    const char *names[] = {"b", "B", "a b", "a", "\xc3\xa4", "a'; DROP TABLE product;--"};
    const char *sorted[] = {"B", "a", "a b", "a'; DROP TABLE product;--", "b", "\xc3\xa4"};
    struct ls_tx *tx = begin(cat);
    for (size_t i = 0; i < 6; i++)
        assert_ok(cat->ops->product_add(tx, names[i], &err), &err);
    assert_fails(cat->ops->product_add(tx, "b", &err), LS_EXISTS, &err, "product b");
    assert_int_equal(cat->ops->product_add(tx, "", &err), LS_INVALID);
    commit(tx);
    assert_ok(cat->ops->product_page(cat, NULL, "", 100, &page, &err), &err);
    assert_int_equal(page.n, 6);
    assert_ok(cat->ops->product_count(cat, &count, &err), &err);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(page.names[i], sorted[i]);
    ls_name_page_dispose(&page);
    assert_ok(cat->ops->product_page(cat, NULL, "a", 2, &page, &err), &err);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.names[0], "a b");
    ls_name_page_dispose(&page);
    tx = begin(cat);
    assert_ok(cat->ops->product_remove(tx, "B", &err), &err);
    assert_fails(cat->ops->product_remove(tx, "B", &err), LS_NOT_FOUND, &err, "product B");
    assert_ok(cat->ops->product_exists(cat, tx, "B", &exists, &err), &err);
    assert_false(exists);
    commit(tx);
    assert_ok(cat->ops->product_exists(cat, NULL, "b", &exists, &err), &err);
    assert_true(exists);
}

static void a_product_with_variants_or_images_stays(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    add_variant(cat, "p1", "w1", NULL);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->product_add(tx, "p2", &err), &err);
    struct ls_image_write write = {.image = {.key = "k", .product = "p2"}};
    assert_ok(cat->ops->images_write(tx, &write, 1, &err), &err);
    assert_fails(cat->ops->product_remove(tx, "p1", &err), LS_NOT_EMPTY, &err, "p1");
    assert_fails(cat->ops->product_remove(tx, "p2", &err), LS_NOT_EMPTY, &err, "p2");
    commit(tx);
}

static void a_renamed_product_takes_its_variants_and_images_along(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_variant variant;
    struct ls_image_page page;
    const char *keys[] = {"k"};
    add_images(cat, keys, 1);
    add_variant(cat, "taken", "w1", NULL);
    struct ls_tx *tx = begin(cat);
    assert_fails(cat->ops->product_rename(tx, "p1", "taken", &err), LS_EXISTS, &err, "taken");
    assert_fails(cat->ops->product_rename(tx, "none", "p9", &err), LS_NOT_FOUND, &err, "none");
    assert_ok(cat->ops->product_rename(tx, "p1", "p9", &err), &err);
    commit(tx);
    assert_ok(cat->ops->variant_get(cat, NULL, "p9", "w1", &variant, &err), &err);
    assert_ok(ls_catalog_image_get(cat, NULL, "k", &page, &err), &err);
    assert_string_equal(page.items[0].product, "p9");
    assert_string_equal(page.items[0].variant_product, "p9");
    assert_true(page.items[0].record.known);
    ls_image_page_dispose(&page);
}

static void variants_are_listed_by_the_bytes_of_their_weight(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_variant_page page;
    const char *weights[] = {"500ml", "100.5", "100", "1kg", "100 g", "A"};
    const char *sorted[] = {"100", "100 g", "100.5", "1kg", "500ml", "A"};
    for (size_t i = 0; i < 6; i++)
        add_variant(cat, "p1", weights[i], NULL);
    add_variant(cat, "p2", "other", NULL);
    assert_ok(cat->ops->variant_list(cat, NULL, "p1", &page, &err), &err);
    assert_int_equal(page.n, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(page.items[i].weight, sorted[i]);
    ls_variant_page_dispose(&page);
    assert_ok(cat->ops->variant_list(cat, NULL, "none", &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_variant_page_dispose(&page);
}

static void a_new_variant_is_active_and_reads_back(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_variant added, got;
    struct ls_tx *tx = begin(cat);
    assert_fails(cat->ops->variant_add(tx, "p1", "w1", &added, &err), LS_NOT_FOUND, &err, "p1");
    assert_ok(cat->ops->product_add(tx, "p1", &err), &err);
    assert_ok(cat->ops->variant_add(tx, "p1", "w1", &added, &err), &err);
    assert_fails(cat->ops->variant_add(tx, "p1", "w1", &got, &err), LS_EXISTS, &err, "p1/w1");
    commit(tx);
    assert_true(added.is_active);
    assert_string_equal(added.product, "p1");
    assert_string_equal(added.weight, "w1");
    assert_true(added.created_ns > 0 && added.created_ns == added.updated_ns);
    assert_ok(cat->ops->variant_get(cat, NULL, "p1", "w1", &got, &err), &err);
    assert_string_equal(got.id, added.id);
    assert_fails(cat->ops->variant_get(cat, NULL, "p1", "w2", &got, &err), LS_NOT_FOUND, &err, "p1/w2");
}

static void a_variant_changes_weight_product_and_activity_by_id(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_variant variant, got;
    add_variant(cat, "p1", "w1", NULL);
    add_variant(cat, "p2", "taken", NULL);
    assert_ok(cat->ops->variant_get(cat, NULL, "p1", "w1", &variant, &err), &err);
    strcpy(variant.product, "p2");
    strcpy(variant.weight, "w2");
    variant.is_active = false;
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->variant_set(tx, &variant, &err), &err);
    commit(tx);
    assert_ok(cat->ops->variant_get(cat, NULL, "p2", "w2", &got, &err), &err);
    assert_string_equal(got.id, variant.id);
    assert_false(got.is_active);
    assert_int_equal(got.created_ns, variant.created_ns);
    tx = begin(cat);
    strcpy(variant.weight, "taken");
    assert_fails(cat->ops->variant_set(tx, &variant, &err), LS_EXISTS, &err, "p2/taken");
    strcpy(variant.product, "nobody");
    assert_fails(cat->ops->variant_set(tx, &variant, &err), LS_NOT_FOUND, &err, "nobody");
    strcpy(variant.id, "424242");
    strcpy(variant.product, "p2");
    strcpy(variant.weight, "free");
    assert_fails(cat->ops->variant_set(tx, &variant, &err), LS_NOT_FOUND, &err, "424242");
    cat->ops->rollback(tx);
}

static void a_variant_with_images_stays(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    char id[LS_CATALOG_ID_MAX];
    const char *keys[] = {"k"};
    add_images(cat, keys, 1);
    add_variant(cat, "p1", "w1", id);
    struct ls_tx *tx = begin(cat);
    assert_fails(cat->ops->variant_remove(tx, id, &err), LS_NOT_EMPTY, &err, id);
    struct ls_image_ref ref = {"k", NULL};
    assert_ok(cat->ops->images_delete(tx, &ref, 1, &err), &err);
    assert_ok(cat->ops->variant_remove(tx, id, &err), &err);
    assert_fails(cat->ops->variant_remove(tx, id, &err), LS_NOT_FOUND, &err, id);
    assert_fails(cat->ops->variant_remove(tx, "x", &err), LS_NOT_FOUND, &err, "x");
    commit(tx);
}

static void a_removed_variants_id_is_not_given_again(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    char first[LS_CATALOG_ID_MAX], second[LS_CATALOG_ID_MAX];
    add_variant(cat, "p1", "w1", first);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->variant_remove(tx, first, &err), &err);
    commit(tx);
    add_variant(cat, "p1", "w1", second);
    assert_string_not_equal(first, second);
}

/* ---- folders ---- */

static void put_folder(struct ls_catalog *cat, const char *path, uint32_t mode)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_folder folder = {.mode = mode, .uid = 3, .gid = 4, .mtime_ns = 5};
    snprintf(folder.path, sizeof folder.path, "%s", path);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->folder_put(tx, &folder, &err), &err);
    commit(tx);
}

static void folders_are_put_replaced_and_read(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_folder got, bad = {.path = "products/"};
    put_folder(cat, "products/p1", 0755);
    put_folder(cat, "products/p1", 0700);
    assert_ok(cat->ops->folder_get(cat, NULL, "products/p1", &got, &err), &err);
    assert_string_equal(got.path, "products/p1");
    assert_int_equal(got.mode, 0700);
    assert_int_equal(got.uid, 3);
    assert_int_equal(got.gid, 4);
    assert_int_equal(got.mtime_ns, 5);
    assert_fails(cat->ops->folder_get(cat, NULL, "products/p2", &got, &err), LS_NOT_FOUND, &err, "p2");
    struct ls_tx *tx = begin(cat);
    assert_int_equal(cat->ops->folder_put(tx, &bad, &err), LS_INVALID);
    cat->ops->rollback(tx);
}

static void expect_children(struct ls_catalog *cat, const char *path, const char *const *names, size_t n)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_folder_page page;
    assert_ok(cat->ops->folder_children(cat, NULL, path, &page, &err), &err);
    for (size_t i = 0; i < page.n && i < n; i++)
        assert_string_equal(page.items[i].path, names[i]);
    assert_int_equal(page.n, n);
    ls_folder_page_dispose(&page);
}

static const char *const some_folders[] = {
    "products",     "products/1",  "products/1/100", "products/1/100/x", "products/1/100.5", "products/1/100/y/z",
    "products/1/2", "products/10", "products/10/1",  "products2",        "products2/a",      "q/deep/only"};

static void children_are_one_level_by_bytes(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    for (size_t i = 0; i < sizeof some_folders / sizeof some_folders[0]; i++)
        put_folder(cat, some_folders[i], 0755);
    const char *top[] = {"products", "products2"}, *products[] = {"products/1", "products/10"},
               *one[] = {"products/1/100", "products/1/100.5", "products/1/2"}, *hundred[] = {"products/1/100/x"};
    expect_children(cat, "", top, 2);
    expect_children(cat, "products", products, 2);
    expect_children(cat, "products/1", one, 3);
    expect_children(cat, "products/1/100", hundred, 1);
    expect_children(cat, "products/1/100.5", NULL, 0);
    expect_children(cat, "q", NULL, 0);
    expect_children(cat, "prod", NULL, 0);
}

static void a_subtree_moves_and_goes_whole_and_alone(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_folder got;
    for (size_t i = 0; i < sizeof some_folders / sizeof some_folders[0]; i++)
        put_folder(cat, some_folders[i], 0755);
    put_folder(cat, "products/1/\xff\xfe/\xc3\xa4", 0711);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->folder_rename(tx, "products/1", "products/\xc3\xa4\xff", &err), &err);
    commit(tx);
    const char *moved[] = {"products/10", "products/\xc3\xa4\xff"};
    expect_children(cat, "products", moved, 2);
    assert_ok(cat->ops->folder_get(cat, NULL, "products/\xc3\xa4\xff/\xff\xfe/\xc3\xa4", &got, &err), &err);
    assert_int_equal(got.mode, 0711);
    assert_ok(cat->ops->folder_get(cat, NULL, "products/\xc3\xa4\xff/100/y/z", &got, &err), &err);
    tx = begin(cat);
    assert_ok(cat->ops->folder_remove(tx, "products", false, &err), &err);
    assert_ok(cat->ops->folder_remove(tx, "products", false, &err), &err);
    commit(tx);
    expect_children(cat, "products", moved, 2);
    tx = begin(cat);
    assert_ok(cat->ops->folder_remove(tx, "products", true, &err), &err);
    commit(tx);
    expect_children(cat, "products", NULL, 0);
    const char *left[] = {"products2/a"};
    expect_children(cat, "products2", left, 1);
}

static void a_moved_folder_replaces_what_lies_there(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_folder got;
    put_folder(cat, "a", 0700);
    put_folder(cat, "a/x", 0701);
    put_folder(cat, "b", 0755);
    put_folder(cat, "b/x", 0755);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->folder_rename(tx, "a", "b", &err), &err);
    assert_ok(cat->ops->folder_rename(tx, "none", "c", &err), &err);
    commit(tx);
    assert_ok(cat->ops->folder_get(cat, NULL, "b", &got, &err), &err);
    assert_int_equal(got.mode, 0700);
    assert_ok(cat->ops->folder_get(cat, NULL, "b/x", &got, &err), &err);
    assert_int_equal(got.mode, 0701);
    assert_int_equal(cat->ops->folder_get(cat, NULL, "a", &got, &err), LS_NOT_FOUND);
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(products_are_added_listed_and_removed),
    CONTRACT_TEST(a_product_with_variants_or_images_stays),
    CONTRACT_TEST(a_renamed_product_takes_its_variants_and_images_along),
    CONTRACT_TEST(variants_are_listed_by_the_bytes_of_their_weight),
    CONTRACT_TEST(a_new_variant_is_active_and_reads_back),
    CONTRACT_TEST(a_variant_changes_weight_product_and_activity_by_id),
    CONTRACT_TEST(a_variant_with_images_stays),
    CONTRACT_TEST(a_removed_variants_id_is_not_given_again),
    CONTRACT_TEST(folders_are_put_replaced_and_read),
    CONTRACT_TEST(children_are_one_level_by_bytes),
    CONTRACT_TEST(a_subtree_moves_and_goes_whole_and_alone),
    CONTRACT_TEST(a_moved_folder_replaces_what_lies_there),
};
const struct contract contract_products = {"products, variants, folders", tests, sizeof tests / sizeof tests[0]};
