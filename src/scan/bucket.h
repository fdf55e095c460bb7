/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whose bucket is it? The marker object and what the catalog remembers of it. */
#ifndef LOCKSTEP_SCAN_BUCKET_H
#define LOCKSTEP_SCAN_BUCKET_H

#include "lockstep/engine.h"

#define LS_BUCKET_ID_SIZE 64

struct ls_bucket_ids {
    char catalog[LS_BUCKET_ID_SIZE]; /* what the catalog expects; "" = it was never told */
    char bucket[LS_BUCKET_ID_SIZE];  /* what the marker says; "" = there is none */
};

/* Read both. */
enum ls_rc ls_bucket_ids_read(struct ls_engine *engine, struct ls_bucket_ids *out, struct ls_err *err) LS_MUST_CHECK;
/* LS_GUARD with the code "bucket": it is another one than the catalog knows, or was emptied. */
enum ls_rc ls_bucket_check(struct ls_engine *engine, struct ls_err *err) LS_MUST_CHECK;
/* Make both agree, on the bucket's id where it has one: the user said that this bucket is the right one. */
enum ls_rc ls_bucket_accept(struct ls_engine *engine, const struct ls_bucket_ids *ids, struct ls_err *err)
    LS_MUST_CHECK;

#endif
