/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the tokens of the HTTP API are. */
#ifndef LOCKSTEP_CLI_TOKENS_FILE_H
#define LOCKSTEP_CLI_TOKENS_FILE_H

#include "cli/config.h"

/* What [serve] tokens names; else the systemd credential lockstep-tokens when there is one; else lockstep.tokens beside
 * the config. Heap; NULL when out of memory. */
char *ls_tokens_file(const struct ls_config *config);

#endif
