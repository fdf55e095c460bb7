/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The config file: keys, defaults, paths, errors, and where it is looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/config.h"

static char dir[64];

static int enter_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/ls-test-config-XXXXXX");
    unsetenv("LOCKSTEP_CONFIG");
    unsetenv("XDG_CACHE_HOME");
    if (!mkdtemp(dir) || setenv("HOME", dir, 1) || setenv("XDG_CONFIG_HOME", dir, 1))
        return -1;
    return chdir(dir);
}

static int leave_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return chdir("/") || system(command);
}

static char *in_dir(const char *name)
{
    static char path[4][160];
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof *path, "%s/%s", dir, name);
    return out;
}

static void write_config(const char *name, const char *text)
{
    assert_int_equal(ls_write_file(in_dir(name), text, strlen(text), 0600, true, NULL), LS_OK);
}

static void all_keys_of_the_design_page_are_taken(void **state)
{
    (void)state;
    struct ls_config *config;
    struct ls_err err = LS_ERR_INIT;
    enum ls_rc rc = ls_config_parse("lockstep.conf",
                                    "[store]    url = s3://images            # or file:./bucket\n"
                                    "           endpoint = http://127.0.0.1:9000\n"
                                    "           region = eu-central-1\n"
                                    "           public_url =                 # prefix of image_url\n"
                                    "           deadline = 5s\n"
                                    "           credentials = secret/keys\n"
                                    "[catalog]  url = sqlite:./catalog.db\n"
                                    "[layout]   path = img/{p}/{w}/{t}/{f}\n"
                                    "           types = a b,c\n"
                                    "[mount]    cache_dir = cache\n"
                                    "cache_size = 2G\n"
                                    "commit = close\n"
                                    "[scan]     grace = 1m\n"
                                    "max_change = 7\n"
                                    "trash_days = 3\n",
                                    &config, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, LS_OK);
    assert_int_equal(config->store_scheme, LS_STORE_SCHEME_S3);
    assert_string_equal(config->store_target, "images");
    assert_string_equal(config->store_region, "eu-central-1");
    assert_null(config->store_public_url);
    assert_int_equal(config->store_deadline_ms, 5000);
    assert_string_equal(config->store_credentials, in_dir("secret/keys"));
    assert_string_equal(config->catalog_path, in_dir("catalog.db"));
    assert_string_equal(config->layout_path, "img/{p}/{w}/{t}/{f}");
    assert_string_equal(config->layout_types[2], "c");
    assert_null(config->layout_types[3]);
    assert_string_equal(config->mount_cache_dir, in_dir("cache"));
    assert_int_equal(config->mount_cache_size_bytes, UINT64_C(2) << 30);
    assert_int_equal(config->scan_grace_ms, 60000);
    assert_int_equal(config->scan_max_change_percent, 0);
    assert_int_equal(config->scan_max_change_count, 7);
    assert_int_equal(config->scan_trash_ms, INT64_C(3) * 86400 * 1000);
    ls_config_free(config);
}

static void a_short_config_gets_defaults(void **state)
{
    (void)state;
    struct ls_config *config;
    assert_int_equal(
        ls_config_parse("lockstep.conf", "[store]\nurl=file:./b\n[catalog]\nurl=sqlite:c.db\n", &config, NULL), LS_OK);
    assert_int_equal(config->store_scheme, LS_STORE_SCHEME_FILE);
    assert_string_equal(config->store_target, in_dir("b"));
    assert_string_equal(config->catalog_path, in_dir("c.db"));
    assert_string_equal(config->store_region, "us-east-1");
    assert_int_equal(config->store_deadline_ms, 30000);
    assert_string_equal(config->layout_types[0], "hero-card");
    assert_string_equal(config->layout_types[2], "other-images");
    assert_int_equal(config->scan_grace_ms, 900000);
    assert_int_equal(config->scan_max_change_percent, 20);
    assert_int_equal(config->mount_cache_size_bytes, UINT64_C(4) << 30);
    assert_non_null(strstr(config->mount_cache_dir, "/lockstep/"));
    ls_config_free(config);
}

static void relative_paths_count_from_the_configs_folder(void **state)
{
    (void)state;
    struct ls_config *config;
    assert_int_equal(mkdir("etc", 0700), 0);
    write_config("etc/x.conf", "[store]\nurl = file:./b\n[catalog]\nurl = sqlite:///var/c.db\n");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(ls_config_load(in_dir("etc/x.conf"), &config, NULL), LS_OK);
    assert_string_equal(config->dir, in_dir("etc"));
    assert_string_equal(config->store_target, in_dir("etc/b"));
    assert_string_equal(config->catalog_path, "/var/c.db");
    ls_config_free(config);
}

static void what_is_wrong_is_named_by_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *what;
    } bad[] = {
        {"[store]\nurl = s3://images\nurll = x\n", "c.conf:3: ", "unknown key 'urll'"},
        {"[store]\n\n[shop]\n", "c.conf:3: ", "unknown section [shop]"},
        {"url = x\n", "c.conf:1: ", "before the first [section]"},
        {"[scan]\ngrace = 1m\ngrace = 2m\n", "c.conf:3: ", "twice"},
        {"[scan]\ngrace = soon\n", "c.conf:2: ", "grace: 'soon'"},
        {"[scan]\nmax_change = 120%\n", "c.conf:2: ", "'120%'"},
        {"[mount]\ncache_size = 4X\n", "c.conf:2: ", "'X' is no unit"},
        {"[mount]\ncommit = maybe\n", "c.conf:2: ", "want close"},
        {"[layout]\ntypes =\n", "c.conf:2: ", "no type"},
        {"[store]\nurl = ftp://x\n", "c.conf: ", "want s3://BUCKET or file:FOLDER"},
        {"[store]\nurl = s3://a/b\nendpoint = http://h\n", "c.conf: ", "a bucket's name alone"},
        {"[store]\nurl = s3://images\n", "c.conf: ", "wants an endpoint"},
        {"[store]\nurl = file:\n", "c.conf: ", "want file:FOLDER"},
        {"[catalog]\nurl = mysql://x\n", "c.conf: ", "want sqlite:FILE"},
        {"[catalog]\nurl = sqlite:\n", "c.conf: ", "want sqlite:FILE"},
        {"[map.shop]\n", "c.conf:1: ", "unknown section [map.shop]"},
        {"[map.product]\n\nid = id\nid = uid\n", "c.conf:4: [map.product] id: ", "twice"},
        {"[map.product]\ntable = a\ntable = b\n", "c.conf:3: [map.product] table: ", "twice"},
        {"[map.product]\nweight = id\n", "c.conf:2: ", "unknown key 'weight' in [map.product]"},
        {"[map.image]\ntable = \"a;b\"\n", "c.conf:2: [map.image] table: ", "letters, digits"},
        {"[catalog]\nurl = sqlite:x\n[map.image]\n", "[map.*]", "wants a catalog on PostgreSQL"},
        {"[catalog]\nurl = postgresql:///x\n[map.image]\n", "c.conf: ", "[map.product] names no table"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ls_err err = LS_ERR_INIT;
        struct ls_config *config = NULL;
        assert_int_equal(ls_config_parse("c.conf", bad[i].text, &config, &err), LS_INVALID);
        if (!strstr(err.text, bad[i].where) || !strstr(err.text, bad[i].what))
            fail_msg("want '%s' and '%s' in: %s", bad[i].where, bad[i].what, err.text);
    }
}

static const char *found(const char *option)
{
    static char path[160];
    struct ls_config *config = NULL;
    struct ls_err err = LS_ERR_INIT;
    if (ls_config_load(option, &config, &err)) {
        snprintf(path, sizeof path, "%s", ls_rc_name(err.rc));
        return path;
    }
    snprintf(path, sizeof path, "%s", strrchr(config->dir, '/') + 1);
    if (strcmp(config->dir, dir) == 0)
        snprintf(path, sizeof path, "cwd");
    ls_config_free(config);
    return path;
}

static void places_are_searched_in_order(void **state)
{
    (void)state;
    if (access("/etc/lockstep/lockstep.conf", F_OK) != 0)
        assert_string_equal(found(NULL), "not-found");
    assert_int_equal(mkdir("lockstep", 0700) || mkdir("env", 0700) || mkdir("option", 0700), 0);
    write_config("lockstep/lockstep.conf", "");
    assert_string_equal(found(NULL), "lockstep");
    write_config("lockstep.conf", "");
    assert_string_equal(found(NULL), "cwd");
    setenv("LOCKSTEP_CONFIG", in_dir("env/none.conf"), 1);
    assert_string_equal(found(NULL), "not-found"); /* named, so no other will do */
    write_config("env/x.conf", "");
    setenv("LOCKSTEP_CONFIG", in_dir("env/x.conf"), 1);
    assert_string_equal(found(NULL), "env");
    write_config("option/x.conf", "");
    assert_string_equal(found("option/x.conf"), "option");
    assert_string_equal(found("option/none.conf"), "not-found");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_dir, leave_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_keys_of_the_design_page_are_taken),
        TEST(a_short_config_gets_defaults),
        TEST(relative_paths_count_from_the_configs_folder),
        TEST(what_is_wrong_is_named_by_file_and_line),
        TEST(places_are_searched_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
