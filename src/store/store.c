/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store's thin calls, and what every caller would otherwise write itself: one object's head, reading into a file,
 * foretelling an etag. No state, any thread.
 */
#include "lockstep/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/hash.h"

LS_AUTO_DEFINE(ls_hash, struct ls_hash *, ls_hash_free)

enum { HASH_CHUNK = 256 * 1024 };

enum ls_rc ls_store_probe(struct ls_store *s, struct ls_store_caps *out_caps, struct ls_err *err)
{
    return s->ops->probe(s, out_caps, err);
}

enum ls_rc ls_store_create(struct ls_store *s, struct ls_err *err) { return s->ops->create(s, err); }

enum ls_rc ls_store_head_many(struct ls_store *s, struct ls_store_head *items, size_t n, struct ls_err *err)
{
    return s->ops->head(s, items, n, err);
}

enum ls_rc ls_store_get(struct ls_store *s, const struct ls_store_get *get, ls_store_sink sink, void *ctx,
                        struct ls_object_info *out_info, struct ls_err *err)
{
    return s->ops->get(s, get, sink, ctx, out_info, err);
}

enum ls_rc ls_store_put(struct ls_store *s, const struct ls_store_put *put, struct ls_object_info *out_info,
                        struct ls_err *err)
{
    return s->ops->put(s, put, out_info, err);
}

enum ls_rc ls_store_copy_many(struct ls_store *s, struct ls_store_copy *items, size_t n, struct ls_err *err)
{
    return s->ops->copy(s, items, n, err);
}

enum ls_rc ls_store_delete_many(struct ls_store *s, struct ls_store_delete *items, size_t n, struct ls_err *err)
{
    return s->ops->remove(s, items, n, err);
}

enum ls_rc ls_store_list(struct ls_store *s, const struct ls_list_request *req, struct ls_list_page *out_page,
                         struct ls_err *err)
{
    return s->ops->list(s, req, out_page, err);
}

enum ls_rc ls_store_abort_uploads(struct ls_store *s, const char *key, int64_t before_ns, struct ls_err *err)
{
    return s->ops->abort_uploads(s, key, before_ns, err);
}

enum ls_rc ls_store_url(struct ls_store *s, const char *key, char **out_url, struct ls_err *err)
{
    return s->ops->url(s, key, 0, out_url, err);
}

enum ls_rc ls_store_presign(struct ls_store *s, const char *key, unsigned expires_s, char **out_url, struct ls_err *err)
{
    if (expires_s == 0 || expires_s > LS_STORE_PRESIGN_MOST_S)
        return ls_err_set(err, LS_INVALID, "store: an address can be valid for 1 second to 7 days, not for %u s",
                          expires_s);
    return s->ops->url(s, key, expires_s, out_url, err);
}

static enum ls_rc tells_nobody(struct ls_err *err)
{
    return ls_err_set(err, LS_UNSUPPORTED, "store: a directory tells nobody of its changes: only a bucket does");
}

enum ls_rc ls_store_rules(struct ls_store *s, struct ls_store_rules *rules, struct ls_err *err)
{
    return s->ops->rules ? s->ops->rules(s, rules, err) : tells_nobody(err);
}

enum ls_rc ls_store_follow(struct ls_store *s, const struct ls_store_follow *follow, struct ls_err *err)
{
    return s->ops->follow ? s->ops->follow(s, follow, err) : tells_nobody(err);
}

void ls_store_close(struct ls_store *s)
{
    if (s)
        s->ops->close(s);
}

enum ls_rc ls_store_head_one(struct ls_store *s, const char *key, struct ls_object_info *out_info, struct ls_err *err)
{
    struct ls_store_head item = {.key = key};
    enum ls_rc rc = ls_store_head_many(s, &item, 1, err);
    if (rc)
        return rc;
    if (item.rc) {
        if (err)
            *err = item.err;
        return item.rc;
    }
    *out_info = item.info;
    return LS_OK;
}

struct fd_sink {
    int fd;
    uint64_t offset;
    int sys_errno;
};

static enum ls_rc write_to_fd(void *ctx, const void *data, size_t len)
{
    struct fd_sink *sink = ctx;
    if (ls_pwrite_all(sink->fd, data, len, sink->offset) < 0) {
        sink->sys_errno = errno;
        return ls_rc_from_errno(errno);
    }
    sink->offset += len;
    return LS_OK;
}

enum ls_rc ls_store_get_fd(struct ls_store *s, const struct ls_store_get *get, int fd, struct ls_object_info *out_info,
                           struct ls_err *err)
{
    struct fd_sink sink = {.fd = fd, .offset = get->offset};
    enum ls_rc rc = ls_store_get(s, get, write_to_fd, &sink, out_info, err);
    if (rc && sink.sys_errno)
        return ls_err_errno(err, sink.sys_errno, "store: GET %s: cannot write the local file", get->key);
    return rc;
}

/* The digests of one reading pass; those not wanted are NULL. */
struct passes {
    struct ls_hash *part, *md5, *sha256;
};

static enum ls_rc hash_part(int fd, uint64_t offset, uint64_t len, char *chunk, const struct passes *passes,
                            struct ls_err *err)
{
    while (len > 0) {
        size_t want = len < HASH_CHUNK ? (size_t)len : HASH_CHUNK;
        ssize_t n = ls_pread_all(fd, chunk, want, offset);
        if (n < 0)
            return ls_err_errno(err, errno, "store: cannot read the bytes to upload");
        if ((size_t)n < want)
            return ls_err_set(err, LS_IO, "store: the file to upload became shorter while it was read");
        ls_hash_update(passes->part, chunk, want);
        if (passes->md5)
            ls_hash_update(passes->md5, chunk, want);
        if (passes->sha256)
            ls_hash_update(passes->sha256, chunk, want);
        offset += want;
        len -= want;
    }
    return LS_OK;
}

enum ls_rc ls_store_expected_etag(const struct ls_store_caps *caps, int fd, uint64_t size_bytes,
                                  char out_etag[LS_ETAG_MAX], uint8_t *out_md5, uint8_t *out_sha256, struct ls_err *err)
{
    bool in_parts = size_bytes > caps->part_bytes;
    LS_AUTO(ls_hash) struct ls_hash *part = ls_hash_new(LS_HASH_MD5), *all = ls_hash_new(LS_HASH_MD5);
    LS_AUTO(ls_hash) struct ls_hash *md5 = in_parts && out_md5 ? ls_hash_new(LS_HASH_MD5) : NULL;
    LS_AUTO(ls_hash) struct ls_hash *sha256 = out_sha256 ? ls_hash_new(LS_HASH_SHA256) : NULL;
    LS_AUTO(ls_free) char *chunk = malloc(HASH_CHUNK);
    if (!part || !all || !chunk || (in_parts && out_md5 && !md5) || (out_sha256 && !sha256))
        return ls_err_nomem(err);
    struct passes passes = {part, md5, sha256};
    uint8_t digest[LS_MD5_LEN];
    char hex[LS_MD5_HEX];
    uint64_t parts = 0, offset = 0;
    do {
        uint64_t left = size_bytes - offset, len = left < caps->part_bytes ? left : caps->part_bytes;
        enum ls_rc rc = hash_part(fd, offset, len, chunk, &passes, err);
        if (rc)
            return rc;
        ls_hash_final(part, digest);
        ls_hash_update(all, digest, sizeof digest);
        offset += len;
        parts++;
    } while (offset < size_bytes);
    if (out_md5 && !in_parts)
        memcpy(out_md5, digest, sizeof digest);
    if (in_parts)
        ls_hash_final(all, digest);
    ls_hex(digest, sizeof digest, hex);
    if (in_parts)
        snprintf(out_etag, LS_ETAG_MAX, "%s-%llu", hex, (unsigned long long)parts);
    else
        snprintf(out_etag, LS_ETAG_MAX, "%s", hex);
    if (md5)
        ls_hash_final(md5, out_md5);
    if (sha256)
        ls_hash_final(sha256, out_sha256);
    return LS_OK;
}

void ls_list_page_dispose(struct ls_list_page *page)
{
    free(page->entries);
    free(page->token);
    free(page->memory);
    *page = (struct ls_list_page){0};
}
