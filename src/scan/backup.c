/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The copy of the catalog that is made before anything is mended.
 *
 * Named <path>-20260102T030405.678Z. Only names of exactly this form are ever removed.
 */
#include "scan/backup.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#define FOUND_MOST 1000

/* Write a time in a form that file names bear and that sorts. */
static void write_stamp(int64_t ns, char out[LS_TIME_LEN])
{
    char iso[LS_TIME_LEN];
    char *to = out;
    ls_time_iso(ns, iso);
    for (const char *from = iso; *from; from++) {
        if (*from != '-' && *from != ':')
            *to++ = *from;
    }
    *to = '\0';
}

/* Is it 20260102T030405.678Z? */
static bool is_stamp(const char *text)
{
    static const char form[] = "00000000T000000.000Z"; /* 0 = any digit */
    if (strlen(text) != strlen(form))
        return false;
    for (size_t i = 0; text[i]; i++) {
        if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    }
    return true;
}

static int newest_first(const void *a, const void *b) { return strcmp(*(char *const *)b, *(char *const *)a); }

/* The backups beside a path. */
struct found {
    DIR *dir; /* or NULL */
    size_t stamp_at;
    char *names[FOUND_MOST]; /* newest first */
    size_t n;
};

static void found_auto(struct found *found)
{
    for (size_t i = 0; i < found->n; i++)
        free(found->names[i]);
    if (found->dir)
        closedir(found->dir);
}

/* What cannot be read is not found. */
static void find(const char *path, struct found *out)
{
    LS_AUTO(ls_free) char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    const char *base = slash ? path + (slash - folder) + 1 : path;
    size_t base_len = strlen(base);
    out->n = 0;
    out->stamp_at = base_len + 1;
    if (slash)
        *slash = '\0';
    out->dir = !folder ? NULL : opendir(!slash ? "." : *folder ? folder : "/");
    for (struct dirent *e; out->dir && out->n < FOUND_MOST && (e = readdir(out->dir));) {
        if (strncmp(e->d_name, base, base_len) != 0 || e->d_name[base_len] != '-' ||
            !is_stamp(e->d_name + out->stamp_at))
            continue;
        out->names[out->n] = strdup(e->d_name);
        if (!out->names[out->n])
            break;
        out->n++;
    }
    qsort(out->names, out->n, sizeof out->names[0], newest_first);
}

/* Remove all but the newest. What cannot be removed is only logged: the backup itself is there. */
static void prune(const char *path)
{
    LS_AUTO(found) struct found found;
    find(path, &found);
    for (size_t i = LS_BACKUPS_KEPT; i < found.n; i++)
        if (unlinkat(dirfd(found.dir), found.names[i], 0) < 0)
            LS_LOG_WARN("scan", "backup-kept", {"name", ls_v_str(found.names[i])});
}

bool ls_backup_younger(const char *path, int64_t age_ms)
{
    char oldest[LS_TIME_LEN], now[LS_TIME_LEN];
    LS_AUTO(found) struct found found;
    int64_t now_ns = ls_now_ns();
    write_stamp(now_ns - age_ms * LS_NS_PER_MS, oldest);
    write_stamp(now_ns, now);
    find(path, &found);
    for (size_t i = 0; i < found.n; i++) {
        const char *stamp = found.names[i] + found.stamp_at;
        if (strcmp(stamp, oldest) > 0 && strcmp(stamp, now) <= 0) /* one of the future comes from a wrong clock */
            return true;
    }
    return false;
}

enum ls_rc ls_backup_make(struct ls_catalog *cat, const char *path, struct ls_err *err)
{
    char stamp[LS_TIME_LEN];
    write_stamp(ls_now_ns(), stamp);
    LS_AUTO(ls_free) char *to = ls_strf("%s-%s", path, stamp);
    if (!to)
        return ls_err_nomem(err);
    enum ls_rc rc = cat->ops->backup(cat, to, err);
    if (rc) {
        if (err)
            ls_err_prefix(err, "sync: nothing was changed, because the catalog could not be backed up: ");
        return rc;
    }
    LS_LOG_INFO("scan", "backup", {"path", ls_v_str(to)});
    prune(path);
    return LS_OK;
}
