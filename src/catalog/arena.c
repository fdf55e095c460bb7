/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arena: a list of blocks, each twice the size of the one before up to a limit; text is packed without alignment.
 */
#include "catalog/arena.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_FIRST ((size_t)2048)
#define BLOCK_LARGEST ((size_t)256 * 1024)

struct block {
    struct block *next;
    size_t used, size;
    char data[];
};

struct ls_arena {
    struct block *blocks; /* the newest first; only this one has room */
    size_t next_size;
};

struct ls_arena *ls_arena_new(void)
{
    struct ls_arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->next_size = BLOCK_FIRST;
    return arena;
}

void ls_arena_free(struct ls_arena *arena)
{
    if (!arena)
        return;
    for (struct block *b = arena->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(arena);
}

static struct block *add_block(struct ls_arena *arena, size_t need)
{
    size_t size = need > arena->next_size ? need : arena->next_size;
    struct block *b = malloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->used = 0;
    b->size = size;
    b->next = arena->blocks;
    arena->blocks = b;
    if (arena->next_size < BLOCK_LARGEST)
        arena->next_size *= 2;
    return b;
}

char *ls_arena_dup(struct ls_arena *arena, const char *data, size_t len)
{
    struct block *b = arena->blocks;
    if (len >= (size_t)-1 - sizeof *b - 1)
        return NULL;
    if (!b || b->size - b->used < len + 1) {
        b = add_block(arena, len + 1);
        if (!b)
            return NULL;
    }
    char *out = b->data + b->used;
    if (len)
        memcpy(out, data, len);
    out[len] = '\0';
    b->used += len + 1;
    return out;
}
