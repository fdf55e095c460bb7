/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The config file. One table lists every key with its kind and its place in struct ls_config; defaults are set before
 * the file is read, urls and paths are worked out after it.
 */
#include "cli/config.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "cli/config_map.h"
#include "cli/ini.h"

enum kind {
    KIND_TEXT,
    KIND_PATH,
    KIND_DURATION,
    KIND_DAYS,
    KIND_SIZE,
    KIND_COUNT,
    KIND_TYPES,
    KIND_HOSTS,
    KIND_CHANGE,
    KIND_COMMIT,
    KIND_POLICY
};

struct key {
    const char *section, *name;
    enum kind kind;
    size_t offset;
};

#define AT(member) offsetof(struct ls_config, member)
static const struct key keys[] = {
    {"store", "url", KIND_TEXT, AT(store_url)},
    {"store", "endpoint", KIND_TEXT, AT(store_endpoint)},
    {"store", "region", KIND_TEXT, AT(store_region)},
    {"store", "public_url", KIND_TEXT, AT(store_public_url)},
    {"store", "profile", KIND_TEXT, AT(store_profile)},
    {"store", "credentials", KIND_PATH, AT(store_credentials)},
    {"store", "ca_file", KIND_PATH, AT(store_ca_file)},
    {"store", "deadline", KIND_DURATION, AT(store_deadline_ms)},
    {"store", "connections", KIND_COUNT, AT(store_connections)},
    {"store", "part_size", KIND_SIZE, AT(store_part_bytes)},
    {"catalog", "url", KIND_TEXT, AT(catalog_url)},
    {"catalog", "busy_timeout", KIND_DURATION, AT(catalog_busy_timeout_ms)},
    {"catalog", "deadline", KIND_DURATION, AT(catalog_deadline_ms)},
    {"layout", "path", KIND_TEXT, AT(layout_path)},
    {"layout", "types", KIND_TYPES, AT(layout_types)},
    {"mount", "cache_dir", KIND_PATH, AT(mount_cache_dir)},
    {"mount", "cache_size", KIND_SIZE, AT(mount_cache_size_bytes)},
    {"mount", "commit", KIND_COMMIT, 0},
    {"mount", "metrics", KIND_PATH, AT(mount_metrics)},
    {"scan", "grace", KIND_DURATION, AT(scan_grace_ms)},
    {"scan", "ranges", KIND_COUNT, AT(scan_ranges)},
    {"scan", "max_change", KIND_CHANGE, 0},
    {"scan", "resume", KIND_DURATION, AT(scan_resume_ms)},
    {"scan", "takeover", KIND_DURATION, AT(scan_takeover_ms)},
    {"scan", "trash_days", KIND_DAYS, AT(scan_trash_ms)},
    {"serve", "listen", KIND_TEXT, AT(serve_listen)},
    {"serve", "hosts", KIND_HOSTS, AT(serve_hosts)},
    {"serve", "tokens", KIND_PATH, AT(serve_tokens)},
    {"serve", "cert", KIND_PATH, AT(serve_cert)},
    {"serve", "key", KIND_PATH, AT(serve_key)},
    {"serve", "jobs", KIND_PATH, AT(serve_jobs)},
    {"serve", "max_upload", KIND_SIZE, AT(serve_max_upload_bytes)},
    {"serve", "max_events", KIND_SIZE, AT(serve_max_events_bytes)},
    {"serve", "drain", KIND_DURATION, AT(serve_drain_ms)},
    {"serve", "events", KIND_POLICY, AT(serve_events)},
    {"settle", "weight", KIND_POLICY, AT(settle_weight)},
    {"settle", "delete", KIND_POLICY, AT(settle_delete)},
    {"settle", "insert", KIND_POLICY, AT(settle_insert)},
    {"settle", "key", KIND_POLICY, AT(settle_key)},
};
enum { KEY_COUNT = sizeof keys / sizeof *keys };

struct reader {
    struct ls_config *config;
    bool seen[KEY_COUNT];
};

static bool parse_number(const char *text, uint64_t *out, const char **out_rest)
{
    uint64_t n = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n))
            return false;
    *out = n;
    *out_rest = at;
    return at != text;
}

enum ls_rc ls_size_parse(const char *text, uint64_t *out_bytes, struct ls_err *err)
{
    static const char units[] = "KMGT";
    uint64_t n;
    const char *rest;
    if (!parse_number(text, &n, &rest))
        return ls_err_set(err, LS_INVALID, "'%s' is no size: want bytes, or a number with K, M, G or T", text);
    if (*rest) {
        char upper = *rest >= 'a' && *rest <= 'z' ? (char)(*rest - 'a' + 'A') : *rest;
        const char *unit = strchr(units, upper);
        if (!unit || rest[1])
            return ls_err_set(err, LS_INVALID, "'%s' is no size: '%s' is no unit (want K, M, G or T)", text, rest);
        if (__builtin_mul_overflow(n, UINT64_C(1) << (10 * (unit - units + 1)), &n))
            return ls_err_set(err, LS_INVALID, "'%s' is too large a size", text);
    }
    *out_bytes = n;
    return LS_OK;
}

enum ls_rc ls_max_change_parse(const char *text, unsigned *out_percent, uint64_t *out_count, struct ls_err *err)
{
    uint64_t n;
    const char *rest;
    if (!parse_number(text, &n, &rest) || (*rest && strcmp(rest, "%") != 0) || (*rest && n > 100))
        return ls_err_set(err, LS_INVALID, "'%s' is no limit: want a count, or a percentage up to 100%%", text);
    *out_percent = *rest ? (unsigned)n : 0;
    *out_count = *rest ? 0 : n;
    return LS_OK;
}

static enum ls_rc set_text(char **slot, const char *value, struct ls_err *err)
{
    char *copy = *value ? strdup(value) : NULL;
    if (*value && !copy)
        return ls_err_nomem(err);
    free(*slot);
    *slot = copy;
    return LS_OK;
}

/* An absolute path from one that counts from the config's folder. */
static enum ls_rc set_path(struct ls_config *config, char **slot, const char *value, struct ls_err *err)
{
    if (!*value || *value == '/')
        return set_text(slot, value, err);
    if (strncmp(value, "./", 2) == 0 && value[2])
        value += 2;
    char *path = ls_strf("%s/%s", strcmp(config->dir, "/") == 0 ? "" : config->dir, value);
    if (!path)
        return ls_err_nomem(err);
    free(*slot);
    *slot = path;
    return LS_OK;
}

static void free_words(char **words)
{
    for (size_t i = 0; words[i]; i++)
        free(LS_STEAL(words[i]));
}

/* Words with blanks or commas between; `words` has room for one more than `most`. */
static enum ls_rc set_words(char **words, int most, const char *what, const char *value, struct ls_err *err)
{
    free_words(words);
    int n = 0;
    for (const char *at = value + strspn(value, " \t,"); *at; at += strspn(at, " \t,")) {
        size_t len = strcspn(at, " \t,");
        if (n == most)
            return ls_err_set(err, LS_INVALID, "more than %d %ss", most, what);
        words[n] = strndup(at, len);
        if (!words[n++])
            return ls_err_nomem(err);
        at += len;
    }
    return n ? LS_OK : ls_err_set(err, LS_INVALID, "no %s is named", what);
}

static enum ls_rc set_count(uint64_t *slot, const char *value, struct ls_err *err)
{
    const char *rest;
    if (!parse_number(value, slot, &rest) || *rest || *slot > 1024)
        return ls_err_set(err, LS_INVALID, "'%s' is no number up to 1024", value);
    return LS_OK;
}

static enum ls_rc set_days(int64_t *slot, const char *value, struct ls_err *err)
{
    uint64_t days;
    const char *rest;
    if (!parse_number(value, &days, &rest) || *rest || days > 36500)
        return ls_err_set(err, LS_INVALID, "'%s' is no number of days", value);
    *slot = (int64_t)days * 86400 * 1000;
    return LS_OK;
}

static enum ls_rc set_commit(const char *value, struct ls_err *err)
{
    if (strcmp(value, "close") == 0)
        return LS_OK;
    if (strcmp(value, "spool") == 0)
        return ls_err_set(err, LS_UNSUPPORTED, "commit = spool is not in this version yet");
    return ls_err_set(err, LS_INVALID, "'%s' is no way to commit: want close", value);
}

static enum ls_rc set_policy(enum ls_settle_policy *slot, const char *value, struct ls_err *err)
{
    static const char *const words[] = {
        [LS_SETTLE_ACT] = "act", [LS_SETTLE_REPORT] = "report", [LS_SETTLE_IGNORE] = "ignore"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(value, words[i]) == 0) {
            *slot = (enum ls_settle_policy)i;
            return LS_OK;
        }
    return ls_err_set(err, LS_INVALID, "'%s' is no policy: want act, report or ignore", value);
}

static enum ls_rc set_key(struct ls_config *config, const struct key *key, const char *value, struct ls_err *err)
{
    void *slot = (char *)config + key->offset;
    switch (key->kind) {
    case KIND_TEXT:
        return set_text(slot, value, err);
    case KIND_PATH:
        return set_path(config, slot, value, err);
    case KIND_DURATION:
        return ls_duration_parse(value, slot, err);
    case KIND_DAYS:
        return set_days(slot, value, err);
    case KIND_SIZE:
        return ls_size_parse(value, slot, err);
    case KIND_COUNT:
        return set_count(slot, value, err);
    case KIND_TYPES:
        return set_words(slot, LS_CONFIG_TYPES_MAX, "type", value, err);
    case KIND_HOSTS:
        return set_words(slot, LS_CONFIG_HOSTS_MAX, "host", value, err);
    case KIND_CHANGE:
        return ls_max_change_parse(value, &config->scan_max_change_percent, &config->scan_max_change_count, err);
    case KIND_COMMIT:
        return set_commit(value, err);
    case KIND_POLICY:
        return set_policy(slot, value, err);
    }
    return LS_INVALID;
}

static bool section_known(const char *section)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(keys[i].section, section) == 0)
            return true;
    return false;
}

static enum ls_rc take_line(void *ctx, const struct ls_ini_line *line, struct ls_err *err)
{
    struct reader *reader = ctx;
    if (ls_config_map_section(line->section))
        return ls_config_map_line(reader->config, line, err);
    if (!line->key) {
        if (!section_known(line->section))
            return ls_err_set(err, LS_INVALID,
                              "%s:%u: unknown section [%s] (there are store, catalog, layout, mount, "
                              "scan, serve, settle, map.product, map.variant, map.image)",
                              line->file, line->line, line->section);
        return LS_OK;
    }
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].section, line->section) != 0 || strcmp(keys[i].name, line->key) != 0)
            continue;
        if (reader->seen[i])
            return ls_err_set(err, LS_INVALID, "%s:%u: '%s' is set twice in [%s]", line->file, line->line, line->key,
                              line->section);
        reader->seen[i] = true;
        enum ls_rc rc = set_key(reader->config, &keys[i], line->value, err);
        if (rc)
            ls_err_prefix(err, "%s:%u: %s: ", line->file, line->line, line->key);
        return rc;
    }
    if (!*line->section)
        return ls_err_set(err, LS_INVALID, "%s:%u: '%s' stands before the first [section]", line->file, line->line,
                          line->key);
    return ls_err_set(err, LS_INVALID, "%s:%u: unknown key '%s' in [%s]", line->file, line->line, line->key,
                      line->section);
}

/* What follows the scheme: "file:x" and "file:///x" name paths. NULL when it is another scheme. */
static const char *after_scheme(const char *url, const char *scheme)
{
    size_t len = strlen(scheme);
    if (strncmp(url, scheme, len) != 0 || url[len] != ':')
        return NULL;
    const char *rest = url + len + 1;
    return strncmp(rest, "///", 3) == 0 ? rest + 2 : rest;
}

static enum ls_rc check_bucket(const char *url, const char *bucket, struct ls_err *err)
{
    size_t len = strlen(bucket);
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    if (len < 3 || len > 63 || strspn(bucket, allowed) != len)
        return ls_err_set(err, LS_INVALID,
                          "store url '%s': want s3://BUCKET, a bucket's name alone (3 to 63 letters, "
                          "digits, '-', '.')",
                          url);
    return LS_OK;
}

static enum ls_rc resolve_store(struct ls_config *config, struct ls_err *err)
{
    const char *url = config->store_url;
    if (!url)
        return LS_OK;
    const char *rest = after_scheme(url, "file");
    if (rest) {
        config->store_scheme = LS_STORE_SCHEME_FILE;
        if (!*rest || strncmp(rest, "//", 2) == 0)
            return ls_err_set(err, LS_INVALID, "store url '%s': want file:FOLDER", url);
        return set_path(config, &config->store_target, rest, err);
    }
    if (strncmp(url, "s3://", 5) != 0)
        return ls_err_set(err, LS_INVALID, "store url '%s': want s3://BUCKET or file:FOLDER", url);
    config->store_scheme = LS_STORE_SCHEME_S3;
    enum ls_rc rc = set_text(&config->store_target, url + 5, err);
    if (!rc && config->store_target && config->store_target[strlen(config->store_target) - 1] == '/')
        config->store_target[strlen(config->store_target) - 1] = '\0';
    if (!rc)
        rc = check_bucket(url, config->store_target ? config->store_target : "", err);
    if (rc)
        return rc;
    const char *endpoint = config->store_endpoint;
    if (!endpoint || (strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0))
        return ls_err_set(err, LS_INVALID, "store url '%s' wants an endpoint, http://… or https://…", url);
    return LS_OK;
}

static enum ls_rc set_catalog_path(struct ls_config *config, const char *path, struct ls_err *err)
{
    enum ls_rc rc = set_path(config, &config->catalog_path, path, err);
    if (rc)
        return rc;
    config->catalog_backup = ls_strf("%s.backup", config->catalog_path);
    return config->catalog_backup ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc resolve_catalog(struct ls_config *config, struct ls_err *err)
{
    const char *url = config->catalog_url;
    if (!url)
        return LS_OK;
    const char *rest = after_scheme(url, "sqlite");
    if (rest && *rest && strncmp(rest, "//", 2) != 0)
        return set_catalog_path(config, rest, err);
    /* The rest of such a url is libpq's. It is never shown: somebody may have put a password into it. */
    config->catalog_is_pg = strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0;
    if (config->catalog_is_pg)
        return set_path(config, &config->catalog_backup, "lockstep-catalog.backup", err);
    if (strncmp(url, "postgres", 8) == 0)
        return ls_err_set(err, LS_INVALID, "catalog url: want postgresql://[USER@]HOST[:PORT]/DBNAME");
    return ls_err_set(err, LS_INVALID, "catalog url '%s': want sqlite:FILE or postgresql://…", url);
}

/* A cache of its own for each pair of store and catalog, so that two configs never share one by accident. */
static enum ls_rc default_cache_dir(struct ls_config *config, struct ls_err *err)
{
    if (config->mount_cache_dir)
        return LS_OK;
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    LS_AUTO(ls_free) char *base = NULL;
    if (xdg && *xdg == '/')
        base = strdup(xdg);
    else if (geteuid() == 0 || !home || *home != '/')
        base = strdup("/var/cache");
    else
        base = ls_strf("%s/.cache", home);
    const char *catalog = config->catalog_is_pg ? config->catalog_url : config->catalog_path;
    LS_AUTO(ls_free)
    char *what = ls_strf("%s\n%s\n%s", config->store_endpoint ? config->store_endpoint : "",
                         config->store_target ? config->store_target : "", catalog ? catalog : "");
    if (!base || !what)
        return ls_err_nomem(err);
    uint8_t digest[LS_SHA256_LEN];
    char hex[LS_SHA256_HEX];
    ls_sha256(what, strlen(what), digest);
    ls_hex(digest, sizeof digest, hex);
    config->mount_cache_dir = ls_strf("%s/lockstep/%.16s", base, hex);
    return config->mount_cache_dir ? LS_OK : ls_err_nomem(err);
}

static enum ls_rc resolve_serve(struct ls_config *config, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    if (!config->serve_cert != !config->serve_key)
        return ls_err_set(err, LS_INVALID, "%s: [serve] wants both cert and key, or none of them", config->path);
    config->serve_tokens_set = config->serve_tokens != NULL;
    if (!config->serve_tokens)
        rc = set_path(config, &config->serve_tokens, "lockstep.tokens", err);
    if (!rc && !config->serve_jobs)
        rc = set_path(config, &config->serve_jobs, "lockstep.jobs", err);
    return rc;
}

static enum ls_rc set_defaults(struct ls_config *config, struct ls_err *err)
{
    config->store_deadline_ms = 30000;
    config->store_connections = 32;
    config->catalog_busy_timeout_ms = 10000;
    config->catalog_deadline_ms = 30000;
    config->mount_cache_size_bytes = UINT64_C(4) << 30;
    config->scan_grace_ms = INT64_C(15) * 60 * 1000;
    config->scan_max_change_percent = 20;
    config->scan_trash_ms = INT64_C(7) * 86400 * 1000;
    config->scan_resume_ms = INT64_C(60) * 60 * 1000;
    config->scan_takeover_ms = INT64_C(30) * 1000;
    config->serve_drain_ms = 30000;
    config->serve_max_upload_bytes = UINT64_C(32) << 20;
    config->serve_max_events_bytes = UINT64_C(1) << 20;
    enum ls_rc rc = set_text(&config->store_region, "us-east-1", err);
    if (!rc)
        rc = set_text(&config->layout_path, "products/{product}/{weight}/{type}/{file}", err);
    if (!rc)
        rc = set_text(&config->serve_listen, "127.0.0.1:8420", err);
    if (rc)
        return rc;
    return set_words(config->layout_types, LS_CONFIG_TYPES_MAX, "type", "hero-card info-card other-images", err);
}

/* The file's absolute path and folder. The file need not exist, the folder must. */
static enum ls_rc set_place(struct ls_config *config, const char *path, struct ls_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    LS_AUTO(ls_free) char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder)
        return ls_err_nomem(err);
    config->dir = realpath(folder, NULL);
    if (!config->dir)
        return ls_err_errno(err, errno, "cannot find the folder of %s", path);
    config->path = ls_strf("%s/%s", strcmp(config->dir, "/") == 0 ? "" : config->dir, name);
    return config->path ? LS_OK : ls_err_nomem(err);
}

enum ls_rc ls_config_parse(const char *path, const char *text, struct ls_config **out_config, struct ls_err *err)
{
    LS_AUTO(ls_config) struct ls_config *config = calloc(1, sizeof *config);
    LS_AUTO(ls_free) char *copy = strdup(text);
    if (!config || !copy)
        return ls_err_nomem(err);
    struct reader reader = {.config = config};
    enum ls_rc rc = set_place(config, path, err);
    if (!rc)
        rc = set_defaults(config, err);
    if (!rc)
        rc = ls_ini_parse(path, copy, take_line, &reader, err);
    if (rc)
        return rc;
    rc = resolve_store(config, err);
    if (!rc)
        rc = resolve_catalog(config, err);
    if (rc)
        return ls_err_prefix(err, "%s: ", path), rc;
    rc = ls_config_map_check(config, err);
    if (rc)
        return rc;
    rc = default_cache_dir(config, err);
    if (!rc)
        rc = resolve_serve(config, err);
    if (rc)
        return rc;
    *out_config = LS_STEAL(config);
    return LS_OK;
}

static enum ls_rc load_file(const char *path, struct ls_config **out_config, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(LS_BUF_BODY);
    enum ls_rc rc = ls_read_file(path, &text, err);
    if (rc)
        return ls_err_prefix(err, "config: "), rc;
    if (memchr(text.data, '\0', text.len))
        return ls_err_set(err, LS_INVALID, "%s: is no text file", path);
    return ls_config_parse(path, text.data, out_config, err);
}

enum ls_rc ls_config_load(const char *path, struct ls_config **out_config, struct ls_err *err)
{
    if (!path)
        path = getenv("LOCKSTEP_CONFIG");
    if (path && *path)
        return load_file(path, out_config, err);

    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    LS_AUTO(ls_free) char *user = NULL;
    if (xdg && *xdg == '/')
        user = ls_strf("%s/lockstep/lockstep.conf", xdg);
    else
        user = ls_strf("%s/.config/lockstep/lockstep.conf", home ? home : "");
    if (!user)
        return ls_err_nomem(err);
    const char *const places[] = {"lockstep.conf", user, "/etc/lockstep/lockstep.conf"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], F_OK) == 0)
            return load_file(places[i], out_config, err);
    return ls_err_set(err, LS_NOT_FOUND,
                      "no config: looked for ./lockstep.conf, %s and /etc/lockstep/lockstep.conf; "
                      "name one with --config, or make one with `lockstep init`",
                      user);
}

void ls_config_free(struct ls_config *config)
{
    if (!config)
        return;
    free_words(config->layout_types);
    free_words(config->serve_hosts);
    ls_config_map_free(config);
    char *const owned[] = {config->path,
                           config->dir,
                           config->store_url,
                           config->store_target,
                           config->store_endpoint,
                           config->store_region,
                           config->store_public_url,
                           config->store_profile,
                           config->store_credentials,
                           config->store_ca_file,
                           config->catalog_url,
                           config->catalog_path,
                           config->layout_path,
                           config->catalog_backup,
                           config->mount_cache_dir,
                           config->mount_metrics,
                           config->serve_cert,
                           config->serve_jobs,
                           config->serve_key,
                           config->serve_listen,
                           config->serve_tokens};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    free(config);
}
