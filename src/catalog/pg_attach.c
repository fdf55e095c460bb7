/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an application's database must have besides the mapping's tables and columns: unique indexes, values for columns
 * that we do not know, rights. Also the way out.
 *
 * The questions are templates over the mapping, like all statements; the names in them have passed ls_mapping_set.
 */
#include "catalog/attach.h"
#include "catalog/pg_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

LS_AUTO_DEFINE(ls_catalog, struct ls_catalog *, ls_catalog_close)

#define REPORT_MAX ((size_t)1 << 20)

void ls_attach_report_init(struct ls_attach_report *report)
{
    report->installed = report->other_mapping = false;
    report->n_problems = 0;
    ls_buf_init(&report->problems, REPORT_MAX);
    ls_buf_init(&report->advice, REPORT_MAX);
    ls_buf_init(&report->grants, REPORT_MAX);
}

void ls_attach_report_auto(struct ls_attach_report *report)
{
    ls_buf_dispose(&report->problems);
    ls_buf_dispose(&report->advice);
    ls_buf_dispose(&report->grants);
}

enum ls_rc ls_pg_connect_patient(const struct ls_pg_opts *opts, struct ls_catalog **out_cat, struct ls_err *err)
{
    enum ls_rc rc = ls_pg_connect(opts, out_cat, err);
    if (rc != LS_OK)
        return rc;
    struct ls_pg_conn *conn = ls_pg_of(*out_cat)->writer;
    conn->patient = true;
    return ls_pg_script(conn, "SET statement_timeout = 0", "set the session up", NULL, err);
}

struct checking {
    struct ls_pg_conn *conn;
    const struct ls_mapping *mapping;
    struct ls_attach_report *report;
    struct ls_err *err;
};

/* Ask a question; its cells are text. */
static enum ls_rc ask(const struct checking *c, const char *question, PGresult **out)
{
    LS_AUTO(ls_buf) struct ls_buf sql = LS_BUF_INIT(REPORT_MAX);
    enum ls_rc rc = ls_mapping_expand(c->mapping, question, &sql, c->err);
    return rc == LS_OK ? ls_pg_script(c->conn, sql.data, "look at the database", out, c->err) : rc;
}

static bool is_true(const PGresult *res, int row, int column) { return PQgetvalue(res, row, column)[0] == 't'; }

static enum ls_rc add_problem(const struct checking *c, const char *text)
{
    c->report->n_problems++;
    if (ls_buf_adds(&c->report->problems, text) != LS_OK || ls_buf_addc(&c->report->problems, '\n') != LS_OK)
        return ls_err_nomem(c->err);
    return LS_OK;
}

static enum ls_rc add_advice(const struct checking *c, const char *text)
{
    if (ls_buf_adds(&c->report->advice, text) != LS_OK || ls_buf_addc(&c->report->advice, '\n') != LS_OK)
        return ls_err_nomem(c->err);
    return LS_OK;
}

/* ---- unique indexes ---- */

/* Columns that together must be unique among live rows. */
static const struct {
    enum ls_map_table_id table;
    enum ls_map_role roles[2];
    int n;
} uniques[] = {
    {LS_MAP_PRODUCT, {LS_MAP_ID}, 1},      {LS_MAP_PRODUCT, {LS_MAP_NAME}, 1},
    {LS_MAP_VARIANT, {LS_MAP_ID}, 1},      {LS_MAP_VARIANT, {LS_MAP_PRODUCT_ID, LS_MAP_WEIGHT}, 2},
    {LS_MAP_IMAGE, {LS_MAP_FILE_NAME}, 1},
};

/* The columns' names, each in `quote`s. */
static enum ls_rc add_names(struct ls_buf *out, const struct ls_map_table *table, const enum ls_map_role *roles, int n,
                            char quote)
{
    enum ls_rc rc = LS_OK;
    for (int i = 0; rc == LS_OK && i < n; i++)
        rc = ls_buf_addf(out, "%s%c%s%c", i ? ", " : "", quote, table->columns[roles[i]].name, quote);
    return rc;
}

static enum ls_rc check_unique(const struct checking *c, enum ls_map_table_id id, const enum ls_map_role *roles, int n)
{
    const struct ls_map_table *table = &c->mapping->tables[id];
    const char *deleted = table->columns[LS_MAP_DELETED_AT].name;
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_buf) struct ls_buf names = LS_BUF_INIT(LS_BUF_LINE);
    LS_AUTO(ls_buf) struct ls_buf quoted = LS_BUF_INIT(LS_BUF_LINE);
    if (add_names(&names, table, roles, n, '\'') != LS_OK || add_names(&quoted, table, roles, n, '"') != LS_OK)
        return ls_err_nomem(c->err);
    LS_AUTO(ls_free)
    char *question = ls_strf(
        "SELECT coalesce(bool_or(i.indpred IS NULL), false), coalesce(bool_or(position('%s' IN "
        "coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), '')) > 0), false) FROM pg_catalog.pg_index i "
        "WHERE i.indrelid = '{%s}'::regclass AND i.indisunique AND i.indisvalid AND i.indexprs IS NULL AND (SELECT "
        "array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_catalog.pg_attribute a WHERE a.attrelid = "
        "i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) = (SELECT array_agg(n ORDER BY n) "
        "FROM unnest(ARRAY[%s]::text[]) n)",
        deleted[0] ? deleted : " ", ls_map_table_word(id), names.data);
    if (!question)
        return ls_err_nomem(c->err);
    enum ls_rc rc = ask(c, question, &res);
    if (rc != LS_OK)
        return rc;
    bool whole = is_true(res, 0, 0), live = is_true(res, 0, 1);
    bool is_id = roles[0] == LS_MAP_ID;
    if (is_id ? whole : deleted[0] ? live : whole)
        return LS_OK;
    LS_AUTO(ls_free)
    char *where = deleted[0] && !is_id
                      ? ls_strf(" WHERE \"%s\" IS %s", deleted,
                                table->columns[LS_MAP_DELETED_AT].kind == LS_MAP_BOOL ? "NOT TRUE" : "NULL")
                      : strdup("");
    LS_AUTO(ls_free)
    char *text = ls_strf("%s: %s: CREATE UNIQUE INDEX ON \"%s\".\"%s\" (%s)%s;", table->name,
                         whole ? "rows that are deleted softly keep their names taken: the unique index must be partial"
                               : "two rows could be the same image or folder: a unique index is missing",
                         table->schema, table->name, quoted.data, where ? where : "");
    return text ? add_problem(c, text) : ls_err_nomem(c->err);
}

static enum ls_rc check_uniques(const struct checking *c)
{
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; rc == LS_OK && i < sizeof uniques / sizeof uniques[0]; i++)
        if (c->mapping->tables[uniques[i].table].columns[uniques[i].roles[0]].name[0])
            rc = check_unique(c, uniques[i].table, uniques[i].roles, uniques[i].n);
    return rc;
}

/* ---- columns that we do not know ---- */

static bool is_given(const struct ls_mapping *mapping, enum ls_map_table_id id, const char *column)
{
    const struct ls_map_table *table = &mapping->tables[id];
    for (int role = 0; role < LS_MAP_ROLES; role++)
        if (strcmp(table->columns[role].name, column) == 0 && ls_map_is_written(mapping, id, role, true))
            return true;
    for (size_t i = 0; i < table->n_constants; i++)
        if (strcmp(table->constants[i].column, column) == 0)
            return true;
    return false;
}

/* A column that an INSERT of ours would leave empty. Products are rarely made by us: that is no more than advice. */
static enum ls_rc say_lacking(const struct checking *c, enum ls_map_table_id id, const char *column)
{
    const struct ls_map_table *table = &c->mapping->tables[id];
    bool is_id = strcmp(column, table->columns[LS_MAP_ID].name) == 0;
    LS_AUTO(ls_free)
    char *text =
        is_id ? ls_strf("%s: the id %s has no default: new_id = uuid or new_id = cuid in [map.%s] makes them",
                        table->name, column, ls_map_table_word(id))
              : ls_strf("%s: the column %s is NOT NULL without a default: constant.%s = VALUE in [map.%s] fills it%s",
                        table->name, column, column, ls_map_table_word(id),
                        id == LS_MAP_PRODUCT ? " (else products can only be made by the application)" : "");
    if (!text)
        return ls_err_nomem(c->err);
    return id == LS_MAP_PRODUCT ? add_advice(c, text) : add_problem(c, text);
}

static enum ls_rc check_not_null(const struct checking *c, enum ls_map_table_id id)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_free)
    char *question = ls_strf("SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = '{%s}'::regclass AND "
                             "a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef AND "
                             "a.attidentity = '' ORDER BY a.attnum",
                             ls_map_table_word(id));
    enum ls_rc rc = question ? ask(c, question, &res) : ls_err_nomem(c->err);
    for (int row = 0; rc == LS_OK && row < PQntuples(res); row++)
        if (!is_given(c->mapping, id, PQgetvalue(res, row, 0)))
            rc = say_lacking(c, id, PQgetvalue(res, row, 0));
    return rc;
}

/* ---- speed ---- */

static enum ls_rc check_indexes(const struct checking *c)
{
    static const struct {
        enum ls_map_table_id table;
        enum ls_map_role role;
    } wanted[] = {{LS_MAP_IMAGE, LS_MAP_VARIANT_ID}, {LS_MAP_IMAGE, LS_MAP_PRODUCT_ID}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const struct ls_map_table *table = &c->mapping->tables[wanted[i].table];
        const char *column = table->columns[wanted[i].role].name;
        LS_AUTO(ls_pg_result) PGresult *res = NULL;
        if (!column[0])
            continue;
        LS_AUTO(ls_free)
        char *question =
            ls_strf("SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = "
                    "i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = '{%s}'::regclass AND a.attname = '%s')",
                    ls_map_table_word(wanted[i].table), column);
        enum ls_rc rc = question ? ask(c, question, &res) : ls_err_nomem(c->err);
        if (rc != LS_OK)
            return rc;
        LS_AUTO(ls_free)
        char *text = ls_strf("%s: removing folders reads the whole table: CREATE INDEX ON \"%s\".\"%s\" (\"%s\");",
                             table->name, table->schema, table->name, column);
        if (!text)
            return ls_err_nomem(c->err);
        if (!is_true(res, 0, 0) && (rc = add_advice(c, text)) != LS_OK)
            return rc;
    }
    return LS_OK;
}

/* Folders are listed by bytes; an index in the database's own order is no help. */
static enum ls_rc check_order(const struct checking *c)
{
    const struct ls_map_table *product = &c->mapping->tables[LS_MAP_PRODUCT];
    const struct ls_map_column *name = ls_map_product_name(c->mapping);
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    if (name->kind != LS_MAP_TEXT || !name->collation[0])
        return LS_OK;
    LS_AUTO(ls_free)
    char *question = ls_strf("SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON "
                             "a.attrelid = i.indrelid AND a.attnum = i.indkey[0] JOIN pg_catalog.pg_collation l ON "
                             "l.oid = i.indcollation[0] WHERE i.indrelid = '{product}'::regclass AND a.attname = '%s' "
                             "AND l.collname = 'C')",
                             name->name);
    enum ls_rc rc = question ? ask(c, question, &res) : ls_err_nomem(c->err);
    if (rc != LS_OK || is_true(res, 0, 0))
        return rc;
    LS_AUTO(ls_free)
    char *text = ls_strf("%s: with many thousands of products: CREATE INDEX ON \"%s\".\"%s\" (\"%s\" COLLATE \"C\");",
                         product->name, product->schema, product->name, name->name);
    return text ? add_advice(c, text) : ls_err_nomem(c->err);
}

/* ---- rights ---- */

#define RIGHTS "SELECT, INSERT, UPDATE, DELETE, TRIGGER"

static enum ls_rc check_rights(const struct checking *c)
{
    /* The first column tells whether the role has it, the second is the GRANT. */
    static const char question[] =
        "SELECT pg_catalog.has_database_privilege(current_database(), 'CREATE') OR "
        "pg_catalog.to_regnamespace('lockstep') IS NOT NULL, "
        "pg_catalog.format('GRANT CONNECT, CREATE ON DATABASE %I TO %I;', current_database(), current_user) "
        "UNION ALL SELECT DISTINCT pg_catalog.has_schema_privilege(n.oid, 'USAGE'), "
        "pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user) "
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.oid IN ('{product}'::regclass, '{variant}'::regclass, '{image}'::regclass) "
        "UNION ALL SELECT (SELECT bool_and(pg_catalog.has_table_privilege(c.oid, r)) "
        "FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRIGGER']) r), "
        "pg_catalog.format('GRANT " RIGHTS " ON %s TO %I;', c.oid::regclass, current_user) "
        "FROM pg_catalog.pg_class c "
        "WHERE c.oid IN ('{product}'::regclass, '{variant}'::regclass, '{image}'::regclass) "
        "UNION ALL SELECT pg_catalog.has_sequence_privilege(s.oid, 'USAGE'), "
        "pg_catalog.format('GRANT USAGE ON SEQUENCE %s TO %I;', s.oid::regclass, current_user) "
        "FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_depend p ON p.classid = 'pg_catalog.pg_attrdef'::regclass "
        "AND p.objid = d.oid JOIN pg_catalog.pg_class s ON s.oid = p.refobjid AND s.relkind = 'S' "
        "WHERE p.refclassid = 'pg_catalog.pg_class'::regclass "
        "AND d.adrelid IN ('{product}'::regclass, '{variant}'::regclass, '{image}'::regclass)";
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    enum ls_rc rc = ask(c, question, &res);
    for (int row = 0; rc == LS_OK && row < PQntuples(res); row++) {
        if (ls_buf_addf(&c->report->grants, "%s\n", PQgetvalue(res, row, 1)) != LS_OK)
            return ls_err_nomem(c->err);
        if (is_true(res, row, 0))
            continue;
        LS_AUTO(ls_free) char *text = ls_strf("the role lacks a right: %s", PQgetvalue(res, row, 1));
        rc = text ? add_problem(c, text) : ls_err_nomem(c->err);
    }
    return rc;
}

/* ---- what is installed ---- */

static enum ls_rc check_installed(const struct checking *c)
{
    static const char triggers[] =
        "SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgname IN ('lockstep_lock', 'lockstep_row', "
        "'lockstep_truncate') AND tgenabled <> 'D' "
        "AND tgrelid IN ('{product}'::regclass, '{variant}'::regclass, '{image}'::regclass)";
    static const char lost[] =
        "SELECT (SELECT count(*) FROM {image} i WHERE {live i image} AND {text i image.file_name} > '' AND NOT EXISTS "
        "(SELECT 1 FROM lockstep.lockstep_object o WHERE o.key = {text i image.file_name})) + "
        "(SELECT count(*) FROM lockstep.lockstep_object o WHERE NOT EXISTS (SELECT 1 FROM {image} i "
        "WHERE {is i image.file_name o.key} AND {live i image}))";
    unsigned version;
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_result) PGresult *rows = NULL;
    enum ls_rc rc = ls_pg_version(c->conn, &version, c->err);
    c->report->installed = rc == LS_OK && version > 0;
    if (!c->report->installed)
        return rc;
    c->report->other_mapping = ls_pg_mapping_same(c->conn, NULL) != LS_OK;
    if (c->report->other_mapping)
        return LS_OK; /* the triggers are elsewhere */
    rc = ask(c, triggers, &res);
    if (rc == LS_OK && strcmp(PQgetvalue(res, 0, 0), "9") != 0)
        rc = add_problem(c, "triggers of lockstep are missing or disabled: changes of the application go unnoticed; "
                            "detach and attach again");
    if (rc == LS_OK)
        rc = ask(c, lost, &rows);
    if (rc != LS_OK || strcmp(PQgetvalue(rows, 0, 0), "0") == 0)
        return rc;
    return add_problem(c,
                       "rows were changed while the triggers did not run: `lockstep import --from-catalog` repairs it");
}

enum ls_rc ls_pg_attach_check(const struct ls_pg_opts *opts, struct ls_attach_report *report, struct ls_err *err)
{
    LS_AUTO(ls_catalog) struct ls_catalog *base = NULL;
    enum ls_rc rc = ls_pg_connect_patient(opts, &base, err);
    if (rc != LS_OK)
        return rc;
    struct ls_pg *cat = ls_pg_of(base);
    rc = ls_pg_resolve(cat->writer, &cat->mapping, err);
    const struct checking c = {cat->writer, &cat->mapping, report, err};
    if (rc == LS_OK)
        rc = check_uniques(&c);
    for (int id = 0; rc == LS_OK && id < LS_MAP_TABLES; id++)
        rc = check_not_null(&c, id);
    if (rc == LS_OK)
        rc = check_indexes(&c);
    if (rc == LS_OK)
        rc = check_order(&c);
    if (rc == LS_OK)
        rc = check_rights(&c);
    return rc == LS_OK ? check_installed(&c) : rc;
}

/* ---- repair ---- */

enum ls_rc ls_pg_repair(const struct ls_pg_opts *opts, uint64_t *out_changed, struct ls_err *err)
{
    static const char begin[] = "BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(" LS_PG_LOCK_WRITER ")";
    static const char repair[] =
        "WITH lost AS (INSERT INTO lockstep.lockstep_object (key, size, etag, mtime_ns, mode, uid, gid, content_type, "
        "known) SELECT {text i image.file_name}, 0, '', 0, 0, 0, 0, '', false FROM {image} i WHERE {live i image} "
        "AND {text i image.file_name} > '' ON CONFLICT DO NOTHING RETURNING 1), surplus AS (DELETE FROM "
        "lockstep.lockstep_object o WHERE NOT EXISTS (SELECT 1 FROM {image} i WHERE {is i image.file_name o.key} "
        "AND {live i image}) RETURNING 1) SELECT (SELECT count(*) FROM lost) + (SELECT count(*) FROM surplus)";
    LS_AUTO(ls_catalog) struct ls_catalog *base = NULL;
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    *out_changed = 0;
    enum ls_rc rc = ls_pg_connect_patient(opts, &base, err);
    if (rc != LS_OK)
        return rc;
    struct ls_pg *cat = ls_pg_of(base);
    rc = ls_pg_resolve(cat->writer, &cat->mapping, err);
    const struct checking c = {cat->writer, &cat->mapping, NULL, err};
    if (rc == LS_OK)
        rc = ls_pg_script(cat->writer, begin, "repair the records", NULL, err);
    if (rc == LS_OK)
        rc = ask(&c, repair, &res);
    if (rc == LS_OK)
        rc = ls_pg_script(cat->writer, "COMMIT", "repair the records", NULL, err);
    if (rc == LS_OK)
        *out_changed = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
    return rc;
}

/* ---- the way out ---- */

static enum ls_rc refuse_running(struct ls_catalog *base, struct ls_err *err)
{
    struct ls_instance_page page;
    enum ls_rc rc = ls_pg_instance_list(base, &page, err);
    for (size_t i = 0; rc == LS_OK && i < page.n; i++)
        if (page.items[i].alive)
            rc = ls_err_set(err, LS_BUSY, "catalog: a %s of lockstep runs on %s (process %lld): end it first",
                            page.items[i].kind, page.items[i].host, (long long)page.items[i].pid);
    ls_instance_page_dispose(&page);
    return rc;
}

enum ls_rc ls_pg_alone(struct ls_catalog *base, struct ls_err *err)
{
    static const char locks[] = "BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(" LS_PG_LOCK_SCHEMA
                                "); SELECT pg_catalog.pg_advisory_xact_lock(" LS_PG_LOCK_WRITER ")";
    LS_AUTO(ls_pg_result) PGresult *open = NULL;
    struct ls_pg_conn *conn = ls_pg_of(base)->writer;
    enum ls_rc rc = refuse_running(base, err);
    if (rc == LS_OK)
        rc = ls_pg_script(conn, locks, "wait for others", NULL, err);
    if (rc == LS_OK)
        rc = refuse_running(base, err);
    if (rc == LS_OK)
        rc = ls_pg_script(conn, "SELECT count(*) FROM lockstep.lockstep_intent", "look for intents", &open, err);
    if (rc == LS_OK && strcmp(PQgetvalue(open, 0, 0), "0") != 0)
        rc = ls_err_set(err, LS_BUSY, "catalog %s: operations are open: `lockstep recover` settles them",
                        conn->cat->label);
    return rc;
}

enum ls_rc ls_pg_schema_drop(struct ls_pg_conn *conn, const char *schema, struct ls_err *err)
{
    /* Other people's objects that depend on ours make it fail. */
    static const char drop[] =
        "DO $$ DECLARE r record; BEGIN "
        "FOR r IN SELECT p.oid::regprocedure AS f FROM pg_catalog.pg_proc p WHERE p.pronamespace = "
        "'%1$s'::regnamespace "
        "AND p.prorettype = 'trigger'::regtype LOOP EXECUTE 'DROP FUNCTION ' || r.f || ' CASCADE'; END LOOP; "
        "FOR r IN SELECT p.oid::regprocedure AS f FROM pg_catalog.pg_proc p WHERE p.pronamespace = "
        "'%1$s'::regnamespace "
        "LOOP EXECUTE 'DROP FUNCTION ' || r.f; END LOOP; "
        "FOR r IN SELECT c.conrelid::regclass AS t, pg_catalog.quote_ident(c.conname) AS n "
        "FROM pg_catalog.pg_constraint c WHERE c.connamespace = '%1$s'::regnamespace AND c.contype = 'f' "
        "LOOP EXECUTE 'ALTER TABLE ' || r.t || ' DROP CONSTRAINT ' || r.n; END LOOP; "
        "FOR r IN SELECT c.oid::regclass AS t FROM pg_catalog.pg_class c WHERE c.relnamespace = '%1$s'::regnamespace "
        "AND c.relkind = 'r' LOOP EXECUTE 'DROP TABLE ' || r.t; END LOOP; "
        "DROP SCHEMA %1$s; END $$";
    LS_AUTO(ls_free) char *sql = ls_strf(drop, schema);
    return sql ? ls_pg_script(conn, sql, "remove lockstep's schema", NULL, err) : ls_err_nomem(err);
}

enum ls_rc ls_pg_detach(const struct ls_pg_opts *opts, struct ls_err *err)
{
    LS_AUTO(ls_catalog) struct ls_catalog *base = NULL;
    unsigned version;
    enum ls_rc rc = ls_pg_connect_patient(opts, &base, err);
    if (rc != LS_OK)
        return rc;
    struct ls_pg *cat = ls_pg_of(base);
    rc = ls_pg_version(cat->writer, &version, err);
    if (rc != LS_OK)
        return rc;
    if (cat->mapping.own)
        return ls_err_set(err, LS_INVALID, "catalog %s: the config has no [map.*]: its tables are lockstep's own",
                          cat->label);
    if (version == 0)
        return ls_err_set(err, LS_NOT_FOUND, "catalog %s: nothing of lockstep is there", cat->label);
    rc = ls_pg_alone(base, err);
    if (rc == LS_OK)
        rc = ls_pg_schema_drop(cat->writer, "lockstep", err);
    /* Otherwise closing the connection rolls back. */
    return rc == LS_OK ? ls_pg_script(cat->writer, "COMMIT", "detach", NULL, err) : rc;
}
