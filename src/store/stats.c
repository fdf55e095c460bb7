/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stats: count calls, items, errors, time and bytes. Changes nothing. Thread rule: any thread; the counters are atomic.
 */
#include "store/backends.h"

#include <stdlib.h>

#include "base/clock.h"

struct stats_store {
    struct ls_store base;
    struct ls_store *inner;
    struct ls_store_stats *stats;
};

const char *ls_store_op_name(enum ls_store_op op)
{
    static const char *const names[LS_STORE_OP_COUNT] = {"probe", "create", "head", "get",   "put",
                                                         "copy",  "remove", "list", "abort", "url"};
    return names[op];
}

static struct stats_store *stats_store(struct ls_store *store) { return (struct stats_store *)store; }

static struct ls_store *inner(struct ls_store *store) { return stats_store(store)->inner; }

/* Not found is an answer; what a caller has to handle as a failure counts as an error. */
static enum ls_rc count(struct ls_store *store, enum ls_store_op op, size_t items, int64_t begun_ns, enum ls_rc rc)
{
    struct ls_store_stats *stats = stats_store(store)->stats;
    int64_t took_us = (ls_now_ns() - begun_ns) / 1000;
    atomic_fetch_add(&stats->op[op].calls, 1);
    atomic_fetch_add(&stats->op[op].items, items);
    atomic_fetch_add(&stats->op[op].total_us, took_us > 0 ? (uint64_t)took_us : 0);
    if (rc && rc != LS_NOT_FOUND)
        atomic_fetch_add(&stats->op[op].errors, 1);
    return rc;
}

static enum ls_rc stats_probe(struct ls_store *store, struct ls_store_caps *out_caps, struct ls_err *err)
{
    int64_t begun = ls_now_ns();
    return count(store, LS_STORE_OP_PROBE, 1, begun, ls_store_probe(inner(store), out_caps, err));
}

static enum ls_rc stats_create(struct ls_store *store, struct ls_err *err)
{
    int64_t begun = ls_now_ns();
    return count(store, LS_STORE_OP_CREATE, 1, begun, ls_store_create(inner(store), err));
}

static enum ls_rc stats_head(struct ls_store *store, struct ls_store_head *items, size_t n, struct ls_err *err)
{
    int64_t begun = ls_now_ns();
    return count(store, LS_STORE_OP_HEAD, n, begun, ls_store_head_many(inner(store), items, n, err));
}

struct counted_sink {
    ls_store_sink sink;
    void *ctx;
    struct ls_store_stats *stats;
};

static enum ls_rc count_bytes(void *ctx, const void *data, size_t len)
{
    struct counted_sink *counted = ctx;
    atomic_fetch_add(&counted->stats->bytes_read, len);
    return counted->sink(counted->ctx, data, len);
}

static enum ls_rc stats_get(struct ls_store *store, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                            struct ls_object_info *out_info, struct ls_err *err)
{
    struct counted_sink counted = {sink, ctx, stats_store(store)->stats};
    int64_t begun = ls_now_ns();
    return count(store, LS_STORE_OP_GET, 1, begun,
                 ls_store_get(inner(store), get, count_bytes, &counted, out_info, err));
}

static enum ls_rc stats_put(struct ls_store *store, const struct ls_store_put *put, struct ls_object_info *out_info,
                            struct ls_err *err)
{
    int64_t begun = ls_now_ns();
    enum ls_rc rc = ls_store_put(inner(store), put, out_info, err);
    if (!rc)
        atomic_fetch_add(&stats_store(store)->stats->bytes_written, put->size_bytes);
    return count(store, LS_STORE_OP_PUT, 1, begun, rc);
}

static enum ls_rc stats_copy(struct ls_store *store, struct ls_store_copy *items, size_t n, struct ls_err *err)
{
    int64_t begun = ls_now_ns();
    return count(store, LS_STORE_OP_COPY, n, begun, ls_store_copy_many(inner(store), items, n, err));
}

static enum ls_rc stats_remove(struct ls_store *store, struct ls_store_delete *items, size_t n, struct ls_err *err)
{
    int64_t begun = ls_now_ns();
    return count(store, LS_STORE_OP_REMOVE, n, begun, ls_store_delete_many(inner(store), items, n, err));
}

static enum ls_rc stats_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *out_page,
                             struct ls_err *err)
{
    int64_t begun = ls_now_ns();
    enum ls_rc rc = ls_store_list(inner(store), req, out_page, err);
    return count(store, LS_STORE_OP_LIST, rc ? 0 : out_page->n, begun, rc);
}

static enum ls_rc stats_abort(struct ls_store *store, const char *key, int64_t before_ns, struct ls_err *err)
{
    int64_t begun = ls_now_ns();
    return count(store, LS_STORE_OP_ABORT, 1, begun, ls_store_abort_uploads(inner(store), key, before_ns, err));
}

static enum ls_rc stats_url(struct ls_store *store, const char *key, unsigned expires_s, char **out_url,
                            struct ls_err *err)
{
    int64_t begun = ls_now_ns();
    return count(store, LS_STORE_OP_URL, 1, begun, inner(store)->ops->url(inner(store), key, expires_s, out_url, err));
}

static enum ls_rc stats_rules(struct ls_store *store, struct ls_store_rules *rules, struct ls_err *err)
{
    return ls_store_rules(inner(store), rules, err);
}

static enum ls_rc stats_follow(struct ls_store *store, const struct ls_store_follow *follow, struct ls_err *err)
{
    return ls_store_follow(inner(store), follow, err);
}

static void stats_close(struct ls_store *store)
{
    ls_store_close(inner(store));
    free(store);
}

static const struct ls_store_ops stats_ops = {
    .name = "stats",
    .probe = stats_probe,
    .create = stats_create,
    .head = stats_head,
    .get = stats_get,
    .put = stats_put,
    .copy = stats_copy,
    .remove = stats_remove,
    .list = stats_list,
    .abort_uploads = stats_abort,
    .url = stats_url,
    .rules = stats_rules,
    .follow = stats_follow,
    .close = stats_close,
};

enum ls_rc ls_store_stats_open(struct ls_store *inner_store, struct ls_store_stats *stats, struct ls_store **out_store,
                               struct ls_err *err)
{
    struct stats_store *store = calloc(1, sizeof *store);
    if (!store) {
        ls_store_close(inner_store);
        return ls_err_nomem(err);
    }
    *store = (struct stats_store){.base.ops = &stats_ops, .inner = inner_store, .stats = stats};
    *out_store = &store->base;
    return LS_OK;
}
