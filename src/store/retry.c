/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Retry: repeat what failed with LS_TRANSIENT, until a deadline.
 *
 * Waits are drawn from [0, min(CAP, BASE·2^attempt)] ("full jitter": Brooker, "Exponential Backoff And Jitter", AWS
 * 2015), so that clients that failed together do not come back together. Arrays repeat only the items that failed. A
 * read is repeated only while none of its bytes have been passed on. When a conditional write is repeated and then
 * finds its condition broken, the first try may have been the one that broke it: LS_OUTCOME_UNKNOWN, and a HEAD
 * decides. Every other error is passed on as it is. Thread rule: any thread; constant after open.
 */
#include "store/backends.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/items.h"

enum { BASE_MS = 50, CAP_MS = 5000 };

struct retry_store {
    struct ls_store base;
    struct ls_store *inner;
    int64_t deadline_ms;
};

static struct ls_store *inner(struct ls_store *store) { return ((struct retry_store *)store)->inner; }

/* The progress of one call. */
struct attempts {
    const char *what; /* for the log: the operation */
    const char *key;
    int64_t begun_ms, deadline_ms;
    unsigned n; /* that have failed */
};

static struct attempts begin(struct ls_store *store, const char *what, const char *key)
{
    return (struct attempts){what, key, ls_monotonic_ms(), ((struct retry_store *)store)->deadline_ms, 0};
}

/* Wait before the next attempt; false when the time is up. */
static bool wait_again(struct attempts *attempts)
{
    int64_t left_ms = attempts->begun_ms + attempts->deadline_ms - ls_monotonic_ms();
    unsigned shift = attempts->n < 10 ? attempts->n : 10;
    int64_t most_ms = (int64_t)BASE_MS << shift;
    attempts->n++;
    if (left_ms <= 0)
        return false;
    uint32_t draw;
    ls_random(&draw, sizeof draw);
    int64_t pause_ms = (int64_t)(draw % (uint32_t)((most_ms < CAP_MS ? most_ms : CAP_MS) + 1));
    LS_LOG_DEBUG("store", "retry", {"op", ls_v_str(attempts->what)}, {"key", ls_v_str(attempts->key)},
                 {"attempt", ls_v_uint(attempts->n)}, {"pause_ms", ls_v_int(pause_ms)});
    ls_sleep_ms(pause_ms < left_ms ? pause_ms : left_ms);
    return true;
}

/* Whoever has waited as long as that for nothing is told so: ETIMEDOUT. */
static enum ls_rc mark_late(const struct attempts *attempts, enum ls_rc rc, struct ls_err *err)
{
    bool waiting = rc == LS_TRANSIENT || rc == LS_OUTCOME_UNKNOWN || rc == LS_IO;
    /* A little less counts as well: timers of a request may end a moment before. */
    if (waiting && err && ls_monotonic_ms() - attempts->begun_ms >= attempts->deadline_ms / 10 * 9)
        err->sys_errno = ETIMEDOUT;
    return rc;
}

/* The error that is left when the time is up; status and code stay. */
static enum ls_rc give_up(const struct attempts *attempts, struct ls_err *err)
{
    if (!err)
        return LS_IO;
    struct ls_err last = *err;
    double s = (double)(ls_monotonic_ms() - attempts->begun_ms) / 1000;
    (void)ls_err_set(err, LS_IO, "%s (tried %u times in %.1f s)", last.text, attempts->n, s);
    err->sys_errno = last.sys_errno;
    err->http_status = last.http_status;
    memcpy(err->code, last.code, sizeof err->code);
    return LS_IO;
}

/* Is the call to be made again? Sets *rc and the error when not. */
static bool again(struct attempts *attempts, enum ls_rc *rc, struct ls_err *err)
{
    if (*rc != LS_TRANSIENT)
        return false;
    if (wait_again(attempts)) {
        ls_err_clear(err);
        return true;
    }
    *rc = give_up(attempts, err);
    return false;
}

/* ---- one at a time ---- */

/* Run the call until it gives something else than LS_TRANSIENT, or the time is up. Callers may pass no err; the text of
 * the last failure is needed here all the same. */
#define REPEAT(what, key, call)                                                                                        \
    do {                                                                                                               \
        struct attempts attempts_ = begin(store, what, key);                                                           \
        struct ls_err local_ = LS_ERR_INIT;                                                                            \
        err = err ? err : &local_;                                                                                     \
        enum ls_rc rc_;                                                                                                \
        do                                                                                                             \
            rc_ = (call);                                                                                              \
        while (again(&attempts_, &rc_, err));                                                                          \
        return mark_late(&attempts_, rc_, err);                                                                        \
    } while (0)

static enum ls_rc retry_probe(struct ls_store *store, struct ls_store_caps *out_caps, struct ls_err *err)
{
    REPEAT("probe", "", ls_store_probe(inner(store), out_caps, err));
}

static enum ls_rc retry_create(struct ls_store *store, struct ls_err *err)
{
    REPEAT("create", "", ls_store_create(inner(store), err));
}

static enum ls_rc retry_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *out_page,
                             struct ls_err *err)
{
    REPEAT("list", req->prefix, ls_store_list(inner(store), req, out_page, err));
}

static enum ls_rc retry_abort(struct ls_store *store, const char *key, int64_t before_ns, struct ls_err *err)
{
    REPEAT("abort", key, ls_store_abort_uploads(inner(store), key, before_ns, err));
}

static enum ls_rc retry_url(struct ls_store *store, const char *key, unsigned expires_s, char **out_url,
                            struct ls_err *err)
{
    return inner(store)->ops->url(inner(store), key, expires_s, out_url, err);
}

static enum ls_rc retry_rules(struct ls_store *store, struct ls_store_rules *rules, struct ls_err *err)
{
    REPEAT("rules", NULL, ls_store_rules(inner(store), rules, err));
}

static enum ls_rc retry_follow(struct ls_store *store, const struct ls_store_follow *follow, struct ls_err *err)
{
    return ls_store_follow(inner(store), follow, err);
}

/* ---- get ---- */

struct watched_sink {
    ls_store_sink sink;
    void *ctx;
    bool called;
};

static enum ls_rc watch_sink(void *ctx, const void *data, size_t len)
{
    struct watched_sink *watched = ctx;
    watched->called = true;
    return watched->sink(watched->ctx, data, len);
}

static enum ls_rc retry_get(struct ls_store *store, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                            struct ls_object_info *out_info, struct ls_err *err)
{
    struct watched_sink watched = {sink, ctx, false};
    struct attempts attempts = begin(store, "get", get->key);
    struct ls_err local = LS_ERR_INIT;
    err = err ? err : &local;
    enum ls_rc rc;
    do
        rc = ls_store_get(inner(store), get, watch_sink, &watched, out_info, err);
    while (!watched.called && again(&attempts, &rc, err));
    return mark_late(&attempts, rc, err);
}

/* ---- put ---- */

static enum ls_rc retry_put(struct ls_store *store, const struct ls_store_put *put, struct ls_object_info *out_info,
                            struct ls_err *err)
{
    struct attempts attempts = begin(store, "put", put->key);
    struct ls_err local = LS_ERR_INIT;
    err = err ? err : &local;
    enum ls_rc rc;
    do
        rc = ls_store_put(inner(store), put, out_info, err);
    while (again(&attempts, &rc, err));
    if (attempts.n > 0 && put->condition != LS_PUT_ALWAYS && (rc == LS_EXISTS || rc == LS_CONFLICT))
        return ls_err_set(err, LS_OUTCOME_UNKNOWN,
                          "store: PUT %s: it failed and was repeated; now the name is taken, maybe by the first try",
                          put->key);
    return mark_late(&attempts, rc, err);
}

/* ---- arrays ---- */

/* Move the items that failed with LS_TRANSIENT to the front of `some`, their places in `at`. */
static size_t gather(const struct ls_items_kind *kind, void *items, size_t n, void *some, size_t *at)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (*ls_items_rc(kind, items, i) != LS_TRANSIENT)
            continue;
        memcpy(ls_items_at(kind, some, found), ls_items_at(kind, items, i), kind->size);
        at[found++] = i;
    }
    return found;
}

static enum ls_rc repeat_failed(struct ls_store *store, const struct ls_items_kind *kind, void *items, size_t n,
                                struct attempts *attempts, struct ls_err *err)
{
    LS_AUTO(ls_free) void *some = calloc(n, kind->size);
    LS_AUTO(ls_free) size_t *at = calloc(n, sizeof *at);
    if (!some || !at)
        return ls_err_nomem(err);
    for (;;) {
        size_t failed = gather(kind, items, n, some, at);
        if (failed == 0)
            return ls_items_result(kind, items, n, err);
        bool more = wait_again(attempts);
        if (more)
            (void)!kind->call(inner(store), some, failed, NULL);
        for (size_t i = 0; i < failed; i++) {
            if (!more)
                *ls_items_rc(kind, some, i) = give_up(attempts, ls_items_err(kind, some, i));
            memcpy(ls_items_at(kind, items, at[i]), ls_items_at(kind, some, i), kind->size);
        }
    }
}

static enum ls_rc retry_items(struct ls_store *store, const struct ls_items_kind *kind, const char *what, void *items,
                              size_t n, struct ls_err *err)
{
    struct attempts attempts = begin(store, what, n ? ls_items_key(kind, items, 0) : "");
    enum ls_rc rc = kind->call(inner(store), items, n, err);
    for (size_t i = 0; i < n; i++)
        if (*ls_items_rc(kind, items, i) == LS_TRANSIENT) {
            rc = repeat_failed(store, kind, items, n, &attempts, err);
            break;
        }
    for (size_t i = 0; i < n; i++)
        (void)mark_late(&attempts, *ls_items_rc(kind, items, i), ls_items_err(kind, items, i));
    return mark_late(&attempts, rc, err);
}

static enum ls_rc retry_head(struct ls_store *store, struct ls_store_head *items, size_t n, struct ls_err *err)
{
    return retry_items(store, &ls_items_head, "head", items, n, err);
}

static enum ls_rc retry_copy(struct ls_store *store, struct ls_store_copy *items, size_t n, struct ls_err *err)
{
    return retry_items(store, &ls_items_copy, "copy", items, n, err);
}

static enum ls_rc retry_remove(struct ls_store *store, struct ls_store_delete *items, size_t n, struct ls_err *err)
{
    return retry_items(store, &ls_items_remove, "delete", items, n, err);
}

static void retry_close(struct ls_store *store)
{
    ls_store_close(inner(store));
    free(store);
}

static const struct ls_store_ops retry_ops = {
    .name = "retry",
    .probe = retry_probe,
    .create = retry_create,
    .head = retry_head,
    .get = retry_get,
    .put = retry_put,
    .copy = retry_copy,
    .remove = retry_remove,
    .list = retry_list,
    .abort_uploads = retry_abort,
    .url = retry_url,
    .rules = retry_rules,
    .follow = retry_follow,
    .close = retry_close,
};

enum ls_rc ls_store_retry_open(struct ls_store *inner_store, int64_t deadline_ms, struct ls_store **out_store,
                               struct ls_err *err)
{
    struct retry_store *retry = calloc(1, sizeof *retry);
    if (!retry) {
        ls_store_close(inner_store);
        return ls_err_nomem(err);
    }
    *retry = (struct retry_store){.base.ops = &retry_ops, .inner = inner_store, .deadline_ms = deadline_ms};
    *out_store = &retry->base;
    return LS_OK;
}
