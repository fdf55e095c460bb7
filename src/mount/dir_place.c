/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Positions in listings. The kernel keeps no handle of an open folder with us: it asks for what follows an offset,
 * which is a hash of the name before. That name may have gone; so names that were given lately are remembered, in
 * blocks of one answer each, up to PLACES_MAX bytes. Answers that held a whole small folder are not remembered: any
 * program got them in one piece, and nothing follows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "mount/dir.h"

#define PLACES_MAX ((size_t)8 * 1024 * 1024)
#define END_MAX_AGE_MS 500

struct ls_dir_block {
    struct ls_dir_block *newer, *older;
    uint64_t ino;
    size_t len;
    char names[];
};

/* FNV-1a, 64 bits, folded to what off_t can hold. */
off_t ls_dir_cookie(const char *name)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        h = (h ^ *p) * UINT64_C(1099511628211);
    h = (h ^ (h >> 32)) & INT64_MAX;
    return (off_t)(h < 16 ? h + 16 : h);
}

static void take_out(struct ls_dir_places *places, struct ls_dir_block *block)
{
    if (block->newer)
        block->newer->older = block->older;
    else
        places->newest = block->older;
    if (block->older)
        block->older->newer = block->newer;
    else
        places->oldest = block->newer;
    places->bytes -= sizeof *block + block->len;
}

void ls_dir_places_dispose(struct ls_dir_places *places)
{
    for (struct ls_dir_block *block = places->newest, *older; block; block = older) {
        older = block->older;
        free(block);
    }
    pthread_mutex_destroy(&places->lock);
}

void ls_dir_places_add(struct ls_dir_places *places, uint64_t ino, const char *names, size_t len)
{
    struct ls_dir_block *block = malloc(sizeof *block + len);
    if (!block)
        return;
    block->ino = ino;
    block->len = len;
    memcpy(block->names, names, len);
    LS_LOCK(&places->lock);
    block->newer = NULL;
    block->older = places->newest;
    if (block->older)
        block->older->newer = block;
    else
        places->oldest = block;
    places->newest = block;
    places->bytes += sizeof *block + len;
    while (places->bytes > PLACES_MAX && places->oldest != block) {
        struct ls_dir_block *oldest = places->oldest;
        take_out(places, oldest);
        free(oldest);
    }
}

bool ls_dir_places_find(struct ls_dir_places *places, uint64_t ino, off_t off, char out[LS_NAME_MAX + 1])
{
    LS_LOCK(&places->lock);
    for (const struct ls_dir_block *block = places->newest; block; block = block->older)
        for (size_t at = 0; block->ino == ino && at < block->len; at += strlen(block->names + at) + 1)
            if (ls_dir_cookie(block->names + at) == off) {
                memcpy(out, block->names + at, strlen(block->names + at) + 1);
                return true;
            }
    return false;
}

void ls_dir_places_end(struct ls_mount *mount, uint64_t ino, off_t off, uint64_t changes, uint64_t feed)
{
    LS_LOCK(&mount->places->lock);
    mount->places->ends[ino % LS_DIR_ENDS] =
        (struct ls_dir_end){.ino = ino, .off = off, .changes = changes, .feed = feed, .at_ms = ls_monotonic_ms()};
}

bool ls_dir_places_at_end(struct ls_mount *mount, uint64_t ino, off_t off)
{
    LS_LOCK(&mount->places->lock);
    const struct ls_dir_end *end = &mount->places->ends[ino % LS_DIR_ENDS];
    return end->ino == ino && end->off == off && end->changes == atomic_load(&mount->changes) &&
           end->feed == atomic_load(&mount->feed) && ls_monotonic_ms() - end->at_ms < END_MAX_AGE_MS;
}
