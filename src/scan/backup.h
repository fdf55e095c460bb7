/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The copy of the catalog that is made before anything is mended. */
#ifndef LOCKSTEP_SCAN_BACKUP_H
#define LOCKSTEP_SCAN_BACKUP_H

#include "lockstep/catalog.h"

#define LS_BACKUPS_KEPT 3

/* Copy the catalog to <path>-<time>, durably; older copies beside it are removed but for the newest LS_BACKUPS_KEPT. */
enum ls_rc ls_backup_make(struct ls_catalog *cat, const char *path, struct ls_err *err) LS_MUST_CHECK;

/* Is there a copy that was made in the last age_ms? */
bool ls_backup_younger(const char *path, int64_t age_ms);

#endif
