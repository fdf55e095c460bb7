/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the tests of the file store share: the store in a temporary folder, short ways to use it, and the folder seen
 * without it.
 */
#ifndef LOCKSTEP_TESTS_STORE_FILE_TOOLS_H
#define LOCKSTEP_TESTS_STORE_FILE_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "store/backends.h"
#include "store/tools.h"

static char top[64], dir[96];
static struct ls_store *store;
static struct ls_err last;

static inline int open_store(void **state)
{
    (void)state;
    snprintf(top, sizeof top, "/tmp/ls-test-filestore-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(dir, sizeof dir, "%s/bucket", top);
    if (ls_store_file_open(dir, NULL, &store, NULL))
        return -1;
    return ls_store_create(store, NULL);
}

static inline int close_store(void **state)
{
    (void)state;
    char command[128];
    ls_store_close(store);
    snprintf(command, sizeof command, "rm -rf '%s'", top);
    return system(command);
}

/* The path of a key, by hand. */
static inline const char *path_of(const char *key)
{
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", dir, key);
    return path;
}

static inline enum ls_rc put_to(struct ls_store *to, const char *key, const char *text, enum ls_put_condition condition,
                                const struct ls_object_meta *meta, struct ls_err *err)
{
    LS_AUTO(ls_fd) int fd = file_of(text, strlen(text));
    struct ls_store_put put = {.key = key, .fd = fd, .size_bytes = strlen(text), .condition = condition, .meta = meta};
    return ls_store_put(to, &put, NULL, err);
}

static inline enum ls_rc put(const char *key, const char *text)
{
    return put_to(store, key, text, LS_PUT_ALWAYS, NULL, &last);
}

static inline void by_hand(const char *key, const char *text)
{
    LS_AUTO(ls_fd) int fd = open(path_of(key), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ls_write_all(fd, text, strlen(text)), 0);
}

/* All keys, a line each. */
static inline void list_into(const char *prefix, unsigned limit, struct ls_buf *out)
{
    LS_AUTO(ls_free) char *token = NULL;
    do {
        struct ls_list_request req = {.prefix = prefix, .token = token, .limit = limit};
        struct ls_list_page page;
        assert_ok(ls_store_list(store, &req, &page, &last));
        for (size_t i = 0; i < page.n; i++)
            assert_int_equal(ls_buf_addf(out, "%s\n", page.entries[i].key), LS_OK);
        free(token);
        token = LS_STEAL(page.token);
        ls_list_page_dispose(&page);
    } while (token);
}

static inline void assert_listing(const char *prefix, const char *lines)
{
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(1U << 22);
    list_into(prefix, 0, &got);
    assert_string_equal(got.data, lines);
}

static inline unsigned entries_in(const char *key)
{
    unsigned n = 0;
    DIR *d = opendir(path_of(key));
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static inline bool there(const char *key)
{
    struct stat st;
    return lstat(path_of(key), &st) == 0;
}

#define store_test(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

#endif
