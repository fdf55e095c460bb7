/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From findings to a result. */
#ifndef LOCKSTEP_SCAN_CONCLUDE_H
#define LOCKSTEP_SCAN_CONCLUDE_H

#include "scan/scan_impl.h"

/* Spool the products that the catalog has rows of (NULL) or those among the named ones; those of keys are there
 * already. What cannot be read is an error in the spool. */
enum ls_rc ls_scan_add_products(struct ls_scan *scan, const char *const *products, struct ls_err *err) LS_MUST_CHECK;

/* Drop what an incomplete side says nothing about, pair moved ones, settle twins, fill the totals. */
enum ls_rc ls_scan_conclude(struct ls_scan *scan, struct ls_err *err) LS_MUST_CHECK;

/* Count what the mending options act on, and the kinds but synced. For conclude, and for findings that were read. */
enum ls_rc ls_scan_count(struct ls_scan *scan, struct ls_err *err) LS_MUST_CHECK;

#endif
