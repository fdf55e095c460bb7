/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Case twins: a hash table of the current folder's folded names.
 *
 * The table is emptied by counting its generation up. A group's number is the hash of folder and folded name.
 */
#include "scan/twins.h"

#include <stdlib.h>
#include <string.h>

void ls_twins_init(struct ls_twins *twins)
{
    *twins = (struct ls_twins){.generation = 1};
    ls_buf_init(&twins->folder, 4096);
    ls_buf_init(&twins->names, (size_t)LS_TWINS_MAX * 1100);
}

void ls_twins_dispose(struct ls_twins *twins)
{
    ls_buf_dispose(&twins->folder);
    ls_buf_dispose(&twins->names);
    free(twins->table);
    twins->table = NULL;
}

/* The lower case of a two-byte letter (U+0080 to U+07FF), by the regular parts of Unicode's simple case folding. */
static unsigned fold_code(unsigned c)
{
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3ab && c != 0x3a2) || (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    if ((c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177) ||
        (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f))
        return c | 1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return c + (c & 1);
    if (c == 0x178)
        return 0xff;
    if (c == 0x3c2)
        return 0x3c3; /* final sigma */
    return c;
}

void ls_twins_fold(const char *text, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 'A' && c <= 'Z') {
            out[i] = (char)(c + 32);
        } else if (c >= 0xc2 && c <= 0xdf && i + 1 < len && ((unsigned char)text[i + 1] & 0xc0) == 0x80) {
            unsigned code = fold_code((c & 0x1fU) << 6 | ((unsigned char)text[i + 1] & 0x3fU));
            out[i] = (char)(0xc0 | code >> 6);
            out[i + 1] = (char)(0x80 | (code & 0x3f));
            i++;
        } else {
            out[i] = (char)c;
        }
    }
}

/* FNV-1a, 64 bit (Fowler, Noll, Vo), with a final mix so that the low bits are good. */
static uint64_t hash_bytes(uint64_t h, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    return h;
}

static enum ls_rc enter_folder(struct ls_twins *twins, const char *key, size_t len)
{
    if (twins->folder.len == len && memcmp(twins->folder.data, key, len) == 0)
        return LS_OK;
    ls_buf_reset(&twins->folder);
    ls_buf_reset(&twins->names);
    twins->n = 0;
    if (++twins->generation == 0) {
        if (twins->table)
            memset(twins->table, 0, twins->size * sizeof *twins->table);
        twins->generation = 1;
    }
    return ls_buf_add(&twins->folder, key, len);
}

static enum ls_rc grow(struct ls_twins *twins)
{
    size_t size = twins->size ? 2 * twins->size : 64;
    struct ls_twins_entry *table = calloc(size, sizeof *table);
    if (!table)
        return LS_NO_MEMORY;
    for (size_t i = 0; i < twins->size; i++) {
        if (twins->table[i].generation != twins->generation)
            continue;
        size_t at = twins->table[i].hash & (size - 1);
        while (table[at].generation == twins->generation)
            at = (at + 1) & (size - 1);
        table[at] = twins->table[i];
    }
    free(twins->table);
    twins->table = table;
    twins->size = size;
    return LS_OK;
}

/* Do two names fold to the same? */
static bool same_folded(const char *name, const char *folded, size_t len)
{
    char other[1100];
    if (strlen(name) != len || len > sizeof other)
        return false;
    ls_twins_fold(name, len, other);
    return memcmp(other, folded, len) == 0;
}

enum ls_rc ls_twins_next(struct ls_twins *twins, const char *key, bool synced, struct ls_twin *out)
{
    char folded[1100];
    *out = (struct ls_twin){0};
    const char *slash = strrchr(key, '/');
    const char *name = slash ? slash + 1 : key;
    size_t len = strlen(name);
    if (len > sizeof folded)
        return LS_OK;
    enum ls_rc rc = enter_folder(twins, key, (size_t)(name - key));
    if (!rc && 2 * (twins->n + 1) > twins->size && twins->n < LS_TWINS_MAX)
        rc = grow(twins);
    if (rc)
        return rc;
    ls_twins_fold(name, len, folded);
    uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325), twins->folder.data, twins->folder.len);
    hash = hash_bytes(hash, folded, len);
    hash ^= hash >> 29;
    size_t at = hash & (twins->size - 1);
    for (; twins->table[at].generation == twins->generation; at = (at + 1) & (twins->size - 1)) {
        struct ls_twins_entry *e = &twins->table[at];
        if (e->hash != hash || !same_folded(twins->names.data + e->name_at, folded, len))
            continue;
        out->group = (int64_t)(hash & INT64_MAX) | 1;
        out->first = e->told ? NULL : twins->names.data + e->name_at;
        out->first_synced = e->synced;
        e->told = true;
        return LS_OK;
    }
    if (twins->n >= LS_TWINS_MAX)
        return LS_OK;
    struct ls_twins_entry entry = {twins->generation, (uint32_t)twins->names.len, hash, synced, false};
    rc = ls_buf_add(&twins->names, name, len + 1);
    if (rc)
        return rc;
    twins->table[at] = entry;
    twins->n++;
    return LS_OK;
}
