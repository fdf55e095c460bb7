/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the keys come from, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "cli/credentials.h"

static char dir[64];

static int enter_dir(void **state)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",       "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",       "AWS_SHARED_CREDENTIALS_FILE", "CREDENTIALS_DIRECTORY"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    snprintf(dir, sizeof dir, "/tmp/ls-test-credentials-XXXXXX");
    return !mkdtemp(dir) || setenv("HOME", dir, 1) || chdir(dir);
}

static int leave_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return chdir("/") || system(command);
}

static void write_keys(const char *path, const char *text)
{
    assert_int_equal(ls_write_file(path, text, strlen(text), 0600, true, NULL), LS_OK);
}

/* "access secret token", or the class of the error. */
static const char *find(const char *file, const char *profile)
{
    static char text[2048];
    LS_AUTO(ls_credentials) struct ls_credentials found = {0};
    struct ls_err err = LS_ERR_INIT;
    if (ls_credentials_find(file, profile, &found, &err)) {
        assert_null(strstr(err.text, "sekret"));
        snprintf(text, sizeof text, "%s", ls_rc_name(err.rc));
    } else {
        snprintf(text, sizeof text, "%s %s %s", found.access_key, found.secret_key,
                 found.session_token ? found.session_token : "-");
    }
    return text;
}

static void the_environment_comes_first(void **state)
{
    (void)state;
    assert_string_equal(find(NULL, NULL), "not-found");
    write_keys("keys", "[default]\naws_access_key_id = f\naws_secret_access_key = sekret\n");
    setenv("AWS_ACCESS_KEY_ID", "e", 1);
    assert_string_equal(find("keys", NULL), "invalid"); /* half of a pair */
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    assert_string_equal(find("keys", NULL), "e s -");
    setenv("AWS_SESSION_TOKEN", "t", 1);
    assert_string_equal(find("keys", NULL), "e s t");
}

static void files_are_searched_in_order(void **state)
{
    (void)state;
    assert_int_equal(system("mkdir .aws systemd"), 0);
    write_keys(".aws/credentials", "[default]\naws_access_key_id=home\naws_secret_access_key=s\n");
    assert_string_equal(find(NULL, NULL), "home s -");
    write_keys("shared", "[default]\naws_access_key_id=shared\naws_secret_access_key=s\n");
    setenv("AWS_SHARED_CREDENTIALS_FILE", "shared", 1);
    assert_string_equal(find(NULL, NULL), "shared s -");
    setenv("CREDENTIALS_DIRECTORY", "systemd", 1);
    assert_string_equal(find(NULL, NULL), "shared s -");
    write_keys("systemd/lockstep-credentials", "aws_access_key_id=systemd\naws_secret_access_key=s\n");
    assert_string_equal(find(NULL, NULL), "systemd s -");
    write_keys("named", "aws_access_key_id=named\naws_secret_access_key=s\n");
    assert_string_equal(find("named", NULL), "named s -");
    assert_string_equal(find("none", NULL), "not-found");
    setenv("CREDENTIALS_DIRECTORY", "", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "none", 1);
    assert_string_equal(find(NULL, NULL), "not-found");
}

static void the_profile_is_the_configs_or_the_environments(void **state)
{
    (void)state;
    char text[2048], token[1200];
    memset(token, 'T', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    snprintf(text, sizeof text,
             "[default]\naws_access_key_id = d\naws_secret_access_key = sekret/+=\nregion = x\n"
             "[work]\naws_access_key_id = w\naws_secret_access_key = sekret2\naws_session_token = %s\n"
             "[half]\naws_access_key_id = h\n",
             token);
    write_keys("keys", text);
    assert_string_equal(find("keys", NULL), "d sekret/+= -");
    snprintf(text, sizeof text, "w sekret2 %s", token); /* real tokens are this long */
    assert_string_equal(find("keys", "work"), text);
    setenv("AWS_PROFILE", "work", 1);
    assert_string_equal(find("keys", NULL), text);
    assert_string_equal(find("keys", "default"), "d sekret/+= -");
    assert_string_equal(find("keys", "half"), "invalid");
    assert_string_equal(find("keys", "none"), "invalid");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_dir, leave_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_environment_comes_first),
        TEST(files_are_searched_in_order),
        TEST(the_profile_is_the_configs_or_the_environments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
