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

/* Write the time in a form that file names bear and that sorts. */
static void stamp_now(char out[LS_TIME_LEN])
{
    char iso[LS_TIME_LEN];
    char *to = out;
    ls_time_iso(ls_now_ns(), iso);
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

/* Remove all but the newest. What cannot be removed is only logged: the backup itself is there. */
static void prune(const char *path)
{
    LS_AUTO(ls_free) char *dir = strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;
    const char *base = slash ? slash + 1 : path;
    size_t base_len = strlen(base);
    if (!dir)
        return;
    LS_AUTO(ls_free) char *base_copy = strdup(base);
    if (slash)
        *slash = '\0';
    DIR *d = opendir(!slash ? "." : *dir ? dir : "/");
    char *names[1000];
    size_t n = 0;
    for (struct dirent *e; d && base_copy && n < sizeof names / sizeof names[0] && (e = readdir(d));) {
        if (strncmp(e->d_name, base_copy, base_len) != 0 || e->d_name[base_len] != '-' ||
            !is_stamp(e->d_name + base_len + 1))
            continue;
        names[n] = strdup(e->d_name);
        if (!names[n])
            break;
        n++;
    }
    qsort(names, n, sizeof names[0], newest_first);
    for (size_t i = 0; i < n; i++) {
        if (i >= LS_BACKUPS_KEPT && unlinkat(dirfd(d), names[i], 0) < 0)
            LS_LOG_WARN("scan", "backup-kept", {"name", ls_v_str(names[i])});
        free(names[i]);
    }
    if (d)
        closedir(d);
}

enum ls_rc ls_backup_make(struct ls_catalog *cat, const char *path, struct ls_err *err)
{
    char stamp[LS_TIME_LEN];
    stamp_now(stamp);
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
