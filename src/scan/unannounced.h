/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Drift that no event announced. */
#ifndef LOCKSTEP_SCAN_UNANNOUNCED_H
#define LOCKSTEP_SCAN_UNANNOUNCED_H

#include "scan/scan_impl.h"

/* Fill totals.unannounced of a concluded scan that is recorded as `id`. That it cannot be counted is only said. */
void ls_scan_count_unannounced(struct ls_scan *scan, int64_t id);

#endif
