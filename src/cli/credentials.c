/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The search for the store's keys. */
#include "cli/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/ini.h"

static void free_secret(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void ls_credentials_dispose(struct ls_credentials *credentials)
{
    free_secret(credentials->access_key);
    free_secret(credentials->secret_key);
    free_secret(credentials->session_token);
    free(credentials->source);
    *credentials = (struct ls_credentials){0};
}

/* An environment variable that is set and not empty. */
static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static enum ls_rc set(char **slot, const char *value, struct ls_err *err)
{
    free_secret(*slot);
    *slot = strdup(value);
    return *slot ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc from_environment(struct ls_credentials *out, struct ls_err *err)
{
    const char *access = env("AWS_ACCESS_KEY_ID"), *secret = env("AWS_SECRET_ACCESS_KEY");
    if (!access && !secret)
        return LS_NOT_FOUND;
    if (!access || !secret)
        return ls_err_set(err, LS_INVALID,
                          "credentials: of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is "
                          "set; set both or none");
    const char *token = env("AWS_SESSION_TOKEN");
    enum ls_rc rc = set(&out->access_key, access, err);
    if (!rc)
        rc = set(&out->secret_key, secret, err);
    if (!rc && token)
        rc = set(&out->session_token, token, err);
    return rc ? rc : set(&out->source, "the environment", err);
}

struct reader {
    struct ls_credentials *out;
    const char *profile;
    bool found; /* the profile has a section, or is "default" and keys stand before the first one */
};

static enum ls_rc take_line(void *ctx, const struct ls_ini_line *line, struct ls_err *err)
{
    struct reader *reader = ctx;
    const char *section = *line->section ? line->section : "default";
    if (strcmp(section, reader->profile) != 0)
        return LS_OK;
    reader->found = true;
    if (!line->key)
        return LS_OK;
    if (strcmp(line->key, "aws_access_key_id") == 0)
        return set(&reader->out->access_key, line->value, err);
    if (strcmp(line->key, "aws_secret_access_key") == 0)
        return set(&reader->out->secret_key, line->value, err);
    if (strcmp(line->key, "aws_session_token") == 0)
        return set(&reader->out->session_token, line->value, err);
    return LS_OK; /* region, output and what else the file is used for */
}

static enum ls_rc from_file(const char *path, const char *profile, struct ls_credentials *out, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(LS_BUF_BODY);
    struct reader reader = {.out = out, .profile = profile};
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & S_IROTH))
        LS_LOG_WARN("cli", "credentials-readable", {"file", ls_v_str(path)}, {"advice", ls_v_str("chmod 600")});
    enum ls_rc rc = ls_read_file(path, &text, err);
    if (!rc)
        rc = ls_ini_parse(path, text.data, take_line, &reader, err);
    explicit_bzero(text.data, text.len);
    if (rc)
        return ls_err_prefix(err, "credentials: "), rc;
    if (!reader.found)
        return ls_err_set(err, LS_INVALID, "credentials: %s has no profile [%s]", path, profile);
    if (!out->access_key || !out->secret_key || !*out->access_key || !*out->secret_key)
        return ls_err_set(err, LS_INVALID,
                          "credentials: profile [%s] of %s lacks aws_access_key_id or "
                          "aws_secret_access_key",
                          profile, path);
    return set(&out->source, path, err);
}

/* The shared file's place; the caller frees it. NULL when there is no home. */
static char *shared_file(void)
{
    const char *named = env("AWS_SHARED_CREDENTIALS_FILE"), *home = env("HOME");
    if (named)
        return strdup(named);
    return home ? ls_strf("%s/.aws/credentials", home) : NULL;
}

static enum ls_rc find(const char *file, const char *profile, struct ls_credentials *out, struct ls_err *err)
{
    enum ls_rc rc = from_environment(out, err);
    if (rc != LS_NOT_FOUND)
        return rc;
    if (!profile)
        profile = env("AWS_PROFILE");
    if (!profile)
        profile = "default";
    if (file)
        return from_file(file, profile, out, err);
    const char *systemd = env("CREDENTIALS_DIRECTORY");
    LS_AUTO(ls_free) char *credential = systemd ? ls_strf("%s/lockstep-credentials", systemd) : NULL;
    if (credential && access(credential, F_OK) == 0)
        return from_file(credential, profile, out, err);
    LS_AUTO(ls_free) char *shared = shared_file();
    if (shared && (access(shared, F_OK) == 0 || env("AWS_SHARED_CREDENTIALS_FILE")))
        return from_file(shared, profile, out, err);
    return ls_err_set(err, LS_NOT_FOUND,
                      "credentials: none found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                      "name a file with 'credentials' in [store], or write %s",
                      shared ? shared : "~/.aws/credentials");
}

enum ls_rc ls_credentials_find(const char *file, const char *profile, struct ls_credentials *out, struct ls_err *err)
{
    LS_AUTO(ls_credentials) struct ls_credentials found = {0};
    enum ls_rc rc = find(file, profile, &found, err);
    if (rc)
        return rc;
    *out = found;
    found = (struct ls_credentials){0};
    return LS_OK;
}
