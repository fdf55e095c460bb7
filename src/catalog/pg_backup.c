/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A copy of the catalog's rows: one snapshot of all tables as a script for psql. pg_dump is not needed.
 *
 * The script empties the tables of a catalog that `lockstep init` made and fills them again, in one transaction; the
 * triggers tell those who follow the change feed: psql -v ON_ERROR_STOP=1 -1 -f FILE DBNAME. Open intents and instances
 * are of the moment and not in it.
 */
#include "catalog/copy_file.h"
#include "catalog/pg_impl.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"

/* Each after those that it refers to. */
static const char *const product_tables[] = {"product", "product_variant", "product_image"};
static const char *const side_tables[] = {"lockstep.lockstep_object", "lockstep.lockstep_folder",
                                          "lockstep.lockstep_trash", "lockstep.lockstep_audit",
                                          "lockstep.lockstep_scan"};
#define COUNT(tables) (sizeof(tables) / sizeof(tables)[0])

/* Numbers that were given are not given again. */
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
    int64_t deadline_ms = ls_monotonic_ms() + LS_PG_STATEMENT_MS;
    for (;;) {
        char *data = NULL;
        int n = PQgetCopyData(conn->pg, &data, 1);
        if (n > 0) {
            bool written = fwrite(data, 1, (size_t)n, file) == (size_t)n;
            PQfreemem(data);
            if (!written)
                return fail_write(path, err);
            deadline_ms = ls_monotonic_ms() + LS_PG_STATEMENT_MS;
        } else if (n == 0) {
            if (!ls_pg_conn_read(conn, deadline_ms))
                return ls_pg_fail(conn, NULL, "copy", err);
        } else if (n == -1)
            return LS_OK;
        else
            return ls_pg_fail(conn, NULL, "copy", err);
    }
}

static enum ls_rc copy_table(struct ls_pg_conn *conn, const char *table, FILE *file, const char *path,
                             struct ls_err *err)
{
    char sql[128];
    snprintf(sql, sizeof sql, "COPY %s TO STDOUT", table);
    if (fprintf(file, "COPY %s FROM stdin;\n", table) < 0)
        return fail_write(path, err);
    if (!PQsendQuery(conn->pg, sql) || !ls_pg_conn_wait(conn, ls_monotonic_ms() + LS_PG_STATEMENT_MS))
        return ls_pg_fail(conn, NULL, "copy", err);
    LS_AUTO(ls_pg_result) PGresult *res = PQgetResult(conn->pg);
    if (PQresultStatus(res) != PGRES_COPY_OUT)
        return ls_pg_fail(conn, res, "copy", err);
    enum ls_rc rc = copy_rows(conn, file, path, err);
    if (rc != LS_OK)
        return rc;
    for (PGresult *end; (end = PQgetResult(conn->pg));) {
        if (PQresultStatus(end) != PGRES_COMMAND_OK && rc == LS_OK)
            rc = ls_pg_fail(conn, end, "copy", err);
        PQclear(end);
    }
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
        rc = copy_table(conn, tables[i], file, path, err);
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
    rc = copy_tables(conn, product_tables, COUNT(product_tables), file, path, err);
    /* What the triggers have made for those rows goes before what was recorded of them. */
    if (rc == LS_OK)
        rc = copy_tables(conn, side_tables, COUNT(side_tables), file, path, err);
    for (size_t i = 0; i < sizeof numbered / sizeof numbered[0]; i++)
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
