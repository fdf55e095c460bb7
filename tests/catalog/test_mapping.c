/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mappings without a database: what is refused, what templates become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "catalog/mapping.h"

struct line {
    enum ls_map_table_id table;
    const char *key, *value;
};

/* As Prisma makes it. */
static const struct line prisma[] = {
    {LS_MAP_PRODUCT, "table", "public.Product"},
    {LS_MAP_PRODUCT, "id", "id"},
    {LS_MAP_VARIANT, "table", "public.ProductVariant"},
    {LS_MAP_VARIANT, "id", "id"},
    {LS_MAP_VARIANT, "new_id", "cuid"},
    {LS_MAP_VARIANT, "product_id", "productId"},
    {LS_MAP_VARIANT, "weight", "weight"},
    {LS_MAP_IMAGE, "table", "public.ProductImage"},
    {LS_MAP_IMAGE, "id", "id"},
    {LS_MAP_IMAGE, "new_id", "cuid"},
    {LS_MAP_IMAGE, "variant_id", "variantId"},
    {LS_MAP_IMAGE, "file_name", "fileName"},
    {LS_MAP_IMAGE, "image_type", "type"},
    {LS_MAP_IMAGE, "updated_at", "updatedAt"},
    {LS_MAP_IMAGE, "constant.position", "0"},
};

static void fill(struct ls_mapping *m)
{
    struct ls_err err = LS_ERR_INIT;
    assert_int_equal(ls_mapping_init(m, "shop.conf", &err), LS_OK);
    for (size_t i = 0; i < sizeof prisma / sizeof prisma[0]; i++)
        if (ls_mapping_set(m, prisma[i].table, prisma[i].key, prisma[i].value, (unsigned)i + 1, &err) != LS_OK)
            fail_msg("%s", err.text);
}

static void set_type(struct ls_mapping *m, enum ls_map_table_id table, enum ls_map_role role, enum ls_map_kind kind,
                     const char *type)
{
    struct ls_map_column *column = &m->tables[table].columns[role];
    column->kind = kind;
    snprintf(column->type, sizeof column->type, "%s", type);
    if (kind == LS_MAP_TEXT && !m->own)
        snprintf(column->collation, sizeof column->collation, "pg_catalog.\"default\"");
}

/* What pg_resolve.c finds out. */
static void resolve(struct ls_mapping *m)
{
    for (int id = 0; id < LS_MAP_TABLES; id++)
        for (int role = 0; role < LS_MAP_ROLES; role++)
            set_type(m, id, role, LS_MAP_TEXT, "pg_catalog.text");
    set_type(m, LS_MAP_IMAGE, LS_MAP_UPDATED_AT, LS_MAP_TIME, "pg_catalog.timestamp");
    set_type(m, LS_MAP_IMAGE, LS_MAP_IMAGE_TYPE, LS_MAP_ENUM, "public.\"ImageType\"");
    snprintf(m->tables[LS_MAP_IMAGE].constants[0].type, LS_MAP_TYPE_MAX, "pg_catalog.int4");
}

static void expect(const struct ls_mapping *m, const char *template, const char *expected)
{
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_buf) struct ls_buf out = LS_BUF_INIT(LS_BUF_LINE);
    if (ls_mapping_expand(m, template, &out, &err) != LS_OK)
        fail_msg("%s: %s", template, err.text);
    assert_string_equal(out.data, expected);
}

static void names_that_could_leave_their_quotes_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"a\"b",
                                        "a'b",
                                        "a;b",
                                        "a$$b",
                                        "a\\b",
                                        "a b",
                                        "a\nb",
                                        "a{b",
                                        "a--b",
                                        "",
                                        "a.b.c",
                                        "\xff",
                                        "product; DROP TABLE product",
                                        "\"public\".\"Product\"",
                                        "a%s",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct ls_err err = LS_ERR_INIT;
        LS_AUTO(ls_mapping) struct ls_mapping m;
        fill(&m);
        m.tables[LS_MAP_IMAGE].line = m.tables[LS_MAP_IMAGE].columns[LS_MAP_FILE_NAME].line = 0;
        assert_int_equal(ls_mapping_set(&m, LS_MAP_IMAGE, "table", names[i], 1, &err), LS_INVALID);
        assert_true(err.text[0]);
        if (names[i][0]) /* an empty column is one that does not exist */
            assert_int_equal(ls_mapping_set(&m, LS_MAP_IMAGE, "file_name", names[i], 1, &err), LS_INVALID);
    }
}

static void tables_that_are_no_applications_are_refused(void **state)
{
    (void)state;
    static const char *const tables[] = {"pg_catalog.pg_class", "information_schema.tables",
                                         "lockstep.lockstep_object"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct ls_err err = LS_ERR_INIT;
        LS_AUTO(ls_mapping) struct ls_mapping m;
        fill(&m);
        m.tables[LS_MAP_IMAGE].line = 0;
        assert_int_equal(ls_mapping_set(&m, LS_MAP_IMAGE, "table", tables[i], 1, &err), LS_INVALID);
        assert_non_null(strstr(err.text, "does not hold"));
    }
}

static void check_fails(const struct line *line, const char *named)
{
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_mapping) struct ls_mapping m;
    fill(&m);
    assert_int_equal(ls_mapping_check(&m, &err), LS_OK);
    m.tables[line->table].line = 0;
    assert_int_equal(ls_mapping_set(&m, line->table, line->key, line->value, 42, &err), LS_OK);
    assert_int_equal(ls_mapping_check(&m, &err), LS_INVALID);
    if (!strstr(err.text, named))
        fail_msg("%s: %s", named, err.text);
}

static void a_mapping_with_holes_or_two_uses_of_a_column_is_refused(void **state)
{
    (void)state;
    check_fails(&(struct line){LS_MAP_IMAGE, "image_url", "fileName"}, "shop.conf:42: [map.image] image_url: ");
    check_fails(&(struct line){LS_MAP_IMAGE, "constant.fileName", "x"}, "shop.conf:42: [map.image] constant: ");
    check_fails(&(struct line){LS_MAP_IMAGE, "table", "Product"}, "shop.conf:42: [map.image] table: ");
    LS_AUTO(ls_mapping) struct ls_mapping m;
    struct ls_err err = LS_ERR_INIT;
    assert_int_equal(ls_mapping_init(&m, "shop.conf", &err), LS_OK);
    assert_int_equal(ls_mapping_check(&m, &err), LS_INVALID);
    assert_non_null(strstr(err.text, "[map.product] names no table"));
    assert_int_equal(ls_mapping_set(&m, LS_MAP_PRODUCT, "table", "a", 1, &err), LS_OK);
    assert_int_equal(ls_mapping_check(&m, &err), LS_INVALID);
    assert_non_null(strstr(err.text, "[map.product] wants 'id'"));
    assert_int_equal(ls_mapping_set(&m, LS_MAP_PRODUCT, "file_name", "a", 1, &err), LS_NOT_FOUND);
    assert_int_equal(ls_mapping_set(&m, LS_MAP_PRODUCT, "new_id", "random", 1, &err), LS_INVALID);
}

static void a_mapping_is_written_as_it_is_read(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_mapping) struct ls_mapping m;
    LS_AUTO(ls_mapping) struct ls_mapping copy;
    LS_AUTO(ls_buf) struct ls_buf a = LS_BUF_INIT(LS_BUF_LINE);
    LS_AUTO(ls_buf) struct ls_buf b = LS_BUF_INIT(LS_BUF_LINE);
    fill(&m);
    assert_int_equal(ls_mapping_copy(&m, &copy, &err), LS_OK);
    assert_int_equal(ls_mapping_write(&m, &a, &err), LS_OK);
    assert_int_equal(ls_mapping_write(&copy, &b, &err), LS_OK);
    assert_string_equal(a.data, b.data);
    assert_non_null(strstr(a.data, "[map.image]\ntable = public.ProductImage\nid = id\nvariant_id = variantId\n"));
    assert_non_null(strstr(a.data, "new_id = cuid\nconstant.position = \"0\"\n"));
}

static void the_own_schema_needs_no_casts(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_mapping) struct ls_mapping m;
    assert_int_equal(ls_mapping_own(&m, &err), LS_OK);
    assert_int_equal(ls_mapping_check(&m, &err), LS_OK);
    resolve(&m);
    set_type(&m, LS_MAP_VARIANT, LS_MAP_ID, LS_MAP_INT, "pg_catalog.int8");
    set_type(&m, LS_MAP_IMAGE, LS_MAP_UPDATED_AT, LS_MAP_TIME_TZ, "pg_catalog.timestamptz");
    expect(&m, "a {image} {text i image.file_name}", "a \"product_image\" i.\"file_name\"");
    expect(&m, "{name i image.product_id v variant.product_id}", "i.\"product_id\"");
    expect(&m, "{is i image.file_name o.key}", "i.\"file_name\" = o.key");
    expect(&m, "{is v variant.id $1::text}",
           "v.\"id\" = CASE WHEN $1::text ~ '^(0|-?[1-9][0-9]{0,17})$' THEN $1::text::pg_catalog.int8 END");
    expect(&m, "{delete image i} WHERE {live i image}{watched image}", "DELETE FROM \"product_image\" i WHERE true");
    expect(&m, "{columns product}|{values product}", "\"id\", \"created_at\"|p.name, p.created_at");
}

static void an_applications_columns_are_cast_and_may_be_absent(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_mapping) struct ls_mapping m;
    fill(&m);
    assert_int_equal(ls_mapping_check(&m, &err), LS_OK);
    resolve(&m);
    expect(&m, "{image}", "\"public\".\"ProductImage\"");
    expect(&m, "{text i image.file_name}", "i.\"fileName\" COLLATE \"C\"");
    expect(&m, "{text i image.image_url}", "NULL::text");
    expect(&m, "{text i image.variant_weight v variant.weight}", "v.\"weight\" COLLATE \"C\"");
    expect(&m, "{text i image.image_type}", "i.\"type\"::text COLLATE \"C\"");
    expect(&m, "{time i image.updated_at}{time i image.created_at}",
           "(i.\"updatedAt\" AT TIME ZONE 'UTC')NULL::timestamptz");
    expect(&m, "{is i image.file_name o.key}", "i.\"fileName\" = o.key COLLATE pg_catalog.\"default\"");
    expect(&m, "{active v}{no_images p}", "true");
    expect(&m, "{watched image}", " OF \"id\", \"variantId\", \"type\", \"fileName\"");
    expect(&m, "{set image}",
           "\"variantId\" = p.variant_id, \"type\" = p.image_type::public.\"ImageType\", "
           "\"fileName\" = p.file_name, \"updatedAt\" = p.updated_at AT TIME ZONE 'UTC'");
    expect(&m, "{columns image}", "\"id\", \"variantId\", \"type\", \"fileName\", \"updatedAt\", \"position\"");
    expect(&m, "{constants image 9}", ", $9::text AS constant_1");
}

static void types_can_have_other_words_than_their_folders(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_mapping) struct ls_mapping m;
    char folder[LS_MAP_NAME_MAX];
    fill(&m);
    resolve(&m);
    assert_int_equal(ls_mapping_set(&m, LS_MAP_IMAGE, "type.hero-card", "HERO_CARD", 1, &err), LS_OK);
    assert_int_equal(ls_mapping_set(&m, LS_MAP_IMAGE, "type.hero-card", "HERO", 1, &err), LS_INVALID);
    assert_int_equal(ls_mapping_set(&m, LS_MAP_IMAGE, "type.info-card", "HERO_CARD", 1, &err), LS_INVALID);
    assert_int_equal(ls_mapping_set(&m, LS_MAP_IMAGE, "type.x", "a'b", 1, &err), LS_INVALID);
    assert_int_equal(ls_mapping_set(&m, LS_MAP_IMAGE, "type.x'", "a", 1, &err), LS_INVALID);
    assert_int_equal(ls_mapping_set(&m, LS_MAP_PRODUCT, "type.x", "a", 1, &err), LS_NOT_FOUND);
    expect(&m, "{text i image.image_type}",
           "(CASE i.\"type\"::text WHEN 'HERO_CARD' THEN 'hero-card' ELSE i.\"type\"::text END) COLLATE \"C\"");
    expect(&m, "{set image}",
           "\"variantId\" = p.variant_id, \"type\" = (CASE p.image_type WHEN 'hero-card' THEN 'HERO_CARD' "
           "ELSE p.image_type END)::public.\"ImageType\", \"fileName\" = p.file_name, "
           "\"updatedAt\" = p.updated_at AT TIME ZONE 'UTC'");
    ls_map_folder_of("OTHER_IMAGES", folder);
    assert_string_equal(folder, "other-images");
}

static void products_can_be_named_by_another_column_than_their_id(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_mapping) struct ls_mapping m;
    fill(&m);
    assert_int_equal(ls_mapping_set(&m, LS_MAP_PRODUCT, "name", "slug", 1, &err), LS_OK);
    assert_int_equal(ls_mapping_set(&m, LS_MAP_PRODUCT, "deleted_at", "deletedAt", 1, &err), LS_OK);
    assert_int_equal(ls_mapping_check(&m, &err), LS_OK);
    resolve(&m);
    set_type(&m, LS_MAP_PRODUCT, LS_MAP_DELETED_AT, LS_MAP_BOOL, "pg_catalog.bool");
    expect(&m, "{name v variant.product_id}",
           "(SELECT q.\"slug\" COLLATE \"C\" FROM \"public\".\"Product\" q WHERE q.\"id\" = v.\"productId\")");
    expect(&m, "{of v variant.product_id $1}",
           "v.\"productId\" = (SELECT q.\"id\" FROM \"public\".\"Product\" q WHERE q.\"slug\" = $1 COLLATE "
           "pg_catalog.\"default\" AND q.\"deletedAt\" IS NOT TRUE)");
    expect(&m, "{delete product p}", "UPDATE \"public\".\"Product\" p SET \"deletedAt\" = true");
    expect(&m, "{columns product}|{values product}", "\"slug\"|p.name");
}

static void a_mistake_in_a_template_is_an_error(void **state)
{
    (void)state;
    static const char *const bad[] = {"{nothing}", "{image", "{text i image.weight}", "{is i image.file_name}", "{}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ls_err err = LS_ERR_INIT;
        LS_AUTO(ls_mapping) struct ls_mapping m;
        LS_AUTO(ls_buf) struct ls_buf out = LS_BUF_INIT(LS_BUF_LINE);
        fill(&m);
        resolve(&m);
        assert_int_equal(ls_mapping_expand(&m, bad[i], &out, &err), LS_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_could_leave_their_quotes_are_refused),
        cmocka_unit_test(tables_that_are_no_applications_are_refused),
        cmocka_unit_test(a_mapping_with_holes_or_two_uses_of_a_column_is_refused),
        cmocka_unit_test(a_mapping_is_written_as_it_is_read),
        cmocka_unit_test(the_own_schema_needs_no_casts),
        cmocka_unit_test(an_applications_columns_are_cast_and_may_be_absent),
        cmocka_unit_test(types_can_have_other_words_than_their_folders),
        cmocka_unit_test(products_can_be_named_by_another_column_than_their_id),
        cmocka_unit_test(a_mistake_in_a_template_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
