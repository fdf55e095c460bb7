/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A rename gives an object another key, and above the server's limit for one copy another etag: the readers of a
 * content wait meanwhile, and then ask for the rest by the new ones. That is right only while the row has the content's
 * version. An object that goes for good is fetched to the end first, as a local file would stay as long as it is open.
 */
#include "mount/hold.h"

#include <stdio.h>
#include <string.h>

static bool hold_one(struct ls_mount *mount, struct ls_content *content)
{
    char key[LS_PATH_MAX];
    struct ls_image_page page = {0};
    ls_content_key(content, key, sizeof key);
    if (ls_mount_row(mount, key, &page, NULL))
        return false;
    bool held = page.items[0].record.known && ls_content_hold(content, page.items[0].record.etag);
    ls_image_page_dispose(&page);
    return held;
}

void ls_hold_begin(struct ls_mount *mount, const char *path, struct ls_hold *out_hold)
{
    size_t n = ls_cache_partial(mount->cache, path, out_hold->contents, LS_HOLDS);
    out_hold->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (hold_one(mount, out_hold->contents[i]))
            out_hold->contents[out_hold->n++] = out_hold->contents[i];
        else
            ls_content_unref(out_hold->contents[i]);
    }
}

void ls_hold_end(struct ls_mount *mount, struct ls_hold *hold, const char *from, const char *to, bool moved)
{
    for (size_t i = 0; i < hold->n; i++) {
        char old_key[LS_PATH_MAX], key[2 * LS_PATH_MAX];
        struct ls_image_page page = {0};
        ls_content_key(hold->contents[i], old_key, sizeof old_key);
        snprintf(key, sizeof key, "%s%s", to, old_key + strlen(from));
        if (moved && !ls_mount_row(mount, key, &page, NULL) && page.items[0].record.known)
            ls_content_release(hold->contents[i], key, page.items[0].record.etag);
        else
            ls_content_release(hold->contents[i], NULL, NULL);
        ls_image_page_dispose(&page);
        ls_content_unref(hold->contents[i]);
    }
}

enum ls_rc ls_hold_bytes(struct ls_mount *mount, const char *path, struct ls_err *err)
{
    enum { MOST = 16 }; /* versions of one name that are open */
    struct ls_content *contents[MOST];
    size_t n = ls_cache_partial(mount->cache, path, contents, MOST);
    enum ls_rc rc = LS_OK;
    for (size_t i = 0; i < n; i++) {
        if (!rc)
            rc = ls_content_complete(contents[i], err);
        /* One that has lost its object already keeps nobody from removing the name. */
        if (rc == LS_NOT_FOUND || rc == LS_CONFLICT || rc == LS_CORRUPT)
            rc = LS_OK;
        ls_content_unref(contents[i]);
    }
    return rc;
}
