/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A ring of events. */
#include "serve/recent.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"

void ls_recent_init(struct ls_recent *recent)
{
    *recent = (struct ls_recent){.next = 0};
    pthread_mutex_init(&recent->lock, NULL);
}

static void forget(struct ls_recent_event *item)
{
    free(item->kind);
    free(item->key);
    free(item->sequencer);
    *item = (struct ls_recent_event){0};
}

void ls_recent_dispose(struct ls_recent *recent)
{
    for (size_t i = 0; i < LS_RECENT_KEPT; i++)
        forget(&recent->items[i]);
    pthread_mutex_destroy(&recent->lock);
}

void ls_recent_add(struct ls_recent *recent, const struct ls_event *event, enum ls_event_result result)
{
    struct ls_recent_event item = {.at_ns = event->at_ns ? event->at_ns : ls_now_ns(),
                                   .kind = strdup(event->kind),
                                   .key = strdup(event->key),
                                   .sequencer = event->sequencer ? strdup(event->sequencer) : NULL,
                                   .result = result};
    if (!item.kind || !item.key) {
        forget(&item);
        return;
    }
    LS_LOCK(&recent->lock);
    forget(&recent->items[recent->next]);
    recent->items[recent->next] = item;
    recent->next = (recent->next + 1) % LS_RECENT_KEPT;
}
