/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checks that count themselves, and the small world in which each case renames: two fresh products, A and B.
 *
 * A path that begins with A or B lies in the case's own products; "^/x" is x at the mount's root, "./x" in the folder
 * of products, "!/x" outside the mount.
 */
#ifndef RENAME_CHECK_H
#define RENAME_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

#define PATH_SPACE 4096

enum kind { NOTHING, FILE_, EMPTY_FILE, EMPTY_FOLDER, FULL_FOLDER };

/* Where the mount is, and a folder outside it. */
extern const char *mount_at, *outside_at;

/* One check: a line "ok N - …" or "FAIL N - …". */
void check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Two errnos (0 = success) must be equal. */
void check_errno(int found, int wanted, const char *what);
/* The plan line and the total; the exit status. */
int check_end(void);
/* The test cannot go on: preparing the case failed. */
void give_up(const char *what, const char *path) __attribute__((noreturn));
const char *errno_name(int number);

/* The next case: products of its own. */
void next_world(void);
/* Where a template's path is; in one of a few static buffers. */
const char *at(const char *template);
/* Make what the kind says at a path, with the folders above it. A file's bytes are its mark, "mark" below. */
void make(const char *template, enum kind kind, const char *mark);
void make_folders(const char *path, bool last_too);
void write_file(const char *path, const char *bytes);
/* Does the file hold these bytes? */
bool holds(const char *path, const char *bytes);
/* What a full folder at this path has in it. */
const char *inside(const char *path);
bool there(const char *path, struct stat *st);
/* Does the folder above list the name? */
bool listed(const char *path);
/* rename(2) when flags is 0, renameat2(2) otherwise: 0 or the errno. */
int try_rename(const char *from, const char *to, unsigned flags);

void cases_files(void);
void cases_folders(void);
void cases_rights(void);
void cases_handles(void);
void cases_read_only(void);

#endif
