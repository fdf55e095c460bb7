/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory that lives as long as one operation: allocated piece by piece, freed at once.
 */
#ifndef LOCKSTEP_ENGINE_POOL_H
#define LOCKSTEP_ENGINE_POOL_H

#include <stddef.h>

struct ls_pool_block;

/* All zero is an empty pool. */
struct ls_pool {
    struct ls_pool_block *blocks;
};

/* Zeroed and aligned for any type; NULL when out of memory. */
void *ls_pool_alloc(struct ls_pool *pool, size_t size);
/* Copy a string; NULL when out of memory, or when text is NULL. */
char *ls_pool_str(struct ls_pool *pool, const char *text);
char *ls_pool_strn(struct ls_pool *pool, const char *data, size_t len);
/* Join two strings. */
char *ls_pool_join(struct ls_pool *pool, const char *a, const char *b);
void ls_pool_dispose(struct ls_pool *pool);

static inline void ls_pool_auto(struct ls_pool *pool) { ls_pool_dispose(pool); }

#endif
