/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Listing: one page of ListObjectsV2, and proof that it is a page of an ordered listing.
 *
 * Our token is the server's with what is needed to see that the listing goes on: how many pages in a row were empty,
 * and the last key. A page that begins at or before that key, has keys out of order, outside the prefix, or a token
 * that came before is LS_CORRUPT: a scan would otherwise run for ever or miss objects. That a listing is over is not
 * taken from the server's word alone where it began at a key: see s3_list_end.c.
 *
 *   token = <empty pages> ':' <last key, percent-encoded> ':' <the server's token; empty = start after the last key>
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/s3_internal.h"

#define MAX_EMPTY_PAGES 1000u

struct position {
    unsigned empty_pages;
    struct ls_buf last_key;   /* "" = none */
    const char *server_token; /* NULL = none: start after last_key */
};

static enum ls_rc read_token(const char *token, struct position *out, struct ls_err *err)
{
    int skip = 0;
    const char *key = NULL, *end = NULL;
    if (sscanf(token, "%u:%n", &out->empty_pages, &skip) == 1 && skip > 0) {
        key = token + skip;
        end = strchr(key, ':');
    }
    if (end == NULL)
        return ls_err_set(err, LS_INVALID, "store: LIST: this is no token of a page before");
    out->server_token = end[1] != '\0' ? end + 1 : NULL;
    return ls_buf_add_urldec(&out->last_key, key, (size_t)(end - key), false) == LS_OK ? LS_OK : ls_err_nomem(err);
}

/* The token after `page`; server_token "" = the next page starts anew after the last key. */
static enum ls_rc write_token(const struct position *before, const struct ls_list_page *page, const char *server_token,
                              char **out_token, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf token = LS_BUF_INIT(LS_BUF_LINE);
    const char *last = page->n > 0 ? page->entries[page->n - 1].key : before->last_key.data;
    unsigned empty_pages = page->n > 0 ? 0 : before->empty_pages + 1;

    if (server_token[0] != '\0' && before->server_token != NULL && strcmp(server_token, before->server_token) == 0)
        return ls_err_set(err, LS_CORRUPT, "store: LIST: the server repeats its continuation token");
    if (empty_pages > MAX_EMPTY_PAGES)
        return ls_err_set(err, LS_CORRUPT, "store: LIST: the server sends nothing but empty pages");
    enum ls_rc rc = ls_buf_addf(&token, "%u:", empty_pages);
    if (rc == LS_OK)
        rc = ls_buf_add_urlenc(&token, last, strlen(last), true);
    if (rc == LS_OK)
        rc = ls_buf_addf(&token, ":%s", server_token);
    *out_token = rc == LS_OK ? ls_buf_steal(&token) : NULL;
    return *out_token != NULL ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc check_order(const struct ls_list_page *page, const char *prefix, const char *after,
                              struct ls_err *err)
{
    size_t prefix_len = strlen(prefix);
    char shown[S3_SHOWN_KEY];

    for (size_t i = 0; i < page->n; i++) {
        const char *key = page->entries[i].key;
        if (strncmp(key, prefix, prefix_len) != 0)
            return ls_err_set(err, LS_CORRUPT, "store: LIST: key %s is outside of what was asked for",
                              s3_show_key(key, shown));
        if (strcmp(key, after) <= 0)
            return ls_err_set(err, LS_CORRUPT, "store: LIST: key %s comes out of order", s3_show_key(key, shown));
        after = key;
    }
    return LS_OK;
}

enum ls_rc s3_list_query(struct ls_s3 *s3, const char *prefix, const char *start_after, const char *server_token,
                         unsigned limit, struct ls_s3_list *out_list, struct ls_err *err)
{
    LS_AUTO(s3_call) struct s3_call call;
    char number[16];

    s3_call_init(&call);
    snprintf(number, sizeof number, "%u", limit);
    s3_call_begin(&call, s3, "GET", "LIST", "s3:ListBucket", NULL);
    if (server_token != NULL)
        s3_call_query(&call, "continuation-token", server_token);
    s3_call_query(&call, "encoding-type", "url");
    s3_call_query(&call, "list-type", "2");
    s3_call_query(&call, "max-keys", number);
    if (prefix[0] != '\0')
        s3_call_query(&call, "prefix", prefix);
    if (server_token == NULL && start_after[0] != '\0')
        s3_call_query(&call, "start-after", start_after);
    call.http.out_body.max = LS_BUF_BODY;
    enum ls_rc rc = s3_call_run(s3, &call, err);
    if (rc == LS_NOT_FOUND) { /* a listing is never "not there" */
        rc = LS_IO;
        if (err != NULL)
            err->rc = rc;
    }
    if (rc == LS_OK)
        rc = ls_s3_xml_list(call.http.out_body.data, call.http.out_body.len, limit, out_list, err);
    if (rc == LS_OK && out_list->truncated && out_list->token[0] == '\0') {
        ls_list_page_dispose(&out_list->page);
        rc = ls_err_set(err, LS_CORRUPT, "store: LIST: the listing goes on, but the server does not say where");
    }
    return rc;
}

/* One page of the whole listing; its token is the server's, or none. */
static enum ls_rc list_page(struct ls_s3 *s3, const struct ls_list_request *req, const struct position *position,
                            struct ls_list_page *out_page, struct ls_err *err)
{
    LS_AUTO(ls_free) struct ls_s3_list *list = malloc(sizeof *list);
    struct ls_list_page *page = out_page;
    const char *after = position->last_key.data;
    bool goes_on = false;

    if (list == NULL)
        return ls_err_nomem(err);
    enum ls_rc rc = s3_list_query(s3, req->prefix, after, position->server_token, req->limit, list, err);
    if (rc != LS_OK)
        return rc;
    *page = list->page;
    rc = check_order(page, req->prefix, after, err);
    if (rc == LS_OK && !list->truncated) {
        rc = s3_list_end(s3, req->prefix, after, position->server_token != NULL, req->limit, page, &goes_on, err);
        if (rc == LS_OK)
            rc = check_order(page, req->prefix, after, err);
    }
    if (rc == LS_OK && (list->truncated || goes_on))
        rc = write_token(position, page, list->truncated ? list->token : "", &page->token, err);
    if (rc != LS_OK)
        ls_list_page_dispose(page);
    return rc;
}

enum ls_rc s3_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *out_page,
                   struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;
    struct position position = {0};
    struct ls_list_request full = *req;

    memset(out_page, 0, sizeof *out_page);
    full.prefix = req->prefix != NULL ? req->prefix : "";
    full.limit = req->limit == 0 || req->limit > LS_STORE_BATCH ? LS_STORE_BATCH : req->limit;
    ls_buf_init(&position.last_key, LS_BUF_LINE);
    enum ls_rc rc = LS_OK;
    if (req->token != NULL)
        rc = read_token(req->token, &position, err);
    else if (req->start_after != NULL && ls_buf_adds(&position.last_key, req->start_after) != LS_OK)
        rc = ls_err_nomem(err);
    if (rc == LS_OK)
        rc = list_page(s3, &full, &position, out_page, err);
    ls_buf_dispose(&position.last_key);
    return rc;
}
