/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The HTTP client against a scripted server: what is sent, what comes back, and what a failure is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/auto.h"
#include "http/http.h"
#include "http/stub.h"

#define STALL_MS 1000 /* where silence is waited for; elsewhere the server may be slow */

static struct stub *stub;
static struct ls_http *http;

static int start(int64_t stall_timeout_ms)
{
    struct ls_http_opts opts = {.max_connections = 8, .stall_timeout_ms = stall_timeout_ms, .user_agent = "test"};
    struct ls_err err = LS_ERR_INIT;
    stub = stub_start();
    return ls_http_open(&opts, &http, &err);
}

static int set_up(void **state)
{
    (void)state;
    return start(60000);
}

static int set_up_impatient(void **state)
{
    (void)state;
    return start(STALL_MS);
}

static int tear_down(void **state)
{
    (void)state;
    ls_http_close(http);
    stub_stop(stub);
    return 0;
}

static void ls_http_request_auto(struct ls_http_request *req) { ls_http_request_dispose(req); }
static void url_to(char out[256], const char *path) { snprintf(out, 256, "%s%s", stub_origin(stub), path); }

/* Run one request; its rc. */
static enum ls_rc run(struct ls_http_request *req)
{
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_http_perform(http, &req, 1, &err);
    assert_int_equal(rc, req->rc);
    assert_int_equal(err.text[0] != '\0', rc != LS_OK);
    return rc;
}

#define REQUEST(name, path)                                                                                            \
    char name##_url[256];                                                                                              \
    LS_AUTO(ls_http_request) struct ls_http_request name;                                                              \
    url_to(name##_url, path);                                                                                          \
    ls_http_request_init(&name);                                                                                       \
    name.url = name##_url

static void an_answer_comes_with_status_headers_and_body(void **state)
{
    (void)state;
    REQUEST(req, "/x");
    char value[32];
    stub_reply(stub, 200, "X-Amz-Meta-Mode:  0644 \r\nETag: \"abc\"\r\n", "hello");
    assert_int_equal(run(&req), LS_OK);
    assert_int_equal(req.status, 200);
    assert_string_equal(req.out_body.data, "hello");
    assert_int_equal(req.content_length, 5);
    assert_int_equal(req.body_received, 5);
    assert_true(ls_http_header(&req, "x-amz-meta-mode", value, sizeof value));
    assert_string_equal(value, "0644");
    assert_true(ls_http_header(&req, "etag", value, 4));
    assert_string_equal(value, "\"ab");
    assert_false(ls_http_header(&req, "mode", value, sizeof value));
}

static void a_path_is_sent_as_it_is(void **state)
{
    (void)state;
    REQUEST(req, "/b//a/../x/./%2E%2e/c%2F+?q=%20&prefix=a//b");
    stub_reply(stub, 200, "", "");
    assert_int_equal(run(&req), LS_OK);
    assert_non_null(strstr(stub_request(stub, 0), "GET /b//a/../x/./%2E%2e/c%2F+?q=%20&prefix=a//b HTTP/1.1\r\n"));
}

static void a_body_is_sent_with_its_length_and_without_asking_first(void **state)
{
    (void)state;
    static const char *const headers[] = {"X-One: 1", "Host: other.example", NULL};
    REQUEST(req, "/x");
    stub_reply(stub, 200, "", "");
    req.method = "PUT";
    req.headers = headers;
    req.body = "some bytes";
    req.body_len = 10;
    assert_int_equal(run(&req), LS_OK);
    const char *sent = stub_request(stub, 0);
    assert_non_null(strstr(sent, "PUT /x HTTP/1.1\r\n"));
    assert_non_null(strstr(sent, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(sent, "\r\nHost: other.example\r\n"));
    assert_non_null(strstr(sent, "\r\nContent-Length: 10\r\n"));
    assert_null(strstr(sent, "Expect"));
    assert_non_null(strstr(sent, "\r\n\r\nsome bytes"));
}

static void an_empty_put_has_length_zero(void **state)
{
    (void)state;
    REQUEST(req, "/x");
    stub_reply(stub, 200, "", "");
    req.method = "PUT";
    assert_int_equal(run(&req), LS_OK);
    assert_non_null(strstr(stub_request(stub, 0), "\r\nContent-Length: 0\r\n"));
}

static void a_range_of_a_file_is_sent(void **state)
{
    (void)state;
    LS_AUTO(ls_fd) int fd = memfd_create("body", MFD_CLOEXEC);
    size_t len = 3 * 1024 * 1024; /* above the size that asks first */
    LS_AUTO(ls_free) char *bytes = malloc(len + 9);
    memset(bytes, 'x', len + 8);
    memcpy(bytes, "skipped.", 8);
    memcpy(bytes + len + 5, "end", 3);
    assert_int_equal(write(fd, bytes, len + 8), (ssize_t)len + 8);
    REQUEST(req, "/x");
    stub_reply(stub, 200, "", "");
    req.method = "PUT";
    req.body_fd = fd;
    req.body_offset = 8;
    req.body_len = len;
    assert_int_equal(run(&req), LS_OK);
    const char *body = strstr(stub_request(stub, 0), "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), len);
    assert_memory_equal(body, "xxxx", 4);
    assert_string_equal(body + len - 3, "end");
}

static void a_file_that_shrinks_is_an_error(void **state)
{
    (void)state;
    LS_AUTO(ls_fd) int fd = memfd_create("body", MFD_CLOEXEC);
    assert_int_equal(write(fd, "short", 5), 5);
    REQUEST(req, "/x");
    stub_reply(stub, 200, "", "");
    req.method = "PUT";
    req.body_fd = fd;
    req.body_len = 100;
    assert_int_equal(run(&req), LS_IO);
}

static void requests_share_a_connection(void **state)
{
    (void)state;
    stub_reply(stub, 200, "", "x");
    for (int i = 0; i < 5; i++) {
        REQUEST(req, "/x");
        assert_int_equal(run(&req), LS_OK);
    }
    assert_int_equal(stub_connections(stub), 1);
}

static void a_put_on_a_connection_that_died_is_not_sent_twice(void **state)
{
    (void)state;
    stub_reply(stub, 200, "", "x");
    stub_answer(stub, "", STUB_CLOSE);
    stub_reply(stub, 200, "", "x");
    REQUEST(first, "/1");
    assert_int_equal(run(&first), LS_OK);
    REQUEST(second, "/2");
    second.method = "PUT";
    assert_int_equal(run(&second), LS_OUTCOME_UNKNOWN);
    assert_int_equal(stub_requests(stub), 2);
    REQUEST(third, "/3");
    third.method = "DELETE";
    assert_int_equal(run(&third), LS_OK);
}

static void a_get_on_a_connection_that_died_is_sent_again(void **state)
{
    (void)state;
    stub_reply(stub, 200, "", "x");
    stub_answer(stub, "", STUB_CLOSE);
    stub_reply(stub, 200, "", "again");
    REQUEST(first, "/1");
    assert_int_equal(run(&first), LS_OK);
    REQUEST(second, "/2");
    assert_int_equal(run(&second), LS_OK);
    assert_string_equal(second.out_body.data, "again");
    assert_int_equal(stub_requests(stub), 3);
}

static void no_answer_leaves_the_outcome_of_a_put_unknown(void **state)
{
    (void)state;
    stub_answer(stub, "", STUB_CLOSE);
    REQUEST(put, "/x");
    put.method = "PUT";
    assert_int_equal(run(&put), LS_OUTCOME_UNKNOWN);
    REQUEST(get, "/x");
    assert_int_equal(run(&get), LS_TRANSIENT);
}

static void half_an_answer_leaves_the_outcome_of_a_post_unknown(void **state)
{
    (void)state;
    stub_answer(stub, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", STUB_CLOSE);
    REQUEST(post, "/x");
    post.method = "POST";
    assert_int_equal(run(&post), LS_OUTCOME_UNKNOWN);
    REQUEST(get, "/x");
    assert_int_equal(run(&get), LS_TRANSIENT);
    assert_int_equal(get.status, 200);
    assert_int_equal(get.content_length, 10);
    assert_int_equal(get.body_received, 4);
}

static void nobody_listening_is_transient_for_every_method(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    char url[64];
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0); /* bound, not listening */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(addr.sin_port));
    LS_AUTO(ls_http_request) struct ls_http_request req;
    ls_http_request_init(&req);
    req.url = url;
    req.method = "PUT";
    assert_int_equal(run(&req), LS_TRANSIENT);
    close(fd);
}

static void silence_ends_a_request(void **state)
{
    (void)state;
    stub_answer(stub, "", STUB_HANG);
    REQUEST(get, "/x");
    assert_int_equal(run(&get), LS_TRANSIENT);
    REQUEST(put, "/x");
    put.method = "PUT";
    assert_int_equal(run(&put), LS_OUTCOME_UNKNOWN);
    REQUEST(timed, "/x");
    timed.timeout_ms = STALL_MS / 2;
    timed.method = "PUT";
    assert_int_equal(run(&timed), LS_OUTCOME_UNKNOWN);
}

static void impossible_lengths_are_corrupt(void **state)
{
    (void)state;
    static const char *const heads[] = {"Content-Length: 9223372036854775808\r\n",
                                        "Content-Length: 99999999999999999999999\r\n", "Content-Length: -1\r\n",
                                        "Content-Length: 5x\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char answer[256];
        stub_reset(stub);
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\n%s\r\nhello", heads[i]);
        stub_answer(stub, answer, STUB_CLOSE);
        REQUEST(req, "/x");
        assert_int_equal(run(&req), LS_CORRUPT);
    }
}

static void headers_without_end_are_corrupt(void **state)
{
    (void)state;
    LS_AUTO(ls_buf) struct ls_buf answer = LS_BUF_INIT(LS_BUF_BODY);
    assert_int_equal(ls_buf_adds(&answer, "HTTP/1.1 200 OK\r\n"), LS_OK);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(ls_buf_addf(&answer, "X-Header-%d: some value\r\n", i), LS_OK);
    assert_int_equal(ls_buf_adds(&answer, "Content-Length: 0\r\n\r\n"), LS_OK);
    stub_answer(stub, answer.data, STUB_CLOSE);
    REQUEST(req, "/x");
    assert_int_equal(run(&req), LS_CORRUPT);
}

static void a_body_over_its_limit_is_corrupt(void **state)
{
    (void)state;
    stub_reply(stub, 200, "", "0123456789");
    REQUEST(fits, "/x");
    fits.out_body.max = 10;
    assert_int_equal(run(&fits), LS_OK);
    REQUEST(req, "/x");
    req.out_body.max = 9;
    assert_int_equal(run(&req), LS_CORRUPT);
    stub_reset(stub);
    stub_answer(stub, "HTTP/1.1 200 OK\r\n\r\nall of it until the end", STUB_CLOSE);
    REQUEST(unbounded, "/x");
    unbounded.out_body.max = 9;
    assert_int_equal(run(&unbounded), LS_CORRUPT);
}

static void redirects_are_not_followed(void **state)
{
    (void)state;
    char headers[128], value[128];
    snprintf(headers, sizeof headers, "Location: %s/elsewhere\r\n", stub_origin(stub));
    stub_reply(stub, 307, headers, "");
    REQUEST(req, "/x");
    assert_int_equal(run(&req), LS_OK);
    assert_int_equal(req.status, 307);
    assert_int_equal(stub_requests(stub), 1);
    assert_true(ls_http_header(&req, "location", value, sizeof value));
}

static void other_protocols_are_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "http://"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        LS_AUTO(ls_http_request) struct ls_http_request req;
        ls_http_request_init(&req);
        req.url = urls[i];
        if (run(&req) != LS_INVALID)
            fail_msg("%s: %s: %s", urls[i], ls_rc_name(req.rc), req.err.text);
    }
}

static enum ls_rc collect(void *ctx, const void *data, size_t len) { return ls_buf_add(ctx, data, len); }
static enum ls_rc refuse(void *ctx, const void *data, size_t len)
{
    (void)ctx, (void)data, (void)len;
    return LS_NO_SPACE;
}

static void the_sink_gets_good_bodies_only(void **state)
{
    (void)state;
    LS_AUTO(ls_buf) struct ls_buf got = LS_BUF_INIT(100);
    stub_reply(stub, 206, "", "good");
    stub_reply(stub, 403, "", "bad");
    REQUEST(good, "/x");
    good.sink = collect;
    good.sink_ctx = &got;
    assert_int_equal(run(&good), LS_OK);
    assert_string_equal(got.data, "good");
    assert_int_equal(good.out_body.len, 0);
    REQUEST(bad, "/x");
    bad.sink = collect;
    bad.sink_ctx = &got;
    assert_int_equal(run(&bad), LS_OK);
    assert_string_equal(got.data, "good");
    assert_string_equal(bad.out_body.data, "bad");
}

static void what_the_sink_says_ends_the_request(void **state)
{
    (void)state;
    stub_reply(stub, 200, "", "good");
    REQUEST(req, "/x");
    req.sink = refuse;
    assert_int_equal(run(&req), LS_NO_SPACE);
}

static void many_requests_run_over_a_bounded_number_of_connections(void **state)
{
    (void)state;
    enum { N = 200 };
    static struct ls_http_request reqs[N];
    struct ls_http_request *list[N];
    char url[256];
    struct ls_err err = LS_ERR_INIT;
    stub_reply(stub, 200, "", "x");
    url_to(url, "/x");
    for (size_t i = 0; i < N; i++) {
        ls_http_request_init(&reqs[i]);
        reqs[i].url = url;
        list[i] = &reqs[i];
    }
    assert_int_equal(ls_http_perform(http, list, N, &err), LS_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(reqs[i].status, 200);
        assert_string_equal(reqs[i].out_body.data, "x");
        ls_http_request_dispose(&reqs[i]);
    }
    assert_int_equal(stub_requests(stub), N);
    assert_in_range(stub_connections(stub), 1, 8);
}

static void waiting_for_a_connection_counts_as_time(void **state)
{
    (void)state;
    struct ls_http_request reqs[9], *list[9];
    char url[256];
    struct ls_err err = LS_ERR_INIT;
    stub_answer(stub, "", STUB_HANG);
    url_to(url, "/x");
    for (size_t i = 0; i < 9; i++) {
        ls_http_request_init(&reqs[i]);
        reqs[i].url = url;
        reqs[i].method = "PUT";
        reqs[i].timeout_ms = i < 8 ? 0 : STALL_MS / 4;
        list[i] = &reqs[i];
    }
    assert_int_equal(ls_http_perform(http, list, 9, &err), LS_OUTCOME_UNKNOWN);
    assert_int_equal(reqs[8].rc, LS_TRANSIENT); /* never sent */
    stub_wait(stub, 8);                         /* it may not have read yet what was sent */
    assert_int_equal(stub_requests(stub), 8);
    for (size_t i = 0; i < 9; i++)
        ls_http_request_dispose(&reqs[i]);
}

static void note_rc(void *ctx, struct ls_http_request *req) { *(enum ls_rc *)ctx = req->rc; }

static void closing_cancels_what_runs(void **state)
{
    (void)state;
    struct ls_http *other = NULL;
    struct ls_http_opts opts = {.max_connections = 1};
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc running = LS_OK, waiting = LS_OK;
    assert_int_equal(ls_http_open(&opts, &other, &err), LS_OK);
    stub_answer(stub, "", STUB_HANG);
    REQUEST(first, "/1");
    REQUEST(second, "/2");
    ls_http_submit(other, &first, note_rc, &running);
    stub_wait(stub, 1);
    ls_http_submit(other, &second, note_rc, &waiting);
    ls_http_close(other);
    assert_int_equal(running, LS_CANCELLED);
    assert_int_equal(waiting, LS_CANCELLED);
    assert_int_equal(stub_requests(stub), 1);
}

/* ---- requests in their callers' threads ---- */

struct lone {
    struct ls_http *http;
    struct ls_http_request req;
    enum ls_rc rc;
    int wanted; /* how many, one after the other */
    pthread_t thread;
};

static void *perform_lone(void *ctx)
{
    struct lone *lone = ctx;
    struct ls_http_request *req = &lone->req;
    for (int i = 0; i < lone->wanted && lone->rc == LS_OK; i++)
        lone->rc = ls_http_perform(lone->http, &req, 1, NULL);
    return NULL;
}

static void start_lone(struct lone *lone, struct ls_http *client, const char *url, int wanted)
{
    *lone = (struct lone){.http = client, .wanted = wanted};
    ls_http_request_init(&lone->req);
    lone->req.url = url;
    assert_int_equal(pthread_create(&lone->thread, NULL, perform_lone, lone), 0);
}

static enum ls_rc end_lone(struct lone *lone)
{
    pthread_join(lone->thread, NULL);
    ls_http_request_dispose(&lone->req);
    return lone->rc;
}

static void lone_requests_of_many_threads_keep_their_connections(void **state)
{
    (void)state;
    enum { THREADS = 20, EACH = 25 };
    static struct lone lone[THREADS];
    char url[256];
    stub_reply(stub, 200, "", "x");
    url_to(url, "/x");
    for (int i = 0; i < THREADS; i++)
        start_lone(&lone[i], http, url, EACH);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(end_lone(&lone[i]), LS_OK);
    assert_int_equal(stub_requests(stub), THREADS * EACH);
    assert_in_range(stub_connections(stub), 1, 2 * 8); /* 8 in callers' threads, 8 in the I/O thread */
}

static void closing_cancels_a_lone_request(void **state)
{
    (void)state;
    struct ls_http *other = NULL;
    struct ls_http_opts opts = {.max_connections = 1};
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc waiting = LS_OK;
    struct lone lone;
    char url[256];
    assert_int_equal(ls_http_open(&opts, &other, &err), LS_OK);
    stub_answer(stub, "", STUB_HANG);
    url_to(url, "/1");
    start_lone(&lone, other, url, 1);
    stub_wait(stub, 1);
    REQUEST(second, "/2");
    ls_http_submit(other, &second, note_rc, &waiting); /* the only slot is taken */
    ls_http_close(other);
    assert_int_equal(end_lone(&lone), LS_CANCELLED);
    assert_int_equal(waiting, LS_CANCELLED);
    assert_int_equal(stub_requests(stub), 1);
}

static void a_lone_request_leaves_its_slot_to_those_that_wait(void **state)
{
    (void)state;
    struct ls_http *other = NULL;
    struct ls_http_opts opts = {.max_connections = 1};
    struct ls_err err = LS_ERR_INIT;
    struct lone lone[8];
    char url[256];
    assert_int_equal(ls_http_open(&opts, &other, &err), LS_OK);
    stub_reply(stub, 200, "", "x");
    url_to(url, "/x");
    for (int i = 0; i < 8; i++)
        start_lone(&lone[i], other, url, 50);
    for (int i = 0; i < 8; i++)
        assert_int_equal(end_lone(&lone[i]), LS_OK);
    assert_int_equal(stub_requests(stub), 8 * 50);
    assert_in_range(stub_connections(stub), 1, 2);
    ls_http_close(other);
}

static void a_lone_request_ends_at_its_deadline(void **state)
{
    (void)state;
    stub_answer(stub, "", STUB_HANG);
    REQUEST(req, "/x");
    req.timeout_ms = STALL_MS / 4;
    assert_int_equal(run(&req), LS_TRANSIENT);
    stub_reset(stub);
    stub_reply(stub, 200, "", "after");
    req.timeout_ms = 0;
    assert_int_equal(run(&req), LS_OK);
    assert_string_equal(req.out_body.data, "after");
}

static void nothing_to_do_is_done(void **state)
{
    (void)state;
    assert_int_equal(ls_http_perform(http, NULL, 0, NULL), LS_OK);
    ls_http_close(NULL);
}

#define http_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define impatient_test(name) cmocka_unit_test_setup_teardown(name, set_up_impatient, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(an_answer_comes_with_status_headers_and_body),
        http_test(a_path_is_sent_as_it_is),
        http_test(a_body_is_sent_with_its_length_and_without_asking_first),
        http_test(an_empty_put_has_length_zero),
        http_test(a_range_of_a_file_is_sent),
        http_test(a_file_that_shrinks_is_an_error),
        http_test(requests_share_a_connection),
        http_test(a_put_on_a_connection_that_died_is_not_sent_twice),
        http_test(a_get_on_a_connection_that_died_is_sent_again),
        http_test(no_answer_leaves_the_outcome_of_a_put_unknown),
        http_test(half_an_answer_leaves_the_outcome_of_a_post_unknown),
        http_test(nobody_listening_is_transient_for_every_method),
        impatient_test(silence_ends_a_request),
        http_test(impossible_lengths_are_corrupt),
        http_test(headers_without_end_are_corrupt),
        http_test(a_body_over_its_limit_is_corrupt),
        http_test(redirects_are_not_followed),
        http_test(other_protocols_are_refused),
        http_test(the_sink_gets_good_bodies_only),
        http_test(what_the_sink_says_ends_the_request),
        http_test(many_requests_run_over_a_bounded_number_of_connections),
        impatient_test(waiting_for_a_connection_counts_as_time),
        http_test(closing_cancels_what_runs),
        http_test(lone_requests_of_many_threads_keep_their_connections),
        http_test(closing_cancels_a_lone_request),
        http_test(a_lone_request_leaves_its_slot_to_those_that_wait),
        http_test(a_lone_request_ends_at_its_deadline),
        http_test(nothing_to_do_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
