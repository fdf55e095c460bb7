/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The config file: which one, what it says, defaults for what it does not say.
 *
 * Unknown sections and keys, doubled keys and bad values are errors with file and line. Paths in it count from its own
 * folder and are absolute once loaded. What the urls mean is decided here as far as their scheme; who builds what from
 * them is compose's business. A loaded config is read-only.
 */
#ifndef LOCKSTEP_CLI_CONFIG_H
#define LOCKSTEP_CLI_CONFIG_H

#include <stdint.h>

#include "base/auto.h"
#include "lockstep/err.h"
#include "lockstep/settle.h"

enum ls_store_scheme { LS_STORE_SCHEME_S3, LS_STORE_SCHEME_FILE };

#define LS_CONFIG_TYPES_MAX 64
#define LS_CONFIG_HOSTS_MAX 16

struct ls_mapping;

struct ls_config {
    char *path; /* of the file, absolute */
    char *dir;  /* its folder */

    char *store_url; /* as written; NULL when the file has none */
    enum ls_store_scheme store_scheme;
    char *store_target; /* bucket name, or the folder's absolute path */
    char *store_endpoint;
    char *store_region;
    char *store_public_url;  /* or NULL */
    char *store_profile;     /* or NULL */
    char *store_credentials; /* a file, or NULL */
    char *store_ca_file;     /* or NULL */
    int64_t store_deadline_ms;
    uint64_t store_connections;
    uint64_t store_part_bytes; /* 0 = the store's default */

    char *catalog_url;
    bool catalog_is_pg;         /* then the url is libpq's */
    char *catalog_path;         /* of the SQLite file, absolute */
    struct ls_mapping *mapping; /* of an application's tables, or NULL */
    char *catalog_backup;       /* what its backups are called, but for the time at their end */
    int64_t catalog_busy_timeout_ms;
    int64_t catalog_deadline_ms; /* PostgreSQL only */

    char *layout_path;
    char *layout_types[LS_CONFIG_TYPES_MAX + 1]; /* NULL-terminated */

    char *mount_cache_dir;
    uint64_t mount_cache_size_bytes;
    char *mount_metrics; /* file, or NULL */

    int64_t scan_grace_ms;
    uint64_t scan_ranges;             /* 0 = the scanner's default */
    unsigned scan_max_change_percent; /* 0: the count below holds */
    uint64_t scan_max_change_count;
    int64_t scan_trash_ms;
    int64_t scan_resume_ms, scan_takeover_ms; /* of shared scans */

    char *serve_listen;
    char *serve_hosts[LS_CONFIG_HOSTS_MAX + 1]; /* NULL-terminated; may be empty */
    char *serve_tokens;                         /* the file of tokens */
    bool serve_tokens_set;                      /* the config names it */
    int64_t serve_drain_ms;
    uint64_t serve_max_upload_bytes;
    uint64_t serve_max_events_bytes;
    char *serve_jobs;             /* a folder */
    char *serve_cert, *serve_key; /* both, or NULL */
    enum ls_settle_policy serve_events;

    enum ls_settle_policy settle_weight, settle_delete, settle_insert, settle_key;
};

/* Find and read it: `path` (--config), $LOCKSTEP_CONFIG, ./lockstep.conf, $XDG_CONFIG_HOME/lockstep/lockstep.conf,
 * /etc/lockstep/lockstep.conf. The first two must exist when given; LS_NOT_FOUND when there is none at all. */
enum ls_rc ls_config_load(const char *path, struct ls_config **out_config, struct ls_err *err) LS_MUST_CHECK;
/* Take the text instead of a file; `path` is where it would lie (its folder must exist). */
enum ls_rc ls_config_parse(const char *path, const char *text, struct ls_config **out_config, struct ls_err *err)
    LS_MUST_CHECK;
void ls_config_free(struct ls_config *config); /* takes NULL */
LS_AUTO_DEFINE(ls_config, struct ls_config *, ls_config_free)

/* "4G", "512M", "100k" or bytes. LS_INVALID with what was wrong. */
enum ls_rc ls_size_parse(const char *text, uint64_t *out_bytes, struct ls_err *err) LS_MUST_CHECK;
/* "20%" or a count. Exactly one output is set, the other is 0; "0" gives a percentage of 0 and a count of 0. */
enum ls_rc ls_max_change_parse(const char *text, unsigned *out_percent, uint64_t *out_count, struct ls_err *err)
    LS_MUST_CHECK;

#endif
