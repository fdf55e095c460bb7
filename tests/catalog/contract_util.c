/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fixture and helpers of the contract suite. */
#include "catalog/contract.h"

#include <dirent.h>
#include <unistd.h>

#include "base/buf.h"

/* All names between '0' < 'a' and bytes around '/'. */
const char *const hostile_keys[] = {
    "products/1/100 g/other-images/a.jpg",
    "products/1/100!/other-images/a.jpg",
    "products/1/100\"/other-images/a.jpg",
    "products/1/100#/other-images/a.jpg",
    "products/1/100%/other-images/a.jpg",
    "products/1/100&/other-images/a.jpg",
    "products/1/100'/other-images/a.jpg",
    "products/1/100'; DROP TABLE product_image;--/other-images/a.jpg",
    "products/1/100(/other-images/a.jpg",
    "products/1/100)/other-images/a.jpg",
    "products/1/100*/other-images/a.jpg",
    "products/1/100+/other-images/a.jpg",
    "products/1/100,/other-images/a.jpg",
    "products/1/100-/other-images/a.jpg",
    "products/1/100.5/other-images/a.jpg",
    "products/1/100/other-images/A.jpg",
    "products/1/100/other-images/B.jpg",
    "products/1/100/other-images/a.jpg",
    "products/1/100/other-images/a\xcc\x88.jpg",
    "products/1/100/other-images/b.jpg",
    "products/1/100/other-images/\xc3\xa4.jpg",
    "products/1/100/other-images/\xf0\x9f\x98\x80.jpg",
    "products/1/100/other-images/\xf4\x8f\xbf\xbf.jpg",
    "products/1/100/other-images/\xff\xfe.jpg",
    "products/1/1000/other-images/a.jpg",
    "products/1/100:/other-images/a.jpg",
    "products/1/100A/other-images/a.jpg",
    "products/1/100a/other-images/a.jpg",
    "products/1/100\xc3\xa4/other-images/a.jpg",
};
const size_t n_hostile_keys = sizeof hostile_keys / sizeof hostile_keys[0];

size_t fit_keys(const struct backend *backend, const char *out[])
{
    size_t n = 0;
    for (size_t i = 0; i < n_hostile_keys; i++)
        if (!backend->utf8_keys || ls_utf8_valid(hostile_keys[i], strlen(hostile_keys[i])))
            out[n++] = hostile_keys[i];
    return n;
}

int contract_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *base = getenv("TMPDIR");
    f->backend = *state;
    snprintf(f->dir, sizeof f->dir, "%s/lockstep-catalog-XXXXXX", base && base[0] ? base : "/tmp");
    if (!mkdtemp(f->dir))
        return -1;
    f->cat = f->backend->open(f->dir);
    *state = f;
    return f->cat ? 0 : -1;
}

int contract_teardown(void **state)
{
    struct fixture *f = *state;
    ls_catalog_close(f->cat);
    if (f->backend->drop)
        f->backend->drop(f->dir);
    DIR *dir = opendir(f->dir);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    int result = rmdir(f->dir);
    *state = (void *)f->backend;
    free(f);
    return result;
}

struct ls_tx *begin(struct ls_catalog *cat)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_tx *tx;
    assert_ok(cat->ops->begin(cat, &tx, &err), &err);
    return tx;
}

void commit(struct ls_tx *tx)
{
    struct ls_err err = LS_ERR_INIT;
    assert_ok(tx->cat->ops->commit(tx, &err), &err);
}

void add_variant(struct ls_catalog *cat, const char *product, const char *weight, char out_id[LS_CATALOG_ID_MAX])
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_variant variant;
    bool there;
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->product_exists(cat, tx, product, &there, &err), &err);
    if (!there)
        assert_ok(cat->ops->product_add(tx, product, &err), &err);
    enum ls_rc rc = cat->ops->variant_get(cat, tx, product, weight, &variant, &err);
    if (rc == LS_NOT_FOUND)
        assert_ok(cat->ops->variant_add(tx, product, weight, &variant, &err), &err);
    else
        assert_int_equal(rc, LS_OK);
    commit(tx);
    if (out_id)
        memcpy(out_id, variant.id, LS_CATALOG_ID_MAX);
}

struct ls_image_write an_image(const char *key, const char *variant_id)
{
    struct ls_image_write write = {
        .image = {.key = key,
                  .product = "p1",
                  .weight = "w1",
                  .type = "other-images",
                  .url = "http://store/images",
                  .variant_id = variant_id,
                  .record = {.known = true,
                             .size_bytes = 1000,
                             .etag = "0123456789abcdef0123456789abcdef",
                             .mtime_ns = INT64_C(1700000000123456789),
                             .mode = 0644,
                             .uid = 1000,
                             .gid = 100,
                             .content_type = "image/jpeg"}},
    };
    return write;
}

void add_images(struct ls_catalog *cat, const char *const *keys, size_t n)
{
    struct ls_err err = LS_ERR_INIT;
    char variant_id[LS_CATALOG_ID_MAX];
    add_variant(cat, "p1", "w1", variant_id);
    struct ls_image_write *writes = calloc(n, sizeof *writes);
    for (size_t i = 0; i < n; i++)
        writes[i] = an_image(keys[i], variant_id);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->images_write(tx, writes, n, &err), &err);
    commit(tx);
    free(writes);
}

bool has_image(struct ls_catalog *cat, const char *key)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_image_page page;
    enum ls_rc rc = ls_catalog_image_get(cat, NULL, key, &page, &err);
    if (rc == LS_NOT_FOUND)
        return false;
    assert_int_equal(rc, LS_OK);
    ls_image_page_dispose(&page);
    return true;
}
