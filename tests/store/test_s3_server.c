/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What only a real S3 server can show: odd keys, wrong credentials, leftovers of uploads, listings that start at a key.
 * The server is named by LOCKSTEP_TEST_S3_ENDPOINT, _ACCESS_KEY and _SECRET_KEY; the test makes a bucket of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/s3_internal.h"

static struct ls_store *store;
static struct ls_err err;
static char bucket[64];

static enum ls_rc open_with(const char *name, const char *access_key, const char *secret_key, struct ls_store **out)
{
    struct ls_s3_opts opts = {.endpoint = getenv("LOCKSTEP_TEST_S3_ENDPOINT"),
                              .bucket = name,
                              .access_key = access_key != NULL ? access_key : getenv("LOCKSTEP_TEST_S3_ACCESS_KEY"),
                              .secret_key = secret_key != NULL ? secret_key : getenv("LOCKSTEP_TEST_S3_SECRET_KEY"),
                              .part_bytes = 5 * 1024 * 1024};
    return ls_store_s3_open(&opts, out, &err);
}

static int set_up(void **state)
{
    (void)state;
    struct ls_store_caps caps;
    char id[LS_ID_LEN];
    ls_id_new(id);
    for (char *c = id; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    snprintf(bucket, sizeof bucket, "ls-test-%s", id);
    if (open_with(bucket, NULL, NULL, &store) != LS_OK || ls_store_create(store, &err) != LS_OK ||
        ls_store_probe(store, &caps, &err) != LS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    return 0;
}

/* Empty the bucket and remove it. */
static int tear_down(void **state)
{
    (void)state;
    LS_AUTO(s3_call) struct s3_call call;
    struct ls_list_page page;
    do {
        struct ls_list_request req = {.prefix = ""};
        if (ls_store_list(store, &req, &page, &err) != LS_OK)
            return -1;
        size_t n = page.n;
        struct ls_store_delete *items = calloc(n + 1, sizeof *items);
        for (size_t i = 0; i < n; i++)
            items[i].key = page.entries[i].key;
        enum ls_rc rc = ls_store_delete_many(store, items, n, &err);
        free(items);
        ls_list_page_dispose(&page);
        if (rc != LS_OK)
            return -1;
        if (n == 0)
            break;
    } while (true);
    s3_call_init(&call);
    s3_call_begin(&call, (struct ls_s3 *)store, "DELETE", "DELETE", "s3:DeleteBucket", NULL);
    enum ls_rc rc = s3_call_run((struct ls_s3 *)store, &call, &err);
    ls_store_close(store);
    return rc == LS_OK ? 0 : -1;
}

static enum ls_rc put(const char *key, const char *text)
{
    LS_AUTO(ls_fd) int fd = memfd_create("bytes", MFD_CLOEXEC);
    struct ls_object_meta meta = {0};
    struct ls_store_put req = {.key = key, .fd = fd, .size_bytes = strlen(text), .meta = &meta};
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return ls_store_put(store, &req, NULL, &err);
}

static enum ls_rc collect(void *ctx, const void *data, size_t len) { return ls_buf_add(ctx, data, len); }

static enum ls_rc remove_one(const char *key)
{
    struct ls_store_delete item = {.key = key};
    enum ls_rc rc = ls_store_delete_many(store, &item, 1, &err);
    return rc;
}

/* ---- keys ---- */

static void every_byte_in_a_key_works_or_is_refused_clearly(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char key[32];
        snprintf(key, sizeof key, c < 0x80 ? "b/x%cy" : "b/x\xc3%cy", c < 0x80 ? c : 0x80 | (c & 0x3f));
        enum ls_rc rc = put(key, key);
        if (rc == LS_INVALID) {
            assert_true(err.text[0] != '\0');
            continue;
        }
        if (rc != LS_OK)
            fail_msg("byte %d: %s", c, err.text);
        LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(100);
        struct ls_store_get get = {.key = key, .len = UINT64_MAX};
        assert_int_equal(ls_store_get(store, &get, collect, &got, NULL, &err), LS_OK);
        assert_string_equal(got.data, key);
        struct ls_list_request req = {.prefix = key};
        struct ls_list_page page;
        assert_int_equal(ls_store_list(store, &req, &page, &err), LS_OK);
        assert_int_equal(page.n, 1);
        assert_string_equal(page.entries[0].key, key);
        ls_list_page_dispose(&page);
        assert_int_equal(remove_one(key), LS_OK);
        struct ls_object_info info;
        assert_int_equal(ls_store_head_one(store, key, &info, &err), LS_NOT_FOUND);
    }
}

static void keys_that_the_server_refuses_are_invalid_not_missing(void **state)
{
    (void)state;
    static const char *const keys[] = {"a/../b", "../b", "a/./b", "a//b", "/a", "a/..", "bad \xff UTF-8", "."};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        enum ls_rc rc = put(keys[i], "x");
        if (rc == LS_OK) {
            LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(100);
            struct ls_store_get get = {.key = keys[i], .len = UINT64_MAX};
            if (ls_store_get(store, &get, collect, &got, NULL, &err) != LS_OK)
                fail_msg("%s was put and cannot be read: %s", keys[i], err.text);
            if (remove_one(keys[i]) != LS_OK)
                fail_msg("%s was put and cannot be removed: %s", keys[i], err.text);
        } else if (rc != LS_INVALID) {
            fail_msg("%s: %s: %s", keys[i], ls_rc_name(rc), err.text);
        }
    }
}

/* ---- credentials ---- */

static void wrong_credentials_are_denied_and_named(void **state)
{
    (void)state;
    struct ls_store *other;
    struct ls_store_caps caps;
    struct ls_object_info info;
    assert_int_equal(open_with(bucket, NULL, "not-the-secret", &other), LS_OK);
    assert_int_equal(ls_store_probe(other, &caps, &err), LS_DENIED);
    assert_int_equal(ls_store_head_one(other, "k", &info, &err), LS_DENIED);
    struct ls_list_request req = {.prefix = ""};
    struct ls_list_page page;
    assert_int_equal(ls_store_list(other, &req, &page, &err), LS_DENIED);
    assert_non_null(strstr(err.text, "the secret given for key"));
    assert_null(strstr(err.text, "not-the-secret"));
    ls_store_close(other);
    assert_int_equal(open_with(bucket, "nobody", NULL, &other), LS_OK);
    assert_int_equal(ls_store_list(other, &req, &page, &err), LS_DENIED);
    assert_non_null(strstr(err.text, "does not know key nobody"));
    ls_store_close(other);
}

static void another_region_is_no_obstacle(void **state)
{
    (void)state;
    struct ls_store *other;
    struct ls_store_caps caps;
    struct ls_s3_opts opts = {.endpoint = getenv("LOCKSTEP_TEST_S3_ENDPOINT"),
                              .bucket = bucket,
                              .region = "eu-west-9",
                              .access_key = getenv("LOCKSTEP_TEST_S3_ACCESS_KEY"),
                              .secret_key = getenv("LOCKSTEP_TEST_S3_SECRET_KEY")};
    assert_int_equal(ls_store_s3_open(&opts, &other, &err), LS_OK);
    if (ls_store_probe(other, &caps, &err) != LS_OK)
        fail_msg("%s", err.text);
    ls_store_close(other);
}

static void a_bucket_that_vanishes_is_an_error_not_an_absence(void **state)
{
    (void)state;
    struct ls_store *gone;
    struct ls_object_info info;
    struct ls_list_page page;
    struct ls_list_request list = {.prefix = ""};
    struct ls_store_delete item = {.key = "k"};
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(100);
    struct ls_store_get get = {.key = "k", .len = UINT64_MAX};
    assert_int_equal(open_with("ls-test-never-made", NULL, NULL, &gone), LS_OK);
    assert_int_equal(ls_store_head_one(gone, "k", &info, &err), LS_IO);
    assert_non_null(strstr(err.text, "bucket ls-test-never-made is not there"));
    assert_int_equal(ls_store_list(gone, &list, &page, &err), LS_IO);
    assert_int_equal(ls_store_get(gone, &get, collect, &got, NULL, &err), LS_IO);
    assert_int_equal(ls_store_delete_many(gone, &item, 1, &err), LS_IO);
    ls_store_close(gone);
}

/* ---- uploads in parts ---- */

static void begin_upload(const char *key)
{
    LS_AUTO(s3_call) struct s3_call call;
    s3_call_init(&call);
    s3_call_begin(&call, (struct ls_s3 *)store, "POST", "PUT", "s3:PutObject", key);
    s3_call_query(&call, "uploads", "");
    assert_int_equal(s3_call_run((struct ls_s3 *)store, &call, &err), LS_OK);
}

static void count_upload(void *ctx, const char *key, const char *id, int64_t initiated_ns)
{
    (void)key, (void)id, (void)initiated_ns;
    ++*(unsigned *)ctx;
}

static unsigned uploads_of(const char *key)
{
    LS_AUTO(s3_call) struct s3_call call;
    LS_AUTO(ls_free) struct ls_s3_uploads *page = calloc(1, sizeof *page);
    unsigned n = 0;
    s3_call_init(&call);
    s3_call_begin(&call, (struct ls_s3 *)store, "GET", "LIST", "s3:ListBucketMultipartUploads", NULL);
    s3_call_query(&call, "uploads", "");
    s3_call_query(&call, "prefix", key);
    assert_int_equal(s3_call_run((struct ls_s3 *)store, &call, &err), LS_OK);
    assert_int_equal(ls_s3_xml_uploads(call.http.out_body.data, call.http.out_body.len, count_upload, &n, page, &err),
                     LS_OK);
    return n;
}

static void leftovers_are_removed_from_exactly_that_key(void **state)
{
    (void)state;
    static const char *const odd = "left/a b+c\xc3\xa9.jpg";
    int64_t before = ls_now_ns() - 3600 * LS_NS_PER_S, after = ls_now_ns() + 3600 * LS_NS_PER_S;
    begin_upload("left/a");
    begin_upload("left/a");
    begin_upload("left/ab");
    begin_upload(odd);
    assert_int_equal(ls_store_abort_uploads(store, "left/a", before, &err), LS_OK);
    assert_int_equal(uploads_of("left/a"), 2); /* too young */
    assert_int_equal(ls_store_abort_uploads(store, "left/a", after, &err), LS_OK);
    assert_int_equal(uploads_of("left/a"), 0);
    assert_int_equal(uploads_of("left/ab"), 1);
    assert_int_equal(ls_store_abort_uploads(store, "left/ab", after, &err), LS_OK);
    assert_int_equal(uploads_of(odd), 1);
    assert_int_equal(ls_store_abort_uploads(store, odd, after, &err), LS_OK);
    assert_int_equal(uploads_of(odd), 0);
}

static enum ls_rc put_large(const char *key, enum ls_put_condition condition, struct ls_object_info *info)
{
    enum { SIZE = 11 * 1024 * 1024 };
    LS_AUTO(ls_fd) int fd = memfd_create("bytes", MFD_CLOEXEC);
    struct ls_object_meta meta = {.has_mode = true, .mode = 0640};
    struct ls_store_put req = {.key = key, .fd = fd, .size_bytes = SIZE, .condition = condition, .meta = &meta};
    assert_int_equal(ftruncate(fd, SIZE), 0);
    return ls_store_put(store, &req, info, &err);
}

static void a_refused_large_put_leaves_no_upload(void **state)
{
    (void)state;
    struct ls_object_info info;
    assert_int_equal(put_large("large", LS_PUT_IF_NEW, &info), LS_OK);
    assert_non_null(strstr(info.etag, "-3"));
    assert_int_equal(put_large("large", LS_PUT_IF_NEW, &info), LS_EXISTS);
    assert_int_equal(uploads_of("large"), 0);
    assert_int_equal(remove_one("large"), LS_OK);
}

static void a_copy_in_parts_has_bytes_and_metadata_of_its_source(void **state)
{
    (void)state;
    struct ls_object_info from, to;
    assert_int_equal(put_large("from", LS_PUT_ALWAYS, &from), LS_OK);
    struct ls_store_copy item = {.from = "from", .to = "to", .if_etag = from.etag, .size_bytes = from.size_bytes};
    s3_copy_parts((struct ls_s3 *)store, &item);
    if (item.rc != LS_OK)
        fail_msg("%s", item.err.text);
    assert_int_equal(ls_store_head_one(store, "to", &to, &err), LS_OK);
    assert_int_equal(to.size_bytes, from.size_bytes);
    assert_int_equal(to.meta.mode, 0640);
    assert_string_equal(to.etag, item.etag);
    item.if_etag = "ffffffffffffffffffffffffffffffff";
    s3_copy_parts((struct ls_s3 *)store, &item);
    assert_int_equal(item.rc, LS_CONFLICT);
    item.from = "none";
    s3_copy_parts((struct ls_s3 *)store, &item);
    assert_int_equal(item.rc, LS_NOT_FOUND);
    assert_int_equal(uploads_of("to"), 0);
}

/* ---- listing ---- */

/* MinIO gives up early here when asked plainly: siblings between "s" and "s/" use up its limit. */
static void a_listing_from_a_key_is_whole_though_many_siblings_sort_before_its_folder(void **state)
{
    (void)state;
    enum { SIBLINGS = 40 };
    char key[64], want[SIBLINGS + 8][64];
    size_t n = 0;
    for (int i = 0; i < SIBLINGS; i++) {
        snprintf(key, sizeof key, "e/s-%02d/x", i);
        assert_int_equal(put(key, "1"), LS_OK);
    }
    static const char *const later[] = {"e/s/a", "e/s/b/1", "e/s/b/2", "e/s/c", "e/s0", "e/s00/x", "e/t"};
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        assert_int_equal(put(later[i], "1"), LS_OK);
        snprintf(want[n++], sizeof want[0], "%s", later[i]);
    }
    for (unsigned limit = 1; limit <= 16; limit *= 2) {
        LS_AUTO(ls_free) char *token = NULL;
        size_t seen = 1; /* after want[0] */
        do {
            struct ls_list_request req = {.prefix = "e/", .start_after = want[0], .token = token, .limit = limit};
            struct ls_list_page page;
            if (ls_store_list(store, &req, &page, &err) != LS_OK)
                fail_msg("%s", err.text);
            for (size_t i = 0; i < page.n; i++)
                assert_string_equal(page.entries[i].key, seen < n ? want[seen++] : "nothing more");
            free(token);
            token = LS_STEAL(page.token);
            ls_list_page_dispose(&page);
        } while (token != NULL);
        assert_int_equal(seen, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_in_a_key_works_or_is_refused_clearly),
        cmocka_unit_test(keys_that_the_server_refuses_are_invalid_not_missing),
        cmocka_unit_test(wrong_credentials_are_denied_and_named),
        cmocka_unit_test(another_region_is_no_obstacle),
        cmocka_unit_test(a_bucket_that_vanishes_is_an_error_not_an_absence),
        cmocka_unit_test(leftovers_are_removed_from_exactly_that_key),
        cmocka_unit_test(a_refused_large_put_leaves_no_upload),
        cmocka_unit_test(a_copy_in_parts_has_bytes_and_metadata_of_its_source),
        cmocka_unit_test(a_listing_from_a_key_is_whole_though_many_siblings_sort_before_its_folder),
    };
    if (!getenv("LOCKSTEP_TEST_S3_ENDPOINT") || !getenv("LOCKSTEP_TEST_S3_ACCESS_KEY") ||
        !getenv("LOCKSTEP_TEST_S3_SECRET_KEY")) {
        printf("skipped: LOCKSTEP_TEST_S3_ENDPOINT, _ACCESS_KEY and _SECRET_KEY do not name a server\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
