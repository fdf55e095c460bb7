/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cursor is a setting of the catalog. It need not wait for the disk: should a crash of the machine take it back,
 * the same changes are settled again, and each action finds nothing to do.
 */
#include "settle/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"

#define SETTING "settle.cursor"

enum ls_rc ls_cursor_get(struct ls_catalog *cat, int64_t *out_seq, struct ls_err *err)
{
    LS_AUTO(ls_free) char *text = NULL;
    *out_seq = 0;
    enum ls_rc rc = cat->ops->meta_get(cat, NULL, SETTING, &text, err);
    if (rc != LS_OK)
        return rc;
    char *end = text;
    *out_seq = strtoll(text, &end, 10);
    if (end == text || *end)
        return ls_err_set(err, LS_CORRUPT, "settle: the setting " SETTING " is '%s': want a number", text);
    return LS_OK;
}

enum ls_rc ls_cursor_set(struct ls_catalog *cat, int64_t epoch, int64_t seq, struct ls_err *err)
{
    struct ls_tx *tx;
    char text[32];
    enum ls_rc rc = cat->ops->begin_relaxed(cat, &tx, err);
    if (rc != LS_OK)
        return rc;
    snprintf(text, sizeof text, "%" PRId64, seq);
    rc = ls_leader_check(tx, LS_LEAD_SETTLER, epoch, err);
    if (rc == LS_OK)
        rc = cat->ops->meta_set(tx, SETTING, text, err);
    return ls_catalog_end(tx, rc, err);
}
