/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests taken apart, routes found, origins checked: without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "serve/origin.h"
#include "serve/router.h"

static void run_none(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    (void)serve;
    (void)req;
    (void)reply;
}

static const struct ls_route routes[] = {
    {"GET", "/a/fixed/c", 0, LS_BODY_NONE, LS_LANE_NOW, "", run_none},
    {"GET", "/a/:id/c", 0, LS_BODY_NONE, LS_LANE_NOW, "grace limit", run_none},
    {"POST", "/a/:id/c", 0, LS_BODY_JSON, LS_LANE_NOW, "", run_none},
};
enum { ROUTES = sizeof routes / sizeof *routes };

/* The status that finding the route ends with; 0 = found. */
static unsigned find(struct ls_request *req, const char *method, const char *target)
{
    struct ls_reply reply;
    ls_reply_init(&reply);
    assert_int_equal(ls_request_init(req, method, target, NULL), LS_OK);
    bool found = ls_route_find(routes, ROUTES, req, &reply);
    unsigned status = reply.status;
    assert_true(found == (status == 0));
    ls_reply_dispose(&reply);
    return status;
}

static void a_path_is_decoded_segment_by_segment(void **state)
{
    (void)state;
    struct ls_request req;
    assert_int_equal(find(&req, "GET", "/a/x%2Fc%20%C3%A4+/c"), 0);
    assert_string_equal(ls_request_param(&req, ":id"), "x/c \xc3\xa4+");
    ls_request_dispose(&req);
    assert_int_equal(find(&req, "GET", "/a/fi%78ed/c"), 0);
    assert_ptr_equal(req.route, &routes[0]);
    ls_request_dispose(&req);
}

static void what_fits_no_route_is_404_and_a_wrong_method_405(void **state)
{
    (void)state;
    static const char *const nowhere[] = {"/", "/a", "/a/b", "/a/b/c/d", "/a/b/c/", "/a//c", "//a/b/c", "/A/b/c"};
    struct ls_request req;
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        assert_int_equal(find(&req, "GET", nowhere[i]), 404);
        ls_request_dispose(&req);
    }
    assert_int_equal(find(&req, "DELETE", "/a/b/c"), 405);
    ls_request_dispose(&req);
    assert_int_equal(find(&req, "HEAD", "/a/b/c"), 0);
    ls_request_dispose(&req);
}

static void query_parameters_are_known_and_single(void **state)
{
    (void)state;
    struct ls_request req;
    assert_int_equal(find(&req, "GET", "/a/b/c?limit=1%200+2&&grace"), 0);
    assert_string_equal(ls_request_query(&req, "limit"), "1 0 2");
    assert_string_equal(ls_request_query(&req, "grace"), "");
    assert_null(ls_request_query(&req, "other"));
    ls_request_dispose(&req);
    static const char *const wrong[] = {"/a/b/c?other=1", "/a/b/c?gra=1", "/a/b/c?grace%20limit=1",
                                        "/a/b/c?=", "/a/b/c?limit=1&limit=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(find(&req, "GET", wrong[i]), 400);
        ls_request_dispose(&req);
    }
}

static void malformed_targets_are_invalid(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "*",
                                        "a/b",
                                        "/%",
                                        "/%4",
                                        "/%zz",
                                        "/a%00b",
                                        "/a?%00=1",
                                        "/a?b=%",
                                        "/a?b=%00",
                                        "/1/2/3/4/5/6/7/8/9/10/11/12/13",
                                        "/?a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ls_request req;
        assert_int_equal(ls_request_init(&req, "GET", wrong[i], NULL), LS_INVALID);
        ls_request_dispose(&req);
    }
}

/* The status that parsing the body ends with; 0 = it was read. */
static unsigned parse(struct ls_request *req, const char *type, const char *body)
{
    struct ls_reply reply;
    ls_reply_init(&reply);
    assert_int_equal(ls_request_init(req, "POST", "/a/b/c", NULL), LS_OK);
    assert_int_equal(ls_request_set_header(req, LS_HEADER_CONTENT_TYPE, type), LS_OK);
    ls_request_add_body(req, body, strlen(body), LS_REQUEST_BODY_MAX);
    bool read = ls_request_parse_json(req, &reply);
    unsigned status = reply.status;
    assert_true(read == (status == 0));
    ls_reply_dispose(&reply);
    return status;
}

static void bodies_are_json_objects_of_bounded_depth(void **state)
{
    (void)state;
    static const struct {
        const char *type, *body;
        unsigned status;
    } cases[] = {
        {"application/json", "{}", 0},
        {"Application/JSON; charset=utf-8", "{\"a\":\"[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[\"}", 0},
        {"application/json", "{\"a\":[[[[[[[1]]]]]]]}", 0},
        {"application/json", "{\"a\":[[[[[[[[1]]]]]]]]}", 400},
        {"application/json", "[]", 400},
        {"application/json", "true", 400},
        {"application/json", "", 400},
        {"application/json", "{\"a\":1,\"a\":1}", 400},
        {"application/json", "{\"a\":1}}", 400},
        {"application/json", "{\"a\":NaN}", 400},
        {"application/jsonx", "{}", 415},
        {"text/plain", "{}", 415},
        {NULL, "{}", 415},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ls_request req;
        assert_int_equal(parse(&req, cases[i].type, cases[i].body), cases[i].status);
        ls_request_dispose(&req);
    }
}

static void a_body_that_is_too_long_is_forgotten(void **state)
{
    (void)state;
    static char chunk[LS_REQUEST_BODY_MAX];
    struct ls_request req;
    memset(chunk, ' ', sizeof chunk);
    assert_int_equal(ls_request_init(&req, "POST", "/a", NULL), LS_OK);
    ls_request_add_body(&req, chunk, sizeof chunk, sizeof chunk);
    assert_false(req.body_too_long);
    ls_request_add_body(&req, chunk, 1, sizeof chunk);
    assert_true(req.body_too_long);
    assert_int_equal(req.body.len, 0);
    ls_request_dispose(&req);
}

static void fields_have_one_type_each(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool good, flag;
        uint64_t count;
    } cases[] = {
        {"{}", true, false, 7},
        {"{\"flag\":true}", true, true, 7},
        {"{\"count\":0,\"flag\":false}", true, false, 0},
        {"{\"count\":9007199254740991}", true, false, 9007199254740991},
        {"{\"count\":9007199254740992}", false, false, 0},
        {"{\"count\":-1}", false, false, 0},
        {"{\"count\":1.0}", false, false, 0},
        {"{\"flag\":1}", false, false, 0},
        {"{\"flag\":null}", false, false, 0},
        {"{\"Flag\":true}", false, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ls_request req;
        struct ls_reply reply;
        bool flag = false;
        uint64_t count = 7;
        const struct ls_field fields[] = {{"flag", LS_FIELD_BOOL, &flag}, {"count", LS_FIELD_COUNT, &count}};
        ls_reply_init(&reply);
        assert_int_equal(parse(&req, "application/json", cases[i].body), 0);
        assert_int_equal(ls_request_fields(&req, fields, 2, &reply), cases[i].good);
        assert_int_equal(reply.status, cases[i].good ? 0 : 400);
        if (cases[i].good) {
            assert_int_equal(flag, cases[i].flag);
            assert_int_equal(count, cases[i].count);
        }
        ls_reply_dispose(&reply);
        ls_request_dispose(&req);
    }
}

static void only_our_own_pages_and_names_are_served(void **state)
{
    (void)state;
    static const struct {
        const char *method, *host, *origin, *site;
        unsigned status;
    } cases[] = {
        {"GET", "127.0.0.1:8420", NULL, NULL, 0},
        {"GET", "[::1]:8420", NULL, NULL, 0},
        {"GET", "192.0.2.7", NULL, NULL, 0},
        {"GET", "LocalHost:1", NULL, NULL, 0},
        {"GET", "shop.example", NULL, NULL, 0},
        {"GET", "shop.example.evil", NULL, NULL, 421},
        {"GET", "127.0.0.1.evil", NULL, NULL, 421},
        {"GET", NULL, NULL, NULL, 400},
        {"GET", "", NULL, NULL, 400},
        {"GET", "[::1", NULL, NULL, 400},
        {"GET", "shop.example", "https://evil", "cross-site", 0},
        {"POST", "shop.example", "https://shop.example", "same-origin", 0},
        {"POST", "shop.example", "http://SHOP.example", NULL, 0},
        {"POST", "shop.example", NULL, NULL, 0},
        {"POST", "shop.example", "https://evil", NULL, 403},
        {"POST", "shop.example", "https://shop.example:444", NULL, 403},
        {"POST", "shop.example", "null", NULL, 403},
        {"POST", "shop.example", NULL, "same-site", 403},
        {"DELETE", "shop.example", "https://evil", NULL, 403},
    };
    static const char *const hosts[] = {"shop.example", NULL};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ls_request req;
        struct ls_reply reply;
        ls_reply_init(&reply);
        assert_int_equal(ls_request_init(&req, cases[i].method, "/", NULL), LS_OK);
        assert_int_equal(ls_request_set_header(&req, LS_HEADER_HOST, cases[i].host), LS_OK);
        assert_int_equal(ls_request_set_header(&req, LS_HEADER_ORIGIN, cases[i].origin), LS_OK);
        assert_int_equal(ls_request_set_header(&req, LS_HEADER_FETCH_SITE, cases[i].site), LS_OK);
        assert_int_equal(ls_origin_check(&req, hosts, &reply), cases[i].status == 0);
        assert_int_equal(reply.status, cases[i].status);
        ls_reply_dispose(&reply);
        ls_request_dispose(&req);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_decoded_segment_by_segment),
        cmocka_unit_test(what_fits_no_route_is_404_and_a_wrong_method_405),
        cmocka_unit_test(query_parameters_are_known_and_single),
        cmocka_unit_test(malformed_targets_are_invalid),
        cmocka_unit_test(bodies_are_json_objects_of_bounded_depth),
        cmocka_unit_test(a_body_that_is_too_long_is_forgotten),
        cmocka_unit_test(fields_have_one_type_each),
        cmocka_unit_test(only_our_own_pages_and_names_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
