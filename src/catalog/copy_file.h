/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of a backup: it has a name of its own until it is whole and durable, and replaces nothing.
 */
#ifndef LOCKSTEP_CATALOG_COPY_FILE_H
#define LOCKSTEP_CATALOG_COPY_FILE_H

#include "base/auto.h"
#include "lockstep/err.h"

struct ls_copy_file {
    const char *path; /* the name in the end; the caller's */
    char *temp;       /* the name until then, in the same folder */
    int fd;
};

/* Make the file, to be written to through its fd or its temporary name. LS_EXISTS when path is there already. */
enum ls_rc ls_copy_file_open(const char *path, struct ls_copy_file *out, struct ls_err *err) LS_MUST_CHECK;
/* Make it durable and give it its name. */
enum ls_rc ls_copy_file_publish(const struct ls_copy_file *file, struct ls_err *err) LS_MUST_CHECK;
/* Close it and take the temporary name away. */
void ls_copy_file_auto(struct ls_copy_file *file);

#endif
