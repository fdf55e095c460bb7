/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fault: let a test replace results, before the call (it is not made) or after it (its answer is lost). Arrays are
 * asked item by item, and only the items that passed are handed on. Never part of a running program's stack. Thread
 * rule: any thread, if the test's `decide` allows it; constant after open.
 */
#include "store/backends.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "store/items.h"

struct fault_store {
    struct ls_store base;
    struct ls_store *inner;
    struct ls_store_fault fault;
};

static struct ls_store *inner(struct ls_store *store) { return ((struct fault_store *)store)->inner; }

static enum ls_rc ask(struct ls_store *store, enum ls_store_op op, const char *key, bool after, struct ls_err *err)
{
    struct ls_store_fault *fault = &((struct fault_store *)store)->fault;
    struct ls_err own = LS_ERR_INIT;
    enum ls_rc rc = fault->decide(fault->ctx, op, key, after, &own);
    if (!rc)
        return LS_OK;
    if (!own.text[0])
        return ls_err_set(err, rc, "store: fault: %s was made to fail", key);
    if (err)
        *err = own;
    return rc;
}

#define WITH_FAULTS(op, key, call)                                                                                     \
    do {                                                                                                               \
        enum ls_rc rc_ = ask(store, op, key, false, err);                                                              \
        if (rc_)                                                                                                       \
            return rc_;                                                                                                \
        rc_ = (call);                                                                                                  \
        enum ls_rc after_ = ask(store, op, key, true, err);                                                            \
        return after_ ? after_ : rc_;                                                                                  \
    } while (0)

static enum ls_rc fault_probe(struct ls_store *store, struct ls_store_caps *out_caps, struct ls_err *err)
{
    WITH_FAULTS(LS_STORE_OP_PROBE, "", ls_store_probe(inner(store), out_caps, err));
}

static enum ls_rc fault_create(struct ls_store *store, struct ls_err *err)
{
    WITH_FAULTS(LS_STORE_OP_CREATE, "", ls_store_create(inner(store), err));
}

static enum ls_rc fault_get(struct ls_store *store, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                            struct ls_object_info *out_info, struct ls_err *err)
{
    WITH_FAULTS(LS_STORE_OP_GET, get->key, ls_store_get(inner(store), get, sink, ctx, out_info, err));
}

static enum ls_rc fault_put(struct ls_store *store, const struct ls_store_put *put, struct ls_object_info *out_info,
                            struct ls_err *err)
{
    WITH_FAULTS(LS_STORE_OP_PUT, put->key, ls_store_put(inner(store), put, out_info, err));
}

static enum ls_rc fault_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *out_page,
                             struct ls_err *err)
{
    enum ls_rc rc = ask(store, LS_STORE_OP_LIST, req->prefix, false, err);
    if (!rc)
        rc = ls_store_list(inner(store), req, out_page, err);
    if (rc)
        return rc;
    rc = ask(store, LS_STORE_OP_LIST, req->prefix, true, err);
    if (rc)
        ls_list_page_dispose(out_page); /* a failed call gives no page */
    return rc;
}

static enum ls_rc fault_abort(struct ls_store *store, const char *key, int64_t before_ns, struct ls_err *err)
{
    WITH_FAULTS(LS_STORE_OP_ABORT, key, ls_store_abort_uploads(inner(store), key, before_ns, err));
}

static enum ls_rc fault_url(struct ls_store *store, const char *key, unsigned expires_s, char **out_url,
                            struct ls_err *err)
{
    enum ls_rc rc = ask(store, LS_STORE_OP_URL, key, false, err);
    return rc ? rc : inner(store)->ops->url(inner(store), key, expires_s, out_url, err);
}

static enum ls_rc fault_rules(struct ls_store *store, struct ls_store_rules *rules, struct ls_err *err)
{
    return ls_store_rules(inner(store), rules, err);
}

static enum ls_rc fault_follow(struct ls_store *store, const struct ls_store_follow *follow, struct ls_err *err)
{
    return ls_store_follow(inner(store), follow, err);
}

/* ---- arrays ---- */

static enum ls_rc fault_items(struct ls_store *store, const struct ls_items_kind *kind, void *items, size_t n,
                              struct ls_err *err)
{
    LS_AUTO(ls_free) void *some = calloc(n + 1, kind->size);
    LS_AUTO(ls_free) size_t *at = calloc(n + 1, sizeof *at);
    if (!some || !at)
        return ls_err_nomem(err);
    size_t passed = 0;
    for (size_t i = 0; i < n; i++) {
        struct ls_err *item_err = ls_items_err(kind, items, i);
        ls_err_clear(item_err);
        *ls_items_rc(kind, items, i) = ask(store, kind->op, ls_items_key(kind, items, i), false, item_err);
        if (*ls_items_rc(kind, items, i))
            continue;
        memcpy(ls_items_at(kind, some, passed), ls_items_at(kind, items, i), kind->size);
        at[passed++] = i;
    }
    enum ls_rc whole = kind->call(inner(store), some, passed, err);
    bool told = whole == LS_OK;
    for (size_t i = 0; i < passed; i++) {
        enum ls_rc *rc = ls_items_rc(kind, some, i);
        told = told || (*rc != LS_OK && *rc != LS_NOT_FOUND);
        enum ls_rc lost = ask(store, kind->op, ls_items_key(kind, some, i), true, ls_items_err(kind, some, i));
        *rc = lost ? lost : *rc;
        memcpy(ls_items_at(kind, items, at[i]), ls_items_at(kind, some, i), kind->size);
    }
    /* A failure that no item tells of (no memory) stays one of the whole. */
    return told ? ls_items_result(kind, items, n, err) : whole;
}

static enum ls_rc fault_head(struct ls_store *store, struct ls_store_head *items, size_t n, struct ls_err *err)
{
    return fault_items(store, &ls_items_head, items, n, err);
}

static enum ls_rc fault_copy(struct ls_store *store, struct ls_store_copy *items, size_t n, struct ls_err *err)
{
    return fault_items(store, &ls_items_copy, items, n, err);
}

static enum ls_rc fault_remove(struct ls_store *store, struct ls_store_delete *items, size_t n, struct ls_err *err)
{
    return fault_items(store, &ls_items_remove, items, n, err);
}

static void fault_close(struct ls_store *store)
{
    ls_store_close(inner(store));
    free(store);
}

static const struct ls_store_ops fault_ops = {
    .name = "fault",
    .probe = fault_probe,
    .create = fault_create,
    .head = fault_head,
    .get = fault_get,
    .put = fault_put,
    .copy = fault_copy,
    .remove = fault_remove,
    .list = fault_list,
    .abort_uploads = fault_abort,
    .url = fault_url,
    .rules = fault_rules,
    .follow = fault_follow,
    .close = fault_close,
};

enum ls_rc ls_store_fault_open(struct ls_store *inner_store, const struct ls_store_fault *fault,
                               struct ls_store **out_store, struct ls_err *err)
{
    struct fault_store *store = calloc(1, sizeof *store);
    if (!store) {
        ls_store_close(inner_store);
        return ls_err_nomem(err);
    }
    *store = (struct fault_store){.base.ops = &fault_ops, .inner = inner_store, .fault = *fault};
    *out_store = &store->base;
    return LS_OK;
}
