/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The memory behind a result page: many small allocations, freed in one go.
 *
 * Nothing is freed on its own. An arena belongs to one thread at a time.
 */
#ifndef LOCKSTEP_CATALOG_ARENA_H
#define LOCKSTEP_CATALOG_ARENA_H

#include <stddef.h>

struct ls_arena;

/* NULL when out of memory. */
struct ls_arena *ls_arena_new(void);
/* Takes NULL. */
void ls_arena_free(struct ls_arena *arena);

/* Copy len bytes and put a NUL behind them; NULL when out of memory. */
char *ls_arena_dup(struct ls_arena *arena, const char *data, size_t len);

static inline void ls_arena_auto(struct ls_arena *const *owned) { ls_arena_free(*owned); }

#endif
