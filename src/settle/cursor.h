/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last change that was settled, kept in the catalog.
 */
#ifndef LOCKSTEP_SETTLE_CURSOR_H
#define LOCKSTEP_SETTLE_CURSOR_H

#include "lockstep/catalog.h"

/* LS_NOT_FOUND: nobody has settled this catalog yet. */
enum ls_rc ls_cursor_get(struct ls_catalog *cat, int64_t *out_seq, struct ls_err *err) LS_MUST_CHECK;
/* Move it, if `epoch` is still the settler's: LS_CONFLICT otherwise. */
enum ls_rc ls_cursor_set(struct ls_catalog *cat, int64_t epoch, int64_t seq, struct ls_err *err) LS_MUST_CHECK;

#endif
