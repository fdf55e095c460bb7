/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which tables and columns of a database hold products, variants and images.
 *
 * A mapping is filled from a config (or is the own schema's), then resolved: looked up in the database, which tells the
 * types. Statements and trigger functions are templates over it (mapping_expand.c). Decides what a name and a mapping
 * must be like whatever the database says; what the database must have is pg_resolve.c's.
 * Plain data, no pointers into elsewhere: it may be copied but for the constants' values, which it owns.
 */
#ifndef LOCKSTEP_CATALOG_MAPPING_H
#define LOCKSTEP_CATALOG_MAPPING_H

#include <stddef.h>

#include "base/auto.h"
#include "base/buf.h"
#include "lockstep/err.h"

#define LS_MAP_NAME_MAX 64 /* PostgreSQL's names have up to 63 bytes */
#define LS_MAP_TYPE_MAX 160
#define LS_MAP_CONSTANTS_MAX 8
#define LS_MAP_WORDS_MAX 16

enum ls_map_table_id { LS_MAP_PRODUCT, LS_MAP_VARIANT, LS_MAP_IMAGE, LS_MAP_TABLES };

/* What a column is for. Not every table has every role. */
enum ls_map_role {
    LS_MAP_ID,
    LS_MAP_NAME,       /* product: its folder's name; the id's column unless it is given */
    LS_MAP_PRODUCT_ID, /* variant, image: refers to the product's id */
    LS_MAP_VARIANT_ID, /* image: refers to the variant's id */
    LS_MAP_WEIGHT,     /* variant: weight, image: variant_weight */
    LS_MAP_IS_ACTIVE,
    LS_MAP_IMAGE_TYPE,
    LS_MAP_FILE_NAME, /* the key */
    LS_MAP_IMAGE_URL,
    LS_MAP_CREATED_AT,
    LS_MAP_UPDATED_AT,
    LS_MAP_DELETED_AT, /* a row that is deleted softly has a time, or true, here */
    LS_MAP_ROLES
};

enum ls_map_kind {
    LS_MAP_UNRESOLVED,
    LS_MAP_TEXT,
    LS_MAP_INT,
    LS_MAP_UUID,
    LS_MAP_ENUM,
    LS_MAP_BOOL,
    LS_MAP_TIME_TZ,
    LS_MAP_TIME /* without a zone: UTC, as Prisma writes it */
};

/* How a new row gets its id. */
enum ls_map_new_id { LS_MAP_BY_DEFAULT, LS_MAP_BY_UUID, LS_MAP_BY_CUID };

struct ls_map_column {
    char name[LS_MAP_NAME_MAX]; /* as the database has it; "" = there is none */
    unsigned line;              /* of the config, or 0 */
    /* resolved: */
    enum ls_map_kind kind;
    char type[LS_MAP_TYPE_MAX];      /* quoted, without a length, for casts */
    char collation[LS_MAP_TYPE_MAX]; /* of a text that does not sort by bytes, quoted; else "" */
};

struct ls_map_constant {
    char column[LS_MAP_NAME_MAX];
    char *value;
    unsigned line;
    char type[LS_MAP_TYPE_MAX]; /* resolved */
};

/* A type folder and the word that the application's column has for it. */
struct ls_map_word {
    char folder[LS_MAP_NAME_MAX], value[LS_MAP_NAME_MAX];
};

struct ls_map_table {
    char schema[LS_MAP_NAME_MAX]; /* "": where the search path finds it; known once resolved */
    char name[LS_MAP_NAME_MAX];
    unsigned line;
    enum ls_map_new_id new_id;
    struct ls_map_column columns[LS_MAP_ROLES];
    struct ls_map_constant constants[LS_MAP_CONSTANTS_MAX];
    size_t n_constants;
    struct ls_map_word words[LS_MAP_WORDS_MAX]; /* of image_type, where they differ */
    size_t n_words;
};

struct ls_mapping {
    bool own;   /* the tables are lockstep's own */
    char *file; /* the config's name, for messages; or NULL */
    struct ls_map_table tables[LS_MAP_TABLES];
};

/* The own schema. */
enum ls_rc ls_mapping_own(struct ls_mapping *out, struct ls_err *err) LS_MUST_CHECK;
/* An empty one, to be filled by ls_mapping_set; file may be NULL. */
enum ls_rc ls_mapping_init(struct ls_mapping *out, const char *file, struct ls_err *err) LS_MUST_CHECK;
/* A copy that is filled as the original was and not resolved. */
enum ls_rc ls_mapping_copy(const struct ls_mapping *mapping, struct ls_mapping *out, struct ls_err *err) LS_MUST_CHECK;
void ls_mapping_dispose(struct ls_mapping *mapping);
static inline void ls_mapping_auto(struct ls_mapping *mapping) { ls_mapping_dispose(mapping); }

/* One line "key = value" of [map.TABLE]: table, new_id, a role, constant.COLUMN, or type.FOLDER. LS_NOT_FOUND: there is
 * no such key; LS_INVALID: the value is refused. The texts do not name file and line: the caller does. */
enum ls_rc ls_mapping_set(struct ls_mapping *mapping, enum ls_map_table_id table, const char *key, const char *value,
                          unsigned line, struct ls_err *err) LS_MUST_CHECK;
/* After the last line: is it whole, and no column used twice? */
enum ls_rc ls_mapping_check(struct ls_mapping *mapping, struct ls_err *err) LS_MUST_CHECK;

/* The mapping as config sections, each line as ls_mapping_set takes it: for writing a config, and to compare two. */
enum ls_rc ls_mapping_write(const struct ls_mapping *mapping, struct ls_buf *out, struct ls_err *err) LS_MUST_CHECK;

/* "product", "variant", "image"; the role's key in that table's section, NULL when the table has no such role. */
const char *ls_map_table_word(enum ls_map_table_id table);
const char *ls_map_role_word(enum ls_map_table_id table, enum ls_map_role role);
/* Must the table have this role? */
bool ls_map_role_needed(enum ls_map_table_id table, enum ls_map_role role);
/* The column of a product's folder name: `name`, or the id where that is not given. */
const struct ls_map_column *ls_map_product_name(const struct ls_mapping *mapping);

/* The folder that a word of an enum would have: lower case, '-' for '_'. */
void ls_map_folder_of(const char *value, char out[LS_MAP_NAME_MAX]);

/* Append a name in double quotes. */
enum ls_rc ls_map_quote(struct ls_buf *out, const char *name) LS_MUST_CHECK;
/* Append the table with its schema, quoted. */
enum ls_rc ls_map_quote_table(struct ls_buf *out, const struct ls_map_table *table) LS_MUST_CHECK;

/* Put "FILE:LINE: [map.image] file_name: " in front of an error's text (line 0: without file and line). */
enum ls_rc ls_map_blame(const struct ls_mapping *mapping, enum ls_map_table_id table, const char *key, unsigned line,
                        struct ls_err *err);

/* ---- mapping_expand.c ---- */

/* Fill in a template; the language stands there. The mapping must be resolved. */
enum ls_rc ls_mapping_expand(const struct ls_mapping *mapping, const char *text, struct ls_buf *out, struct ls_err *err)
    LS_MUST_CHECK;

/* Is the role's column written by an INSERT, or by an UPDATE? */
bool ls_map_is_written(const struct ls_mapping *mapping, enum ls_map_table_id table, enum ls_map_role role,
                       bool insert);

#endif
