/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Is a listing really over?
 *
 * MinIO (seen with 2026-02-12) can say IsTruncated=false too early when a listing starts after a key: it walks folders
 * from the first part of the key on, and siblings that sort between "a" and "a/" ("a-b/…", "a.5/…") use up the page's
 * limit although they lie before the key. A scan that believed it would take every object that follows for missing. So
 * an end that was reached from a key or a token is confirmed by questions whose start has no folder below the prefix in
 * it, inmost folder first. For prefix P and last key P…a/b/c these are, in the order of keys:
 *
 *   below a/b/ after c      is there a key a/b0?      below a/ after b0      is there a key a0?      below P after a0
 *
 * ('0' follows '/', so "x0" is the least name after everything below "x/".) All are plain S3. A listing that started at
 * its beginning and came in one page needs none of this. Any thread.
 */
#include <stdlib.h>

#include "store/s3_internal.h"

/* Put the entries of `more` behind those of page. Takes over neither. */
static enum ls_rc append_entries(struct ls_list_page *page, const struct ls_list_page *more, struct ls_err *err)
{
    size_t bytes = 0, n = page->n + more->n;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(i < page->n ? page->entries[i].key : more->entries[i - page->n].key) + 1;
    struct ls_list_entry *entries = calloc(n + 1, sizeof *entries);
    char *memory = malloc(bytes + 1), *at = memory;
    if (entries == NULL || memory == NULL) {
        free(entries);
        free(memory);
        return ls_err_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        entries[i] = i < page->n ? page->entries[i] : more->entries[i - page->n];
        size_t len = strlen(entries[i].key) + 1;
        entries[i].key = memcpy(at, entries[i].key, len);
        at += len;
    }
    ls_list_page_dispose(page);
    *page = (struct ls_list_page){.entries = entries, .n = n, .memory = memory};
    return LS_OK;
}

struct search {
    struct ls_s3 *s3;
    unsigned limit;
    struct ls_list_page *page;
    bool full; /* there may be more than the page holds */
};

/* Append what lies below prefix after a key, as much as there is room for. */
static enum ls_rc add_after(struct search *search, const char *prefix, const char *after, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_s3_list *list = malloc(sizeof *list);
    if (list == NULL)
        return ls_err_nomem(err);
    unsigned room = search->limit - (unsigned)search->page->n;
    enum ls_rc rc = s3_list_query(search->s3, prefix, after, NULL, room, list, err);
    if (rc == LS_INVALID) /* a name that this server cannot have */
        return LS_OK;
    if (rc != LS_OK)
        return rc;
    if (list->page.n > 0)
        rc = append_entries(search->page, &list->page, err);
    search->full = list->truncated || search->page->n >= search->limit;
    ls_list_page_dispose(&list->page);
    return rc;
}

/* Append the object that has exactly this key, if there is one. */
static enum ls_rc add_exactly(struct search *search, const char *key, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_s3_list *list = malloc(sizeof *list);
    if (list == NULL)
        return ls_err_nomem(err);
    enum ls_rc rc = s3_list_query(search->s3, key, "", NULL, 1, list, err);
    if (rc == LS_INVALID)
        return LS_OK;
    if (rc != LS_OK)
        return rc;
    if (list->page.n > 0 && strcmp(list->page.entries[0].key, key) == 0)
        rc = append_entries(search->page, &list->page, err);
    search->full = search->page->n >= search->limit;
    ls_list_page_dispose(&list->page);
    return rc;
}

/* Ask for what follows last on each level of folders below the prefix. */
static enum ls_rc search_upwards(struct search *search, const char *prefix, const char *last, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf folder = LS_BUF_INIT(LS_BUF_LINE), next = LS_BUF_INIT(LS_BUF_LINE);
    size_t prefix_len = strlen(prefix);

    if (ls_buf_adds(&folder, last) != LS_OK || ls_buf_adds(&next, last) != LS_OK)
        return ls_err_nomem(err);
    for (;;) {
        /* folder becomes what holds next, or the prefix where that is longer */
        const char *slash = strrchr(folder.data, '/');
        size_t len = slash != NULL ? (size_t)(slash - folder.data) + 1 : 0;
        bool at_top = len <= prefix_len;
        ls_buf_truncate(&folder, at_top ? prefix_len : len);
        enum ls_rc rc = add_after(search, folder.data, next.data, err);
        if (rc != LS_OK || search->full || at_top)
            return rc;
        ls_buf_truncate(&folder, folder.len - 1);
        ls_buf_reset(&next);
        if (ls_buf_addf(&next, "%s0", folder.data) != LS_OK)
            return ls_err_nomem(err);
        rc = add_exactly(search, next.data, err);
        if (rc != LS_OK || search->full)
            return rc;
    }
}

enum ls_rc s3_list_end(struct ls_s3 *s3, const char *prefix, const char *after, bool by_token, unsigned limit,
                       struct ls_list_page *page, bool *out_goes_on, struct ls_err *err)
{
    struct search search = {.s3 = s3, .limit = limit, .page = page};
    size_t prefix_len = strlen(prefix);

    *out_goes_on = false;
    if (after[0] == '\0' || strncmp(after, prefix, prefix_len) != 0) /* it began at its beginning */
        return LS_OK;
    if (!by_token && strchr(after + prefix_len, '/') == NULL)
        return LS_OK;
    if (page->n >= limit) {
        *out_goes_on = true;
        return LS_OK;
    }
    LS_AUTO(ls_free) char *last = strdup(page->n > 0 ? page->entries[page->n - 1].key : after);
    if (last == NULL)
        return ls_err_nomem(err);
    enum ls_rc rc = search_upwards(&search, prefix, last, err);
    *out_goes_on = search.full;
    return rc;
}
