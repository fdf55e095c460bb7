/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How many differences of each kind a scan found in each product, kept beside its findings. */
#ifndef LOCKSTEP_SCAN_TALLY_H
#define LOCKSTEP_SCAN_TALLY_H

#include "scan/scan_impl.h"

/* Count what the spool holds (it must be concluded) and write it to the catalog. Writing it twice does no harm. */
enum ls_rc ls_tally_write(struct ls_scan *scan, int64_t id, struct ls_err *err) LS_MUST_CHECK;

#endif
