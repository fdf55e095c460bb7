/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mapping's tables and columns as the database has them: they must exist, be of a kind that can serve, and bring the
 * types that statements cast to. Also the catalog's statements over its mapping.
 *
 * Only plain tables that all rows can be seen of: a view has no triggers that tell of each row, and a policy that hides
 * rows would make objects look like orphans. What else a table should have (unique indexes, defaults) is pg_attach.c's.
 */
#include "catalog/pg_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define SQL_MAX ((size_t)256 * 1024)

/* Columns of LS_PG_RESOLVE. */
enum {
    COL_TABLE,
    COL_SCHEMA,
    COL_NAME,
    COL_RELKIND,
    COL_PERSISTENCE,
    COL_ROW_SECURITY,
    COL_COLUMN,
    COL_TYPE,
    COL_TYPE_KIND,
    COL_TYPE_QUOTED,
    COL_COLLATION,
    COL_DETERMINISTIC,
    COL_GENERATED
};

#define BIT(kind) (1u << (kind))
#define BIT_ID (BIT(LS_MAP_TEXT) | BIT(LS_MAP_INT) | BIT(LS_MAP_UUID))
#define BIT_TIME (BIT(LS_MAP_TIME_TZ) | BIT(LS_MAP_TIME))
static const struct {
    unsigned kinds;
    const char *wanted;
} role_kinds[LS_MAP_ROLES] = {
    [LS_MAP_ID] = {BIT_ID, "text, varchar, an integer or uuid"},
    [LS_MAP_NAME] = {BIT_ID, "text, varchar, an integer or uuid"},
    [LS_MAP_PRODUCT_ID] = {BIT_ID, "text, varchar, an integer or uuid"},
    [LS_MAP_VARIANT_ID] = {BIT_ID, "text, varchar, an integer or uuid"},
    [LS_MAP_WEIGHT] = {BIT(LS_MAP_TEXT) | BIT(LS_MAP_INT) | BIT(LS_MAP_ENUM), "text, varchar, an integer or an enum"},
    [LS_MAP_IS_ACTIVE] = {BIT(LS_MAP_BOOL), "boolean"},
    [LS_MAP_IMAGE_TYPE] = {BIT(LS_MAP_TEXT) | BIT(LS_MAP_ENUM), "text, varchar or an enum"},
    [LS_MAP_FILE_NAME] = {BIT(LS_MAP_TEXT), "text or varchar"},
    [LS_MAP_IMAGE_URL] = {BIT(LS_MAP_TEXT), "text or varchar"},
    [LS_MAP_CREATED_AT] = {BIT_TIME, "a timestamp"},
    [LS_MAP_UPDATED_AT] = {BIT_TIME, "a timestamp"},
    [LS_MAP_DELETED_AT] = {BIT_TIME | BIT(LS_MAP_BOOL), "a timestamp or boolean"},
};

static enum ls_map_kind kind_of(const char *type, const char *type_kind, bool system)
{
    static const struct {
        const char *type;
        enum ls_map_kind kind;
    } kinds[] = {
        {"text", LS_MAP_TEXT}, {"varchar", LS_MAP_TEXT},   {"int2", LS_MAP_INT},
        {"int4", LS_MAP_INT},  {"int8", LS_MAP_INT},       {"uuid", LS_MAP_UUID},
        {"bool", LS_MAP_BOOL}, {"timestamp", LS_MAP_TIME}, {"timestamptz", LS_MAP_TIME_TZ},
    };
    if (strcmp(type_kind, "e") == 0)
        return LS_MAP_ENUM;
    for (size_t i = 0; system && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].type, type) == 0)
            return kinds[i].kind;
    return LS_MAP_UNRESOLVED;
}

/* ---- one table's rows ---- */

struct resolving {
    const PGresult *res;
    struct ls_mapping *mapping;
};

static const char *cell(const struct resolving *r, int row, int column) { return PQgetvalue(r->res, row, column); }

/* The first row of a table; there is one for a table that does not exist as well. */
static int first_row(const struct resolving *r, enum ls_map_table_id id)
{
    for (int row = 0; row < PQntuples(r->res); row++)
        if (ls_pg_get_int(r->res, row, COL_TABLE) == (int64_t)id + 1)
            return row;
    return -1;
}

static int find_row(const struct resolving *r, enum ls_map_table_id id, const char *column)
{
    int row = first_row(r, id);
    for (; row >= 0 && row < PQntuples(r->res) && ls_pg_get_int(r->res, row, COL_TABLE) == (int64_t)id + 1; row++)
        if (strcmp(cell(r, row, COL_COLUMN), column) == 0)
            return row;
    return -1;
}

static enum ls_rc check_table(const struct resolving *r, const struct ls_map_table *table, int row, struct ls_err *err)
{
    const char *schema = row < 0 ? "" : cell(r, row, COL_SCHEMA), *kind = row < 0 ? "" : cell(r, row, COL_RELKIND);
    if (!schema[0])
        return ls_err_set(err, LS_INVALID, "there is no table %s%s%s that this role can see (names keep their case)",
                          table->schema, table->schema[0] ? "." : "", table->name);
    if (strncmp(schema, "pg_", 3) == 0 || strcmp(schema, "information_schema") == 0 || strcmp(schema, "lockstep") == 0)
        return ls_err_set(err, LS_INVALID, "%s.%s is no application's table", schema, table->name);
    if (strcmp(kind, "r") != 0)
        return ls_err_set(err, LS_INVALID, "%s.%s is no plain table but %s", schema, table->name,
                          strcmp(kind, "v") == 0   ? "a view"
                          : strcmp(kind, "m") == 0 ? "a materialized view"
                          : strcmp(kind, "p") == 0 ? "partitioned"
                          : strcmp(kind, "f") == 0 ? "a foreign table"
                                                   : "something else");
    if (strcmp(cell(r, row, COL_PERSISTENCE), "p") != 0)
        return ls_err_set(err, LS_INVALID, "%s.%s does not survive a crash: it is temporary or unlogged", schema,
                          table->name);
    if (ls_pg_get_int(r->res, row, COL_ROW_SECURITY))
        return ls_err_set(err, LS_DENIED,
                          "row security of %s.%s hides rows from this role: what it does not see would look like an "
                          "orphan; use a role with BYPASSRLS",
                          schema, table->name);
    return LS_OK;
}

static enum ls_rc resolve_column(const struct resolving *r, enum ls_map_table_id id, enum ls_map_role role,
                                 struct ls_err *err)
{
    struct ls_map_column *column = &r->mapping->tables[id].columns[role];
    const char *name = column->name;
    int row = find_row(r, id, name);
    if (row < 0)
        return ls_err_set(err, LS_INVALID, "the table %s has no column %s", r->mapping->tables[id].name, name);
    const char *quoted = cell(r, row, COL_TYPE_QUOTED);
    column->kind =
        kind_of(cell(r, row, COL_TYPE), cell(r, row, COL_TYPE_KIND), strncmp(quoted, "pg_catalog.", 11) == 0);
    if (!(role_kinds[role].kinds & BIT(column->kind)) || column->kind == LS_MAP_UNRESOLVED)
        return ls_err_set(err, LS_INVALID, "the column %s has the type %s, want %s", name, cell(r, row, COL_TYPE),
                          role_kinds[role].wanted);
    if (!ls_pg_get_int(r->res, row, COL_DETERMINISTIC))
        return ls_err_set(err, LS_INVALID, "the column %s takes different texts for equal (its collation does)", name);
    if (ls_pg_get_int(r->res, row, COL_GENERATED) && role != LS_MAP_ID)
        return ls_err_set(err, LS_INVALID, "the column %s is generated: it cannot be written", name);
    enum ls_rc rc = ls_pg_get_fixed(r->res, row, COL_TYPE_QUOTED, column->type, sizeof column->type, err);
    return rc == LS_OK ? ls_pg_get_fixed(r->res, row, COL_COLLATION, column->collation, sizeof column->collation, err)
                       : rc;
}

static enum ls_rc resolve_constant(const struct resolving *r, enum ls_map_table_id id, struct ls_map_constant *constant,
                                   struct ls_err *err)
{
    int row = find_row(r, id, constant->column);
    if (row < 0)
        return ls_err_set(err, LS_INVALID, "the table %s has no column %s", r->mapping->tables[id].name,
                          constant->column);
    if (ls_pg_get_int(r->res, row, COL_GENERATED))
        return ls_err_set(err, LS_INVALID, "the column %s is generated: it cannot be written", constant->column);
    return ls_pg_get_fixed(r->res, row, COL_TYPE_QUOTED, constant->type, sizeof constant->type, err);
}

/* How ids are made must suit their type. */
static enum ls_rc check_new_id(const struct ls_map_table *table, struct ls_err *err)
{
    enum ls_map_kind kind = table->columns[LS_MAP_ID].kind;
    if ((table->new_id == LS_MAP_BY_CUID && kind != LS_MAP_TEXT) ||
        (table->new_id == LS_MAP_BY_UUID && kind != LS_MAP_TEXT && kind != LS_MAP_UUID))
        return ls_err_set(err, LS_INVALID, "a column of the type %s cannot hold such an id",
                          table->columns[LS_MAP_ID].type);
    return LS_OK;
}

static enum ls_rc resolve_table(const struct resolving *r, enum ls_map_table_id id, struct ls_err *err)
{
    struct ls_map_table *table = &r->mapping->tables[id];
    int row = first_row(r, id);
    enum ls_rc rc = check_table(r, table, row, err);
    if (rc != LS_OK) {
        ls_map_blame(r->mapping, id, "table", table->line, err);
        return rc;
    }
    rc = ls_pg_get_fixed(r->res, row, COL_SCHEMA, table->schema, sizeof table->schema, err);
    for (int role = 0; rc == LS_OK && role < LS_MAP_ROLES; role++) {
        if (!table->columns[role].name[0])
            continue;
        rc = resolve_column(r, id, role, err);
        if (rc != LS_OK)
            ls_map_blame(r->mapping, id, ls_map_role_word(id, role), table->columns[role].line, err);
    }
    for (size_t i = 0; rc == LS_OK && i < table->n_constants; i++) {
        rc = resolve_constant(r, id, &table->constants[i], err);
        if (rc != LS_OK)
            ls_map_blame(r->mapping, id, "constant", table->constants[i].line, err);
    }
    if (rc == LS_OK && (rc = check_new_id(table, err)) != LS_OK)
        ls_map_blame(r->mapping, id, "new_id", table->line, err);
    return rc;
}

/* What refers to an id must be of its kind. */
static enum ls_rc check_reference(const struct ls_mapping *mapping, enum ls_map_table_id id, enum ls_map_role role,
                                  enum ls_map_table_id to, struct ls_err *err)
{
    const struct ls_map_column *from = &mapping->tables[id].columns[role],
                               *at = &mapping->tables[to].columns[LS_MAP_ID];
    if (!from->name[0] || from->kind == at->kind)
        return LS_OK;
    enum ls_rc rc = ls_err_set(err, LS_INVALID, "the column %s has the type %s and cannot refer to %s of type %s",
                               from->name, from->type, mapping->tables[to].name, at->type);
    ls_map_blame(mapping, id, ls_map_role_word(id, role), from->line, err);
    return rc;
}

enum ls_rc ls_pg_resolve(struct ls_pg_conn *conn, struct ls_mapping *mapping, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf names = LS_BUF_INIT(LS_BUF_LINE);
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    size_t starts[LS_MAP_TABLES];
    enum ls_rc rc = LS_OK;
    ls_pg_query_init(&q, LS_PG_RESOLVE);
    for (int id = 0; id < LS_MAP_TABLES; id++) {
        starts[id] = names.len;
        if (ls_map_quote_table(&names, &mapping->tables[id]) != LS_OK || ls_buf_addc(&names, '\0') != LS_OK)
            return ls_err_nomem(err);
    }
    for (int id = 0; id < LS_MAP_TABLES; id++)
        ls_pg_text(&q, names.data + starts[id]);
    rc = ls_pg_send(conn, &q, err);
    if (rc == LS_OK)
        rc = ls_pg_flush(conn, &res, 1, NULL, err);
    const struct resolving resolving = {res, mapping};
    for (int id = 0; rc == LS_OK && id < LS_MAP_TABLES; id++)
        rc = resolve_table(&resolving, id, err);
    if (rc == LS_OK)
        rc = check_reference(mapping, LS_MAP_VARIANT, LS_MAP_PRODUCT_ID, LS_MAP_PRODUCT, err);
    if (rc == LS_OK)
        rc = check_reference(mapping, LS_MAP_IMAGE, LS_MAP_PRODUCT_ID, LS_MAP_PRODUCT, err);
    if (rc == LS_OK)
        rc = check_reference(mapping, LS_MAP_IMAGE, LS_MAP_VARIANT_ID, LS_MAP_VARIANT, err);
    return rc;
}

enum ls_rc ls_pg_prepare_sql(struct ls_pg_conn *conn, struct ls_err *err)
{
    struct ls_pg *cat = conn->cat;
    enum ls_rc rc = ls_pg_resolve(conn, &cat->mapping, err);
    for (int sql = 0; rc == LS_OK && sql < LS_PG_COUNT; sql++) {
        LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(SQL_MAX);
        if (!ls_pg_statements[sql].text || sql == LS_PG_RESOLVE)
            continue;
        rc = ls_mapping_expand(&cat->mapping, ls_pg_statements[sql].text, &text, err);
        if (rc != LS_OK)
            return rc;
        free(cat->sql[sql]);
        cat->sql[sql] = ls_buf_steal(&text);
        if (!cat->sql[sql])
            return ls_err_nomem(err);
    }
    return rc;
}
