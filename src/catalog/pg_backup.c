/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A copy of the catalog's rows: one snapshot of all tables as a script for psql. pg_dump is not needed.
 *
 * The script empties the tables of a catalog that `lockstep init` made and fills them again, in one transaction; the
 * triggers tell those who follow the change feed: psql -v ON_ERROR_STOP=1 -1 -f FILE DBNAME. Open intents, instances
 * and the inbox of events are of the moment and not in it.
 */
#include "catalog/copy_file.h"
#include "catalog/pg_impl.h"

#include <errno.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"

/* Each after those that it refers to. */
static const char *const product_tables[] = {"product", "product_variant", "product_image"};
static const char *const side_tables[] = {"lockstep.lockstep_object", "lockstep.lockstep_folder",
                                          "lockstep.lockstep_trash",  "lockstep.lockstep_audit",
                                          "lockstep.lockstep_scan",   "lockstep.lockstep_finding"};
#define COUNT(tables) (sizeof(tables) / sizeof(tables)[0])

/* Numbers that were given are not given again. The first two are of our own product tables. */
#define N_OWN_NUMBERED 2
static const struct {
    const char *table, *column;
} numbered[] = {{"product_variant", "id"},
                {"product_image", "id"},
                {"lockstep.lockstep_audit", "seq"},
                {"lockstep.lockstep_scan", "id"}};

static enum ls_rc fail_write(const char *path, struct ls_err *err)
{
    return ls_err_errno(err, errno, "catalog: write %s", path);
}

/* The rows of one table as they come, in COPY's text form. */
static enum ls_rc copy_rows(struct ls_pg_conn *conn, FILE *file, const char *path, struct ls_err *err)
{
    int64_t deadline_ms = ls_pg_conn_deadline(conn);
    for (;;) {
        char *data = NULL;
        int n = PQgetCopyData(conn->pg, &data, 1);
        if (n > 0) {
            bool written = fwrite(data, 1, (size_t)n, file) == (size_t)n;
            PQfreemem(data);
            if (!written)
                return fail_write(path, err);
            deadline_ms = ls_pg_conn_deadline(conn);
        } else if (n == 0) {
            if (!ls_pg_conn_read(conn, deadline_ms))
                return ls_pg_fail(conn, NULL, "copy", err);
        } else if (n == -1)
            return LS_OK;
        else
            return ls_pg_fail(conn, NULL, "copy", err);
    }
}

/* What the server says of the COPY itself, after its last row. */
static enum ls_rc end_copy(struct ls_pg_conn *conn, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (;;) {
        if (!ls_pg_conn_wait(conn, ls_pg_conn_deadline(conn)))
            return ls_pg_fail(conn, NULL, "copy", err);
        LS_AUTO(ls_pg_result) PGresult *end = PQgetResult(conn->pg);
        if (!end)
            return rc;
        if (PQresultStatus(end) != PGRES_COMMAND_OK && rc == LS_OK)
            rc = ls_pg_fail(conn, end, "copy", err);
    }
}

static enum ls_rc copy_table(struct ls_pg_conn *conn, const char *table, const char *into, FILE *file, const char *path,
                             struct ls_err *err)
{
    LS_AUTO(ls_free) char *sql = ls_strf("COPY %s TO STDOUT", table);
    if (!sql)
        return ls_err_nomem(err);
    if (fprintf(file, "COPY %s FROM stdin;\n", into) < 0)
        return fail_write(path, err);
    if (!PQsendQuery(conn->pg, sql) || !ls_pg_conn_wait(conn, ls_pg_conn_deadline(conn)))
        return ls_pg_fail(conn, NULL, "copy", err);
    LS_AUTO(ls_pg_result) PGresult *res = PQgetResult(conn->pg);
    if (PQresultStatus(res) != PGRES_COPY_OUT)
        return ls_pg_fail(conn, res, "copy", err);
    enum ls_rc rc = copy_rows(conn, file, path, err);
    if (rc != LS_OK)
        return rc;
    rc = end_copy(conn, err);
    if (rc == LS_OK && fputs("\\.\n", file) < 0)
        rc = fail_write(path, err);
    return rc;
}

/* Empty some tables and fill them. */
static enum ls_rc copy_tables(struct ls_pg_conn *conn, const char *const *tables, size_t n, FILE *file,
                              const char *path, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (size_t i = n; i > 0; i--)
        if (fprintf(file, "DELETE FROM %s;\n", tables[i - 1]) < 0)
            return fail_write(path, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        rc = copy_table(conn, tables[i], tables[i], file, path, err);
    return rc;
}

/* A question whose answer is one text. */
static enum ls_rc ask_text(struct ls_pg_conn *conn, const char *template, struct ls_buf *out, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf sql = LS_BUF_INIT(LS_BUF_LINE);
    enum ls_rc rc = ls_mapping_expand(&conn->cat->mapping, template, &sql, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_pg_result) PGresult *res = PQexec(conn->pg, sql.data);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return ls_pg_fail(conn, res, "copy", err);
    return ls_buf_adds(out, PQgetvalue(res, 0, 0)) == LS_OK ? LS_OK : ls_err_nomem(err);
}

/* "a = excluded.a, …" for the columns that the mapping names. */
static enum ls_rc add_excluded(const struct ls_map_table *table, struct ls_buf *out)
{
    enum ls_rc rc = LS_OK;
    const char *comma = "";
    for (int role = 0; rc == LS_OK && role < LS_MAP_ROLES; role++) {
        if (!table->columns[role].name[0] || role == LS_MAP_ID)
            continue;
        rc =
            ls_buf_addf(out, "%s\"%s\" = excluded.\"%s\"", comma, table->columns[role].name, table->columns[role].name);
        comma = ", ";
    }
    return rc;
}

/* The rows of an application's tables are never deleted for a restore, because others may hang on them: those that are
 * gone come back, the others get the mapping's columns back. */
static enum ls_rc copy_application(struct ls_pg_conn *conn, FILE *file, const char *path, struct ls_err *err)
{
    static const char columns_of[] =
        "SELECT string_agg(pg_catalog.quote_ident(attname), ', ' ORDER BY attnum) FROM pg_catalog.pg_attribute "
        "WHERE attrelid = '{%s}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''";
    enum ls_rc rc = LS_OK;
    for (int id = 0; rc == LS_OK && id < LS_MAP_TABLES; id++) {
        const struct ls_map_table *table = &conn->cat->mapping.tables[id];
        LS_AUTO(ls_buf) struct ls_buf name = LS_BUF_INIT(LS_BUF_LINE);
        LS_AUTO(ls_buf) struct ls_buf columns = LS_BUF_INIT(LS_BUF_LINE);
        LS_AUTO(ls_buf) struct ls_buf excluded = LS_BUF_INIT(LS_BUF_LINE);
        LS_AUTO(ls_free) char *question = ls_strf(columns_of, ls_map_table_word(id));
        if (!question || ls_map_quote_table(&name, table) != LS_OK || add_excluded(table, &excluded) != LS_OK)
            return ls_err_nomem(err);
        rc = ask_text(conn, question, &columns, err);
        LS_AUTO(ls_free) char *from = ls_strf("%s (%s)", name.data, columns.data);
        LS_AUTO(ls_free) char *to = ls_strf("lockstep_%s (%s)", ls_map_table_word(id), columns.data);
        if (rc == LS_OK && (!from || !to))
            return ls_err_nomem(err);
        if (rc == LS_OK &&
            fprintf(file, "CREATE TEMP TABLE lockstep_%s (LIKE %s);\n", ls_map_table_word(id), name.data) < 0)
            return fail_write(path, err);
        if (rc == LS_OK)
            rc = copy_table(conn, from, to, file, path, err);
        if (rc == LS_OK &&
            fprintf(file,
                    "INSERT INTO %s OVERRIDING SYSTEM VALUE SELECT %s FROM lockstep_%s "
                    "ON CONFLICT (\"%s\") DO UPDATE SET %s;\n",
                    from, columns.data, ls_map_table_word(id), table->columns[LS_MAP_ID].name, excluded.data) < 0)
            return fail_write(path, err);
    }
    return rc;
}

static enum ls_rc fill(struct ls_pg_conn *conn, FILE *file, const char *path, struct ls_err *err)
{
    static const char snapshot[] = "SET statement_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    enum ls_rc rc = ls_pg_script(conn, snapshot, "begin a copy", NULL, err);
    if (rc != LS_OK)
        return rc;
    if (!PQexitPipelineMode(conn->pg))
        return ls_pg_fail(conn, NULL, "begin a copy", err);
    fputs("-- lockstep: the rows of a catalog, see lockstep-sync(1)\n"
          "SET client_encoding = 'UTF8';\n",
          file);
    rc = conn->cat->mapping.own ? copy_tables(conn, product_tables, COUNT(product_tables), file, path, err)
                                : copy_application(conn, file, path, err);
    /* What the triggers have made for those rows goes before what was recorded of them. */
    if (rc == LS_OK)
        rc = copy_tables(conn, side_tables, COUNT(side_tables), file, path, err);
    for (size_t i = conn->cat->mapping.own ? 0 : N_OWN_NUMBERED; i < COUNT(numbered); i++)
        fprintf(file, "SELECT setval(pg_get_serial_sequence('%s', '%s'), coalesce(max(%s), 0) + 1, false) FROM %s;\n",
                numbered[i].table, numbered[i].column, numbered[i].column, numbered[i].table);
    if (rc == LS_OK && ferror(file))
        rc = fail_write(path, err);
    return rc;
}

enum ls_rc ls_pg_backup(struct ls_catalog *base, const char *to_path, struct ls_err *err)
{
    struct ls_pg *cat = ls_pg_of(base);
    LS_AUTO(ls_copy_file) struct ls_copy_file file;
    LS_AUTO(ls_pg_conn) struct ls_pg_conn *conn = NULL;
    enum ls_rc rc = ls_copy_file_open(to_path, &file, err);
    if (rc == LS_OK)
        rc = ls_pg_conn_open(cat, ls_monotonic_ms() + cat->busy_timeout_ms, &conn, err);
    if (rc != LS_OK)
        return rc;
    FILE *stream = fopen(file.temp, "we");
    if (!stream)
        return fail_write(file.temp, err);
    rc = fill(conn, stream, file.temp, err);
    if (fclose(stream) != 0 && rc == LS_OK)
        rc = fail_write(file.temp, err);
    return rc == LS_OK ? ls_copy_file_publish(&file, err) : rc;
}
