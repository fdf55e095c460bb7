/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contract of copy and delete, of metadata, and of large objects. */
#include "store/contract_tools.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/workers.h"

/* ---- copy and delete ---- */

static void of_a_batch_of_copies_only_the_bad_ones_fail(void **state)
{
    (void)state;
    struct ls_object_info a = put("from/a", "aa"), b = put("from/b", "bb");
    put("from/c", "cc");
    struct ls_store_copy items[] = {
        {.from = "from/a", .to = "to/a", .if_etag = a.etag, .size_bytes = 2},
        {.from = "from/none", .to = "to/none", .size_bytes = 2},
        {.from = "from/b", .to = "to/b", .if_etag = b.etag, .size_bytes = 2},
        {.from = "from/c", .to = "to/c", .if_etag = a.etag, .size_bytes = 2},
    };
    assert_rc(ls_store_copy_many(store, items, 4, &last), LS_CONFLICT);
    assert_int_equal(items[0].rc, LS_OK);
    assert_string_equal(items[0].etag, a.etag);
    assert_int_equal(items[1].rc, LS_NOT_FOUND);
    assert_true(items[1].err.text[0]);
    assert_int_equal(items[2].rc, LS_OK);
    assert_string_equal(items[2].etag, b.etag);
    assert_int_equal(items[3].rc, LS_CONFLICT);
    assert_true(items[3].err.text[0]);
    assert_bytes("to/a", "aa");
    assert_bytes("to/b", "bb");
    assert_bytes("from/a", "aa");
    assert_gone("to/none");
    assert_gone("to/c");
    assert_int_equal(ls_store_copy_many(store, items, 2, &last), LS_OK);
}

static void a_copy_replaces_what_was_there(void **state)
{
    (void)state;
    put("from", "new");
    put("to", "old");
    assert_ok(copy_one("from", "to", NULL, NULL));
    assert_bytes("to", "new");
    assert_bytes("from", "new");
}

static void deleting_is_done_also_when_nothing_was_there(void **state)
{
    (void)state;
    put("d/a", "1");
    put("d/b", "2");
    put("d/e/f", "3");
    struct ls_store_delete items[] = {
        {.key = "d/a"}, {.key = "d/none"}, {.key = "d/e/f"}, {.key = "elsewhere/x"}, {.key = "d/a"}};
    assert_ok(ls_store_delete_many(store, items, 5, &last));
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(items[i].rc, LS_OK);
    assert_listing("", "", "d/b\n");
    put("d/e", "a name that was a folder");
    assert_bytes("d/e", "a name that was a folder");
}

static enum ls_rc put_numbered(void *ctx, size_t i, struct ls_err *err)
{
    char key[64];
    snprintf(key, sizeof key, "%s/%zu/%04zu", (const char *)ctx, i / 100, i);
    return put_if(key, "", LS_PUT_IF_NEW, NULL, NULL, err);
}

static void more_than_a_page_is_listed_and_deleted(void **state)
{
    (void)state;
    char root[] = "many";
    assert_ok(ls_parallel(16, 1100, put_numbered, root, &last));
    LS_AUTO(ls_buf) struct ls_buf whole = LS_BUF_INIT(1U << 20), paged = LS_BUF_INIT(1U << 20);
    list_all("", "", 0, &whole);
    list_all("many/", "", 37, &paged);
    assert_string_equal(whole.data, paged.data);
    size_t lines = 0;
    for (const char *at = whole.data; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 1100);
    struct ls_store_delete *items = calloc(1100, sizeof *items);
    char(*keys)[64] = calloc(1100, sizeof *keys);
    for (size_t i = 0; i < 1100; i++) {
        snprintf(keys[i], sizeof keys[i], "many/%zu/%04zu", i / 100, i);
        items[i].key = keys[i];
    }
    assert_ok(ls_store_delete_many(store, items, 1000, &last));
    assert_ok(ls_store_delete_many(store, items + 1000, 100, &last));
    free(items);
    free(keys);
    assert_listing("", "", "");
}

/* ---- metadata ---- */

static const struct ls_object_meta some_meta = {.has_mtime = true,
                                                .has_mode = true,
                                                .has_owner = true,
                                                .mtime_ns = INT64_C(1700000000123456789),
                                                .mode = 0640,
                                                .uid = 1000,
                                                .gid = 100,
                                                .content_type = "image/jpeg",
                                                .intent = "01HZZZZZZZZZZZZZZZZZZZZZZZ"};

static void assert_meta(const char *key, const struct ls_object_meta *want)
{
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1000);
    struct ls_object_info infos[2];
    assert_ok(rc_of_head(key, &infos[0]));
    assert_ok(get_range(key, 0, UINT64_MAX, NULL, &got, &infos[1]));
    for (size_t i = 0; i < 2; i++) {
        const struct ls_object_meta *meta = &infos[i].meta;
        assert_int_equal(meta->has_mtime, want->has_mtime);
        assert_int_equal(meta->has_mode, want->has_mode);
        assert_int_equal(meta->has_owner, want->has_owner);
        assert_true(meta->mtime_ns == want->mtime_ns);
        assert_int_equal(meta->mode, want->mode);
        assert_int_equal(meta->uid, want->uid);
        assert_int_equal(meta->gid, want->gid);
        if (want->content_type[0]) /* otherwise the store's default */
            assert_string_equal(meta->content_type, want->content_type);
        assert_string_equal(meta->intent, want->intent);
    }
}

static void put_with_meta(const char *key, const struct ls_object_meta *meta)
{
    LS_AUTO(ls_fd) int fd = file_of("bytes", 5);
    struct ls_store_put req = {.key = key, .fd = fd, .size_bytes = 5, .meta = meta};
    assert_ok(ls_store_put(store, &req, NULL, &last));
}

static void metadata_comes_back(void **state)
{
    (void)state;
    static const struct ls_object_meta none, early = {.has_mtime = true, .mtime_ns = INT64_C(-1500000000)},
                                             zero = {.has_mtime = true, .has_mode = true, .has_owner = true},
                                             typed = {.content_type = "text/plain; charset=utf-8"};
    put_with_meta("all", &some_meta);
    assert_meta("all", &some_meta);
    put_with_meta("none", &none);
    assert_meta("none", &none);
    put_with_meta("early", &early);
    assert_meta("early", &early);
    put_with_meta("zero", &zero);
    assert_meta("zero", &zero);
    put_with_meta("typed", &typed);
    assert_meta("typed", &typed);
    put_with_meta("all", &zero);
    assert_meta("all", &zero);
}

static void a_copy_keeps_or_replaces_the_metadata(void **state)
{
    (void)state;
    static const struct ls_object_meta other = {
        .has_mtime = true, .mtime_ns = INT64_C(1000000000), .content_type = "image/png", .intent = "OTHER"};
    put_with_meta("from", &some_meta);
    assert_ok(copy_one("from", "kept", NULL, NULL));
    assert_meta("kept", &some_meta);
    assert_ok(copy_one("from", "replaced", NULL, &other));
    assert_meta("replaced", &other);
    assert_meta("from", &some_meta);
    assert_ok(copy_one("from", "from", NULL, &other));
    assert_meta("from", &other);
}

/* ---- large ones, leftovers, urls ---- */

static void a_large_object_goes_whole(void **state)
{
    (void)state;
    size_t size = 12 * 1024 * 1024 + 5, at = 5 * 1024 * 1024 - 3;
    LS_AUTO(ls_free) char *bytes = malloc(size);
    ls_random(bytes, size);
    LS_AUTO(ls_fd) int fd = file_of(bytes, size);
    char etag[LS_ETAG_MAX];
    uint8_t md5[16], sha256[32], want[32];
    assert_ok(ls_store_expected_etag(&caps, fd, size, etag, md5, sha256, &last));
    assert_int_equal(strchr(etag, '-') != NULL, size > caps.part_bytes);
    ls_md5(bytes, size, want);
    assert_memory_equal(md5, want, 16);
    struct ls_store_put req = {.key = "large",
                               .fd = fd,
                               .size_bytes = size,
                               .md5 = md5,
                               .sha256 = sha256,
                               .condition = LS_PUT_IF_NEW,
                               .meta = &some_meta};
    struct ls_object_info info;
    assert_ok(ls_store_put(store, &req, &info, &last));
    assert_string_equal(info.etag, etag);
    assert_rc(ls_store_put(store, &req, &info, &last), LS_EXISTS);
    assert_ok(rc_of_head("large", &info));
    assert_string_equal(info.etag, etag);
    assert_int_equal(info.size_bytes, size);
    assert_int_equal(info.meta.mode, some_meta.mode);
    struct ls_store_copy copy = {.from = "large", .to = "copy", .if_etag = etag, .size_bytes = size};
    assert_ok(ls_store_copy_many(store, &copy, 1, &last));
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(16U << 20);
    assert_ok(get_range("copy", at, 100, copy.etag, &got, NULL));
    assert_int_equal(got.len, 100);
    assert_memory_equal(got.data, bytes + at, 100);
    ls_buf_reset(&got);
    assert_ok(get_range("large", 0, UINT64_MAX, etag, &got, NULL));
    assert_int_equal(got.len, size);
    assert_memory_equal(got.data, bytes, size);
}

static void sweeping_leftovers_leaves_objects_alone(void **state)
{
    (void)state;
    put("k", "bytes");
    assert_ok(ls_store_abort_uploads(store, "k", ls_now_ns(), &last));
    assert_ok(ls_store_abort_uploads(store, "none", ls_now_ns(), &last));
    assert_bytes("k", "bytes");
}

static void an_url_is_the_prefix_and_the_escaped_key(void **state)
{
    (void)state;
    LS_AUTO(ls_free) char *url = NULL;
    char want[300];
    assert_ok(ls_store_url(store, "products/a b+c/\xc3\xa9%.jpg?#", &url, &last));
    snprintf(want, sizeof want, "%s%s", contract_url_prefix(), "products/a%20b%2Bc/%C3%A9%25.jpg%3F%23");
    assert_string_equal(url, want);
}

int contract_batches(const char *way)
{
    const struct CMUnitTest tests[] = {
        contract_test(of_a_batch_of_copies_only_the_bad_ones_fail),
        contract_test(a_copy_replaces_what_was_there),
        contract_test(deleting_is_done_also_when_nothing_was_there),
        contract_test(more_than_a_page_is_listed_and_deleted),
        contract_test(metadata_comes_back),
        contract_test(a_copy_keeps_or_replaces_the_metadata),
        contract_test(a_large_object_goes_whole),
        contract_test(sweeping_leftovers_leaves_objects_alone),
        contract_test(an_url_is_the_prefix_and_the_escaped_key),
    };
    return cmocka_run_group_tests_name(way, tests, NULL, empty_the_container);
}
