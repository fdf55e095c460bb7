/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looking at many objects, and removing those that still are what they should be.
 *
 * A store has no conditional DELETE, so the etag is read right before; the window that stays is documented. Few keys
 * are asked by HEAD side by side, many below one folder by listing it, which costs a thousandth of the requests.
 */
#include "engine/internal.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_AT_MOST 64 /* keys that are asked one by one */

bool ls_rc_is_final(enum ls_rc rc) { return rc == LS_DENIED || rc == LS_UNSUPPORTED || rc == LS_INVALID; }

static int seen_cmp(const void *a, const void *b)
{
    return strcmp((*(struct ls_seen *const *)a)->key, (*(struct ls_seen *const *)b)->key);
}

static enum ls_rc look_head(struct ls_engine *engine, struct ls_seen **items, size_t n, struct ls_err *err)
{
    size_t chunk = n < LS_STORE_BATCH ? n : LS_STORE_BATCH;
    LS_AUTO(ls_free) struct ls_store_head *heads = calloc(chunk ? chunk : 1, sizeof(*heads));
    if (!heads)
        return ls_err_nomem(err);
    for (size_t done = 0; done < n; done += chunk) {
        size_t m = n - done < chunk ? n - done : chunk;
        memset(heads, 0, m * sizeof(*heads));
        for (size_t i = 0; i < m; i++)
            heads[i].key = items[done + i]->key;
        enum ls_rc rc = ls_store_head_many(engine->store, heads, m, err);
        if (rc != LS_OK)
            return rc;
        for (size_t i = 0; i < m; i++) {
            struct ls_seen *seen = items[done + i];
            seen->rc = heads[i].rc;
            seen->size_bytes = heads[i].info.size_bytes;
            seen->modified_ns = heads[i].info.modified_ns;
            memcpy(seen->etag, heads[i].info.etag, sizeof(seen->etag));
        }
    }
    return LS_OK;
}

/* The folder that all sorted items lie in, with its slash, into out (LS_KEY_MAX + 1 bytes). */
static void common_folder(struct ls_seen **items, size_t n, char *out)
{
    const char *first = items[0]->key, *last = items[n - 1]->key;
    size_t same = 0, folder = 0;
    while (first[same] && first[same] == last[same] && same < LS_KEY_MAX)
        if (first[same++] == '/')
            folder = same;
    memcpy(out, first, folder);
    out[folder] = '\0';
}

/* Settle sorted items from *at on with one page; moves *at past those that are decided. */
static void take_page(const struct ls_list_page *page, struct ls_seen **items, size_t n, size_t *at)
{
    size_t e = 0;
    while (*at < n && e < page->n) {
        int cmp = strcmp(items[*at]->key, page->entries[e].key);
        if (cmp > 0) {
            e++;
            continue;
        }
        struct ls_seen *seen = items[(*at)++];
        seen->rc = cmp == 0 ? LS_OK : LS_NOT_FOUND;
        if (cmp == 0) {
            seen->size_bytes = page->entries[e].size_bytes;
            seen->modified_ns = page->entries[e].modified_ns;
            memcpy(seen->etag, page->entries[e].etag, sizeof(seen->etag));
        }
    }
    if (!page->token) /* nothing follows */
        for (; *at < n; (*at)++)
            items[*at]->rc = LS_NOT_FOUND;
}

/* Ask by listing; gives up quietly (for HEAD to finish) when the folder holds far more than what is asked for. */
static enum ls_rc look_list(struct ls_engine *engine, struct ls_seen **items, size_t n, size_t *at, struct ls_err *err)
{
    char prefix[LS_KEY_MAX + 1], after[LS_KEY_MAX + 1];
    common_folder(items, n, prefix);
    snprintf(after, sizeof(after), "%s", items[0]->key);
    after[strlen(after) - (after[0] != '\0')] = '\0'; /* a proper prefix sorts right before */
    size_t pages = 2 * (n / LS_STORE_BATCH + 2);
    LS_AUTO(ls_free) char *token = NULL;
    while (*at < n && pages-- > 0) {
        struct ls_list_request req = {.prefix = prefix, .start_after = after, .token = token};
        struct ls_list_page page = {0};
        enum ls_rc rc = ls_store_list(engine->store, &req, &page, err);
        if (rc != LS_OK)
            return rc;
        take_page(&page, items, n, at);
        free(token);
        token = page.token ? strdup(page.token) : NULL;
        bool lost = page.token && !token;
        ls_list_page_dispose(&page);
        if (lost)
            return ls_err_nomem(err);
    }
    return LS_OK;
}

enum ls_rc ls_look(struct ls_engine *engine, const char *const *keys, size_t n, struct ls_seen *out, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_seen **sorted = calloc(n ? n : 1, sizeof(struct ls_seen *));
    if (!sorted)
        return ls_err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct ls_seen){.key = keys[i], .rc = LS_NOT_FOUND};
        sorted[i] = &out[i];
    }
    size_t at = 0;
    if (n > HEAD_AT_MOST) {
        qsort(sorted, n, sizeof(struct ls_seen *), seen_cmp);
        enum ls_rc rc = look_list(engine, sorted, n, &at, err);
        if (rc != LS_OK)
            return rc;
    }
    return at < n ? look_head(engine, sorted + at, n - at, err) : LS_OK;
}

/* Mark those that a row points at. */
static enum ls_rc mark_rows(struct ls_engine *engine, struct ls_remove_object *items, const char *const *keys, size_t n,
                            struct ls_err *err)
{
    LS_AUTO(ls_image_page) struct ls_image_page page = {0};
    enum ls_rc rc = engine->catalog->ops->images_get(engine->catalog, NULL, keys, n, &page, err);
    for (size_t r = 0; rc == LS_OK && r < page.n; r++)
        for (size_t i = 0; i < n; i++)
            if (strcmp(items[i].key, page.items[r].key) == 0)
                items[i].result = LS_REMOVAL_ROW;
    return rc;
}

/* A removal whose answer was an error may have happened: look again. */
static void resolve_failed(struct ls_engine *engine, struct ls_remove_object *item)
{
    struct ls_object_info info;
    if (ls_store_head_one(engine->store, item->key, &info, NULL) == LS_NOT_FOUND)
        item->result = LS_REMOVAL_DONE;
}

/* Call the store for those that are to go. */
static void remove_marked(struct ls_engine *engine, struct ls_remove_object **go, size_t n, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_store_delete *dels = calloc(n ? n : 1, sizeof(*dels));
    if (!dels) {
        (void)ls_err_nomem(err);
        return;
    }
    for (size_t i = 0; i < n; i++)
        dels[i].key = go[i]->key;
    struct ls_err call = LS_ERR_INIT;
    enum ls_rc rc = ls_store_delete_many(engine->store, dels, n, &call);
    for (size_t i = 0; i < n; i++) {
        if (rc == LS_OK || dels[i].rc == LS_OK)
            go[i]->result = LS_REMOVAL_DONE;
        else if (ls_rc_is_final(dels[i].rc))
            go[i]->result = LS_REMOVAL_DENIED;
        else if (!ls_waited_in_vain(&call))
            resolve_failed(engine, go[i]);
        if (go[i]->result != LS_REMOVAL_DONE && err && err->rc == LS_OK)
            *err = dels[i].err.rc != LS_OK ? dels[i].err : call;
    }
}

/* Nothing can be said of the whole chunk. */
static void chunk_failed(struct ls_remove_object *items, size_t n, enum ls_rc rc, const struct ls_err *why,
                         struct ls_err *err)
{
    for (size_t i = 0; i < n; i++)
        items[i].result = ls_rc_is_final(rc) ? LS_REMOVAL_DENIED : LS_REMOVAL_FAILED;
    if (err && err->rc == LS_OK)
        *err = *why;
}

static void remove_chunk(struct ls_run *run, struct ls_remove_object *items, size_t n, bool check_rows,
                         struct ls_err *err)
{
    struct ls_engine *engine = run->engine;
    LS_AUTO(ls_free) const char **keys = calloc(n, sizeof(char *));
    LS_AUTO(ls_free) struct ls_seen *seen = calloc(n, sizeof(*seen));
    LS_AUTO(ls_free) struct ls_remove_object **go = calloc(n, sizeof(struct ls_remove_object *));
    struct ls_err why = LS_ERR_INIT;
    size_t n_go = 0;
    if (!keys || !seen || !go) {
        enum ls_rc nomem = ls_err_nomem(&why);
        chunk_failed(items, n, nomem, &why, err);
        return;
    }
    for (size_t i = 0; i < n; i++)
        keys[i] = items[i].key;
    enum ls_rc rc = ls_look(engine, keys, n, seen, &why);
    if (rc == LS_OK && check_rows)
        rc = mark_rows(engine, items, keys, n, &why);
    if (rc == LS_OK)
        rc = ls_run_own(run, &why);
    if (rc != LS_OK) {
        chunk_failed(items, n, rc, &why, err);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i].result == LS_REMOVAL_ROW)
            continue;
        if (seen[i].rc == LS_NOT_FOUND)
            items[i].result = LS_REMOVAL_DONE;
        else if (items[i].etag && strcmp(items[i].etag, seen[i].etag) != 0)
            items[i].result = LS_REMOVAL_FOREIGN;
        else
            go[n_go++] = &items[i];
    }
    if (n_go > 0)
        remove_marked(engine, go, n_go, err);
}

void ls_remove_objects(struct ls_run *run, struct ls_remove_object *items, size_t n, bool check_rows,
                       struct ls_err *err)
{
    for (size_t i = 0; i < n; i++)
        items[i].result = LS_REMOVAL_FAILED;
    for (size_t done = 0; done < n; done += LS_STORE_BATCH)
        remove_chunk(run, items + done, n - done < LS_STORE_BATCH ? n - done : LS_STORE_BATCH, check_rows, err);
}
