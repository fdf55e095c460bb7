/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Joining an application's database: propose a mapping, check one, leave again. Only the command line and tests include
 * this. Installing is ls_catalog_pg_open with the mapping and create. Each call makes a connection of its own; nothing
 * but ls_pg_detach changes the database.
 */
#ifndef LOCKSTEP_CATALOG_ATTACH_H
#define LOCKSTEP_CATALOG_ATTACH_H

#include <stdint.h>

#include "catalog/mapping.h"

struct ls_pg_opts; /* backends.h */

/* Texts in whole lines. */
struct ls_attach_report {
    bool installed;         /* triggers and side tables are there */
    bool other_mapping;     /* but they were made for another mapping */
    unsigned n_problems;    /* lines of problems: what keeps lockstep from working */
    struct ls_buf problems; /* each says what to do, as SQL or as a line of the config */
    struct ls_buf advice;   /* what would be better */
    struct ls_buf grants;   /* SQL: all that the role needs, whether it has it or not */
};
void ls_attach_report_init(struct ls_attach_report *report);
void ls_attach_report_auto(struct ls_attach_report *report);

/* Find the tables by their names, columns and foreign keys. LS_NOT_FOUND says what could not be told. */
enum ls_rc ls_pg_propose(const struct ls_pg_opts *opts, struct ls_mapping *out, struct ls_err *err) LS_MUST_CHECK;

/* Look at everything. An error only when the question could not be asked, or the mapping is refused. */
enum ls_rc ls_pg_attach_check(const struct ls_pg_opts *opts, struct ls_attach_report *report, struct ls_err *err)
    LS_MUST_CHECK;

/* Give each image row its row in lockstep_object, and take away what has none: for rows that were changed while
 * triggers did not run. */
enum ls_rc ls_pg_repair(const struct ls_pg_opts *opts, uint64_t *out_changed, struct ls_err *err) LS_MUST_CHECK;

/* Attach by another mapping than before; what was kept stays. LS_BUSY as below. */
enum ls_rc ls_pg_remap(const struct ls_pg_opts *opts, struct ls_err *err) LS_MUST_CHECK;

/* Remove triggers, functions and the schema lockstep. LS_BUSY while processes run or intents are open; LS_NOT_FOUND:
 * there is nothing; LS_INVALID: the tables are our own. */
enum ls_rc ls_pg_detach(const struct ls_pg_opts *opts, struct ls_err *err) LS_MUST_CHECK;

#endif
