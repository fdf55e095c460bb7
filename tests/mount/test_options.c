/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The -o options: each word known, read and handed on, or refused by its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mount/options.h"

/* Read a text; the arguments for libfuse as one text, in static memory. */
static const char *read_text(const char *text, struct ls_mount_tuning *out)
{
    static char joined[2048];
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct ls_err err = LS_ERR_INIT;
    const struct ls_mount_opts opts = {.fuse_options = text, .fsname = "s3://a,b"};
    if (ls_mount_options(&opts, out, &args, &err))
        fail_msg("%s: %s", text ? text : "-", err.text);
    joined[0] = '\0';
    for (int i = 0; i < args.argc; i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s ", args.argv[i]);
    fuse_opt_free_args(&args);
    return joined;
}

static void every_option_is_read(void **state)
{
    (void)state;
    struct ls_mount_tuning t;
    read_text("ro,uid=1000,gid=0,umask=022,fmask=0133,dmask=7,attr_timeout=2.5,entry_timeout=0,max_threads=4", &t);
    assert_true(t.read_only && t.set_uid && t.uid == 1000 && t.set_gid && t.gid == 0);
    assert_true(t.set_umask && t.umask == 022 && t.set_fmask && t.fmask == 0133 && t.set_dmask && t.dmask == 7);
    assert_true(t.attr_timeout == 2.5 && t.entry_timeout == 0 && t.max_threads == 4 && t.max_idle_threads <= 4);
    read_text("max_idle_threads=3,rw", &t);
    assert_true(t.max_idle_threads == 3 && !t.read_only && !t.set_uid && !t.set_gid && !t.set_umask);
    read_text(NULL, &t);
    assert_true(t.max_threads >= t.max_idle_threads && t.max_idle_threads > 0);
}

static void what_is_libfuses_is_handed_on_and_nothing_else(void **state)
{
    (void)state;
    struct ls_mount_tuning t;
    const char *args =
        read_text("nosuid,dev,auto_unmount,noatime,uid=1,defaults,user=ann,x-systemd.automount,_netdev", &t);
    assert_non_null(strstr(args, " nosuid,dev,auto_unmount "));
    assert_non_null(strstr(args, "default_permissions,subtype=lockstep"));
    assert_non_null(strstr(args, "fsname=s3://a\\,b"));
    assert_null(strstr(args, "uid="));
    assert_null(strstr(args, "atime"));
    assert_null(strstr(args, "systemd"));
    assert_non_null(strstr(read_text("ro,uid=1,uid=1", &t), " ro "));
}

static void words_of_fstab_are_accepted(void **state)
{
    (void)state;
    struct ls_err err = LS_ERR_INIT;
    assert_int_equal(
        ls_mount_check_options("defaults,auto,noauto,user,nouser,users,owner,group,nofail,_netdev,rw,nonempty,"
                               "comment=a,x-gvfs-show,X-mount.mkdir,relatime,default_permissions,fsname=a,"
                               "subtype=lockstep,suid,exec,async,",
                               &err),
        LS_OK);
}

static void a_word_that_is_wrong_is_refused_by_its_name(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {{"alow_other", "alow_other"},
                                           {"ro,kernel_cache", "kernel_cache"},
                                           {"uid", "-o uid:"},
                                           {"uid=", "-o uid=:"},
                                           {"uid=ann", "-o uid=ann:"},
                                           {"uid=-1", "-o uid=-1:"},
                                           {"gid=4294967295", "gid=4294967295"},
                                           {"umask=9", "umask=9"},
                                           {"fmask=1777", "fmask=1777"},
                                           {"attr_timeout=soon", "attr_timeout=soon"},
                                           {"entry_timeout=-1", "entry_timeout=-1"},
                                           {"entry_timeout=nan", "entry_timeout=nan"},
                                           {"attr_timeout=1e400", "attr_timeout=1e400"},
                                           {"max_threads=0", "max_threads=0"},
                                           {"max_idle_threads=99999", "max_idle_threads=99999"},
                                           {"ro=1", "-o ro=1: takes no value"},
                                           {"uid=1x", "-o uid=1x:"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ls_err err = LS_ERR_INIT;
        if (ls_mount_check_options(wrong[i][0], &err) != LS_INVALID)
            fail_msg("%s was accepted", wrong[i][0]);
        if (!strstr(err.text, wrong[i][1]) || !strstr(err.text, "lockstep-mount(1)"))
            fail_msg("%s: the error does not help: %s", wrong[i][0], err.text);
    }
}

static void words_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"ro,rw",       "rw,noauto,ro", "allow_other,allow_root", "suid,nosuid",
                                        "exec,noexec", "uid=1,uid=2",  "umask=022,umask=077"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ls_err err = LS_ERR_INIT;
        if (ls_mount_check_options(wrong[i], &err) != LS_INVALID)
            fail_msg("%s was accepted", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_read),
        cmocka_unit_test(what_is_libfuses_is_handed_on_and_nothing_else),
        cmocka_unit_test(words_of_fstab_are_accepted),
        cmocka_unit_test(a_word_that_is_wrong_is_refused_by_its_name),
        cmocka_unit_test(words_that_contradict_each_other_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
