/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A database of its own on the tests' PostgreSQL server for each test program.
 *
 * LOCKSTEP_TEST_PG_URL names the server: postgresql:///postgres?host=…. tests/lib/pg_server.sh starts one.
 */
#ifndef LOCKSTEP_TESTS_CATALOG_PG_FIXTURE_H
#define LOCKSTEP_TESTS_CATALOG_PG_FIXTURE_H

#include <libpq-fe.h>
#include <stdbool.h>

/* Is there a server? */
bool pg_server(void);
/* The url of this process's database; static memory. */
const char *pg_url(void);
/* Take everything out of it, whoever is connected. */
void pg_empty(void);
/* A plain connection to it, as another program's. The caller calls PQfinish. */
PGconn *pg_shell(void);
/* Run SQL that must succeed; the first value ("" for none) in static memory. */
const char *pg_get(PGconn *conn, const char *sql);

#endif
