/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Option parsing with libfuse's own parser.
 */
#include "mount/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"

struct parsed {
    struct ls_mount_tuning tuning;
    int read_only;
};

enum { KEY_DISCARD = 1, KEY_RO };

#define TUNE(text, field)                                                                                              \
    {                                                                                                                  \
        text, offsetof(struct parsed, tuning.field), 0                                                                 \
    }
#define FLAG(text, field)                                                                                              \
    {                                                                                                                  \
        text, offsetof(struct parsed, tuning.field), 1                                                                 \
    }

static const struct fuse_opt specs[] = {
    TUNE("uid=%u", uid),
    FLAG("uid=", set_uid),
    TUNE("gid=%u", gid),
    FLAG("gid=", set_gid),
    TUNE("umask=%o", umask),
    FLAG("umask=", set_umask),
    TUNE("fmask=%o", fmask),
    FLAG("fmask=", set_fmask),
    TUNE("dmask=%o", dmask),
    FLAG("dmask=", set_dmask),
    TUNE("attr_timeout=%lf", attr_timeout),
    TUNE("entry_timeout=%lf", entry_timeout),
    TUNE("max_threads=%u", max_threads),
    TUNE("max_idle_threads=%u", max_idle_threads),
    FUSE_OPT_KEY("ro", KEY_RO),
    /* Of fstab and mount(8), and without a meaning for the filesystem. */
    FUSE_OPT_KEY("defaults", KEY_DISCARD),
    FUSE_OPT_KEY("auto", KEY_DISCARD),
    FUSE_OPT_KEY("noauto", KEY_DISCARD),
    FUSE_OPT_KEY("user", KEY_DISCARD),
    FUSE_OPT_KEY("nouser", KEY_DISCARD),
    FUSE_OPT_KEY("users", KEY_DISCARD),
    FUSE_OPT_KEY("nofail", KEY_DISCARD),
    FUSE_OPT_KEY("_netdev", KEY_DISCARD),
    FUSE_OPT_KEY("x-", KEY_DISCARD),
    FUSE_OPT_KEY("default_permissions", KEY_DISCARD), /* always on */
    FUSE_OPT_KEY("fsname=", KEY_DISCARD),
    FUSE_OPT_KEY("subtype=", KEY_DISCARD),
    FUSE_OPT_END,
};

static int take(void *data, const char *arg, int key, struct fuse_args *out)
{
    (void)arg;
    (void)out;
    struct parsed *parsed = data;
    if (key == KEY_RO)
        parsed->read_only = 1;
    return key == KEY_DISCARD || key == KEY_RO ? 0 : 1;
}

/* Commas and backslashes in the source's name must not end the option. */
static char *escaped(const char *text)
{
    LS_AUTO(ls_buf) struct ls_buf out = LS_BUF_INIT(LS_BUF_LINE);
    for (; *text; text++)
        if (((*text == ',' || *text == '\\') && ls_buf_addc(&out, '\\')) || ls_buf_addc(&out, *text))
            return NULL;
    return ls_buf_steal(&out);
}

static int add_option(struct fuse_args *args, const char *text)
{
    return fuse_opt_add_arg(args, "-o") == 0 && fuse_opt_add_arg(args, text) == 0 ? 0 : -1;
}

enum ls_rc ls_mount_options(const struct ls_mount_opts *opts, struct ls_mount_tuning *out_tuning, bool *out_read_only,
                            struct fuse_args *args, struct ls_err *err)
{
    struct parsed parsed = {
        .tuning = {.attr_timeout = 1, .entry_timeout = 1, .max_threads = 16, .max_idle_threads = 8}};
    LS_AUTO(ls_free) char *name = escaped(opts->fsname ? opts->fsname : "lockstep");
    LS_AUTO(ls_free) char *fsname = name ? ls_strf("fsname=%s", name) : NULL;
    if (!fsname || fuse_opt_add_arg(args, "lockstep") != 0)
        return ls_err_nomem(err);
    if (opts->fuse_options && *opts->fuse_options && add_option(args, opts->fuse_options) != 0)
        return ls_err_nomem(err);
    if (fuse_opt_parse(args, &parsed, specs, take) != 0)
        return ls_err_set(err, LS_INVALID, "mount: cannot read the options '%s'",
                          opts->fuse_options ? opts->fuse_options : "");
    *out_read_only = opts->read_only || parsed.read_only;
    if (add_option(args, "default_permissions,subtype=lockstep") != 0 || add_option(args, fsname) != 0 ||
        (*out_read_only && add_option(args, "ro") != 0) || (opts->debug && fuse_opt_add_arg(args, "-d") != 0))
        return ls_err_nomem(err);
    if (parsed.tuning.max_threads == 0)
        parsed.tuning.max_threads = 1;
    *out_tuning = parsed.tuning;
    return LS_OK;
}
