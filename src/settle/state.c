/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How far the settling is, for people. */
#include "lockstep/settle.h"

#include "settle/cursor.h"

#define PAGE_CHANGES 1000
#define PAGES_MOST 100

/* Count changes of other programs after the cursor. Lines that are not kept any more are counted by nobody. */
static enum ls_rc count_behind(struct ls_catalog *cat, struct ls_settle_state *out, struct ls_err *err)
{
    int64_t after = out->cursor;
    for (int i = 0; i < PAGES_MOST; i++) {
        struct ls_change_page page = {0};
        enum ls_rc rc = cat->ops->change_page(cat, after, PAGE_CHANGES, &page, err);
        out->more = rc == LS_NOT_FOUND;
        if (rc != LS_OK)
            return rc == LS_NOT_FOUND ? LS_OK : rc;
        for (size_t c = 0; c < page.n; c++)
            out->behind += page.items[c].writer[0] == '\0';
        if (page.n > 0)
            after = page.items[page.n - 1].seq;
        bool last = page.n < PAGE_CHANGES;
        ls_change_page_dispose(&page);
        if (last)
            return LS_OK;
    }
    out->more = true;
    return LS_OK;
}

enum ls_rc ls_settle_state_read(struct ls_catalog *cat, struct ls_settle_state *out, struct ls_err *err)
{
    *out = (struct ls_settle_state){0};
    enum ls_rc rc = cat->ops->change_last(cat, &out->newest, err);
    if (rc == LS_OK)
        rc = ls_leader_get(cat, NULL, LS_LEAD_SETTLER, &out->leader, err);
    if (rc == LS_OK)
        rc = ls_cursor_get(cat, &out->cursor, err);
    if (rc != LS_OK)
        return rc == LS_NOT_FOUND ? LS_OK : rc;
    out->started = true;
    rc = cat->ops->instance_alive(cat, out->leader.instance, &out->alive, err);
    return rc == LS_OK ? count_behind(cat, out, err) : rc;
}
