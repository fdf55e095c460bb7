/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A small world for the scanner's tests: a directory bucket and a SQLite catalog in a temporary folder, an engine over
 * both, and a foreign hand that changes either side behind its back, also in the middle of a scan.
 */
#ifndef LOCKSTEP_TESTS_SCAN_WORLD_H
#define LOCKSTEP_TESTS_SCAN_WORLD_H

/* cmocka wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lockstep/scan.h"
#include "store/backends.h"

struct world {
    char dir[128], db[160];
    struct ls_store *raw;   /* the bucket as a foreign program sees it */
    struct ls_store *store; /* the engine's: raw with the hook below */
    struct ls_catalog *cat; /* the engine's */
    struct ls_layout *layout;
    struct ls_engine *engine;
    struct ls_scan_opts opts; /* of world_scan; grace 0 */
    struct ls_scan *scan;     /* the last one */
    /* Called before and after each call of the engine's store; what it returns replaces the result. Not while it runs
     * itself. */
    enum ls_rc (*hook)(struct world *w, enum ls_store_op op, const char *key, bool after);
    atomic_int fired; /* for hooks: how often */
    int arg;          /* for hooks */
};

int world_setup(void **state);
int world_teardown(void **state);

/* An image in both places, as our own upload makes it. */
void world_image(struct world *w, const char *key, const char *bytes);
/* The same for other threads than the test's own, which must not fail a test themselves. */
enum ls_rc world_try_image(struct world *w, const char *key, const char *bytes);
/* The foreign hand. */
void world_put(struct world *w, const char *key, const char *bytes);
void world_delete(struct world *w, const char *key);
void world_move(struct world *w, const char *from, const char *to);
void world_sql(struct world *w, const char *format, ...) LS_PRINTF(2, 3);
int world_sql_int(struct world *w, const char *sql);
bool world_has_object(struct world *w, const char *key);
bool world_has_row(struct world *w, const char *key);

/* Scan with w->opts; the result stays in w->scan. */
const struct ls_scan_totals *world_scan(struct world *w);
/* Assert that the last scan found nothing but `synced` images. */
void world_in_step(struct world *w, uint64_t synced);

/* Assert that the last scan has a finding of this key and return a copy that lives until the next call. */
const struct ls_finding *world_find(struct world *w, const char *key);
bool world_found(struct world *w, const char *key);
/* All keys of the last scan, of a product or NULL, in the order in which they come, each followed by a newline. */
const char *world_keys(struct world *w, const char *product);

struct ls_sync_opts world_sync_opts(void); /* all kept, no guard */
/* Sync the last scan; asserts the result. */
struct ls_sync_totals world_sync(struct world *w, const struct ls_sync_opts *opts, enum ls_rc expected);
extern _Thread_local struct ls_err world_err; /* of the last call that failed */

#endif
