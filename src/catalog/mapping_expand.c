/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Templates of statements and trigger functions over a mapping.
 *
 * What stands in braces is replaced. A is the alias of a row (i, v, p, OLD, NEW), ROLE is image.file_name and the like,
 * VALUE is an expression of type text that has no blanks in it:
 *   {image}                   the table, with its schema
 *   {image.file_name}         the column
 *   {text A ROLE [A ROLE]}    the column as text that orders by bytes; the second one where there is no such column
 *   {name A ROLE [A ROLE]}    the folder's name of the product that the column refers to
 *   {time A ROLE}             the column as timestamptz
 *   {active A}                is the variant active?
 *   {is A ROLE VALUE}         the column has this value, walking an index; false for what cannot be such a value
 *   {of A ROLE VALUE}         the column refers to the product with this folder name
 *   {as ROLE VALUE}           the value as the column's type; an error for what cannot be one
 *   {known p}                 the product that p's product_id names is there (left to a foreign key where names are
 * ids) {no_images A}             " AND …": no image row refers to the product A by itself {live A image}            the
 * row is not deleted softly {delete image A}          what comes before WHERE to delete rows, softly where the mapping
 * says so {columns image} {values image}  for an INSERT … SELECT … FROM (SELECT …) p, whose columns are named like the
 * roles {set image}               for an UPDATE … SET … FROM (SELECT …) p {constants image N}       columns of p: the
 * constants, bound as $N and what follows {watched image}           for a trigger: the columns whose change matters;
 * nothing on our own tables Columns that the mapping does not have read as NULL and are not written.
 */
#include "catalog/mapping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8
#define BY_BYTES " COLLATE \"C\""

struct expansion {
    const struct ls_mapping *mapping;
    struct ls_buf *out;
    char *words[WORDS_MAX];
    size_t n;
};

typedef enum ls_rc expand_fn(struct expansion *e);

/* ---- what words mean ---- */

static bool find_table(const char *word, size_t len, enum ls_map_table_id *out)
{
    for (int id = 0; id < LS_MAP_TABLES; id++)
        if (strlen(ls_map_table_word(id)) == len && strncmp(ls_map_table_word(id), word, len) == 0) {
            *out = id;
            return true;
        }
    return false;
}

/* "image.file_name"; NULL when there is no such role. */
static const struct ls_map_column *find_column(const struct ls_mapping *mapping, const char *word)
{
    enum ls_map_table_id table;
    const char *dot = strchr(word, '.');
    if (!dot || !find_table(word, (size_t)(dot - word), &table))
        return NULL;
    for (int role = 0; role < LS_MAP_ROLES; role++) {
        const char *key = ls_map_role_word(table, role);
        if (key && strcmp(key, dot + 1) == 0)
            return table == LS_MAP_PRODUCT && role == LS_MAP_NAME ? ls_map_product_name(mapping)
                                                                  : &mapping->tables[table].columns[role];
    }
    return NULL;
}

/* The n-th word as a table; LS_CORRUPT is a mistake in a template. */
static const struct ls_map_table *table_word(const struct expansion *e, size_t n)
{
    enum ls_map_table_id id;
    return n < e->n && find_table(e->words[n], strlen(e->words[n]), &id) ? &e->mapping->tables[id] : NULL;
}

static bool names_are_ids(const struct ls_mapping *mapping)
{
    return !mapping->tables[LS_MAP_PRODUCT].columns[LS_MAP_NAME].name[0];
}

/* A."column" */
static enum ls_rc add_column(struct ls_buf *out, const char *alias, const struct ls_map_column *column)
{
    enum ls_rc rc = ls_buf_addf(out, "%s.", alias);
    return rc == LS_OK ? ls_map_quote(out, column->name) : rc;
}

static enum ls_rc add_text(struct ls_buf *out, const char *alias, const struct ls_map_column *column)
{
    if (!column->name[0])
        return ls_buf_adds(out, "NULL::text");
    enum ls_rc rc = add_column(out, alias, column);
    if (rc == LS_OK && strcmp(column->type, "pg_catalog.text") != 0)
        rc = ls_buf_adds(out, "::text");
    /* A cast keeps the column's collation; a number's text has the database's. */
    if (rc == LS_OK && (column->kind != LS_MAP_TEXT || column->collation[0]))
        rc = ls_buf_adds(out, BY_BYTES);
    return rc;
}

static enum ls_rc add_is(struct ls_buf *out, const char *alias, const struct ls_map_column *column, const char *value)
{
    static const char uuid[] = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
    enum ls_rc rc = add_column(out, alias, column);
    if (rc != LS_OK)
        return rc;
    switch (column->kind) {
    case LS_MAP_INT: {
        int digits = strstr(column->type, "int8") ? 17 : strstr(column->type, "int4") ? 8 : 3;
        return ls_buf_addf(out, " = CASE WHEN %s ~ '^(0|-?[1-9][0-9]{0,%d})$' THEN %s::%s END", value, digits, value,
                           column->type);
    }
    case LS_MAP_UUID:
        return ls_buf_addf(out, " = CASE WHEN %s ~ '%s' THEN %s::%s END", value, uuid, value, column->type);
    case LS_MAP_TEXT:
        return ls_buf_addf(out, " = %s%s%s", value, column->collation[0] ? " COLLATE " : "", column->collation);
    default:
        return ls_buf_addf(out, "::text = %s", value);
    }
}

static enum ls_rc add_live(struct ls_buf *out, const char *alias, const struct ls_map_table *table)
{
    const struct ls_map_column *deleted = &table->columns[LS_MAP_DELETED_AT];
    if (!deleted->name[0])
        return ls_buf_adds(out, "true");
    enum ls_rc rc = add_column(out, alias, deleted);
    return rc == LS_OK ? ls_buf_adds(out, deleted->kind == LS_MAP_BOOL ? " IS NOT TRUE" : " IS NULL") : rc;
}

/* The product whose folder has this name, as (SELECT its id …). */
static enum ls_rc add_product_id(const struct ls_mapping *mapping, struct ls_buf *out, const char *value)
{
    const struct ls_map_table *product = &mapping->tables[LS_MAP_PRODUCT];
    enum ls_rc rc = ls_buf_adds(out, "(SELECT ");
    if (rc == LS_OK)
        rc = add_column(out, "q", &product->columns[LS_MAP_ID]);
    if (rc == LS_OK)
        rc = ls_buf_adds(out, " FROM ");
    if (rc == LS_OK)
        rc = ls_map_quote_table(out, product);
    if (rc == LS_OK)
        rc = ls_buf_adds(out, " q WHERE ");
    if (rc == LS_OK)
        rc = add_is(out, "q", ls_map_product_name(mapping), value);
    if (rc == LS_OK)
        rc = ls_buf_adds(out, " AND ");
    if (rc == LS_OK)
        rc = add_live(out, "q", product);
    return rc == LS_OK ? ls_buf_adds(out, ")") : rc;
}

/* ---- the words of the language ---- */

/* The column that is read: the first pair of alias and role, or the second where the first does not exist. */
static const struct ls_map_column *readable(const struct expansion *e, const char **out_alias)
{
    const struct ls_map_column *column = e->n >= 3 ? find_column(e->mapping, e->words[2]) : NULL;
    *out_alias = e->n >= 3 ? e->words[1] : "";
    if (column && !column->name[0] && e->n >= 5) {
        *out_alias = e->words[3];
        column = find_column(e->mapping, e->words[4]);
    }
    return column;
}

/* What one word becomes, the other way round when it is written. */
static enum ls_rc add_words(struct ls_buf *out, const struct ls_map_table *table, const char *value, bool write)
{
    enum ls_rc rc = ls_buf_addf(out, "CASE %s", value);
    for (size_t i = 0; rc == LS_OK && i < table->n_words; i++) {
        const struct ls_map_word *word = &table->words[i];
        rc = ls_buf_addf(out, " WHEN '%s' THEN '%s'", write ? word->folder : word->value,
                         write ? word->value : word->folder);
    }
    return rc == LS_OK ? ls_buf_addf(out, " ELSE %s END", value) : rc;
}

/* An image's type as its folder is called. */
static enum ls_rc add_type(struct ls_buf *out, const struct ls_map_table *image, const char *alias)
{
    LS_AUTO(ls_free) char *value = ls_strf("%s.\"%s\"::text", alias, image->columns[LS_MAP_IMAGE_TYPE].name);
    enum ls_rc rc = value ? ls_buf_adds(out, "(") : LS_NO_MEMORY;
    if (rc == LS_OK)
        rc = add_words(out, image, value, false);
    return rc == LS_OK ? ls_buf_adds(out, ")" BY_BYTES) : rc;
}

static enum ls_rc expand_text(struct expansion *e)
{
    const char *alias;
    const struct ls_map_column *column = readable(e, &alias);
    const struct ls_map_table *image = &e->mapping->tables[LS_MAP_IMAGE];
    if (column == &image->columns[LS_MAP_IMAGE_TYPE] && column->name[0] && image->n_words)
        return add_type(e->out, image, alias);
    return column ? add_text(e->out, alias, column) : LS_CORRUPT;
}

static enum ls_rc expand_name(struct expansion *e)
{
    const char *alias;
    const struct ls_map_column *column = readable(e, &alias);
    if (!column)
        return LS_CORRUPT;
    if (names_are_ids(e->mapping) || !column->name[0])
        return add_text(e->out, alias, column);
    const struct ls_map_table *product = &e->mapping->tables[LS_MAP_PRODUCT];
    enum ls_rc rc = ls_buf_adds(e->out, "(SELECT ");
    if (rc == LS_OK)
        rc = add_text(e->out, "q", ls_map_product_name(e->mapping));
    if (rc == LS_OK)
        rc = ls_buf_adds(e->out, " FROM ");
    if (rc == LS_OK)
        rc = ls_map_quote_table(e->out, product);
    if (rc == LS_OK)
        rc = ls_buf_adds(e->out, " q WHERE ");
    if (rc == LS_OK)
        rc = add_column(e->out, "q", &product->columns[LS_MAP_ID]);
    if (rc == LS_OK)
        rc = ls_buf_adds(e->out, " = ");
    if (rc == LS_OK)
        rc = add_column(e->out, alias, column);
    return rc == LS_OK ? ls_buf_adds(e->out, ")") : rc;
}

static enum ls_rc expand_time(struct expansion *e)
{
    const char *alias;
    const struct ls_map_column *column = readable(e, &alias);
    if (!column)
        return LS_CORRUPT;
    if (!column->name[0])
        return ls_buf_adds(e->out, "NULL::timestamptz");
    enum ls_rc rc = ls_buf_adds(e->out, "(");
    if (rc == LS_OK)
        rc = add_column(e->out, alias, column);
    return rc == LS_OK ? ls_buf_adds(e->out, column->kind == LS_MAP_TIME ? " AT TIME ZONE 'UTC')" : ")") : rc;
}

static enum ls_rc expand_active(struct expansion *e)
{
    const struct ls_map_column *column = &e->mapping->tables[LS_MAP_VARIANT].columns[LS_MAP_IS_ACTIVE];
    if (e->n != 2)
        return LS_CORRUPT;
    return column->name[0] ? add_column(e->out, e->words[1], column) : ls_buf_adds(e->out, "true");
}

static enum ls_rc expand_is(struct expansion *e)
{
    const struct ls_map_column *column = e->n == 4 ? find_column(e->mapping, e->words[2]) : NULL;
    return column && column->name[0] ? add_is(e->out, e->words[1], column, e->words[3]) : LS_CORRUPT;
}

static enum ls_rc expand_of(struct expansion *e)
{
    const struct ls_map_column *column = e->n == 4 ? find_column(e->mapping, e->words[2]) : NULL;
    if (!column || !column->name[0])
        return LS_CORRUPT;
    if (names_are_ids(e->mapping))
        return add_is(e->out, e->words[1], column, e->words[3]);
    enum ls_rc rc = add_column(e->out, e->words[1], column);
    if (rc == LS_OK)
        rc = ls_buf_adds(e->out, " = ");
    return rc == LS_OK ? add_product_id(e->mapping, e->out, e->words[3]) : rc;
}

static enum ls_rc expand_as(struct expansion *e)
{
    const struct ls_map_column *column = e->n == 3 ? find_column(e->mapping, e->words[1]) : NULL;
    if (!column)
        return LS_CORRUPT;
    return column->kind == LS_MAP_TEXT ? ls_buf_adds(e->out, e->words[2])
                                       : ls_buf_addf(e->out, "%s::%s", e->words[2], column->type);
}

static enum ls_rc expand_known(struct expansion *e)
{
    if (e->n != 2)
        return LS_CORRUPT;
    if (names_are_ids(e->mapping))
        return ls_buf_adds(e->out, "true");
    enum ls_rc rc = ls_buf_adds(e->out, "(p.product_id IS NULL OR EXISTS ");
    if (rc == LS_OK)
        rc = add_product_id(e->mapping, e->out, "p.product_id");
    return rc == LS_OK ? ls_buf_adds(e->out, ")") : rc;
}

static enum ls_rc expand_no_images(struct expansion *e)
{
    const struct ls_map_table *image = &e->mapping->tables[LS_MAP_IMAGE];
    const struct ls_map_table *product = &e->mapping->tables[LS_MAP_PRODUCT];
    if (e->n != 2)
        return LS_CORRUPT;
    if (!image->columns[LS_MAP_PRODUCT_ID].name[0])
        return LS_OK; /* they refer to its variants */
    enum ls_rc rc = ls_buf_adds(e->out, " AND NOT EXISTS (SELECT 1 FROM ");
    if (rc == LS_OK)
        rc = ls_map_quote_table(e->out, image);
    if (rc == LS_OK)
        rc = ls_buf_adds(e->out, " i WHERE ");
    if (rc == LS_OK)
        rc = add_column(e->out, "i", &image->columns[LS_MAP_PRODUCT_ID]);
    if (rc == LS_OK)
        rc = ls_buf_adds(e->out, " = ");
    if (rc == LS_OK)
        rc = add_column(e->out, e->words[1], &product->columns[LS_MAP_ID]);
    if (rc == LS_OK)
        rc = ls_buf_adds(e->out, " AND ");
    if (rc == LS_OK)
        rc = add_live(e->out, "i", image);
    return rc == LS_OK ? ls_buf_adds(e->out, ")") : rc;
}

static enum ls_rc expand_live(struct expansion *e)
{
    const struct ls_map_table *table = table_word(e, 2);
    return table ? add_live(e->out, e->words[1], table) : LS_CORRUPT;
}

static enum ls_rc expand_delete(struct expansion *e)
{
    const struct ls_map_table *table = table_word(e, 1);
    if (!table || e->n != 3)
        return LS_CORRUPT;
    const struct ls_map_column *deleted = &table->columns[LS_MAP_DELETED_AT];
    enum ls_rc rc = ls_buf_adds(e->out, deleted->name[0] ? "UPDATE " : "DELETE FROM ");
    if (rc == LS_OK)
        rc = ls_map_quote_table(e->out, table);
    if (rc == LS_OK)
        rc = ls_buf_addf(e->out, " %s", e->words[2]);
    if (rc != LS_OK || !deleted->name[0])
        return rc;
    rc = ls_buf_adds(e->out, " SET ");
    if (rc == LS_OK)
        rc = ls_map_quote(e->out, deleted->name);
    return rc == LS_OK ? ls_buf_adds(e->out, deleted->kind == LS_MAP_BOOL   ? " = true"
                                             : deleted->kind == LS_MAP_TIME ? " = now() AT TIME ZONE 'UTC'"
                                                                            : " = now()")
                       : rc;
}

/* ---- writing rows ---- */

bool ls_map_is_written(const struct ls_mapping *mapping, enum ls_map_table_id id, enum ls_map_role role, bool insert)
{
    const struct ls_map_table *table = &mapping->tables[id];
    if (!table->columns[role].name[0] || role == LS_MAP_DELETED_AT)
        return false;
    if (role == LS_MAP_ID)
        return insert && (table->new_id != LS_MAP_BY_DEFAULT || (id == LS_MAP_PRODUCT && names_are_ids(mapping)));
    return insert || role != LS_MAP_CREATED_AT;
}

static enum ls_rc add_new_id(struct ls_buf *out, const struct ls_map_table *table)
{
    /* In cuid's form: 'c' and 24 letters or digits, which rise with time. */
    static const char cuid[] =
        "'c' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 11, '0') || "
        "substr(md5(gen_random_uuid()::text), 1, 13)";
    if (table->new_id == LS_MAP_BY_CUID)
        return ls_buf_adds(out, cuid);
    return ls_buf_addf(out, "gen_random_uuid()%s", table->columns[LS_MAP_ID].kind == LS_MAP_TEXT ? "::text" : "");
}

/* The value that p has for a role, as the column's type. */
static enum ls_rc add_value(const struct ls_mapping *mapping, struct ls_buf *out, enum ls_map_table_id id,
                            enum ls_map_role role)
{
    const struct ls_map_table *table = &mapping->tables[id];
    const struct ls_map_column *column = &table->columns[role];
    const char *word = ls_map_role_word(id, role);
    if (role == LS_MAP_ID && table->new_id != LS_MAP_BY_DEFAULT && !(id == LS_MAP_PRODUCT && names_are_ids(mapping)))
        return add_new_id(out, table);
    if (role == LS_MAP_ID)
        word = ls_map_role_word(id, LS_MAP_NAME);
    if (role == LS_MAP_PRODUCT_ID && !names_are_ids(mapping))
        return add_product_id(mapping, out, "p.product_id");
    if (role == LS_MAP_IMAGE_TYPE && table->n_words) {
        enum ls_rc rc = ls_buf_adds(out, "(");
        if (rc == LS_OK)
            rc = add_words(out, table, "p.image_type", true);
        return rc == LS_OK ? ls_buf_addf(out, ")::%s", column->type) : rc;
    }
    if (column->kind == LS_MAP_TIME)
        return ls_buf_addf(out, "p.%s AT TIME ZONE 'UTC'", word);
    if (column->kind == LS_MAP_INT || column->kind == LS_MAP_UUID || column->kind == LS_MAP_ENUM)
        return ls_buf_addf(out, "p.%s::%s", word, column->type);
    return ls_buf_addf(out, "p.%s", word);
}

enum part { PART_COLUMNS, PART_VALUES, PART_SET };

static enum ls_rc add_constants(struct ls_buf *out, const struct ls_map_table *table, enum part part)
{
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; rc == LS_OK && part != PART_SET && i < table->n_constants; i++) {
        rc = ls_buf_adds(out, ", ");
        if (rc == LS_OK)
            rc = part == PART_COLUMNS ? ls_map_quote(out, table->constants[i].column)
                                      : ls_buf_addf(out, "p.constant_%zu::%s", i + 1, table->constants[i].type);
    }
    return rc;
}

static enum ls_rc expand_row(struct expansion *e, enum part part)
{
    enum ls_map_table_id id;
    const char *comma = "";
    enum ls_rc rc = LS_OK;
    if (e->n != 2 || !find_table(e->words[1], strlen(e->words[1]), &id))
        return LS_CORRUPT;
    for (int role = 0; rc == LS_OK && role < LS_MAP_ROLES; role++) {
        if (!ls_map_is_written(e->mapping, id, role, part != PART_SET))
            continue;
        rc = ls_buf_adds(e->out, comma);
        if (rc == LS_OK && part != PART_VALUES)
            rc = ls_map_quote(e->out, e->mapping->tables[id].columns[role].name);
        if (rc == LS_OK && part == PART_SET)
            rc = ls_buf_adds(e->out, " = ");
        if (rc == LS_OK && part != PART_COLUMNS)
            rc = add_value(e->mapping, e->out, id, role);
        comma = ", ";
    }
    return rc == LS_OK ? add_constants(e->out, &e->mapping->tables[id], part) : rc;
}

static enum ls_rc expand_columns(struct expansion *e) { return expand_row(e, PART_COLUMNS); }
static enum ls_rc expand_values(struct expansion *e) { return expand_row(e, PART_VALUES); }
static enum ls_rc expand_set(struct expansion *e) { return expand_row(e, PART_SET); }

static enum ls_rc expand_constants(struct expansion *e)
{
    const struct ls_map_table *table = table_word(e, 1);
    unsigned long at = e->n == 3 ? strtoul(e->words[2], NULL, 10) : 0;
    enum ls_rc rc = table && at ? LS_OK : LS_CORRUPT;
    for (size_t i = 0; rc == LS_OK && i < table->n_constants; i++)
        rc = ls_buf_addf(e->out, ", $%lu::text AS constant_%zu", at + i, i + 1);
    return rc;
}

/* An application changes columns that we have no business with: that shall neither wait nor be told. */
static enum ls_rc expand_watched(struct expansion *e)
{
    const struct ls_map_table *table = table_word(e, 1);
    const char *comma = " OF ";
    enum ls_rc rc = table ? LS_OK : LS_CORRUPT;
    for (int role = 0; rc == LS_OK && !e->mapping->own && role < LS_MAP_ROLES; role++) {
        if (!table->columns[role].name[0] || role == LS_MAP_CREATED_AT || role == LS_MAP_UPDATED_AT)
            continue;
        rc = ls_buf_adds(e->out, comma);
        if (rc == LS_OK)
            rc = ls_map_quote(e->out, table->columns[role].name);
        comma = ", ";
    }
    return rc;
}

/* ---- the template ---- */

static enum ls_rc expand_bare(struct expansion *e)
{
    const struct ls_map_table *table = table_word(e, 0);
    if (table)
        return ls_map_quote_table(e->out, table);
    const struct ls_map_column *column = find_column(e->mapping, e->words[0]);
    return column && column->name[0] ? ls_map_quote(e->out, column->name) : LS_CORRUPT;
}

static const struct {
    const char *word;
    expand_fn *expand;
} language[] = {
    {"watched", expand_watched}, {"text", expand_text},
    {"name", expand_name},       {"time", expand_time},
    {"active", expand_active},   {"is", expand_is},
    {"of", expand_of},           {"live", expand_live},
    {"as", expand_as},           {"no_images", expand_no_images},
    {"known", expand_known},     {"delete", expand_delete},
    {"columns", expand_columns}, {"values", expand_values},
    {"set", expand_set},         {"constants", expand_constants},
};

/* What stands between the braces, cut in place. */
static enum ls_rc expand_one(const struct ls_mapping *mapping, char *inside, struct ls_buf *out)
{
    struct expansion e = {.mapping = mapping, .out = out};
    char *rest = inside;
    for (char *word; (word = strsep(&rest, " ")) && e.n < WORDS_MAX;)
        e.words[e.n++] = word;
    if (rest)
        return LS_CORRUPT;
    for (size_t i = 0; e.n > 1 && i < sizeof language / sizeof language[0]; i++)
        if (strcmp(language[i].word, e.words[0]) == 0)
            return language[i].expand(&e);
    return e.n == 1 ? expand_bare(&e) : LS_CORRUPT;
}

enum ls_rc ls_mapping_expand(const struct ls_mapping *mapping, const char *text, struct ls_buf *out, struct ls_err *err)
{
    for (;;) {
        const char *open = strchr(text, '{'), *close = open ? strchr(open, '}') : NULL;
        enum ls_rc rc = ls_buf_add(out, text, open ? (size_t)(open - text) : strlen(text));
        if (rc != LS_OK)
            return ls_err_nomem(err);
        if (!open)
            return LS_OK;
        LS_AUTO(ls_free) char *inside = strndup(open + 1, close ? (size_t)(close - open - 1) : 0);
        if (!inside)
            return ls_err_nomem(err);
        rc = close ? expand_one(mapping, inside, out) : LS_CORRUPT;
        if (rc == LS_CORRUPT)
            return ls_err_set(err, LS_CORRUPT, "catalog: a statement has a bad place: %.60s", open);
        if (rc != LS_OK)
            return ls_err_nomem(err);
        text = close + 1;
    }
}
