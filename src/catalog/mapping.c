/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mapping's words, its filling line by line, and what is refused without asking the database.
 *
 * Names are what pg_catalog has, without quotes and with their case: letters, digits and '_' only, so that nothing that
 * could end a quoted name, a literal or a function's body ever gets near a statement. They are quoted all the same.
 */
#include "catalog/mapping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const table_words[LS_MAP_TABLES] = {"product", "variant", "image"};

static const struct {
    const char *word;
    bool needed;
} roles[LS_MAP_TABLES][LS_MAP_ROLES] = {
    [LS_MAP_PRODUCT] =
        {
            [LS_MAP_ID] = {"id", true},
            [LS_MAP_NAME] = {"name", false},
            [LS_MAP_CREATED_AT] = {"created_at", false},
            [LS_MAP_UPDATED_AT] = {"updated_at", false},
            [LS_MAP_DELETED_AT] = {"deleted_at", false},
        },
    [LS_MAP_VARIANT] =
        {
            [LS_MAP_ID] = {"id", true},
            [LS_MAP_PRODUCT_ID] = {"product_id", true},
            [LS_MAP_WEIGHT] = {"weight", true},
            [LS_MAP_IS_ACTIVE] = {"is_active", false},
            [LS_MAP_CREATED_AT] = {"created_at", false},
            [LS_MAP_UPDATED_AT] = {"updated_at", false},
            [LS_MAP_DELETED_AT] = {"deleted_at", false},
        },
    [LS_MAP_IMAGE] =
        {
            [LS_MAP_ID] = {"id", true},
            [LS_MAP_PRODUCT_ID] = {"product_id", false},
            [LS_MAP_VARIANT_ID] = {"variant_id", true},
            [LS_MAP_WEIGHT] = {"variant_weight", false},
            [LS_MAP_IMAGE_TYPE] = {"image_type", false},
            [LS_MAP_FILE_NAME] = {"file_name", true},
            [LS_MAP_IMAGE_URL] = {"image_url", false},
            [LS_MAP_CREATED_AT] = {"created_at", false},
            [LS_MAP_UPDATED_AT] = {"updated_at", false},
            [LS_MAP_DELETED_AT] = {"deleted_at", false},
        },
};

static const char *const new_id_words[] = {"default", "uuid", "cuid"};

const char *ls_map_table_word(enum ls_map_table_id table) { return table_words[table]; }

const char *ls_map_role_word(enum ls_map_table_id table, enum ls_map_role role) { return roles[table][role].word; }

bool ls_map_role_needed(enum ls_map_table_id table, enum ls_map_role role) { return roles[table][role].needed; }

const struct ls_map_column *ls_map_product_name(const struct ls_mapping *mapping)
{
    const struct ls_map_column *columns = mapping->tables[LS_MAP_PRODUCT].columns;
    return columns[LS_MAP_NAME].name[0] ? &columns[LS_MAP_NAME] : &columns[LS_MAP_ID];
}

/* ---- names ---- */

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

static enum ls_rc set_name(char out[LS_MAP_NAME_MAX], const char *value, size_t len, struct ls_err *err)
{
    if (len == 0)
        return ls_err_set(err, LS_INVALID, "a name is missing");
    for (size_t i = 0; i < len; i++)
        if (!is_plain((unsigned char)value[i]))
            return ls_err_set(err, LS_INVALID, "'%.*s': a name has letters, digits and '_' only, and no quotes",
                              (int)len, value);
    if (len >= LS_MAP_NAME_MAX)
        return ls_err_set(err, LS_INVALID, "'%.*s' is longer than the %d bytes that a name can have", (int)len, value,
                          LS_MAP_NAME_MAX - 1);
    if (!ls_utf8_valid(value, len))
        return ls_err_set(err, LS_INVALID, "the name is not UTF-8");
    memcpy(out, value, len);
    out[len] = '\0';
    return LS_OK;
}

static enum ls_rc set_twice(struct ls_err *err) { return ls_err_set(err, LS_INVALID, "is set twice"); }

static enum ls_rc set_table(struct ls_map_table *table, const char *value, unsigned line, struct ls_err *err)
{
    static const char *const closed[] = {"pg_catalog", "information_schema", "pg_toast", "lockstep"};
    const char *dot = strchr(value, '.');
    enum ls_rc rc = table->line ? set_twice(err) : LS_OK;
    table->line = line;
    table->schema[0] = '\0';
    if (rc == LS_OK && dot)
        rc = set_name(table->schema, value, (size_t)(dot - value), err);
    if (rc == LS_OK)
        rc = set_name(table->name, dot ? dot + 1 : value, strlen(dot ? dot + 1 : value), err);
    for (size_t i = 0; rc == LS_OK && i < sizeof closed / sizeof closed[0]; i++)
        if (strcmp(table->schema, closed[i]) == 0)
            rc = ls_err_set(err, LS_INVALID, "the schema %s does not hold an application's tables", closed[i]);
    return rc;
}

static enum ls_rc set_new_id(struct ls_map_table *table, const char *value, struct ls_err *err)
{
    for (size_t i = 0; i < sizeof new_id_words / sizeof new_id_words[0]; i++)
        if (strcmp(value, new_id_words[i]) == 0) {
            table->new_id = (enum ls_map_new_id)i;
            return LS_OK;
        }
    return ls_err_set(err, LS_INVALID, "'%s' is no way to make an id: want default, uuid or cuid", value);
}

static enum ls_rc set_constant(struct ls_map_table *table, const char *column, const char *value, unsigned line,
                               struct ls_err *err)
{
    if (table->n_constants == LS_MAP_CONSTANTS_MAX)
        return ls_err_set(err, LS_INVALID, "there can be %d constants at most", LS_MAP_CONSTANTS_MAX);
    struct ls_map_constant *constant = &table->constants[table->n_constants];
    enum ls_rc rc = set_name(constant->column, column, strlen(column), err);
    if (rc == LS_OK && !ls_utf8_valid(value, strlen(value)))
        rc = ls_err_set(err, LS_INVALID, "the value is not UTF-8");
    if (rc != LS_OK)
        return rc;
    constant->line = line;
    constant->value = strdup(value);
    if (!constant->value)
        return ls_err_nomem(err);
    table->n_constants++;
    return LS_OK;
}

/* They stand in statements as literals, so they are as plain as names, but for '-'. */
static enum ls_rc set_word_part(char out[LS_MAP_NAME_MAX], const char *text, struct ls_err *err)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (!is_plain((unsigned char)text[i]) && text[i] != '-')
            return ls_err_set(err, LS_INVALID, "'%s': a type has letters, digits, '_' and '-' only", text);
    if (len == 0 || len >= LS_MAP_NAME_MAX || !ls_utf8_valid(text, len))
        return ls_err_set(err, LS_INVALID, "'%s' is no type: 1 to %d bytes of UTF-8", text, LS_MAP_NAME_MAX - 1);
    memcpy(out, text, len + 1);
    return LS_OK;
}

static enum ls_rc set_word(struct ls_map_table *table, const char *folder, const char *value, struct ls_err *err)
{
    struct ls_map_word *word = &table->words[table->n_words];
    if (table->n_words == LS_MAP_WORDS_MAX)
        return ls_err_set(err, LS_INVALID, "there can be %d types at most", LS_MAP_WORDS_MAX);
    enum ls_rc rc = set_word_part(word->folder, folder, err);
    if (rc == LS_OK)
        rc = set_word_part(word->value, value, err);
    for (size_t i = 0; rc == LS_OK && i < table->n_words; i++)
        if (strcmp(table->words[i].folder, word->folder) == 0 || strcmp(table->words[i].value, word->value) == 0)
            rc = set_twice(err);
    table->n_words += rc == LS_OK;
    return rc;
}

void ls_map_folder_of(const char *value, char out[LS_MAP_NAME_MAX])
{
    size_t n = 0;
    for (; value[n] && n + 1 < LS_MAP_NAME_MAX; n++)
        out[n] = value[n] == '_' ? '-' : value[n] >= 'A' && value[n] <= 'Z' ? (char)(value[n] - 'A' + 'a') : value[n];
    out[n] = '\0';
}

enum ls_rc ls_mapping_set(struct ls_mapping *mapping, enum ls_map_table_id table, const char *key, const char *value,
                          unsigned line, struct ls_err *err)
{
    static const char constant[] = "constant.", type[] = "type.";
    struct ls_map_table *to = &mapping->tables[table];
    if (strcmp(key, "table") == 0)
        return set_table(to, value, line, err);
    if (strcmp(key, "new_id") == 0)
        return set_new_id(to, value, err);
    if (strncmp(key, constant, sizeof constant - 1) == 0)
        return set_constant(to, key + sizeof constant - 1, value, line, err);
    if (table == LS_MAP_IMAGE && strncmp(key, type, sizeof type - 1) == 0)
        return set_word(to, key + sizeof type - 1, value, err);
    for (int role = 0; role < LS_MAP_ROLES; role++) {
        const char *word = ls_map_role_word(table, role);
        if (!word || strcmp(word, key) != 0)
            continue;
        if (to->columns[role].line)
            return set_twice(err);
        to->columns[role].line = line;
        return value[0] ? set_name(to->columns[role].name, value, strlen(value), err) : LS_OK;
    }
    return ls_err_set(err, LS_NOT_FOUND, "unknown key '%s'", key);
}

/* ---- the whole ---- */

enum ls_rc ls_map_blame(const struct ls_mapping *mapping, enum ls_map_table_id table, const char *key, unsigned line,
                        struct ls_err *err)
{
    if (mapping->file && line)
        return ls_err_prefix(err, "%s:%u: [map.%s] %s: ", mapping->file, line, table_words[table], key);
    return ls_err_prefix(err, "[map.%s] %s: ", table_words[table], key);
}

static enum ls_rc check_twice(const struct ls_mapping *mapping, enum ls_map_table_id id, const char *key,
                              const char *column, unsigned line, const char *seen[], size_t *n_seen, struct ls_err *err)
{
    for (size_t i = 0; i < *n_seen; i++)
        if (strcmp(seen[i], column) == 0) {
            enum ls_rc rc = ls_err_set(err, LS_INVALID, "the column %s has two uses", column);
            ls_map_blame(mapping, id, key, line, err);
            return rc;
        }
    seen[(*n_seen)++] = column;
    return LS_OK;
}

static enum ls_rc check_table(const struct ls_mapping *mapping, enum ls_map_table_id id, struct ls_err *err)
{
    const struct ls_map_table *table = &mapping->tables[id];
    const char *seen[LS_MAP_ROLES + LS_MAP_CONSTANTS_MAX];
    size_t n_seen = 0;
    enum ls_rc rc = LS_OK;
    if (!table->name[0])
        rc = ls_err_set(err, LS_INVALID, "%s%s[map.%s] names no table", mapping->file ? mapping->file : "",
                        mapping->file ? ": " : "", table_words[id]);
    for (int role = 0; rc == LS_OK && role < LS_MAP_ROLES; role++) {
        const struct ls_map_column *column = &table->columns[role];
        if (column->name[0])
            rc = check_twice(mapping, id, ls_map_role_word(id, role), column->name, column->line, seen, &n_seen, err);
        else if (ls_map_role_needed(id, role))
            rc = ls_err_set(err, LS_INVALID, "%s%s[map.%s] wants '%s', the name of a column",
                            mapping->file ? mapping->file : "", mapping->file ? ": " : "", table_words[id],
                            ls_map_role_word(id, role));
    }
    if (rc == LS_OK && table->n_words && !table->columns[LS_MAP_IMAGE_TYPE].name[0]) {
        rc = ls_err_set(err, LS_INVALID, "there is no image_type to hold it");
        ls_map_blame(mapping, id, "type", table->line, err);
    }
    for (size_t i = 0; rc == LS_OK && i < table->n_constants; i++)
        rc = check_twice(mapping, id, "constant", table->constants[i].column, table->constants[i].line, seen, &n_seen,
                         err);
    return rc;
}

enum ls_rc ls_mapping_check(struct ls_mapping *mapping, struct ls_err *err)
{
    struct ls_map_table *product = &mapping->tables[LS_MAP_PRODUCT];
    /* A name that is the id's own column is no second one. */
    if (strcmp(product->columns[LS_MAP_NAME].name, product->columns[LS_MAP_ID].name) == 0)
        product->columns[LS_MAP_NAME].name[0] = '\0';
    for (int id = 0; id < LS_MAP_TABLES; id++) {
        enum ls_rc rc = check_table(mapping, id, err);
        if (rc != LS_OK)
            return rc;
        for (int other = 0; other < id; other++) {
            const struct ls_map_table *a = &mapping->tables[other], *b = &mapping->tables[id];
            if (strcmp(a->name, b->name) != 0 || (a->schema[0] && b->schema[0] && strcmp(a->schema, b->schema) != 0))
                continue;
            rc = ls_err_set(err, LS_INVALID, "%s is the table of [map.%s] already", b->name, table_words[other]);
            ls_map_blame(mapping, id, "table", b->line, err);
            return rc;
        }
    }
    return LS_OK;
}

enum ls_rc ls_mapping_init(struct ls_mapping *out, const char *file, struct ls_err *err)
{
    memset(out, 0, sizeof *out);
    out->file = file ? strdup(file) : NULL;
    return !file || out->file ? LS_OK : ls_err_nomem(err);
}

enum ls_rc ls_mapping_own(struct ls_mapping *out, struct ls_err *err)
{
    static const char *const names[] = {"product", "product_variant", "product_image"};
    enum ls_rc rc = ls_mapping_init(out, NULL, err);
    out->own = true;
    for (int id = 0; rc == LS_OK && id < LS_MAP_TABLES; id++) {
        rc = ls_mapping_set(out, id, "table", names[id], 0, err);
        for (int role = 0; rc == LS_OK && role < LS_MAP_ROLES; role++) {
            const char *word = ls_map_role_word(id, role);
            bool has = word && role != LS_MAP_NAME && role != LS_MAP_DELETED_AT &&
                       !(id == LS_MAP_PRODUCT && role == LS_MAP_UPDATED_AT);
            rc = has ? ls_mapping_set(out, id, word, word, 0, err) : LS_OK;
        }
    }
    return rc;
}

enum ls_rc ls_mapping_copy(const struct ls_mapping *mapping, struct ls_mapping *out, struct ls_err *err)
{
    *out = *mapping;
    out->file = NULL;
    for (int id = 0; id < LS_MAP_TABLES; id++)
        out->tables[id].n_constants = 0;
    out->file = mapping->file ? strdup(mapping->file) : NULL;
    enum ls_rc rc = !mapping->file || out->file ? LS_OK : ls_err_nomem(err);
    for (int id = 0; rc == LS_OK && id < LS_MAP_TABLES; id++)
        for (size_t i = 0; rc == LS_OK && i < mapping->tables[id].n_constants; i++) {
            const struct ls_map_constant *from = &mapping->tables[id].constants[i];
            rc = set_constant(&out->tables[id], from->column, from->value, from->line, err);
        }
    if (rc != LS_OK)
        ls_mapping_dispose(out);
    return rc;
}

void ls_mapping_dispose(struct ls_mapping *mapping)
{
    for (int id = 0; id < LS_MAP_TABLES; id++)
        for (size_t i = 0; i < mapping->tables[id].n_constants; i++)
            free(mapping->tables[id].constants[i].value);
    free(mapping->file);
    memset(mapping, 0, sizeof *mapping);
}

/* ---- as text ---- */

static enum ls_rc write_table(const struct ls_map_table *table, enum ls_map_table_id id, struct ls_buf *out)
{
    enum ls_rc rc = ls_buf_addf(out, "[map.%s]\ntable = %s%s%s\n", table_words[id], table->schema,
                                table->schema[0] ? "." : "", table->name);
    for (int role = 0; rc == LS_OK && role < LS_MAP_ROLES; role++)
        if (table->columns[role].name[0])
            rc = ls_buf_addf(out, "%s = %s\n", ls_map_role_word(id, role), table->columns[role].name);
    if (rc == LS_OK && table->new_id != LS_MAP_BY_DEFAULT)
        rc = ls_buf_addf(out, "new_id = %s\n", new_id_words[table->new_id]);
    for (size_t i = 0; rc == LS_OK && i < table->n_words; i++)
        rc = ls_buf_addf(out, "type.%s = %s\n", table->words[i].folder, table->words[i].value);
    for (size_t i = 0; rc == LS_OK && i < table->n_constants; i++)
        rc = ls_buf_addf(out, "constant.%s = \"%s\"\n", table->constants[i].column, table->constants[i].value);
    return rc;
}

enum ls_rc ls_mapping_write(const struct ls_mapping *mapping, struct ls_buf *out, struct ls_err *err)
{
    for (int id = 0; id < LS_MAP_TABLES; id++)
        if (write_table(&mapping->tables[id], id, out) != LS_OK || ls_buf_adds(out, "\n") != LS_OK)
            return ls_err_nomem(err);
    return LS_OK;
}

enum ls_rc ls_map_quote(struct ls_buf *out, const char *name)
{
    enum ls_rc rc = ls_buf_addc(out, '"');
    for (const char *c = name; rc == LS_OK && *c; c++) {
        if (*c == '"')
            rc = ls_buf_addc(out, '"');
        if (rc == LS_OK)
            rc = ls_buf_addc(out, *c);
    }
    return rc == LS_OK ? ls_buf_addc(out, '"') : rc;
}

enum ls_rc ls_map_quote_table(struct ls_buf *out, const struct ls_map_table *table)
{
    enum ls_rc rc = LS_OK;
    if (table->schema[0])
        rc = ls_map_quote(out, table->schema);
    if (rc == LS_OK && table->schema[0])
        rc = ls_buf_addc(out, '.');
    return rc == LS_OK ? ls_map_quote(out, table->name) : rc;
}
