/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Readers and their windows.
 *
 * A reader's window starts small and doubles up to WINDOW_MAX files as long as it is used, so that one who stops early
 * costs few fetches for nothing. The rows come from the catalog in a job of the quick pool; the cache's threads fetch.
 */
#include "mount/ahead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "mount/cache.h"

#define READERS 8
#define WINDOW_FIRST 4
#define WINDOW_MAX 32
#define WINDOW_BYTES (UINT64_C(32) << 20)

struct reader {
    char last[LS_KEY_MAX + 1];  /* opened last; "" = this one is free */
    char until[LS_KEY_MAX + 1]; /* fetched ahead up to here; "" = nothing is */
    unsigned window;            /* files that were asked for last */
    unsigned left;              /* of those fetched ahead, about how many have not been opened */
    bool ended;                 /* nothing follows until */
    bool planning;              /* a job looks for more */
    uint64_t used;
};

struct ls_ahead {
    pthread_mutex_t lock;
    struct reader readers[READERS]; /* lock, as the next */
    uint64_t clock;
};

struct ls_ahead *ls_ahead_new(void)
{
    struct ls_ahead *ahead = calloc(1, sizeof *ahead);
    if (ahead)
        pthread_mutex_init(&ahead->lock, NULL);
    return ahead;
}

void ls_ahead_free(struct ls_ahead *ahead)
{
    if (!ahead)
        return;
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
}

/* The length of the folder's part, with its slash. */
static size_t folder_len(const char *key)
{
    const char *slash = strrchr(key, '/');
    return slash ? (size_t)(slash - key) + 1 : 0;
}

/* ---- planning ---- */

struct plan {
    struct ls_mount *mount;
    struct reader *reader;
    char after[LS_KEY_MAX + 1];
    bool verify; /* the first row after it must be `expect`: else these are files picked here and there */
    char expect[LS_KEY_MAX + 1];
    unsigned window;
};

/* Ask for the rows' bytes; gives how many rows were taken. */
static size_t fetch_rows(struct ls_mount *mount, const struct ls_image *rows, size_t n)
{
    uint64_t bytes = 0;
    size_t i = 0;
    for (; i < n && bytes <= WINDOW_BYTES; i++)
        if (rows[i].record.known) {
            ls_cache_ahead(mount->cache, rows[i].key, rows[i].record.etag, rows[i].record.size_bytes);
            bytes += rows[i].record.size_bytes;
        }
    return i;
}

static void run_plan(void *arg)
{
    struct plan *plan = arg;
    struct ls_mount *mount = plan->mount;
    struct ls_image_page page = {0};
    char before[LS_KEY_MAX + 1];
    size_t len = folder_len(plan->after), n = 0;
    memcpy(before, plan->after, len);
    memcpy(before + len - 1, "0", 2); /* follows the slash */
    enum ls_rc rc = mount->catalog->ops->image_page(mount->catalog, NULL, plan->after, before,
                                                    plan->window + plan->verify, &page, NULL);
    const struct ls_image *rows = page.items;
    bool in_order = !rc && page.n > plan->verify && (!plan->verify || strcmp(rows[0].key, plan->expect) == 0);
    if (in_order)
        n = fetch_rows(mount, rows + plan->verify, page.n - plan->verify);
    {
        LS_LOCK(&mount->ahead->lock);
        plan->reader->planning = false;
        plan->reader->window = in_order ? plan->window : 0;
        plan->reader->ended = !rc && page.n < plan->window + plan->verify;
        if (in_order) {
            snprintf(plan->reader->until, sizeof plan->reader->until, "%s", rows[plan->verify + n - 1].key);
            plan->reader->left += (unsigned)n;
        }
    }
    ls_image_page_dispose(&page);
    free(plan);
}

/* Look for what follows `after`. The lock is held. */
static void start_plan(struct ls_mount *mount, struct reader *reader, const char *after, const char *expect)
{
    struct plan *plan = reader->planning ? NULL : calloc(1, sizeof *plan);
    if (!plan)
        return;
    plan->mount = mount;
    plan->reader = reader;
    plan->window = reader->window ? reader->window * 2 : WINDOW_FIRST;
    if (plan->window > WINDOW_MAX)
        plan->window = WINDOW_MAX;
    memcpy(plan->after, after, strlen(after) + 1);
    plan->verify = expect != NULL;
    if (expect)
        memcpy(plan->expect, expect, strlen(expect) + 1);
    reader->planning = true;
    if (ls_workers_add(mount->quick, run_plan, plan) != LS_OK) {
        reader->planning = false;
        free(plan);
    }
}

/* ---- readers; the lock is held ---- */

static struct reader *find_reader(struct ls_ahead *ahead, const char *key)
{
    size_t len = folder_len(key);
    for (size_t i = 0; i < READERS; i++) {
        struct reader *reader = &ahead->readers[i];
        if (reader->last[0] && folder_len(reader->last) == len && memcmp(reader->last, key, len) == 0)
            return reader;
    }
    return NULL;
}

/* Where the reader is now, with nothing fetched ahead of it. */
static void start_over(struct reader *reader, const char *key)
{
    memcpy(reader->last, key, strlen(key) + 1);
    reader->until[0] = '\0';
    reader->window = reader->left = 0;
    reader->ended = false;
}

static struct reader *oldest_reader(struct ls_ahead *ahead)
{
    struct reader *oldest = NULL;
    for (size_t i = 0; i < READERS; i++) {
        struct reader *reader = &ahead->readers[i];
        if (!reader->planning && (!oldest || reader->used < oldest->used))
            oldest = reader;
    }
    return oldest;
}

/* A file behind the last one. */
static void go_on(struct ls_mount *mount, struct reader *reader, const char *key, bool cold)
{
    if (strcmp(key, reader->until) <= 0) {
        reader->left -= reader->left > 0;
        if (reader->left <= reader->window / 2 && !reader->ended)
            start_plan(mount, reader, reader->until, NULL);
        memcpy(reader->last, key, strlen(key) + 1);
        return;
    }
    if (reader->planning) { /* faster than the catalog: what the job finds is of use all the same */
        memcpy(reader->last, key, strlen(key) + 1);
        return;
    }
    char before[LS_KEY_MAX + 1];
    memcpy(before, reader->last, sizeof before);
    start_over(reader, key);
    if (cold)
        start_plan(mount, reader, before, key);
}

void ls_ahead_opened(struct ls_mount *mount, const char *key, bool cold)
{
    struct ls_ahead *ahead = mount->ahead;
    if (strlen(key) > LS_KEY_MAX || folder_len(key) == 0)
        return;
    LS_LOCK(&ahead->lock);
    struct reader *reader = find_reader(ahead, key);
    if (!reader && !cold)
        return;
    if (!reader) {
        reader = oldest_reader(ahead);
        if (reader)
            start_over(reader, key);
    } else {
        int order = strcmp(key, reader->last);
        if (order > 0)
            go_on(mount, reader, key, cold);
        else if (order < 0 && cold && !reader->planning)
            start_over(reader, key);
    }
    if (reader)
        reader->used = ++ahead->clock;
}
