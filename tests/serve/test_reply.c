/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers: one begun anew leaves nothing of the old one; one that cannot be written is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

#include "serve/problem.h"

static void a_problem_is_one_json_object_whatever_its_text_holds(void **state)
{
    (void)state;
    struct ls_reply reply;
    ls_reply_init(&reply);
    ls_problem(&reply, 404, "no-such", "a \"quoted\" <b> \x01 \xff text");
    assert_int_equal(reply.status, 404);
    assert_string_equal(reply.type, "application/problem+json");
    json_t *json = json_loadb(reply.text, reply.text_len, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 404);
    assert_string_equal(json_string_value(json_object_get(json, "title")), "Not Found");
    assert_string_equal(json_string_value(json_object_get(json, "code")), "no-such");
    assert_string_equal(json_string_value(json_object_get(json, "detail")), "a \"quoted\" <b> \x01 \xef\xbf\xbd text");
    json_decref(json);
    ls_reply_dispose(&reply);
}

static void an_answer_begun_anew_leaves_nothing_of_the_old_one(void **state)
{
    (void)state;
    struct ls_reply reply;
    FILE *out = NULL;
    ls_reply_init(&reply);
    assert_int_equal(ls_reply_any(&reply, 200, "text/plain", &out, NULL), LS_OK);
    fputs("half an ans", out);
    ls_reply_header(&reply, "X-Old", "%d", 1);
    ls_problem(&reply, 500, "broken", "it broke");
    assert_int_equal(reply.status, 500);
    assert_int_equal(reply.n_headers, 0);
    assert_int_equal(reply.fd, -1);
    assert_non_null(strstr(reply.text, "it broke"));
    ls_reply_dispose(&reply);
}

static void a_short_answer_needs_no_file(void **state)
{
    (void)state;
    struct ls_reply reply;
    FILE *out = NULL;
    ls_reply_init(&reply);
    assert_int_equal(ls_reply_any(&reply, 200, "text/plain", &out, NULL), LS_OK);
    fputs("whole", out);
    assert_int_equal(ls_reply_finish(&reply, NULL), LS_OK);
    assert_int_equal(reply.fd, -1);
    assert_int_equal(reply.text_len, 5);
    assert_memory_equal(reply.text, "whole", 5);
    assert_int_equal(ls_reply_any(&reply, 200, "text/plain", &out, NULL), LS_OK);
    assert_int_equal(ls_reply_finish(&reply, NULL), LS_OK);
    assert_non_null(reply.text);
    assert_int_equal(reply.text_len, 0);
    ls_reply_dispose(&reply);
}

static void write_long(FILE *out)
{
    for (unsigned i = 0; i < LS_REPLY_MEMORY_MAX / 8; i++)
        fprintf(out, "%09u", i);
}

static void a_file_holds_all_of_a_long_answer(void **state)
{
    (void)state;
    struct ls_reply reply;
    FILE *out = NULL;
    ls_reply_init(&reply);
    assert_int_equal(ls_reply_any(&reply, 200, "text/plain", &out, NULL), LS_OK);
    write_long(out);
    assert_int_equal(ls_reply_finish(&reply, NULL), LS_OK);
    assert_null(reply.text);
    assert_int_equal(reply.fd_size_bytes, LS_REPLY_MEMORY_MAX / 8 * 9);
    for (unsigned i = 0; i < LS_REPLY_MEMORY_MAX / 8; i++) {
        char back[10] = "", wanted[10];
        snprintf(wanted, sizeof wanted, "%09u", i);
        assert_int_equal(pread(reply.fd, back, 9, i * 9), 9);
        assert_string_equal(back, wanted);
    }
    ls_reply_dispose(&reply);
}

static void an_answer_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct ls_reply reply;
    struct ls_err err = LS_ERR_INIT;
    struct rlimit before, none;
    FILE *out = NULL;
    ls_reply_init(&reply);
    assert_int_equal(ls_reply_any(&reply, 200, "text/plain", &out, NULL), LS_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    write_long(out);
    enum ls_rc rc = ls_reply_finish(&reply, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, LS_NO_SPACE);
    assert_int_equal(reply.status, 0);
    ls_reply_dispose(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_is_one_json_object_whatever_its_text_holds),
        cmocka_unit_test(an_answer_begun_anew_leaves_nothing_of_the_old_one),
        cmocka_unit_test(a_short_answer_needs_no_file),
        cmocka_unit_test(a_file_holds_all_of_a_long_answer),
        cmocka_unit_test(an_answer_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
