/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What both back ends do when a role is taken, beside its lock.
 */
#ifndef LOCKSTEP_CATALOG_LEADER_H
#define LOCKSTEP_CATALOG_LEADER_H

#include "lockstep/catalog.h"

/* Raise the role's epoch and write down who has it now, in a transaction of its own. The caller holds the lock. */
enum ls_rc ls_leader_raise(struct ls_catalog *cat, enum ls_lead role, const char *instance, int64_t *out_epoch,
                           struct ls_err *err) LS_MUST_CHECK;

#endif
