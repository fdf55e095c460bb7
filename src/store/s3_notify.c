/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whom the bucket tells of its changes: its notification settings, and MinIO's stream of events.
 *
 * Rules of other targets stay in the document byte for byte; those that name our target, or bear our id, make way for
 * one rule. The stream is MinIO's own addition to S3; other servers answer with a listing, which is refused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/s3_internal.h"

#define RULE_ID "lockstep"
#define SETTINGS_MAX ((size_t)1024 * 1024)
#define SETTINGS_HEAD "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define SETTINGS_END "</NotificationConfiguration>"

static const char *const events[] = {"s3:ObjectCreated:*", "s3:ObjectRemoved:*"};

/* ---- the settings ---- */

static bool is_ours(const struct ls_store_rules *rules, const struct ls_s3_rule *rule)
{
    return strcmp(rule->id, RULE_ID) == 0 || strcmp(rule->target, rules->named) == 0;
}

/* The first pass: which target is ours? */
static void find_target(void *ctx, const struct ls_s3_rule *rule)
{
    struct ls_store_rules *rules = ctx;
    if (!rules->named[0] && strcmp(rule->id, RULE_ID) == 0)
        snprintf(rules->named, sizeof rules->named, "%s", rule->target);
}

/* The second pass: what is told already, and the document without our rules. */
struct keeper {
    struct ls_store_rules *rules;
    const char *document;
    struct ls_buf *kept;
    size_t done; /* bytes of the document that are in kept or left out */
    bool created, removed;
    enum ls_rc rc;
};

static void keep_rule(void *ctx, const struct ls_s3_rule *rule)
{
    struct keeper *keeper = ctx;
    struct ls_store_rules *rules = keeper->rules;
    bool named = strcmp(rule->target, rules->named) == 0;
    if (named && !rule->suffixed && strncmp(rules->prefix, rule->prefix, strlen(rule->prefix)) == 0) {
        keeper->created |= rule->created;
        keeper->removed |= rule->removed;
    }
    if (!is_ours(rules, rule)) {
        rules->others++;
        return;
    }
    if (keeper->rc == LS_OK)
        keeper->rc = ls_buf_add(keeper->kept, keeper->document + keeper->done, rule->from - keeper->done);
    keeper->done = rule->to;
}

static enum ls_rc add_element(struct ls_buf *out, const char *name, const char *text)
{
    enum ls_rc rc = ls_buf_addf(out, "<%s>", name);
    if (rc == LS_OK)
        rc = s3_add_xml_text(out, text);
    return rc == LS_OK ? ls_buf_addf(out, "</%s>", name) : rc;
}

static enum ls_rc add_rule(struct ls_buf *out, const struct ls_store_rules *rules)
{
    enum ls_rc rc = ls_buf_adds(out, "<QueueConfiguration>");
    if (rc == LS_OK)
        rc = add_element(out, "Id", RULE_ID);
    if (rc == LS_OK && *rules->prefix) {
        rc = ls_buf_adds(out, "<Filter><S3Key><FilterRule><Name>prefix</Name>");
        if (rc == LS_OK)
            rc = add_element(out, "Value", rules->prefix);
        if (rc == LS_OK)
            rc = ls_buf_adds(out, "</FilterRule></S3Key></Filter>");
    }
    for (size_t i = 0; rc == LS_OK && i < sizeof events / sizeof *events; i++)
        rc = add_element(out, "Event", events[i]);
    if (rc == LS_OK)
        rc = add_element(out, "Queue", rules->named);
    return rc == LS_OK ? ls_buf_adds(out, "</QueueConfiguration>") : rc;
}

/* The document with one rule for our target; as it is when that one is told everything already. */
static enum ls_rc merge(struct ls_store_rules *rules, const char *document, size_t len, struct ls_buf *out,
                        struct ls_err *err)
{
    struct keeper keeper = {.rules = rules, .document = document, .kept = out};
    size_t end = 0;
    if (rules->target)
        snprintf(rules->named, sizeof rules->named, "%s", rules->target);
    enum ls_rc rc = ls_s3_xml_rules(document, len, find_target, rules, &end, err);
    if (rc != LS_OK)
        return rc;
    if (!rules->named[0])
        snprintf(rules->named, sizeof rules->named, "%s", rules->default_target);
    rc = ls_s3_xml_rules(document, len, keep_rule, &keeper, &end, err);
    if (rc != LS_OK)
        return rc;
    rules->told = keeper.created && keeper.removed;
    rc = keeper.rc;
    if (rules->told || rules->others == 0) {
        ls_buf_reset(out);
        rc = ls_buf_add(out, rules->told ? document : SETTINGS_HEAD, rules->told ? len : strlen(SETTINGS_HEAD));
    } else if (rc == LS_OK) {
        rc = ls_buf_add(out, document + keeper.done, end - keeper.done);
    }
    if (rc == LS_OK && !rules->told)
        rc = add_rule(out, rules);
    if (rc == LS_OK && !rules->told)
        rc = rules->others == 0 ? ls_buf_adds(out, SETTINGS_END) : ls_buf_add(out, document + end, len - end);
    return rc == LS_OK ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc write_settings(struct ls_s3 *s3, const struct ls_store_rules *rules, const struct ls_buf *settings,
                                 struct ls_err *err)
{
    LS_AUTO(s3_call) struct s3_call call;
    struct ls_err own = LS_ERR_INIT;
    s3_call_init(&call);
    s3_call_begin(&call, s3, "PUT", "PUT notification", "s3:PutBucketNotification", NULL);
    s3_call_query(&call, "notification", "");
    s3_call_body(&call, settings->data, settings->len);
    err = err != NULL ? err : &own;
    enum ls_rc rc = s3_call_run(s3, &call, err);
    if (rc == LS_OUTCOME_UNKNOWN)
        rc = err->rc = LS_TRANSIENT; /* writing the same again does no harm */
    if (call.http.rc == LS_OK && call.http.status == 400 && rc != LS_OK) {
        struct ls_err why = *err;
        return ls_err_set(err, rc, "%s: does the server know the target %s? see `lockstep events setup`", why.text,
                          rules->named);
    }
    return rc;
}

enum ls_rc s3_rules(struct ls_store *store, struct ls_store_rules *rules, struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;
    LS_AUTO(ls_buf) struct ls_buf settings = LS_BUF_INIT(2 * SETTINGS_MAX);
    LS_AUTO(s3_call) struct s3_call call;
    rules->named[0] = '\0';
    rules->told = false;
    rules->others = 0;
    rules->settings = NULL;
    s3_call_init(&call);
    s3_call_begin(&call, s3, "GET", "GET notification", "s3:GetBucketNotification", NULL);
    s3_call_query(&call, "notification", "");
    enum ls_rc rc = s3_call_run(s3, &call, err);
    if (rc == LS_OK)
        rc = merge(rules, call.http.out_body.data ? call.http.out_body.data : "", call.http.out_body.len, &settings,
                   err);
    if (rc == LS_OK && rules->apply && !rules->told)
        rc = write_settings(s3, rules, &settings, err);
    if (rc != LS_OK)
        return rc;
    rules->settings = ls_buf_steal(&settings);
    return rules->settings ? LS_OK : ls_err_nomem(err);
}

/* ---- the stream ---- */

struct stream {
    const struct ls_http_request *http;
    const struct ls_store_follow *follow;
    bool begun, foreign; /* foreign: it is no stream of events */
    enum ls_rc rc;       /* what the sink said */
};

static enum ls_rc take_piece(void *ctx, const void *data, size_t len)
{
    struct stream *stream = ctx;
    char type[64] = "";
    if (!stream->begun) {
        stream->begun = true;
        ls_http_header(stream->http, "content-type", type, sizeof type);
        stream->foreign = strncmp(type, "text/event-stream", strlen("text/event-stream")) != 0;
    }
    if (stream->foreign)
        return LS_UNSUPPORTED;
    return stream->rc = stream->follow->sink(stream->follow->ctx, data, len);
}

enum ls_rc s3_follow(struct ls_store *store, const struct ls_store_follow *follow, struct ls_err *err)
{
    struct ls_s3 *s3 = (struct ls_s3 *)store;
    LS_AUTO(s3_call) struct s3_call call;
    struct stream stream = {.http = &call.http, .follow = follow};
    s3_call_init(&call);
    s3_call_begin(&call, s3, "GET", "LISTEN", "s3:ListenBucketNotification", NULL);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        s3_call_query(&call, "events", events[i]);
    s3_call_query(&call, "prefix", follow->prefix);
    s3_call_query(&call, "suffix", "");
    call.http.sink = take_piece;
    call.http.sink_ctx = &stream;
    call.http.enough = follow->enough;
    call.http.enough_ctx = follow->ctx;
    enum ls_rc rc = s3_call_run(s3, &call, err);
    if (stream.foreign)
        return ls_err_set(err, LS_UNSUPPORTED,
                          "store: %s has no stream of the bucket's events, as MinIO has: let it post them, see "
                          "`lockstep events setup`",
                          s3->origin);
    if (stream.rc != LS_OK)
        return stream.rc;
    if (rc == LS_OK && !call.http.hushed)
        return ls_err_set(err, LS_TRANSIENT, "store: LISTEN: the server has ended the stream");
    return rc;
}
