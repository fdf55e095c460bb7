/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which paths are owned by open intents.
 *
 * A claim is a key, or a subtree whose path ends with '/' (or is empty: everything). Two claims overlap when they are
 * equal or one is a subtree that contains the other. One statement asks for all paths at once; the writer's lock keeps
 * others from claiming between the look and the insert.
 */
#include "catalog/pg_impl.h"

#include <string.h>

#include "base/buf.h"

#define ARRAY_MAX ((size_t)1 << 30)

/* The two arrays that OVERLAPS in pg_sql.c takes. */
struct wanted {
    struct ls_buf paths, subtrees;
};

static void wanted_auto(struct wanted *wanted)
{
    ls_buf_dispose(&wanted->paths);
    ls_buf_dispose(&wanted->subtrees);
}

static enum ls_rc wanted_begin(struct wanted *wanted, size_t n, struct ls_err *err)
{
    ls_buf_init(&wanted->paths, ARRAY_MAX);
    ls_buf_init(&wanted->subtrees, ARRAY_MAX);
    enum ls_rc rc = ls_pg_array_begin(&wanted->paths, LS_PG_BYTEA, n, err);
    return rc == LS_OK ? ls_pg_array_begin(&wanted->subtrees, LS_PG_BOOL, n, err) : rc;
}

static enum ls_rc wanted_add(struct wanted *wanted, const char *path, bool subtree, struct ls_err *err)
{
    char flag = subtree;
    enum ls_rc rc = ls_pg_array_add(&wanted->paths, path, strlen(path), err);
    return rc == LS_OK ? ls_pg_array_add(&wanted->subtrees, &flag, 1, err) : rc;
}

static void bind(struct ls_pg_query *q, const struct wanted *wanted)
{
    ls_pg_blob(q, wanted->paths.data, wanted->paths.len);
    ls_pg_blob(q, wanted->subtrees.data, wanted->subtrees.len);
}

enum ls_rc ls_pg_claims_check(struct ls_tx *tx, const struct ls_claim *claims, size_t n, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    LS_AUTO(wanted) struct wanted wanted;
    ls_pg_query_init(&q, LS_PG_CLAIM_OVERLAP);
    enum ls_rc rc = wanted_begin(&wanted, n, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++) {
        size_t len = strlen(claims[i].path);
        if (claims[i].subtree ? len && claims[i].path[len - 1] != '/' : len == 0)
            return ls_err_set(err, LS_INVALID, "catalog: \"%s\" is no path to claim%s", claims[i].path,
                              claims[i].subtree ? " as a subtree: it must end with /" : "");
        rc = wanted_add(&wanted, claims[i].path, claims[i].subtree, err);
    }
    if (rc != LS_OK || n == 0)
        return rc;
    bind(&q, &wanted);
    rc = ls_pg_read(tx->cat, tx, &q, &res, err);
    if (rc != LS_OK || PQntuples(res) == 0)
        return rc;
    size_t at = (size_t)ls_pg_get_int(res, 0, 0) - 1;
    return ls_err_set(err, LS_BUSY, "catalog: %s is part of a running %s (intent %s of instance %s)",
                      at < n ? claims[at].path : "?", PQgetvalue(res, 0, 2), PQgetvalue(res, 0, 1),
                      PQgetvalue(res, 0, 3));
}

enum ls_rc ls_pg_intents_cover(struct ls_catalog *cat, struct ls_tx *tx, const char *const *keys, size_t n,
                               bool *out_covered, struct ls_err *err)
{
    LS_AUTO(ls_pg_result) PGresult *res = NULL;
    LS_AUTO(ls_pg_query) struct ls_pg_query q;
    LS_AUTO(wanted) struct wanted wanted;
    ls_pg_query_init(&q, LS_PG_CLAIM_COVER);
    for (size_t i = 0; i < n; i++)
        out_covered[i] = false;
    enum ls_rc rc = wanted_begin(&wanted, n, err);
    for (size_t i = 0; rc == LS_OK && i < n; i++)
        rc = wanted_add(&wanted, keys[i], false, err);
    if (rc != LS_OK || n == 0)
        return rc;
    bind(&q, &wanted);
    rc = ls_pg_read(cat, tx, &q, &res, err);
    for (int i = 0; rc == LS_OK && i < PQntuples(res); i++) {
        size_t at = (size_t)ls_pg_get_int(res, i, 0) - 1;
        if (at < n)
            out_covered[at] = true;
    }
    return rc;
}
