/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Images of a product: list, bytes, upload, replacement, removal.
 *
 * An image's path is its key's parts. Uploads are put by the engine: object first, then row, undone when the row fails;
 * removal takes the row first. Bytes must be an image of the kind that the name promises. If-Match and If-None-Match
 * are the engine's own preconditions.
 */
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "serve/conditions.h"
#include "serve/internal.h"
#include "serve/problem.h"
#include "serve/send.h"
#include "serve/sniff.h"

static void image_page_auto(struct ls_image_page *page) { ls_image_page_dispose(page); }

/* ---- keys ---- */

/* False: the reply says why there is no such key. */
static bool make_key(struct ls_serve *serve, const struct ls_request *req, const char *weight, const char *type,
                     const char *file, char out[LS_KEY_MAX], struct ls_reply *reply)
{
    const struct ls_layout *layout = ls_engine_layout(serve->opts->engine);
    struct ls_err err = LS_ERR_INIT;
    if (!ls_layout_has_type(layout, type, strlen(type))) {
        ls_problem(reply, 404, "unknown-type", "the layout has no type '%.100s'", type);
        return false;
    }
    if (!ls_layout_format(layout, ls_request_param(req, ":id"), weight, type, file, out, LS_KEY_MAX, &err))
        return true;
    ls_problem(reply, 400, "malformed-id", "no image can be called so: %s", err.text);
    return false;
}

/* The key that :id, :weight, :type and :file of the path name. */
static bool path_key(struct ls_serve *serve, const struct ls_request *req, char out[LS_KEY_MAX], struct ls_reply *reply)
{
    return make_key(serve, req, ls_request_param(req, ":weight"), ls_request_param(req, ":type"),
                    ls_request_param(req, ":file"), out, reply);
}

bool ls_api_product(struct ls_serve *serve, const char *product, struct ls_reply *reply)
{
    char key[LS_KEY_MAX];
    bool exists = false;
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    if (ls_layout_format(ls_engine_layout(serve->opts->engine), product, NULL, NULL, NULL, key, sizeof key, &err))
        ls_problem(reply, 400, "malformed-id", "no product can be called so: %s", err.text);
    else if (cat->ops->product_exists(cat, NULL, product, &exists, &err))
        ls_problem_err(reply, &err);
    else if (!exists)
        ls_problem(reply, 404, "unknown-product", "the catalog knows no product '%s'", product);
    return exists;
}

/* ---- the list ---- */

static void json_image(struct ls_json *json, const struct ls_layout *layout, const struct ls_image *image)
{
    struct ls_key_parts parts;
    bool fits = ls_layout_parse(layout, image->key, strlen(image->key), &parts) == LS_KEY_FITS;
    ls_json_object(json, NULL);
    ls_json_str(json, "key", image->key);
    ls_json_str(json, "productId", image->product);
    ls_json_str(json, "weight", image->weight);
    ls_json_str(json, "type", image->type);
    ls_json_str(json, "fileName", fits ? parts.file.data : NULL); /* the key's last part */
    ls_json_str(json, "url", image->url);
    if (image->record.known) {
        ls_json_uint(json, "size", image->record.size_bytes);
        ls_json_str(json, "etag", image->record.etag);
        ls_json_str(json, "contentType", *image->record.content_type ? image->record.content_type : NULL);
    }
    ls_json_time(json, "createdAt", image->created_ns);
    ls_json_time(json, "updatedAt", image->updated_ns);
    ls_json_end_object(json);
}

static void write_images(struct ls_serve *serve, const struct ls_image_page *page, bool more, FILE *out)
{
    struct ls_json json;
    ls_json_init(&json, out);
    ls_json_object(&json, NULL);
    ls_json_array(&json, "images");
    for (size_t i = 0; i < page->n; i++)
        json_image(&json, ls_engine_layout(serve->opts->engine), &page->items[i]);
    ls_json_end_array(&json);
    ls_json_str(&json, "next", more ? page->items[page->n - 1].key : NULL);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}

void ls_api_images(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    const char *product = ls_request_param(req, ":id"), *after = ls_request_query(req, "after");
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    char from[LS_KEY_MAX], before[LS_KEY_MAX];
    uint64_t limit = LS_LIST_DEFAULT;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(image_page) struct ls_image_page page = {0};
    if (!ls_request_query_number(req, "limit", LS_LIST_MOST, &limit, reply) || !ls_api_product(serve, product, reply))
        return;
    enum ls_rc rc =
        ls_layout_format(ls_engine_layout(serve->opts->engine), product, NULL, NULL, NULL, from, sizeof from, &err);
    if (!rc) {
        /* All keys below "…/product/" stand before "…/product0", '0' being the byte after '/'. */
        memcpy(before, from, sizeof before);
        before[strlen(before) - 1] = '/' + 1;
        if (!after || strcmp(after, from) < 0)
            after = from;
        rc = cat->ops->image_page(cat, NULL, after, before, (unsigned)(limit ? limit : 1), &page, &err);
    }
    FILE *out = rc ? NULL : ls_reply_text(reply, 200, "application/json");
    if (rc)
        ls_problem_err(reply, &err);
    else if (out)
        write_images(serve, &page, page.n == (limit ? limit : 1), out);
}

/* ---- bytes ---- */

/* What the client shall take the bytes for: never for anything that could run, whatever they are. */
static const char *type_of(const char *file)
{
    const char *type = ls_sniff_name(file);
    return type ? type : "application/octet-stream";
}

void ls_api_image_get(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    char key[LS_KEY_MAX];
    struct ls_object_info info;
    struct ls_err err = LS_ERR_INIT;
    if (!path_key(serve, req, key, reply))
        return;
    if (ls_store_head_one(ls_engine_store(serve->opts->engine), key, &info, &err))
        ls_problem_err(reply, &err);
    else
        ls_send_object(serve, req, key, &info, type_of(ls_request_param(req, ":file")), reply);
}

/* ---- upload and replacement ---- */

/* Are the bytes an image of the kind that the name promises? */
static const char *check_kind(const struct ls_request *req, const char *file, struct ls_reply *reply)
{
    char first[LS_SNIFF_BYTES];
    const char *sent = req->headers[LS_HEADER_CONTENT_TYPE], *promised = ls_sniff_name(file);
    ssize_t n = ls_pread_all(req->body_fd, first, sizeof first, 0);
    const char *is = n > 0 ? ls_sniff_bytes(first, (size_t)n) : NULL;
    if (!promised)
        ls_problem(reply, 415, "file-name", "the name must end with .jpg, .jpeg, .png, .gif, .webp or .avif");
    else if (!is)
        ls_problem(reply, 415, "no-image", "the bytes are no JPEG, PNG, GIF, WebP or AVIF image");
    else if (strcmp(is, promised) != 0)
        ls_problem(reply, 415, "wrong-kind", "the name promises %s, the bytes are %s", promised, is);
    else if (sent && strncmp(sent, "image/", 6) == 0 && strncmp(sent, is, strlen(is)) != 0)
        ls_problem(reply, 415, "wrong-kind", "Content-Type says %.100s, the bytes are %s", sent, is);
    else
        return is;
    return NULL;
}

/* If-None-Match: * makes only; If-Match: "etag" replaces only that. False: the reply says what is wrong. */
static bool read_conditions(const struct ls_request *req, struct ls_engine_put *put, char etag[LS_ETAG_MAX],
                            struct ls_reply *reply)
{
    const char *none = req->headers[LS_HEADER_IF_NONE_MATCH], *match = req->headers[LS_HEADER_IF_MATCH];
    bool bad =
        (none && strcmp(none, "*") != 0) || (match && !ls_etag_single(match, etag, LS_ETAG_MAX)) || (none && match);
    if (bad) {
        ls_problem(reply, 400, "condition", "send If-None-Match: * or If-Match: with one etag, or neither");
        return false;
    }
    if (none)
        put->expect = LS_PUT_EXPECT_NEW;
    if (match) {
        put->expect = LS_PUT_EXPECT_ETAG;
        put->expect_etag = etag;
    }
    return true;
}

/* Put the body at put->key, and answer with its row. */
static void put_image(struct ls_serve *serve, const struct ls_request *req, const char *file, struct ls_engine_put *put,
                      struct ls_reply *reply)
{
    struct ls_engine *engine = serve->opts->engine;
    LS_AUTO(image_page) struct ls_image_page before = {0};
    LS_AUTO(image_page) struct ls_image_page after = {0};
    struct ls_err err = LS_ERR_INIT;
    const char *kind = check_kind(req, file, reply);
    if (!kind)
        return;
    snprintf(put->meta.content_type, sizeof put->meta.content_type, "%s", kind);
    put->fd = req->body_fd;
    put->size_bytes = req->body_size_bytes;
    enum ls_rc rc = ls_catalog_image_get(ls_engine_catalog(engine), NULL, put->key, &before, &err);
    bool existed = rc == LS_OK;
    if (!rc || rc == LS_NOT_FOUND)
        rc = ls_engine_put(engine, put, &after, &err);
    if (rc || after.n != 1) {
        ls_problem_err(reply, &err);
        return;
    }
    struct ls_json json;
    if (!ls_reply_json(reply, existed ? 200 : 201, &json))
        return;
    json_image(&json, ls_engine_layout(engine), &after.items[0]);
    ls_json_newline(&json);
    ls_reply_header(reply, "ETag", "\"%s\"", after.items[0].record.etag);
}

void ls_api_image_put(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    char key[LS_KEY_MAX], etag[LS_ETAG_MAX];
    struct ls_engine_put put = {.key = key, .replaces = ls_request_query(req, "replaces")};
    if (path_key(serve, req, key, reply) && read_conditions(req, &put, etag, reply))
        put_image(serve, req, ls_request_param(req, ":file"), &put, reply);
}

void ls_api_image_post(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    char key[LS_KEY_MAX];
    const char *weight = ls_request_form(req, "weight"), *type = ls_request_form(req, "type");
    struct ls_engine_put put = {.key = key, .expect = LS_PUT_EXPECT_NEW};
    if (!weight || !type || !req->form_file)
        ls_problem(reply, 400, "missing-field", "form: wants weight, type and file");
    else if (req->n_form > 2)
        ls_problem(reply, 400, "unknown-field", "form: wants weight, type and file, and nothing else");
    else if (make_key(serve, req, weight, type, req->form_file, key, reply))
        put_image(serve, req, req->form_file, &put, reply);
}

/* ---- removal ---- */

void ls_api_image_delete(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    char key[LS_KEY_MAX], etag[LS_ETAG_MAX];
    const char *match = req->headers[LS_HEADER_IF_MATCH];
    struct ls_err err = LS_ERR_INIT;
    if (!path_key(serve, req, key, reply))
        return;
    if (match && !ls_etag_single(match, etag, sizeof etag)) {
        ls_problem(reply, 400, "condition", "If-Match must be one etag");
        return;
    }
    const struct ls_image_ref image = {.key = key, .expect_etag = match ? etag : NULL};
    if (ls_engine_remove(serve->opts->engine, &image, 1, true, &err))
        ls_problem_err(reply, &err);
    else
        ls_reply_constant(reply, 204, NULL, "", 0);
}
