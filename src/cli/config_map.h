/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The config's sections [map.product], [map.variant] and [map.image]: an application's tables and columns.
 */
#ifndef LOCKSTEP_CLI_CONFIG_MAP_H
#define LOCKSTEP_CLI_CONFIG_MAP_H

#include "cli/config.h"
#include "cli/ini.h"

/* Is it a section of a mapping ("map.…")? */
bool ls_config_map_section(const char *section);
/* Take a section's beginning or a line of it; errors name file and line. */
enum ls_rc ls_config_map_line(struct ls_config *config, const struct ls_ini_line *line, struct ls_err *err)
    LS_MUST_CHECK;
/* After the last line: is the mapping whole, and the catalog one that can be attached to? */
enum ls_rc ls_config_map_check(struct ls_config *config, struct ls_err *err) LS_MUST_CHECK;
void ls_config_map_free(struct ls_config *config);

#endif
