/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The constructors of the catalog's back ends. Only cli/compose.c and tests include this.
 */
#ifndef LOCKSTEP_CATALOG_BACKENDS_H
#define LOCKSTEP_CATALOG_BACKENDS_H

#include <stdint.h>

#include "lockstep/catalog.h"

struct ls_sqlite_opts {
    const char *path;
    bool create;             /* make the file and schema if missing; otherwise LS_NOT_FOUND */
    int64_t busy_timeout_ms; /* how long to wait for other writers; 0 = 10,000 */
};
enum ls_rc ls_catalog_sqlite_open(const struct ls_sqlite_opts *opts, struct ls_catalog **out_cat, struct ls_err *err)
    LS_MUST_CHECK;

struct ls_mapping;

struct ls_pg_opts {
    const char *url;         /* postgresql://…, without a password */
    bool create;             /* make the schema if missing; otherwise LS_NOT_FOUND */
    int64_t busy_timeout_ms; /* how long to wait for other writers, and for a server that went away; 0 = 10,000 */
    int64_t deadline_ms;     /* the server ends a statement that takes longer; 0 = 30,000 */
    const struct ls_mapping *mapping; /* an application's tables; NULL = our own */
};
enum ls_rc ls_catalog_pg_open(const struct ls_pg_opts *opts, struct ls_catalog **out_cat, struct ls_err *err)
    LS_MUST_CHECK;

#endif
