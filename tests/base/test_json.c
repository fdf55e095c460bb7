/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON as a stream: commas, nesting, hostile strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/json.h"

static void a_stream_is_what_another_parser_reads(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct ls_json json;
    ls_json_init(&json, out);
    ls_json_object(&json, NULL);
    ls_json_str(&json, "na\"me", "</script>\n\x01\xFF");
    ls_json_str(&json, "none", NULL);
    ls_json_array(&json, "list");
    ls_json_int(&json, NULL, INT64_MIN);
    ls_json_uint(&json, NULL, 7);
    ls_json_object(&json, NULL);
    ls_json_end_object(&json);
    ls_json_array(&json, NULL);
    ls_json_end_array(&json);
    ls_json_end_array(&json);
    ls_json_bool(&json, "yes", true);
    ls_json_time(&json, "at", INT64_C(1767323045678000000));
    ls_json_time(&json, "never", 0);
    ls_json_end_object(&json);
    ls_json_newline(&json);
    ls_json_int(&json, NULL, 1);
    ls_json_newline(&json);
    fclose(out);
    char *second = strchr(text, '\n') + 1;
    assert_string_equal(second, "1\n");
    *second = '\0';

    json_error_t error;
    json_t *read = json_loads(text, 0, &error);
    assert_non_null(read);
    assert_string_equal(json_string_value(json_object_get(read, "na\"me")), "</script>\n\x01\xEF\xBF\xBD");
    assert_true(json_is_null(json_object_get(read, "none")));
    json_t *list = json_object_get(read, "list");
    assert_int_equal(json_array_size(list), 4);
    assert_true(json_integer_value(json_array_get(list, 0)) == INT64_MIN);
    assert_true(json_is_true(json_object_get(read, "yes")));
    assert_string_equal(json_string_value(json_object_get(read, "at")), "2026-01-02T03:04:05.678Z");
    assert_true(json_is_null(json_object_get(read, "never")));
    json_decref(read);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_stream_is_what_another_parser_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
