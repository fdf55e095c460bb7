/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Into the inbox: which events are ours, and the transaction after which whoever told them may forget them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "lockstep/layout.h"
#include "serve/inbox.h"
#include "serve/internal.h"

static bool is_ours(const struct ls_serve *serve, const struct ls_notice *notice)
{
    const char *bucket = serve->opts->bucket;
    return (!bucket || strcmp(bucket, notice->bucket) == 0) && !ls_key_is_internal(notice->key) &&
           ls_notice_is_change(notice);
}

/* The row of an image can only be at a key that fits; what else lies in the bucket is for a scan. */
static bool fits(const struct ls_serve *serve, const char *key)
{
    struct ls_key_parts parts;
    return ls_layout_parse(ls_engine_layout(serve->opts->engine), key, strlen(key), &parts) == LS_KEY_FITS;
}

/* Scans want to know since when events are acted on. */
static enum ls_rc note_since(struct ls_serve *serve, struct ls_tx *tx, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    LS_AUTO(ls_free) char *known = NULL;
    char now[32] = "";
    bool acts = serve->opts->events == LS_EVENTS_ACT;
    enum ls_rc rc = cat->ops->meta_get(cat, tx, LS_META_EVENTS_SINCE, &known, err);
    if (rc && rc != LS_NOT_FOUND)
        return rc;
    if ((known && *known) == acts)
        return LS_OK;
    if (acts)
        snprintf(now, sizeof now, "%" PRId64, ls_now_ns());
    return cat->ops->meta_set(tx, LS_META_EVENTS_SINCE, now, err);
}

static enum ls_rc keep(struct ls_serve *serve, const struct ls_event *events, size_t n, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    struct ls_tx *tx;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc != LS_OK)
        return rc;
    rc = n > 0 ? cat->ops->event_add(tx, events, n, err) : LS_OK;
    if (rc == LS_OK && !atomic_load(&serve->events_noted))
        rc = note_since(serve, tx, err);
    rc = ls_catalog_end(tx, rc, err);
    if (rc != LS_OK)
        return rc;
    atomic_store(&serve->events_noted, true);
    return LS_FAILPOINT("inbox.kept") ? ls_err_set(err, LS_IO, "fail point inbox.kept") : LS_OK;
}

/* Those that do not go to the inbox, for who looks. */
static void note_others(struct ls_serve *serve, const struct ls_notices *notices)
{
    for (size_t i = 0; i < notices->n; i++) {
        const struct ls_notice *notice = &notices->items[i];
        const struct ls_event event = {.kind = notice->kind, .key = notice->key, .sequencer = notice->sequencer};
        if (!serve->inbox || !is_ours(serve, notice))
            ls_recent_add(&serve->recent, &event, LS_EVENT_FOREIGN);
        else if (!fits(serve, notice->key))
            ls_recent_add(&serve->recent, &event, LS_EVENT_LEFT);
    }
}

static void count(struct ls_serve *serve, size_t all, size_t kept, size_t left)
{
    size_t ours = serve->inbox ? kept + left : 0;
    ls_metrics_events(&serve->metrics, LS_EVENT_FOREIGN, all - ours);
    ls_metrics_events(&serve->metrics, LS_EVENT_RECEIVED, ours);
    ls_metrics_events(&serve->metrics, LS_EVENT_LEFT, serve->inbox ? left : 0);
}

enum ls_rc ls_inbox_take(struct ls_serve *serve, const json_t *body, enum ls_notice_keys keys, struct ls_err *err)
{
    LS_AUTO(ls_notices) struct ls_notices notices = {0};
    enum ls_rc rc = ls_notices_parse(body, keys, &notices, err);
    if (rc != LS_OK)
        return rc;
    LS_AUTO(ls_free) struct ls_event *events = calloc(notices.n + 1, sizeof *events);
    size_t n = 0, n_left = 0;
    if (!events)
        return ls_err_nomem(err);
    for (size_t i = 0; i < notices.n; i++) {
        const struct ls_notice *notice = &notices.items[i];
        if (!is_ours(serve, notice))
            continue;
        if (!fits(serve, notice->key))
            n_left++;
        else
            events[n++] = (struct ls_event){
                .kind = notice->kind, .key = notice->key, .etag = notice->etag, .sequencer = notice->sequencer};
    }
    if (n > 0 && serve->inbox)
        rc = keep(serve, events, n, err);
    if (rc != LS_OK)
        return rc;
    count(serve, notices.n, n, n_left);
    note_others(serve, &notices);
    if (n > 0 && serve->inbox)
        ls_inbox_wake(serve->inbox);
    return LS_OK;
}

enum ls_rc ls_inbox_retire(struct ls_serve *serve, struct ls_err *err)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    LS_AUTO(ls_free) char *known = NULL;
    enum ls_rc rc = cat->ops->meta_get(cat, NULL, LS_META_EVENTS_SINCE, &known, err);
    if (rc == LS_NOT_FOUND || (rc == LS_OK && !*known))
        return LS_OK;
    return rc == LS_OK ? keep(serve, NULL, 0, err) : rc;
}
