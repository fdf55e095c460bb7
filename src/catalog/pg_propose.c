/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mapping for a database that nobody has described: tables and columns are found by their names (case, '_' and plural
 * do not matter), and by foreign keys where there are some. A proposal is a guess that a person reads; what does not
 * fit is pg_attach.c's to say.
 */
#include "catalog/attach.h"
#include "catalog/pg_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

LS_AUTO_DEFINE(ls_catalog, struct ls_catalog *, ls_catalog_close)

static const char question[] =
    "SELECT c.oid::bigint, n.nspname, c.relname, a.attname, y.typname, y.typtype, "
    "a.atthasdef OR a.attidentity <> '', "
    "coalesce((SELECT f.confrelid::bigint FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' "
    "AND f.conrelid = c.oid AND f.conkey = ARRAY[a.attnum] LIMIT 1), 0), "
    "EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 "
    "AND i.indkey[0] = a.attnum) "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "JOIN pg_catalog.pg_type y ON y.oid = a.atttypid WHERE c.relkind = 'r' AND c.relpersistence = 'p' "
    "AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'lockstep') "
    "ORDER BY pg_catalog.pg_table_is_visible(c.oid) DESC, n.nspname, c.relname, a.attnum";
enum { COL_TABLE, COL_SCHEMA, COL_NAME, COL_COLUMN, COL_TYPE, COL_TYPE_KIND, COL_DEFAULT, COL_REFERS, COL_UNIQUE };

/* Best first; without '_', lower case, singular. */
static const char *const table_names[LS_MAP_TABLES][10] = {
    [LS_MAP_PRODUCT] = {"product", "article", "item", "good"},
    [LS_MAP_VARIANT] = {"productvariant", "variant", "productweight", "productsize", "articlevariant", "itemvariant"},
    [LS_MAP_IMAGE] = {"productimage", "variantimage", "image", "productphoto", "photo", "productpicture", "picture",
                      "productmedia", "media"},
};
static const struct {
    enum ls_map_role role;
    const char *names[10];
} column_names[LS_MAP_TABLES][LS_MAP_ROLES] = {
    [LS_MAP_PRODUCT] = {{LS_MAP_ID, {"id", "productid"}},
                        {LS_MAP_CREATED_AT, {"createdat", "created", "createdon"}},
                        {LS_MAP_UPDATED_AT, {"updatedat", "updated", "modifiedat", "updatedon"}},
                        {LS_MAP_DELETED_AT, {"deletedat", "isdeleted", "deleted", "deletedon"}}},
    [LS_MAP_VARIANT] = {{LS_MAP_ID, {"id", "variantid", "productvariantid"}},
                        {LS_MAP_PRODUCT_ID, {"productid", "product", "articleid", "itemid"}},
                        {LS_MAP_WEIGHT, {"weight", "size", "volume", "packsize", "amount", "label", "name"}},
                        {LS_MAP_IS_ACTIVE, {"isactive", "active", "isenabled", "enabled"}},
                        {LS_MAP_CREATED_AT, {"createdat", "created", "createdon"}},
                        {LS_MAP_UPDATED_AT, {"updatedat", "updated", "modifiedat", "updatedon"}},
                        {LS_MAP_DELETED_AT, {"deletedat", "isdeleted", "deleted", "deletedon"}}},
    [LS_MAP_IMAGE] = {{LS_MAP_ID, {"id", "imageid", "productimageid"}},
                      {LS_MAP_PRODUCT_ID, {"productid", "product", "articleid", "itemid"}},
                      {LS_MAP_VARIANT_ID, {"variantid", "productvariantid", "variant", "productweightid"}},
                      {LS_MAP_WEIGHT, {"variantweight", "weight", "size"}},
                      {LS_MAP_IMAGE_TYPE, {"imagetype", "type", "kind"}},
                      {LS_MAP_FILE_NAME, {"filename", "objectkey", "storagekey", "s3key", "key", "filepath", "path"}},
                      {LS_MAP_IMAGE_URL, {"imageurl", "url", "src"}},
                      {LS_MAP_CREATED_AT, {"createdat", "created", "createdon"}},
                      {LS_MAP_UPDATED_AT, {"updatedat", "updated", "modifiedat", "updatedon"}},
                      {LS_MAP_DELETED_AT, {"deletedat", "isdeleted", "deleted", "deletedon"}}},
};
/* A product's folder name where its id is a mere number. */
static const char *const product_names[] = {"slug", "handle", "sku", "code", "articlenumber"};

struct proposing {
    const PGresult *res;
    struct ls_mapping *mapping;
    int first[LS_MAP_TABLES], end[LS_MAP_TABLES]; /* the rows of the tables that were chosen */
};

static const char *cell(const struct proposing *p, int row, int column) { return PQgetvalue(p->res, row, column); }

static bool is_true(const struct proposing *p, int row, int column) { return cell(p, row, column)[0] == 't'; }

/* Are they the same word but for case, '_' and a plural's s? */
static bool is_word(const char *name, const char *word)
{
    for (; *name; name++) {
        if (*name == '_')
            continue;
        if (tolower((unsigned char)*name) != *word)
            break;
        word++;
    }
    return !*word && (!*name || (tolower((unsigned char)*name) == 's' && !name[1]));
}

static int end_of(const struct proposing *p, int first)
{
    int end = first;
    while (end < PQntuples(p->res) && strcmp(cell(p, end, COL_TABLE), cell(p, first, COL_TABLE)) == 0)
        end++;
    return end;
}

/* The column of a role in a table's rows, or -1: the one that refers to a table (its oid as text, NULL = any), else by
 * name. */
static int find_column(const struct proposing *p, int first, int end, const char *const *names, const char *refers)
{
    for (int row = first; refers && row < end; row++)
        if (strcmp(cell(p, row, COL_REFERS), refers) == 0)
            return row;
    for (int i = 0; i < 10 && names[i]; i++)
        for (int row = first; row < end; row++)
            if (is_word(cell(p, row, COL_COLUMN), names[i]))
                return row;
    return -1;
}

static const char *const *names_of(enum ls_map_table_id id, enum ls_map_role role)
{
    for (int i = 0; i < LS_MAP_ROLES; i++)
        if (column_names[id][i].names[0] && column_names[id][i].role == role)
            return column_names[id][i].names;
    return NULL;
}

/* The best table by name that has a column for the role; its first row or -1. */
static int best_table(const struct proposing *p, enum ls_map_table_id id, enum ls_map_role role)
{
    for (int i = 0; i < 10 && table_names[id][i]; i++)
        for (int row = 0; row < PQntuples(p->res); row = end_of(p, row))
            if (is_word(cell(p, row, COL_NAME), table_names[id][i]) &&
                find_column(p, row, end_of(p, row), names_of(id, role), NULL) >= 0)
                return row;
    return -1;
}

/* The table that one refers to and that has a column for the role; its first row or -1. */
static int referred_table(const struct proposing *p, enum ls_map_table_id from, enum ls_map_table_id to,
                          enum ls_map_role role)
{
    const char *named = NULL;
    int by_name = find_column(p, p->first[from], p->end[from],
                              names_of(from, to == LS_MAP_VARIANT ? LS_MAP_VARIANT_ID : LS_MAP_PRODUCT_ID), NULL);
    if (by_name >= 0)
        named = cell(p, by_name, COL_REFERS);
    for (int row = 0; row < PQntuples(p->res); row = end_of(p, row)) {
        const char *table = cell(p, row, COL_TABLE);
        bool refers = named && strcmp(named, table) == 0;
        if (refers && find_column(p, row, end_of(p, row), names_of(to, role), NULL) >= 0)
            return row;
    }
    return -1;
}

static enum ls_rc choose(struct proposing *p, enum ls_map_table_id id, int row, struct ls_err *err)
{
    if (row < 0)
        return ls_err_set(err, LS_NOT_FOUND,
                          "no table looks like the one of the %ss: write the sections [map.product], [map.variant] and "
                          "[map.image] into the config (see lockstep(1)), then `lockstep attach`",
                          ls_map_table_word(id));
    p->first[id] = row;
    p->end[id] = end_of(p, row);
    LS_AUTO(ls_free) char *name = ls_strf("%s.%s", cell(p, row, COL_SCHEMA), cell(p, row, COL_NAME));
    return name ? ls_mapping_set(p->mapping, id, "table", name, 0, err) : ls_err_nomem(err);
}

/* Can a column of this type have the role? Ids may be of any kind; the rest is resolved later. */
static bool type_fits(const struct proposing *p, int row, enum ls_map_role role)
{
    const char *type = cell(p, row, COL_TYPE);
    if (role == LS_MAP_IS_ACTIVE)
        return strcmp(type, "bool") == 0;
    if (role == LS_MAP_CREATED_AT || role == LS_MAP_UPDATED_AT)
        return strncmp(type, "timestamp", 9) == 0;
    if (role == LS_MAP_DELETED_AT)
        return strncmp(type, "timestamp", 9) == 0 || strcmp(type, "bool") == 0;
    if (role == LS_MAP_IMAGE_TYPE)
        return strcmp(type, "text") == 0 || strcmp(type, "varchar") == 0 || cell(p, row, COL_TYPE_KIND)[0] == 'e';
    return true;
}

static enum ls_rc choose_columns(struct proposing *p, enum ls_map_table_id id, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (int i = 0; rc == LS_OK && i < LS_MAP_ROLES && column_names[id][i].names[0]; i++) {
        enum ls_map_role role = column_names[id][i].role;
        const char *refers = role == LS_MAP_PRODUCT_ID   ? cell(p, p->first[LS_MAP_PRODUCT], COL_TABLE)
                             : role == LS_MAP_VARIANT_ID ? cell(p, p->first[LS_MAP_VARIANT], COL_TABLE)
                                                         : NULL;
        int row = find_column(p, p->first[id], p->end[id], column_names[id][i].names, refers);
        if (row >= 0 && type_fits(p, row, role))
            rc = ls_mapping_set(p->mapping, id, ls_map_role_word(id, role), cell(p, row, COL_COLUMN), 0, err);
        else if (ls_map_role_needed(id, role))
            rc =
                ls_err_set(err, LS_NOT_FOUND, "the table %s has no column that looks like '%s': write [map.*] yourself",
                           p->mapping->tables[id].name, ls_map_role_word(id, role));
    }
    return rc;
}

/* A number is a poor name for a folder when there is a better one. */
static enum ls_rc choose_product_name(struct proposing *p, struct ls_err *err)
{
    const struct ls_map_table *product = &p->mapping->tables[LS_MAP_PRODUCT];
    int first = p->first[LS_MAP_PRODUCT], end = p->end[LS_MAP_PRODUCT];
    for (int row = first; row < end; row++)
        if (strcmp(cell(p, row, COL_COLUMN), product->columns[LS_MAP_ID].name) == 0 &&
            strncmp(cell(p, row, COL_TYPE), "int", 3) != 0)
            return LS_OK;
    for (size_t i = 0; i < sizeof product_names / sizeof product_names[0]; i++)
        for (int row = first; row < end; row++)
            if (is_word(cell(p, row, COL_COLUMN), product_names[i]) && is_true(p, row, COL_UNIQUE))
                return ls_mapping_set(p->mapping, LS_MAP_PRODUCT, "name", cell(p, row, COL_COLUMN), 0, err);
    return LS_OK;
}

/* Ids without a default are made as the application makes them: as the newest row shows, else as Prisma does. */
static enum ls_rc choose_new_id(struct proposing *p, struct ls_pg_conn *conn, enum ls_map_table_id id,
                                struct ls_err *err)
{
    const char *column = p->mapping->tables[id].columns[LS_MAP_ID].name, *way = "cuid";
    for (int row = p->first[id]; row < p->end[id]; row++) {
        if (strcmp(cell(p, row, COL_COLUMN), column) != 0)
            continue;
        if (is_true(p, row, COL_DEFAULT) || strncmp(cell(p, row, COL_TYPE), "int", 3) == 0)
            return LS_OK;
        if (strcmp(cell(p, row, COL_TYPE), "uuid") == 0)
            return ls_mapping_set(p->mapping, id, "new_id", "uuid", 0, err);
    }
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_free)
    char *sample = ls_strf("SELECT \"%s\"::text LIKE '________-____-____-____-____________' FROM \"%s\".\"%s\" LIMIT 1",
                           column, p->mapping->tables[id].schema, p->mapping->tables[id].name);
    enum ls_rc rc = sample ? ls_pg_script(conn, sample, "look at an id", &res, err) : ls_err_nomem(err);
    if (rc == LS_OK && PQntuples(res) && PQgetvalue(res, 0, 0)[0] == 't')
        way = "uuid";
    return rc == LS_OK ? ls_mapping_set(p->mapping, id, "new_id", way, 0, err) : rc;
}

/* An enum's words cannot always be those of the folders. */
static enum ls_rc choose_types(struct proposing *p, struct ls_pg_conn *conn, struct ls_err *err)
{
    const struct ls_map_table *image = &p->mapping->tables[LS_MAP_IMAGE];
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_free)
    char *labels = ls_strf("SELECT e.enumlabel FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_attribute a ON "
                           "a.atttypid = e.enumtypid WHERE a.attrelid = '\"%s\".\"%s\"'::regclass AND a.attname = '%s' "
                           "ORDER BY e.enumsortorder",
                           image->schema, image->name, image->columns[LS_MAP_IMAGE_TYPE].name);
    enum ls_rc rc = labels ? ls_pg_script(conn, labels, "look at the types", &res, err) : ls_err_nomem(err);
    for (int row = 0; rc == LS_OK && row < PQntuples(res); row++) {
        char folder[LS_MAP_NAME_MAX];
        LS_AUTO(ls_free) char *key = NULL;
        ls_map_folder_of(PQgetvalue(res, row, 0), folder);
        if (strcmp(folder, PQgetvalue(res, row, 0)) == 0)
            continue;
        key = ls_strf("type.%s", folder);
        rc = key ? ls_mapping_set(p->mapping, LS_MAP_IMAGE, key, PQgetvalue(res, row, 0), 0, err) : ls_err_nomem(err);
    }
    return rc;
}

static enum ls_rc propose(struct proposing *p, struct ls_pg_conn *conn, struct ls_err *err)
{
    enum ls_rc rc = choose(p, LS_MAP_IMAGE, best_table(p, LS_MAP_IMAGE, LS_MAP_FILE_NAME), err);
    if (rc != LS_OK)
        return rc;
    int row = referred_table(p, LS_MAP_IMAGE, LS_MAP_VARIANT, LS_MAP_WEIGHT);
    rc = choose(p, LS_MAP_VARIANT, row >= 0 ? row : best_table(p, LS_MAP_VARIANT, LS_MAP_WEIGHT), err);
    if (rc != LS_OK)
        return rc;
    row = referred_table(p, LS_MAP_VARIANT, LS_MAP_PRODUCT, LS_MAP_ID);
    rc = choose(p, LS_MAP_PRODUCT, row >= 0 ? row : best_table(p, LS_MAP_PRODUCT, LS_MAP_ID), err);
    for (int id = 0; rc == LS_OK && id < LS_MAP_TABLES; id++)
        rc = choose_columns(p, id, err);
    if (rc == LS_OK)
        rc = choose_product_name(p, err);
    if (rc == LS_OK)
        rc = choose_types(p, conn, err);
    /* A product whose name is its id gets it from the folder. */
    for (int id = 0; rc == LS_OK && id < LS_MAP_TABLES; id++)
        if (id != LS_MAP_PRODUCT || p->mapping->tables[id].columns[LS_MAP_NAME].name[0])
            rc = choose_new_id(p, conn, id, err);
    return rc == LS_OK ? ls_mapping_check(p->mapping, err) : rc;
}

enum ls_rc ls_pg_propose(const struct ls_pg_opts *opts, struct ls_mapping *out, struct ls_err *err)
{
    LS_AUTO(ls_catalog) struct ls_catalog *base = NULL;
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    enum ls_rc rc = ls_mapping_init(out, NULL, err);
    if (rc == LS_OK)
        rc = ls_pg_connect(opts, &base, err);
    if (rc == LS_OK)
        rc = ls_pg_script(ls_pg_of(base)->writer, question, "look at the database", &res, err);
    if (rc == LS_OK) {
        struct proposing proposing = {.res = res, .mapping = out};
        rc = propose(&proposing, ls_pg_of(base)->writer, err);
    }
    if (rc != LS_OK)
        ls_mapping_dispose(out);
    return rc;
}
