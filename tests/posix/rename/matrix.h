/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every source against every destination, with and without RENAME_NOREPLACE: what the call answers, and what is under
 * both names afterwards.
 */
#ifndef RENAME_MATRIX_H
#define RENAME_MATRIX_H

#include <stddef.h>

#include "check.h"

enum state {
    CLOSED,
    OPEN_TO_READ,  /* a handle reads the same bytes afterwards */
    OPEN_AND_DIRTY /* a handle has written and goes on afterwards */
};

struct from {
    const char *what, *path;
    enum kind kind;
    enum state state;
};

struct to {
    const char *what, *path;
    enum kind kind; /* made before; of the destination that is the source itself: the source's kind */
    int wanted;     /* errno of rename(2); 0 = success */
    enum { LATE, EARLY, ITSELF, NOT_MADE } how; /* EARLY: decided before the source is looked at; NOT_MADE: is there */
    bool for_all;                               /* not only for the first source */
};

void run_matrix(const struct from *from, size_t n_from, const struct to *to, size_t n_to);

#endif
