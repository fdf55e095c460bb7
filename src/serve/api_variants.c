/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Products and their variants: list, create, change weight, switch on and off, delete with everything.
 */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "serve/internal.h"
#include "serve/problem.h"

static void variant_page_auto(struct ls_variant_page *page) { ls_variant_page_dispose(page); }
static void name_page_auto(struct ls_name_page *page) { ls_name_page_dispose(page); }

void ls_api_products(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    const char *after = ls_request_query(req, "after");
    LS_AUTO(name_page) struct ls_name_page page = {0};
    struct ls_err err = LS_ERR_INIT;
    uint64_t limit = LS_LIST_DEFAULT;
    if (!ls_request_query_number(req, "limit", LS_LIST_MOST, &limit, reply))
        return;
    limit = limit ? limit : 1;
    enum ls_rc rc = cat->ops->product_page(cat, NULL, after ? after : "", (unsigned)limit, &page, &err);
    struct ls_json json;
    if (!ls_problem_or_object(reply, rc, &err, &json))
        return;
    ls_json_array(&json, "products");
    for (size_t i = 0; i < page.n; i++) {
        ls_json_object(&json, NULL);
        ls_json_str(&json, "productId", page.names[i]);
        ls_json_end_object(&json);
    }
    ls_json_end_array(&json);
    ls_json_str(&json, "next", page.n == limit ? page.names[page.n - 1] : NULL);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}

static void json_variant(struct ls_json *json, const struct ls_variant *variant)
{
    ls_json_object(json, NULL);
    ls_json_str(json, "id", variant->id);
    ls_json_str(json, "productId", variant->product);
    ls_json_str(json, "weight", variant->weight);
    ls_json_bool(json, "isActive", variant->is_active);
    ls_json_time(json, "createdAt", variant->created_ns);
    ls_json_time(json, "updatedAt", variant->updated_ns);
    ls_json_end_object(json);
}

void ls_api_variants(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    const char *product = ls_request_param(req, ":id");
    LS_AUTO(variant_page) struct ls_variant_page page = {0};
    struct ls_err err = LS_ERR_INIT;
    if (!ls_api_product(serve, product, reply))
        return;
    enum ls_rc rc = cat->ops->variant_list(cat, NULL, product, &page, &err);
    struct ls_json json;
    if (!ls_problem_or_object(reply, rc, &err, &json))
        return;
    ls_json_array(&json, "variants");
    for (size_t i = 0; i < page.n; i++)
        json_variant(&json, &page.items[i]);
    ls_json_end_array(&json);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}

/* Answer with the variant as it is now. */
static void answer_variant(struct ls_serve *serve, const char *product, const char *weight, unsigned status,
                           struct ls_reply *reply)
{
    struct ls_catalog *cat = ls_engine_catalog(serve->opts->engine);
    struct ls_variant variant;
    struct ls_err err = LS_ERR_INIT;
    if (cat->ops->variant_get(cat, NULL, product, weight, &variant, &err)) {
        ls_problem_err(reply, &err);
        return;
    }
    struct ls_json json;
    if (!ls_reply_json(reply, status, &json))
        return;
    json_variant(&json, &variant);
    ls_json_newline(&json);
}

void ls_api_variant_create(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    const char *product = ls_request_param(req, ":id"), *weight = NULL;
    const struct ls_field fields[] = {{"weight", LS_FIELD_TEXT, &weight}};
    struct ls_err err = LS_ERR_INIT;
    if (!ls_request_fields(req, fields, 1, reply))
        return;
    if (!weight)
        ls_problem(reply, 400, "missing-field", "body: 'weight' is missing");
    else if (ls_engine_variant_create(serve->opts->engine, product, weight, &err))
        ls_problem_err(reply, &err);
    else
        answer_variant(serve, product, weight, 201, reply);
}

void ls_api_variant_change(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    const char *product = ls_request_param(req, ":id"), *weight = ls_request_param(req, ":weight"), *to = NULL;
    struct ls_engine *engine = serve->opts->engine;
    bool active = false;
    const struct ls_field fields[] = {{"weight", LS_FIELD_TEXT, &to}, {"isActive", LS_FIELD_BOOL, &active}};
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = LS_OK;
    if (!ls_request_fields(req, fields, 2, reply))
        return;
    if (to && strcmp(to, weight) != 0) {
        rc = ls_engine_variant_rename(engine, product, weight, to, &err);
        weight = to;
    }
    if (!rc && json_object_get(req->json, "isActive"))
        rc = ls_engine_variant_set_active(engine, product, weight, active, &err);
    if (rc)
        ls_problem_err(reply, &err);
    else
        answer_variant(serve, product, weight, 200, reply);
}

void ls_api_variant_delete(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_err err = LS_ERR_INIT;
    if (ls_engine_variant_delete(serve->opts->engine, ls_request_param(req, ":id"), ls_request_param(req, ":weight"),
                                 &err))
        ls_problem_err(reply, &err);
    else
        ls_reply_constant(reply, 204, NULL, "", 0);
}
