/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A stored finding as the public interface shows it. */
#ifndef LOCKSTEP_SCAN_RESULT_H
#define LOCKSTEP_SCAN_RESULT_H

#include "scan/scan_impl.h"

/* Where the texts that are made up for a finding live. */
struct ls_finding_text {
    char product[LS_KEY_MAX + 1];
    char detail[LS_KEY_MAX + 64];
};

/* Fill a finding that borrows from `stored` and `text`. */
void ls_finding_from(const struct ls_layout *layout, const struct ls_spool_finding *stored,
                     struct ls_finding_text *text, struct ls_finding *out);

#endif
