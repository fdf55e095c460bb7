/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "catalog/pg_fixture.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_DB "///postgres?"

static const char *server_url(void)
{
    const char *url = getenv("LOCKSTEP_TEST_PG_URL");
    return url && url[0] ? url : NULL;
}

bool pg_server(void) { return server_url(); }

/* /tmp/lockstep-XyZ → lockstep_xyz_hash: the letters of a folder's name fold in SQL, so a sum keeps it unique. */
static void db_name(const char *dir, char out[64])
{
    const char *base = strrchr(dir, '/') ? strrchr(dir, '/') + 1 : dir;
    unsigned sum = 5381;
    size_t n = 0;
    for (const char *c = base; *c; c++)
        sum = sum * 33 + (unsigned char)*c;
    for (const char *c = base; *c && n < 40; c++)
        out[n++] = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '_';
    snprintf(out + n, 64 - n, "_%08x", sum);
}

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

const char *pg_url(const char *dir)
{
    static char url[1024];
    char name[64], sql[256];
    db_name(dir, name);
    const char *server = server_url(), *at = server ? strstr(server, SERVER_DB) : NULL;
    if (!at)
        fail_msg("LOCKSTEP_TEST_PG_URL is no url of the form postgresql:///postgres?host=…");
    PGconn *conn = connect_to(server);
    snprintf(sql, sizeof sql, "SELECT 1 FROM pg_database WHERE datname = '%s'", name);
    if (!pg_get(conn, sql)[0]) {
        snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
        pg_get(conn, sql);
    }
    PQfinish(conn);
    snprintf(url, sizeof url, "%.*s///%s?%s", (int)(at - server), server, name, at + strlen(SERVER_DB));
    return url;
}

void pg_drop(const char *dir)
{
    char name[64], sql[128];
    db_name(dir, name);
    PGconn *conn = connect_to(server_url());
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    pg_get(conn, "SET client_min_messages = error");
    pg_get(conn, sql);
    PQfinish(conn);
}

PGconn *pg_shell(const char *dir)
{
    PGconn *conn = connect_to(pg_url(dir));
    pg_get(conn, "SET search_path = public, lockstep; SET bytea_output = escape");
    return conn;
}
