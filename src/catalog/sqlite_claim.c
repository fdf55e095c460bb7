/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which paths are owned by open intents.
 *
 * A claim is a key, or a subtree whose path ends with '/' (or is empty: everything). Two claims overlap when they are
 * equal or one is a subtree that contains the other. All of it is index look-ups: the path itself, each of its
 * ancestors ("", "a/", "a/b/"), and for a subtree the range of bytes below it. Paths are compared whole up to the
 * slash, so "images" never matches "images2".
 */
#include "catalog/sqlite_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* Look-ups that go on within one call. */
struct lookup {
    struct ls_sqlite_conn *conn;
    struct ls_buf path;        /* scratch: an ancestor or the end of a range */
    struct ls_buf free_folder; /* no subtree claim covers this folder: rows of one folder come together */
    bool has_free_folder;
    bool none;                     /* there are no claims at all */
    char intent[LS_INTENT_ID_LEN]; /* whose claim was found */
};

static void lookup_auto(struct lookup *lookup)
{
    ls_buf_dispose(&lookup->path);
    ls_buf_dispose(&lookup->free_folder);
}

static enum ls_rc find(struct lookup *lookup, enum ls_sql sql, const char *path, const char *end, bool *out_found,
                       struct ls_err *err)
{
    LS_AUTO(ls_query) struct ls_query q;
    enum ls_rc rc = ls_query_begin(lookup->conn, sql, &q, err);
    if (rc != LS_OK)
        return rc;
    if (path)
        ls_query_text(&q, path);
    if (path && end && end[0])
        ls_query_text(&q, end);
    else if (path && end)
        ls_query_after_all(&q);
    rc = ls_query_row(&q, out_found, err);
    if (rc == LS_OK && *out_found)
        rc = ls_query_get_fixed(&q, 0, lookup->intent, sizeof lookup->intent, err);
    return rc;
}

static enum ls_rc lookup_start(struct lookup *lookup, struct ls_sqlite_conn *conn, struct ls_err *err)
{
    bool any = false;
    lookup->conn = conn;
    enum ls_rc rc = find(lookup, LS_SQL_CLAIM_ANY, NULL, NULL, &any, err);
    lookup->none = !any;
    return rc;
}

/* Does a subtree claim hold one of the folders above the path (or the path itself when it ends with '/')? */
static enum ls_rc find_above(struct lookup *lookup, const char *path, bool *out_found, struct ls_err *err)
{
    const char *last = strrchr(path, '/');
    size_t folder_len = last ? (size_t)(last - path) + 1 : 0;
    if (lookup->has_free_folder && lookup->free_folder.len == folder_len &&
        memcmp(lookup->free_folder.data, path, folder_len) == 0)
        return LS_OK;
    for (size_t len = 0; len <= folder_len; len++) {
        if (len && path[len - 1] != '/')
            continue;
        ls_buf_reset(&lookup->path);
        enum ls_rc rc = ls_buf_add(&lookup->path, path, len);
        if (rc != LS_OK)
            return ls_err_nomem(err);
        rc = find(lookup, LS_SQL_CLAIM_SUBTREE_AT, lookup->path.data, NULL, out_found, err);
        if (rc != LS_OK || *out_found)
            return rc;
    }
    ls_buf_reset(&lookup->free_folder);
    lookup->has_free_folder = ls_buf_add(&lookup->free_folder, path, folder_len) == LS_OK;
    return LS_OK;
}

static enum ls_rc find_below(struct lookup *lookup, const char *path, bool *out_found, struct ls_err *err)
{
    size_t len = strlen(path);
    ls_buf_reset(&lookup->path);
    if (len && (ls_buf_add(&lookup->path, path, len - 1) != LS_OK || ls_buf_addc(&lookup->path, '0') != LS_OK))
        return ls_err_nomem(err);
    return find(lookup, LS_SQL_CLAIM_BELOW, path, lookup->path.data, out_found, err);
}

static enum ls_rc find_overlap(struct lookup *lookup, const char *path, bool subtree, bool *out_found,
                               struct ls_err *err)
{
    *out_found = false;
    if (lookup->none)
        return LS_OK;
    enum ls_rc rc = find(lookup, LS_SQL_CLAIM_AT, path, NULL, out_found, err);
    if (rc == LS_OK && !*out_found)
        rc = find_above(lookup, path, out_found, err);
    if (rc == LS_OK && !*out_found && subtree)
        rc = find_below(lookup, path, out_found, err);
    return rc;
}

static enum ls_rc busy(struct lookup *lookup, const char *path, struct ls_err *err)
{
    char op[16] = "operation", instance[LS_INTENT_ID_LEN] = "?";
    bool row;
    LS_AUTO(ls_query) struct ls_query q;
    if (ls_query_begin(lookup->conn, LS_SQL_INTENT_GET, &q, NULL) == LS_OK) {
        ls_query_text(&q, lookup->intent);
        if (ls_query_row(&q, &row, NULL) == LS_OK && row &&
            (ls_query_get_fixed(&q, 2, op, sizeof op, NULL) != LS_OK ||
             ls_query_get_fixed(&q, 1, instance, sizeof instance, NULL) != LS_OK))
            strcpy(op, "operation");
    }
    return ls_err_set(err, LS_BUSY, "catalog: %s is part of a running %s (intent %s of instance %s)", path, op,
                      lookup->intent, instance);
}

enum ls_rc ls_sqlite_claims_check(struct ls_sqlite_conn *conn, const struct ls_claim *claims, size_t n,
                                  struct ls_err *err)
{
    LS_AUTO(lookup) struct lookup lookup = {.path = LS_BUF_INIT(LS_BUF_LINE), .free_folder = LS_BUF_INIT(LS_BUF_LINE)};
    enum ls_rc rc = lookup_start(&lookup, conn, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        const char *path = claims[i].path;
        size_t len = strlen(path);
        bool found = false;
        if (claims[i].subtree ? len && path[len - 1] != '/' : len == 0)
            return ls_err_set(err, LS_INVALID, "catalog: \"%s\" is no path to claim%s", path,
                              claims[i].subtree ? " as a subtree: it must end with /" : "");
        rc = find_overlap(&lookup, path, claims[i].subtree, &found, err);
        if (rc == LS_OK && found)
            rc = busy(&lookup, path, err);
    }
    return rc;
}

static enum ls_rc cover(struct ls_sqlite_conn *conn, const char *const *keys, size_t n, bool *out_covered,
                        struct ls_err *err)
{
    LS_AUTO(lookup) struct lookup lookup = {.path = LS_BUF_INIT(LS_BUF_LINE), .free_folder = LS_BUF_INIT(LS_BUF_LINE)};
    enum ls_rc rc = lookup_start(&lookup, conn, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        rc = find_overlap(&lookup, keys[i], false, &out_covered[i], err);
    return rc;
}

enum ls_rc ls_sqlite_intents_cover(struct ls_catalog *cat, struct ls_tx *tx, const char *const *keys, size_t n,
                                   bool *out_covered, struct ls_err *err)
{
    LS_AUTO(ls_sqlite_reader) struct ls_sqlite_reader reader;
    enum ls_rc rc = ls_sqlite_reader_get(cat, tx, &reader, err);
    if (rc != LS_OK || !reader.pooled)
        return rc == LS_OK ? cover(reader.conn, keys, n, out_covered, err) : rc;
    rc = ls_sqlite_snapshot_begin(reader.conn, err);
    if (rc != LS_OK)
        return rc;
    rc = cover(reader.conn, keys, n, out_covered, err);
    ls_sqlite_snapshot_end(reader.conn);
    return rc;
}
