/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads a listing ahead.
 *
 * Distrusts the store: keys must ascend from page to page, and a listing that goes on without keys ends as an error, so
 * that it can be neither endless nor silently in the wrong order. A page that passes the range's end is the last one.
 */
#include "scan/lister.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/thread.h"

/* So many pages without a key in a row are no listing. */
#define EMPTY_PAGES_MAX 100

/* Check the order and cut what lies past the range. Sets *out_last when the range is done. */
static enum ls_rc check_page(const struct ls_range *range, struct ls_buf *before, struct ls_list_page *page,
                             bool *out_last, struct ls_err *err)
{
    const char *previous = before->data;
    *out_last = page->token == NULL;
    for (size_t i = 0; i < page->n; i++) {
        const char *key = page->entries[i].key;
        if (strcmp(key, previous) <= 0)
            return ls_err_set(err, LS_CORRUPT, "store: the listing is out of order: '%s' after '%s'", key, previous);
        if (strncmp(key, range->prefix, strlen(range->prefix)) != 0)
            return ls_err_set(err, LS_CORRUPT, "store: the listing of '%s' gave '%s'", range->prefix, key);
        if (range->list_last && strcmp(key, range->list_last) > 0) {
            page->n = i;
            *out_last = true;
            return LS_OK;
        }
        previous = key;
    }
    if (page->n == 0)
        return LS_OK;
    LS_AUTO(ls_buf) struct ls_buf next = LS_BUF_INIT(LS_BUF_LINE);
    if (ls_buf_adds(&next, previous))
        return ls_err_nomem(err);
    ls_buf_reset(before);
    return ls_buf_add(before, next.data, next.len);
}

/* Hand a page over; false when nobody wants it. */
static bool hand_over(struct ls_lister *lister, struct ls_list_page *page)
{
    LS_LOCK(&lister->mutex);
    while (lister->n == LS_LISTER_AHEAD && !lister->unwanted)
        pthread_cond_wait(&lister->change, &lister->mutex);
    if (lister->unwanted)
        return false;
    lister->pages[(lister->first + lister->n++) % LS_LISTER_AHEAD] = *page;
    *page = (struct ls_list_page){0};
    pthread_cond_signal(&lister->change);
    return true;
}

static enum ls_rc list_range(struct ls_lister *lister, struct ls_err *err)
{
    const struct ls_range *range = lister->range;
    LS_AUTO(ls_free) char *token = NULL;
    LS_AUTO(ls_buf) struct ls_buf before = LS_BUF_INIT(LS_BUF_LINE);
    unsigned empty = 0;
    enum ls_rc rc = ls_buf_adds(&before, range->list_after);
    for (bool last = false, wanted = true; !rc && !last && wanted;) {
        if (atomic_load(lister->stop))
            return ls_err_set(err, LS_CANCELLED, "scan: stopped");
        struct ls_list_request req = {.prefix = range->prefix,
                                      .start_after = token ? "" : range->list_after,
                                      .token = token,
                                      .limit = token ? 0 : range->first_limit};
        struct ls_list_page page = {0};
        rc = ls_store_list(lister->store, &req, &page, err);
        if (rc)
            return rc;
        empty = page.n ? 0 : empty + 1;
        rc = check_page(range, &before, &page, &last, err);
        if (!rc && empty > EMPTY_PAGES_MAX)
            rc = ls_err_set(err, LS_CORRUPT, "store: the listing does not end: %u pages without a key", empty);
        free(token);
        token = page.token;
        page.token = NULL;
        if (!rc && page.n)
            wanted = hand_over(lister, &page);
        ls_list_page_dispose(&page);
    }
    return rc;
}

static void *lister_body(void *arg)
{
    struct ls_lister *lister = arg;
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = list_range(lister, &err);
    LS_LOCK(&lister->mutex);
    lister->ended = true;
    lister->rc = rc;
    lister->err = err;
    pthread_cond_signal(&lister->change);
    return NULL;
}

enum ls_rc ls_lister_start(struct ls_lister *lister, struct ls_store *store, const struct ls_range *range,
                           const atomic_bool *stop, struct ls_err *err)
{
    *lister = (struct ls_lister){.store = store, .range = range, .stop = stop};
    pthread_mutex_init(&lister->mutex, NULL);
    pthread_cond_init(&lister->change, NULL);
    int failed = ls_thread_start(&lister->thread, "ls-list", lister_body, lister);
    if (failed)
        return ls_err_errno(err, failed, "scan: cannot start a thread");
    lister->started = true;
    return LS_OK;
}

enum ls_rc ls_lister_next(struct ls_lister *lister, struct ls_list_page *out_page, struct ls_err *err)
{
    LS_LOCK(&lister->mutex);
    while (lister->n == 0 && !lister->ended)
        pthread_cond_wait(&lister->change, &lister->mutex);
    if (lister->n) {
        *out_page = lister->pages[lister->first];
        lister->first = (lister->first + 1) % LS_LISTER_AHEAD;
        lister->n--;
        pthread_cond_signal(&lister->change);
        return LS_OK;
    }
    if (!lister->rc)
        return LS_NOT_FOUND;
    if (err)
        *err = lister->err;
    /* a listing that failed with "not found" (no bucket) must not look like its end */
    return lister->rc == LS_NOT_FOUND ? LS_IO : lister->rc;
}

void ls_lister_end(struct ls_lister *lister)
{
    pthread_mutex_lock(&lister->mutex);
    lister->unwanted = true;
    pthread_cond_signal(&lister->change);
    pthread_mutex_unlock(&lister->mutex);
    if (lister->started)
        pthread_join(lister->thread, NULL);
    while (lister->n--) {
        ls_list_page_dispose(&lister->pages[lister->first]);
        lister->first = (lister->first + 1) % LS_LISTER_AHEAD;
    }
    pthread_cond_destroy(&lister->change);
    pthread_mutex_destroy(&lister->mutex);
}
