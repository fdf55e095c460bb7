/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the tests of the SQLite back end share: a catalog in a folder of its own, and a plain connection beside it, set
 * up as the sqlite3 shell does it, for what other programs would do.
 */
#ifndef LOCKSTEP_TESTS_CATALOG_SQLITE_FIXTURE_H
#define LOCKSTEP_TESTS_CATALOG_SQLITE_FIXTURE_H

#include "catalog/contract.h"

#include <sqlite3.h>

#include "catalog/backends.h"
#include "catalog/sqlite_impl.h"

/* The contract's fixture over SQLite; the database is dir/catalog.db. */
extern const struct backend sqlite_backend;
#define SQLITE_TEST(fn)                                                                                                \
    {                                                                                                                  \
#fn, fn, contract_setup, contract_teardown, (void *)&sqlite_backend                                            \
    }

/* The database's path; static memory. */
const char *db_path(const struct fixture *f);
/* Open with options that a test wants otherwise: short timeout, no creation. */
enum ls_rc open_with(const char *path, bool create, int64_t busy_timeout_ms, struct ls_catalog **out_cat,
                     struct ls_err *err);
/* A foreign program's connection. */
sqlite3 *shell_open(const char *path);
/* Run SQL that must succeed. */
void shell(sqlite3 *db, const char *sql);
/* The first value as text ("" for none); static memory. */
const char *shell_get(sqlite3 *db, const char *sql);
/* Do both at once with a connection of its own. */
void shell_once(const struct fixture *f, const char *sql);

#endif
