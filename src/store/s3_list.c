/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Listing: one page of ListObjectsV2, and proof that it is a page of an ordered listing.
 *
 * Our token is the server's with what is needed to see that the listing goes on: how many pages in a row were empty,
 * and the last key. A page that begins at or before that key, has keys out of order, outside the prefix, or a token
 * that came before is LS_CORRUPT: a scan would otherwise run for ever or miss objects.
 *
 *   token = <empty pages> ':' <last key, percent-encoded> ':' <the server's token>
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/s3_internal.h"

#define MAX_EMPTY_PAGES 1000u

struct position {
    unsigned empty_pages;
    struct ls_buf last_key; /* "" = none */
    const char *server_token;
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
    out->server_token = end + 1;
    return ls_buf_add_urldec(&out->last_key, key, (size_t)(end - key), false) == LS_OK ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc write_token(const struct position *before, const struct ls_s3_list *list, char **out_token,
                              struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf token = LS_BUF_INIT(LS_BUF_LINE);
    const struct ls_list_page *page = &list->page;
    const char *last = page->n > 0 ? page->entries[page->n - 1].key : before->last_key.data;
    unsigned empty_pages = page->n > 0 ? 0 : before->empty_pages + 1;

    if (list->token[0] == '\0')
        return ls_err_set(err, LS_CORRUPT, "store: LIST: the listing goes on, but the server does not say where");
    if (before->server_token != NULL && strcmp(list->token, before->server_token) == 0)
        return ls_err_set(err, LS_CORRUPT, "store: LIST: the server repeats its continuation token");
    if (empty_pages > MAX_EMPTY_PAGES)
        return ls_err_set(err, LS_CORRUPT, "store: LIST: the server sends nothing but empty pages");
    enum ls_rc rc = ls_buf_addf(&token, "%u:", empty_pages);
    if (rc == LS_OK)
        rc = ls_buf_add_urlenc(&token, last, strlen(last), true);
    if (rc == LS_OK)
        rc = ls_buf_addf(&token, ":%s", list->token);
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

static void build_list(struct ls_s3 *s3, struct s3_call *call, const struct ls_list_request *req,
                       const struct position *position, unsigned limit)
{
    char number[16];
    snprintf(number, sizeof number, "%u", limit);
    s3_call_begin(call, s3, "GET", "LIST", "s3:ListBucket", NULL);
    if (position->server_token != NULL)
        s3_call_query(call, "continuation-token", position->server_token);
    s3_call_query(call, "encoding-type", "url");
    s3_call_query(call, "list-type", "2");
    s3_call_query(call, "max-keys", number);
    if (req->prefix[0] != '\0')
        s3_call_query(call, "prefix", req->prefix);
    if (position->server_token == NULL && req->start_after[0] != '\0')
        s3_call_query(call, "start-after", req->start_after);
    call->http.out_body.max = LS_BUF_BODY;
}

static enum ls_rc list_page(struct ls_s3 *s3, const struct ls_list_request *req, struct position *position,
                            struct ls_list_page *out_page, struct ls_err *err)
{
    LS_AUTO(s3_call) struct s3_call call;
    LS_AUTO(ls_free) struct ls_s3_list *list = malloc(sizeof *list);
    unsigned limit = req->limit == 0 || req->limit > LS_STORE_BATCH ? LS_STORE_BATCH : req->limit;

    s3_call_init(&call);
    if (list == NULL)
        return ls_err_nomem(err);
    build_list(s3, &call, req, position, limit);
    enum ls_rc rc = s3_call_run(s3, &call, err);
    if (rc == LS_NOT_FOUND) /* a listing is never "not there" */
        rc = err != NULL ? (err->rc = LS_IO) : LS_IO;
    if (rc == LS_OK)
        rc = ls_s3_xml_list(call.http.out_body.data, call.http.out_body.len, limit, list, err);
    if (rc != LS_OK)
        return rc;
    struct ls_list_page *page = &list->page;
    rc = check_order(page, req->prefix, position->last_key.data, err);
    if (rc == LS_OK && list->truncated)
        rc = write_token(position, list, &page->token, err);
    if (rc != LS_OK) {
        ls_list_page_dispose(page);
        return rc;
    }
    *out_page = *page;
    return LS_OK;
}

enum ls_rc s3_list(struct ls_store *store, const struct ls_list_request *req, struct ls_list_page *out_page,
                   struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;
    struct position position = {0};
    struct ls_list_request full = *req;

    memset(out_page, 0, sizeof *out_page);
    full.prefix = req->prefix != NULL ? req->prefix : "";
    full.start_after = req->start_after != NULL ? req->start_after : "";
    ls_buf_init(&position.last_key, LS_BUF_LINE);
    enum ls_rc rc = LS_OK;
    if (req->token != NULL)
        rc = read_token(req->token, &position, err);
    else if (ls_buf_adds(&position.last_key, full.start_after) != LS_OK)
        rc = ls_err_nomem(err);
    if (rc == LS_OK)
        rc = list_page(s3, &full, &position, out_page, err);
    ls_buf_dispose(&position.last_key);
    return rc;
}
