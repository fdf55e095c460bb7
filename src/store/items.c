/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The array operations seen alike.
 */
#include "store/items.h"

static enum ls_rc call_head(struct ls_store *store, void *items, size_t n, struct ls_err *err)
{
    return store->ops->head(store, items, n, err);
}

static enum ls_rc call_copy(struct ls_store *store, void *items, size_t n, struct ls_err *err)
{
    return store->ops->copy(store, items, n, err);
}

static enum ls_rc call_remove(struct ls_store *store, void *items, size_t n, struct ls_err *err)
{
    return store->ops->remove(store, items, n, err);
}

/* A copy is named by its source: that is what its precondition is about. */
#define ITEMS_KIND(op, type, key, call)                                                                                \
    {                                                                                                                  \
        op, sizeof(struct type), offsetof(struct type, key), offsetof(struct type, rc), offsetof(struct type, err),    \
            call                                                                                                       \
    }
const struct ls_items_kind ls_items_head = ITEMS_KIND(LS_STORE_OP_HEAD, ls_store_head, key, call_head);
const struct ls_items_kind ls_items_copy = ITEMS_KIND(LS_STORE_OP_COPY, ls_store_copy, from, call_copy);
const struct ls_items_kind ls_items_remove = ITEMS_KIND(LS_STORE_OP_REMOVE, ls_store_delete, key, call_remove);

enum ls_rc ls_items_result(const struct ls_items_kind *kind, void *items, size_t n, struct ls_err *err)
{
    for (size_t i = 0; i < n; i++) {
        enum ls_rc rc = *ls_items_rc(kind, items, i);
        if (!rc || rc == LS_NOT_FOUND)
            continue;
        if (err)
            *err = *ls_items_err(kind, items, i);
        return rc;
    }
    return LS_OK;
}
