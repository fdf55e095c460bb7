/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The array operations (head, copy, remove) seen alike, so that one piece of code can judge, repeat or fail the items
 * of each. Private to src/store. No state, any thread.
 */
#ifndef LOCKSTEP_STORE_ITEMS_H
#define LOCKSTEP_STORE_ITEMS_H

#include <stddef.h>

#include "lockstep/store.h"
#include "store/backends.h"

struct ls_items_kind {
    enum ls_store_op op;
    size_t size, key_at, rc_at, err_at; /* of the item's struct and its members */
    enum ls_rc (*call)(struct ls_store *store, void *items, size_t n, struct ls_err *err);
};

extern const struct ls_items_kind ls_items_head, ls_items_copy, ls_items_remove;

static inline char *ls_items_at(const struct ls_items_kind *kind, void *items, size_t i)
{
    return (char *)items + i * kind->size;
}
static inline const char *ls_items_key(const struct ls_items_kind *kind, void *items, size_t i)
{
    return *(const char **)(void *)(ls_items_at(kind, items, i) + kind->key_at);
}
static inline enum ls_rc *ls_items_rc(const struct ls_items_kind *kind, void *items, size_t i)
{
    return (enum ls_rc *)(void *)(ls_items_at(kind, items, i) + kind->rc_at);
}
static inline struct ls_err *ls_items_err(const struct ls_items_kind *kind, void *items, size_t i)
{
    return (struct ls_err *)(void *)(ls_items_at(kind, items, i) + kind->err_at);
}

/* What an array operation returns: LS_OK when each item is LS_OK or LS_NOT_FOUND, else the first other one's error. */
enum ls_rc ls_items_result(const struct ls_items_kind *kind, void *items, size_t n, struct ls_err *err);

#endif
