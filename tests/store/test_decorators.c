/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Retry, stats and fault, over a real file store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "store/backends.h"

/* retry → stats → fault → file: stats counts what the retries make. */
static char dir[64];
static struct ls_store *store;
static struct ls_store_stats stats;
static struct ls_err last;

/* What the fault layer does: give rc to the next `times` calls of op (whose key is `key`, if set). */
static struct {
    enum ls_store_op op;
    const char *key;
    enum ls_rc rc;
    bool after;
    unsigned times, fired;
} plan;

static enum ls_rc decide(void *ctx, enum ls_store_op op, const char *key, bool after, struct ls_err *err)
{
    (void)ctx;
    if (plan.times == 0 || op != plan.op || after != plan.after || (plan.key && strcmp(plan.key, key) != 0))
        return LS_OK;
    plan.times--;
    plan.fired++;
    (void)ls_err_set(err, plan.rc, "store: planned failure of %s", key);
    err->http_status = 503;
    return plan.rc;
}

static int open_with_deadline(int64_t deadline_ms)
{
    memset(&plan, 0, sizeof plan);
    memset(&stats, 0, sizeof stats);
    snprintf(dir, sizeof dir, "/tmp/ls-test-decorators-XXXXXX");
    struct ls_store_fault fault = {.decide = decide};
    return !mkdtemp(dir) || ls_store_file_open(dir, NULL, &store, NULL) ||
           ls_store_fault_open(store, &fault, &store, NULL) || ls_store_stats_open(store, &stats, &store, NULL) ||
           ls_store_retry_open(store, deadline_ms, &store, NULL);
}

/* Patient: what the store below does to the disk may take a while. */
static int open_stack(void **state)
{
    (void)state;
    return open_with_deadline(30000);
}

static int open_short(void **state)
{
    (void)state;
    return open_with_deadline(400);
}

static int close_stack(void **state)
{
    (void)state;
    char command[96];
    ls_store_close(store);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static enum ls_rc put(const char *key, enum ls_put_condition condition, const char *etag)
{
    LS_AUTO(ls_fd) int fd = memfd_create("bytes", MFD_CLOEXEC);
    assert_int_equal(write(fd, key, strlen(key)), (ssize_t)strlen(key));
    struct ls_store_put req = {
        .key = key, .fd = fd, .size_bytes = strlen(key), .condition = condition, .if_etag = etag};
    return ls_store_put(store, &req, NULL, &last);
}

static enum ls_rc head(const char *key)
{
    struct ls_object_info info;
    return ls_store_head_one(store, key, &info, &last);
}

static enum ls_rc count_bytes(void *ctx, const void *data, size_t len)
{
    (void)data;
    *(size_t *)ctx += len;
    return LS_OK;
}

static enum ls_rc get(const char *key, size_t *bytes)
{
    struct ls_store_get req = {.key = key, .len = UINT64_MAX};
    return ls_store_get(store, &req, count_bytes, bytes, NULL, &last);
}

static void fail_next(unsigned times, enum ls_store_op op, enum ls_rc rc, bool after)
{
    plan.op = op;
    plan.rc = rc;
    plan.after = after;
    plan.times = times;
    plan.fired = 0;
}

static void passing_trouble_is_overcome(void **state)
{
    (void)state;
    fail_next(2, LS_STORE_OP_PUT, LS_TRANSIENT, false);
    assert_int_equal(put("x", LS_PUT_IF_NEW, NULL), LS_OK);
    assert_int_equal(plan.fired, 2);
    assert_int_equal(stats.op[LS_STORE_OP_PUT].calls, 3);
    assert_int_equal(stats.op[LS_STORE_OP_PUT].errors, 2);
    fail_next(2, LS_STORE_OP_LIST, LS_TRANSIENT, true);
    struct ls_list_request req = {.prefix = ""};
    struct ls_list_page page;
    assert_int_equal(ls_store_list(store, &req, &page, &last), LS_OK);
    assert_int_equal(page.n, 1);
    ls_list_page_dispose(&page);
    assert_int_equal(plan.fired, 2);
}

static void lasting_trouble_ends_at_the_deadline_and_says_so(void **state)
{
    (void)state;
    fail_next(UINT32_MAX, LS_STORE_OP_PUT, LS_TRANSIENT, false);
    int64_t begun_ms = ls_monotonic_ms();
    assert_int_equal(put("x", LS_PUT_ALWAYS, NULL), LS_IO);
    assert_in_range(ls_monotonic_ms() - begun_ms, 400, 10000);
    assert_in_range(plan.fired, 2, 10000);
    assert_non_null(strstr(last.text, "planned failure of x"));
    assert_non_null(strstr(last.text, "tried "));
    assert_int_equal(last.http_status, 503);
    /* Also without a text. */
    struct ls_list_request req = {.prefix = ""};
    struct ls_list_page page;
    fail_next(UINT32_MAX, LS_STORE_OP_LIST, LS_TRANSIENT, false);
    assert_int_equal(ls_store_list(store, &req, &page, NULL), LS_IO);
}

static void other_failures_pass_at_once(void **state)
{
    (void)state;
    static const enum ls_rc others[] = {LS_DENIED, LS_OUTCOME_UNKNOWN, LS_CONFLICT, LS_CORRUPT, LS_NO_SPACE};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        fail_next(UINT32_MAX, LS_STORE_OP_PUT, others[i], false);
        assert_int_equal(put("x", LS_PUT_ALWAYS, NULL), others[i]);
        assert_int_equal(plan.fired, 1);
    }
}

static void a_repeated_conditional_put_that_finds_its_condition_broken_is_unknown(void **state)
{
    (void)state;
    /* The first try did happen; only its answer was lost. */
    fail_next(1, LS_STORE_OP_PUT, LS_TRANSIENT, true);
    assert_int_equal(put("x", LS_PUT_IF_NEW, NULL), LS_OUTCOME_UNKNOWN);
    assert_int_equal(plan.fired, 1);
    assert_int_equal(head("x"), LS_OK);
    /* Without a repetition the answer is plain. */
    assert_int_equal(put("x", LS_PUT_IF_NEW, NULL), LS_EXISTS);
    assert_int_equal(put("x", LS_PUT_IF_ETAG, "other"), LS_CONFLICT);
}

static void a_read_is_repeated_only_while_no_byte_has_passed(void **state)
{
    (void)state;
    size_t bytes = 0;
    assert_int_equal(put("x", LS_PUT_ALWAYS, NULL), LS_OK);
    fail_next(2, LS_STORE_OP_GET, LS_TRANSIENT, false);
    assert_int_equal(get("x", &bytes), LS_OK);
    assert_int_equal(bytes, 1);
    assert_int_equal(stats.op[LS_STORE_OP_GET].calls, 3);
    fail_next(2, LS_STORE_OP_GET, LS_TRANSIENT, true);
    bytes = 0;
    assert_int_equal(get("x", &bytes), LS_TRANSIENT);
    assert_int_equal(bytes, 1);
    assert_int_equal(plan.fired, 1);
}

static void of_an_array_only_the_failed_items_are_repeated(void **state)
{
    (void)state;
    assert_int_equal(put("a", LS_PUT_ALWAYS, NULL), LS_OK);
    assert_int_equal(put("b", LS_PUT_ALWAYS, NULL), LS_OK);
    assert_int_equal(put("c", LS_PUT_ALWAYS, NULL), LS_OK);
    struct ls_store_copy items[] = {{.from = "a", .to = "to/a"},
                                    {.from = "b", .to = "to/b"},
                                    {.from = "none", .to = "to/none"},
                                    {.from = "c", .to = "to/c"}};
    fail_next(2, LS_STORE_OP_COPY, LS_TRANSIENT, false);
    plan.key = "b";
    assert_int_equal(ls_store_copy_many(store, items, 4, &last), LS_OK);
    assert_int_equal(plan.fired, 2);
    assert_int_equal(stats.op[LS_STORE_OP_COPY].calls, 3);
    assert_int_equal(stats.op[LS_STORE_OP_COPY].items, 4 + 1 + 1);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(items[i].rc, i == 2 ? LS_NOT_FOUND : LS_OK);
    assert_string_equal(items[1].to, "to/b");
    assert_int_equal(items[1].etag[0] != '\0', 1);
    assert_int_equal(head("to/b"), LS_OK);
}

static void an_array_that_stays_broken_says_which_item(void **state)
{
    (void)state;
    assert_int_equal(put("a", LS_PUT_ALWAYS, NULL), LS_OK);
    assert_int_equal(put("b", LS_PUT_ALWAYS, NULL), LS_OK);
    struct ls_store_delete items[] = {{.key = "a"}, {.key = "b"}};
    fail_next(UINT32_MAX, LS_STORE_OP_REMOVE, LS_TRANSIENT, false);
    plan.key = "b";
    assert_int_equal(ls_store_delete_many(store, items, 2, &last), LS_IO);
    assert_int_equal(items[0].rc, LS_OK);
    assert_int_equal(items[1].rc, LS_IO);
    assert_non_null(strstr(items[1].err.text, "tried "));
    assert_non_null(strstr(last.text, "planned failure of b"));
    plan.times = 0;
    assert_int_equal(head("a"), LS_NOT_FOUND);
    assert_int_equal(head("b"), LS_OK);
}

static void a_lost_answer_of_an_item_is_the_items(void **state)
{
    (void)state;
    assert_int_equal(put("a", LS_PUT_ALWAYS, NULL), LS_OK);
    assert_int_equal(put("b", LS_PUT_ALWAYS, NULL), LS_OK);
    struct ls_store_delete items[] = {{.key = "a"}, {.key = "b"}};
    fail_next(1, LS_STORE_OP_REMOVE, LS_OUTCOME_UNKNOWN, true);
    assert_int_equal(ls_store_delete_many(store, items, 2, &last), LS_OUTCOME_UNKNOWN);
    assert_int_equal(items[0].rc, LS_OUTCOME_UNKNOWN);
    assert_int_equal(items[1].rc, LS_OK);
    assert_int_equal(head("a"), LS_NOT_FOUND);
}

static void everything_is_counted(void **state)
{
    (void)state;
    size_t bytes = 0;
    assert_int_equal(put("four", LS_PUT_ALWAYS, NULL), LS_OK);
    assert_int_equal(put("four", LS_PUT_IF_NEW, NULL), LS_EXISTS);
    assert_int_equal(get("four", &bytes), LS_OK);
    assert_int_equal(head("none"), LS_NOT_FOUND);
    struct ls_store_head heads[3] = {{.key = "four"}, {.key = "none"}, {.key = "four"}};
    assert_int_equal(ls_store_head_many(store, heads, 3, &last), LS_OK);
    assert_int_equal(stats.op[LS_STORE_OP_PUT].calls, 2);
    assert_int_equal(stats.op[LS_STORE_OP_PUT].errors, 1);
    assert_int_equal(stats.op[LS_STORE_OP_GET].calls, 1);
    assert_int_equal(stats.op[LS_STORE_OP_HEAD].calls, 2);
    assert_int_equal(stats.op[LS_STORE_OP_HEAD].items, 4);
    assert_int_equal(stats.op[LS_STORE_OP_HEAD].errors, 0);
    assert_int_equal(stats.bytes_written, 4);
    assert_int_equal(stats.bytes_read, 4);
}

int main(void)
{
#define stack_test(name) cmocka_unit_test_setup_teardown(name, open_stack, close_stack)
#define short_test(name) cmocka_unit_test_setup_teardown(name, open_short, close_stack)
    const struct CMUnitTest tests[] = {
        stack_test(passing_trouble_is_overcome),
        short_test(lasting_trouble_ends_at_the_deadline_and_says_so),
        stack_test(other_failures_pass_at_once),
        stack_test(a_repeated_conditional_put_that_finds_its_condition_broken_is_unknown),
        stack_test(a_read_is_repeated_only_while_no_byte_has_passed),
        stack_test(of_an_array_only_the_failed_items_are_repeated),
        short_test(an_array_that_stays_broken_says_which_item),
        stack_test(a_lost_answer_of_an_item_is_the_items),
        stack_test(everything_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
