/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the parts of the contract suite share: the store under test, and short ways to use it and to fail.
 */
#ifndef LOCKSTEP_TESTS_STORE_CONTRACT_TOOLS_H
#define LOCKSTEP_TESTS_STORE_CONTRACT_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "store/contract.h"
#include "store/tools.h"

/* The store under test; set by main before the groups run. */
extern struct ls_store *store;
extern struct ls_store_caps caps;
extern struct ls_err last; /* of the call that was made last */

/* The groups; each returns the number of tests that failed. */
int contract_objects(const char *way);
int contract_batches(const char *way);
int contract_listing(const char *way);

/* Remove every object; each test begins with it. */
int empty_the_container(void **state);
#define contract_test(name) cmocka_unit_test_setup(name, empty_the_container)

#define assert_rc(call, want)                                                                                          \
    do {                                                                                                               \
        ls_err_clear(&last);                                                                                           \
        enum ls_rc rc_ = (call);                                                                                       \
        if (rc_ != (want))                                                                                             \
            fail_msg("%s: %s, not %s: %s", #call, ls_rc_name(rc_), ls_rc_name(want), last.text);                       \
        assert_true(last.text[0]);                                                                                     \
    } while (0)

static inline enum ls_rc put_if(const char *key, const char *text, enum ls_put_condition condition, const char *etag,
                                struct ls_object_info *info, struct ls_err *err)
{
    LS_AUTO(ls_fd) int fd = file_of(text, strlen(text));
    struct ls_object_meta meta = {0};
    struct ls_store_put put = {
        .key = key, .fd = fd, .size_bytes = strlen(text), .condition = condition, .if_etag = etag, .meta = &meta};
    return ls_store_put(store, &put, info, err);
}

static inline struct ls_object_info put(const char *key, const char *text)
{
    struct ls_object_info info;
    assert_ok(put_if(key, text, LS_PUT_ALWAYS, NULL, &info, &last));
    return info;
}

static inline enum ls_rc collect(void *ctx, const void *data, size_t len) { return ls_buf_add(ctx, data, len); }

static inline enum ls_rc get_range(const char *key, uint64_t offset, uint64_t len, const char *if_match,
                                   struct ls_buf *out, struct ls_object_info *info)
{
    struct ls_store_get get = {.key = key, .offset = offset, .len = len, .if_match = if_match};
    return ls_store_get(store, &get, collect, out, info, &last);
}

static inline void assert_bytes(const char *key, const char *text)
{
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1000);
    assert_ok(get_range(key, 0, UINT64_MAX, NULL, &got, NULL));
    assert_string_equal(got.data, text);
}

static inline enum ls_rc rc_of_head(const char *key, struct ls_object_info *info)
{
    struct ls_object_info ignored;
    return ls_store_head_one(store, key, info ? info : &ignored, &last);
}

static inline void assert_gone(const char *key) { assert_rc(rc_of_head(key, NULL), LS_NOT_FOUND); }

static inline enum ls_rc copy_one(const char *from, const char *to, const char *if_etag,
                                  const struct ls_object_meta *meta)
{
    struct ls_store_copy item = {.from = from, .to = to, .if_etag = if_etag, .meta = meta};
    enum ls_rc rc = ls_store_copy_many(store, &item, 1, &last);
    if (!rc && item.rc)
        last = item.err;
    return item.rc;
}

/* All keys of a listing, a line each, by pages of `limit`. */
static inline void list_all(const char *prefix, const char *start_after, unsigned limit, struct ls_buf *out)
{
    LS_AUTO(ls_free) char *token = NULL;
    do {
        struct ls_list_request req = {.prefix = prefix, .start_after = start_after, .token = token, .limit = limit};
        struct ls_list_page page;
        assert_ok(ls_store_list(store, &req, &page, &last));
        assert_in_range(page.n, 0, limit ? limit : LS_STORE_BATCH);
        for (size_t i = 0; i < page.n; i++)
            assert_int_equal(ls_buf_addf(out, "%s\n", page.entries[i].key), LS_OK);
        free(token);
        token = LS_STEAL(page.token);
        ls_list_page_dispose(&page);
    } while (token);
}

static inline void assert_listing(const char *prefix, const char *start_after, const char *lines)
{
    static const unsigned limits[] = {0, 1, 2, 3, 1000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1U << 22);
        list_all(prefix, start_after, limits[i], &got);
        assert_string_equal(got.data, lines);
    }
}

#endif
