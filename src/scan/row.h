/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scan's own row in the catalog, for status and history. */
#ifndef LOCKSTEP_SCAN_ROW_H
#define LOCKSTEP_SCAN_ROW_H

#include "scan/scan_impl.h"

/* The row of a scan that begins now; products NULL = everything. */
void ls_scan_begin_row(const struct ls_scan *scan, const char *const *products, struct ls_scan_row *out);
/* Fill in what came out. */
void ls_scan_end_row(const struct ls_scan *scan, struct ls_scan_row *row);

#endif
