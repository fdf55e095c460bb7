/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads many objects again.
 *
 * One list page costs a server about as much as a hundred HEADs, so a crowd of neighbours (a first import, where every
 * object is a suspect) is listed again. A listing may show that an object is there; that one is gone only its own HEAD
 * may say. Keys that a server lists but will not HEAD (it calls them invalid) are looked up by a listing of their own.
 */
#include "scan/reread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

#define LIST_WORTH 100 /* keys that must be wanted, or must have been found on the last page, for the next one */

static void set_object(struct ls_recheck *item, const char *etag, uint64_t size_bytes, int64_t modified_ns)
{
    item->object = (struct ls_seen_object){.there = true, .size_bytes = size_bytes, .modified_ns = modified_ns};
    snprintf(item->object.etag, sizeof item->object.etag, "%s", etag);
}

/* Take what a page shows; *at moves past the page's last key. Returns how many were found. */
static size_t take_page(const struct ls_list_page *page, struct ls_recheck **items, size_t n, size_t *at)
{
    size_t found = 0;
    for (size_t i = 0; i < page->n && *at < n; i++) {
        const struct ls_list_entry *e = &page->entries[i];
        while (*at < n && strcmp(items[*at]->key, e->key) < 0)
            ++*at;
        if (*at < n && strcmp(items[*at]->key, e->key) == 0) {
            set_object(items[(*at)++], e->etag, e->size_bytes, e->modified_ns);
            found++;
        }
    }
    return found;
}

/* List from the first key on as long as it pays. What it does not find, or fails to read, is left to HEAD. */
static void list_crowd(struct ls_scan *scan, struct ls_recheck **items, size_t n)
{
    size_t at = 1; /* a listing starts after a key: the first itself gets a HEAD */
    LS_AUTO(ls_free) char *token = NULL;
    for (size_t found = LIST_WORTH; found >= LIST_WORTH && n - at >= LIST_WORTH;) {
        struct ls_list_request req = {
            .prefix = "", .start_after = token ? "" : items[0]->key, .token = token, .limit = (unsigned)(n - at)};
        struct ls_list_page page = {0};
        if (ls_store_list(scan->store, &req, &page, NULL))
            return;
        found = take_page(&page, items, n, &at);
        free(token);
        token = page.token;
        page.token = NULL;
        ls_list_page_dispose(&page);
        if (!token)
            return;
    }
}

/* Ask the listing for exactly this key. */
static enum ls_rc list_one(struct ls_scan *scan, struct ls_recheck *item, struct ls_err *err)
{
    struct ls_list_request req = {.prefix = item->key, .start_after = "", .limit = 1};
    struct ls_list_page page = {0};
    enum ls_rc rc = ls_store_list(scan->store, &req, &page, err);
    if (rc)
        return rc;
    if (page.n && strcmp(page.entries[0].key, item->key) == 0)
        set_object(item, page.entries[0].etag, page.entries[0].size_bytes, page.entries[0].modified_ns);
    ls_list_page_dispose(&page);
    return LS_OK;
}

static void take_head(struct ls_scan *scan, struct ls_recheck *item, struct ls_store_head *head)
{
    enum ls_rc rc = head->rc;
    if (rc == LS_OK)
        set_object(item, head->info.etag, head->info.size_bytes, head->info.modified_ns);
    else if (rc == LS_INVALID)
        rc = list_one(scan, item, &head->err);
    if (rc == LS_OK || rc == LS_NOT_FOUND)
        return;
    char text[LS_ERR_TEXT_MAX + 64];
    snprintf(text, sizeof text, "could not be read again: %s",
             head->err.text[0] ? head->err.text : ls_rc_name(head->rc));
    item->unknown = true;
    ls_spool_error(scan->spool, text);
}

enum ls_rc ls_reread_objects(struct ls_scan *scan, struct ls_recheck **items, size_t n, struct ls_err *err)
{
    for (size_t i = 0; i < n; i++)
        items[i]->object = (struct ls_seen_object){0};
    if (n > LIST_WORTH)
        list_crowd(scan, items, n);
    LS_AUTO(ls_free) struct ls_store_head *heads = calloc(n + 1, sizeof *heads);
    LS_AUTO(ls_free) struct ls_recheck **wanted = calloc(n + 1, sizeof(void *));
    if (!heads || !wanted)
        return ls_err_nomem(err);
    size_t n_heads = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i]->object.there)
            continue;
        wanted[n_heads] = items[i];
        heads[n_heads].rc = LS_IO;
        heads[n_heads++].key = items[i]->key;
    }
    if (n_heads == 0)
        return LS_OK;
    enum ls_rc rc = ls_store_head_many(scan->store, heads, n_heads, NULL);
    (void)rc; /* each item has a result of its own */
    for (size_t i = 0; i < n_heads; i++)
        take_head(scan, wanted[i], &heads[i]);
    return LS_OK;
}
