/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The contract suite: what every catalog must do. The tests know the interface only; test_catalog_contract.c runs them
 * over each back end with a fresh catalog a test.
 */
#ifndef LOCKSTEP_TESTS_CATALOG_CONTRACT_H
#define LOCKSTEP_TESTS_CATALOG_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "lockstep/catalog.h"

struct fixture;

/* One back end under test. */
struct backend {
    const char *name;
    /* Make an empty catalog in the folder dir, or open the one that is there. */
    struct ls_catalog *(*open)(const char *dir);
    /* Remove what it has outside of dir; may be NULL. */
    void (*drop)(const char *dir);
    bool utf8_keys; /* image rows have keys of valid UTF-8 only */
    bool text_ids;  /* any text can be a variant's id */
};

struct fixture {
    const struct backend *backend;
    char dir[256];
    struct ls_catalog *cat;
};

/* Tests of one subject. */
struct contract {
    const char *name;
    const struct CMUnitTest *tests;
    size_t n;
};
extern const struct contract contract_images, contract_pages, contract_products, contract_journal, contract_side,
    contract_roles, contract_scan, contract_table;

int contract_setup(void **state);
int contract_teardown(void **state);
#define CONTRACT_TEST(fn)                                                                                              \
    {                                                                                                                  \
#fn, fn, contract_setup, contract_teardown, NULL                                                               \
    }

/* Assert LS_OK, showing the error text otherwise. */
#define assert_ok(call, err)                                                                                           \
    do {                                                                                                               \
        struct ls_err *e_ = (err);                                                                                     \
        ls_err_clear(e_);                                                                                              \
        enum ls_rc rc_ = (call);                                                                                       \
        if (rc_ != LS_OK)                                                                                              \
            fail_msg("%s: %s: %s", #call, ls_rc_name(rc_), e_->text);                                                  \
    } while (0)
/* Assert a failure of this class with some text, and that the text names `named`. */
#define assert_fails(call, class, err, named)                                                                          \
    do {                                                                                                               \
        struct ls_err *e_ = (err);                                                                                     \
        ls_err_clear(e_);                                                                                              \
        enum ls_rc rc_ = (call);                                                                                       \
        if (rc_ != (class) || e_->rc != (class) || !strstr(e_->text, named))                                           \
            fail_msg("%s: %s (expected %s, naming \"%s\"): %s", #call, ls_rc_name(rc_), ls_rc_name(class), named,      \
                     e_->text);                                                                                        \
    } while (0)

/* ---- helpers that must succeed; each in a transaction of its own ---- */

struct ls_tx *begin(struct ls_catalog *cat);
void commit(struct ls_tx *tx);
/* Product and variant unless they are there; the variant's id goes to out_id (may be NULL). */
void add_variant(struct ls_catalog *cat, const char *product, const char *weight, char out_id[LS_CATALOG_ID_MAX]);
/* An image that is to be inserted, recorded, with columns p1/w1/other-images; variant_id may be NULL. */
struct ls_image_write an_image(const char *key, const char *variant_id);
/* Insert images like that; makes p1/w1. */
void add_images(struct ls_catalog *cat, const char *const *keys, size_t n);
/* Is there a row for key? */
bool has_image(struct ls_catalog *cat, const char *key);

/* Names that sort badly when '/' is taken for the lowest byte, case is folded or bytes are signed; in byte order. */
extern const char *const hostile_keys[];
extern const size_t n_hostile_keys;
/* Those of them that the back end's image rows can have; returns how many. */
size_t fit_keys(const struct backend *backend, const char *out[]);

#endif
