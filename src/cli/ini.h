/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading "[section]" and "key = value" lines, for the config file and for credentials files.
 *
 * Decides: sections, comments (a line that begins with '#' or ';', or what follows one of them after a blank), quotes
 * ("…" keeps blanks and '#'). Leaves to the caller: which sections and keys there are. Indentation means nothing; a key
 * may follow its section on the same line. Not inih: that one cuts lines at 200 bytes, which session tokens exceed, and
 * does not tell of text after a section or of empty sections. No state.
 */
#ifndef LOCKSTEP_CLI_INI_H
#define LOCKSTEP_CLI_INI_H

#include "lockstep/err.h"

struct ls_ini_line {
    const char *file; /* as given */
    unsigned line;    /* from 1 */
    const char *section;
    const char *key; /* NULL: the section begins */
    const char *value;
};

/* Called for each section and each key; strings live until it returns. Non-OK ends the parse with it. */
typedef enum ls_rc (*ls_ini_each)(void *ctx, const struct ls_ini_line *line, struct ls_err *err);

/* Parse text (changed in place); LS_INVALID names file and line. */
enum ls_rc ls_ini_parse(const char *file, char *text, ls_ini_each each, void *ctx, struct ls_err *err) LS_MUST_CHECK;

#endif
