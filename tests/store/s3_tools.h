/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the tests of the s3 store against a scripted server share: that server, the store on it, and short ways to
 * use them.
 */
#ifndef LOCKSTEP_TESTS_STORE_S3_TOOLS_H
#define LOCKSTEP_TESTS_STORE_S3_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/auto.h"
#include "http/stub.h"
#include "store/backends.h"

#define SECRET "verysecretsecret"
#define ERROR_XML(code, message) "<Error><Code>" code "</Code><Message>" message "</Message></Error>"
#define OLD_ETAG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct stub *stub;
static struct ls_store *store;
static struct ls_err err;

static inline int set_up(void **state)
{
    (void)state;
    stub = stub_start();
    struct ls_s3_opts opts = {.endpoint = stub_origin(stub),
                              .bucket = "images",
                              .access_key = "minioadmin",
                              .secret_key = SECRET,
                              .part_bytes = 5 * 1024 * 1024,
                              .deadline_ms = 60000};
    ls_err_clear(&err);
    return ls_store_s3_open(&opts, &store, &err);
}

static inline int tear_down(void **state)
{
    (void)state;
    ls_store_close(store);
    stub_stop(stub);
    return 0;
}

static inline void assert_text(const char *part)
{
    if (strstr(err.text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, err.text);
    assert_null(strstr(err.text, SECRET));
}

static inline int file_of(const char *text, size_t size)
{
    int fd = memfd_create("bytes", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

static inline enum ls_rc put_if(enum ls_put_condition condition, size_t size)
{
    LS_AUTO(ls_fd) int fd = file_of("hello", size);
    struct ls_object_meta meta = {0};
    struct ls_store_put put = {
        .key = "k", .fd = fd, .size_bytes = size, .condition = condition, .if_etag = OLD_ETAG, .meta = &meta};
    return ls_store_put(store, &put, NULL, &err);
}

static inline enum ls_rc head(const char *key)
{
    struct ls_object_info info;
    return ls_store_head_one(store, key, &info, &err);
}

static inline enum ls_rc copy_one(void)
{
    struct ls_store_copy item = {.from = "from", .to = "to", .if_etag = OLD_ETAG};
    enum ls_rc rc = ls_store_copy_many(store, &item, 1, &err);
    err = item.err;
    return rc == LS_OK ? item.rc : rc;
}

#define s3_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
