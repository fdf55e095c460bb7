/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Deleting: up to 1,000 keys in one DeleteObjects, several of these side by side.
 *
 * Decides: which keys go alone (XML 1.0 cannot carry control bytes or what is not UTF-8), and that a key which the
 * answer does not mention has an unknown outcome.
 */
#include <stdlib.h>

#include "store/s3_internal.h"

#define BATCH_ANSWER_MAX ((size_t)8 * 1024 * 1024)

/* One request's items: order[first .. first+n). */
struct batch {
    size_t first, n;
    bool alone; /* one DELETE */
    size_t cursor;
    struct ls_buf body;
};

struct delete_run {
    struct ls_s3 *s3;
    struct ls_store_delete *items;
    size_t *order; /* indexes of items, those that go alone last */
    struct batch *batches;
    size_t n_batches;
    struct batch *reading; /* whose answer is being parsed */
};

static bool fits_xml(const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)key[i] < 0x20 || key[i] == 0x7F)
            return false;
    return ls_utf8_valid(key, len) && strstr(key, "\xEF\xBF\xBE") == NULL && strstr(key, "\xEF\xBF\xBF") == NULL;
}

enum ls_rc s3_add_xml_text(struct ls_buf *out, const char *text)
{
    enum ls_rc rc = LS_OK;
    while (rc == LS_OK && *text != '\0') {
        size_t plain = strcspn(text, "<>&");
        rc = ls_buf_add(out, text, plain);
        text += plain;
        if (rc != LS_OK || *text == '\0')
            break;
        rc = ls_buf_adds(out, *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : "&amp;");
        text++;
    }
    return rc;
}

static enum ls_rc write_batch(struct delete_run *run, struct batch *batch)
{
    enum ls_rc rc = ls_buf_adds(&batch->body, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; rc == LS_OK && i < batch->n; i++) {
        rc = ls_buf_adds(&batch->body, "<Object><Key>");
        if (rc == LS_OK)
            rc = s3_add_xml_text(&batch->body, run->items[run->order[batch->first + i]].key);
        if (rc == LS_OK)
            rc = ls_buf_adds(&batch->body, "</Key></Object>");
    }
    return rc == LS_OK ? ls_buf_adds(&batch->body, "</Delete>") : rc;
}

static enum ls_rc delete_begin(void *ctx, size_t i, struct s3_call *call, struct ls_err *err)
{
    struct delete_run *run = ctx;
    struct batch *batch = &run->batches[i];
    uint8_t md5[LS_MD5_LEN];

    if (batch->alone) {
        const char *key = run->items[run->order[batch->first]].key;
        enum ls_rc rc = s3_check_key(key, err);
        if (rc == LS_OK)
            s3_call_begin(call, run->s3, "DELETE", "DELETE", "s3:DeleteObject", key);
        return rc;
    }
    if (write_batch(run, batch) != LS_OK)
        return ls_err_nomem(err);
    s3_call_begin(call, run->s3, "POST", "DELETE", "s3:DeleteObject", NULL);
    s3_call_query(call, "delete", "");
    s3_call_header(call, "Content-Type", "application/xml");
    ls_md5(batch->body.data, batch->body.len, md5);
    s3_md5_header(call, md5);
    s3_call_body(call, batch->body.data, batch->body.len);
    call->http.out_body.max = BATCH_ANSWER_MAX;
    return LS_OK;
}

/* Give a key's result to the item that has it; the answer mostly keeps the order of the question. */
static void take_result(void *ctx, const char *key, const struct ls_s3_error *error)
{
    struct delete_run *run = ctx;
    struct batch *batch = run->reading;

    for (size_t tried = 0; tried < batch->n; tried++) {
        struct ls_store_delete *item = &run->items[run->order[batch->first + (batch->cursor + tried) % batch->n]];
        if (strcmp(item->key, key) != 0)
            continue;
        batch->cursor = (batch->cursor + tried + 1) % batch->n;
        if (error == NULL) {
            item->rc = LS_OK;
            ls_err_clear(&item->err);
            return;
        }
        item->rc = s3_code_class(0, error->code, true);
        if (item->rc == LS_NOT_FOUND)
            item->rc = LS_OK;
        else
            s3_error_text(run->s3, item->rc, "DELETE", "s3:DeleteObject", key, 0, error, &item->err);
        return;
    }
}

/* A key that stands twice in a question may stand once in the answer. */
static void settle_twins(struct delete_run *run, struct batch *batch)
{
    for (size_t k = 0; k < batch->n; k++) {
        struct ls_store_delete *item = &run->items[run->order[batch->first + k]];
        for (size_t other = 0; item->rc == LS_OUTCOME_UNKNOWN && other < batch->n; other++) {
            const struct ls_store_delete *twin = &run->items[run->order[batch->first + other]];
            if (twin->rc == LS_OUTCOME_UNKNOWN || strcmp(twin->key, item->key) != 0)
                continue;
            item->rc = twin->rc;
            item->err = twin->err;
        }
    }
}

static void delete_end(void *ctx, size_t i, struct s3_call *call, enum ls_rc rc, struct ls_err *err)
{
    struct delete_run *run = ctx;
    struct batch *batch = &run->batches[i];
    char shown[S3_SHOWN_KEY];

    if (batch->alone && rc == LS_NOT_FOUND && strcmp(err->code, "NoSuchBucket") != 0)
        rc = LS_OK; /* nothing there */
    for (size_t k = 0; k < batch->n; k++) {
        struct ls_store_delete *item = &run->items[run->order[batch->first + k]];
        item->rc = rc;
        item->err = *err;
        if (rc != LS_OK || batch->alone)
            continue;
        item->rc = ls_err_set(&item->err, LS_OUTCOME_UNKNOWN, "store: DELETE %s: the answer does not mention it",
                              s3_show_key(item->key, shown));
    }
    if (rc == LS_OK && !batch->alone) {
        run->reading = batch;
        (void)!ls_s3_xml_delete(call->http.out_body.data, call->http.out_body.len, batch->n, take_result, run, NULL);
        settle_twins(run, batch);
    }
    ls_buf_dispose(&batch->body);
}

/* Sort the items into requests. */
static void plan(struct delete_run *run, size_t n)
{
    size_t together = 0, at_end = n;

    for (size_t i = 0; i < n; i++) {
        const char *key = run->items[i].key;
        bool alone = n == 1 || key[0] == '\0' || strlen(key) > LS_KEY_MAX || !fits_xml(key);
        run->order[alone ? --at_end : together++] = i;
    }
    for (size_t first = 0; first < together; first += LS_STORE_BATCH)
        run->batches[run->n_batches++] =
            (struct batch){.first = first, .n = together - first < LS_STORE_BATCH ? together - first : LS_STORE_BATCH};
    for (size_t first = at_end; first < n; first++)
        run->batches[run->n_batches++] = (struct batch){.first = first, .n = 1, .alone = true};
    for (size_t i = 0; i < run->n_batches; i++)
        ls_buf_init(&run->batches[i].body, BATCH_ANSWER_MAX);
}

enum ls_rc s3_remove(struct ls_store *store, struct ls_store_delete *items, size_t n, struct ls_err *err)
{
    struct delete_run run = {.s3 = (struct ls_s3 *)store, .items = items};
    if (n == 0)
        return LS_OK;
    LS_AUTO(ls_free) size_t *order = run.order = malloc(n * sizeof *order);
    LS_AUTO(ls_free) struct batch *batches = run.batches = calloc(n, sizeof *batches);
    if (order == NULL || batches == NULL)
        return ls_err_nomem(err);
    plan(&run, n);
    struct s3_many many = {.n = run.n_batches, .begin = delete_begin, .end = delete_end, .ctx = &run};
    enum ls_rc rc = s3_run_many(run.s3, &many, err);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        if (items[i].rc == LS_OK)
            continue;
        if (err != NULL)
            *err = items[i].err;
        return items[i].rc;
    }
    return LS_OK;
}
