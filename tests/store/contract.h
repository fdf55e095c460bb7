/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a store must provide to run the contract suite (test_store_contract.c): contract_file.c and contract_s3.c do.
 */
#ifndef LOCKSTEP_TESTS_STORE_CONTRACT_H
#define LOCKSTEP_TESTS_STORE_CONTRACT_H

#include "lockstep/store.h"

/* Open a new store over a new, created, empty container; the way in which it is wrapped is one of contract_ways. */
struct ls_store *contract_open(const char *way);
/* Open a store over a container that does not exist. */
struct ls_store *contract_open_missing(void);
/* NULL-terminated names of the ways that the suite is run. */
extern const char *const contract_ways[];
/* What an object's url begins with, slash included. */
const char *contract_url_prefix(void);
/* NULL, or the reason why nothing can be shown here. */
const char *contract_skip_reason(void);
/* Remove what contract_open made. */
void contract_clean_up(void);

#endif
