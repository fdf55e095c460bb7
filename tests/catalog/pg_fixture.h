/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A database of its own on the tests' PostgreSQL server, for each folder that a test names.
 *
 * LOCKSTEP_TEST_PG_URL names the server: postgresql:///postgres?host=…. tests/lib/pg_server.sh starts one.
 */
#ifndef LOCKSTEP_TESTS_CATALOG_PG_FIXTURE_H
#define LOCKSTEP_TESTS_CATALOG_PG_FIXTURE_H

#include <libpq-fe.h>
#include <stdbool.h>

/* Is there a server? */
bool pg_server(void);
/* The url of the folder's database, which is made when it is missing; static memory. */
const char *pg_url(const char *dir);
/* Drop it, whoever is connected. */
void pg_drop(const char *dir);
/* A plain connection to it, as another program's. The caller calls PQfinish. */
PGconn *pg_shell(const char *dir);
/* Run SQL that must succeed; the first value ("" for none) in static memory. */
const char *pg_get(PGconn *conn, const char *sql);

#endif
