/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds names in one folder that differ only in case, while keys stream by in order.
 *
 * Remembers the names of the current folder only, up to LS_TWINS_MAX of them; in larger folders later names are not
 * compared. Case means ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic letters. One thread at a time.
 */
#ifndef LOCKSTEP_SCAN_TWINS_H
#define LOCKSTEP_SCAN_TWINS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define LS_TWINS_MAX 32768

struct ls_twins_entry {
    uint32_t generation; /* of the folder it belongs to; others are free */
    uint32_t name_at;    /* in names */
    uint64_t hash;
    bool synced, told;
};

struct ls_twins {
    struct ls_buf folder; /* with its slash */
    struct ls_buf names;  /* each with its NUL */
    struct ls_twins_entry *table;
    size_t size; /* a power of two, or 0 */
    size_t n;
    uint32_t generation;
};

/* What a name turned out to be. */
struct ls_twin {
    int64_t group;     /* 0 = no twin */
    const char *first; /* the earlier name's last segment when it has not been told of before, or NULL */
    bool first_synced; /* what its caller said of it */
};

void ls_twins_init(struct ls_twins *twins);
void ls_twins_dispose(struct ls_twins *twins);
/* Tell of the next key; synced is kept for its later twin. */
enum ls_rc ls_twins_next(struct ls_twins *twins, const char *key, bool synced, struct ls_twin *out) LS_MUST_CHECK;

/* Write the text with its letters in lower case; the length stays. out has len bytes. For tests as well. */
void ls_twins_fold(const char *text, size_t len, char *out);

#endif
