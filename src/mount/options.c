/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of words, and reading them one by one. A word that is given twice with two values, or together with its
 * opposite, is refused: whoever wrote it meant only one of them.
 */
#include "mount/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"

#define FUSE_CONF "/etc/fuse.conf"
#define TIMEOUT_MOST_S 1e9
#define THREADS_MOST 1024

enum kind {
    DROP,      /* of fstab or other FUSE filesystems, and without a meaning here */
    DROP_TEXT, /* likewise, with a value or a rest */
    PASS,      /* libfuse's or the kernel's */
    PASS_TEXT, /* likewise, "name=value" */
    FLAG,
    NUMBER,
    OCTAL,
    SECONDS
};

struct word {
    const char *name;
    enum kind kind;
    size_t at, set_at; /* in struct ls_mount_tuning */
    const char *opposite;
};

#define TUNE(field) offsetof(struct ls_mount_tuning, field)

static const struct word words[] = {
    {"ro", FLAG, TUNE(read_only), 0, "rw"},
    {"rw", DROP, 0, 0, "ro"},
    {"allow_other", FLAG, TUNE(allow_other), 0, "allow_root"},
    {"allow_root", FLAG, TUNE(allow_root), 0, "allow_other"},
    {"uid", NUMBER, TUNE(uid), TUNE(set_uid), NULL},
    {"gid", NUMBER, TUNE(gid), TUNE(set_gid), NULL},
    {"umask", OCTAL, TUNE(umask), TUNE(set_umask), NULL},
    {"fmask", OCTAL, TUNE(fmask), TUNE(set_fmask), NULL},
    {"dmask", OCTAL, TUNE(dmask), TUNE(set_dmask), NULL},
    {"attr_timeout", SECONDS, TUNE(attr_timeout), 0, NULL},
    {"entry_timeout", SECONDS, TUNE(entry_timeout), 0, NULL},
    {"max_threads", NUMBER, TUNE(max_threads), 0, NULL},
    {"max_idle_threads", NUMBER, TUNE(max_idle_threads), 0, NULL},
    /* libfuse's and the kernel's */
    {"auto_unmount", PASS, 0, 0, NULL},
    {"suid", PASS, 0, 0, "nosuid"},
    {"nosuid", PASS, 0, 0, "suid"},
    {"dev", PASS, 0, 0, "nodev"},
    {"nodev", PASS, 0, 0, "dev"},
    {"exec", PASS, 0, 0, "noexec"},
    {"noexec", PASS, 0, 0, "exec"},
    {"sync", PASS, 0, 0, "async"},
    {"async", PASS, 0, 0, "sync"},
    {"dirsync", PASS, 0, 0, NULL},
    {"context", PASS_TEXT, 0, 0, NULL},
    {"fscontext", PASS_TEXT, 0, 0, NULL},
    {"defcontext", PASS_TEXT, 0, 0, NULL},
    {"rootcontext", PASS_TEXT, 0, 0, NULL},
    /* There is no access time. */
    {"atime", DROP, 0, 0, NULL},
    {"noatime", DROP, 0, 0, NULL},
    {"diratime", DROP, 0, 0, NULL},
    {"nodiratime", DROP, 0, 0, NULL},
    {"relatime", DROP, 0, 0, NULL},
    {"norelatime", DROP, 0, 0, NULL},
    {"strictatime", DROP, 0, 0, NULL},
    {"nostrictatime", DROP, 0, 0, NULL},
    {"lazytime", DROP, 0, 0, NULL},
    {"nolazytime", DROP, 0, 0, NULL},
    /* Of fstab and mount(8). */
    {"defaults", DROP, 0, 0, NULL},
    {"auto", DROP, 0, 0, NULL},
    {"noauto", DROP, 0, 0, NULL},
    {"user", DROP, 0, 0, NULL},
    {"nouser", DROP, 0, 0, NULL},
    {"users", DROP, 0, 0, NULL},
    {"owner", DROP, 0, 0, NULL},
    {"group", DROP, 0, 0, NULL},
    {"nofail", DROP, 0, 0, NULL},
    {"_netdev", DROP, 0, 0, NULL},
    {"user", DROP_TEXT, 0, 0, NULL},
    {"comment", DROP_TEXT, 0, 0, NULL},
    {"nonempty", DROP, 0, 0, NULL},            /* fuse3 always allows it */
    {"default_permissions", DROP, 0, 0, NULL}, /* always on */
    {"fsname", DROP_TEXT, 0, 0, NULL},         /* the store's url */
    {"subtype", DROP_TEXT, 0, 0, NULL},
};

enum { N_WORDS = sizeof words / sizeof *words };

/* What was read so far. */
struct parse {
    struct ls_mount_tuning *tuning;
    struct ls_buf *pass;
    const char *seen[N_WORDS]; /* the values, "" for words without one */
};

static bool has_value(enum kind kind) { return kind != DROP && kind != PASS && kind != FLAG; }

static enum ls_rc invalid(struct ls_err *err, const char *word, const char *why)
{
    return ls_err_set(err, LS_INVALID, "mount: -o %s: %s; OPTIONS in lockstep-mount(1) lists what there is", word, why);
}

static enum ls_rc take_number(const struct word *word, const char *text, const char *value, struct parse *parse,
                              struct ls_err *err)
{
    char *end;
    bool octal = word->kind == OCTAL, threads = strncmp(word->name, "max_", 4) == 0;
    errno = 0;
    unsigned long number = strtoul(value, &end, octal ? 8 : 10);
    if (*value < '0' || *value > '9' || *end || errno)
        return invalid(err, text, octal ? "wants an octal mode such as 022" : "wants a number");
    if (octal && number > 0777)
        return invalid(err, text, "wants an octal mode of at most 0777");
    if (threads && (number == 0 || number > THREADS_MOST))
        return invalid(err, text, "wants 1 to 1024 threads");
    if (number >= UINT32_MAX)
        return invalid(err, text, "is too large a number");
    char *tuning = (char *)parse->tuning;
    *(unsigned *)(void *)(tuning + word->at) = (unsigned)number;
    if (!threads)
        *(int *)(void *)(tuning + word->set_at) = 1;
    return LS_OK;
}

static enum ls_rc take_seconds(const struct word *word, const char *text, const char *value, struct parse *parse,
                               struct ls_err *err)
{
    char *end;
    double seconds = strtod(value, &end);
    if (strspn(value, "0123456789.") != strlen(value) || end == value || *end || seconds > TIMEOUT_MOST_S)
        return invalid(err, text, "wants seconds, such as 1 or 0.5");
    *(double *)(void *)((char *)parse->tuning + word->at) = seconds;
    return LS_OK;
}

static enum ls_rc pass_on(struct ls_buf *pass, const char *text, struct ls_err *err)
{
    enum ls_rc rc = pass->len ? ls_buf_addc(pass, ',') : LS_OK;
    if (!rc)
        rc = ls_buf_adds(pass, text);
    return rc ? ls_err_set(err, rc, "mount: -o: too many options") : LS_OK;
}

static size_t find_word(const char *text, size_t len, bool value)
{
    for (size_t i = 0; i < N_WORDS; i++)
        if (strlen(words[i].name) == len && strncmp(words[i].name, text, len) == 0 && has_value(words[i].kind) == value)
            return i;
    return N_WORDS;
}

/* Contradicts the word what was read before? */
static enum ls_rc check_before(size_t i, const char *text, const char *value, struct parse *parse, struct ls_err *err)
{
    const struct word *word = &words[i];
    if (parse->seen[i] && strcmp(parse->seen[i], value) != 0)
        return invalid(err, text, "was given before with another value");
    size_t other = word->opposite ? find_word(word->opposite, strlen(word->opposite), false) : N_WORDS;
    if (other < N_WORDS && parse->seen[other])
        return ls_err_set(err, LS_INVALID, "mount: -o %s,%s: the two exclude each other: give one of them",
                          words[other].name, word->name);
    parse->seen[i] = value;
    return LS_OK;
}

static enum ls_rc take_word(const char *text, struct parse *parse, struct ls_err *err)
{
    const char *equals = strchr(text, '='), *value = equals ? equals + 1 : "";
    size_t len = equals ? (size_t)(equals - text) : strlen(text), i = find_word(text, len, equals != NULL);
    if (!*text || strncmp(text, "x-", 2) == 0 || strncmp(text, "X-", 2) == 0)
        return LS_OK;
    if (i == N_WORDS && find_word(text, len, !equals) < N_WORDS)
        return invalid(err, text, equals ? "takes no value" : "wants a value");
    if (i == N_WORDS)
        return invalid(err, text, "there is no such option");
    enum ls_rc rc = check_before(i, text, value, parse, err);
    if (rc)
        return rc;
    switch (words[i].kind) {
    case DROP:
    case DROP_TEXT:
        return LS_OK;
    case PASS:
    case PASS_TEXT:
        return pass_on(parse->pass, text, err);
    case FLAG:
        *(bool *)(void *)((char *)parse->tuning + words[i].at) = true;
        return LS_OK;
    case NUMBER:
    case OCTAL:
        return take_number(&words[i], text, value, parse, err);
    case SECONDS:
        return take_seconds(&words[i], text, value, parse, err);
    }
    return LS_OK;
}

/* *text_copy is cut into words and must live as long as parse. */
static enum ls_rc take_words(char *text_copy, struct parse *parse, struct ls_err *err)
{
    char *rest = text_copy;
    for (char *text; (text = strsep(&rest, ","));) {
        enum ls_rc rc = take_word(text, parse, err);
        if (rc)
            return rc;
    }
    /* The defaults give way to what was asked for. */
    if (parse->tuning->max_idle_threads > parse->tuning->max_threads)
        parse->tuning->max_idle_threads = parse->tuning->max_threads;
    return LS_OK;
}

static enum ls_rc parse_text(const char *text, struct ls_mount_tuning *tuning, struct ls_buf *pass, struct ls_err *err)
{
    *tuning = (struct ls_mount_tuning){
        .attr_timeout = LS_TIMEOUT_AUTO, .entry_timeout = LS_TIMEOUT_AUTO, .max_threads = 16, .max_idle_threads = 8};
    LS_AUTO(ls_free) char *copy = strdup(text ? text : "");
    struct parse parse = {.tuning = tuning, .pass = pass};
    return copy ? take_words(copy, &parse, err) : ls_err_nomem(err);
}

enum ls_rc ls_mount_check_options(const char *text, struct ls_err *err)
{
    struct ls_mount_tuning tuning;
    LS_AUTO(ls_buf) struct ls_buf pass = LS_BUF_INIT(LS_BUF_LINE);
    return parse_text(text, &tuning, &pass, err);
}

/* fusermount3 says no by a line of its own on standard error, which is lost in the background: say it ourselves. A
 * file that we cannot read is left to it. */
static enum ls_rc check_allowed(const struct ls_mount_tuning *tuning, struct ls_err *err)
{
    if (geteuid() == 0 || (!tuning->allow_other && !tuning->allow_root))
        return LS_OK;
    FILE *conf = fopen(FUSE_CONF, "re");
    if (!conf && errno != ENOENT)
        return LS_OK;
    LS_AUTO(ls_free) char *line = NULL;
    size_t cap = 0;
    bool allowed = false;
    while (conf && !allowed && getline(&line, &cap, conf) > 0) {
        const char *at = line + strspn(line, " \t");
        size_t len = strcspn(at, " \t\r\n");
        allowed = len == strlen("user_allow_other") && strncmp(at, "user_allow_other", len) == 0;
    }
    if (conf)
        fclose(conf);
    if (allowed)
        return LS_OK;
    return ls_err_set(err, LS_DENIED,
                      "mount: -o %s: an ordinary user may only give it when " FUSE_CONF
                      " has the line user_allow_other: ask the administrator, or leave it away",
                      tuning->allow_other ? "allow_other" : "allow_root");
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

enum ls_rc ls_mount_options(const struct ls_mount_opts *opts, struct ls_mount_tuning *out_tuning,
                            struct fuse_args *args, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf pass = LS_BUF_INIT(LS_BUF_LINE);
    enum ls_rc rc = parse_text(opts->fuse_options, out_tuning, &pass, err);
    if (!rc)
        rc = check_allowed(out_tuning, err);
    if (rc)
        return rc;
    LS_AUTO(ls_free) char *name = escaped(opts->fsname ? opts->fsname : "lockstep");
    LS_AUTO(ls_free) char *fsname = name ? ls_strf("fsname=%s", name) : NULL;
    if (!fsname || fuse_opt_add_arg(args, "lockstep") != 0 || add_option(args, fsname) != 0 ||
        add_option(args, "default_permissions,subtype=lockstep") != 0 ||
        (pass.len && add_option(args, pass.data) != 0) || (out_tuning->read_only && add_option(args, "ro") != 0) ||
        (out_tuning->allow_other && add_option(args, "allow_other") != 0) ||
        (out_tuning->allow_root && add_option(args, "allow_root") != 0) ||
        (opts->debug && fuse_opt_add_arg(args, "-d") != 0))
        return ls_err_nomem(err);
    return LS_OK;
}
