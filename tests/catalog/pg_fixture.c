/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "catalog/pg_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVER_DB "///postgres?"

static const char *server_url(void)
{
    const char *url = getenv("LOCKSTEP_TEST_PG_URL");
    return url && url[0] ? url : NULL;
}

bool pg_server(void) { return server_url(); }

/* Making a database takes longer than a test: a process has one, which is emptied after each test. Children of the
 * process use it as well. */
static char database[64];
static pid_t maker;

static PGconn *connect_to(const char *url)
{
    PGconn *conn = PQconnectdb(url);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    return conn;
}

const char *pg_get(PGconn *conn, const char *sql)
{
    static char text[4096];
    PGresult *res = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    text[0] = '\0';
    if (PQntuples(res) > 0)
        snprintf(text, sizeof text, "%s", PQgetvalue(res, 0, 0));
    PQclear(res);
    return text;
}

static void drop_database(void)
{
    char sql[128];
    PGconn *conn = getpid() == maker ? PQconnectdb(server_url()) : NULL;
    if (!conn)
        return;
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", database);
    PQclear(PQexec(conn, sql));
    PQfinish(conn);
}

static void make_database(void)
{
    char sql[128];
    maker = getpid();
    snprintf(database, sizeof database, "test_%d", (int)maker);
    PGconn *conn = connect_to(server_url());
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", database);
    pg_get(conn, "SET client_min_messages = error");
    pg_get(conn, sql);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", database);
    pg_get(conn, sql);
    PQfinish(conn);
    atexit(drop_database);
}

const char *pg_url(void)
{
    static char url[1024];
    const char *server = server_url(), *at = server ? strstr(server, SERVER_DB) : NULL;
    if (!at)
        fail_msg("LOCKSTEP_TEST_PG_URL is no url of the form postgresql:///postgres?host=…");
    if (!maker)
        make_database();
    snprintf(url, sizeof url, "%.*s///%s?%s", (int)(at - server), server, database, at + strlen(SERVER_DB));
    return url;
}

void pg_empty(void)
{
    PGconn *conn = connect_to(pg_url());
    pg_get(conn, "SET client_min_messages = error");
    pg_get(conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                 "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    /* The schema stays, because making it is slow; its triggers do not run in this session. */
    pg_get(
        conn,
        "SET session_replication_role = replica; DROP FUNCTION IF EXISTS refuse CASCADE; "
        "DO $$ DECLARE t regclass; BEGIN "
        "FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'r' AND n.nspname IN ('public', 'lockstep') AND c.relname <> 'lockstep_meta' LOOP "
        "EXECUTE format('DELETE FROM %s', t); END LOOP; "
        "IF to_regclass('lockstep.lockstep_meta') IS NOT NULL THEN "
        "DELETE FROM lockstep.lockstep_meta WHERE name NOT IN ('schema_version', 'change_floor', 'mapping'); END IF; "
        "END $$");
    PQfinish(conn);
}

PGconn *pg_shell(void)
{
    PGconn *conn = connect_to(pg_url());
    pg_get(conn, "SET search_path = public, lockstep; SET bytea_output = escape");
    return conn;
}
