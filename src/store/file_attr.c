/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the file store keeps with a file: its etag and the object's metadata, as two lines of text.
 *
 *   user.lockstep.etag   <md5> <size> <mtime ns> <inode>     valid while the file still has these three
 *   user.lockstep.meta   <md5> mtime=<ns> mode=<octal> owner=<uid>:<gid> intent=<id> type=<content type, to the end>
 *                        valid while the file's etag is this md5; fields that are not set are left out
 *
 * So a file that was put, restored or changed by hand is hashed when it is first seen, and metadata never outlives the
 * bytes that it was given with. Where the file system has no xattrs, `.lockstep/attr/<inode>` holds both lines. Thread
 * rule: any thread; a record that two threads write at once is the same one.
 */
#include "store/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"

#define ETAG_ATTR "user.lockstep.etag"
#define META_ATTR "user.lockstep.meta"

/* A change within the clock's tick after a hash would go unnoticed: files as young as this get no record yet. */
enum { SETTLE_MS = 50, HASH_TRIES = 3, LINE_MAX_BYTES = 512 };

struct record {
    char etag[LINE_MAX_BYTES], meta[LINE_MAX_BYTES]; /* "" = none */
};

int64_t ls_file_mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * LS_NS_PER_S + st->st_mtim.tv_nsec;
}

/* ---- where the record lies ---- */

static void attr_path(ino_t inode, char out[64]) { snprintf(out, 64, "%s%" PRIu64, LS_FILE_ATTR, (uint64_t)inode); }

static void no_xattr(struct ls_file_store *fs)
{
    atomic_store(&fs->no_xattr, true);
    ls_file_warn_once(&fs->warned_xattr, "no-xattrs-here-using-side-files", fs->dir);
}

static void read_xattr(struct ls_file_store *fs, int fd, const char *name, char out[LINE_MAX_BYTES])
{
    ssize_t n = fgetxattr(fd, name, out, LINE_MAX_BYTES - 1);
    if (n < 0 && errno == ENOTSUP)
        no_xattr(fs);
    out[n < 0 ? 0 : n] = '\0';
}

static void read_side_file(struct ls_file_store *fs, ino_t inode, struct record *record)
{
    char path[64], text[2 * LINE_MAX_BYTES];
    int root = -1;
    attr_path(inode, path);
    if (ls_file_root(fs, &root, NULL))
        return;
    LS_AUTO(ls_fd) int fd = ls_open_beneath(root, path, O_RDONLY | O_NOFOLLOW, 0);
    ssize_t n = fd < 0 ? -1 : ls_pread_all(fd, text, sizeof text - 1, 0);
    if (n < 0)
        return;
    text[n] = '\0';
    char *end = strchr(text, '\n');
    if (!end)
        return;
    *end = '\0';
    snprintf(record->etag, sizeof record->etag, "%.*s", LINE_MAX_BYTES - 1, text);
    snprintf(record->meta, sizeof record->meta, "%.*s", LINE_MAX_BYTES - 1, end + 1);
}

static void read_record(struct ls_file_store *fs, int fd, ino_t inode, bool want_meta, struct record *record)
{
    record->etag[0] = record->meta[0] = '\0';
    if (!atomic_load(&fs->no_xattr)) {
        read_xattr(fs, fd, ETAG_ATTR, record->etag);
        if (want_meta)
            read_xattr(fs, fd, META_ATTR, record->meta);
    }
    if (atomic_load(&fs->no_xattr))
        read_side_file(fs, inode, record);
}

/* 0, or -1 and errno. */
static int write_side_file(struct ls_file_store *fs, ino_t inode, const struct record *record)
{
    char path[64], temp[128], id[LS_ID_LEN], text[2 * LINE_MAX_BYTES];
    int root = -1;
    attr_path(inode, path);
    ls_id_new(id);
    snprintf(temp, sizeof temp, "%sattr.%s", LS_FILE_TMP, id);
    if (ls_file_root(fs, &root, NULL) || ls_file_make_own(fs, LS_FILE_ATTR "x", NULL) ||
        ls_file_make_own(fs, LS_FILE_TMP "x", NULL)) {
        errno = EIO;
        return -1;
    }
    LS_AUTO(ls_fd) int fd = ls_open_beneath(root, temp, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return -1;
    int len = snprintf(text, sizeof text, "%s\n%s", record->etag, record->meta);
    if (ls_write_all(fd, text, (size_t)len) < 0 || fsync(fd) < 0 || renameat(root, temp, root, path) < 0 ||
        ls_fsync_parent(root, path) < 0) {
        int failed = errno;
        unlinkat(root, temp, 0);
        errno = failed;
        return -1;
    }
    return 0;
}

/* 0, or -1 and errno. The meta line is left alone when it is "". */
static int write_record(struct ls_file_store *fs, int fd, ino_t inode, const struct record *record)
{
    if (!atomic_load(&fs->no_xattr)) {
        if ((!record->meta[0] || fsetxattr(fd, META_ATTR, record->meta, strlen(record->meta), 0) == 0) &&
            fsetxattr(fd, ETAG_ATTR, record->etag, strlen(record->etag), 0) == 0)
            return 0;
        if (errno != ENOTSUP)
            return -1;
        no_xattr(fs);
    }
    return write_side_file(fs, inode, record);
}

void ls_file_forget(struct ls_file_store *fs, ino_t inode)
{
    char path[64];
    int root = -1;
    if (!atomic_load(&fs->no_xattr) || ls_file_root(fs, &root, NULL))
        return;
    attr_path(inode, path);
    unlinkat(root, path, 0);
}

/* ---- the lines ---- */

static void etag_line(const char *etag, const struct stat *st, char out[LINE_MAX_BYTES])
{
    snprintf(out, LINE_MAX_BYTES, "%s %" PRIu64 " %" PRId64 " %" PRIu64, etag, (uint64_t)st->st_size,
             ls_file_mtime_ns(st), (uint64_t)st->st_ino);
}

/* True when the line speaks of this very file; the etag is then its first LS_MD5_HEX - 1 bytes. */
static bool etag_line_holds(const char *line, const struct stat *st)
{
    char want[LINE_MAX_BYTES];
    if (strspn(line, "0123456789abcdef") != LS_MD5_HEX - 1)
        return false;
    char etag[LS_MD5_HEX];
    memcpy(etag, line, LS_MD5_HEX - 1);
    etag[LS_MD5_HEX - 1] = '\0';
    etag_line(etag, st, want);
    return !strcmp(line, want);
}

static void meta_line(const char *etag, const struct ls_object_meta *meta, char out[LINE_MAX_BYTES])
{
    int n = snprintf(out, LINE_MAX_BYTES, "%s", etag);
    if (meta->has_mtime)
        n += snprintf(out + n, (size_t)(LINE_MAX_BYTES - n), " mtime=%" PRId64, meta->mtime_ns);
    if (meta->has_mode)
        n += snprintf(out + n, (size_t)(LINE_MAX_BYTES - n), " mode=%" PRIo32, meta->mode);
    if (meta->has_owner)
        n += snprintf(out + n, (size_t)(LINE_MAX_BYTES - n), " owner=%" PRIu32 ":%" PRIu32, meta->uid, meta->gid);
    if (meta->intent[0])
        n +=
            snprintf(out + n, (size_t)(LINE_MAX_BYTES - n), " intent=%.*s", (int)sizeof meta->intent - 1, meta->intent);
    if (meta->content_type[0])
        snprintf(out + n, (size_t)(LINE_MAX_BYTES - n), " type=%.*s", LS_CONTENT_TYPE_MAX - 1, meta->content_type);
}

static void parse_meta(const char *line, const char *etag, struct ls_object_meta *out)
{
    *out = (struct ls_object_meta){0};
    size_t len = strlen(etag);
    if (strncmp(line, etag, len) != 0)
        return;
    for (const char *at = line + len; *at == ' ';) {
        at++;
        if (!strncmp(at, "type=", 5)) {
            snprintf(out->content_type, sizeof out->content_type, "%s", at + 5);
            return;
        }
        if (sscanf(at, "mtime=%" SCNd64, &out->mtime_ns) == 1)
            out->has_mtime = true;
        else if (sscanf(at, "mode=%" SCNo32, &out->mode) == 1)
            out->has_mode = true;
        else if (sscanf(at, "owner=%" SCNu32 ":%" SCNu32, &out->uid, &out->gid) == 2)
            out->has_owner = true;
        else
            (void)sscanf(at, "intent=%31[^ ]", out->intent);
        at += strcspn(at, " ");
    }
}

/* ---- what the others call ---- */

bool ls_file_recorded_etag(struct ls_file_store *fs, int fd, const struct stat *st, char out_etag[LS_ETAG_MAX])
{
    struct record record;
    read_record(fs, fd, st->st_ino, false, &record);
    if (!etag_line_holds(record.etag, st))
        return false;
    memcpy(out_etag, record.etag, LS_MD5_HEX - 1);
    out_etag[LS_MD5_HEX - 1] = '\0';
    return true;
}

enum ls_rc ls_file_record(struct ls_file_store *fs, int fd, const struct stat *st, const char *etag,
                          const struct ls_object_meta *meta, struct ls_err *err)
{
    struct record record;
    etag_line(etag, st, record.etag);
    meta_line(etag, meta, record.meta);
    if (write_record(fs, fd, st->st_ino, &record) < 0)
        return ls_err_errno(err, errno, "store: cannot record etag and metadata of a file in %s", fs->dir);
    return LS_OK;
}

static bool same_content(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_ino == b->st_ino && ls_file_mtime_ns(a) == ls_file_mtime_ns(b);
}

/* Hash a file that is at rest for the time that this takes; *st gets its state. */
static enum ls_rc hash_file(int fd, const char *key, struct stat *st, char out_etag[LS_ETAG_MAX], struct ls_err *err)
{
    for (int i = 0; i < HASH_TRIES; i++) {
        uint8_t md5[LS_MD5_LEN];
        struct stat after;
        enum ls_rc rc = ls_hash_fd(fd, 0, (uint64_t)st->st_size, md5, NULL, err);
        if (fstat(fd, &after) < 0)
            return ls_err_errno(err, errno, "store: cannot look at %s", key);
        bool at_rest = same_content(st, &after);
        *st = after;
        if (rc && at_rest)
            return ls_err_prefix(err, "store: cannot hash %s: ", key);
        if (at_rest) {
            ls_hex(md5, sizeof md5, out_etag);
            return LS_OK;
        }
    }
    return ls_err_set(err, LS_TRANSIENT, "store: %s is being written by another program: it changes while it is hashed",
                      key);
}

enum ls_rc ls_file_info(struct ls_file_store *fs, int fd, const char *key, struct ls_object_info *out_info,
                        struct ls_err *err)
{
    struct stat st;
    struct record record;
    if (fstat(fd, &st) < 0)
        return ls_err_errno(err, errno, "store: cannot look at %s", key);
    read_record(fs, fd, st.st_ino, true, &record);
    char etag[LS_ETAG_MAX] = "";
    if (etag_line_holds(record.etag, &st)) {
        memcpy(etag, record.etag, LS_MD5_HEX - 1);
    } else {
        enum ls_rc rc = hash_file(fd, key, &st, etag, err);
        if (rc)
            return rc;
        etag_line(etag, &st, record.etag);
        /* Not ours, or read-only: hashed again the next time. */
        if (ls_now_ns() - ls_file_mtime_ns(&st) > SETTLE_MS * LS_NS_PER_MS)
            (void)write_record(fs, fd, st.st_ino, &record);
    }
    *out_info = (struct ls_object_info){.size_bytes = (uint64_t)st.st_size, .modified_ns = ls_file_mtime_ns(&st)};
    memcpy(out_info->etag, etag, sizeof etag);
    parse_meta(record.meta, etag, &out_info->meta);
    return LS_OK;
}
