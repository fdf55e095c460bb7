/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of a folder for a listing, a page at a time, with attributes.
 *
 * Who walks a tree reads the folders of a product one after the other. So the rows of a small product are read in one
 * query when the first of its weights or types is listed, and shared by the listings that follow for a moment (as long
 * as nothing changes, and RECENT_MS at most).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "mount/attr.h"
#include "mount/dir.h"
#include "mount/lookup.h"

#define RECENT_MS 500
#define RECENT_ROWS 128 /* of a product; larger ones are read folder by folder */

struct ls_dir_rows {
    unsigned refs; /* recent.lock */
    uint64_t changes, feed;
    int64_t at_ms;
    bool complete;               /* false: too many */
    struct ls_image_page images; /* of the product, or the first ones */
    char path[LS_PATH_MAX];      /* the product's */
};

/* ---- the rows of a product ---- */

static void rows_unref(struct ls_dir_recent *recent, struct ls_dir_rows *rows)
{
    {
        LS_LOCK(&recent->lock);
        if (!rows || --rows->refs > 0)
            return;
    }
    ls_image_page_dispose(&rows->images);
    free(rows);
}

static bool rows_current(struct ls_mount *mount, const struct ls_dir_rows *rows)
{
    return rows->changes == atomic_load(&mount->changes) && rows->feed == atomic_load(&mount->feed) &&
           ls_monotonic_ms() - rows->at_ms < RECENT_MS;
}

static struct ls_dir_rows *rows_find(struct ls_mount *mount, const char *product)
{
    LS_LOCK(&mount->recent->lock);
    for (unsigned i = 0; i < LS_DIR_RECENT; i++) {
        struct ls_dir_rows *rows = mount->recent->slots[i];
        if (rows && strcmp(rows->path, product) == 0 && rows_current(mount, rows)) {
            rows->refs++;
            return rows;
        }
    }
    return NULL;
}

/* Put it in the place of the oldest. */
static void rows_share(struct ls_dir_recent *recent, struct ls_dir_rows *rows)
{
    struct ls_dir_rows *before;
    {
        LS_LOCK(&recent->lock);
        before = recent->slots[recent->next];
        recent->slots[recent->next] = rows;
        recent->next = (recent->next + 1) % LS_DIR_RECENT;
        rows->refs++;
    }
    rows_unref(recent, before);
}

void ls_dir_recent_dispose(struct ls_dir_recent *recent)
{
    for (unsigned i = 0; i < LS_DIR_RECENT; i++)
        rows_unref(recent, recent->slots[i]);
    pthread_mutex_destroy(&recent->lock);
}

/* The rows of the product that lies `up` folders above path, with a reference; look at complete. */
static enum ls_rc rows_get(struct ls_mount *mount, const char *path, unsigned up, struct ls_dir_rows **out,
                           struct ls_err *err)
{
    char product[LS_PATH_MAX], after[LS_PATH_MAX + 2], before[LS_PATH_MAX + 2];
    snprintf(product, sizeof product, "%s", path);
    for (; up > 0 && strrchr(product, '/'); up--)
        *strrchr(product, '/') = '\0';
    *out = rows_find(mount, product);
    if (*out)
        return LS_OK;
    struct ls_dir_rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        return ls_err_nomem(err);
    rows->refs = 1;
    rows->changes = atomic_load(&mount->changes);
    rows->feed = atomic_load(&mount->feed);
    rows->at_ms = ls_monotonic_ms();
    snprintf(rows->path, sizeof rows->path, "%s", product);
    snprintf(after, sizeof after, "%s/", product);
    snprintf(before, sizeof before, "%s0", product); /* '0' follows '/' */
    enum ls_rc rc =
        mount->catalog->ops->image_page(mount->catalog, NULL, after, before, RECENT_ROWS, &rows->images, err);
    if (rc) {
        free(rows);
        return rc;
    }
    rows->complete = rows->images.n < RECENT_ROWS;
    rows_share(mount->recent, rows);
    *out = rows;
    return LS_OK;
}

/* The first row with a key above `after`. */
static size_t rows_above(const struct ls_dir_rows *rows, const char *after)
{
    size_t low = 0, high = rows->images.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(rows->images.items[middle].key, after) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* ---- loading ---- */

static enum ls_rc page_room(struct ls_dir_page *page, size_t n, struct ls_err *err)
{
    page->folders = calloc(n ? n : 1, sizeof *page->folders);
    if (page->folders)
        return LS_OK;
    (void)ls_err_nomem(err);
    return LS_NO_MEMORY;
}

static void page_add(struct ls_dir_page *page, const char *name, const struct stat *st)
{
    struct ls_dir_folder *folder = &page->folders[page->n++];
    memcpy(folder->name, name, strlen(name) + 1);
    folder->st = *st;
}

static bool fits(struct ls_mount *mount, const char *path, enum ls_level want)
{
    enum ls_level level;
    struct ls_key_parts parts;
    return ls_lookup_classify(mount, path, &level, &parts) == 0 && level == want;
}

/* The one folder below the root or a folder of the prefix. */
static enum ls_rc load_prefix(struct ls_mount *mount, const char *path, const char *after, struct ls_dir_page *page,
                              struct ls_err *err)
{
    char name[LS_NAME_MAX + 1], child[LS_PATH_MAX];
    const char *rest = ls_layout_prefix(mount->layout) + strlen(path);
    struct stat st;
    page->last = true;
    if (*rest == '/')
        rest++;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(rest, "/"), rest);
    enum ls_rc rc = page_room(page, 1, err);
    if (rc || strcmp(name, after) <= 0)
        return rc;
    snprintf(child, sizeof child, "%.*s", (int)(rest - ls_layout_prefix(mount->layout) + (ptrdiff_t)strlen(name)),
             ls_layout_prefix(mount->layout));
    rc = ls_attr_folder_path(mount, 1, child, 0, &st, err);
    if (!rc)
        page_add(page, name, &st);
    return rc;
}

/* The path of a name in a folder; false when it does not fit. */
static bool join(char out[LS_PATH_MAX], const char *path, const char *name)
{
    return snprintf(out, LS_PATH_MAX, "%s%s%s", path, *path ? "/" : "", name) < LS_PATH_MAX;
}

static enum ls_rc load_products(struct ls_mount *mount, const char *path, const char *after, unsigned limit,
                                struct ls_dir_page *page, struct ls_err *err)
{
    struct ls_name_page names = {0};
    enum ls_rc rc = mount->catalog->ops->product_page(mount->catalog, NULL, after, limit, &names, err);
    if (!rc)
        rc = page_room(page, names.n, err);
    for (size_t i = 0; !rc && i < names.n; i++) {
        char child[LS_PATH_MAX];
        struct stat st;
        if (strlen(names.names[i]) > LS_NAME_MAX || !join(child, path, names.names[i]) ||
            !fits(mount, child, LS_LEVEL_PRODUCT))
            continue;
        rc = ls_attr_folder_path(mount, mount->products_depth + 1, child, 0, &st, err);
        if (!rc)
            page_add(page, names.names[i], &st);
    }
    page->last = names.n < limit;
    if (!rc && names.n > 0)
        snprintf(page->skip, sizeof page->skip, "%s", names.names[names.n - 1]);
    ls_name_page_dispose(&names);
    return rc;
}

static const struct ls_folder *folder_of(const struct ls_folder_page *folders, const char *path)
{
    for (size_t i = 0; i < folders->n; i++)
        if (strcmp(folders->items[i].path, path) == 0)
            return &folders->items[i];
    return NULL;
}

static enum ls_rc load_weights(struct ls_mount *mount, const char *path, const char *after, struct ls_dir_page *page,
                               struct ls_err *err)
{
    struct ls_variant_page variants = {0};
    struct ls_folder_page folders = {0};
    const char *product = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    page->last = true;
    enum ls_rc rc = mount->catalog->ops->variant_list(mount->catalog, NULL, product, &variants, err);
    if (!rc)
        rc = mount->catalog->ops->folder_children(mount->catalog, NULL, path, &folders, err);
    if (!rc)
        rc = page_room(page, variants.n, err);
    for (size_t i = 0; !rc && i < variants.n; i++) {
        const struct ls_variant *variant = &variants.items[i];
        char child[LS_PATH_MAX];
        struct stat st;
        if (strcmp(variant->weight, after) <= 0 || !join(child, path, variant->weight) ||
            !fits(mount, child, LS_LEVEL_WEIGHT))
            continue;
        ls_attr_folder(mount, mount->products_depth + 2, folder_of(&folders, child), variant->updated_ns, &st);
        page_add(page, variant->weight, &st);
    }
    ls_folder_page_dispose(&folders);
    ls_variant_page_dispose(&variants);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ls_dir_folder *)a)->name, ((const struct ls_dir_folder *)b)->name);
}

/* Is there an image below a type folder? */
static enum ls_rc has_image(struct ls_mount *mount, const struct ls_dir_rows *rows, const char *path, bool *out_has,
                            struct ls_err *err)
{
    char from[LS_PATH_MAX + 2];
    if (!rows->complete)
        return ls_lookup_has_image(mount, path, out_has, err);
    snprintf(from, sizeof from, "%s/", path);
    size_t at = rows_above(rows, from);
    *out_has = at < rows->images.n && strncmp(rows->images.items[at].key, from, strlen(from)) == 0;
    return LS_OK;
}

static enum ls_rc add_types(struct ls_mount *mount, const char *path, const char *after,
                            const struct ls_folder_page *folders, const struct ls_dir_rows *rows,
                            struct ls_dir_page *page, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (const char *const *type = ls_layout_types(mount->layout); !rc && *type; type++) {
        char child[LS_PATH_MAX];
        struct stat st;
        if (strcmp(*type, after) <= 0 || !join(child, path, *type))
            continue;
        const struct ls_folder *folder = folder_of(folders, child);
        bool exists = folder != NULL;
        if (!exists)
            rc = has_image(mount, rows, child, &exists, err);
        if (rc || !exists)
            continue;
        ls_attr_folder(mount, mount->products_depth + 3, folder, 0, &st);
        page_add(page, *type, &st);
    }
    return rc;
}

static enum ls_rc load_types(struct ls_mount *mount, const char *path, const char *after, struct ls_dir_page *page,
                             struct ls_err *err)
{
    const char *const *types = ls_layout_types(mount->layout);
    struct ls_folder_page folders = {0};
    struct ls_dir_rows *rows = NULL;
    size_t n = 0;
    while (types[n])
        n++;
    page->last = true;
    enum ls_rc rc = mount->catalog->ops->folder_children(mount->catalog, NULL, path, &folders, err);
    if (!rc)
        rc = page_room(page, n, err);
    if (!rc)
        rc = rows_get(mount, path, 1, &rows, err);
    if (!rc)
        rc = add_types(mount, path, after, &folders, rows, page, err);
    if (!rc)
        qsort(page->folders, page->n, sizeof *page->folders, by_name);
    rows_unref(mount->recent, rows);
    ls_folder_page_dispose(&folders);
    return rc;
}

static enum ls_rc load_images(struct ls_mount *mount, const char *path, const char *after, unsigned limit,
                              struct ls_dir_page *page, struct ls_err *err)
{
    char from[2 * LS_PATH_MAX], before[LS_PATH_MAX + 2];
    snprintf(from, sizeof from, "%s/%s", path, after);
    snprintf(before, sizeof before, "%s0", path); /* '0' follows '/' */
    enum ls_rc rc = rows_get(mount, path, 2, &page->shared, err);
    if (rc)
        return rc;
    if (page->shared->complete) {
        size_t at = rows_above(page->shared, from);
        page->changes = page->shared->changes;
        page->feed = page->shared->feed;
        page->rows = page->shared->images.items + at;
        while (at + page->n < page->shared->images.n && strcmp(page->rows[page->n].key, before) < 0)
            page->n++;
        page->last = true;
        return LS_OK;
    }
    rc = mount->catalog->ops->image_page(mount->catalog, NULL, from, before, limit, &page->images, err);
    if (rc)
        return rc;
    page->rows = page->images.items;
    page->n = page->images.n;
    page->last = page->n < limit;
    if (page->n > 0)
        snprintf(page->skip, sizeof page->skip, "%s", page->rows[page->n - 1].key + strlen(path) + 1);
    return LS_OK;
}

void ls_dir_page_dispose(struct ls_mount *mount, struct ls_dir_page *page)
{
    ls_image_page_dispose(&page->images);
    rows_unref(mount->recent, page->shared);
    free(page->folders);
    *page = (struct ls_dir_page){0};
}

enum ls_rc ls_dir_load(struct ls_mount *mount, const struct ls_node *dir, const char *path, const char *after,
                       unsigned limit, struct ls_dir_page *page, struct ls_err *err)
{
    char from[sizeof page->skip];
    snprintf(from, sizeof from, "%s", after); /* may be the page's own */
    ls_dir_page_dispose(mount, page);
    page->changes = atomic_load(&mount->changes);
    page->feed = atomic_load(&mount->feed);
    if (dir->dir_depth < mount->products_depth)
        return load_prefix(mount, path, from, page, err);
    switch (dir->dir_depth - mount->products_depth) {
    case 0:
        return load_products(mount, path, from, limit, page, err);
    case 1:
        return load_weights(mount, path, from, page, err);
    case 2:
        return load_types(mount, path, from, page, err);
    default:
        return load_images(mount, path, from, limit, page, err);
    }
}
