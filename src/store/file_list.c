/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file store's listing: a walk in the order of full keys, a page at a time.
 *
 * Names sort with a slash after a folder's, so `1/100.5/x` comes before `1/100/x` as it does on S3. A folder is read in
 * windows of at most WINDOW names, the smallest that are still to come, so memory does not grow with the folder. The
 * prefix and the start key decide which folders are entered at all. A token is the last key of a page; the walk that
 * produced it is kept for a while, so that the next page need not read every folder again (a name that appears between
 * two pages in a window that was already read is missed by that listing; one that goes is not listed). Thread rule: a
 * walk belongs to one call at a time; the kept ones are under the store's lock.
 */
#include "store/file_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/workers.h"

enum { WINDOW = 4096, HASH_WIDTH = 8, KEEP_WALK_MS = 30000, KEYS_MAX = LS_STORE_BATCH * (LS_KEY_MAX + 1) };

/* One folder on the way down. */
struct frame {
    int fd;          /* -1 = not open (before its first window, and in a kept walk) */
    size_t path_len; /* of the walk's path, with its slash */
    char **names;    /* folders' with a slash at the end; sorted */
    size_t n, next;
    bool more;   /* names behind the window */
    char *after; /* the last name of the window before, or NULL */
};

struct ls_file_walk {
    char *prefix, *start; /* keys begin with prefix and are greater than start */
    char *token;          /* of the page that this walk ended with, while it is kept */
    int64_t kept_ms;
    char path[LS_KEY_MAX + 2];
    struct frame *frames;
    size_t depth, cap;
};

LS_AUTO_DEFINE(ls_file_walk, struct ls_file_walk *, ls_file_walk_free)

static void closedir_auto(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* ---- frames ---- */

static void drop_names(struct frame *frame)
{
    for (size_t i = 0; i < frame->n; i++)
        free(frame->names[i]);
    frame->n = frame->next = 0;
}

static void pop(struct ls_file_walk *walk)
{
    struct frame *frame = &walk->frames[--walk->depth];
    if (frame->fd >= 0)
        close(frame->fd);
    drop_names(frame);
    free(frame->names);
    free(frame->after);
}

static enum ls_rc push(struct ls_file_walk *walk, size_t path_len, struct ls_err *err)
{
    if (walk->depth == walk->cap) {
        size_t cap = walk->cap ? 2 * walk->cap : 8;
        struct frame *frames = realloc(walk->frames, cap * sizeof *frames);
        if (!frames)
            return ls_err_nomem(err);
        walk->frames = frames;
        walk->cap = cap;
    }
    walk->frames[walk->depth++] = (struct frame){.fd = -1, .path_len = path_len, .more = true};
    return LS_OK;
}

static struct frame *top(struct ls_file_walk *walk) { return &walk->frames[walk->depth - 1]; }

void ls_file_walk_free(struct ls_file_walk *walk)
{
    if (!walk)
        return;
    while (walk->depth > 0)
        pop(walk);
    free(walk->frames);
    free(walk->prefix);
    free(walk->start);
    free(walk->token);
    free(walk);
}

/* ---- one window ---- */

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool starts_with(const char *text, const char *prefix) { return !strncmp(text, prefix, strlen(prefix)); }

/* Can this name of the folder at path lead to keys that are wanted? name has its slash if it is a folder. */
static bool wanted(const struct ls_file_walk *walk, const struct frame *frame, const char *name)
{
    if (frame->after && strcmp(name, frame->after) <= 0)
        return false;
    bool is_folder = name[strlen(name) - 1] == '/';
    const char *prefix = walk->prefix, *start = walk->start;
    /* Only the first frame, the prefix's folder, is shorter than the prefix. */
    if (strlen(prefix) > frame->path_len && !starts_with(name, prefix + frame->path_len))
        return false;
    if (strncmp(start, walk->path, frame->path_len) != 0)
        return true; /* behind the start key altogether */
    start += frame->path_len;
    return strcmp(name, start) > 0 || (is_folder && starts_with(start, name));
}

/* The entry's name as it sorts; false for what is no object and no folder. */
static bool entry_name(struct ls_file_store *fs, const struct ls_file_walk *walk, const struct frame *frame,
                       const struct dirent *entry, char out[NAME_MAX + 2])
{
    size_t len = strlen(entry->d_name);
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || len > NAME_MAX)
        return false;
    unsigned char type = entry->d_type;
    struct stat st;
    if (type == DT_UNKNOWN && fstatat(frame->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
    char key[sizeof walk->path + NAME_MAX + 1];
    memcpy(key, walk->path, frame->path_len);
    memcpy(key + frame->path_len, entry->d_name, len + 1);
    if (type != DT_DIR && type != DT_REG) {
        ls_file_warn_once(&fs->warned_special, "link-or-special-file-not-listed", key);
        return false;
    }
    if (frame->path_len + len + (type == DT_DIR) > LS_KEY_MAX) {
        ls_file_warn_once(&fs->warned_long, "path-too-long-for-a-key-not-listed", key);
        return false;
    }
    if (ls_file_is_own(key))
        return false;
    memcpy(out, entry->d_name, len);
    memcpy(out + len, "/", 2);
    out[len + (type == DT_DIR)] = '\0';
    return true;
}

/* Add a name; past twice the window, keep only its smallest. */
static enum ls_rc add_name(struct frame *frame, const char *name)
{
    if (frame->n == 2 * (size_t)WINDOW) {
        qsort(frame->names, frame->n, sizeof *frame->names, by_bytes);
        while (frame->n > WINDOW)
            free(frame->names[--frame->n]);
        frame->more = true;
    }
    if (frame->more && strcmp(name, frame->names[WINDOW - 1]) > 0)
        return LS_OK;
    if ((frame->n & (frame->n - 1)) == 0) { /* 0 or a power of two: full */
        char **names = realloc(frame->names, (frame->n ? 2 * frame->n : 1) * sizeof *names);
        if (!names)
            return LS_NO_MEMORY;
        frame->names = names;
    }
    frame->names[frame->n] = strdup(name);
    return frame->names[frame->n] ? (frame->n++, LS_OK) : LS_NO_MEMORY;
}

static enum ls_rc open_frame(struct ls_file_store *fs, struct ls_file_walk *walk, struct frame *frame, bool *out_gone,
                             struct ls_err *err)
{
    int root = -1;
    *out_gone = false;
    if (frame->fd >= 0)
        return LS_OK;
    enum ls_rc rc = ls_file_root(fs, &root, err);
    if (rc)
        return rc == LS_NOT_FOUND ? ls_file_check_root(fs, err) : rc;
    char folder[sizeof walk->path + 1];
    memcpy(folder, walk->path, frame->path_len);
    memcpy(folder + frame->path_len, ".", 2);
    frame->fd = ls_open_beneath(root, folder, O_RDONLY | O_DIRECTORY, 0);
    if (frame->fd >= 0)
        return LS_OK;
    *out_gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG;
    if (*out_gone)
        return ls_file_check_root(fs, err);
    return ls_err_errno(err, errno, "store: LIST: cannot open the folder %s in %s", folder, fs->dir);
}

/* Read the frame's next window. */
static enum ls_rc fill(struct ls_file_store *fs, struct ls_file_walk *walk, struct frame *frame, struct ls_err *err)
{
    bool gone = false;
    if (frame->n > 0) {
        free(frame->after);
        frame->after = frame->names[--frame->n];
    }
    drop_names(frame);
    free(frame->names);
    frame->names = NULL;
    frame->more = false;
    enum ls_rc rc = open_frame(fs, walk, frame, &gone, err);
    if (rc || gone)
        return rc;
    LS_AUTO(ls_fd) int again = openat(frame->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    LS_AUTO(closedir) DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (!dir)
        return errno == ENOENT ? ls_file_check_root(fs, err)
                               : ls_err_errno(err, errno, "store: LIST: cannot read a folder in %s", fs->dir);
    (void)ls_fd_steal(&again);
    struct dirent *entry;
    while ((errno = 0, entry = readdir(dir))) {
        char name[NAME_MAX + 2];
        if (entry_name(fs, walk, frame, entry, name) && wanted(walk, frame, name) && add_name(frame, name))
            return ls_err_nomem(err);
    }
    if (errno)
        return ls_err_errno(err, errno, "store: LIST: cannot read a folder in %s", fs->dir);
    if (frame->names) {
        qsort(frame->names, frame->n, sizeof *frame->names, by_bytes);
        while (frame->more && frame->n > WINDOW)
            free(frame->names[--frame->n]);
    }
    /* A removed directory reads as an empty one. */
    return frame->n == 0 && frame->path_len == 0 ? ls_file_check_root(fs, err) : LS_OK;
}

/* ---- the walk ---- */

/* NULL when out of memory. */
static struct ls_file_walk *walk_new(const char *prefix, const char *start)
{
    LS_AUTO(ls_file_walk) struct ls_file_walk *walk = calloc(1, sizeof *walk);
    if (!walk)
        return NULL;
    walk->prefix = strdup(prefix);
    walk->start = strdup(start);
    if (!walk->prefix || !walk->start)
        return NULL;
    const char *slash = strrchr(prefix, '/');
    size_t folder_len = slash ? (size_t)(slash - prefix) + 1 : 0, start_len = strlen(start);
    if (strlen(prefix) <= LS_KEY_MAX && ls_file_folder_is_key(prefix, folder_len)) {
        memcpy(walk->path, prefix, folder_len);
        walk->path[folder_len] = '\0';
        /* A start key behind the folder is greater than all its keys. */
        bool behind = memcmp(start, prefix, start_len < folder_len ? start_len : folder_len) > 0;
        if (!behind && !ls_file_is_own(walk->path) && push(walk, folder_len, NULL))
            return NULL;
    }
    return LS_STEAL(walk);
}

/* Go to the next file; its key is then in walk->path and its frame on top. *out_end: there is none. */
static enum ls_rc walk_next(struct ls_file_store *fs, struct ls_file_walk *walk, bool *out_end, struct ls_err *err)
{
    while (walk->depth > 0) {
        struct frame *frame = top(walk);
        if (frame->next == frame->n && !frame->more) {
            pop(walk);
            continue;
        }
        if (frame->next == frame->n) {
            enum ls_rc rc = fill(fs, walk, frame, err);
            if (rc)
                return rc;
            continue;
        }
        const char *name = frame->names[frame->next++];
        size_t len = strlen(name);
        memcpy(walk->path + frame->path_len, name, len + 1);
        if (name[len - 1] != '/') {
            *out_end = false;
            return LS_OK;
        }
        enum ls_rc rc = push(walk, frame->path_len + len, err);
        if (rc)
            return rc;
    }
    *out_end = true;
    return LS_OK;
}

/* ---- kept walks ---- */

static struct ls_file_walk *take_walk(struct ls_file_store *fs, const char *prefix, const char *token)
{
    LS_LOCK(&fs->lock);
    int64_t oldest = ls_monotonic_ms() - KEEP_WALK_MS;
    for (size_t i = 0; i < LS_FILE_SAVED_WALKS; i++) {
        struct ls_file_walk *walk = fs->saved[i];
        if (!walk || walk->kept_ms < oldest || strcmp(walk->token, token) != 0 || strcmp(walk->prefix, prefix) != 0)
            continue;
        fs->saved[i] = NULL;
        free(LS_STEAL(walk->token));
        return walk;
    }
    return NULL;
}

static void keep_walk(struct ls_file_store *fs, struct ls_file_walk *walk, const char *token)
{
    for (size_t i = 0; i < walk->depth; i++) {
        if (walk->frames[i].fd >= 0)
            close(walk->frames[i].fd);
        walk->frames[i].fd = -1;
    }
    walk->token = strdup(token);
    walk->kept_ms = ls_monotonic_ms();
    if (!walk->token) {
        ls_file_walk_free(walk);
        return;
    }
    LS_LOCK(&fs->lock);
    struct ls_file_walk **slot = &fs->saved[fs->next_saved++ % LS_FILE_SAVED_WALKS];
    ls_file_walk_free(*slot);
    *slot = walk;
}

/* ---- pages ---- */

struct page {
    struct ls_list_page *out;
    struct ls_buf keys; /* NUL-terminated, one behind the other */
    size_t *offsets;    /* of the keys */
    size_t unhashed;    /* entries without an etag */
};

static void page_auto(struct page *page)
{
    ls_buf_dispose(&page->keys);
    free(page->offsets);
}

/* Add the walk's file, unless it has gone meanwhile. */
static enum ls_rc add_entry(struct ls_file_store *fs, struct ls_file_walk *walk, struct page *page, struct ls_err *err)
{
    struct frame *frame = top(walk);
    bool gone = false;
    enum ls_rc rc = open_frame(fs, walk, frame, &gone, err);
    if (rc || gone)
        return rc;
    LS_AUTO(ls_fd)
    int fd = openat(frame->fd, walk->path + frame->path_len, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO))
        return LS_OK;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return ls_err_errno(err, errno, "store: LIST: cannot open %s in %s", walk->path, fs->dir);
    if (!S_ISREG(st.st_mode))
        return LS_OK;
    struct ls_list_entry *entry = &page->out->entries[page->out->n];
    *entry = (struct ls_list_entry){.size_bytes = (uint64_t)st.st_size, .modified_ns = ls_file_mtime_ns(&st)};
    if (!ls_file_recorded_etag(fs, fd, &st, entry->etag))
        page->unhashed++;
    page->offsets[page->out->n] = page->keys.len;
    if (ls_buf_add(&page->keys, walk->path, strlen(walk->path) + 1))
        return ls_err_nomem(err);
    page->out->n++;
    return LS_OK;
}

struct hash_loop {
    struct ls_file_store *fs;
    struct ls_list_entry *entries;
};

/* Give an entry the etag that it lacks; its key becomes NULL when it has gone. */
static enum ls_rc hash_entry(void *ctx, size_t i, struct ls_err *err)
{
    struct hash_loop *loop = ctx;
    struct ls_list_entry *entry = &loop->entries[i];
    if (entry->etag[0])
        return LS_OK;
    LS_AUTO(ls_fd) int fd = -1;
    struct stat st;
    struct ls_object_info info;
    enum ls_rc rc = ls_file_open_key(loop->fs, entry->key, &fd, &st, err);
    if (!rc)
        rc = ls_file_info(loop->fs, fd, entry->key, &info, err);
    if (rc == LS_NOT_FOUND) {
        entry->key = NULL;
        return LS_OK;
    }
    if (rc)
        return rc;
    entry->size_bytes = info.size_bytes;
    entry->modified_ns = info.modified_ns;
    memcpy(entry->etag, info.etag, sizeof entry->etag);
    return LS_OK;
}

static enum ls_rc finish_page(struct ls_file_store *fs, struct page *page, struct ls_err *err)
{
    struct ls_list_page *out = page->out;
    for (size_t i = 0; i < out->n; i++)
        out->entries[i].key = page->keys.data + page->offsets[i];
    enum ls_rc rc = LS_OK;
    if (page->unhashed > 0) {
        struct hash_loop loop = {fs, out->entries};
        rc = ls_parallel(page->unhashed > 1 ? HASH_WIDTH : 1, out->n, hash_entry, &loop, err);
    }
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++)
        if (out->entries[i].key)
            out->entries[kept++] = out->entries[i];
    out->n = kept;
    out->memory = page->keys.len ? ls_buf_steal(&page->keys) : NULL;
    return rc;
}

/* Fill the page from the walk. *out_end: nothing comes after it. */
static enum ls_rc walk_page(struct ls_file_store *fs, struct ls_file_walk *walk, unsigned limit, struct page *page,
                            bool *out_end, struct ls_err *err)
{
    for (;;) {
        enum ls_rc rc = walk_next(fs, walk, out_end, err);
        if (rc || *out_end)
            return rc;
        if (page->out->n == limit) {
            top(walk)->next--; /* it opens the next page */
            return LS_OK;
        }
        rc = add_entry(fs, walk, page, err);
        if (rc)
            return rc;
    }
}

/* One page, given its memory. */
static enum ls_rc list_page(struct ls_file_store *fs, struct ls_file_walk **walk, unsigned limit, struct page *page,
                            struct ls_err *err)
{
    struct ls_list_page *out = page->out;
    bool end = false;
    enum ls_rc rc = walk_page(fs, *walk, limit, page, &end, err);
    if (!rc && !end) {
        /* The last key that was read, also when its file has gone since. */
        out->token = strdup(page->keys.data + page->offsets[out->n - 1]);
        rc = out->token ? LS_OK : ls_err_nomem(err);
    }
    if (!rc)
        rc = finish_page(fs, page, err);
    if (!rc && out->token)
        keep_walk(fs, LS_STEAL(*walk), out->token);
    return rc;
}

enum ls_rc ls_file_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *out_page,
                        struct ls_err *err)
{
    struct ls_file_store *fs = (struct ls_file_store *)store;
    unsigned limit = req->limit && req->limit < LS_STORE_BATCH ? req->limit : LS_STORE_BATCH;
    const char *prefix = req->prefix ? req->prefix : "";
    const char *start = req->token ? req->token : req->start_after ? req->start_after : "";
    *out_page = (struct ls_list_page){0};
    LS_AUTO(ls_file_walk) struct ls_file_walk *walk = req->token ? take_walk(fs, prefix, req->token) : NULL;
    if (!walk)
        walk = walk_new(prefix, start);
    LS_AUTO(page) struct page page = {.out = out_page, .keys = LS_BUF_INIT(KEYS_MAX)};
    page.offsets = calloc(limit, sizeof *page.offsets);
    out_page->entries = calloc(limit, sizeof *out_page->entries);
    enum ls_rc rc = LS_NO_MEMORY;
    if (!walk || !page.offsets || !out_page->entries)
        (void)ls_err_nomem(err);
    else
        rc = list_page(fs, &walk, limit, &page, err);
    if (rc)
        ls_list_page_dispose(out_page);
    return rc;
}
