/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A bucket directory, a catalog and an engine over both, in a temporary folder; faults; and an oracle that looks at the
 * files and at the database without any of our own code. The catalog is SQLite, or PostgreSQL with -DWORLD_PG.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_WORLD_H
#define LOCKSTEP_TESTS_ENGINE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lockstep/engine.h"
#include "store/backends.h"

struct world;

/* What happens at one store call. */
struct fault {
    enum ls_store_op op;
    const char *key; /* part of the key; "" = any */
    bool after;      /* the store did it, the answer is replaced */
    int at_hit;      /* 0 = each time, n = only the nth time */
    enum ls_rc rc;   /* LS_OK = only call then() */
    void (*then)(struct world *world, const char *key);
    int hits, fired;
};

struct world {
    char dir[64], bucket[80], db[80];
    struct ls_layout *layout;
    struct ls_store *store;
    struct ls_catalog *catalog;
    struct ls_engine *engine;
    struct fault faults[4];
    size_t n_faults;
    int64_t claim_wait_ms; /* of the engine that is opened next; 0 = 2,000 */
    struct ls_err err;
};

extern const bool world_is_pg;

/* Make folder and open everything; and the reverse. */
void world_make(struct world *w);
void world_remove(struct world *w);
/* The catalog alone: before the first, opening one, after the last. */
void world_catalog_make(void);
enum ls_rc world_catalog_open(struct world *w);
void world_catalog_remove(void);
/* Only the engine with its back ends. */
void world_open(struct world *w);
void world_close(struct world *w);
/* As cmocka setup and teardown; *state is the world. */
int world_setup(void **state);
int world_teardown(void **state);
/* A second engine on the same bucket and catalog. */
void world_twin(const struct world *w, struct world *out);

struct fault *world_fault(struct world *w, struct fault fault);
void world_no_faults(struct world *w);

/* Through the engine. */
enum ls_rc put_text(struct world *w, const char *key, const char *text);
enum ls_rc put_with(struct world *w, struct ls_engine_put put, const char *text);
enum ls_rc remove_keys(struct world *w, const char *key, const char *or_key);
enum ls_rc mend_one(struct world *w, enum ls_mend mend, struct ls_mend_item *item);
void must(struct world *w, enum ls_rc rc);

/* Beside the engine: files and SQL. */
void object_write(const struct world *w, const char *key, const char *text);
void object_remove(const struct world *w, const char *key);
/* Static text, or NULL when there is none. */
const char *object_text(const struct world *w, const char *key);
/* MD5 in hex of a text; one of four static buffers. */
const char *md5_of(const char *text);
void sql(const struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Each row's values as text, NULL for SQL NULL. */
void sql_rows(const struct world *w, void (*row)(void *ctx, int n, char **values), void *ctx, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* From now on the database refuses statements ("INSERT", "UPDATE") on image rows whose key is LIKE this; and no more.
 */
void sql_refuse(const struct world *w, const char *statement, const char *like);
void sql_allow(const struct world *w);
/* Nothing is recorded of any object, as if the application had written the rows. */
void sql_forget(const struct world *w);
int64_t sql_int(const struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* First column of the first row; static text, or NULL. */
const char *sql_text(const struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The invariants: each row's object is there with the recorded etag and size, the columns agree with the key, exactly
 * `orphans` objects have no row, trash rows and trash objects agree, no intent is open. Returns what is wrong in a
 * static text, or NULL. */
const char *world_wrong(const struct world *w, int orphans);
#define assert_in_step(w, orphans)                                                                                     \
    do {                                                                                                               \
        const char *wrong_ = world_wrong(w, orphans);                                                                  \
        if (wrong_)                                                                                                    \
            fail_msg("%s", wrong_);                                                                                    \
    } while (0)
/* Rows and objects as a text that can be compared; heap. */
char *world_dump(const struct world *w);

#define assert_rc(w, expected, call)                                                                                   \
    do {                                                                                                               \
        ls_err_clear(&(w)->err);                                                                                       \
        enum ls_rc rc_ = (call);                                                                                       \
        if (rc_ != (expected))                                                                                         \
            fail_msg("%s: %s instead of %s: %s", #call, ls_rc_name(rc_), ls_rc_name(expected), (w)->err.text);         \
    } while (0)

#define IMG(weight, name) "products/p1/" weight "/hero-card/" name

#endif
