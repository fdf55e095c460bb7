/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks in a list; pieces are cut from the first one, large pieces get a block of their own. Belongs to one thread.
 */
#include "engine/pool.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)16 * 1024)

struct ls_pool_block {
    struct ls_pool_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char data[];
};

static struct ls_pool_block *add_block(struct ls_pool *pool, size_t size)
{
    struct ls_pool_block *block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    block->size = size;
    if (pool->blocks && size > BLOCK_BYTES) { /* keep cutting from the block at hand */
        block->next = pool->blocks->next;
        pool->blocks->next = block;
    } else {
        block->next = pool->blocks;
        pool->blocks = block;
    }
    return block;
}

void *ls_pool_alloc(struct ls_pool *pool, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + align - 1) / align * align;
    struct ls_pool_block *block = pool->blocks;
    if (!block || block->size - block->used < size)
        block = add_block(pool, size > BLOCK_BYTES ? size : BLOCK_BYTES);
    if (!block)
        return NULL;
    void *piece = block->data + block->used;
    block->used += size;
    return piece;
}

char *ls_pool_strn(struct ls_pool *pool, const char *data, size_t len)
{
    char *copy = ls_pool_alloc(pool, len + 1);
    if (copy)
        memcpy(copy, data, len);
    return copy;
}

char *ls_pool_str(struct ls_pool *pool, const char *text)
{
    return text ? ls_pool_strn(pool, text, strlen(text)) : NULL;
}

char *ls_pool_join(struct ls_pool *pool, const char *a, const char *b)
{
    char *joined = ls_pool_alloc(pool, strlen(a) + strlen(b) + 1);
    if (joined)
        stpcpy(stpcpy(joined, a), b);
    return joined;
}

void ls_pool_dispose(struct ls_pool *pool)
{
    while (pool->blocks) {
        struct ls_pool_block *block = pool->blocks;
        pool->blocks = block->next;
        free(block);
    }
}
