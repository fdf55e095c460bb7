/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog of the engine's tests, and SQL on it as another program runs it: SQLite, or PostgreSQL with -DWORLD_PG.
 */
#include "engine/world.h"

#include <sqlite3.h>
#include <unistd.h>

#include "catalog/backends.h"

#ifdef WORLD_PG
#include "catalog/pg_fixture.h"

const bool world_is_pg = true;

void world_catalog_make(void)
{
    if (!pg_server()) {
        print_message("LOCKSTEP_TEST_PG_URL is not set\n");
        exit(77);
    }
    (void)pg_url(); /* before the first fork: children use the same database */
}

enum ls_rc world_catalog_open(struct world *w)
{
    const struct ls_pg_opts opts = {.url = pg_url(), .create = true, .busy_timeout_ms = 30000};
    return ls_catalog_pg_open(&opts, &w->catalog, &w->err);
}

/* One connection between two emptyings: making one takes longer than a statement. A child makes its own. */
static PGconn *shell;
static pid_t shell_owner;

void world_catalog_remove(void)
{
    if (shell && shell_owner == getpid())
        PQfinish(shell);
    shell = NULL;
    pg_empty();
}

enum { BOOL_OID = 16, BYTEA_OID = 17 };

/* Booleans and bytes read as SQLite shows them; `bytes` holds those of one row. */
static char *value_of(PGresult *res, int row, int column, char bytes[2048])
{
    static char truth[2][2] = {"0", "1"};
    if (PQgetisnull(res, row, column))
        return NULL;
    if (PQftype(res, column) == BOOL_OID)
        return truth[PQgetvalue(res, row, column)[0] == 't'];
    if (PQftype(res, column) != BYTEA_OID)
        return PQgetvalue(res, row, column);
    size_t len;
    unsigned char *data = PQunescapeBytea((unsigned char *)PQgetvalue(res, row, column), &len);
    assert_true(data && len < 2048);
    memcpy(bytes, data, len);
    bytes[len] = '\0';
    PQfreemem(data);
    return bytes;
}

static void run(const struct world *w, void (*row)(void *ctx, int n, char **values), void *ctx, const char *text)
{
    (void)w;
    static char bytes[16][2048];
    char *values[16];
    if (!shell || shell_owner != getpid()) {
        shell = pg_shell();
        shell_owner = getpid();
    }
    PGconn *conn = shell;
    PGresult *res = PQexec(conn, text);
    if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(conn));
    for (int i = 0; i < PQntuples(res); i++) {
        for (int c = 0; c < PQnfields(res) && c < 16; c++)
            values[c] = value_of(res, i, c, bytes[c]);
        row(ctx, PQnfields(res), values);
    }
    PQclear(res);
}

void sql_refuse(const struct world *w, const char *statement, const char *like)
{
    sql(w, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
           "$$ BEGIN RAISE EXCEPTION 'refused'; END $$");
    sql(w,
        "CREATE TRIGGER refuse BEFORE %s ON product_image FOR EACH ROW WHEN (NEW.file_name LIKE '%s') "
        "EXECUTE FUNCTION refuse()",
        statement, like);
}

void sql_allow(const struct world *w) { sql(w, "DROP FUNCTION refuse CASCADE"); }

void sql_forget(const struct world *w) { sql(w, "UPDATE lockstep_object SET known = false, etag = '', size = 0"); }

#else

const bool world_is_pg = false;

void world_catalog_make(void) {}
void world_catalog_remove(void) {}

enum ls_rc world_catalog_open(struct world *w)
{
    const struct ls_sqlite_opts opts = {.path = w->db, .create = true, .busy_timeout_ms = 30000};
    return ls_catalog_sqlite_open(&opts, &w->catalog, &w->err);
}

struct rows {
    void (*row)(void *ctx, int n, char **values);
    void *ctx;
};

static int one_row(void *ctx, int n, char **values, char **names)
{
    const struct rows *rows = ctx;
    (void)names;
    rows->row(rows->ctx, n, values);
    return 0;
}

static void run(const struct world *w, void (*row)(void *ctx, int n, char **values), void *ctx, const char *text)
{
    sqlite3 *db;
    char *message = NULL;
    struct rows rows = {row, ctx};
    assert_int_equal(sqlite3_open(w->db, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 30000);
    sqlite3_exec(db, "PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0", NULL, NULL, NULL);
    if (sqlite3_exec(db, text, one_row, &rows, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(db);
}

void sql_refuse(const struct world *w, const char *statement, const char *like)
{
    sql(w,
        "CREATE TRIGGER refuse BEFORE %s ON product_image WHEN NEW.file_name LIKE '%s' "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END",
        statement, like);
}

void sql_allow(const struct world *w) { sql(w, "DROP TRIGGER refuse"); }

void sql_forget(const struct world *w) { sql(w, "DELETE FROM lockstep_object"); }
#endif

struct first {
    bool seen;
    char text[2048];
};

static void keep_first(void *ctx, int n, char **values)
{
    struct first *first = ctx;
    if (n > 0 && !first->seen && values[0])
        snprintf(first->text, sizeof(first->text), "%s", values[0]);
    first->seen = first->seen || (n > 0 && values[0]);
}

static void format(char text[4096], const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void format(char text[4096], const char *fmt, va_list args) { vsnprintf(text, 4096, fmt, args); }

void sql(const struct world *w, const char *fmt, ...)
{
    char text[4096];
    struct first ignored = {0};
    va_list args;
    va_start(args, fmt);
    format(text, fmt, args);
    va_end(args);
    run(w, keep_first, &ignored, text);
}

void sql_rows(const struct world *w, void (*row)(void *ctx, int n, char **values), void *ctx, const char *fmt, ...)
{
    char text[4096];
    va_list args;
    va_start(args, fmt);
    format(text, fmt, args);
    va_end(args);
    run(w, row, ctx, text);
}

const char *sql_text(const struct world *w, const char *fmt, ...)
{
    static struct first first;
    char text[4096];
    va_list args;
    va_start(args, fmt);
    format(text, fmt, args);
    va_end(args);
    first.seen = false;
    run(w, keep_first, &first, text);
    return first.seen ? first.text : NULL;
}

int64_t sql_int(const struct world *w, const char *fmt, ...)
{
    struct first first = {0};
    char text[4096];
    va_list args;
    va_start(args, fmt);
    format(text, fmt, args);
    va_end(args);
    run(w, keep_first, &first, text);
    return first.seen ? strtoll(first.text, NULL, 10) : -1;
}
