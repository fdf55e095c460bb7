/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the renames of files and folders share with each other.
 */
#ifndef LOCKSTEP_ENGINE_RENAME_H
#define LOCKSTEP_ENGINE_RENAME_H

#include "engine/internal.h"

/* The record of a row whose object was copied; one that was unknown is made up from what the store said (or NULL). */
void ls_copied_record(struct ls_record *record, const struct ls_seen *seen, const char *etag, uint64_t size_bytes);
enum ls_rc ls_follow_settle(struct ls_run *run, struct ls_err *err) LS_MUST_CHECK; /* follow.c */
enum ls_rc ls_rename_folder_settle(struct ls_run *run, struct ls_err *err) LS_MUST_CHECK;

#endif
