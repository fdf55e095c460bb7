/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Merges the listing of one range with the catalog's rows of it. */
#ifndef LOCKSTEP_SCAN_MERGE_H
#define LOCKSTEP_SCAN_MERGE_H

#include "scan/scan_impl.h"

/* Read both sides of a range and spool what needs a second look. What could not be read becomes an error in the spool,
 * a mark in the scan and LS_OK; other results (cancelled, the spool failed) end the scan. For many threads at once. */
enum ls_rc ls_merge_range(struct ls_scan *scan, const struct ls_range *range, struct ls_err *err) LS_MUST_CHECK;

#endif
